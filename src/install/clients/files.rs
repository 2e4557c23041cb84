//! Files that are added to and taken from, in memory first.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::settings::{self, Content, Settings};
use super::splice::{self, Addition, Found};
use super::{Change, Client, Written};
use crate::usage::UsageError;

/// What will be done to one file.
pub(super) struct Outcome {
    pub written: Written,
    change: Change,
    /// The whole new text; `None` for no file.
    text: Option<String>,
}

/// What is there, and what is known of it.
struct File<'a> {
    path: &'a str,
    text: Option<String>,
    record: Option<&'a Written>,
}

impl<'a> File<'a> {
    fn read(top: &Path, path: &'a str, record: Option<&'a Written>) -> anyhow::Result<File<'a>> {
        let text = match fs::read(top.join(path)) {
            Ok(bytes) => Some(String::from_utf8(bytes).map_err(|_| {
                UsageError::with_hint(format!("`{path}` is not UTF-8"), "move it away, or mend it")
            })?),
            Err(err) if matches!(err.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                None
            }
            Err(err) => return Err(err).with_context(|| format!("read `{path}`")),
        };
        Ok(File { path, text, record })
    }

    /// The file as it will be, and the record of it.
    fn becomes(
        self,
        top: &Path,
        client: Option<Client>,
        text: String,
        inserted: Vec<String>,
        change: Change,
    ) -> Outcome {
        let is_created = self.text.is_none() || self.record.is_some_and(|old| old.is_created);
        let made_dirs = match (&self.text, self.record) {
            (_, Some(old)) => old.made_dirs.clone(),
            (None, None) => missing_dirs(top, self.path),
            (Some(_), None) => Vec::new(),
        };
        Outcome {
            written: Written {
                path: self.path.to_owned(),
                client,
                is_created,
                inserted,
                made_dirs,
            },
            change,
            text: Some(text),
        }
    }
}

/// Adds to a client's settings.
pub(super) fn settings(
    top: &Path,
    client: Client,
    settings: &Settings,
    record: Option<&Written>,
) -> anyhow::Result<Outcome> {
    let file = File::read(top, &settings.path, record)?;
    if client == Client::Opencode && top.join("opencode.jsonc").exists() {
        return Err(by_hand("opencode.jsonc", &settings.content, "it may hold comments").into());
    }
    match &settings.content {
        Content::Json(additions) => json(top, client, file, additions, &settings.content),
        Content::Line { key, line } => yaml(top, client, file, key, line, &settings.content),
    }
}

