//! Exit codes, the part of the interface that git and CI read.

use std::process::ExitCode;

use crate::check::Judgement;
use crate::check::range::RangeJudgement;
use crate::hook::update::{Answer, Push};
use crate::usage::UsageError;
use crate::verdict::Verdict;

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

    /// One judged change. A pending one owes a fix, and is accepted nowhere but in a hook.
    pub fn of_judgement(judgement: &Judgement) -> ExitStatus {
        match &judgement.verdict {
            _ if judgement.observed => ExitStatus::Accepted,
            Verdict::Accepted(_) => ExitStatus::Accepted,
            Verdict::Pending(_) | Verdict::Refused { .. } => ExitStatus::Refused,
            Verdict::Undecided { .. } => ExitStatus::Undecided,
        }
    }

    /// A hook lets a red commit pass: its fix may be the next one.
    pub fn of_hook(judgement: &Judgement) -> ExitStatus {
        match &judgement.verdict {
            Verdict::Pending(_) => ExitStatus::Accepted,
            _ => ExitStatus::of_judgement(judgement),
        }
    }

    /// A range is accepted if each commit is accepted or pending, nothing is owed, and the whole is accepted. Nothing judged is undecided.
    pub fn of_range(range: &RangeJudgement) -> ExitStatus {
        let mut statuses = Vec::new();
        statuses.extend(range.commits.iter().map(ExitStatus::of_hook));
        statuses.extend(range.whole.iter().map(ExitStatus::of_judgement));
        if statuses.is_empty() {
            ExitStatus::Undecided
        } else if statuses.contains(&ExitStatus::Refused)
            || (!range.owed.is_empty() && !range.is_observed())
        {
            ExitStatus::Refused
        } else if statuses
            .iter()
            .all(|&status| status == ExitStatus::Accepted)
        {
            ExitStatus::Accepted
        } else {
            ExitStatus::Undecided
        }
    }
}

impl ExitStatus {
    /// A push is taken as a whole or not at all; of several reasons the worst counts, and a refusal before a doubt.
    pub fn of_push(push: &Push) -> ExitStatus {
        let statuses = push.lines.iter().map(|(_, answer)| match answer {
            Answer::Free | Answer::NothingNew | Answer::Unjudged(_) => ExitStatus::Accepted,
            Answer::Closed(_) | Answer::OldPolicy if push.observed => ExitStatus::Accepted,
            Answer::Closed(_) => ExitStatus::Refused,
            Answer::OldPolicy => ExitStatus::Undecided,
            Answer::Judged(range) => ExitStatus::of_range(range),
        });
        let statuses: Vec<ExitStatus> = statuses.collect();
        if statuses.contains(&ExitStatus::Refused) {
            ExitStatus::Refused
        } else if statuses
            .iter()
            .all(|&status| status == ExitStatus::Accepted)
        {
            ExitStatus::Accepted
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
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn any_unmarked_error_is_undecided() {
        let err = anyhow::anyhow!("disk full");
        assert_eq!(ExitStatus::of_error(&err), ExitStatus::Undecided);
    }

    #[test]
    fn a_marked_error_stays_usage_under_context() {
        let err = Err::<(), _>(UsageError::new("no such revision"))
            .context("resolve")
            .context("check")
            .expect_err("an error");
        assert_eq!(ExitStatus::of_error(&err), ExitStatus::Usage);
    }

    #[test]
    fn an_empty_range_is_undecided() {
        let range = RangeJudgement {
            commits: Vec::new(),
            clean_merges: Vec::new(),
            whole: None,
            owed: Default::default(),
            ends: None,
        };
        assert_eq!(ExitStatus::of_range(&range), ExitStatus::Undecided);
    }
}
