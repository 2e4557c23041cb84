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
