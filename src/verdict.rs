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
