//! Reads recent errors from the configured sources into a ranked digest. Nothing is written to them.

mod cursors;
mod fixes;
mod recurrences;
mod releases;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;

pub use recurrences::{Past, recurrences};
pub use releases::Releases;

use crate::change::RepoPath;
use crate::git::Repo;
use crate::issue::{Fingerprint, Issue};
use crate::policy::{Policy, SourceConfig, TriagePolicy};
use crate::source::{self, Checked, Filter, Rung, Window};
use crate::tracker;
use crate::triage::{self, Incident, Ranked, Scene};
use crate::usage::UsageError;

/// How far back a digest looks.
pub const WINDOW_DAYS: u32 = 14;

/// The errors of a time, the most pressing first. The same sources, commit and `now` give the same digest.
#[derive(Clone, Debug, PartialEq)]
pub struct Digest {
    pub window: Window,
    pub sources: Vec<SourceReport>,
    pub ranked: Vec<Ranked>,
    /// Bursts that one cause explains.
    pub incidents: Vec<Incident>,
}

/// What of the errors is asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Ages are judged as of this time.
    pub now: Timestamp,
    /// By default [`WINDOW_DAYS`] before the end.
    pub since: Option<Timestamp>,
    /// By default now.
    pub until: Option<Timestamp>,
    pub environments: Vec<String>,
    pub releases: Vec<String>,
    /// Only what no earlier run of this kind has read.
    pub only_new: bool,
}

/// What was read where, without the issues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceReport {
    pub name: String,
    pub kind: &'static str,
    pub rung: Rung,
    pub n_events: u64,
    pub n_undated: u64,
    pub n_unlisted: u64,
    pub n_broken: u64,
    pub columns: BTreeMap<&'static str, String>,
    pub columns_guessed: bool,
    pub redactions: BTreeMap<String, u64>,
}

/// Reads every source that the policy names and ranks what it finds against the tree of `HEAD`.
///
/// # Errors
/// [`UsageError`] if the policy names no source, or one that is not there. One source that cannot be read spoils the digest: a part of the
/// errors would look like all of them.
pub fn digest(repo: &Repo, policy: &Policy, asked: &Asked) -> anyhow::Result<Digest> {
    let read = read(repo, policy, asked)?;
    let pasts = pasts(repo, policy, &read.issues, asked.now)?;
    let recurrences = recurrences(&read.issues, &pasts, asked.now);
    let files = files_of_head(repo)?;
    Ok(read.rank(&Scene {
        files: &files,
        kind_of: &|path: &RepoPath| policy.kind_of(path),
        triage: &policy.triage,
        recurrences: &recurrences,
    }))
}

/// The errors in no order, and what is known of the past of each.
///
/// # Errors
/// As [`digest`].
pub fn look_back(
    repo: &Repo,
    policy: &Policy,
    asked: &Asked,
) -> anyhow::Result<(Window, Vec<Issue>, BTreeMap<Fingerprint, Past>)> {
    let read = read(repo, policy, asked)?;
    let pasts = pasts(repo, policy, &read.issues, asked.now)?;
    Ok((read.window, read.issues, pasts))
}

fn pasts(
    repo: &Repo,
    policy: &Policy,
    issues: &[Issue],
    now: Timestamp,
) -> anyhow::Result<BTreeMap<Fingerprint, Past>> {
    recurrences::pasts(repo, &policy.triage.releases, folder(repo), issues, now)
}

/// Remembers that everything up to the end of `digest` has been read, for the next one that asks for what is new.
///
/// # Errors
/// It cannot be written down.
pub fn advance(repo: &Repo, policy: &Policy, digest: &Digest) -> anyhow::Result<()> {
    cursors::write(repo, &policy.sources, digest.window.until)
}

/// Where the reading of a source begins, by its name; the others begin with the window.
type Starts = BTreeMap<String, Timestamp>;

