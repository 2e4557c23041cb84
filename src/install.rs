//! Puts the hooks in and takes them out, and leaves what was there before as it was.
//!
//! `notes.displayRef` is left alone: every `git log` would print statements meant for machines.

pub mod clients;
mod husky;
pub mod managed;
mod settings;
mod shim;
pub mod standing;
pub mod version;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use crate::change::RepoPath;
use crate::git::Repo;
use crate::policy;
use crate::suite::process::{self, End};
use crate::usage::UsageError;
use settings::Settings;
use version::Version;

/// The hooks that koan-guard stands in where commits are made.
pub const HOOKS: [&str; 5] = [
    "pre-commit",
    "commit-msg",
    "post-commit",
    "post-rewrite",
    "pre-push",
];

/// The hook of a repository that others push to.
pub const SERVER_HOOKS: [&str; 1] = ["pre-receive"];

/// What is different where husky's files call the guard.
const HUSKY_CAVEAT: &str = "husky's files call `koan-guard` by its name: it has to be on `PATH` for everybody who commits, and worktrees have no \
                            hooks until `husky` runs there";

/// What was done, for people to read.
#[derive(Debug)]
pub struct Report {
    /// Where the hooks are.
    pub hooks_dir: PathBuf,
    /// Hooks with what happened to each; hooks that were never ours are left out by [`uninstall`].
    pub hooks: Vec<(&'static str, Effect)>,
    /// Keys of the repository's configuration that were set or taken back.
    pub settings: Vec<String>,
    /// Sentences about what will not work as one may think.
    pub caveats: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Added,
    /// Added in front of a hook that was there, which runs first.
    Chained,
    /// The shim of another version or another place of the binary was replaced.
    Renewed,
    Unchanged,
    Removed,
    /// Removed, and the hook from before is back.
    Restored,
}

/// What stands under the name of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hook {
    Nothing,
    Shim,
    Foreign,
}

/// Puts shims that call `binary` in the folder where git looks for the hooks of `repo`. Running it again changes nothing.
///
/// # Errors
/// [`UsageError`] where it could not be done safely; nothing is touched then.
pub fn install(repo: &Repo, binary: &Path) -> anyhow::Result<Report> {
    install_for(repo, binary, Version::of_git()?)
}

/// The same where git is of this version.
///
/// # Errors
/// As for [`install`].
pub fn install_for(repo: &Repo, binary: &Path, git: Version) -> anyhow::Result<Report> {
    let Some(work_dir) = repo.work_dir() else {
        return Err(UsageError::with_hint(
            "nobody commits in a bare repository",
            "`koan-guard install --server` judges what is pushed to it",
        )
        .into());
    };
    let hooks_dir = resolved(&repo.hooks_dir()?)?;
    let (mut settings, mut report) = if husky::owns(&hooks_dir) {
        check_binary(binary)?;
        let report = Report {
            hooks: husky::put_in(work_dir)?,
            hooks_dir: resolved(work_dir)?.join(".husky"),
            settings: Vec::new(),
            caveats: vec![HUSKY_CAVEAT.to_owned()],
        };
        (Settings::load(repo)?, report)
    } else {
        put_in(repo, binary, &HOOKS)?
    };
    report.caveats.extend(caveats(repo, work_dir, &hooks_dir)?);
    let config_hooks = (git >= Version::WITH_CONFIG_HOOKS).then_some(binary);
    report.settings = settings.set(&repo.remotes()?, config_hooks)?;
    Ok(report)
}

/// Whether the hook of this name is our shim where git, as it is called here, looks for hooks.
///
/// # Errors
/// git cannot be asked.
pub fn shim_runs(hook: &str, binary: &Path) -> anyhow::Result<bool> {
    let is_gits = |name: &OsString| name.as_encoded_bytes().starts_with(b"GIT_");
    // With `-c` and the variables of a caller: they say where hooks are, too.
    let env = std::env::vars_os()
        .filter(|(name, _)| is_gits(name))
        .collect();
    let place = format!("hooks/{hook}");
    let argv = ["git", "rev-parse", "--git-path", &place].map(OsStr::new);
    let limit = Duration::from_secs(30);
    let said = process::output(&argv, Path::new("."), &env, limit)?;
    anyhow::ensure!(said.end == End::Exit(0), "git does not say where hooks are");
    let path = said.stdout.strip_suffix(b"\n").unwrap_or(&said.stdout);
    let path = Path::new(OsStr::from_bytes(path));
    let Some(folder) = path.parent() else {
        return Ok(false);
    };
    Ok(standing::standing(folder, hook, binary)? == standing::Standing::Shim)
}

