//! `go test`: builds a test binary per package, lists its tests, and runs every test in a process of its own.
//!
//! The guard's own failing tests are compiled into every package by an overlay, so that no tree holds them; they come last in it. Left out:
//! benchmarks, and what `go vet` says.

pub(super) mod output;
mod packages;
mod plant;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

use self::output::Reading;
use self::packages::Package;
use super::{Canary, Order, Runner, Selection, Toolbox, batch, tools};
use crate::change::RepoPath;
use crate::suite::area::{Area, Phase, Side};
use crate::suite::process::{End, Job};
use crate::suite::{NotBuilt, Outcome, TestId, TestResult, TestRun};
use crate::usage::UsageError;

#[derive(Debug)]
pub(super) struct Go {
    version: String,
    /// The folder that it works in, relative to the tree.
    dir: PathBuf,
    program: PathBuf,
    find: PathBuf,
    env: BTreeMap<OsString, OsString>,
    readable: Vec<PathBuf>,
    /// Where downloaded modules are, if there are any.
    modules: Option<PathBuf>,
    /// Where jobs see the modules that setup downloaded. Nothing of the user's is shown then.
    installed: Option<PathBuf>,
    /// Where the guard's own files are put while something is built.
    scripts: PathBuf,
}

/// The test binary of a package.
#[derive(Debug)]
struct Binary<'a> {
    package: &'a Package,
    executable: PathBuf,
    tests: Vec<String>,
    /// The guard's own tests in it.
    canaries: Vec<String>,
}

/// One test, to be run by itself; `name` is a subtest's where it holds a slash.
#[derive(Clone, Debug)]
struct Ask<'a> {
    binary: &'a Binary<'a>,
    name: String,
}

/// The most subtests of one failed test that are run by themselves. Those of a longer table have no results of their own.
const MOST_SUBTESTS: usize = 256;

pub(super) fn open(dir: &Path, toolbox: &Toolbox) -> anyhow::Result<Go> {
    let Some(found) = tools::on_path(toolbox, "go") else {
        bail!(UsageError::with_hint(
            "there is no `go` on the `PATH`",
            "install Go: https://go.dev/doc/install (Debian, Ubuntu: golang-go)",
        ));
    };
    // Behind it there may be another toolchain, chosen by what the checkout says.
    let names = ["env", "GOROOT", "GOMODCACHE", "GOVERSION", "CGO_ENABLED"];
    let said = tools::ask(toolbox, &found, &names)?;
    let [root, modules, version, cgo] = said.lines().collect::<Vec<_>>()[..] else {
        bail!("`go env` did not answer as asked: {said:?}");
    };
    let find = tools::on_path(toolbox, "find").context("there is no `find` on the `PATH`")?;
    let root = PathBuf::from(root);
    let own = root.join("bin/go");
    let program = if own.is_file() { own } else { found };
    let bin = program.parent().context("`go` stands in no folder")?;
    let mut env = tools::test_env(toolbox, bin)?;
    for (name, value) in [
        ("CGO_ENABLED", cgo),
        ("GOENV", "off"),
        ("GOFLAGS", ""),
        ("GOPROXY", "off"),
        ("GOTELEMETRY", "off"),
        ("GOTOOLCHAIN", "local"),
    ] {
        env.insert(name.into(), value.into());
    }
    let installed = toolbox.setup.as_ref().and_then(|set_up| {
        let place = "go/pkg/mod";
        let is_there = set_up.home().join(place).is_dir();
        is_there.then(|| set_up.view_home().join(place))
    });
    let modules = Some(PathBuf::from(modules));
    let modules = modules.filter(|folder| installed.is_none() && folder.is_dir());
    let real_root = root.canonicalize().unwrap_or_else(|_| root.clone());
    let readable = [root, real_root].into_iter().chain(modules.clone());
    Ok(Go {
        version: version.replacen("go", "go ", 1),
        dir: dir.to_owned(),
        program,
        find,
        env,
        readable: readable.collect(),
        modules,
        installed,
        scripts: toolbox.scripts.clone(),
    })
}

