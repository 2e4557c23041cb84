//! The hooks of every work tree, by what git would find there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::{Finding, Git, Machine, Setting, shown};
use crate::git::Repo;
use crate::install::standing::{self, Standing};
use crate::install::version::Version;
use crate::install::{HOOKS, SERVER_HOOKS, managed};

const INSTALL: &str = "koan-guard install";

/// Findings of hooks that git starts: they stand in the way, or judge otherwise, whatever runs beside them.
const STARTED: [&str; 3] = ["hook-crlf", "shim-outdated", "shim-program-gone"];

pub(super) fn examine(repo: &Repo, machine: &Machine, git: &Git) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    if repo.work_dir().is_none() {
        let dir = repo.hooks_dir()?;
        let install = "koan-guard install --server";
        of_folder(&dir, None, &SERVER_HOOKS, install, machine, &mut findings)?;
        return Ok(findings);
    }
    let config = ConfigHooks::of(git)?;
    findings.extend(config.disabled());
    findings.extend(config.gone());
    findings.extend(hooks_path(repo, machine, git)?);
    // What is equal in all work trees is said once.
    let mut seen: Vec<PathBuf> = Vec::new();
    for work_dir in work_dirs(git)? {
        let tree = Repo::open(&work_dir)?;
        let Ok(dir) = tree.hooks_dir() else {
            // An empty path; `hooks_path` has said so.
            continue;
        };
        let is_no_folder = dir.exists() && !dir.is_dir();
        if is_no_folder || seen.contains(&dir) {
            continue;
        }
        seen.push(dir.clone());
        let is_linked = work_dir != git.dir;
        if is_linked && !dir.exists() && !config.stands_in() {
            findings.push(Finding {
                id: "no-hooks-in-worktree",
                fact: format!(
                    "in the work tree `{}` there is no `{}`, where git looks for hooks",
                    shown(&work_dir),
                    shown(&dir)
                ),
                why: "`core.hooksPath` is relative, so every work tree needs that folder; git runs no hook there and says nothing",
                mend: "git config core.hooksPath \"$(git rev-parse --path-format=absolute --git-common-dir)/hooks\"\n\
                       or run what makes the folder (`npm run prepare`) in that work tree"
                    .into(),
            });
            continue;
        }
        let mut of_tree = Vec::new();
        of_folder(
            &dir,
            Some(&work_dir),
            &HOOKS,
            INSTALL,
            machine,
            &mut of_tree,
        )?;
        if config.stands_in() {
            of_tree.retain(|finding| STARTED.contains(&finding.id));
        }
        findings.append(&mut of_tree);
    }
    for manager in repo
        .work_dir()
        .map(managed::present)
        .transpose()?
        .unwrap_or_default()
    {
        // pre-commit and prek run what was there before them; what they run is looked at above.
        let runs_others = ["pre-commit", "prek"].contains(&manager.name);
        let took_over = format!("to {}", manager.name);
        let is_said = findings.iter().any(|it| it.fact.contains(&took_over));
        if !manager.has_entry && !runs_others && !is_said {
            findings.push(without_entry(manager.name, manager.file));
        }
    }
    findings.dedup();
    Ok(findings)
}

