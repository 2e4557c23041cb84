//! Errors in tables of a SQLite file. The database groups and counts; what is pulled is one row a group.

mod columns;
mod open;
mod query;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, Statement};
use sha2::{Digest as _, Sha256};

use self::columns::Columns;
use self::query::{FIELD_END, FRAME_END, Queries};
use super::gather::{Gatherer, RawEvent};
use super::stack::RawFrame;
use super::{Checked, Filter, Reading, Settings};
use crate::issue::{Fingerprint, Issue, Standing};
use crate::policy::{FramesConfig, TableConfig};

/// Reads the errors of `table` that `filter` lets through.
///
/// [`TableConfig::columns`] maps our names to the table's; if it is empty they are guessed from common names, see [`Reading::columns`].
///
/// # Errors
/// [`UsageError`](crate::usage::UsageError) if file, table or a column is not there; any other error means that nothing is known.
pub fn read(
    path: &Path,
    table: &TableConfig,
    settings: &Settings,
    filter: &Filter,
) -> anyhow::Result<Reading> {
    let mut source = open::open(path)?;
    let columns = Columns::resolve(&source.connection, table)?;
    open::restrict(&mut source.connection, &columns)?;
    let queries = Queries::new(&columns, filter);
    let mut gathering = Gathering {
        gatherer: Gatherer::new(settings)?,
        frames: columns.frames.clone(),
        groups: HashMap::new(),
        standings: HashMap::new(),
        n_unlisted: 0,
    };
    // One transaction: three looks at one state.
    let transaction = source.connection.transaction()?;
    let n_undated = match &queries.undated {
        Some(sql) => prepare(&transaction, sql)?
            .query_row([], |row| row.get::<_, i64>(0))
            .map_err(open::explain)?,
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
    gathering.settle();

    let issues: Vec<Issue> = gathering.gatherer.issues.into_values().collect();
    Ok(Reading {
        n_events: issues.iter().map(|issue| issue.tally.n_events).sum(),
        issues,
        n_undated: n_undated.unsigned_abs(),
        n_unlisted: gathering.n_unlisted,
        n_broken: 0,
        rung: source.rung,
        columns: columns.mapped(),
        columns_guessed: columns.guessed,
        redactions: gathering.gatherer.cleaner.redactor.counts,
    })
}

/// Says which columns would be read, and tries to write.
///
/// # Errors
/// As [`read`]; also where a statement that writes is not refused.
pub fn check(path: &Path, table: &TableConfig) -> anyhow::Result<Checked> {
    let mut source = open::open(path)?;
    let columns = Columns::resolve(&source.connection, table)?;
    open::restrict(&mut source.connection, &columns)?;
    let refused = open::try_to_write(&source.connection, &columns)?;
    let n_rows: i64 = prepare(&source.connection, &query::count(&columns))?
        .query_row([], |row| row.get(0))
        .map_err(open::explain)?;
    source.verify()?;
    let mut facts = vec![format!("table `{}`: {n_rows} rows", columns.table)];
    for (table, column) in columns.reads() {
        facts.push(format!("may read `{table}`.`{column}`"));
    }
    Ok(Checked {
        rung: source.rung,
        columns: columns.mapped(),
        refused,
        facts,
    })
}

/// Everything that has been read so far.
struct Gathering<'a> {
    gatherer: Gatherer<'a>,
    frames: Option<FramesConfig>,
    /// Which issue a group of the database belongs to, by the hash of its key; `None` beyond [`super::MAX_ISSUES`].
    groups: HashMap<[u8; 32], Option<Fingerprint>>,
    standings: HashMap<Fingerprint, Standing>,
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

impl Gathering<'_> {
    /// One group with its newest event.
    fn add_sample(&mut self, row: &Row) -> anyhow::Result<()> {
        let group = Group::of(row)?;
        let hash = group.hash();
        let n_users: Option<i64> = row.get("n_users")?;
        let line = text(row, "line")?.and_then(|line| line.parse().ok());
        let place = group
            .file
            .filter(|file| !file.is_empty())
            .map(|file| RawFrame {
                file,
                line,
                function: group.function,
                ..RawFrame::default()
            });
        let event = RawEvent {
            error_type: group.error_type,
            module: group.module,
            message: text(row, "message")?.unwrap_or_default(),
            template: text(row, "template")?,
            stack: group.stack.map(|stack| unescaped(&stack)),
            frames: self.frames.as_ref().map_or(Vec::new(), |config| {
                frames(group.frames.as_deref().unwrap_or(""), config)
            }),
            place,
            id: text(row, "id")?,
            at: timestamp(row.get("last")?)?,
            ..RawEvent::default()
        };
        let fingerprint = self.gatherer.add(event);
        if let Some(issue) = fingerprint
            .as_ref()
            .and_then(|name| self.gatherer.issues.get_mut(name))
        {
            issue.users = issue.users.max(n_users.map(i64::unsigned_abs));
        }
        self.groups.insert(hash, fingerprint);
        Ok(())
    }

    /// How many events of a group are how old.
    fn add_age(&mut self, row: &Row) -> anyhow::Result<()> {
        let n = row.get::<_, i64>("n")?.unsigned_abs();
        let age: Option<i64> = row.get("age")?;
        let age = age.map(u32::try_from).transpose()?;
        let first = timestamp(row.get("first")?)?;
        let last = timestamp(row.get("last")?)?;
        match self
            .fingerprint_of(row)?
            .and_then(|name| self.gatherer.issues.get_mut(&name))
        {
            Some(issue) => issue.tally.add(n, age, first, last),
            None => self.n_unlisted += n,
        }
        Ok(())
    }

    /// Where, in which releases and how badly a group happened, and what its tracker says of it.
    fn add_places(&mut self, row: &Row) -> anyhow::Result<()> {
        let Some(fingerprint) = self.fingerprint_of(row)? else {
            return Ok(());
        };
        let mut flags = BTreeSet::new();
        let mut clean = |name| -> anyhow::Result<Option<String>> {
            let text: Option<String> = text(row, name)?.filter(|text| !text.is_empty());
            Ok(text.map(|text| self.gatherer.cleaner.label(&text, &mut flags)))
        };
        let release = clean("release")?;
        let environment = clean("environment")?;
        let severity = self.gatherer.severity(text(row, "level")?.as_deref(), None);
        let standing = if is_true(text(row, "resolved")?) {
            Standing::Resolved
        } else if is_true(text(row, "muted")?) {
            Standing::Muted
        } else {
            Standing::Open
        };
        if let Some(issue) = self.gatherer.issues.get_mut(&fingerprint) {
            issue.releases.extend(release);
            issue.environments.extend(environment);
            issue.severity = issue.severity.max(severity);
            issue.flags.extend(flags);
        }
        let known = self.standings.entry(fingerprint).or_insert(standing);
        *known = standing.min(*known);
        Ok(())
    }

    fn settle(&mut self) {
        for (fingerprint, standing) in &self.standings {
            if let Some(issue) = self.gatherer.issues.get_mut(fingerprint) {
                issue.standing = *standing;
            }
        }
    }

    fn fingerprint_of(&self, row: &Row) -> anyhow::Result<Option<Fingerprint>> {
        let group = Group::of(row)?.hash();
        let fingerprint = self.groups.get(&group);
        fingerprint
            .cloned()
            .context("the database named a group it did not name before")
    }
}

