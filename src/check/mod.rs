//! The whole way, from a commit or the index to a verdict.

pub mod lane;
pub mod range;
pub mod trust;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use gix::ObjectId;
use serde::Serialize;

use crate::attestation::{Circumstances, PolicyRef, Predicate};
use crate::change::{Change, CommitMessage};
use crate::git::{Commit, Person, Repo};
use crate::perimeter::{self, Candidate, Finding, Shape};
use crate::policy::{Lane, Level, Mode, Policy, Rule, Suite};
use crate::proof::{self, Carried, Case, Doubt, Evidence, Progress, Workshop};
use crate::suite::runner::Toolbox;
use crate::suite::sandbox::Sandbox;
use crate::verdict::{Basis, Verdict};
use lane::{LaneChoice, LaneDecision, Marks};
use trust::{Tip, Trusted};

/// What the caller knows before anything is looked at.
#[derive(Debug)]
pub struct Settings {
    pub lane: LaneChoice,
    pub trusted_tip: Option<Tip>,
    pub place: Place,
    /// The folder that work areas live in, outside every repository.
    pub cache_dir: PathBuf,
    pub toolbox: Toolbox,
}

/// Where the judge sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The verdict of record: the whole suite, no hurry.
    Check,
    /// Fast feedback while somebody waits.
    Hook,
}

/// One change with its message, ready to be judged.
#[derive(Debug)]
pub struct Subject {
    /// `None` while it is only staged.
    pub commit: Option<Commit>,
    /// The message, where it is not a commit's.
    pub message: Option<CommitMessage>,
    pub parent_tree_id: ObjectId,
    pub tree_id: ObjectId,
    pub change: Change,
    pub shape: Shape,
}

/// The answer for one change, with everything that it rests on.
#[derive(Clone, Debug, Serialize)]
pub struct Judgement {
    /// `0a1b2c3d4e fix: total of an empty cart`, `staged`, `main..fix as one change`.
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    pub tree: String,
    pub parent_tree: String,
    pub trusted: Trusted,
    pub policy_digest: String,
    pub lane: LaneDecision,
    pub verdict: Verdict,
    /// Findings that do not refuse.
    pub warnings: Vec<Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// The policy only observes: nothing is refused.
    pub observed: bool,
}

/// Judges one change by one policy.
pub fn judge(
    repo: &Repo,
    settings: &Settings,
    (trusted, policy): (&Trusted, &Policy),
    lane: LaneDecision,
    subject: &Subject,
    carried: &Carried,
    progress: &mut dyn FnMut(Progress),
) -> anyhow::Result<Judgement> {
    let findings = findings(repo, subject, policy, lane.lane)?;
    let perimeter = Verdict::of_perimeter(&findings, Lane::Human);
    let (verdict, evidence) = match (lane.lane, perimeter) {
        (_, refused @ Verdict::Refused { .. }) => (refused, None),
        (Lane::Human, accepted) => (accepted, None),
        // Lane `agent` is judged as strictly as `repair` in this version.
        (Lane::Agent | Lane::Repair, _) => {
            let workshop = workshop(repo, settings)?;
            let case = case(settings, policy, subject, carried);
            let attempt = proof::prove(repo, policy, &workshop, &case, progress)?;
            (Verdict::weigh(&findings, attempt.result), attempt.evidence)
        }
    };
    Ok(Judgement::new(
        (trusted, policy),
        lane,
        subject,
        Answer {
            findings,
            verdict,
            evidence,
        },
    ))
}

/// What was found out about a subject.
struct Answer {
    findings: Vec<Finding>,
    verdict: Verdict,
    evidence: Option<Evidence>,
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

/// The proof alone, whatever the perimeter says.
pub fn prove(
    repo: &Repo,
    settings: &Settings,
    policy: &Policy,
    subject: &Subject,
    progress: &mut dyn FnMut(Progress),
) -> anyhow::Result<proof::Attempt> {
    let carried = Carried::default();
    let case = case(settings, policy, subject, &carried);
    proof::prove(repo, policy, &workshop(repo, settings)?, &case, progress)
}

fn case<'a>(
    settings: &Settings,
    policy: &Policy,
    subject: &'a Subject,
    carried: &'a Carried,
) -> Case<'a> {
    let (suite, budget): (Suite, Option<Duration>) = match settings.place {
        Place::Check => (policy.proof.suite, None),
        Place::Hook => (policy.proof.hook_suite, Some(policy.proof.hook_budget)),
    };
    Case {
        change: &subject.change,
        parent_tree_id: subject.parent_tree_id,
        tree_id: subject.tree_id,
        carried,
        suite,
        budget,
    }
}

/// What the perimeter says; to a person it is advice, and only where something may be hidden.
fn findings(
    repo: &Repo,
    subject: &Subject,
    policy: &Policy,
    lane: Lane,
) -> anyhow::Result<Vec<Finding>> {
    let mut neighbours = Vec::new();
    for folder in perimeter::folders_to_list(&subject.change) {
        neighbours.extend(repo.list_folder(subject.tree_id, &folder)?);
    }
    let message = subject
        .commit
        .as_ref()
        .map(|commit| &commit.message)
        .or(subject.message.as_ref());
    let candidate = Candidate {
        change: &subject.change,
        message,
        shape: subject.shape,
        neighbours: Some(&neighbours),
        known_issues: None,
    };
    let mut findings = perimeter::inspect(&candidate, policy);
    if lane == Lane::Human {
        findings.retain(|finding| finding.rule == Rule::PathEncoding);
        findings
            .iter_mut()
            .for_each(|finding| finding.level = Level::Warn);
    }
    Ok(findings)
}

