use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::*;
use crate::policy::TokenPlace;
use crate::source::{Filter, Window};

/// What a scripted server answers.
enum Answer {
    Json(String),
    /// Status and further headers.
    Status(u16, &'static str),
    /// Promises more than it sends.
    Half,
    /// Ten gigabytes, if anybody takes them.
    Flood,
}

/// Answers by the path that is asked for and the number of the question.
type Script = dyn Fn(&str, usize) -> Answer + Send + Sync;

struct Server {
    config: ServerConfig,
    folder: TempDir,
    questions: Arc<Mutex<Vec<String>>>,
}

const TOKEN: &str = "0123456789abcdef0123456789abcdef01234567";

impl Server {
    fn start(
        org: Option<&str>,
        script: impl Fn(&str, usize) -> Answer + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let questions = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&questions);
        let script: Arc<Script> = Arc::new(script);
        std::thread::spawn(move || {
            for (n, stream) in listener.incoming().enumerate() {
                let (script, heard) = (Arc::clone(&script), Arc::clone(&heard));
                let stream = stream.expect("a connection");
                std::thread::spawn(move || answer(stream, n, &*script, &heard));
            }
        });
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("token"), format!("{TOKEN}\n")).expect("a token");
        Server {
            config: ServerConfig {
                url: format!("http://127.0.0.1:{port}"),
                org: org.map(str::to_owned),
                project: "1".to_owned(),
                token: TokenPlace::File("token".to_owned()),
            },
            folder,
            questions,
        }
    }

    fn read(&self) -> anyhow::Result<Reading> {
        let now = "2026-11-22T18:00:00Z".parse().expect("a time");
        let filter = Filter::all(Window::days_before(now, 14).expect("a window"));
        let client = Client::new(&self.config, self.folder.path(), |_| {})?;
        read_from(&client, &self.config, &Settings::default(), &filter)
    }

    fn questions(&self) -> Vec<String> {
        self.questions.lock().expect("questions").clone()
    }
}

fn answer(mut stream: TcpStream, n: usize, script: &Script, heard: &Mutex<Vec<String>>) {
    let mut question = Vec::new();
    let mut buffer = [0; 1024];
    while !question.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(n) if n > 0 => question.extend(&buffer[..n]),
            _ => return,
        }
    }
    let question = String::from_utf8_lossy(&question).into_owned();
    let path = question.split(' ').nth(1).unwrap_or("").to_owned();
    heard.lock().expect("questions").push(question);
    let head = |status: u16, rest: &str| {
        format!(
            "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Type: application/json\r\n{rest}\r\n"
        )
    };
    // Whoever asked may be gone.
    let _ = match script(&path, n) {
        Answer::Json(body) => write!(
            stream,
            "{}{body}",
            head(200, &format!("Content-Length: {}\r\n", body.len()))
        ),
        Answer::Status(status, headers) => write!(
            stream,
            "{}",
            head(status, &format!("{headers}Content-Length: 0\r\n"))
        ),
        Answer::Half => write!(
            stream,
            "{}[{{\"id\":",
            head(200, "Content-Length: 100000\r\n")
        ),
        Answer::Flood => {
            let begun = write!(stream, "{}[", head(200, "Content-Length: 10000000000\r\n"));
            let block = vec![b' '; 1 << 20];
            let _ = (0..10_000).try_for_each(|_| stream.write_all(&block));
            begun
        }
    };
}

/// What was said to a server that answers everything so; no message ever holds the token.
#[track_caller]
fn check_wrong(
    is_the_users: bool,
    expected: &str,
    script: impl Fn(&str, usize) -> Answer + Send + Sync + 'static,
) {
    let server = Server::start(Some("acme"), script);
    let err = server.read().expect_err("an error");
    let said = format!("{err:#}");
    assert!(said.contains(expected), "{said}");
    assert_eq!(err.is::<UsageError>(), is_the_users, "{said}");
    assert!(!format!("{err:?}").contains(TOKEN), "{err:?}");
}

