//! Changes made of texts, for the tests of the rules.

use similar::{Algorithm, DiffOp};

use super::{Judged, Objection};
use crate::change::{Change, Content, FileChange, FileMode, FileVersion, Hunk, Lines, RepoPath};
use crate::policy::FileKind;

/// A change of regular files: path, old text, new text. An empty text is an absent file.
pub(super) fn change(files: &[(&str, &str, &str)]) -> Change {
    let files = files.iter().map(|&(path, old, new)| file(path, old, new));
    Change {
        files: files.collect(),
    }
}

pub(super) fn file(path: &str, old: &str, new: &str) -> FileChange {
    FileChange {
        path: RepoPath::from(path),
        old: version(old),
        new: version(new),
        hunks: hunks(old, new),
    }
}

/// The files of a change with the kind that each path has.
pub(super) fn judged(change: &Change, kind: impl Fn(&str) -> FileKind) -> Vec<Judged<'_>> {
    let files = change.files.iter();
    files
        .map(|file| Judged {
            file,
            kind: kind(&file.path.to_string()),
        })
        .collect()
}

pub(super) fn facts(objections: impl IntoIterator<Item = Objection>) -> Vec<String> {
    objections
        .into_iter()
        .map(|objection| objection.fact)
        .collect()
}

fn version(text: &str) -> Option<FileVersion> {
    (!text.is_empty()).then(|| FileVersion {
        mode: FileMode::Regular,
        id: gix::objs::compute_hash(
            gix::hash::Kind::Sha1,
            gix::objs::Kind::Blob,
            text.as_bytes(),
        )
        .expect("a short text has a hash"),
        content: Content::from_blob(text.into()),
    })
}

fn hunks(old: &str, new: &str) -> Vec<Hunk> {
    let lines =
        |text: &str| -> Vec<String> { text.split_inclusive('\n').map(str::to_owned).collect() };
    let (old, new) = (lines(old), lines(new));
    let ops = similar::capture_diff_slices(Algorithm::Myers, &old, &new);
    let changed = ops
        .into_iter()
        .filter(|op| !matches!(op, DiffOp::Equal { .. }));
    changed
        .map(|op| Hunk {
            old: run(&old, op.old_range()),
            new: run(&new, op.new_range()),
        })
        .collect()
}

fn run(lines: &[String], range: std::ops::Range<usize>) -> Lines {
    let n_bytes = |lines: &[String]| lines.iter().map(String::len).sum::<usize>();
    let start = n_bytes(&lines[..range.start]);
    Lines {
        start: range.start + 1,
        n_lines: range.len(),
        bytes: start..start + n_bytes(&lines[range]),
    }
}
