//! `init`, `install` and `uninstall`.

use std::num::NonZeroUsize;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::backtest;
use super::exit::ExitStatus;
use super::ui;
use crate::git::{Repo, folder};
use crate::init::Facts;
use crate::install::clients::{self, Change, Client, Told};
use crate::install::{self, Effect, Report};
use crate::policy::Policy;
use crate::usage::UsageError;
use crate::{init, policy};

/// Write a first policy: looks at the repository, chooses presets and runner, says why
#[derive(Args, Debug)]
pub struct InitArgs {
    /// Print the policy instead of writing it
    #[arg(long)]
    print: bool,
    /// Fit the limits to the fixes among the newest N commits, never above those of the presets
    #[arg(long, value_name = "N")]
    backtest: Option<NonZeroUsize>,
}

/// Put the hooks in; a hook that is there already keeps running first
#[derive(Args, Debug)]
pub struct InstallArgs {
    /// Judge what is pushed to this bare repository (`pre-receive`)
    #[arg(long)]
    server: bool,
    /// Tell this agent's client of the guard, instead of git: its settings, a skill, a paragraph in `AGENTS.md` (repeatable)
    #[arg(long, value_enum, value_name = "CLIENT", conflicts_with = "server")]
    agent: Vec<AgentArg>,
}

/// Take the hooks out and put back what was there
#[derive(Args, Debug)]
pub struct UninstallArgs {
    /// Take out what `install --server` put in
    #[arg(long)]
    server: bool,
    /// Take out what `install --agent` wrote for this client (repeatable)
    #[arg(long, value_enum, value_name = "CLIENT", conflicts_with = "server")]
    agent: Vec<AgentArg>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AgentArg {
    Aider,
    Claude,
    Codex,
    Cursor,
    Gemini,
    Opencode,
}

impl From<AgentArg> for Client {
    fn from(arg: AgentArg) -> Client {
        match arg {
            AgentArg::Aider => Client::Aider,
            AgentArg::Claude => Client::Claude,
            AgentArg::Codex => Client::Codex,
            AgentArg::Cursor => Client::Cursor,
            AgentArg::Gemini => Client::Gemini,
            AgentArg::Opencode => Client::Opencode,
        }
    }
}

pub fn init(args: InitArgs) -> anyhow::Result<ExitStatus> {
    let repo = Repo::discover()?;
    let mut proposal = init::propose(&repo)?;
    if let Some(n_commits) = args.backtest {
        let policy = Policy::load(&proposal.text, policy::PATH)?;
        proposal = proposal.fitted(backtest::measured(&repo, &policy, n_commits.get())?)?;
    }
    if args.print {
        ui::answer(&proposal.text)?;
        return Ok(ExitStatus::Accepted);
    }
    let work_dir = repo.work_dir().ok_or_else(|| {
        UsageError::new("a bare repository has no work tree to write a policy into")
    })?;
    proposal.write(work_dir)?;
    let reasons = chosen(&proposal.facts);
    // Where all but a few names is ignored, git would leave them out and say so only in passing.
    let mut force = "";
    for path in [policy::PATH, policy::SCHEMA_PATH] {
        if folder::ignores(work_dir, &path.into())? {
            force = "-f ";
        }
    }
    ui::answer(&format!(
        "wrote `{0}`, and `{1}` for editors\n{reasons}next: read it, then commit both on the trusted branch: git add {force}{0} {1} && git commit -m \"chore: guard agents\"\n",
        policy::PATH,
        policy::SCHEMA_PATH
    ))?;
    Ok(ExitStatus::Accepted)
}

/// The choices and what they rest on; the file says the same in its comments.
fn chosen(facts: &Facts) -> String {
    let mut out = String::new();
    for language in &facts.languages {
        out += &format!("  preset {}\n", language.preset());
    }
    for found in &facts.frameworks {
        out += &format!("  preset {}: {}\n", found.framework.preset(), found.why);
    }
    for choice in &facts.runners {
        let place = match choice.dir.as_str() {
            "" => String::new(),
            dir => format!(" in `{dir}`"),
        };
        out += &format!("  runner {}{place}: {}\n", choice.value, choice.why);
    }
    if facts.runners.is_empty() {
        out += "  no runner: no test suite that koan-guard knows was found\n";
    }
    out += &format!(
        "  {} of {} subjects are conventional commits\n",
        facts.n_conventional, facts.n_subjects
    );
    if let Some(measured) = &facts.limits {
        let word = if measured.is_enough {
            "fitted"
        } else {
            "not fitted, too few"
        };
        out += &format!(
            "  limits {word}: {} among {} commits\n",
            measured.who, measured.n_commits
        );
    }
    for hook in &facts.hooks {
        out += &format!("  there already: {hook}\n");
    }
    out
}

pub fn install(args: InstallArgs) -> anyhow::Result<ExitStatus> {
    let repo = Repo::discover()?;
    let binary = std::env::current_exe().context("find this program's own path")?;
    if !args.agent.is_empty() {
        let path = std::env::var_os("PATH");
        let done = clients::tell(&repo, &binary, path.as_deref(), &distinct(&args.agent))?;
        ui::answer(&told_clients(&done))?;
        return Ok(ExitStatus::Accepted);
    }
    let report = if args.server {
        install::install_server(&repo, &binary)?
    } else {
        install::install(&repo, &binary)?
    };
    ui::answer(&told(&report))?;
    Ok(ExitStatus::Accepted)
}

pub fn uninstall(args: UninstallArgs) -> anyhow::Result<ExitStatus> {
    let repo = Repo::discover()?;
    if !args.agent.is_empty() {
        ui::answer(&told_clients(&clients::untell(
            &repo,
            &distinct(&args.agent),
        )?))?;
        return Ok(ExitStatus::Accepted);
    }
    let report = if args.server {
        install::uninstall_server(&repo)?
    } else {
        install::uninstall(&repo)?
    };
    ui::answer(&told(&report))?;
    Ok(ExitStatus::Accepted)
}

fn distinct(args: &[AgentArg]) -> Vec<Client> {
    let mut clients: Vec<Client> = args.iter().map(|arg| Client::from(*arg)).collect();
    clients.sort();
    clients.dedup();
    clients
}

fn told_clients(told: &Told) -> String {
    let mut out = String::new();
    for (path, change) in &told.files {
        let change = match change {
            Change::Written => "written",
            Change::Extended => "added to",
            Change::Renewed => "renewed",
            Change::Unchanged => "there already",
            Change::TakenOut => "taken out of what others wrote",
            Change::Removed => "removed",
            Change::Left => "changed since, so it stays: look at it yourself",
        };
        out += &format!("  {path:<40} {change}\n");
    }
    if told.files.is_empty() {
        out += "nothing of koan-guard's is there\n";
    }
    for caveat in &told.caveats {
        out += &format!("note: {caveat}\n");
    }
    out
}

fn told(report: &Report) -> String {
    let mut out = format!("hooks in `{}`\n", report.hooks_dir.display());
    for (hook, effect) in &report.hooks {
        let effect = match effect {
            Effect::Added => "added",
            Effect::Chained => "added, after the hook that was there",
            Effect::Renewed => "renewed",
            Effect::Unchanged => "there already",
            Effect::Removed => "removed",
            Effect::Restored => "removed, the hook from before is back",
        };
        out += &format!("  {hook:<14} {effect}\n");
    }
    for setting in &report.settings {
        out += &format!("  git config     {setting}\n");
    }
    for caveat in &report.caveats {
        out += &format!("note: {caveat}\n");
    }
    out
}
