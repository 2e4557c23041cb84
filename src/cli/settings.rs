//! What several commands take from the command line and the environment.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::check::lane::{LaneChoice, Pusher};
use crate::check::{Place, Settings, range, trust};
use crate::git::{Repo, turn};
use crate::issue::Crash;
use crate::policy::{self, Lane};
use crate::proof::{Budget, Effort};
use crate::suite::results::Results;
use crate::suite::runner::Toolbox;
use crate::suite::setup::UserEnv;
use crate::usage::UsageError;

/// Whom to trust and how strictly to judge.
#[derive(Args, Debug)]
pub struct JudgeArgs {
    /// How strictly to judge
    #[arg(long, value_enum, default_value_t = LaneArg::Repair)]
    pub lane: LaneArg,
    /// The trusted revision whose policy judges (default: `koan.trustedRef`, else the remote's default branch, else the parent)
    #[arg(long, visible_alias = "trusted-ref", value_name = "REV")]
    pub base: Option<String>,
    /// Who pushes, as CI knows them: with `--lane auto`, whoever is not in the policy's `lanes.people` is judged in lane `repair`
    #[arg(long, value_name = "NAME")]
    pub pusher: Option<String>,
    /// The digest of production errors that fixes are compared with, as `extract --format json` writes it
    #[arg(long, value_name = "FILE")]
    pub issues: Option<PathBuf>,
}

/// How the tests are run, and what stays of it.
#[derive(Args, Debug, Default)]
pub struct RunArgs {
    /// Let N test processes run at once where the guard starts one for each test (cargo, go, bats), and N jobs of their builds;
    /// the other runners run their tests one after another (default: as many as processors)
    #[arg(long, short, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
    /// Decide within this time for all that is judged (`90s`, `20m`), or not at all: exit 3
    #[arg(long, value_name = "TIME", value_parser = policy::duration)]
    pub budget: Option<Duration>,
    /// Believe what the local cache says of earlier runs; whoever works in this repository can write it
    #[arg(long)]
    pub use_cache: bool,
    /// Show what every test did in the runs of both sides
    #[arg(long, short)]
    pub verbose: bool,
    /// Keep the trees of the last proof for you to look into, and say where
    #[arg(long, conflicts_with = "use_cache")]
    pub keep_work_area: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LaneArg {
    /// Perimeter, message and proof
    Repair,
    /// Perimeter and secrets; the proof where the message says `fix`
    Agent,
    /// Advice for people
    Human,
    /// By branch, pusher and marks of agents
    Auto,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

pub fn settings(
    repo: &Repo,
    args: &JudgeArgs,
    run: &RunArgs,
    place: Place,
) -> anyhow::Result<Settings> {
    let lane = match args.lane {
        LaneArg::Repair => LaneChoice::Fixed(Lane::Repair),
        LaneArg::Human => LaneChoice::Fixed(Lane::Human),
        LaneArg::Agent => LaneChoice::Fixed(Lane::Agent),
        LaneArg::Auto => LaneChoice::Auto(match (&args.pusher, place) {
            (Some(name), _) => Pusher::Named(name.clone()),
            (None, Place::Check | Place::Topic) => Pusher::Unnamed,
            (None, Place::Hook) => Pusher::None,
        }),
    };
    let cache_dir = cache_dir()?;
    turn::sweep(repo);
    Ok(Settings {
        lane,
        trusted_tip: trust::tip(repo, args.base.as_deref())?,
        place,
        today: today(),
        toolbox: toolbox(repo, cache_dir.join("scripts"))?,
        cache_dir,
        results: Arc::new(Results::new(
            repo.common_dir().join("koan-guard").join("cache"),
            // A hook is feedback, and what it says whoever works here could write as well.
            run.use_cache || place == Place::Hook,
        )),
        effort: Effort {
            jobs: run
                .jobs
                .or_else(|| thread::available_parallelism().ok())
                .unwrap_or(NonZeroUsize::MIN),
            shows_runs: run.verbose,
            keeps_trees: run.keep_work_area,
        },
        budget: run.budget.map(|given| Budget::new(given, false)),
        known_issues: args.issues.as_deref().map(known_issues).transpose()?,
    })
}

/// Settings for a revision or range: a branch that it names is judged, and not the one that is checked out. Its full name comes with them.
pub fn settings_for(
    repo: &Repo,
    args: &JudgeArgs,
    run: &RunArgs,
    spec: Option<&str>,
) -> anyhow::Result<(Settings, Option<String>)> {
    let mut settings = settings(repo, args, run, Place::Check)?;
    let branch = range::branch_at_end(repo, spec)?;
    if branch.is_some() {
        settings.trusted_tip = trust::tip_for(repo, args.base.as_deref(), branch.as_deref())?;
    }
    Ok((settings, branch))
}

/// The judge's day, by which waivers end.
pub fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

/// Reads a digest that the caller vouches for.
fn known_issues(path: &Path) -> anyhow::Result<Vec<Crash>> {
    let hint = "`koan-guard extract --format json` writes one";
    let wrong = |err: &dyn Display| {
        UsageError::with_hint(format!("read the digest `{}`: {err}", path.display()), hint)
    };
    let json = fs::read(path).map_err(|err| wrong(&err))?;
    Ok(Crash::read_digest(&json).map_err(|err| wrong(&format_args!("{err:#}")))?)
}

/// `$XDG_CACHE_HOME/koan-guard` or `~/.cache/koan-guard`; relative values are ignored, as the specification wants it.
pub fn cache_dir() -> anyhow::Result<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    Ok(base
        .context("neither `XDG_CACHE_HOME` nor `HOME` names a folder for the work area")?
        .join("koan-guard"))
}

fn toolbox(repo: &Repo, scripts: PathBuf) -> anyhow::Result<Toolbox> {
    const NAMES: [&str; 8] = [
        "PATH",
        "HOME",
        "VIRTUAL_ENV",
        "CARGO_HOME",
        "RUSTUP_HOME",
        "RUSTUP_TOOLCHAIN",
        "PYENV_ROOT",
        "PYENV_VERSION",
    ];
    let env: BTreeMap<String, String> = NAMES
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
        .collect();
    // Tools name their files by whole paths: by a relative one nothing of the checkout would be known as such.
    let work_dir = repo
        .work_dir()
        .map(std::fs::canonicalize)
        .transpose()
        .context("look at the work tree")?;
    Ok(Toolbox {
        work_dir,
        env,
        user_env: UserEnv::of_process(),
        setup: None,
        scripts,
    })
}
