//! What is kept of a refusal: a statement of a kind of its own, so that nobody takes it for an acceptance.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{PolicyRef, STATEMENT_TYPE, Statement, Subject};

pub const PREDICATE_TYPE: &str = "urn:koan-guard:refusal:v1";

/// What is said of a change that was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    #[serde(rename = "_type")]
    pub kind: String,
    pub subject: Vec<Subject>,
    pub predicate_type: String,
    pub predicate: Predicate,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Predicate {
    /// `refused`, or `undecided`.
    pub result: String,
    pub lane: String,
    pub policy: PolicyRef,
    /// The production error that the fix names, by its fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue: Option<String>,
    /// The tree that the change starts from.
    pub parent_tree: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch_id: Option<String>,
    pub reasons: Vec<Reason>,
    pub guard_version: String,
}

/// A finding, a gap or a doubt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    pub rule: String,
    /// What was found, as `check --format json` has it.
    pub detail: Value,
}

impl Refusal {
    pub fn about(commit_id: &str, tree_id: &str, subject: &str, predicate: Predicate) -> Refusal {
        Refusal {
            kind: STATEMENT_TYPE.into(),
            subject: vec![Statement::subject(commit_id, tree_id, subject)],
            predicate_type: PREDICATE_TYPE.into(),
            predicate,
        }
    }
}
