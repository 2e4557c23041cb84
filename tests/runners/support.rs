//! One project in a work area, and one run of it shown as text.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use koan_guard::change::RepoPath;
use koan_guard::policy::{CustomRunner, RunnerConfig};
use koan_guard::suite::area::{Area, Side};
use koan_guard::suite::runner::{self, Canary, Order, Runner, Selection, Toolbox};
use koan_guard::suite::sandbox::Sandbox;
use koan_guard::suite::setup::UserEnv;
use koan_guard::suite::{TestId, TestRun};

pub struct Project {
    files: BTreeMap<PathBuf, Vec<u8>>,
    runner: Box<dyn Runner>,
    pub seed: Option<u64>,
    pub timeout: Duration,
    _scripts: tempfile::TempDir,
    _checkout: Option<tempfile::TempDir>,
}

impl Project {
    pub fn new(runner: &str) -> Project {
        let scripts = tempfile::tempdir().expect("a folder");
        let checkout = checkout(runner);
        let toolbox = Toolbox {
            work_dir: checkout.as_ref().map(|folder| folder.path().to_owned()),
            env: tool_env(&[runner]),
            user_env: UserEnv::default(),
            setup: None,
            scripts: scripts.path().to_owned(),
        };
        Project {
            files: BTreeMap::new(),
            runner: open(&[(runner, "")], &toolbox),
            seed: None,
            timeout: Duration::from_secs(120),
            _scripts: scripts,
            _checkout: checkout,
        }
    }

    /// A runner that is told what to do.
    pub fn custom(custom: CustomRunner) -> Project {
        let mut project = Project::new("bats");
        let toolbox = Toolbox {
            work_dir: None,
            env: tool_env(&[]),
            user_env: UserEnv::default(),
            setup: None,
            scripts: project._scripts.path().to_owned(),
        };
        let config = RunnerConfig {
            name: "custom".to_owned(),
            custom: Some(custom),
            ..RunnerConfig::default()
        };
        project.runner = runner::open(&[config], &toolbox).expect("a shell");
        project
    }

    pub fn version(&self) -> String {
        self.runner.version().to_owned()
    }

    /// cargo with features.
    pub fn with_features(mut self, features: &[&str]) -> Project {
        let toolbox = Toolbox {
            work_dir: None,
            env: tool_env(&["cargo"]),
            user_env: UserEnv::default(),
            setup: None,
            scripts: self._scripts.path().to_owned(),
        };
        let config = RunnerConfig {
            name: "cargo".to_owned(),
            features: features.iter().map(|&name| name.to_owned()).collect(),
            ..RunnerConfig::default()
        };
        self.runner = runner::open(&[config], &toolbox).expect("cargo");
        self
    }

    /// Runners by name and folder.
    pub fn with(mut self, runners: &[(&str, &str)]) -> Project {
        let names: Vec<&str> = runners.iter().map(|(name, _)| *name).collect();
        let toolbox = Toolbox {
            work_dir: None,
            env: tool_env(&names),
            user_env: UserEnv::default(),
            setup: None,
            scripts: self._scripts.path().to_owned(),
        };
        self.runner = open(runners, &toolbox);
        self
    }

    pub fn file(mut self, path: &str, content: &str) -> Project {
        self.files.insert(path.into(), content.as_bytes().to_vec());
        self
    }

    /// Plants the canary in `path`.
    pub fn plant(mut self, path: &str) -> Project {
        let content = self.files[Path::new(path)].clone();
        let planted = self
            .runner
            .plant(&RepoPath::from(path), &content, &canary())
            .expect("a file that holds tests");
        self.files.insert(path.into(), planted);
        self
    }

    /// A file as the runner meets it, canary included.
    pub fn read(&self, path: &str) -> String {
        String::from_utf8_lossy(&self.files[Path::new(path)]).into_owned()
    }

    pub fn all(&self) -> TestRun {
        self.run(Selection::All, &[], None)
    }

    pub fn all_with_canary(&self) -> TestRun {
        self.run(Selection::All, &[], Some(&canary()))
    }

    /// As a proof lays a tree out: a canary for every runner that none was planted for.
    pub fn with_canary_files(mut self, touched: &[&str], planted: &[&str]) -> Project {
        let paths = |list: &[&str]| list.iter().map(|&path| path.into()).collect::<Vec<_>>();
        let files: Vec<String> = self
            .files
            .keys()
            .map(|path| path.display().to_string())
            .collect();
        let files: Vec<RepoPath> = files.iter().map(|path| path.as_str().into()).collect();
        let (touched, planted) = (paths(touched), paths(planted));
        for (path, content) in self
            .runner
            .canary_files(&files, &touched, &planted, &canary())
        {
            self.files.insert(path.as_path().to_owned(), content);
        }
        self
    }

    pub fn try_all(&self) -> anyhow::Result<TestRun> {
        self.try_run(Selection::All, &[], None)
    }

    /// The tests of the touched files, with the canary.
    pub fn touched(&self, files: &[&str]) -> TestRun {
        let files: Vec<RepoPath> = files.iter().map(|&file| file.into()).collect();
        self.run(Selection::Files(&files), &files, Some(&canary()))
    }

    /// The whole suite, with the canary, of a change that touches these files.
    pub fn suite(&self, changed: &[&str]) -> TestRun {
        let changed: Vec<RepoPath> = changed.iter().map(|&file| file.into()).collect();
        self.run(Selection::All, &changed, Some(&canary()))
    }

