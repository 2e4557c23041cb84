//! The end of everything that a job started.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, kill_process_group, wait,
};

/// Who can be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All other processes of the pid namespace, of which this is the first process.
    Namespace,
    /// The descendants; orphans come to this process, because it is a subreaper.
    Descendants,
}

const PATIENCE: Duration = Duration::from_secs(10);

/// Kills all others until none is left to wait for.
///
/// # Errors
/// Somebody is still alive after ten seconds.
pub fn kill_all(reach: Reach) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match reach {
            Reach::Namespace => kill_namespace()?,
            Reach::Descendants => kill_children()?,
        }
        if matches!(reap(None)?, Reaped::Alone) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("processes of the job cannot be killed");
        }
        thread::sleep(Duration::from_micros(200));
    }
}

/// What was found among the children that have ended.
#[derive(Clone, Copy, Debug)]
pub enum Reaped {
    /// The one that was looked for. There may be more to take.
    Found(WaitStatus),
    /// No child is left.
    Alone,
    /// Somebody lives.
    Others,
}

/// Takes the status of children that have ended, up to that of `pid`.
pub fn reap(pid: Option<Pid>) -> anyhow::Result<Reaped> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((ended, status))) if Some(ended) == pid => return Ok(Reaped::Found(status)),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return Ok(Reaped::Others),
            Err(Errno::CHILD) => return Ok(Reaped::Alone),
            Err(err) => return Err(err).context("wait for children"),
        }
    }
}

fn kill_namespace() -> anyhow::Result<()> {
    if getpid() != Pid::INIT {
        bail!("not the first process of a pid namespace");
    }
    // The group of process 1 is, negated, the -1 that means everybody.
    match kill_process_group(Pid::INIT, Signal::KILL) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(err) => Err(err).context("kill the job"),
    }
}

/// Kills the direct children only: nobody else can take their ids, and theirs come to us next.
fn kill_children() -> anyhow::Result<()> {
    for pid in children()? {
        match kill_process(pid, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(err) => return Err(err).context("kill the job"),
        }
    }
    Ok(())
}

fn children() -> anyhow::Result<Vec<Pid>> {
    let own = getpid().as_raw_nonzero();
    if let Ok(list) = fs::read_to_string(format!("/proc/self/task/{own}/children")) {
        return list.split_ascii_whitespace().map(parse_pid).collect();
    }
    // A kernel without that file: every process tells its parent, fourth in a line whose second part is in brackets.
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").context("list processes")? {
        let entry = entry?;
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let parent = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_ascii_whitespace().nth(1));
        if parent == Some(&own.to_string()) {
            all.push(parse_pid(&entry.file_name().to_string_lossy())?);
        }
    }
    Ok(all)
}

fn parse_pid(text: &str) -> anyhow::Result<Pid> {
    text.parse()
        .ok()
        .and_then(Pid::from_raw)
        .with_context(|| format!("`{text}` is no process id"))
}
