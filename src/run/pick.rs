//! Which issues an agent may try now, in the digest's order, and why it may not try the others.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::change::RepoPath;
use crate::issue::Fingerprint;
use crate::policy::run::StopLoss;
use crate::tracker::Entry;
use crate::triage::fold::{Record, Word};
use crate::triage::{Act, Ranked, Scene};

/// An issue that is left alone.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Skipped {
    pub issue: String,
    pub title: String,
    pub why: String,
}

/// What is known beside the digest.
pub struct Known<'a> {
    pub entries: &'a [Entry],
    pub now: Timestamp,
    pub stop_loss: StopLoss,
    pub scene: &'a Scene<'a>,
    /// The branch of an earlier fix that is not part of `HEAD`.
    pub branch_of: &'a dyn Fn(&Fingerprint) -> anyhow::Result<Option<String>>,
}

/// Those that may be tried, the most pressing first, and the others with the reason.
pub fn pick(ranked: Vec<Ranked>, known: &Known) -> anyhow::Result<(Vec<Ranked>, Vec<Skipped>)> {
    let records: BTreeMap<&Fingerprint, &Record> = known
        .entries
        .iter()
        .map(|entry| (&entry.issue, &entry.record))
        .collect();
    let refusals = refusals_by_area(&ranked, &records, known);
    let (mut picked, mut skipped) = (Vec::new(), Vec::new());
    for ranked in ranked {
        let record = records.get(&ranked.issue.fingerprint).copied();
        let n_refusals =
            area(&ranked, known.scene).and_then(|area| refusals.get(&area).map(|n| (area, *n)));
        let why = match record.and_then(|record| of_record(record, known.now)) {
            Some(why) => Some(why),
            None => of_act(&ranked, record, known.now),
        };
        let why = match (why, n_refusals) {
            (None, Some((area, n))) if n >= known.stop_loss.refusals => {
                Some(too_many(&area, n, known.stop_loss))
            }
            (why, _) => why,
        };
        let why = match why {
            None => (known.branch_of)(&ranked.issue.fingerprint)?
                .map(|branch| format!("`{branch}` is an earlier fix: merge it, or delete it")),
            why => why,
        };
        match why {
            None => picked.push(ranked),
            Some(why) => skipped.push(Skipped {
                issue: ranked.issue.fingerprint.to_string(),
                title: ranked.issue.title(),
                why,
            }),
        }
    }
    Ok((picked, skipped))
}

/// Why one of `ranked` is not to be begun any more, after what was refused meanwhile.
pub fn stopped(issue: &Ranked, ranked: &[Ranked], known: &Known) -> Option<Skipped> {
    let records: BTreeMap<&Fingerprint, &Record> = known
        .entries
        .iter()
        .map(|entry| (&entry.issue, &entry.record))
        .collect();
    let area = area(issue, known.scene)?;
    let n = refusals_by_area(ranked, &records, known)
        .get(&area)
        .copied()?;
    (n >= known.stop_loss.refusals).then(|| Skipped {
        issue: issue.issue.fingerprint.to_string(),
        title: issue.issue.title(),
        why: too_many(&area, n, known.stop_loss),
    })
}

fn too_many(area: &RepoPath, n: usize, stop_loss: StopLoss) -> String {
    let area = if area.as_bytes().is_empty() {
        ".".to_owned()
    } else {
        area.to_string()
    };
    let days = stop_loss.days;
    format!("needs a person: {n} refusals in `{area}` within {days} days")
}

fn of_record(record: &Record, now: Timestamp) -> Option<String> {
    match record.word(now) {
        Word::Undecided => Some("its triage log cannot be read".into()),
        Word::Claimed => {
            let by = record
                .held(now)
                .map_or("somebody", |lease| lease.said.by.as_str());
            Some(format!("claimed by {by}"))
        }
        Word::Ignored => Some("ignored".into()),
        Word::Fixed => Some("fixed".into()),
        Word::Regressed | Word::Confirmed | Word::Open => None,
    }
}

/// What only a person decides, a person's signature decides.
fn of_act(ranked: &Ranked, record: Option<&Record>, now: Timestamp) -> Option<String> {
    let is_confirmed = record.is_some_and(|record| record.word(now) == Word::Confirmed);
    let reasons: Vec<String> = ranked.reasons.iter().map(ToString::to_string).collect();
    match ranked.act {
        Act::Yes => None,
        Act::Ask if is_confirmed => None,
        Act::Ask => Some(format!("needs a person: {}", reasons.join("; "))),
        Act::No => Some(format!("not for an agent: {}", reasons.join("; "))),
    }
}

/// The folder of the file that it crashed in.
fn area(ranked: &Ranked, scene: &Scene) -> Option<RepoPath> {
    Some(scene.locate(ranked.issue.culprit()?)?.folder())
}

/// How often fixes in an area were refused lately. What was refused before a person confirmed the issue is the person's answer.
fn refusals_by_area(
    ranked: &[Ranked],
    records: &BTreeMap<&Fingerprint, &Record>,
    known: &Known,
) -> BTreeMap<RepoPath, usize> {
    let days = SignedDuration::from_hours(i64::from(known.stop_loss.days) * 24);
    let mut counted = BTreeSet::new();
    let mut all: BTreeMap<RepoPath, usize> = BTreeMap::new();
    for ranked in ranked {
        let record = records.get(&ranked.issue.fingerprint);
        let (Some(area), Some(record)) = (area(ranked, known.scene), record) else {
            continue;
        };
        let confirmed = record.confirmed.as_ref().map(|said| said.at);
        let recent = record.refusals.iter().filter(|said| {
            known.now.duration_since(said.at) <= days
                && confirmed.is_none_or(|confirmed| confirmed < said.at)
        });
        for said in recent {
            if counted.insert(&said.id) {
                *all.entry(area.clone()).or_default() += 1;
            }
        }
    }
    all
}
