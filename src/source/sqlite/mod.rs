//! Errors in a table of a SQLite file. The database groups and counts; what is pulled is one row a group.

mod columns;
mod open;
mod query;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, Statement};
use sha2::{Digest as _, Sha256};

use self::columns::{Column, Columns};
use self::query::Queries;
use super::clean::Cleaner;
use super::{Reading, Window, stack};
use crate::issue::{Fingerprint, Flag, Frame, Issue, Severity, Tally, skeleton};

/// More distinct issues than this are counted, not listed: the rarest stay out.
pub const MAX_ISSUES: usize = 10_000;

/// Reads the errors of `table` inside `window`.
///
/// `columns` maps our names (`type`, `message`, `file`, `line`, `function`, `stack`, `level`, `at`, `release`, `environment`, `user`,
/// `count`, `id`) to the table's; if it is empty they are guessed from common names, see [`Reading::columns`].
///
/// # Errors
/// [`UsageError`](crate::usage::UsageError) if file, table or a column is not there; any other error means that nothing is known.
pub fn read(
    path: &Path,
    table: &str,
    columns: &BTreeMap<String, String>,
    window: &Window,
) -> anyhow::Result<Reading> {
    let mut source = open::open(path)?;
    let columns = Columns::resolve(&source.connection, table, columns)?;
    open::restrict(&mut source.connection, &columns)?;
    let queries = Queries::new(&columns, window);
    let mut gathering = Gathering {
        cleaner: Cleaner::default(),
        issues: BTreeMap::new(),
        groups: HashMap::new(),
        n_unlisted: 0,
    };
    // One transaction: three looks at one state.
    let transaction = source.connection.transaction()?;
    let n_undated = match &queries.undated {
        Some(sql) => prepare(&transaction, sql)?.query_row([], |row| row.get::<_, i64>(0))?,
        None => 0,
    };
    each_row(&transaction, &queries.samples, |row| {
        gathering.add_sample(row)
    })?;
    each_row(&transaction, &queries.ages, |row| gathering.add_age(row))?;
    each_row(&transaction, &queries.places, |row| {
        gathering.add_places(row)
    })?;
    transaction.finish()?;
    source.verify()?;

    let issues: Vec<Issue> = gathering.issues.into_values().collect();
    Ok(Reading {
        n_events: issues.iter().map(|issue| issue.tally.n_events).sum(),
        issues,
        n_undated: n_undated.unsigned_abs(),
        n_unlisted: gathering.n_unlisted,
        rung: source.rung,
        columns: columns.mapped(),
        columns_guessed: columns.guessed,
        redactions: gathering.cleaner.redactor.counts,
    })
}

/// Everything that has been read so far, by fingerprint.
struct Gathering {
    cleaner: Cleaner,
    issues: BTreeMap<Fingerprint, Issue>,
    /// Which issue a group of the database belongs to, by the hash of its key; `None` beyond [`MAX_ISSUES`].
    groups: HashMap<[u8; 32], Option<Fingerprint>>,
    n_unlisted: u64,
}

/// Prepares a statement and makes sure that it cannot write.
fn prepare<'c>(connection: &'c Connection, sql: &str) -> anyhow::Result<Statement<'c>> {
    let statement = connection
        .prepare(sql)
        .context("prepare a query of the errors")?;
    anyhow::ensure!(statement.readonly(), "a query of the errors would write");
    Ok(statement)
}

