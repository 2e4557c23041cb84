//! The launcher: what the guard's program does when it is started as `koan-guard __sandbox`.
//!
//! It reads a [`Spec`] from its standard input and answers on its standard output. Nothing else is inherited.

use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;

#[cfg(target_os = "linux")]
use super::linux::launch;
#[cfg(target_os = "macos")]
use super::macos::launch;
use super::spec::{Answer, Spec};
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
    let _running = Running::new();
    let answer = process::ask(launcher, SUBCOMMAND, message, timeout)?;
    Answer::decode_all(&answer, spec.jobs.len())
}

/// How many launchers are at work, since when there is one, and how long there was one before.
static CLOCK: Mutex<(usize, Option<Instant>, Duration)> = Mutex::new((0, None, Duration::ZERO));

/// For how long jobs of anybody were run by this process: all that is not its own work.
pub fn time_of_jobs() -> Duration {
    let clock = CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
    clock.2 + clock.1.map_or(Duration::ZERO, |since| since.elapsed())
}

struct Running;

impl Running {
    fn new() -> Running {
        let mut clock = CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
        clock.0 += 1;
        clock.1.get_or_insert_with(Instant::now);
        Running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut clock = CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
        clock.0 -= 1;
        if clock.0 == 0
            && let Some(since) = clock.1.take()
        {
            clock.2 += since.elapsed();
        }
    }
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
