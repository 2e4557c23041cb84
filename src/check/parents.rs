//! What a change is compared with: nothing, a parent, or the merge that git makes of two.

use anyhow::Context as _;
use gix::ObjectId;

use super::Subject;
use crate::git::Repo;
use crate::perimeter::Shape;

/// What of a tree with these parents is to be judged.
#[derive(Debug)]
pub enum Judged {
    Change(Subject),
    /// Exactly what an automatic merge makes.
    CleanMerge,
    /// A merge that git could not have made alone.
    Conflict(Subject),
}

/// A tree's own change, without commit or message. A merge is made again: what it has beyond that is its change.
pub fn judged(repo: &Repo, parent_ids: &[ObjectId], tree_id: ObjectId) -> anyhow::Result<Judged> {
    let tree_of = |id| anyhow::Ok(repo.commit(id).context("read the parent")?.tree_id);
    let against = |parent_tree_id, shape| {
        anyhow::Ok(Subject {
            commit: None,
            message: None,
            parent_tree_id,
            tree_id,
            change: repo.diff(parent_tree_id, tree_id)?,
            shape,
            range: None,
            holds_fix: false,
        })
    };
    match *parent_ids {
        [] => against(repo.empty_tree_id(), Shape::Root).map(Judged::Change),
        [one] => against(tree_of(one)?, Shape::Ordinary).map(Judged::Change),
        [ours, theirs] => match repo.auto_merge(ours, theirs)? {
            Some(auto_tree_id) if auto_tree_id == tree_id => Ok(Judged::CleanMerge),
            Some(auto_tree_id) => against(auto_tree_id, Shape::Merge).map(Judged::Change),
            None => against(tree_of(ours)?, Shape::Merge).map(Judged::Conflict),
        },
        [ours, ..] => against(tree_of(ours)?, Shape::Octopus(parent_ids.len())).map(Judged::Change),
    }
}

impl Judged {
    /// What there is to judge, if anything.
    pub fn subject_mut(&mut self) -> Option<&mut Subject> {
        match self {
            Judged::Change(subject) | Judged::Conflict(subject) => Some(subject),
            Judged::CleanMerge => None,
        }
    }
}
