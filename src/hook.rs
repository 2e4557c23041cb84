//! What the hook shims call: fast feedback while a commit is made, and the note once it is made.
//!
//! `pre-commit` judges the staged tree and keeps the result beside the index; `commit-msg` judges the message and makes sure that just this
//! tree was judged; `post-commit` compares the committed tree with the judged one and writes the note. The verdict of record is `check`.

pub mod agent;
pub mod receive;
pub mod send;
pub mod update;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use gix::ObjectId;
use serde::{Deserialize, Serialize};

use crate::attestation::ledger::{self, Standing};
use crate::attestation::{Beside, Predicate, Statement};
use crate::change::{CommitMessage, shown};
use crate::check::lane::{self, Marks};
use crate::check::parents::Judged;
use crate::check::seen::{self, Seen};
use crate::check::waive::Waived;
use crate::check::{self, Judgement, Next, Place, Settings, Staged, Subject, range, record, trust};
use crate::git::{Commit, Person, Repo};
use crate::perimeter::shown_subject;
use crate::policy::{Lane, Mode, Policy};
use crate::proof::Progress;
use crate::verdict::Verdict;

/// What the place of the work tells besides the index.
#[derive(Debug)]
pub struct Surroundings {
    /// Whether the running `git commit` replaces `HEAD`.
    pub amends: bool,
    /// The author that git is about to write, and the committer of the configuration.
    pub people: Vec<Person>,
    /// Which agent's mark the environment bears.
    pub environment: Option<&'static str>,
}

/// The answer of `pre-commit` and `commit-msg`.
#[derive(Debug)]
pub enum Answer {
    Judged(Box<Judgement>),
    /// `commit-msg`: this very tree was judged a moment ago, and the message is fine.
    JudgedBefore,
    /// `pre-commit`: whether that is a commit is git's to say, and `commit-msg` judges it if it is.
    NothingStaged,
    /// Just what an automatic merge makes: its parents are judged, each by itself.
    CleanMerge,
}

/// What `post-commit` found.
#[derive(Debug, PartialEq, Eq)]
pub enum Trace {
    /// The note was written.
    Noted { commit: String },
    /// Red tests only: nothing to note yet.
    Pending { commit: String },
    /// A commit that the policy wants judged, and that was not.
    Unguarded { commit: String, why: &'static str },
    /// The policy asks nothing of this commit.
    None,
}

/// What `pre-commit` keeps for the hooks after it. Whoever works here could write it: it saves time, and is no evidence.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    parent_tree: String,
    tree: String,
    policy_digest: String,
    guard_version: String,
    /// Red tests only.
    #[serde(default)]
    is_pending: bool,
    /// `None` for a pending change, where nothing had to be proved, or where the policy only observes.
    predicate: Option<Predicate>,
}

pub fn pre_commit(
    repo: &Repo,
    settings: &Settings,
    around: &Surroundings,
    progress: &mut dyn FnMut(Progress),
) -> anyhow::Result<Answer> {
    forget(repo)?;
    let staged = check::staged(repo, settings, around.next(None))?;
    if let Judged::Change(subject) = &staged.judged
        && subject.change.is_empty()
    {
        return Ok(Answer::NothingStaged);
    }
    judge_and_keep(repo, settings, &staged, progress)
}

