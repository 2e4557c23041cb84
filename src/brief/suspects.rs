//! Commits that may have brought an error in: they added lines that stand around the crash, before it was first seen.
//!
//! Where the releases of the error are known commits, those between the last good and the first bad one come before all others.

use std::collections::BTreeSet;

use gix::ObjectId;
use jiff::Timestamp;

use super::Place;
use super::range::{self, Range};
use crate::change::RepoPath;
use crate::extract::Releases;
use crate::git::{Commit, Repo};
use crate::issue::Issue;
use crate::usage::UsageError;

/// Commits, and where they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suspects {
    pub span: Span,
    pub commits: Vec<Suspect>,
}

/// Which part of the history suspects are from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Span {
    /// All of it: which release was the last good one is not known.
    #[default]
    Open,
    /// Between these releases.
    Between(Range),
    /// Before the last good one, because none was found between the two.
    Before(Range),
}

/// One commit and what speaks against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    pub id: String,
    pub subject: String,
    pub author: String,
    pub at: Timestamp,
    pub path: RepoPath,
    /// It added the very line of the crash.
    pub added_the_line: bool,
}

/// How far back is looked, in commits.
const MAX_COMMITS: usize = 400;
const MAX_SUSPECTS: usize = 3;
/// Shorter lines (`}`, `else:`) are in every commit.
const LEAST_LINE: usize = 6;
const MAX_SUBJECT: usize = 100;

/// The newest first, those that added the line of the crash before the others. `None` if a shallow clone hides them.
pub fn of(
    repo: &Repo,
    head_id: ObjectId,
    (places, issue): (&[Place], &Issue),
    releases: &Releases,
) -> anyhow::Result<Option<Suspects>> {
    let Some(bounds) = unless_cut(range::of(repo, releases, issue))? else {
        return Ok(None);
    };
    let tip_id = bounds.as_ref().map_or(head_id, |bounds| bounds.first_bad);
    let Some(ids) = unless_cut(repo.newest_commits(None, tip_id, MAX_COMMITS))? else {
        return Ok(None);
    };
    let among = |ids: &[ObjectId]| among(repo, ids, places, issue.tally.first_seen);
    let Some((good_id, range)) = bounds.and_then(|bounds| bounds.last_good) else {
        return Ok(Some(Suspects {
            span: Span::Open,
            commits: among(&ids)?,
        }));
    };
    let Some(inside) = unless_cut(repo.newest_commits(Some(good_id), tip_id, MAX_COMMITS))? else {
        return Ok(None);
    };
    let commits = among(&inside)?;
    if !commits.is_empty() {
        let span = Span::Between(range);
        return Ok(Some(Suspects { span, commits }));
    }
    let older = ids.into_iter().filter(|id| !inside.contains(id));
    let older: Vec<ObjectId> = older.take(MAX_COMMITS - inside.len()).collect();
    Ok(Some(Suspects {
        span: Span::Before(range),
        commits: among(&older)?,
    }))
}

/// `None` where a shallow clone ends too early.
fn unless_cut<T>(found: anyhow::Result<T>) -> anyhow::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(err) if err.is::<UsageError>() => Ok(None),
        Err(err) => Err(err),
    }
}

fn among(
    repo: &Repo,
    ids: &[ObjectId],
    places: &[Place],
    first_seen: Option<Timestamp>,
) -> anyhow::Result<Vec<Suspect>> {
    let mut suspects: Vec<Suspect> = Vec::new();
    for id in ids {
        let commit = repo.commit(*id)?;
        let at = Timestamp::from_second(commit.committer.seconds)?;
        if first_seen.is_some_and(|first| at > first) {
            continue;
        }
        for place in places {
            if let Some(added_the_line) = added(repo, &commit, place)? {
                suspects.push(suspect(&commit, at, place, added_the_line));
                break;
            }
        }
    }
    suspects.sort_by_key(|suspect| !suspect.added_the_line);
    suspects.truncate(MAX_SUSPECTS);
    Ok(suspects)
}

/// Whether a commit added a line that stands around the crash, and if so, whether it was the line itself.
fn added(repo: &Repo, commit: &Commit, place: &Place) -> anyhow::Result<Option<bool>> {
    let parent_id = commit.parent_ids.first();
    let parent_tree_id = parent_id
        .map(|id| repo.commit(*id))
        .transpose()?
        .map(|parent| parent.tree_id);
    let entry = |tree_id| repo.find_entry(tree_id, &place.path);
    let new = entry(commit.tree_id)?;
    let old = parent_tree_id.map(entry).transpose()?.flatten();
    let Some((_, new_id)) = new else {
        return Ok(None);
    };
    if old.is_some_and(|(_, old_id)| old_id == new_id) {
        return Ok(None);
    }
    let text = |tree_id| -> anyhow::Result<String> {
        let bytes = repo.read_file(tree_id, &place.path)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let new = text(commit.tree_id)?;
    let old = match parent_tree_id {
        Some(tree_id) => text(tree_id)?,
        None => String::new(),
    };
    Ok(weigh(&old, &new, place))
}

fn weigh(old: &str, new: &str, place: &Place) -> Option<bool> {
    let old: BTreeSet<&str> = old.lines().map(str::trim).collect();
    let added: BTreeSet<&str> = new
        .lines()
        .map(str::trim)
        .filter(|line| !old.contains(line))
        .collect();
    let near = place.lines.iter().filter(|(_, line)| {
        let line = line.trim();
        line.len() >= LEAST_LINE && added.contains(line)
    });
    let near: Vec<usize> = near.map(|(n, _)| *n).collect();
    (!near.is_empty()).then(|| place.line.is_some_and(|line| near.contains(&line)))
}

fn suspect(commit: &Commit, at: Timestamp, place: &Place, added_the_line: bool) -> Suspect {
    let plain = |text: &str, most: usize| -> String {
        let shown = crate::change::shown(text.as_bytes());
        shown.chars().take(most).collect()
    };
    Suspect {
        id: commit.id.to_string(),
        subject: plain(&commit.message.subject().to_string(), MAX_SUBJECT),
        author: plain(&commit.author.name, 60),
        at,
        path: place.path.clone(),
        added_the_line,
    }
}

#[cfg(test)]
mod tests;
