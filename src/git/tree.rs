//! Trees as the object store has them: list, read a file, edit in memory.

use std::collections::{BTreeMap, BTreeSet};

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
    /// The tree without entries, which every repository has without storing it.
    pub fn empty_tree_id(&self) -> ObjectId {
        ObjectId::empty_tree(self.inner.object_hash())
    }

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

    /// Tells what stands directly in each of `folders`, files and folders, as whole paths; nothing of one that is not there. The top is the
    /// empty path. The folders that a folder stands in must be among them.
    pub fn list_folders(
        &self,
        tree_id: ObjectId,
        folders: &BTreeSet<RepoPath>,
        tell: &mut dyn FnMut(RepoPath),
    ) -> anyhow::Result<()> {
        let mut tree_ids = BTreeMap::from([(RepoPath::from(""), tree_id)]);
        // A folder comes behind what it stands in.
        for folder in folders {
            let Some(&tree_id) = tree_ids.get(folder) else {
                continue;
            };
            self.each_entry(tree_id, &mut |name, mode, id| {
                let path = match folder.as_bytes() {
                    b"" => RepoPath::new(name),
                    folder => RepoPath::new([folder, b"/", name.as_bytes()].concat()),
                };
                if mode.is_none() && folders.contains(&path) {
                    tree_ids.insert(path.clone(), id);
                }
                tell(path);
            })?;
        }
        Ok(())
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
        let mut entries = Vec::new();
        self.each_entry(tree_id, &mut |name, mode, id| {
            let name = name.to_owned();
            entries.push(TreeEntry { name, mode, id });
        })?;
        Ok(entries)
    }

    /// Tells the name, mode (`None` for a tree) and id of each entry of one tree. Entries of a tree with a bad name may have been told when the
    /// error comes.
    fn each_entry(
        &self,
        tree_id: ObjectId,
        tell: &mut dyn FnMut(&BStr, Option<FileMode>, ObjectId),
    ) -> anyhow::Result<()> {
        let data = self.object(tree_id, Kind::Tree)?;
        let parsing = || format!("parse tree `{tree_id}`");
        let mut names = Vec::new();
        for entry in TreeRefIter::from_bytes(&data, tree_id.kind()) {
            let entry = entry.with_context(parsing)?;
            check_name(entry.filename).with_context(parsing)?;
            names.push(entry.filename);
            tell(
                entry.filename,
                file_mode(entry.mode.kind()),
                entry.oid.to_owned(),
            );
        }
        check_distinct(names.into_iter()).with_context(parsing)
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
    let shown = || RepoPath::new(name);
    if name.contains(&b'/') || name.contains(&0) {
        bail!("`{}` is not the name of a file", shown());
    }
    gix::validate::path::component(name, None, protect)
        .map_err(|error| anyhow!("`{}` is not the name of a file: {error}", shown()))?;
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

#[cfg(test)]
mod tests {
    use super::super::testing::TestRepo;
    use super::*;

    fn repo() -> (TestRepo, Repo, ObjectId) {
        let test = TestRepo::new();
        test.write("a/b/c", "deep\n")
            .write("a.c", "near\n")
            .write("z", "last\n");
        test.commit("start");
        let (repo, tree_id) = (test.open(), test.id("HEAD^{tree}"));
        (test, repo, tree_id)
    }

    fn put(path: &str, content: &str) -> Edit {
        Edit::Put {
            path: path.into(),
            mode: FileMode::Regular,
            content: Blob::Bytes(content.into()),
        }
    }

    #[test]
    fn files_are_listed_as_git_lists_them() {
        let (test, repo, tree_id) = repo();
        let files = repo.files(tree_id).expect("list");
        let paths: Vec<String> = files.iter().map(|file| file.path.to_string()).collect();
        let listed = test.git(&["ls-tree", "-r", "--name-only", "HEAD"]);
        assert_eq!(paths.join("\n"), listed);
    }

    #[test]
    fn a_file_is_read_and_a_folder_is_none() {
        let (_test, repo, tree_id) = repo();
        let read = |path: &str| repo.read_file(tree_id, &path.into()).expect("read");
        assert_eq!(read("a/b/c"), Some(b"deep\n".to_vec()));
        for path in [
            "a/b", "a", "nope", "a/b/c/d", "z/z", "", "/z", "a//b", "a/../z",
        ] {
            assert_eq!(read(path), None, "{path}");
        }
    }

    #[test]
    fn an_edited_tree_is_the_one_that_git_makes() {
        let (test, repo, tree_id) = repo();
        let edits = vec![
            put("new/file", "new\n"),
            put("a/b/c", "changed\n"),
            Edit::Remove { path: "z".into() },
            Edit::Remove {
                path: "never/there".into(),
            },
        ];
        let edited = repo.edit_tree(tree_id, edits).expect("edit");
        std::fs::remove_file(test.path().join("z")).expect("remove");
        test.write("new/file", "new\n")
            .write("a/b/c", "changed\n")
            .add();
        assert_eq!(edited.to_string(), test.git(&["write-tree"]));
    }

    #[test]
    fn a_tree_in_memory_is_as_good_as_one_on_disk() {
        let (test, repo, tree_id) = repo();
        let edited = repo
            .edit_tree(tree_id, vec![put("n", "1\n")])
            .expect("edit");
        let change = repo.diff(tree_id, edited).expect("compare");
        assert_eq!(change.files.len(), 1);
        assert_eq!(
            repo.read_file(edited, &"n".into()).expect("read"),
            Some(b"1\n".to_vec())
        );
        let mut on_disk = test.command(test.path());
        let seen = on_disk
            .args(["cat-file", "-e", &edited.to_string()])
            .output();
        assert!(
            !seen.expect("start git").status.success(),
            "git must not see it"
        );
    }

    #[test]
    fn an_edit_cannot_leave_the_tree() {
        let (_test, repo, tree_id) = repo();
        for path in [
            "../x",
            "/x",
            "a/../../x",
            ".git/hooks/x",
            "a//x",
            "",
            "a/.GIT/x",
        ] {
            let edited = repo.edit_tree(tree_id, vec![put(path, "x")]);
            assert!(edited.is_err(), "{path}");
        }
    }

    #[test]
    fn a_tree_with_one_name_twice_is_an_error() {
        let (test, repo, _) = repo();
        let (blob_id, sub_id) = (test.id("HEAD:z"), test.id("HEAD:a"));
        let entries = format!(
            "100644 blob {blob_id}\ta\n100644 blob {blob_id}\ta.c\n040000 tree {sub_id}\ta\n"
        );
        let tree_id = test.git_with(&["mktree"], &entries).parse().expect("id");
        let error = repo.files(tree_id).expect_err("a file and a folder `a`");
        assert!(
            format!("{error:#}").contains("`a` is there twice"),
            "{error:#}"
        );
    }
}
