//! Two trees into a [`Change`]: raw blobs, no attributes, no renames, zero context.

use std::ops::ControlFlow;

use anyhow::{Context as _, bail, ensure};
use gix::ObjectId;
use gix::bstr::{BStr, BString, ByteSlice as _};
use gix::diff::blob::sources::byte_lines;
use gix::diff::blob::{Algorithm, Diff, InternedInput};
use gix::diff::tree::{Recorder, Visit, visit};
use gix::objs::tree::EntryMode;
use gix::objs::{Kind, TreeRefIter};

use super::Repo;
use super::tree::{check_name, file_mode};
use crate::change::{Change, Content, FileChange, FileMode, FileVersion, Hunk, Lines, RepoPath};

/// More changed paths than this are not judged: a tree can name itself often enough to fill any memory.
const MAX_FILES: usize = 200_000;

/// More bytes than this, of both sides together, are not held at a time.
const MAX_TOTAL_BYTES: u64 = 512 << 20;

/// One entry of a tree as far as a difference needs it.
type Entry = (FileMode, ObjectId);

/// Collects the paths that differ.
#[derive(Default)]
struct Collector {
    /// Keeps the current path.
    recorder: Recorder,
    entries: Vec<(BString, Option<Entry>, Option<Entry>)>,
    trouble: Option<anyhow::Error>,
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
    ) -> anyhow::Result<Vec<(BString, Option<Entry>, Option<Entry>)>> {
        if old_tree_id == new_tree_id {
            return Ok(Vec::new());
        }
        let old_tree = self.object(old_tree_id, Kind::Tree)?;
        let new_tree = self.object(new_tree_id, Kind::Tree)?;
        let mut collector = Collector::default();
        let walked = gix::diff::tree(
            TreeRefIter::from_bytes(&old_tree, old_tree_id.kind()),
            TreeRefIter::from_bytes(&new_tree, new_tree_id.kind()),
            gix::diff::tree::State::default(),
            &self.inner,
            &mut collector,
        );
        if let Some(trouble) = collector.trouble {
            return Err(trouble);
        }
        walked.with_context(|| format!("compare trees `{old_tree_id}` and `{new_tree_id}`"))?;
        let mut entries = collector.entries;
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
        let n_bytes = self.blob_size(id)?;
        if n_bytes > Content::MAX_BYTES {
            let content = Content::TooLarge { n_bytes };
            return Ok(FileVersion { mode, id, content });
        }
        let Some(left) = room.checked_sub(n_bytes) else {
            bail!(
                "the change is too large to judge: its files hold more than {} MiB",
                MAX_TOTAL_BYTES >> 20
            );
        };
        *room = left;
        let content = Content::from_blob(self.object(id, Kind::Blob)?);
        Ok(FileVersion { mode, id, content })
    }
}

impl Collector {
    fn push(
        &mut self,
        old: Option<(EntryMode, ObjectId)>,
        new: Option<(EntryMode, ObjectId)>,
    ) -> anyhow::Result<()> {
        let entry = |entry: Option<(EntryMode, ObjectId)>| {
            entry.and_then(|(mode, id)| Some((file_mode(mode.kind())?, id)))
        };
        let (old, new) = (entry(old), entry(new));
        if old.is_none() && new.is_none() {
            return Ok(());
        }
        if self.entries.len() == MAX_FILES {
            bail!("the change is too large to judge: more than {MAX_FILES} files differ");
        }
        let path = self.recorder.path_clone();
        self.entries.push((path, old, new));
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

/// The text to compare: that of a file, nothing where there is no file, `None` where there is a file that is not text.
fn text(version: Option<&FileVersion>) -> Option<&[u8]> {
    match version.map(|version| &version.content) {
        None => Some(&[]),
        Some(Content::Text(bytes)) => Some(bytes),
        Some(_) => None,
    }
}

fn hunks(old: &[u8], new: &[u8]) -> Vec<Hunk> {
    let (mut old_lines, mut new_lines) = (Cursor::new(old), Cursor::new(new));
    if old.is_empty() || new.is_empty() {
        let hunk = Hunk {
            old: old_lines.take_rest(),
            new: new_lines.take_rest(),
        };
        return if old == new { Vec::new() } else { vec![hunk] };
    }
    let input = InternedInput::new(byte_lines(old), byte_lines(new));
    let mut diff = Diff::compute(Algorithm::Histogram, &input);
    diff.postprocess_lines(&input);
    diff.hunks()
        .map(|hunk| Hunk {
            old: old_lines.take(hunk.before),
            new: new_lines.take(hunk.after),
        })
        .collect()
}

/// Goes down a text once and knows which bytes a run of lines covers.
struct Cursor<'a> {
    text: &'a [u8],
    line: usize,
    byte: usize,
}

impl Cursor<'_> {
    fn new(text: &[u8]) -> Cursor<'_> {
        Cursor {
            text,
            line: 0,
            byte: 0,
        }
    }

    fn take(&mut self, lines: std::ops::Range<u32>) -> Lines {
        self.go_to(lines.start as usize);
        let start = self.byte;
        self.go_to(lines.end as usize);
        Lines {
            start: lines.start as usize + 1,
            n_lines: lines.len(),
            bytes: start..self.byte,
        }
    }

    fn take_rest(&mut self) -> Lines {
        Lines {
            start: self.line + 1,
            n_lines: self.text.lines_with_terminator().count(),
            bytes: self.byte..self.text.len(),
        }
    }

    fn go_to(&mut self, line: usize) {
        while self.line < line {
            let rest = &self.text[self.byte..];
            self.byte += rest.find_byte(b'\n').map_or(rest.len(), |at| at + 1);
            self.line += 1;
        }
    }
}
