//! `cargo test`: builds the test binaries, lists their tests, and runs every test in a process of its own.
//!
//! Left out: benches, and the `[env]` and `runner` of `.cargo/config.toml`.

mod build;
mod doctests;
mod features;
mod home;
pub(super) mod libtest;
mod nextest;
mod plant;
mod select;
mod workspace;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail, ensure};

use self::build::{Binary, Build};
use self::features::Features;
use self::home::Home;
use self::nextest::Nextest;
use self::workspace::{Scope, Workspace};
use super::{Canary, Order, Runner, Toolbox, batch, tools};
use crate::change::RepoPath;
use crate::policy::RunnerConfig;
use crate::suite::area::{Area, Phase, Side};
use crate::suite::process::{End, Finished, Job};
use crate::suite::{NotBuilt, Outcome, TestId, TestResult, TestRun};
use crate::usage::UsageError;

#[derive(Debug)]
pub(super) struct Cargo {
    version: String,
    /// The folder that it works in, relative to the tree.
    dir: PathBuf,
    features: Features,
    program: PathBuf,
    /// `CARGO_HOME`, which is the user's own and only shown to jobs, or what setup left in theirs.
    home: Home,
    /// Where the standard library's shared objects are.
    libraries: PathBuf,
    env: BTreeMap<OsString, OsString>,
    readable: Vec<PathBuf>,
}

/// A test of a binary.
struct Case<'a> {
    binary: &'a Binary,
    name: String,
    is_ignored: bool,
    is_canary: bool,
}

pub(super) fn open(config: &RunnerConfig, toolbox: &Toolbox) -> anyhow::Result<Cargo> {
    let missing = |name: &str| {
        let hint = "install Rust: https://www.rust-lang.org/tools/install";
        UsageError::with_hint(format!("there is no `{name}` on the `PATH`"), hint)
    };
    let rustc = tools::on_path(toolbox, "rustc").ok_or_else(|| missing("rustc"))?;
    let cargo = tools::on_path(toolbox, "cargo").ok_or_else(|| missing("cargo"))?;
    // Behind a shim of rustup there is a folder with the real tools, chosen by what the checkout says.
    let sysroot = tools::ask(toolbox, &rustc, &["--print", "sysroot"])?;
    let sysroot = PathBuf::from(sysroot.trim());
    let own = sysroot.join("bin/cargo");
    let program = if own.is_file() { own } else { cargo };
    let rustc = sysroot.join("bin/rustc");
    ensure!(rustc.is_file(), "`{}` is no program", rustc.display());

    let about = tools::ask(toolbox, &rustc, &["-vV"])?;
    let line = |key: &str| about.lines().find_map(|line| line.strip_prefix(key));
    let release = line("release: ").context("`rustc -vV` names no release")?;
    let host = line("host: ").context("`rustc -vV` names no host")?;
    let cargo_version = tools::ask(toolbox, &program, &["--version"])?;
    let cargo_release = cargo_version.split(' ').nth(1).unwrap_or_default().trim();

    let home = Home::of(toolbox)?;
    let bin = sysroot.join("bin");
    let mut env = tools::test_env(toolbox, &bin)?;
    for (name, value) in [
        ("CARGO_NET_OFFLINE", "true"),
        ("CARGO_INCREMENTAL", "0"),
        ("CARGO_TERM_COLOR", "never"),
        ("RUST_BACKTRACE", "0"),
        ("RUSTC_WRAPPER", wrapper(&rustc)),
    ] {
        env.insert(name.into(), value.into());
    }
    env.insert("CARGO".into(), program.clone().into());
    env.insert("CARGO_HOME".into(), home.path().into());
    env.insert("RUSTC".into(), rustc.into());
    env.insert("RUSTDOC".into(), sysroot.join("bin/rustdoc").into());
    Ok(Cargo {
        version: format!("cargo {cargo_release}, rustc {release}"),
        libraries: sysroot.join("lib/rustlib").join(host).join("lib"),
        readable: std::iter::once(sysroot).chain(home.of_user()).collect(),
        dir: PathBuf::from(&config.dir),
        features: Features::new(&config.features),
        program,
        home,
        env,
    })
}

/// What stands in the place of a wrapper that the project or the user has set. A cache of compiled code would need its server, and is shared with the
/// user. With none at all (an empty word) cargo would ask the compiler about itself in every call; this one does nothing but call it.
fn wrapper(rustc: &Path) -> &'static str {
    const ENV: &str = "/usr/bin/env";
    let is_a_setting = rustc.as_os_str().as_bytes().contains(&b'=');
    if is_a_setting || !Path::new(ENV).is_file() {
        return "";
    }
    ENV
}

