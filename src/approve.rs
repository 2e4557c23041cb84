//! A person's decision: one rule that does not count for one change, signed and put beside its commits.
//!
//! Only a person's own command comes here. No hook signs anything.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context as _;
use gix::ObjectId;
use jiff::civil::Date;

use crate::attestation::PolicyRef;
use crate::attestation::approval::{self, Bound, Decision, SIGNERS};
use crate::attestation::signature::Purpose;
use crate::check::approvals::{self, bound};
use crate::check::parents::Judged;
use crate::check::range::{self, Asked};
use crate::check::{Settings, Subject, trust};
use crate::git::{Repo, notes};
use crate::policy::Policy;
use crate::usage::UsageError;
use crate::verdict::{Approvable, Approval};

/// What a person decides.
#[derive(Debug)]
pub struct Request<'a> {
    pub rule: &'a str,
    pub because: &'a str,
    /// The last day on which it counts.
    pub until: Option<Date>,
    /// The private key, or the public one whose private half an agent holds.
    pub key: &'a Path,
}

/// What was written.
#[derive(Debug)]
pub struct Written {
    pub approval: Approval,
    /// The commits whose notes hold it now.
    pub commits: Vec<ObjectId>,
}

/// One change that is approved, and who made it.
struct Change {
    name: String,
    bound: Bound,
    makers: BTreeSet<String>,
}

const MAX_BECAUSE: usize = 2000;

/// Signs the decision about a commit, or about each commit of a range and all of them as one change.
///
/// # Errors
/// [`UsageError`] where the decision could not count: a closed rule, an unknown key, a person who made the change.
pub fn approve(
    repo: &Repo,
    settings: &Settings,
    asked: &Asked,
    request: &Request,
) -> anyhow::Result<Written> {
    check_rule(request.rule)?;
    check_words(request, settings.today)?;
    let (policy_ref, changes) = changes(repo, settings, asked)?;
    let decision = Decision {
        rule: request.rule.to_owned(),
        because: request.because.trim().to_owned(),
        policy: policy_ref,
        until: request.until,
        guard_version: env!("CARGO_PKG_VERSION").into(),
    };
    let named: Vec<(String, Bound)> = changes
        .iter()
        .map(|change| (change.name.clone(), change.bound.clone()))
        .collect();
    let line = approval::sign(&named, decision, request.key)?;
    if line.len() > approval::MAX_LINE {
        return Err(UsageError::with_hint(
            "these are too many commits for one decision",
            "decide about fewer at once",
        )
        .into());
    }
    let approval = verified(repo, settings, asked, &line, &changes)?;
    let mut commits = Vec::new();
    for change in &changes {
        let commit_id = ObjectId::from_hex(change.bound.commit_id.as_bytes())?;
        if !commits.contains(&commit_id) {
            commits.push(commit_id);
        }
    }
    let lines: Vec<(ObjectId, String)> = commits.iter().map(|&id| (id, line.clone())).collect();
    notes::append_all(repo, &lines).context("write the approval into the notes")?;
    Ok(Written { approval, commits })
}

fn check_rule(rule: &str) -> Result<(), UsageError> {
    match Approvable::of(rule) {
        Approvable::Yes => Ok(()),
        Approvable::Closed => Err(UsageError::with_hint(
            format!(
                "`{rule}` is decided by nobody: what it finds may not be let pass by one change's approval"
            ),
            "a person makes such a change in a commit of their own, outside lane `repair`",
        )),
        Approvable::Unknown => Err(UsageError::with_hint(
            format!("there is no rule `{rule}`"),
            "the answer of `check` names it in brackets: `refused[RULE]`, `undecided[RULE]`",
        )),
    }
}

