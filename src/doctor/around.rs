//! What is around the hooks: the environment, agents' clients, the policy, the ledger, the sandbox, and locks that nobody holds.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;

use super::{Finding, Git, Machine, shown};
use crate::check::trust::{self, TrustSource};
use crate::git::Repo;
use crate::install;
use crate::install::version::Version;
use crate::policy;
use crate::usage::UsageError;

/// No command of git's keeps a lock longer.
const STALE: Duration = Duration::from_secs(600);

pub(super) fn examine(repo: &Repo, machine: &Machine, git: &Git) -> anyhow::Result<Vec<Finding>> {
    let mut findings = variables(machine);
    findings.extend(locks(repo)?);
    if let Some(work_dir) = repo.work_dir() {
        findings.extend(gemini(work_dir, machine, git)?);
        findings.extend(aider(work_dir, machine)?);
        findings.extend(ledger(repo)?);
    }
    findings.extend(policy_of(repo, machine)?);
    Ok(findings)
}

/// Variables of this environment by which hooks are left out.
fn variables(machine: &Machine) -> Vec<Finding> {
    let is_off = |value: &str| ["0", "false", "no", "off"].contains(&value.to_lowercase().as_str());
    let mut names: Vec<String> = Vec::new();
    for name in ["HUSKY", "LEFTHOOK", "HK"] {
        if machine.variable(name).is_some_and(|value| is_off(&value)) {
            names.push(name.to_owned());
        }
    }
    for name in [
        "SKIP",
        "PREK_SKIP",
        "HUSKY_SKIP_HOOKS",
        "HK_SKIP_HOOKS",
        "HK_SKIP_STEPS",
    ] {
        if machine
            .variable(name)
            .is_some_and(|value| !value.is_empty())
        {
            names.push(name.to_owned());
        }
    }
    for (name, value) in &machine.variables {
        let (name, value) = (
            name.to_string_lossy(),
            value.to_string_lossy().to_lowercase(),
        );
        let is_setting = name.starts_with("GIT_CONFIG_KEY_") || name == "GIT_CONFIG_PARAMETERS";
        if is_setting && (value.contains("core.hookspath") || value.contains("hook.")) {
            names.push(name.into_owned());
        }
    }
    let finding = |name: String| Finding {
        id: "variable-skips-hooks",
        fact: format!(
            "`{name}` is `{}` in this environment",
            machine.variable(&name).unwrap_or_default()
        ),
        why: "git or a hook manager leaves hooks out because of it",
        mend: format!("unset {name}"),
    };
    names.into_iter().map(finding).collect()
}

/// Gemini CLI empties `core.hooksPath` for every command; only hooks in the repository's configuration are run then.
fn gemini(work_dir: &Path, machine: &Machine, git: &Git) -> anyhow::Result<Option<Finding>> {
    let traces = [".gemini", "GEMINI.md"].map(|name| work_dir.join(name));
    let is_used =
        machine.variable("GEMINI_CLI").is_some() || traces.iter().any(|trace| trace.exists());
    if !is_used {
        return Ok(None);
    }
    let hooks = git.settings("^hook\\.koan-guard-pre-commit\\.command$")?;
    let has_config_hook = hooks.iter().any(|hook| hook.scope == "local");
    let (why, mend) = match (git.version >= Version::WITH_CONFIG_HOOKS, has_config_hook) {
        (true, true) => return Ok(None),
        (true, false) => (
            "it empties `core.hooksPath` for the commands it runs; only hooks in the repository's own configuration run there",
            "koan-guard install",
        ),
        (false, _) => (
            "it empties `core.hooksPath` for the commands it runs, and this git runs no hooks from its configuration",
            "koan-guard install --agent gemini\nand let CI judge; with git 2.54 or later, `koan-guard install` puts hooks into the configuration",
        ),
    };
    Ok(Some(Finding {
        id: "gemini-empties-hooks-path",
        fact: "Gemini CLI is used here".into(),
        why,
        mend: mend.into(),
    }))
}

/// Aider commits with `--no-verify` unless it is told otherwise.
fn aider(work_dir: &Path, machine: &Machine) -> anyhow::Result<Option<Finding>> {
    let mut places = vec![work_dir.join(".aider.conf.yml")];
    places.extend(
        machine
            .home
            .as_ref()
            .map(|home| home.join(".aider.conf.yml")),
    );
    let leaves = [
        ".aider.chat.history.md",
        ".aider.input.history",
        ".aider.conf.yml",
    ];
    let is_used = leaves.iter().any(|name| work_dir.join(name).exists());
    if !is_used {
        return Ok(None);
    }
    for place in &places {
        let text = match fs::read_to_string(place) {
            Ok(text) => text,
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => continue,
            Err(err) => return Err(err).with_context(|| format!("read `{}`", place.display())),
        };
        let is_set = |line: &str| {
            let value = line.strip_prefix("git-commit-verify:").map(str::trim);
            value.is_some_and(|value| value.split('#').next().unwrap_or_default().trim() == "true")
        };
        let does_not_commit = |line: &str| line.replace(' ', "").starts_with("auto-commits:false");
        if text
            .lines()
            .any(|line| is_set(line) || does_not_commit(line))
        {
            return Ok(None);
        }
    }
    Ok(Some(Finding {
        id: "aider-skips-hooks",
        fact: "Aider is used here, and nothing tells it to run hooks".into(),
        why: "it commits with `--no-verify` by default",
        mend: "koan-guard install --agent aider".into(),
    }))
}

