//! What `check` refused, kept where asked for: the record, and the work itself.

use std::collections::BTreeSet;

use anyhow::Context as _;
use gix::ObjectId;
use serde::Serialize;

use super::{Judgement, record};
use crate::attestation::PolicyRef;
use crate::attestation::refusal::{Predicate, Reason, Refusal};
use crate::git::{Repo, refused};
use crate::perimeter::{Finding, shown_subject};
use crate::policy::Rule;
use crate::verdict::Verdict;

/// Keeps the refusal of a commit, or of the range that ends with `tip_id`. What was accepted, or only observed, leaves nothing; nor does what is only staged.
///
/// Work with a secret in it is not kept: refs are copied to other machines.
pub fn keep(repo: &Repo, judgement: &Judgement, tip_id: Option<ObjectId>) -> anyhow::Result<()> {
    let reasons = reasons(&judgement.verdict)?;
    if reasons.is_empty() || judgement.observed {
        return Ok(());
    }
    let (id, name) = match (&judgement.commit, tip_id) {
        (Some(id), _) => (id.clone(), id.clone()),
        (None, Some(tip_id)) => (tip_id.to_string(), format!("{tip_id}-range")),
        (None, None) => return Ok(()),
    };
    let commit = repo.commit(ObjectId::from_hex(id.as_bytes())?)?;
    let subject = match &judgement.commit {
        Some(_) => shown_subject(&commit.message),
        None => judgement.name.clone(),
    };
    let predicate = Predicate {
        result: judgement.verdict.word(false).into(),
        lane: judgement.lane.lane.as_str().into(),
        policy: PolicyRef {
            digest: judgement.policy_digest.clone(),
            commit: judgement.trusted.commit.clone(),
        },
        issue: record::issue_of(&commit),
        parent_tree: judgement.parent_tree.clone(),
        patch_id: record::patch_id(repo, judgement)?,
        reasons,
        guard_version: env!("CARGO_PKG_VERSION").into(),
    };
    let statement = Refusal::about(&id, &judgement.tree, &subject, predicate);
    let mut text = serde_json::to_vec(&statement).context("write the refusal as JSON")?;
    text.push(b'\n');
    let work = (!has_secret(judgement)).then_some(commit.id);
    refused::keep(repo, &name, &text, work)
}

/// Everything that is kept, the newest last.
pub fn kept(repo: &Repo) -> anyhow::Result<Vec<Kept>> {
    let mut kept = Vec::new();
    for (name, id) in refused::list(repo)? {
        let record = refused::read(repo, id)?;
        let refusal: Option<Refusal> =
            record.and_then(|record| serde_json::from_slice(&record).ok());
        kept.push(Kept { name, refusal });
    }
    Ok(kept)
}

/// A refusal that is kept.
#[derive(Debug, Serialize)]
pub struct Kept {
    pub name: String,
    /// `None` where its record cannot be read.
    pub refusal: Option<Refusal>,
}

/// Whether a secret stands in what was judged: it is kept nowhere then.
pub fn has_secret(judgement: &Judgement) -> bool {
    let findings: &[Finding] = match &judgement.verdict {
        Verdict::Refused { findings, .. } => findings,
        _ => &[],
    };
    let mut all = findings.iter().chain(&judgement.warnings);
    all.any(|finding| finding.rule == Rule::SecretAdded)
}

fn reasons(verdict: &Verdict) -> anyhow::Result<Vec<Reason>> {
    match verdict {
        Verdict::Refused { findings, gaps } => {
            let findings = findings
                .iter()
                .map(|finding| reason(finding.rule.info().id, finding));
            let gaps = gaps.iter().map(|gap| reason(gap.id(), gap));
            findings.chain(gaps).collect()
        }
        Verdict::Undecided { doubts } => doubts
            .iter()
            .map(|doubt| reason(doubt.id(), doubt))
            .collect(),
        Verdict::Accepted(_) | Verdict::Pending(_) => Ok(Vec::new()),
    }
}

fn reason(rule: &str, found: &impl Serialize) -> anyhow::Result<Reason> {
    Ok(Reason {
        rule: rule.to_owned(),
        detail: serde_json::to_value(found).context("write a reason as JSON")?,
    })
}

impl Kept {
    /// The rules that refused, each once.
    pub fn rules(&self) -> BTreeSet<&str> {
        let reasons = self.refusal.iter().flat_map(|it| &it.predicate.reasons);
        reasons.map(|reason| reason.rule.as_str()).collect()
    }
}
