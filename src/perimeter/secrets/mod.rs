//! Secrets in what a change adds: in files of every kind, in paths, in the message. What is found is never told whole.
//!
//! Looked for are the forms that providers give their secrets, and random values beside names that tell; in the text as it stands, with
//! literals joined, and decoded once. What the old versions of the changed files already held is not added.

mod assigned;
mod placeholder;
mod providers;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use gix::bstr::ByteSlice as _;
use sha2::{Digest as _, Sha256};

use super::names::{self, GENERATED_FILES, LOCKFILES};
use super::text::shown;
use super::view::{self, AddedRun, Form, View};
use super::{Finding, Location, Objection};
use crate::change::{self, Change, CommitMessage, Content, FileChange, FileVersion, RepoPath};
use crate::policy::{self, Rule};

/// What may be a secret.
#[derive(Debug)]
struct Suspect {
    /// With its article.
    kind: &'static str,
    /// All that makes it one.
    at: Range<usize>,
    /// What must stay secret of it.
    value: Range<usize>,
}

/// A secret that was found, by what may be told of it.
struct Secret {
    kind: &'static str,
    form: Form,
    /// As it was put together or decoded.
    value: Vec<u8>,
}

/// Looks through everything that a change brings: added lines, new paths, the message. It keeps what was found, which must not be repeated
/// by any other finding.
pub(super) struct Search<'a> {
    change: &'a Change,
    /// Digests of values that are none.
    known: &'a BTreeSet<String>,
    pub(super) objections: Vec<Objection>,
    values: Vec<Vec<u8>>,
}

/// Names of files whose values stand without quotes, beside those that begin with a dot.
#[rustfmt::skip]
const SETTINGS: &[&[u8]] = &[
    b"env", b"ini", b"cfg", b"conf", b"config", b"properties", b"yaml", b"yml", b"sh", b"bash", b"zsh", b"fish", b"md", b"rst", b"txt", b"adoc",
    b"tfvars", b"log",
];

/// The subject of a message, with nothing in it that drives a terminal and without secrets, for all who show it.
pub fn shown_subject(message: &CommitMessage) -> String {
    let mut subject = message.subject().to_vec();
    for view in view::views(&subject.clone()) {
        for (secret, _) in look_at(&view, FileType::Settings) {
            subject = without(&subject, &secret.value);
        }
    }
    change::shown(&subject)
}

impl<'a> Search<'a> {
    pub(super) fn new(change: &'a Change, known: &'a BTreeSet<String>) -> Search<'a> {
        Search {
            change,
            known,
            objections: Vec::new(),
            values: Vec::new(),
        }
    }

    /// A path, and the size of what cannot be read.
    pub(super) fn file(&mut self, file: &FileChange) {
        let path = file.path.as_bytes();
        if file.new.is_none() {
            return;
        }
        for Suspect { kind, at, value } in providers::find(path) {
            let mut old = self.change.files.iter().filter(|file| file.old.is_some());
            let was_there = old.any(|file| file.path.as_bytes().contains_str(&path[at.clone()]));
            let value = &path[value];
            if !was_there && !self.is_known(value) {
                let fact = format!("a path holds what looks like {kind} ({})", redacted(value));
                self.add(Objection::file(Rule::SecretAdded, &file.path, fact), value);
            }
        }
        if let Some(Content::TooLarge { n_bytes }) = content(&file.new)
            && id(&file.old) != id(&file.new)
        {
            let path = &file.path;
            let most = Content::MAX_BYTES;
            let fact = format!("`{path}` holds {n_bytes} bytes, at most {most} are looked through");
            self.add(Objection::file(Rule::TooLargeToRead, path, fact), b"");
        }
    }

    pub(super) fn lines(&mut self, added: &AddedRun) {
        let path = &added.file.path;
        let file_type = FileType::of(path);
        let mut by_line = BTreeMap::new();
        for view in &added.views {
            for (secret, at) in look_at(view, file_type) {
                if let Some(source) = added.source(view, &at)
                    && !self.was_there(&added.text[source.clone()])
                    && !self.is_known(&secret.value)
                {
                    let line = added.line_of(source.start);
                    by_line.entry(line).or_insert(secret);
                }
            }
        }
        for (line, secret) in by_line {
            let fact = format!("line {line} of `{path}` adds {}", secret.told());
            let objection = Objection::line(Rule::SecretAdded, path, line, fact);
            self.add(objection, &secret.value);
        }
    }

    pub(super) fn message(&mut self, message: &CommitMessage) {
        let text: &[u8] = message.as_bstr();
        let mut by_line = BTreeMap::new();
        for view in view::views(text) {
            for (secret, at) in look_at(&view, FileType::Settings) {
                if !self.is_known(&secret.value) {
                    let line = 1 + text[..view.source(&at).start].find_iter("\n").count();
                    by_line.entry(line).or_insert(secret);
                }
            }
        }
        for (line, secret) in by_line {
            let fact = format!("line {line} of the message holds {}", secret.told());
            self.add(Objection::new(Rule::SecretAdded, fact), &secret.value);
        }
    }

    /// Whether an old version of a changed file held these bytes: what is only moved is not added.
    fn was_there(&self, bytes: &[u8]) -> bool {
        let old = self.change.files.iter().map(|file| content(&file.old));
        old.flatten().any(|content| match content {
            Content::Text(text) => text.contains_str(bytes),
            _ => false,
        })
    }

    fn is_known(&self, value: &[u8]) -> bool {
        !self.known.is_empty() && self.known.contains(&sha256(value))
    }

    fn add(&mut self, objection: Objection, value: &[u8]) {
        self.objections.push(objection);
        self.values.push(value.to_vec());
    }

    /// Takes what was found out of everything that is told, whichever rule tells it.
    pub(super) fn redact(&self, findings: &mut [Finding]) {
        for value in self.values.iter().filter(|value| !value.is_empty()) {
            for finding in findings.iter_mut() {
                let fact = without(finding.fact.as_bytes(), value);
                finding.fact = fact.to_str_lossy().into_owned();
                if let Some(Location { path, .. }) = &mut finding.location {
                    *path = RepoPath::new(without(path.as_bytes(), value));
                }
            }
        }
    }
}

