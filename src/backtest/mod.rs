//! What a policy would have made of past commits: how many stay inside, what stops the others, and which limits fit.
//!
//! Commits are read by several threads and forgotten one by one: what is kept of each is its sizes.

mod fit;
mod kind;
mod proofs;
mod tally;

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, anyhow};
use gix::ObjectId;
use serde::Serialize;

pub use self::fit::{ENOUGH, Fit, Limit, Population};
pub use self::kind::Kind;
pub use self::proofs::{End, Proofs, Proved, prove};
pub use self::tally::{Counts, Example, Place, Reason};
use self::tally::{Replayed, Tally};
use crate::check::parents::Judged;
use crate::check::{self, range};
use crate::git::Repo;
use crate::perimeter::{self, Finding};
use crate::policy::{FileKind, Hit, Lane, Level, Policy, Rule};

/// So many commits that follow each other are read by one thread: they are made of the same deltas.
const RUN: usize = 64;

/// What came of it all.
#[derive(Debug, Serialize)]
pub struct Backtest {
    pub n_commits: usize,
    pub policy_digest: String,
    pub kinds: Vec<Counts>,
    /// Rules that refuse, the one with most commits first.
    pub reasons: Vec<Reason>,
    /// What could not be judged, and why.
    pub undecided: Vec<Example>,
    pub limits: Fit,
    /// Protected places that were touched, the most touched first.
    pub protected: Vec<Place>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proofs: Option<Proofs>,
    /// Fixes with tests that stay inside, newest first: what a proof could be tried on.
    #[serde(skip)]
    pub provable: Vec<ObjectId>,
}

/// Judges the perimeter of every commit, as if an agent had made it to repair something. `ids` are newest first and no merges.
///
/// # Errors
/// None for a commit that cannot be judged: that is counted.
pub fn replay(
    repo: &Repo,
    policy: &Policy,
    ids: &[ObjectId],
    n_threads: NonZeroUsize,
) -> anyhow::Result<Backtest> {
    let next = AtomicUsize::new(0);
    let n_threads = n_threads.get().min(ids.len().div_ceil(RUN)).max(1);
    let tally = thread::scope(|scope| {
        let workers: Vec<_> = (0..n_threads)
            .map(|_| {
                let (repo, next) = (repo.for_many(), &next);
                scope.spawn(move || worker(&repo, policy, ids, next))
            })
            .collect();
        let mut whole = Tally::default();
        for worker in workers {
            let part = worker
                .join()
                .map_err(|_| anyhow!("a thread that read commits failed"))?;
            whole.add(part);
        }
        anyhow::Ok(whole)
    })
    .context("replay past commits")?;
    Ok(tally.report(policy, ids))
}

/// Takes runs of commits until there are none.
fn worker(repo: &Repo, policy: &Policy, ids: &[ObjectId], next: &AtomicUsize) -> Tally {
    let mut tally = Tally::default();
    loop {
        let start = next.fetch_add(RUN, Ordering::Relaxed);
        let Some(rest) = ids.get(start..).filter(|rest| !rest.is_empty()) else {
            return tally;
        };
        for (n, &id) in rest.iter().take(RUN).enumerate() {
            match replay_one(repo, policy, id) {
                Ok(replayed) => tally.count(start + n, id, &replayed),
                Err(error) => tally.count_undecided(start + n, id, repo, &error),
            }
        }
    }
}

/// One commit by itself.
fn replay_one(repo: &Repo, policy: &Policy, id: ObjectId) -> anyhow::Result<Replayed> {
    let commit = repo.commit(id)?;
    let (Judged::Change(subject) | Judged::Conflict(subject)) = range::subject(repo, commit)?
    else {
        anyhow::bail!("it is a merge");
    };
    let message = subject.commit.as_ref().map(|commit| &commit.message);
    let message = message.context("a commit has a message")?;
    let says_fix = kind::says_fix(&message.subject().to_string());
    let findings = check::findings(repo, &subject, policy, Lane::Repair, &[])?;
    let sizes = perimeter::measure(&subject.change, policy, says_fix);
    Ok(Replayed {
        kind: Kind::of(says_fix, &sizes),
        sizes,
        places: places(policy, &findings),
        findings: findings
            .into_iter()
            .filter(|finding| finding.level == Level::Deny)
            .collect(),
        subject: perimeter::shown_subject(message),
    })
}

/// The entries of the protected list that the change met, each once.
fn places(policy: &Policy, findings: &[Finding]) -> Vec<String> {
    let mut places: Vec<String> = Vec::new();
    for finding in findings {
        let Some(location) = finding
            .location
            .as_ref()
            .filter(|_| finding.rule == Rule::PathProtected)
        else {
            continue;
        };
        debug_assert_eq!(policy.kind_of(&location.path), FileKind::Protected);
        let place = match policy.perimeter.protect.hit(&location.path) {
            Some(Hit::Glob(glob)) => glob.to_owned(),
            Some(Hit::BuiltIn(entry)) => format!("{entry} (built in)"),
            None => "what looks like the policy (built in)".to_owned(),
        };
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}
