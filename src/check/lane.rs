//! How strictly a commit is judged: decided by what the change cannot choose alone. A mark only makes it stricter.

use serde::Serialize;

use crate::change::Trailer;
use crate::git::Person;
use crate::policy::{Lane, Policy};

/// A lane asked for on the command line, or the commit's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneChoice {
    Fixed(Lane),
    Auto,
}

#[derive(Clone, Debug, Serialize)]
pub struct LaneDecision {
    pub lane: Lane,
    /// Why, in a few words.
    pub reason: String,
}

/// Everything that may mark a commit.
#[derive(Debug, Default)]
pub struct Marks<'a> {
    /// Full name of the branch that it is made on or judged on.
    pub branch: Option<&'a str>,
    pub people: Vec<&'a Person>,
    pub trailers: &'a [Trailer],
    /// Names of environment variables; empty where the judge is not the place of the work.
    pub environment: &'a [String],
}

pub fn decide(choice: LaneChoice, policy: &Policy, marks: &Marks) -> LaneDecision {
    match choice {
        LaneChoice::Fixed(lane) => LaneDecision {
            lane,
            reason: "asked for".into(),
        },
        LaneChoice::Auto => auto(policy, marks),
    }
}

fn auto(policy: &Policy, marks: &Marks) -> LaneDecision {
    let branch = marks
        .branch
        .map(|name| name.strip_prefix("refs/heads/").unwrap_or(name));
    if let Some(name) = branch.filter(|name| policy.lanes.repair_branches.is_match(name)) {
        return LaneDecision {
            lane: Lane::Repair,
            reason: format!("branch `{name}`"),
        };
    }
    if let Some((lane, mark)) =
        policy
            .lanes
            .of_marks(&marks.people, marks.trailers, marks.environment)
    {
        let lane = lane.max(policy.lanes.others);
        return LaneDecision {
            lane,
            reason: format!("marked by {mark}"),
        };
    }
    LaneDecision {
        lane: policy.lanes.others,
        reason: "no mark of an agent".into(),
    }
}
