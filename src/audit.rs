//! Past fixes, from their notes: what each proved, and which guarded commits landed without a proof.

use std::collections::BTreeMap;

use gix::ObjectId;
use serde::Serialize;

use crate::attestation::ledger::{self, Standing};
use crate::attestation::{Statement, approval};
use crate::check::approvals::makers;
use crate::check::lane::{self, LaneChoice, LaneDecision, Marks, Pusher};
use crate::check::says_fix;
use crate::check::trust;
use crate::git::{Commit, Repo, notes};
use crate::perimeter::shown_subject;
use crate::policy::{Lane, Policy};
use crate::verdict::{Approvable, Approval};

/// What is known of one commit.
#[derive(Debug, Serialize)]
pub struct Entry {
    pub commit: String,
    pub subject: String,
    /// Seconds since the epoch, the committer's.
    pub seconds: i64,
    pub lane: LaneDecision,
    /// `stated`, `claimed`, `stale`, `unreadable`, `missing`.
    pub standing: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<Box<Statement>>,
    /// What people decided about this commit, as far as they are known and did not make it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// Decisions that do not count.
    pub n_void_approvals: usize,
}

/// Everything worth telling about a range.
#[derive(Debug, Default, Serialize)]
pub struct Audit {
    /// Newest first: commits with a note, and guarded commits without one.
    pub entries: Vec<Entry>,
    pub n_commits: usize,
    /// Rules that people overruled, with how often; the most often first.
    pub overruled: Vec<(String, usize)>,
}

/// Looks at every commit that `to` has and `from` has not.
pub fn audit(
    repo: &Repo,
    (policy, signers): (&Policy, &[u8]),
    from: Option<ObjectId>,
    to: ObjectId,
    branch: Option<&str>,
) -> anyhow::Result<Audit> {
    let all_notes = notes::list(repo)?;
    let ids = repo.commits_between(from, to)?;
    let mut audit = Audit {
        n_commits: ids.len(),
        ..Audit::default()
    };
    for id in ids.iter().rev() {
        let commit = repo.commit(*id)?;
        let noted = all_notes
            .binary_search_by(|(noted_id, _)| noted_id.cmp(id))
            .ok();
        let has_note = noted.is_some();
        let lane = lane_of(policy, &commit, branch);
        // In lane `agent` only what says that it is a fix owes a proof.
        let is_due =
            lane.lane == Lane::Repair || (lane.lane == Lane::Agent && says_fix(&commit.message));
        let is_guarded = is_due && commit.parent_ids.len() < 2;
        if !has_note && !is_guarded {
            continue;
        }
        let standing = if has_note {
            ledger::standing(repo, &commit)?
        } else {
            Standing::Missing
        };
        let (approvals, n_void_approvals) = match noted {
            Some(at) => approvals(&all_notes[at].1, &commit, signers)?,
            None => (Vec::new(), 0),
        };
        audit.entries.push(Entry {
            approvals,
            n_void_approvals,
            ..entry(commit, lane, standing)
        });
    }
    audit.overruled = overruled(&audit.entries);
    Ok(audit)
}

/// What a note says people decided about its commit: what counts, and how much does not.
fn approvals(
    note: &[u8],
    commit: &Commit,
    signers: &[u8],
) -> anyhow::Result<(Vec<Approval>, usize)> {
    let (commit_id, makers) = (commit.id.to_string(), makers(commit));
    let mut approvals = Vec::new();
    let mut n_void = 0;
    for claim in approval::claims(note) {
        let is_open = Approvable::of(&claim.decision.rule) == Approvable::Yes;
        let verified = if is_open && claim.names(&commit_id) {
            claim.verified(signers, &makers)?
        } else {
            None
        };
        match verified {
            Some(approval) => approvals.push(approval),
            None => n_void += 1,
        }
    }
    Ok((approvals, n_void))
}

fn overruled(entries: &[Entry]) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for approval in entries.iter().flat_map(|entry| &entry.approvals) {
        *counts.entry(&approval.rule).or_default() += 1;
    }
    let mut counts: Vec<(String, usize)> = counts
        .into_iter()
        .map(|(rule, n)| (rule.to_owned(), n))
        .collect();
    counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    counts
}

fn entry(commit: Commit, lane: LaneDecision, standing: Standing) -> Entry {
    Entry {
        commit: trust::short(commit.id),
        subject: shown_subject(&commit.message),
        seconds: commit.committer.seconds,
        lane,
        standing: standing.as_str(),
        statement: match standing {
            Standing::Stated(statement) | Standing::Claimed(statement) => Some(statement),
            Standing::Stale | Standing::Unreadable | Standing::Missing => None,
        },
        approvals: Vec::new(),
        n_void_approvals: 0,
    }
}

/// A fix is guarded by its marks, by its branch, and because it names a production error.
fn lane_of(policy: &Policy, commit: &Commit, branch: Option<&str>) -> LaneDecision {
    let trailers = commit.message.trailers();
    if trailers
        .iter()
        .any(|trailer| trailer.token.eq_ignore_ascii_case("koan-issue"))
    {
        return LaneDecision {
            lane: Lane::Repair,
            reason: "names an issue".into(),
        };
    }
    let marks = Marks {
        branch,
        people: vec![&commit.author, &commit.committer],
        trailers: &trailers,
        text: commit.message.as_bstr(),
        environment: None,
    };
    lane::decide(&LaneChoice::Auto(Pusher::None), policy, &marks)
}

impl Entry {
    /// A guarded commit for which neither its note nor a person vouches.
    pub fn is_unproved(&self) -> bool {
        self.lane.lane > Lane::Human && self.standing != "stated" && self.approvals.is_empty()
    }
}

impl Audit {
    pub fn n_unproved(&self) -> usize {
        self.entries
            .iter()
            .filter(|entry| entry.is_unproved())
            .count()
    }
}
