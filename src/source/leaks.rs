//! Secrets and personal data of many kinds through every source: none of them leaves it, neither in a reading nor in an error.

use std::io::BufReader;

use rusqlite::{Connection, params};
use serde_json::json;

use super::{Filter, Settings, Window, jsonl, sqlite};
use crate::policy::TableConfig;

/// What a text holds, and the part of it that must not come through. Put together here, so that no scanner takes this file for a leak.
fn secrets() -> Vec<(String, String)> {
    let hex = "9f86d081884c7d659a2feaa0c55ad015";
    let word = "q8Zt3LwX0vR5nK2yB7cF4hJ9mD6sG1aP";
    let long = format!("{word}{word}");
    let form = |form: &str, secret: &str| (form.replace("{}", secret), secret.to_owned());
    let mut all = Vec::new();
    // Tokens by their form.
    for (start, rest) in [
        ("AK|IA", "IOSFODNN7EXAMPLE"),
        ("AS|IA", "IOSFODNN7EXAMPLE"),
        ("gh|p_", word),
        ("gh|o_", word),
        ("gh|s_", word),
        ("gh|u_", word),
        ("github|_pat_", &long),
        ("gl|pat-", word),
        ("gl|rt-", word),
        ("xo|xb-", "1234-5678-abcdefgh"),
        ("xo|xp-", "1234-5678-abcdefgh"),
        ("xa|pp-", "1-A01-abcdefgh"),
        ("sk|_live_", word),
        ("rk|_live_", word),
        ("sk|_test_", word),
        ("wh|sec_", word),
        ("s|k-", word),
        ("sk|-proj-", word),
        ("sk|-ant-api03-", word),
        ("AI|za", &long),
        ("ya|29.", word),
        ("GO|CSPX-", word),
        ("np|m_", &long),
        ("py|pi-", &long),
        ("h|f_", word),
        ("dop|_v1_", hex),
        ("shp|at_", hex),
        ("S|G.", &format!("{word}.{word}")),
        ("A|C", hex),
        ("S|K", hex),
        ("sntry|s_", &long),
        ("sntry|u_", hex),
        ("M", &format!("{word}.abcdef.{word}")),
        ("123456789:|AA", word),
        ("hv|s.", word),
        ("da|pi", hex),
        ("lin|_api_", word),
        ("ntn|_", word),
        ("fig|d_", word),
        ("dckr|_pat_", word),
        ("sb|p_", hex),
        ("sq0|atp-", word),
        ("NR|AK-", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0"),
        ("HR|KU-", word),
        ("key|-", hex),
        ("AGE-SECRET|-KEY-1", "QQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"),
    ] {
        let token = format!("{}{rest}", start.replace('|', ""));
        all.push(form("token {} refused", &token));
    }
    // By what stands before them.
    let password = "hunter2hunter2";
    for text in [
        "login password={}",
        "{\"password\": \"{}\"}",
        "passwd: {}",
        "PGPASSWORD={}",
        "secret_key={}",
        "client_secret: '{}'",
        "api_key={}",
        "apikey: {}",
        "X-Api-Key: {}",
        "Authorization: Token {}",
        "Authorization: Basic {}",
        "Proxy-Authorization: Digest {}",
        "Cookie: id={}",
        "Set-Cookie: sid={}; Path=/",
        "GET /cb?access_token={}&x=1",
        "refresh_token={}",
        "auth_token: {}",
        "private_key={}",
        "credentials={}",
        "JSESSIONID={}",
        "PHPSESSID={}",
        "sessionid={}",
        "csrf_token={}",
        "xsrf-token: {}",
        "token={}",
        "AccountKey={}",
        "sig={}",
        "postgres://app:{}@db/shop",
        "mysql://root:{}@10.0.0.1/x",
        "redis://:{}@cache:6379",
        "mongodb+srv://u:{}@c.example/x",
        "amqp://u:{}@mq",
        "https://u:{}@example.org/x",
        "https://{}@errors.example/4",
        "passphrase: {}",
        "encryption_key={}",
        "body password%3D{}",
    ] {
        all.push(form(text, password));
    }
    all.push(form(
        "aws_secret_access_key {}",
        &format!("wJalrXUtnFEMI/K7MDENG/{}", "bPxRfiCYEXAMPLEKEY"),
    ));
    all.push(form("got Bearer {}", "abcd1234efgh5678"));
    all.push(form("hash {}", hex));
    let jwt = format!(
        "{}.{}.{}",
        "eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxIn0", "abc-def_123"
    );
    all.push(form("jwt {}", &jwt));
    for kind in ["RSA PRIVATE", "OPENSSH PRIVATE", "EC PRIVATE", "PRIVATE"] {
        all.push((
            format!("-----BEGIN {kind} KEY-----\nMIIEhunter2\n-----END {kind} KEY-----"),
            "MIIEhunter2".to_owned(),
        ));
    }
    all.push((
        format!("-----BEGIN PGP {} BLOCK-----\nMIIEhunter2", "PRIVATE KEY"),
        "MIIEhunter2".to_owned(),
    ));
    all.push(form(
        "https://hooks.slack.com/services/{}",
        "T000/B000/XXXX",
    ));
    all.push(form("https://discord.com/api/webhooks/{}", "123/abc"));
    // People.
    for (text, secret) in [
        ("no user {}", "Ada.L+x@mail.example.org"),
        ("card {} declined", "4111 1111 1111 1111"),
        ("card {}", "5500005555555559"),
        ("card {}", "378282246310005"),
        ("iban {}", "DE89 3704 0044 0532 0130 00"),
        ("from {}", "203.0.113.9"),
        ("from {}", "2001:db8:85a3::8a2e:370:7334"),
        ("nic {}", "00:1b:44:11:3a:b7"),
        ("call {}", "+49 30 1234 5678"),
        ("ssn {}", "078-05-1120"),
        ("cvv: {}", "737"),
        ("open /home/{}/x.csv", "adalovelace"),
        ("open /Users/{}/x.csv", "adalovelace"),
        (r"open C:\Users\{}\x.csv", "adalovelace"),
    ] {
        all.push(form(text, secret));
    }
    all
}

fn filter() -> Filter {
    let now = "2026-11-22T08:00:00Z".parse().expect("a time");
    Filter::all(Window::days_before(now, 14).expect("a window"))
}

/// Those that can be seen in a text.
fn seen(text: &str) -> Vec<String> {
    let all = secrets().into_iter();
    all.filter(|(_, secret)| {
        text.contains(secret) || text.contains(&secret.escape_debug().to_string())
    })
    .map(|(text, _)| text)
    .collect()
}

#[test]
fn there_are_many_kinds() {
    assert!(secrets().len() >= 60, "{}", secrets().len());
}

#[test]
fn no_secret_leaves_a_database() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.sqlite3");
    let writer = Connection::open(&path).expect("a database");
    writer
        .execute_batch("CREATE TABLE errors(id INTEGER PRIMARY KEY, class TEXT, message TEXT, release TEXT, env TEXT, user_id TEXT, created_at TEXT)")
        .expect("a table");
    for (text, _) in secrets() {
        writer
            .execute(
                "INSERT INTO errors(class, message, release, env, user_id, created_at) VALUES (?1, ?2, ?3, 'x', ?3, '2026-11-22 07:00:00')",
                params!["E", format!("failed: {text}"), format!("1.2 {text}")],
            )
            .expect("a row");
    }
    drop(writer);
    let reading = sqlite::read(
        &path,
        &TableConfig::plain("errors"),
        &Settings::default(),
        &filter(),
    )
    .expect("a reading");
    assert_eq!(reading.n_events, secrets().len() as u64);
    assert_eq!(seen(&format!("{reading:?}")), Vec::<String>::new());
    assert!(reading.redactions.values().sum::<u64>() >= secrets().len() as u64);
}

