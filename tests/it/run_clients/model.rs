//! A model that is a script: a web server on the loopback interface.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use super::protocol::{self, Reply};

/// A model that fixes without a test, and adds one once it is told that this was refused.
pub struct Model {
    port: u16,
    /// The first lines and the bodies of all requests.
    heard: Arc<Mutex<Vec<String>>>,
}

impl Model {
    pub fn start() -> Model {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&heard);
        // The thread ends with the process of the tests.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let hears = Arc::clone(&hears);
                thread::spawn(move || drop(answer(stream, &hears)));
            }
        });
        Model { port, heard }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// As `run.hosts` names it.
    pub fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("no panic").clone()
    }
}

/// One request, one answer.
fn answer(mut stream: TcpStream, heard: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut n_bytes = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            n_bytes = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; n_bytes];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    heard
        .lock()
        .expect("no panic")
        .push(format!("{first}{body}"));
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    let target = first.split(' ').nth(1).unwrap_or_default();
    let (status, form, text) = match protocol::reply(target, &body) {
        Some(Reply::Events(text)) => ("200 OK", "text/event-stream", text),
        Some(Reply::Object(object)) => ("200 OK", "application/json", object.to_string()),
        None => ("404 Not Found", "text/plain", String::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {form}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        text.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(text.as_bytes())
}
