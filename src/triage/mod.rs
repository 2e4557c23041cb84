//! Which errors come first, each term of the score shown, and which of them an agent may try.
//!
//! A rank says how much an error hurts; whether code can fix it is another question, and answered apart. What people and agents did about an
//! issue is a log of operations ([`log`]), and its state a [`fold`](mod@fold) over it.

mod act;
mod exposure;
pub mod fold;
mod incident;
pub mod log;
pub mod operation;
mod recurrence;
mod score;
pub mod store;

pub use act::{Act, Reason, Scene};
pub use exposure::{Exposure, Outcome, Unknown, outcome};
pub use incident::{Incident, incidents};
pub use recurrence::{Doubt, Fix, Holds, Recurrence, Recurrences};
pub use score::{Factor, Score, Terms};

use crate::issue::Issue;
use crate::source::Window;

/// One line of the digest.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    pub issue: Issue,
    pub score: Score,
    pub act: Act,
    /// Why `act` is not [`Act::Yes`], the weightiest first.
    pub reasons: Vec<Reason>,
    /// What people and agents did about it, as far as it bears on that.
    pub recurrence: Option<Recurrence>,
}

/// What is known about an issue beside its events. More than one may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Not seen before the last day of the window.
    New,
    /// Seen in environments that are not production, and only there.
    NonProduction,
    /// Its own tracker keeps quiet about it.
    Muted,
    /// Its own tracker has it as done.
    Resolved,
    /// It has a fix, and is seen where that is not.
    Fixed,
    /// It has a fix, and nobody knows whether it is seen where that is.
    MaybeRegressed,
    /// It is seen where its fix is.
    Regressed,
    /// Somebody said that nobody shall act.
    Ignored,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::New => "new",
            State::NonProduction => "non-production",
            State::Muted => "muted",
            State::Resolved => "resolved",
            State::Fixed => "fixed",
            State::MaybeRegressed => "maybe-regressed",
            State::Regressed => "regressed",
            State::Ignored => "ignored",
        }
    }
}

/// Orders issues by score. The order is total: the same issues, window and scene give the same answer, whatever order they come in.
pub fn rank(issues: Vec<Issue>, window: &Window, scene: &Scene) -> Vec<Ranked> {
    let incidents = incidents(&issues);
    let most_users = issues.iter().filter_map(|issue| issue.users).max();
    let mut ranked: Vec<Ranked> = issues
        .into_iter()
        .map(|issue| {
            let (act, reasons) = act::decide(&issue, scene, incident::brake(&issue, &incidents));
            Ranked {
                score: score::of(&issue, window, scene, most_users),
                act,
                reasons,
                recurrence: scene.recurrences.get(&issue.fingerprint).cloned(),
                issue,
            }
        })
        .collect();
    ranked.sort_by(|one, two| {
        let by_score = two.score.total.total_cmp(&one.score.total);
        let by_count = two.issue.tally.n_events.cmp(&one.issue.tally.n_events);
        let by_age = one.issue.tally.first_seen.cmp(&two.issue.tally.first_seen);
        let by_name = one.issue.fingerprint.cmp(&two.issue.fingerprint);
        by_score.then(by_count).then(by_age).then(by_name)
    });
    ranked
}

#[cfg(test)]
mod merging;
#[cfg(test)]
mod tests;
