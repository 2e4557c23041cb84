//! What all trees of a proof start from: the trusted tree, laid out and built once, and kept for later proofs.
//!
//! Only the trusted tree is kept. What compiles judged code could leave anything in its build output, and a later commit would profit. A file
//! that a side has otherwise is younger than all build output below it, so that build tools see which it is.

use std::time::Duration;

use anyhow::Context as _;
use gix::ObjectId;
use sha2::{Digest as _, Sha256};

use super::setup::SetupEvidence;
use super::trees::Base;
use crate::git::Repo;
use crate::policy::Policy;
use crate::suite::area::{Area, Kept};
use crate::suite::runner::{Order, Runner, Selection};

/// Finds the base of an earlier proof, or makes one of the trusted tree.
///
/// # Errors
/// The tree cannot be laid out, or the runner not be started. What does not build is no error here.
pub(super) fn base(
    repo: &Repo,
    policy: &Policy,
    area: &Area,
    runner: &dyn Runner,
    trusted_tree_id: ObjectId,
    setup: Option<&SetupEvidence>,
    time_left: Duration,
) -> anyhow::Result<Base> {
    let key = key(policy, area, runner, setup);
    if let Some(kept) = area.kept(&key)? {
        // Of this very tree only: another one may have been judged, and what compiled it have left anything.
        if ObjectId::from_hex(kept.tree_id.as_bytes()).is_ok_and(|id| id == trusted_tree_id) {
            return Ok(Base {
                side: kept.side,
                tree_id: trusted_tree_id,
            });
        }
    }
    let side = area
        .add_side(None, |folder| repo.export(trusted_tree_id, folder))
        .context("lay out the trusted tree")?;
    let order = Order {
        selection: Selection::All,
        changed: &[],
        canary: None,
        seed: None,
        timeout: time_left.min(policy.proof.timeout),
        env: &policy.proof.env,
    };
    let is_complete = runner.prepare(area, &side, &order)?;
    let kept = Kept {
        side,
        tree_id: trusted_tree_id.to_string(),
    };
    // Half a build is of use to this proof only.
    let kept = match is_complete {
        true => area.keep(&key, kept)?,
        false => kept,
    };
    Ok(Base {
        side: kept.side,
        tree_id: trusted_tree_id,
    })
}

/// All that makes one tree's build output another one.
fn key(policy: &Policy, area: &Area, runner: &dyn Runner, setup: Option<&SetupEvidence>) -> String {
    let mut hash = Sha256::new();
    let runners = policy.proof.runners.iter().map(ToString::to_string);
    let env = policy
        .proof
        .env
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let own = [
        env!("CARGO_PKG_VERSION").to_owned(),
        runner.version().to_owned(),
        area.sandbox().level.number().to_string(),
        setup.map_or_else(String::new, |setup| setup.digest.clone()),
    ];
    for part in own.into_iter().chain(runners).chain(env) {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
