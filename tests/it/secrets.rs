//! Secrets and personal data of many kinds, from every source to everything that the program says: none of them comes through.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use rusqlite::{Connection, params};
use serde_json::{Value, json};

use crate::support::Repo;
use crate::support::errors::{Answer, Tracker};
#[cfg(feature = "postgres")]
use crate::support::postgres;
use crate::support::secrets::secrets;

const NOW: &str = "2026-11-22T08:00:00Z";
const AT: &str = "2026-11-22T07:00:00Z";
const TOKEN: &str = "0123456789abcdef0123456789abcdef01234567";
/// As the servers of the tests have it.
const READER_PASSWORD: &str = "hunter2-of-the-reader";

/// A repository whose policy names this source, and the values beside an error that hold secrets too.
fn repo(source: &str) -> Repo {
    let repo = Repo::empty();
    let policy = format!(
        "version: 1\nextends: [default, python]\nsources: [{source}]\ntriage: {{context: [extra.note, note]}}\nproof: {{runner: none}}\n"
    );
    repo.write("shop/cart.py", "def total(cart):\n    return sum(cart)\n")
        .write(".koan-guard.yaml", &policy)
        .commit("feat: a shop");
    repo
}

fn guard(repo: &Repo, args: &[&str]) -> String {
    let mut command: Command = repo.guard_command([]);
    command
        .args(args)
        .env("ERRORS_TOKEN", TOKEN)
        .env("READER_PASSWORD", READER_PASSWORD)
        .env("RUST_BACKTRACE", "full");
    repo.answer_of(&mut command)
}

/// The kinds of which something can be read in a text. Of a number of three digits nothing can be told.
#[track_caller]
fn check_clean(said: &str, what: &str) {
    for (text, secret) in secrets() {
        let escaped = secret.escape_debug().to_string();
        let is_there = secret.len() > 5 && (said.contains(&secret) || said.contains(&escaped));
        assert!(!is_there, "{what}: `{secret}` of `{text}` in\n{said}");
    }
    for secret in [TOKEN, READER_PASSWORD] {
        assert!(!said.contains(secret), "{what}: `{secret}` in\n{said}");
    }
}

