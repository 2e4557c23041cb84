//! Where production errors live, read only. What leaves this module is redacted and harmless to print.

mod clean;
mod redact;
pub mod sample;
pub mod sqlite;
mod stack;

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::issue::Issue;

/// What one source said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// In no particular order; `triage` ranks.
    pub issues: Vec<Issue>,
    /// Events of all issues inside the window.
    pub n_events: u64,
    /// Events that are in no issue: without a time that can be read, or from the future.
    pub n_undated: u64,
    /// Events of the rarest issues beyond [`sqlite::MAX_ISSUES`].
    pub n_unlisted: u64,
    pub rung: Rung,
    /// Our names and the columns that they were read from.
    pub columns: BTreeMap<&'static str, String>,
    /// Whether the columns were guessed by their names.
    pub columns_guessed: bool,
    /// What was taken out, by kind.
    pub redactions: BTreeMap<&'static str, u64>,
}

/// How the source was kept from being written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// The file itself was opened read only.
    ReadOnly,
    /// A private copy was read: opening the file itself would have left files beside it.
    Snapshot,
}

/// The time that is read, up to and with `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub from: Timestamp,
    pub until: Timestamp,
}

impl Window {
    /// The `days` before `now`.
    ///
    /// # Errors
    /// The window would begin before time does.
    pub fn days_before(now: Timestamp, days: u32) -> anyhow::Result<Window> {
        let length = SignedDuration::from_hours(24 * i64::from(days));
        Ok(Window {
            from: now.checked_sub(length)?,
            until: now,
        })
    }

    pub fn n_days(&self) -> f64 {
        self.until.duration_since(self.from).as_secs_f64() / 86_400.0
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rung::ReadOnly => "opened read only",
            Rung::Snapshot => "private snapshot",
        })
    }
}
