//! Trees as the object store has them: list, read a file, edit in memory.

use anyhow::{Context as _, anyhow, bail, ensure};
use gix::ObjectId;
use gix::bstr::{BStr, BString, ByteSlice as _};
use gix::objs::tree::EntryKind;
use gix::objs::{Kind, TreeRefIter};

use super::{Blob, Edit, Repo, TreeFile};
use crate::change::{FileMode, RepoPath};

/// More entries than this are not listed: a tree can name itself often enough to fill any memory.
const MAX_ENTRIES: usize = 2_000_000;

/// Folders deeper than this do not fit into a path.
pub(super) const MAX_DEPTH: usize = 2_000;

/// One entry of one tree.
pub(super) struct TreeEntry {
    pub name: BString,
    /// `None` for a tree.
    pub mode: Option<FileMode>,
    pub id: ObjectId,
}

impl Repo {
    /// The bytes of a file of a tree (of a symlink, its target); `None` if there is no file at `path`.
    pub fn read_file(&self, tree_id: ObjectId, path: &RepoPath) -> anyhow::Result<Option<Vec<u8>>> {
        match self.find_entry(tree_id, path)? {
            Some((mode, id)) if mode != FileMode::Gitlink => {
                let bytes = self.object(id, Kind::Blob);
                bytes.map(Some).with_context(|| format!("read `{path}`"))
            }
            _ => Ok(None),
        }
    }

    /// The mode and id of a file of a tree; `None` if there is no file at `path`.
    pub fn find_entry(
        &self,
        tree_id: ObjectId,
        path: &RepoPath,
    ) -> anyhow::Result<Option<(FileMode, ObjectId)>> {
        let mut tree_id = tree_id;
        let mut parts = path.as_bytes().split(|&byte| byte == b'/').peekable();
        while let Some(name) = parts.next() {
            let entries = self.tree(tree_id)?;
            let Some(entry) = entries.into_iter().find(|entry| entry.name == name) else {
                return Ok(None);
            };
            match (entry.mode, parts.peek()) {
                (Some(mode), None) => return Ok(Some((mode, entry.id))),
                (None, Some(_)) => tree_id = entry.id,
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Every file of a tree, sorted by path; gitlinks included.
    pub fn files(&self, tree_id: ObjectId) -> anyhow::Result<Vec<TreeFile>> {
        let mut files = Vec::new();
        let mut pending = vec![(BString::default(), tree_id)];
        let mut n_entries = 0;
        while let Some((folder, tree_id)) = pending.pop() {
            for entry in self.tree(tree_id)? {
                n_entries += 1;
                ensure!(
                    n_entries <= MAX_ENTRIES,
                    "the tree is too large: it has more than {MAX_ENTRIES} entries"
                );
                let mut path = folder.clone();
                path.extend_from_slice(&entry.name);
                match entry.mode {
                    Some(mode) => files.push(TreeFile {
                        path: RepoPath::new(path),
                        mode,
                        id: entry.id,
                    }),
                    None => {
                        path.push(b'/');
                        pending.push((path, entry.id));
                    }
                }
            }
        }
        files.sort_by(|one, two| one.path.cmp(&two.path));
        Ok(files)
    }

    /// A tree like `tree_id` with `edits` applied, in memory.
    ///
    /// # Errors
    /// A path is not one that git would check out. What is removed need not be there.
    pub fn edit_tree(&self, tree_id: ObjectId, edits: Vec<Edit>) -> anyhow::Result<ObjectId> {
        let editing = || format!("edit tree `{tree_id}`");
        let mut editor = self.inner.edit_tree(tree_id).with_context(editing)?;
        for edit in edits {
            let (path, put) = match edit {
                Edit::Put {
                    path,
                    mode,
                    content,
                } => (path, Some((mode, content))),
                Edit::Remove { path } => (path, None),
            };
            for name in path.as_bytes().split(|&byte| byte == b'/') {
                check_name(name.as_bstr()).with_context(|| format!("put `{path}` into a tree"))?;
            }
            match put {
                Some((mode, content)) => {
                    let id = match content {
                        Blob::Id(id) => id,
                        Blob::Bytes(bytes) => self.inner.write_blob(bytes)?.detach(),
                    };
                    editor.upsert(path.as_bstr(), entry_kind(mode), id)
                }
                None => editor.remove(path.as_bstr()),
            }
            .with_context(|| format!("edit `{path}` of tree `{tree_id}`"))?;
        }
        Ok(editor.write().with_context(editing)?.detach())
    }

    /// The entries of one tree.
    ///
    /// # Errors
    /// One of them has a name that git would not check out.
    pub(super) fn tree(&self, tree_id: ObjectId) -> anyhow::Result<Vec<TreeEntry>> {
        let data = self.object(tree_id, Kind::Tree)?;
        let entries: Vec<TreeEntry> = TreeRefIter::from_bytes(&data, tree_id.kind())
            .map(|entry| {
                let entry = entry?;
                check_name(entry.filename)?;
                Ok(TreeEntry {
                    name: entry.filename.to_owned(),
                    mode: file_mode(entry.mode.kind()),
                    id: entry.oid.to_owned(),
                })
            })
            .collect::<anyhow::Result<_>>()
            .with_context(|| format!("parse tree `{tree_id}`"))?;
        check_distinct(entries.iter().map(|entry| entry.name.as_bstr()))
            .with_context(|| format!("parse tree `{tree_id}`"))?;
        Ok(entries)
    }
}

/// Refuses two entries of one name: a file and a folder would hide each other.
pub(super) fn check_distinct<'a>(names: impl Iterator<Item = &'a BStr>) -> anyhow::Result<()> {
    let mut names: Vec<&BStr> = names.collect();
    names.sort_unstable();
    for pair in names.windows(2) {
        ensure!(
            pair[0] != pair[1],
            "`{}` is there twice",
            RepoPath::new(pair[0])
        );
    }
    Ok(())
}

/// Refuses the names that lead out of a folder or into a `.git`, in any spelling that some file system takes for it.
pub(super) fn check_name(name: &BStr) -> anyhow::Result<()> {
    let protect = gix::validate::path::component::Options {
        protect_windows: false,
        protect_hfs: true,
        protect_ntfs: false,
    };
    let shown = RepoPath::new(name);
    if name.contains(&b'/') || name.contains(&0) {
        bail!("`{shown}` is not the name of a file");
    }
    gix::validate::path::component(name, None, protect)
        .map_err(|error| anyhow!("`{shown}` is not the name of a file: {error}"))?;
    Ok(())
}

/// `None` for a tree.
pub(super) fn file_mode(kind: EntryKind) -> Option<FileMode> {
    match kind {
        EntryKind::Tree => None,
        EntryKind::Blob => Some(FileMode::Regular),
        EntryKind::BlobExecutable => Some(FileMode::Executable),
        EntryKind::Link => Some(FileMode::Symlink),
        EntryKind::Commit => Some(FileMode::Gitlink),
    }
}

fn entry_kind(mode: FileMode) -> EntryKind {
    match mode {
        FileMode::Regular => EntryKind::Blob,
        FileMode::Executable => EntryKind::BlobExecutable,
        FileMode::Symlink => EntryKind::Link,
        FileMode::Gitlink => EntryKind::Commit,
    }
}