/// Everything that the program says of a source that can be read; `n_briefs` of its errors one by one.
#[track_caller]
fn check_all(repo: &Repo, n_briefs: usize) {
    let markdown = guard(repo, &["extract", "--now", NOW, "--most", "1000"]);
    assert!(markdown.starts_with("exit: 0\n"), "{markdown}");
    check_clean(&markdown, "extract");
    let digest = guard(
        repo,
        &[
            "extract", "--now", NOW, "--most", "1000", "--format", "json",
        ],
    );
    check_clean(&digest, "extract --format json");
    check_clean(&guard(repo, &["extract", "--check"]), "extract --check");
    let names: Vec<&str> = digest
        .match_indices("\"fingerprint\": \"")
        .map(|(at, key)| {
            let from = at + key.len();
            &digest[from..from + 27]
        })
        .collect();
    assert!(names.len() >= 60, "{} errors in\n{digest}", names.len());
    for name in names.iter().step_by(names.len().div_ceil(n_briefs)) {
        for args in [
            ["brief", name, "--now", NOW],
            ["triage", "explain", name, "--now"],
        ] {
            let mut args = args.to_vec();
            if args[0] == "triage" {
                args.push(NOW);
            }
            let said = guard(repo, &args);
            assert!(said.starts_with("exit: 0\n"), "{said}");
            check_clean(&said, &args.join(" "));
        }
    }
    assert_eq!(
        repo.git(["for-each-ref", "--format=%(refname)"]),
        "refs/heads/main\n"
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn no_secret_leaves_a_log() {
    let repo = repo("{name: a, kind: jsonl, path: ../errors.jsonl}");
    let mut lines = String::new();
    for (n, (text, _)) in secrets().iter().enumerate() {
        let stack = format!(
            "E{n}: {text}\n    at f{n} (/srv/a.js:1:2)\n  [cause]: D: {text}\n      at g (/srv/a.js:1:2)"
        );
        let line = json!({
            "level": 50, "msg": text, "time": AT, "release": text, "env": text, "user_id": text, "note": text, "extra": {"note": text},
            "req": {"headers": text, "body": text}, "err": {"type": format!("E{n}"), "message": text, "stack": stack},
        });
        lines.push_str(&format!("{line}\n"));
    }
    fs::write(repo.beside("errors.jsonl"), lines).expect("a log");
    check_all(&repo, 12);
    let raw: String = secrets()
        .iter()
        .map(|(text, _)| format!("{}\n", text.replace('\n', " ")))
        .collect();
    fs::write(repo.beside("errors.jsonl"), raw.replace('{', "[")).expect("a log");
    let said = guard(&repo, &["extract", "--now", NOW]);
    assert!(said.starts_with("exit: 2\n"), "{said}");
    check_clean(&said, "a log that is none");
}

#[test]
fn no_secret_leaves_a_database() {
    let repo = repo("{name: a, kind: sqlite, path: ../errors.sqlite3, table: errors}");
    let path = repo.beside("errors.sqlite3");
    let writer = Connection::open(&path).expect("a database");
    writer
        .execute_batch("CREATE TABLE errors(id INTEGER PRIMARY KEY, class TEXT, message TEXT, backtrace TEXT, release TEXT, env TEXT, user_id TEXT, created_at TEXT)")
        .expect("a table");
    for (n, (text, _)) in secrets().iter().enumerate() {
        let stack = format!("a.rb:1:in `f{n}'");
        writer
            .execute(
                "INSERT INTO errors(class, message, backtrace, release, env, user_id, created_at) VALUES (?1, ?2, ?3, ?2, ?2, ?2, '2026-11-22 07:00:00')",
                params![format!("E{n}"), text, stack],
            )
            .expect("a row");
    }
    drop(writer);
    check_all(&repo, 6);
    let all: String = secrets().into_iter().map(|(text, _)| text).collect();
    fs::write(&path, format!("SQLite format 3\0{all}").repeat(3)).expect("a file");
    let said = guard(&repo, &["extract", "--now", NOW]);
    assert!(!said.starts_with("exit: 0\n"), "{said}");
    check_clean(&said, "a damaged database");
}

#[test]
#[cfg(feature = "postgres")]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn no_secret_leaves_a_server_of_databases() {
    let server = postgres::database("secrets");
    let source = format!(
        "{{name: a, kind: postgres, url: 'postgres://reader@127.0.0.1:{}/secrets', password_env: READER_PASSWORD, table: errors}}",
        server.port
    );
    let repo = repo(&source);
    let mut sql = String::from(
        "CREATE TABLE errors(id serial, class text, message text, backtrace text, release text, env text, user_id text, created_at timestamptz);
         GRANT SELECT ON errors TO reader;\n",
    );
    for (n, (text, _)) in secrets().iter().enumerate() {
        let text = format!("'{}'", text.replace('\'', "''"));
        sql.push_str(&format!(
            "INSERT INTO errors(class, message, backtrace, release, env, user_id, created_at)
             VALUES ('E{n}', {text}, 'a.rb:1:in `f{n}''', {text}, {text}, {text}, '2026-11-22 07:00:00Z');\n"
        ));
    }
    server.sql("secrets", &sql);
    check_all(&repo, 6);
    // Nothing of it is a time.
    server.sql(
        "secrets",
        "ALTER TABLE errors RENAME created_at TO at; ALTER TABLE errors RENAME message TO created_at;",
    );
    let said = guard(&repo, &["extract", "--now", NOW]);
    assert!(said.contains("without a time that can be read"), "{said}");
    check_clean(&said, "a column that is no time");
}

/// What `run` says, what it gives to the agent, and every object that it leaves in the repository.
#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn no_secret_stays_in_a_trace() {
    let repo = repo("{name: a, kind: jsonl, path: ../errors.jsonl}");
    let policy = fs::read_to_string(repo.root.join(".koan-guard.yaml")).expect("a policy");
    repo.write(".koan-guard.yaml", &policy.replace("none", "unittest"))
        .commit("chore: a runner");
    let mut lines = String::new();
    for (n, (text, _)) in secrets().iter().enumerate() {
        let trace = format!(
            "Traceback (most recent call last):\n  File \"shop/cart.py\", line 2, in total\n    return sum(cart)\nE{n}: {text}"
        );
        for hour in 1..=6 {
            let line = json!({
                "level": "error", "event": text, "timestamp": format!("2026-11-22T0{hour}:00:00Z"), "note": text,
                "user_id": format!("{text} {hour}"), "exception": trace,
            });
            lines.push_str(&format!("{line}\n"));
        }
    }
    fs::write(repo.beside("errors.jsonl"), lines).expect("a log");
    let agent = repo.beside("agent.sh");
    fs::write(&agent, "#!/bin/sh\ncat >prompt.txt\ncat prompt.txt\n").expect("a script");
    fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).expect("a mode");
    let agent = agent.to_str().expect("UTF-8");
    let said = guard(
        &repo,
        &[
            "run",
            "--now",
            NOW,
            "--max",
            "5",
            "--attempts",
            "1",
            "--agent",
            agent,
        ],
    );
    check_clean(&said, "run");
    let mut git = repo.command("git", &repo.root);
    let objects = git
        .args(["cat-file", "--batch-all-objects", "--batch", "--buffer"])
        .output();
    let objects = String::from_utf8_lossy(&objects.expect("git").stdout).into_owned();
    assert!(
        objects.contains("is an instruction"),
        "no prompt in\n{said}"
    );
    check_clean(&objects, "the objects of the repository");
    let refs = repo.git(["for-each-ref", "--format=%(refname)"]);
    assert!(refs.contains("refs/koan/triage"), "{refs}\n{said}");
}

