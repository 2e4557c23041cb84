//! The trace of what `check` accepted: a statement for each commit, and one for the range as one change, signed where a key is configured.

use anyhow::Context as _;
use gix::ObjectId;

use super::range::RangeJudgement;
use super::{Judgement, Place, trust};
use crate::attestation::ledger::{self, Written};
use crate::attestation::signature::Key;
use crate::attestation::{Beside, RangeRef, Statement, Told};
use crate::git::{Commit, Repo};
use crate::perimeter::{ISSUE_TRAILER, shown_subject};

/// Writes the statement of an accepted commit into its note, if there is one to write.
pub fn commit(repo: &Repo, judgement: &Judgement, told: &Told) -> anyhow::Result<Written> {
    let statements = statement(repo, judgement, told)?;
    write(repo, statements.into_iter().collect())
}

/// Writes the statements of the accepted commits of a range; where all of it is accepted, also that of the range as one change, into the note of
/// its last commit. All of that is one commit in the notes.
pub fn range(
    repo: &Repo,
    range: &RangeJudgement,
    is_accepted: bool,
    told: &Told,
) -> anyhow::Result<Written> {
    let mut statements = Vec::new();
    for judgement in &range.commits {
        statements.extend(statement(repo, judgement, told)?);
    }
    if is_accepted {
        statements.extend(statement_of_whole(repo, range, told)?);
    }
    write(repo, statements)
}

/// The patch id of what was judged.
pub fn patch_id(repo: &Repo, judgement: &Judgement) -> anyhow::Result<Option<String>> {
    let id = |hex: &str| ObjectId::from_hex(hex.as_bytes()).context("read a tree's id");
    let change = repo.diff(id(&judgement.parent_tree)?, id(&judgement.tree)?)?;
    repo.patch_id(&change)
}

/// The production error that a fix names.
pub fn issue_of(commit: &Commit) -> Option<String> {
    let trailers = commit.message.trailers();
    trailers
        .into_iter()
        .find(|trailer| trailer.token.eq_ignore_ascii_case(ISSUE_TRAILER))
        .map(|trailer| trailer.value)
}

type Noted = (ObjectId, Statement);

fn write(repo: &Repo, statements: Vec<Noted>) -> anyhow::Result<Written> {
    let key = Key::configured(repo);
    ledger::record(repo, &statements, key.as_ref())
}

fn statement(repo: &Repo, judgement: &Judgement, told: &Told) -> anyhow::Result<Option<Noted>> {
    let Some(id) = &judgement.commit else {
        return Ok(None);
    };
    if !judgement.verdict.is_shown() {
        return Ok(None);
    }
    let commit = repo.commit(ObjectId::from_hex(id.as_bytes())?)?;
    let beside = Beside {
        issue: issue_of(&commit),
        told: told.clone(),
        range: None,
        patch_id: patch_id(repo, judgement)?,
    };
    let Some(predicate) = judgement.predicate(Place::Check, beside)? else {
        return Ok(None);
    };
    let subject = shown_subject(&commit.message);
    let statement = Statement::about(id, &judgement.tree, &subject, predicate);
    Ok(Some((commit.id, statement)))
}

fn statement_of_whole(
    repo: &Repo,
    range: &RangeJudgement,
    told: &Told,
) -> anyhow::Result<Option<Noted>> {
    let (Some(whole), Some((base_id, tip_id))) = (&range.whole, range.ends) else {
        return Ok(None);
    };
    if !whole.verdict.is_shown() {
        return Ok(None);
    }
    let beside = Beside {
        issue: None,
        told: told.clone(),
        range: Some(RangeRef {
            base: base_id.to_string(),
            tip: tip_id.to_string(),
            commits: range.commits.len(),
        }),
        patch_id: patch_id(repo, whole)?,
    };
    let Some(predicate) = whole.predicate(Place::Check, beside)? else {
        return Ok(None);
    };
    let (base, tip) = (trust::short(base_id), trust::short(tip_id));
    let name = format!("{base}..{tip} as one change");
    let tip = repo.commit(tip_id)?;
    let (tip_id, tree_id) = (tip.id.to_string(), tip.tree_id.to_string());
    let statement = Statement::about(&tip_id, &tree_id, &name, predicate);
    Ok(Some((tip.id, statement)))
}
