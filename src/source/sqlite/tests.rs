use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::{Connection, params};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use jiff::Timestamp;

use super::*;
use crate::issue::{Issue, Severity, Standing};
use crate::policy::Policy;
use crate::source::{Rung, Window, sample};
use crate::usage::UsageError;

fn now() -> Timestamp {
    "2026-11-22T08:00:00Z".parse().expect("a time")
}

fn window() -> Window {
    Window::days_before(now(), 14).expect("a window")
}

/// With columns that are guessed.
fn read_table(path: &Path, table: &str) -> anyhow::Result<Reading> {
    let table = TableConfig::plain(table);
    read(path, &table, &Settings::default(), &Filter::all(window()))
}

fn read_errors(path: &Path) -> Reading {
    read_table(path, "errors").expect("the errors can be read")
}

/// A folder with a database `app.sqlite3`, and a connection that writes to it.
fn database(journal: &str, schema: &str) -> (TempDir, PathBuf, Connection) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.sqlite3");
    let writer = Connection::open(&path).expect("a database");
    let mode: String = writer
        .query_row(&format!("PRAGMA journal_mode={journal}"), [], |row| {
            row.get(0)
        })
        .expect("a journal mode");
    assert_eq!(mode, journal);
    writer.execute_batch(schema).expect("the schema is SQL");
    (folder, path, writer)
}

const SCHEMA: &str =
    "CREATE TABLE errors(id INTEGER PRIMARY KEY, class TEXT, message TEXT, created_at TEXT)";

fn add(writer: &Connection, n: usize) {
    for n in 0..n {
        writer
            .execute(
                "INSERT INTO errors(class, message, created_at) VALUES ('E', ?1, '2026-11-22 07:00:00')",
                [format!("order {n} lost")],
            )
            .expect("a row");
    }
}

/// The name and hash of every file in a folder.
fn hashes(folder: &Path) -> BTreeMap<String, String> {
    std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| {
            let entry = entry.expect("an entry");
            let bytes = std::fs::read(entry.path()).expect("a file");
            let name = entry.file_name().into_string().expect("UTF-8");
            (name, format!("{:x}", Sha256::digest(bytes)))
        })
        .collect()
}

#[track_caller]
fn check_untouched(path: &Path, folder: &Path, rung: Rung, n_events: u64) {
    let before = hashes(folder);
    let reading = read_errors(path);
    assert_eq!(hashes(folder), before);
    assert_eq!((reading.rung, reading.n_events), (rung, n_events));
}

#[test]
fn a_rollback_database_is_not_touched() {
    let (folder, path, writer) = database("delete", SCHEMA);
    add(&writer, 5);
    check_untouched(&path, folder.path(), Rung::ReadOnly, 5);
    drop(writer);
    check_untouched(&path, folder.path(), Rung::ReadOnly, 5);
}

#[test]
fn a_wal_database_is_not_touched() {
    let (folder, path, writer) = database("wal", SCHEMA);
    add(&writer, 5);
    assert!(hashes(folder.path()).contains_key("app.sqlite3-wal"));
    check_untouched(&path, folder.path(), Rung::Snapshot, 5);
    // Not yet committed: not seen.
    writer
        .execute_batch("BEGIN IMMEDIATE")
        .expect("a transaction");
    add(&writer, 3);
    check_untouched(&path, folder.path(), Rung::Snapshot, 5);
    writer.execute_batch("COMMIT").expect("a commit");
    check_untouched(&path, folder.path(), Rung::Snapshot, 8);
    drop(writer);
    assert_eq!(hashes(folder.path()).len(), 1);
    check_untouched(&path, folder.path(), Rung::Snapshot, 8);
}

#[test]
fn a_log_that_a_killed_writer_left_is_read_and_stays() {
    let (folder, path, writer) = database("wal", SCHEMA);
    add(&writer, 4);
    let left = tempfile::tempdir().expect("a folder");
    for name in ["app.sqlite3", "app.sqlite3-wal"] {
        std::fs::copy(folder.path().join(name), left.path().join(name)).expect("a copy");
    }
    drop((path, writer));
    check_untouched(
        &left.path().join("app.sqlite3"),
        left.path(),
        Rung::Snapshot,
        4,
    );
}

