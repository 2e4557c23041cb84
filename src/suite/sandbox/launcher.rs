//! The launcher: what the guard's program does when it is started as `koan-guard __sandbox`.
//!
//! It reads a [`Spec`] from its standard input and answers on its standard output. Nothing else is inherited.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

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