/// Puts the shim of `pre-receive` in the bare repository `repo`. Nothing of its configuration is changed.
///
/// # Errors
/// As for [`install`].
pub fn install_server(repo: &Repo, binary: &Path) -> anyhow::Result<Report> {
    check_server(repo)?;
    let (_, mut report) = put_in(repo, binary, &SERVER_HOOKS)?;
    report.caveats = server_caveats(repo)?;
    Ok(report)
}

fn put_in(
    repo: &Repo,
    binary: &Path,
    hooks: &[&'static str],
) -> anyhow::Result<(Settings, Report)> {
    check_binary(binary)?;
    let hooks_dir = resolved(&repo.hooks_dir()?)?;
    let mut settings = Settings::load(repo)?;
    check_hooks_path(repo, &settings, &hooks_dir)?;

    let mut effects = Vec::new();
    for &hook in hooks {
        let effect = match (look(&hooks_dir.join(hook))?, has_earlier(&hooks_dir, hook)?) {
            (Hook::Nothing, false) => Effect::Added,
            (Hook::Nothing, true) => Effect::Chained,
            (Hook::Foreign, false) => {
                managed::check_hook(
                    &hooks_dir.join(hook),
                    repo.config("core.hooksPath").is_some(),
                )?;
                Effect::Chained
            }
            (Hook::Foreign, true) => return Err(taken_over(&hooks_dir, hook).into()),
            (Hook::Shim, _) => {
                let text = read(&hooks_dir.join(hook))?;
                shim::check_version(&text, &hooks_dir.join(hook))?;
                let same = text == shim::text(hook, binary) && is_executable(&hooks_dir, hook)?;
                if same {
                    Effect::Unchanged
                } else {
                    Effect::Renewed
                }
            }
        };
        effects.push((hook, effect));
    }

    settings.make_dir(&hooks_dir)?;
    for (hook, effect) in &effects {
        if *effect != Effect::Unchanged {
            write_shim(&hooks_dir, hook, binary)?;
        }
    }
    let report = Report {
        hooks_dir,
        hooks: effects,
        settings: Vec::new(),
        caveats: Vec::new(),
    };
    Ok((settings, report))
}

/// Takes the shims out and puts back what [`install`] found.
///
/// # Errors
/// [`UsageError`] where another tool has put its hook in the place of a shim that had one before it; nothing is touched then.
pub fn uninstall(repo: &Repo) -> anyhow::Result<Report> {
    take_out(repo, &HOOKS)
}

/// Takes the shim of `pre-receive` out of a bare repository and puts back what [`install_server`] found.
///
/// # Errors
/// As for [`uninstall`].
pub fn uninstall_server(repo: &Repo) -> anyhow::Result<Report> {
    check_server(repo)?;
    take_out(repo, &SERVER_HOOKS)
}

fn take_out(repo: &Repo, names: &[&'static str]) -> anyhow::Result<Report> {
    let hooks_dir = resolved(&repo.hooks_dir()?)?;
    let settings = Settings::load(repo)?;
    // `core.hooksPath` may have been set since.
    let mut dirs = vec![
        resolved(&repo.common_dir().join("hooks"))?,
        hooks_dir.clone(),
    ];
    dirs.dedup();

    let mut effects = Vec::new();
    for dir in &dirs {
        for &hook in names {
            let path = dir.join(hook);
            // Where pre-commit and prek move what they find.
            let moved = dir.join(format!("{hook}.legacy"));
            match (look(&path)?, has_earlier(dir, hook)?) {
                (Hook::Foreign, true) => return Err(taken_over(dir, hook).into()),
                (Hook::Shim | Hook::Nothing, true) => {
                    effects.push((dir, hook, path, Effect::Restored));
                }
                (Hook::Shim, false) => effects.push((dir, hook, path, Effect::Removed)),
                (Hook::Foreign, false) if look(&moved)? == Hook::Shim => {
                    effects.push((dir, hook, moved, Effect::Removed));
                }
                (Hook::Nothing | Hook::Foreign, false) => {}
            }
        }
    }

    for (dir, hook, path, effect) in &effects {
        if *effect == Effect::Restored {
            fs::rename(earlier(dir, hook), path)
        } else {
            fs::remove_file(path)
        }
        .with_context(|| format!("take out `{}`", path.display()))?;
    }
    let hooks = effects.iter().map(|(_, hook, _, effect)| (*hook, *effect));
    let mut hooks: Vec<_> = hooks.collect();
    if let Some(work_dir) = repo.work_dir() {
        hooks.extend(husky::take_out(work_dir)?);
    }
    Ok(Report {
        hooks,
        settings: settings.take_back()?,
        caveats: Vec::new(),
        hooks_dir,
    })
}

/// Keys of the repository's configuration that [`install`] would set.
///
/// # Errors
/// git cannot be asked.
pub fn missing_settings(repo: &Repo) -> anyhow::Result<Vec<String>> {
    Settings::load(repo)?.missing(&repo.remotes()?)
}

fn check_binary(binary: &Path) -> anyhow::Result<()> {
    let meta = fs::metadata(binary).with_context(|| format!("look at `{}`", binary.display()))?;
    anyhow::ensure!(
        binary.is_absolute() && meta.is_file() && meta.permissions().mode() & 0o111 != 0,
        "`{}` is not the absolute path of a program",
        binary.display()
    );
    Ok(())
}

/// Whether hooks put into `hooks_dir` would run, and for this repository alone.
fn check_hooks_path(repo: &Repo, settings: &Settings, hooks_dir: &Path) -> anyhow::Result<()> {
    if let Some(hooks_path) = repo.config("core.hooksPath") {
        if hooks_path.is_empty() || (hooks_dir.exists() && !hooks_dir.is_dir()) {
            return Err(UsageError::with_hint(
                format!("`core.hooksPath` is `{hooks_path}`: git runs no hooks here"),
                "`git config --show-origin core.hooksPath` says where that is set",
            )
            .into());
        }
        if !settings.has_own("core.hooksPath")? {
            return Err(UsageError::with_hint(
                format!("`core.hooksPath` is `{hooks_path}` for every repository of this user, not for this one alone"),
                "`git config core.hooksPath \"$(git rev-parse --path-format=absolute --git-common-dir)/hooks\"` gives this repository hooks of its own; those of the shared folder do not run here then",
            )
            .into());
        }
    }
    Ok(())
}

fn caveats(repo: &Repo, work_dir: &Path, hooks_dir: &Path) -> anyhow::Result<Vec<String>> {
    let is_relative = |path: String| !path.starts_with('~') && Path::new(&path).is_relative();
    let mut caveats = Vec::new();
    if !has_policy(repo)? {
        caveats.push(format!(
            "no policy is committed yet, and without one no commit passes: commit `{}` with `git commit --no-verify`",
            policy::PATH
        ));
    }
    let in_work_tree = hooks_dir.starts_with(resolved(work_dir)?);
    if in_work_tree && repo.config("core.hooksPath").is_some_and(is_relative) {
        caveats.push(format!(
            "`{}` belongs to this work tree: in a worktree without that folder git runs no hook and says nothing",
            hooks_dir.display()
        ));
    }
    Ok(caveats)
}

fn check_server(repo: &Repo) -> anyhow::Result<()> {
    if repo.work_dir().is_some() {
        return Err(UsageError::with_hint(
            "this repository has a work tree: `--server` is for the bare one that others push to",
            "go there, or leave `--server` out to guard the commits that are made here",
        )
        .into());
    }
    Ok(())
}

/// What the owner of the server has to set before anybody but agents can push.
fn server_caveats(repo: &Repo) -> anyhow::Result<Vec<String>> {
    let mut caveats = Vec::new();
    if !has_policy(repo)? {
        caveats.push(format!(
            "the default branch has no policy yet, and without one only a person can push: a person pushes `{}` there",
            policy::PATH
        ));
    }
    if repo.own_config("koan.pusherFrom").is_empty() || repo.own_config("koan.person").is_empty() {
        caveats.push(
            "whoever pushes is judged as an agent, because nobody is known as a person: `git config koan.pusherFrom REMOTE_USER` names the \
             variable in which the server tells who pushes, and `git config --add koan.person NAME` a person"
                .into(),
        );
    }
    let fsck = repo
        .own_config("receive.fsckObjects")
        .pop()
        .or_else(|| repo.own_config("transfer.fsckObjects").pop());
    if !fsck.is_some_and(|value| ["true", "yes", "on", "1"].contains(&value.as_str())) {
        caveats.push(
            "git itself does not look at what is pushed: `git config receive.fsckObjects true`"
                .into(),
        );
    }
    Ok(caveats)
}

/// Whether `HEAD` holds a policy. The trusted ref may hold one all the same, but then it may be far from here.
fn has_policy(repo: &Repo) -> anyhow::Result<bool> {
    let Some(head_id) = repo.head_id()? else {
        return Ok(false);
    };
    let tree_id = repo.commit(head_id)?.tree_id;
    let text = repo.read_file(tree_id, &RepoPath::from(policy::PATH))?;
    Ok(text.is_some())
}

/// The path without links and dots, as far as it exists.
fn resolved(path: &Path) -> anyhow::Result<PathBuf> {
    match fs::canonicalize(path) {
        Ok(path) => Ok(path),
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(std::path::absolute(path)?),
        Err(err) => Err(err).with_context(|| format!("look at `{}`", path.display())),
    }
}

fn taken_over(hooks_dir: &Path, hook: &str) -> UsageError {
    UsageError::with_hint(
        format!(
            "`{}` is not koan-guard's, and beside it is a hook that koan-guard kept: another tool took the place of the shim",
            hooks_dir.join(hook).display()
        ),
        format!(
            "keep one of `{hook}` and `{hook}.koan-prev` as `{hook}`, remove the other, and try again"
        ),
    )
}

fn earlier(hooks_dir: &Path, hook: &str) -> PathBuf {
    hooks_dir.join(format!("{hook}.koan-prev"))
}

fn has_earlier(hooks_dir: &Path, hook: &str) -> anyhow::Result<bool> {
    Ok(kind(&earlier(hooks_dir, hook))?.is_some())
}

fn look(path: &Path) -> anyhow::Result<Hook> {
    match kind(path)? {
        None => Ok(Hook::Nothing),
        Some(kind) if kind.is_file() && shim::is_shim(&read(path)?) => Ok(Hook::Shim),
        Some(kind) if kind.is_file() || kind.is_symlink() => Ok(Hook::Foreign),
        Some(_) => anyhow::bail!("`{}` is no file", path.display()),
    }
}

/// What stands at `path`, links not followed; `None` if there is nothing.
fn kind(path: &Path) -> anyhow::Result<Option<fs::FileType>> {
    match fs::symlink_metadata(path) {
        Ok(meta) => Ok(Some(meta.file_type())),
        Err(err) if matches!(err.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(err) => Err(err).with_context(|| format!("look at `{}`", path.display())),
    }
}

fn is_executable(hooks_dir: &Path, hook: &str) -> anyhow::Result<bool> {
    let path = hooks_dir.join(hook);
    let meta = fs::metadata(&path).with_context(|| format!("look at `{}`", path.display()))?;
    Ok(meta.permissions().mode() & 0o111 == 0o111)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read `{}`", path.display()))
}

/// Writes a shim; a hook of somebody else's that stands there becomes the earlier one. Stopped in between, both commands can go on.
fn write_shim(hooks_dir: &Path, hook: &str, binary: &Path) -> anyhow::Result<()> {
    let path = hooks_dir.join(hook);
    let write = || -> anyhow::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(hooks_dir)?;
        file.write_all(&shim::text(hook, binary))?;
        file.as_file()
            .set_permissions(fs::Permissions::from_mode(0o755))?;
        if look(&path)? == Hook::Foreign {
            fs::rename(&path, earlier(hooks_dir, hook))?;
        }
        file.persist(&path)?;
        Ok(())
    };
    write().with_context(|| format!("write hook `{}`", path.display()))
}
