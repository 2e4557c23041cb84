//! The mark of an error that the user can correct. Any error without it is a doubt.

use std::fmt;

/// The command line, a name or the configuration is wrong: exit 2.
///
/// Put it at the root of an [`anyhow::Error`]; context may be wrapped around it.
#[derive(Debug)]
pub struct UsageError {
    /// A lowercase sentence without a period, names in backticks.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl UsageError {
    pub fn new(message: impl Into<String>) -> UsageError {
        UsageError {
            message: message.into(),
            hint: None,
        }
    }

    pub fn with_hint(message: impl Into<String>, hint: impl Into<String>) -> UsageError {
        UsageError {
            message: message.into(),
            hint: Some(hint.into()),
        }
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for UsageError {}