#[test]
fn a_busy_writer_in_wal_mode_is_read_between_two_commits() {
    let (_folder, path, writer) = database("wal", SCHEMA);
    writer
        .pragma_update(None, "wal_autocheckpoint", 200)
        .expect("a pragma");
    add(&writer, 2);
    let stop = AtomicBool::new(false);
    let mut seen = vec![0];
    std::thread::scope(|scope| {
        let stop = &stop;
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                writer.execute_batch("BEGIN").expect("a transaction");
                add(&writer, 2);
                writer.execute_batch("COMMIT").expect("a commit");
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        for _ in 0..20 {
            seen.push(read_errors(&path).n_events);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(seen.is_sorted(), "{seen:?}");
    // Every commit has two rows: an odd number would be half a transaction.
    assert!(seen.iter().all(|n| n % 2 == 0), "{seen:?}");
    assert!(seen.last() > seen.get(1), "{seen:?}");
}

#[test]
fn nothing_but_the_mapped_columns_can_be_asked_for() {
    let (folder, path, writer) = database(
        "delete",
        "CREATE TABLE errors(id INTEGER PRIMARY KEY, message TEXT, secret TEXT); CREATE TABLE users(name TEXT)",
    );
    drop(writer);
    let before = hashes(folder.path());
    let mut source = open::open(&path, Duration::from_secs(10)).expect("a database");
    let mut tables = Tables(&source.connection);
    let columns = Columns::resolve(&mut tables, &TableConfig::plain("errors")).expect("columns");
    open::restrict(&mut source.connection, columns.reads()).expect("restricted");
    let outside = folder.path().join("new.sqlite3");
    for sql in [
        "SELECT secret FROM errors",
        "SELECT * FROM errors",
        "SELECT name FROM users",
        "SELECT sql FROM sqlite_schema",
        "INSERT INTO errors(message) VALUES ('x')",
        "UPDATE errors SET message = 'x'",
        "DELETE FROM errors",
        "DROP TABLE errors",
        "CREATE TEMP TABLE t(x)",
        "PRAGMA query_only = 0",
        "PRAGMA journal_mode = wal",
        "SELECT load_extension('x')",
        "SELECT randomblob(9)",
        "VACUUM",
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n",
        &format!("ATTACH 'file:{}?mode=rwc' AS other", outside.display()),
        &format!("VACUUM INTO '{}'", outside.display()),
    ] {
        let said = source.connection.execute_batch(sql);
        assert!(said.is_err(), "{sql}");
    }
    source
        .connection
        .execute_batch("SELECT message FROM errors")
        .expect("the mapped column can be read");
    assert_eq!(hashes(folder.path()), before);
}

#[test]
fn an_endless_query_is_stopped() {
    let (_folder, path, _writer) = database("delete", SCHEMA);
    let connection = open::connect(&path, Duration::from_millis(50)).expect("a connection");
    let said = connection.query_row(
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n",
        [],
        |row| row.get::<_, i64>(0),
    );
    let err = open::explain(said.expect_err("stopped"));
    assert!(err.to_string().contains("took longer"), "{err:#}");
}

#[test]
fn links_and_other_files_are_refused() {
    let (folder, path, writer) = database("delete", SCHEMA);
    drop(writer);
    let link = folder.path().join("link.sqlite3");
    std::os::unix::fs::symlink(&path, &link).expect("a link");
    let text = folder.path().join("text.sqlite3");
    std::fs::write(&text, "no database, only words").expect("a file");
    for wrong in [
        link,
        text,
        folder.path().to_owned(),
        folder.path().join("none"),
    ] {
        let err = read_table(&wrong, "errors").expect_err("refused");
        assert!(err.is::<UsageError>(), "{err:#}");
    }
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_damaged_file_is_a_doubt_and_not_an_empty_reading() {
    let (_folder, path, writer) = database("delete", SCHEMA);
    add(&writer, 2_000);
    drop(writer);
    let mut bytes = std::fs::read(&path).expect("a file");
    let middle = bytes.len() / 2;
    bytes[4096..middle].fill(0xa5);
    std::fs::write(&path, bytes).expect("a file");
    let err = read_table(&path, "errors").expect_err("damaged");
    assert!(!err.is::<UsageError>(), "{err:#}");
}

#[test]
fn a_blocked_database_is_a_doubt() {
    let (_folder, path, writer) = database("delete", SCHEMA);
    writer.execute_batch("BEGIN EXCLUSIVE").expect("a lock");
    let err = read_table(&path, "errors").expect_err("locked");
    assert!(format!("{err:#}").contains("locked"), "{err:#}");
}

#[test]
fn two_hundred_thousand_events_are_counted_by_the_database() {
    let (_folder, path, writer) = database(
        "delete",
        "CREATE TABLE errors(class TEXT, message TEXT, file TEXT, line INT, function TEXT, user_id INT, created_at INT);
         WITH RECURSIVE n(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM n WHERE x < 199999)
         INSERT INTO errors SELECT 'E' || (x % 7), 'order ' || x || ' lost', 'src/a.py', x % 90, 'f' || (x % 7), x % 1000, 1795334400 - x % 86400 FROM n",
    );
    drop(writer);
    let table = TableConfig {
        timeout: Some(Duration::from_secs(3600)),
        ..TableConfig::plain("errors")
    };
    let filter = Filter::all(window());
    let reading = read(&path, &table, &Settings::default(), &filter).expect("a reading");
    assert_eq!(reading.n_events, 200_000);
    assert_eq!(reading.issues.len(), 7);
    for issue in &reading.issues {
        // One message a group was pulled, not two hundred thousand.
        assert_eq!(issue.messages.len(), 1);
        assert_eq!(issue.users, Some(1000));
        assert_eq!(issue.tally.n_within(24), issue.tally.n_events);
    }
}

#[test]
fn the_database_counts_and_gives_one_row() {
    let (_folder, _path, writer) = database("delete", SCHEMA);
    add(&writer, 100);
    writer
        .execute_batch("UPDATE errors SET message = 'the same'")
        .expect("one message");
    let mut tables = Tables(&writer);
    let columns = Columns::resolve(&mut tables, &TableConfig::plain("errors")).expect("columns");
    let pointer = Pointer::of(&writer, "errors").expect("a rowid");
    let queries = Queries::new(&columns, &pointer, &Filter::all(window()));
    functions::add(&writer).expect("functions");
    let tallied = count(&writer, &queries).expect("a count");
    assert_eq!(tallied.counts.chosen().len(), 1);
    let plan: Vec<String> = writer
        .prepare(&format!("EXPLAIN QUERY PLAN {}", queries.tally))
        .expect("a plan")
        .query_map([], |row| row.get("detail"))
        .expect("rows")
        .collect::<Result<_, _>>()
        .expect("texts");
    // Nothing that grows with the table.
    assert!(!plan.iter().any(|step| step.contains("B-TREE")), "{plan:?}");
}

/// More cells than are kept at a time come to the same counts.
#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_hundred_thousand_cells_are_added_up() {
    let (_folder, path, writer) = database(
        "delete",
        "CREATE TABLE errors(class TEXT, message TEXT, environment TEXT, user_id INT, created_at INT);
         WITH RECURSIVE n(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM n WHERE x < 149999)
         INSERT INTO errors SELECT 'E' || (x % 7), 'lost', 'e' || (x / 7 % 43), x % 1000, 1795334400 - x / 301 % 336 * 3600 FROM n",
    );
    let n_cells: i64 = writer
        .query_row(
            "SELECT count(*) FROM (SELECT DISTINCT class, environment, (1795334400 - created_at) / 3600 FROM errors)",
            [],
            |row| row.get(0),
        )
        .expect("a number");
    assert!(n_cells > 70_000, "{n_cells}");
    drop(writer);
    let reading = read_errors(&path);
    assert_eq!(reading.n_events, 150_000);
    assert_eq!(reading.issues.len(), 7);
    for issue in &reading.issues {
        assert_eq!(issue.users, Some(1000));
        assert_eq!(issue.environments.len(), 43);
        assert_eq!(issue.tally.n_events, issue.tally.n_within(14 * 24));
        assert!((21_428..=21_429).contains(&issue.tally.n_events));
    }
}

#[test]
fn a_table_without_rowids_is_read_by_its_key() {
    let schema = "CREATE TABLE errors(id TEXT PRIMARY KEY, rowid TEXT, class TEXT, message TEXT, created_at TEXT)";
    let rows = "INSERT INTO errors VALUES ('a', 'x', 'E', 'one', '2026-11-22 07:00:00'), ('b', 'x', 'F', 'two', '2026-11-22 07:00:00')";
    for kind in ["", " WITHOUT ROWID"] {
        let (_folder, path, writer) = database("delete", &format!("{schema}{kind}; {rows}"));
        drop(writer);
        let mut messages: Vec<String> = Vec::new();
        for issue in read_errors(&path).issues {
            messages.extend(issue.messages);
        }
        messages.sort();
        assert_eq!(messages, ["one", "two"], "{kind}");
    }
    let schema =
        "CREATE TABLE errors(a INT, b INT, message TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID";
    let (_folder, path, writer) = database("delete", schema);
    drop(writer);
    let err = read_table(&path, "errors").expect_err("two columns");
    assert!(err.is::<UsageError>(), "{err:#}");
}

#[test]
fn messages_that_differ_by_a_number_are_one_issue() {
    let (_folder, path, writer) = database("delete", SCHEMA);
    add(&writer, 40);
    let reading = read_errors(&path);
    assert_eq!(reading.issues.len(), 1);
    assert_eq!(reading.issues[0].tally.n_events, 40);
    assert_eq!(reading.issues[0].messages.len(), Issue::MAX_MESSAGES);
    assert_eq!(reading.issues[0].skeleton, "order <num> lost");
}

#[test]
fn times_are_read_in_every_common_form() {
    let (_folder, path, writer) =
        database("delete", "CREATE TABLE errors(message TEXT, created_at)");
    let expected = now()
        .checked_sub(jiff::SignedDuration::from_hours(2))
        .expect("a time");
    let seconds = expected.as_second();
    let forms: [&dyn rusqlite::ToSql; 9] = [
        &"2026-11-22 06:00:00",
        &"2026-11-22T06:00:00.123456Z",
        &"2026-11-22T07:00:00+01:00",
        &"2026-11-22 06:00:00 UTC",
        &seconds,
        &(seconds * 1000),
        &(seconds * 1_000_000),
        &(seconds as f64 + 0.25),
        &seconds.to_string(),
    ];
    for (n, form) in forms.iter().enumerate() {
        let name = format!("form {}", ["a", "b", "c", "d", "e", "f", "g", "h", "i"][n]);
        writer
            .execute("INSERT INTO errors VALUES (?1, ?2)", params![name, form])
            .expect("a row");
    }
    let reading = read_errors(&path);
    assert_eq!((reading.issues.len(), reading.n_undated), (9, 0));
    for issue in &reading.issues {
        assert_eq!(issue.tally.last_seen, Some(expected), "{}", issue.skeleton);
    }
}

#[test]
fn what_lies_outside_the_window_is_not_counted_and_what_has_no_time_is_said() {
    let (_folder, path, writer) = database("delete", SCHEMA);
    add(&writer, 1);
    writer
        .execute_batch(
            "INSERT INTO errors(message, created_at) VALUES ('old', '2026-10-01 00:00:00'), ('odd', 'yesterday'),
             ('none', NULL), ('future', '2027-01-01 00:00:00'), ('ahead of us', '2026-11-22 08:02:00')",
        )
        .expect("rows");
    let reading = read_errors(&path);
    assert_eq!((reading.n_events, reading.n_undated), (2, 3));
}

#[test]
fn a_table_of_counters_counts() {
    let (_folder, path, writer) = database(
        "delete",
        "CREATE TABLE errors(message TEXT, occurrences INTEGER);
         INSERT INTO errors VALUES ('boom', 41), ('boom', -5), ('boom', 'many')",
    );
    drop(writer);
    let reading = read_errors(&path);
    assert_eq!(reading.n_events, 43);
    assert_eq!(reading.issues[0].tally.first_seen, None);
}

#[test]
fn bytes_that_are_no_text_do_not_hide_the_rest() {
    let (_folder, path, writer) = database("delete", SCHEMA);
    add(&writer, 1);
    writer
        .execute_batch(
            "INSERT INTO errors(class, message, created_at) VALUES
             (CAST(x'45ff' AS TEXT), x'00ff41', '2026-11-22 07:00:00'), (7, 8.5, '2026-11-22 07:00:00')",
        )
        .expect("rows");
    assert_eq!(read_errors(&path).n_events, 3);
}

#[test]
fn the_newest_event_speaks_for_its_issue() {
    let (_folder, path, writer) = database(
        "delete",
        "CREATE TABLE errors(id INT, class TEXT, message TEXT, file TEXT, line INT, function TEXT, created_at TEXT, release TEXT, level TEXT);
         INSERT INTO errors VALUES
           (1, 'E', 'first', 'src/a.py', 10, 'f', '2026-11-20 07:00:00', '1.0', 'warning'),
           (2, 'E', 'second', 'src/a.py', 12, 'f', '2026-11-21 07:00:00', '1.1', 'error'),
           (3, 'E', 'first', 'src/a.py', 10, 'f', '2026-11-19 07:00:00', '1.0', 'info')",
    );
    drop(writer);
    let reading = read_errors(&path);
    let [issue] = &reading.issues[..] else {
        panic!("{reading:?}")
    };
    assert_eq!(issue.messages, ["second"]);
    assert_eq!(issue.frames[0].line, Some(12));
    assert_eq!(issue.sample_event_id.as_deref(), Some("2"));
    assert_eq!(issue.severity, Some(Severity::Error));
    assert_eq!(issue.releases.len(), 2);
    assert_eq!(
        issue.tally.first_seen.map(|at| at.to_string()).as_deref(),
        Some("2026-11-19T07:00:00Z")
    );
}

#[test]
fn the_sample_is_read_without_its_secrets() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sample.sqlite3");
    sample::create(&path, now()).expect("the sample");
    let reading = read_table(&path, sample::TABLE).expect("the sample can be read");
    assert_eq!(reading.issues.len(), 5);
    assert!(reading.columns_guessed);
    assert_eq!(reading.columns["stack"], "backtrace");
    let kinds: Vec<&str> = reading.redactions.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["auth-header", "email", "ip"]);
    let everything = format!("{:?}", reading.issues);
    for secret in ["demo0", "@example.org", "10.1.7"] {
        assert!(!everything.contains(secret), "{secret}");
    }
}

/// A source of a policy, and a fixture that it reads, copied.
#[track_caller]
fn read_preset(preset: &str, more: &str, path: &Path) -> anyhow::Result<Reading> {
    let text = format!(
        "version: 1\nsources: [{{name: a, kind: sqlite, path: '{}', preset: {preset}{more}}}]\n",
        path.display()
    );
    let policy = Policy::load(&text, "p.yaml").expect("a policy");
    crate::source::read(
        &policy.sources[0],
        &policy.triage,
        Path::new("/"),
        &Filter::all(window()),
    )
}

fn fixture(name: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let from = format!(
        "{}/tests/fixtures/errors/{name}",
        env!("CARGO_MANIFEST_DIR")
    );
    let path = folder.path().join(name);
    std::fs::copy(from, &path).expect("the fixture");
    (folder, path)
}

/// Issues and events of a fixture, none of whose files changes.
#[track_caller]
fn check_fixture(preset: &str, n_issues: usize, n_events: u64) -> Vec<Issue> {
    let (folder, path) = fixture(&format!("{preset}.sqlite3"));
    let before = hashes(folder.path());
    let reading = read_preset(preset, "", &path).expect("a reading");
    assert_eq!(hashes(folder.path()), before);
    let titles: Vec<String> = reading
        .issues
        .iter()
        .map(|issue| format!("{} {}", issue.tally.n_events, issue.title()))
        .collect();
    assert_eq!(
        (reading.issues.len(), reading.n_events, reading.n_undated),
        (n_issues, n_events, 0),
        "{titles:#?}"
    );
    reading.issues
}

#[track_caller]
fn find<'a>(issues: &'a [Issue], title: &str) -> &'a Issue {
    let mut found = issues
        .iter()
        .filter(|issue| issue.title().starts_with(title));
    let issue = found.next().unwrap_or_else(|| panic!("no `{title}`"));
    assert!(found.next().is_none(), "two of `{title}`");
    issue
}

