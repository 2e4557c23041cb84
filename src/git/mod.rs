//! The only place that knows `gix::Repository`: commits, trees, the index, notes and refs as the rest of the program needs them.
//!
//! Reading goes by raw objects: replace refs, grafts, attributes, filters and text conversion are without effect. Objects that are made while
//! judging (the tree of the index, the tree BEFORE) stay in memory; only [`notes`] and [`refs`] write.

pub mod caller;
pub mod notes;

use std::path::{Path, PathBuf};

use gix::ObjectId;

use crate::change::{Change, CommitMessage, FileMode, RepoPath};

/// An open repository.
pub struct Repo {
    inner: gix::Repository,
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
    pub change: Change,
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

impl Repo {
    /// Opens the repository of the current folder as git would inside a hook (`GIT_DIR`, `GIT_INDEX_FILE` and their kin honoured).
    ///
    /// # Errors
    /// [`UsageError`](crate::usage::UsageError) if there is none; any other error (unsupported storage, owned by somebody else) is a doubt.
    pub fn discover() -> anyhow::Result<Repo> {
        anyhow::bail!("not there yet")
    }

    /// Opens the repository at `path` without looking at the environment.
    pub fn open(path: &Path) -> anyhow::Result<Repo> {
        let _ = path;
        anyhow::bail!("not there yet")
    }

    /// The folder of this worktree's own state.
    pub fn git_dir(&self) -> &Path {
        self.inner.git_dir()
    }

    /// The folder that all worktrees share.
    pub fn common_dir(&self) -> &Path {
        self.inner.common_dir()
    }

    /// `None` in a bare repository.
    pub fn work_dir(&self) -> Option<&Path> {
        self.inner.workdir()
    }

    /// The commit of `HEAD`; `None` on an unborn branch.
    pub fn head_id(&self) -> anyhow::Result<Option<ObjectId>> {
        anyhow::bail!("not there yet")
    }

    /// The full name of the branch that `HEAD` is on; `None` if it is detached.
    pub fn head_branch(&self) -> anyhow::Result<Option<String>> {
        anyhow::bail!("not there yet")
    }

    /// The commit that a full ref name points at, peeled; `None` if there is no such ref.
    pub fn find_ref(&self, name: &str) -> anyhow::Result<Option<ObjectId>> {
        let _ = name;
        anyhow::bail!("not there yet")
    }

    /// What `spec` names: a revision or `A..B`.
    ///
    /// # Errors
    /// [`UsageError`](crate::usage::UsageError) if it names nothing, or something else.
    pub fn parse(&self, spec: &str) -> anyhow::Result<Revision> {
        let _ = spec;
        anyhow::bail!("not there yet")
    }

    pub fn commit(&self, id: ObjectId) -> anyhow::Result<Commit> {
        let _ = id;
        anyhow::bail!("not there yet")
    }

    /// The commits that `to` has and `from` has not, parents before children. `None`: all of `to`'s history.
    pub fn commits_between(
        &self,
        from: Option<ObjectId>,
        to: ObjectId,
    ) -> anyhow::Result<Vec<ObjectId>> {
        let _ = (from, to);
        anyhow::bail!("not there yet")
    }

    /// The best common ancestor, if there is one.
    pub fn merge_base(&self, one: ObjectId, two: ObjectId) -> anyhow::Result<Option<ObjectId>> {
        let _ = (one, two);
        anyhow::bail!("not there yet")
    }

    /// The staged change. Unmerged entries are an error: undecided.
    pub fn staged(&self) -> anyhow::Result<Staged> {
        anyhow::bail!("not there yet")
    }

    /// The difference between two trees.
    pub fn diff(&self, old_tree_id: ObjectId, new_tree_id: ObjectId) -> anyhow::Result<Change> {
        let _ = (old_tree_id, new_tree_id);
        anyhow::bail!("not there yet")
    }

    /// The tree that git would make of merging the parents of a commit automatically; `None` where it would stop with a conflict.
    pub fn auto_merge(&self, ours: ObjectId, theirs: ObjectId) -> anyhow::Result<Option<ObjectId>> {
        let _ = (ours, theirs);
        anyhow::bail!("not there yet")
    }

    /// The bytes of a file of a tree; `None` if there is no file at `path`.
    pub fn read_file(&self, tree_id: ObjectId, path: &RepoPath) -> anyhow::Result<Option<Vec<u8>>> {
        let _ = (tree_id, path);
        anyhow::bail!("not there yet")
    }

    /// Every file of a tree, sorted by path; gitlinks included.
    pub fn files(&self, tree_id: ObjectId) -> anyhow::Result<Vec<TreeFile>> {
        let _ = tree_id;
        anyhow::bail!("not there yet")
    }

    /// A tree like `tree_id` with `edits` applied, in memory.
    pub fn edit_tree(&self, tree_id: ObjectId, edits: Vec<Edit>) -> anyhow::Result<ObjectId> {
        let _ = (tree_id, edits);
        anyhow::bail!("not there yet")
    }

    /// Writes every file of a tree below `folder`, which must be empty: raw blobs, fresh times, no filters. Gitlinks become empty folders.
    /// Entries that would leave the folder are an error.
    pub fn export(&self, tree_id: ObjectId, folder: &Path) -> anyhow::Result<()> {
        let _ = (tree_id, folder);
        anyhow::bail!("not there yet")
    }

    /// A string of git's configuration.
    pub fn config(&self, key: &str) -> Option<String> {
        let _ = key;
        None
    }

    /// The folder that git looks for hooks in: `core.hooksPath` or the common folder's `hooks`.
    pub fn hooks_dir(&self) -> anyhow::Result<PathBuf> {
        anyhow::bail!("not there yet")
    }
}
impl Repo {
    /// TEMP contract
    pub fn remote_default_branch(&self) -> anyhow::Result<Option<String>> {
        anyhow::bail!("not there yet")
    }
    pub fn empty_tree_id(&self) -> ObjectId {
        ObjectId::empty_tree(self.inner.object_hash())
    }
}
