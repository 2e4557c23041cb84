//! `approve`.

use std::path::PathBuf;

use clap::Args;
use jiff::civil::Date;

use super::exit::ExitStatus;
use super::settings::{JudgeArgs, LaneArg, RunArgs, settings_for};
use super::ui;
use crate::approve::{self, Request};
use crate::change::shown;
use crate::check::{range, trust};
use crate::git::Repo;
use crate::policy::agents;
use crate::usage::UsageError;

/// Decide, as a person, that one rule does not count for a commit or a range; signed with your SSH key
#[derive(Args, Debug)]
pub struct ApproveArgs {
    /// A commit, `A..B`, or a branch
    #[arg(value_name = "REV")]
    range: String,
    /// The rule that does not count, as `check` names it in brackets
    #[arg(long, value_name = "ID")]
    rule: String,
    /// Why it may pass
    #[arg(long, value_name = "TEXT")]
    because: String,
    /// The last day on which it counts (`2027-01-31`, in UTC)
    #[arg(long, value_name = "DATE")]
    until: Option<Date>,
    /// Your private key, or the public one whose private half your SSH agent holds (default: `koan.approveKey`)
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The trusted revision whose policy judges
    #[arg(long, visible_alias = "trusted-ref", value_name = "REV")]
    base: Option<String>,
}

pub fn approve(args: ApproveArgs) -> anyhow::Result<ExitStatus> {
    if let Some(mark) = agents::in_environment(|name| {
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }) {
        return Err(UsageError::with_hint(
            format!("the environment bears the mark of an agent ({mark}), and a person decides"),
            "run this in a terminal of your own",
        )
        .into());
    }
    let repo = Repo::discover()?;
    let judge = JudgeArgs {
        lane: LaneArg::Repair,
        base: args.base,
        pusher: None,
        issues: None,
    };
    let spec = Some(&args.range[..]);
    let (settings, _) = settings_for(&repo, &judge, &RunArgs::default(), spec)?;
    let key = args
        .key
        .or_else(|| repo.config("koan.approveKey").map(PathBuf::from))
        .ok_or_else(|| {
            UsageError::with_hint(
                "no key is named to sign with",
                "name yours with `--key`, or for good: `git config --global koan.approveKey FILE`; keep it off the machines of agents",
            )
        })?;
    let key = std::path::absolute(key)?;
    let asked = range::asked(&repo, &settings, spec)?;
    let request = Request {
        rule: &args.rule,
        because: &args.because,
        until: args.until,
        key: &key,
    };
    let written = approve::approve(&repo, &settings, &asked, &request)?;
    let commits: Vec<String> = written.commits.iter().map(|&id| trust::short(id)).collect();
    let (person, rule) = (
        shown(written.approval.person.as_bytes()),
        &written.approval.rule,
    );
    ui::answer(&format!(
        "approved by {person}: `{rule}` does not count for {}\n",
        commits.join(", ")
    ))?;
    Ok(ExitStatus::Accepted)
}
