//! Finds out what this Linux can enforce, by doing it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::getuid;

use super::super::confine::SOCKETS_ABI;
use super::super::launcher::ask;
use super::super::spec::{Enforce, JobSpec, Output, Spec, Text, View};
use super::super::{Sandbox, SandboxLevel, sys};
use crate::suite::process::End;

/// Below it files outside the write list can be cut off (`truncate`).
const MIN_LANDLOCK_ABI: u8 = 3;

/// The newest that [`landlock`] knows.
const MAX_LANDLOCK_ABI: u8 = landlock::ABI::V10 as u8;

const PATIENCE: Duration = Duration::from_secs(20);

impl Sandbox {
    /// Tries what this machine can enforce around a process, with this very program as the launcher.
    pub fn probe() -> Sandbox {
        Sandbox::probe_with(Path::new("/proc/self/exe"))
    }

    /// As [`Sandbox::probe`], with another program as the launcher: for tests, which are not koan-guard themselves.
    pub fn probe_with(launcher: &Path) -> Sandbox {
        let mut missing = Vec::new();
        let mut attempt = |what: &str, enforce: Enforce| match attempt(launcher, enforce) {
            Ok(()) => true,
            Err(err) => {
                missing.push(format!("{what}: {err:#}"));
                false
            }
        };
        let nothing = Enforce::default();
        let is_started = attempt("launcher", nothing);
        let namespaces = is_started
            && attempt(
                "namespaces",
                Enforce {
                    namespaces: true,
                    ..nothing
                },
            );
        let seccomp = is_started
            && attempt(
                "seccomp",
                Enforce {
                    seccomp: true,
                    ..nothing
                },
            );
        let mut landlock_abi = sys::landlock_abi().min(MAX_LANDLOCK_ABI);
        let has_landlock = is_started
            && landlock_abi > 0
            && attempt(
                "landlock",
                Enforce {
                    landlock_abi,
                    ..nothing
                },
            );
        if is_started && landlock_abi == 0 {
            missing.push("landlock: the kernel has none, or it is switched off".into());
        }
        if !has_landlock {
            landlock_abi = 0;
        }
        let sandbox = Sandbox {
            level: SandboxLevel::None,
            landlock_abi,
            namespaces,
            seccomp,
            seatbelt: false,
            missing,
            launcher: launcher.to_owned(),
        };
        if is_started {
            sandbox.graded()
        } else {
            sandbox
        }
    }

    /// Finds the level, and names what does not hold.
    pub(super) fn graded(mut self) -> Sandbox {
        let has_landlock = self.landlock_abi >= MIN_LANDLOCK_ABI;
        self.level = match (self.namespaces, self.landlock_abi > 0, self.seccomp) {
            (true, true, true) => SandboxLevel::Hermetic,
            (namespaces, _, true) if namespaces || has_landlock => SandboxLevel::Confined,
            _ => SandboxLevel::Limited,
        };
        let mut lack = |what: &str| self.missing.push(format!("no {what}"));
        if !self.namespaces {
            lack("network on the loopback interface, nor `/tmp` and `/dev/shm` of a job's own");
            lack("hiding of other processes");
            if has_landlock {
                lack("protection of outside files from changes of mode and times");
                lack("change of the build output in a run, nor of scratch folders: it is refused");
            } else {
                lack("protection of outside files, nor of the other side's tree");
            }
            if !self.seccomp {
                lack("protection from the network, nor from sockets such as a container engine's");
            } else if self.landlock_abi < SOCKETS_ABI {
                lack("local sockets, but pairs");
            }
            if self.landlock_abi < 6 {
                lack("protection of outside processes from signals");
            }
        }
        if getuid().is_root() {
            lack("limit on the number of processes: root has none");
        }
        self
    }
}

/// Lets a launcher enforce it around a process that ends at once.
fn attempt(launcher: &Path, enforce: Enforce) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("make a temporary folder")?;
    let root: PathBuf = folder.path().canonicalize()?;
    for name in ["tree", "view/tree", "view/target", "view/home", "view/tmp"] {
        fs::create_dir_all(root.join(name))?;
    }
    let view = match enforce.namespaces {
        true => View::Layers {
            tree: vec![Text::new("tree")],
            written: None,
            home: None,
            output: Output::Discard(vec![Text::new("tree")]),
        },
        false => View::Folders { writable: true },
    };
    let job = JobSpec {
        argv: Vec::new(),
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
        view,
        user: None,
        services: Vec::new(),
        gates: Vec::new(),
        jobs: vec![job],
    };
    match ask(launcher, &spec, PATIENCE)?.as_slice() {
        [finished] if finished.end == End::Exit(0) => Ok(()),
        other => bail!("the process ended otherwise: {other:?}"),
    }
}
