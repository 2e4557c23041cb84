//! bats: finds the tests of every `*.bats` file by its own pattern, and runs each by a bats of its own.
//!
//! What a test prints, also on the framework's own descriptor, is no result: the status, the plan and one line for each planned test must
//! agree. A touched file's tests run once more beside the guard's own.

pub(super) mod tap;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

use self::tap::Test;
use super::{Canary, Order, Runner, Selection, Toolbox, batch, tools};
use crate::change::RepoPath;
use crate::suite::area::{Area, Phase, Side};
use crate::suite::process::{End, Job};
use crate::suite::{NotBuilt, Outcome, TestId, TestResult, TestRun};
use crate::usage::UsageError;

#[derive(Debug)]
pub(super) struct Bats {
    version: String,
    /// The folder that it works in, relative to the tree.
    dir: PathBuf,
    program: PathBuf,
    find: PathBuf,
    grep: PathBuf,
    env: BTreeMap<OsString, OsString>,
    readable: Vec<PathBuf>,
}

pub(super) fn open(dir: &Path, toolbox: &Toolbox) -> anyhow::Result<Bats> {
    let Some(program) = tools::on_path(toolbox, "bats") else {
        bail!(UsageError::with_hint(
            "there is no `bats` on the `PATH`",
            "install bats-core: https://bats-core.readthedocs.io (Debian, Ubuntu: bats)",
        ));
    };
    let tool = |name: &str| {
        tools::on_path(toolbox, name).with_context(|| format!("there is no `{name}` on the `PATH`"))
    };
    let said = tools::ask(toolbox, &program, &["--version"])?;
    let version = said.trim().replacen("Bats", "bats", 1);
    // Behind a link of a package manager stands the folder with everything it runs.
    let real = program
        .canonicalize()
        .with_context(|| format!("resolve `{}`", program.display()))?;
    let bin = real.parent().context("`bats` stands in no folder")?;
    let root = bin.parent().context("`bats` stands in no folder")?;
    Ok(Bats {
        version,
        dir: dir.to_owned(),
        find: tool("find")?,
        grep: tool("grep")?,
        env: tools::test_env(toolbox, bin)?,
        readable: vec![root.to_owned()],
        program: real,
    })
}

impl Runner for Bats {
    fn name(&self) -> &'static str {
        "bats"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["bats"]
    }

    fn plant(&self, path: &RepoPath, content: &[u8], canary: &Canary) -> Option<Vec<u8>> {
        let is_test = path.extension() == Some(b"bats");
        let source = std::str::from_utf8(content).ok().filter(|_| is_test)?;
        let separator = if source.ends_with('\n') { "" } else { "\n" };
        let tests = tap::canary_tests(canary, source.contains("assert_"));
        Some(format!("{source}{separator}{tests}").into_bytes())
    }

    fn canary_file(&self, beside: &RepoPath, canary: &Canary) -> (RepoPath, Vec<u8>) {
        let folder = beside.as_path().parent().unwrap_or(Path::new(""));
        let path = folder.join(format!("{}.bats", canary.name));
        let tests = tap::canary_tests(canary, false);
        let path = path.to_string_lossy().into_owned();
        (RepoPath::new(path), tests.into_bytes())
    }

    fn run(&self, area: &Area, side: &Side, order: &Order) -> anyhow::Result<TestRun> {
        let mut run = TestRun::default();
        let all = self.tests(area, side, order)?;
        let files: BTreeSet<&str> = all.iter().map(|test| test.file.as_str()).collect();
        let chosen: BTreeSet<&str> = match order.selection {
            Selection::All => files,
            Selection::Files(touched) | Selection::Tests { files: touched, .. } => {
                let own = touched.iter().flat_map(|path| tap::belonging(&files, path));
                own.collect()
            }
        };
        let tests: Vec<&Test> = all
            .iter()
            .filter(|test| chosen.contains(test.file.as_str()))
            .collect();
        let is_own = |test: &Test| {
            let mut canary = order.canary.iter();
            canary.any(|canary| test.name.starts_with(&canary.name))
        };
        let (canaries, tests): (Vec<&Test>, Vec<&Test>) =
            tests.into_iter().partition(|test| is_own(test));
        let silent = self.sing(area, side, order, &canaries, &mut run)?;
        let tests = tests
            .into_iter()
            .filter(|test| !silent.contains(test.file.as_str()))
            .filter(|test| is_asked_for(test, order));
        self.judge(area, side, order, tests.collect(), &canaries, &mut run)?;
        if order.canary.is_some() && canaries.is_empty() {
            run.distrust
                .push("the test that must fail did not run".to_owned());
        }
        Ok(run)
    }
}