fn workshop(repo: &Repo, settings: &Settings) -> anyhow::Result<Workshop> {
    let root = settings.cache_dir.join(area_name(repo));
    let scripts = &settings.toolbox.scripts;
    std::fs::create_dir_all(scripts)
        .with_context(|| format!("make the folder `{}`", scripts.display()))?;
    Ok(Workshop {
        root,
        sandbox: Sandbox::probe(),
        toolbox: settings.toolbox.clone(),
    })
}

/// One work area per repository, shared by its worktrees, named by where the repository stands.
fn area_name(repo: &Repo) -> String {
    use sha2::Digest as _;
    use std::os::unix::ffi::OsStrExt as _;
    let digest = sha2::Sha256::digest(repo.common_dir().as_os_str().as_bytes());
    digest
        .iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn name(subject: &Subject) -> String {
    match &subject.commit {
        Some(commit) => format!(
            "{} {}",
            trust::short(commit.id),
            crate::change::shown(&commit.message.subject())
        ),
        None => "staged".into(),
    }
}

/// Judges one commit by itself; `None` for a merge that is just what an automatic merge makes.
pub fn commit(
    repo: &Repo,
    settings: &Settings,
    commit_id: ObjectId,
    progress: &mut dyn FnMut(Progress),
) -> anyhow::Result<Option<Judgement>> {
    let commit = repo.commit(commit_id)?;
    let (trusted, policy) = trust::policy(
        repo,
        settings.trusted_tip.as_ref(),
        commit.parent_ids.first().copied(),
    )?;
    let lane = range::lane_of(settings, &policy, &commit, None);
    match range::subject(repo, commit)? {
        range::Judged::CleanMerge => Ok(None),
        range::Judged::Conflict(subject) => Ok(Some(Judgement::of_conflict(
            (&trusted, &policy),
            lane,
            &subject,
        ))),
        range::Judged::Change(subject) => judge(
            repo,
            settings,
            (&trusted, &policy),
            lane,
            &subject,
            &Carried::default(),
            progress,
        )
        .map(Some),
    }
}

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

/// A commit against its first parent. A merge is judged by what it has beyond an automatic merge: see [`range::merge`].
pub fn subject_of(repo: &Repo, commit: Commit) -> anyhow::Result<Subject> {
    let parent_tree_id = match commit.parent_ids.first() {
        Some(&parent_id) => repo.commit(parent_id).context("read the parent")?.tree_id,
        None => repo.empty_tree_id(),
    };
    let shape = if commit.parent_ids.is_empty() {
        Shape::Root
    } else {
        Shape::Ordinary
    };
    let change = repo.diff(parent_tree_id, commit.tree_id)?;
    Ok(Subject {
        parent_tree_id,
        tree_id: commit.tree_id,
        change,
        shape,
        message: None,
        commit: Some(commit),
    })
}

impl Judgement {
    fn new(
        (trusted, policy): (&Trusted, &Policy),
        lane: LaneDecision,
        subject: &Subject,
        answer: Answer,
    ) -> Judgement {
        Judgement {
            name: name(subject),
            commit: subject.commit.as_ref().map(|commit| commit.id.to_string()),
            tree: subject.tree_id.to_string(),
            parent_tree: subject.parent_tree_id.to_string(),
            trusted: trusted.clone(),
            policy_digest: policy.digest.clone(),
            lane,
            verdict: answer.verdict,
            warnings: answer
                .findings
                .into_iter()
                .filter(|finding| finding.level == Level::Warn)
                .collect(),
            evidence: answer.evidence,
            observed: policy.mode == Mode::Observe,
        }
    }

    /// The judgement of a merge that resolves a conflict: what a person would have made of it is not for us to say.
    fn of_conflict(
        origin: (&Trusted, &Policy),
        lane: LaneDecision,
        subject: &Subject,
    ) -> Judgement {
        let verdict = match lane.lane {
            Lane::Human => Verdict::Accepted(Basis::Perimeter(Lane::Human)),
            Lane::Agent | Lane::Repair => {
                let reason = "this merge resolves a conflict, and how is a person's decision";
                Verdict::Undecided {
                    doubts: vec![Doubt::Other(reason.into())],
                }
            }
        };
        Judgement::new(
            origin,
            lane,
            subject,
            Answer {
                findings: Vec::new(),
                verdict,
                evidence: None,
            },
        )
    }

    /// The content of a statement; `None` unless a proof was accepted and the policy enforces.
    pub fn predicate(
        &self,
        place: Place,
        issue: Option<String>,
    ) -> anyhow::Result<Option<Predicate>> {
        let (Verdict::Accepted(Basis::Proof(proof)), Some(evidence), false) =
            (&self.verdict, &self.evidence, self.observed)
        else {
            return Ok(None);
        };
        let around = Circumstances {
            judged_by: match place {
                Place::Check => "check",
                Place::Hook => "hook",
            },
            lane: self.lane.lane.as_str(),
            policy: PolicyRef {
                digest: self.policy_digest.clone(),
                commit: self.trusted.commit.clone(),
            },
            issue,
            parent_tree_id: self.parent_tree.clone(),
            tree_id: self.tree.clone(),
            evidence,
        };
        Predicate::of(proof, &around).map(Some)
    }
}
