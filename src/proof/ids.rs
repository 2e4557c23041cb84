//! The names by which people speak of gaps and doubts: in answers, and where a person decides about one.

use super::{Doubt, Gap};

/// All of them.
pub const IDS: &[&str] = &[
    "already-passes",
    "already-red",
    "before-errored",
    "broken",
    "budget-spent",
    "cannot-split",
    "conflict-resolved",
    "different-failure",
    "expectation-changed",
    "flaky",
    "issue-unknown",
    "judge-input-changed",
    "no-baseline",
    "no-fix",
    "no-test",
    "not-built",
    "old-test-rewritten",
    "old-tests-not-built",
    "revert",
    "runner-untrusted",
    "sandbox-too-low",
    "seed-dependent",
    "setup-failed",
    "setup-not-trusted",
    "source-sensitive",
    "special-cased",
    "still-fails",
    "test-aware",
    "time-dependent",
    "timed-out",
    "undecided",
    "unit-mocked",
    "unproven-hunk",
    "vacuous-assertion",
    "vanished",
];

impl Gap {
    pub fn id(&self) -> &'static str {
        match self {
            Gap::NoTest => "no-test",
            Gap::NoFix => "no-fix",
            Gap::AlreadyPasses(_) => "already-passes",
            Gap::StillFails(_) => "still-fails",
            Gap::Broken(_) => "broken",
            Gap::Vanished(_) => "vanished",
            Gap::NotBuilt { .. } => "not-built",
            Gap::AlreadyRed(_) => "already-red",
            Gap::JudgeInputChanged(_) => "judge-input-changed",
            Gap::DifferentFailure { .. } => "different-failure",
            Gap::UnprovenHunk { .. } => "unproven-hunk",
            Gap::SpecialCased { .. } => "special-cased",
        }
    }
}

impl Doubt {
    pub fn id(&self) -> &'static str {
        match self {
            Doubt::Flaky(_) => "flaky",
            Doubt::BeforeErrored { .. } => "before-errored",
            Doubt::RunnerUntrusted { .. } => "runner-untrusted",
            Doubt::ExpectationChanged(_) => "expectation-changed",
            Doubt::OldTestsNotBuilt { .. } => "old-tests-not-built",
            Doubt::NoBaseline(_) => "no-baseline",
            Doubt::TimedOut(_) => "timed-out",
            Doubt::CannotSplit { .. } => "cannot-split",
            Doubt::TestAware { .. } => "test-aware",
            Doubt::SourceSensitive { .. } => "source-sensitive",
            Doubt::ComparesWithTest { .. } => "special-cased",
            Doubt::ExpectsAnything { .. } => "vacuous-assertion",
            Doubt::UnitMocked { .. } => "unit-mocked",
            Doubt::OldTestRewritten { .. } => "old-test-rewritten",
            Doubt::ReadsSource(_) => "source-sensitive",
            Doubt::TimeDependent(_) => "time-dependent",
            Doubt::SeedDependent(_) => "seed-dependent",
            Doubt::IssueUnknown(_) => "issue-unknown",
            Doubt::SandboxBelowPolicy { .. } => "sandbox-too-low",
            Doubt::SetupNotTrusted { .. } => "setup-not-trusted",
            Doubt::SetupFailed { .. } => "setup-failed",
            Doubt::BudgetSpent { .. } => "budget-spent",
            Doubt::Other(_) => "undecided",
            Doubt::ConflictResolved => "conflict-resolved",
            Doubt::Reverts(_) => "revert",
        }
    }
}
