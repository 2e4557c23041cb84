//! One phase of a test: what was reported beside what was raised, and whether the red is the right one.

use serde::Deserialize;

use crate::suite::Outcome;

#[derive(Debug, Deserialize)]
pub(super) struct Phase {
    pub id: String,
    pub when: When,
    pub outcome: Reported,
    pub xfail: bool,
    pub exc: Option<Exception>,
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
pub(super) struct Exception {
    pub kind: String,
    pub bases: Vec<String>,
    pub message: String,
    pub innermost: Place,
    /// The innermost frame that lies in the tree.
    pub nearest: Place,
    pub owner: Option<Owner>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Place {
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
pub(super) enum Owner {
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
    pub fn judge(&self) -> Result<(Outcome, String), String> {
        let detail = match &self.exc {
            Some(exc) => exc.to_string(),
            None => self.note.clone(),
        };
        match (self.outcome, &self.exc) {
            (Reported::Passed, Some(exc)) => {
                Err(format!("reported passed although it raised {exc}"))
            }
            (Reported::Passed, None) => Ok((Outcome::Passed, detail)),
            (Reported::Skipped, Some(exc)) if !self.xfail && !exc.is_skip() => {
                Err(format!("reported skipped although it raised {exc}"))
            }
            (Reported::Skipped, _) if self.xfail => {
                Ok((Outcome::Skipped, format!("expected to fail: {detail}")))
            }
            (Reported::Skipped, _) => Ok((Outcome::Skipped, detail)),
            (Reported::Failed, _) if self.when == When::Setup => {
                Ok((Outcome::Errored, format!("set-up: {detail}")))
            }
            (Reported::Failed, _) if self.when == When::Teardown => {
                Ok((Outcome::Errored, format!("tear-down: {detail}")))
            }
            (Reported::Failed, Some(exc)) if exc.is_missing_name() => Ok((
                Outcome::Errored,
                format!("a name is missing, in test code: {detail}"),
            )),
            (Reported::Failed, _) => Ok((Outcome::Failed, detail)),
        }
    }
}

impl Exception {
    fn is_a(&self, kind: &str) -> bool {
        self.bases.iter().any(|base| base == kind)
    }

    fn is_skip(&self) -> bool {
        self.is_a("Skipped") || self.is_a("SkipTest")
    }

    /// Whether test code asked for something that is not there: it says that a name is new, not that anything was wrong. The same exception
    /// raised by production code is a failure.
    fn is_missing_name(&self) -> bool {
        let outside_production = self.nearest != Place::Tree;
        if self.is_a("ImportError") || self.is_a("NameError") {
            return outside_production;
        }
        if self.is_a("AttributeError") {
            let is_definite = matches!(
                self.owner,
                Some(Owner::Module | Owner::Class | Owner::TreeInstance)
            );
            let by_patch = self.innermost == Place::Patch && outside_production;
            return by_patch || (self.nearest == Place::Test && is_definite);
        }
        self.is_a("TypeError") && self.nearest == Place::Test && is_about_signature(&self.message)
    }
}

impl std::fmt::Display for Exception {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_assertion = self.is_a("AssertionError");
        let kind = if is_assertion {
            "AssertionError"
        } else {
            &self.kind
        };
        write!(f, "{kind}: {}", self.message)
    }
}

fn is_about_signature(message: &str) -> bool {
    [
        "unexpected keyword argument",
        "positional argument",
        "keyword-only argument",
        "multiple values for",
        "takes no arguments",
        "takes no keyword arguments",
        "takes exactly",
        "takes at most",
        "takes at least",
    ]
    .iter()
    .any(|part| message.contains(part))
}
