//! Exchanges the ledger with a remote: what it has is fetched beside ours, united line by line, and pushed back until both have all of it.
//!
//! Nothing is ever forced over there, and nothing of ours is overwritten here.

mod remote;

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use anyhow::{Context as _, bail};
use gix::ObjectId;
use serde::Serialize;

pub use remote::{Pushed, Remote};

use crate::git::refs::{self, Attempt, Tip};
use crate::git::{Repo, notes, notes_union};
use crate::triage::store;

/// How often somebody else may be faster.
pub const MAX_ATTEMPTS: u32 = 20;

/// What the exchange of one ref came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exchange {
    /// The ref, the same on both sides.
    pub name: &'static str,
    /// Lines that were new here.
    pub n_received: usize,
    /// Lines that were new there.
    pub n_sent: usize,
    /// Lines that the remote had the last time and has no more: its log was rewritten.
    pub n_lost_there: usize,
    /// Why the remote does not take ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<String>,
}

/// Exchanges notes and triage state.
///
/// # Errors
/// The remote cannot be reached, or others were faster too often. That it takes nothing is no error: see [`Exchange::closed`].
pub fn sync(repo: &Repo, remote: &Remote) -> anyhow::Result<Vec<Exchange>> {
    let all = remote::exchanged(remote);
    let mut exchanges: Vec<Exchange> = all.iter().map(|(name, _)| Exchange::of(name)).collect();
    for attempt in 0..MAX_ATTEMPTS {
        wait(attempt);
        let before = all.iter().map(|(_, kept)| refs::tip(repo, kept));
        let before: Vec<Tip> = before.collect::<anyhow::Result<_>>()?;
        refs::settle(repo)?;
        let there = remote.fetch(&all)?;
        let mut commits = Vec::new();
        for (at, (name, kept)) in all.iter().enumerate() {
            let exchange = &mut exchanges[at];
            let theirs = match there.contains(name) {
                true => refs::tip(repo, kept)?,
                false => Tip {
                    commit_id: None,
                    tree_id: repo.empty_tree_id(),
                },
            };
            // What was there the last time and is gone.
            exchange.n_lost_there += n_missing(repo, name, before[at].tree_id, theirs.tree_id)?;
            exchange.n_received += take_in(repo, name, &theirs)?;
            let ours = refs::tip(repo, name)?;
            if let (Some(id), None) = (ours.commit_id, &exchange.closed)
                && ours.commit_id != theirs.commit_id
            {
                let n_sent = n_missing(repo, name, ours.tree_id, theirs.tree_id)?;
                commits.push((at, id, n_sent));
            }
        }
        if commits.is_empty() {
            return Ok(exchanges);
        }
        let specs: Vec<(ObjectId, &str)> =
            commits.iter().map(|&(at, id, _)| (id, all[at].0)).collect();
        let pushed = remote.push(&specs)?;
        let mut is_behind = false;
        for ((at, id, n_sent), pushed) in commits.into_iter().zip(pushed) {
            match pushed {
                Pushed::Done => {
                    remember(repo, &all[at].1, id)?;
                    exchanges[at].n_sent += n_sent;
                }
                Pushed::Closed(why) => exchanges[at].closed = Some(why),
                Pushed::Behind => is_behind = true,
            }
        }
        if !is_behind {
            return Ok(exchanges);
        }
    }
    bail!(
        "others pushed to `{}` at the same time, {MAX_ATTEMPTS} times over: try again",
        remote.name
    )
}

/// Unites our triage state with a commit that the remote has just taken.
pub fn taken(repo: &Repo, remote: &Remote, commit_id: ObjectId) -> anyhow::Result<()> {
    remember(repo, &remote.triage_ref(), commit_id)?;
    let theirs = refs::tip(repo, &remote.triage_ref())?;
    take_in(repo, store::REF, &theirs)?;
    Ok(())
}

/// What the remote has now, so that it is known the next time if it loses any of it.
fn remember(repo: &Repo, kept: &str, commit_id: ObjectId) -> anyhow::Result<()> {
    refs::patiently(repo, &format!("write `{kept}`"), |writer| {
        let before = refs::tip(repo, kept)?.commit_id;
        writer.swap(repo, kept, (before, commit_id), "sync: pushed")
    })
}

/// Brings the remote's triage state into ours. It is what a claim is decided by.
pub fn receive_triage(repo: &Repo, remote: &Remote) -> anyhow::Result<()> {
    let kept = [(store::REF, remote.triage_ref())];
    refs::settle(repo)?;
    if !remote.fetch(&kept)?.is_empty() {
        let theirs = refs::tip(repo, &kept[0].1)?;
        take_in(repo, store::REF, &theirs)?;
    }
    Ok(())
}

/// Unites our ref with a commit; says how many lines were new.
fn take_in(repo: &Repo, name: &'static str, theirs: &Tip) -> anyhow::Result<usize> {
    let Some(their_id) = theirs.commit_id else {
        return Ok(0);
    };
    let what = format!("unite `{name}` with what was fetched");
    refs::patiently(repo, &what, |writer| {
        let ours = refs::tip(repo, name)?;
        let n_new = n_missing(repo, name, theirs.tree_id, ours.tree_id)?;
        let Some(new_id) = united(repo, name, &ours, theirs).context("unite two histories")? else {
            return Ok(Attempt::Done(n_new));
        };
        let message = format!("sync: from {their_id}");
        let swapped = writer.swap(repo, name, (ours.commit_id, new_id), &message)?;
        Ok(swapped.map(|()| n_new))
    })
}

/// A commit that has everything of both; `None` where ours has it already.
fn united(repo: &Repo, name: &str, ours: &Tip, theirs: &Tip) -> anyhow::Result<Option<ObjectId>> {
    let Some(their_id) = theirs
        .commit_id
        .filter(|_| ours.commit_id != theirs.commit_id)
    else {
        return Ok(None);
    };
    let tree_id = match name {
        notes::REF => notes_union::union(repo, ours.tree_id, theirs.tree_id)?,
        _ => store::union(repo, ours.tree_id, theirs.tree_id)?,
    };
    let Some(our_id) = ours.commit_id else {
        return Ok(Some(their_id));
    };
    if tree_id == theirs.tree_id && refs::is_ancestor(repo, our_id, their_id)? {
        return Ok(Some(their_id));
    }
    if tree_id == ours.tree_id && refs::is_ancestor(repo, their_id, our_id)? {
        return Ok(None);
    }
    let message = format!("{}: united line by line", kind(name));
    refs::commit_tree(repo, tree_id, vec![our_id, their_id], &message).map(Some)
}

fn n_missing(repo: &Repo, name: &str, tree_id: ObjectId, there: ObjectId) -> anyhow::Result<usize> {
    match name {
        notes::REF => notes_union::n_missing(repo, tree_id, there),
        _ => store::n_missing(repo, tree_id, there),
    }
}

fn kind(name: &str) -> &'static str {
    match name {
        notes::REF => "notes",
        _ => "triage",
    }
}

/// The longer the more often we met, and never as long as the one we met.
pub fn wait(attempt: u32) {
    if attempt > 0 {
        let longest = 20 << attempt.min(6);
        let random = RandomState::new().hash_one(attempt) % longest;
        std::thread::sleep(Duration::from_millis(random));
    }
}

impl Exchange {
    fn of(name: &'static str) -> Exchange {
        Exchange {
            name,
            n_received: 0,
            n_sent: 0,
            n_lost_there: 0,
            closed: None,
        }
    }
}
