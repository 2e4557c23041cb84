//! What became of fixes in production, and who is told.

use std::fs;

use jiff::Timestamp;
use koan_guard::git;
use koan_guard::issue::Fingerprint;
use koan_guard::tracker::{Hand, Tracker, Wish};
use serde_json::json;

use crate::support::Repo;
use crate::support::errors::Tracker as Server;

const NOW: &str = "2026-11-22T08:00:00Z";

/// An error of `shop/cart.py`, or of another place.
fn line(function: &str, release: &str, at: &str) -> String {
    let stack = format!(
        "Traceback (most recent call last):\n  File \"/srv/shop/shop/cart.py\", line 2, in {function}\n    return 1\nKeyError: 'price'"
    );
    let line = json!({"level": "error", "event": "failed", "timestamp": at, "exception": stack, "release": release});
    format!("{line}\n")
}

/// A shop at 1.1, which has a fix that 1.0 has not. In 1.0 it failed five times a day until 1.1 came.
fn shop() -> (Repo, String) {
    let repo = Repo::empty();
    repo.git(["config", "user.name", "Digest"]);
    repo.git(["config", "user.email", "digest@example.com"]);
    let policy = "version: 1\nextends: [default, python]\nsources: [{name: log, kind: jsonl, path: ../log.jsonl, app_root: [/srv/shop/]}]\nproof: {runner: none}\n";
    repo.write(
        "shop/cart.py",
        "def total(cart):\n    return cart[\"price\"]\n",
    )
    .write(".koan-guard.yaml", policy)
    .commit("feat: a shop");
    repo.git(["tag", "v1.0"]);
    repo.write(
        "shop/cart.py",
        "def total(cart):\n    return cart.get(\"price\", 0)\n",
    )
    .commit("fix: a cart without a price");
    repo.git(["tag", "v1.1"]);
    let mut log = String::new();
    for day in 1..18 {
        for hour in 9..14 {
            log += &line(
                "total",
                "1.0",
                &format!("2026-11-{day:02}T{hour:02}:00:00Z"),
            );
        }
    }
    log += &line("refund", "shop@1.1", "2026-11-18T08:00:00Z");
    log += &line("refund", "shop@1.1", "2026-11-21T08:00:00Z");
    fs::write(repo.beside("log.jsonl"), log).expect("a log");
    let digest = repo.guard([
        "extract",
        "--now",
        "2026-11-17T00:00:00Z",
        "--format",
        "json",
    ]);
    let at = digest.find("k1:").expect("a fingerprint");
    let name = digest[at..at + 27].to_owned();
    let opened = git::Repo::open(&repo.root).expect("open");
    let at: Timestamp = "2026-11-16T08:00:00Z".parse().expect("a time");
    let tracker = Tracker::open(&opened, None, at).expect("open");
    let wish = Wish::Fixed {
        commit: repo.git(["rev-parse", "v1.1"]).trim().to_owned(),
    };
    let issue = Fingerprint::parse(&name).expect("a fingerprint");
    tracker.act(&issue, &wish, &Hand::default()).expect("fixed");
    (repo, name)
}

fn more(repo: &Repo, line: &str) {
    let log = fs::read_to_string(repo.beside("log.jsonl")).expect("a log");
    fs::write(repo.beside("log.jsonl"), log + line).expect("a log");
}

/// That an answer has these parts, with names for what differs from run to run.
#[track_caller]
fn check(answer: &str, name: &str, parts: &[&str]) {
    let commit = regex::Regex::new(r"\b[0-9a-f]{40}\b|\b[0-9a-f]{10}\b").expect("a pattern");
    let plain = answer.replace(name, "[issue]");
    let plain = commit.replace_all(&plain, "[commit]");
    for part in parts {
        assert!(plain.contains(part), "no `{part}` in\n{plain}");
    }
}

