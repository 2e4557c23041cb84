//! The loop with an agent: detect, prioritize, confirm, fix, verify, leave a trace. The agent edits; the guard commits, and only what is proved.
//!
//! The repository is never in the agent's hands: it works in a [`room`] without a way to the real `.git`, shut in by the sandbox of the proof, and
//! what it leaves is read as files. Whatever of the user's changes meanwhile refuses the whole run.

pub mod agent;
mod excerpt;
mod message;
mod pick;
mod prompt;
pub mod report;
mod request;
mod room;
mod slot;
mod trace;
mod watch;
mod work;

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use gix::ObjectId;
use jiff::Timestamp;

use crate::brief::{self, Brief};
use crate::change::RepoPath;
use crate::check::lane::LaneChoice;
use crate::check::{Judgement, Settings, trust};
use crate::extract::{self, Asked, Digest};
use crate::git::Repo;
use crate::issue::{Crash, Fingerprint};
use crate::policy::run::AgentChoice;
use crate::policy::{Lane, Policy};
use crate::proof::{Budget, Progress, Shortfall};
use crate::suite::process::ending;
use crate::suite::sandbox::{Gate, Outside, Sandbox, launcher};
use crate::sync::{self, Remote};
use crate::tracker::Tracker;
use crate::triage::{Ranked, Recurrences, Scene};
use crate::usage::UsageError;
use agent::Agent;
use pick::{Known, Skipped};
use report::{
    AttemptReport, Detected, Halt, IssueReport, Limits, Outcome, Reach, Report, Spent, milliseconds,
};
use slot::{Desk, Slot};
use work::{Session, branch_of};

/// What is asked for; where the command line says nothing, as the policy has it.
#[derive(Default)]
pub struct Options {
    pub agent: Option<AgentChoice>,
    /// One issue by its fingerprint, or the beginning of it.
    pub issue: Option<String>,
    pub max: usize,
    pub attempts: usize,
    /// Stop before any agent is called, and before anything is written.
    pub is_dry: bool,
    /// So many issues at the same time.
    pub parallel: Option<NonZeroUsize>,
    pub budget: Duration,
    pub max_tokens: Option<u64>,
    pub max_dollars: Option<f64>,
    /// Where claims are won; `None` for this clone alone.
    pub remote: Option<Remote>,
    /// The trusted revision, as it was named.
    pub base: Option<String>,
    /// Whether a pull request is opened for what was accepted.
    pub request: bool,
}

/// What is said by text that is made elsewhere.
pub struct Texts<'a> {
    pub brief: &'a (dyn Fn(&Brief) -> anyhow::Result<String> + Sync),
    pub judgement: &'a (dyn Fn(&Judgement) -> anyhow::Result<String> + Sync),
    pub shortfall: &'a (dyn Fn(&Shortfall) -> String + Sync),
    /// As JSON.
    pub digest: &'a (dyn Fn(&Digest) -> String + Sync),
}

/// What happens right now.
pub enum Event<'a> {
    Detected(Detected),
    Prioritized {
        n_picked: usize,
        n_skipped: usize,
    },
    Claimed {
        issue: &'a str,
    },
    Trying {
        issue: &'a str,
        n: usize,
        of: usize,
        agent: &'a str,
    },
    Judging {
        issue: &'a str,
    },
    Proof {
        issue: &'a str,
        progress: Progress,
    },
    Tried {
        issue: &'a str,
        report: &'a AttemptReport,
    },
    Traced {
        issue: &'a str,
        branch: &'a str,
    },
    Done {
        report: &'a IssueReport,
    },
}