const EVENT: &str = r#"{"eventID":"ab12","release":{"version":"shop@1.5.0"},"tags":[{"key":"environment","value":"production"}],
  "entries":[{"type":"exception","data":{"values":[
    {"type":"KeyError","module":null,"value":"'a'","stacktrace":{"frames":[]}},
    {"type":"error","module":"re","value":"bad pattern of ada@example.org","stacktrace":{"frames":[
      {"filename":"shop/views.py","function":"checkout","lineNo":3,"inApp":true,"vars":{"password":"hunter2"}},
      {"filename":"re.py","function":"compile","lineNo":9,"inApp":false}]}}]}}]}"#;

fn issue(id: usize) -> String {
    format!(
        r#"{{"id":"{id}","title":"t","level":"error","status":"unresolved","count":"7","userCount":3,"firstSeen":"2026-11-20T18:00:00Z","lastSeen":"2026-11-22T07:00:00Z","stats":{{"14d":[[1795150800,4],[1795323600,3]]}}}}"#
    )
}

#[test]
fn an_issue_of_sentry_with_its_newest_event() {
    let server = Server::start(Some("acme"), |path, _| {
        Answer::Json(if path.contains("/events/latest/") {
            EVENT.to_owned()
        } else {
            format!("[{}]", issue(1))
        })
    });
    let reading = server.read().expect("a reading");
    let issue = &reading.issues[0];
    assert_eq!(issue.title(), "re.error: bad pattern of [redacted:email]");
    assert_eq!(issue.causes, ["KeyError: 'a'"]);
    assert_eq!(
        issue.culprit().map(|frame| frame.file.as_str()),
        Some("shop/views.py")
    );
    assert_eq!((issue.tally.n_events, issue.users), (7, Some(3)));
    assert_eq!(issue.tally.by_age.len(), 2);
    assert!(issue.releases.contains("shop@1.5.0") && issue.environments.contains("production"));
    assert!(!format!("{reading:?}").contains("hunter2"));
    let questions = server.questions();
    assert!(
        questions
            .iter()
            .all(|question| question.starts_with("GET ")),
        "{questions:?}"
    );
    assert!(questions[0].contains(&format!("Bearer {TOKEN}")));
}

#[test]
fn an_issue_of_bugsink_with_its_newest_event() {
    let fixture = |name: &str| {
        let path = format!(
            "{}/tests/fixtures/errors/bugsink_api/{name}",
            env!("CARGO_MANIFEST_DIR")
        );
        std::fs::read_to_string(path).expect("a fixture")
    };
    let (issues, events, event) = (
        fixture("issues.json"),
        fixture("events.json"),
        fixture("event.json"),
    );
    let server = Server::start(None, move |path, _| {
        Answer::Json(if path.contains("/issues/") {
            issues.clone()
        } else if path.contains("/events/?") {
            events.clone()
        } else {
            event.clone()
        })
    });
    let reading = server.read().expect("a reading");
    // Every issue has the same newest event here, so all of them are one.
    assert_eq!(reading.issues.len(), 1);
    assert!(
        reading.issues[0].culprit().is_some(),
        "{:?}",
        reading.issues[0]
    );
    assert!(reading.n_events > 500, "{}", reading.n_events);
}

