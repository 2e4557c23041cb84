//! Exit codes, the part of the interface that git and CI read.

use std::process::ExitCode;

use crate::usage::UsageError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    Accepted = 0,
    Refused = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// Could not decide. When in doubt, do not act.
    Undecided = 3,
}

impl ExitStatus {
    pub fn of_error(err: &anyhow::Error) -> ExitStatus {
        if err.is::<UsageError>() {
            ExitStatus::Usage
        } else {
            ExitStatus::Undecided
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> ExitCode {
        ExitCode::from(status as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn any_unmarked_error_is_undecided() {
        let err = anyhow::anyhow!("disk full");
        assert_eq!(ExitStatus::of_error(&err), ExitStatus::Undecided);
    }

    #[test]
    fn a_marked_error_stays_usage_under_context() {
        let err = Err::<(), _>(UsageError::new("no such revision"))
            .context("check")
            .unwrap_err();
        assert_eq!(ExitStatus::of_error(&err), ExitStatus::Usage);
    }
}
