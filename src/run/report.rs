//! What came of a run, for people and programs.

use std::time::Duration;

use serde::Serialize;

use super::pick::Skipped;
use crate::git::state::Changed;
use crate::suite::sandbox::Sandbox;

/// The whole run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub agent: String,
    /// The commit that all fixes start from.
    pub head: String,
    pub is_dry: bool,
    pub detected: Detected,
    /// In the order in which they were begun.
    pub issues: Vec<IssueReport>,
    /// Those that no agent may try now.
    pub skipped: Vec<Skipped>,
    /// Those that would have come next.
    pub left: Vec<String>,
    /// What was given back for runs that had died.
    pub given_back: Vec<String>,
    /// Why it ended before its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub halt: Option<Halt>,
    pub limits: Limits,
    pub spent: Spent,
    pub milliseconds: u64,
    /// Of that, what neither the agent nor commands of the project took.
    pub own_milliseconds: u64,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Detected {
    pub sources: usize,
    pub events: u64,
    pub errors: usize,
}

/// What was enforced around the agent, and what was not.
#[derive(Clone, Debug, Serialize)]
pub struct Limits {
    pub sandbox: Sandbox,
    pub network: Reach,
    pub not_enforced: Vec<String>,
}

/// What an agent reached of the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    None,
    /// As `name:port`, and nothing else.
    Hosts(Vec<String>),
    All,
}

/// As the client says, which nobody can check. `None` where it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spent {
    pub tokens: Option<u64>,
    pub dollars: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Halt {
    /// Something of the user's is not as it was: the whole run is refused.
    Changed(Vec<Changed>),
    /// Time, tokens or money.
    Budget(String),
    Signal,
}

#[derive(Clone, Debug, Serialize)]
pub struct IssueReport {
    pub issue: String,
    pub title: String,
    pub outcome: Outcome,
    pub attempts: Vec<AttemptReport>,
    pub milliseconds: u64,
    /// Of that, what neither the agent nor commands of the project took; more than it was where issues are worked on at the same time.
    pub own_milliseconds: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Outcome {
    Accepted {
        commit: String,
        branch: String,
        subject: String,
        fail_to_pass: Vec<String>,
        pass_to_pass: usize,
        /// Where people can look at it.
        #[serde(skip_serializing_if = "Option::is_none")]
        request: Option<String>,
        /// What did not work that changes no verdict: a note without a signature, a request that could not be made.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        remarks: Vec<String>,
    },
    /// A good outcome: what was not right did not come in.
    Refused {
        rules: Vec<String>,
        /// The ref that keeps the work.
        #[serde(skip_serializing_if = "Option::is_none")]
        kept: Option<String>,
    },
    Undecided {
        rules: Vec<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        kept: Option<String>,
    },
    /// Nothing that could be judged.
    Undone { why: String },
    /// Somebody else was faster.
    Taken { why: String },
    /// A dry run ends here.
    Planned {
        branch: String,
        call: String,
        brief_tokens: usize,
    },
}

#[derive(Clone, Debug, Serialize)]
pub struct AttemptReport {
    /// 1-based.
    pub n: usize,
    /// `accepted`, `refused`, `undecided`, `agent-failed`, `timed-out`, `nothing-done`, `unfit`.
    pub word: &'static str,
    pub rules: Vec<String>,
    /// What the guard said, as the agent hears it.
    pub said: String,
    pub spent: Spent,
    pub agent_milliseconds: u64,
    /// Whether some of what the agent printed was thrown away.
    pub truncated: bool,
}

impl Spent {
    pub fn add(&mut self, other: Spent) {
        self.tokens = sum(self.tokens, other.tokens, u64::saturating_add);
        self.dollars = sum(self.dollars, other.dollars, |one, two| one + two);
    }
}

fn sum<T>(one: Option<T>, two: Option<T>, add: impl Fn(T, T) -> T) -> Option<T> {
    match (one, two) {
        (Some(one), Some(two)) => Some(add(one, two)),
        (one, two) => one.or(two),
    }
}

/// In whole milliseconds.
pub fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Report {
    pub fn n_accepted(&self) -> usize {
        let issues = self.issues.iter();
        issues
            .filter(|issue| matches!(issue.outcome, Outcome::Accepted { .. }))
            .count()
    }

    /// What the calls of agents took.
    pub fn agent_milliseconds(&self) -> u64 {
        let attempts = self.issues.iter().flat_map(|issue| &issue.attempts);
        attempts.map(|attempt| attempt.agent_milliseconds).sum()
    }

    pub fn n_refused(&self) -> usize {
        let issues = self.issues.iter();
        issues
            .filter(|issue| matches!(issue.outcome, Outcome::Refused { .. }))
            .count()
    }
}
