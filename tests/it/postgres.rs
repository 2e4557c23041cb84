//! Production errors in a real PostgreSQL server, and everything that can be wrong with one.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::Repo;
use crate::support::postgres::{PASSWORD, Server, database};

const NOW: &str = "2026-11-22T08:00:00Z";

/// A table as many have it.
const ERRORS: &str = "
    CREATE TABLE errors (id bigserial PRIMARY KEY, class text, message text, backtrace text, level text, environment text, user_id int, created_at timestamptz);
    GRANT SELECT ON errors TO reader;";

/// A repository whose policy has one source, and the variable with the password.
struct Story {
    repo: Repo,
    password: &'static str,
}

impl Story {
    /// `source` goes on after its name.
    fn new(source: &str) -> Story {
        let repo = Repo::empty();
        let policy = format!(
            "version: 1\nextends: [default]\nsources:\n  - {{name: db, {source}}}\nproof: {{runner: none}}\n"
        );
        repo.write(".koan-guard.yaml", &policy)
            .commit("chore: a policy");
        Story {
            repo,
            password: PASSWORD,
        }
    }

    fn of(server: &Server, database: &str, more: &str) -> Story {
        Story::new(&format!("{}, {more}", address(server, "reader", database)))
    }

    #[track_caller]
    fn guard<const N: usize>(&self, args: [&str; N]) -> String {
        let mut command = self.repo.guard_command(args);
        command.env("READER_PASSWORD", self.password);
        let said = self.repo.answer_of(&mut command);
        for secret in [PASSWORD, "hunter2"] {
            assert!(!said.contains(secret), "{said}");
        }
        said
    }

    #[track_caller]
    fn extract(&self) -> String {
        self.guard(["extract", "--now", NOW, "--format", "json", "--most", "100"])
    }

    #[track_caller]
    fn digest(&self) -> Value {
        parse(&self.extract())
    }

    /// Reading fails with this exit code, and says this.
    #[track_caller]
    fn check_fails(&self, exit: u8, expected: &str) {
        let start = Instant::now();
        for said in [self.extract(), self.guard(["extract", "--check"])] {
            assert!(said.starts_with(&format!("exit: {exit}\n")), "{said}");
            assert!(said.contains(expected), "{said}\n  wanted {expected}");
        }
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "{:?}",
            start.elapsed()
        );
    }
}

#[track_caller]
fn parse(said: &str) -> Value {
    let json = said.split_once("stdout:\n").map_or("", |(_, json)| json);
    let json = json.split("stderr:\n").next().unwrap_or("");
    serde_json::from_str(json).unwrap_or_else(|err| panic!("{err}: {said}"))
}

fn address(server: &Server, role: &str, database: &str) -> String {
    format!(
        "kind: postgres, url: 'postgres://{role}@127.0.0.1:{}/{database}', password_env: READER_PASSWORD",
        server.port
    )
}

fn literal(value: rusqlite::types::ValueRef<'_>) -> String {
    use rusqlite::types::ValueRef;
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => format!("'{number}'"),
        ValueRef::Real(number) => format!("'{number}'"),
        ValueRef::Text(text) | ValueRef::Blob(text) => {
            format!("'{}'", String::from_utf8_lossy(text).replace('\'', "''"))
        }
    }
}

/// Brings the rows of a fixture into tables of PostgreSQL: `name(column type, …)`.
fn pour(server: &Server, database: &str, fixture: &str, tables: &[&str]) {
    let path = fixture_path(fixture);
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_URI;
    let uri = format!("file:{path}?immutable=1");
    let connection = rusqlite::Connection::open_with_flags(uri, flags).expect("a fixture");
    for table in tables {
        let (name, columns) = table.split_once('(').expect("a table");
        let names = columns.trim_end_matches(')').split(", ");
        let names: Vec<&str> = names.filter_map(|part| part.split(' ').next()).collect();
        let names = names.join(", ");
        let mut sql = format!(
            "SET timezone = 'UTC'; CREATE TABLE {table}; GRANT SELECT ON {name} TO reader;\n"
        );
        let mut statement = connection
            .prepare(&format!("SELECT {names} FROM {name}"))
            .expect("columns");
        let n_columns = statement.column_count();
        let mut rows = statement.query([]).expect("rows");
        while let Some(row) = rows.next().expect("a row") {
            let values: Vec<String> = (0..n_columns)
                .map(|i| literal(row.get_ref(i).expect("a value")))
                .collect();
            sql.push_str(&format!(
                "INSERT INTO {name} ({names}) VALUES ({});\n",
                values.join(", ")
            ));
        }
        server.sql(database, &sql);
    }
}

