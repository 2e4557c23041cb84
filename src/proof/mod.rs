//! Proof that a fix fixes: new tests fail before it and pass after it, and nothing else breaks.

mod base;
mod bodies;
mod build;
mod case;
mod chance;
mod compare;
mod comparisons;
mod echo;
mod examples;
mod expectation;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod ids;
mod lexer;
mod missing;
mod mocked;
mod modules;
mod necessity;
mod neighbours;
mod prune;
mod renamed;
mod rewritten;
mod runs;
mod setup;
mod signature;
mod smells;
mod split;
mod trees;
mod variations;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::change::RepoPath;
use crate::suite::{NotBuilt, TestId};

pub use case::{
    Attempt, Budget, Carried, Case, Effort, Evidence, Progress, Record, Shown, Source, Sources,
    Traces, What, Workshop,
};
pub use neighbours::SpecialCase;
pub use runs::prove;
pub use setup::{Installed, ServiceEvidence, SetupEvidence, Site, install};
pub use signature::{Compared, Known, Named, Standing};
pub use split::changed_inputs;

/// A proof that holds. It has at least one FAIL_TO_PASS test; [`compare`](compare::compare) is the only way to build one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// With what the runner said about the failure BEFORE the fix.
    fail_to_pass: BTreeMap<TestId, String>,
    pass_to_pass: BTreeSet<TestId>,
    /// Failed at the parent already and still fails: not this commit's doing.
    still_red: BTreeSet<TestId>,
    /// Runs of each new test on each side.
    samples: usize,
}

/// Why there is no proof: the change is refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gap {
    /// No test file and no inline test is added or changed.
    NoTest,
    /// Tests only.
    NoFix,
    /// Every new or changed test passes without the fix.
    AlreadyPasses(Vec<TestId>),
    /// A new or changed test fails with the fix.
    StillFails(TestId),
    /// It passed at the parent, or BEFORE.
    Broken(TestId),
    /// It ran at the parent and is absent or skipped now.
    Vanished(TestId),
    /// A test file or target builds at the parent and not with the commit.
    NotBuilt { what: String, detail: String },
    /// The only red tests were red at the parent already, by the parent's own version: nothing new is shown.
    AlreadyRed(Vec<TestId>),
    /// The change touches a file that decides how tests run.
    JudgeInputChanged(RepoPath),
    /// No new test failed as the issue that the commit names did in production.
    DifferentFailure {
        issue: String,
        expected: String,
        /// What the new tests failed with.
        seen: Vec<String>,
    },
    /// Every new test passes without this part of the fix.
    UnprovenHunk {
        path: RepoPath,
        line: usize,
        n_added: usize,
        n_removed: usize,
    },
    /// The code only knows the new tests' own values.
    SpecialCased {
        path: RepoPath,
        line: usize,
        value: String,
        how: SpecialCase,
    },
}