/// Issues of Sentry, and their events, one for each secret.
fn sentry(path: &str) -> Value {
    let all = secrets();
    if !path.contains("/events/latest/") {
        let issue = |(n, (text, _)): (usize, &(String, String))| {
            json!({
                "id": n.to_string(), "title": text, "culprit": text, "level": "error", "status": "unresolved", "count": "7",
                "firstSeen": AT, "lastSeen": AT, "metadata": {"value": text},
            })
        };
        return all.iter().enumerate().map(issue).collect();
    }
    let n = path
        .split("/issues/")
        .nth(1)
        .and_then(|rest| rest.split('/').next());
    let n: usize = n.and_then(|n| n.parse().ok()).expect("an issue");
    let text = &all[n].0;
    let frame = json!({"filename": "shop/cart.py", "function": format!("f{n}"), "lineNo": 1, "inApp": true, "vars": {"x": text}, "context": [[1, text]]});
    json!({
        "eventID": format!("{n:032x}"), "message": text, "user": {"email": text, "id": text}, "extra": {"note": text}, "contexts": {"x": {"y": text}},
        "release": {"version": text}, "tags": [{"key": "environment", "value": text}, {"key": "url", "value": text}],
        "entries": [
            {"type": "exception", "data": {"values": [
                {"type": "Cause", "value": text, "stacktrace": {"frames": []}},
                {"type": format!("E{n}"), "value": text, "stacktrace": {"frames": [frame]}},
            ]}},
            {"type": "breadcrumbs", "data": {"values": [{"message": text}]}},
            {"type": "request", "data": {"url": text, "headers": [["Cookie", text]]}},
        ],
    })
}

/// The same as Bugsink has them.
fn bugsink(path: &str) -> Value {
    let all = secrets();
    if path.contains("/issues/") {
        let issue = |(n, (text, _)): (usize, &(String, String))| json!({"id": format!("i{n}"), "calculated_type": "E", "calculated_value": text, "transaction": text, "digested_event_count": 3, "first_seen": AT, "last_seen": AT});
        let results: Value = all.iter().enumerate().map(issue).collect();
        return json!({"next": null, "previous": null, "results": results});
    }
    let n = path
        .rsplit(['i', 'e', '/', '&'])
        .find_map(|part| part.parse::<usize>().ok());
    let n = n.expect("a number");
    if path.contains("?issue=") {
        return json!({"next": null, "results": [{"id": format!("e{n}")}]});
    }
    let text = &all[n].0;
    let frame = json!({"filename": "shop/cart.py", "function": format!("f{n}"), "lineno": 1, "in_app": true, "vars": {"x": text}, "context_line": text});
    json!({"id": format!("e{n}"), "event_id": format!("{n:032x}"), "data": {
        "level": "error", "release": text, "environment": text, "user": {"email": text}, "extra": {"note": text}, "request": {"url": text, "cookies": text},
        "breadcrumbs": {"values": [{"message": text}]}, "tags": {"x": text},
        "exception": {"values": [{"type": format!("E{n}"), "value": text, "stacktrace": {"frames": [frame]}}]},
    }})
}

