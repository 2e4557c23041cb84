//! Looks for each way in which a guard is off without a word, and says how to mend it.
//!
//! It changes nothing. What it cannot look at is an error: silence would be taken for health.

mod around;
mod hooks;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Serialize;

use crate::git::Repo;
use crate::install::version::Version;
use crate::suite::process::{self, End};
use crate::suite::sandbox::Sandbox;

/// Something by which commits may go unjudged, or the record be lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub id: &'static str,
    /// What is so: a sentence without a period.
    pub fact: String,
    pub why: &'static str,
    /// What to do; the first line is a command where there is one.
    pub mend: String,
}

#[derive(Debug, Serialize)]
pub struct Health {
    pub findings: Vec<Finding>,
    pub git: String,
    pub hooks_dir: Option<PathBuf>,
    pub sandbox: u8,
}

/// What the machine says, beside the repository.
#[derive(Debug)]
pub struct Machine {
    /// This program.
    pub binary: PathBuf,
    pub variables: BTreeMap<OsString, OsString>,
    pub home: Option<PathBuf>,
    pub sandbox: Sandbox,
    /// What `git version` says; asked for where it is not given.
    pub git: Option<String>,
}

/// Examines the repository, all of its work trees, and what the machine adds.
///
/// # Errors
/// Something could not be looked at.
pub fn examine(repo: &Repo, machine: &Machine) -> anyhow::Result<Health> {
    let git = Git::of(repo, machine)?;
    let mut findings = Vec::new();
    if git.version < Version::OLDEST {
        findings.push(Finding {
            id: "git-too-old",
            fact: format!("git is {}", git.said),
            why: "koan-guard is made for git 2.34 and later; what an older one does is not known",
            mend: "install git 2.34 or later".into(),
        });
    }
    findings.extend(hooks::examine(repo, machine, &git)?);
    findings.extend(around::examine(repo, machine, &git)?);
    Ok(Health {
        findings,
        git: git.said,
        hooks_dir: repo
            .hooks_dir()
            .ok()
            .and_then(|dir| fs::canonicalize(dir).ok()),
        sandbox: machine.sandbox.level.number(),
    })
}

/// git, asked in one repository.
struct Git {
    dir: PathBuf,
    /// Which configuration files it reads beside the repository's.
    env: BTreeMap<OsString, OsString>,
    said: String,
    version: Version,
}

impl Git {
    fn of(repo: &Repo, machine: &Machine) -> anyhow::Result<Git> {
        let is_kept = |name: &OsStr| {
            let names = [
                "GIT_CONFIG_GLOBAL",
                "GIT_CONFIG_SYSTEM",
                "GIT_CONFIG_NOSYSTEM",
            ];
            names.iter().any(|kept| name == *kept)
        };
        let variables = machine.variables.iter();
        let kept = variables.filter(|(name, _)| is_kept(name));
        let mut git = Git {
            env: kept
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            dir: fs::canonicalize(repo.work_dir().unwrap_or(repo.git_dir()))
                .context("find the repository")?,
            said: String::new(),
            version: Version(0, 0),
        };
        git.said = match &machine.git {
            Some(said) => said.clone(),
            None => git
                .ask(&["version"])?
                .context("git does not say its version")?,
        };
        git.said = git
            .said
            .trim()
            .trim_start_matches("git version ")
            .to_owned();
        git.version =
            Version::of(&git.said).with_context(|| format!("read git's version `{}`", git.said))?;
        Ok(git)
    }

    /// What git prints; `None` if it exits with 1, as it does for what is not there.
    fn ask(&self, args: &[&str]) -> anyhow::Result<Option<String>> {
        let words: Vec<&OsStr> = [OsStr::new("git")]
            .into_iter()
            .chain(args.iter().map(OsStr::new))
            .collect();
        let timeout = Duration::from_secs(30);
        let finished = process::output(&words, &self.dir, &self.env, timeout)?;
        if finished.end == End::Exit(1) {
            return Ok(None);
        }
        ensure!(
            finished.end == End::Exit(0),
            "`git {}`: {}",
            args.join(" "),
            String::from_utf8_lossy(&finished.stderr).trim()
        );
        Ok(Some(String::from_utf8_lossy(&finished.stdout).into_owned()))
    }

    /// Keys and values of the configuration with where they come from: `local`, `global`, …
    fn settings(&self, pattern: &str) -> anyhow::Result<Vec<Setting>> {
        let args = ["config", "--null", "--show-scope", "--get-regexp", pattern];
        let Some(text) = self.ask(&args)? else {
            return Ok(Vec::new());
        };
        let mut fields = text.split_terminator('\0');
        let mut settings = Vec::new();
        while let (Some(scope), Some(rest)) = (fields.next(), fields.next()) {
            // A key without `=` is true.
            let (key, value) = rest.split_once('\n').unwrap_or((rest, "true"));
            settings.push(Setting {
                scope: scope.to_owned(),
                key: key.to_owned(),
                value: value.to_owned(),
            });
        }
        Ok(settings)
    }
}

struct Setting {
    scope: String,
    key: String,
    value: String,
}

impl Machine {
    fn variable(&self, name: &str) -> Option<String> {
        let value = self.variables.get(OsStr::new(name))?;
        Some(value.to_string_lossy().into_owned())
    }
}

fn shown(path: &Path) -> String {
    crate::change::shown(path.as_os_str().as_encoded_bytes())
}
