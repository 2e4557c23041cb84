//! Adapters to test runners, one file each: list, run only these, read, map.

mod batch;
mod bats;
mod cargo;
mod custom;
mod events;
mod fleet;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod go;
mod installed;
mod javascript;
mod jest;
mod junit;
mod minitest;
mod mocha;
mod node;
mod phpunit;
mod pytest;
mod python;
mod rspec;
mod ruby;
mod script;
mod tools;
mod unittest;
mod vitest;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;

use super::area::setup::SetUp;
use super::area::{Area, Side};
use super::setup::UserEnv;
use super::{TestId, TestRun};
use crate::change::RepoPath;
use crate::policy::RunnerConfig;
use crate::usage::UsageError;

/// One test framework, driven from outside. Every path that it is given or gives is relative to the folder that it works in.
pub trait Runner {
    /// `pytest`, `unittest`, `cargo`.
    fn name(&self) -> &'static str;

    /// Name and version of what runs the tests, for the evidence: `pytest 9.2.0, CPython 3.11.7`.
    fn version(&self) -> &str;

    /// The extensions of the sources of its language.
    fn extensions(&self) -> &'static [&'static str];

    /// Whether a test of the guard's own can be added to its tests. Where not, the policy must say itself that a run is believed.
    fn has_canary(&self) -> bool {
        true
    }

    /// `content` with a test of the guard's own added that must fail, beside the tests of this file and of their assertion family.
    /// `None` if this file can hold none. Every line that was there keeps its number.
    fn plant(&self, path: &RepoPath, content: &[u8], canary: &Canary) -> Option<Vec<u8>>;

    /// A file of its own that holds a canary, for a tree without a touched test file: path and content. `beside` is a path of the change.
    fn canary_file(&self, beside: &RepoPath, canary: &Canary) -> (RepoPath, Vec<u8>);

    /// The canary's own files for a tree of these `files` in which it was planted only into `planted`: every run needs one that it meets.
    fn canary_files(
        &self,
        _files: &[RepoPath],
        touched: &[RepoPath],
        planted: &[RepoPath],
        canary: &Canary,
    ) -> Vec<(RepoPath, Vec<u8>)> {
        let beside = touched
            .first()
            .filter(|_| planted.is_empty() && self.has_canary());
        beside
            .map(|beside| self.canary_file(beside, canary))
            .into_iter()
            .collect()
    }

    /// Builds what a run of this order would build, and runs no test. What does not build is seen when it runs. The answer is whether there
    /// was time for all of it.
    ///
    /// # Errors
    /// The runner could not be started at all.
    fn prepare(&self, _area: &Area, _side: &Side, _order: &Order) -> anyhow::Result<bool> {
        Ok(true)
    }

    /// Runs tests and reads what they did. What was asked for but could not be built or collected is in [`TestRun::not_built`];
    /// whatever makes the run unbelievable (also a canary that was asked for and not reported failed with its nonce) is in
    /// [`TestRun::distrust`]. The canary itself is not among the results.
    ///
    /// # Errors
    /// The runner could not be started at all.
    fn run(&self, area: &Area, side: &Side, order: &Order) -> anyhow::Result<TestRun>;

    /// Whether examples in the documentation can be run that are no tests of the suite.
    fn has_examples(&self) -> bool {
        false
    }

    /// Runs the examples in the documentation, where they are no tests of the suite; `None` where the runner knows of none. No canary is
    /// among them: they prove nothing, and only must keep passing.
    ///
    /// # Errors
    /// The runner could not be started at all.
    fn examples(
        &self,
        _area: &Area,
        _side: &Side,
        _order: &Order,
    ) -> anyhow::Result<Option<TestRun>> {
        Ok(None)
    }
}

/// What one run is asked to do.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    pub selection: Selection<'a>,
    /// The files that the judged change touches, and those of the tests that it is judged by: all others stand as the parent has them.
    pub changed: &'a [RepoPath],
    pub canary: Option<&'a Canary>,
    /// Shuffles the tests where the runner can.
    pub seed: Option<u64>,
    /// For each phase, and for each test where every test is a process of its own.
    pub timeout: Duration,
    /// The policy's `proof.env`.
    pub env: &'a BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug)]
pub enum Selection<'a> {
    /// The whole suite.
    All,
    /// Every test that stands in these files (for cargo: in the targets that they belong to). Files that are not in the tree are left out.
    Files(&'a [RepoPath]),
    /// These tests of these files.
    Tests {
        files: &'a [RepoPath],
        tests: &'a BTreeSet<TestId>,
    },
}