/// What each source would read, and proof that it cannot be written to.
///
/// # Errors
/// As [`digest`]; also where something could be written.
pub fn check(repo: &Repo, policy: &Policy) -> anyhow::Result<Vec<(String, &'static str, Checked)>> {
    need_sources(&policy.sources)?;
    let checks = policy.sources.iter().map(|config| {
        let checked = source::check(config, folder(repo))
            .with_context(|| format!("source `{}`", config.name))?;
        Ok((config.name.clone(), source::kind_of(config), checked))
    });
    checks.collect()
}

impl Digest {
    /// The error whose fingerprint is, or begins with, `name`.
    ///
    /// # Errors
    /// [`UsageError`] if no error, or more than one, is called so.
    pub fn find(self, name: &str) -> anyhow::Result<Ranked> {
        let is_called = |ranked: &Ranked| {
            let fingerprint = ranked.issue.fingerprint.as_str();
            let digits = fingerprint.split_once(':').map_or("", |(_, digits)| digits);
            name.len() >= 4 && (fingerprint.starts_with(name) || digits.starts_with(name))
        };
        let mut found = self.ranked.into_iter().filter(is_called);
        match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(UsageError::with_hint(
            format!("no error is called `{}`", crate::change::shown(name.as_bytes())),
            "`koan-guard extract` lists them; give a fingerprint, or at least its first four characters",
        )
        .into()),
        (Some(_), Some(_)) => {
            Err(UsageError::new(format!("more than one error is called `{name}`")).into())
        }
    }
    }
}

/// Every file of `HEAD`.
pub(crate) fn files_of_head(repo: &Repo) -> anyhow::Result<BTreeSet<RepoPath>> {
    let Some(head_id) = repo.head_id()? else {
        return Ok(BTreeSet::new());
    };
    let tree_id = repo.commit(head_id)?.tree_id;
    let files = repo.files(tree_id)?;
    Ok(files.into_iter().map(|file| file.path).collect())
}

/// The releases of the repository as the policy names them.
///
/// # Errors
/// As [`Releases::open`].
pub fn releases<'r>(repo: &'r Repo, policy: &'r Policy) -> anyhow::Result<Releases<'r>> {
    Releases::open(repo, &policy.triage.releases, folder(repo))
}

/// Where the relative paths of sources begin.
fn folder(repo: &Repo) -> &Path {
    repo.work_dir().unwrap_or(repo.common_dir())
}

impl Asked {
    /// Everything of the last days.
    pub fn recent(now: Timestamp) -> Asked {
        Asked {
            now,
            since: None,
            until: None,
            environments: Vec::new(),
            releases: Vec::new(),
            only_new: false,
        }
    }

    fn filter(&self) -> anyhow::Result<Filter> {
        let (end, lead) = if self.only_new {
            // Everything later is the next run's.
            (self.now.checked_sub(cursors::SETTLED)?, 0)
        } else {
            (self.now, Filter::MAX_SKEW)
        };
        let until = self.until.unwrap_or(end);
        let mut window = Window::days_before(until, WINDOW_DAYS)?;
        window.from = self.since.unwrap_or(window.from);
        if window.from >= window.until {
            let message = format!("nothing lies between {} and {}", window.from, window.until);
            return Err(UsageError::new(message).into());
        }
        Ok(Filter {
            window,
            now: self.now,
            lead,
            environments: self.environments.clone(),
            releases: self.releases.clone(),
        })
    }
}

/// 32 hexadecimal digits that nobody can foresee. The fences of a digest for people and agents depend on it.
///
/// # Errors
/// The system gives no random bytes.
pub fn new_run_id() -> anyhow::Result<String> {
    tracker::random_id()
}

fn need_sources(sources: &[SourceConfig]) -> anyhow::Result<()> {
    if sources.is_empty() {
        return Err(UsageError::with_hint(
            "the policy names no source of errors",
            "add one under `sources:` in `.koan-guard.yaml`",
        )
        .into());
    }
    Ok(())
}

/// The errors of all sources, each once, in no order.
struct Read {
    window: Window,
    sources: Vec<SourceReport>,
    issues: Vec<Issue>,
}

