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

impl Used {
    fn count_entry(&mut self) -> anyhow::Result<()> {
        self.n_entries += 1;
        ensure!(
            self.n_entries <= MAX_ENTRIES,
            "it has more than {MAX_ENTRIES} entries"
        );
        Ok(())
    }
}

/// What else a tree is compared with, at one place of it.
#[derive(Clone, Copy)]
enum Also {
    /// With nothing.
    Anything,
    /// With a folder.
    Tree(ObjectId),
    /// With a file, of that mode.
    File(FileMode, ObjectId),
    /// With a tree that has nothing here.
    Nothing,
}

impl Also {
    fn of(tree_id: Option<ObjectId>) -> Also {
        tree_id.map_or(Also::Anything, Also::Tree)
    }

    fn in_tree(others: &[TreeEntry], entry: &TreeEntry) -> Also {
        let other = others.iter().find(|other| other.name == entry.name);
        match other.map(|other| (other.mode, other.id)) {
            None => Also::Nothing,
            Some((None, id)) => Also::Tree(id),
            Some((Some(mode), id)) => Also::File(mode, id),
        }
    }

    /// Whether it has this, too; a folder where there is no mode.
    fn has(self, mode: Option<FileMode>, id: ObjectId) -> bool {
        match self {
            Also::Anything => true,
            Also::Tree(other) => mode.is_none() && other == id,
            Also::File(other_mode, other) => mode == Some(other_mode) && other == id,
            Also::Nothing => false,
        }
    }
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

    /// Writes only what a tree has otherwise than `base_tree_id`, below `folder`, which must be empty: a layer that makes the one out of the
    /// other. What is gone becomes a device of the number 0, as the kernel's overlays have it. What it has otherwise than `also_tree_id` is
    /// written, too, so that it is younger than whatever was made of that tree.
    ///
    /// # Errors
    /// As of [`Repo::export`]; or this file system cannot hold such devices.
    pub fn export_over(
        &self,
        (base_tree_id, also_tree_id): (ObjectId, Option<ObjectId>),
        tree_id: ObjectId,
        folder: &Path,
    ) -> anyhow::Result<()> {
        let mut there =
            fs::read_dir(folder).with_context(|| format!("list `{}`", shown(folder)))?;
        ensure!(there.next().is_none(), "`{}` is not empty", shown(folder));
        let mut used = Used::default();
        let trees = (base_tree_id, Also::of(also_tree_id), tree_id);
        self.export_difference(trees, folder, 0, &mut used)
            .with_context(|| format!("lay out tree `{tree_id}`"))
    }

