//! Findings and proof, weighed.

use serde::Serialize;

use crate::perimeter::Finding;
use crate::policy::{Lane, Level};
use crate::proof::{Carried, Doubt, Gap, Proof, Shortfall, Shown};

/// The answer. Only `Accepted` lets a commit pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Accepted(Basis),
    /// Red tests only, where the policy lets a test come before its fix. A range must not end like this.
    Pending(Carried),
    Refused {
        findings: Vec<Finding>,
        gaps: Vec<Gap>,
    },
    Undecided {
        doubts: Vec<Doubt>,
    },
}

/// What an acceptance rests on. In lane `repair` only a proof will do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    Proof(Proof),
    /// Nothing was proved: the lane asks for the perimeter only.
    Perimeter(Lane),
    /// Nothing was proved where a proof is owed: a server takes topic branches like this if its owner says so, and never the default branch.
    Unproved,
}

impl Verdict {
    /// The verdict where a proof is asked for. Findings below `deny` weigh nothing.
    pub fn weigh(findings: &[Finding], attempt: Result<Shown, Shortfall>) -> Verdict {
        let findings = denied(findings);
        match attempt {
            _ if !findings.is_empty() => Verdict::refused(findings),
            Ok(Shown::Fix(proof)) => Verdict::Accepted(Basis::Proof(proof)),
            Ok(Shown::Red(carried)) => Verdict::Pending(carried),
            Err(Shortfall { gaps, .. }) if !gaps.is_empty() => Verdict::Refused { findings, gaps },
            Err(Shortfall { doubts, .. }) => Verdict::Undecided { doubts },
        }
    }

    /// The verdict where the perimeter is all that is asked for: never in lane `repair`.
    pub fn of_perimeter(findings: &[Finding], lane: Lane) -> Verdict {
        let findings = denied(findings);
        match lane {
            _ if !findings.is_empty() => Verdict::refused(findings),
            Lane::Repair => Verdict::Undecided {
                doubts: vec![Doubt::Other("nothing was proved".into())],
            },
            Lane::Agent | Lane::Human => Verdict::Accepted(Basis::Perimeter(lane)),
        }
    }

    /// What it is called; `observed` where the policy only says what it would do.
    pub fn word(&self, observed: bool) -> &'static str {
        match (self, observed) {
            (Verdict::Accepted(_), _) => "accepted",
            (Verdict::Pending(_), _) => "pending",
            (Verdict::Refused { .. }, false) => "refused",
            (Verdict::Refused { .. }, true) => "would refuse",
            (Verdict::Undecided { .. }, false) => "undecided",
            (Verdict::Undecided { .. }, true) => "would not decide",
        }
    }

    /// The verdict on a topic branch that a server takes without a proof.
    pub fn of_topic(findings: &[Finding]) -> Verdict {
        let findings = denied(findings);
        if findings.is_empty() {
            Verdict::Accepted(Basis::Unproved)
        } else {
            Verdict::refused(findings)
        }
    }

    fn refused(findings: Vec<Finding>) -> Verdict {
        Verdict::Refused {
            findings,
            gaps: Vec::new(),
        }
    }
}

fn denied(findings: &[Finding]) -> Vec<Finding> {
    findings
        .iter()
        .filter(|finding| finding.level == Level::Deny)
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::policy::Rule;
    use crate::suite::TestId;

    fn finding(level: Level) -> Finding {
        Finding {
            rule: Rule::EmptyCommit,
            level,
            location: None,
            fact: "a fact".into(),
        }
    }

    fn red() -> Shown {
        Shown::Red(Carried {
            tests: BTreeSet::from([TestId("new".into())]),
            files: BTreeSet::new(),
        })
    }

    /// `attempt`: `red`, or the number of gaps and of doubts.
    #[track_caller]
    fn check(findings: &[Level], attempt: Option<(usize, usize)>, expected: &str) {
        let findings: Vec<Finding> = findings.iter().copied().map(finding).collect();
        let attempt = match attempt {
            None => Ok(red()),
            Some((n_gaps, n_doubts)) => Err(Shortfall {
                gaps: vec![Gap::NoTest; n_gaps],
                doubts: vec![Doubt::Other("why".into()); n_doubts],
            }),
        };
        assert_eq!(shown(&Verdict::weigh(&findings, attempt)), expected);
    }

    fn shown(verdict: &Verdict) -> String {
        match verdict {
            Verdict::Accepted(Basis::Proof(_)) => "proved".into(),
            Verdict::Accepted(Basis::Perimeter(lane)) => format!("accepted in {lane:?}"),
            Verdict::Accepted(Basis::Unproved) => "unproved".into(),
            Verdict::Pending(carried) => format!("pending {}", carried.tests.len()),
            Verdict::Refused { findings, gaps } => {
                format!("refused {} {}", findings.len(), gaps.len())
            }
            Verdict::Undecided { doubts } => format!("undecided {}", doubts.len()),
        }
    }

    #[test]
    fn only_what_is_denied_refuses_and_it_comes_first() {
        check(&[], None, "pending 1");
        check(&[Level::Warn, Level::Off], None, "pending 1");
        check(&[Level::Warn, Level::Deny], None, "refused 1 0");
        check(&[Level::Deny], Some((1, 1)), "refused 1 0");
    }

    #[test]
    fn a_gap_refuses_and_a_doubt_leaves_it_open() {
        check(&[], Some((1, 0)), "refused 0 1");
        check(&[Level::Warn], Some((1, 1)), "refused 0 1");
        check(&[], Some((0, 1)), "undecided 1");
        // Nothing known is not accepted either.
        check(&[], Some((0, 0)), "undecided 0");
    }

    #[test]
    fn the_perimeter_alone_never_accepts_a_repair() {
        let weigh = |level, lane| shown(&Verdict::of_perimeter(&[finding(level)], lane));
        assert_eq!(weigh(Level::Warn, Lane::Repair), "undecided 1");
        assert_eq!(weigh(Level::Warn, Lane::Agent), "accepted in Agent");
        assert_eq!(weigh(Level::Warn, Lane::Human), "accepted in Human");
        for lane in [Lane::Repair, Lane::Agent, Lane::Human] {
            assert_eq!(weigh(Level::Deny, lane), "refused 1 0");
        }
    }

    #[test]
    fn a_topic_branch_without_a_proof_is_told_apart() {
        let weigh = |level| shown(&Verdict::of_topic(&[finding(level)]));
        assert_eq!(weigh(Level::Warn), "unproved");
        assert_eq!(weigh(Level::Deny), "refused 1 0");
    }
}