/// How values are written in a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FileType {
    /// In quotes.
    Code,
    /// With quotes or without.
    Settings,
    /// By a tool: nothing is known by its neighbour.
    Made,
}

impl FileType {
    fn of(path: &RepoPath) -> FileType {
        let name = policy::fold(path.as_bytes());
        let extension = name.rsplit(|&byte| byte == b'.').next().unwrap_or(b"");
        let file_name = name.rsplit(|&byte| byte == b'/').next().unwrap_or(b"");
        if names::is_one_of(&name, LOCKFILES) || names::is_one_of(&name, GENERATED_FILES) {
            FileType::Made
        } else if file_name.starts_with(b".") || SETTINGS.contains(&extension) {
            FileType::Settings
        } else {
            FileType::Code
        }
    }
}

/// Every secret of a view, and where it stands there.
fn look_at(view: &View, kind: FileType) -> Vec<(Secret, Range<usize>)> {
    let mut suspects = providers::find(&view.text);
    if kind != FileType::Made && view.form != Form::Listed {
        suspects.extend(assigned::find(&view.text, kind == FileType::Settings));
    }
    let suspects = suspects.into_iter();
    suspects
        .map(|suspect| {
            let secret = Secret {
                kind: suspect.kind,
                form: view.form,
                value: view.text[suspect.value].to_vec(),
            };
            (secret, suspect.at)
        })
        .collect()
}

impl Secret {
    /// What may be said of it.
    fn told(&self) -> String {
        let form = match self.form {
            Form::Plain => "",
            Form::Joined | Form::Listed => ", put together from several literals",
            Form::Base64 => ", in base64",
            Form::Hex => ", in hexadecimal",
        };
        format!(
            "what looks like {} ({}){form}",
            self.kind,
            redacted(&self.value)
        )
    }
}

/// A fifth of a value, at most four characters of it, and how long it is.
fn redacted(value: &[u8]) -> String {
    let n_shown = (value.len() / 5).min(4);
    let head = shown(&value[..n_shown].to_str_lossy());
    format!("`{head}…`, {} bytes", value.len())
}

/// `text` with nothing of `value` in it but its first characters, also where the text breaks off within it.
fn without(text: &[u8], value: &[u8]) -> Vec<u8> {
    const TELLING: usize = 8;
    let head = &value[..value.len().min(TELLING)];
    let n_shown = (value.len() / 5).min(4);
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(head).filter(|_| !head.is_empty()) {
        let same = rest[at..]
            .iter()
            .zip(value)
            .take_while(|(a, b)| a == b)
            .count();
        out.extend_from_slice(&rest[..at + n_shown]);
        out.extend_from_slice("…".as_bytes());
        rest = &rest[at + same..];
    }
    out.extend_from_slice(rest);
    out
}

fn content(version: &Option<FileVersion>) -> Option<&Content> {
    version.as_ref().map(|version| &version.content)
}

fn id(version: &Option<FileVersion>) -> Option<gix::ObjectId> {
    version.as_ref().map(|version| version.id)
}

/// In hexadecimal, as `sha256sum` writes it.
fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
