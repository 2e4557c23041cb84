//! What earlier runs said, kept in files: it saves time, and is no evidence.
//!
//! Whoever works in the repository can write these files, and tests in the sandbox cannot see them. An entry that is not just as it was
//! written (another's, half a one, of another version) is as good as none.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Outcome, TestRun};

/// The results that one call of the guard may know, in files and in its own memory.
#[derive(Debug)]
pub struct Results {
    folder: PathBuf,
    reads_files: bool,
    n_kept: AtomicUsize,
    /// Runs that this very process made, the latest last.
    made: Mutex<VecDeque<(Key, TestRun)>>,
}

/// All that a run's result depends on, as a digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(String);

/// Takes one part after another; no two lists of parts give the same key.
#[derive(Clone, Debug)]
pub struct KeyBuilder(Sha256);

#[derive(Serialize, Deserialize)]
struct Entry<R> {
    key: String,
    run: R,
}

/// How much is kept in all. Beyond it the entries go that were not used for the longest time.
const MAX_BYTES: u64 = 64 << 20;
const MAX_ENTRY: u64 = 16 << 20;
const MAX_ENTRIES: usize = 4096;

/// Suites of earlier commits that are held in memory. The next commit asks for the last one.
const MAX_MADE: usize = 4;

/// Stands in front of every entry, before the digest of what follows.
const HEAD: &str = "koan-guard run 1 ";

impl Results {
    /// `reads_files`: whether files are believed; they are written either way.
    pub fn new(folder: PathBuf, reads_files: bool) -> Results {
        Results {
            folder,
            reads_files,
            n_kept: AtomicUsize::new(0),
            made: Mutex::default(),
        }
    }

    /// What a file says about this run, if files are believed.
    pub fn recall(&self, key: &Key) -> Option<TestRun> {
        if !self.reads_files {
            return None;
        }
        read(&self.folder, key).ok()
    }

    /// Writes a run down for later calls. Where that is not possible, it runs again then.
    pub fn keep(&self, key: &Key, run: &TestRun) {
        if write(&self.folder, key, run).is_ok()
            && self
                .n_kept
                .fetch_add(1, Ordering::Relaxed)
                .is_multiple_of(64)
        {
            drop(tidy(&self.folder, MAX_BYTES, MAX_ENTRIES));
        }
    }

    /// A run that this process made itself, for another commit.
    pub fn made(&self, key: &Key) -> Option<TestRun> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let found = made.iter().find(|(known, _)| known == key);
        found.map(|(_, run)| run.clone())
    }

    pub fn remember(&self, key: Key, run: &TestRun) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.len() == MAX_MADE {
            // The first of all is where a range as a whole starts from, and stays.
            made.remove(1);
        }
        made.push_back((key, run.clone()));
    }
}

/// Whether a run says something about its tests alone: nothing is distrusted, and nothing was cut short.
pub fn is_lasting(run: &TestRun) -> bool {
    let mut outcomes = run.results.values().map(|result| result.outcome);
    run.distrust.is_empty() && outcomes.all(|outcome| outcome != Outcome::TimedOut)
}

impl Key {
    pub fn builder() -> KeyBuilder {
        KeyBuilder(Sha256::new())
    }

    fn file(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.run", self.0))
    }
}

impl KeyBuilder {
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> KeyBuilder {
        for part in [name.as_bytes(), value.as_ref()] {
            self.0.update((part.len() as u64).to_be_bytes());
            self.0.update(part);
        }
        self
    }

    pub fn key(self) -> Key {
        Key(hex(&self.0.finalize()))
    }
}

fn read(folder: &Path, key: &Key) -> anyhow::Result<TestRun> {
    ensure!(is_ours(&fs::symlink_metadata(folder)?), "another's folder");
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(key.file(folder))?;
    let data = file.metadata()?;
    let is_plain = data.is_file() && is_ours(&data) && data.len() <= MAX_ENTRY;
    ensure!(is_plain, "another's file");
    let mut bytes = Vec::new();
    (&file).take(MAX_ENTRY + 1).read_to_end(&mut bytes)?;
    let end = bytes.iter().position(|&byte| byte == b'\n');
    let (head, body) = bytes.split_at(end.context("no first line")? + 1);
    ensure!(head == head_of(body).as_bytes(), "not as it was written");
    let entry: Entry<TestRun> = serde_json::from_slice(body)?;
    ensure!(entry.key == key.0, "of another run");
    ensure!(is_lasting(&entry.run), "nothing that is kept");
    // What is used stays; whether that can be noted down changes nothing.
    drop(file.set_modified(SystemTime::now()));
    Ok(entry.run)
}

