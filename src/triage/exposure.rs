//! Whether a fix holds: by what should have been seen since it is out, and never by silence alone.
//!
//! The rule of three (Hanley and Lippman-Hand, "If nothing goes wrong, is everything all right?", JAMA 249, 1983): where three events were to be
//! expected and none came, the rate is lower than before, with 95 % of confidence. Errors come in bursts, so the days must say so too: with a share `p`
//! of days on which it was seen, `d` days without it are chance with `(1 - p)^d`.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::recurrence::{Doubt, Fix, Recurrence};
use crate::issue::{Fingerprint, Issue};
use crate::source::Window;

/// What production says of a fix.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Nothing was seen where so much was to be expected.
    Held {
        exposure: Exposure,
    },
    Regressed {
        release: Option<String>,
    },
    /// The place of the crash fails under other names since.
    Moved {
        to: Vec<Fingerprint>,
    },
    Unknown(Unknown),
}

/// Why it cannot be told yet.
#[derive(Clone, Debug, PartialEq)]
pub enum Unknown {
    /// No deployment is recorded, and no error names a release with the fix.
    NotLive,
    /// No error at all since, of anything: the source may be silent.
    Silent,
    /// Still seen, in releases without the fix.
    OldReleases {
        n_events: u64,
    },
    Doubt(Doubt),
    /// Not seen before the fix in the time that was read: there is no rate.
    NoRate,
    /// Not yet long enough.
    TooEarly {
        exposure: Exposure,
    },
}

/// What should have been seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exposure {
    /// Events, at the rate before.
    pub expected: f64,
    pub hours: f64,
    /// That so many days without it are chance.
    pub chance: f64,
}

/// Of what is to be expected.
const LEAST_EXPECTED: f64 = 3.0;
const MOST_CHANCE: f64 = 0.05;
/// Less than a day says nothing of what happens at night.
const LEAST_HOURS: f64 = 24.0;

/// `live_at` is the first sign that a release with the fix runs; `others` are all other errors that were read.
pub fn outcome(
    (issue, recurrence, fix): (&Issue, &Recurrence, &Fix),
    live_at: Option<Timestamp>,
    others: &[&Issue],
    window: &Window,
) -> Outcome {
    match recurrence {
        Recurrence::Regressed { release, .. } => {
            return Outcome::Regressed {
                release: release.clone(),
            };
        }
        Recurrence::Maybe { doubt, .. } => return Outcome::Unknown(Unknown::Doubt(doubt.clone())),
        Recurrence::Fixed { .. } | Recurrence::Ignored | Recurrence::Undecided => {}
    }
    let Some(live_at) = fix.deployed_at.or(live_at) else {
        return Outcome::Unknown(Unknown::NotLive);
    };
    let n_after = n_since(issue, live_at, window);
    if n_after > 0 {
        return Outcome::Unknown(Unknown::OldReleases { n_events: n_after });
    }
    let to = moved(issue, live_at, others);
    if !to.is_empty() {
        return Outcome::Moved { to };
    }
    if others
        .iter()
        .all(|other| n_since(other, live_at, window) == 0)
    {
        return Outcome::Unknown(Unknown::Silent);
    }
    match exposure(issue, live_at, window) {
        None => Outcome::Unknown(Unknown::NoRate),
        Some(exposure) if exposure.is_enough() => Outcome::Held { exposure },
        Some(exposure) => Outcome::Unknown(Unknown::TooEarly { exposure }),
    }
}

impl Exposure {
    fn is_enough(&self) -> bool {
        self.expected >= LEAST_EXPECTED && self.chance <= MOST_CHANCE && self.hours >= LEAST_HOURS
    }
}

fn hours_between(from: Timestamp, until: Timestamp) -> f64 {
    until.duration_since(from).as_secs_f64() / 3_600.0
}

/// Events in full hours that began after `at`.
fn n_since(issue: &Issue, at: Timestamp, window: &Window) -> u64 {
    let hours = hours_between(at, window.until).max(0.0).floor();
    match issue.tally.last_seen {
        Some(last) if last <= at => 0,
        _ => issue
            .tally
            .by_age
            .range(..hours as u32)
            .map(|(_, n)| n)
            .sum(),
    }
}

