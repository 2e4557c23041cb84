//! Two trees into a [`Change`]: raw blobs, no attributes, no renames, zero context.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::ControlFlow;

use anyhow::{Context as _, bail, ensure};
use gix::ObjectId;
use gix::bstr::{BStr, BString};
use gix::diff::tree::{Recorder, Visit, visit};
use gix::error::ResultExt as _;
use gix::objs::tree::EntryMode;
use gix::objs::{Find, Kind, TreeRefIter};

use super::hunks::hunks;
use super::tree::{check_name, file_mode};
use super::{Repo, fsck};
use crate::change::{Change, Content, FileChange, FileMode, FileVersion, RepoPath};

/// More changed files and folders than this are not judged: a tree can name itself often enough to fill any memory.
const MAX_ENTRIES: usize = 200_000;

/// A longer path cannot be checked out, and one of ten thousand folders takes time and memory with the square of their number.
const MAX_PATH_BYTES: usize = 4096;

/// More bytes than this, of both sides together, are not held at a time.
const MAX_TOTAL_BYTES: u64 = 512 << 20;

/// One entry of a tree as far as a difference needs it.
type Entry = (FileMode, ObjectId);

/// A path that differs, with its two entries.
type Difference = (BString, Option<Entry>, Option<Entry>);

/// Collects the paths that differ.
#[derive(Default)]
struct Collector {
    /// Keeps the current path.
    recorder: Recorder,
    differences: Vec<Difference>,
    /// Folders of the new side that are not the old one's.
    new_tree_ids: Vec<ObjectId>,
    /// Files and folders seen so far.
    n_entries: usize,
    trouble: Option<anyhow::Error>,
}

/// Reads trees; an error names the one that cannot be read.
struct Trees<'a> {
    repo: &'a gix::Repository,
    /// Trees that git would not write.
    flaws: &'a RefCell<HashMap<ObjectId, String>>,
}

impl Repo {
    /// The difference between two trees.
    ///
    /// # Errors
    /// An object is missing or damaged, a name is one that git would not check out, or the difference is too large to hold.
    pub fn diff(&self, old_tree_id: ObjectId, new_tree_id: ObjectId) -> anyhow::Result<Change> {
        let mut room = MAX_TOTAL_BYTES;
        let files = self
            .differing_entries(old_tree_id, new_tree_id)?
            .into_iter()
            .map(|(path, old, new)| self.file_change(RepoPath::new(path), old, new, &mut room))
            .collect::<anyhow::Result<_>>()
            .with_context(|| format!("compare trees `{old_tree_id}` and `{new_tree_id}`"))?;
        Ok(Change { files })
    }

    fn differing_entries(
        &self,
        old_tree_id: ObjectId,
        new_tree_id: ObjectId,
    ) -> anyhow::Result<Vec<Difference>> {
        if old_tree_id == new_tree_id {
            return Ok(Vec::new());
        }
        let old_tree = self.object(old_tree_id, Kind::Tree)?;
        let new_tree = self.object(new_tree_id, Kind::Tree)?;
        let mut collector = Collector {
            new_tree_ids: vec![new_tree_id],
            ..Collector::default()
        };
        let flaws = RefCell::default();
        note_flaw(&flaws, new_tree_id, &new_tree);
        let walked = gix::diff::tree(
            TreeRefIter::from_bytes(&old_tree, old_tree_id.kind()),
            TreeRefIter::from_bytes(&new_tree, new_tree_id.kind()),
            gix::diff::tree::State::default(),
            Trees {
                repo: &self.inner,
                flaws: &flaws,
            },
            &mut collector,
        );
        if let Some(trouble) = collector.trouble {
            return Err(trouble);
        }
        let flaws = flaws.into_inner();
        let mut new_trees = collector.new_tree_ids.iter();
        if let Some((id, flaw)) = new_trees.find_map(|id| flaws.get_key_value(id)) {
            bail!("tree `{id}` is not one that git would write: {flaw}");
        }
        walked.with_context(|| format!("compare trees `{old_tree_id}` and `{new_tree_id}`"))?;
        let mut entries = collector.differences;
        entries.sort_by(|one, two| one.0.cmp(&two.0));
        for pair in entries.windows(2) {
            let path = RepoPath::new(pair[0].0.clone());
            ensure!(pair[0].0 != pair[1].0, "a tree has `{path}` twice");
        }
        Ok(entries)
    }

