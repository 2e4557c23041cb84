//! The brake: where several errors break out together, one cause is likelier than many bugs, and nobody should patch meanwhile.

use std::collections::BTreeSet;

use crate::issue::{Fingerprint, Issue};

/// Errors that broke out together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Full hours before the end of the window.
    pub hours_ago: u32,
    /// At least [`LEAST_ISSUES`].
    pub fingerprints: BTreeSet<Fingerprint>,
    pub n_events: u64,
    /// `FILE FUNCTION` of the crash, if it is the same of all.
    pub culprit: Option<String>,
}

/// What the brake means for one issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brake {
    None,
    Member,
    Beside,
}

const LEAST_ISSUES: usize = 3;
/// Of the last day, in one issue.
const LEAST_EVENTS: u64 = 5;
/// The last day against the mean of the seven before it.
const TIMES: u64 = 5;

/// Issues that burst within two hours of each other, on the last day. The newest incident comes first.
pub fn incidents(issues: &[Issue]) -> Vec<Incident> {
    let mut bursts: Vec<(u32, &Issue)> = issues
        .iter()
        .filter_map(|issue| Some((peak(issue)?, issue)))
        .collect();
    bursts.sort_by_key(|(hour, issue)| (*hour, &issue.fingerprint));
    let mut incidents = Vec::new();
    while let Some(&(hour, _)) = bursts.first() {
        let n = bursts
            .iter()
            .take_while(|(other, _)| *other <= hour + 1)
            .count();
        let together: Vec<&Issue> = bursts.drain(..n).map(|(_, issue)| issue).collect();
        if together.len() >= LEAST_ISSUES {
            incidents.push(incident(hour, &together));
        }
    }
    incidents
}

fn incident(hours_ago: u32, issues: &[&Issue]) -> Incident {
    let culprits: BTreeSet<Option<String>> = issues.iter().map(|issue| culprit(issue)).collect();
    let mut culprits = culprits.into_iter();
    let culprit = match (culprits.next(), culprits.next()) {
        (Some(one), None) => one,
        _ => None,
    };
    Incident {
        hours_ago,
        fingerprints: issues
            .iter()
            .map(|issue| issue.fingerprint.clone())
            .collect(),
        n_events: issues.iter().map(|issue| issue.tally.n_within(24)).sum(),
        culprit,
    }
}

fn culprit(issue: &Issue) -> Option<String> {
    let frame = issue.culprit()?;
    Some(format!(
        "{} {}",
        frame.file,
        frame.function.as_deref().unwrap_or("")
    ))
}

/// The hour of the last day with the most events, if there are many more than usual and half of them are in it or the one beside it.
fn peak(issue: &Issue) -> Option<u32> {
    let tally = &issue.tally;
    let today = tally.n_within(24);
    let week_before = tally.n_within(8 * 24) - today;
    if today < LEAST_EVENTS || today * 7 < TIMES * week_before {
        return None;
    }
    let (&hour, _) = tally
        .by_age
        .range(..24)
        .max_by_key(|(hour, n)| (**n, std::cmp::Reverse(**hour)))?;
    let near: u64 = tally
        .by_age
        .range(hour.saturating_sub(1)..hour + 2)
        .map(|(_, n)| n)
        .sum();
    (near * 2 >= today).then_some(hour)
}

/// What incidents mean for an issue.
pub fn brake(issue: &Issue, incidents: &[Incident]) -> Brake {
    let mut all = incidents.iter();
    if all.any(|incident| incident.fingerprints.contains(&issue.fingerprint)) {
        Brake::Member
    } else if incidents.is_empty() {
        Brake::None
    } else {
        Brake::Beside
    }
}
