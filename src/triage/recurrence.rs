//! What an error that was fixed means when it is seen again: which releases have the fix decides, never that somebody said so.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::issue::{Fingerprint, Issue};

/// What became of issues that people and agents have dealt with, by their names. Of others nothing is known.
pub type Recurrences = BTreeMap<Fingerprint, Recurrence>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recurrence {
    /// Not seen since, or only in releases without the fix.
    Fixed { fix: String },
    /// Seen in a release whose commit contains the fix.
    Regressed {
        fix: Option<String>,
        release: Option<String>,
    },
    /// Seen after the fix, in a release of which nobody knows whether it contains it.
    Maybe { fix: String, doubt: Doubt },
    /// A person or an agent says that nobody shall act.
    Ignored,
    /// Its log cannot be read or believed.
    Undecided,
}

/// Why it is not known whether a release contains a fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The events name none.
    NoRelease,
    /// It is no commit by the policy, or more than one.
    Unmapped(String),
    /// The history that would tell is not in this clone.
    Shallow,
    /// The commit of the fix is not in this clone.
    FixMissing,
}

/// What a release has to do with a fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holds {
    With,
    Without,
    Unknown(Doubt),
}

/// A commit that fixed an issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    pub commit: String,
    pub at: Timestamp,
    /// When the first release with it was deployed, by the record of deployments.
    pub deployed_at: Option<Timestamp>,
}

/// How long after a fix its release may take, where no deployment is recorded.
pub const GRACE: SignedDuration = SignedDuration::from_hours(24);

impl Fix {
    /// Events up to this time are those of releases without it, whatever they name.
    fn live_at(&self) -> Timestamp {
        let after_grace = self.at.checked_add(GRACE).unwrap_or(Timestamp::MAX);
        self.deployed_at.unwrap_or(after_grace)
    }
}

impl Recurrence {
    /// `holds` says of each release of the issue whether it has the fix; one that it does not speak of is unknown.
    pub fn of(issue: &Issue, fix: &Fix, holds: &BTreeMap<String, Holds>) -> Recurrence {
        let of = |release: &String| match holds.get(release) {
            Some(holds) => holds.clone(),
            None => Holds::Unknown(Doubt::Unmapped(release.clone())),
        };
        if let Some(release) = issue.releases.iter().find(|name| of(name) == Holds::With) {
            return Recurrence::Regressed {
                fix: Some(fix.commit.clone()),
                release: Some(release.clone()),
            };
        }
        let is_later = issue
            .tally
            .last_seen
            .is_none_or(|last| last > fix.live_at());
        let doubt = if issue.releases.is_empty() {
            Some(Doubt::NoRelease)
        } else {
            issue.releases.iter().find_map(|release| match of(release) {
                Holds::Unknown(doubt) => Some(doubt),
                Holds::With | Holds::Without => None,
            })
        };
        match doubt.filter(|_| is_later) {
            Some(doubt) => Recurrence::Maybe {
                fix: fix.commit.clone(),
                doubt,
            },
            None => Recurrence::Fixed {
                fix: fix.commit.clone(),
            },
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doubt::NoRelease => f.write_str("its events name no release"),
            Doubt::Unmapped(release) => {
                let release = release.replace('`', "'");
                write!(f, "release `{release}` is no commit that this clone knows")
            }
            Doubt::Shallow => f.write_str("this clone is shallow"),
            Doubt::FixMissing => f.write_str("the commit of the fix is not in this clone"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An issue in these releases, seen so many hours after a fix; the releases say by their names what they hold.
    #[track_caller]
    fn check(releases: &str, hours: i64, deployed_after: Option<i64>, expected: &str) {
        let at: Timestamp = "2026-11-10T08:00:00Z".parse().expect("a time");
        let later = |hours| at + SignedDuration::from_hours(hours);
        let mut issue = Issue::new(Fingerprint::new(None, &[], "x"));
        issue.releases = releases.split_whitespace().map(str::to_owned).collect();
        issue.tally.last_seen = Some(later(hours));
        let fix = Fix {
            commit: "f".into(),
            at,
            deployed_at: deployed_after.map(later),
        };
        let holds = |name: &str| match name {
            "with" => Some(Holds::With),
            "without" | "older" => Some(Holds::Without),
            "cut" => Some(Holds::Unknown(Doubt::Shallow)),
            _ => None,
        };
        let holds = issue
            .releases
            .iter()
            .filter_map(|name| Some((name.clone(), holds(name)?)));
        let said = match Recurrence::of(&issue, &fix, &holds.collect()) {
            Recurrence::Fixed { .. } => "fixed".to_owned(),
            Recurrence::Regressed { release, .. } => {
                format!("regressed in {}", release.expect("one"))
            }
            Recurrence::Maybe { doubt, .. } => format!("maybe: {doubt}"),
            other => format!("{other:?}"),
        };
        assert_eq!(said, expected, "{releases} after {hours} h");
    }

    #[test]
    fn a_release_with_the_fix_has_regressed_whenever_that_was() {
        check("with", 100, None, "regressed in with");
        check("with", 1, None, "regressed in with");
        check("without with", 100, None, "regressed in with");
        check("with unknown", 100, None, "regressed in with");
    }

    #[test]
    fn a_release_without_it_is_an_old_one() {
        check("without", 100, None, "fixed");
        check("older without", 1_000, None, "fixed");
    }

    #[test]
    fn what_nobody_can_tell_is_doubt() {
        check("", 100, None, "maybe: its events name no release");
        check(
            "9.9",
            100,
            None,
            "maybe: release `9.9` is no commit that this clone knows",
        );
        check(
            "without 9.9",
            100,
            None,
            "maybe: release `9.9` is no commit that this clone knows",
        );
        check("cut", 100, None, "maybe: this clone is shallow");
    }

    #[test]
    fn what_came_before_the_fix_could_be_out_is_no_doubt() {
        check("", -1, None, "fixed");
        check("", 24, None, "fixed");
        check("", 25, None, "maybe: its events name no release");
        check("", 24, Some(2), "maybe: its events name no release");
        check("", 40, Some(48), "fixed");
    }
}
