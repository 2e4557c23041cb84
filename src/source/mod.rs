//! Where production errors live, read only. What leaves this module is redacted and harmless to print.

mod clean;
mod context;
mod gather;
mod http;
pub mod jsonl;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod publisher;
mod redact;
pub mod sample;
mod secret;
pub mod sentry;
pub mod sqlite;
mod stack;
mod table;
mod time;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use jiff::{SignedDuration, Timestamp};
use regex::Regex;

use crate::issue::{Grouping, Issue, Severity};
use crate::policy::{SourceConfig, SourceKind, TriagePolicy};

/// More distinct issues than this are counted, not listed: the rarest stay out.
pub const MAX_ISSUES: usize = 10_000;

/// What one source said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// In no particular order; `triage` ranks.
    pub issues: Vec<Issue>,
    /// Events of all issues inside the window.
    pub n_events: u64,
    /// Events that are in no issue: without a time that can be read, or from the future.
    pub n_undated: u64,
    /// Events of the rarest issues beyond [`MAX_ISSUES`].
    pub n_unlisted: u64,
    /// Records that cannot be read: broken lines, lines that are too long, events that a server no longer has.
    pub n_broken: u64,
    pub rung: Rung,
    /// Our names and the columns that they were read from.
    pub columns: BTreeMap<&'static str, String>,
    /// Whether the columns were guessed by their names.
    pub columns_guessed: bool,
    /// What was taken out, by kind.
    pub redactions: BTreeMap<String, u64>,
}

/// How the source was kept from being written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// The file itself was opened read only.
    ReadOnly,
    /// A private copy was read: opening the file itself would have left files beside it.
    Snapshot,
    /// Read from the beginning to the end, as a stream.
    Stream,
    /// Asked a server, with nothing but `GET`.
    Get,
    /// A read-only transaction of a role that cannot write.
    Reader,
    /// A read-only transaction of a role that could write, which the policy allows by name.
    Writer,
}

/// The time that is read, up to and with `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub from: Timestamp,
    pub until: Timestamp,
}

/// Which events count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    pub window: Window,
    /// What is later is from the future.
    pub now: Timestamp,
    /// In seconds: events may be this much later than the end of the window.
    pub lead: i64,
    /// Empty for all.
    pub environments: Vec<String>,
    /// Empty for all.
    pub releases: Vec<String>,
}

/// What a source would read, and proof that it cannot write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    pub rung: Rung,
    pub columns: BTreeMap<&'static str, String>,
    /// What was tried so that it fails, and what was said.
    pub refused: Vec<(String, String)>,
    /// Facts worth knowing: rows, lines, the server's answer.
    pub facts: Vec<String>,
}

/// What a policy says of a source, ready for use.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    rules: stack::Rules,
    levels: BTreeMap<String, Severity>,
    redact: BTreeMap<String, String>,
    grouping: Grouping,
    /// Values beside an error that are read.
    context: Vec<String>,
}

/// Reads a source. `folder` is where its relative path begins.
///
/// # Errors
/// [`UsageError`](crate::usage::UsageError) if what the policy names is not there; any other error means that nothing is known.
pub fn read(
    source: &SourceConfig,
    triage: &TriagePolicy,
    folder: &Path,
    filter: &Filter,
) -> anyhow::Result<Reading> {
    let settings = Settings {
        grouping: triage.grouping.clone(),
        context: triage.context.clone(),
        ..Settings::of(source)?
    };
    match &source.kind {
        SourceKind::Sqlite { path, table } => {
            sqlite::read(&folder.join(path), table, &settings, filter)
        }
        #[cfg(feature = "postgres")]
        SourceKind::Postgres { server, table } => {
            postgres::read(server, table, folder, &settings, filter)
        }
        #[cfg(not(feature = "postgres"))]
        SourceKind::Postgres { .. } => Err(without_postgres()),
        SourceKind::Jsonl { path } if path == "-" => {
            jsonl::read(&mut std::io::stdin().lock(), &settings, filter)
        }
        SourceKind::Jsonl { path } => jsonl::read_file(&folder.join(path), &settings, filter),
        SourceKind::Sentry(server) => sentry::read(server, folder, &settings, filter),
    }
}

/// Says what a source would read, without reading it, and tries whether it can be written to.
///
/// # Errors
/// As [`read`]; also where something could be written.
pub fn check(source: &SourceConfig, folder: &Path) -> anyhow::Result<Checked> {
    let settings = Settings::of(source)?;
    match &source.kind {
        SourceKind::Sqlite { path, table } => sqlite::check(&folder.join(path), table),
        #[cfg(feature = "postgres")]
        SourceKind::Postgres { server, table } => postgres::check(server, table, folder),
        #[cfg(not(feature = "postgres"))]
        SourceKind::Postgres { .. } => Err(without_postgres()),
        SourceKind::Jsonl { path } => jsonl::check(path, folder),
        SourceKind::Sentry(server) => sentry::check(server, folder, &settings),
    }
}

