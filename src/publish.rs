//! Tells a server of errors what fixed an issue, where the policy wants that: a comment with the commit, and the issue resolved.

use std::collections::BTreeSet;

use crate::extract::{self, Asked};
use crate::git::Repo;
use crate::issue::Fingerprint;
use crate::policy::{Policy, ServerConfig, SourceKind};
use crate::source::publisher::Publisher;
use crate::triage::Recurrence;
use crate::usage::UsageError;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// These issues of the server's are resolved, by this commit.
    Resolved { fix: String, ids: BTreeSet<String> },
    /// There is no fix that holds as far as anybody knows.
    NotFixed,
}

/// Resolves every issue of the server's that the events of this one are in.
///
/// # Errors
/// [`UsageError`] if the policy names no server to publish to, or the server has no such issue; otherwise as [`extract::digest`], and where the server does
/// not take it.
pub fn publish(
    repo: &Repo,
    policy: &Policy,
    asked: &Asked,
    name: &str,
) -> anyhow::Result<(Fingerprint, Published)> {
    let (server, variable) = place(policy)?;
    let ranked = extract::digest(repo, policy, asked)?.find(name)?;
    let issue = ranked.issue;
    let Some(Recurrence::Fixed { fix }) = ranked.recurrence else {
        return Ok((issue.fingerprint, Published::NotFixed));
    };
    if issue.server_ids.is_empty() {
        let message = format!("`{}` has no issue {}", server.url, issue.fingerprint);
        return Err(UsageError::new(message).into());
    }
    let publisher = Publisher::new(server, variable)?;
    let text = format!(
        "Fixed by commit {fix} as {}; the proof stands in its note (`git notes --ref=koan show {fix}`).",
        issue.fingerprint
    );
    for id in &issue.server_ids {
        publisher.comment(id, &text)?;
        publisher.resolve(id)?;
    }
    let published = Published::Resolved {
        fix,
        ids: issue.server_ids,
    };
    Ok((issue.fingerprint, published))
}

/// The server, and the variable with the token that may write there.
fn place(policy: &Policy) -> anyhow::Result<(&ServerConfig, &str)> {
    let Some(publish) = &policy.triage.publish else {
        return Err(UsageError::with_hint(
            "the policy names no server to publish to",
            "`triage: {publish: {source: NAME, token_env: VARIABLE}}` names one of its sources",
        )
        .into());
    };
    let source = policy.sources.iter().find(|one| one.name == publish.source);
    match source.map(|source| &source.kind) {
        Some(SourceKind::Sentry(server)) => Ok((server, &publish.token_env)),
        _ => {
            let message = format!("source `{}` is no server to publish to", publish.source);
            Err(UsageError::new(message).into())
        }
    }
}
