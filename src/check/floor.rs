//! The floor that the machine's owner sets: policy files outside of every repository, named by `koan.policyFloor` in git's global or system
//! configuration.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::git::Repo;
use crate::policy::{Floor, MAX_BYTES};
use crate::usage::UsageError;

/// Every floor of this machine.
///
/// # Errors
/// [`UsageError`] where one is named that cannot be read, or that stands where whoever works in the repository can write it.
pub fn of_machine(repo: &Repo) -> anyhow::Result<Vec<Floor>> {
    let names = repo.machine_config("koan", "policyFloor")?;
    Ok(names
        .iter()
        .map(|name| read(repo, name))
        .collect::<Result<_, _>>()?)
}

fn read(repo: &Repo, name: &str) -> Result<Floor, UsageError> {
    let wrong = |what: String| {
        UsageError::with_hint(
            format!("`koan.policyFloor` is `{name}`: {what}"),
            "it names a policy file by its whole path; without one that can be read, nothing is judged",
        )
    };
    let path = expand(name).ok_or_else(|| wrong("that is no whole path".into()))?;
    let unread = |err: std::io::Error| wrong(err.to_string());
    let path = path.canonicalize().map_err(unread)?;
    for folder in [
        repo.work_dir(),
        Some(repo.git_dir()),
        Some(repo.common_dir()),
    ] {
        let folder = folder.and_then(|folder| folder.canonicalize().ok());
        if folder.is_some_and(|folder| path.starts_with(folder)) {
            return Err(wrong("that is a file of this repository".into()));
        }
    }
    let mut text = String::new();
    // A pipe would wait for ever, and a device never end.
    if !path.is_file() {
        return Err(wrong("that is no file".into()));
    }
    let file = File::open(&path).map_err(unread)?;
    let n_bytes = file
        .take(MAX_BYTES as u64 + 1)
        .read_to_string(&mut text)
        .map_err(unread)?;
    if n_bytes > MAX_BYTES {
        return Err(wrong(format!("it is too large: at most {MAX_BYTES} bytes")));
    }
    Ok(Floor {
        path: path.to_string_lossy().into_owned(),
        text,
    })
}

fn expand(name: &str) -> Option<PathBuf> {
    let path = match name.strip_prefix("~/") {
        Some(rest) => std::env::home_dir()?.join(rest),
        None => Path::new(name).to_owned(),
    };
    path.is_absolute().then_some(path)
}