/// `file` holds the message as git will clean it.
pub fn commit_msg(
    repo: &Repo,
    settings: &Settings,
    around: &Surroundings,
    file: &Path,
    progress: &mut dyn FnMut(Progress),
) -> anyhow::Result<Answer> {
    let raw = fs::read(file).with_context(|| format!("read the message `{}`", file.display()))?;
    let message = CommitMessage::clean(
        &raw,
        repo.config("core.commentString")
            .or_else(|| repo.config("core.commentChar"))
            .as_deref(),
    );
    let staged = check::staged(repo, settings, around.next(Some(message)))?;
    let (Judged::Change(subject), Lane::Agent | Lane::Repair) = (&staged.judged, staged.lane.lane)
    else {
        return judge_and_keep(repo, settings, &staged, progress);
    };
    let is_proof_due =
        staged.lane.lane == Lane::Agent && check::asks_for_proof(subject, &staged.policy);
    // Before the message was known, nobody could say whether a proof is due.
    let record = recall(repo)?.filter(|record| {
        record.is_about(subject, &staged.policy) && (!is_proof_due || record.is_proved())
    });
    let Some(mut record) = record else {
        return judge_and_keep(repo, settings, &staged, progress);
    };
    let perimeter = staged.perimeter(repo, settings, subject)?;
    match &perimeter.verdict {
        Verdict::Accepted(_) => {
            if let Some(predicate) = &mut record.predicate {
                // A rule about messages may be waived too.
                predicate.waivers = perimeter.waived.iter().map(Waived::reference).collect();
                keep(repo, &record)?;
            }
            Ok(Answer::JudgedBefore)
        }
        _ => Ok(Answer::Judged(Box::new(perimeter))),
    }
}

pub fn post_commit(
    repo: &Repo,
    settings: &Settings,
    around: &Surroundings,
) -> anyhow::Result<Trace> {
    let head_id = repo
        .head_id()?
        .context("a commit was just made, and there is no HEAD")?;
    let trace = trace(repo, settings, around, head_id)?;
    let seen = match &trace {
        Trace::Noted { .. } => Some(Seen::Judged),
        Trace::Pending { .. } => Some(Seen::Pending),
        Trace::Unguarded { .. } => Some(Seen::Unjudged),
        Trace::None => None,
    };
    if let Some(seen) = seen {
        // The commit is made, and its note written; without this, `audit` knows a little less.
        drop(seen::keep(repo, head_id, seen));
    }
    Ok(trace)
}

fn trace(
    repo: &Repo,
    settings: &Settings,
    around: &Surroundings,
    head_id: ObjectId,
) -> anyhow::Result<Trace> {
    let commit = repo.commit(head_id)?;
    let name = trust::short(head_id);
    let parent_tree = parent_tree_id(repo, &commit)?.to_string();
    let record = recall(repo)?
        .filter(|record| commit.tree_id == record.tree && record.parent_tree == parent_tree);
    forget(repo)?;
    match record {
        Some(Record {
            predicate: Some(mut predicate),
            ..
        }) => {
            predicate.issue = record::issue_of(&commit);
            let subject = shown_subject(&commit.message);
            let statement = Statement::about(
                &commit.id.to_string(),
                &commit.tree_id.to_string(),
                &subject,
                predicate,
            );
            ledger::record(repo, &[(commit.id, statement)], None)?;
            Ok(Trace::Noted { commit: name })
        }
        record => {
            let is_pending = record.map(|record| record.is_pending);
            unnoted(repo, settings, around, commit, is_pending)
        }
    }
}

/// Commits that were rewritten while they had a note: `(new, standing)` for each `old new` line that git hands over.
pub fn post_rewrite(repo: &Repo, lines: &str) -> anyhow::Result<Vec<(String, Standing)>> {
    let mut rewritten = Vec::new();
    for line in lines.lines() {
        let Some(new) = line.split_whitespace().nth(1) else {
            continue;
        };
        let new_id = ObjectId::from_hex(new.as_bytes())
            .with_context(|| format!("read the rewritten commit `{}`", shown(new.as_bytes())))?;
        let standing = ledger::standing(repo, &repo.commit(new_id)?)?;
        if standing != Standing::Missing {
            rewritten.push((trust::short(new_id), standing));
        }
    }
    Ok(rewritten)
}

fn judge_and_keep(
    repo: &Repo,
    settings: &Settings,
    staged: &Staged,
    progress: &mut dyn FnMut(Progress),
) -> anyhow::Result<Answer> {
    let Some(judgement) = staged.judge(repo, settings, progress)? else {
        return Ok(Answer::CleanMerge);
    };
    let is_good = matches!(
        judgement.verdict,
        Verdict::Accepted(_) | Verdict::Pending(_)
    );
    let is_kept = staged.lane.lane != Lane::Human && (is_good || judgement.observed);
    if is_kept {
        keep(repo, &Record::of(repo, &judgement)?)?;
    }
    Ok(Answer::Judged(Box::new(judgement)))
}