/// Walks the whole way.
///
/// # Errors
/// [`UsageError`] if there is no agent, no source or no commit; any other error before an issue was begun. What goes wrong with one issue is part
/// of the report.
pub fn run(
    repo: &Repo,
    settings: Settings,
    policy: &Policy,
    trusted_commit: &str,
    mut options: Options,
    (asked, texts): (&Asked, &Texts),
    tell: &(dyn Fn(&Event) + Sync),
) -> anyhow::Result<Report> {
    let begun = (Instant::now(), launcher::time_of_jobs());
    let agent = options.agent.take().or_else(|| policy.run.agent.clone());
    let agent = Agent::find(agent.as_ref(), &settings.toolbox)?;
    let sandbox = Sandbox::probe();
    ensure_shut_in(policy, &sandbox)?;
    let Some(head_id) = repo.head_id()? else {
        bail!(UsageError::new("there is no commit yet to be fixed"));
    };
    let head_tree_id = repo.commit(head_id)?.tree_id;
    let desk = Desk {
        repo,
        cache_dir: &settings.cache_dir,
        sandbox: &sandbox,
        base: options.base.as_deref(),
        remote: options.remote.as_ref(),
    };
    let given_back = match options.is_dry {
        true => Vec::new(),
        false => Slot::clear_dead(desk)?,
    };
    if let Some(remote) = &options.remote {
        // What others have claimed, given back or fixed since.
        sync::receive_triage(repo, remote)?;
    }
    let digest = extract::digest(repo, policy, asked)?;
    let detected = Detected {
        sources: digest.sources.len(),
        events: digest.sources.iter().map(|source| source.n_events).sum(),
        errors: digest.ranked.len(),
    };
    tell(&Event::Detected(detected));
    let (mut picked, skipped) = choose(repo, policy, &digest, &options)?;
    tell(&Event::Prioritized {
        n_picked: picked.len(),
        n_skipped: skipped.len(),
    });
    let left = picked.split_off(picked.len().min(options.max));
    let mut report = Report {
        agent: agent.name(),
        head: head_id.to_string(),
        is_dry: options.is_dry,
        detected,
        issues: Vec::new(),
        skipped,
        left: left
            .iter()
            .map(|ranked| ranked.issue.fingerprint.to_string())
            .collect(),
        given_back,
        halt: None,
        limits: limits(policy, &sandbox),
        spent: Spent::default(),
        milliseconds: 0,
        own_milliseconds: 0,
    };
    if options.is_dry {
        report.issues = planned(repo, policy, &agent, &sandbox, (picked, &digest), texts)?;
        return Ok(timed(report, begun));
    }
    let settings = Settings {
        lane: LaneChoice::Fixed(Lane::Repair),
        budget: Some(Budget::new(options.budget, false)),
        known_issues: Some(
            digest
                .ranked
                .iter()
                .map(|ranked| Crash::from(&ranked.issue))
                .collect(),
        ),
        ..settings
    };
    let trusted_id = ObjectId::from_hex(trusted_commit.as_bytes())?;
    let session = Session {
        settings: &settings,
        policy,
        trusted_tree_id: repo.commit(trusted_id)?.tree_id,
        trusted_id,
        options: &options,
        texts,
        tell,
        agent: &agent,
        sandbox: &sandbox,
        head_id,
        head_tree_id,
        tracked: &repo.paths(head_tree_id)?,
        ranked: &digest.ranked,
        window: digest.window,
        digest_hash: work::hash(&(texts.digest)(&digest)),
        deadline: begun.0 + options.budget,
        before: &repo
            .state(&watch::is_own_ref)
            .context("look at the repository")?,
        spent: Mutex::default(),
        halt: Mutex::default(),
    };
    let worked = work_on(&session, repo, picked)?;
    report.issues = worked.issues;
    report.skipped.extend(worked.stopped);
    report.left.splice(0..0, worked.not_begun);
    report.halt = session
        .halt
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    report.spent = session
        .spent
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    Ok(timed(report, begun))
}

fn timed(report: Report, (start, jobs): (Instant, Duration)) -> Report {
    let time = start.elapsed();
    let own = time.saturating_sub(launcher::time_of_jobs().saturating_sub(jobs));
    Report {
        milliseconds: milliseconds(time),
        own_milliseconds: milliseconds(own),
        ..report
    }
}

/// What came of those that were picked.
#[derive(Default)]
struct Worked {
    issues: Vec<IssueReport>,
    /// After what was refused before them.
    stopped: Vec<Skipped>,
    not_begun: Vec<String>,
}

/// Issues one after another, or a few at once.
fn work_on(session: &Session, repo: &Repo, picked: Vec<Ranked>) -> anyhow::Result<Worked> {
    let n_workers = session.options.parallel.map_or(1, NonZeroUsize::get);
    let queue = Mutex::new(picked.into_iter());
    let worked = Mutex::new(Worked::default());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let is_whole = thread::scope(|scope| {
        let workers: Vec<_> = (0..n_workers)
            .map(|_| {
                let repo = repo.clone();
                let (next, worked) = (&next, &worked);
                scope.spawn(move || {
                    while !session.is_over() {
                        let Some(ranked) = next() else { break };
                        let report = session.work(&repo, &ranked);
                        let mut worked = worked.lock().unwrap_or_else(PoisonError::into_inner);
                        match report {
                            Ok(report) => {
                                (session.tell)(&Event::Done { report: &report });
                                worked.issues.push(report);
                            }
                            Err(skipped) => worked.stopped.push(skipped),
                        }
                    }
                })
            })
            .collect();
        let ends: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        ends.iter().all(|end| end.is_ok())
    });
    // Whoever panicked has given its claim back, and nobody knows what else.
    ensure!(is_whole, "a worker of the run failed");
    let left = queue.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut worked = worked.into_inner().unwrap_or_else(PoisonError::into_inner);
    worked.not_begun = left
        .map(|ranked| ranked.issue.fingerprint.to_string())
        .collect();
    if !worked.not_begun.is_empty() || ending::is_asked_for() {
        // Says why.
        session.is_over();
    }
    Ok(worked)
}

