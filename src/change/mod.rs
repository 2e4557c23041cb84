//! What one commit does to a tree, as plain values: files, their two versions, and the hunks between them.

mod message;
mod path;

use std::ops::Range;

use gix::ObjectId;

pub use message::{CommitMessage, Trailer};
pub use path::RepoPath;

/// The difference between a parent tree and the tree under judgement, sorted by path.
///
/// A rename is a deletion and an addition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    pub files: Vec<FileChange>,
}

/// One path whose entry differs. At least one of `old` and `new` is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    pub path: RepoPath,
    /// What the parent has at this path; `None` if the file is added.
    pub old: Option<FileVersion>,
    /// What the judged tree has at this path; `None` if the file is deleted.
    pub new: Option<FileVersion>,
    /// The differing lines, in order. Empty where either side is not text (see [`Content`]) and where only the mode differs.
    pub hunks: Vec<Hunk>,
}

/// One entry of a tree, with what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileVersion {
    pub mode: FileMode,
    pub id: ObjectId,
    pub content: Content,
}

/// The entry kinds that git knows, trees left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileMode {
    /// `100644`
    Regular,
    /// `100755`
    Executable,
    /// `120000`
    Symlink,
    /// `160000`, a submodule's commit
    Gitlink,
}

/// The bytes of a blob as the object store has them, never as attributes or filters would show them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// UTF-8 without NUL.
    Text(Vec<u8>),
    /// Holds a NUL, or is not UTF-8.
    Binary(Vec<u8>),
    /// A blob over [`Content::MAX_BYTES`]: only its size was read.
    TooLarge { n_bytes: u64 },
    /// A gitlink has no blob.
    None,
}

/// A run of lines that differs. Either side may be empty, not both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk {
    pub old: Lines,
    pub new: Lines,
}

/// A run of lines of one file version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// 1-based number of the first line. For an empty run: of the line that would follow it.
    pub start: usize,
    pub n_lines: usize,
    /// Where the run stands in the content.
    pub bytes: Range<usize>,
}

impl Change {
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub fn file(&self, path: &RepoPath) -> Option<&FileChange> {
        self.files.iter().find(|file| file.path == *path)
    }
}

impl FileChange {
    pub fn is_added(&self) -> bool {
        self.old.is_none()
    }

    pub fn is_deleted(&self) -> bool {
        self.new.is_none()
    }

    /// Every added line with its 1-based number in the new version, without its line feed.
    pub fn added_lines(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let text = text_of(self.new.as_ref());
        self.hunks.iter().flat_map(move |hunk| hunk.new.of(text))
    }

    /// Every removed line with its 1-based number in the old version, without its line feed.
    pub fn removed_lines(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let text = text_of(self.old.as_ref());
        self.hunks.iter().flat_map(move |hunk| hunk.old.of(text))
    }

    pub fn n_added(&self) -> usize {
        self.hunks.iter().map(|hunk| hunk.new.n_lines).sum()
    }

    pub fn n_removed(&self) -> usize {
        self.hunks.iter().map(|hunk| hunk.old.n_lines).sum()
    }
}

impl Content {
    /// The largest blob that is read, 16 MiB. A larger one is a fact by itself.
    pub const MAX_BYTES: u64 = 16 << 20;

    /// Sorts the bytes of a blob into text and binary.
    pub fn from_blob(bytes: Vec<u8>) -> Content {
        let is_text = !bytes.contains(&0) && std::str::from_utf8(&bytes).is_ok();
        if is_text {
            Content::Text(bytes)
        } else {
            Content::Binary(bytes)
        }
    }

    pub fn n_bytes(&self) -> u64 {
        match self {
            Content::Text(bytes) | Content::Binary(bytes) => bytes.len() as u64,
            Content::TooLarge { n_bytes } => *n_bytes,
            Content::None => 0,
        }
    }

    /// The text, if it is text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Content::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }
}

impl Lines {
    /// The lines of this run in `content`, with their numbers, without their line feeds.
    pub fn of<'a>(&self, content: &'a [u8]) -> impl Iterator<Item = (usize, &'a [u8])> + use<'a> {
        let start = self.start;
        content
            .get(self.bytes.clone())
            .unwrap_or(&[])
            .split_inclusive(|&byte| byte == b'\n')
            .enumerate()
            .map(move |(n, line)| (start + n, line.strip_suffix(b"\n").unwrap_or(line)))
    }
}

fn text_of(version: Option<&FileVersion>) -> &[u8] {
    match version.map(|version| &version.content) {
        Some(Content::Text(bytes)) => bytes,
        _ => &[],
    }
}
