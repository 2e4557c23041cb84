//! `policy`: the perimeter, readable.

use clap::{Args, Subcommand};

use super::exit::ExitStatus;
use super::settings::{Format, JudgeArgs, LaneArg, RunArgs, settings};
use super::ui;
use crate::change::{Content, RepoPath};
use crate::check::{Place, floor, trust};
use crate::git::Repo;
use crate::policy::{self, Policy, Rule};
use crate::render::{json, policy as text};
use crate::usage::UsageError;
use crate::{explain, init};

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
        /// And of this line of it, as it stands in the work tree
        #[arg(long, value_name = "N")]
        line: Option<usize>,
        #[command(flatten)]
        which: Which,
    },
    /// Check the policy file of the work tree, and whether it fits the repository
    Lint,
    /// Print a JSON Schema of policies, for editors
    Schema {
        /// Write it beside the policy, where the first line that `init` writes points editors
        #[arg(long)]
        write: bool,
        /// Print all keys and what they mean instead, as Markdown
        #[arg(long, conflicts_with = "write")]
        reference: bool,
    },
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
        Command::Explain { path, line, which } => explain(&path, line, &which)?,
        Command::Lint => return lint_file(),
        Command::Schema { write, reference } => schema(write, reference)?,
        Command::Rules {
            format: Format::Text,
        } => ui::answer(&text::rules())?,
        Command::Rules {
            format: Format::Json,
        } => {
            ui::answer(&json::answer(0, "rules", &text::rule_fields())?)?;
        }
        Command::Rule { id } => ui::answer(&text::rule(find_rule(&id)?))?,
    }
    Ok(ExitStatus::Accepted)
}

fn explain(path: &str, line: Option<usize>, which: &Which) -> anyhow::Result<()> {
    check_path(path)?;
    let policy = which.load()?;
    let path = RepoPath::from(path);
    let explanation = policy.explain(&path);
    let of_line = match line {
        Some(line) => {
            let content = work_tree_content(&Repo::discover()?, &path)?;
            Some(explain::line(&policy, &path, content, line)?)
        }
        None => None,
    };
    match which.format {
        Format::Text => {
            let of_line = of_line.as_ref().map(text::line).unwrap_or_default();
            ui::answer(&(text::explanation(&explanation) + &of_line))
        }
        Format::Json => {
            let both = serde_json::json!({"path": explanation, "line": of_line});
            ui::answer(&json::answer(0, "explanation", &both)?)
        }
    }
}

/// A file of the work tree. Links are not followed: what they lead to is not what git holds.
fn work_tree_content(repo: &Repo, path: &RepoPath) -> anyhow::Result<Vec<u8>> {
    let wrong = |fact: String| {
        UsageError::with_hint(
            fact,
            "`--line` looks at a file of the work tree, by its path from the top",
        )
    };
    let work_dir = repo
        .work_dir()
        .ok_or_else(|| wrong("a bare repository has no work tree".into()))?;
    let file = work_dir.join(path.as_path());
    let about =
        std::fs::symlink_metadata(&file).map_err(|err| wrong(format!("read `{path}`: {err}")))?;
    if !about.is_file() || about.len() > Content::MAX_BYTES {
        return Err(wrong(format!("`{path}` is no file that can be read line by line")).into());
    }
    std::fs::read(&file).map_err(|err| wrong(format!("read `{path}`: {err}")).into())
}

fn lint_file() -> anyhow::Result<ExitStatus> {
    let repo = Repo::discover()?;
    let content = work_tree_file(&repo)?;
    let mut warnings = policy::lint(&content, policy::PATH)?;
    if let Some(head_id) = repo.head_id()? {
        let tree_id = repo.commit(head_id)?.tree_id;
        let files = repo.files(tree_id)?.into_iter().map(|file| file.path);
        let files: Vec<RepoPath> = files.collect();
        warnings.extend(policy::fit(&content, policy::PATH, &files)?);
    }
    warnings.extend(stale_schema(&repo));
    warnings.sort_by_key(|warning| (warning.line.is_none(), warning.line, warning.column));
    ui::answer(&text::warnings(&warnings))?;
    let is_fine = warnings.iter().all(|warning| warning.is_note);
    Ok(if is_fine {
        ExitStatus::Accepted
    } else {
        ExitStatus::Refused
    })
}

/// The schema beside the policy, if another version of koan-guard wrote it.
fn stale_schema(repo: &Repo) -> Option<policy::Warning> {
    let path = repo.work_dir()?.join(policy::SCHEMA_PATH);
    let is_stale = std::fs::read(path).is_ok_and(|there| there != policy::schema().as_bytes());
    is_stale.then(|| policy::Warning {
        line: None,
        column: None,
        is_note: true,
        message: format!(
            "`{}` is not that of this version; `koan-guard policy schema --write` renews it",
            policy::SCHEMA_PATH
        ),
    })
}

fn schema(write: bool, reference: bool) -> anyhow::Result<()> {
    if reference {
        return ui::answer(&text::reference(&policy::schema(), &policy::presets())?);
    }
    if !write {
        return ui::answer(&policy::schema());
    }
    let repo = Repo::discover()?;
    let work_dir = repo.work_dir().ok_or_else(|| {
        UsageError::new("a bare repository has no work tree to write a schema into")
    })?;
    init::write_schema(work_dir)?;
    ui::answer(&format!("wrote `{}`\n", policy::SCHEMA_PATH))
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

pub(super) fn work_tree_file(repo: &Repo) -> anyhow::Result<String> {
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
