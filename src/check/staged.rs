//! What the next commit is going to be, read from the index, and judged before it is made.

use std::iter;

use super::judgement::Answer;
use super::lane::{self, LaneDecision, Marks};
use super::parents::{self, Judged};
use super::trust::{self, Trusted};
use super::{Judgement, Settings, Subject, findings, judge, waive};
use crate::change::CommitMessage;
use crate::git::{Person, Repo};
use crate::policy::{Lane, Policy};
use crate::proof::{Carried, Progress, Traces};
use crate::usage::UsageError;
use crate::verdict::Verdict;

/// What the next commit is going to be.
#[derive(Debug, Default)]
pub struct Next<'a> {
    /// Whether it replaces `HEAD`.
    pub amends: bool,
    /// Known in `commit-msg` only.
    pub message: Option<CommitMessage>,
    pub people: Vec<&'a Person>,
    /// What the environment says of who works there.
    pub environment: Option<&'static str>,
}

/// A staged change with the policy and the lane that it is judged by.
#[derive(Debug)]
pub struct Staged {
    pub trusted: Trusted,
    pub policy: Policy,
    pub lane: LaneDecision,
    pub judged: Judged,
}

/// Reads what is staged, the policy for it, and the lane.
pub fn staged(repo: &Repo, settings: &Settings, next: Next) -> anyhow::Result<Staged> {
    if repo.work_dir().is_none() {
        return Err(UsageError::with_hint(
            "in a bare repository nothing is staged",
            "judge a commit or a range",
        )
        .into());
    }
    let staged = repo.staged()?;
    let mut parent_ids = match (staged.parent_id, next.amends) {
        (Some(head_id), true) => repo.commit(head_id)?.parent_ids,
        (Some(head_id), false) => iter::once(head_id).chain(repo.merge_heads()?).collect(),
        (None, _) => Vec::new(),
    };
    if parent_ids.len() > 1 {
        // A merge is compared with what git makes of its parents: that its tree can be read and checked out at all is seen here.
        repo.diff(staged.parent_tree_id, staged.tree_id)?;
    }
    let tip = settings.trusted_tip.as_ref();
    let (trusted, policy) = trust::policy(repo, tip, parent_ids.first().copied())?;
    let trailers = next
        .message
        .as_ref()
        .map(CommitMessage::trailers)
        .unwrap_or_default();
    let branch = repo.head_branch()?;
    let marks = Marks {
        branch: branch.as_deref(),
        people: next.people,
        trailers: &trailers,
        text: next
            .message
            .as_ref()
            .map_or(&b""[..], |message| message.as_bstr()),
        environment: next.environment,
    };
    let lane = lane::decide(&settings.lane, &policy, &marks);
    if lane.lane == Lane::Human {
        // A person's merge is not made again: it would be judged for nothing.
        parent_ids.truncate(1);
    }
    let mut judged = parents::judged(repo, &parent_ids, staged.tree_id)?;
    if let Some(subject) = judged.subject_mut() {
        subject.message = next.message;
    }
    Ok(Staged {
        trusted,
        policy,
        lane,
        judged,
    })
}

impl Staged {
    /// Judges what is staged; `None` for a merge that is just what an automatic merge makes.
    pub fn judge(
        &self,
        repo: &Repo,
        settings: &Settings,
        progress: &mut dyn FnMut(Progress),
    ) -> anyhow::Result<Option<Judgement>> {
        let origin = (&self.trusted, &self.policy);
        let lane = self.lane.clone();
        match &self.judged {
            Judged::CleanMerge => Ok(None),
            Judged::Conflict(subject) => Ok(Some(Judgement::of_conflict(origin, lane, subject))),
            Judged::Change(subject) => {
                let carried = Carried::default();
                judge(repo, settings, origin, lane, subject, &carried, progress).map(Some)
            }
        }
    }

    /// The perimeter alone, for a change whose proof is known.
    pub fn perimeter(
        &self,
        repo: &Repo,
        settings: &Settings,
        subject: &Subject,
    ) -> anyhow::Result<Judgement> {
        let findings = findings(repo, subject, &self.policy, self.lane.lane, &[])?;
        let waivers = &self.policy.waivers;
        let found = waive::waive(findings, &subject.change, waivers, settings.today);
        let answer = Answer {
            verdict: Verdict::of_perimeter(&found.findings, Lane::Human),
            found,
            evidence: None,
            traces: Traces::default(),
        };
        let origin = (&self.trusted, &self.policy);
        Ok(Judgement::new(origin, self.lane.clone(), subject, answer))
    }
}
