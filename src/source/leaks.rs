//! Secrets and personal data of many kinds through every source: none of them leaves it, neither in a reading nor in an error.

use std::io::BufReader;

use rusqlite::{Connection, params};
use serde_json::json;

use super::{Filter, Settings, Window, jsonl, sqlite};
use crate::policy::TableConfig;

// The same table is sent through the whole program by `tests/it/secrets.rs`.
include!("../../tests/it/support/secrets.rs");

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
