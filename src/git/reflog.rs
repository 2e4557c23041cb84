//! How commits came into this clone, as the reflogs of `HEAD` tell it. Whoever works here can write those.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use gix::ObjectId;

use super::Repo;
use crate::change::shown;

/// More is not read of one log.
const MAX_BYTES: u64 = 64 << 20;

impl Repo {
    /// What git wrote when `HEAD` of any worktree first pointed at a commit, such as `commit: fix it` or `cherry-pick: fix it`.
    pub fn head_log(&self) -> anyhow::Result<HashMap<ObjectId, String>> {
        let mut log = HashMap::new();
        for path in self.head_logs()? {
            let text = match fs::metadata(&path) {
                Ok(data) if data.len() <= MAX_BYTES => {
                    fs::read(&path).with_context(|| format!("read `{}`", path.display()))?
                }
                Ok(_) => continue,
                Err(err) if err.kind() == std::io::ErrorKind::NotFound => continue,
                Err(err) => return Err(err).context("look for the log of `HEAD`"),
            };
            for line in text.split(|&byte| byte == b'\n') {
                if let Some((id, message)) = entry(line) {
                    log.entry(id).or_insert(message);
                }
            }
        }
        Ok(log)
    }

    fn head_logs(&self) -> anyhow::Result<Vec<PathBuf>> {
        let log_in = |folder: &Path| folder.join("logs").join("HEAD");
        let mut logs = vec![log_in(self.common_dir())];
        let worktrees = self.common_dir().join("worktrees");
        match fs::read_dir(&worktrees) {
            Ok(entries) => {
                for entry in entries {
                    logs.push(log_in(&entry.context("list the worktrees")?.path()));
                }
            }
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => (),
            Err(err) => return Err(err).context("list the worktrees"),
        }
        Ok(logs)
    }
}

/// `OLD NEW PERSON SECONDS ZONE`, a tab, and the message.
fn entry(line: &[u8]) -> Option<(ObjectId, String)> {
    let tab = line.iter().position(|&byte| byte == b'\t')?;
    let (head, message) = line.split_at(tab);
    let mut words = head.split(|&byte| byte == b' ');
    let id = ObjectId::from_hex(words.nth(1)?).ok()?;
    Some((id, shown(&message[1..])))
}

#[cfg(test)]
mod tests {
    use super::super::testing::TestRepo;

    #[test]
    fn the_log_tells_how_a_commit_came() {
        let repo = TestRepo::new();
        let first = repo.write("f", "1\n").commit("one");
        repo.git(&["switch", "-q", "-c", "side"]);
        let side = repo.write("s", "1\n").commit("side");
        repo.git(&["switch", "-q", "main"]);
        repo.write("f", "2\n").commit("two");
        repo.git(&["cherry-pick", "side"]);
        let picked = repo.id("HEAD");
        repo.git(&["worktree", "add", "-q", "../other", "side"]);
        let repo = repo.at("other");
        let other = repo.write("o", "1\n").commit("in a worktree");
        let log = repo.open().head_log().expect("read");
        let of = |id| log.get(&id).map(String::as_str);
        assert_eq!(of(first), Some("commit (initial): one"));
        assert_eq!(of(side), Some("commit: side"));
        assert_eq!(of(picked), Some("cherry-pick: side"));
        assert_eq!(of(other), Some("commit: in a worktree"));
    }
}
