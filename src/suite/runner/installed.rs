//! The virtual environment that setup made in the tree: it is seen by jobs only, and asked in the sandbox.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, str};

use anyhow::{Context as _, bail};

use crate::suite::area::setup::SetUp;
use crate::suite::process::{self, End, Job};

/// An interpreter among what setup installed.
#[derive(Debug)]
pub(super) struct Installed<'a> {
    set_up: &'a SetUp,
    /// As jobs see it.
    pub program: PathBuf,
    /// The interpreter that the environment was made with, where it is not the system's.
    base: Option<PathBuf>,
}

const PATIENCE: Duration = Duration::from_secs(60);

/// The environment at one of the usual places, if setup made one: in the runner's folder, else at the top.
pub(super) fn find<'a>(set_up: &'a SetUp, dir: &Path) -> Option<Installed<'a>> {
    let place = [dir, Path::new("")]
        .into_iter()
        .flat_map(|folder| [folder.join(".venv"), folder.join("venv")])
        .find(|place| fs::symlink_metadata(set_up.tree().join(place).join("bin/python")).is_ok())?;
    Some(Installed {
        set_up,
        program: set_up.view_tree().join(&place).join("bin/python"),
        base: base(&set_up.tree().join(&place)),
    })
}

impl Installed<'_> {
    /// Whether jobs see `path` because it was installed.
    pub fn is_seen(&self, path: &Path) -> bool {
        let seen = [self.set_up.view_tree(), self.set_up.view_home()];
        seen.iter().any(|folder| path.starts_with(folder))
    }

    /// What a program in Python says.
    pub fn ask(&self, text: &str) -> anyhow::Result<String> {
        let shown = self.program.display();
        let job = Job {
            argv: vec![
                self.program.clone().into(),
                "-E".into(),
                "-c".into(),
                text.into(),
            ],
            dir: self.set_up.view_tree(),
            env: process::base_env(),
            timeout: PATIENCE,
            readable: self.base.iter().cloned().collect(),
            scratch: Vec::new(),
            shown: Vec::new(),
            report: false,
        };
        let finished = self.set_up.ask(&job)?;
        if finished.end != End::Exit(0) {
            let said = String::from_utf8_lossy(&finished.stderr);
            let said = said.lines().rfind(|line| !line.trim().is_empty());
            bail!("`{shown}` failed: {}", said.unwrap_or("it said nothing"));
        }
        String::from_utf8(finished.stdout)
            .with_context(|| format!("`{shown}` did not answer in UTF-8"))
    }
}

/// `pyvenv.cfg` names the folder of the interpreter; what is above it has the standard library.
fn base(environment: &Path) -> Option<PathBuf> {
    let said = fs::read_to_string(environment.join("pyvenv.cfg")).ok()?;
    let bin = said.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "home").then(|| PathBuf::from(value.trim()))
    })?;
    // A link may stand in the place of the real one.
    let python = fs::canonicalize(bin.join("python3")).ok()?;
    let root = python.parent()?.parent()?;
    (root.parent().is_some() && root != Path::new("/usr")).then(|| root.to_owned())
}
