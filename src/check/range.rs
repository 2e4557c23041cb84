//! A range of commits: each by itself, and all of them as one change.

use std::collections::BTreeSet;

use anyhow::Context as _;
use gix::ObjectId;
use serde::Serialize;

use super::approvals;
use super::lane::{self, LaneDecision, Marks};
use super::parents::{self, Judged};
use super::trust;
use super::{Judgement, Settings, Subject, judge, says_fix};
use crate::change::Change;
use crate::git::{Commit, Repo, Revision};
use crate::perimeter::{self, Shape};
use crate::policy::{Lane, Policy};
use crate::proof::{Carried, Gap, Progress};
use crate::suite::TestId;
use crate::usage::UsageError;
use crate::verdict::Verdict;

/// The answers for a range.
#[derive(Debug, Serialize)]
pub struct RangeJudgement {
    /// Parents before children. Merges that hold nothing of their own are left out.
    pub commits: Vec<Judgement>,
    /// Merges that are just what an automatic merge makes of their parents.
    pub clean_merges: Vec<String>,
    /// The range as one change; `None` where one commit is all of it, or where no commit of it is in lane `repair`.
    pub whole: Option<Judgement>,
    /// Red tests that no later commit turned green.
    pub owed: BTreeSet<TestId>,
    /// Where the whole starts from, and where it ends.
    #[serde(skip)]
    pub ends: Option<(ObjectId, ObjectId)>,
}

/// Judges every commit that `to` has and `from` has not, and then the whole.
///
/// # Errors
/// [`UsageError`] where there is no policy; anything that could not be read.
pub fn check(
    repo: &Repo,
    settings: &Settings,
    (from, to): (ObjectId, ObjectId),
    branch: Option<&str>,
    progress: &mut dyn FnMut(&str, Progress),
) -> anyhow::Result<RangeJudgement> {
    let base_ids = repo.merge_bases(from, to)?;
    let (trusted, policy) = trust::policy_of_all(repo, settings.trusted_tip.as_ref(), &base_ids)
        .context("choose the policy of the range")?;
    let ids = repo.commits_between(Some(from), to)?;
    let mut range = RangeJudgement {
        commits: Vec::with_capacity(ids.len()),
        clean_merges: Vec::new(),
        whole: None,
        owed: BTreeSet::new(),
        ends: None,
    };
    let mut carried = Carried::default();
    let mut holds_fix = false;
    let mut strictest: Option<LaneDecision> = None;
    for id in &ids {
        let commit = repo.commit(*id)?;
        holds_fix |= says_fix(&commit.message);
        let lane = lane_of(settings, &policy, &commit, branch);
        if strictest
            .as_ref()
            .is_none_or(|other| other.lane < lane.lane)
        {
            strictest = Some(lane.clone());
        }
        let name = trust::short(*id);
        let judgement = match subject(repo, commit)? {
            Judged::CleanMerge => {
                range.clean_merges.push(id.to_string());
                continue;
            }
            Judged::Conflict(subject) => {
                super::conflict(repo, settings, (&trusted, &policy), lane, &subject)?
            }
            Judged::Change(subject) => {
                let mut tell = |what| progress(&name, what);
                judge(
                    repo,
                    settings,
                    (&trusted, &policy),
                    lane,
                    &subject,
                    &carried,
                    &mut tell,
                )?
            }
        };
        note_debts(&judgement, &mut carried);
        range.commits.push(judgement);
    }
    let needs_whole = ids.len() > 1
        && strictest
            .as_ref()
            .is_some_and(|lane| lane.lane >= Lane::Agent);
    if let (true, Some(lane)) = (needs_whole, strictest) {
        let mut subject = whole(repo, &base_ids, (from, &ids, to))?;
        subject.holds_fix = holds_fix;
        let mut tell = |what| progress("the range", what);
        let mut judgement = judge(
            repo,
            settings,
            (&trusted, &policy),
            lane,
            &subject,
            &Carried::default(),
            &mut tell,
        )?;
        judgement.name = format!(
            "{}..{} as one change",
            trust::short(base_ids[0]),
            trust::short(to)
        );
        keep_proofs(&range.commits, &mut judgement);
        let base_id = match *base_ids {
            [base_id] => base_id,
            _ => from,
        };
        range.ends = Some((base_id, to));
        range.whole = Some(judgement);
    }
    range.owed = carried.tests;
    Ok(range)
}

/// A pending commit adds to what is owed; a proof that turns those tests green takes from it.
fn note_debts(judgement: &Judgement, carried: &mut Carried) {
    match &judgement.verdict {
        Verdict::Pending(red) => {
            carried.tests.extend(red.tests.iter().cloned());
            carried.files.extend(red.files.iter().cloned());
        }
        verdict => {
            let Some(proof) = verdict.proof() else {
                return;
            };
            carried
                .tests
                .retain(|test| !proof.fail_to_pass().contains_key(test));
            if carried.tests.is_empty() {
                carried.files.clear();
            }
        }
    }
}

/// What a commit of the range was accepted for must hold at its end: a proving test may not be deleted by a later commit.
fn keep_proofs(commits: &[Judgement], whole: &mut Judgement) {
    let Some(proof) = whole.verdict.proof() else {
        return;
    };
    let is_kept = |test: &&TestId| {
        proof.fail_to_pass().contains_key(*test) || proof.pass_to_pass().contains(*test)
    };
    let shown = commits
        .iter()
        .filter_map(|judgement| Some(judgement.verdict.proof()?.fail_to_pass().keys()));
    let lost: BTreeSet<&TestId> = shown.flatten().filter(|test| !is_kept(test)).collect();
    if !lost.is_empty() {
        whole.verdict = Verdict::Refused {
            findings: Vec::new(),
            gaps: lost.into_iter().cloned().map(Gap::Vanished).collect(),
        };
    }
}