/// The word of the policy for a kind.
pub fn kind_of(source: &SourceConfig) -> &'static str {
    match source.kind {
        SourceKind::Sqlite { .. } => "sqlite",
        SourceKind::Postgres { .. } => "postgres",
        SourceKind::Jsonl { .. } => "jsonl",
        SourceKind::Sentry(_) => "sentry",
    }
}

#[cfg(not(feature = "postgres"))]
fn without_postgres() -> anyhow::Error {
    crate::usage::UsageError::with_hint(
        "this koan-guard was built without PostgreSQL",
        "build it with `--features postgres`, which is the default",
    )
    .into()
}

impl Settings {
    /// # Errors
    /// A glob or a pattern does not compile; policies are checked before.
    pub fn of(source: &SourceConfig) -> anyhow::Result<Settings> {
        let stack = &source.stack;
        let mut roots: Vec<&String> = stack.roots.iter().collect();
        roots.sort_by_key(|root| std::cmp::Reverse(root.len()));
        let roots = roots.into_iter().map(|root| root_pattern(root));
        Ok(Settings {
            rules: stack::Rules {
                roots: roots.collect::<Result<_, _>>()?,
                in_app: globs(&stack.in_app)?,
                not_in_app: globs(&stack.not_in_app)?,
                applications: stack.applications.clone(),
            },
            levels: source.levels.clone(),
            redact: source.redact.clone(),
            grouping: Grouping::default(),
            context: Vec::new(),
        })
    }
}

fn globs(globs: &[String]) -> anyhow::Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(GlobBuilder::new(glob).build()?);
    }
    Ok(set.build()?)
}

/// A glob at the beginning of a path.
fn root_pattern(glob: &str) -> Result<Regex, regex::Error> {
    let folder = format!("{}/", glob.trim_end_matches('/'));
    let mut pattern = regex::escape(&folder);
    for (glob, part) in [(r"\*\*", ".*"), (r"\*", "[^/]*"), (r"\?", "[^/]")] {
        pattern = pattern.replace(glob, part);
    }
    Regex::new(&format!("^{pattern}"))
}

impl Window {
    /// The `days` before `now`.
    ///
    /// # Errors
    /// The window would begin before time does.
    pub fn days_before(now: Timestamp, days: u32) -> anyhow::Result<Window> {
        let length = SignedDuration::from_hours(24 * i64::from(days));
        Ok(Window {
            from: now.checked_sub(length)?,
            until: now,
        })
    }

    pub fn n_days(&self) -> f64 {
        self.until.duration_since(self.from).as_secs_f64() / 86_400.0
    }
}

impl Filter {
    /// Everything that happened in `window`, which ends now.
    pub fn all(window: Window) -> Filter {
        Filter {
            window,
            now: window.until,
            lead: Filter::MAX_SKEW,
            environments: Vec::new(),
            releases: Vec::new(),
        }
    }

    /// In seconds: events may be this much ahead of our clock.
    pub const MAX_SKEW: i64 = 300;

    /// Full hours before the end of the window, of a time inside it; where it is, otherwise.
    fn place(&self, at: Timestamp) -> Place {
        let (at, from, until) = (
            at.as_second(),
            self.window.from.as_second(),
            self.window.until.as_second(),
        );
        if at > self.now.as_second() + Filter::MAX_SKEW {
            Place::Future
        } else if at <= from || at > until + self.lead {
            Place::Outside
        } else {
            let hours = (until - at).max(0) / 3_600;
            Place::Inside(u32::try_from(hours).unwrap_or(u32::MAX))
        }
    }

    fn wants(&self, environment: Option<&str>, release: Option<&str>) -> bool {
        let is_in = |wanted: &[String], value: Option<&str>| {
            wanted.is_empty() || value.is_some_and(|value| wanted.iter().any(|one| one == value))
        };
        is_in(&self.environments, environment) && is_in(&self.releases, release)
    }
}

/// Where a time stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Inside(u32),
    Outside,
    Future,
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rung::ReadOnly => "opened read only",
            Rung::Snapshot => "private snapshot",
            Rung::Stream => "read as a stream",
            Rung::Get => "asked with GET alone",
            Rung::Reader => "read-only transaction of a role that cannot write",
            Rung::Writer => "read-only transaction of a role that could write, allowed by name",
        })
    }
}

#[cfg(test)]
mod leaks;
