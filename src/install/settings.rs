//! What is set in the repository's own configuration, and the record of it that lets `uninstall` take back exactly that.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::{HOOKS, shim};
use crate::git::{Repo, notes};
use crate::suite::process::{self, End};

/// Notes follow a commit through amend and rebase.
const REWRITE_REF: &str = "notes.rewriteRef";
/// `git notes merge` unites statements line by line.
const MERGE_STRATEGY: &str = "notes.koan.mergeStrategy";

/// What the hooks in the configuration are called.
const CONFIG_HOOK: &str = "hook.koan-guard-";

/// The repository's configuration as far as `install` changes it.
pub(super) struct Settings {
    git_dir: PathBuf,
    common_dir: PathBuf,
    record: Record,
}

/// What `install` added, kept in the folder that all worktrees share.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    settings: Vec<String>,
    made_dirs: Vec<String>,
}

impl Settings {
    pub(super) fn load(repo: &Repo) -> anyhow::Result<Settings> {
        let common_dir = fs::canonicalize(repo.common_dir()).context("find the repository")?;
        let path = record_path(&common_dir);
        let record = match fs::read(&path) {
            Ok(json) => serde_json::from_slice(&json)
                .with_context(|| format!("read `{}`", path.display()))?,
            Err(err) if err.kind() == ErrorKind::NotFound => Record::default(),
            Err(err) => return Err(err).with_context(|| format!("read `{}`", path.display())),
        };
        Ok(Settings {
            git_dir: fs::canonicalize(repo.git_dir()).context("find the repository")?,
            common_dir,
            record,
        })
    }

    /// Whether the repository itself, not the user or the machine, gives `key` a value.
    pub(super) fn has_own(&self, key: &str) -> anyhow::Result<bool> {
        let of_worktree = self.git_dir.join("config.worktree");
        let in_worktree = of_worktree.is_file() && !self.values(&of_worktree, key)?.is_empty();
        Ok(in_worktree || !self.values(&self.config_file(), key)?.is_empty())
    }

    /// Makes the folder of the hooks where there is none.
    pub(super) fn make_dir(&mut self, dir: &Path) -> anyhow::Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        if let Some(name) = dir.to_str() {
            self.record.made_dirs.push(name.to_owned());
            self.save()?;
        }
        fs::create_dir_all(dir).with_context(|| format!("make folder `{}`", dir.display()))
    }

    /// Sets what is not set; says which keys that were. `remotes` are those to fetch the ledger from.
    /// With the program that hooks in the configuration shall call, those are set too.
    pub(super) fn set(
        &mut self,
        remotes: &[String],
        hooks_call: Option<&Path>,
    ) -> anyhow::Result<Vec<String>> {
        let file = self.config_file();
        let mut wanted = self.wanted(remotes)?;
        for (key, value) in hooks_call.map(config_hooks).unwrap_or_default() {
            let there = self.values(&file, &key)?;
            if there == [value.clone()] {
                continue;
            }
            if !there.is_empty() {
                let done = self.git_config(&file, &["--unset-all", &key])?;
                anyhow::ensure!(done.is_some(), "git did not unset `{key}`");
            }
            wanted.push((key, value));
        }
        for (key, value) in &wanted {
            self.add(&file, key, value)?;
        }
        Ok(distinct(wanted))
    }

    /// The keys that [`set`](Settings::set) would set.
    pub(super) fn missing(&self, remotes: &[String]) -> anyhow::Result<Vec<String>> {
        Ok(distinct(self.wanted(remotes)?))
    }

    /// Keys and values that are to be added.
    fn wanted(&self, remotes: &[String]) -> anyhow::Result<Vec<(String, String)>> {
        let file = self.config_file();
        let mut wanted: Vec<(String, String)> = Vec::new();
        let rewrites = self.values(&file, REWRITE_REF)?;
        if !rewrites.iter().any(|value| value == notes::REF) {
            wanted.push((REWRITE_REF.to_owned(), notes::REF.to_owned()));
        }
        // A strategy of the user's own choice stays.
        if self.values(&file, MERGE_STRATEGY)?.is_empty() {
            wanted.push((MERGE_STRATEGY.to_owned(), "cat_sort_uniq".to_owned()));
        }
        for name in remotes {
            let key = fetch_key(name);
            let there = self.values(&file, &key)?;
            // A remote that fetches nothing by itself would fetch nothing else from now on.
            let is_fetched = !there.is_empty() && Repo::is_ref_name(&format!("refs/koan/{name}"));
            let specs = refspecs(name).into_iter();
            let missing = specs.filter(|spec| is_fetched && !there.contains(spec));
            wanted.extend(missing.map(|spec| (key.clone(), spec)));
        }
        Ok(wanted)
    }

    /// Takes back what the record says, and the record.
    pub(super) fn take_back(self) -> anyhow::Result<Vec<String>> {
        let file = self.config_file();
        let mut keys: Vec<String> = Vec::new();
        for key in self.record.settings.iter().rev() {
            if key.starts_with(CONFIG_HOOK) {
                if self.git_config(&file, &["--unset-all", key])?.is_some() {
                    keys.push(key.clone());
                }
                continue;
            }
            for value in values_of(key) {
                if self.values(&file, key)?.contains(&value) {
                    let args = ["--fixed-value", "--unset-all", key, &value];
                    anyhow::ensure!(
                        self.git_config(&file, &args)?.is_some(),
                        "git did not unset `{key}`"
                    );
                    if keys.last() != Some(key) {
                        keys.push(key.clone());
                    }
                }
            }
        }
        for dir in &self.record.made_dirs {
            // Not empty: somebody else's hooks are there now.
            match fs::remove_dir(dir) {
                Err(err)
                    if !matches!(
                        err.kind(),
                        ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty
                    ) =>
                {
                    return Err(err).with_context(|| format!("remove folder `{dir}`"));
                }
                _ => {}
            }
        }
        let path = record_path(&self.common_dir);
        match fs::remove_file(&path) {
            Err(err) if err.kind() != ErrorKind::NotFound => {
                return Err(err).with_context(|| format!("remove `{}`", path.display()));
            }
            _ => {}
        }
        Ok(keys)
    }

    fn add(&mut self, file: &Path, key: &str, value: &str) -> anyhow::Result<()> {
        // Recorded first: what is recorded and missing is harmless, what is set and unrecorded would stay.
        if !self.record.settings.iter().any(|name| name == key) {
            self.record.settings.push(key.to_owned());
        }
        self.save()?;
        let done = self.git_config(file, &["--add", key, value])?;
        anyhow::ensure!(done.is_some(), "git did not set `{key}`");
        Ok(())
    }

    fn save(&self) -> anyhow::Result<()> {
        let path = record_path(&self.common_dir);
        let json = serde_json::to_vec_pretty(&self.record)?;
        fs::write(&path, json).with_context(|| format!("write `{}`", path.display()))
    }

    fn config_file(&self) -> PathBuf {
        self.common_dir.join("config")
    }

    fn values(&self, file: &Path, key: &str) -> anyhow::Result<Vec<String>> {
        let args = ["--includes", "--null", "--get-all", key];
        let Some(stdout) = self.git_config(file, &args)? else {
            return Ok(Vec::new());
        };
        let text = String::from_utf8(stdout).with_context(|| format!("read `{key}`"))?;
        Ok(text.split_terminator('\0').map(str::to_owned).collect())
    }

    /// Runs `git config` on one file; `None` if git says that there is no such key.
    fn git_config(&self, file: &Path, args: &[&str]) -> anyhow::Result<Option<Vec<u8>>> {
        let words: [&OsStr; 4] = [
            "git".as_ref(),
            "config".as_ref(),
            "--file".as_ref(),
            file.as_ref(),
        ];
        let argv: Vec<_> = words
            .into_iter()
            .chain(args.iter().map(OsStr::new))
            .collect();
        let timeout = Duration::from_secs(30);
        let finished = process::output(&argv, &self.common_dir, &BTreeMap::new(), timeout)
            .context("run `git config`")?;
        match finished.end {
            End::Exit(0) => Ok(Some(finished.stdout)),
            End::Exit(1) => Ok(None),
            _ => anyhow::bail!(
                "`git config` on `{}`: {}",
                file.display(),
                String::from_utf8_lossy(&finished.stderr).trim()
            ),
        }
    }
}

