//! The command line: the only place that knows clap, streams, and exit codes.

mod exit;

use std::ffi::OsString;

pub use exit::ExitStatus;

pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitStatus {
    let _ = args;
    ExitStatus::Undecided
}
