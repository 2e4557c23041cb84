//! What a fix is allowed to do: a policy that has been read, merged with its presets, checked and compiled.
//!
//! A value of [`Policy`] is always usable. The shape of the file and its errors are in [`file`].

pub mod agents;
mod builtin;
mod explain;
mod file;
mod fit;
mod floor;
mod later;
mod lint;
mod merge;
mod pages;
mod paths;
mod postgres;
mod preset;
pub mod rule;
pub mod run;
mod runners;
mod schema;
mod sections;
mod services;
mod setup;
mod sources;
mod stdlib;
mod triage;
mod value;
mod waivers;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::change::RepoPath;
pub use explain::{Explanation, Fit, Limit, LookedFor};
pub use file::MAX_BYTES;
pub use fit::fit;
pub use floor::Floor;
pub use lint::{Warning, lint};
pub use pages::Page;
pub use paths::{Hit, PathSet, fold};
pub use postgres::{PostgresConfig, Tls, Url};
pub use preset::presets;
pub use rule::{Group, Level, Rule};
pub use run::RunPolicy;
pub use schema::{SCHEMA_PATH, schema};
pub use services::{Preset, ServiceKind, ServicePolicy};
pub use setup::{Network, SetupPolicy, TestGlobs};
pub use sources::{
    Field, FramesConfig, Inner, JoinConfig, ServerConfig, SourceConfig, SourceKind, StackConfig,
    TableConfig, TokenPlace, source_presets,
};
pub use triage::{PublishPolicy, ReleasePolicy, TriagePolicy};
pub use value::{Pattern, duration};
pub use waivers::Waiver;

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
    /// How errors are grouped and ranked.
    pub triage: TriagePolicy,
    /// What a person lets pass.
    pub waivers: Vec<Waiver>,
    /// The loop with an agent.
    pub run: RunPolicy,
    /// SHA-256 of the effective values, hex: two policies that judge alike have one digest.
    pub digest: String,
    /// Every effective value with where it comes from.
    pub values: Vec<Effective>,
}

/// One value that holds, as text. Lists have an entry for each element.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Effective {
    /// As a path through the file: `perimeter.limits.lines`.
    pub key: String,
    pub value: String,
    pub origin: Origin,
}

/// Who says so.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// No policy can change it, or none has.
    BuiltIn,
    Preset {
        name: &'static str,
        line: u64,
    },
    File {
        name: String,
        line: u64,
    },
    /// The machine's own, outside the repository.
    Floor {
        path: String,
        line: u64,
    },
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
    /// Branch names are matched like paths: `*` stays between two slashes.
    pub repair_branches: PathSet,
    /// Exact names and e-mail addresses, in lower case, beside the shipped table in [`agents`]; see `repair_known_agents`.
    pub repair_agents: Vec<String>,
    /// Whether the shipped table of agent marks counts.
    pub repair_known_agents: bool,
    pub agent_agents: Vec<String>,
    /// Who pushes as a person, by the names that CI knows them by, in lower case. Empty: nobody is asked for.
    pub people: Vec<String>,
    pub others: Lane,
    /// The lane's own word on `mode`, else the policy's.
    pub repair_mode: Mode,
    pub agent_mode: Mode,
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
    /// SHA-256 digests of values that look like secrets and are none.
    pub not_secrets: BTreeSet<String>,
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
    pub pattern: Pattern,
    pub on: On,
    pub paths: PathSet,
    /// Whether it counts in tests, too.
    pub in_tests: bool,
    pub why: String,
}