#[test]
fn solid_errors_has_one_issue_a_bug() {
    let issues = check_fixture("solid_errors", 14, 144);
    let declined = find(&issues, "CardError");
    let culprit = declined.culprit().expect("a frame");
    assert_eq!(
        (culprit.function.as_deref(), culprit.line),
        (Some("charge"), Some(7))
    );
    assert_eq!(declined.tally.n_events, 22);
    assert_eq!(declined.standing, Standing::Open);
}

#[test]
fn error_tracker_has_one_issue_a_bug() {
    let issues = check_fixture("error_tracker", 12, 132);
    let declined = find(&issues, "Elixir.MyApp.Payments.DeclinedError");
    let culprit = declined.culprit().expect("a frame");
    assert_eq!(culprit.file, "lib/my_app/payments.ex");
    let standings: BTreeSet<Standing> = issues.iter().map(|issue| issue.standing).collect();
    assert_eq!(standings.len(), 3, "{standings:?}");
}

#[test]
fn bugsink_is_grouped_anew() {
    let issues = check_fixture("bugsink", 57, 566);
    let declined = issues
        .iter()
        .find(|issue| issue.title().contains("PaymentDeclined"))
        .expect("an issue");
    assert_eq!(declined.standing, Standing::Muted);
    assert_eq!(declined.severity, Some(Severity::Warning));
    assert!(declined.releases.contains("shop@1.5.0"));
    assert!(declined.users > Some(1));
    let everything = format!("{issues:?}");
    for secret in ["4111 1111", "@example"] {
        assert!(!everything.contains(secret), "{secret}");
    }
}