fn ok(value: &Value) -> Answer {
    (200, String::new(), value.to_string())
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn no_secret_leaves_a_server() {
    let server = Tracker::start(|_, path| ok(&sentry(path)));
    let source = format!(
        "{{name: a, kind: sentry, url: '{}', org: acme, project: shop, token_env: ERRORS_TOKEN}}",
        server.url
    );
    check_all(&repo(&source), 2);
    let server = Tracker::start(|_, path| ok(&bugsink(path)));
    let source = format!(
        "{{name: a, kind: sentry, url: '{}', project: '1', token_env: ERRORS_TOKEN}}",
        server.url
    );
    check_all(&repo(&source), 2);
    assert!(
        server.methods().iter().all(|method| method == "GET"),
        "{:?}",
        server.methods()
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn no_secret_stands_in_what_is_said_of_a_server_that_fails() {
    let all: String = secrets().into_iter().map(|(text, _)| text).collect();
    for (status, headers) in [
        (400, ""),
        (401, ""),
        (403, ""),
        (404, ""),
        (418, ""),
        (302, "Location: https://u:hunter2hunter2@evil.invalid/\r\n"),
        (200, ""),
    ] {
        let body = all.clone();
        let server = Tracker::start(move |_, _| (status, headers.to_owned(), body.clone()));
        let source = format!(
            "{{name: a, kind: sentry, url: '{}', org: acme, project: shop, token_env: ERRORS_TOKEN}}",
            server.url
        );
        let said = guard(&repo(&source), &["extract", "--now", NOW]);
        assert!(!said.starts_with("exit: 0\n"), "{status}: {said}");
        check_clean(&said, &format!("an answer {status}"));
    }
}

/// A server whose certificate nobody vouches for, which notes every byte that comes through the encryption.
const TLS: &str = r#"
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    plain, _ = listener.accept()
    try:
        with context.wrap_socket(plain, server_side=True) as stream:
            heard = stream.recv(65536)
            with open(sys.argv[3], "ab") as log:
                log.write(heard)
            stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
    except OSError:
        pass
"#;

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_server_with_a_certificate_of_its_own_is_told_nothing() {
    let place = Repo::empty();
    let [key, certificate, heard] =
        ["key.pem", "certificate.pem", "heard"].map(|name| place.beside(name));
    let mut openssl = place.command("openssl", &place.home());
    openssl.args([
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=127.0.0.1",
    ]);
    openssl
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate);
    let made = place.answer_of(&mut openssl);
    assert!(
        made.starts_with("exit: 0\n"),
        "run this by tests/run.sh, which installs openssl: {made}"
    );
    let mut python = place.command("python3", &place.home());
    python
        .args(["-c", TLS])
        .arg(&certificate)
        .arg(&key)
        .arg(&heard);
    let mut server = python
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("python3");
    let mut port = String::new();
    let out = server.stdout.take().expect("a pipe");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut port).expect("a port");
    let source = format!(
        "{{name: a, kind: sentry, url: 'https://127.0.0.1:{}', org: acme, project: shop, token_env: ERRORS_TOKEN}}",
        port.trim()
    );
    let said = guard(&repo(&source), &["extract", "--now", NOW]);
    server.kill().expect("kill");
    server.wait().expect("wait");
    assert!(said.starts_with("exit: 3\n"), "{said}");
    assert!(said.to_lowercase().contains("certificate"), "{said}");
    check_clean(&said, "a wrong certificate");
    assert!(!heard.exists(), "{:?}", fs::read_to_string(&heard));
}
