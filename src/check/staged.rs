//! What the next commit is going to be, read from the index, and judged before it is made.

use super::judgement::Answer;
use super::lane::{self, LaneDecision, Marks};
use super::trust::{self, Trusted};
use super::{Judgement, Settings, Subject, findings, judge};
use crate::change::CommitMessage;
use crate::git::{Person, Repo};
use crate::perimeter::Shape;
use crate::policy::{Lane, Policy};
use crate::proof::{Carried, Progress};
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
    pub subject: Subject,
}

/// Reads what is staged, the policy for it, and the lane.
pub fn staged(repo: &Repo, settings: &Settings, next: Next) -> anyhow::Result<Staged> {
    let staged = repo.staged()?;
    let parent_id = match (staged.parent_id, next.amends) {
        (Some(head_id), true) => repo.commit(head_id)?.parent_ids.first().copied(),
        (parent_id, _) => parent_id,
    };
    let (trusted, policy) = trust::policy(repo, settings.trusted_tip.as_ref(), parent_id)?;
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
        environment: next.environment,
    };
    let lane = lane::decide(settings.lane, &policy, &marks);
    let (parent_tree_id, change) = if next.amends {
        let parent_tree_id = match parent_id {
            Some(parent_id) => repo.commit(parent_id)?.tree_id,
            None => repo.empty_tree_id(),
        };
        (parent_tree_id, repo.diff(parent_tree_id, staged.tree_id)?)
    } else {
        (staged.parent_tree_id, staged.change)
    };
    let shape = if parent_id.is_some() {
        Shape::Ordinary
    } else {
        Shape::Root
    };
    let subject = Subject {
        commit: None,
        message: next.message,
        parent_tree_id,
        tree_id: staged.tree_id,
        change,
        shape,
    };
    Ok(Staged {
        trusted,
        policy,
        lane,
        subject,
    })
}

impl Staged {
    pub fn judge(
        &self,
        repo: &Repo,
        settings: &Settings,
        progress: &mut dyn FnMut(Progress),
    ) -> anyhow::Result<Judgement> {
        let origin = (&self.trusted, &self.policy);
        judge(
            repo,
            settings,
            origin,
            self.lane.clone(),
            &self.subject,
            &Carried::default(),
            progress,
        )
    }
}

/// The perimeter alone, for a tree whose proof is known.
pub fn perimeter(repo: &Repo, staged: &Staged) -> anyhow::Result<Judgement> {
    let findings = findings(repo, &staged.subject, &staged.policy, staged.lane.lane)?;
    let verdict = Verdict::of_perimeter(&findings, Lane::Human);
    let origin = (&staged.trusted, &staged.policy);
    let answer = Answer {
        findings,
        verdict,
        evidence: None,
    };
    Ok(Judgement::new(
        origin,
        staged.lane.clone(),
        &staged.subject,
        answer,
    ))
}
