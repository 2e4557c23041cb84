//! What pytest and unittest share: the interpreter, its environment, the order that the guard's script gets, and the canary's text.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::events::{self, Dialect, Exception, Owner, Place};
use super::{Canary, Order, Selection, Toolbox, installed, tools};
use crate::change::RepoPath;
use crate::suite::area::{Area, Phase, Side};
use crate::suite::process::Job;
use crate::suite::{TestId, TestRun};
use crate::usage::UsageError;

/// An interpreter with one of the guard's scripts.
#[derive(Debug)]
pub(super) struct Python {
    pub facts: Facts,
    runner: &'static str,
    /// The folder that it works in, relative to the tree.
    dir: PathBuf,
    script: PathBuf,
    scripts: PathBuf,
    checkout: Option<PathBuf>,
    env: BTreeMap<OsString, OsString>,
    readable: Vec<PathBuf>,
}

/// What the interpreter says about itself.
#[derive(Debug, Deserialize)]
pub(super) struct Facts {
    executable: PathBuf,
    implementation: String,
    version: (u32, u32, u32),
    prefixes: Vec<PathBuf>,
    path: Vec<PathBuf>,
    user_base: Option<PathBuf>,
    pub pytest: Option<String>,
}

const ASK: &str = r#"
import json, os, platform, site, sys
try:
    from importlib.metadata import version
    pytest = version("pytest")
except Exception:
    pytest = None
print(json.dumps({
    "executable": sys.executable,
    "implementation": platform.python_implementation(),
    "version": list(sys.version_info[:3]),
    "prefixes": sorted({sys.prefix, sys.base_prefix, sys.exec_prefix, os.path.dirname(os.path.realpath(sys.executable))}),
    "path": [path for path in sys.path if os.path.isdir(path)],
    "user_base": site.getuserbase() if site.ENABLE_USER_SITE else None,
    "pytest": pytest,
}))
"#;

const REPORT: &str = include_str!("koan_report.py");

pub(super) const DIALECT: Dialect = Dialect {
    assertions: &["AssertionError"],
    skips: &["Skipped", "SkipTest"],
    is_missing_name,
    nothing_ran: 5,
    not_started: 4,
};

/// What the script is asked to do; it reads it before any file of the tree.
#[derive(Debug, Serialize)]
struct ScriptOrder<'a> {
    runner: &'a str,
    tree: &'a Path,
    /// `None` is the whole suite.
    files: Option<Vec<&'a str>>,
    tests: Option<Vec<&'a TestId>>,
    changed: Vec<&'a str>,
    canary: Option<&'a str>,
    seed: Option<u64>,
    checkout: Option<&'a Path>,
}

impl Python {
    /// Finds the interpreter and writes `script` beside the guard's other programs.
    pub fn open(
        runner: &'static str,
        script: &str,
        dir: &Path,
        toolbox: &Toolbox,
    ) -> anyhow::Result<Python> {
        let installed = toolbox
            .setup
            .as_deref()
            .and_then(|set_up| installed::find(set_up, dir));
        let (program, answer) = match &installed {
            Some(installed) => (installed.program.clone(), installed.ask(ASK)?),
            None => {
                let program = find(dir, toolbox)?;
                // In isolated mode neither the folder nor the environment of the guard decides what is imported.
                let answer = tools::ask(toolbox, &program, &["-E", "-c", ASK])?;
                (program, answer)
            }
        };
        let facts: Facts = serde_json::from_str(&answer)
            .with_context(|| format!("read what `{}` says about itself", program.display()))?;
        if facts.version < (3, 8, 0) {
            let (major, minor, _) = facts.version;
            let found = format!("`{}` is Python {major}.{minor}", program.display());
            bail!(UsageError::with_hint(
                found,
                "koan-guard needs Python 3.8 or later"
            ));
        }
        let text = format!("{REPORT}\n{script}");
        let script = tools::write_script(toolbox, &format!("koan_{runner}.py"), &text)?;
        let bin = facts.executable.parent().unwrap_or(Path::new("/"));
        let mut env = tools::test_env(toolbox, bin)?;
        env.insert("PYTHONDONTWRITEBYTECODE".into(), "1".into());
        env.insert("PYTHONHASHSEED".into(), "0".into());
        let mut readable = readable(&facts, toolbox);
        match &installed {
            // What setup installed for the user is in the tests' own `HOME`.
            Some(installed) => readable.retain(|path| !installed.is_seen(path)),
            None => {
                if let Some(user_base) = &facts.user_base {
                    env.insert("PYTHONUSERBASE".into(), user_base.into());
                }
            }
        }
        Ok(Python {
            facts,
            runner,
            dir: dir.to_owned(),
            script,
            scripts: toolbox.scripts.clone(),
            checkout: toolbox.work_dir.clone(),
            env,
            readable,
        })
    }

    /// `CPython 3.11.7`.
    pub fn version(&self) -> String {
        let (major, minor, patch) = self.facts.version;
        format!("{} {major}.{minor}.{patch}", self.facts.implementation)
    }

    pub fn executable(&self) -> &Path {
        &self.facts.executable
    }

    pub fn run(&self, area: &Area, side: &Side, order: &Order) -> anyhow::Result<TestRun> {
        let tree = area.tree().join(&self.dir);
        let file = self.write_order(&tree, order)?;
        let mut env = self.env.clone();
        env.extend(
            order
                .env
                .iter()
                .map(|(name, value)| (name.into(), value.into())),
        );
        let argv = vec![
            self.facts.executable.clone().into(),
            "-B".into(),
            self.script.clone().into(),
            file.path().into(),
        ];
        let job = Job {
            argv,
            dir: tree,
            env,
            timeout: order.timeout,
            readable: self.readable.clone(),
            scratch: Vec::new(),
            shown: Vec::new(),
            report: true,
        };
        let finished = area.run(side, Phase::Run, &job)?;
        Ok(events::read(&finished, order.canary, &DIALECT))
    }

