//! The trace a verdict leaves: an in-toto Statement v1, one line of a git note.
//!
//! <https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>; the predicate is described in `docs/attestation.md`.

pub mod approval;
pub mod envelope;
pub mod ledger;
pub mod line;
pub mod refusal;
pub mod regression;
mod schema;
pub mod signature;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::proof::{Evidence, Proof};
use crate::suite::{Outcome, TestId};

pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
pub const PREDICATE_TYPE: &str = "urn:koan-guard:fail-to-pass:v1";

/// What is said of one commit. Serialized on one line, because notes are merged by lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    #[serde(rename = "_type")]
    pub kind: String,
    pub subject: Vec<Subject>,
    pub predicate_type: String,
    pub predicate: Predicate,
}

/// A commit and its tree, by git's own ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subject {
    pub name: String,
    pub digest: BTreeMap<String, String>,
}

/// What was shown, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Predicate {
    /// Always `accepted`: refusals leave no statement.
    pub result: String,
    pub lane: String,
    /// `check`, or `hook` for a result of the place where the commit was made, which whoever works there could have written.
    pub judged_by: String,
    pub policy: PolicyRef,
    /// The production error that the fix names, by its fingerprint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issue: Option<String>,
    /// What whoever made the fix was told, as far as the judge was given it.
    #[serde(default, skip_serializing_if = "Told::is_nothing")]
    pub told: Told,
    /// Where the statement is about several commits as one change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<RangeRef>,
    pub trees: TreeIds,
    /// git's stable patch id of the change from `trees.parent` to `trees.after`, without context and with white space. Absent in statements of
    /// versions that made none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch_id: Option<String>,
    /// The commit that is taken back to the byte, where the policy lets that pass by a green suite. No test is red first then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverts: Option<String>,
    /// Every FAIL_TO_PASS test: what it did in each sample on each side.
    pub fail_to_pass: BTreeMap<TestId, Witness>,
    /// Tests, helpers and imports that BEFORE went without, because they do not build there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pruned: Vec<String>,
    /// Those of the FAIL_TO_PASS tests that are red by `proof.before: missing_symbol` alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub red_by_name: Vec<TestId>,
    pub pass_to_pass: TestSet,
    /// Tests that were red at the parent and stayed red.
    pub still_red: Vec<TestId>,
    pub runner: RunnerRef,
    pub sandbox: serde_json::Value,
    /// What was installed for the tests, and from which tree: lines, digest, network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<serde_json::Value>,
    /// Servers that ran beside the tests, with their versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<serde_json::Value>,
    /// Globs over the names of tests that were left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests_exclude: Vec<String>,
    /// What a waiver of the policy let pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waivers: Vec<WaiverRef>,
    pub milliseconds: u64,
    /// Whether it rests on results of the local cache, which whoever worked there could have written.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub local: bool,
    pub guard_version: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRef {
    /// SHA-256 of the effective policy, hex.
    pub digest: String,
    /// The commit whose policy judged.
    pub commit: String,
}

/// Texts by their SHA-256, hex.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// Of the digest of production errors (`check --issues`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issues: Option<String>,
    /// Of the brief (`check --brief`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brief: Option<String>,
}

/// Commits that were judged as one change, beside each by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RangeRef {
    /// The commit where the range starts from; its tree is `trees.parent`.
    pub base: String,
    /// Its last commit.
    pub tip: String,
    /// How many commits were judged.
    pub commits: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TreeIds {
    pub parent: String,
    pub before: String,
    pub after: String,
    pub old_tests: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Witness {
    pub before: Vec<Outcome>,
    pub after: Vec<Outcome>,
    /// What the runner said about the failure.
    pub detail: String,
}

/// A finding that a person lets pass, and how that is written in the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaiverRef {
    pub rule: String,
    /// The glob of its paths.
    pub path: String,
    pub until: String,
    pub because: String,
    /// What was found.
    pub fact: String,
}

/// A set of tests too large to be listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestSet {
    pub count: usize,
    /// SHA-256 over the sorted ids, each followed by a line feed.
    pub sha256: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunnerRef {
    pub name: String,
    pub version: String,
    /// `all` or `touched`: what had to keep passing.
    pub suite: String,
}

/// The circumstances that a proof alone does not know.
#[derive(Clone, Debug)]
pub struct Circumstances<'a> {
    pub judged_by: &'static str,
    pub lane: &'static str,
    pub policy: PolicyRef,
    pub beside: Beside,
    pub waivers: Vec<WaiverRef>,
    pub parent_tree_id: String,
    pub tree_id: String,
    pub evidence: &'a Evidence,
}

