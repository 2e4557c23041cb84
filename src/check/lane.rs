//! How strictly a commit is judged: decided by what the change cannot choose alone. A mark only makes it stricter.

use serde::Serialize;

use crate::change::{RepoPath, Trailer};
use crate::git::Person;
use crate::policy::{Lane, Lanes, Policy, agents};

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
    /// What the environment says of who works there; `None` where the judge is somewhere else.
    pub environment: Option<&'static str>,
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
    if let Some(name) = branch.filter(|name| {
        policy
            .lanes
            .repair_branches
            .is_match(&RepoPath::from(*name))
    }) {
        return LaneDecision {
            lane: Lane::Repair,
            reason: format!("branch `{name}`"),
        };
    }
    if let Some((lane, mark)) = of_marks(&policy.lanes, marks) {
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

/// The strictest lane that a mark asks for, and the mark.
fn of_marks(lanes: &Lanes, marks: &Marks) -> Option<(Lane, &'static str)> {
    let people = || {
        marks
            .people
            .iter()
            .map(|person| (person.name.as_str(), person.email.as_str()))
    };
    let known = || agents::recognise(people(), marks.trailers).or(marks.environment);
    if agents::is_named(&lanes.repair_agents, people(), marks.trailers) {
        return Some((Lane::Repair, "a name of `lanes.repair.agents`"));
    }
    if agents::is_named(&lanes.agent_agents, people(), marks.trailers) {
        return Some((Lane::Agent, "a name of `lanes.agent.agents`"));
    }
    known()
        .filter(|_| lanes.repair_known_agents)
        .map(|mark| (Lane::Repair, mark))
}