    fn file_change(
        &self,
        path: RepoPath,
        old: Option<Entry>,
        new: Option<Entry>,
        room: &mut u64,
    ) -> anyhow::Result<FileChange> {
        let version = |entry: Option<Entry>, room: &mut u64| {
            entry
                .map(|entry| self.version(entry, room))
                .transpose()
                .with_context(|| format!("read `{path}`"))
        };
        let old = version(old, room)?;
        let new = version(new, room)?;
        let hunks = match (text(old.as_ref()), text(new.as_ref())) {
            (Some(old), Some(new)) => hunks(old, new),
            _ => Vec::new(),
        };
        Ok(FileChange {
            path,
            old,
            new,
            hunks,
        })
    }

    fn version(&self, (mode, id): Entry, room: &mut u64) -> anyhow::Result<FileVersion> {
        if mode == FileMode::Gitlink {
            let content = Content::None;
            return Ok(FileVersion { mode, id, content });
        }
        let blob = self.blob(id, Content::MAX_BYTES.min(*room))?;
        let n_bytes = match &blob {
            Ok(bytes) => bytes.len() as u64,
            Err(n_bytes) => *n_bytes,
        };
        if n_bytes > Content::MAX_BYTES {
            let content = Content::TooLarge { n_bytes };
            return Ok(FileVersion { mode, id, content });
        }
        let (Some(left), Ok(bytes)) = (room.checked_sub(n_bytes), blob) else {
            bail!(
                "the change is too large to judge: its files hold more than {} MiB",
                MAX_TOTAL_BYTES >> 20
            );
        };
        *room = left;
        let content = Content::from_blob(bytes);
        Ok(FileVersion { mode, id, content })
    }
}

impl Collector {
    fn push(
        &mut self,
        old: Option<(EntryMode, ObjectId)>,
        new: Option<(EntryMode, ObjectId)>,
    ) -> anyhow::Result<()> {
        self.new_tree_ids.extend(
            new.filter(|(mode, _)| mode.is_tree())
                .map(|(_, tree_id)| tree_id),
        );
        let entry = |entry: Option<(EntryMode, ObjectId)>| {
            entry.and_then(|(mode, id)| Some((file_mode(mode.kind())?, id)))
        };
        let (old, new) = (entry(old), entry(new));
        self.n_entries += 1;
        if self.n_entries > MAX_ENTRIES {
            bail!("the change is too large to judge: over {MAX_ENTRIES} files and folders differ");
        }
        if self.recorder.path().len() > MAX_PATH_BYTES {
            bail!(
                "a path of the change is longer than {MAX_PATH_BYTES} bytes: nobody can check it out"
            );
        }
        if old.is_some() || new.is_some() {
            let path = self.recorder.path_clone();
            self.differences.push((path, old, new));
        }
        Ok(())
    }

    fn check(&mut self, name: &BStr) {
        if self.trouble.is_none() {
            self.trouble = check_name(name).err();
        }
    }
}

impl Visit for Collector {
    fn pop_front_tracked_path_and_set_current(&mut self) {
        self.recorder.pop_front_tracked_path_and_set_current();
    }

    fn push_back_tracked_path_component(&mut self, component: &BStr) {
        // gix begins with the nameless top.
        if !component.is_empty() {
            self.check(component);
        }
        self.recorder.push_back_tracked_path_component(component);
    }

    fn push_path_component(&mut self, component: &BStr) {
        self.check(component);
        self.recorder.push_path_component(component);
    }

    fn pop_path_component(&mut self) {
        self.recorder.pop_path_component();
    }

    fn visit(&mut self, change: visit::Change) -> visit::Action {
        let (old, new) = match change {
            visit::Change::Addition {
                entry_mode, oid, ..
            } => (None, Some((entry_mode, oid))),
            visit::Change::Deletion {
                entry_mode, oid, ..
            } => (Some((entry_mode, oid)), None),
            visit::Change::Modification {
                previous_entry_mode,
                previous_oid,
                entry_mode,
                oid,
            } => (
                Some((previous_entry_mode, previous_oid)),
                Some((entry_mode, oid)),
            ),
        };
        if self.trouble.is_none() {
            self.trouble = self.push(old, new).err();
        }
        match self.trouble {
            None => ControlFlow::Continue(()),
            Some(_) => ControlFlow::Break(()),
        }
    }
}