fn fixture_path(name: &str) -> String {
    format!(
        "{}/tests/fixtures/errors/{name}.sqlite3",
        env!("CARGO_MANIFEST_DIR")
    )
}

/// The same rows are the same errors, wherever they are.
#[track_caller]
fn check_like_sqlite(preset: &str, n_errors: usize, tables: &[&str]) {
    let name = format!("like_{preset}");
    let server = database(&name);
    pour(server, &name, preset, tables);
    let before = server.sql(
        &name,
        "SELECT sum(pg_relation_size(oid)), count(*) FROM pg_class",
    );
    let story = Story::of(server, &name, &format!("preset: {preset}"));
    let ours = story.digest();
    assert_eq!(
        server.sql(
            &name,
            "SELECT sum(pg_relation_size(oid)), count(*) FROM pg_class"
        ),
        before
    );
    let sqlite = Story::new(&format!(
        "kind: sqlite, path: ../errors.sqlite3, preset: {preset}"
    ));
    std::fs::copy(fixture_path(preset), sqlite.repo.beside("errors.sqlite3")).expect("the fixture");
    let theirs = sqlite.digest();
    let errors = |digest: &Value| digest["errors"].as_array().cloned().expect("errors");
    assert_eq!(errors(&ours).len(), n_errors);
    for (ours, theirs) in errors(&ours).iter().zip(errors(&theirs).iter()) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(errors(&ours), errors(&theirs));
    assert_eq!(
        ours["sources"][0]["read_only"],
        "read-only transaction of a role that cannot write"
    );
    assert_eq!(story.extract(), story.extract());
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn solid_errors_is_read_as_from_sqlite() {
    check_like_sqlite(
        "solid_errors",
        14,
        &[
            "solid_errors(id bigint, exception_class text, message text, severity text, source text, resolved_at timestamp(6), fingerprint varchar(64), created_at timestamp(6), updated_at timestamp(6))",
            "solid_errors_occurrences(id bigint, error_id bigint, backtrace text, context json, created_at timestamp(6), updated_at timestamp(6))",
        ],
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn error_tracker_is_read_as_from_sqlite() {
    check_like_sqlite(
        "error_tracker",
        12,
        &[
            "error_tracker_errors(id bigint, kind text, reason text, source_line text, source_function text, status text, fingerprint text, last_occurrence_at timestamp, inserted_at timestamp, updated_at timestamp, muted boolean)",
            "error_tracker_occurrences(id bigint, context jsonb, reason text, stacktrace jsonb, error_id bigint, inserted_at timestamp)",
        ],
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn bugsink_is_read_as_from_sqlite() {
    check_like_sqlite(
        "bugsink",
        57,
        &[
            "issues_issue(id text, is_resolved boolean, is_muted boolean, is_deleted boolean)",
            "events_event(id text, event_id text, data text, level varchar(7), release varchar(250), environment varchar(64), calculated_type varchar(128), calculated_value text, issue_id text, ingested_at timestamptz, remote_addr inet)",
        ],
    );
}

/// A table as its library makes it, with one event.
#[track_caller]
fn check_preset(preset: &str, sql: &str, expected: &[&str]) {
    let name = format!("preset_{preset}");
    let server = database(&name);
    server.sql(&name, sql);
    server.sql(
        &name,
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;",
    );
    let said = Story::of(server, &name, &format!("preset: {preset}")).extract();
    for part in expected.iter().chain(&["\"n_errors\": 1"]) {
        assert!(said.contains(part), "no `{part}` in\n{said}");
    }
}

#[test]
fn telescope_django_db_logger_and_elmah() {
    check_preset(
        "telescope",
        r#"CREATE TABLE telescope_entries(sequence bigserial, uuid uuid, batch_id uuid, family_hash varchar(255), should_display_on_index boolean, type varchar(20), content text, created_at timestamp(0));
        INSERT INTO telescope_entries(uuid, type, content, created_at) VALUES
        ('00000000-0000-0000-0000-000000000001', 'exception', '{"class":"App\\Exceptions\\CartException","file":"/srv/app/Cart.php","line":12,"message":"cart 7 lost","context":{"password":"hunter2"},"trace":[{"file":"/srv/app/Http/CartController.php","line":9},{"file":"/srv/vendor/laravel/framework/src/Route.php","line":3}]}', '2026-11-22 07:00:00'),
        ('00000000-0000-0000-0000-000000000002', 'log', 'no JSON', '2026-11-22 07:00:00');"#,
        &["CartException", "/srv/app/Cart.php"],
    );
    check_preset(
        "django_db_logger",
        "CREATE TABLE django_db_logger_statuslog(id serial, logger_name varchar(100), level smallint, msg text, trace text, create_datetime timestamptz);
        INSERT INTO django_db_logger_statuslog VALUES (1, 'django.request', 40, 'Internal Server Error: /cart', 'Traceback (most recent call last):
  File \"/srv/shop/views.py\", line 12, in checkout
    total(cart)
shop.errors.CartError: cart 7 lost', '2026-11-22 07:00:00.123+00');",
        &["shop.errors.CartError", "/srv/shop/views.py"],
    );
    check_preset(
        "elmah",
        r#"CREATE TABLE elmah_error(errorid char(36), application varchar(60), host varchar(50), type varchar(100), source varchar(60), message varchar(500), "User" varchar(50), statuscode int, timeutc timestamp, sequence int, allxml text);
        INSERT INTO elmah_error VALUES ('e', '/', 'web-1', 'Shop.CartException', 'Shop', 'cart 7 lost', 'ada', 500, '2026-11-22T07:00:00', 1,
        '<error host="web-1" type="Shop.CartException" detail="Shop.CartException: cart 7 lost&#xD;&#xA;   at Shop.Cart.Total(Int32 id) in C:\src\Shop\Cart.cs:line 12&#xD;&#xA;   at System.Web.Mvc.Invoke(Object x)"><form><item name="password"><value string="hunter2" /></item></form></error>');"#,
        &["Shop.CartException", "Cart.cs"],
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_check_says_who_reads_what_and_that_nothing_can_be_written() {
    let server = database("checked");
    server.sql("checked", ERRORS);
    let said = Story::of(server, "checked", "table: errors").guard(["extract", "--check"]);
    for part in [
        "exit: 0",
        "source `db`: postgres, read-only transaction of a role that cannot write",
        "role `reader`",
        "table `public`.`errors`: 0 rows",
        "reads `errors`.`class`",
        "refused: DELETE FROM \"public\".\"errors\" WHERE false: the transaction is read only",
        "refused: CREATE TEMPORARY TABLE koan_guard_probe (): the transaction is read only",
        "refused: SET TRANSACTION READ WRITE: the transaction has begun",
    ] {
        assert!(said.contains(part), "no `{part}` in\n{said}");
    }
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_role_that_could_write_is_refused_unless_it_is_allowed_by_name() {
    let server = database("writers");
    server.sql("writers", ERRORS);
    server.sql(
        "writers",
        &format!(
            "CREATE ROLE writer LOGIN PASSWORD '{PASSWORD}'; GRANT SELECT, UPDATE (message) ON errors TO writer;
             CREATE ROLE heir LOGIN NOINHERIT PASSWORD '{PASSWORD}' IN ROLE writer; GRANT SELECT ON errors TO heir;
             CREATE ROLE maker LOGIN PASSWORD '{PASSWORD}' CREATEROLE; GRANT SELECT ON errors TO maker;
             CREATE ROLE painter LOGIN PASSWORD '{PASSWORD}'; GRANT SELECT ON errors TO painter; GRANT CREATE ON SCHEMA public TO painter;
             CREATE ROLE counter LOGIN PASSWORD '{PASSWORD}'; GRANT SELECT ON errors TO counter; GRANT USAGE ON SEQUENCE errors_id_seq TO counter;
             CREATE ROLE clerk LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_execute_server_program; GRANT SELECT ON errors TO clerk;
             CREATE ROLE owner LOGIN PASSWORD '{PASSWORD}'; CREATE TABLE own (id int); ALTER TABLE own OWNER TO owner;
             REVOKE ALL ON own FROM owner; GRANT SELECT ON errors TO owner;
             ALTER ROLE postgres PASSWORD '{PASSWORD}';"
        ),
    );
    let source = |role: &str, more: &str| {
        Story::new(&format!(
            "{}, table: errors{more}",
            address(server, role, "writers")
        ))
    };
    for (role, why) in [
        (
            "writer",
            "role `writer` could write: `writer` may write to public.errors",
        ),
        (
            "heir",
            "role `heir` could write: `writer` may write to public.errors",
        ),
        ("maker", "`maker` may create roles"),
        ("painter", "`painter` may create in schema public"),
        ("counter", "`counter` may count up public.errors_id_seq"),
        (
            "clerk",
            "`pg_execute_server_program` may do what its name says",
        ),
        ("owner", "`owner` may write to public.own"),
        ("postgres", "`postgres` is a superuser"),
    ] {
        source(role, "").check_fails(2, why);
    }
    source("writer", ", allow_writer_role: heir").check_fails(2, "role `writer` could write");
    let allowed = source("writer", ", allow_writer_role: writer");
    let said = allowed.guard(["extract", "--check"]);
    for part in [
        "exit: 0",
        "read-only transaction of a role that could write, allowed by name",
        "allowed although `writer` may write to public.errors",
        "refused: UPDATE",
    ] {
        assert!(said.contains(part), "no `{part}` in\n{said}");
    }
    assert_eq!(
        allowed.digest()["sources"][0]["read_only"],
        "read-only transaction of a role that could write, allowed by name"
    );
}

#[test]
fn who_does_not_get_in_is_told_so() {
    let server = database("locked_out");
    server.sql("locked_out", ERRORS);
    let mut story = Story::of(server, "locked_out", "table: errors");
    story.password = "not-hunter2";
    story.check_fails(2, "PostgreSQL does not let us in");
    Story::of(server, "gone", "table: errors").check_fails(2, "there is no such database");
    let rest = format!(
        "url: 'postgres://reader@127.0.0.1:{}/locked_out'",
        server.port
    );
    Story::new(&format!(
        "kind: postgres, {rest}, password_env: NONE, table: errors"
    ))
    .check_fails(2, "there is no password in variable `NONE`");
    Story::new(&format!("kind: postgres, {rest}, table: errors"))
        .check_fails(3, "the connection failed");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let port = port.expect("a free port").port();
    let nobody =
        format!("kind: postgres, url: 'postgres://reader@127.0.0.1:{port}/x', table: errors");
    Story::new(&nobody).check_fails(3, "connection refused");
}

#[test]
fn a_whole_address_may_be_in_a_variable_and_a_password_in_a_file() {
    let server = database("addressed");
    server.sql("addressed", ERRORS);
    let story = Story::new("kind: postgres, url_env: ERRORS_URL, table: errors");
    let said = |url: &str| {
        let mut command = story.repo.guard_command(["extract", "--check"]);
        let said = story.repo.answer_of(command.env("ERRORS_URL", url));
        assert!(!said.contains("hunter2"), "{said}");
        said
    };
    let url = format!(
        "postgresql://reader:{PASSWORD}@127.0.0.1:{}/addressed",
        server.port
    );
    let url = format!("{url}?sslmode=verify-full&options=-c%20default_transaction_read_only%3Doff");
    let answer = said(&url);
    assert!(answer.starts_with("exit: 0"), "{answer}");
    for wrong in [
        "hunter2",
        "mysql://a:hunter2@b/c",
        "postgres://a:hunter2@b:hunter2/c",
        "postgres:///hunter2?host=%",
    ] {
        let answer = said(wrong);
        assert!(answer.starts_with("exit: 2"), "{answer}");
    }
    let by_socket = format!(
        "kind: postgres, url: 'postgres://reader@/addressed?host={}&port={}', password_file: ../password, table: errors",
        server.socket_folder().display(),
        server.port
    );
    let story = Story::new(&by_socket);
    std::fs::write(story.repo.beside("password"), format!("{PASSWORD}\n")).expect("a file");
    let answer = story.guard(["extract", "--check"]);
    assert!(answer.starts_with("exit: 0"), "{answer}");
}

#[test]
fn the_way_is_safe_or_there_is_none() {
    let server = database("encrypted");
    server.sql("encrypted", ERRORS);
    let ca_file = server.ca_file();
    let tls = "table: errors, tls: required";
    Story::of(server, "encrypted", tls)
        .check_fails(2, "no safe way to PostgreSQL: invalid peer certificate");
    let known = format!("{tls}, ca_file: '{}'", ca_file.display());
    let said = Story::of(server, "encrypted", &known).guard(["extract", "--check"]);
    assert!(said.starts_with("exit: 0"), "{said}");
    // Signed by the right one, for another name.
    let named = address(server, "reader", "encrypted").replace("127.0.0.1", "localhost");
    Story::new(&format!("{named}, {known}")).check_fails(2, "invalid peer certificate");
    Story::of(
        server,
        "encrypted",
        &format!("{tls}, ca_file: .koan-guard.yaml"),
    )
    .check_fails(2, "holds no certificates");
}

#[test]
fn another_schema_has_to_be_named() {
    let server = database("schemas");
    server.sql(
        "schemas",
        "CREATE SCHEMA other; GRANT USAGE ON SCHEMA other TO reader; CREATE TABLE other.errors (message text, \"Weird \"\"name\" text);
         INSERT INTO other.errors VALUES ('boom', 'x'); GRANT SELECT ON other.errors TO reader;
         CREATE VIEW seen AS SELECT 'x'::text AS message; GRANT SELECT ON seen TO reader;",
    );
    Story::of(server, "schemas", "table: errors")
        .check_fails(2, "no table `errors` in schema `public`");
    Story::of(server, "schemas", "table: seen")
        .check_fails(2, "`seen` is no ordinary table: a view");
    let digest = Story::of(server, "schemas", "table: errors, schema: other").digest();
    assert_eq!(digest["sources"][0]["events"], 1);
    let weird =
        "table: errors, schema: other, columns: {message: message, environment: 'Weird \"name'}";
    assert_eq!(
        Story::of(server, "schemas", weird).digest()["sources"][0]["events"],
        1
    );
    let wrong = "table: errors, schema: other, columns: {message: msg}";
    Story::of(server, "schemas", wrong).check_fails(2, "table `errors` has no column `msg`");
}

#[test]
fn what_the_role_may_not_see_is_no_empty_reading() {
    let server = database("hidden");
    server.sql("hidden", ERRORS);
    server.sql("hidden", "ALTER TABLE errors ENABLE ROW LEVEL SECURITY; INSERT INTO errors(message, created_at) VALUES ('a', '2026-11-22 07:00Z');");
    Story::of(server, "hidden", "table: errors")
        .check_fails(2, "may not read a table of the source");
    server.sql(
        "hidden",
        "ALTER TABLE errors DISABLE ROW LEVEL SECURITY; REVOKE SELECT ON errors FROM reader;",
    );
    Story::of(server, "hidden", "table: errors")
        .check_fails(2, "may not read a table of the source");
}

#[test]
fn empty_future_and_broken_rows_are_said() {
    let server = database("odd");
    server.sql("odd", ERRORS);
    let story = Story::of(server, "odd", "table: errors");
    assert_eq!(story.digest()["errors"], Value::Array(Vec::new()));
    server.sql(
        "odd",
        "INSERT INTO errors(message, created_at) VALUES ('now', '2026-11-22 07:00Z'), ('old', '2026-01-01'), ('future', '2027-01-01'),
         ('endless', 'infinity'), ('none', NULL), ('ahead of us', '2026-11-22 08:02Z');",
    );
    let digest = story.digest();
    let source = &digest["sources"][0];
    assert_eq!(
        (&source["events"], &source["events_undated"]),
        (&Value::from(2), &Value::from(3))
    );
    // Times as texts and numbers, none of which may spoil the reading.
    server.sql(
        "odd",
        "CREATE TABLE texts (message text, created_at text); GRANT SELECT ON texts TO reader;
         INSERT INTO texts VALUES ('a', '2026-11-22 06:00:00'), ('b', '2026-11-22T06:00:00.123456Z'), ('c', '2026-11-22T07:00:00+01:00'),
           ('d', '2026-11-22 06:00:00 UTC'), ('e', '1795327200'), ('f', '1795327200000'), ('g', '1795327200.25'),
           ('h', 'yesterday'), ('i', '2026-13-99 99:99:99'), ('j', ''), ('k', repeat('9', 400)), ('l', 'now');
         CREATE TABLE numbers (message text, created_at numeric); GRANT SELECT ON numbers TO reader;
         INSERT INTO numbers VALUES ('a', 1795327200), ('b', 1795327200000), ('c', 1795327200000000), ('d', 'NaN'), ('e', -5), ('f', 1e300);",
    );
    for (table, n_events, n_undated) in [("texts", 7, 5), ("numbers", 3, 3)] {
        let digest = Story::of(server, "odd", &format!("table: {table}")).digest();
        let source = &digest["sources"][0];
        assert_eq!(
            (&source["events"], &source["events_undated"]),
            (&Value::from(n_events), &Value::from(n_undated)),
            "{table}"
        );
        for error in digest["errors"].as_array().expect("errors") {
            assert_eq!(error["last_seen"], "2026-11-22T06:00:00Z", "{error}");
        }
    }
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_message_of_fifty_megabytes_is_cut_by_the_server() {
    let server = database("huge");
    server.sql("huge", ERRORS);
    server.sql(
        "huge",
        "INSERT INTO errors(class, message, backtrace, created_at) SELECT 'E', repeat('word ' || n || ' ', 6000000), repeat('x', 60000000), '2026-11-22 07:00Z' FROM generate_series(1, 2) AS n;",
    );
    let said = Story::of(server, "huge", "table: errors").extract();
    assert!(
        said.starts_with("exit: 0") && said.contains("\"events\": 2"),
        "{said}"
    );
    assert!(said.len() < 100_000, "{}", said.len());
}

#[test]
fn events_of_one_environment_release_or_time_are_asked_for() {
    let server = database("asked");
    server.sql("asked", ERRORS);
    server.sql(
        "asked",
        "INSERT INTO errors(class, message, environment, user_id, created_at)
         SELECT 'E', 'lost', CASE WHEN n % 2 = 0 THEN 'staging' ELSE 'production' END, n % 3, '2026-11-22 07:59Z'::timestamptz - n * interval '1 hour'
         FROM generate_series(0, 9) AS n;",
    );
    let story = Story::of(server, "asked", "table: errors");
    let n_events = |args: &[&str]| {
        let mut command = story
            .repo
            .guard_command(["extract", "--now", NOW, "--format", "json"]);
        command.args(args).env("READER_PASSWORD", PASSWORD);
        let said = story.repo.answer_of(&mut command);
        parse(&said)["sources"][0]["events"].clone()
    };
    assert_eq!(n_events(&[]), 10);
    assert_eq!(n_events(&["--environment", "staging"]), 5);
    assert_eq!(n_events(&["--environment", "x' OR '1' = '1"]), 0);
    assert_eq!(n_events(&["--since", "2026-11-22T05:00:00Z"]), 3);
    assert_eq!(n_events(&["--until", "2026-11-22T05:00:00Z"]), 7);
    assert_eq!(story.digest()["errors"][0]["users"], 3);
}

/// Holds the table while `work` runs, until it is told the end.
fn while_locked(server: &Server, database: &str, work: impl FnOnce()) {
    let mut command = server.psql(database);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("psql");
    let mut stdin = child.stdin.take().expect("a pipe");
    let lock = b"BEGIN; LOCK TABLE errors IN ACCESS EXCLUSIVE MODE; SELECT 'locked';\n";
    stdin.write_all(lock).expect("a pipe");
    let mut said = [0; 6];
    let mut stdout = child.stdout.take().expect("a pipe");
    stdout.read_exact(&mut said).expect("an answer");
    assert_eq!(&said, b"locked");
    work();
    drop(stdin);
    child.wait().expect("psql");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_locked_table_is_an_error_in_time() {
    let server = database("locked");
    server.sql("locked", ERRORS);
    let story = Story::of(server, "locked", "table: errors");
    while_locked(server, "locked", || {
        let start = Instant::now();
        story.check_fails(3, "locked by another session");
        assert!(start.elapsed() < Duration::from_secs(40));
    });
    let said = story.extract();
    assert!(said.starts_with("exit: 0"), "{said}");
}

#[test]
fn a_session_that_is_ended_is_a_doubt() {
    let server = database("ended");
    server.sql("ended", ERRORS);
    let story = Story::of(server, "ended", "table: errors");
    while_locked(server, "ended", || {
        std::thread::scope(|scope| {
            let reading = scope.spawn(|| story.extract());
            let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'koan-guard' AND datname = 'ended' AND wait_event_type = 'Lock'";
            while server.sql("postgres", end) == "0" && !reading.is_finished() {
                std::thread::sleep(Duration::from_millis(20));
            }
            let said = reading.join().expect("an answer");
            assert!(said.starts_with("exit: 3"), "{said}");
            assert!(said.contains("being stopped"), "{said}");
        });
    });
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_server_that_hangs_up_or_says_nothing_is_a_doubt() {
    for (is_silent, expected) in [
        (false, "the server closed the connection"),
        (true, "took longer"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.expect("a stream");
                let _ = stream.read(&mut [0; 1_000]);
                if is_silent {
                    kept.push(stream);
                }
            }
        });
        let source = format!(
            "kind: postgres, url: 'postgres://reader@127.0.0.1:{port}/x', password_env: READER_PASSWORD, table: errors, timeout: 1s"
        );
        Story::new(&source).check_fails(3, expected);
    }
}
