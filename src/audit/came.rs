//! How a commit may have come without a proof, as far as this clone can tell: by what hooks saw, and by the logs of `HEAD`.

use std::collections::HashMap;

use gix::ObjectId;
use serde::Serialize;

use super::{Entry, Question, Remark};
use crate::change::RepoPath;
use crate::check::seen::{self, Seen};
use crate::check::trust::TrustSource;
use crate::git::Repo;
use crate::policy;

/// A way past the judge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Came {
    /// There was no policy at its parent yet.
    BeforePolicy,
    /// Hooks judged it; its note is gone, or another one.
    NoteLost,
    /// Its tests alone, red: the fix was owed then.
    Pending,
    /// Made here by this command of git's, which runs no hook that judges.
    Unhooked(String),
    /// Made here while `post-commit` was on, and `pre-commit` had not judged it.
    NoVerify,
    /// Made here by git, and no hook of ours ran.
    HooksOff,
    /// Not made here: in another clone, on a server, or by a client that writes no log.
    Elsewhere,
}

/// For more commits than this nobody is told by which server's branch they came.
const MAX_ASKED: usize = 50;

/// Adds to every unproved commit of which no statement tells more how it may have come.
pub(super) fn tell(repo: &Repo, question: &Question, entries: &mut [Entry]) -> anyhow::Result<()> {
    let (seen, log) = (seen::all(repo)?, repo.head_log()?);
    let server = match question.trusted_tip {
        Some(tip) if tip.source == TrustSource::Remote => {
            let name = tip.name.strip_prefix("refs/remotes/").unwrap_or(&tip.name);
            Some((tip.commit_id, name.to_owned()))
        }
        _ => None,
    };
    let is_riddle = |entry: &&mut Entry| {
        entry.unproved && matches!(entry.standing, "missing" | "stale" | "unreadable")
    };
    let mut unproved = entries.iter_mut().filter(is_riddle);
    for entry in unproved.by_ref().take(MAX_ASKED) {
        let came = came(repo, entry.id, &seen, &log)?;
        entry.remarks.push(Remark::Came(came));
        if let Some((tip_id, name)) = &server
            && repo.merge_base(entry.id, *tip_id)? == Some(entry.id)
        {
            entry.remarks.push(Remark::OnServer(name.clone()));
        }
    }
    for entry in unproved {
        let came = came(repo, entry.id, &seen, &log)?;
        entry.remarks.push(Remark::Came(came));
    }
    Ok(())
}

fn came(
    repo: &Repo,
    id: ObjectId,
    seen: &HashMap<ObjectId, Seen>,
    log: &HashMap<ObjectId, String>,
) -> anyhow::Result<Came> {
    let commit = repo.commit(id)?;
    let has_policy = match commit.parent_ids.first() {
        Some(&parent_id) => {
            let tree_id = repo.commit(parent_id)?.tree_id;
            let text = repo.read_file(tree_id, &RepoPath::from(policy::PATH))?;
            text.is_some()
        }
        None => false,
    };
    if !has_policy {
        return Ok(Came::BeforePolicy);
    }
    let command = log
        .get(&id)
        .map(|message| message.split([':', ' ']).next().unwrap_or_default());
    Ok(match (seen.get(&id), command) {
        (Some(Seen::Judged), _) => Came::NoteLost,
        (Some(Seen::Pending), _) => Came::Pending,
        (_, Some(word @ ("cherry-pick" | "revert" | "rebase" | "am" | "pull"))) => {
            Came::Unhooked(word.to_owned())
        }
        (Some(Seen::Unjudged), _) => Came::NoVerify,
        (None, Some("commit")) => Came::HooksOff,
        (None, _) => Came::Elsewhere,
    })
}