/// `None` if it was not seen before.
fn exposure(issue: &Issue, live_at: Timestamp, window: &Window) -> Option<Exposure> {
    let age = hours_between(live_at, window.until).max(0.0).ceil() as u32;
    let before: Vec<(u32, u64)> = issue
        .tally
        .by_age
        .range(age..)
        .map(|(age, n)| (*age, *n))
        .collect();
    let n_events: u64 = before.iter().map(|(_, n)| n).sum();
    let first = issue.tally.first_seen.filter(|first| *first > window.from);
    // Of an error that began inside the window the first event only says when.
    let (from, n_events) = match first {
        Some(first) => (first, n_events.saturating_sub(1)),
        None => (window.from, n_events),
    };
    let hours_before = hours_between(from, live_at);
    if n_events == 0 || hours_before <= 0.0 {
        return None;
    }
    let hours = hours_between(live_at, window.until);
    let mut days: Vec<u32> = before.iter().map(|(hour, _)| (hour - age) / 24).collect();
    days.dedup();
    let n_days = (hours_before / 24.0).ceil().max(1.0);
    let share = (days.len() as f64 / n_days).min(1.0);
    Some(Exposure {
        expected: n_events as f64 / hours_before * hours,
        hours,
        chance: (1.0 - share).powf(hours / 24.0),
    })
}

