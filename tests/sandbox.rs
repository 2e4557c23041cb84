//! What tests can and cannot do in the sandbox: each case is a real process in it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use koan_guard::suite::area::{Area, Phase, Side};
use koan_guard::suite::process::{End, Finished, Job, MAX_OUTPUT, base_env};
use koan_guard::suite::sandbox::{Sandbox, SandboxLevel};
use tempfile::TempDir;

const LAUNCHER: &str = env!("CARGO_BIN_EXE_koan-guard");

static MACHINE: LazyLock<Sandbox> = LazyLock::new(|| Sandbox::probe_with(Path::new(LAUNCHER)));

/// An area at a level, with one side that holds the file `f`. `None` if this machine has no such level, which is said.
struct Place {
    area: Area,
    side: Side,
    folder: TempDir,
}

impl Place {
    fn new(level: SandboxLevel) -> Option<Place> {
        let sandbox = MACHINE.at_most(level);
        if sandbox.level != level {
            eprintln!("no {level:?} on this machine: {:?}", sandbox.missing);
            return None;
        }
        let folder = TempDir::new().expect("a folder");
        let root = folder.path().join("area");
        let area = Area::open(&root, &sandbox, Duration::from_secs(5)).expect("an area");
        let side = area.add_side(None, one_file("side")).expect("a side");
        Some(Place { area, side, folder })
    }

    fn job(&self, script: &str) -> Job {
        let mut env = base_env();
        env.insert("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into());
        Job {
            argv: ["/bin/sh", "-c", script].map(OsString::from).to_vec(),
            dir: self.area.tree(),
            env,
            timeout: Duration::from_secs(30),
            readable: Vec::new(),
            scratch: Vec::new(),
            report: false,
        }
    }

    #[track_caller]
    fn sh_in(&self, side: &Side, phase: Phase, script: &str) -> String {
        let job = self.job(script);
        said(&self.area.run(side, phase, &job).expect("a run"))
    }

    #[track_caller]
    fn sh(&self, script: &str) -> String {
        self.sh_in(&self.side, Phase::Run, script)
    }
}

fn one_file(content: &'static str) -> impl FnOnce(&Path) -> anyhow::Result<()> {
    move |tree| Ok(fs::write(tree.join("f"), content)?)
}

/// What a script said that ended well; else the whole end.
#[track_caller]
fn said(finished: &Finished) -> String {
    let stdout = String::from_utf8_lossy(&finished.stdout);
    if finished.end == End::Exit(0) {
        return stdout.trim().to_owned();
    }
    let stderr = String::from_utf8_lossy(&finished.stderr);
    format!("{:?} {stdout} {stderr}", finished.end)
}

const LEVELS: [SandboxLevel; 3] = [
    SandboxLevel::Limited,
    SandboxLevel::Confined,
    SandboxLevel::Hermetic,
];

fn places() -> impl Iterator<Item = (SandboxLevel, Place)> {
    LEVELS
        .into_iter()
        .filter_map(|level| Some((level, Place::new(level)?)))
}

#[test]
fn a_job_runs_at_every_level() {
    for (level, place) in places() {
        assert_eq!(place.sh("cat f"), "side", "{level:?}");
        let end = place.sh("echo out; echo err >&2; exit 7");
        assert_eq!(end, "Exit(7) out\n err\n", "{level:?}");
    }
}
