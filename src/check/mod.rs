//! The whole way, from a commit or the index to a verdict.

pub mod approvals;
pub mod floor;
mod judgement;
pub mod lane;
pub mod parents;
pub mod range;
pub mod record;
pub mod refusal;
mod revert;
pub mod seen;
mod staged;
pub mod trust;
pub mod waive;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use gix::ObjectId;
use gix::bstr::ByteSlice as _;
use jiff::civil::Date;

use crate::change::{Change, CommitMessage};
use crate::git::{Commit, Flaw, Repo};
use crate::issue::{Crash, Fingerprint};
use crate::perimeter::{self, Candidate, Finding, ISSUE_TRAILER, Shape};
use crate::policy::{self, FileKind, Lane, Level, Policy, Reverts, Rule, Suite};
use crate::proof::{
    self, Budget, Carried, Case, Doubt, Effort, Known, Named, Progress, Traces, Workshop,
};
use crate::suite::results::Results;
use crate::suite::runner::Toolbox;
use crate::suite::sandbox::Sandbox;
use crate::verdict::{self, Approval, Verdict};
use judgement::Answer;
pub use judgement::Judgement;
use lane::{LaneChoice, LaneDecision};
use parents::Judged;
pub use staged::{Next, Staged, staged};
use trust::{Tip, Trusted};

/// What the caller knows before anything is looked at.
#[derive(Debug)]
pub struct Settings {
    pub lane: LaneChoice,
    pub trusted_tip: Option<Tip>,
    pub place: Place,
    /// The judge's day, by which waivers end.
    pub today: Date,
    /// The folder that work areas live in, outside every repository.
    pub cache_dir: PathBuf,
    pub toolbox: Toolbox,
    /// What is known of earlier runs, shared by all that one call judges.
    pub results: Arc<Results>,
    pub effort: Effort,
    /// For all that one call judges; a hook has the policy's.
    pub budget: Option<Budget>,
    /// The errors of production, as a digest tells them that the caller vouches for.
    pub known_issues: Option<Vec<Crash>>,
}

/// Where the judge sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The verdict of record: the whole suite, no hurry.
    Check,
    /// Fast feedback while somebody waits.
    Hook,
    /// A server that takes topic branches inside the perimeter and leaves their proof to CI.
    Topic,
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
    /// It holds a commit that says that it is a fix.
    pub holds_fix: bool,
    /// Where this is a range as one change: its last commit, and the e-mail addresses of all who made it.
    pub range: Option<(ObjectId, BTreeSet<String>)>,
}