impl Runner for Cargo {
    fn name(&self) -> &'static str {
        "cargo"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["rs"]
    }

    fn plant(&self, path: &RepoPath, content: &[u8], canary: &Canary) -> Option<Vec<u8>> {
        let source = std::str::from_utf8(content).ok()?;
        let is_rust = path.extension() == Some(b"rs");
        let planted = is_rust.then(|| plant::plant(source, canary, is_integration_test(path)))?;
        planted.map(String::into_bytes)
    }

    /// An integration test of the package that `beside` seems to be in: of the folder above `src`, `tests` and their like.
    fn canary_file(&self, beside: &RepoPath, canary: &Canary) -> (RepoPath, Vec<u8>) {
        let path = String::from_utf8_lossy(beside.as_bytes()).into_owned();
        let parts: Vec<&str> = path.split('/').collect();
        let known = ["src", "tests", "benches", "examples"];
        let at = parts.iter().position(|part| known.contains(part));
        let root = at.map_or(&[][..], |at| &parts[..at]);
        let file = format!("{}.rs", canary.name);
        let mut path = root.to_vec();
        path.extend(["tests", &file]);
        let content = plant::plant("", canary, true).unwrap_or_default();
        (RepoPath::new(path.join("/")), content.into_bytes())
    }

    fn prepare(&self, area: &Area, side: &Side, order: &Order) -> anyhow::Result<bool> {
        let Ok(workspace) = self.workspace(area, side, order)? else {
            return Ok(true);
        };
        let scopes = select::scopes(&workspace, &area.tree().join(&self.dir), order);
        let build = self.build(area, side, order, &workspace, scopes.as_deref())?;
        Ok(!build.is_cut_short)
    }

    fn run(&self, area: &Area, side: &Side, order: &Order) -> anyhow::Result<TestRun> {
        let mut run = TestRun::default();
        let workspace = match self.workspace(area, side, order)? {
            Ok(workspace) => workspace,
            Err(detail) => {
                run.not_built.push(NotBuilt::new("Cargo.toml", detail));
                return Ok(run);
            }
        };
        let scopes = select::scopes(&workspace, &area.tree().join(&self.dir), order);
        if scopes.as_ref().is_some_and(Vec::is_empty) {
            if order.canary.is_some() {
                run.distrust.push(SILENT.to_owned());
            }
            return Ok(run);
        }
        let build = self.build(area, side, order, &workspace, scopes.as_deref())?;
        run.not_built.extend(build.not_built.iter().cloned());
        let cases = self.list(area, side, order, &workspace, &build, &mut run)?;
        let cases = select::chosen(cases, scopes.as_deref(), order);
        self.run_cases(area, side, order, &workspace, &build, &cases, &mut run)?;

        let n_canaries = cases.iter().filter(|case| case.is_canary).count();
        if order.canary.is_some()
            && n_canaries == 0
            && !select::explains_silence(&workspace, &build, scopes.as_deref())
        {
            run.distrust.push(SILENT.to_owned());
        }
        Ok(run)
    }

    fn has_examples(&self) -> bool {
        true
    }

    fn examples(&self, area: &Area, side: &Side, order: &Order) -> anyhow::Result<Option<TestRun>> {
        let Ok(workspace) = self.workspace(area, side, order)? else {
            return Ok(None);
        };
        let Some(call) = doctests::call(&workspace, &self.features) else {
            return Ok(None);
        };
        let finished = area.run(side, Phase::Run, &self.cargo(area, order, call))?;
        Ok(Some(doctests::read(&finished)))
    }
}

const SILENT: &str = "the test that must fail did not run";

impl Cargo {
    /// `Err` with what cargo says against the tree's manifests.
    fn workspace(
        &self,
        area: &Area,
        side: &Side,
        order: &Order,
    ) -> anyhow::Result<Result<Workspace, String>> {
        let args = [
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ];
        let finished = area.run(
            side,
            Phase::Build,
            &self.cargo(area, order, args.map(String::from)),
        )?;
        ensure!(!finished.truncated, "`cargo metadata` said too much");
        match finished.end {
            End::Exit(0) => {
                let workspace = Workspace::read(&finished.stdout)?;
                Ok(self.features.check(&workspace).map(|()| workspace))
            }
            End::Exit(_) => Ok(Err(build::first_error(&finished.stderr))),
            end => bail!("`cargo metadata` ended as {end:?}"),
        }
    }

