//! The launcher on Linux: goes into namespaces, or adopts the orphans of its jobs, and supervises them.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;

use anyhow::{Context as _, ensure};
use rustix::process::{
    DumpableBehavior, Signal, WaitOptions, set_child_subreaper, set_dumpable_behavior,
    set_parent_process_death_signal, waitpid,
};

use super::spec::Spec;
use super::supervise::{Reach, supervise};
use super::sys::{self, Fork, close_from};
use super::{gates, root};

/// Reads the jobs, makes what they need and runs them. Returns the exit code.
pub fn launch() -> anyhow::Result<i32> {
    close_from(3).context("close inherited files")?;
    // The first free number is kept for the jobs' report: shells know no descriptors of two digits.
    let mut report = OwnedFd::from(File::open("/dev/null")?);
    let mut spec = Vec::new();
    std::io::stdin().read_to_end(&mut spec)?;
    let spec: Spec = serde_json::from_slice(&spec).context("read the job")?;
    ensure!(!spec.enforce.seatbelt, "Linux has no Seatbelt");
    ensure!(
        spec.gates.is_empty() || spec.enforce.namespaces && !spec.enforce.network,
        "gates lead out of a network of a job's own only"
    );
    if !spec.enforce.namespaces {
        set_child_subreaper(Some(rustix::process::getpid())).context("adopt orphans")?;
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
        supervise(&spec, Reach::Descendants, &mut report)?;
        return Ok(0);
    }

    set_parent_process_death_signal(Some(Signal::KILL))?;
    let keeper = gates::leave_keeper(&spec.gates)?;
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
            root::build(&spec, keeper)?;
            set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
            supervise(&spec, Reach::Namespace, &mut report)?;
            Ok(0)
        }
    }
}