impl Subject {
    fn message(&self) -> Option<&CommitMessage> {
        let of_commit = self.commit.as_ref().map(|commit| &commit.message);
        of_commit.or(self.message.as_ref())
    }
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
    let named = issues(settings, policy, subject);
    let findings = findings(repo, subject, policy, lane.lane, &named)?;
    let found = waive::waive(findings, &subject.change, &policy.waivers, settings.today);
    let approvals = || approvals::of(repo, settings, (trusted, policy), subject);
    let is_refused = lane.lane != Lane::Human
        && found
            .findings
            .iter()
            .any(|finding| finding.level == Level::Deny);
    // Notes are read only where something stands in the way.
    let approved: Vec<Approval> = if is_refused { approvals()? } else { Vec::new() };
    let (open, used) = verdict::answered_for(&found.findings, &approved);
    let perimeter = Verdict::of_perimeter(&open, Lane::Human);
    let mut doubts = flaws(subject, lane.lane);
    let reverted = match lane.lane {
        Lane::Repair => revert::reverted(repo, subject)?,
        Lane::Agent | Lane::Human => None,
    };
    doubts.extend(reverted.map(|id| Doubt::Reverts(trust::short(id))));
    let inputs = match lane.lane {
        Lane::Human => Vec::new(),
        Lane::Agent | Lane::Repair => proof::changed_inputs(&subject.change, policy),
    };
    let is_for_a_person = reverted.is_some() && !is_closed(&open) && inputs.is_empty();
    let may_pass_green = policy.proof.reverts == Reverts::Allow
        && settings.place != Place::Topic
        && open.iter().all(is_of_any_revert);
    let (verdict, evidence, traces) = match (lane.lane, perimeter) {
        (_, Verdict::Refused { findings, .. }) if !is_for_a_person => {
            let gaps = inputs;
            (Verdict::Refused { findings, gaps }, None, Traces::default())
        }
        _ if is_for_a_person && may_pass_green && doubts.len() == 1 => {
            let workshop = workshop(repo, settings)?;
            let case = Case {
                is_revert: true,
                ..case(repo, settings, (trusted, policy), subject, carried)?
            };
            let attempt = proof::prove(repo, policy, &workshop, &case, progress)?;
            let of = reverted.map(|id| id.to_string()).unwrap_or_default();
            let verdict = Verdict::of_revert(of, attempt.result).overruled(&approvals()?);
            (verdict, attempt.evidence, attempt.traces)
        }
        _ if !doubts.is_empty() => {
            let undecided = Verdict::Undecided { doubts };
            let verdict = match reverted {
                Some(_) => undecided.overruled(&approvals()?),
                None => undecided,
            };
            (verdict, None, Traces::default())
        }
        (Lane::Human, accepted) => (accepted, None, Traces::default()),
        _ if !inputs.is_empty() => {
            let (findings, gaps) = (Vec::new(), inputs);
            (Verdict::Refused { findings, gaps }, None, Traces::default())
        }
        (Lane::Agent | Lane::Repair, _) if settings.place == Place::Topic => {
            (Verdict::of_topic(&open), None, Traces::default())
        }
        (Lane::Agent, _) if !asks_for_proof(subject, policy) => (
            Verdict::of_perimeter(&open, Lane::Agent).resting_on(used),
            None,
            Traces::default(),
        ),
        (Lane::Agent | Lane::Repair, _) => {
            let workshop = workshop(repo, settings)?;
            let case = case(repo, settings, (trusted, policy), subject, carried)?;
            let attempt = proof::prove(repo, policy, &workshop, &case, progress)?;
            let verdict = match Verdict::weigh(&open, attempt.result) {
                short @ (Verdict::Refused { .. } | Verdict::Undecided { .. }) => {
                    short.overruled(&approvals()?)
                }
                shown => shown,
            };
            let verdict = verdict.resting_on(used);
            (verdict, attempt.evidence, attempt.traces)
        }
    };
    Ok(Judgement::new(
        (trusted, policy),
        lane,
        subject,
        Answer {
            found,
            verdict,
            evidence,
            traces,
        },
    ))
}

/// In lane `agent`: production changes, and somebody says that this fixes something.
pub fn asks_for_proof(subject: &Subject, policy: &Policy) -> bool {
    let is_code = |kind| {
        matches!(
            kind,
            FileKind::Production | FileKind::Protected | FileKind::JudgeInput
        )
    };
    let mut files = subject.change.files.iter();
    let says_fix = subject.message().is_some_and(says_fix);
    (subject.holds_fix || says_fix) && files.any(|file| is_code(policy.kind_of(&file.path)))
}

/// Whether a message calls its commit a fix: by its first word, or by naming an issue.
pub fn says_fix(message: &CommitMessage) -> bool {
    const WORDS: [&str; 9] = [
        "fix", "fixes", "fixed", "fixing", "fixup", "hotfix", "bugfix", "repair", "repairs",
    ];
    let subject = message.subject().to_str_lossy().to_lowercase();
    let mut words = subject
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    let mut trailers = message.trailers().into_iter();
    words.next().is_some_and(|word| WORDS.contains(&word))
        || trailers.any(|trailer| trailer.token.eq_ignore_ascii_case(ISSUE_TRAILER))
}

