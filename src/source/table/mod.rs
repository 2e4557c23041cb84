//! Errors in the tables of a database, whichever it is. The database groups and counts; what is pulled are counts, and one event a group.

pub mod columns;

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use jiff::Timestamp;

use self::columns::Columns;
use super::gather::{Gatherer, RawEvent};
use super::stack::RawFrame;
use super::{Filter, MAX_ISSUES, Reading, Rung, Settings};
use crate::issue::{Issue, Standing, Tally};
use crate::policy::FramesConfig;

/// More groups of the database than this are counted together. Several of them are often one issue.
pub const MAX_GROUPS: usize = 10 * MAX_ISSUES;

/// In characters. Of a longer stack the middle goes: the crash is at one of its ends.
pub const MAX_STACK: usize = 20_000;
pub const MAX_NAME: usize = 400;
/// Of a level, and of what says that an error is resolved or muted.
pub const MAX_WORD: usize = 40;

/// Between the fields of a frame, and between frames: no text of a program has them.
pub const FIELD_END: char = '\u{1f}';
pub const FRAME_END: char = '\u{1e}';
/// What each frame has, in this order.
pub const FRAME_FIELDS: [&str; 5] = ["file", "line", "function", "application", "in_app"];

/// How often a group happened in one hour at one place.
#[derive(Debug, Default)]
pub struct Cell<K> {
    /// Tells two groups of a reading apart.
    pub key: K,
    pub n: u64,
    /// In full hours.
    pub age: Option<i64>,
    pub first: Option<i64>,
    pub last: Option<i64>,
    /// The newest event: its second, its id, and at the end, after [`FIELD_END`], how the database finds it again. Ordered as text.
    pub newest: String,
    pub release: Option<String>,
    pub environment: Option<String>,
    pub level: Option<String>,
    pub muted: Option<String>,
    pub resolved: Option<String>,
}

/// The event that speaks for a group.
#[derive(Debug, Default)]
pub struct Sample {
    pub error_type: Option<String>,
    pub module: Option<String>,
    pub message: Option<String>,
    pub template: Option<String>,
    pub stack: Option<String>,
    pub frames: Option<String>,
    pub file: Option<String>,
    pub function: Option<String>,
    pub line: Option<String>,
    pub id: Option<String>,
}

/// Everything that was counted so far, by group.
pub struct Counts<K> {
    groups: HashMap<K, Group>,
    n_unlisted: u64,
}

#[derive(Default)]
struct Group {
    tally: Tally,
    newest: String,
    n_users: Option<u64>,
    releases: BTreeSet<String>,
    environments: BTreeSet<String>,
    levels: BTreeSet<String>,
    standing: Option<Standing>,
}

/// A group whose event is still to be read.
pub struct Chosen<K> {
    pub key: K,
    /// How the database finds the event again.
    pub pointer: String,
}

impl<K: Copy + Eq + Hash + Ord> Counts<K> {
    pub fn new() -> Counts<K> {
        Counts {
            groups: HashMap::new(),
            n_unlisted: 0,
        }
    }

    /// # Errors
    /// A time that is none.
    pub fn add(&mut self, cell: Cell<K>) -> anyhow::Result<()> {
        if self.groups.len() >= MAX_GROUPS && !self.groups.contains_key(&cell.key) {
            self.n_unlisted += cell.n;
            return Ok(());
        }
        let age = cell.age.map(u32::try_from).transpose()?;
        let (first, last) = (timestamp(cell.first)?, timestamp(cell.last)?);
        let group = self.groups.entry(cell.key).or_default();
        group.tally.add(cell.n, age, first, last);
        if cell.newest > group.newest {
            group.newest = cell.newest;
        }
        let standing = if is_true(cell.resolved) {
            Standing::Resolved
        } else if is_true(cell.muted) {
            Standing::Muted
        } else {
            Standing::Open
        };
        group.standing = Some(group.standing.map_or(standing, |known| known.min(standing)));
        let is_there = |text: &String| !text.is_empty();
        group.releases.extend(cell.release.filter(is_there));
        group.environments.extend(cell.environment.filter(is_there));
        group.levels.extend(cell.level.filter(is_there));
        Ok(())
    }

    pub fn add_users(&mut self, key: K, n_users: u64) {
        if let Some(group) = self.groups.get_mut(&key) {
            group.n_users = Some(n_users);
        }
    }

    /// The events of this group are in no issue.
    pub fn leave_out(&mut self, key: K) {
        if let Some(group) = self.groups.remove(&key) {
            self.n_unlisted += group.tally.n_events;
        }
    }

    /// Every group, the most frequent first, and of those the one that happened last.
    pub fn chosen(&self) -> Vec<Chosen<K>> {
        let mut groups: Vec<(&K, &Group)> = self.groups.iter().collect();
        groups.sort_by(|(one_key, one), (other_key, other)| {
            let frequency = other.tally.n_events.cmp(&one.tally.n_events);
            let newest = other.newest.cmp(&one.newest);
            frequency.then(newest).then(one_key.cmp(other_key))
        });
        let chosen = groups.into_iter().map(|(key, group)| Chosen {
            key: *key,
            pointer: pointer(&group.newest).to_owned(),
        });
        chosen.collect()
    }
}