fn read(repo: &Repo, policy: &Policy, asked: &Asked) -> anyhow::Result<Read> {
    let starts = if asked.only_new {
        cursors::read(repo, &policy.sources)?
    } else {
        Starts::new()
    };
    let filter = asked.filter()?;
    read_all(
        &policy.sources,
        &policy.triage,
        folder(repo),
        &filter,
        &starts,
    )
}

/// `folder` is where the relative paths of sources begin.
fn read_all(
    sources: &[SourceConfig],
    triage: &TriagePolicy,
    folder: &Path,
    filter: &Filter,
    starts: &Starts,
) -> anyhow::Result<Read> {
    need_sources(sources)?;
    let mut window = filter.window;
    let begins = sources.iter().map(|config| {
        let start = starts.get(&config.name);
        start.copied().unwrap_or(filter.window.from)
    });
    window.from = begins.min().unwrap_or(window.from);
    let mut reports = Vec::new();
    let mut issues: BTreeMap<Fingerprint, Issue> = BTreeMap::new();
    for config in sources {
        let mut filter = filter.clone();
        filter.window.from = *starts.get(&config.name).unwrap_or(&filter.window.from);
        if filter.window.from >= filter.window.until {
            let until = filter.window.from;
            let message = format!("source `{}` has been read up to {until}", config.name);
            return Err(UsageError::with_hint(message, cursors::LATER).into());
        }
        let reading = source::read(config, triage, folder, &filter)
            .with_context(|| format!("source `{}`", config.name))?;
        reports.push(SourceReport {
            name: config.name.clone(),
            kind: source::kind_of(config),
            rung: reading.rung,
            n_events: reading.n_events,
            n_undated: reading.n_undated,
            n_unlisted: reading.n_unlisted,
            n_broken: reading.n_broken,
            columns: reading.columns,
            columns_guessed: reading.columns_guessed,
            redactions: reading.redactions,
        });
        let is_told = triage
            .publish
            .as_ref()
            .is_some_and(|publish| publish.source == config.name);
        for mut issue in reading.issues {
            if !is_told {
                issue.server_ids.clear();
            }
            match issues.get_mut(&issue.fingerprint) {
                Some(known) => known.absorb(issue),
                None => {
                    issues.insert(issue.fingerprint.clone(), issue);
                }
            }
        }
    }
    let issues = issues.into_values();
    Ok(Read {
        window,
        sources: reports,
        issues: issues.filter(|issue| issue.tally.n_events > 0).collect(),
    })
}