#[test]
fn pages_are_followed_and_end() {
    let port = Arc::new(AtomicUsize::new(0));
    let known = Arc::clone(&port);
    let server = Server::start(None, move |path, n| {
        let port = known.load(Ordering::SeqCst);
        if path.contains("/events/") {
            return Answer::Json(r#"{"results":[]}"#.to_owned());
        }
        let next = if n < 2 {
            format!("\"http://127.0.0.1:{port}/api/canonical/0/issues/?cursor={n}\"")
        } else {
            "null".to_owned()
        };
        Answer::Json(format!(
            r#"{{"next":{next},"results":[{{"id":"{n}","last_seen":"2026-11-22T07:00:00Z"}}]}}"#
        ))
    });
    port.store(
        server
            .config
            .url
            .rsplit(':')
            .next()
            .and_then(|port| port.parse().ok())
            .expect("a port"),
        Ordering::SeqCst,
    );
    let reading = server.read().expect("a reading");
    // Three issues on three pages, none of which has an event any more.
    assert_eq!((reading.n_broken, reading.issues.len()), (3, 0));
}

#[test]
fn whoever_is_not_let_in_is_told_so() {
    check_wrong(true, "does not let us in: 401", |_, _| {
        Answer::Status(401, "")
    });
    check_wrong(true, "does not let us in: 403", |_, _| {
        Answer::Status(403, "")
    });
    check_wrong(
        true,
        "knows no such organization or project: 404",
        |_, _| Answer::Status(404, ""),
    );
}

#[test]
fn a_server_that_fails_is_asked_again_and_then_a_doubt() {
    check_wrong(false, "answered 500", |_, _| Answer::Status(500, ""));
    check_wrong(false, "is asked too often", |_, _| {
        Answer::Status(429, "Retry-After: 1\r\n")
    });
    check_wrong(false, "asks for 7200 s of patience", |_, _| {
        Answer::Status(429, "Retry-After: 7200\r\n")
    });
    check_wrong(false, "broke off its answer", |_, _| Answer::Half);
    check_wrong(false, "is no JSON", |_, _| {
        Answer::Json("<html>".to_owned())
    });
    let server = Server::start(Some("acme"), |path, n| match n {
        0 => Answer::Status(503, ""),
        1 => Answer::Status(429, "X-Sentry-Rate-Limit-Reset: 1\r\n"),
        _ if path.contains("/events/latest/") => Answer::Json(EVENT.to_owned()),
        _ => Answer::Json(format!("[{}]", issue(1))),
    });
    assert_eq!(server.read().expect("a reading").issues.len(), 1);
}

#[test]
fn nobody_is_led_elsewhere() {
    check_wrong(false, "which is not followed", |_, _| {
        Answer::Status(302, "Location: http://evil.invalid/\r\n")
    });
    check_wrong(false, "to another server", |_, _| {
        Answer::Json(r#"{"next":"http://evil.invalid/api/","results":[]}"#.to_owned())
    });
    // The beginning of an address is not its origin.
    check_wrong(false, "to another server", |_, _| {
        Answer::Json(r#"{"next":"http://127.0.0.1:80@evil.invalid/","results":[]}"#.to_owned())
    });
}

#[test]
fn pages_without_end_end() {
    let port = Arc::new(AtomicUsize::new(0));
    let known = Arc::clone(&port);
    let server = Server::start(None, move |_, n| {
        let port = known.load(Ordering::SeqCst);
        Answer::Json(format!(
            r#"{{"next":"http://127.0.0.1:{port}/api/?cursor={n}","results":[]}}"#
        ))
    });
    port.store(
        server
            .config
            .url
            .rsplit(':')
            .next()
            .and_then(|port| port.parse().ok())
            .expect("a port"),
        Ordering::SeqCst,
    );
    let err = server.read().expect_err("endless");
    assert!(err.to_string().contains("do not end"), "{err:#}");
}

#[test]
fn ten_gigabytes_are_not_taken() {
    check_wrong(false, "is larger than 10 MiB", |_, _| Answer::Flood);
}

#[test]
fn without_a_token_nothing_is_asked() {
    let server = Server::start(None, |_, _| Answer::Status(500, ""));
    for bytes in ["", " \n", "a b", "a\nb"] {
        std::fs::write(server.folder.path().join("token"), bytes).expect("a file");
        let err = server.read().expect_err("no token");
        assert!(err.is::<UsageError>(), "{err:#}");
    }
    assert!(server.questions().is_empty());
}

#[test]
fn a_check_says_what_the_server_answers() {
    let server = Server::start(Some("acme"), |_, _| Answer::Json(format!("[{}]", issue(1))));
    let checked =
        check(&server.config, server.folder.path(), &Settings::default()).expect("checked");
    assert_eq!(checked.rung, Rung::Get);
    assert!(checked.facts[0].contains("1 issues"), "{:?}", checked.facts);
}
