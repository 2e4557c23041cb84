//! The safety perimeter: every way in which a change leaves it is a finding. Pure: no I/O, nothing printed.

use serde::Serialize;

use crate::change::{Change, CommitMessage, RepoPath};
use crate::policy::{Level, Policy, Rule};

/// What is judged.
#[derive(Debug)]
pub struct Candidate<'a> {
    pub change: &'a Change,
    /// `None` in `pre-commit`, where no message exists yet.
    pub message: Option<&'a CommitMessage>,
    pub shape: Shape,
}

/// What the commit is by its parents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The staged index, or one parent.
    Ordinary,
    Root,
    /// More than one parent; the change is what the merge has beyond an automatic merge of its parents.
    Merge,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub rule: Rule,
    pub level: Level,
    pub location: Option<Location>,
    /// The fact with its number: one sentence without a period, paths in backticks.
    pub fact: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Location {
    pub path: RepoPath,
    /// 1-based, in the new version (in the old one for removed lines).
    pub line: Option<usize>,
}

/// Returns everything the policy objects to, rules that are off left out, in the order of the change.
pub fn inspect(candidate: &Candidate, policy: &Policy) -> Vec<Finding> {
    let _ = (candidate, policy);
    Vec::new()
}