impl Bats {
    /// Every test of the tree, in the order of its file.
    fn tests(&self, area: &Area, side: &Side, order: &Order) -> anyhow::Result<Vec<Test>> {
        let find = ["-name", "*.bats", "-type", "f", "-print0"];
        let find = self.job(area, order, &self.find, find.map(String::from));
        let found = area.run(side, Phase::Run, &find)?;
        ensure!(
            found.end == End::Exit(0) && !found.truncated,
            "`find` did not list the test files"
        );
        let files = tap::files(&found.stdout);
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let pattern = "@test".to_owned();
        let args = ["-H", "-Z", "-a", "-e"].map(String::from).into_iter();
        let args = args.chain([pattern, "--".to_owned()]).chain(files);
        let job = self.job(area, order, &self.grep, args);
        let found = area.run(side, Phase::Run, &job)?;
        ensure!(!found.truncated, "there are too many tests to be listed");
        match found.end {
            End::Exit(0) => Ok(tap::tests(&found.stdout)),
            // No line of any file.
            End::Exit(1) => Ok(Vec::new()),
            end => bail!("`grep` ended as {end:?}"),
        }
    }

    /// Runs the guard's own tests. Files in which nothing can be set up or read are not built: their names are returned.
    fn sing<'a>(
        &self,
        area: &Area,
        side: &Side,
        order: &Order,
        canaries: &[&'a Test],
        run: &mut TestRun,
    ) -> anyhow::Result<BTreeSet<&'a str>> {
        let Some(canary) = order.canary else {
            return Ok(BTreeSet::new());
        };
        let jobs = canaries
            .iter()
            .map(|test| self.bats(area, order, test, None));
        let finished = batch::run_all(area, side, &jobs.collect::<Vec<_>>())?;
        let mut silent = BTreeSet::new();
        for (test, finished) in canaries.iter().zip(&finished) {
            match tap::read(finished, None) {
                Ok(reading) if reading.sang(canary) => {}
                Ok(reading) if reading.is_set_up() => run.distrust.push(format!(
                    "the test that must fail was reported {}: `{}` {}",
                    reading.outcome, test.file, reading.detail
                )),
                Ok(reading) => {
                    if silent.insert(test.file.as_str()) {
                        run.not_built
                            .push(NotBuilt::new(test.file.clone(), reading.detail));
                    }
                }
                Err(reason) => run.distrust.push(format!(
                    "the test that must fail: `{}`: {reason}",
                    test.file
                )),
            }
        }
        Ok(silent)
    }

    fn judge(
        &self,
        area: &Area,
        side: &Side,
        order: &Order,
        mut tests: Vec<&Test>,
        canaries: &[&Test],
        run: &mut TestRun,
    ) -> anyhow::Result<()> {
        if let Some(seed) = order.seed {
            batch::shuffle(&mut tests, seed);
        }
        let neighbour = |test: &Test| canaries.iter().find(|canary| canary.file == test.file);
        let mut jobs: Vec<Job> = Vec::new();
        for test in &tests {
            jobs.push(self.bats(area, order, test, None));
            let beside = neighbour(test).map(|own| self.bats(area, order, test, Some(&own.name)));
            jobs.extend(beside);
        }
        let mut finished = batch::run_all(area, side, &jobs)?.into_iter();
        for test in tests {
            let mut next = || finished.next().context("a test that was not run");
            let mut judged = tap::read(&next()?, None);
            if let (Some(own), Some(canary)) = (neighbour(test), order.canary) {
                let beside = tap::read(&next()?, Some((&own.name, canary)));
                judged = judged.and_then(|alone| Ok(alone.agree(beside?)));
            }
            let result = match judged {
                Ok(reading) => TestResult::new(reading.outcome, reading.detail),
                Err(reason) => {
                    run.distrust.push(format!("`{}`: {reason}", test.id()));
                    TestResult::new(Outcome::Errored, reason)
                }
            };
            run.results.insert(test.id(), result);
        }
        Ok(())
    }

    /// One test by itself, or before one of the guard's own of its file.
    fn bats(&self, area: &Area, order: &Order, test: &Test, own: Option<&str>) -> Job {
        let names = std::iter::once(test.name.as_str()).chain(own);
        let args = ["-F".to_owned(), "tap".to_owned(), "-f".to_owned()].into_iter();
        let args = args.chain([tap::filter(names), test.file.clone()]);
        self.job(area, order, &self.program, args)
    }

    fn job(
        &self,
        area: &Area,
        order: &Order,
        program: &Path,
        args: impl IntoIterator<Item = String>,
    ) -> Job {
        let mut env = self.env.clone();
        let own = order.env.iter();
        env.extend(own.map(|(name, value)| (name.into(), value.into())));
        let argv = std::iter::once(program.as_os_str().to_owned());
        Job {
            argv: argv.chain(args.into_iter().map(OsString::from)).collect(),
            dir: area.tree().join(&self.dir),
            env,
            timeout: order.timeout,
            readable: self.readable.clone(),
            scratch: Vec::new(),
            shown: Vec::new(),
            report: false,
        }
    }
}

fn is_asked_for(test: &Test, order: &Order) -> bool {
    match order.selection {
        Selection::Tests { tests, .. } => tests.contains(&test.id()),
        Selection::All | Selection::Files(_) => true,
    }
}

impl Test {
    fn id(&self) -> TestId {
        TestId(format!("{}::{}", self.file, self.name))
    }
}
