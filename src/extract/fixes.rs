//! Which commit fixed an issue, and which releases have it: the last one that its log names, else the newest one of `HEAD` whose note says so.

use std::collections::{BTreeMap, BTreeSet};

use gix::ObjectId;
use jiff::Timestamp;

use super::releases::Releases;
use crate::attestation::ledger;
use crate::attestation::line::{self, Line};
use crate::git::{Repo, notes, refs};
use crate::issue::Fingerprint;
use crate::triage::fold::{Base, Record};
use crate::triage::{Doubt, Fix, Holds};
use crate::usage::UsageError;

/// A fix, and the commits that make the same change.
#[derive(Clone, Debug)]
pub struct Known {
    /// As it is named.
    pub commit: String,
    /// The fix first. Empty if it is not in this clone.
    ids: Vec<ObjectId>,
    pub at: Timestamp,
    patch_id: Option<String>,
}

/// How far back notes are looked for, and how far from where two histories part a fix that was picked is.
const MAX_NOTED: usize = 2_000;
const MAX_PICKED: usize = 500;

/// A commit whose note says that it fixes an issue.
struct Noted {
    id: ObjectId,
    at: Timestamp,
    patch_id: Option<String>,
}

/// The fix of each issue that has one.
pub fn of(
    repo: &Repo,
    records: &BTreeMap<Fingerprint, Record>,
) -> anyhow::Result<BTreeMap<Fingerprint, Known>> {
    let noted = noted(repo, records)?;
    let mut known = BTreeMap::new();
    for (issue, record) in records {
        let notes = noted.get(issue).map_or(&[][..], Vec::as_slice);
        let fix = match &record.base {
            Base::Fixed { said, commit } => Some(logged(repo, commit, said.at)?),
            Base::Open if record.reopened.is_none() => notes.first().map(Noted::known),
            Base::Open => {
                let is_later = |one: &&Noted| record.reopened.is_some_and(|at| one.at > at);
                notes.iter().find(is_later).map(Noted::known)
            }
            Base::Ignored { .. } | Base::Regressed { .. } => None,
        };
        let Some(mut fix) = fix else {
            continue;
        };
        let same = notes.iter().filter(|one| {
            one.patch_id.is_some() && one.patch_id == fix.patch_id && !fix.ids.contains(&one.id)
        });
        let same: Vec<ObjectId> = same.map(|one| one.id).collect();
        fix.ids.extend(same);
        known.insert(issue.clone(), fix);
    }
    Ok(known)
}

/// Commits of `HEAD` by the issue that their own note names, newest first. Of a shallow clone none: what is cut off may be newer.
fn noted(
    repo: &Repo,
    records: &BTreeMap<Fingerprint, Record>,
) -> anyhow::Result<BTreeMap<Fingerprint, Vec<Noted>>> {
    let mut noted: BTreeMap<Fingerprint, Vec<Noted>> = BTreeMap::new();
    let (Some(head_id), Some(_)) = (repo.head_id()?, refs::tip(repo, notes::REF)?.commit_id) else {
        return Ok(noted);
    };
    let ids = match repo.newest_commits(None, head_id, MAX_NOTED) {
        Ok(ids) => ids,
        Err(err) if err.is::<UsageError>() => return Ok(noted),
        Err(err) => return Err(err),
    };
    let many = repo.for_many();
    let mut reader = notes::Reader::new(&many)?;
    reader.read_ahead(&ids)?;
    for id in ids {
        let Some(note) = reader.get(id)? else {
            continue;
        };
        let own = id.to_string();
        for (_, line) in line::read(&note) {
            let Line::Statement(stated) = line else {
                continue;
            };
            let predicate = &stated.statement.predicate;
            let is_own = stated.commit() == own && predicate.range.is_none();
            let issue = predicate.issue.as_deref().and_then(Fingerprint::parse);
            let Some(issue) = issue.filter(|issue| is_own && records.contains_key(issue)) else {
                continue;
            };
            let of_issue = noted.entry(issue).or_default();
            if of_issue.iter().all(|one| one.id != id) {
                of_issue.push(Noted {
                    id,
                    at: Timestamp::from_second(repo.commit(id)?.committer.seconds)?,
                    patch_id: predicate.patch_id.clone(),
                });
            }
        }
    }
    Ok(noted)
}

