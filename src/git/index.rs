//! The index as the tree that the next commit would have: read as it is, the work tree is never looked at.

use anyhow::{Context as _, bail, ensure};
use gix::ObjectId;
use gix::bstr::{BStr, ByteSlice as _};
use gix::index::entry::{Flags, Mode, Stage};
use gix::index::extension::Tree as CacheTree;
use gix::index::{Entry, State};
use gix::objs::Exists as _;
use gix::objs::tree::{EntryKind, EntryMode};

use super::tree::{MAX_DEPTH, check_distinct};
use super::{Repo, Staged};
use crate::change::RepoPath;

/// A run of index entries that share a folder.
struct Folder<'a> {
    entries: &'a [Entry],
    /// The folder's path with its closing `/`; empty at the top.
    prefix: &'a BStr,
    /// What git noted about this folder when it last wrote its tree.
    cache: Option<&'a CacheTree>,
    depth: usize,
}

impl Repo {
    /// What is staged. Unmerged entries are an error: undecided.
    ///
    /// An entry that is only promised (`git add -N`) is not part of it. Where git keeps only a part of the tree in the work tree (sparse
    /// checkout, `skip-worktree`), the index counts.
    pub fn staged(&self) -> anyhow::Result<Staged> {
        let parent_id = self.head_id()?;
        let parent_tree_id = match parent_id {
            Some(commit_id) => self.commit(commit_id)?.tree_id,
            None => ObjectId::empty_tree(self.inner.object_hash()),
        };
        let tree_id = self.index_tree()?;
        Ok(Staged {
            parent_id,
            parent_tree_id,
            tree_id,
        })
    }

    /// What `git write-tree` would print; new trees stay in memory.
    fn index_tree(&self) -> anyhow::Result<ObjectId> {
        let path = self.inner.index_path();
        // git does not check the file's own digest when it reads it either.
        let skip_hash = true;
        let index = gix::index::File::at_or_default(
            path,
            self.inner.object_hash(),
            skip_hash,
            gix::index::decode::Options::default(),
        )
        .context("read the index")?;
        check_entries(&index).context("read the index")?;
        let top = Folder {
            entries: index.entries(),
            prefix: BStr::new(""),
            cache: index.tree(),
            depth: 0,
        };
        self.folder_tree(&index, top)
            .context("make the tree of the index")
    }

    /// Like git, takes a folder's tree from the cache where the cache is valid: that is the tree that will be committed.
    fn folder_tree(&self, index: &State, folder: Folder) -> anyhow::Result<ObjectId> {
        ensure!(folder.depth < MAX_DEPTH, "its folders are too deep");
        if let Some(cache) = folder.cache
            && let Some(n_entries) = cache.num_entries
            && self.inner.objects.exists(&cache.id)
        {
            let is_whole = n_entries as usize == folder.entries.len();
            let shown = RepoPath::new(folder.prefix);
            ensure!(is_whole, "the index counts the files of `{shown}` wrongly");
            return Ok(cache.id);
        }
        let mut tree = gix::objs::Tree::empty();
        let mut rest = folder.entries;
        while let Some(entry) = rest.first() {
            let path = entry.path(index);
            let name = &path[folder.prefix.len()..];
            let (name, mode, id, n_used) = match name.find_byte(b'/') {
                Some(at) if at + 1 == name.len() && entry.mode == Mode::DIR => {
                    (&name[..at], EntryMode::from(EntryKind::Tree), entry.id, 1)
                }
                Some(at) => {
                    let prefix = path[..folder.prefix.len() + at + 1].as_bstr();
                    let n_used =
                        rest.partition_point(|entry| entry.path(index).starts_with(prefix));
                    let name = &name[..at];
                    let inner = Folder {
                        entries: &rest[..n_used],
                        prefix,
                        cache: folder.cache.and_then(|cache| child(cache, name)),
                        depth: folder.depth + 1,
                    };
                    let id = self.folder_tree(index, inner)?;
                    (name, EntryKind::Tree.into(), id, n_used)
                }
                None => {
                    let Some(mode) = entry.mode.to_tree_entry_mode() else {
                        bail!("`{}` has an unknown mode", RepoPath::new(path));
                    };
                    (name, mode, entry.id, 1)
                }
            };
            let is_promised = entry.flags.contains(Flags::INTENT_TO_ADD) && !mode.is_tree();
            rest = &rest[n_used..];
            // Nothing but promises below: git leaves such a folder out.
            if is_promised || id.is_empty_tree() {
                continue;
            }
            ensure!(!id.is_null(), "`{}` has no content", RepoPath::new(path));
            tree.entries.push(gix::objs::tree::Entry {
                mode,
                filename: name.into(),
                oid: id,
            });
        }
        check_distinct(tree.entries.iter().map(|entry| entry.filename.as_bstr()))?;
        Ok(self.inner.write_object(&tree)?.detach())
    }
}