/// Why it cannot be said whether there is a proof: undecided is a refusal too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doubt {
    /// The samples of one side disagree.
    Flaky(TestId),
    /// Without the fix a new test does not build, collect or start: that says nothing about the bug.
    BeforeErrored {
        what: String,
        detail: String,
        /// The same does not start at the parent, so that it is not the new test's.
        at_parent: bool,
    },
    /// A run that cannot be believed.
    RunnerUntrusted {
        tree: Tree,
        reason: String,
    },
    /// The parent's version of this test fails on the new source, the commit's version passes: a product decision.
    ExpectationChanged(TestId),
    /// The parent's tests do not build on the new source.
    OldTestsNotBuilt {
        what: String,
        detail: String,
    },
    /// Nothing, or next to nothing, ran at the parent.
    NoBaseline(String),
    TimedOut(TestId),
    /// One test part and one fix part cannot be told apart in this file.
    CannotSplit {
        path: RepoPath,
        reason: String,
    },
    /// A line of the fix asks whether it is being tested, or reaches into what tests it.
    TestAware {
        path: RepoPath,
        line: usize,
        text: String,
    },
    /// A line of the new tests asks what the source looks like or what is defined there, not what it does.
    SourceSensitive {
        path: RepoPath,
        line: usize,
        text: String,
    },
    /// A line of the fix compares with a value of the new tests, which was nowhere in the file before.
    ComparesWithTest {
        path: RepoPath,
        line: usize,
        value: String,
    },
    /// A new test passes as well when it expects another value there.
    ExpectsAnything {
        path: RepoPath,
        line: usize,
        value: String,
    },
    /// A line of the new tests puts something else in the place of what the fix changes.
    UnitMocked {
        path: RepoPath,
        line: usize,
        name: String,
    },
    /// An old test says less than before, and it was not red without the fix.
    OldTestRewritten {
        path: RepoPath,
        name: String,
    },
    /// The test does something else where the other side's lines stand in comments: it reads its sources.
    ReadsSource(TestId),
    /// It passes today, and not more than a year later.
    TimeDependent(TestId),
    /// It passes with one order of sets and maps, and not with another.
    SeedDependent(TestId),
    /// The policy wants the failure compared with an issue that nobody knows.
    IssueUnknown(String),
    SandboxBelowPolicy {
        level: u8,
        min_level: u8,
    },
    /// An earlier commit, which is not trusted yet, changed what is to be installed.
    SetupNotTrusted {
        path: RepoPath,
    },
    /// A line of `proof.setup` did not end well.
    SetupFailed {
        line: String,
        end: String,
        /// Its last words, without secrets.
        said: Vec<String>,
    },
    /// The time for the proof is over.
    BudgetSpent {
        seconds: u64,
        /// The policy's time for a hook; else that of `--budget`.
        is_hook: bool,
    },
    /// A merge that git could not have made alone.
    ConflictResolved,
    /// It takes back exactly what another commit did: its id.
    Reverts(String),
    /// Anything else that could not be found out.
    Other(String),
}

/// All that is short of a proof. Gaps are certain; doubts are not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Shortfall {
    pub gaps: Vec<Gap>,
    pub doubts: Vec<Doubt>,
}

/// The four trees of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tree {
    Parent,
    /// The parent's tree with the test part of the change.
    Before,
    /// The commit's tree.
    After,
    /// The commit's tree with the parent's tests.
    OldTests,
}

impl Shortfall {
    pub fn is_empty(&self) -> bool {
        self.gaps.is_empty() && self.doubts.is_empty()
    }

    /// `value`, if nothing is short.
    pub fn into_result<T>(self, value: T) -> Result<T, Shortfall> {
        if self.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }
}

impl From<Gap> for Shortfall {
    fn from(gap: Gap) -> Shortfall {
        Shortfall {
            gaps: vec![gap],
            doubts: Vec::new(),
        }
    }
}

impl From<Doubt> for Shortfall {
    fn from(doubt: Doubt) -> Shortfall {
        Shortfall {
            gaps: Vec::new(),
            doubts: vec![doubt],
        }
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tree::Parent => "PARENT",
            Tree::Before => "BEFORE",
            Tree::After => "AFTER",
            Tree::OldTests => "AFTER with the parent's tests",
        })
    }
}

impl Proof {
    pub fn fail_to_pass(&self) -> &BTreeMap<TestId, String> {
        &self.fail_to_pass
    }

    pub fn pass_to_pass(&self) -> &BTreeSet<TestId> {
        &self.pass_to_pass
    }

    pub fn still_red(&self) -> &BTreeSet<TestId> {
        &self.still_red
    }

    pub fn samples(&self) -> usize {
        self.samples
    }
}

impl From<&NotBuilt> for Doubt {
    fn from(not_built: &NotBuilt) -> Doubt {
        Doubt::BeforeErrored {
            what: not_built.what.clone(),
            detail: not_built.detail.clone(),
            at_parent: false,
        }
    }
}
