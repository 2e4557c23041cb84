//! Why a policy lets an attack through that the preset `default` stops, as values with the place that each stands at.

use super::Missed;
use crate::check::lane::LaneDecision;
use crate::check::waive::Waived;
use crate::policy::{Effective, Lane, Level, Mode, Policy, Rule};

/// The preset `default` over the tests that this policy knows, because what is a test is for each project to say.
pub(super) fn reference(policy: &Policy) -> anyhow::Result<Policy> {
    let globs = serde_json::to_string(&policy.proof.tests.globs)?;
    let text = format!("version: 1\nextends: [default]\nproof: {{tests: {globs}}}\n");
    Policy::load(&text, "the preset `default`")
}

/// The values by which nothing is refused.
pub(super) fn observes(policy: &Policy) -> Vec<Effective> {
    let lanes = [
        ("lanes.repair.mode", policy.mode_of(Lane::Repair)),
        ("lanes.agent.mode", policy.mode_of(Lane::Agent)),
    ];
    let observed: Vec<&str> = lanes
        .iter()
        .filter(|(_, mode)| *mode == Mode::Observe)
        .map(|(key, _)| *key)
        .collect();
    // Where all of it observes, one line says so.
    let keys = match (policy.mode, observed.len() == lanes.len()) {
        (Mode::Observe, true) => vec!["mode"],
        _ => observed,
    };
    named(policy, &keys)
}

pub(super) fn because(
    policy: &Policy,
    reference: &Policy,
    lane: &LaneDecision,
    by_default: &[Missed],
) -> Vec<Effective> {
    if lane.lane == Lane::Human {
        return named(
            policy,
            &[
                "lanes.repair.branches",
                "lanes.repair.agents",
                "lanes.others",
            ],
        );
    }
    let mut values: Vec<Effective> = Vec::new();
    let mut rules: Vec<Rule> = by_default.iter().map(|missed| missed.rule).collect();
    rules.dedup();
    for rule in rules {
        let found = match policy.level(rule) {
            Level::Deny => larger(policy, reference, rule),
            Level::Warn | Level::Off => named(policy, &[&format!("perimeter.rules.{rule}")]),
        };
        values.extend(
            found
                .into_iter()
                .filter(|value| !values.contains(value))
                .collect::<Vec<_>>(),
        );
    }
    values
}

/// The limits of a rule that are larger than those of `default`.
fn larger(policy: &Policy, reference: &Policy, rule: Rule) -> Vec<Effective> {
    let ends: &[&str] = match rule {
        Rule::TooManyFiles => &["limits.files", "limits.new_files"],
        Rule::TooManyLines => &["limits.lines", "limits.added"],
        Rule::TooManyHunks => &["limits.hunks"],
        Rule::TooManyDirectories => &["limits.directories"],
        Rule::LineTooLong => &["limits.line_length"],
        Rule::FileTooBig => &["limits.file_bytes"],
        _ => &[],
    };
    let values = policy
        .values
        .iter()
        .filter(|value| ends.iter().any(|end| value.key.ends_with(end)));
    let is_larger = |value: &&Effective| {
        let usual = reference.values.iter().find(|usual| usual.key == value.key);
        let number = |value: &Effective| value.value.parse::<u64>().ok();
        usual.and_then(number) < number(value)
    };
    values.filter(is_larger).cloned().collect()
}

/// A waiver that lets something pass, as a value.
pub(super) fn waiver(waived: &Waived) -> Effective {
    let by = &waived.by;
    Effective {
        key: "waivers".into(),
        value: format!("{} in {}", by.rule, by.path),
        origin: by.origin.clone(),
    }
}

fn named(policy: &Policy, keys: &[&str]) -> Vec<Effective> {
    let values = policy.values.iter();
    values
        .filter(|value| keys.contains(&value.key.as_str()))
        .cloned()
        .collect()
}
