//! One phase of a test: what was reported beside what was raised, and whether the red is the right one.

use serde::Deserialize;

use super::Dialect;
use crate::suite::{Outcome, Raised, RaisedIn, TestResult};

#[derive(Debug, Deserialize)]
pub(super) struct Phase {
    pub id: String,
    pub when: When,
    pub outcome: Reported,
    #[serde(default)]
    pub xfail: bool,
    pub exc: Option<Exception>,
    #[serde(default)]
    pub note: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum When {
    Setup,
    Call,
    /// A subtest, while its test is being called.
    Sub,
    Teardown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reported {
    Passed,
    Failed,
    Skipped,
}

/// What was raised, as the reporter found it, before anybody's hook could call it something else.
#[derive(Debug, Deserialize)]
pub(in crate::suite::runner) struct Exception {
    pub kind: String,
    /// `kind` and the types above it, the nearest first.
    pub bases: Vec<String>,
    pub message: String,
    pub innermost: Place,
    /// The innermost frame that lies in the tree.
    pub nearest: Place,
    pub owner: Option<Owner>,
    /// The frames that lie in the tree, the innermost first.
    #[serde(default)]
    pub frames: Vec<RaisedIn>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::suite::runner) enum Place {
    Test,
    /// Production code of the tree.
    Tree,
    /// `unittest.mock`, pytest's `monkeypatch`.
    Patch,
    Other,
    None,
}

/// What an attribute was asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::suite::runner) enum Owner {
    None,
    Module,
    Class,
    /// Its class is defined in the tree.
    TreeInstance,
    Instance,
    Unknown,
}

impl Phase {
    /// The outcome of the phase alone.
    ///
    /// # Errors
    /// The reported outcome contradicts what was raised.
    pub fn judge(&self, dialect: &Dialect) -> Result<TestResult, String> {
        let said = match &self.exc {
            Some(exc) => exc.say(dialect),
            None => self.note.clone(),
        };
        let mut is_missing_name = false;
        let (outcome, detail) = match (self.outcome, &self.exc) {
            (Reported::Passed, Some(_)) => {
                return Err(format!("reported passed although it raised {said}"));
            }
            (Reported::Passed, None) => (Outcome::Passed, said),
            (Reported::Skipped, Some(exc)) if !self.xfail && !exc.is_any(dialect.skips) => {
                return Err(format!("reported skipped although it raised {said}"));
            }
            (Reported::Skipped, _) if self.xfail => {
                (Outcome::Skipped, format!("expected to fail: {said}"))
            }
            (Reported::Skipped, _) => (Outcome::Skipped, said),
            (Reported::Failed, _) if self.when == When::Setup => {
                (Outcome::Errored, format!("set-up: {said}"))
            }
            (Reported::Failed, _) if self.when == When::Teardown => {
                (Outcome::Errored, format!("tear-down: {said}"))
            }
            (Reported::Failed, Some(exc)) if (dialect.is_missing_name)(exc) => {
                is_missing_name = true;
                (
                    Outcome::Errored,
                    format!("a name is missing, in test code: {said}"),
                )
            }
            (Reported::Failed, _) => (Outcome::Failed, said),
        };
        let raised = self.exc.as_ref().filter(|_| outcome != Outcome::Passed);
        Ok(TestResult {
            outcome,
            detail,
            raised: raised.map(Exception::raised),
            is_missing_name,
        })
    }
}

impl Exception {
    pub fn is_a(&self, kind: &str) -> bool {
        self.bases.iter().any(|base| base == kind)
    }

    fn is_any(&self, kinds: &[&str]) -> bool {
        kinds.iter().any(|kind| self.is_a(kind))
    }

    fn raised(&self) -> Raised {
        Raised {
            kind: self.kind.clone(),
            bases: self.bases.clone(),
            message: self.message.clone(),
            frames: self.frames.clone(),
        }
    }

    /// A failed assertion goes by one name, whatever the framework's own class for it is.
    fn say(&self, dialect: &Dialect) -> String {
        let kind = match dialect.assertions.first() {
            Some(assertion) if self.is_any(dialect.assertions) => assertion,
            _ => self.kind.as_str(),
        };
        format!("{kind}: {}", self.message)
    }
}

impl std::fmt::Display for Exception {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}