/// What a revert may be found to do by its nature: it is as large as what it takes back, loses the tests of that, and has git's own message.
/// Protected paths, dependencies and all else stay a person's.
fn is_of_any_revert(finding: &Finding) -> bool {
    const IDS: [&str; 8] = [
        "too-many-files",
        "too-many-lines",
        "too-many-hunks",
        "too-many-directories",
        "test-deleted",
        "not-conventional",
        "type-not-allowed",
        "subject-too-long",
    ];
    finding.level != Level::Deny || IDS.contains(&finding.rule.info().id)
}

/// Whether something is found that nobody can decide otherwise.
fn is_closed(findings: &[Finding]) -> bool {
    let mut denied = findings
        .iter()
        .filter(|finding| finding.level == Level::Deny);
    denied.any(|finding| finding.rule.info().closed)
}

/// What makes a commit itself doubtful. People may write text that no log shows; nobody writes what git would not.
fn flaws(subject: &Subject, lane: Lane) -> Vec<Doubt> {
    let flaws = subject.commit.iter().flat_map(|commit| &commit.flaws);
    flaws
        .filter(|flaw| match flaw {
            Flaw::Malformed(_) => true,
            Flaw::Unshown(_) => lane != Lane::Human,
        })
        .map(|flaw| {
            Doubt::Other(format!(
                "the commit is not one to be judged: {}",
                flaw.fact()
            ))
        })
        .collect()
}

/// Judges a merge that resolves a conflict: by a person's approval or not at all.
fn conflict(
    repo: &Repo,
    settings: &Settings,
    (trusted, policy): (&Trusted, &Policy),
    lane: LaneDecision,
    subject: &Subject,
) -> anyhow::Result<Judgement> {
    let mut judgement = Judgement::of_conflict((trusted, policy), lane, subject);
    if let Verdict::Undecided { .. } = judgement.verdict {
        // What the perimeter says of the outcome, the range as one change is asked.
        let approved = approvals::of(repo, settings, (trusted, policy), subject)?;
        judgement.verdict = judgement.verdict.overruled(&approved);
    }
    Ok(judgement)
}

/// The proof alone, whatever the perimeter says.
pub fn prove(
    repo: &Repo,
    settings: &Settings,
    (trusted, policy): (&Trusted, &Policy),
    subject: &Subject,
    progress: &mut dyn FnMut(Progress),
) -> anyhow::Result<proof::Attempt> {
    let carried = Carried::default();
    let case = case(repo, settings, (trusted, policy), subject, &carried)?;
    proof::prove(repo, policy, &workshop(repo, settings)?, &case, progress)
}

fn case<'a>(
    repo: &Repo,
    settings: &'a Settings,
    (trusted, policy): (&Trusted, &Policy),
    subject: &'a Subject,
    carried: &'a Carried,
) -> anyhow::Result<Case<'a>> {
    let trusted_id = ObjectId::from_hex(trusted.commit.as_bytes())?;
    let (suite, budget): (Suite, Option<Budget>) = match settings.place {
        Place::Check | Place::Topic => (policy.proof.suite, settings.budget),
        Place::Hook => {
            let budget = Budget::new(policy.proof.hook_budget, true);
            (policy.proof.hook_suite, Some(budget))
        }
    };
    Ok(Case {
        change: &subject.change,
        parent_tree_id: subject.parent_tree_id,
        tree_id: subject.tree_id,
        trusted_tree_id: repo.commit(trusted_id)?.tree_id,
        trusted_id,
        carried,
        issues: issues(settings, policy, subject),
        suite,
        budget,
        is_hurried: settings.place == Place::Hook,
        is_revert: false,
    })
}

