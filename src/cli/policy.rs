//! `policy`: the perimeter, readable.

use clap::{Args, Subcommand};

use super::exit::ExitStatus;
use super::settings::{Format, JudgeArgs, LaneArg, RunArgs, settings};
use super::ui;
use crate::change::RepoPath;
use crate::check::{Place, floor, trust};
use crate::git::Repo;
use crate::policy::{self, Policy, Rule};
use crate::render::{json, policy as text};
use crate::usage::UsageError;

/// Show, explain or check the policy
#[derive(Args, Debug)]
pub struct PolicyArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Print every effective value
    Show {
        /// And where each comes from
        #[arg(long)]
        origin: bool,
        #[command(flatten)]
        which: Which,
    },
    /// Say what the policy makes of a path, and why
    Explain {
        /// From the top of the repository
        path: String,
        #[command(flatten)]
        which: Which,
    },
    /// Check the policy file of the work tree
    Lint,
    /// List all rules
    Rules {
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Explain one rule
    Rule { id: String },
}

/// The policy that is meant: the work tree's file, or the one that judges.
#[derive(Args, Debug)]
struct Which {
    /// The policy at the trusted revision instead of the work tree's file
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub fn policy(args: PolicyArgs) -> anyhow::Result<ExitStatus> {
    match args.command {
        Command::Show { origin, which } => {
            let policy = which.load()?;
            match which.format {
                Format::Text => ui::answer(&text::values(&policy, origin)),
                Format::Json => ui::answer(&json::answer(0, "values", &policy.values)?),
            }?;
        }
        Command::Explain { path, which } => {
            check_path(&path)?;
            let explanation = which.load()?.explain(&RepoPath::from(path.as_str()));
            match which.format {
                Format::Text => ui::answer(&text::explanation(&explanation)),
                Format::Json => ui::answer(&json::answer(0, "explanation", &explanation)?),
            }?;
        }
        Command::Lint => return lint_file(),
        Command::Rules {
            format: Format::Text,
        } => ui::answer(&text::rules())?,
        Command::Rules {
            format: Format::Json,
        } => {
            let ids: Vec<Rule> = Rule::ALL.to_vec();
            ui::answer(&json::answer(0, "rules", &ids)?)?;
        }
        Command::Rule { id } => ui::answer(&text::rule(find_rule(&id)?))?,
    }
    Ok(ExitStatus::Accepted)
}

fn lint_file() -> anyhow::Result<ExitStatus> {
    let repo = Repo::discover()?;
    let warnings = policy::lint(&work_tree_file(&repo)?, policy::PATH)?;
    ui::answer(&text::warnings(&warnings))?;
    Ok(if warnings.is_empty() {
        ExitStatus::Accepted
    } else {
        ExitStatus::Refused
    })
}

impl Which {
    fn load(&self) -> anyhow::Result<Policy> {
        let repo = Repo::discover()?;
        if self.base.is_none() {
            let floors = floor::of_machine(&repo)?;
            return Policy::load_above(&work_tree_file(&repo)?, policy::PATH, &floors);
        }
        let args = JudgeArgs {
            lane: LaneArg::Repair,
            base: self.base.clone(),
            pusher: None,
            issues: None,
        };
        let settings = settings(&repo, &args, &RunArgs::default(), Place::Check)?;
        Ok(trust::policy(&repo, settings.trusted_tip.as_ref(), None)?.1)
    }
}

fn work_tree_file(repo: &Repo) -> anyhow::Result<String> {
    let missing = |fact: String| {
        UsageError::with_hint(
            fact,
            "`koan-guard init` writes one; `--base REV` reads a committed one",
        )
    };
    let Some(work_dir) = repo.work_dir() else {
        return Err(missing("a bare repository has no work tree".into()).into());
    };
    std::fs::read_to_string(work_dir.join(policy::PATH))
        .map_err(|err| missing(format!("read `{}`: {err}", policy::PATH)).into())
}

/// What git could not hold is nothing that a policy speaks of.
fn check_path(path: &str) -> anyhow::Result<()> {
    let is_inside = path.split('/').all(|part| !["", ".", ".."].contains(&part));
    if is_inside {
        return Ok(());
    }
    Err(UsageError::with_hint(
        format!("`{path}` is no path of a file in the repository"),
        "write it as git does: from the top, without a leading `/`, `.` and `..`",
    )
    .into())
}

fn find_rule(id: &str) -> anyhow::Result<Rule> {
    id.parse().map_err(|()| {
        let nearest = Rule::ALL.iter().max_by(|one, two| {
            strsim::jaro_winkler(one.id(), id).total_cmp(&strsim::jaro_winkler(two.id(), id))
        });
        let hint = nearest.map_or(String::new(), |rule| format!("the nearest is `{rule}`"));
        UsageError::with_hint(format!("there is no rule `{id}`"), hint).into()
    })
}
