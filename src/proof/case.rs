//! What a proof is asked, with what it works, and what came of it: values only.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gix::ObjectId;
use serde::Serialize;

use super::signature::{Compared, Named};
use super::{Doubt, Gap, Proof, ServiceEvidence, SetupEvidence, Shortfall, Tree};
use crate::change::{Change, RepoPath};
use crate::policy::Suite;
use crate::suite::results::Results;
use crate::suite::runner::Toolbox;
use crate::suite::sandbox::Sandbox;
use crate::suite::{TestId, TestRun};

/// What is to be proved, and with what.
#[derive(Debug)]
pub struct Case<'a> {
    pub change: &'a Change,
    pub parent_tree_id: ObjectId,
    pub tree_id: ObjectId,
    /// The tree that the policy stands in: nothing of the judged commits is in it. What is installed for the tests comes from there.
    pub trusted_tree_id: ObjectId,
    /// The commit of that tree.
    pub trusted_id: ObjectId,
    /// Red tests of earlier commits of the range, and the files they stand in.
    pub carried: &'a Carried,
    /// The production errors that the message says are fixed.
    pub issues: Vec<Named<'a>>,
    pub suite: Suite,
    /// The limit for the whole proof, where there is one.
    pub budget: Option<Budget>,
    /// Whether somebody waits: the steps that take long are left to `check`.
    pub is_hurried: bool,
    /// It takes back exactly what another commit did, and the policy lets that pass if no test breaks.
    pub is_revert: bool,
}

/// A time after which nothing is decided any more.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    pub until: Instant,
    /// All that was given.
    pub given: Duration,
    /// Whether the policy gives it to a hook; else whoever called.
    pub is_hook: bool,
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
    /// What is known of earlier runs.
    pub results: Arc<Results>,
    pub effort: Effort,
}

/// How the runs are made, and what stays of them.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Test processes at once, where a runner starts one for each test.
    pub jobs: NonZeroUsize,
    /// Whether what each run said is wanted.
    pub shows_runs: bool,
    /// Whether the trees stay for a person to look into.
    pub keeps_trees: bool,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Attempt {
    pub result: Result<Shown, Shortfall>,
    pub evidence: Option<Evidence>,
    #[serde(flatten)]
    pub traces: Traces,
}

/// What stays of a proof for people who asked for it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Traces {
    /// Every run, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Record>,
    /// Where the trees lie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trees: Option<PathBuf>,
}

/// One run, and all that it said.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    pub tree: Tree,
    pub what: What,
    pub source: Source,
    pub milliseconds: u64,
    pub run: TestRun,
}

/// Where a run's result comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Run for this proof.
    Made,
    /// Run a moment ago by the same process, for the commit before.
    Reused,
    /// Read from the local cache, which whoever works here can write.
    Recalled,
}

/// How many results of a proof come from where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sources {
    pub made: usize,
    pub reused: usize,
    pub recalled: usize,
}

/// What a change was shown to do.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    Fix(Proof),
    /// A revert after which these tests still pass, and none that passed fails.
    Revert(BTreeSet<TestId>),
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
    pub runs: Sources,
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
    /// What the policy's `build` makes of a tree.
    Making {
        tree: Tree,
    },
    Running {
        tree: Tree,
        what: What,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
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
    /// The new tests, each with another expected value, the `n`th try.
    OtherExpectation {
        n: usize,
    },
    /// The new tests with another value, the `n`th try.
    OtherValue {
        n: usize,
    },
    /// The new tests, with the other side's lines in comments.
    Echoed,
    /// The new tests in other circumstances.
    Varied,
    /// The examples in the documentation.
    Examples,
}

impl Attempt {
    /// Nothing was run.
    pub fn short(short: impl Into<Shortfall>) -> Attempt {
        Attempt {
            result: Err(short.into()),
            evidence: None,
            traces: Traces::default(),
        }
    }
}

impl Budget {
    pub fn new(given: Duration, is_hook: bool) -> Budget {
        Budget {
            until: Instant::now() + given,
            given,
            is_hook,
        }
    }

    /// What is left of it.
    ///
    /// # Errors
    /// Nothing is.
    pub fn left(&self) -> Result<Duration, Doubt> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            Err(Doubt::BudgetSpent {
                seconds: self.given.as_secs(),
                is_hook: self.is_hook,
            })
        } else {
            Ok(left)
        }
    }
}

impl Sources {
    pub fn count(&mut self, source: Source) {
        match source {
            Source::Made => self.made += 1,
            Source::Reused => self.reused += 1,
            Source::Recalled => self.recalled += 1,
        }
    }
}
