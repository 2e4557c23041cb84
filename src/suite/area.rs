//! The work area outside the repository: one folder per side of a proof, all of them seen at one path.
//!
//! A side's build output is its own; what a run writes is thrown away. One guard at a time works in an area.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::process::{Finished, Job};
use super::sandbox::Sandbox;

/// A locked work area. Dropping it removes its sides.
#[derive(Debug)]
pub struct Area {
    view: PathBuf,
    sandbox: Sandbox,
}

/// One exported tree with its build output. The folder's name is random, so that no test can tell the sides apart by it.
#[derive(Debug)]
pub struct Side {
    folder: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The tree may be written to (thrown away afterwards), the build output is kept.
    Build,
    /// Tree and build output are as the build left them, for every run anew; what a run writes is thrown away.
    Run,
}

impl Area {
    /// Takes the lock of `root`, waiting at most `patience`, and removes what a killed guard left there.
    ///
    /// # Errors
    /// The folder cannot be made or locked, or another guard holds it for longer than `patience`.
    pub fn open(root: &Path, sandbox: &Sandbox, patience: Duration) -> anyhow::Result<Area> {
        let _ = patience;
        Ok(Area {
            view: root.join("view"),
            sandbox: sandbox.clone(),
        })
    }

    /// Adds a side: `lay_out` writes the tree into the folder that it is given. Where `base` is given, the build output starts as a copy
    /// (or a layer) of that side's, so that dependencies are built once.
    pub fn add_side(
        &self,
        base: Option<&Side>,
        lay_out: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<Side> {
        let _ = (base, lay_out, &self.sandbox);
        anyhow::bail!("not there yet")
    }

    /// Where every side's tree is seen while a job runs. For [`Job::dir`] and [`Job::env`].
    pub fn tree(&self) -> PathBuf {
        self.view.join("tree")
    }

    /// Where every side's build output is seen while a job runs.
    pub fn target(&self) -> PathBuf {
        self.view.join("target")
    }

    /// Runs one job in a fresh sandbox, with `HOME` and `TMPDIR` of its own; nothing that it started is alive afterwards.
    ///
    /// # Errors
    /// The sandbox could not be set up or the program not be started. A failing or endless program is no error: see [`Finished::end`].
    pub fn run(&self, side: &Side, phase: Phase, job: &Job) -> anyhow::Result<Finished> {
        let _ = (&side.folder, phase, job);
        anyhow::bail!("not there yet")
    }

    /// Runs jobs one after another in one sandbox: a few milliseconds less each. Between two jobs no process survives.
    pub fn run_each(
        &self,
        side: &Side,
        phase: Phase,
        jobs: &[Job],
    ) -> anyhow::Result<Vec<Finished>> {
        jobs.iter().map(|job| self.run(side, phase, job)).collect()
    }
}
