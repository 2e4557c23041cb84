//! Production errors as plain values: the issues that group events, and what is known of each.
//!
//! Every text in here was redacted and made harmless to print by `source`; it is still written by strangers.

mod crash;
mod fingerprint;
mod grouping;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;

pub use crash::{Crash, DIGEST_SCHEMA};
pub use fingerprint::{Fingerprint, skeleton};
pub use grouping::{Circle, Grouping, SplitBy};

/// A group of events that one fix would end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    pub fingerprint: Fingerprint,
    /// The class of the exception; `None` where the source knows messages only.
    pub error_type: Option<String>,
    /// The newest message with everything that varies replaced: `no product <num>`.
    pub skeleton: String,
    /// Distinct messages, newest first, at most [`Issue::MAX_MESSAGES`].
    pub messages: Vec<String>,
    /// The innermost frame last, at most [`Issue::MAX_FRAMES`].
    pub frames: Vec<Frame>,
    /// `TYPE: MESSAGE` of what led to it, the nearest first.
    pub causes: Vec<String>,
    /// What its own tracker says of it.
    pub standing: Standing,
    /// The worst that was seen; `None` where the source has no levels.
    pub severity: Option<Severity>,
    pub tally: Tally,
    /// Distinct users. Where events of one issue differ in their stack or message text this is a lower bound.
    pub users: Option<u64>,
    pub releases: BTreeSet<String>,
    pub environments: BTreeSet<String>,
    pub flags: BTreeSet<Flag>,
    /// The source's own name for the newest event.
    pub sample_event_id: Option<String>,
    /// What the server calls the issues that its events are in; only where something may be told there. Never shown.
    pub server_ids: BTreeSet<String>,
    /// What stood beside an event, as far as the policy names it.
    pub context: BTreeMap<String, String>,
}

/// One line of a stack trace, as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub file: String,
    pub line: Option<u32>,
    pub function: Option<String>,
    /// Code of the project itself, as far as the path tells.
    pub in_app: bool,
}

/// How often and when, inside the window that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub n_events: u64,
    /// Events by their age in full hours. Empty where the source has no times.
    pub by_age: BTreeMap<u32, u64>,
    pub first_seen: Option<Timestamp>,
    pub last_seen: Option<Timestamp>,
}

/// Where groups of one issue differ, the one that is most alive counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    #[default]
    Open,
    Muted,
    Resolved,
}

/// Mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Debug,
    Info,
    Warning,
    Error,
    Fatal,
}

/// What is odd about an issue's text. None of it is dropped silently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flag {
    /// Control, bidirectional or zero-width characters; they are shown escaped.
    HiddenCharacters,
    /// Reads like an order to whoever reads it.
    InstructionLike,
    /// Longer than what is shown.
    Cut,
}

impl Issue {
    /// One of which nothing is known but its name.
    pub fn new(fingerprint: Fingerprint) -> Issue {
        Issue {
            fingerprint,
            error_type: None,
            skeleton: String::new(),
            messages: Vec::new(),
            frames: Vec::new(),
            causes: Vec::new(),
            standing: Standing::default(),
            severity: None,
            tally: Tally::default(),
            users: None,
            releases: BTreeSet::new(),
            environments: BTreeSet::new(),
            flags: BTreeSet::new(),
            sample_event_id: None,
            server_ids: BTreeSet::new(),
            context: BTreeMap::new(),
        }
    }

    pub const MAX_MESSAGES: usize = 3;
    pub const MAX_FRAMES: usize = 12;

    /// Where it went wrong: the innermost frame of the project's own code.
    pub fn culprit(&self) -> Option<&Frame> {
        self.frames.iter().rev().find(|frame| frame.in_app)
    }

    /// Takes in what another source knows about the same issue; the newer of the two goes on speaking for it.
    pub fn absorb(&mut self, other: Issue) {
        let (mut newer, older) = if other.tally.last_seen > self.tally.last_seen {
            (other, self.clone())
        } else {
            (self.clone(), other)
        };
        for message in older.messages {
            if !newer.messages.contains(&message) {
                newer.messages.push(message);
            }
        }
        newer.messages.truncate(Issue::MAX_MESSAGES);
        newer.severity = newer.severity.max(older.severity);
        newer.standing = newer.standing.min(older.standing);
        newer.users = newer.users.max(older.users);
        newer.releases.extend(older.releases);
        newer.environments.extend(older.environments);
        newer.flags.extend(older.flags);
        newer.server_ids.extend(older.server_ids);
        newer.tally.absorb(older.tally);
        *self = newer;
    }

