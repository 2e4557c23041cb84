//! Makes room: work areas that nobody used for long, then the longest unused ones, until the rest is small enough.

use std::cmp::Reverse;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use serde::Serialize;

use super::folders::remove_tree;

/// What may stay.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub max_age: Duration,
    /// Of all areas together, as they lie on the disk.
    pub max_bytes: u64,
}

/// One work area, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Swept {
    pub folder: PathBuf,
    /// On the disk.
    pub bytes: u64,
    /// Since a guard last worked there.
    pub seconds_unused: u64,
    pub fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    Kept,
    Removed,
    /// A guard works there.
    Busy,
}

/// Clears the areas in `cache` that are older than `limits` let them be, and of the others the longest unused ones, until they are small enough.
/// A folder that is no work area is left alone, and so is one in which a guard works. With `is_trial` nothing is removed.
///
/// # Errors
/// A folder cannot be read or cleared.
pub fn sweep(
    cache: &Path,
    limits: Limits,
    now: SystemTime,
    is_trial: bool,
) -> anyhow::Result<Vec<Swept>> {
    let mut areas = areas(cache, now)?;
    areas.sort_by_key(|area| (Reverse(area.seconds_unused), area.folder.clone()));
    let mut n_bytes: u64 = areas.iter().map(|area| area.bytes).sum();
    for area in &mut areas {
        let is_old = area.seconds_unused > limits.max_age.as_secs();
        if area.bytes > 0 && (is_old || n_bytes > limits.max_bytes) {
            area.fate = clear(&area.folder, is_trial)?;
            if area.fate == Fate::Removed {
                n_bytes = n_bytes.saturating_sub(area.bytes);
            }
        }
    }
    Ok(areas)
}

fn areas(cache: &Path, now: SystemTime) -> anyhow::Result<Vec<Swept>> {
    let read = || format!("read the cache `{}`", cache.display());
    let entries = match fs::read_dir(cache) {
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.with_context(read)?,
    };
    let mut areas = Vec::new();
    for entry in entries {
        let folder = entry.with_context(read)?.path();
        let is_named = folder
            .file_name()
            .is_some_and(|name| name.len() == 24 && name.as_encoded_bytes().is_ascii());
        let Some(lock) = fs::symlink_metadata(folder.join("lock"))
            .ok()
            .filter(|lock| lock.is_file() && is_named)
        else {
            continue;
        };
        let used = lock.modified().with_context(read)?;
        areas.push(Swept {
            bytes: size(&folder),
            seconds_unused: now.duration_since(used).unwrap_or_default().as_secs(),
            folder,
            fate: Fate::Kept,
        });
    }
    Ok(areas)
}

/// What lies on the disk below a folder, links not followed. What cannot be looked at counts as nothing.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => size(&entry.path()),
            Ok(data) => data.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

/// Removes what is in an area. Its lock stays: a guard may be waiting for it.
fn clear(folder: &Path, is_trial: bool) -> anyhow::Result<Fate> {
    let lock = File::options().write(true).open(folder.join("lock"));
    let lock = lock.with_context(|| format!("open the lock of `{}`", folder.display()))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Fate::Busy),
        Err(TryLockError::Error(err)) => return Err(err).context("lock a work area"),
    }
    if is_trial {
        return Ok(Fate::Removed);
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name != "lock") {
            remove_tree(&path)?;
        }
    }
    Ok(Fate::Removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    /// A cache with areas of about 64 KiB each, unused for so many days.
    fn cache(days: &[u32]) -> (tempfile::TempDir, SystemTime) {
        let folder = tempfile::tempdir().expect("a folder");
        let now = SystemTime::now();
        for (n, days) in days.iter().enumerate() {
            let area = folder.path().join(format!("{n:024}"));
            fs::create_dir_all(area.join("kept/tree")).expect("a folder");
            fs::write(area.join("kept/tree/file"), vec![b'x'; 64 << 10]).expect("a file");
            let lock = File::create(area.join("lock")).expect("a lock");
            lock.set_modified(now - DAY * *days).expect("a time");
        }
        (folder, now)
    }

    #[track_caller]
    fn check(days: &[u32], limits: Limits, expected: &[(usize, Fate)]) {
        let (folder, now) = cache(days);
        let swept = sweep(folder.path(), limits, now, false).expect("a sweep");
        let fates: Vec<(usize, Fate)> = swept
            .iter()
            .map(|area| {
                let name = area.folder.file_name().expect("a name");
                let n = name.to_string_lossy().parse().expect("a number");
                assert_eq!(
                    area.folder.join("kept").exists(),
                    area.fate != Fate::Removed
                );
                assert!(area.folder.join("lock").exists());
                (n, area.fate)
            })
            .collect();
        assert_eq!(fates, expected);
    }

    #[test]
    fn what_is_old_goes_and_then_what_is_too_much() {
        let limits = Limits {
            max_age: 30 * DAY,
            max_bytes: 140 << 10,
        };
        use Fate::{Kept, Removed};
        check(&[1, 2], limits, &[(1, Kept), (0, Kept)]);
        check(&[1, 31], limits, &[(1, Removed), (0, Kept)]);
        check(
            &[3, 1, 2, 40],
            limits,
            &[(3, Removed), (0, Removed), (2, Kept), (1, Kept)],
        );
        check(&[], limits, &[]);
    }

    #[test]
    fn an_area_in_use_and_a_folder_of_something_else_stay() {
        let (folder, now) = cache(&[90]);
        fs::create_dir(folder.path().join("scripts")).expect("a folder");
        fs::write(folder.path().join("scripts/lock"), "").expect("a file");
        let lock = File::open(folder.path().join(format!("{:024}/lock", 0))).expect("a lock");
        lock.lock().expect("free");
        let limits = Limits {
            max_age: DAY,
            max_bytes: 0,
        };
        let swept = sweep(folder.path(), limits, now, false).expect("a sweep");
        assert_eq!(swept.len(), 1);
        assert_eq!(swept[0].fate, Fate::Busy);
        lock.unlock().expect("held");
        let swept = sweep(folder.path(), limits, now, true).expect("a sweep");
        assert_eq!(swept[0].fate, Fate::Removed);
        assert!(swept[0].folder.join("kept").exists(), "only a trial");
        assert!(folder.path().join("scripts/lock").exists());
    }
}
