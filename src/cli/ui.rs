//! The only writer: answers go to stdout, talk to stderr.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Context as _;

use crate::proof::{Progress, What};

/// Writes the answer. A reader that went away is an error: nobody may take silence for acceptance.
pub fn answer(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .context("write the answer to stdout")
}

/// Says something beside the answer. If nobody can hear it, nothing depends on it.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Says what is going on, where a person may be watching.
#[derive(Debug)]
pub struct Ticker {
    is_shown: bool,
}

impl Ticker {
    pub fn new() -> Ticker {
        Ticker {
            is_shown: io::stderr().is_terminal(),
        }
    }

    pub fn tick(&self, name: &str, progress: Progress) {
        if !self.is_shown {
            return;
        }
        let line = match progress {
            Progress::Waiting => "waiting for the work area".to_owned(),
            Progress::Building => "building what all sides start from".to_owned(),
            Progress::SettingUp { n, of } => format!("setup, line {n} of {of}"),
            Progress::Running {
                tree,
                what: What::Sample { n, of },
            } => format!("new tests on {tree}, sample {n} of {of}"),
            Progress::Running {
                tree,
                what: What::WithoutHunk { n },
            } => format!("new tests on {tree} without a hunk, try {n}"),
            Progress::Running {
                tree,
                what: What::OtherValue { n },
            } => format!("new tests with other values on {tree}, try {n}"),
            Progress::Running {
                tree,
                what: What::Varied,
            } => format!("new tests on {tree} in other circumstances"),
            Progress::Running {
                tree,
                what: What::Examples,
            } => format!("examples of the documentation on {tree}"),
            Progress::Running {
                tree,
                what: What::Suite,
            } => format!("suite on {tree}"),
        };
        let mut stderr = io::stderr().lock();
        let _ = write!(stderr, "\r\x1b[2K{name}: {line} ").and_then(|()| stderr.flush());
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        if self.is_shown {
            let _ = write!(io::stderr().lock(), "\r\x1b[2K");
        }
    }
}
