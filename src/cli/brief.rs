//! `brief`.

use clap::Args;
use jiff::Timestamp;

use super::demo::time_of;
use super::exit::ExitStatus;
use super::settings::{JudgeArgs, LaneArg, RunArgs, settings};
use super::ui;
use crate::brief;
use crate::check::{Place, trust};
use crate::extract::{self, Asked};
use crate::git::Repo;
use crate::render;

/// Make one task of one production error: where it crashed, where a fix may go, and what will judge it
#[derive(Args, Debug)]
pub struct BriefArgs {
    /// The error's fingerprint, as `extract` shows it, or its beginning
    #[arg(value_name = "ISSUE")]
    issue: String,
    /// At most about so many tokens
    #[arg(long, value_name = "N", default_value_t = 4_000)]
    tokens: usize,
    /// Judge ages as of this time (RFC 3339; default: now)
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
    /// The trusted revision whose policy names the sources
    #[arg(long, value_name = "REV")]
    base: Option<String>,
}

pub fn brief(args: BriefArgs) -> anyhow::Result<ExitStatus> {
    let repo = Repo::discover()?;
    let judge = JudgeArgs {
        lane: LaneArg::Auto,
        base: args.base,
        pusher: None,
        issues: None,
    };
    let settings = settings(&repo, &judge, &RunArgs::default(), Place::Check)?;
    let (_, policy) = trust::policy(&repo, settings.trusted_tip.as_ref(), repo.head_id()?)?;
    let now = match args.now {
        Some(time) => time_of(&time, Timestamp::now())?,
        None => Timestamp::now(),
    };
    let found = brief::of(&repo, &policy, &Asked::recent(now), &args.issue)?;
    let text = render::brief::markdown(&found, args.tokens, &extract::new_run_id()?)?;
    ui::answer(&text)?;
    Ok(ExitStatus::Accepted)
}
