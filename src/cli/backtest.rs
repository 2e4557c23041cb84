//! `backtest`.

use std::num::NonZeroUsize;
use std::thread;

use clap::{Args, ValueEnum};
use gix::ObjectId;

use super::exit::ExitStatus;
use super::policy::work_tree_file;
use super::settings::{JudgeArgs, LaneArg, RunArgs, settings};
use super::ui::{self, Ticker};
use crate::backtest;
use crate::check::{Place, floor, trust};
use crate::git::{Repo, Revision};
use crate::init::limits::{Measured, Need};
use crate::policy::{self, Policy};
use crate::render::backtest::{self as text, Heading};
use crate::render::json;
use crate::usage::UsageError;

/// Say what the policy would have done to past commits, and which limits fit
#[derive(Args, Debug)]
pub struct BacktestArgs {
    /// `A..B`, or where the newest commits are taken from (default: the trusted branch)
    #[arg(value_name = "RANGE")]
    range: Option<String>,
    /// The newest N commits, merges left out (default: 200, all of `A..B`)
    #[arg(long, value_name = "N")]
    last: Option<NonZeroUsize>,
    /// The policy of this revision instead of the work tree's file
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    /// Try the proof, too, of fixes with tests that stay inside
    #[arg(long)]
    proof: bool,
    /// At most so many proofs
    #[arg(long, value_name = "N", default_value_t = 10, requires = "proof")]
    max: usize,
    #[arg(long, value_enum, default_value_t = TableFormat::Text)]
    format: TableFormat,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TableFormat {
    Text,
    Json,
    Markdown,
}

/// How many commits are replayed where nobody says.
const LAST: usize = 200;

pub fn backtest(args: BacktestArgs) -> anyhow::Result<ExitStatus> {
    let repo = Repo::discover()?;
    let (policy, policy_name) = policy_of(&repo, args.base.as_deref())?;
    let (range, ids) = asked(&repo, args.range.as_deref(), args.last)?;
    if ids.is_empty() {
        ui::say("undecided: there is no commit to replay");
        return Ok(ExitStatus::Undecided);
    }
    let mut backtest = backtest::replay(&repo, &policy, &ids, threads(&args.run))?;
    if args.proof {
        let judge = JudgeArgs {
            lane: LaneArg::Repair,
            base: None,
            pusher: None,
            issues: None,
        };
        let settings = settings(&repo, &judge, &args.run, Place::Check)?;
        let ticker = Ticker::new();
        let mut tick = |name: &str, progress| ticker.tick(name, progress);
        let ids = std::mem::take(&mut backtest.provable);
        backtest.proofs = Some(backtest::prove(
            &repo, &settings, &policy, &ids, args.max, &mut tick,
        )?);
    }
    let heading = Heading {
        range: &range,
        policy: &policy_name,
    };
    let mut out = String::new();
    match args.format {
        TableFormat::Text => text::text(&backtest, &heading, &mut out)?,
        TableFormat::Markdown => text::markdown(&backtest, &heading, &mut out)?,
        TableFormat::Json => {
            out = json::answer(ExitStatus::Accepted as u8, "backtest", &backtest)?;
        }
    }
    ui::answer(&out)?;
    Ok(ExitStatus::Accepted)
}

/// What the fixes among the newest commits need, for `init`.
pub(super) fn measured(repo: &Repo, policy: &Policy, n_commits: usize) -> anyhow::Result<Measured> {
    let (to, _) = trusted_branch(repo)?;
    let ids = repo.newest_commits(None, to, n_commits)?;
    let backtest = backtest::replay(repo, policy, &ids, threads(&RunArgs::default()))?;
    let fit = backtest.limits;
    let needs = fit.limits.iter().map(|limit| Need {
        key: limit.key,
        allowed: limit.now,
        p95: limit.p95,
        n_over: limit.over,
    });
    Ok(Measured {
        who: text::population(&fit),
        n: fit.n,
        is_enough: fit.n >= backtest::ENOUGH,
        n_commits: ids.len(),
        needs: needs.collect(),
    })
}

/// As many threads as `--jobs` says, or as there are processors.
fn threads(run: &RunArgs) -> NonZeroUsize {
    run.jobs
        .or_else(|| thread::available_parallelism().ok())
        .unwrap_or(NonZeroUsize::MIN)
}

/// A policy that is tried, and what to call it.
fn policy_of(repo: &Repo, base: Option<&str>) -> anyhow::Result<(Policy, String)> {
    let Some(name) = base else {
        let floors = floor::of_machine(repo)?;
        let policy = Policy::load_above(&work_tree_file(repo)?, policy::PATH, &floors)?;
        return Ok((policy, format!("the work tree's `{}`", policy::PATH)));
    };
    let tip = trust::tip(repo, Some(name))?;
    let (trusted, policy) = trust::policy(repo, tip.as_ref(), None)?;
    let commit = trusted.commit.get(..10).unwrap_or(&trusted.commit);
    Ok((policy, format!("the policy of {commit} (`{name}`)")))
}

/// The commits to replay, newest first, and what to call them.
fn asked(
    repo: &Repo,
    range: Option<&str>,
    last: Option<NonZeroUsize>,
) -> anyhow::Result<(String, Vec<ObjectId>)> {
    let revision = range.map(|spec| repo.parse(spec)).transpose()?;
    let (from, to, name) = match (revision, range) {
        (Some(Revision::Range { from, to }), Some(spec)) => (Some(from), to, spec.to_owned()),
        (Some(Revision::Commit(to)), Some(spec)) => (None, to, spec.to_owned()),
        _ => {
            let (to, name) = trusted_branch(repo)?;
            (None, to, name)
        }
    };
    let most = match (last, from) {
        (Some(last), _) => last.get(),
        (None, Some(_)) => usize::MAX,
        (None, None) => LAST,
    };
    let ids = repo.newest_commits(from, to, most)?;
    Ok((format!("`{name}`"), ids))
}

/// What the others start from: the trusted tip, or where `HEAD` is if that is the branch itself.
fn trusted_branch(repo: &Repo) -> anyhow::Result<(ObjectId, String)> {
    if let Some(tip) = trust::tip(repo, None)? {
        return Ok((tip.commit_id, tip.name));
    }
    let head_id = repo
        .head_id()?
        .ok_or_else(|| UsageError::new("there is no commit yet"))?;
    let branch = repo.head_branch()?.unwrap_or_else(|| "HEAD".into());
    let name = branch.strip_prefix("refs/heads/").unwrap_or(&branch);
    Ok((head_id, name.to_owned()))
}
