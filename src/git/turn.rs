//! One writer of the guard's after another: a lock that the system takes back from whoever dies, and what a dead one left is cleared away.
//!
//! git keeps others off a ref by a file beside it, and nobody removes that file for a writer who is killed in the few microseconds of its life.
//! Before a writer of ours makes one, it says here for which ref and for what; the next one knows it by that.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, bail};
use gix::ObjectId;
use rustix::fs::{FlockOperation, flock};

use super::Repo;

/// The right to write; it ends with this value, or with the process.
pub(super) struct Turn {
    file: File,
}

/// How long a lock of git's that may be anybody's has to lie still before it counts as left behind.
const STILL: Duration = Duration::from_secs(2);

/// How long after it said so a writer may have made its locks.
const SOON: Duration = Duration::from_secs(5);

impl Turn {
    /// Waits for the turn, until `deadline`.
    pub fn wait(repo: &Repo, deadline: Instant) -> anyhow::Result<Turn> {
        let folder = repo.common_dir().join("koan-guard");
        let path = folder.join("writer.lock");
        let open = || {
            fs::create_dir_all(&folder)?;
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            options.open(&path)
        };
        let file = open().with_context(|| format!("open `{}`", path.display()))?;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => (),
                Err(error) => {
                    return Err(error).with_context(|| format!("lock `{}`", path.display()));
                }
            }
            if Instant::now() >= deadline {
                bail!("another koan-guard is writing: `{}`", path.display());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut turn = Turn { file };
        turn.clear(repo.common_dir())?;
        Ok(turn)
    }

    /// Says which ref is going to be locked, and for what.
    pub fn announce(&mut self, ref_name: &str, new_id: ObjectId) -> anyhow::Result<()> {
        let said = self.write(&format!("{ref_name} {new_id}\n"));
        said.context("say which ref is going to be written")
    }

    /// Nothing is locked any more.
    pub fn done(&mut self) -> anyhow::Result<()> {
        self.write("").context("say that nothing is written now")
    }

    fn write(&mut self, text: &str) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(text.as_bytes())
    }

    /// Removes the lock of a writer who died with it.
    fn clear(&mut self, common_dir: &Path) -> anyhow::Result<()> {
        let mut said = String::new();
        let is_text = (&self.file).take(4096).read_to_string(&mut said).is_ok();
        if said.is_empty() && is_text {
            return Ok(());
        }
        if let Some((ref_name, id)) = said.trim_end().split_once(' ')
            && ref_name.starts_with("refs/")
            && Repo::is_ref_name(ref_name)
        {
            let lock = common_dir.join(format!("{ref_name}.lock"));
            clear_lock(lock, id).context("clear the lock of a writer who was killed")?;
            let announced = self.file.metadata().and_then(|meta| meta.modified());
            let announced = announced.context("look when that writer began")?;
            clear_packed_lock(common_dir, announced)
                .context("clear the lock of a writer who was killed")?;
        }
        self.done()
    }
}

/// Clears away what a writer who was killed left behind, where nobody is writing now. Whoever writes next does so too, and says what is wrong.
pub fn sweep(repo: &Repo) {
    let path = repo.common_dir().join("koan-guard").join("writer.lock");
    let is_left = fs::metadata(path).is_ok_and(|meta| meta.len() > 0);
    if is_left && repo.quarantine.is_none() {
        let _ = Turn::wait(repo, Instant::now());
    }
}

/// gix locks the packed refs too, only to read them, and leaves that lock empty. git makes one while it writes them anew, into a file beside it.
fn clear_packed_lock(common_dir: &Path, announced: SystemTime) -> std::io::Result<()> {
    let lock = common_dir.join("packed-refs.lock");
    let is_written = || common_dir.join("packed-refs.new").exists();
    let look = || match fs::metadata(&lock) {
        Ok(meta) => Ok(Some((meta.ino(), meta.len(), meta.modified()?))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let Some(first) = look()? else {
        return Ok(());
    };
    let (_, n_bytes, made) = first;
    let after = made.duration_since(announced);
    if n_bytes > 0 || after.is_err() || after.is_ok_and(|after| after > SOON) || is_written() {
        return Ok(());
    }
    std::thread::sleep(STILL);
    if look()? != Some(first) || is_written() {
        return Ok(());
    }
    match fs::remove_file(&lock) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// One that holds `id` was made by the dead writer. An empty one may be git's own, which does not live long; any other is somebody else's.
fn clear_lock(lock: PathBuf, id: &str) -> std::io::Result<()> {
    let look = || match fs::read(&lock) {
        Ok(text) => Ok(Some((text, fs::metadata(&lock)?.ino()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let Some(first) = look()? else {
        return Ok(());
    };
    let text = first.0.trim_ascii();
    if text != id.as_bytes() {
        if !text.is_empty() && !id.as_bytes().starts_with(text) {
            return Ok(());
        }
        std::thread::sleep(STILL);
        if look()?.as_ref() != Some(&first) {
            return Ok(());
        }
    }
    match fs::remove_file(&lock) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