/// New errors whose crash is at the same place.
fn moved(issue: &Issue, live_at: Timestamp, others: &[&Issue]) -> Vec<Fingerprint> {
    let place = |issue: &Issue| {
        let frame = issue.culprit()?;
        Some((frame.file.clone(), frame.function.clone()?))
    };
    let Some(here) = place(issue) else {
        return Vec::new();
    };
    let is_new = |other: &&&Issue| other.tally.first_seen.is_some_and(|first| first > live_at);
    let there = others.iter().filter(is_new);
    let there = there.filter(|other| place(other).as_ref() == Some(&here));
    there.map(|other| other.fingerprint.clone()).collect()
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = match self.expected {
            n if n < 10.0 => format!("{n:.1}"),
            n => format!("{n:.0}"),
        };
        let span = match SignedDuration::from_secs((self.hours * 3_600.0) as i64).as_hours() {
            hours if hours < 72 => format!("{hours} h"),
            hours => format!("{} days", hours / 24),
        };
        write!(f, "0 seen, {expected} expected at the old rate in {span}")
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unknown::NotLive => f.write_str("no sign that a release with the fix runs"),
            Unknown::Silent => f.write_str("no error of any kind since: the source may be silent"),
            Unknown::OldReleases { n_events } => {
                write!(f, "{n_events} seen since, in releases without the fix")
            }
            Unknown::Doubt(doubt) => write!(f, "{doubt}"),
            Unknown::NoRate => f.write_str("not seen before the fix in the time that was read"),
            Unknown::TooEarly { exposure } => {
                write!(f, "{exposure}")?;
                if exposure.hours < LEAST_HOURS {
                    f.write_str(", and a day at least")
                } else if exposure.expected < LEAST_EXPECTED {
                    f.write_str(", and three at least")
                } else {
                    f.write_str(", and it was not seen on all days before")
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issue::{Frame, Tally};

    fn until() -> Timestamp {
        "2026-11-22T08:00:00Z".parse().expect("a time")
    }

    fn ago(hours: i64) -> Timestamp {
        until() - SignedDuration::from_hours(hours)
    }

    /// An issue that crashes in `f`, with so many events so many hours ago: `AGExN`.
    fn issue(name: &str, events: &str) -> Issue {
        let by_age = events.split_whitespace().map(|event| {
            let (age, n) = event.split_once('x').expect("AGExN");
            (age.parse().expect("an age"), n.parse().expect("a number"))
        });
        let by_age: std::collections::BTreeMap<u32, u64> = by_age.collect();
        let at = |age: Option<&u32>| age.map(|age| ago(i64::from(*age)));
        Issue {
            frames: vec![Frame {
                file: "a.py".into(),
                line: None,
                function: Some("f".into()),
                in_app: true,
            }],
            tally: Tally {
                n_events: by_age.values().sum(),
                first_seen: at(by_age.keys().max()),
                last_seen: at(by_age.keys().min()),
                by_age,
            },
            ..Issue::new(Fingerprint::new(None, &[], name))
        }
    }

    /// 28 days are read; a release with the fix is out for so many hours.
    #[track_caller]
    fn check(events: &str, live: Option<i64>, others: &[&str], expected: &str) {
        let window = Window {
            from: ago(28 * 24),
            until: until(),
        };
        let fix = Fix {
            commit: "f".into(),
            at: ago(400),
            deployed_at: None,
        };
        let one = issue("one", events);
        let others: Vec<Issue> = others
            .iter()
            .enumerate()
            .map(|(n, events)| Issue {
                frames: Vec::new(),
                ..issue(&format!("other {n}"), events)
            })
            .collect();
        let others: Vec<&Issue> = others.iter().collect();
        let recurrence = Recurrence::Fixed { fix: "f".into() };
        let said = outcome((&one, &recurrence, &fix), live.map(ago), &others, &window);
        let said = match said {
            Outcome::Held { exposure } => format!("held: {exposure}"),
            Outcome::Unknown(why) => format!("unknown: {why}"),
            other => format!("{other:?}"),
        };
        assert_eq!(said, expected, "{events}");
    }

    /// Every day of the four weeks, so often.
    fn daily(n: u64, from: u32) -> String {
        let days = (from..28 * 24).step_by(24);
        days.map(|age| format!("{age}x{n}"))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn a_fix_holds_where_enough_was_to_be_expected() {
        let other: &[&str] = &["1x5"];
        check(
            &daily(6, 72),
            Some(72),
            other,
            "held: 0 seen, 19 expected at the old rate in 3 days",
        );
        check(
            &daily(1, 24),
            Some(24),
            other,
            "unknown: 0 seen, 1.0 expected at the old rate in 24 h, and three at least",
        );
        check(
            &daily(90, 20),
            Some(20),
            other,
            "unknown: 0 seen, 78 expected at the old rate in 20 h, and a day at least",
        );
    }

    #[test]
    fn a_burst_is_no_rate() {
        check(
            "400x60",
            Some(48),
            &["1x5"],
            "unknown: 0 seen, 8.0 expected at the old rate in 48 h, and it was not seen on all days before",
        );
    }

    #[test]
    fn silence_is_no_proof() {
        check(
            &daily(5, 72),
            None,
            &["1x5"],
            "unknown: no sign that a release with the fix runs",
        );
        check(
            &daily(5, 72),
            Some(72),
            &["100x5"],
            "unknown: no error of any kind since: the source may be silent",
        );
        check(
            &daily(5, 72),
            Some(72),
            &[],
            "unknown: no error of any kind since: the source may be silent",
        );
    }

    #[test]
    fn what_still_comes_from_old_releases_tells_nothing() {
        check(
            &format!("3x2 {}", daily(5, 72)),
            Some(72),
            &["1x5"],
            "unknown: 2 seen since, in releases without the fix",
        );
    }

    #[test]
    fn without_a_before_there_is_no_rate() {
        check(
            "",
            Some(72),
            &["1x5"],
            "unknown: not seen before the fix in the time that was read",
        );
        check(
            "80x1",
            Some(72),
            &["1x5"],
            "unknown: not seen before the fix in the time that was read",
        );
    }

    #[test]
    fn a_new_name_at_the_same_place_is_the_same_bug_that_moved() {
        let window = Window {
            from: ago(28 * 24),
            until: until(),
        };
        let fix = Fix {
            commit: "f".into(),
            at: ago(400),
            deployed_at: Some(ago(72)),
        };
        let recurrence = Recurrence::Fixed { fix: "f".into() };
        let one = issue("one", &daily(5, 80));
        let told = |other: Issue| outcome((&one, &recurrence, &fix), None, &[&other], &window);
        let new = issue("new", "2x3");
        let to = vec![new.fingerprint.clone()];
        assert_eq!(told(new), Outcome::Moved { to });
        let old = issue("old", "2x3 100x1");
        assert!(matches!(told(old), Outcome::Held { .. }));
    }

    #[test]
    fn what_came_back_is_told_whatever_was_expected() {
        let window = Window {
            from: ago(24),
            until: until(),
        };
        let fix = Fix {
            commit: "f".into(),
            at: ago(400),
            deployed_at: None,
        };
        let one = issue("one", "1x1");
        let told = |recurrence| outcome((&one, &recurrence, &fix), None, &[], &window);
        let release = Some("1.5".to_owned());
        let back = Recurrence::Regressed {
            fix: None,
            release: release.clone(),
        };
        assert_eq!(told(back), Outcome::Regressed { release });
        let maybe = Recurrence::Maybe {
            fix: "f".into(),
            doubt: Doubt::NoRelease,
        };
        let doubt = Outcome::Unknown(Unknown::Doubt(Doubt::NoRelease));
        assert_eq!(told(maybe), doubt);
    }
}
