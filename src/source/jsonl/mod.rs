//! Lines of JSON as loggers and OpenTelemetry write them: a file, plain or gzip, or standard input. Read once, from the beginning to the end, in
//! bounded memory; what cannot be read is counted.

mod form;
mod line;

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::hash::Hasher as _;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use flate2::bufread::MultiGzDecoder;

use self::form::Record;
use self::line::{Line, Lines};
use super::gather::Gatherer;
use super::{Checked, Filter, Place, Reading, Rung, Settings, context};
use crate::issue::Fingerprint;
use crate::usage::UsageError;

/// For a whole stream: a compressed one may be endless.
const DEADLINE: Duration = Duration::from_secs(600);
/// Distinct events that are remembered, so that the same ones are not looked at twice.
const MAX_KNOWN: usize = 100_000;
/// Distinct users of all issues together.
const MAX_USERS: usize = 500_000;

/// Reads a file of lines.
///
/// # Errors
/// [`UsageError`] if there is no such file, it is no regular one, or not one line of it is JSON.
pub fn read_file(path: &Path, settings: &Settings, filter: &Filter) -> anyhow::Result<Reading> {
    let mut file = BufReader::new(open(path)?);
    read(&mut file, settings, filter).with_context(|| format!("read `{}`", path.display()))
}

/// Reads a stream of lines.
///
/// # Errors
/// The stream fails, does not end in time, or not one line of it is JSON.
pub fn read(
    stream: &mut dyn BufRead,
    settings: &Settings,
    filter: &Filter,
) -> anyhow::Result<Reading> {
    let is_gzip = stream
        .fill_buf()
        .context("read the log")?
        .starts_with(&[0x1f, 0x8b]);
    if is_gzip {
        let mut plain = BufReader::new(MultiGzDecoder::new(stream));
        read_plain(&mut plain, settings, filter)
    } else {
        read_plain(stream, settings, filter)
    }
}

/// Says what the file is, without reading it.
///
/// # Errors
/// As [`read_file`].
pub fn check(path: &str, folder: &Path) -> anyhow::Result<Checked> {
    let mut facts = vec!["a stream cannot be written to".to_owned()];
    if path == "-" {
        facts.push("standard input".to_owned());
    } else {
        let mut file = open(&folder.join(path))?;
        let mut start = [0; 2];
        let n = file
            .read(&mut start)
            .with_context(|| format!("read `{path}`"))?;
        let is_gzip = start[..n] == [0x1f, 0x8b];
        let kind = if is_gzip { "gzip" } else { "plain" };
        facts.push(format!("{kind}, {} bytes", file.metadata()?.len()));
    }
    Ok(Checked {
        rung: Rung::Stream,
        columns: BTreeMap::new(),
        refused: Vec::new(),
        facts,
    })
}

/// Waits for nobody: a pipe in the place of the file would hold us up.
fn open(path: &Path) -> anyhow::Result<File> {
    let shown = path.display();
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path);
    let file = match file {
        Ok(file) => file,
        Err(err) if err.kind() == io::ErrorKind::NotFound => {
            return Err(UsageError::new(format!("no log at `{shown}`")).into());
        }
        Err(err) => return Err(err).with_context(|| format!("open `{shown}`")),
    };
    if !file.metadata()?.is_file() {
        return Err(UsageError::with_hint(
            format!("`{shown}` is no regular file"),
            "a stream can be read from standard input: `path: \"-\"`",
        )
        .into());
    }
    Ok(file)
}

fn read_plain(
    stream: &mut dyn BufRead,
    settings: &Settings,
    filter: &Filter,
) -> anyhow::Result<Reading> {
    let mut reader = Reader {
        gatherer: Gatherer::new(settings)?,
        filter,
        known: HashMap::new(),
        spans: HashSet::new(),
        users: HashMap::new(),
        n_users: 0,
        n_undated: 0,
        n_unlisted: 0,
    };
    let end = Instant::now() + DEADLINE;
    let (mut n_lines, mut n_broken) = (0_u64, 0);
    let mut lines = Lines::new(stream);
    while let Some(line) = lines.next().context("read the log")? {
        anyhow::ensure!(
            Instant::now() < end,
            "reading the log took longer than {} s",
            DEADLINE.as_secs()
        );
        let value = match line {
            Line::Text(bytes) if bytes.trim_ascii().is_empty() => continue,
            Line::Text(bytes) => serde_json::from_slice(bytes).ok(),
            Line::TooLong => None,
        };
        n_lines += 1;
        match value {
            Some(value) => {
                for mut record in form::records(&value) {
                    record.raw.context = context::values(&value, &settings.context);
                    reader.take(record);
                }
            }
            None => n_broken += 1,
        }
    }
    if n_lines > 0 && n_lines == n_broken {
        return Err(UsageError::new(format!("none of the {n_lines} lines is JSON")).into());
    }
    Ok(reader.finish(n_broken))
}

