//! What a sandbox has to refuse, tried from inside: the probe believes what was really attempted.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use rustix::process::{Pid, Signal, kill_process};

/// In the folder that is not the sandbox's: a file, and a socket that somebody listens on.
pub const SECRET: &str = "secret";
pub const SOCKET: &str = "socket";
const WRITTEN: &str = "written";

/// What must be possible inside, or the other answers say nothing.
const INSIDE: &str = "writing inside";

/// How many things are tried.
const N_ATTEMPTS: usize = 7;

/// What works of it, one name a line: with no sandbox around it, all. `inside` may be written to; `outside` holds [`SECRET`] and
/// [`SOCKET`]; on `port` of the loopback interface somebody listens; `stranger` runs outside.
pub fn all(inside: &Path, outside: &Path, port: u16, stranger: Option<Pid>) -> String {
    let address = (Ipv4Addr::LOCALHOST, port).into();
    let patience = Duration::from_secs(5);
    let tries: [(&str, bool); N_ATTEMPTS] = [
        (INSIDE, fs::write(inside.join(WRITTEN), "").is_ok()),
        (
            "writing outside",
            fs::write(outside.join(WRITTEN), "").is_ok(),
        ),
        ("changing outside files", touch(&outside.join(SECRET))),
        (
            "reading outside",
            fs::read(outside.join(SECRET)).is_ok() || fs::read_dir(outside).is_ok(),
        ),
        (
            "the network",
            TcpStream::connect_timeout(&address, patience).is_ok(),
        ),
        (
            "sockets outside",
            UnixStream::connect(outside.join(SOCKET)).is_ok(),
        ),
        ("signals to outside", stranger.is_some_and(wake)),
    ];
    tries
        .into_iter()
        .filter(|(_, works)| *works)
        .map(|(name, _)| format!("{name}\n"))
        .collect()
}

/// A refusal counts only if the same works where nothing is in its way, and if what is allowed works too.
pub fn judge(free: &[String], shut_in: &[String]) -> anyhow::Result<()> {
    ensure!(
        free.len() == N_ATTEMPTS,
        "it cannot be tried, since without it only this works: {}",
        free.join(", ")
    );
    ensure!(shut_in.iter().any(|name| name == INSIDE), "no {INSIDE}");
    let rest: Vec<&str> = shut_in
        .iter()
        .map(String::as_str)
        .filter(|name| *name != INSIDE)
        .collect();
    ensure!(rest.is_empty(), "it does not refuse {}", rest.join(", "));
    Ok(())
}

/// Sends a signal that does nothing to who runs.
fn wake(pid: Pid) -> bool {
    kill_process(pid, Signal::CONT).is_ok()
}

fn touch(path: &Path) -> bool {
    File::options().append(true).open(path).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    use rustix::process::getpid;

    const ALL: &str = "writing inside,writing outside,changing outside files,reading outside,the network,sockets outside,signals to outside";

    #[test]
    fn with_no_sandbox_everything_works() {
        let folder = tempfile::tempdir().expect("a folder");
        let (inside, outside) = (folder.path().join("in"), folder.path().join("out"));
        for path in [&inside, &outside] {
            fs::create_dir(path).expect("a folder");
        }
        fs::write(outside.join(SECRET), "x").expect("a file");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let _socket = UnixListener::bind(outside.join(SOCKET)).expect("a socket");
        let lines = all(&inside, &outside, port, Some(getpid()));
        assert_eq!(lines.trim().replace('\n', ","), ALL);
    }

    #[test]
    fn what_does_not_work_is_not_said() {
        // A file has nothing below it, and the lowest port is nobody's.
        let (nowhere, port) = (Path::new("/dev/null"), 1);
        assert_eq!(all(nowhere, nowhere, port, None), "");
    }

    #[track_caller]
    fn check(free: &str, shut_in: &str, expected: &str) {
        let words = |text: &str| -> Vec<String> {
            let words = text.split(',').filter(|word| !word.is_empty());
            words.map(str::to_owned).collect()
        };
        let judged = judge(&words(free), &words(shut_in));
        let said = judged.map_or_else(|err| err.to_string(), |()| "holds".into());
        assert_eq!(said, expected);
    }

    #[test]
    fn a_refusal_counts_where_the_same_works_without_a_sandbox() {
        check(ALL, "writing inside", "holds");
        check(ALL, "", "no writing inside");
        check(ALL, "the network", "no writing inside");
        check(
            ALL,
            "writing inside,the network",
            "it does not refuse the network",
        );
        check(
            ALL,
            ALL,
            "it does not refuse writing outside, changing outside files, reading outside, the network, sockets outside, signals to outside",
        );
        check(
            "writing inside,writing outside",
            "writing inside",
            "it cannot be tried, since without it only this works: writing inside, writing outside",
        );
        check(
            "",
            "",
            "it cannot be tried, since without it only this works: ",
        );
    }
}
