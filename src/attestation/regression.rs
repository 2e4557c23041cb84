//! A mark in the note of a fix: production has seen the error again in a release that contains it. It takes nothing back and proves nothing; it says
//! where to look.

use anyhow::Context as _;
use gix::ObjectId;
use serde::{Deserialize, Serialize};

use super::{STATEMENT_TYPE, Statement, Subject};
use crate::git::{Repo, notes};

pub const PREDICATE_TYPE: &str = "urn:koan-guard:regression:v1";

/// What is said of a fix that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Regression {
    #[serde(rename = "_type")]
    pub kind: String,
    pub subject: Vec<Subject>,
    pub predicate_type: String,
    pub predicate: Predicate,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Predicate {
    /// The error that is back, by its fingerprint.
    pub issue: String,
    /// Where it was seen, as its events name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    pub guard_version: String,
}

impl Regression {
    /// The commit that it is about, if it names one.
    pub fn commit(&self) -> Option<&str> {
        let digest = &self.subject.first()?.digest;
        digest.get("gitCommit").map(String::as_str)
    }
}

/// Marks a fix. The same mark is written once.
pub fn mark(
    repo: &Repo,
    commit_id: ObjectId,
    issue: &str,
    release: Option<&str>,
) -> anyhow::Result<()> {
    let commit = repo.commit(commit_id)?;
    let regression = Regression {
        kind: STATEMENT_TYPE.into(),
        subject: vec![Statement::subject(
            &commit_id.to_string(),
            &commit.tree_id.to_string(),
            &commit.message.subject().to_string(),
        )],
        predicate_type: PREDICATE_TYPE.into(),
        predicate: Predicate {
            issue: issue.to_owned(),
            release: release.map(str::to_owned),
            guard_version: env!("CARGO_PKG_VERSION").to_owned(),
        },
    };
    let line = serde_json::to_string(&regression).context("write the mark as JSON")?;
    notes::append(repo, commit_id, &line).with_context(|| format!("mark `{commit_id}`"))
}