fn check_words(request: &Request, today: Date) -> Result<(), UsageError> {
    let because = request.because.trim();
    if because.is_empty() || because.len() > MAX_BECAUSE {
        let message = format!("the reason is empty or longer than {MAX_BECAUSE} bytes");
        return Err(UsageError::with_hint(
            message,
            "say in a sentence why this may pass: `--because TEXT`",
        ));
    }
    if request.until.is_some_and(|until| until < today) {
        return Err(UsageError::new("`--until` is a day that is over"));
    }
    Ok(())
}

/// What is approved, as `check` would judge it.
fn changes(
    repo: &Repo,
    settings: &Settings,
    asked: &Asked,
) -> anyhow::Result<(PolicyRef, Vec<Change>)> {
    let tip = settings.trusted_tip.as_ref();
    let (base_ids, ids) = match *asked {
        Asked::Commit(id) => (Vec::new(), vec![id]),
        Asked::Range { from, to, .. } => (
            repo.merge_bases(from, to)?,
            repo.commits_between(Some(from), to)?,
        ),
    };
    let (trusted, policy) = match *asked {
        Asked::Commit(id) => {
            let parent_id = repo.commit(id)?.parent_ids.first().copied();
            trust::policy(repo, tip, parent_id)?
        }
        Asked::Range { .. } => trust::policy_of_all(repo, tip, &base_ids)?,
    };
    let mut changes = Vec::new();
    for &id in &ids {
        match range::subject(repo, repo.commit(id)?)? {
            Judged::CleanMerge => (),
            Judged::Change(subject) | Judged::Conflict(subject) => {
                changes.push(change(&subject, &policy)?);
            }
        }
    }
    if let (&Asked::Range { from, to, .. }, true) = (asked, ids.len() > 1) {
        let whole = range::whole(repo, &base_ids, (from, &ids, to))?;
        changes.push(change(&whole, &policy)?);
    }
    if changes.is_empty() {
        return Err(UsageError::new("there is nothing to judge, and nothing to approve").into());
    }
    let policy_ref = PolicyRef {
        digest: policy.digest.clone(),
        commit: trusted.commit,
    };
    Ok((policy_ref, changes))
}

fn change(subject: &Subject, policy: &Policy) -> anyhow::Result<Change> {
    let (bound, makers) = bound(subject, policy).context("a change without a commit")?;
    let name = match &subject.commit {
        Some(commit) => crate::perimeter::shown_subject(&commit.message),
        None => "the range as one change".to_owned(),
    };
    Ok(Change {
        name,
        bound,
        makers,
    })
}

/// Reads what was signed as `check` is going to.
fn verified(
    repo: &Repo,
    settings: &Settings,
    asked: &Asked,
    line: &str,
    changes: &[Change],
) -> anyhow::Result<Approval> {
    let base_id = match *asked {
        Asked::Commit(id) => repo.commit(id)?.parent_ids.first().copied(),
        Asked::Range { from, to, .. } => repo.merge_base(from, to)?,
    };
    let (trusted, _) = trust::policy(repo, settings.trusted_tip.as_ref(), base_id)?;
    let signers = approvals::signers(repo, settings, &trusted)?;
    let claims = approval::claims(line.as_bytes());
    let claim = claims.first().context("read the approval back")?;
    if claim.signer(&signers)?.is_none() {
        return Err(UsageError::with_hint(
            format!(
                "this key is no person's by `{SIGNERS}` on the trusted ref ({})",
                trusted.name
            ),
            format!(
                "a person commits this line there: `EMAIL namespaces=\"{}\" KEYTYPE KEY`",
                Purpose::Approve.namespace()
            ),
        )
        .into());
    }
    let mut approval = None;
    for change in changes {
        anyhow::ensure!(
            claim.is_about(&change.bound, settings.today),
            "the approval is not about `{}`",
            change.name
        );
        approval = claim.verified(&signers, &change.makers)?;
        if approval.is_none() {
            return Err(UsageError::with_hint(
                format!(
                    "`{}` was made by the person who would approve it",
                    change.name
                ),
                "somebody else decides",
            )
            .into());
        }
    }
    approval.context("nothing was approved")
}
