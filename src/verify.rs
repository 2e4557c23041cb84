//! What became of fixes in production: which hold, which came back, which moved, and which cannot be told yet.

use std::collections::BTreeMap;

use gix::ObjectId;
use jiff::{SignedDuration, Timestamp};

use crate::attestation::regression;
use crate::extract::{self, Asked, Past};
use crate::git::Repo;
use crate::issue::{Fingerprint, Issue};
use crate::policy::Policy;
use crate::source::Window;
use crate::tracker::Tracker;
use crate::triage::fold::Base;
use crate::triage::operation::{Kind, Operation};
use crate::triage::{self, Fix, Holds, Outcome, Recurrence, Unknown};

/// How far back is looked: the rate before a fix takes time to be seen.
pub const WINDOW_DAYS: i64 = 28;

/// What production says of one fix.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    pub issue: Fingerprint,
    pub title: String,
    pub fix: Fix,
    pub outcome: Outcome,
    /// Its log says that it is fixed; what came back is still to be written there.
    is_logged: bool,
}

/// Each issue that has a fix, in the order of their names. Nothing is written.
///
/// # Errors
/// As [`extract::digest`].
pub fn verify(repo: &Repo, policy: &Policy, asked: &Asked) -> anyhow::Result<Vec<Verified>> {
    let asked = &Asked {
        since: match asked.since {
            Some(since) => Some(since),
            None => {
                let days = SignedDuration::from_hours(24 * WINDOW_DAYS);
                Some(asked.until.unwrap_or(asked.now).checked_sub(days)?)
            }
        },
        ..asked.clone()
    };
    let (window, issues, pasts) = extract::look_back(repo, policy, asked)?;
    let recurrences = extract::recurrences(&issues, &pasts, asked.now);
    let mut verified = BTreeMap::new();
    for issue in &issues {
        let past = &pasts[&issue.fingerprint];
        let recurrence = recurrences.get(&issue.fingerprint);
        if let (Some(fix), Some(recurrence)) = (&past.fix, recurrence) {
            let outcome = outcome((issue, recurrence, fix), past, &issues, &window);
            let found = Verified {
                issue: issue.fingerprint.clone(),
                title: issue.title(),
                fix: fix.clone(),
                outcome,
                is_logged: matches!(past.record.base, Base::Fixed { .. }),
            };
            verified.insert(issue.fingerprint.clone(), found);
        }
    }
    for entry in Tracker::open(repo, None, asked.now)?.list()?.0 {
        if let (Base::Fixed { said, commit }, false) =
            (&entry.record.base, pasts.contains_key(&entry.issue))
        {
            let found = Verified {
                issue: entry.issue.clone(),
                title: entry.record.title.clone().unwrap_or_default(),
                fix: Fix {
                    commit: commit.clone(),
                    at: said.at,
                    deployed_at: None,
                },
                outcome: Outcome::Unknown(Unknown::NoRate),
                is_logged: true,
            };
            verified.insert(entry.issue, found);
        }
    }
    Ok(verified.into_values().collect())
}

fn outcome(
    fixed: (&Issue, &Recurrence, &Fix),
    past: &Past,
    issues: &[Issue],
    window: &Window,
) -> Outcome {
    let others: Vec<&Issue> = issues
        .iter()
        .filter(|other| other.fingerprint != fixed.0.fingerprint)
        .collect();
    triage::outcome(fixed, live_at(past, &others), &others, window)
}

/// The first error that names no release but such with the fix: one of them ran by then.
fn live_at(past: &Past, others: &[&Issue]) -> Option<Timestamp> {
    let has_fix = |release: &String| past.holds.get(release) == Some(&Holds::With);
    let with = others
        .iter()
        .filter(|other| !other.releases.is_empty() && other.releases.iter().all(has_fix));
    with.filter_map(|other| other.tally.first_seen).min()
}

/// Writes down what came back: into the log of the issue, which is open again by it, and into the note of the fix.
///
/// # Errors
/// It cannot be written.
pub fn record(repo: &Repo, verified: &[Verified], now: Timestamp) -> anyhow::Result<()> {
    let mut operations = Vec::new();
    for one in verified {
        let Outcome::Regressed { release } = &one.outcome else {
            continue;
        };
        if let Ok(id) = ObjectId::from_hex(one.fix.commit.as_bytes())
            && repo.has_commit(id)?
        {
            regression::mark(repo, id, one.issue.as_str(), release.as_deref())?;
        }
        if one.is_logged {
            let operation = Operation {
                release: release.clone().map(Into::into),
                commit: Some(one.fix.commit.clone().into()),
                ..Operation::new(Kind::Regressed)
            };
            operations.push((one.issue.clone(), operation));
        }
    }
    if operations.is_empty() {
        return Ok(());
    }
    Tracker::open(repo, None, now)?.record_all(&operations)
}
