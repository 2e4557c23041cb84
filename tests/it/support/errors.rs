//! A server of errors with answers by script: what it is asked, and what it says.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Serves until the test ends.
pub struct Tracker {
    pub url: String,
    /// Each request as it came, head and body.
    pub requests: Arc<Mutex<Vec<String>>>,
}

/// Status, further headers, body.
pub type Answer = (u16, String, String);

impl Tracker {
    /// `script` answers by method and path.
    pub fn start(script: impl Fn(&str, &str) -> Answer + Send + Sync + 'static) -> Tracker {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (heard, script) = (Arc::clone(&requests), Arc::new(script));
        // The thread ends with the process of the tests.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (heard, script) = (Arc::clone(&heard), Arc::clone(&script));
                thread::spawn(move || drop(serve(stream, &*script, &heard)));
            }
        });
        Tracker { url, requests }
    }

    pub fn methods(&self) -> Vec<String> {
        let requests = self.requests.lock().expect("requests");
        let methods = requests.iter().map(|request| request.split(' ').next());
        methods
            .map(|method| method.unwrap_or("").to_owned())
            .collect()
    }
}

fn serve(
    mut stream: TcpStream,
    script: &dyn Fn(&str, &str) -> Answer,
    heard: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    let is_whole = |request: &[u8]| {
        let text = String::from_utf8_lossy(request).to_lowercase();
        let Some(end) = text.find("\r\n\r\n") else {
            return false;
        };
        let length = text.split("content-length: ").nth(1);
        let length = length.and_then(|rest| rest.split("\r\n").next()?.parse::<usize>().ok());
        request.len() >= end + 4 + length.unwrap_or(0)
    };
    while !is_whole(&request) {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            n => request.extend(&buffer[..n]),
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (status, headers, body) = script(method, path);
    heard.lock().expect("requests").push(request.clone());
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