/// A flag, a time or a word that says that something is so.
fn is_true(text: Option<String>) -> bool {
    let text = text.unwrap_or_default().to_lowercase();
    !matches!(
        text.as_str(),
        "" | "0" | "false" | "f" | "unresolved" | "open" | "null"
    )
}

/// What the database groups by.
struct Group {
    error_type: Option<String>,
    module: Option<String>,
    stack: Option<String>,
    frames: Option<String>,
    file: Option<String>,
    function: Option<String>,
    /// Only where there is neither stack nor file nor function.
    message: Option<String>,
}

impl Group {
    fn of(row: &Row) -> anyhow::Result<Group> {
        Ok(Group {
            error_type: text(row, "type")?.filter(|text| !text.is_empty()),
            module: text(row, "module")?,
            stack: text(row, "stack")?,
            frames: text(row, "frames")?,
            file: text(row, "file")?,
            function: text(row, "function")?,
            message: text(row, "message_key")?,
        })
    }

    fn hash(&self) -> [u8; 32] {
        let parts = [
            &self.error_type,
            &self.module,
            &self.stack,
            &self.frames,
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
}

/// The frames that a query put into one text, the innermost last.
fn frames(text: &str, config: &FramesConfig) -> Vec<RawFrame> {
    let has_applications = config.members.contains_key("application");
    let frames = text.split([FRAME_END, '\n']).filter_map(|frame| {
        let mut fields = frame.split(FIELD_END);
        let mut next = || fields.next().map(str::to_owned);
        let (file, line, function, application, in_app) =
            (next()?, next()?, next()?, next()?, next()?);
        Some(RawFrame {
            file: if file.is_empty() {
                "<unknown>".to_owned()
            } else {
                file
            },
            line: line.parse().ok(),
            function: (!function.is_empty()).then_some(function),
            application: has_applications.then_some(application),
            in_app: match in_app.as_str() {
                "1" => Some(true),
                "0" => Some(false),
                _ => None,
            },
        })
    });
    let mut frames: Vec<RawFrame> = frames.collect();
    if config.crash_first {
        frames.reverse();
    }
    frames
}

/// Text out of XML, where it is.
fn unescaped(text: &str) -> String {
    if !text.contains("&#x") && !text.contains("&#1") && !text.contains("&lt;") {
        return text.to_owned();
    }
    let pairs = [
        ("&#xD;", ""),
        ("&#xA;", "\n"),
        ("&#13;", ""),
        ("&#10;", "\n"),
        ("&#x9;", "\t"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&amp;", "&"),
    ];
    pairs
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
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

fn timestamp(seconds: Option<i64>) -> anyhow::Result<Option<Timestamp>> {
    Ok(seconds.map(Timestamp::from_second).transpose()?)
}

#[cfg(test)]
mod tests;
