//! `sync` over HTTP with a password and over SSH: what git does there with a user's own settings holds for the guard's refs too.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};

use crate::support::Repo;

/// git's own CGI program behind a server that wants a password.
const HTTP_SERVER: &str = r#"
import base64, http.server, os, subprocess, sys

WANTED = "Basic " + base64.b64encode(b"ada:correct horse").decode()


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Authorization") != WANTED:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="errors"')
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        env = dict(
            PATH=os.environ["PATH"],
            GIT_PROJECT_ROOT=sys.argv[1],
            GIT_HTTP_EXPORT_ALL="1",
            PATH_INFO=path,
            QUERY_STRING=query,
            REQUEST_METHOD=self.command,
            CONTENT_TYPE=self.headers.get("Content-Type", ""),
            HTTP_CONTENT_ENCODING=self.headers.get("Content-Encoding", ""),
            HTTP_GIT_PROTOCOL=self.headers.get("Git-Protocol", ""),
            REMOTE_USER="ada",
        )
        done = subprocess.run(["git", "http-backend"], input=body, env=env, stdout=subprocess.PIPE)
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(rest)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"#;

const ISSUE: &str = "k1:0123456789abcdef01234567";

/// A repository beside a bare server of its own, which no remote leads to yet.
fn beside_a_server() -> Repo {
    let repo = Repo::empty();
    repo.write("f", "").commit("chore: a file");
    let server = repo.beside("server.git");
    repo.git([
        "clone",
        "--quiet",
        "--bare",
        ".",
        server.to_str().expect("UTF-8"),
    ]);
    repo
}

#[track_caller]
fn check_claim(repo: &Repo, url: &str) {
    repo.git(["remote", "add", "origin", url]);
    let answer = repo.guard(["triage", "claim", ISSUE]);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    let answer = repo.guard(["sync"]);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    assert!(
        answer.contains("refs/koan/triage: the same here and there"),
        "{answer}"
    );
    let there = repo.git(["--git-dir=../server.git", "rev-parse", "refs/koan/triage"]);
    assert_eq!(there, repo.git(["rev-parse", "refs/koan/triage"]));
}

/// Ends with its test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().expect("kill");
        self.0.wait().expect("end");
    }
}

#[test]
fn over_http_the_users_own_password_is_asked_for() {
    let repo = beside_a_server();
    let folder = repo.beside("");
    let mut command = repo.command("python3", &folder);
    command.args(["-c", HTTP_SERVER]).arg(&folder);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("python3");
    let stdout = child.stdout.take().expect("piped");
    let _server = Server(child);
    let mut port = String::new();
    BufReader::new(stdout).read_line(&mut port).expect("a port");
    let url = format!("http://127.0.0.1:{}/server.git", port.trim());

    repo.git(["remote", "add", "locked", &url]);
    let answer = repo.guard(["sync", "locked"]);
    assert!(!answer.starts_with("exit: 0\n"), "{answer}");
    repo.git([
        "config",
        "credential.helper",
        "!f() { echo username=ada; echo 'password=correct horse'; }; f",
    ]);
    check_claim(&repo, &url);
}

#[test]
fn over_ssh_the_users_own_command_is_run() {
    let repo = beside_a_server();
    let program = repo.beside("ssh");
    // What a server would run is the last argument.
    fs::write(
        &program,
        "#!/bin/sh\nfor last do :; done\nexec sh -c \"$last\"\n",
    )
    .expect("file");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("mode");
    repo.git([
        "config",
        "core.sshCommand",
        program.to_str().expect("UTF-8"),
    ]);
    let server = repo.beside("server.git");
    check_claim(&repo, &format!("ssh://git.example.org{}", server.display()));
}