/// Refuses an index that no commit could be made of, or that was put together by something other than git.
fn check_entries(index: &State) -> anyhow::Result<()> {
    let mut previous: Option<&BStr> = None;
    for entry in index.entries() {
        let path = entry.path(index);
        if entry.stage() != Stage::Unconflicted {
            bail!("`{}` is unmerged", RepoPath::new(path));
        }
        let is_sorted = previous.is_none_or(|previous| previous < path);
        ensure!(is_sorted, "`{}` is out of order", RepoPath::new(path));
        previous = Some(path);
    }
    Ok(())
}

fn child<'a>(cache: &'a CacheTree, name: &[u8]) -> Option<&'a CacheTree> {
    cache
        .children
        .iter()
        .find(|child| child.name.as_slice() == name)
}

#[cfg(test)]
mod tests {
    use super::super::Staged;
    use super::super::testing::TestRepo;
    use crate::change::{Change, FileMode};

    /// What is staged, with what it changes.
    fn staged(repo: &TestRepo) -> (Staged, Change) {
        let repo = repo.open();
        let staged = repo.staged().expect("read the index");
        let change = repo.diff(staged.parent_tree_id, staged.tree_id);
        (staged, change.expect("compare the trees"))
    }

    /// The staged tree is git's, and the change lists the paths that git lists.
    #[track_caller]
    fn check(repo: &TestRepo) {
        let (staged, change) = staged(repo);
        assert_eq!(staged.tree_id.to_string(), repo.git(&["write-tree"]));
        let listed = repo.git(&["diff", "--cached", "--name-status", "--no-renames"]);
        let ours = change.files.iter().map(|file| {
            let letter = match (&file.old, &file.new) {
                (None, _) => 'A',
                (_, None) => 'D',
                (Some(old), Some(new)) if kind(old.mode) != kind(new.mode) => 'T',
                _ => 'M',
            };
            format!("{letter}\t{}", file.path)
        });
        assert_eq!(ours.collect::<Vec<_>>().join("\n"), listed);
    }

    fn kind(mode: FileMode) -> FileMode {
        match mode {
            FileMode::Executable => FileMode::Regular,
            other => other,
        }
    }

    #[track_caller]
    fn check_error(repo: &TestRepo, expected: &str) {
        let repo = repo.open();
        let staged = repo.staged();
        let change = staged.and_then(|staged| repo.diff(staged.parent_tree_id, staged.tree_id));
        let error = change.expect_err("no staged change");
        let error = format!("{error:#}");
        assert!(error.contains(expected), "{error}");
    }

    /// Files in folders, committed.
    fn repo_with(options: &[&str]) -> TestRepo {
        let repo = TestRepo::init(options);
        for path in [
            "a",
            "a.c",
            "b/one",
            "b/two",
            "b/deep/three",
            "c-d/x",
            "c/x",
            "z",
        ] {
            repo.write(path, format!("{path}\n"));
        }
        repo.commit("start");
        repo
    }

    fn repo() -> TestRepo {
        repo_with(&[])
    }

    fn change_much(repo: &TestRepo) {
        repo.write("b/deep/three", "changed\n")
            .write("new/er/file", "new\n");
        repo.write("b/two", "changed and not staged later\n");
        repo.git(&["rm", "-q", "a.c", "c/x"]);
        repo.git(&["update-index", "--chmod=+x", "z"]);
        repo.add();
        repo.write("b/two", "not staged\n");
    }

    #[test]
    fn what_is_staged_is_what_git_would_commit() {
        for options in [&[][..], &["--object-format=sha256"]] {
            let repo = repo_with(options);
            check(&repo);
            change_much(&repo);
            check(&repo);
        }
    }

