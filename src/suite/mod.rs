//! The project's own test suite: test cases, their outcomes, and runs of them in a sandbox.

pub mod area;
pub mod inline;
pub mod process;
pub mod results;
pub mod runner;
pub mod sandbox;
pub mod service;
pub mod setup;
pub mod titles;
pub mod version;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of a test case: `FILE::NAME` for pytest, `MODULE.CLASS.NAME` for unittest, `PACKAGE TARGET::PATH` for cargo.
///
/// It holds no line number and no absolute path, so that it means the same in every tree.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct TestId(pub String);

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Passed,
    /// The test ran, and an assertion did not hold or the code under test raised.
    Failed,
    /// The test could not be built, collected or set up, or it stumbled over a name that is not there.
    Errored,
    Skipped,
    TimedOut,
}

/// One test case of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestResult {
    pub outcome: Outcome,
    /// The first line of what the runner said about a test that did not pass.
    pub detail: String,
    /// What the test raised, where the runner tells.
    pub raised: Option<Raised>,
    /// Whether it errored only because test code asked for a name that is not there.
    pub is_missing_name: bool,
}

/// An exception, a panic or a failed assertion, and where it came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raised {
    /// Its type, as the language writes it without its module: `KeyError`, `TypeError`, `panic`.
    pub kind: String,
    /// The type and the types above it, the nearest first.
    pub bases: Vec<String>,
    pub message: String,
    /// The frames that lie in the tree, the innermost first; at most 50.
    pub frames: Vec<RaisedIn>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaisedIn {
    /// Relative to the tree.
    pub file: String,
    /// Empty where it is not known.
    pub function: String,
    /// 1-based; 0 where it is not known.
    pub line: u32,
}

/// What one run said about each test case, and whether that can be believed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestRun {
    pub results: BTreeMap<TestId, TestResult>,
    /// Reasons to believe nothing of this run: no report, no end, a contradiction, a silent canary. Empty in a run that counts.
    pub distrust: Vec<String>,
    /// Files or targets that could not be built or collected, with the first line of the reason. Their tests are absent.
    pub not_built: Vec<NotBuilt>,
}

/// A file (Python) or a target (cargo) that gave no tests because it could not be built, collected or imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotBuilt {
    pub what: String,
    pub detail: String,
    /// Everything that is said against it. Empty where the runner does not tell.
    pub errors: Vec<BuildError>,
}

/// One place at which something does not build or cannot be collected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildError {
    /// Relative to the folder that the runner works in; empty where the error is in no file of it.
    pub file: String,
    /// In the file as it was built, canary included; `None` where only the line is known.
    pub bytes: Option<Range<usize>>,
    /// 1-based; 0 where it is not known.
    pub line: usize,
    /// Whether it says no more than that something of this name or shape is not there.
    pub is_missing_name: bool,
}

impl TestResult {
    pub fn new(outcome: Outcome, detail: impl Into<String>) -> TestResult {
        TestResult {
            outcome,
            detail: detail.into(),
            raised: None,
            is_missing_name: false,
        }
    }
}

impl NotBuilt {
    pub fn new(what: impl Into<String>, detail: impl Into<String>) -> NotBuilt {
        NotBuilt {
            what: what.into(),
            detail: detail.into(),
            errors: Vec::new(),
        }
    }

    /// Whether both say the same of the same thing, wherever in it.
    pub fn agrees_with(&self, other: &NotBuilt) -> bool {
        self.what == other.what && self.detail == other.detail
    }
}

impl TestRun {
    pub fn outcome(&self, test: &TestId) -> Option<Outcome> {
        self.results.get(test).map(|result| result.outcome)
    }
}

impl fmt::Display for TestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::Errored => "errored",
            Outcome::Skipped => "skipped",
            Outcome::TimedOut => "timed out",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
