//! `audit`.

use clap::Args;

use super::exit::ExitStatus;
use super::settings::{Format, JudgeArgs, LaneArg, RunArgs, settings};
use super::ui;
use crate::audit::{self, Audit};
use crate::check::{Place, approvals, trust};
use crate::git::{Repo, Revision};
use crate::render::{json, text};
use crate::usage::UsageError;

/// List past fixes from their notes, and guarded commits that have none
#[derive(Args, Debug)]
pub struct AuditArgs {
    /// A revision or `A..B` (default: all of `HEAD`)
    #[arg(value_name = "RANGE")]
    range: Option<String>,
    /// The trusted revision whose policy says which commits are guarded
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub fn audit(args: AuditArgs) -> anyhow::Result<ExitStatus> {
    let repo = Repo::discover()?;
    let settings = settings(
        &repo,
        &JudgeArgs {
            lane: LaneArg::Auto,
            base: args.base,
            pusher: None,
            issues: None,
        },
        &RunArgs::default(),
        Place::Check,
    )?;
    let head_id = repo.head_id()?;
    let (from, to) = match args
        .range
        .as_deref()
        .map(|spec| repo.parse(spec))
        .transpose()?
    {
        Some(Revision::Range { from, to }) => (Some(from), to),
        Some(Revision::Commit(to)) => (None, to),
        None => (
            None,
            head_id.ok_or_else(|| UsageError::new("there is no commit yet"))?,
        ),
    };
    let (trusted, policy) = trust::policy(&repo, settings.trusted_tip.as_ref(), Some(to))?;
    let signers = approvals::signers(&repo, &settings, &trusted)?;
    // A branch tells about the commits that are its own, not about all of their history.
    let branch = repo
        .head_branch()?
        .filter(|_| Some(to) == head_id && from.is_some());
    let audit: Audit = audit::audit(&repo, (&policy, &signers), from, to, branch.as_deref())?;
    let status = if audit.n_unproved() == 0 {
        ExitStatus::Accepted
    } else {
        ExitStatus::Refused
    };
    match args.format {
        Format::Text => {
            let mut out = String::new();
            text::audit(&audit, &mut out)?;
            ui::answer(&out)?;
        }
        Format::Json => ui::answer(&json::answer(status as u8, "audit", &audit)?)?,
    }
    Ok(status)
}