impl Forbidden {
    /// Whether it is looked for in this file at all.
    pub fn speaks_of(&self, path: &RepoPath, kind: FileKind) -> bool {
        (self.in_tests || kind != FileKind::Test) && self.paths.is_match(path)
    }
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
    /// What runs the tests, each in a folder of its own. Empty: nothing can be proved.
    pub runners: Vec<RunnerConfig>,
    pub hook_suite: Suite,
    /// The longest that a hook may prove.
    pub hook_budget: Duration,
    /// What must still pass in `check`.
    pub suite: Suite,
    /// What the tests see besides the allow-list.
    pub env: BTreeMap<String, String>,
    pub before: Before,
    pub red_commits: RedCommits,
    pub existing_tests: ExistingTests,
    pub existing_red: ExistingRed,
    pub reverts: Reverts,
    /// Runs of each new test on each side.
    pub samples: usize,
    /// For one run of one phase.
    pub timeout: Duration,
    pub sandbox_min_level: u8,
    /// How dependencies are installed; `None` where tests find them on the machine.
    pub setup: Option<SetupPolicy>,
    /// What makes of each tree's own sources what its tests import: for `/bin/sh -c`, at the top of the tree, one after another.
    pub build: Vec<String>,
    /// Servers that run beside the tests.
    pub services: Vec<ServicePolicy>,
    /// Tests that are left out, on every tree.
    pub tests_exclude: TestGlobs,
    /// Whether a fix that names an error of production must be shown by a test that failed as production did.
    pub signature: Signature,
    /// What a hunk weighs that no new test needs.
    pub necessity: Level,
    /// What code weighs that only knows the new tests' own values.
    pub neighbours: Level,
    /// Further runs of the new tests, in other circumstances.
    pub variations: BTreeSet<Variation>,
}

/// What becomes of a fix for an error of production whose tests failed in another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// Refused where the error is known.
    WhenKnown,
    /// Refused; undecided where the error is not known.
    Required,
    /// Said.
    Preferred,
    Off,
}

/// A circumstance that no test should depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variation {
    /// More than a year later.
    Clock,
    /// Another order of sets and maps.
    HashSeed,
}

/// One runner and where it works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunnerConfig {
    /// Of a built-in runner, or `custom`.
    pub name: String,
    /// The folder of its project, relative to the top; empty for the top itself.
    pub dir: String,
    /// What `cargo` builds with: names of features, [`RunnerConfig::ALL_FEATURES`] or [`RunnerConfig::NO_DEFAULT_FEATURES`].
    pub features: Vec<String>,
    /// What `custom` is told.
    pub custom: Option<CustomRunner>,
}

/// A runner of the project's own: shell lines, run in the runner's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomRunner {
    /// Run first, where what it writes is kept.
    pub build: Option<String>,
    /// Runs tests and writes reports. `{files}` stands for the test files that are asked for.
    pub command: String,
    /// A glob for the JUnit reports that it writes.
    pub report: String,
    /// A report that the tests themselves could have written counts only where the policy says so.
    pub trust_report: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Suite {
    All,
    /// The touched test files only.
    Touched,
}

/// What a new test must do without the fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Run, and fail.
    Failed,
    /// Fail, or not even start because a name is not there yet.
    MissingSymbol,
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

/// Whether a change without a test may be proved by tests that are red at the parent and green with it: how a red main branch is repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExistingRed {
    Allow,
    Deny,
}

/// Whether an exact revert passes if no test breaks. Where not, a person decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reverts {
    Allow,
    Deny,
}

#[derive(Debug)]
pub struct MessagePolicy {
    pub conventional: bool,
    pub types: Vec<String>,
    /// In characters.
    pub subject_length: usize,
    pub require_trailers: Vec<String>,
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

impl FileKind {
    pub fn as_str(self) -> &'static str {
        match self {
            FileKind::Protected => "protected",
            FileKind::JudgeInput => "judge input",
            FileKind::Test => "test",
            FileKind::Documentation => "documentation",
            FileKind::Production => "production",
        }
    }
}

impl Policy {
    /// The name of no runner: nothing can be proved.
    pub const NO_RUNNER: &'static str = "none";

    /// Reads a policy and the presets that it extends. `name` is what errors call the file.
    ///
    /// # Errors
    /// [`UsageError`](crate::usage::UsageError) with file, line and column if anything in it is not understood. A policy of a newer version is
    /// any other error: undecided.
    pub fn load(text: &str, name: &str) -> anyhow::Result<Policy> {
        Policy::load_above(text, name, &[])
    }

    /// The same, no milder than what the machine's owner says.
    ///
    /// # Errors
    /// As for [`load`](Policy::load); a floor that is not understood judges nothing either.
    pub fn load_above(text: &str, name: &str, floors: &[Floor]) -> anyhow::Result<Policy> {
        let mut layers = merge::layers(text, name)?;
        for floor in floors {
            layers.extend(merge::floor_layers(floor)?);
        }
        merge::merge(&layers)
    }