pub(super) fn lane_of(
    settings: &Settings,
    policy: &Policy,
    commit: &Commit,
    branch: Option<&str>,
) -> LaneDecision {
    let trailers = commit.message.trailers();
    let marks = Marks {
        branch,
        people: vec![&commit.author, &commit.committer],
        trailers: &trailers,
        text: commit.message.as_bstr(),
        environment: None,
    };
    lane::decide(&settings.lane, policy, &marks)
}

/// What of a commit is to be judged.
pub fn subject(repo: &Repo, commit: Commit) -> anyhow::Result<Judged> {
    let mut judged = parents::judged(repo, &commit.parent_ids, commit.tree_id)?;
    let is_clean = commit.flaws.is_empty() && perimeter::is_plain_message(&commit.message);
    if matches!(judged, Judged::CleanMerge) && !is_clean {
        judged = Judged::Change(Subject {
            commit: None,
            message: None,
            parent_tree_id: commit.tree_id,
            tree_id: commit.tree_id,
            change: Change::default(),
            shape: Shape::Merge,
            holds_fix: false,
            range: None,
        });
    }
    if let Some(subject) = judged.subject_mut() {
        subject.commit = Some(commit);
    }
    Ok(judged)
}

/// The range as one change, without a message of its own: from where the two ends meet, or, where they meet in several places, what merging the one
/// would bring to the other.
pub fn whole(
    repo: &Repo,
    base_ids: &[ObjectId],
    (from, ids, to): (ObjectId, &[ObjectId], ObjectId),
) -> anyhow::Result<Subject> {
    let mut emails = BTreeSet::new();
    for id in ids {
        emails.extend(approvals::makers(&repo.commit(*id)?));
    }
    let (parent_tree_id, tree_id) = match *base_ids {
        [base_id] => (repo.commit(base_id)?.tree_id, repo.commit(to)?.tree_id),
        _ => {
            let merged = repo.auto_merge(from, to)?.with_context(|| {
                format!(
                    "the range has {} merge bases, and its end does not merge into its beginning without a conflict: rebase it",
                    base_ids.len()
                )
            })?;
            (repo.commit(from)?.tree_id, merged)
        }
    };
    let change = repo.diff(parent_tree_id, tree_id)?;
    Ok(Subject {
        commit: None,
        message: None,
        parent_tree_id,
        tree_id,
        change,
        shape: Shape::Ordinary,
        holds_fix: false,
        range: Some((to, emails)),
    })
}

impl RangeJudgement {
    /// Every judgement, the whole last.
    pub fn all(&self) -> impl Iterator<Item = &Judgement> {
        self.commits.iter().chain(&self.whole)
    }

    /// Whether nothing of it that a fix could be owed for is enforced: whoever is only advised owes none.
    pub fn is_observed(&self) -> bool {
        let mut judged = self.commits.iter().filter(|it| it.lane.lane > Lane::Human);
        judged.all(|judgement| judgement.observed)
    }
}

/// What an argument of `check` asks for.
#[derive(Debug)]
pub enum Asked {
    Commit(ObjectId),
    Range {
        from: ObjectId,
        to: ObjectId,
        branch: Option<String>,
    },
}

/// Reads the argument: nothing is trusted..HEAD, a branch is trusted..branch, anything else a commit or a range.
pub fn asked(repo: &Repo, settings: &Settings, spec: Option<&str>) -> anyhow::Result<Asked> {
    let trusted = || {
        settings.trusted_tip.as_ref().map(|tip| tip.commit_id).ok_or_else(|| {
            UsageError::with_hint(
                "there is no trusted ref to compare with",
                "name one with `--base`, or for good: `git config koan.trustedRef refs/heads/main`; one commit needs none: `koan-guard check HEAD`",
            )
        })
    };
    let Some(spec) = spec else {
        let to = repo
            .head_id()?
            .ok_or_else(|| UsageError::new("there is no commit yet"))?;
        return Ok(Asked::Range {
            from: trusted()?,
            to,
            branch: repo.head_branch()?,
        });
    };
    repo.ensure_unambiguous(spec)?;
    if spec != "HEAD"
        && let Some(branch) = branch_named(repo, spec)?
        && let Some(to) = repo.find_ref(&branch)?
    {
        return Ok(Asked::Range {
            from: trusted()?,
            to,
            branch: Some(branch),
        });
    }
    match repo.parse(spec)? {
        Revision::Commit(id) => Ok(Asked::Commit(id)),
        Revision::Range { from, to } => Ok(Asked::Range {
            from,
            to,
            branch: branch_at_end(repo, Some(spec))?,
        }),
    }
}

/// The branch whose commits a revision or range asks for; nothing asks for `HEAD`. `None` where no branch is named.
pub fn branch_at_end(repo: &Repo, spec: Option<&str>) -> anyhow::Result<Option<String>> {
    let spec = spec.unwrap_or("HEAD");
    branch_named(repo, spec.split_once("..").map_or(spec, |(_, end)| end))
}

/// The branch that a name of a commit is that of: its own, or for `HEAD` the one that is checked out.
fn branch_named(repo: &Repo, name: &str) -> anyhow::Result<Option<String>> {
    // A branch called `HEAD` is not what `HEAD` means.
    if matches!(name, "" | "@" | "HEAD") {
        return repo.head_branch();
    }
    let branch = if name.starts_with("refs/heads/") {
        name.to_owned()
    } else {
        format!("refs/heads/{name}")
    };
    // `HEAD~1` is no name that a branch could have.
    if !Repo::is_ref_name(&branch) {
        return Ok(None);
    }
    Ok(repo.find_ref(&branch)?.map(|_| branch))
}