fn of_folder(
    dir: &Path,
    work_dir: Option<&Path>,
    hooks: &[&'static str],
    install: &str,
    machine: &Machine,
    findings: &mut Vec<Finding>,
) -> anyhow::Result<()> {
    let mut missing = Vec::new();
    let mut by_manager: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for &hook in hooks {
        let path = dir.join(hook);
        let fact = |what: &str| format!("`{}` {what}", shown(&path));
        let (id, fact, why, mend) = match standing::standing(dir, hook, &machine.binary)? {
            Standing::Shim | Standing::Calls => continue,
            Standing::Manager {
                runs_shim: true, ..
            } => continue,
            Standing::Manager {
                name,
                runs_shim: false,
            } => {
                let calls = work_dir
                    .map(|top| managed::calls(top, name, hook))
                    .transpose()?;
                if calls != Some(true) {
                    by_manager.entry(name).or_default().push(hook);
                }
                continue;
            }
            Standing::Missing => {
                missing.push(hook);
                continue;
            }
            Standing::Dangling => (
                "hook-dangling",
                fact("is a link to nothing"),
                "git runs no hook then, and says nothing",
                format!("rm '{}' && {install}", path.display()),
            ),
            Standing::NotExecutable => (
                "hook-not-executable",
                fact("is not executable"),
                "git leaves such a hook out, with no more than a hint",
                format!("chmod +x '{}'", path.display()),
            ),
            Standing::Crlf => (
                "hook-crlf",
                fact("ends its lines as on Windows"),
                "the system finds no interpreter of that name, so no commit passes, and people get used to `--no-verify`",
                format!("rm '{}' && {install}", path.display()),
            ),
            Standing::NoInterpreter => (
                "hook-no-shebang",
                fact("does not begin with `#!`"),
                "which shell runs it depends on the system, and koan-guard did not write it so",
                format!("rm '{}' && {install}", path.display()),
            ),
            Standing::OtherShim(program) => (
                "shim-outdated",
                fact(&format!(
                    "is the shim of another koan-guard, `{}`",
                    shown(&program)
                )),
                "what judges commits is not the program that you run",
                install.to_owned(),
            ),
            Standing::ProgramGone(program) => (
                "shim-program-gone",
                fact(&format!("calls `{}`, which is gone", shown(&program))),
                "no commit passes, and people get used to `--no-verify`",
                install.to_owned(),
            ),
            Standing::Foreign => (
                "hook-foreign",
                fact("is somebody else's and does not call koan-guard"),
                "commits are not judged",
                format!("{install}\nthe hook that is there keeps running first"),
            ),
        };
        findings.push(Finding {
            id,
            fact,
            why,
            mend,
        });
    }
    if !missing.is_empty() {
        findings.push(none(dir, &missing, hooks, install));
    }
    for (name, hooks) in by_manager {
        findings.push(taken_over(dir, name, &hooks));
    }
    Ok(())
}

fn none(dir: &Path, missing: &[&str], all: &[&str], install: &str) -> Finding {
    let names: Vec<String> = missing.iter().map(|hook| format!("`{hook}`")).collect();
    let what = match missing.len() == all.len() {
        true => "no hook of koan-guard's".to_owned(),
        false => format!("no {}", names.join(", ")),
    };
    Finding {
        id: "hook-missing",
        fact: format!("there is {what} in `{}`", shown(dir)),
        why: "commits are not judged where they are made",
        mend: install.to_owned(),
    }
}

/// A manager's hook stands where ours should.
fn taken_over(dir: &Path, name: &'static str, hooks: &[&str]) -> Finding {
    let names: Vec<String> = hooks.iter().map(|hook| format!("`{hook}`")).collect();
    let (id, aside) = match hooks.iter().any(|hook| standing::is_put_aside(dir, hook)) {
        true => (
            "shim-put-aside",
            ", which put koan-guard's aside as `.old` and does not run it",
        ),
        false => ("manager-without-entry", ""),
    };
    let belong = if hooks.len() == 1 {
        "belongs"
    } else {
        "belong"
    };
    Finding {
        id,
        fact: format!(
            "{} in `{}` {belong} to {name}{aside}",
            names.join(", "),
            shown(dir)
        ),
        why: "it runs what its own configuration says, and that names no koan-guard for them",
        mend: managed::snippet(name).unwrap_or_default().to_owned(),
    }
}

fn without_entry(name: &'static str, file: &str) -> Finding {
    Finding {
        id: "manager-without-entry",
        fact: format!("{name} is used here, and `{file}` names no koan-guard"),
        why: "whenever it installs its hooks, it takes the place of koan-guard's",
        mend: managed::snippet(name).unwrap_or_default().to_owned(),
    }
}

/// `core.hooksPath`, by who sets it.
fn hooks_path(repo: &Repo, machine: &Machine, git: &Git) -> anyhow::Result<Option<Finding>> {
    let Some(Setting { scope, value, .. }) = git.settings("^core\\.hookspath$")?.pop() else {
        return Ok(None);
    };
    let mend = match scope.as_str() {
        "local" => "git config --unset-all core.hooksPath && koan-guard install".to_owned(),
        "worktree" => {
            "git config --worktree --unset-all core.hooksPath && koan-guard install".to_owned()
        }
        scope => format!("git config --{scope} --unset-all core.hooksPath"),
    };
    let is_no_folder = |dir: &PathBuf| dir.exists() && !dir.is_dir();
    let effective = repo.hooks_dir().ok().filter(|dir| !is_no_folder(dir));
    let Some(effective) = effective else {
        return Ok(Some(Finding {
            id: "hooks-path-empty",
            fact: match value.as_str() {
                "" => format!("`core.hooksPath` is empty ({scope})"),
                value => format!("`core.hooksPath` is `{value}` ({scope})"),
            },
            why: "git runs no hooks",
            mend,
        }));
    };
    if ["global", "system"].contains(&scope.as_str()) {
        return Ok(Some(Finding {
            id: "hooks-path-of-user",
            fact: format!("`core.hooksPath` is `{}` ({scope})", shown(Path::new(&value))),
            why: "hooks of this repository do not run, those of that folder run everywhere",
            mend: "git config core.hooksPath \"$(git rev-parse --path-format=absolute --git-common-dir)/hooks\" && koan-guard install".into(),
        }));
    }
    // Shims in the usual folder, while git looks elsewhere and finds none.
    let usual = fs::canonicalize(repo.common_dir())
        .context("find the repository")?
        .join("hooks");
    let at = |dir: &Path| standing::standing(dir, HOOKS[0], &machine.binary);
    let is_guarded = matches!(at(&effective)?, Standing::Shim | Standing::Calls);
    let has_shims = matches!(
        at(&usual)?,
        Standing::Shim | Standing::OtherShim(_) | Standing::ProgramGone(_)
    );
    Ok((has_shims && !is_guarded).then(|| Finding {
        id: "hooks-path-elsewhere",
        fact: format!(
            "koan-guard's hooks are in `{}`, and git looks for hooks in `{}` ({scope})",
            shown(&usual),
            shown(Path::new(&value))
        ),
        why: "`core.hooksPath` was set after `install`",
        mend: format!("{INSTALL}\nor take `core.hooksPath` back: {mend}"),
    }))
}

/// All work trees that are there.
fn work_dirs(git: &Git) -> anyhow::Result<Vec<PathBuf>> {
    let text = git
        .ask(&["worktree", "list", "--porcelain"])?
        .unwrap_or_default();
    let mut dirs = Vec::new();
    for block in text.split("\n\n") {
        let path = block
            .lines()
            .find_map(|line| line.strip_prefix("worktree "));
        let is_gone = block
            .lines()
            .any(|line| line.starts_with("prunable") || line == "bare");
        if let Some(path) = path.filter(|path| !is_gone && Path::new(path).is_dir()) {
            dirs.push(PathBuf::from(path));
        }
    }
    // The one that was asked in comes first.
    dirs.sort_by_key(|dir| *dir != git.dir);
    Ok(dirs)
}

/// Hooks that stand in git's configuration.
struct ConfigHooks {
    settings: Vec<Setting>,
    are_run: bool,
}

impl ConfigHooks {
    fn of(git: &Git) -> anyhow::Result<ConfigHooks> {
        Ok(ConfigHooks {
            settings: git.settings("^hook\\.")?,
            are_run: git.version >= Version::WITH_CONFIG_HOOKS,
        })
    }

    fn is_off(&self, name: &str) -> bool {
        let key = format!("hook.{name}.enabled");
        let value = self
            .settings
            .iter()
            .rfind(|setting| setting.key.eq_ignore_ascii_case(&key));
        value.is_some_and(|setting| {
            ["false", "no", "off", "0", ""].contains(&setting.value.to_lowercase().as_str())
        })
    }

    /// The values of a key of our hook, as git reads them: all scopes, the nearest last.
    fn values(&self, hook: &str, name: &str) -> impl DoubleEndedIterator<Item = &str> {
        let key = format!("hook.koan-guard-{hook}.{name}");
        let settings = self.settings.iter();
        settings
            .filter(move |setting| setting.key == key)
            .map(|setting| setting.value.as_str())
    }

    /// Of several commands the last one counts.
    fn command(&self, hook: &str) -> Option<&str> {
        self.values(hook, "command").next_back()
    }

    /// Whether they judge by themselves: every hook, and none switched off.
    fn stands_in(&self) -> bool {
        self.are_run
            && HOOKS.iter().all(|hook| {
                let calls_guard = self
                    .command(hook)
                    .is_some_and(|line| line.contains("hook") && line.contains("koan-guard"));
                // An empty event takes back those before it.
                let events = self.values(hook, "event").rev();
                let is_asked = events
                    .take_while(|event| !event.is_empty())
                    .any(|event| event == *hook);
                let is_off = self.is_off(&format!("koan-guard-{hook}")) || self.is_off(hook);
                calls_guard && is_asked && !is_off
            })
    }

    /// They call a program that is not there any more. One finding: they are written together.
    fn gone(&self) -> Option<Finding> {
        let mut hooks = HOOKS.iter().filter(|_| self.are_run);
        let program = hooks.find_map(|hook| standing::gone_program(hook, self.command(hook)?))?;
        Some(Finding {
            id: "config-program-gone",
            fact: format!(
                "the hooks in git's configuration call `{}`, which is gone",
                shown(&program)
            ),
            why: "no commit passes, and people get used to `--no-verify`",
            mend: INSTALL.to_owned(),
        })
    }

    fn disabled(&self) -> Vec<Finding> {
        let off = HOOKS
            .iter()
            .flat_map(|hook| [format!("koan-guard-{hook}"), (*hook).to_owned()]);
        let off = off.filter(|name| self.is_off(name));
        off.map(|name| Finding {
            id: "hook-disabled",
            fact: format!("`hook.{name}.enabled` is false"),
            why: "git 2.54 and later leaves that hook out",
            mend: format!("git config --unset-all hook.{name}.enabled"),
        })
        .collect()
    }
}