/// An agent is shut in as far as tests must be.
fn ensure_shut_in(policy: &Policy, sandbox: &Sandbox) -> anyhow::Result<()> {
    let (level, least) = (sandbox.level.number(), policy.proof.sandbox_min_level);
    if level < least || level == 0 {
        bail!(
            "this machine shuts an agent in at level {level}, and the policy wants {least} at least: {}",
            sandbox.missing.join("; ")
        );
    }
    if matches!(room::outside(&policy.run), Outside::Gates(_)) && !sandbox.namespaces {
        bail!(
            "`run.hosts` opens a network to some hosts, and this machine can open it to all or to none: {}",
            sandbox.missing.join("; ")
        );
    }
    Ok(())
}

/// Those that may be tried now, with the reasons of the others.
fn choose(
    repo: &Repo,
    policy: &Policy,
    digest: &Digest,
    options: &Options,
) -> anyhow::Result<(Vec<Ranked>, Vec<Skipped>)> {
    let ranked = match &options.issue {
        Some(name) => vec![digest.clone().find(name)?],
        None => digest.ranked.clone(),
    };
    knowing(repo, policy, options.base.as_deref(), |known| {
        pick::pick(ranked, known)
    })
}

/// Answers a question by what the triage log says now.
fn knowing<T>(
    repo: &Repo,
    policy: &Policy,
    base: Option<&str>,
    question: impl FnOnce(&Known) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let tracker = Tracker::open(repo, base, Timestamp::now())?;
    let (entries, _) = tracker.list()?;
    let files = extract::files_of_head(repo)?;
    let scene = Scene {
        files: &files,
        kind_of: &|path: &RepoPath| policy.kind_of(path),
        triage: &policy.triage,
        recurrences: &Recurrences::new(),
    };
    question(&Known {
        entries: &entries,
        now: tracker.now,
        stop_loss: policy.run.stop_loss,
        scene: &scene,
        branch_of: &|issue| open_branch(repo, issue),
    })
}

/// The branch of an earlier fix that `HEAD` does not have.
fn open_branch(repo: &Repo, issue: &Fingerprint) -> anyhow::Result<Option<String>> {
    let Some(head_id) = repo.head_id()? else {
        return Ok(None);
    };
    let first = branch_of(issue.as_str());
    for n in 1..100 {
        let branch = match n {
            1 => first.clone(),
            n => format!("{first}-{n}"),
        };
        let Some(tip_id) = repo.find_ref(&format!("refs/heads/{branch}"))? else {
            return Ok(None);
        };
        if repo.merge_base(tip_id, head_id)? != Some(tip_id) {
            return Ok(Some(branch));
        }
    }
    Ok(Some(first))
}

fn limits(policy: &Policy, sandbox: &Sandbox) -> Limits {
    let outside = room::outside(&policy.run);
    let mut not_enforced = sandbox.missing.clone();
    if outside == Outside::All {
        not_enforced.push(
            "network: open to every address, this machine's own among them, not only to the model's".into(),
        );
    }
    not_enforced.push(
        "disk: one file may hold 4 GiB, and all together as much as there is but for 512 MiB"
            .into(),
    );
    Limits {
        sandbox: sandbox.clone(),
        network: match outside {
            Outside::Nothing => Reach::None,
            Outside::Gates(gates) => Reach::Hosts(gates.iter().map(Gate::to_string).collect()),
            Outside::All => Reach::All,
        },
        not_enforced,
    }
}

/// What would be done.
fn planned(
    repo: &Repo,
    policy: &Policy,
    agent: &Agent,
    sandbox: &Sandbox,
    (picked, digest): (Vec<Ranked>, &Digest),
    texts: &Texts,
) -> anyhow::Result<Vec<IssueReport>> {
    let call = agent.shown(&policy.run, sandbox.level.number() >= 2)?;
    let mut reports = Vec::new();
    for ranked in picked {
        let issue = ranked.issue.fingerprint.to_string();
        let title = ranked.issue.title();
        let brief = brief::about(repo, policy, ranked, (digest.window, Timestamp::now()))?;
        reports.push(IssueReport {
            outcome: Outcome::Planned {
                branch: branch_of(&issue),
                call: call.clone(),
                brief_tokens: (texts.brief)(&brief)?.len().div_ceil(4),
            },
            issue,
            title,
            attempts: Vec::new(),
            milliseconds: 0,
            own_milliseconds: 0,
        });
    }
    Ok(reports)
}

/// Whether the run was ended by a signal, so that whoever called it ends too.
pub fn was_stopped(report: &Report) -> bool {
    matches!(report.halt, Some(Halt::Signal)) || ending::is_asked_for()
}

/// The policy of `HEAD`, as `check` finds it.
pub fn policy_of_head(
    repo: &Repo,
    settings: &Settings,
) -> anyhow::Result<(trust::Trusted, Policy)> {
    trust::policy(repo, settings.trusted_tip.as_ref(), repo.head_id()?)
}