/// The issues that the message names, by the guard's own trailer and by those that the policy asks for.
fn issues<'a>(settings: &'a Settings, policy: &Policy, subject: &Subject) -> Vec<Named<'a>> {
    let known = settings.known_issues.as_deref();
    if settings.place == Place::Hook && known.is_none() {
        // Nobody gives a digest to a hook; `check` compares.
        return Vec::new();
    }
    let message = subject.message();
    let mut named: Vec<Named> = Vec::new();
    for trailer in message.iter().flat_map(|message| message.trailers()) {
        let is_own = trailer.token.eq_ignore_ascii_case(ISSUE_TRAILER);
        let mut aliases = policy.message.require_trailers.iter();
        let is_alias = aliases.any(|alias| trailer.token.eq_ignore_ascii_case(alias))
            && Fingerprint::is_one(&trailer.value);
        let is_said = named.iter().any(|issue| issue.fingerprint == trailer.value);
        if !(is_own || is_alias) || is_said {
            continue;
        }
        let find = |crashes: &'a [Crash]| {
            let mut crashes = crashes.iter();
            crashes.find(|crash| crash.fingerprint == trailer.value)
        };
        let known = match known.map(find) {
            None => Known::NoDigest,
            Some(None) => Known::Absent,
            Some(Some(crash)) => Known::Crash(crash),
        };
        named.push(Named {
            fingerprint: trailer.value,
            known,
        });
    }
    named
}

/// What the perimeter says; to a person it is advice, and only where something may be hidden.
pub fn findings(
    repo: &Repo,
    subject: &Subject,
    policy: &Policy,
    lane: Lane,
    named: &[Named],
) -> anyhow::Result<Vec<Finding>> {
    let mut neighbours = Vec::new();
    if lane != Lane::Human {
        let names = perimeter::added_names(&subject.change);
        let folders = perimeter::folders_to_list(&subject.change);
        repo.list_folders(subject.tree_id, &folders, &mut |path| {
            // Of a folder with a million files hardly any is kept.
            if names.contains(&*policy::fold(path.as_bytes())) {
                neighbours.push(path);
            }
        })?;
    }
    let message = subject.message();
    let crashes = named.iter().filter_map(|issue| match issue.known {
        Known::Crash(crash) => Some(crash),
        _ => None,
    });
    let candidate = Candidate {
        change: &subject.change,
        message,
        shape: subject.shape,
        neighbours: Some(&neighbours),
        known_issues: None,
        frames: crashes.flat_map(|crash| &crash.frames).collect(),
        is_signed: subject.commit.as_ref().map(|commit| commit.is_signed),
    };
    let mut findings = match lane {
        Lane::Human => perimeter::advise(&candidate, policy),
        Lane::Agent | Lane::Repair => perimeter::inspect(&candidate, policy),
    };
    if lane == Lane::Agent {
        // Agents that build features commit more than fixes.
        findings.retain(|finding| finding.rule != Rule::TypeNotAllowed);
    }
    Ok(findings)
}

fn workshop(repo: &Repo, settings: &Settings) -> anyhow::Result<Workshop> {
    let root = settings.cache_dir.join(area_name(repo)?);
    let scripts = &settings.toolbox.scripts;
    std::fs::create_dir_all(scripts)
        .with_context(|| format!("make the folder `{}`", scripts.display()))?;
    Ok(Workshop {
        root,
        sandbox: Sandbox::probe(),
        toolbox: settings.toolbox.clone(),
        results: Arc::clone(&settings.results),
        effort: settings.effort,
    })
}

/// One work area per repository, shared by its worktrees, named by where the repository stands.
fn area_name(repo: &Repo) -> anyhow::Result<String> {
    use sha2::Digest as _;
    use std::os::unix::ffi::OsStrExt as _;
    // As it is opened, it may stand relative to the current folder, where every repository is called `./.git`.
    let folder = repo.common_dir();
    let folder =
        std::fs::canonicalize(folder).with_context(|| format!("look at `{}`", folder.display()))?;
    let digest = sha2::Sha256::digest(folder.as_os_str().as_bytes());
    Ok(digest
        .iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect())
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
        Judged::CleanMerge => Ok(None),
        Judged::Conflict(subject) => {
            conflict(repo, settings, (&trusted, &policy), lane, &subject).map(Some)
        }
        Judged::Change(subject) => judge(
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

/// A commit against its first parent. A merge is judged by what it has beyond an automatic merge: see [`range::subject`].
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
        holds_fix: false,
        range: None,
        message: None,
        commit: Some(commit),
    })
}