/// A test that must be reported failed. Whoever reports otherwise cannot be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// An identifier in any language: `koan_` and hexadecimal digits.
    pub name: String,
    /// Stands in the failure's message.
    pub nonce: String,
}

/// Where the tools of the project are looked for.
#[derive(Clone, Debug)]
pub struct Toolbox {
    /// The user's checkout: a `.venv` in it is read, nothing is written.
    pub work_dir: Option<PathBuf>,
    /// `PATH`, `VIRTUAL_ENV`, `CARGO_HOME`, `RUSTUP_HOME`, `HOME` and their kin, as the guard was started with.
    pub env: BTreeMap<String, String>,
    /// The guard's whole environment, of which only the phase that installs dependencies gets anything.
    pub user_env: UserEnv,
    /// What was installed for the tests, below every tree and every `HOME`; `None` where they find it on the machine.
    pub setup: Option<Arc<SetUp>>,
    /// Where programs of the guard may be written that the tests can read but not change.
    pub scripts: PathBuf,
}

/// The names of the built-in runners; beside them there is `custom`, which is told what to do.
pub const NAMES: &[&str] = &[
    "bats", "cargo", "go", "jest", "minitest", "mocha", "node", "phpunit", "pytest", "rspec",
    "unittest", "vitest",
];

/// The first program of that name on the toolbox's `PATH`.
pub(super) fn on_path(toolbox: &Toolbox, name: &str) -> Option<PathBuf> {
    tools::on_path(toolbox, name)
}

/// The first line that a tool of the user's says when it is called with one argument.
pub(super) fn say(toolbox: &Toolbox, program: &Path, argument: &str) -> anyhow::Result<String> {
    let said = tools::ask(toolbox, program, &[argument])?;
    Ok(said.lines().next().unwrap_or_default().to_owned())
}

/// The packages of JavaScript in the user's checkout, and where every tree shows them; none where setup installs them.
///
/// # Errors
/// The checkout cannot be read.
pub fn shown(toolbox: &Toolbox) -> anyhow::Result<Vec<(PathBuf, PathBuf)>> {
    match (&toolbox.setup, &toolbox.work_dir) {
        (None, Some(work_dir)) => javascript::packages(work_dir),
        _ => Ok(Vec::new()),
    }
}

/// Finds the tools of every runner that the policy names, and makes one runner of them.
///
/// # Errors
/// There is none, or one is not installed: the message says how to get it.
pub fn open(configs: &[RunnerConfig], toolbox: &Toolbox) -> anyhow::Result<Box<dyn Runner>> {
    match configs {
        [] => bail!(UsageError::with_hint(
            "the policy names no runner, so nothing can be proved",
            format!("`proof.runner` takes one of {}", NAMES.join(", ")),
        )),
        [config] if config.dir.is_empty() => open_one(config, toolbox),
        configs => Ok(Box::new(fleet::open(configs, toolbox)?)),
    }
}

/// Finds the tools of one runner.
fn open_one(config: &RunnerConfig, toolbox: &Toolbox) -> anyhow::Result<Box<dyn Runner>> {
    let dir = Path::new(&config.dir);
    match config.name.as_str() {
        "bats" => Ok(Box::new(bats::open(dir, toolbox)?)),
        "cargo" => Ok(Box::new(cargo::open(config, toolbox)?)),
        "custom" => Ok(Box::new(custom::open(config, toolbox)?)),
        "go" => Ok(Box::new(go::open(dir, toolbox)?)),
        "jest" => Ok(Box::new(jest::open(dir, toolbox)?)),
        "mocha" => Ok(Box::new(mocha::open(dir, toolbox)?)),
        "node" => Ok(Box::new(node::open(dir, toolbox)?)),
        "minitest" => Ok(Box::new(minitest::open(dir, toolbox)?)),
        "phpunit" => Ok(Box::new(phpunit::open(dir, toolbox)?)),
        "pytest" => Ok(Box::new(pytest::open(dir, toolbox)?)),
        "rspec" => Ok(Box::new(rspec::open(dir, toolbox)?)),
        "unittest" => Ok(Box::new(unittest::open(dir, toolbox)?)),
        "vitest" => Ok(Box::new(vitest::open(dir, toolbox)?)),
        name => bail!(UsageError::with_hint(
            format!("there is no runner `{name}`"),
            format!("built in are {}", NAMES.join(", ")),
        )),
    }
}