fn ledger(repo: &Repo) -> anyhow::Result<Option<Finding>> {
    let missing = install::missing_settings(repo)?;
    let names: Vec<String> = missing.iter().map(|key| format!("`{key}`")).collect();
    Ok((!missing.is_empty()).then(|| Finding {
        id: "ledger-not-kept",
        fact: format!(
            "{} of this repository's configuration lacks what koan-guard sets",
            names.join(", ")
        ),
        why: "notes with proofs are lost by amend and rebase, or are not fetched",
        mend: "koan-guard install".into(),
    }))
}

/// Where the policy comes from, and what it asks of this machine.
fn policy_of(repo: &Repo, machine: &Machine) -> anyhow::Result<Vec<Finding>> {
    let usage = |err: anyhow::Error, id, why| match err.downcast_ref::<UsageError>() {
        None => Err(err),
        Some(usage) => Ok(vec![Finding {
            id,
            fact: format!("{err:#}"),
            why,
            mend: usage
                .hint
                .clone()
                .unwrap_or_else(|| "koan-guard policy lint".into()),
        }]),
    };
    let tip = match trust::tip(repo, None) {
        Ok(tip) => tip,
        Err(err) => {
            return usage(
                err,
                "trusted-ref-missing",
                "no change can be judged without the policy of the trusted side",
            );
        }
    };
    let mut findings = Vec::new();
    let remotes = repo.remotes()?;
    let is_local = tip
        .as_ref()
        .is_none_or(|tip| tip.source == TrustSource::LocalBranch);
    if is_local && !remotes.is_empty() && repo.work_dir().is_some() {
        findings.push(Finding {
            id: "policy-untrusted",
            fact: "the policy comes from a local branch, because the default branch of the remote is not known".into(),
            why: "whoever works here can change that branch, and with it what is allowed",
            mend: format!("git remote set-head {} --auto", remotes[0]),
        });
    }
    match trust::policy(repo, tip.as_ref(), repo.head_id()?) {
        Ok((_, policy)) => {
            let level = machine.sandbox.level.number();
            if level < policy.proof.sandbox_min_level {
                findings.push(Finding {
                    id: "sandbox-too-low",
                    fact: format!(
                        "this machine's sandbox reaches level {level}, and the policy wants {}: {}",
                        policy.proof.sandbox_min_level,
                        machine.sandbox.missing.join("; ")
                    ),
                    why: "every proof is undecided here",
                    mend: "use a kernel with Landlock and user namespaces, or let CI judge".into(),
                });
            }
        }
        Err(err) => {
            let why = "without a policy on the trusted side nothing passes, and nothing is proved";
            let mut of_policy = usage(err, "policy-missing", why)?;
            for finding in &mut of_policy {
                finding.mend = format!(
                    "koan-guard init\nthen commit `{}` on the trusted branch",
                    policy::PATH
                );
            }
            findings.extend(of_policy);
        }
    }
    Ok(findings)
}

/// Locks of git's that lie there for longer than any command takes.
fn locks(repo: &Repo) -> anyhow::Result<Vec<Finding>> {
    let whole = |dir: &Path| fs::canonicalize(dir).context("find the repository");
    let (git_dir, common_dir) = (whole(repo.git_dir())?, whole(repo.common_dir())?);
    let mut candidates: Vec<PathBuf> = Vec::new();
    for name in ["index.lock", "HEAD.lock"] {
        candidates.push(git_dir.join(name));
    }
    for name in ["config.lock", "packed-refs.lock", "shallow.lock"] {
        candidates.push(common_dir.join(name));
    }
    for folder in ["refs/heads", "refs/notes", "refs/koan"] {
        locks_below(&common_dir.join(folder), &mut candidates)?;
    }
    candidates.sort();
    candidates.dedup();
    let mut findings = Vec::new();
    for path in candidates {
        let age = match fs::symlink_metadata(&path) {
            Ok(meta) => SystemTime::now()
                .duration_since(meta.modified()?)
                .unwrap_or_default(),
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => continue,
            Err(err) => return Err(err).with_context(|| format!("look at `{}`", path.display())),
        };
        if age >= STALE {
            findings.push(Finding {
                id: "stale-lock",
                fact: format!(
                    "`{}` is a lock that nobody has touched for more than ten minutes",
                    shown(&path)
                ),
                why: "git and koan-guard cannot write what it locks: commits fail, or get no note",
                mend: format!("rm '{}'\nonce no git command is running", path.display()),
            });
        }
    }
    Ok(findings)
}

fn locks_below(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(err) => return Err(err).with_context(|| format!("read `{}`", folder.display())),
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            locks_below(&path, found)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "lock")
        {
            found.push(path);
        }
    }
    Ok(())
}