fn json(
    top: &Path,
    client: Client,
    file: File,
    additions: &[(Vec<&'static str>, Addition)],
    content: &Content,
) -> anyhow::Result<Outcome> {
    let is_empty = file.text.as_ref().is_none_or(|text| text.trim().is_empty());
    let mut text = match &file.text {
        Some(text) if !is_empty => text.clone(),
        _ => "{}\n".to_owned(),
    };
    let mut inserted = Vec::new();
    let mut change = Change::Unchanged;
    for (place, addition) in additions {
        loop {
            let found = splice::look(&text, place, addition, settings::is_ours);
            match found.map_err(|err| by_hand(file.path, content, &format!("{err:#}")))? {
                Found::Same => break,
                Found::Older(range) => {
                    let range = splice::with_comma(&text, range);
                    text.replace_range(range, "");
                    change = Change::Renewed;
                }
                Found::Missing(at, new) => {
                    text.insert_str(at, &new);
                    inserted.push(new);
                    if change == Change::Unchanged {
                        change = match file.text {
                            None => Change::Written,
                            Some(_) => Change::Extended,
                        };
                    }
                    break;
                }
            }
        }
    }
    if change == Change::Unchanged {
        inserted = file
            .record
            .map(|old| old.inserted.clone())
            .unwrap_or_default();
    }
    Ok(file.becomes(top, Some(client), text, inserted, change))
}

/// A line at the top level of a YAML file, appended as text so that comments stay.
fn yaml(
    top: &Path,
    client: Client,
    file: File,
    key: &str,
    line: &str,
    content: &Content,
) -> anyhow::Result<Outcome> {
    let text = file.text.clone().unwrap_or_default();
    if let Some(there) = top_level(&text, key) {
        if there == line {
            let inserted = file.record.map(|old| old.inserted.clone());
            return Ok(file.becomes(
                top,
                Some(client),
                text,
                inserted.unwrap_or_default(),
                Change::Unchanged,
            ));
        }
        return Err(by_hand(file.path, content, &format!("`{there}` stands there")).into());
    }
    // What is no plain list of keys cannot be added to by a line at its end.
    let is_plain = text.lines().all(|line| {
        let is_key = line.starts_with(|char: char| char.is_ascii_alphabetic() || char == '"');
        line.trim().is_empty()
            || line.starts_with(['#', ' ', '\t', '-'])
            || (is_key && line.contains(':'))
    });
    let is_many = text
        .lines()
        .any(|line| line.starts_with("---") || line.starts_with("..."));
    if !is_plain || is_many {
        return Err(by_hand(file.path, content, "it is no plain list of keys").into());
    }
    let break_before = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    let new = format!("{break_before}{line}\n");
    let change = match file.text {
        None => Change::Written,
        Some(_) => Change::Extended,
    };
    let text = text + &new;
    Ok(file.becomes(top, Some(client), text, vec![new], change))
}

fn top_level<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let names = [key.to_owned(), format!("\"{key}\""), format!("'{key}'")];
    let mut lines = text.lines().map(str::trim_end);
    lines.find(|line| {
        let name = line.split(':').next().unwrap_or_default().trim_end();
        line.contains(':') && names.iter().any(|it| it == name)
    })
}

/// Writes a file of our own; somebody else's is left alone.
pub(super) fn whole(
    top: &Path,
    path: &str,
    new: &str,
    record: Option<&Written>,
) -> anyhow::Result<Outcome> {
    let file = File::read(top, path, record)?;
    let was_ours = |text: &String| record.is_some_and(|old| old.inserted.first() == Some(text));
    let change = match &file.text {
        None => Change::Written,
        Some(text) if text == new => Change::Unchanged,
        Some(text) if was_ours(text) => Change::Renewed,
        Some(_) => {
            return Err(UsageError::with_hint(
                format!("`{path}` is there already, and koan-guard did not write it as it is"),
                "move it away, or keep it and take out what you do not want afterwards",
            )
            .into());
        }
    };
    Ok(file.becomes(top, None, new.to_owned(), vec![new.to_owned()], change))
}

/// Puts a paragraph between its marks at the end of a text.
pub(super) fn paragraph(
    top: &Path,
    path: &str,
    paragraph: &str,
    record: Option<&Written>,
) -> anyhow::Result<Outcome> {
    let file = File::read(top, path, record)?;
    let text = file.text.clone().unwrap_or_default();
    let (change, text, inserted) = match between_marks(&text, paragraph) {
        Some(range) if text[range.clone()] == *paragraph => {
            let inserted = file.record.map(|old| old.inserted.clone());
            (Change::Unchanged, text, inserted.unwrap_or_default())
        }
        Some(range) => {
            let mut text = text;
            text.replace_range(range, paragraph);
            (Change::Renewed, text, vec![paragraph.to_owned()])
        }
        None => {
            let gap = match &text {
                text if text.is_empty() => "",
                text if text.ends_with("\n\n") => "",
                text if text.ends_with('\n') => "\n",
                _ => "\n\n",
            };
            let new = format!("{gap}{paragraph}");
            let change = match file.text {
                None => Change::Written,
                Some(_) => Change::Extended,
            };
            (change, text + &new, vec![new])
        }
    };
    Ok(file.becomes(top, None, text, inserted, change))
}

/// The bytes from the first line of `paragraph` to its last, as they stand in `text`.
fn between_marks(text: &str, paragraph: &str) -> Option<std::ops::Range<usize>> {
    let (begin, end) = (paragraph.lines().next()?, paragraph.lines().last()?);
    let start = text.find(begin)?;
    let stop = start + text[start..].find(end)? + end.len();
    let stop = stop + usize::from(text[stop..].starts_with('\n'));
    Some(start..stop)
}

/// Takes a client's entries out of its settings; `None` where there are none.
pub(super) fn without_settings(
    top: &Path,
    client: Client,
    settings: &Settings,
    record: Option<&Written>,
) -> anyhow::Result<Option<Outcome>> {
    if let Some(outcome) = without(top, &settings.path, record)? {
        if outcome.change != Change::Left {
            return Ok(Some(outcome));
        }
    } else if record.is_some() {
        return Ok(None);
    }
    // Not as it was written, or written elsewhere: what is ours is known by what it says.
    let file = File::read(top, &settings.path, record)?;
    let Some(mut text) = file.text.clone() else {
        return Ok(None);
    };
    let before = text.clone();
    match &settings.content {
        Content::Json(additions) => {
            for (place, addition) in additions {
                if *addition == Addition::Member("version", 1.into()) {
                    continue;
                }
                let ranges = splice::ours(&text, place, addition, settings::is_ours);
                let ranges = ranges
                    .map_err(|err| by_hand(file.path, &settings.content, &format!("{err:#}")))?;
                for range in ranges {
                    let range = splice::with_comma(&text, range);
                    text.replace_range(range, "");
                }
            }
        }
        Content::Line { line, .. } => {
            text = text
                .split_inclusive('\n')
                .filter(|there| there.trim_end() != *line)
                .collect();
        }
    }
    let is_same = text == before;
    Ok((!is_same).then(|| file.becomes(top, Some(client), text, Vec::new(), Change::TakenOut)))
}

/// Takes out what the record says; a file that holds nothing else goes. `None` where there is no record or no file.
pub(super) fn without(
    top: &Path,
    path: &str,
    record: Option<&Written>,
) -> anyhow::Result<Option<Outcome>> {
    let file = File::read(top, path, record)?;
    let (Some(record), Some(text)) = (record, file.text) else {
        return Ok(None);
    };
    let mut left = text;
    for inserted in record.inserted.iter().rev() {
        if inserted.is_empty() || left.matches(inserted.as_str()).count() != 1 {
            return Ok(Some(Outcome {
                written: record.clone(),
                change: Change::Left,
                text: Some(left),
            }));
        }
        left = left.replacen(inserted.as_str(), "", 1);
    }
    let is_nothing = ["", "{}"].contains(&left.trim());
    let goes = record.is_created && is_nothing;
    Ok(Some(Outcome {
        written: record.clone(),
        change: if goes {
            Change::Removed
        } else {
            Change::TakenOut
        },
        text: (!goes).then_some(left),
    }))
}

impl Outcome {
    pub fn told(self) -> (String, Change) {
        (self.written.path, self.change)
    }

    pub fn write(&self, top: &Path) -> anyhow::Result<()> {
        let path = top.join(&self.written.path);
        let done = match (&self.change, &self.text) {
            (Change::Unchanged | Change::Left, _) => Ok(()),
            (_, Some(text)) => write(&path, text),
            (_, None) => fs::remove_file(&path).map_err(Into::into),
        };
        done.with_context(|| format!("write `{}`", self.written.path))?;
        if self.text.is_none() {
            for dir in &self.written.made_dirs {
                // Not empty: somebody else's files are there now.
                match fs::remove_dir(top.join(dir)) {
                    Err(err)
                        if !matches!(
                            err.kind(),
                            ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty
                        ) =>
                    {
                        return Err(err).with_context(|| format!("remove folder `{dir}`"));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

/// Replaces a file at once, behind a link where it is one, and keeps its mode.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().context("find its folder")?;
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    let mode = match fs::metadata(&path) {
        Ok(meta) => meta.permissions(),
        Err(_) => std::os::unix::fs::PermissionsExt::from_mode(0o644),
    };
    file.as_file().set_permissions(mode)?;
    file.persist(&path)?;
    Ok(())
}

/// Folders that have to be made for a file, the innermost first.
fn missing_dirs(top: &Path, path: &str) -> Vec<String> {
    let folders = Path::new(path).ancestors().skip(1);
    let missing = folders.filter(|folder| *folder != Path::new("") && !top.join(folder).exists());
    missing
        .map(PathBuf::from)
        .filter_map(|folder| folder.into_os_string().into_string().ok())
        .collect()
}

/// The refusal of a file that cannot be added to, with what to put in.
fn by_hand(path: &str, content: &Content, why: &str) -> UsageError {
    let snippet = match content {
        Content::Line { line, .. } => (*line).to_owned(),
        Content::Json(additions) => {
            let mut text = "{}".to_owned();
            for (place, addition) in additions {
                if let Ok(Found::Missing(at, new)) = splice::look(&text, place, addition, |_| false)
                {
                    text.insert_str(at, &new);
                }
            }
            text
        }
    };
    UsageError::with_hint(
        format!("`{path}` cannot be added to safely: {why}"),
        format!("add this to it by hand:\n{snippet}"),
    )
}
