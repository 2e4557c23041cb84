//! The only place that knows `gix::Repository`: commits, trees, the index, notes and refs as the rest of the program needs them.
//!
//! Reading goes by raw objects: replace refs, grafts, the commit-graph, attributes, filters and text conversion are without effect. Objects
//! that are made while judging (the tree of the index, the tree BEFORE) stay in memory; only [`notes`], [`refs`], [`refused`] and [`work`] write.

pub mod caller;
mod diff;
mod disguise;
mod export;
pub mod folder;
mod fsck;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod history;
mod hunks;
mod index;
mod machine;
mod merge;
mod names;
pub mod notes;
pub mod notes_union;
mod object;
mod open;
mod patch_id;
mod quarantine;
mod reflog;
pub mod refs;
pub mod refused;
pub mod state;
mod tags;
#[cfg(test)]
pub(crate) mod testing;
mod tree;
pub mod turn;
pub mod work;

use std::sync::{Arc, OnceLock};

use gix::ObjectId;

use crate::change::{CommitMessage, FileMode, RepoPath};
pub use fsck::Flaw;

/// An open repository. A clone is cheap and may go to another thread.
#[derive(Clone)]
pub struct Repo {
    inner: gix::Repository,
    /// Keeps the folder alive through which the objects of a push are read; see [`quarantine`].
    quarantine: Option<Arc<tempfile::TempDir>>,
    /// Found when first asked for.
    disguises: Arc<OnceLock<disguise::Disguises>>,
}

/// A commit as far as judging needs it.
#[derive(Clone, Debug)]
pub struct Commit {
    pub id: ObjectId,
    pub tree_id: ObjectId,
    pub parent_ids: Vec<ObjectId>,
    pub author: Person,
    pub committer: Person,
    pub message: CommitMessage,
    pub flaws: Vec<Flaw>,
    /// Whether it has a signature, good or bad.
    pub is_signed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub name: String,
    pub email: String,
    /// Seconds since the epoch.
    pub seconds: i64,
}

/// What the next commit would be.
#[derive(Debug)]
pub struct Staged {
    /// `None` on an unborn branch.
    pub parent_id: Option<ObjectId>,
    /// The parent's tree, or the empty tree.
    pub parent_tree_id: ObjectId,
    /// What `git write-tree` would print.
    pub tree_id: ObjectId,
}

/// One entry put into a tree, or taken out of it.
#[derive(Clone, Debug)]
pub enum Edit {
    Put {
        path: RepoPath,
        mode: FileMode,
        content: Blob,
    },
    Remove {
        path: RepoPath,
    },
}

#[derive(Clone, Debug)]
pub enum Blob {
    Id(ObjectId),
    Bytes(Vec<u8>),
}

/// One file of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeFile {
    pub path: RepoPath,
    pub mode: FileMode,
    pub id: ObjectId,
}

/// What a revision argument names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revision {
    Commit(ObjectId),
    /// `A..B`: what `to` has and `from` has not.
    Range {
        from: ObjectId,
        to: ObjectId,
    },
}
