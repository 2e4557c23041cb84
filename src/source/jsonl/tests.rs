use std::io::{BufReader, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::issue::{Issue, Severity};
use crate::source::Window;

fn filter() -> Filter {
    let now = "2026-11-23T00:00:00Z".parse().expect("a time");
    Filter::all(Window::days_before(now, 14).expect("a window"))
}

fn read_bytes(bytes: &[u8]) -> anyhow::Result<Reading> {
    read(&mut BufReader::new(bytes), &Settings::default(), &filter())
}

/// Each issue of a captured log, `tests/fixtures/errors/logs/NAME.jsonl`, is a line of `NAME.issues` beside it: how often, how bad, its title, and
/// where it crashed.
#[track_caller]
fn check(name: &str) {
    let logs = format!("{}/tests/fixtures/errors/logs", env!("CARGO_MANIFEST_DIR"));
    let path = format!("{logs}/{name}.jsonl");
    let reading = read_file(Path::new(&path), &Settings::default(), &filter()).expect("a log");
    assert_eq!((reading.n_broken, reading.n_undated), (0, 0));
    let mut shown: Vec<String> = reading.issues.iter().map(line).collect();
    shown.sort();
    let shown = shown.join("\n");
    let expected = std::fs::read_to_string(format!("{logs}/{name}.issues")).expect("the issues");
    assert_eq!(shown, expected.trim_end(), "\n{name}.issues:\n{shown}\n");
}

fn line(issue: &Issue) -> String {
    let culprit = issue.culprit().map_or("nowhere".to_owned(), |frame| {
        let file = frame.file.rsplit('/').next().unwrap_or("");
        format!("{file} {}", frame.function.as_deref().unwrap_or("?"))
    });
    let severity = issue
        .severity
        .map_or("?".to_owned(), |severity| severity.to_string());
    format!(
        "{} {severity} {} @ {culprit}",
        issue.tally.n_events,
        issue.title()
    )
}

#[test]
fn a_line_that_is_broken_or_too_long_is_counted_and_the_rest_is_read() {
    let mut bytes = Vec::new();
    let line = r#"{"level":"error","message":"order 7 lost","time":"2026-11-22T07:00:00Z"}"#;
    for text in [line, "{broken", "", "[1]", line] {
        bytes.extend(text.as_bytes());
        bytes.push(b'\n');
    }
    bytes.extend(br#"{"level":"error","time":"2026-11-22T07:00:00Z","message":""#);
    bytes.extend(vec![b'x'; 50 << 20]);
    bytes.extend(b"\"}\n");
    bytes.extend(line.as_bytes());
    let reading = read_bytes(&bytes).expect("a log");
    assert_eq!(
        (reading.n_events, reading.n_broken, reading.issues.len()),
        (3, 2, 1)
    );
}

#[test]
fn what_is_no_log_is_the_users_to_correct() {
    for bytes in [b"SQLite format 3\0\n".as_slice(), b"<html>\n</html>\n"] {
        let err = read_bytes(bytes).expect_err("no log");
        assert!(err.is::<UsageError>(), "{err:#}");
    }
    assert!(read_bytes(b"").expect("nothing").issues.is_empty());
}

#[test]
fn a_compressed_log_is_read_too_and_half_of_one_is_a_doubt() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let line = "{\"level\":50,\"msg\":\"lost\",\"time\":1795332033000}\n";
    for _ in 0..1000 {
        encoder.write_all(line.as_bytes()).expect("bytes");
    }
    let bytes = encoder.finish().expect("bytes");
    assert_eq!(read_bytes(&bytes).expect("a log").n_events, 1000);
    assert!(read_bytes(&bytes[..bytes.len() / 2]).is_err());
}

#[test]
fn only_errors_of_the_window_count() {
    let lines = [
        r#"{"level":"info","msg":"hello","time":"2026-11-22T07:00:00Z"}"#,
        r#"{"level":"warn","msg":"slow","time":"2026-11-22T07:00:00Z"}"#,
        r#"{"level":"error","msg":"old","time":"2026-10-22T07:00:00Z"}"#,
        r#"{"level":"error","msg":"future","time":"2027-10-22T07:00:00Z"}"#,
        r#"{"level":"error","msg":"timeless"}"#,
        r#"{"level":"error","msg":"counts","time":"2026-11-22T07:00:00Z","env":"production","release":"1"}"#,
        r#"{"level":"error","msg":"counts","time":"2026-11-22T07:00:00Z","env":"staging"}"#,
    ];
    let text = lines.join("\n");
    let reading = read_bytes(text.as_bytes()).expect("a log");
    assert_eq!((reading.n_events, reading.n_undated), (2, 2));
    let filter = Filter {
        environments: vec!["production".to_owned()],
        releases: vec!["1".to_owned()],
        ..filter()
    };
    let mut stream = BufReader::new(text.as_bytes());
    let reading = read(&mut stream, &Settings::default(), &filter).expect("a log");
    assert_eq!(reading.n_events, 1);
}

#[test]
fn a_log_record_and_the_event_of_its_span_are_one() {
    let log = r#"{"severity_number":17,"body":"failed","timestamp":"2026-11-22T07:00:00Z","trace_id":"0xab","span_id":"0xcd","attributes":{"exception.type":"E","exception.message":"m"}}"#;
    let span = r#"{"start_time":"2026-11-22T07:00:00Z","context":{"trace_id":"0xab","span_id":"0xcd"},"events":[{"name":"exception","timestamp":"2026-11-22T07:00:00Z","attributes":{"exception.type":"E","exception.message":"m"}}]}"#;
    let reading = read_bytes(format!("{log}\n{span}\n").as_bytes()).expect("a log");
    assert_eq!(reading.n_events, 1);
}

#[test]
fn users_are_counted_and_numbers_are_levels() {
    let line = |user: u32| {
        format!(
            r#"{{"level":60,"msg":"lost","time":1795332033000,"userId":{user},"err":{{"type":"E","message":"m","stack":"E: m\n    at f (/srv/a.js:1:2)"}}}}"#
        )
    };
    let text = [line(1), line(2), line(2)].join("\n");
    let reading = read_bytes(text.as_bytes()).expect("a log");
    let issue = &reading.issues[0];
    assert_eq!(
        (issue.users, issue.severity),
        (Some(2), Some(Severity::Fatal))
    );
}

#[test]
fn a_pipe_in_the_place_of_a_log_holds_nobody_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let err = read_file(folder.path(), &Settings::default(), &filter()).expect_err("a folder");
    assert!(err.is::<UsageError>(), "{err:#}");
    let none = folder.path().join("none");
    let err = read_file(&none, &Settings::default(), &filter()).expect_err("no file");
    assert!(err.is::<UsageError>(), "{err:#}");
}

#[test]
fn local_variables_are_left_where_they_are() {
    let path = format!(
        "{}/tests/fixtures/errors/logs/structlog_dict_tracebacks.jsonl",
        env!("CARGO_MANIFEST_DIR")
    );
    let reading = read_file(Path::new(&path), &Settings::default(), &filter()).expect("a log");
    assert!(!format!("{reading:?}").contains("list_iterator"));
}

#[test]
fn pino() {
    check("pino");
}

#[test]
fn structlog() {
    check("structlog_format_exc");
    check("structlog_dict_tracebacks");
}

#[test]
fn python_json_logger() {
    check("python_json_logger");
}

#[test]
fn loguru() {
    check("loguru");
}

#[test]
fn zap() {
    check("zap");
}

#[test]
fn tracing() {
    check("tracing_subscriber");
}

#[test]
fn open_telemetry() {
    check("otel_logs");
    check("otel_spans");
    check("otlp_file_exporter");
}
