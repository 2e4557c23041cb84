//! How strictly a commit is judged: decided by what the change cannot choose alone. A mark only makes it stricter.

use serde::Serialize;

use crate::change::{RepoPath, Trailer};
use crate::git::Person;
use crate::policy::{Lane, Lanes, Policy, agents};

/// A lane asked for on the command line, or the commit's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaneChoice {
    Fixed(Lane),
    Auto(Pusher),
}

/// Who brings the commits, as the caller says who knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pusher {
    /// Nobody pushes where commits are made.
    None,
    /// The judge is not told.
    Unnamed,
    Named(String),
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
    /// The message.
    pub text: &'a [u8],
    /// What the environment says of who works there; `None` where the judge is somewhere else.
    pub environment: Option<&'static str>,
}

pub fn decide(choice: &LaneChoice, policy: &Policy, marks: &Marks) -> LaneDecision {
    match choice {
        LaneChoice::Fixed(lane) => LaneDecision {
            lane: *lane,
            reason: "asked for".into(),
        },
        LaneChoice::Auto(pusher) => auto(policy, pusher, marks),
    }
}

fn auto(policy: &Policy, pusher: &Pusher, marks: &Marks) -> LaneDecision {
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
    if let Some(reason) = stranger(&policy.lanes, pusher) {
        return LaneDecision {
            lane: Lane::Repair,
            reason,
        };
    }
    let others = policy.lanes.others;
    match of_marks(&policy.lanes, marks) {
        Some((lane, mark)) => LaneDecision {
            lane: lane.max(others),
            reason: format!("marked by {mark}"),
        },
        None => LaneDecision {
            lane: others,
            reason: match pusher {
                Pusher::Named(name) => format!("pushed by `{name}`, no mark of an agent"),
                Pusher::None | Pusher::Unnamed => "no mark of an agent".into(),
            },
        },
    }
}

/// Why nobody vouches for who pushes. A person is only whom the policy lists.
fn stranger(lanes: &Lanes, pusher: &Pusher) -> Option<String> {
    match pusher {
        Pusher::None => None,
        Pusher::Unnamed if lanes.people.is_empty() => {
            Some("nobody says who pushes: `--pusher` and `lanes.people` do".into())
        }
        Pusher::Unnamed => Some("`lanes.people` lists who pushes, and nobody is named".into()),
        Pusher::Named(name) => {
            let is_listed = lanes.people.contains(&name.trim().to_lowercase());
            (!is_listed).then(|| format!("pusher `{name}` is none of `lanes.people`"))
        }
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
    if agents::is_named(&lanes.repair_agents, people(), marks.trailers) {
        return Some((Lane::Repair, "a name of `lanes.repair.agents`"));
    }
    // Each mark counts by itself: one that is milder takes nothing from the others.
    let known = agents::recognise(people(), marks.trailers, marks.text);
    let mut known = known.into_iter().chain(marks.environment);
    let strictest = known.find(|id| !agents::is_listed(id, &lanes.agent_agents));
    if let Some(id) = strictest.filter(|_| lanes.repair_known_agents) {
        return Some((Lane::Repair, id));
    }
    let is_milder = agents::is_named(&lanes.agent_agents, people(), marks.trailers)
        || agents::recognise(people(), marks.trailers, marks.text)
            .into_iter()
            .chain(marks.environment)
            .any(|id| agents::is_listed(id, &lanes.agent_agents));
    is_milder.then_some((Lane::Agent, "a name of `lanes.agent.agents`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "version: 1\nlanes: {agent: {agents: [noreply@anthropic.com, builder]}, people: [Ada, bo]}\n";

    fn person(name: &str) -> Person {
        Person {
            name: name.into(),
            email: "x@example.org".into(),
            seconds: 0,
        }
    }

    /// `author`, then co-authors' addresses.
    #[track_caller]
    fn check(pusher: Pusher, branch: &str, who: &[&str], expected: &str) {
        let policy = Policy::load(POLICY, "p.yaml").expect("loads");
        let author = person(who[0]);
        let trailers: Vec<Trailer> = who[1..]
            .iter()
            .map(|email| Trailer {
                token: "Co-authored-by".into(),
                value: format!("x <{email}>"),
            })
            .collect();
        let marks = Marks {
            branch: Some(branch),
            people: vec![&author],
            trailers: &trailers,
            text: b"fix: it\n",
            environment: None,
        };
        let decision = decide(&LaneChoice::Auto(pusher), &policy, &marks);
        let decision = format!("{}: {}", decision.lane.as_str(), decision.reason);
        assert_eq!(decision, expected);
    }

    fn named(name: &str) -> Pusher {
        Pusher::Named(name.into())
    }

    #[test]
    fn a_person_is_whom_the_policy_lists() {
        check(
            named("ada"),
            "main",
            &["Ada"],
            "human: pushed by `ada`, no mark of an agent",
        );
        check(
            named("eve"),
            "main",
            &["Ada"],
            "repair: pusher `eve` is none of `lanes.people`",
        );
        check(
            named("dependabot[bot]"),
            "main",
            &["dependabot[bot]"],
            "repair: pusher `dependabot[bot]` is none of `lanes.people`",
        );
        check(
            Pusher::Unnamed,
            "main",
            &["Ada"],
            "repair: `lanes.people` lists who pushes, and nobody is named",
        );
        check(Pusher::None, "main", &["Ada"], "human: no mark of an agent");
    }

    #[test]
    fn a_mark_only_makes_stricter() {
        check(
            named("ada"),
            "main",
            &["devin-ai-integration[bot]"],
            "repair: marked by devin",
        );
        check(
            named("ada"),
            "main",
            &["Ada", "noreply@anthropic.com"],
            "agent: marked by a name of `lanes.agent.agents`",
        );
        check(
            named("ada"),
            "main",
            &["builder"],
            "agent: marked by a name of `lanes.agent.agents`",
        );
        // The mark of a milder agent takes nothing from that of another one, nor from branch or pusher.
        check(
            named("ada"),
            "main",
            &["devin-ai-integration[bot]", "noreply@anthropic.com"],
            "repair: marked by devin",
        );
        check(
            named("ada"),
            "koan/1",
            &["Ada", "noreply@anthropic.com"],
            "repair: branch `koan/1`",
        );
        check(
            named("eve"),
            "main",
            &["builder"],
            "repair: pusher `eve` is none of `lanes.people`",
        );
    }

    #[test]
    fn without_a_list_nobody_is_a_person_to_ci() {
        let policy = Policy::load("version: 1\n", "p.yaml").expect("loads");
        let lane = |pusher| decide(&LaneChoice::Auto(pusher), &policy, &Marks::default()).lane;
        // Every mark can be left out: that there is none says nothing.
        assert_eq!(lane(Pusher::Unnamed), Lane::Repair);
        assert_eq!(lane(Pusher::None), Lane::Human);
        // Whom CI names, and nobody lists, is nobody who is known.
        assert_eq!(lane(named("ada")), Lane::Repair);
    }
}
