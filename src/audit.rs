//! Past fixes, from their notes: what each proved, and which guarded commits landed without a proof.

use gix::ObjectId;
use serde::Serialize;

use crate::attestation::Statement;
use crate::attestation::ledger::{self, Standing};
use crate::check::lane::{self, LaneChoice, LaneDecision, Marks, Pusher};
use crate::check::says_fix;
use crate::check::trust;
use crate::git::{Commit, Repo, notes};
use crate::perimeter::shown_subject;
use crate::policy::{Lane, Policy};

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
}

/// Everything worth telling about a range.
#[derive(Debug, Default, Serialize)]
pub struct Audit {
    /// Newest first: commits with a note, and guarded commits without one.
    pub entries: Vec<Entry>,
    pub n_commits: usize,
}

/// Looks at every commit that `to` has and `from` has not.
pub fn audit(
    repo: &Repo,
    policy: &Policy,
    from: Option<ObjectId>,
    to: ObjectId,
    branch: Option<&str>,
) -> anyhow::Result<Audit> {
    let noted = notes::list(repo)?;
    let ids = repo.commits_between(from, to)?;
    let mut audit = Audit {
        n_commits: ids.len(),
        ..Audit::default()
    };
    for id in ids.iter().rev() {
        let commit = repo.commit(*id)?;
        let has_note = noted
            .binary_search_by(|(noted_id, _)| noted_id.cmp(id))
            .is_ok();
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
        audit.entries.push(entry(commit, lane, standing));
    }
    Ok(audit)
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
    /// A guarded commit whose note does not vouch for it.
    pub fn is_unproved(&self) -> bool {
        self.lane.lane > Lane::Human && self.standing != "stated"
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
