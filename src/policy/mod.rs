//! What a fix is allowed to do: a policy that has been read, merged with its presets, checked and compiled.
//!
//! A value of [`Policy`] is always usable. The shape of the file and its errors are in [`file`].

pub mod agents;
pub mod file;
mod preset;
pub mod rule;

use std::collections::BTreeMap;
use std::time::Duration;

use globset::GlobSet;
use regex::bytes::Regex;

use crate::change::RepoPath;
pub use rule::{Level, Rule};

/// Where the policy stands in the tree of the trusted ref.
pub const PATH: &str = ".koan-guard.yaml";

#[derive(Debug)]
pub struct Policy {
    pub mode: Mode,
    pub lanes: Lanes,
    pub perimeter: Perimeter,
    pub proof: ProofPolicy,
    pub message: MessagePolicy,
    pub sources: Vec<SourceConfig>,
    /// SHA-256 of the effective values, hex: two policies that judge alike have one digest.
    pub digest: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Enforce,
    /// Everything is judged and said, nothing is refused.
    Observe,
}

/// How strictly a commit is judged, mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Perimeter rules about content, as warnings.
    Human,
    /// Perimeter and message.
    Agent,
    /// Perimeter, message, proof.
    Repair,
}

impl Lane {
    pub fn as_str(self) -> &'static str {
        match self {
            Lane::Human => "human",
            Lane::Agent => "agent",
            Lane::Repair => "repair",
        }
    }
}

#[derive(Debug)]
pub struct Lanes {
    pub repair_branches: GlobSet,
    /// Exact names and e-mail addresses, in lower case, beside the shipped table in [`agents`]; see `repair_known_agents`.
    pub repair_agents: Vec<String>,
    /// Whether the shipped table of agent marks counts.
    pub repair_known_agents: bool,
    pub agent_agents: Vec<String>,
    pub others: Lane,
}

#[derive(Debug)]
pub struct Perimeter {
    /// `None` is everywhere.
    pub allow: Option<PathSet>,
    /// The built-in list and the policy's, matched on the path as it is and on its folded form.
    pub protect: PathSet,
    pub limits: Limits,
    pub test_limits: TestLimits,
    pub forbid: Vec<Forbidden>,
    levels: BTreeMap<Rule, Level>,
}

/// Limits on production files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    pub files: usize,
    pub new_files: usize,
    /// Added and removed lines together, over all production files.
    pub lines: usize,
    pub hunks: usize,
    pub directories: usize,
    /// In bytes, without the line feed.
    pub line_length: usize,
    pub file_bytes: u64,
}

/// Limits on tests and fixtures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestLimits {
    pub files: usize,
    /// Added lines over all test files.
    pub added: usize,
    pub file_bytes: u64,
}

/// A text that must not come in (or go out).
#[derive(Debug)]
pub struct Forbidden {
    pub id: String,
    pub pattern: Regex,
    pub on: On,
    pub paths: PathSet,
    pub why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    Added,
    Removed,
    Both,
}

#[derive(Debug)]
pub struct ProofPolicy {
    pub tests: PathSet,
    /// Files that decide how tests run; the built-in names and the policy's.
    pub inputs: PathSet,
    /// Name of a built-in runner: `pytest`, `unittest`, `cargo`.
    pub runner: String,
    pub hook_suite: Suite,
    /// The longest that a hook may prove.
    pub hook_budget: Duration,
    /// What must still pass in `check`.
    pub suite: Suite,
    /// What the tests see besides the allow-list.
    pub env: BTreeMap<String, String>,
    pub red_commits: RedCommits,
    pub existing_tests: ExistingTests,
    /// Runs of each new test on each side.
    pub samples: usize,
    /// For one run of one phase.
    pub timeout: Duration,
    pub sandbox_min_level: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Suite {
    All,
    /// The touched test files only.
    Touched,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedCommits {
    Allow,
    Deny,
}

impl Suite {
    pub fn as_str(self) -> &'static str {
        match self {
            Suite::All => "all",
            Suite::Touched => "touched",
        }
    }
}

/// What happens when the parent's version of a test fails on the new source while the commit's version passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExistingTests {
    Strict,
    AllowIfFailToPass,
}

#[derive(Debug)]
pub struct MessagePolicy {
    pub conventional: bool,
    pub types: Vec<String>,
    /// In characters.
    pub subject_length: usize,
    pub require_trailers: Vec<String>,
}

/// Where production errors live.
#[derive(Clone, Debug)]
pub struct SourceConfig {
    pub name: String,
    pub kind: SourceKind,
}

#[derive(Clone, Debug)]
pub enum SourceKind {
    /// A plain `errors` table in a SQLite file. `columns` maps our names to the table's.
    Sqlite {
        path: String,
        table: String,
        columns: BTreeMap<String, String>,
    },
}

/// What a file is to the guard. Where several fit, the first counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    Protected,
    JudgeInput,
    Test,
    Documentation,
    Production,
}

/// Globs over paths, `/` never matched by `*`.
#[derive(Debug)]
pub struct PathSet {
    /// As written, in order.
    pub globs: Vec<String>,
    set: GlobSet,
}

impl Policy {
    pub fn kind_of(&self, path: &RepoPath) -> FileKind {
        let _ = path;
        FileKind::Protected
    }

    /// The effective level of `rule`.
    pub fn level(&self, rule: Rule) -> Level {
        self.perimeter
            .levels
            .get(&rule)
            .copied()
            .unwrap_or(Level::Deny)
    }
}

impl PathSet {
    pub fn is_match(&self, path: &RepoPath) -> bool {
        self.set.is_match(path.as_path())
    }
}
impl Policy {
    pub fn load(text: &str, name: &str) -> anyhow::Result<Policy> {
        let _ = (text, name);
        anyhow::bail!("not there yet")
    }
}
impl Lanes {
    /// TEMP contract
    pub fn of_marks(
        &self,
        people: &[&crate::git::Person],
        trailers: &[crate::change::Trailer],
        environment: &[String],
    ) -> Option<(Lane, String)> {
        let _ = (people, trailers, environment);
        None
    }
}
