//! The launcher on macOS: each job is a child in a profile of Seatbelt, watched and killed by what the list of processes shows.
//!
//! Written and never run. What it does differently from Linux is named in the evidence ([`Sandbox::missing`](super::Sandbox::missing)).

pub mod inner;
mod kill;
mod slot;
mod supervise;
mod sys;

use std::io::Read as _;

use anyhow::{Context as _, bail, ensure};

use self::slot::Slot;
use super::spec::{Spec, View};

/// The numbers that jobs inherit: single digits, because shells know no others.
const REPORT: i32 = 3;
const TROUBLE: i32 = 4;

/// Reads the jobs and runs them; or is one of a job's own processes already. Returns the exit code.
pub fn launch() -> anyhow::Result<i32> {
    let mut args = std::env::args_os().skip(2);
    if let Some(word) = args.next() {
        return inner::main(&word, args);
    }
    sys::close_from(REPORT).context("close inherited files")?;
    let mut report = Slot::new(REPORT)?;
    let mut trouble = Slot::new(TROUBLE)?;
    let mut spec = Vec::new();
    std::io::stdin().read_to_end(&mut spec)?;
    let spec: Spec = serde_json::from_slice(&spec).context("read the job")?;
    check(&spec)?;
    supervise::supervise(&spec, &mut report, &mut trouble)?;
    Ok(0)
}

/// What this system cannot enforce is an error.
fn check(spec: &Spec) -> anyhow::Result<()> {
    let enforce = spec.enforce;
    if enforce.namespaces || enforce.landlock_abi > 0 || enforce.seccomp {
        bail!("macOS has neither namespaces nor Landlock nor seccomp");
    }
    ensure!(spec.services.is_empty(), "services need namespaces");
    ensure!(spec.gates.is_empty(), "gates need namespaces");
    let is_laid_out = matches!(spec.view, View::Folders { .. });
    ensure!(is_laid_out, "macOS mounts no layers");
    Ok(())
}
