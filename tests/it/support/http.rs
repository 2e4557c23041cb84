//! A web server for one test: it asks for a user's name and hands the rest to `git http-backend`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use super::Repo;

/// Serves the repositories of a folder until the test ends. Whoever gives a name gets in; the password does not matter.
pub struct Server {
    port: u16,
}

/// The part of a request that the backend needs.
struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Server {
    pub fn start(repo: &Repo) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (home, root) = (repo.home(), repo.beside(""));
        let backend = Arc::new(move || clean_backend(&home, &root));
        // The thread ends with the process of the tests.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let backend = Arc::clone(&backend);
                thread::spawn(move || drop(answer(stream, backend())));
            }
        });
        Server { port }
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn url(&self, user: &str, name: &str) -> String {
        format!("http://{user}:x@{}/{name}", self.address())
    }
}

fn clean_backend(home: &Path, root: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("http-backend").env_clear().current_dir(root);
    for (name, value) in super::toolchains() {
        command.env(name, value);
    }
    command.env("HOME", home);
    command.env("GIT_PROJECT_ROOT", root);
    command.env("GIT_HTTP_EXPORT_ALL", "1");
    command.env("GIT_CONFIG_NOSYSTEM", "1");
    command.env("LC_ALL", "C");
    command
}

fn answer(mut stream: TcpStream, mut backend: Command) -> std::io::Result<()> {
    let request = read(&mut stream)?;
    let user = request.headers.iter().find_map(|(name, value)| {
        let encoded = value.strip_prefix("Basic ")?;
        (name == "authorization").then(|| user_of(encoded))
    });
    let Some(user) = user else {
        return stream.write_all(
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    };
    let (path, query) = request
        .target
        .split_once('?')
        .unwrap_or((&request.target, ""));
    backend.env("REQUEST_METHOD", &request.method);
    backend.env("PATH_INFO", path).env("QUERY_STRING", query);
    backend
        .env("REMOTE_USER", user)
        .env("REMOTE_ADDR", "127.0.0.1");
    backend.env("CONTENT_LENGTH", request.body.len().to_string());
    for (name, value) in &request.headers {
        let name = name.to_uppercase().replace('-', "_");
        if name == "CONTENT_TYPE" {
            backend.env(&name, value);
        }
        backend.env(format!("HTTP_{name}"), value);
    }
    backend
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = backend.spawn()?;
    let mut stdin = child.stdin.take().expect("stdin");
    let body = request.body;
    let writer = thread::spawn(move || stdin.write_all(&body));
    let mut out = Vec::new();
    child.stdout.take().expect("stdout").read_to_end(&mut out)?;
    drop(writer.join());
    child.wait()?;
    let status = out
        .strip_prefix(b"Status: ")
        .and_then(|rest| rest.split(|&byte| byte == b'\r').next())
        .map_or("200 OK".into(), |status| {
            String::from_utf8_lossy(status).into_owned()
        });
    stream.write_all(format!("HTTP/1.1 {status}\r\nConnection: close\r\n").as_bytes())?;
    stream.write_all(&out)
}

fn read(stream: &mut TcpStream) -> std::io::Result<Request> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (words.next(), words.next());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let header = |wanted: &str| headers.iter().find(|(name, _)| name == wanted);
    let n_bytes = header("content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; n_bytes.unwrap_or(0)];
    assert!(
        header("transfer-encoding").is_none(),
        "a push of a test is small"
    );
    reader.read_exact(&mut body)?;
    Ok(Request {
        method: method.unwrap_or_default(),
        target: target.unwrap_or_default(),
        headers,
        body,
    })
}

/// The name before the colon of what HTTP calls basic credentials.
fn user_of(encoded: &str) -> String {
    use base64::Engine as _;
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim());
    let decoded = String::from_utf8(decoded.expect("base64")).expect("UTF-8");
    decoded.split(':').next().unwrap_or_default().to_owned()
}
