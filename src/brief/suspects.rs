//! Commits that may have brought an error in: they added lines that stand around the crash, before it was first seen.

use std::collections::BTreeSet;

use gix::ObjectId;
use jiff::Timestamp;

use super::Place;
use crate::change::RepoPath;
use crate::git::{Commit, Repo};
use crate::usage::UsageError;

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
    places: &[Place],
    first_seen: Option<Timestamp>,
) -> anyhow::Result<Option<Vec<Suspect>>> {
    let ids = match repo.newest_commits(None, head_id, MAX_COMMITS) {
        Ok(ids) => ids,
        Err(err) if err.is::<UsageError>() => return Ok(None),
        Err(err) => return Err(err),
    };
    let mut suspects: Vec<Suspect> = Vec::new();
    for id in ids {
        let commit = repo.commit(id)?;
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
    Ok(Some(suspects))
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
mod tests {
    use super::*;
    use crate::git::testing::TestRepo;

    fn place(line: usize, lines: &[&str]) -> Place {
        Place {
            path: RepoPath::from("a.py"),
            function: None,
            line: Some(line),
            lines: lines
                .iter()
                .enumerate()
                .map(|(n, line)| (n + 1, (*line).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn a_line_counts_where_it_is_new() {
        let place = place(2, &["def total():", "    return a / b", "}"]);
        assert_eq!(weigh("", "return a / b", &place), Some(true));
        assert_eq!(weigh("", "def total():", &place), Some(false));
        assert_eq!(weigh("return a / b", "  return a / b\nx = 1", &place), None);
        assert_eq!(weigh("", "}", &place), None);
    }

    #[test]
    fn the_commit_that_added_the_line_comes_first() {
        let repo = TestRepo::new();
        for (text, subject) in [
            ("def total():\n    return a + b\n", "feat: a total"),
            ("def total():\n    return a / b\n", "feat: a share"),
            (
                "def total():\n    return a / b\n\nx = 'else'\n",
                "feat: more",
            ),
        ] {
            repo.write("a.py", text);
            repo.commit(subject);
        }
        let head_id = repo.id("HEAD");
        let place = place(2, &["def total():", "    return a / b"]);
        let found = of(&repo.open(), head_id, &[place], None)
            .expect("a history")
            .expect("whole");
        let shown: Vec<(&str, bool)> = found
            .iter()
            .map(|one| (one.subject.as_str(), one.added_the_line))
            .collect();
        assert_eq!(shown, [("feat: a share", true), ("feat: a total", false)]);
        let before = "1999-01-01T00:00:00Z".parse().ok();
        let none = of(
            &repo.open(),
            head_id,
            &[self::place(2, &["def total():"])],
            before,
        );
        assert_eq!(none.expect("a history"), Some(Vec::new()));
    }
}
