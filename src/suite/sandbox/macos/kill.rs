//! The end of everything that a job was seen to start.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use super::super::family::Family;
use super::sys::processes;

const PATIENCE: Duration = Duration::from_secs(10);

/// Kills all members of the family until none is left.
///
/// # Errors
/// Somebody is still alive after ten seconds.
pub fn kill_all(family: &mut Family) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    // Who stands still makes no children: when all do, the list is whole, and nobody loses a parent unseen.
    let mut stopped = BTreeSet::new();
    loop {
        let members = family.grow(&processes()?);
        let new: Vec<i32> = members.difference(&stopped).copied().collect();
        if new.is_empty() {
            break;
        }
        check(deadline)?;
        for pid in new {
            send(pid, Signal::STOP)?;
            stopped.insert(pid);
        }
    }
    loop {
        let members = family.grow(&processes()?);
        if members.is_empty() {
            return Ok(());
        }
        check(deadline)?;
        for pid in members {
            send(pid, Signal::KILL)?;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn check(deadline: Instant) -> anyhow::Result<()> {
    ensure!(
        Instant::now() < deadline,
        "processes of the job cannot be killed"
    );
    Ok(())
}

fn send(pid: i32, signal: Signal) -> anyhow::Result<()> {
    let pid = Pid::from_raw(pid).context("a process without a number")?;
    match kill_process(pid, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(err) => Err(err).context("kill the job"),
    }
}