/// Groups that become issues.
pub struct Settling<'a, K> {
    counts: Counts<K>,
    gatherer: Gatherer<'a>,
    frames: Option<FramesConfig>,
}

impl<'a, K: Copy + Eq + Hash + Ord> Settling<'a, K> {
    pub fn new(
        counts: Counts<K>,
        settings: &'a Settings,
        columns: &Columns,
    ) -> anyhow::Result<Settling<'a, K>> {
        Ok(Settling {
            counts,
            gatherer: Gatherer::new(settings)?,
            frames: columns.frames.clone(),
        })
    }

    /// The group of `key` happened as `sample` did. Each is to be added once, in the order of [`Counts::chosen`].
    ///
    /// # Errors
    /// A time that is none.
    pub fn add(&mut self, key: K, sample: Sample) -> anyhow::Result<()> {
        let Some(group) = self.counts.groups.remove(&key) else {
            anyhow::bail!("the database named a group that it did not count");
        };
        let event = sample.event(self.frames.as_ref(), group.tally.last_seen);
        let Some(fingerprint) = self.gatherer.add(event) else {
            self.counts.n_unlisted += group.tally.n_events;
            return Ok(());
        };
        let mut flags = BTreeSet::new();
        let cleaner = &mut self.gatherer.cleaner;
        let mut labels = |texts: &BTreeSet<String>| -> Vec<String> {
            let labels = texts.iter().map(|text| cleaner.label(text, &mut flags));
            labels.collect()
        };
        let releases = labels(&group.releases);
        let environments = labels(&group.environments);
        let levels = group.levels.iter();
        let severity = levels
            .filter_map(|level| self.gatherer.severity(Some(level), None))
            .max();
        let Some(issue) = self.gatherer.issues.get_mut(&fingerprint) else {
            anyhow::bail!("an issue is gone");
        };
        // The first group has already lent its time to the issue; of the others the most alive counts.
        issue.standing = match (issue.tally.n_events, group.standing) {
            (0, standing) => standing.unwrap_or_default(),
            (_, standing) => issue.standing.min(standing.unwrap_or_default()),
        };
        issue.tally.absorb(group.tally);
        issue.users = issue.users.max(group.n_users);
        issue.severity = issue.severity.max(severity);
        issue.releases.extend(releases);
        issue.environments.extend(environments);
        issue.flags.extend(flags);
        Ok(())
    }

    /// # Errors
    /// The event of a group was not read.
    pub fn finish(self, columns: &Columns, n_undated: u64, rung: Rung) -> anyhow::Result<Reading> {
        anyhow::ensure!(
            self.counts.groups.is_empty(),
            "the database no longer has the events that it counted"
        );
        let issues: Vec<Issue> = self.gatherer.issues.into_values().collect();
        Ok(Reading {
            n_events: issues.iter().map(|issue| issue.tally.n_events).sum(),
            issues,
            n_undated,
            n_unlisted: self.counts.n_unlisted,
            n_broken: 0,
            rung,
            columns: columns.mapped(),
            columns_guessed: columns.guessed,
            redactions: self.gatherer.cleaner.redactor.counts,
        })
    }
}

/// What follows the last [`FIELD_END`].
pub fn pointer(newest: &str) -> &str {
    newest.rsplit(FIELD_END).next().unwrap_or("")
}

/// The seconds that a reading looks at: later than the first, up to the second; what is later than the third is from the future.
pub fn seconds(filter: &Filter) -> (i64, i64, i64) {
    let latest = filter.now.as_second() + Filter::MAX_SKEW;
    let until = filter.window.until.as_second() + filter.lead;
    (filter.window.from.as_second(), until.min(latest), latest)
}

impl Sample {
    fn event(self, config: Option<&FramesConfig>, at: Option<Timestamp>) -> RawEvent {
        let line = self.line.and_then(|line| line.parse().ok());
        let place = self
            .file
            .filter(|file| !file.is_empty())
            .map(|file| RawFrame {
                file,
                line,
                function: self.function,
                ..RawFrame::default()
            });
        RawEvent {
            error_type: self.error_type.filter(|name| !name.is_empty()),
            module: self.module,
            message: self.message.unwrap_or_default(),
            template: self.template,
            stack: self.stack.map(|stack| unescaped(&stack)),
            frames: config.map_or(Vec::new(), |config| {
                frames(self.frames.as_deref().unwrap_or(""), config)
            }),
            place,
            id: self.id,
            at,
            ..RawEvent::default()
        }
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
                "1" | "true" => Some(true),
                "0" | "false" => Some(false),
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

fn timestamp(seconds: Option<i64>) -> anyhow::Result<Option<Timestamp>> {
    Ok(seconds.map(Timestamp::from_second).transpose()?)
}