impl Runner for Go {
    fn name(&self) -> &'static str {
        "go"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["go"]
    }

    fn plant(&self, path: &RepoPath, content: &[u8], canary: &Canary) -> Option<Vec<u8>> {
        let is_test = path.file_name().ends_with(b"_test.go");
        let source = std::str::from_utf8(content).ok()?;
        let planted = is_test.then(|| plant::plant(path, source, canary))?;
        planted.map(String::into_bytes)
    }

    /// A mark beside the file: a test needs the name of its package, which only the build tells.
    fn canary_file(&self, beside: &RepoPath, canary: &Canary) -> (RepoPath, Vec<u8>) {
        let folder = beside.as_path().parent().unwrap_or(Path::new(""));
        let path = folder.join("testdata").join(&canary.name);
        let path = path.to_string_lossy().into_owned();
        (RepoPath::new(path), b"\n".to_vec())
    }

    fn run(&self, area: &Area, side: &Side, order: &Order) -> anyhow::Result<TestRun> {
        let mut run = TestRun::default();
        let packages = self.packages(area, side, order, &mut run)?;
        let tree = area.tree().join(&self.dir);
        let mut chosen = packages::chosen(&packages, &tree, order);
        chosen.retain(|package| match &package.error {
            // Where a package cannot be read, its tests cannot be known either.
            Some(error) => {
                run.not_built.push(error.not_built(package));
                false
            }
            None => package.has_tests(),
        });
        let binaries = self.build(area, side, order, &chosen, &mut run)?;
        let binaries = self.list(area, side, order, binaries, &mut run)?;
        self.run_tests(area, side, order, &binaries, &mut run)?;
        if order.canary.is_some() && binaries.is_empty() && run.not_built.is_empty() {
            run.distrust
                .push("the test that must fail did not run".to_owned());
        }
        Ok(run)
    }
}

impl Go {
    /// The packages of all modules.
    fn packages(
        &self,
        area: &Area,
        side: &Side,
        order: &Order,
        run: &mut TestRun,
    ) -> anyhow::Result<Vec<Package>> {
        let dir = area.tree().join(&self.dir);
        let find = Job {
            argv: [self.find.as_os_str()]
                .into_iter()
                .chain(["-name", "go.mod", "-type", "f", "-print0"].map(OsStr::new))
                .map(OsStr::to_owned)
                .collect(),
            ..self.go(area, order, dir.clone(), [])
        };
        let found = area.run(side, Phase::Build, &find)?;
        ensure!(
            found.end == End::Exit(0) && !found.truncated,
            "`find` did not list the modules"
        );
        let modules = packages::module_dirs(&found.stdout);
        let list = ["list", "-e", "-json", "./..."].map(OsString::from);
        let jobs: Vec<Job> = modules
            .iter()
            .map(|module| self.go(area, order, dir.join(module), list.clone()))
            .collect();
        let mut packages = Vec::new();
        for (module, finished) in modules
            .iter()
            .zip(area.run_each(side, Phase::Build, &jobs)?)
        {
            ensure!(!finished.truncated, "`go list` said too much");
            match finished.end {
                End::Exit(0) => packages.extend(packages::read(&finished.stdout)?),
                End::Exit(_) => run.not_built.push(NotBuilt::new(
                    module.join("go.mod").display().to_string(),
                    packages::first_error(&finished.stderr),
                )),
                end => bail!("`go list` ended as {end:?}"),
            }
        }
        if modules.is_empty() {
            run.not_built.push(NotBuilt::new(
                "go.mod".to_owned(),
                "there is none, and without a module nothing is built".to_owned(),
            ));
        }
        Ok(packages)
    }