    /// Type and message skeleton on one line.
    pub fn title(&self) -> String {
        let first = self.skeleton.lines().next().unwrap_or("");
        match &self.error_type {
            Some(name) if first.is_empty() => name.clone(),
            Some(name) => format!("{name}: {first}"),
            None => first.to_owned(),
        }
    }
}

impl Tally {
    /// Takes in `n` events of this time, `age` full hours old.
    pub fn add(
        &mut self,
        n: u64,
        age: Option<u32>,
        first: Option<Timestamp>,
        last: Option<Timestamp>,
    ) {
        self.absorb(Tally {
            n_events: n,
            by_age: age.map(|age| (age, n)).into_iter().collect(),
            first_seen: first,
            last_seen: last,
        });
    }

    /// Takes in what was counted elsewhere.
    pub fn absorb(&mut self, other: Tally) {
        self.n_events += other.n_events;
        for (age, n) in other.by_age {
            *self.by_age.entry(age).or_default() += n;
        }
        self.first_seen = match (self.first_seen, other.first_seen) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        self.last_seen = self.last_seen.max(other.last_seen);
    }

    /// Events of the last `hours` hours.
    pub fn n_within(&self, hours: u32) -> u64 {
        self.by_age.range(..hours).map(|(_, n)| n).sum()
    }
}

impl Severity {
    /// Reads the words and numbers that loggers use (`ERROR`, `warn`, Python's 40, syslog's `crit`); `None` if it is none of them.
    pub fn parse(level: &str) -> Option<Severity> {
        let severity = match level.trim().to_ascii_lowercase().as_str() {
            "debug" | "trace" | "verbose" | "10" => Severity::Debug,
            "info" | "information" | "notice" | "log" | "20" => Severity::Info,
            "warn" | "warning" | "30" => Severity::Warning,
            "error" | "err" | "exception" | "40" => Severity::Error,
            "fatal" | "critical" | "crit" | "panic" | "dpanic" | "alert" | "emergency"
            | "emerg" | "50" | "60" => Severity::Fatal,
            _ => return None,
        };
        Some(severity)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Debug => "debug",
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
            Severity::Fatal => "fatal",
        })
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Flag::HiddenCharacters => "hidden-characters",
            Flag::InstructionLike => "instruction-like",
            Flag::Cut => "cut",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(level: &str, expected: Option<Severity>) {
        assert_eq!(Severity::parse(level), expected, "{level}");
    }

    #[test]
    fn the_words_of_loggers_are_levels() {
        check("ERROR", Some(Severity::Error));
        check(" warn ", Some(Severity::Warning));
        check("50", Some(Severity::Fatal));
        check("panic", Some(Severity::Fatal));
    }

    #[test]
    fn any_other_word_is_no_level() {
        check("", None);
        check("urgent", None);
    }

    fn issue(message: &str, last_seen: &str, n_events: u64) -> Issue {
        let at = last_seen.parse().expect("a time");
        Issue {
            skeleton: message.to_owned(),
            messages: vec![message.to_owned()],
            tally: Tally {
                n_events,
                by_age: BTreeMap::from([(1, n_events)]),
                first_seen: Some(at),
                last_seen: Some(at),
            },
            users: Some(n_events),
            releases: BTreeSet::from([last_seen.to_owned()]),
            ..Issue::new(Fingerprint::new(None, &[], "same"))
        }
    }

    #[test]
    fn two_sources_of_one_issue_are_one_whatever_their_order() {
        let old = issue("old", "2026-11-01T00:00:00Z", 2);
        let new = issue("new", "2026-11-02T00:00:00Z", 3);
        let mut one = old.clone();
        one.absorb(new.clone());
        let mut two = new;
        two.absorb(old);
        assert_eq!(one, two);
        assert_eq!(one.messages, ["new", "old"]);
        assert_eq!(one.tally.by_age, BTreeMap::from([(1, 5)]));
        assert_eq!((one.tally.n_events, one.users), (5, Some(3)));
        assert!(one.tally.first_seen < one.tally.last_seen);
    }

    #[test]
    fn the_last_day_is_twenty_four_hours() {
        let tally = Tally {
            by_age: BTreeMap::from([(0, 2), (23, 3), (24, 100)]),
            ..Tally::default()
        };
        assert_eq!(tally.n_within(24), 5);
    }
}