#[test]
fn one_environment_or_release_can_be_asked_for() {
    let (_folder, path) = fixture("bugsink.sqlite3");
    let text = format!(
        "version: 1\nsources: [{{name: a, kind: sqlite, path: '{}', preset: bugsink}}]\n",
        path.display()
    );
    let policy = Policy::load(&text, "p.yaml").expect("a policy");
    let n_events = |environments: &[&str], releases: &[&str]| {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let filter = Filter {
            environments: texts(environments),
            releases: texts(releases),
            ..Filter::all(window())
        };
        let reading =
            crate::source::read(&policy.sources[0], &policy.triage, Path::new("/"), &filter);
        reading.expect("a reading").n_events
    };
    let (staging, production) = (n_events(&["staging"], &[]), n_events(&["production"], &[]));
    assert!(
        staging > 0 && staging + production == 566,
        "{staging} {production}"
    );
    assert_eq!(n_events(&["staging", "production"], &[]), 566);
    assert_eq!(n_events(&["x' OR '1' = '1"], &[]), 0);
    assert!(n_events(&["production"], &["shop@1.5.0"]) < production);
}

/// A table as its library makes it, with one event.
#[track_caller]
fn check_preset(preset: &str, sql: &str, title: &str, culprit: Option<&str>) {
    let (folder, path, writer) = database("delete", sql);
    drop(writer);
    let before = hashes(folder.path());
    let reading = read_preset(preset, "", &path).expect("a reading");
    assert_eq!(hashes(folder.path()), before);
    let [issue] = reading.issues.as_slice() else {
        panic!("{:#?}", reading.issues);
    };
    assert_eq!(issue.title(), title);
    let frame = issue.culprit().map(|frame| {
        format!(
            "{}:{} {}",
            frame.file,
            frame.line.unwrap_or(0),
            frame.function.as_deref().unwrap_or("?")
        )
    });
    assert_eq!(frame.as_deref(), culprit);
    assert!(!format!("{reading:?}").contains("hunter2"));
}

