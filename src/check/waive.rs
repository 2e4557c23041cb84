//! Findings that a waiver of the trusted ref lets pass, and those that one let pass until it was over.

use jiff::civil::Date;
use serde::Serialize;

use crate::attestation::WaiverRef;
use crate::change::Change;
use crate::perimeter::Finding;
use crate::policy::{Origin, Waiver};

/// A finding that does not count, and who says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waived {
    pub finding: Finding,
    #[serde(flatten)]
    pub by: Said,
}

/// A waiver as verdicts name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Said {
    /// The glob of its paths.
    pub path: String,
    pub rule: String,
    /// The last day on which it counts.
    pub until: String,
    pub because: String,
    pub origin: Origin,
}

/// A waiver that would have counted for a finding, and why it does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Void {
    #[serde(flatten)]
    pub by: Said,
    pub reason: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    Expired,
    /// The machine's floor speaks of the rule.
    Floor,
}

/// What is left of findings.
#[derive(Debug, Default)]
pub struct Weighed {
    pub findings: Vec<Finding>,
    pub waived: Vec<Waived>,
    pub void: Vec<Void>,
}

pub fn waive(findings: Vec<Finding>, change: &Change, waivers: &[Waiver], today: Date) -> Weighed {
    let mut weighed = Weighed::default();
    for finding in findings {
        let path = finding.location.as_ref().map(|location| &location.path);
        let paths = || change.files.iter().map(|file| &file.path);
        let (good, bad): (Vec<_>, Vec<_>) = waivers
            .iter()
            .filter(|waiver| waiver.is_about(finding.rule, path, paths()))
            .partition(|waiver| why_void(waiver, today).is_none());
        if let Some(waiver) = good.first() {
            let by = Said::of(waiver);
            weighed.waived.push(Waived { finding, by });
            continue;
        }
        for waiver in bad {
            let reason = why_void(waiver, today).unwrap_or(Reason::Expired);
            let by = Said::of(waiver);
            let void = Void { by, reason };
            if !weighed.void.contains(&void) {
                weighed.void.push(void);
            }
        }
        weighed.findings.push(finding);
    }
    weighed
}

fn why_void(waiver: &Waiver, today: Date) -> Option<Reason> {
    if waiver.floor_holds {
        Some(Reason::Floor)
    } else {
        waiver.is_over(today).then_some(Reason::Expired)
    }
}

impl Said {
    fn of(waiver: &Waiver) -> Said {
        Said {
            path: waiver.glob.clone(),
            rule: waiver.rule.to_string(),
            until: waiver.until.to_string(),
            because: waiver.because.clone(),
            origin: waiver.origin.clone(),
        }
    }
}

impl Waived {
    /// As the statement names it.
    pub fn reference(&self) -> WaiverRef {
        WaiverRef {
            rule: self.by.rule.clone(),
            path: self.by.path.clone(),
            until: self.by.until.clone(),
            because: self.by.because.clone(),
            fact: self.finding.fact.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{FileChange, RepoPath};
    use crate::perimeter::Location;
    use crate::policy::{Level, Policy, Rule};

    fn finding(path: Option<&str>) -> Finding {
        Finding {
            rule: Rule::TooManyLines,
            level: Level::Deny,
            location: path.map(|path| Location {
                path: RepoPath::from(path),
                line: None,
            }),
            fact: "a fact".into(),
        }
    }

    /// `findings` are places, `.` for the whole; the answer counts what is left, what is waived, what is void.
    #[track_caller]
    fn check(waivers: &str, today: &str, findings: &[&str], expected: (usize, usize, usize)) {
        let text = format!("version: 1\nwaivers: [{waivers}]\n");
        let policy = Policy::load(&text, "p.yaml").expect("loads");
        let findings = findings.iter();
        let findings = findings.map(|&place| finding((place != ".").then_some(place)));
        let files = ["db/a", "db/b"].map(|path| FileChange {
            path: RepoPath::from(path),
            old: None,
            new: None,
            hunks: Vec::new(),
        });
        let change = Change {
            files: files.into(),
        };
        let today = today.parse().expect("a day");
        let weighed = waive(findings.collect(), &change, &policy.waivers, today);
        let found = (
            weighed.findings.len(),
            weighed.waived.len(),
            weighed.void.len(),
        );
        assert_eq!(found, expected);
    }

    const DB: &str = "{path: 'db/**', rule: too-many-lines, until: 2026-06-30, because: why}";
    const OLD: &str = "{path: '**', rule: too-many-lines, until: 2020-01-01, because: why}";

    #[test]
    fn a_waiver_takes_away_what_it_speaks_of_and_nothing_else() {
        check(DB, "2026-06-30", &["db/a", "."], (0, 2, 0));
        check(DB, "2026-06-30", &["src/a"], (1, 0, 0));
        check("", "2026-06-30", &["db/a"], (1, 0, 0));
    }

    #[test]
    fn one_that_is_over_takes_nothing_away_and_is_said_once() {
        check(DB, "2026-07-01", &["db/a", "db/b"], (2, 0, 1));
        check(OLD, "2026-07-01", &["src/a"], (1, 0, 1));
        // Another one may still hold.
        check(&format!("{OLD}, {DB}"), "2026-06-01", &["db/a"], (0, 1, 0));
        // Nothing found, nothing said.
        check(OLD, "2026-07-01", &[], (0, 0, 0));
    }
}