    /// The binaries of the packages that build.
    fn build<'a>(
        &self,
        area: &Area,
        side: &Side,
        order: &Order,
        packages: &[&'a Package],
        run: &mut TestRun,
    ) -> anyhow::Result<Vec<Binary<'a>>> {
        let overlay = order.canary.map(|canary| {
            let overlay = plant::Overlay::write(packages, &self.scripts, canary);
            overlay.context("write the guard's own tests")
        });
        let overlay = overlay.transpose()?;
        let mut jobs = Vec::new();
        for package in packages {
            let mut args = ["test", "-c", "-vet=off"].map(OsString::from).to_vec();
            args.push(format!("-p={}", area.jobs()).into());
            args.extend(overlay.iter().map(|overlay| {
                let mut arg = OsString::from("-overlay=");
                arg.push(overlay.path());
                arg
            }));
            args.extend(["-o".into(), package.executable(&area.target()).into()]);
            args.push(package.import_path.clone().into());
            let mut job = self.go(area, order, package.module_dir().to_owned(), args);
            let own = overlay.iter();
            job.readable
                .extend(own.map(|own| own.folder.path().to_owned()));
            jobs.push(job);
        }
        let finished = area.run_each(side, Phase::Build, &jobs)?;
        let mut binaries = Vec::new();
        for (&package, finished) in packages.iter().zip(&finished) {
            match packages::built(finished) {
                Ok(()) => binaries.push(Binary {
                    package,
                    executable: package.executable(&area.target()),
                    tests: Vec::new(),
                    canaries: Vec::new(),
                }),
                Err(detail) => run
                    .not_built
                    .push(NotBuilt::new(package.import_path.clone(), detail)),
            }
        }
        match packages::missing_module(&run.not_built) {
            Some(error) if binaries.is_empty() => Err(error.into()),
            _ => Ok(binaries),
        }
    }

    /// The binaries that say which tests they hold.
    fn list<'a>(
        &self,
        area: &Area,
        side: &Side,
        order: &Order,
        binaries: Vec<Binary<'a>>,
        run: &mut TestRun,
    ) -> anyhow::Result<Vec<Binary<'a>>> {
        let jobs: Vec<Job> = binaries
            .iter()
            .map(|binary| self.test(area, order, binary, &["-test.list=.".to_owned()]))
            .collect();
        let finished = batch::run_all(area, side, &jobs)?;
        let mut listed = Vec::new();
        for (mut binary, finished) in binaries.into_iter().zip(&finished) {
            match output::list(finished, order.canary) {
                Ok((tests, canaries)) => {
                    (binary.tests, binary.canaries) = (tests, canaries);
                    listed.push(binary);
                }
                Err(detail) => run
                    .not_built
                    .push(NotBuilt::new(binary.package.import_path.clone(), detail)),
            }
        }
        Ok(listed)
    }

    fn run_tests(
        &self,
        area: &Area,
        side: &Side,
        order: &Order,
        binaries: &[Binary],
        run: &mut TestRun,
    ) -> anyhow::Result<()> {
        if let Some(canary) = order.canary {
            run.distrust
                .extend(self.unsung(area, side, order, binaries, canary)?);
        }
        let mut asks: Vec<Ask> = Vec::new();
        for binary in binaries {
            let wanted = binary
                .tests
                .iter()
                .filter(|name| is_asked_for(binary, name, order));
            asks.extend(wanted.map(|name| Ask {
                binary,
                name: name.clone(),
            }));
        }
        if let Some(seed) = order.seed {
            batch::shuffle(&mut asks, seed);
        }
        let mut subtests: Vec<Ask> = Vec::new();
        let tests = self.judge(area, side, order, &asks)?;
        for (ask, judged) in asks.iter().zip(tests) {
            match judged {
                Ok(reading) if reading.outcome == Outcome::Failed => {
                    let begun = reading.begun.iter().take(MOST_SUBTESTS + 1);
                    let begun: Vec<Ask> = begun.map(|name| ask.subtest(name)).collect();
                    if begun.len() <= MOST_SUBTESTS {
                        subtests.extend(begun);
                    }
                    run.results.insert(ask.id(), reading.into_result());
                }
                Ok(reading) => {
                    for (name, outcome) in &reading.subtests {
                        let result = TestResult::new(*outcome, "");
                        run.results.insert(ask.subtest(name).id(), result);
                    }
                    run.results.insert(ask.id(), reading.into_result());
                }
                Err(reason) => ask.distrust(reason, run),
            }
        }
        // What a failed test says about its parts could be anybody's word: each runs by itself, and its process decides.
        let judged = self.judge(area, side, order, &subtests)?;
        for (ask, judged) in subtests.iter().zip(judged) {
            match judged {
                Ok(reading) if reading.has_run => {
                    _ = run.results.insert(ask.id(), reading.into_result());
                }
                Ok(_) => {}
                Err(reason) => ask.distrust(reason, run),
            }
        }
        if let Selection::Tests { tests, .. } = order.selection {
            run.results.retain(|test, _| tests.contains(test));
        }
        Ok(())
    }

    /// Why the guard's own tests are not believed, if so.
    fn unsung(
        &self,
        area: &Area,
        side: &Side,
        order: &Order,
        binaries: &[Binary],
        canary: &Canary,
    ) -> anyhow::Result<Vec<String>> {
        let jobs: Vec<Job> = binaries
            .iter()
            .map(|binary| self.test(area, order, binary, &output::only(&binary.canaries)))
            .collect();
        let finished = batch::run_all(area, side, &jobs)?;
        let mut reasons = Vec::new();
        for (binary, finished) in binaries.iter().zip(&finished) {
            if let Err(reason) = output::sang(finished, &binary.canaries, canary) {
                reasons.push(format!("`{}`: {reason}", binary.package.import_path));
            }
        }
        Ok(reasons)
    }

    /// Every test by itself, where its status decides, and beside the guard's own, where no process that ends well can be believed. A whole
    /// suite is run only beside them.
    fn judge(
        &self,
        area: &Area,
        side: &Side,
        order: &Order,
        asks: &[Ask],
    ) -> anyhow::Result<Vec<Result<Reading, String>>> {
        let tree = area.tree().join(&self.dir);
        let is_whole = matches!(order.selection, Selection::All);
        let mut all: Vec<Option<Result<Reading, String>>> = vec![None; asks.len()];
        let modes = [
            (order.canary.is_none() || !is_whole).then_some(None),
            order.canary.map(Some),
        ];
        for canary in modes.into_iter().flatten() {
            let jobs: Vec<Job> = asks
                .iter()
                .map(|ask| self.test(area, order, ask.binary, &ask.args(canary)))
                .collect();
            let finished = batch::run_all(area, side, &jobs)?;
            for ((ask, finished), seen) in asks.iter().zip(&finished).zip(&mut all) {
                let reading = output::read(finished, &ask.name, canary, &tree);
                *seen = Some(match seen.take() {
                    None => reading,
                    Some(alone) => output::agree(alone, reading),
                });
            }
        }
        all.into_iter()
            .map(|seen| seen.context("a test that was not run"))
            .collect()
    }

    fn go(
        &self,
        area: &Area,
        order: &Order,
        dir: PathBuf,
        args: impl IntoIterator<Item = OsString>,
    ) -> Job {
        let argv = std::iter::once(self.program.clone().into());
        Job {
            argv: argv.chain(args).collect(),
            dir,
            env: self.job_env(area, order),
            timeout: order.timeout,
            readable: self.readable.clone(),
            scratch: self.modules.iter().cloned().collect(),
            shown: Vec::new(),
            report: false,
        }
    }

    fn test(&self, area: &Area, order: &Order, binary: &Binary, args: &[String]) -> Job {
        let argv = std::iter::once(binary.executable.clone().into());
        Job {
            argv: argv.chain(args.iter().map(OsString::from)).collect(),
            dir: binary.package.dir.clone(),
            env: self.job_env(area, order),
            timeout: order.timeout,
            readable: self.readable.clone(),
            scratch: Vec::new(),
            shown: Vec::new(),
            report: false,
        }
    }

    fn job_env(&self, area: &Area, order: &Order) -> BTreeMap<OsString, OsString> {
        let mut env = self.env.clone();
        let own = order.env.iter();
        env.extend(own.map(|(name, value)| (name.into(), value.into())));
        env.insert("GOCACHE".into(), area.target().join("go-build").into());
        let modules = self.installed.clone().or_else(|| self.modules.clone());
        let modules = modules.unwrap_or_else(|| area.target().join("go-mod"));
        env.insert("GOMODCACHE".into(), modules.into());
        env
    }
}

impl Ask<'_> {
    fn id(&self) -> TestId {
        TestId(format!("{} {}", self.binary.package.import_path, self.name))
    }

    fn subtest(&self, name: &str) -> Self {
        Ask {
            binary: self.binary,
            name: name.to_owned(),
        }
    }

    fn args(&self, canary: Option<&Canary>) -> Vec<String> {
        let canaries = canary.map(|canary| output::canaries(&self.name, canary));
        let mut names = vec![self.name.clone()];
        names.extend(canaries.into_iter().flatten());
        output::only(&names)
    }

    fn distrust(&self, reason: String, run: &mut TestRun) {
        run.distrust.push(format!("`{}`: {reason}", self.id()));
        let result = TestResult::new(Outcome::Errored, &reason);
        run.results.insert(self.id(), result);
    }
}

fn is_asked_for(binary: &Binary, name: &str, order: &Order) -> bool {
    let Selection::Tests { tests, .. } = order.selection else {
        return true;
    };
    let start = format!("{} {name}", binary.package.import_path);
    let is_it = |test: &TestId| {
        let rest = test.0.strip_prefix(&start);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    tests.iter().any(is_it)
}