/// Hooks that git 2.54 and later reads from its configuration. They run even where `core.hooksPath` leads nowhere, and leave the rest to
/// the shim where that runs as well.
fn config_hooks(binary: &Path) -> Vec<(String, String)> {
    let quoted = shim::quoted(binary.as_os_str().as_bytes());
    let quoted = String::from_utf8_lossy(&quoted);
    let keys = HOOKS.iter().flat_map(|hook| {
        let event = (format!("{CONFIG_HOOK}{hook}.event"), (*hook).to_owned());
        let line = format!("{quoted}{}", arguments(hook));
        [event, (format!("{CONFIG_HOOK}{hook}.command"), line)]
    });
    keys.collect()
}

/// With what a hook in the configuration calls the program.
fn arguments(hook: &str) -> String {
    format!(" hook --beside-shim {hook}")
}

/// The program that such a hook calls; `None` if we did not write it so.
pub(super) fn program(hook: &str, command: &str) -> Option<PathBuf> {
    let word = command.strip_suffix(&arguments(hook))?;
    shim::unquoted(word.as_bytes())
}

/// The keys alone, each once.
fn distinct(wanted: Vec<(String, String)>) -> Vec<String> {
    let mut keys: Vec<String> = wanted.into_iter().map(|(key, _)| key).collect();
    keys.dedup();
    keys
}

/// What `install` may have set a key to.
fn values_of(key: &str) -> Vec<String> {
    let of_remote = key
        .strip_prefix("remote.")
        .and_then(|rest| rest.strip_suffix(".fetch"));
    match (key, of_remote) {
        (MERGE_STRATEGY, _) => vec!["cat_sort_uniq".to_owned()],
        (REWRITE_REF, _) => vec![notes::REF.to_owned()],
        (_, Some(name)) => refspecs(name).into(),
        _ => Vec::new(),
    }
}

fn fetch_key(remote: &str) -> String {
    format!("remote.{remote}.fetch")
}

/// The ledger beside ours, where `git fetch` can overwrite nothing of it. A name without a star would have to be there.
fn refspecs(remote: &str) -> [String; 3] {
    [
        format!("+{0}*:refs/notes/remotes/{remote}/koan*", notes::REF),
        format!("+refs/koan/*:refs/koan/remotes/{remote}/*"),
        "^refs/koan/remotes/*".to_owned(),
    ]
}

fn record_path(common_dir: &Path) -> PathBuf {
    common_dir.join("koan-installed.json")
}
