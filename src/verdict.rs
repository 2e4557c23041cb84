//! Findings and proof, weighed.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::perimeter::Finding;
use crate::policy::Lane;
use crate::proof::{Doubt, Gap, Proof};
use crate::suite::TestId;

/// The answer. Only `Accepted` lets a commit pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Accepted(Basis),
    /// Red tests only, where the policy lets a test come before its fix. A range must not end like this.
    Pending {
        red: BTreeSet<TestId>,
    },
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
