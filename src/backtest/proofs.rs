//! The proof of past fixes that stay inside: what the whole guard would have said.

use gix::ObjectId;
use serde::Serialize;

use crate::check::parents::Judged;
use crate::check::trust::{self, TrustSource, Trusted};
use crate::check::{self, Settings, range};
use crate::git::Repo;
use crate::perimeter::shown_subject;
use crate::policy::Policy;
use crate::proof::{Progress, Shortfall, Shown};

/// What came of the proofs that were tried.
#[derive(Debug, Serialize)]
pub struct Proofs {
    pub tried: Vec<Proved>,
    /// Fixes that could have been tried too.
    pub left: usize,
}

#[derive(Debug, Serialize)]
pub struct Proved {
    pub commit: String,
    pub subject: String,
    pub end: End,
}

/// How a proof ended.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    Proved,
    /// Red tests without a fix: nothing that could be accepted by itself.
    Red,
    /// Refused where it has gaps, undecided else.
    Short(Shortfall),
}

/// Tries the proof of each, one after another. What the parent holds is trusted: it was the main branch once.
///
/// # Errors
/// The work area or the sandbox cannot be used at all.
pub fn prove(
    repo: &Repo,
    settings: &Settings,
    policy: &Policy,
    ids: &[ObjectId],
    max: usize,
    progress: &mut dyn FnMut(&str, Progress),
) -> anyhow::Result<Proofs> {
    let mut tried = Vec::new();
    for &id in ids.iter().take(max) {
        let commit = repo.commit(id)?;
        let subject = shown_subject(&commit.message);
        let Some(&parent_id) = commit.parent_ids.first() else {
            continue;
        };
        let trusted = Trusted {
            commit: parent_id.to_string(),
            name: "the parent".into(),
            source: TrustSource::Parent,
            floors: Vec::new(),
        };
        let Judged::Change(judged) = range::subject(repo, commit)? else {
            continue;
        };
        let name = trust::short(id);
        let mut tell = |what| progress(&name, what);
        let attempt = check::prove(repo, settings, (&trusted, policy), &judged, &mut tell)?;
        tried.push(Proved {
            commit: name,
            subject,
            end: match attempt.result {
                Ok(Shown::Fix(_)) => End::Proved,
                // Only `check` asks for a revert.
                Ok(Shown::Red(_) | Shown::Revert(_)) => End::Red,
                Err(short) => End::Short(short),
            },
        });
    }
    Ok(Proofs {
        left: ids.len() - tried.len(),
        tried,
    })
}