fn write(folder: &Path, key: &Key, run: &TestRun) -> anyhow::Result<()> {
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(err) if err.kind() != std::io::ErrorKind::AlreadyExists => return Err(err.into()),
        _ => {}
    }
    ensure!(is_ours(&fs::symlink_metadata(folder)?), "another's folder");
    let key_text = key.0.clone();
    let body = serde_json::to_vec(&Entry { key: key_text, run })?;
    let head = head_of(&body);
    ensure!((head.len() + body.len()) as u64 <= MAX_ENTRY, "too long");
    // For its owner only, and under its name when it is whole.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(head.as_bytes())?;
    file.write_all(&body)?;
    file.persist(key.file(folder))?;
    Ok(())
}

fn head_of(body: &[u8]) -> String {
    format!("{HEAD}{}\n", hex(&Sha256::digest(body)))
}

/// Owned by who runs the guard, and written by nobody else.
fn is_ours(data: &fs::Metadata) -> bool {
    let is_private = data.mode() & 0o022 == 0;
    !data.is_symlink() && is_private && data.uid() == rustix::process::geteuid().as_raw()
}

/// Removes the oldest entries until a quarter of the room is free again.
fn tidy(folder: &Path, max_bytes: u64, max_entries: usize) -> anyhow::Result<()> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let data = entry.metadata()?;
        if data.is_file() {
            entries.push((data.modified()?, data.len(), entry.path()));
        }
    }
    let mut n_bytes: u64 = entries.iter().map(|(_, len, _)| len).sum();
    let mut n_entries = entries.len();
    if n_bytes <= max_bytes && n_entries <= max_entries {
        return Ok(());
    }
    entries.sort();
    for (_, len, path) in entries {
        if n_bytes <= max_bytes * 3 / 4 && n_entries <= max_entries * 3 / 4 {
            break;
        }
        fs::remove_file(path)?;
        n_bytes -= len;
        n_entries -= 1;
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What tells one build of a program from another, whatever it says of its version.
pub fn build_of(program: &Path) -> anyhow::Result<String> {
    let data = File::open(program)
        .and_then(|file| file.metadata())
        .with_context(|| format!("look at `{}`", program.display()))?;
    Ok(format!(
        "{} {}.{:09}",
        data.len(),
        data.mtime(),
        data.mtime_nsec()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::{BuildError, NotBuilt, Raised, RaisedIn, TestId, TestResult};
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::time::Duration;

    fn key(name: &str) -> Key {
        Key::builder().with("tree", name).key()
    }

    /// Something in every field.
    fn run() -> TestRun {
        let mut run = TestRun::default();
        let mut failed = TestResult::new(Outcome::Failed, "a\u{1b}[31m \"quoted\" é");
        failed.raised = Some(Raised {
            kind: "KeyError".into(),
            bases: vec!["LookupError".into()],
            message: "x".into(),
            frames: vec![RaisedIn {
                file: "a.py".into(),
                function: "f".into(),
                line: 3,
            }],
        });
        failed.is_missing_name = true;
        run.results.insert(TestId("t::a".into()), failed);
        let passed = TestResult::new(Outcome::Passed, "");
        run.results.insert(TestId("t::b".into()), passed);
        let mut not_built = NotBuilt::new("target", "said");
        not_built.errors.push(BuildError {
            file: "src/lib.rs".into(),
            bytes: Some(3..9),
            line: 2,
            is_missing_name: true,
        });
        run.not_built.push(not_built);
        run
    }

    fn kept() -> (tempfile::TempDir, PathBuf) {
        let temp = tempfile::tempdir().expect("a folder");
        let folder = temp.path().join("koan-guard/cache");
        Results::new(folder.clone(), false).keep(&key("one"), &run());
        (temp, folder)
    }

    #[test]
    fn a_run_comes_back_as_it_was_and_under_its_own_key_only() {
        let (_temp, folder) = kept();
        let results = Results::new(folder.clone(), true);
        assert_eq!(results.recall(&key("one")), Some(run()));
        assert_eq!(results.recall(&key("two")), None);
        let mode = fs::metadata(key("one").file(&folder)).expect("a file");
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn files_are_not_believed_unasked() {
        let (_temp, folder) = kept();
        assert_eq!(Results::new(folder, false).recall(&key("one")), None);
    }

    #[track_caller]
    fn is_a_miss(touch: impl FnOnce(&Path, &Path)) {
        let (_temp, folder) = kept();
        touch(&folder, &key("one").file(&folder));
        assert_eq!(Results::new(folder, true).recall(&key("one")), None);
    }

    #[test]
    fn what_is_not_as_it_was_written_is_a_miss() {
        let text = |file: &Path| fs::read_to_string(file).expect("an entry");
        is_a_miss(|_, file| fs::write(file, "").expect("written"));
        is_a_miss(|_, file| {
            let text = text(file);
            fs::write(file, &text[..text.len() - 1]).expect("written");
        });
        is_a_miss(|_, file| {
            fs::write(file, text(file).replace("failed", "passed")).expect("written");
        });
        is_a_miss(|_, file| {
            fs::write(file, text(file).replace("run 1", "run 2")).expect("written")
        });
        // Whole, but said of another run.
        is_a_miss(|folder, file| {
            Results::new(folder.to_owned(), false).keep(&key("two"), &run());
            fs::rename(key("two").file(folder), file).expect("moved");
        });
        // Of a guard that said less about a run.
        is_a_miss(|_, file| {
            let body = text(file)
                .lines()
                .nth(1)
                .expect("a body")
                .replace(",\"distrust\":[]", "");
            fs::write(file, format!("{}{body}", head_of(body.as_bytes()))).expect("written");
        });
        is_a_miss(|_, file| {
            let body = text(file)
                .lines()
                .nth(1)
                .expect("a body")
                .replace("\"distrust\":[]", "\"distrust\":[\"x\"]");
            fs::write(file, format!("{}{body}", head_of(body.as_bytes()))).expect("written");
        });
    }

    #[test]
    fn what_others_could_have_written_is_a_miss() {
        let open = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode");
        };
        is_a_miss(|_, file| open(file, 0o620));
        is_a_miss(|_, file| open(file, 0o602));
        is_a_miss(|folder, _| open(folder, 0o777));
        is_a_miss(|folder, file| {
            let other = folder.join("other");
            fs::rename(file, &other).expect("moved");
            symlink(other, file).expect("a link");
        });
        is_a_miss(|_, file| {
            fs::remove_file(file).expect("removed");
            fs::create_dir(file).expect("a folder");
        });
        is_a_miss(|_, file| {
            let pid = std::process::id();
            fs::rename(file, file.with_extension(pid.to_string())).expect("moved");
        });
    }

    #[test]
    fn runs_that_were_cut_short_or_cannot_be_believed_do_not_last() {
        assert!(is_lasting(&run()));
        let mut distrusted = run();
        distrusted.distrust.push("no report".into());
        assert!(!is_lasting(&distrusted));
        let mut slow = run();
        let result = TestResult::new(Outcome::TimedOut, "");
        slow.results.insert(TestId("t::c".into()), result);
        assert!(!is_lasting(&slow));
    }

    #[test]
    fn the_oldest_go_first() {
        let (_temp, folder) = kept();
        let results = Results::new(folder.clone(), true);
        for name in ["two", "three", "four"] {
            results.keep(&key(name), &run());
        }
        for (seconds, name) in [(40, "three"), (30, "one"), (20, "two"), (10, "four")] {
            let file = File::open(key(name).file(&folder)).expect("a file");
            let time = SystemTime::now() - Duration::from_secs(seconds);
            file.set_modified(time).expect("a time");
        }
        // Used, so not the oldest any more.
        assert!(results.recall(&key("three")).is_some());
        tidy(&folder, MAX_BYTES, 3).expect("tidied");
        let left = ["one", "two", "three", "four"].map(|name| key(name).file(&folder).exists());
        assert_eq!(left, [false, false, true, true]);
        tidy(&folder, 0, MAX_ENTRIES).expect("tidied");
        assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 0);
    }

    #[test]
    fn no_two_lists_of_parts_have_one_key() {
        let joined = Key::builder().with("a", "b").with("c", "").key();
        let apart = Key::builder().with("a", "bc").key();
        let other = Key::builder().with("ab", "").with("c", "").key();
        assert!(joined != apart && joined != other && apart != other);
    }

    #[test]
    fn the_first_suite_and_the_last_ones_are_remembered() {
        let results = Results::new(PathBuf::from("/nonexistent"), false);
        for n in 0..=MAX_MADE {
            results.remember(key(&n.to_string()), &run());
        }
        assert_eq!(results.made(&key("0")), Some(run()));
        assert_eq!(results.made(&key("1")), None);
        assert_eq!(results.made(&key("2")), Some(run()));
        // Nor is it an error that nothing can be written.
        results.keep(&key("1"), &run());
    }
}
