//! `demo` and `extract`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use jiff::{SignedDuration, Timestamp};

use super::exit::ExitStatus;
use super::settings::{JudgeArgs, LaneArg, RunArgs, settings};
use super::ui;
use crate::check::{Place, trust};
use crate::demo;
use crate::extract;
use crate::git::Repo;
use crate::render::digest;
use crate::usage::UsageError;

/// Build a sample project with production errors and walk the loop once, before your eyes
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// Work in this empty folder and keep it
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// Read recent production errors, read only, into a ranked digest
#[derive(Args, Debug)]
pub struct ExtractArgs {
    #[arg(long, value_enum, default_value_t = DigestFormat::Md)]
    format: DigestFormat,
    /// At most so many errors
    #[arg(long, value_name = "N", default_value_t = 20)]
    most: usize,
    /// Judge ages as of this time (RFC 3339; default: now)
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
    /// Nothing before this time (RFC 3339, or an age such as `36h`, `7d`; default: 14 days)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Nothing after this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only this environment; can be given more than once
    #[arg(long, value_name = "NAME")]
    environment: Vec<String>,
    /// Only this release; can be given more than once
    #[arg(long, value_name = "NAME")]
    release: Vec<String>,
    /// Only what no earlier run with `--new` in this clone has read
    #[arg(long, conflicts_with_all = ["since", "until", "environment", "release", "check"])]
    new: bool,
    /// Say what each source would read, and prove that it cannot be written to
    #[arg(long)]
    check: bool,
    /// The trusted revision whose policy names the sources
    #[arg(long, value_name = "REV")]
    base: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DigestFormat {
    Md,
    Json,
}

pub fn demo(args: DemoArgs) -> anyhow::Result<ExitStatus> {
    let program = std::env::current_exe().context("find this program's own path")?;
    let options = demo::Options {
        program,
        keep: args.keep,
        now: Timestamp::now(),
    };
    let mut written = Ok(());
    demo::run(&options, &mut |text| {
        if written.is_ok() {
            written = ui::answer(&format!("{}\n", text.trim_end_matches('\n')));
        }
    })?;
    written.map(|()| ExitStatus::Accepted)
}

pub fn extract(args: ExtractArgs) -> anyhow::Result<ExitStatus> {
    let repo = Repo::discover()?;
    let judge = JudgeArgs {
        lane: LaneArg::Auto,
        base: args.base,
        pusher: None,
        issues: None,
    };
    let settings = settings(&repo, &judge, &RunArgs::default(), Place::Check)?;
    let (_, policy) = trust::policy(&repo, settings.trusted_tip.as_ref(), repo.head_id()?)?;
    if args.check {
        ui::answer(&digest::checks(&extract::check(&repo, &policy)?))?;
        return Ok(ExitStatus::Accepted);
    }
    let now = match args.now {
        Some(time) => time_of(&time, Timestamp::now())?,
        None => Timestamp::now(),
    };
    let time = |text: Option<String>| text.map(|text| time_of(&text, now)).transpose();
    let asked = extract::Asked {
        now,
        since: time(args.since)?,
        until: time(args.until)?,
        environments: args.environment,
        releases: args.release,
        only_new: args.new,
    };
    let found = extract::digest(&repo, &policy, &asked)?;
    ui::answer(&match args.format {
        DigestFormat::Json => digest::json(&found, args.most),
        DigestFormat::Md => digest::markdown(&found, args.most, &extract::new_run_id()?),
    })?;
    if args.new {
        extract::advance(&repo, &policy, &found)?;
    }
    Ok(ExitStatus::Accepted)
}

/// A time, or an age before `now`.
pub(super) fn time_of(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    let age = text
        .strip_suffix('d')
        .map(|n| (n, 24))
        .or(text.strip_suffix('h').map(|n| (n, 1)));
    if let Some((n, hours)) = age.and_then(|(n, hours)| Some((n.parse::<u32>().ok()?, hours))) {
        let length = SignedDuration::from_hours(i64::from(n) * hours);
        return Ok(now.checked_sub(length)?);
    }
    text.parse()
        .map_err(|err| UsageError::new(format!("`{text}` is not a time: {err}")).into())
}
