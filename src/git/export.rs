//! A tree laid out as files: raw blobs, no filters, no index.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use gix::ObjectId;
use gix::objs::Kind;

use super::Repo;
use super::tree::{MAX_DEPTH, TreeEntry};
use crate::change::{FileMode, RepoPath};

/// What one tree may fill a disk with: a tree can name one blob a million times.
const MAX_ENTRIES: usize = 2_000_000;
const MAX_BYTES: u64 = 16 << 30;

/// How much of its allowance an export has used.
#[derive(Default)]
struct Used {
    n_entries: usize,
    n_bytes: u64,
}

impl Repo {
    /// Writes every file of a tree below `folder`, which must be empty: raw blobs, fresh times, no filters. Gitlinks become empty folders.
    /// Entries that would leave the folder are an error.
    pub fn export(&self, tree_id: ObjectId, folder: &Path) -> anyhow::Result<()> {
        let mut there =
            fs::read_dir(folder).with_context(|| format!("list `{}`", shown(folder)))?;
        ensure!(there.next().is_none(), "`{}` is not empty", shown(folder));
        let mut used = Used::default();
        self.export_tree(tree_id, folder.to_owned(), 0, &mut used)
            .with_context(|| format!("lay out tree `{tree_id}`"))
    }

    /// `folder` was made a moment ago and by us, and nothing in it is written twice: so no symlink of the tree is ever followed.
    fn export_tree(
        &self,
        tree_id: ObjectId,
        folder: PathBuf,
        depth: usize,
        used: &mut Used,
    ) -> anyhow::Result<()> {
        ensure!(depth < MAX_DEPTH, "its folders are too deep");
        for entry in self.tree(tree_id)? {
            used.n_entries += 1;
            ensure!(
                used.n_entries <= MAX_ENTRIES,
                "it has more than {MAX_ENTRIES} entries"
            );
            let path = folder.join(OsStr::from_bytes(&entry.name));
            match entry.mode {
                None => {
                    make_dir(&path)?;
                    self.export_tree(entry.id, path, depth + 1, used)?;
                }
                Some(FileMode::Gitlink) => make_dir(&path)?,
                Some(mode) => self
                    .export_blob(&entry, mode, &path, used)
                    .with_context(|| format!("write `{}`", shown(&path)))?,
            }
        }
        Ok(())
    }

    fn export_blob(
        &self,
        entry: &TreeEntry,
        mode: FileMode,
        path: &Path,
        used: &mut Used,
    ) -> anyhow::Result<()> {
        let bytes = self.object(entry.id, Kind::Blob)?;
        used.n_bytes += bytes.len() as u64;
        if used.n_bytes > MAX_BYTES {
            bail!("the tree holds more than {} GiB", MAX_BYTES >> 30);
        }
        if mode == FileMode::Symlink {
            symlink(OsStr::from_bytes(&bytes), path)?;
            return Ok(());
        }
        let permissions = match mode {
            FileMode::Executable => 0o777,
            _ => 0o666,
        };
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(permissions)
            .open(path)?
            .write_all(&bytes)?;
        Ok(())
    }
}

fn make_dir(path: &Path) -> anyhow::Result<()> {
    fs::create_dir(path).with_context(|| format!("make folder `{}`", shown(path)))
}

fn shown(path: &Path) -> RepoPath {
    RepoPath::new(path.as_os_str().as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::testing::TestRepo;
    use super::*;

    #[track_caller]
    fn export(repo: &TestRepo, tree_id: ObjectId) -> anyhow::Result<tempfile::TempDir> {
        let folder = tempfile::tempdir().expect("make a folder");
        repo.open().export(tree_id, folder.path())?;
        Ok(folder)
    }

    #[test]
    fn what_is_laid_out_is_the_tree() {
        let repo = TestRepo::new();
        repo.write(".gitattributes", "* text eol=crlf ident export-ignore\n");
        repo.write("a/b", "$Id$\nline\n")
            .write("run", "x")
            .write("bin", b"\0\xff");
        symlink("../../etc/passwd", repo.path().join("link")).expect("link");
        repo.add();
        repo.git(&["update-index", "--chmod=+x", "run"]);
        let commit_id = repo.id(":run").to_string();
        repo.git(&[
            "update-index",
            "--add",
            "--cacheinfo",
            &format!("160000,{commit_id},sub"),
        ]);
        repo.git(&["commit", "-q", "-m", "x"]);
        let folder = export(&repo, repo.id("HEAD^{tree}")).expect("export");
        let at = |path: &str| folder.path().join(path);
        assert_eq!(fs::read(at("a/b")).expect("read"), b"$Id$\nline\n");
        assert_eq!(fs::read(at("bin")).expect("read"), b"\0\xff");
        let target = fs::read_link(at("link")).expect("a symlink");
        assert_eq!(target, Path::new("../../etc/passwd"));
        let mode = |path: &str| fs::metadata(at(path)).expect("there").permissions().mode();
        assert!(mode("run") & 0o100 != 0 && mode("bin") & 0o111 == 0);
        assert_eq!(fs::read_dir(at("sub")).expect("a folder").count(), 0);
    }

    #[test]
    fn a_folder_that_is_not_empty_is_an_error() {
        let repo = TestRepo::new();
        repo.write("f", "x").commit("one");
        let folder = tempfile::tempdir().expect("make a folder");
        symlink("/etc", folder.path().join("f")).expect("link");
        assert!(
            repo.open()
                .export(repo.id("HEAD^{tree}"), folder.path())
                .is_err()
        );
    }

    #[test]
    fn nothing_is_written_through_a_symlink_or_out_of_the_folder() {
        let repo = TestRepo::new();
        repo.write("f", "x").write("target", "/tmp").commit("one");
        let (file, link) = (repo.id("HEAD:f"), repo.id("HEAD:target"));
        let sub = repo.git_with(&["mktree"], &format!("100644 blob {file}\tx\n"));
        for entries in [
            format!("120000 blob {link}\ta\n040000 tree {sub}\ta\n"),
            format!("120000 blob {link}\ta\n100644 blob {file}\ta\n"),
            format!("040000 tree {sub}\t..\n"),
            format!("040000 tree {sub}\t.git\n"),
            format!("100644 blob {file}\t.GiT\n"),
        ] {
            let tree_id = repo.git_with(&["mktree"], &entries).parse().expect("id");
            assert!(export(&repo, tree_id).is_err(), "{entries}");
        }
    }

    #[test]
    fn a_tree_entry_with_a_slash_is_an_error() {
        let repo = TestRepo::new();
        let blob_id = repo.git_with(&["hash-object", "-w", "--stdin"], "x");
        let blob_id: ObjectId = blob_id.parse().expect("id");
        for name in ["a/b", "/a", "../a", "a/../../b"] {
            let mut tree = format!("100644 {name}\0").into_bytes();
            tree.extend_from_slice(blob_id.as_bytes());
            repo.write("../tree", tree);
            let args = ["hash-object", "-w", "--literally", "-t", "tree", "../tree"];
            let tree_id = repo.git(&args).parse().expect("id");
            assert!(export(&repo, tree_id).is_err(), "{name}");
        }
    }
}
