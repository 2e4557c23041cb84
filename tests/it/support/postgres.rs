//! One PostgreSQL server for all stories of this binary, in a temporary folder. It goes with the binary, however that ends: a shell waits for the end
//! of a pipe that only we hold open.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The password of every role that has one.
pub const PASSWORD: &str = "hunter2-of-the-reader";

pub struct Server {
    folder: PathBuf,
    bin: PathBuf,
    pub port: u16,
    /// Its end tells the server to stop.
    _shell: Child,
}

/// The server and a new, empty database of it.
pub fn database(name: &str) -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let server = SERVER.get_or_init(Server::start);
    server.sql("postgres", &format!("CREATE DATABASE {name};"));
    // The habit of versions before 15.
    server.sql(name, "REVOKE CREATE ON SCHEMA public FROM PUBLIC;");
    server
}

impl Server {
    fn start() -> Server {
        let bin = programs();
        let temp = tempfile::Builder::new()
            .prefix("koan-pg-")
            .tempdir()
            .expect("temporary folder");
        let folder = temp.keep();
        let is_root = fs::metadata(&folder).expect("folder").uid() == 0;
        make_certificates(&folder);
        if is_root {
            give_to_nobody(&folder);
        }
        // The server refuses to be root.
        let as_nobody = if is_root {
            "setpriv --reuid=65534 --regid=65534 --clear-groups --"
        } else {
            ""
        };
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let line = format!(
            "cd '{folder}' && export HOME='{folder}' &&
             {as_nobody} '{bin}/initdb' -D data -U postgres -A trust -E UTF8 --locale=C --no-sync --no-instructions >init.log 2>&1 &&
             {as_nobody} cp pg_hba.conf data/pg_hba.conf || exit 1
             {as_nobody} '{bin}/postgres' -D data -p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='{folder}' \
               -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=64MB -c max_connections=60 \
               -c ssl=on -c ssl_cert_file='{folder}/server.crt' -c ssl_key_file='{folder}/server.key' </dev/null >server.log 2>&1 &
             server=$!
             read -r _
             kill -INT $server
             wait $server
             cd / && rm -rf '{folder}'",
            folder = folder.display(),
            bin = bin.display(),
        );
        let shell = Command::new("sh")
            .args(["-c", &line])
            .stdin(Stdio::piped())
            .spawn()
            .expect("a shell");
        let server = Server {
            folder,
            bin,
            port,
            _shell: shell,
        };
        let end = Instant::now() + Duration::from_secs(300);
        while !server.is_ready() {
            let said = fs::read_to_string(server.folder.join("server.log"));
            assert!(Instant::now() < end, "no server: {said:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
        server.sql(
            "postgres",
            &format!("CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}';"),
        );
        server
    }

    fn is_ready(&self) -> bool {
        let mut command = self.psql("postgres");
        command.args(["-c", "SELECT 1"]).stdout(Stdio::null());
        let status = command.stderr(Stdio::null()).stdin(Stdio::null()).status();
        status.expect("psql").success()
    }

    /// A client that may do everything, by the socket.
    pub fn psql(&self, database: &str) -> Command {
        let mut command = Command::new(self.bin.join("psql"));
        command.env_clear().env("PGCONNECT_TIMEOUT", "10");
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        command.args(["-U", "postgres", "-d", database]);
        command.args(["-p", &self.port.to_string(), "-h"]);
        command.arg(&self.folder);
        command
    }

    /// Runs statements and says what they said.
    #[track_caller]
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let mut command = self.psql(database);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("psql");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(sql.as_bytes()).expect("a pipe");
        drop(stdin);
        let output = child.wait_with_output().expect("psql");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Who signed the server's certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    pub fn socket_folder(&self) -> &Path {
        &self.folder
    }
}

/// Where the newest server's programs are.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let versions = versions.filter_map(|entry| {
        let entry = entry.ok()?;
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((version, entry.path().join("bin")))
    });
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter(|(_, bin)| bin.join("postgres").exists())
        .collect();
    found.sort();
    if let Some((_, bin)) = found.pop() {
        return bin;
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).find(|folder| folder.join("postgres").exists());
    found.expect("PostgreSQL is missing: `apt-get install postgresql`, or run tests/run.sh")
}

/// An authority and a certificate for 127.0.0.1, and who must give a password.
fn make_certificates(folder: &Path) {
    let curve = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ];
    let run = |args: &[&str]| {
        let output = Command::new("openssl")
            .current_dir(folder)
            .args(["req", "-x509"])
            .args(curve)
            .args(args)
            .output()
            .expect("openssl is missing: `apt-get install openssl`, or run tests/run.sh");
        assert!(output.status.success(), "{output:?}");
    };
    run(&[
        "-keyout",
        "ca.key",
        "-out",
        "ca.crt",
        "-subj",
        "/CN=koan-guard test",
    ]);
    let name = "subjectAltName=IP:127.0.0.1";
    let leaf = "basicConstraints=critical,CA:FALSE";
    run(&[
        "-CA",
        "ca.crt",
        "-CAkey",
        "ca.key",
        "-keyout",
        "server.key",
        "-out",
        "server.crt",
        "-subj",
        "/CN=server",
        "-addext",
        name,
        "-addext",
        leaf,
    ]);
    let rules = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
    fs::write(folder.join("pg_hba.conf"), rules).expect("file");
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(folder.join("server.key"), mode).expect("mode");
}

fn give_to_nobody(folder: &Path) {
    const NOBODY: u32 = 65_534;
    for entry in fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        chown(path, Some(NOBODY), Some(NOBODY)).expect("chown");
    }
    chown(folder, Some(NOBODY), Some(NOBODY)).expect("chown");
}
