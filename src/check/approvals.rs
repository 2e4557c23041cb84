//! People's approvals of the judged change, as far as they hold.

use std::collections::BTreeSet;

use gix::ObjectId;

use super::trust::Trusted;
use super::{Settings, Subject};
use crate::attestation::approval::{self, Bound, SIGNERS};
use crate::change::RepoPath;
use crate::git::{Commit, Repo, notes};
use crate::policy::Policy;
use crate::verdict::Approval;

/// Every approval of this very change that a known person signed, who did not make it. None for what is only staged.
pub(super) fn of(
    repo: &Repo,
    settings: &Settings,
    (trusted, policy): (&Trusted, &Policy),
    subject: &Subject,
) -> anyhow::Result<Vec<Approval>> {
    let Some((bound, makers)) = bound(subject, policy) else {
        return Ok(Vec::new());
    };
    let commit_id = ObjectId::from_hex(bound.commit_id.as_bytes())?;
    let Some(note) = notes::get(repo, commit_id)? else {
        return Ok(Vec::new());
    };
    let claims = approval::claims(&note);
    let claims = claims
        .iter()
        .filter(|claim| claim.is_about(&bound, settings.today));
    let claims: Vec<_> = claims.collect();
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let signers = signers(repo, settings, trusted)?;
    let mut approvals = Vec::new();
    for claim in claims {
        approvals.extend(claim.verified(&signers, &makers)?);
    }
    Ok(approvals)
}

/// What an approval of a change must name, and who may not give it.
pub fn bound(subject: &Subject, policy: &Policy) -> Option<(Bound, BTreeSet<String>)> {
    let (commit_id, makers) = match (&subject.commit, &subject.range) {
        (Some(commit), _) => (commit.id, makers(commit)),
        (None, Some((tip_id, emails))) => (*tip_id, emails.clone()),
        (None, None) => return None,
    };
    let bound = Bound {
        commit_id: commit_id.to_string(),
        tree_id: subject.tree_id.to_string(),
        parent_tree_id: subject.parent_tree_id.to_string(),
        policy_digest: policy.digest.clone(),
    };
    Some((bound, makers))
}

/// The keys of people. Those of today: a key that the trusted branch took away counts for no old branch either.
pub fn signers(repo: &Repo, settings: &Settings, trusted: &Trusted) -> anyhow::Result<Vec<u8>> {
    let commit_id = match &settings.trusted_tip {
        Some(tip) => tip.commit_id,
        None => ObjectId::from_hex(trusted.commit.as_bytes())?,
    };
    let tree_id = repo.commit(commit_id)?.tree_id;
    let file = repo.read_file(tree_id, &RepoPath::from(SIGNERS))?;
    Ok(file.unwrap_or_default())
}

/// The e-mail addresses of all who made a commit, in lower case.
pub fn makers(commit: &Commit) -> BTreeSet<String> {
    let trailers = commit.message.trailers();
    let others = trailers
        .iter()
        .filter(|trailer| trailer.token.eq_ignore_ascii_case("co-authored-by"))
        .filter_map(|trailer| {
            let (_, email) = trailer.value.rsplit_once('<')?;
            email.split('>').next()
        });
    let people = [&commit.author, &commit.committer].map(|person| person.email.as_str());
    people
        .into_iter()
        .chain(others)
        .map(|email| email.trim().to_lowercase())
        .collect()
}