    pub fn only(&self, files: &[&str], tests: &[&str]) -> TestRun {
        let files: Vec<RepoPath> = files.iter().map(|&file| file.into()).collect();
        let tests: BTreeSet<TestId> = tests.iter().map(|&test| TestId(test.into())).collect();
        let (files, tests) = (&files, &tests);
        self.run(Selection::Tests { files, tests }, files, None)
    }

    pub fn with_canary_file(mut self, beside: &str) -> Project {
        let (path, content) = self.runner.canary_file(&RepoPath::from(beside), &canary());
        self.files.insert(path.as_path().to_owned(), content);
        self
    }

    #[track_caller]
    fn run(&self, selection: Selection, changed: &[RepoPath], canary: Option<&Canary>) -> TestRun {
        self.try_run(selection, changed, canary).expect("a run")
    }

    fn try_run(
        &self,
        selection: Selection,
        changed: &[RepoPath],
        canary: Option<&Canary>,
    ) -> anyhow::Result<TestRun> {
        self.laid_out((selection, changed), canary, |area, side, order| {
            self.runner.run(area, side, order)
        })
    }

    /// The examples of the documentation.
    pub fn examples(&self) -> Option<TestRun> {
        self.laid_out((Selection::All, &[]), None, |area, side, order| {
            self.runner.examples(area, side, order)
        })
        .expect("a run")
    }

    fn laid_out<T>(
        &self,
        (selection, changed): (Selection, &[RepoPath]),
        canary: Option<&Canary>,
        run: impl FnOnce(&Area, &Side, &Order) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let root = tempfile::tempdir().expect("a folder");
        let area = Area::open(root.path(), &sandbox(), Duration::from_secs(10)).expect("an area");
        let side = area
            .add_side(None, |folder| {
                for (path, content) in &self.files {
                    let path = folder.join(path);
                    std::fs::create_dir_all(path.parent().expect("a parent"))?;
                    std::fs::write(path, content)?;
                }
                Ok(())
            })
            .expect("a side");
        let order = Order {
            selection,
            changed,
            canary,
            seed: self.seed,
            timeout: self.timeout,
            env: &BTreeMap::new(),
        };
        run(&area, &side, &order)
    }
}

pub fn canary() -> Canary {
    Canary {
        name: "koan_0123456789abcdef".into(),
        nonce: "5ca1ab1e0ddba11".into(),
    }
}

/// The run as lines: outcome and id, what was not built, why it cannot be believed.
pub fn show(run: &TestRun) -> String {
    let results = run
        .results
        .iter()
        .map(|(id, result)| format!("{} {id}", result.outcome));
    let not_built = run.not_built.iter().map(|not_built| {
        let (what, detail) = (&not_built.what, &not_built.detail);
        format!("not built {what}: {detail}")
    });
    let distrust = run
        .distrust
        .iter()
        .map(|reason| format!("distrust: {reason}"));
    results
        .chain(not_built)
        .chain(distrust)
        .collect::<Vec<_>>()
        .join("\n")
}

#[track_caller]
pub fn check(run: &TestRun, expected: &str) {
    let expected: Vec<&str> = expected
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    assert_eq!(show(run), expected.join("\n"), "{run:#?}");
}

/// No attack may end as a believable run in which its test passed.
#[track_caller]
pub fn check_distrusted(run: &TestRun, reason: &str) {
    let distrust = run.distrust.join("\n");
    assert!(distrust.contains(reason), "no `{reason}` in {run:#?}");
}

fn open(runners: &[(&str, &str)], toolbox: &Toolbox) -> Box<dyn Runner> {
    let config = |&(name, dir): &(&str, &str)| RunnerConfig {
        name: name.to_owned(),
        dir: dir.to_owned(),
        ..RunnerConfig::default()
    };
    let configs: Vec<RunnerConfig> = runners.iter().map(config).collect();
    runner::open(&configs, toolbox).expect("the runner is installed")
}

fn tool_env(runners: &[&str]) -> BTreeMap<String, String> {
    let mut env: BTreeMap<String, String> = [
        "PATH",
        "HOME",
        "CARGO_HOME",
        "RUSTUP_HOME",
        "RUSTUP_TOOLCHAIN",
        "PYENV_ROOT",
    ]
    .iter()
    .filter_map(|&name| Some((name.to_owned(), std::env::var(name).ok()?)))
    .collect();
    if runners.contains(&"pytest") {
        let python = std::env::var("KOAN_TEST_PYTHON")
            .expect("run this by tests/run.sh: KOAN_TEST_PYTHON is not set");
        let folder = Path::new(&python).ancestors().nth(2);
        let folder = folder.expect("the virtual environment of `KOAN_TEST_PYTHON`");
        env.insert("VIRTUAL_ENV".into(), folder.display().to_string());
    }
    env
}

/// A checkout in which the packages of JavaScript's test frameworks are installed.
fn checkout(runner: &str) -> Option<tempfile::TempDir> {
    if !["jest", "mocha", "vitest"].contains(&runner) {
        return None;
    }
    let packages = std::env::var("KOAN_TEST_NODE_MODULES")
        .expect("run this by tests/run.sh: KOAN_TEST_NODE_MODULES is not set");
    let folder = tempfile::tempdir().expect("a folder");
    let link = folder.path().join("node_modules");
    std::os::unix::fs::symlink(packages, link).expect("a link");
    Some(folder)
}

/// The best that this machine can enforce.
fn sandbox() -> Sandbox {
    Sandbox::probe_with(Path::new(env!("CARGO_BIN_EXE_koan-guard")))
}