    fn write_order(&self, tree: &Path, order: &Order) -> anyhow::Result<NamedTempFile> {
        let (files, tests) = match order.selection {
            Selection::All => (None, None),
            Selection::Files(files) => (Some(files), None),
            Selection::Tests { files, tests } => (Some(files), Some(tests)),
        };
        let files = files
            .map(|files| files.iter().map(utf8).collect::<anyhow::Result<Vec<_>>>())
            .transpose()?;
        let script_order = ScriptOrder {
            runner: self.runner,
            tree,
            files,
            tests: tests.map(|tests| tests.iter().collect()),
            changed: order.changed.iter().filter_map(RepoPath::to_str).collect(),
            canary: order.canary.map(|canary| canary.name.as_str()),
            seed: order.seed,
            checkout: self.checkout.as_deref(),
        };
        let mut file = NamedTempFile::new_in(&self.scripts).context("write the order")?;
        file.write_all(&serde_json::to_vec(&script_order)?)?;
        file.flush()?;
        Ok(file)
    }
}

/// Whether the scripts take this file for one that holds tests, as both frameworks do unless told otherwise.
pub(super) fn is_test_file(path: &RepoPath) -> bool {
    let name = path.file_name();
    name.ends_with(b".py") && (name.starts_with(b"test") || name.ends_with(b"_test.py"))
}

/// Appended to a test file: the lines above it keep their numbers.
pub(super) fn append(content: &[u8], test: &str) -> Vec<u8> {
    let mut planted = content.to_vec();
    if !planted.is_empty() && !planted.ends_with(b"\n") {
        planted.push(b'\n');
    }
    planted.extend_from_slice(test.as_bytes());
    planted
}

/// For files whose tests are functions.
pub(super) fn function_canary(canary: &Canary) -> String {
    let Canary { name, nonce } = canary;
    format!("\n\ndef test_{name}():\n    assert 1 == 2, \"{nonce}\"\n")
}

/// For files whose tests are methods of a `TestCase`: its assertion methods are another family.
pub(super) fn class_canary(canary: &Canary) -> String {
    let Canary { name, nonce } = canary;
    format!(
        "\n\nclass Test_{name}(__import__(\"unittest\").TestCase):\n    def test_{name}(self):\n        self.assertEqual(1, 2, \"{nonce}\")\n"
    )
}

/// The canary's own file stands at the top, where it is importable whatever folders are packages; the scripts look for this name.
pub(super) fn canary_path(canary: &Canary) -> RepoPath {
    RepoPath::new(format!("test_{}.py", canary.name))
}

fn is_missing_name(exc: &Exception) -> bool {
    let outside_production = exc.nearest != Place::Tree;
    if exc.is_a("ImportError") || exc.is_a("NameError") {
        return outside_production;
    }
    if exc.is_a("AttributeError") {
        let is_definite = matches!(
            exc.owner,
            Some(Owner::Module | Owner::Class | Owner::TreeInstance)
        );
        let by_patch = exc.innermost == Place::Patch && outside_production;
        return by_patch || (exc.nearest == Place::Test && is_definite);
    }
    exc.is_a("TypeError") && exc.nearest == Place::Test && is_about_signature(&exc.message)
}

fn is_about_signature(message: &str) -> bool {
    [
        "unexpected keyword argument",
        "positional argument",
        "keyword-only argument",
        "multiple values for",
        "takes no arguments",
        "takes no keyword arguments",
        "takes exactly",
        "takes at most",
        "takes at least",
    ]
    .iter()
    .any(|part| message.contains(part))
}

/// Where setup installed none: the virtual environment that is active, else the checkout's own, else what `PATH` has.
fn find(dir: &Path, toolbox: &Toolbox) -> anyhow::Result<PathBuf> {
    let active = toolbox.env.get("VIRTUAL_ENV").map(PathBuf::from);
    let own = toolbox
        .work_dir
        .iter()
        .flat_map(|work_dir| [work_dir.join(dir), work_dir.clone()])
        .flat_map(|folder| [folder.join(".venv"), folder.join("venv")]);
    let in_environment = active
        .into_iter()
        .chain(own)
        .map(|environment| environment.join("bin/python"))
        .find(|program| program.is_file());
    in_environment
        .or_else(|| tools::on_path(toolbox, "python3"))
        .or_else(|| tools::on_path(toolbox, "python"))
        .ok_or_else(|| {
            let hint = "activate the project's virtual environment, or install Python 3.8 or later";
            UsageError::with_hint("there is no `python3` on the `PATH`", hint).into()
        })
}

/// The interpreter and its packages. An editable install's path into the user's checkout is left out: the tree's code is to be tested.
fn readable(facts: &Facts, toolbox: &Toolbox) -> Vec<PathBuf> {
    let is_checkout = |path: &Path| {
        let inside = |folder: &Path| path.starts_with(folder);
        toolbox.work_dir.as_deref().is_some_and(inside)
            && !facts.prefixes.iter().any(|prefix| inside(prefix))
    };
    let mut readable: Vec<PathBuf> = facts
        .prefixes
        .iter()
        .chain(&facts.path)
        .filter(|path| path.parent().is_some() && !is_checkout(path))
        .cloned()
        .collect();
    readable.push(toolbox.scripts.clone());
    readable.sort();
    readable.dedup();
    readable
}

fn utf8(path: &RepoPath) -> anyhow::Result<&str> {
    path.to_str()
        .with_context(|| format!("{path} is not UTF-8, which Python's test frameworks need"))
}
