//! Proofs of past fixes, run again: what agrees with its statement is stated anew, from what was seen now.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde::Serialize;

use super::{Audit, Entry};
use crate::attestation::Told;
use crate::check::{self, Judgement, Settings, record, trust};
use crate::git::Repo;
use crate::proof::Progress;
use crate::suite::TestId;
use crate::verdict::{Basis, Verdict};

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Replayed {
    pub commit: String,
    pub subject: String,
    #[serde(flatten)]
    pub replay: Replay,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "replay")]
pub enum Replay {
    /// The same tests are red without the fix and green with it.
    Agrees,
    /// It is accepted for other tests than its statement names.
    OtherTests {
        stated: BTreeSet<TestId>,
        seen: BTreeSet<TestId>,
    },
    /// It is refused now.
    Refused { judgement: Box<Judgement> },
    /// Nothing can be said today.
    CannotRun { why: String },
}

/// Judges every commit of an audit that is guarded or has a statement, as `check` does. What is accepted gets a statement of its own, if `writes`.
pub fn replay(
    repo: &Repo,
    settings: &Settings,
    audit: &Audit,
    writes: bool,
    progress: &mut dyn FnMut(&str, Progress),
) -> anyhow::Result<Vec<Replayed>> {
    let mut all = Vec::new();
    for entry in &audit.entries {
        if entry.statement.is_none() && !entry.unproved {
            continue;
        }
        let mut tell = |what| progress(&entry.commit, what);
        let judged = check::commit(repo, settings, entry.id, &mut tell);
        let replay = match judged {
            Ok(Some(judgement)) => {
                let replay = weigh(entry, &judgement);
                if writes && matches!(replay, Replay::Agrees) {
                    record::commit(repo, &judgement, &Told::default())
                        .with_context(|| format!("note what was seen of {}", entry.commit))?;
                }
                replay
            }
            Ok(None) => continue,
            Err(error) => Replay::CannotRun {
                why: format!("{error:#}"),
            },
        };
        all.push(Replayed {
            commit: trust::short(entry.id),
            subject: entry.subject.clone(),
            replay,
        });
    }
    Ok(all)
}

impl Replay {
    pub fn word(&self) -> &'static str {
        match self {
            Replay::Agrees => "agrees",
            Replay::OtherTests { .. } | Replay::Refused { .. } => "DISAGREES",
            Replay::CannotRun { .. } => "cannot run",
        }
    }
}

fn weigh(entry: &Entry, judgement: &Judgement) -> Replay {
    let stated_revert = (entry.statement.as_ref()).and_then(|it| it.predicate.reverts.as_ref());
    let seen = match &judgement.verdict {
        Verdict::Accepted(Basis::Revert { of, .. }) if stated_revert == Some(of) => {
            return Replay::Agrees;
        }
        Verdict::Accepted(_) => judgement.verdict.proof(),
        Verdict::Undecided { doubts } => {
            let ids: BTreeSet<&str> = doubts.iter().map(|doubt| doubt.id()).collect();
            let ids: Vec<&str> = ids.into_iter().collect();
            return Replay::CannotRun {
                why: format!("undecided: {}", ids.join(", ")),
            };
        }
        Verdict::Pending(_) | Verdict::Refused { .. } => {
            return Replay::Refused {
                judgement: Box::new(judgement.clone()),
            };
        }
    };
    let Some(proof) = seen else {
        return Replay::CannotRun {
            why: "it is accepted without a proof".into(),
        };
    };
    let seen: BTreeSet<TestId> = proof.fail_to_pass().keys().cloned().collect();
    let stated: Option<BTreeSet<TestId>> = entry
        .statement
        .as_ref()
        // What is said of a range, its commits alone need not show.
        .filter(|statement| statement.predicate.range.is_none())
        .map(|statement| statement.predicate.fail_to_pass.keys().cloned().collect());
    match stated {
        Some(stated) if stated != seen => Replay::OtherTests { stated, seen },
        _ => Replay::Agrees,
    }
}