impl Find for Trees<'_> {
    fn try_find<'a>(
        &self,
        id: &gix::oid,
        buffer: &'a mut Vec<u8>,
    ) -> gix::Result<Option<gix::objs::Data<'a>>> {
        let found = self.repo.try_find(id, buffer);
        let found = found.or_raise(|| gix::error::message!("read tree `{id}`"))?;
        if let Some(tree) = found.as_ref().filter(|found| found.kind == Kind::Tree) {
            note_flaw(self.flaws, id.to_owned(), tree.data);
        }
        Ok(found)
    }
}

fn note_flaw(flaws: &RefCell<HashMap<ObjectId, String>>, id: ObjectId, tree: &[u8]) {
    if let Some(flaw) = fsck::tree_flaw(tree, id.kind().len_in_bytes()) {
        flaws.borrow_mut().insert(id, flaw);
    }
}

/// The text to compare: that of a file, nothing where there is no file, `None` where there is a file that is not text.
fn text(version: Option<&FileVersion>) -> Option<&[u8]> {
    match version.map(|version| &version.content) {
        None => Some(&[]),
        Some(Content::Text(bytes)) => Some(bytes),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::super::testing::TestRepo;
    use super::*;

    /// The difference between the last two commits of `main`.
    #[track_caller]
    fn last_change(repo: &TestRepo) -> anyhow::Result<Change> {
        let (old, new) = (repo.id("HEAD~^{tree}"), repo.id("HEAD^{tree}"));
        repo.open().diff(old, new)
    }

    #[track_caller]
    fn check_change(repo: &TestRepo, expected: &str) {
        let change = last_change(repo).expect("compare");
        let mut shown = String::new();
        for file in &change.files {
            let side = |version: &Option<FileVersion>| match version {
                None => "none".to_owned(),
                Some(version) => {
                    let content = match version.content {
                        Content::Text(_) => "text",
                        Content::Binary(_) => "binary",
                        Content::TooLarge { .. } => "large",
                        Content::None => "nothing",
                    };
                    format!("{:?}/{content}", version.mode).to_lowercase()
                }
            };
            let (old, new) = (side(&file.old), side(&file.new));
            let (added, removed) = (file.n_added(), file.n_removed());
            writeln!(shown, "{} {old} {new} +{added} -{removed}", file.path).expect("write");
        }
        assert_eq!(shown.trim_end(), expected);
    }

    #[test]
    fn a_rename_is_a_deletion_and_an_addition() {
        let repo = TestRepo::new();
        repo.write("old", "1\n2\n").commit("one");
        repo.git(&["mv", "old", "new"]);
        repo.commit("two");
        check_change(
            &repo,
            "new none regular/text +2 -0\nold regular/text none +0 -2",
        );
    }

    #[test]
    fn types_and_modes_are_kept_apart() {
        let repo = TestRepo::new();
        repo.write("link", "target")
            .write("mode", "x\n")
            .write("sub/x", "x\n");
        let commit_id = repo.commit("one").to_string();
        std::fs::remove_file(repo.path().join("link")).expect("remove");
        std::os::unix::fs::symlink("target", repo.path().join("link")).expect("link");
        repo.add();
        repo.git(&["update-index", "--chmod=+x", "mode"]);
        repo.git(&["rm", "-q", "--cached", "-r", "sub"]);
        repo.git(&[
            "update-index",
            "--add",
            "--cacheinfo",
            &format!("160000,{commit_id},sub"),
        ]);
        repo.git(&["commit", "-q", "-m", "two"]);
        check_change(
            &repo,
            "link regular/text symlink/text +0 -0\n\
             mode regular/text executable/text +0 -0\n\
             sub none gitlink/nothing +0 -0\n\
             sub/x regular/text none +0 -1",
        );
    }

    #[test]
    fn attributes_and_replace_refs_hide_nothing() {
        let repo = TestRepo::new();
        repo.write("a.txt", "old\n")
            .write(".gitattributes", "*.txt -diff binary\n");
        repo.git(&["config", "core.useReplaceRefs", "true"]);
        repo.commit("one");
        repo.write("a.txt", "new\n").commit("two");
        let [old_tree_id, new_tree_id] = ["HEAD~^{tree}", "HEAD^{tree}"].map(|spec| repo.id(spec));
        let pairs = [
            ("HEAD:a.txt", "HEAD~:a.txt"),
            ("HEAD^{tree}", "HEAD~^{tree}"),
        ];
        for (old, new) in pairs.map(|(old, new)| (repo.id(old), repo.id(new).to_string())) {
            repo.git(&["update-ref", &format!("refs/replace/{old}"), &new]);
        }
        let seen = repo.git(&["diff", "--shortstat", "HEAD~", "HEAD"]);
        assert_eq!(seen, "", "git is deceived");
        let change = repo.open().diff(old_tree_id, new_tree_id).expect("compare");
        let file = change.file(&"a.txt".into()).expect("the file");
        assert_eq!(file.added_lines().collect::<Vec<_>>(), [(1, &b"new"[..])]);
    }

    #[test]
    fn a_large_or_binary_file_has_no_hunks() {
        let repo = TestRepo::new();
        let large = vec![b'\n'; Content::MAX_BYTES as usize + 1];
        repo.write("large", "x\n")
            .write("nul", "x\n")
            .write("latin", "x\n");
        repo.commit("one");
        repo.write("large", large)
            .write("nul", "x\0\n")
            .write("latin", b"\xe4\n");
        repo.commit("two");
        check_change(
            &repo,
            "large regular/text regular/large +0 -0\n\
             latin regular/text regular/binary +0 -0\n\
             nul regular/text regular/binary +0 -0",
        );
    }

    #[test]
    fn a_missing_or_damaged_object_is_named() {
        let repo = TestRepo::new();
        repo.write("a/b", "one\n").commit("one");
        repo.write("a/b", "two\n").commit("two");
        for object in ["HEAD:a/b", "HEAD:a"] {
            let id = repo.id(object).to_string();
            let path = repo
                .path()
                .join(".git/objects")
                .join(&id[..2])
                .join(&id[2..]);
            let bytes = std::fs::read(&path).expect("read");
            std::fs::remove_file(&path).expect("remove");
            let missing = last_change(&repo).expect_err("a missing object");
            assert!(format!("{missing:#}").contains(&id), "{missing:#}");
            std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("write");
            let damaged = last_change(&repo).expect_err("a damaged object");
            assert!(format!("{damaged:#}").contains(&id), "{damaged:#}");
            std::fs::write(&path, &bytes).expect("write");
        }
    }

    #[test]
    fn a_tree_that_names_itself_too_often_is_not_walked_to_its_end() {
        let repo = TestRepo::new();
        repo.write("f", "x").commit("one");
        let mut id = repo.id("HEAD:f").to_string();
        for (kind, mode) in [
            ("blob", "100644"),
            ("tree", "040000"),
            ("tree", "040000"),
            ("tree", "040000"),
            ("tree", "040000"),
            ("tree", "040000"),
            ("tree", "040000"),
        ] {
            let entries = (0..10).map(|n| format!("{mode} {kind} {id}\t{n}\n"));
            id = mktree(&repo, &entries.collect::<String>());
        }
        let (empty, bomb) = (
            ObjectId::empty_tree(gix::hash::Kind::Sha1),
            id.parse().expect("id"),
        );
        let error = repo.open().diff(empty, bomb).expect_err("too large");
        assert!(
            format!("{error:#}").contains("too large to judge"),
            "{error:#}"
        );
    }

    #[test]
    fn a_name_that_git_would_not_check_out_is_an_error() {
        let repo = TestRepo::new();
        repo.write("f", "x").commit("one");
        let blob_id = repo.id("HEAD:f").to_string();
        for name in [".git", ".GIT", ".g\u{200c}it", "..", "."] {
            let tree_id = mktree(&repo, &format!("100644 blob {blob_id}\t{name}\n"));
            let tree_id = mktree(&repo, &format!("040000 tree {tree_id}\tsub\n"));
            let error = repo
                .open()
                .diff(repo.id("HEAD^{tree}"), tree_id.parse().expect("id"))
                .expect_err(name);
            assert!(
                format!("{error:#}").contains("is not the name of a file"),
                "{error:#}"
            );
        }
    }

    fn mktree(repo: &TestRepo, entries: &str) -> String {
        repo.git_with(&["mktree"], entries)
    }
}
