//! What notes are worth where only signatures count: by a known key, about just this commit, by the policy that had to judge it.

use gix::ObjectId;

use super::{Question, Remark, Weighed, plain};
use crate::attestation::Statement;
use crate::attestation::envelope::Seal;
use crate::attestation::ledger::{self, About, Relation, Standing};
use crate::attestation::line::{Line, Stated};
use crate::attestation::signature::Purpose;
use crate::check::trust;
use crate::git::{Commit, Repo};

/// The standing of a commit by its note, and what is to be said about it.
pub(super) fn weigh(
    repo: &Repo,
    question: &Question,
    commit: &Commit,
    lines: &[(usize, Line)],
    relations: &[Option<Relation>],
    remarks: &mut Vec<Remark>,
) -> anyhow::Result<Weighed> {
    let mut good = (Vec::new(), Vec::new());
    let mut forgeries = Vec::new();
    for (line, relation) in lines.iter().zip(relations) {
        let (Line::Statement(stated), Some(Relation::Own | Relation::Tied(_))) =
            (&line.1, relation)
        else {
            continue;
        };
        match seal(question, stated)? {
            Seal::None => (),
            Seal::By(signer) if *relation == Some(Relation::Own) => {
                good.0.push(line.clone());
                good.1.push((signer, &stated.statement));
            }
            Seal::By(_) => (),
            Seal::Unknown => forgeries.push(Remark::UnknownKey),
            Seal::Broken => forgeries.push(Remark::BrokenSignature),
        }
    }
    let about = About::of(commit, None);
    // What is signed decides alone; beside it anybody may write what they like.
    let all_own = vec![Some(Relation::Own); good.0.len()];
    if let contradictory @ Standing::Contradictory(_) = ledger::weigh(&good.0, &all_own) {
        return Ok(plain(contradictory, &about, remarks));
    }
    let parent_id = commit.parent_ids.first().copied().unwrap_or(commit.id);
    let mut other_policy = None;
    for (signer, statement) in good.1 {
        if is_of_policy(repo, question, parent_id, statement)? {
            remarks.push(Remark::SignedBy(signer.emails.join(",")));
            return Ok(Weighed {
                standing: "valid",
                statement: Some(Box::new(statement.clone())),
                of: None,
            });
        }
        other_policy = Some(Remark::OtherPolicy(
            statement.predicate.policy.digest.clone(),
        ));
    }
    if let Some(remark) = other_policy {
        remarks.push(remark);
        return Ok(Weighed {
            standing: "stale",
            ..Weighed::default()
        });
    }
    forgeries.dedup();
    if !forgeries.is_empty() {
        remarks.append(&mut forgeries);
        return Ok(Weighed {
            standing: "forged",
            ..Weighed::default()
        });
    }
    let mut weighed = plain(ledger::weigh(lines, relations), &about, remarks);
    if weighed.standing == "stated" {
        weighed.standing = "unsigned";
    }
    Ok(weighed)
}

/// Whether a known judge signed it.
pub(super) fn counts(question: &Question, stated: &Stated) -> anyhow::Result<bool> {
    Ok(matches!(seal(question, stated)?, Seal::By(_)))
}

fn seal(question: &Question, stated: &Stated) -> anyhow::Result<Seal> {
    match &stated.envelope {
        Some(envelope) => envelope.seal(question.signers, Purpose::State),
        None => Ok(Seal::None),
    }
}

/// Whether a statement rests on the policy that had to judge what follows `parent_id`.
///
/// Another version of the guard gives the same text another digest; then the two texts are compared as this version reads them.
pub(super) fn is_of_policy(
    repo: &Repo,
    question: &Question,
    parent_id: ObjectId,
    statement: &Statement,
) -> anyhow::Result<bool> {
    let (_, due) = trust::policy(repo, question.trusted_tip, Some(parent_id))?;
    let predicate = &statement.predicate;
    if predicate.policy.digest == due.digest {
        return Ok(true);
    }
    let Ok(policy_id) = ObjectId::from_hex(predicate.policy.commit.as_bytes()) else {
        return Ok(false);
    };
    let is_other_version = predicate.guard_version != env!("CARGO_PKG_VERSION");
    if !is_other_version || !repo.has_commit(policy_id)? {
        return Ok(false);
    }
    let (_, stated) = trust::policy(repo, None, Some(policy_id))?;
    Ok(stated.digest == due.digest)
}