impl Noted {
    fn known(&self) -> Known {
        Known {
            commit: self.id.to_string(),
            ids: vec![self.id],
            at: self.at,
            patch_id: self.patch_id.clone(),
        }
    }
}

/// A fix as a log names it: by anything, since anybody can write there.
fn logged(repo: &Repo, commit: &str, said_at: Timestamp) -> anyhow::Result<Known> {
    let id = ObjectId::from_hex(commit.as_bytes()).ok();
    let id = match id {
        Some(id) if repo.has_commit(id)? => Some(id),
        _ => None,
    };
    let Some(id) = id else {
        return Ok(Known {
            commit: commit.to_owned(),
            ids: Vec::new(),
            at: said_at,
            patch_id: None,
        });
    };
    let commit = repo.commit(id)?;
    // Of the root of a shallow clone the parent is not known, and so not its change.
    let patch_id = match ledger::patch_id(repo, &commit) {
        Ok(patch_id) => patch_id,
        Err(err) if err.is::<UsageError>() => None,
        Err(err) => return Err(err),
    };
    Ok(Known {
        commit: id.to_string(),
        ids: vec![id],
        at: Timestamp::from_second(commit.committer.seconds)?,
        patch_id,
    })
}

impl Known {
    /// Whether a commit has the fix, or the same change picked from it.
    pub fn is_in(
        &self,
        repo: &Repo,
        issue: &Fingerprint,
        release: ObjectId,
    ) -> anyhow::Result<Holds> {
        if self.ids.is_empty() {
            return Ok(Holds::Unknown(Doubt::FixMissing));
        }
        let mut is_cut = false;
        for id in &self.ids {
            match refs::is_ancestor(repo, *id, release) {
                Ok(true) => return Ok(Holds::With),
                Ok(false) => {}
                Err(err) if err.is::<UsageError>() => is_cut = true,
                Err(err) => return Err(err),
            }
        }
        if is_cut {
            return Ok(Holds::Unknown(Doubt::Shallow));
        }
        match self.is_picked(repo, issue, release) {
            Ok(true) => Ok(Holds::With),
            Ok(false) => Ok(Holds::Without),
            Err(err) if err.is::<UsageError>() => Ok(Holds::Unknown(Doubt::Shallow)),
            Err(err) => Err(err),
        }
    }

    /// Whether a commit that names the issue makes the same change on the release's own side.
    fn is_picked(
        &self,
        repo: &Repo,
        issue: &Fingerprint,
        release: ObjectId,
    ) -> anyhow::Result<bool> {
        let (Some(&fix_id), Some(_)) = (self.ids.first(), &self.patch_id) else {
            return Ok(false);
        };
        let base = repo.merge_base(fix_id, release)?;
        for id in repo.newest_commits(base, release, MAX_PICKED)? {
            let commit = repo.commit(id)?;
            let mut named = commit.message.trailer_values("Koan-Issue");
            if named.any(|name| name == issue.as_str())
                && ledger::patch_id(repo, &commit)? == self.patch_id
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The fix for [`triage`](crate::triage), with when it was first deployed.
    pub fn fix(
        &self,
        repo: &Repo,
        issue: &Fingerprint,
        releases: &Releases,
    ) -> anyhow::Result<Fix> {
        let mut deployments: Vec<_> = releases.deployments().iter().collect();
        deployments.sort_by_key(|one| one.at);
        let mut without = BTreeSet::new();
        let mut deployed_at = None;
        for one in deployments {
            if without.contains(&one.release) {
                continue;
            }
            let holds = match releases.commit_of(&one.release)? {
                Some(id) => self.is_in(repo, issue, id)?,
                None => Holds::Without,
            };
            if holds == Holds::With {
                deployed_at = Some(one.at);
                break;
            }
            without.insert(&one.release);
        }
        Ok(Fix {
            commit: self.commit.clone(),
            at: self.at,
            deployed_at,
        })
    }
}
