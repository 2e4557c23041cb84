//! Names that a policy may use, as data, and those that this version knows of but does not yet keep: a person who writes one of them is told
//! so, never misunderstood.

/// Types of conventional commits: those of the specification and of its common preset.
pub(super) const COMMIT_TYPES: &[&str] = &[
    "build", "chore", "ci", "docs", "feat", "fix", "perf", "refactor", "revert", "style", "test",
];

/// Our names for the columns of a table of errors.
pub(super) const COLUMNS: &[&str] = &[
    "at",
    "count",
    "environment",
    "file",
    "function",
    "id",
    "level",
    "line",
    "message",
    "module",
    "muted",
    "release",
    "resolved",
    "stack",
    "template",
    "type",
    "user",
];