#[test]
fn a_fix_holds_by_what_should_have_been_seen() {
    let (repo, name) = shop();
    check(
        &repo.guard(["triage", "verify", "--now", NOW]),
        &name,
        &[
            "exit: 0",
            "held       [issue]  [commit]: 0 seen, 20 expected at the old rate in 4 days",
            "1 fix: 1 held",
        ],
    );
    assert_eq!(repo.git(["for-each-ref", "refs/notes"]), "");
    let early = repo.guard(["triage", "verify", "--now", "2026-11-18T10:00:00Z"]);
    check(
        &early,
        &name,
        &["exit: 0", "unknown    [issue]", "the source may be silent"],
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn what_comes_back_in_a_release_with_the_fix_is_open_again_and_the_fix_is_marked() {
    let (repo, name) = shop();
    more(&repo, &line("total", "1.0", "2026-11-21T09:00:00Z"));
    let old = repo.guard(["triage", "verify", "--now", NOW]);
    check(
        &old,
        &name,
        &["exit: 0", "1 seen since, in releases without the fix"],
    );
    more(&repo, &line("total", "1.1", "2026-11-21T10:00:00Z"));
    more(&repo, &line("total", "1.1", "2026-11-21T11:00:00Z"));
    let back = "regressed  [issue]  [commit]: seen in release `1.1`, which has the fix";
    let dry = repo.guard(["triage", "verify", "--now", NOW, "--dry-run"]);
    check(&dry, &name, &["exit: 1", back]);
    check(
        &repo.guard(["triage", "show", &name]),
        &name,
        &["\nfixed: [issue]"],
    );
    check(
        &repo.guard(["triage", "verify", "--now", NOW]),
        &name,
        &["exit: 1", back],
    );
    check(
        &repo.guard(["triage", "show", &name]),
        &name,
        &["\nregressed: [issue]"],
    );
    let note = repo.git(["notes", "--ref=koan", "show", "v1.1"]);
    check(&note, &name, &["urn:koan-guard:regression:v1", "[issue]"]);
    let explained = repo.guard(["triage", "explain", &name, "--now", NOW]);
    check(&explained, &name, &["regressed  x 1.15 + 3", "act: yes"]);
    let brief = repo.guard(["brief", &name, "--now", NOW]);
    check(
        &brief,
        &name,
        &["came back in release `1.1`", "brief `sha256:"],
    );
}

#[test]
fn a_brief_says_between_which_releases_an_error_came_in() {
    let (repo, _) = shop();
    let recent = [
        "extract", "--now", NOW, "--since", "25h", "--format", "json",
    ];
    let digest = repo.guard(recent);
    let at = digest.find("k1:").expect("a fingerprint");
    let name = &digest[at..at + 27];
    check(
        &repo.guard(["brief", name, "--now", NOW]),
        name,
        &[
            "They lie between release `v1.0`, which did not have it, and `shop@1.1`, the first that did.",
            "the line itself in `shop/cart.py`: `fix: a cart without a price`",
        ],
    );
}

#[test]
fn what_nobody_can_map_is_never_acted_on() {
    let (repo, name) = shop();
    more(&repo, &line("total", "7.7", "2026-11-21T10:00:00Z"));
    more(&repo, &line("total", "7.7", "2026-11-21T11:00:00Z"));
    let explained = repo.guard(["triage", "explain", &name, "--now", NOW]);
    let why = "no: it may have come back after its fix: release `7.7` is no commit";
    check(
        &explained,
        &name,
        &["maybe-regressed x 1.05", "act: no", why],
    );
    let verified = repo.guard(["triage", "verify", "--now", NOW]);
    check(&verified, &name, &["exit: 0", "unknown    [issue]"]);
    check(
        &repo.guard(["triage", "show", &name]),
        &name,
        &["\nfixed: [issue]"],
    );
}

/// The issue of a server, whose newest event crashes in the same place as the log's.
fn answer(method: &str, path: &str) -> (u16, String, String) {
    let body = match (method, path.contains("/events/latest/")) {
        ("GET", false) => json!([{
            "id": "77", "title": "KeyError", "level": "error", "status": "unresolved", "count": "7",
            "firstSeen": "2026-11-10T08:00:00Z", "lastSeen": "2026-11-16T08:00:00Z",
        }]),
        ("GET", true) => json!({
            "eventID": "ab12", "release": {"version": "1.0"},
            "entries": [{"type": "exception", "data": {"values": [{"type": "KeyError", "value": "'price'", "stacktrace": {"frames": [
                {"filename": "shop/cart.py", "function": "total", "lineNo": 2, "inApp": true},
            ]}}]}}],
        }),
        _ => json!({}),
    };
    (200, String::new(), body.to_string())
}

#[test]
fn a_server_is_told_by_a_door_of_its_own() {
    let (repo, name) = shop();
    let server = Server::start(answer);
    let policy = format!(
        "version: 1\nextends: [default, python]\nsources:\n  - {{name: log, kind: jsonl, path: ../log.jsonl, app_root: [/srv/shop/]}}\n  - {{name: sentry, kind: sentry, url: '{}', org: acme, project: shop, token_env: READ_TOKEN}}\ntriage: {{publish: {{source: sentry, token_env: WRITE_TOKEN}}}}\nproof: {{runner: none}}\n",
        server.url
    );
    repo.write(".koan-guard.yaml", &policy)
        .commit("chore: a server");
    let guard = |args: &[&str]| {
        let mut command = repo.guard_command([]);
        command
            .args(args)
            .env("READ_TOKEN", "reads")
            .env("WRITE_TOKEN", "writes");
        repo.answer_of(&mut command)
    };
    let args = ["triage", "publish", &name, "--now", NOW];
    assert!(guard(&["extract", "--now", NOW]).starts_with("exit: 0\n"));
    assert!(
        server.methods().iter().all(|method| method == "GET"),
        "{:?}",
        server.methods()
    );
    check(
        &guard(&args),
        &name,
        &[
            "exit: 0",
            "resolved: [issue], 1 of the server's, by [commit]",
        ],
    );
    let requests = server.requests.lock().expect("requests").clone();
    for request in &requests {
        let token = match request.starts_with("GET ") {
            true => "Bearer reads\r\n",
            false => "Bearer writes\r\n",
        };
        assert!(request.contains(token), "{request}");
    }
    let writes: Vec<&str> = requests
        .iter()
        .filter(|request| !request.starts_with("GET "))
        .map(|request| request.split(" HTTP").next().unwrap_or(""))
        .collect();
    assert_eq!(
        writes,
        [
            "POST /api/0/organizations/acme/issues/77/comments/",
            "PUT /api/0/organizations/acme/issues/77/",
        ]
    );
    // What came back is not called fixed, and without the token for it nothing is.
    more(&repo, &line("total", "1.1", "2026-11-21T10:00:00Z"));
    let said = guard(&args);
    assert!(
        said.starts_with("exit: 1\n") && said.contains("not resolved: "),
        "{said}"
    );
    assert_eq!(
        server
            .methods()
            .iter()
            .filter(|method| *method == "PUT")
            .count(),
        1
    );
}

/// Bugsink as it answers to whoever resolves what is resolved.
fn bugsink(method: &str, path: &str) -> (u16, String, String) {
    let body = match (method, path) {
        ("GET", path) if path.contains("/events/e1/") => {
            json!({"id": "e1", "timestamp": "2026-11-16T08:00:00Z", "data": {
                "timestamp": "2026-11-16T08:00:00Z", "exception": {"values": [{"type": "KeyError", "value": "'price'", "stacktrace": {"frames": [
                    {"filename": "shop/cart.py", "function": "total", "lineno": 2, "in_app": true},
                ]}}]}},
            })
        }
        ("GET", path) if path.contains("/events/") => {
            json!({"results": [{"id": "e1", "timestamp": "2026-11-16T08:00:00Z"}], "next": null})
        }
        ("GET", _) => json!({"results": [{
            "id": "i1", "calculated_type": "KeyError", "calculated_value": "'price'", "digested_event_count": 7, "stored_event_count": 7,
            "first_seen": "2026-11-10T08:00:00Z", "last_seen": "2026-11-16T08:00:00Z", "is_resolved": true, "is_muted": false,
        }], "next": null}),
        ("POST", path) if path.ends_with("/resolve/") => {
            let detail = json!({"detail": "Issue is already resolved."});
            return (400, String::new(), detail.to_string());
        }
        _ => json!({}),
    };
    (200, String::new(), body.to_string())
}

#[test]
fn what_is_resolved_already_is_no_error() {
    let (repo, name) = shop();
    let server = Server::start(bugsink);
    let policy = format!(
        "version: 1\nextends: [default, python]\nsources:\n  - {{name: log, kind: jsonl, path: ../log.jsonl, app_root: [/srv/shop/]}}\n  - {{name: bugsink, kind: sentry, url: '{}', project: '1', token_env: READ_TOKEN}}\ntriage: {{publish: {{source: bugsink, token_env: WRITE_TOKEN}}}}\nproof: {{runner: none}}\n",
        server.url
    );
    repo.write(".koan-guard.yaml", &policy)
        .commit("chore: a server");
    let mut command = repo.guard_command(["triage", "publish", &name, "--now", NOW]);
    command
        .env("READ_TOKEN", "reads")
        .env("WRITE_TOKEN", "writes");
    check(
        &repo.answer_of(&mut command),
        &name,
        &[
            "exit: 0",
            "resolved: [issue], 1 of the server's, by [commit]",
        ],
    );
}