/// What a commit without a note owes.
fn unnoted(
    repo: &Repo,
    settings: &Settings,
    around: &Surroundings,
    commit: Commit,
    is_pending: Option<bool>,
) -> anyhow::Result<Trace> {
    let parent_id = commit.parent_ids.first().copied();
    let (_, policy) = trust::policy(repo, settings.trusted_tip.as_ref(), parent_id)?;
    let trailers = commit.message.trailers();
    let branch = repo.head_branch()?;
    let marks = Marks {
        branch: branch.as_deref(),
        people: vec![&commit.author, &commit.committer],
        trailers: &trailers,
        text: commit.message.as_bstr(),
        environment: around.environment,
    };
    let lane = lane::decide(&settings.lane, &policy, &marks).lane;
    if lane == Lane::Human || policy.mode_of(lane) == Mode::Observe {
        return Ok(Trace::None);
    }
    let name = trust::short(commit.id);
    match is_pending {
        Some(true) => return Ok(Trace::Pending { commit: name }),
        // Judged, and nothing had to be proved.
        Some(false) => return Ok(Trace::None),
        None => (),
    }
    match range::subject(repo, commit)? {
        Judged::CleanMerge => Ok(Trace::None),
        Judged::Change(_) | Judged::Conflict(_) => Ok(Trace::Unguarded {
            commit: name,
            why: "no hook judged this tree",
        }),
    }
}

fn parent_tree_id(repo: &Repo, commit: &Commit) -> anyhow::Result<ObjectId> {
    match commit.parent_ids.first() {
        Some(&parent_id) => Ok(repo.commit(parent_id)?.tree_id),
        None => Ok(repo.empty_tree_id()),
    }
}

fn record_path(repo: &Repo) -> PathBuf {
    repo.git_dir().join("koan-guard").join("judged.json")
}

fn keep(repo: &Repo, record: &Record) -> anyhow::Result<()> {
    let path = record_path(repo);
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(&path))?;
        let half = path.with_extension("json.new");
        fs::write(&half, serde_json::to_vec(record)?)?;
        fs::rename(&half, &path)
    };
    write().with_context(|| format!("keep the verdict in `{}`", path.display()))
}

/// What was kept, if anything readable was.
fn recall(repo: &Repo) -> anyhow::Result<Option<Record>> {
    let path = record_path(repo);
    match fs::read(&path) {
        // A half-written or foreign file is as good as none: the tree is judged again.
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(err).with_context(|| format!("read `{}`", path.display())),
    }
}

fn forget(repo: &Repo) -> anyhow::Result<()> {
    let path = record_path(repo);
    match fs::remove_file(&path) {
        Err(err) if err.kind() != std::io::ErrorKind::NotFound => {
            Err(err).with_context(|| format!("remove `{}`", path.display()))
        }
        _ => Ok(()),
    }
}

impl Record {
    fn of(repo: &Repo, judgement: &Judgement) -> anyhow::Result<Record> {
        let beside = Beside {
            patch_id: record::patch_id(repo, judgement)?,
            ..Beside::default()
        };
        Ok(Record {
            parent_tree: judgement.parent_tree.clone(),
            tree: judgement.tree.clone(),
            policy_digest: judgement.policy_digest.clone(),
            guard_version: env!("CARGO_PKG_VERSION").into(),
            is_pending: matches!(judgement.verdict, Verdict::Pending(_)),
            predicate: judgement.predicate(Place::Hook, beside)?,
        })
    }

    fn is_proved(&self) -> bool {
        self.is_pending || self.predicate.is_some()
    }

    fn is_about(&self, subject: &Subject, policy: &Policy) -> bool {
        subject.tree_id == self.tree
            && subject.parent_tree_id == self.parent_tree
            && self.policy_digest == policy.digest
            && self.guard_version == env!("CARGO_PKG_VERSION")
    }
}

impl Surroundings {
    fn next(&self, message: Option<CommitMessage>) -> Next<'_> {
        Next {
            amends: self.amends,
            message,
            people: self.people.iter().collect(),
            environment: self.environment,
        }
    }
}
