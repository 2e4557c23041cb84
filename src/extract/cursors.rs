//! How far each source has been read, so that a second run reads only what is new. Kept in the folder of the repository, for this clone alone.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use super::Starts;
use crate::git::Repo;
use crate::policy::SourceConfig;
use crate::usage::UsageError;

/// A row appears later than the time that stands in it says: what is younger is left to the next run.
pub const SETTLED: SignedDuration = SignedDuration::from_secs(60);

pub const LATER: &str = "what is younger than a minute is left to the next run, because rows are written after the time that stands in them";

/// Where each source was left. One that was never read, or that the policy has changed since, is in no place.
///
/// # Errors
/// [`UsageError`] if a file of ours holds something else.
pub fn read(repo: &Repo, sources: &[SourceConfig]) -> anyhow::Result<Starts> {
    let mut starts = Starts::new();
    for source in sources {
        let path = path(repo, source);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(err) if err.kind() == ErrorKind::NotFound => continue,
            Err(err) => return Err(err).with_context(|| format!("read `{}`", path.display())),
        };
        let parts = text.trim_end().split_once(' ');
        let parts = parts.and_then(|(until, of)| Some((until.parse::<Timestamp>().ok()?, of)));
        let Some((until, of)) = parts else {
            return Err(UsageError::with_hint(
                format!(
                    "`{}` does not say how far a source was read",
                    path.display()
                ),
                "remove it: the next run reads the source as if it were the first",
            )
            .into());
        };
        if of == digest(source) {
            starts.insert(source.name.clone(), until);
        }
    }
    Ok(starts)
}

/// # Errors
/// A file cannot be written. Those before it are.
pub fn write(repo: &Repo, sources: &[SourceConfig], until: Timestamp) -> anyhow::Result<()> {
    for source in sources {
        let path = path(repo, source);
        let folder = path.parent().context("a cursor without a folder")?;
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            writeln!(file, "{until} {}", digest(source))?;
            file.persist(&path)?;
            Ok(())
        };
        write().with_context(|| format!("write `{}`", path.display()))?;
    }
    Ok(())
}

fn path(repo: &Repo, source: &SourceConfig) -> PathBuf {
    let folder = repo.common_dir().join("koan-guard").join("cursors");
    folder.join(format!("{}.cursor", source.name))
}

/// Changes with everything that decides what is read.
fn digest(source: &SourceConfig) -> String {
    format!("{:x}", Sha256::digest(format!("{source:?}")))
}
