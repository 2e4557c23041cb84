//! Findings and proof, weighed.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::perimeter::Finding;
use crate::policy::{Lane, Level, Rule};
use crate::proof::{Carried, Doubt, Gap, Proof, Shortfall, Shown, ids};
use crate::suite::TestId;

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
    /// A person answers for what stood in the way; a proof there may be beside it.
    Approved {
        approvals: Vec<Approval>,
        #[serde(skip_serializing_if = "Option::is_none")]
        proof: Option<Proof>,
    },
    /// It takes back exactly what this commit did, no test broke, and the policy lets that pass.
    Revert {
        /// Its id.
        of: String,
        /// What passed before and after.
        pass_to_pass: BTreeSet<TestId>,
    },
    /// Nothing was proved: the lane asks for the perimeter only.
    Perimeter(Lane),
    /// Nothing was proved where a proof is owed: a server takes topic branches like this if its owner says so, and never the default branch.
    Unproved,
}

/// A person's signed decision on one rule, found to be good for just this change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Approval {
    /// Of a finding, a gap or a doubt.
    pub rule: String,
    pub person: String,
    pub because: String,
    /// The last day on which it counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// Whether a person may decide about a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approvable {
    Yes,
    /// Nobody overrules it: a secret stays one, and a judge who cannot be believed has said nothing.
    Closed,
    Unknown,
}

/// Gaps and doubts that nobody overrules: the judge was touched or could not be believed, or nothing was judged at all.
const CLOSED: [&str; 7] = [
    "budget-spent",
    "judge-input-changed",
    "runner-untrusted",
    "sandbox-too-low",
    "setup-failed",
    "setup-not-trusted",
    "undecided",
];

impl Approvable {
    pub fn of(id: &str) -> Approvable {
        let mut rules = Rule::ALL.iter().map(|rule| rule.info());
        match rules.find(|rule| rule.id == id) {
            Some(rule) if rule.closed => Approvable::Closed,
            _ if CLOSED.contains(&id) => Approvable::Closed,
            Some(_) => Approvable::Yes,
            None if ids::IDS.contains(&id) => Approvable::Yes,
            None => Approvable::Unknown,
        }
    }
}

/// Findings less those that refuse and that a person answers for; and the approvals that did it.
pub fn answered_for(findings: &[Finding], approvals: &[Approval]) -> (Vec<Finding>, Vec<Approval>) {
    let mut used = Vec::new();
    let mut open = findings.to_vec();
    open.retain(|finding| {
        finding.level != Level::Deny || !is_covered(finding.rule.info().id, approvals, &mut used)
    });
    (open, used)
}

fn is_covered(id: &str, approvals: &[Approval], used: &mut Vec<Approval>) -> bool {
    let mut of_rule = approvals.iter().filter(|approval| approval.rule == id);
    let (Approvable::Yes, Some(approval)) = (Approvable::of(id), of_rule.next()) else {
        return false;
    };
    if !used.contains(approval) {
        used.push(approval.clone());
    }
    true
}

impl Verdict {
    /// The verdict where a proof is asked for. Findings below `deny` weigh nothing.
    pub fn weigh(findings: &[Finding], attempt: Result<Shown, Shortfall>) -> Verdict {
        let findings = denied(findings);
        match attempt {
            _ if !findings.is_empty() => Verdict::refused(findings),
            Ok(Shown::Fix(proof)) => Verdict::Accepted(Basis::Proof(proof)),
            Ok(Shown::Red(carried)) => Verdict::Pending(carried),
            // Which commit it takes back is not known here: whoever asked for it weighs it by `of_revert`.
            Ok(Shown::Revert(_)) => Verdict::Undecided {
                doubts: vec![Doubt::Other("a revert proves nothing".into())],
            },
            Err(Shortfall { gaps, .. }) if !gaps.is_empty() => Verdict::Refused { findings, gaps },
            Err(Shortfall { doubts, .. }) => Verdict::Undecided { doubts },
        }
    }

