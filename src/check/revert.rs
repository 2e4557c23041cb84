//! Reverts: a commit that takes back exactly what another one did. No test shows that this is right; a person knows why.

use gix::ObjectId;

use super::Subject;
use crate::git::Repo;
use crate::perimeter::Shape;

/// What git writes into the message of a revert, before the whole id and a period.
const LINE: &str = "This reverts commit ";

/// The commit that `subject` names and takes back, to the byte.
///
/// # Errors
/// An object that is there cannot be read. What is named and is not there is no revert.
pub(super) fn reverted(repo: &Repo, subject: &Subject) -> anyhow::Result<Option<ObjectId>> {
    let Some(commit) = subject
        .commit
        .as_ref()
        .filter(|_| subject.shape == Shape::Ordinary && !subject.change.is_empty())
    else {
        return Ok(None);
    };
    let message = commit.message.as_bstr().to_string();
    let mut named = message.lines().filter_map(named);
    let (Some(id), None, &[parent_id]) = (named.next(), named.next(), &commit.parent_ids[..])
    else {
        return Ok(None);
    };
    if !repo.has_commit(id)? || repo.merge_base(id, parent_id)? != Some(id) {
        return Ok(None);
    }
    let reverted = repo.commit(id)?;
    let &[before_id] = &reverted.parent_ids[..] else {
        return Ok(None);
    };
    let before = repo.commit(before_id)?;
    let inverse = repo.merge_trees(reverted.tree_id, subject.parent_tree_id, before.tree_id)?;
    Ok((inverse == Some(subject.tree_id)).then_some(id))
}

fn named(line: &str) -> Option<ObjectId> {
    let hex = line.strip_prefix(LINE)?.strip_suffix('.')?;
    ObjectId::from_hex(hex.as_bytes()).ok()
}