struct Reader<'a> {
    gatherer: Gatherer<'a>,
    filter: &'a Filter,
    /// Which issue an event belongs to, by everything that decides it.
    known: HashMap<u64, Option<Fingerprint>>,
    /// Exceptions that were seen both as a log record and as an event of their span.
    spans: HashSet<u64>,
    users: HashMap<Fingerprint, HashSet<u64>>,
    n_users: usize,
    n_undated: u64,
    n_unlisted: u64,
}

impl Reader<'_> {
    fn take(&mut self, record: Record) {
        let severity = self
            .gatherer
            .severity(record.level.as_deref(), record.severity);
        if !record.is_error(severity) {
            return;
        }
        let Some(at) = record.raw.at else {
            self.n_undated += 1;
            return;
        };
        let age = match self.filter.place(at) {
            Place::Inside(age) => age,
            Place::Outside => return,
            Place::Future => {
                self.n_undated += 1;
                return;
            }
        };
        if !self
            .filter
            .wants(record.environment.as_deref(), record.release.as_deref())
        {
            return;
        }
        if let Some(span) = &record.span {
            let key = hash_of(&(span, &record.raw.error_type));
            if self.spans.len() < MAX_KNOWN && !self.spans.insert(key) {
                return;
            }
        }
        let Some(fingerprint) = self.name(&record) else {
            self.n_unlisted += 1;
            return;
        };
        let mut flags = BTreeSet::new();
        let cleaner = &mut self.gatherer.cleaner;
        let mut clean = |text: Option<String>| {
            let text = text.filter(|text| !text.is_empty())?;
            Some(cleaner.label(&text, &mut flags))
        };
        let release = clean(record.release);
        let environment = clean(record.environment);
        let Some(issue) = self.gatherer.issues.get_mut(&fingerprint) else {
            return;
        };
        issue.flags.extend(flags);
        issue.tally.add(1, Some(age), Some(at), Some(at));
        issue.severity = issue.severity.max(severity);
        // A log can make as many of them up as it likes.
        if issue.releases.len() < MAX_NAMES {
            issue.releases.extend(release);
        }
        if issue.environments.len() < MAX_NAMES {
            issue.environments.extend(environment);
        }
        if let (Some(user), true) = (record.user, self.n_users < MAX_USERS) {
            let users = self.users.entry(fingerprint).or_default();
            self.n_users += usize::from(users.insert(hash_of(&user)));
        }
    }

    fn name(&mut self, record: &Record) -> Option<Fingerprint> {
        let raw = &record.raw;
        let frames: Vec<_> = raw
            .frames
            .iter()
            .map(|frame| (&frame.file, frame.line, &frame.function))
            .collect();
        let place = raw.place.as_ref().map(|place| (&place.file, place.line));
        let key = hash_of(&(
            &raw.error_type,
            &raw.message,
            &raw.template,
            &raw.stack,
            &frames,
            &place,
            &raw.causes,
        ));
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let fingerprint = self.gatherer.add(raw.clone());
        if self.known.len() < MAX_KNOWN {
            self.known.insert(key, fingerprint.clone());
        }
        fingerprint
    }

    fn finish(self, n_broken: u64) -> Reading {
        let mut issues = self.gatherer.issues;
        for (fingerprint, users) in self.users {
            if let Some(issue) = issues.get_mut(&fingerprint) {
                issue.users = Some(users.len() as u64);
            }
        }
        let issues: Vec<_> = issues.into_values().collect();
        Reading {
            n_events: issues.iter().map(|issue| issue.tally.n_events).sum(),
            issues,
            n_undated: self.n_undated,
            n_unlisted: self.n_unlisted,
            n_broken,
            rung: Rung::Stream,
            columns: BTreeMap::new(),
            columns_guessed: false,
            redactions: self.gatherer.cleaner.redactor.counts,
        }
    }
}

/// Of an issue: releases, environments.
const MAX_NAMES: usize = 100;

/// The same for the same value in every run.
fn hash_of(value: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