    /// The verdict on an exact revert of commit `of`, where the policy lets a green suite decide.
    pub fn of_revert(of: String, attempt: Result<Shown, Shortfall>) -> Verdict {
        match attempt {
            Ok(Shown::Revert(pass_to_pass)) => {
                Verdict::Accepted(Basis::Revert { of, pass_to_pass })
            }
            other => Verdict::weigh(&[], other),
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

    /// The verdict once people's approvals are counted: only where every reason is answered for, and there was one, it is accepted.
    pub fn overruled(self, approvals: &[Approval]) -> Verdict {
        let mut used = Vec::new();
        let (findings, mut gaps, mut doubts) = match self {
            Verdict::Refused { findings, gaps } => (findings, gaps, Vec::new()),
            Verdict::Undecided { doubts } => (Vec::new(), Vec::new(), doubts),
            Verdict::Accepted(_) | Verdict::Pending(_) => return self,
        };
        let is_refused = !findings.is_empty() || !gaps.is_empty();
        gaps.retain(|gap| !is_covered(gap.id(), approvals, &mut used));
        doubts.retain(|doubt| !is_covered(doubt.id(), approvals, &mut used));
        let is_answered_for = findings.is_empty() && gaps.is_empty() && doubts.is_empty();
        if is_answered_for && !used.is_empty() {
            Verdict::Accepted(Basis::Approved {
                approvals: used,
                proof: None,
            })
        } else if is_refused {
            Verdict::Refused { findings, gaps }
        } else {
            Verdict::Undecided { doubts }
        }
    }

    /// The verdict on a change of which findings were answered for before: what is accepted rests on those people too.
    pub fn resting_on(self, used: Vec<Approval>) -> Verdict {
        if used.is_empty() {
            return self;
        }
        match self {
            Verdict::Accepted(Basis::Proof(proof)) => Verdict::Accepted(Basis::Approved {
                approvals: used,
                proof: Some(proof),
            }),
            Verdict::Accepted(Basis::Perimeter(_)) => Verdict::Accepted(Basis::Approved {
                approvals: used,
                proof: None,
            }),
            Verdict::Accepted(Basis::Approved {
                mut approvals,
                proof,
            }) => {
                approvals.extend(used);
                Verdict::Accepted(Basis::Approved { approvals, proof })
            }
            other => other,
        }
    }

    /// The proof that there is, whatever the acceptance rests on.
    pub fn proof(&self) -> Option<&Proof> {
        match self {
            Verdict::Accepted(Basis::Proof(proof)) => Some(proof),
            Verdict::Accepted(Basis::Approved { proof, .. }) => proof.as_ref(),
            _ => None,
        }
    }

    /// Whether runs have shown what the acceptance rests on, so that there is something to state.
    pub fn is_shown(&self) -> bool {
        self.proof().is_some() || matches!(self, Verdict::Accepted(Basis::Revert { .. }))
    }

    /// What a person could decide, if that is all that keeps the verdict open.
    pub fn needs_person(&self) -> Vec<&'static str> {
        let Verdict::Undecided { doubts } = self else {
            return Vec::new();
        };
        let mut rules: Vec<&'static str> = doubts.iter().map(Doubt::id).collect();
        rules.sort_unstable();
        rules.dedup();
        let all = rules
            .iter()
            .all(|rule| Approvable::of(rule) == Approvable::Yes);
        if all { rules } else { Vec::new() }
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
            Verdict::Accepted(Basis::Revert { of, .. }) => format!("a revert of {of}"),
            Verdict::Accepted(Basis::Approved { approvals, .. }) => {
                let rules = approvals.iter().map(|approval| approval.rule.as_str());
                format!("approved {}", rules.collect::<Vec<_>>().join(" "))
            }
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

    fn approvals(rules: &str) -> Vec<Approval> {
        let approval = |rule: &str| Approval {
            rule: rule.into(),
            person: "ada@example.com".into(),
            because: "so it is".into(),
            until: None,
        };
        rules.split_whitespace().map(approval).collect()
    }

    /// `reasons` are ids of gaps and doubts, `empty-commit` a finding that is left.
    #[track_caller]
    fn check_overruled(reasons: &str, rules: &str, expected: &str) {
        let mut findings = Vec::new();
        let mut short = Shortfall::default();
        for reason in reasons.split_whitespace() {
            match reason {
                "no-test" => short.gaps.push(Gap::NoTest),
                "no-fix" => short.gaps.push(Gap::NoFix),
                "judge-input-changed" => short.gaps.push(Gap::JudgeInputChanged("a".into())),
                "flaky" => short.doubts.push(Doubt::Flaky(TestId("a".into()))),
                "timed-out" => short.doubts.push(Doubt::TimedOut(TestId("a".into()))),
                "runner-untrusted" => short.doubts.push(Doubt::RunnerUntrusted {
                    tree: crate::proof::Tree::After,
                    reason: "why".into(),
                }),
                "undecided" => short.doubts.push(Doubt::Other("why".into())),
                "empty-commit" => findings.push(finding(Level::Deny)),
                other => panic!("{other}"),
            }
        }
        let verdict = Verdict::weigh(&findings, Err(short)).overruled(&approvals(rules));
        assert_eq!(shown(&verdict), expected, "{reasons} by {rules}");
    }

    #[test]
    fn an_approval_covers_every_reason_of_its_rule_and_no_other() {
        check_overruled("flaky", "flaky", "approved flaky");
        check_overruled("flaky flaky", "flaky", "approved flaky");
        check_overruled("no-test", "no-test", "approved no-test");
        check_overruled(
            "flaky timed-out",
            "timed-out flaky",
            "approved flaky timed-out",
        );
        check_overruled("flaky timed-out", "flaky", "undecided 1");
        check_overruled("no-test no-fix", "no-fix", "refused 0 1");
        check_overruled("flaky", "", "undecided 1");
        check_overruled("flaky", "timed-out", "undecided 1");
        check_overruled("empty-commit", "flaky", "refused 1 0");
        // Nothing known is nothing that a person could answer for.
        check_overruled("", "flaky", "undecided 0");
    }

    #[test]
    fn what_is_closed_nobody_overrules() {
        for closed in ["judge-input-changed", "runner-untrusted", "undecided"] {
            let left = Verdict::weigh(&[], Err(Shortfall::from(Gap::NoTest)));
            assert_eq!(shown(&left.overruled(&approvals(closed))), "refused 0 1");
        }
        check_overruled("judge-input-changed", "judge-input-changed", "refused 0 1");
        check_overruled("runner-untrusted", "runner-untrusted", "undecided 1");
        check_overruled(
            "flaky runner-untrusted",
            "flaky runner-untrusted",
            "undecided 1",
        );
        check_overruled("undecided", "undecided", "undecided 1");
        for id in [
            "secret-added",
            "hidden-text",
            "path-protected",
            "path-encoding",
        ] {
            assert_eq!(Approvable::of(id), Approvable::Closed, "{id}");
        }
        assert!(CLOSED.iter().all(|id| ids::IDS.contains(id)));
        assert_eq!(Approvable::of("nothing"), Approvable::Unknown);
    }

    #[test]
    fn a_finding_is_answered_for_by_its_own_rule_if_it_is_open() {
        let findings = |rule, level| {
            let finding = Finding {
                rule,
                ..finding(level)
            };
            [finding.clone(), finding]
        };
        let open = |rule, rules: &str| {
            let (open, used) = answered_for(&findings(rule, Level::Deny), &approvals(rules));
            (open.len(), used.len())
        };
        assert_eq!(
            open(Rule::TooManyLines, "too-many-lines too-many-lines"),
            (0, 1)
        );
        assert_eq!(open(Rule::TooManyLines, "too-many-files"), (2, 0));
        assert_eq!(open(Rule::SecretAdded, "secret-added"), (2, 0));
        assert_eq!(open(Rule::PathProtected, "path-protected"), (2, 0));
        let (open, used) = answered_for(
            &findings(Rule::TooManyLines, Level::Warn),
            &approvals("too-many-lines"),
        );
        assert_eq!((open.len(), used.len()), (2, 0));
    }

    #[test]
    fn an_approval_is_never_lost_and_makes_nothing_of_a_pending_change() {
        let pending = Verdict::weigh(&[], Ok(red()));
        let pending = pending.overruled(&approvals("flaky"));
        assert_eq!(
            shown(&pending.resting_on(approvals("too-many-lines"))),
            "pending 1"
        );
        let short = Shortfall::from(Gap::NoTest);
        let verdict = Verdict::weigh(&[], Err(short)).overruled(&approvals("no-test"));
        let verdict = verdict.resting_on(approvals("too-many-lines"));
        assert_eq!(shown(&verdict), "approved no-test too-many-lines");
        let refused = Verdict::weigh(&[], Err(Shortfall::from(Gap::NoTest)));
        assert_eq!(shown(&refused.resting_on(approvals("x"))), "refused 0 1");
    }

    #[test]
    fn a_person_is_asked_where_a_person_can_help() {
        let needs = |doubts: Vec<Doubt>| Verdict::Undecided { doubts }.needs_person().join(" ");
        let flaky = || Doubt::Flaky(TestId("a".into()));
        assert_eq!(needs(vec![flaky(), flaky()]), "flaky");
        assert_eq!(needs(vec![flaky(), Doubt::Other("why".into())]), "");
        assert_eq!(needs(vec![]), "");
    }

    #[test]
    fn what_only_people_or_nobody_answers_for_is_not_shown() {
        let revert = Ok(Shown::Revert(BTreeSet::new()));
        let revert = Verdict::of_revert("a".into(), revert);
        assert!(revert.is_shown() && revert.proof().is_none());
        let refused = Verdict::weigh(&[], Err(Shortfall::from(Gap::NoTest)));
        for verdict in [
            refused.overruled(&approvals("no-test")),
            Verdict::of_topic(&[]),
            Verdict::of_perimeter(&[], Lane::Agent),
            Verdict::weigh(&[], Ok(red())),
        ] {
            assert!(!verdict.is_shown(), "{}", shown(&verdict));
        }
    }
}
