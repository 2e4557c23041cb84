//! What hooks saw of the commits that were made here, so that `audit` can tell how an unproved one came. It is no evidence: whoever works here can write it.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use gix::ObjectId;

use crate::git::Repo;

/// What `post-commit` found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It was judged, and whatever was owed is noted.
    Judged,
    /// Red tests only.
    Pending,
    /// No hook had judged it.
    Unjudged,
}

/// Beyond this, the older half goes.
const MAX_BYTES: u64 = 256 << 10;

/// Writes down what was seen of a commit.
pub fn keep(repo: &Repo, id: ObjectId, seen: Seen) -> anyhow::Result<()> {
    let path = path(repo);
    let write = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut options = OpenOptions::new();
        let mut file = options.append(true).create(true).open(&path)?;
        // One call, so that two worktrees do not mix their lines.
        file.write_all(format!("{id} {}\n", seen.word()).as_bytes())?;
        if file.metadata()?.len() > MAX_BYTES {
            let text = fs::read(&path)?;
            let half = &text[text.len() / 2..];
            let start = half.iter().position(|&byte| byte == b'\n');
            let new = path.with_extension("log.new");
            fs::write(&new, &half[start.map_or(0, |at| at + 1)..])?;
            fs::rename(new, &path)?;
        }
        std::io::Result::Ok(())
    };
    write().with_context(|| format!("write `{}`", path.display()))
}

/// Everything that is written down and readable; of several entries for one commit the last counts.
pub fn all(repo: &Repo) -> anyhow::Result<HashMap<ObjectId, Seen>> {
    let path = path(repo);
    let text = match fs::read(&path) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(err) => return Err(err).with_context(|| format!("read `{}`", path.display())),
    };
    let entries = text.lines().filter_map(|line| {
        let (id, word) = line.split_once(' ')?;
        let all = [Seen::Judged, Seen::Pending, Seen::Unjudged];
        let seen = all.into_iter().find(|seen| seen.word() == word)?;
        Some((ObjectId::from_hex(id.as_bytes()).ok()?, seen))
    });
    Ok(entries.collect())
}

fn path(repo: &Repo) -> PathBuf {
    repo.common_dir().join("koan-guard").join("hooks.log")
}

impl Seen {
    fn word(self) -> &'static str {
        match self {
            Seen::Judged => "judged",
            Seen::Pending => "pending",
            Seen::Unjudged => "unjudged",
        }
    }
}
