//! Folders for rooms, one for each agent at work in a repository: a work area with a lock that the system takes back from whoever dies.
//!
//! A claim is written down beside its room before it is made, so that the next run gives back what a killed one held.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::git::Repo;
use crate::issue::Fingerprint;
use crate::suite::area::Area;
use crate::suite::process::ending;
use crate::suite::sandbox::Sandbox;
use crate::sync::Remote;
use crate::tracker::{Hand, Outcome, Refusal, Tracker, Wish};

/// More agents than these are never at work in one repository.
pub const MAX_SLOTS: usize = 32;

/// How many seconds after it was written down a claim may have been made.
const SOON: u64 = 300;

/// A room's folder, which nobody else uses.
#[derive(Debug)]
pub struct Slot {
    pub area: Arc<Area>,
}

/// Who works, where, and how claims are won.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    pub repo: &'a Repo,
    pub cache_dir: &'a Path,
    pub sandbox: &'a Sandbox,
    /// The trusted revision that says whose signatures count.
    pub base: Option<&'a str>,
    pub remote: Option<&'a Remote>,
}

/// A claim that is held. It is given back when this is dropped, whatever happened.
pub struct Claim<'a> {
    desk: Desk<'a>,
    issue: Fingerprint,
    record: PathBuf,
    is_over: bool,
}

/// A claim as it is written down.
#[derive(Debug, Serialize, Deserialize)]
struct Held {
    issue: String,
    /// `None` until it is made.
    claim: Option<String>,
    /// Seconds since 1970.
    at: i64,
}

const RECORD: &str = "claim.json";

impl Slot {
    /// The first one that is free.
    pub fn take(desk: Desk) -> anyhow::Result<Slot> {
        for n in 0..MAX_SLOTS {
            let folder = folder(desk, n)?;
            // One in use is only told by its lock; what else is wrong with it, is wrong with the next one too.
            let area = match Area::open(&folder, desk.sandbox, Duration::ZERO) {
                Ok(area) => Arc::new(area),
                Err(_) if n + 1 < MAX_SLOTS && folder.join("lock").exists() => continue,
                Err(error) => return Err(error),
            };
            give_back(desk, &area.own_file(RECORD))?;
            return Ok(Slot { area });
        }
        bail!("{MAX_SLOTS} agents are at work in this repository");
    }

    /// Removes rooms of runs that are dead, and gives back what they held. Says whose issues these were.
    pub fn clear_dead(desk: Desk) -> anyhow::Result<Vec<String>> {
        let mut given_back = Vec::new();
        for n in 0..MAX_SLOTS {
            let folder = folder(desk, n)?;
            if !folder.join("lock").exists() {
                break;
            }
            let is_left = ["sides", "view", RECORD]
                .iter()
                .any(|name| folder.join(name).exists());
            if !is_left {
                continue;
            }
            if let Ok(area) = Area::open(&folder, desk.sandbox, Duration::ZERO) {
                given_back.extend(give_back(desk, &area.own_file(RECORD))?);
            }
        }
        Ok(given_back)
    }

    /// Takes the issue for so long, if it is free.
    pub fn claim<'a>(
        &self,
        desk: Desk<'a>,
        issue: &Fingerprint,
        length: SignedDuration,
    ) -> anyhow::Result<Result<Claim<'a>, Refusal>> {
        let record = self.area.own_file(RECORD);
        let mut held = Held {
            issue: issue.to_string(),
            claim: None,
            at: Timestamp::now().as_second(),
        };
        write(&record, &held)?;
        let mut claim = Claim {
            desk,
            issue: issue.clone(),
            record,
            is_over: false,
        };
        match act(desk, issue, &Wish::Claim { length })? {
            Outcome::Done(entry) => {
                let lease = entry.record.lease.as_ref();
                held.claim = lease.map(|lease| lease.said.id.clone());
                write(&claim.record, &held)?;
                Ok(Ok(claim))
            }
            Outcome::Refused(refusal) => {
                claim.is_over = true;
                remove(&claim.record)?;
                Ok(Err(refusal))
            }
        }
    }
}

impl Claim<'_> {
    /// Ends it with what came of the work.
    pub fn end(mut self, wish: &Wish) -> anyhow::Result<()> {
        self.close(wish)
    }

    fn close(&mut self, wish: &Wish) -> anyhow::Result<()> {
        self.is_over = true;
        ending::put_away(|| {
            match act(self.desk, &self.issue, wish)? {
                Outcome::Done(_) | Outcome::Refused(Refusal::NotClaimed) => {}
                Outcome::Refused(refusal) => bail!(
                    "the claim of {} was not ours any more: {refusal:?}",
                    self.issue
                ),
            }
            remove(&self.record)
        })
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            let because = Some("the run ended before anything was decided".to_owned());
            // Its record stays where this fails, and the next run tries again.
            drop(self.close(&Wish::Release { because }));
        }
    }
}

/// Gives back the claim that is written down there, if it is still the same. Says whose it was.
fn give_back(desk: Desk, record: &Path) -> anyhow::Result<Option<String>> {
    let text = match fs::read(record) {
        Ok(text) => text,
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(err).with_context(|| format!("read `{}`", record.display())),
    };
    let held: Option<Held> = serde_json::from_slice(&text).ok();
    let issue = held
        .as_ref()
        .and_then(|held| Fingerprint::parse(&held.issue));
    let (Some(held), Some(issue)) = (held, issue) else {
        // Half written: nothing was claimed yet.
        remove(record)?;
        return Ok(None);
    };
    let tracker = Tracker::open(desk.repo, desk.base, Timestamp::now())?;
    let (entries, _) = tracker.list()?;
    let entry = entries.iter().find(|entry| entry.issue == issue);
    let lease = entry.and_then(|entry| entry.record.held(tracker.now));
    let is_same = lease.is_some_and(|lease| match &held.claim {
        Some(id) => *id == lease.said.id,
        None => lease.said.at.as_second().abs_diff(held.at) <= SOON,
    });
    if is_same {
        let because = Some("the run that held it ended without a word".to_owned());
        act(desk, &issue, &Wish::Release { because })?;
    }
    remove(record)?;
    Ok(is_same.then(|| issue.to_string()))
}

fn act(desk: Desk, issue: &Fingerprint, wish: &Wish) -> anyhow::Result<Outcome> {
    let tracker = Tracker::open(desk.repo, desk.base, Timestamp::now())?;
    let hand = Hand {
        key: None,
        remote: desk.remote,
    };
    tracker.act(issue, wish, &hand)
}

fn write(path: &Path, held: &Held) -> anyhow::Result<()> {
    let text = serde_json::to_vec(held).context("write a claim as JSON")?;
    fs::write(path, text).with_context(|| format!("write `{}`", path.display()))
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(err) if err.kind() != ErrorKind::NotFound => {
            Err(err).with_context(|| format!("remove `{}`", path.display()))
        }
        _ => Ok(()),
    }
}

/// Named as work areas are, so that `gc` knows it for one.
fn folder(desk: Desk, n: usize) -> anyhow::Result<PathBuf> {
    let repo = fs::canonicalize(desk.repo.common_dir())
        .with_context(|| format!("look at `{}`", desk.repo.common_dir().display()))?;
    let mut hash = Sha256::new();
    hash.update(repo.as_os_str().as_bytes());
    hash.update(format!("\0room {n}"));
    let digest = hash.finalize();
    let name: String = digest
        .iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(desk.cache_dir.join(name))
}