    #[test]
    fn the_form_of_the_index_does_not_matter() {
        for setting in [
            &["update-index", "--index-version=4"][..],
            &["update-index", "--split-index"],
            &["update-index", "--untracked-cache"],
            &["read-tree", "HEAD"],
            &["config", "index.skipHash", "true"],
        ] {
            let repo = repo();
            repo.git(setting);
            change_much(&repo);
            check(&repo);
        }
    }

    #[test]
    fn a_sparse_index_counts_as_the_whole_tree() {
        let repo = repo();
        repo.git(&["sparse-checkout", "set", "--cone", "--sparse-index", "b"]);
        check(&repo);
        repo.write("b/one", "changed\n");
        repo.git(&["add", "b/one"]);
        check(&repo);
        repo.git(&["update-index", "--skip-worktree", "b/two"]);
        check(&repo);
    }

    #[test]
    fn nothing_is_lost_on_an_unborn_branch() {
        let repo = TestRepo::new();
        let (empty, change) = staged(&repo);
        assert!(empty.parent_id.is_none() && change.is_empty());
        repo.write("a/b", "x").add();
        assert_eq!(staged(&repo).1.files.len(), 1);
    }

    #[test]
    fn everything_can_be_removed() {
        let repo = repo();
        repo.git(&["rm", "-q", "-r", "."]);
        check(&repo);
    }

    #[test]
    fn a_file_may_become_a_folder_or_a_symlink() {
        let repo = repo();
        repo.git(&["rm", "-q", "-r", "a", "b"]);
        repo.write("a/inside", "x\n")
            .write("b", "now a file\n")
            .add();
        check(&repo);
        std::fs::remove_file(repo.path().join("z")).expect("remove");
        std::os::unix::fs::symlink("/etc/passwd", repo.path().join("z")).expect("link");
        repo.add();
        check(&repo);
    }

    #[test]
    fn a_promised_file_is_not_staged() {
        let repo = repo();
        repo.write("b/later", "x\n")
            .write("only/later", "x\n")
            .write("b/one", "now\n");
        repo.git(&["add", "-N", "b/later", "only/later"]);
        check(&repo);
        repo.git(&["add", "b/one"]);
        check(&repo);
    }

    #[test]
    fn a_submodule_is_its_commit() {
        let repo = repo();
        let commit_id = repo.id("HEAD").to_string();
        repo.git(&[
            "update-index",
            "--add",
            "--cacheinfo",
            &format!("160000,{commit_id},sub"),
        ]);
        check(&repo);
    }

    #[test]
    fn an_unmerged_entry_is_undecided() {
        let repo = repo();
        let blob_id = repo.id("HEAD:a").to_string();
        let entry = format!("100644 {blob_id} 2\tb/one\n");
        repo.git_with(&["update-index", "--index-info"], &entry);
        check_error(&repo, "`b/one` is unmerged");
    }

    #[test]
    fn a_damaged_index_is_an_error() {
        let repo = repo();
        let path = repo.path().join(".git/index");
        let bytes = std::fs::read(&path).expect("read");
        std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("write");
        check_error(&repo, "read the index");
    }

    #[test]
    fn a_staged_blob_that_is_gone_is_named() {
        let repo = repo();
        repo.write("b/one", "unique\n").add();
        let blob_id = repo.id(":b/one").to_string();
        let (folder, file) = blob_id.split_at(2);
        let path = repo.path().join(".git/objects").join(folder).join(file);
        std::fs::remove_file(path).expect("remove");
        check_error(&repo, &blob_id);
    }

    #[test]
    fn judging_writes_no_objects() {
        let repo = repo();
        change_much(&repo);
        let before = repo.git(&["count-objects"]);
        repo.open().staged().expect("staged");
        assert_eq!(repo.git(&["count-objects"]), before);
    }

    /// `a/x` cannot stand beside the file `a`; git refuses to write such a tree.
    #[test]
    fn a_file_and_a_folder_of_one_name_are_an_error() {
        let repo = repo();
        let path = repo.path().join(".git/index");
        repo.write("aQx", "x").add();
        let mut bytes = std::fs::read(&path).expect("read");
        let at = bytes
            .windows(3)
            .position(|three| three == b"aQx")
            .expect("the entry");
        bytes[at + 1] = b'/';
        std::fs::write(&path, &bytes).expect("write");
        check_error(&repo, "`a` is there twice");
    }
}