    fn build(
        &self,
        area: &Area,
        side: &Side,
        order: &Order,
        workspace: &Workspace,
        scopes: Option<&[Scope]>,
    ) -> anyhow::Result<Build> {
        let jobs: Vec<Job> = select::calls(workspace, scopes, &self.features)
            .into_iter()
            .map(|args| {
                let at_once = ["--jobs".to_owned(), area.jobs().to_string()];
                self.cargo(area, order, args.into_iter().chain(at_once))
            })
            .collect();
        let mut build = Build::default();
        let dir = area.tree().join(&self.dir);
        for finished in area.run_each(side, Phase::Build, &jobs)? {
            build.read(&finished, workspace, &dir, &area.target())?;
        }
        Ok(build)
    }

    fn list<'a>(
        &self,
        area: &Area,
        side: &Side,
        order: &Order,
        workspace: &Workspace,
        build: &'a Build,
        run: &mut TestRun,
    ) -> anyhow::Result<Vec<Case<'a>>> {
        let mut jobs = Vec::new();
        for binary in &build.binaries {
            jobs.push(self.test_job(area, order, workspace, build, binary, &["--list"])?);
            jobs.push(self.test_job(
                area,
                order,
                workspace,
                build,
                binary,
                &["--list", "--ignored"],
            )?);
        }
        let finished = area.run_each(side, Phase::Run, &jobs)?;
        ensure!(
            finished.len() == jobs.len(),
            "the sandbox did not answer in full"
        );
        let mut cases = Vec::new();
        for (binary, answers) in build.binaries.iter().zip(finished.chunks(2)) {
            let lists: Option<Vec<Vec<String>>> = answers.iter().map(libtest::list).collect();
            let Some([all, ignored]) = lists.as_deref() else {
                run.not_built.push(NotBuilt::new(
                    binary.id.clone(),
                    "it does not list its tests: `harness = false`, or it ends early",
                ));
                continue;
            };
            let ignored: BTreeSet<&String> = ignored.iter().collect();
            for name in all {
                cases.push(Case {
                    binary,
                    is_ignored: ignored.contains(name),
                    is_canary: order.canary.is_some_and(|canary| is_canary(name, canary)),
                    name: name.clone(),
                });
            }
        }
        Ok(cases)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one call, of what was found out step by step"
    )]
    fn run_cases(
        &self,
        area: &Area,
        side: &Side,
        order: &Order,
        workspace: &Workspace,
        build: &Build,
        cases: &[Case],
        run: &mut TestRun,
    ) -> anyhow::Result<()> {
        let mut started: Vec<&Case> = Vec::new();
        for case in cases {
            if case.is_ignored && !case.is_canary {
                run.results
                    .insert(case.id(), TestResult::new(Outcome::Skipped, "ignored"));
            } else {
                started.push(case);
            }
        }
        if let Some(seed) = order.seed {
            batch::shuffle(&mut started, seed);
        }
        // A canary runs beside every test of its binary: a process that ends well all the same was ended by what it tested.
        let beside = |case: &Case| -> Option<&Case> {
            let is_neighbour = |other: &&Case| {
                other.is_canary && !other.is_ignored && other.binary.id == case.binary.id
            };
            cases.iter().find(is_neighbour).filter(|_| !case.is_canary)
        };
        let mut jobs = Vec::new();
        for case in &started {
            let mut args = vec!["--exact", case.name.as_str()];
            args.extend(beside(case).map(|canary| canary.name.as_str()));
            jobs.push(self.test_job(area, order, workspace, build, case.binary, &args)?);
        }
        let nextest = self.nextest(area, side, order)?;
        if nextest.has_scripts {
            let path = nextest::PATH;
            run.distrust
                .push(format!("`{path}` has scripts, which are not run here"));
        }
        let finished = match nextest.is_serial {
            true => batch::run_serially(area, side, &jobs),
            false => batch::run_all(area, side, &jobs),
        }?;
        for (case, finished) in started.iter().zip(&finished) {
            let canary_name = beside(case).map(|canary| canary.name.as_str());
            let read = libtest::read(finished, &case.name, canary_name);
            match (order.canary.filter(|_| case.is_canary), read) {
                (Some(canary), read) => run.distrust.extend(unsung(case, canary, finished, read)),
                (None, Ok((outcome, detail))) => {
                    let mut result = TestResult::new(outcome, detail);
                    result.raised = libtest::raised(&result);
                    run.results.insert(case.id(), result);
                }
                (None, Err(reason)) => {
                    run.distrust.push(format!("`{}`: {reason}", case.id()));
                    run.results
                        .insert(case.id(), TestResult::new(Outcome::Errored, &reason));
                }
            }
        }
        Ok(())
    }

    /// What the tree says to nextest; nothing where there is no such file.
    fn nextest(&self, area: &Area, side: &Side, order: &Order) -> anyhow::Result<Nextest> {
        let mut job = self.cargo(area, order, []);
        let script = "[ ! -e \"$1\" ] || cat -- \"$1\"";
        job.argv = ["/bin/sh", "-c", script, "sh", nextest::PATH]
            .map(OsString::from)
            .into();
        job.scratch.clear();
        let finished = area.run(side, Phase::Run, &job)?;
        ensure!(
            finished.end == End::Exit(0) && !finished.truncated,
            "`{}` could not be read",
            nextest::PATH
        );
        Ok(Nextest::read(&String::from_utf8_lossy(&finished.stdout)))
    }

    fn cargo(&self, area: &Area, order: &Order, args: impl IntoIterator<Item = String>) -> Job {
        let mut argv: Vec<OsString> = vec![self.program.clone().into()];
        argv.extend(args.into_iter().map(OsString::from));
        let mut env = self.job_env(area, order);
        // A lint that is newer than the code fails no test. It joins what the project's own configuration says, and tests never see it.
        let lints = OsString::from("CARGO_BUILD_RUSTFLAGS");
        env.entry(lints).or_insert("--cap-lints=warn".into());
        Job {
            argv,
            dir: area.tree().join(&self.dir),
            env,
            timeout: order.timeout,
            readable: self.readable.clone(),
            scratch: self.home.of_user().into_iter().collect(),
            shown: Vec::new(),
            report: false,
        }
    }

    fn test_job(
        &self,
        area: &Area,
        order: &Order,
        workspace: &Workspace,
        build: &Build,
        binary: &Binary,
        args: &[&str],
    ) -> anyhow::Result<Job> {
        let package = workspace.package(&binary.package_id).ok_or_else(|| {
            anyhow!(
                "cargo built a test of `{}`, which it had not named",
                binary.package_id
            )
        })?;
        let mut env = self.job_env(area, order);
        env.extend(package.env());
        for extra in [&build.script_env, &build.programs] {
            env.extend(extra.get(&binary.package_id).into_iter().flatten().cloned());
        }
        let debug = area.target().join("debug");
        let folders = [debug.join("deps"), debug, self.libraries.clone()];
        let path = std::env::join_paths(folders.iter().chain(&build.libraries));
        env.insert(
            "LD_LIBRARY_PATH".into(),
            path.context("put `LD_LIBRARY_PATH` together")?,
        );
        let mut argv: Vec<OsString> = vec![binary.executable.clone().into()];
        argv.extend(args.iter().map(OsString::from));
        Ok(Job {
            argv,
            dir: package.root().to_owned(),
            env,
            timeout: order.timeout,
            readable: self.readable.clone(),
            scratch: Vec::new(),
            shown: Vec::new(),
            report: false,
        })
    }

    fn job_env(&self, area: &Area, order: &Order) -> BTreeMap<OsString, OsString> {
        let mut env = self.env.clone();
        env.extend(
            order
                .env
                .iter()
                .map(|(name, value)| (name.into(), value.into())),
        );
        env.insert("CARGO_TARGET_DIR".into(), area.target().into());
        env
    }
}

impl Case<'_> {
    fn id(&self) -> TestId {
        TestId(format!("{} {}", self.binary.id, self.name))
    }
}

/// Why a canary is not believed, if so.
fn unsung(
    case: &Case,
    canary: &Canary,
    finished: &Finished,
    read: Result<(Outcome, String), String>,
) -> Option<String> {
    let has_nonce = String::from_utf8_lossy(&finished.stdout).contains(&canary.nonce);
    match read {
        Ok((Outcome::Failed, _)) if has_nonce => None,
        Ok((outcome, detail)) => Some(format!(
            "the test that must fail was reported {outcome}: `{}` {detail}",
            case.id()
        )),
        Err(reason) => Some(format!(
            "the test that must fail: `{}`: {reason}",
            case.id()
        )),
    }
}

fn is_canary(name: &str, canary: &Canary) -> bool {
    name.rsplit("::")
        .next()
        .is_some_and(|last| last.starts_with(&canary.name))
}

fn is_integration_test(path: &RepoPath) -> bool {
    path.as_path().iter().any(|part| part == "tests")
}