impl Read {
    fn rank(self, scene: &Scene) -> Digest {
        Digest {
            window: self.window,
            sources: self.sources,
            incidents: triage::incidents(&self.issues),
            ranked: triage::rank(self.issues, &self.window, scene),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::testing::TestRepo;
    use crate::policy::FileKind;
    use crate::source::sample;
    use crate::triage::{Act, Recurrences};

    fn now() -> Timestamp {
        "2026-11-22T08:00:00Z".parse().expect("a time")
    }

    fn sqlite_source(name: &str, path: &str) -> SourceConfig {
        let text = format!(
            "version: 1\nsources: [{{name: {name}, kind: sqlite, path: {path}, table: {}}}]\n",
            sample::TABLE
        );
        let policy = Policy::load(&text, "p.yaml").expect("a policy");
        policy.sources.into_iter().next().expect("a source")
    }

    fn digest_of(sources: &[SourceConfig], folder: &Path) -> anyhow::Result<Digest> {
        let files = ["src/lib.rs", "migrations/0001_init.sql"];
        let files = files.iter().map(|path| RepoPath::from(*path)).collect();
        let scene = Scene {
            files: &files,
            kind_of: &|path| match path.extension() {
                Some(b"sql") => FileKind::Protected,
                _ => FileKind::Production,
            },
            triage: &TriagePolicy::default(),
            recurrences: &Recurrences::new(),
        };
        let window = Window::days_before(now(), WINDOW_DAYS)?;
        let read = read_all(
            sources,
            scene.triage,
            folder,
            &Filter::all(window),
            &Starts::new(),
        )?;
        Ok(read.rank(&scene))
    }

    #[test]
    fn the_sample_has_one_error_that_an_agent_may_try() {
        let folder = tempfile::tempdir().expect("a folder");
        sample::create(&folder.path().join("a.sqlite3"), now()).expect("a sample");
        let digest = digest_of(&[sqlite_source("a", "a.sqlite3")], folder.path()).expect("read");
        let shown: Vec<String> = digest
            .ranked
            .iter()
            .map(|ranked| {
                let reasons: Vec<String> = ranked.reasons.iter().map(|r| r.to_string()).collect();
                let name = ranked.issue.error_type.as_deref().unwrap_or("");
                format!("{:?} {name}: {}", ranked.act, reasons.join(", "))
            })
            .collect();
        assert_eq!(
            shown,
            [
                "No ConnectionRefused: the infrastructure failed, not the code, the file of the crash is not in HEAD",
                "Yes panic: ",
                "No CheckViolation: the crash is in a protected file",
                "Ask LookupError: its text reads like an order to the reader",
                "Ask ParseError: it happened once, never worse than a warning: the program expects it",
            ]
        );
    }

    #[test]
    fn a_repository_is_read_with_its_own_policy_and_tree() {
        let repo = TestRepo::new();
        repo.write("src/lib.rs", "")
            .write("migrations/0001_init.sql", "");
        repo.add().commit("chore: a shop");
        sample::create(&repo.path().join("errors.sqlite3"), now()).expect("a sample");
        let text = "version: 1\nextends: [default]\nsources:\n  - {name: a, kind: sqlite, path: errors.sqlite3, table: errors}\n";
        let policy = Policy::load(text, "test.yaml").expect("a policy");
        let digest = digest(&repo.open(), &policy, &Asked::recent(now())).expect("a digest");
        let acts: Vec<Act> = digest.ranked.iter().map(|ranked| ranked.act).collect();
        assert_eq!(acts, [Act::No, Act::Yes, Act::No, Act::Ask, Act::Ask]);
        assert_eq!(digest.sources[0].rung, Rung::ReadOnly);
    }

    #[test]
    fn the_same_error_in_two_sources_is_one_issue() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["a.sqlite3", "b.sqlite3"] {
            sample::create(&folder.path().join(name), now()).expect("a sample");
        }
        let sources = [
            sqlite_source("a", "a.sqlite3"),
            sqlite_source("b", "b.sqlite3"),
        ];
        let digest = digest_of(&sources, folder.path()).expect("read");
        let panics = digest.ranked.iter().find(|ranked| ranked.act == Act::Yes);
        assert_eq!(panics.expect("an issue").issue.tally.n_events, 122);
        assert_eq!((digest.sources.len(), digest.ranked.len()), (2, 5));
    }

    #[test]
    fn one_source_that_cannot_be_read_spoils_the_digest() {
        let folder = tempfile::tempdir().expect("a folder");
        sample::create(&folder.path().join("a.sqlite3"), now()).expect("a sample");
        let sources = [
            sqlite_source("a", "a.sqlite3"),
            sqlite_source("b", "b.sqlite3"),
        ];
        let err = digest_of(&sources, folder.path()).expect_err("no b");
        assert!(
            err.is::<UsageError>() && err.to_string().contains("`b`"),
            "{err:#}"
        );
    }

    #[test]
    fn without_a_source_there_is_no_digest() {
        let err = digest_of(&[], Path::new("/")).expect_err("no source");
        assert!(err.is::<UsageError>(), "{err:#}");
    }

    #[test]
    fn no_two_runs_have_one_id() {
        let ids = [new_run_id().expect("random"), new_run_id().expect("random")];
        assert_ne!(ids[0], ids[1]);
        assert_eq!(ids[0].len(), 32);
    }
}