    pub fn kind_of(&self, path: &RepoPath) -> FileKind {
        self.sort(path).0
    }

    /// Whether what is judged in `lane` can be refused. Whoever is only advised has no word of their own on it.
    pub fn mode_of(&self, lane: Lane) -> Mode {
        match lane {
            Lane::Human => self.mode,
            Lane::Agent => self.lanes.agent_mode,
            Lane::Repair => self.lanes.repair_mode,
        }
    }

    /// Whether nothing at all can be refused: no lane has another word of its own.
    pub fn only_observes(&self) -> bool {
        let lanes = [Lane::Human, Lane::Agent, Lane::Repair];
        lanes
            .iter()
            .all(|&lane| self.mode_of(lane) == Mode::Observe)
    }

    /// The effective level of `rule`.
    pub fn level(&self, rule: Rule) -> Level {
        self.perimeter
            .levels
            .get(&rule)
            .copied()
            .unwrap_or(Level::Deny)
    }

    /// The kind of a file and what made it that.
    fn sort(&self, path: &RepoPath) -> (FileKind, Option<Hit<'_>>) {
        if let Some(hit) = self.perimeter.protect.hit(path) {
            return (FileKind::Protected, Some(hit));
        }
        let folded = fold(path.as_bytes());
        if builtin::looks_like_policy(&folded) {
            return (
                FileKind::Protected,
                Some(Hit::BuiltIn("looks like the policy")),
            );
        }
        if let Some(hit) = self.proof.inputs.hit(path) {
            return (FileKind::JudgeInput, Some(hit));
        }
        let setup = self.proof.setup.as_ref();
        if let Some(hit) = setup.and_then(|setup| setup.inputs.hit(path)) {
            return (FileKind::JudgeInput, Some(hit));
        }
        if builtin::shadows_library(&folded) {
            return (
                FileKind::JudgeInput,
                Some(Hit::BuiltIn("in the place of a library module")),
            );
        }
        if let Some(hit) = self.proof.tests.hit(path) {
            return (FileKind::Test, Some(hit));
        }
        if builtin::is_documentation(&folded) {
            return (FileKind::Documentation, Some(Hit::BuiltIn("document")));
        }
        (FileKind::Production, None)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::BuiltIn => f.write_str("built in"),
            Origin::Preset { name, line } => write!(f, "preset `{name}`, line {line}"),
            Origin::File { name, line } => write!(f, "`{name}`, line {line}"),
            Origin::Floor { path, line } => write!(f, "floor `{path}`, line {line}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::UsageError;

    fn load(text: &str) -> Policy {
        match Policy::load(text, "p.yaml") {
            Ok(policy) => policy,
            Err(err) => panic!("{err:#}\n{text}"),
        }
    }

    /// What is wrong with `text` below `version: 1`, which is line 1; the message begins with line and column.
    #[track_caller]
    fn check_wrong(text: &str, expected: &str) {
        let err = Policy::load(&format!("version: 1\n{text}\n"), "p.yaml").expect_err(text);
        let usage = err
            .downcast_ref::<UsageError>()
            .expect("the user can correct it");
        let message = usage
            .message
            .strip_prefix("p.yaml:")
            .expect("the file is named");
        assert!(message.contains(expected), "{message}\n  wanted {expected}");
        let is_placed = message.starts_with("2:") || message.starts_with("3:");
        assert!(is_placed, "{message}");
    }

    #[test]
    fn the_smallest_policy_is_the_default_preset() {
        let policy = load("version: 1\n");
        assert_eq!(policy.mode, Mode::Enforce);
        assert_eq!(policy.perimeter.limits.lines, 50);
        assert_eq!(policy.perimeter.limits.new_files, 0);
        assert_eq!(policy.perimeter.test_limits.added, 200);
        assert!(policy.perimeter.allow.is_none());
        assert!(policy.lanes.repair_known_agents);
        assert!(policy.lanes.repair_branches.is_match(&"koan/abc".into()));
        assert!(!policy.lanes.repair_branches.is_match(&"main".into()));
        assert!(policy.proof.runners.is_empty());
        assert_eq!(policy.proof.hook_budget, Duration::from_secs(120));
        assert_eq!(policy.message.types, ["fix", "test"]);
        assert_eq!(policy.level(Rule::LockfileChanged), Level::Deny);
    }

    #[test]
    fn every_preset_loads_and_every_pattern_of_it_compiles() {
        for (name, text) in preset::PRESETS {
            assert!(
                text.starts_with("# For "),
                "{name} begins with whom it is for"
            );
            let policy = load(&format!("version: 1\nextends: [{name}]\n"));
            for forbidden in &policy.perimeter.forbid {
                assert!(!forbidden.pattern.is_match(b""), "{name}: {}", forbidden.id);
                Pattern::new(forbidden.pattern.as_str()).expect(&forbidden.id);
            }
            assert!(
                !text.contains("extends:"),
                "{name}: a preset extends nothing"
            );
        }
        load("version: 1\nextends: [default, strict, python, rust]\n");
    }

    #[test]
    fn lists_add_up_limits_take_the_minimum_and_the_rest_the_last_word() {
        let policy = load(
            "version: 1
extends: [default, strict, python]
perimeter:
  protect: [vendor/**]
  limits: {lines: 1000, hunks: 3}
  rules: {lockfile-changed: warn}
proof: {runner: unittest, samples: 2, tests: [checks/**, tests/**]}
mode: observe
",
        );
        let perimeter = &policy.perimeter;
        assert!(perimeter.protect.is_match(&"vendor/x".into()));
        assert!(perimeter.protect.is_match(&"app/auth/x.py".into()));
        assert!(perimeter.protect.is_match(&"deploy/x".into()));
        assert_eq!(
            (
                perimeter.limits.lines,
                perimeter.limits.hunks,
                perimeter.limits.files
            ),
            (30, 3, 1)
        );
        assert_eq!(policy.level(Rule::LockfileChanged), Level::Warn);
        assert_eq!(
            (policy.proof.runners[0].name.as_str(), policy.proof.samples),
            ("unittest", 2)
        );
        assert_eq!(policy.proof.red_commits, RedCommits::Deny);
        assert_eq!(
            policy
                .proof
                .tests
                .globs
                .iter()
                .filter(|glob| *glob == "tests/**")
                .count(),
            1
        );
        assert_eq!(policy.mode, Mode::Observe);
    }

    #[test]
    fn without_the_default_preset_a_policy_has_its_own_limits_and_nothing_is_unset() {
        let policy = load("version: 1\nextends: [python]\nperimeter: {limits: {lines: 400}}\n");
        assert_eq!(policy.perimeter.limits.lines, 400);
        assert_eq!(
            policy.perimeter.limits.files, 2,
            "what nobody says is as in `default`"
        );
        assert!(!policy.perimeter.protect.is_match(&"deploy/x".into()));
        assert!(
            policy
                .perimeter
                .forbid
                .iter()
                .all(|forbidden| forbidden.id != "tls-off")
        );
        assert_eq!(policy.proof.runners[0].name, "pytest");
        let bare = load("version: 1\nextends: []\n");
        assert!(
            bare.perimeter
                .protect
                .is_match(&".github/workflows/x.yml".into())
        );
    }

    #[test]
    fn a_closed_rule_stays_closed() {
        let policy =
            load("version: 1\nperimeter: {rules: {path-protected: off, path-encoding: warn}}\n");
        assert_eq!(policy.level(Rule::PathProtected), Level::Deny);
        assert_eq!(policy.level(Rule::PathEncoding), Level::Deny);
    }

    #[test]
    fn a_value_that_means_nothing_is_an_error_with_its_place() {
        for (text, expected) in [
            (
                "mode: obsrve",
                "2:7: unknown value `obsrve`; did you mean `observe`?",
            ),
            (
                "extends: [defualt]",
                "2:11: unknown preset `defualt`; did you mean `default`?",
            ),
            (
                "extends: [rust, rust]",
                "2:17: preset `rust` stands here twice",
            ),
            (
                "proof: {runner: pytst}",
                "2:17: unknown runner `pytst`; did you mean `pytest`?",
            ),
            (
                "proof: {runner: {name: jest, command: x}}",
                "2:39: only runner `custom` is told how to run",
            ),
            (
                "proof: {runner: {name: jest, dir: ../web}}",
                "2:35: `../web` is no folder of the repository",
            ),
            (
                "proof: {runner: [jest, jest]}",
                "2:17: runner `jest` stands here twice for one folder",
            ),
            (
                "proof: {runner: {name: jest, features: [all]}}",
                "2:41: only runner `cargo` builds with features",
            ),
            (
                "proof: {runner: {name: cargo, features: [a, '--config=x']}}",
                "2:45: `--config=x` is no name of a cargo feature",
            ),
            (
                "proof: {runner: {name: cargo, features: ['a,b']}}",
                "2:42: `a,b` is no name of a cargo feature",
            ),
            (
                "proof: {runner: {name: cargo, features: [a, a]}}",
                "2:45: feature `a` stands here twice",
            ),
            (
                "proof: {runner: custom}",
                "2:17: runner `custom` needs a `command` and a `report`",
            ),
            ("proof: {samples: 0}", "2:18: 0 is not between 1 and 20"),
            (
                "proof: {samples: 4000000000}",
                "2:18: 4000000000 is not between 1 and 20",
            ),
            ("proof: {timeout: 5}", "2:18: `5` is no duration"),
            ("proof: {hook: {budget: 1d}}", "2:24: `1d` is no duration"),
            (
                "proof: {sandbox: {min_level: 4}}",
                "2:30: 4 is not between 0 and 3",
            ),
            ("proof: {tests: ['']}", "2:17: the glob is empty"),
            ("proof: {tests: ['a[']}", "2:17: glob `a[` cannot be read"),
            (
                "proof: {env: {GIT_DIR: x}}",
                "2:15: `GIT_DIR` cannot be given to tests",
            ),
            (
                "proof: {env: {1A: x}}",
                "2:15: `1A` is no name of a variable",
            ),
            (
                "perimeter: {limits: {lines: 99999999}}",
                "2:29: 99999999 is not between 0 and 1000000",
            ),
            (
                "perimeter: {limits: {file_bytes: 99999999}}",
                "2:34: 99999999 is not between 0 and 16777216",
            ),
            (
                "perimeter: {not_secrets: [abc]}",
                "2:27: a digest has 64 small hexadecimal digits, as `printf %s VALUE | sha256sum` writes them",
            ),
            (
                "perimeter: {rules: {too-many-file: off}}",
                "2:21: unknown rule `too-many-file`; did you mean `too-many-files`?",
            ),
            (
                "perimeter: {rules: {test-weakened: deny}}",
                "2:21: unknown rule `test-weakened`",
            ),
            (
                "perimeter: {rules: {symlink: of}}",
                "2:30: unknown value `of`; did you mean `off`?",
            ),
            (
                "perimeter: {forbid: [{id: a, pattern: 'a('}]}",
                "2:39: pattern `a(` does not compile: unclosed group",
            ),
            (
                "perimeter: {forbid: [{id: a, pattern: '(\\w{500}){99}'}]}",
                "2:39: pattern",
            ),
            (
                "perimeter: {forbid: [{id: a}]}",
                "2:22: this entry of `forbid` has no `pattern`",
            ),
            (
                "perimeter: {forbid: [{id: a, pattern: x}, {id: a, pattern: y}]}",
                "2:48: id `a` stands in `forbid` twice",
            ),
            (
                "perimeter: {forbid: [{id: tls-off, pattern: x}]}",
                "2:27: id `tls-off` stands in `forbid` twice",
            ),
            (
                "perimeter: {forbid: [{id: a, pattern: x, on: add}]}",
                "2:46: unknown value `add`; did you mean `added`?",
            ),
            (
                "perimeter: {forbid: [{id: a, pattern: x, in: []}]}",
                "2:46: `in` is empty",
            ),
            (
                "perimeter: {protect: ['a{']}",
                "2:23: glob `a{` cannot be read",
            ),
            (
                "message: {types: [fxi]}",
                "2:19: unknown type `fxi`; did you mean `fix`?",
            ),
            (
                "message: {require_trailers: ['Koan Issue']}",
                "2:30: `Koan Issue` is no trailer",
            ),
            (
                "lanes: {others: humans}",
                "2:17: unknown value `humans`; did you mean `human`?",
            ),
            (
                "lanes: {repair: {agents: all}}",
                "`all` is neither `known` nor a list of exact names",
            ),
            (
                "lanes: {repair: {agents: ['*[bot]']}}",
                "2:27: `*[bot]` holds `*`, but names of agents are exact",
            ),
            (
                "lanes: {agent: {agents: ['a[0]']}}",
                "2:26: `a[0]` holds `[`, but names of agents are exact",
            ),
            (
                "lanes: {repair: {branches: ['[']}}",
                "2:29: glob `[` cannot be read",
            ),
            (
                "sources: [{name: a, kind: sqlit}]",
                "2:27: unknown value `sqlit`; did you mean `sqlite`?",
            ),
            (
                "sources: [{name: a, kind: postgres, table: t}]",
                "2:11: this entry of `sources` has no `url` or `url_env`",
            ),
            (
                "sources: [{name: a, kind: sqlite, path: x}]",
                "2:11: this entry of `sources` has no `table`",
            ),
            (
                "sources: [{name: a, kind: sqlite, path: x, table: t, columns: {typ: x}}]",
                "unknown column `typ`; did you mean `type`?",
            ),
        ] {
            check_wrong(text, expected);
        }
    }

    #[test]
    fn a_policy_must_say_its_version_and_a_newer_one_is_a_doubt() {
        for text in ["", "# nothing\n", "mode: enforce\n"] {
            let err = Policy::load(text, "p.yaml").expect_err("no version");
            assert!(err.is::<UsageError>(), "{err}");
            assert!(
                err.to_string().contains("key `version` is missing"),
                "{err}"
            );
        }
        assert!(
            Policy::load("version: 0\n", "p.yaml")
                .expect_err("too old")
                .is::<UsageError>()
        );
        assert!(
            !Policy::load("version: 2\n", "p.yaml")
                .expect_err("too new")
                .is::<UsageError>()
        );
    }

    #[track_caller]
    fn check_kind(text: &str, path: &str, expected: FileKind) {
        let policy = load(&format!("version: 1\n{text}\n"));
        assert_eq!(policy.kind_of(&path.into()), expected, "{path}");
    }

    #[test]
    fn a_file_is_the_first_that_fits() {
        let rust = "extends: [default, rust]";
        check_kind(rust, "src/lib.rs", FileKind::Production);
        check_kind(rust, "src/parser/tests.rs", FileKind::Test);
        check_kind(rust, "crates/a/tests/it/main.rs", FileKind::Test);
        check_kind(rust, "tests/fixtures/data.json", FileKind::Test);
        check_kind(rust, "benches/speed.rs", FileKind::Production);
        check_kind(rust, "Cargo.toml", FileKind::JudgeInput);
        check_kind(rust, "tests/fixtures/Cargo.toml", FileKind::JudgeInput);
        check_kind(rust, "Cargo.lock", FileKind::Production);
        check_kind(rust, "CHANGELOG.md", FileKind::Documentation);
        check_kind(rust, "tests/README.md", FileKind::Test);
        check_kind(rust, ".github/workflows/ci.yml", FileKind::Protected);
        let python = "extends: [default, python]";
        check_kind(python, "shop/cart.py", FileKind::Production);
        check_kind(python, "shop/test_cart.py", FileKind::Test);
        check_kind(python, "tests/conftest.py", FileKind::JudgeInput);
        check_kind(python, "tests/CONFTEST.py", FileKind::JudgeInput);
        check_kind(python, "random.py", FileKind::JudgeInput);
        check_kind(python, "tests/migrations/0001.py", FileKind::Protected);
        check_kind(python, "tests/AGENTS.md", FileKind::Protected);
        check_kind(python, "koan_guard.yml", FileKind::Protected);
        check_kind(
            "proof: {inputs: [checks/plan.txt]}",
            "checks/PLAN.txt",
            FileKind::JudgeInput,
        );
        check_kind(
            "perimeter: {protect: ['Billing/**']}",
            "billing/x.py",
            FileKind::Protected,
        );
    }

    #[test]
    fn two_policies_that_judge_alike_have_one_digest() {
        let one = load("version: 1\nproof: {timeout: 2m, tests: [a/**, b/**]}\n");
        let other = load(
            "# A comment\nversion: 1\nextends: [default]\nproof:\n  tests: [b/**, a/**]\n  timeout: 120s\n",
        );
        assert_eq!(one.digest, other.digest);
        assert_eq!(one.digest.len(), 64);
        let different = load("version: 1\nproof: {timeout: 121s, tests: [a/**, b/**]}\n");
        assert_ne!(one.digest, different.digest);
    }

    #[test]
    fn features_of_cargo_are_shown_and_in_the_digest() {
        let cargo = |more: &str| {
            let text = format!("version: 1\nproof: {{runner: {{name: cargo{more}}}}}\n");
            let policy = load(&text);
            let mut values = policy.values.iter();
            let shown = values.find(|value| value.key == "proof.runner");
            (shown.map(|value| value.value.clone()), policy.digest)
        };
        let (plain, plain_digest) = cargo("");
        let (all, digest) = cargo(", features: [all]");
        let (named, named_digest) = cargo(", features: [no-default-features, shop/json]");
        assert_eq!(plain.as_deref(), Some("cargo"));
        assert_eq!(all.as_deref(), Some("cargo, features all"));
        let expected = "cargo, features no-default-features shop/json";
        assert_eq!(named.as_deref(), Some(expected));
        assert!(plain_digest != digest && digest != named_digest);
    }

    #[test]
    fn every_effective_value_knows_where_it_comes_from() {
        let policy =
            load("version: 1\nextends: [default, strict]\nperimeter:\n  limits: {hunks: 2}\n");
        let origin = |key: &str| {
            let value = policy
                .values
                .iter()
                .find(|value| value.key == key)
                .expect(key);
            format!("{} from {}", value.value, value.origin)
        };
        assert_eq!(origin("perimeter.limits.hunks"), "2 from `p.yaml`, line 4");
        assert!(origin("perimeter.limits.lines").starts_with("30 from preset `strict`, line "));
        assert!(origin("mode").starts_with("enforce from preset `default`, line "));
        assert_eq!(origin("perimeter.rules.symlink"), "deny from built in");
    }

    #[test]
    fn agents_are_exact_names_and_the_last_word_counts() {
        let lanes = |text: &str| load(&format!("version: 1\nlanes: {text}\n")).lanes;
        assert!(lanes("{}").repair_known_agents);
        let own = lanes("{repair: {agents: ['Fixer[bot]', bot@example.org]}}");
        assert!(!own.repair_known_agents);
        assert_eq!(own.repair_agents, ["fixer[bot]", "bot@example.org"]);
        let both = lanes("{repair: {agents: [known, x]}, agent: {agents: [y]}}");
        assert!(both.repair_known_agents);
        assert_eq!(
            (both.repair_agents, both.agent_agents),
            (vec!["x".to_owned()], vec!["y".to_owned()])
        );
    }

    #[test]
    fn the_example_of_the_documents_that_this_version_keeps_is_read() {
        let policy = load(
            "version: 1
extends: [default, python]
lanes:
  repair: {branches: [\"koan/**\"], agents: known}
  agent: {}
  others: human
perimeter:
  allow: [src/**]
  forbid:
    - {id: alter-table, pattern: '(?i)\\balter\\s+table\\b', on: both, in: [\"**/*.sql\"], why: changes data}
proof:
  hook: {suite: touched, budget: 120s}
  env: {RAILS_ENV: test, N: 1}
  existing_tests: allow_if_fail_to_pass
message: {require_trailers: [Koan-Issue]}
sources:
  - {name: prod, kind: sqlite, path: var/errors.db, table: errors, columns: {type: class}}
",
        );
        let forbidden = policy.perimeter.forbid.last().expect("the one of the file");
        assert!(forbidden.pattern.is_match(b"ALTER  TABLE x"));
        assert_eq!(forbidden.on, On::Both);
        assert!(
            forbidden.paths.is_match(&"a/b.sql".into())
                && !forbidden.paths.is_match(&"b.py".into())
        );
        assert_eq!(policy.proof.env["N"], "1");
        assert_eq!(
            policy.proof.existing_tests,
            ExistingTests::AllowIfFailToPass
        );
        assert_eq!(policy.sources.len(), 1);
        assert!(
            policy
                .perimeter
                .allow
                .is_some_and(|allow| !allow.is_match(&"lib/x".into()))
        );
    }
}