/// What only the caller of the judge knows.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    pub issue: Option<String>,
    pub told: Told,
    pub range: Option<RangeRef>,
    pub patch_id: Option<String>,
}

impl Predicate {
    pub fn of(proof: &Proof, around: &Circumstances) -> anyhow::Result<Predicate> {
        let samples = |outcome| vec![outcome; proof.samples()];
        let witness = |detail: &String| Witness {
            before: samples(Outcome::Failed),
            after: samples(Outcome::Passed),
            detail: detail.clone(),
        };
        let fail_to_pass = proof.fail_to_pass().iter();
        Ok(Predicate {
            fail_to_pass: fail_to_pass
                .map(|(test, detail)| (test.clone(), witness(detail)))
                .collect(),
            still_red: proof.still_red().iter().cloned().collect(),
            ..Predicate::of_suite(proof.pass_to_pass(), around)?
        })
    }

    /// What is said of an exact revert of the commit `of`.
    pub fn of_revert(
        of: &str,
        pass_to_pass: &BTreeSet<TestId>,
        around: &Circumstances,
    ) -> anyhow::Result<Predicate> {
        Ok(Predicate {
            reverts: Some(of.to_owned()),
            ..Predicate::of_suite(pass_to_pass, around)?
        })
    }

    /// All but what was red first.
    fn of_suite<'a>(
        pass_to_pass: impl IntoIterator<Item = &'a TestId>,
        around: &Circumstances,
    ) -> anyhow::Result<Predicate> {
        let evidence = around.evidence;
        Ok(Predicate {
            result: "accepted".into(),
            lane: around.lane.into(),
            judged_by: around.judged_by.into(),
            policy: around.policy.clone(),
            issue: around.beside.issue.clone(),
            told: around.beside.told.clone(),
            range: around.beside.range.clone(),
            trees: TreeIds {
                parent: around.parent_tree_id.clone(),
                before: evidence.before_tree_id.clone(),
                after: around.tree_id.clone(),
                old_tests: evidence.old_tests_tree_id.clone(),
            },
            patch_id: around.beside.patch_id.clone(),
            reverts: None,
            fail_to_pass: BTreeMap::new(),
            pruned: evidence.pruned.clone(),
            red_by_name: evidence.red_by_name.clone(),
            pass_to_pass: TestSet::of(pass_to_pass),
            still_red: Vec::new(),
            runner: RunnerRef {
                name: evidence.runner.clone(),
                version: evidence.runner_version.clone(),
                suite: evidence.suite.as_str().into(),
            },
            sandbox: serde_json::to_value(&evidence.sandbox)?,
            setup: evidence
                .setup
                .as_ref()
                .map(serde_json::to_value)
                .transpose()?,
            services: evidence
                .services
                .iter()
                .map(serde_json::to_value)
                .collect::<Result<_, _>>()?,
            tests_exclude: evidence.tests_exclude.clone(),
            waivers: around.waivers.clone(),
            milliseconds: evidence.milliseconds,
            local: evidence.runs.recalled > 0,
            guard_version: env!("CARGO_PKG_VERSION").into(),
        })
    }
}

impl Told {
    pub fn is_nothing(&self) -> bool {
        *self == Told::default()
    }
}

impl TestSet {
    fn of<'a>(tests: impl IntoIterator<Item = &'a TestId>) -> TestSet {
        let mut hasher = Sha256::new();
        let mut count = 0;
        for test in tests {
            hasher.update(test.0.as_bytes());
            hasher.update(b"\n");
            count += 1;
        }
        TestSet {
            count,
            sha256: hasher
                .finalize()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        }
    }
}

impl Statement {
    pub fn about(
        commit_id: &str,
        tree_id: &str,
        subject_line: &str,
        predicate: Predicate,
    ) -> Statement {
        Statement {
            kind: STATEMENT_TYPE.into(),
            subject: vec![Statement::subject(commit_id, tree_id, subject_line)],
            predicate_type: PREDICATE_TYPE.into(),
            predicate,
        }
    }

    fn subject(commit_id: &str, tree_id: &str, subject_line: &str) -> Subject {
        Subject {
            name: subject_line.to_owned(),
            digest: BTreeMap::from([
                ("gitCommit".to_owned(), commit_id.to_owned()),
                ("gitTree".to_owned(), tree_id.to_owned()),
            ]),
        }
    }

    /// The commit and the tree that the statement is about, if it names them.
    pub fn commit_and_tree(&self) -> Option<(&str, &str)> {
        let digest = &self.subject.first()?.digest;
        Some((digest.get("gitCommit")?, digest.get("gitTree")?))
    }
}
