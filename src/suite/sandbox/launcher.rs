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
    let (finished, _) = {
        let _running = Running::new();
        let begun = Instant::now();
        let answer = process::ask(launcher, SUBCOMMAND, message, timeout)?;
        let answered = Answer::decode_all(&answer, spec.jobs.len())?;
        // To make the sandbox and to take it down is the guard's own work.
        count_as_own(begun.elapsed().saturating_sub(answered.1));
        answered
    };
    Ok(finished)
}

/// How many launchers are at work, since when there is one, and how long there was one before.
static CLOCK: Mutex<(usize, Option<Instant>, Duration)> = Mutex::new((0, None, Duration::ZERO));

/// What of that was the guard's own work all the same.
static OWN: Mutex<Duration> = Mutex::new(Duration::ZERO);

/// For how long jobs of anybody were run by this process: all that is not its own work. What launchers at work at the same time took for themselves
/// is taken off for each of them.
pub fn time_of_jobs() -> Duration {
    let clock = CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
    let all = clock.2 + clock.1.map_or(Duration::ZERO, |since| since.elapsed());
    all.saturating_sub(*OWN.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Says that so much of the time of jobs was nobody's but the guard's.
pub fn count_as_own(time: Duration) {
    *OWN.lock().unwrap_or_else(PoisonError::into_inner) += time;
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