fn each_row(
    connection: &Connection,
    sql: &str,
    mut take: impl FnMut(&Row) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut statement = prepare(connection, sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next().map_err(open::explain)? {
        take(row)?;
    }
    Ok(())
}

impl Gathering {
    /// One group with its newest event.
    fn add_sample(&mut self, row: &Row) -> anyhow::Result<()> {
        let group = Group::of(row)?;
        let message = text(row, "message")?.unwrap_or_default();
        let line = text(row, "line")?.and_then(|line| line.parse().ok());
        let n_users: Option<i64> = row.get("n_users")?;
        let at = timestamp(row.get("last")?)?;

        let mut flags = BTreeSet::new();
        let frames = group.frames(line, &mut self.cleaner, &mut flags);
        let error_type = group
            .error_type
            .as_deref()
            .map(|name| self.cleaner.name(name, &mut flags));
        let message = self.cleaner.message(trim_cut(&message), &mut flags);
        let fingerprint = Fingerprint::new(error_type.as_deref(), &frames, &message);

        let is_known = self.issues.contains_key(&fingerprint);
        if !is_known && self.issues.len() >= MAX_ISSUES {
            self.groups.insert(group.hash(), None);
            return Ok(());
        }
        let sample_event_id = text(row, "id")?.map(|id| self.cleaner.name(&id, &mut flags));
        let issue = self
            .issues
            .entry(fingerprint.clone())
            .or_insert_with(|| Issue {
                fingerprint: fingerprint.clone(),
                error_type,
                skeleton: String::new(),
                messages: Vec::new(),
                frames: Vec::new(),
                severity: None,
                tally: Tally::default(),
                users: None,
                releases: BTreeSet::new(),
                environments: BTreeSet::new(),
                flags: BTreeSet::new(),
                sample_event_id: None,
            });
        issue.flags.extend(flags);
        issue.users = issue.users.max(n_users.map(i64::unsigned_abs));
        // `last_seen` belongs to the newest sample until the ages are added, which cannot make it older.
        let is_newest = issue.messages.is_empty() || at > issue.tally.last_seen;
        if is_newest {
            issue.skeleton = skeleton(&message);
            issue.frames = frames;
            issue.sample_event_id = sample_event_id;
            issue.tally.last_seen = at;
        }
        if !issue.messages.contains(&message) {
            let place = if is_newest { 0 } else { issue.messages.len() };
            issue.messages.insert(place, message);
            issue.messages.truncate(Issue::MAX_MESSAGES);
        }
        self.groups.insert(group.hash(), Some(fingerprint));
        Ok(())
    }

    /// How many events of a group are how old.
    fn add_age(&mut self, row: &Row) -> anyhow::Result<()> {
        let n = row.get::<_, i64>("n")?.unsigned_abs();
        let age: Option<i64> = row.get("age")?;
        let first = timestamp(row.get("first")?)?;
        let last = timestamp(row.get("last")?)?;
        let Some(issue) = self.issue_of(row)? else {
            self.n_unlisted += n;
            return Ok(());
        };
        let tally = &mut issue.tally;
        tally.n_events += n;
        if let Some(age) = age {
            *tally.by_age.entry(u32::try_from(age)?).or_default() += n;
        }
        tally.first_seen = match (tally.first_seen, first) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        tally.last_seen = tally.last_seen.max(last);
        Ok(())
    }

    /// Where, in which releases and how badly a group happened.
    fn add_places(&mut self, row: &Row) -> anyhow::Result<()> {
        let mut flags = BTreeSet::new();
        let mut clean = |name| -> anyhow::Result<Option<String>> {
            let text: Option<String> = text(row, name)?.filter(|text| !text.is_empty());
            Ok(text.map(|text| self.cleaner.name(&text, &mut flags)))
        };
        let release = clean("release")?;
        let environment = clean("environment")?;
        let severity = text(row, "level")?.and_then(|level| Severity::parse(&level));
        if let Some(issue) = self.issue_of(row)? {
            issue.releases.extend(release);
            issue.environments.extend(environment);
            issue.severity = issue.severity.max(severity);
            issue.flags.extend(flags);
        }
        Ok(())
    }

    fn issue_of(&mut self, row: &Row) -> anyhow::Result<Option<&mut Issue>> {
        let group = Group::of(row)?.hash();
        let fingerprint = self.groups.get(&group);
        let fingerprint =
            fingerprint.context("the database named a group it did not name before")?;
        Ok(match fingerprint {
            Some(fingerprint) => self.issues.get_mut(fingerprint),
            None => None,
        })
    }
}

/// What the database groups by.
struct Group {
    error_type: Option<String>,
    stack: Option<String>,
    file: Option<String>,
    function: Option<String>,
    /// Only where there is neither stack nor file nor function.
    message: Option<String>,
}

impl Group {
    fn of(row: &Row) -> anyhow::Result<Group> {
        Ok(Group {
            error_type: text(row, "type")?.filter(|text| !text.is_empty()),
            stack: text(row, "stack")?,
            file: text(row, "file")?,
            function: text(row, "function")?,
            message: text(row, "message_key")?,
        })
    }

    fn hash(&self) -> [u8; 32] {
        let parts = [
            &self.error_type,
            &self.stack,
            &self.file,
            &self.function,
            &self.message,
        ];
        let mut hasher = Sha256::new();
        for part in parts {
            let length = part.as_ref().map_or(u64::MAX, |text| text.len() as u64);
            hasher.update(length.to_le_bytes());
            hasher.update(part.as_deref().unwrap_or(""));
        }
        hasher.finalize().into()
    }

    /// The frames of the stack, else the one place that the columns name.
    fn frames(
        &self,
        line: Option<u32>,
        cleaner: &mut Cleaner,
        flags: &mut BTreeSet<Flag>,
    ) -> Vec<Frame> {
        let mut frames = stack::parse(self.stack.as_deref().unwrap_or(""));
        let file = self.file.as_deref().filter(|file| !file.is_empty());
        if let (true, Some(file)) = (frames.is_empty(), file) {
            frames.push(Frame {
                file: file.to_owned(),
                line,
                function: self.function.clone(),
                in_app: stack::is_in_app(file),
            });
        }
        let start = frames.len().saturating_sub(Issue::MAX_FRAMES);
        if start > 0 {
            flags.insert(Flag::Cut);
        }
        let shown = frames.drain(start..);
        shown
            .map(|frame| Frame {
                file: cleaner.file(&frame.file, flags),
                function: frame.function.map(|name| cleaner.name(&name, flags)),
                ..frame
            })
            .collect()
    }
}

/// A column as text, whatever bytes it holds: they are a stranger's.
fn text(row: &Row, name: &str) -> anyhow::Result<Option<String>> {
    Ok(match row.get_ref(name)? {
        ValueRef::Null => None,
        ValueRef::Integer(value) => Some(value.to_string()),
        ValueRef::Real(value) => Some(value.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
    })
}

/// The message without the word that the query may have cut in two: half a secret would not be recognised.
fn trim_cut(message: &str) -> &str {
    if message.chars().count() < query::MAX_MESSAGE {
        return message;
    }
    let end = message.rfind(char::is_whitespace);
    &message[..end.unwrap_or(0)]
}

fn timestamp(seconds: Option<i64>) -> anyhow::Result<Option<Timestamp>> {
    Ok(seconds.map(Timestamp::from_second).transpose()?)
}

#[cfg(test)]
mod tests;