    fn export_difference(
        &self,
        (base_tree_id, also, tree_id): (ObjectId, Also, ObjectId),
        folder: &Path,
        depth: usize,
        used: &mut Used,
    ) -> anyhow::Result<()> {
        ensure!(depth < MAX_DEPTH, "its folders are too deep");
        if base_tree_id == tree_id && also.has(None, tree_id) {
            return Ok(());
        }
        let (base, entries) = (self.tree(base_tree_id)?, self.tree(tree_id)?);
        let others = match also {
            Also::Tree(id) => self.tree(id)?,
            Also::Anything | Also::File(..) | Also::Nothing => Vec::new(),
        };
        for gone in base
            .iter()
            .filter(|old| !entries.iter().any(|entry| entry.name == old.name))
        {
            let path = folder.join(OsStr::from_bytes(&gone.name));
            hide(&path).with_context(|| format!("hide `{}`", shown(&path)))?;
        }
        for entry in &entries {
            let old = base.iter().find(|old| old.name == entry.name);
            let also = match also {
                Also::Tree(_) => Also::in_tree(&others, entry),
                also => also,
            };
            let is_same = old.is_some_and(|old| old.mode == entry.mode && old.id == entry.id);
            if is_same && also.has(entry.mode, entry.id) {
                continue;
            }
            used.count_entry()?;
            let path = folder.join(OsStr::from_bytes(&entry.name));
            match (old, entry.mode) {
                (Some(old), None) if old.mode.is_none() => {
                    make_dir(&path)?;
                    self.export_difference((old.id, also, entry.id), &path, depth + 1, used)?;
                }
                _ => self.export_entry(entry, path, depth, used)?,
            }
        }
        Ok(())
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
            used.count_entry()?;
            let path = folder.join(OsStr::from_bytes(&entry.name));
            self.export_entry(&entry, path, depth, used)?;
        }
        Ok(())
    }

    fn export_entry(
        &self,
        entry: &TreeEntry,
        path: PathBuf,
        depth: usize,
        used: &mut Used,
    ) -> anyhow::Result<()> {
        match entry.mode {
            None => {
                make_dir(&path)?;
                self.export_tree(entry.id, path, depth + 1, used)
            }
            Some(FileMode::Gitlink) => make_dir(&path),
            Some(mode) => self
                .export_blob(entry, mode, &path, used)
                .with_context(|| format!("write `{}`", shown(&path))),
        }
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

/// Makes the device that hides what is below.
#[cfg(target_os = "linux")]
fn hide(path: &Path) -> std::io::Result<()> {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    Ok(mknodat(
        CWD,
        path,
        FileType::CharacterDevice,
        Mode::empty(),
        0,
    )?)
}

/// Elsewhere only root may make devices.
#[cfg(not(target_os = "linux"))]
fn hide(_path: &Path) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
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

    #[test]
    fn a_difference_holds_only_what_is_otherwise() {
        let repo = TestRepo::new();
        repo.write("same/a", "1")
            .write("gone/b", "1")
            .write("changed", "1");
        repo.write("file", "1").write("deep/er/f", "1");
        repo.commit("old");
        let old = repo.id("HEAD^{tree}");
        fs::remove_dir_all(repo.path().join("gone")).expect("a folder");
        fs::remove_file(repo.path().join("file")).expect("a file");
        repo.write("changed", "2").write("file/is/a/folder", "1");
        repo.write("deep/er/g", "2").write("new", "1");
        repo.commit("new");
        let new = repo.id("HEAD^{tree}");

        assert_eq!(
            laid_over(&repo, (old, None), new),
            "-gone changed deep/er/g file/is/a/folder new"
        );
        assert_eq!(laid_over(&repo, (new, None), new), "");
    }

    #[test]
    fn what_is_otherwise_than_in_a_built_tree_is_laid_out_anew() {
        let repo = TestRepo::new();
        let put = |content: &str| {
            repo.write("src/lib", content)
                .write("tests/a", content)
                .write("tests/deep/b", content);
            repo.commit(content);
            repo.id("HEAD^{tree}")
        };
        let (base, built) = (put("1"), put("2"));
        // The source is as it was built, a test as in the base, and a folder of tests is not there when it was built.
        repo.write("tests/a", "1");
        repo.commit("a test of the base");
        let new = repo.id("HEAD^{tree}");
        assert_eq!(laid_over(&repo, (base, None), new), "src/lib tests/deep/b");
        assert_eq!(
            laid_over(&repo, (base, Some(built)), new),
            "src/lib tests/a tests/deep/b"
        );
        let all = "src/lib tests/a tests/deep/b";
        assert_eq!(
            laid_over(&repo, (new, Some(base)), new),
            "src/lib tests/deep/b"
        );
        fs::remove_dir_all(repo.path().join("tests")).expect("a folder");
        repo.write("tests", "a file").commit("no folder");
        let without = repo.id("HEAD^{tree}");
        assert_eq!(
            laid_over(&repo, (new, Some(without)), new),
            "tests/a tests/deep/b"
        );
        assert_eq!(
            laid_over(&repo, (without, Some(new)), new),
            "tests/a tests/deep/b"
        );
        assert_eq!(laid_over(&repo, (built, Some(base)), built), all);
    }

    /// What is laid out of a tree, sorted; what is hidden after a dash.
    fn laid_over(repo: &TestRepo, base: (ObjectId, Option<ObjectId>), tree_id: ObjectId) -> String {
        use std::os::unix::fs::FileTypeExt as _;

        let folder = tempfile::tempdir().expect("a folder");
        repo.open()
            .export_over(base, tree_id, folder.path())
            .expect("laid out");
        let mut found = Vec::new();
        let mut pending = vec![folder.path().to_owned()];
        while let Some(next) = pending.pop() {
            for entry in fs::read_dir(&next).expect("a folder") {
                let entry = entry.expect("an entry");
                let kind = entry.file_type().expect("a kind");
                let path = entry.path();
                let name = path
                    .strip_prefix(folder.path())
                    .expect("below")
                    .display()
                    .to_string();
                match (kind.is_dir(), kind.is_char_device()) {
                    (true, _) => pending.push(path),
                    (_, true) => found.push(format!("-{name}")),
                    _ => found.push(name),
                }
            }
        }
        found.sort();
        found.join(" ")
    }
}
