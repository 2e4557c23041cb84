//! What a proof is asked, with what it works, and what came of it: values only.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use gix::ObjectId;
use serde::Serialize;

use super::signature::{Compared, Named};
use super::{Gap, Proof, ServiceEvidence, SetupEvidence, Shortfall, Tree};
use crate::change::{Change, RepoPath};
use crate::policy::Suite;
use crate::suite::TestId;
use crate::suite::runner::Toolbox;
use crate::suite::sandbox::Sandbox;

/// What is to be proved, and with what.
#[derive(Debug)]
pub struct Case<'a> {
    pub change: &'a Change,
    pub parent_tree_id: ObjectId,
    pub tree_id: ObjectId,
    /// The tree that the policy stands in: nothing of the judged commits is in it. What is installed for the tests comes from there.
    pub trusted_tree_id: ObjectId,
    /// Red tests of earlier commits of the range, and the files they stand in.
    pub carried: &'a Carried,
    /// The production errors that the message says are fixed.
    pub issues: Vec<Named<'a>>,
    pub suite: Suite,
    /// A hook's limit for the whole proof.
    pub budget: Option<Duration>,
}

/// What a range owes: tests that an earlier commit brought red.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Carried {
    pub tests: BTreeSet<TestId>,
    pub files: BTreeSet<RepoPath>,
}

/// The tools of one proof.
#[derive(Debug)]
pub struct Workshop {
    /// The work area's folder, outside the repository.
    pub root: PathBuf,
    pub sandbox: Sandbox,
    pub toolbox: Toolbox,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Attempt {
    pub result: Result<Shown, Shortfall>,
    pub evidence: Option<Evidence>,
}

/// What a change was shown to do.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    Fix(Proof),
    /// Tests only, and red: the fix is still owed.
    Red(Carried),
}

/// The circumstances of the runs, for the statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    pub runner: String,
    pub runner_version: String,
    pub sandbox: Sandbox,
    pub suite: Suite,
    pub before_tree_id: String,
    /// The tests, helpers and imports that BEFORE went without, because they do not build there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pruned: Vec<String>,
    /// The tests that count as red by `proof.before: missing_symbol` alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub red_by_name: Vec<TestId>,
    pub old_tests_tree_id: String,
    /// What was installed for the tests; `None` where they found it on the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setup: Option<SetupEvidence>,
    /// Servers that ran beside the tests, anew for each run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceEvidence>,
    /// Tests of these names were left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tests_exclude: Vec<String>,
    pub milliseconds: u64,
    /// How the red stands to the issues that the message names.
    pub issues: Vec<Compared>,
    /// What refuses under a stricter policy.
    pub warnings: Vec<Gap>,
}

/// What is being done right now, for people who wait.
#[derive(Clone, Copy, Debug)]
pub enum Progress {
    Waiting,
    /// The build output that all trees start from.
    Building,
    /// Line `n` of `of` of the policy's `setup`.
    SettingUp {
        n: usize,
        of: usize,
    },
    Running {
        tree: Tree,
        what: What,
    },
}

#[derive(Clone, Copy, Debug)]
pub enum What {
    /// The touched test files, sample `n` of `of`.
    Sample {
        n: usize,
        of: usize,
    },
    Suite,
    /// The new tests without a part of the fix, the `n`th try.
    WithoutHunk {
        n: usize,
    },
    /// The new tests with another value, the `n`th try.
    OtherValue {
        n: usize,
    },
    /// The new tests in other circumstances.
    Varied,
    /// The examples in the documentation.
    Examples,
}