#[test]
fn no_secret_leaves_a_log() {
    let mut lines = String::new();
    for (text, _) in secrets() {
        for line in [
            json!({"level": "error", "message": format!("failed: {text}"), "time": "2026-11-22T07:00:00Z", "release": text, "req": {"headers": text}}),
            json!({"level": 50, "msg": text, "time": "2026-11-22T07:00:00Z", "err": {"type": "E", "message": text, "cause": {"type": "C", "message": text}, "stack": format!("E: {text}\n    at f (/srv/a.js:1:2)\n  [cause]: D: {text}\n      at g (/srv/a.js:1:2)")}}),
            json!({"severity_number": 17, "body": text, "timestamp": "2026-11-22T07:00:00Z", "attributes": {"exception.type": "E", "exception.message": text, "user.id": text}}),
        ] {
            lines.push_str(&format!("{line}\n"));
        }
    }
    let mut stream = BufReader::new(lines.as_bytes());
    let reading = jsonl::read(&mut stream, &Settings::default(), &filter()).expect("a reading");
    assert_eq!(reading.n_events, 3 * secrets().len() as u64);
    assert_eq!(seen(&format!("{reading:?}")), Vec::<String>::new());
}

#[test]
fn no_secret_stands_in_an_error() {
    for (text, _) in secrets() {
        let mut stream = BufReader::new(text.as_bytes());
        // One of them is JSON, which is no error.
        let said = match jsonl::read(&mut stream, &Settings::default(), &filter()) {
            Ok(reading) => format!("{reading:?}"),
            Err(err) => format!("{err:?}"),
        };
        assert_eq!(seen(&said), Vec::<String>::new());
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.sqlite3");
    for (text, _) in secrets() {
        std::fs::write(&path, format!("SQLite format 3\0{text}").repeat(20)).expect("a file");
        let err = sqlite::read(
            &path,
            &TableConfig::plain("errors"),
            &Settings::default(),
            &filter(),
        )
        .expect_err("damaged");
        assert_eq!(seen(&format!("{err:?}")), Vec::<String>::new());
    }
}

#[test]
fn a_policy_redacts_more() {
    let settings = Settings {
        redact: [("order".to_owned(), "ORD-[0-9]+".to_owned())].into(),
        ..Settings::default()
    };
    let line =
        r#"{"level":"error","message":"ORD-4711 of a@example.org","time":"2026-11-22T07:00:00Z"}"#;
    let reading =
        jsonl::read(&mut BufReader::new(line.as_bytes()), &settings, &filter()).expect("a reading");
    assert_eq!(
        reading.issues[0].messages,
        ["[redacted:order] of [redacted:email]"]
    );
    assert_eq!(reading.redactions["order"], 1);
}
