//! Finds out what this macOS can enforce, by doing it: what must be refused is tried, first with nothing around it and then inside.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::super::attempts::{SECRET, SOCKET, judge};
use super::super::launcher::{SUBCOMMAND, ask};
use super::super::macos::inner::ATTEMPT;
use super::super::spec::{Enforce, JobSpec, Spec, Text, View};
use super::super::{Sandbox, SandboxLevel};
use crate::suite::process::End;

const PATIENCE: Duration = Duration::from_secs(20);

impl Sandbox {
    /// Tries what this machine can enforce around a process, with this very program as the launcher.
    pub fn probe() -> Sandbox {
        match std::env::current_exe() {
            Ok(launcher) => Sandbox::probe_with(&launcher),
            Err(err) => none(PathBuf::new(), format!("launcher: {err}")),
        }
    }

    /// As [`Sandbox::probe`], with another program as the launcher: for tests, which are not koan-guard themselves.
    pub fn probe_with(launcher: &Path) -> Sandbox {
        let nothing = Enforce::default();
        let free = match attempt(launcher, nothing) {
            Ok(free) => free,
            Err(err) => return none(launcher.to_owned(), format!("launcher: {err:#}")),
        };
        let enforce = Enforce {
            seatbelt: true,
            ..nothing
        };
        let mut sandbox = none(launcher.to_owned(), String::new());
        sandbox.missing.clear();
        match attempt(launcher, enforce).and_then(|shut_in| judge(&free, &shut_in)) {
            Ok(()) => sandbox.seatbelt = true,
            Err(err) => sandbox.missing.push(format!("seatbelt: {err:#}")),
        }
        sandbox.graded()
    }

    /// Finds the level, and names what does not hold.
    pub(super) fn graded(mut self) -> Sandbox {
        self.level = match self.seatbelt {
            true => SandboxLevel::Confined,
            false => SandboxLevel::Limited,
        };
        let mut lack = |what: &str| self.missing.push(format!("no {what}"));
        lack("namespaces: macOS has none, and this program was never tried there");
        lack("network on the loopback interface, nor `/tmp` and shared memory of a job's own");
        lack("hiding of other processes");
        lack("certainty that a process is dead which left its parents within a moment");
        lack("end of the jobs where their launcher is killed");
        lack("limit on the number of processes");
        if self.seatbelt {
            lack("hiding of the names and sizes of outside files");
            lack("local sockets, but in folders of the job's own");
            lack("change of the build output in a run, nor of scratch folders: it is refused");
        } else {
            lack("protection of outside files, nor of the other side's tree");
            lack("protection from the network, nor from sockets such as a container engine's");
            lack("protection of outside processes from signals");
        }
        self
    }
}

fn none(launcher: PathBuf, missing: String) -> Sandbox {
    Sandbox {
        level: SandboxLevel::None,
        landlock_abi: 0,
        namespaces: false,
        seccomp: false,
        seatbelt: false,
        missing: vec![missing],
        launcher,
    }
}

/// Lets a launcher try what a sandbox has to refuse. Returns what worked.
fn attempt(launcher: &Path, enforce: Enforce) -> anyhow::Result<Vec<String>> {
    let folder = tempfile::tempdir().context("make a temporary folder")?;
    let outside = tempfile::tempdir().context("make a temporary folder")?;
    fs::write(outside.path().join(SECRET), "secret")?;
    let _socket = UnixListener::bind(outside.path().join(SOCKET)).context("make a socket")?;
    let root = folder.path().canonicalize()?;
    for name in ["view/tree", "view/target", "view/home", "view/tmp"] {
        fs::create_dir_all(root.join(name))?;
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen on a port")?;
    let port = listener.local_addr()?.port().to_string();
    let argv = [
        Text::new(launcher.canonicalize().context("find the launcher")?),
        Text::new(SUBCOMMAND),
        Text::new(ATTEMPT),
        Text::new(root.join("view/tree")),
        Text::new(outside.path()),
        Text::new(port),
    ];
    let job = JobSpec {
        argv: argv.into(),
        dir: Text::new(root.join("view/tree")),
        env: Vec::new(),
        timeout_ms: u64::try_from(PATIENCE.as_millis())?,
        readable: Vec::new(),
        scratch: Vec::new(),
        shown: Vec::new(),
        report: false,
    };
    let spec = Spec {
        enforce,
        root: Text::new(&root),
        view: View::Folders { writable: true },
        user: None,
        services: Vec::new(),
        gates: Vec::new(),
        jobs: vec![job],
    };
    match ask(launcher, &spec, 2 * PATIENCE)?.as_slice() {
        [finished] if finished.end == End::Exit(0) => {
            let said = std::str::from_utf8(&finished.stdout).context("read what was tried")?;
            Ok(said.lines().map(str::to_owned).collect())
        }
        other => bail!("the process ended otherwise: {other:?}"),
    }
}
