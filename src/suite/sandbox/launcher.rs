//! The launcher: what the guard's program does when it is started as `koan-guard __sandbox`.
//!
//! It reads a [`Spec`] from its standard input and answers on its standard output. Nothing else is inherited.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{
    DumpableBehavior, Signal, WaitOptions, set_child_subreaper, set_dumpable_behavior,
    set_parent_process_death_signal, waitpid,
};

use super::spec::{Answer, Spec};
use super::supervise::{Reach, supervise};
use super::sys::{self, Fork};
use super::{root, sys::close_from};
use crate::suite::process::{self, Finished};

/// The hidden argument. It is no bypass: a launcher can only shut in.
pub const SUBCOMMAND: &str = "__sandbox";

/// Starts `launcher` and has it run the jobs of `spec`.
///
/// The launcher notices when the reading end of its standard output is gone, and then ends with everything that it started.
pub(in crate::suite) fn ask(
    launcher: &Path,
    spec: &Spec,
    timeout: Duration,
) -> anyhow::Result<Vec<Finished>> {
    let message = serde_json::to_vec(spec).context("write the jobs")?;
    let answer = process::ask(launcher, SUBCOMMAND, message, timeout)?;
    Answer::decode_all(&answer, spec.jobs.len())
}

/// Does what standard input says. Returns the exit code.
pub fn main() -> i32 {
    match launch() {
        Ok(code) => code,
        Err(err) => match fail(&err) {
            Ok(()) => 0,
            Err(_) => 3,
        },
    }
}

/// Tells the guard that it cannot be done.
fn fail(err: &anyhow::Error) -> anyhow::Result<()> {
    let line = Answer::Failed(format!("{err:#}")).line()?;
    std::io::stdout().write_all(&line)?;
    std::io::stdout().flush()?;
    Ok(())
}

fn launch() -> anyhow::Result<i32> {
    close_from(3).context("close inherited files")?;
    // The first free number is kept for the jobs' report: shells know no descriptors of two digits.
    let mut report = OwnedFd::from(File::open("/dev/null")?);
    let mut spec = Vec::new();
    std::io::stdin().read_to_end(&mut spec)?;
    let spec: Spec = serde_json::from_slice(&spec).context("read the job")?;
    if !spec.enforce.namespaces {
        set_child_subreaper(Some(rustix::process::getpid())).context("adopt orphans")?;
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
        supervise(&spec, Reach::Descendants, &mut report)?;
        return Ok(0);
    }

    set_parent_process_death_signal(Some(Signal::KILL))?;
    root::enter_namespaces(&spec)?;
    match sys::fork().context("fork")? {
        Fork::Parent(pid) => {
            let (_, status) =
                waitpid(Some(pid), WaitOptions::empty())?.context("no first process")?;
            Ok(status.exit_status().unwrap_or(3))
        }
        // The first process of the new pid namespace: when it ends, all others are killed.
        Fork::Child => {
            set_parent_process_death_signal(Some(Signal::KILL))?;
            rustix::process::setsid()?;
            root::build(&spec)?;
            set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
            supervise(&spec, Reach::Namespace, &mut report)?;
            Ok(0)
        }
    }
}
