//! Child processes: the one door to them, with a group, a clean environment, limits on time and output, and no survivor.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// One command to be run in a sandbox.
#[derive(Clone, Debug)]
pub struct Job {
    /// The program by absolute path, then its arguments.
    pub argv: Vec<OsString>,
    /// Where it starts; inside the view.
    pub dir: PathBuf,
    /// The whole environment; nothing is inherited. `KOAN_REPORT_FD` is added when `report` is set.
    pub env: BTreeMap<OsString, OsString>,
    pub timeout: Duration,
    /// What it may read beside the system's folders, the view and its own `HOME` and `TMPDIR`: toolchains, virtual environments.
    pub readable: Vec<PathBuf>,
    /// Folders that it may write to, the writes being thrown away where layers can be mounted and refused elsewhere: `CARGO_HOME`.
    pub scratch: Vec<PathBuf>,
    /// Whether the command gets an inherited pipe to report over.
    pub report: bool,
}

/// How a command ended.
#[derive(Clone, Debug)]
pub struct Finished {
    pub end: End,
    /// At most [`MAX_OUTPUT`] bytes each; the rest is thrown away while it is read.
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// What came over the report pipe, at most [`MAX_REPORT`] bytes.
    pub report: Vec<u8>,
    /// Whether anything was thrown away.
    pub truncated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Exit(i32),
    Signal(i32),
    /// Killed by us, with all its children.
    TimedOut,
}

/// Per stream.
pub const MAX_OUTPUT: usize = 8 << 20;
pub const MAX_REPORT: usize = 64 << 20;