#[test]
fn telescope() {
    check_preset(
        "telescope",
        r#"CREATE TABLE telescope_entries(sequence INTEGER PRIMARY KEY, uuid TEXT, batch_id TEXT, family_hash TEXT, should_display_on_index INT, type TEXT, content TEXT, created_at TEXT);
        INSERT INTO telescope_entries VALUES (1, 'u', 'b', 'f', 1, 'exception', '{"class":"App\\Exceptions\\CartException","file":"/srv/app/Cart.php","line":12,"message":"cart 7 lost","context":{"password":"hunter2"},"trace":[{"file":"/srv/app/Http/CartController.php","line":9},{"file":"/srv/vendor/laravel/framework/src/Route.php","line":3}]}', '2026-11-22 07:00:00');
        INSERT INTO telescope_entries VALUES (2, 'u', 'b', 'f', 1, 'request', '{"payload":"hunter2"}', '2026-11-22 07:00:00');
        INSERT INTO telescope_entries VALUES (3, 'u', 'b', 'f', 1, 'log', 'no JSON', '2026-11-22 07:00:00');"#,
        r"App\Exceptions\CartException: cart <num> lost",
        Some("/srv/app/Cart.php:12 ?"),
    );
}

#[test]
fn django_db_logger() {
    check_preset(
        "django_db_logger",
        "CREATE TABLE django_db_logger_statuslog(id INTEGER PRIMARY KEY, logger_name TEXT, level INT, msg TEXT, trace TEXT, create_datetime TEXT);
        INSERT INTO django_db_logger_statuslog VALUES (1, 'django.request', 40, 'Internal Server Error: /cart', 'Traceback (most recent call last):
  File \"/srv/shop/views.py\", line 12, in checkout
    total(cart)
shop.errors.CartError: cart 7 lost', '2026-11-22 07:00:00.123');",
        "shop.errors.CartError: cart <num> lost",
        Some("/srv/shop/views.py:12 checkout"),
    );
}

#[test]
fn elmah() {
    check_preset(
        "elmah",
        r#"CREATE TABLE ELMAH_Error(ErrorId TEXT, Application TEXT, Host TEXT, Type TEXT, Source TEXT, Message TEXT, User TEXT, StatusCode INT, TimeUtc TEXT, Sequence INTEGER PRIMARY KEY, AllXml TEXT);
        INSERT INTO ELMAH_Error VALUES ('e', '/', 'web-1', 'Shop.CartException', 'Shop', 'cart 7 lost', 'ada', 500, '2026-11-22T07:00:00', 1,
        '<error host="web-1" type="Shop.CartException" detail="Shop.CartException: cart 7 lost&#xD;&#xA;   at Shop.Cart.Total(Int32 id) in C:\src\Shop\Cart.cs:line 12&#xD;&#xA;   at System.Web.Mvc.Invoke(Object x)"><form><item name="password"><value string="hunter2" /></item></form></error>');"#,
        "Shop.CartException: cart <num> lost",
        Some("/src/Shop/Cart.cs:12 Shop.Cart.Total"),
    );
}

#[test]
fn a_column_may_be_inside_another_and_have_alternatives() {
    let (_folder, path, writer) = database(
        "delete",
        r#"CREATE TABLE errors(id INTEGER PRIMARY KEY, what TEXT, extra TEXT, at TEXT);
        INSERT INTO errors VALUES (1, 'E', '{"said":{"a.b":["x","lost"]}}', '2026-11-22 07:00:00');
        INSERT INTO errors VALUES (2, 'E', 'no JSON', '2026-11-22 07:00:00');"#,
    );
    drop(writer);
    let text = format!(
        "version: 1\nsources: [{{name: a, kind: sqlite, path: '{}', table: errors, columns: {{type: what, message: 'extra -> $.said.\"a.b\"[1] | what', at: at}}}}]\n",
        path.display()
    );
    let policy = Policy::load(&text, "p.yaml").expect("a policy");
    let reading = crate::source::read(
        &policy.sources[0],
        &policy.triage,
        Path::new("/"),
        &Filter::all(window()),
    )
    .expect("a reading");
    let mut titles: Vec<String> = reading.issues.iter().map(Issue::title).collect();
    titles.sort();
    assert_eq!(titles, ["E: E", "E: lost"]);
}

#[test]
fn a_check_tries_to_write_and_fails_every_time() {
    let (folder, path) = fixture("bugsink.sqlite3");
    let before = hashes(folder.path());
    let text = format!(
        "version: 1\nsources: [{{name: a, kind: sqlite, path: '{}', preset: bugsink}}]\n",
        path.display()
    );
    let policy = Policy::load(&text, "p.yaml").expect("a policy");
    let checked = crate::source::check(&policy.sources[0], Path::new("/")).expect("checked");
    assert_eq!(hashes(folder.path()), before);
    assert_eq!(checked.rung, Rung::Snapshot);
    assert_eq!(checked.refused.len(), 8);
    assert!(checked.facts[0].contains("566 rows"), "{:?}", checked.facts);
    assert!(
        !checked
            .facts
            .iter()
            .any(|fact| fact.contains("`remote_addr`"))
    );
}

#[test]
fn a_missing_table_or_column_of_a_preset_is_the_users_to_correct() {
    let (_folder, path, writer) =
        database("delete", "CREATE TABLE solid_errors_occurrences(id INT)");
    drop(writer);
    for preset in ["solid_errors", "bugsink"] {
        let err = read_preset(preset, "", &path).expect_err("no such table");
        assert!(err.is::<UsageError>(), "{err:#}");
    }
}
