//! The answer for one change, with everything that it rests on.

use serde::Serialize;

use super::lane::LaneDecision;
use super::trust::{self, Trusted};
use super::waive::{Void, Waived, Weighed};
use super::{Place, Subject};
use crate::attestation::{Beside, Circumstances, PolicyRef, Predicate};
use crate::perimeter::{Finding, shown_subject};
use crate::policy::{Lane, Level, Mode, Policy};
use crate::proof::{Doubt, Evidence, Traces};
use crate::verdict::{Basis, Verdict};

/// The answer for one change, with everything that it rests on.
#[derive(Clone, Debug, Serialize)]
pub struct Judgement {
    /// `0a1b2c3d4e fix: total of an empty cart`, `staged`, `main..fix as one change`.
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    pub tree: String,
    pub parent_tree: String,
    pub trusted: Trusted,
    pub policy_digest: String,
    pub lane: LaneDecision,
    pub verdict: Verdict,
    /// Findings that do not refuse.
    pub warnings: Vec<Finding>,
    /// Findings that a waiver of the policy lets pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waived: Vec<Waived>,
    /// Waivers that would have let something pass, and no longer do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub void_waivers: Vec<Void>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    #[serde(flatten)]
    pub traces: Traces,
    /// The policy only observes what is in this lane: nothing is refused, and nothing stated.
    pub observed: bool,
}

/// What was found out about a subject.
pub(super) struct Answer {
    pub found: Weighed,
    pub verdict: Verdict,
    pub evidence: Option<Evidence>,
    pub traces: Traces,
}

impl Judgement {
    pub(super) fn new(
        (trusted, policy): (&Trusted, &Policy),
        lane: LaneDecision,
        subject: &Subject,
        answer: Answer,
    ) -> Judgement {
        let observed = policy.mode_of(lane.lane) == Mode::Observe;
        let findings = answer.found.findings.into_iter();
        let mut warnings: Vec<Finding> = findings
            .filter(|finding| finding.level == Level::Warn)
            .collect();
        // A range may have a hundred thousand of these, and what was filtered keeps the room of all that there was.
        warnings.shrink_to_fit();
        let mut verdict = answer.verdict;
        if let Verdict::Refused { findings, .. } = &mut verdict {
            findings.shrink_to_fit();
        }
        Judgement {
            name: name(subject),
            commit: subject.commit.as_ref().map(|commit| commit.id.to_string()),
            tree: subject.tree_id.to_string(),
            parent_tree: subject.parent_tree_id.to_string(),
            trusted: trusted.clone(),
            policy_digest: policy.digest.clone(),
            lane,
            verdict,
            warnings,
            waived: answer.found.waived,
            void_waivers: answer.found.void,
            evidence: answer.evidence,
            traces: answer.traces,
            observed,
        }
    }

    /// The judgement of a merge that resolves a conflict: what a person would have made of it is not for us to say.
    pub(super) fn of_conflict(
        origin: (&Trusted, &Policy),
        lane: LaneDecision,
        subject: &Subject,
    ) -> Judgement {
        let verdict = match lane.lane {
            Lane::Human => Verdict::Accepted(Basis::Perimeter(Lane::Human)),
            Lane::Agent | Lane::Repair => Verdict::Undecided {
                doubts: vec![Doubt::ConflictResolved],
            },
        };
        Judgement::new(
            origin,
            lane,
            subject,
            Answer {
                found: Weighed::default(),
                verdict,
                evidence: None,
                traces: Traces::default(),
            },
        )
    }

    /// The content of a statement; `None` unless a proof was accepted and the policy enforces.
    pub fn predicate(&self, place: Place, beside: Beside) -> anyhow::Result<Option<Predicate>> {
        let (Verdict::Accepted(basis), Some(evidence), false) =
            (&self.verdict, &self.evidence, self.observed)
        else {
            return Ok(None);
        };
        let around = Circumstances {
            judged_by: match place {
                Place::Check | Place::Topic => "check",
                Place::Hook => "hook",
            },
            lane: self.lane.lane.as_str(),
            policy: PolicyRef {
                digest: self.policy_digest.clone(),
                commit: self.trusted.commit.clone(),
            },
            beside,
            waivers: self.waived.iter().map(Waived::reference).collect(),
            parent_tree_id: self.parent_tree.clone(),
            tree_id: self.tree.clone(),
            evidence,
        };
        match basis {
            Basis::Proof(proof) => Predicate::of(proof, &around).map(Some),
            Basis::Revert { of, pass_to_pass } => {
                Predicate::of_revert(of, pass_to_pass, &around).map(Some)
            }
            Basis::Approved { .. } | Basis::Perimeter(_) | Basis::Unproved => Ok(None),
        }
    }
}

fn name(subject: &Subject) -> String {
    match &subject.commit {
        Some(commit) => format!(
            "{} {}",
            trust::short(commit.id),
            shown_subject(&commit.message)
        ),
        None => "staged".into(),
    }
}
