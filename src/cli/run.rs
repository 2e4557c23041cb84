//! `run`.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use super::demo::time_of;
use super::exit::ExitStatus;
use super::settings::{Format, JudgeArgs, LaneArg, RunArgs, settings};
use super::ui;
use crate::check::Place;
use crate::extract::{self, Asked};
use crate::git::Repo;
use crate::policy::{self, run as policy_run};
use crate::render::brief::{self, Committer};
use crate::render::{digest, json, run as render, text};
use crate::run::report::{Halt, Outcome, Report};
use crate::run::{self, Event, Options, Texts};
use crate::suite::process::ending;
use crate::sync::Remote;
use crate::usage::UsageError;

/// Have an agent repair production errors, one by one: what is proved becomes a branch, everything else is refused
#[derive(Args, Debug)]
pub struct RunCommandArgs {
    /// Who is called: `codex`, `claude`, `gemini`, `opencode`, `aider`, `cursor`, or a command of your own that reads the brief from its
    /// standard input (default: the policy's `run.agent`)
    #[arg(long, value_name = "NAME|COMMAND")]
    agent: Option<String>,
    /// Only this issue, by its fingerprint or the beginning of it
    #[arg(long, value_name = "ISSUE")]
    issue: Option<String>,
    /// At most so many issues (default: the policy's `run.max`)
    #[arg(long, value_name = "N")]
    max: Option<NonZeroUsize>,
    /// Let the agent try each issue so often (default: the policy's `run.attempts`)
    #[arg(long, value_name = "N")]
    attempts: Option<NonZeroUsize>,
    /// Say what would be done, and call nobody
    #[arg(long)]
    dry_run: bool,
    /// Work on N issues at the same time
    #[arg(long, value_name = "N")]
    parallel: Option<NonZeroUsize>,
    /// For all of it (`2h`; default: the policy's `run.budget`)
    #[arg(long, value_name = "TIME", value_parser = policy::duration)]
    budget: Option<Duration>,
    /// Begin nothing more after so many tokens, as the client counts them
    #[arg(long, value_name = "N")]
    tokens: Option<u64>,
    /// Begin nothing more after so many dollars, as the client counts them
    #[arg(long, value_name = "DOLLARS")]
    cost: Option<f64>,
    /// Push the branch of an accepted fix and open a pull request, by `gh` or `glab`; nothing is merged
    #[arg(long)]
    pr: bool,
    /// Leave the remote out: other clones learn of claims by the next `sync`
    #[arg(long)]
    local: bool,
    /// Judge ages as of this time (RFC 3339; default: now)
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
    /// The trusted revision whose policy counts
    #[arg(long, visible_alias = "trusted-ref", value_name = "REV")]
    base: Option<String>,
    /// Tell an agent at most about so many tokens
    #[arg(long, value_name = "N", default_value_t = 4_000)]
    brief_tokens: usize,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub fn run(args: RunCommandArgs) -> anyhow::Result<ExitStatus> {
    ending::catch_signals()?;
    let repo = Repo::discover()?;
    let judge = JudgeArgs {
        lane: LaneArg::Repair,
        base: args.base.clone(),
        pusher: None,
        issues: None,
    };
    let settings = settings(&repo, &judge, &RunArgs::default(), Place::Check)?;
    let (trusted, policy) = run::policy_of_head(&repo, &settings)?;
    let now = match &args.now {
        Some(time) => time_of(time, Timestamp::now())?,
        None => Timestamp::now(),
    };
    let run_id = extract::new_run_id()?;
    let texts = Texts {
        brief: &|found| brief::markdown(found, args.brief_tokens, (&run_id, Committer::Guard)),
        judgement: &|judgement| {
            let mut out = String::new();
            text::judgement(judgement, &mut out)?;
            Ok(out)
        },
        shortfall: &render::shortfall,
        digest: &|found| digest::json(found, usize::MAX),
    };
    let is_text = args.format == Format::Text;
    let tell = |event: &Event| {
        if let Some(line) = render::event(event) {
            ui::say(&line);
        }
    };
    let options = options(&args, &repo, &policy.run)?;
    let report = run::run(
        &repo,
        settings,
        &policy,
        &trusted.commit,
        options,
        (&Asked::recent(now), &texts),
        &tell,
    )?;
    let status = status(&report);
    ui::answer(&match is_text {
        true => render::report(&report)?,
        false => json::answer(status as u8, "run", &report)?,
    })?;
    Ok(status)
}

fn options(
    args: &RunCommandArgs,
    repo: &Repo,
    policy: &policy::RunPolicy,
) -> anyhow::Result<Options> {
    let agent = args.agent.as_deref().map(policy_run::choice).transpose()?;
    if args
        .cost
        .is_some_and(|cost| !cost.is_finite() || cost <= 0.0)
    {
        return Err(UsageError::new("`--cost` is more than nothing").into());
    }
    let number = |given: Option<NonZeroUsize>, or| given.map_or(or, NonZeroUsize::get);
    Ok(Options {
        agent,
        issue: args.issue.clone(),
        max: number(args.max, policy.max),
        attempts: number(args.attempts, policy.attempts),
        is_dry: args.dry_run,
        parallel: args.parallel,
        budget: args.budget.unwrap_or(policy.budget),
        max_tokens: args.tokens,
        max_dollars: args.cost,
        remote: match args.local || args.dry_run {
            true => None,
            false => Remote::find(repo, None)?,
        },
        base: args.base.clone(),
        request: args.pr,
    })
}

/// 0 where everything that was begun was accepted, or nothing was to be done; 1 where something was refused; 3 where something is not known.
fn status(report: &Report) -> ExitStatus {
    let is_changed = matches!(report.halt, Some(Halt::Changed(_)));
    let is =
        |wanted: fn(&Outcome) -> bool| report.issues.iter().any(|issue| wanted(&issue.outcome));
    if is_changed || is(|outcome| matches!(outcome, Outcome::Refused { .. })) {
        ExitStatus::Refused
    } else if report.halt.is_some()
        || is(|outcome| matches!(outcome, Outcome::Undecided { .. } | Outcome::Undone { .. }))
    {
        ExitStatus::Undecided
    } else {
        ExitStatus::Accepted
    }
}
