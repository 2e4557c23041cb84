//! `hook NAME`: what the shims call. Answers go to stderr, where git shows what hooks say.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Read as _};
use std::panic;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};

use super::exit::ExitStatus;
use super::settings::{JudgeArgs, LaneArg, RunArgs, settings};
use super::ui::{self, Ticker};
use crate::check::{Place, Settings};
use crate::git::{Person, Repo, caller};
use crate::hook::agent::{Client, Request, Scene};
use crate::hook::receive::{self, Server};
use crate::hook::update::Push;
use crate::hook::{self, Answer, Surroundings, Trace, send};
use crate::install;
use crate::policy::agents;
use crate::render::{push, text};
use crate::suite::results::Results;
use crate::usage::UsageError;
use crate::verdict::Verdict;

/// Do what git's hook of this name should (the installed hooks call this)
#[derive(Args, Debug)]
pub struct HookArgs {
    /// Leave the work to the shim where git runs that as well: hooks in git's configuration say so
    #[arg(long, hide = true)]
    beside_shim: bool,
    #[command(subcommand)]
    name: Name,
}

#[derive(Subcommand, Debug)]
enum Name {
    /// Judge what is staged
    PreCommit,
    /// Judge the message, and that the staged tree was judged
    CommitMsg {
        /// The file that holds the message
        file: PathBuf,
    },
    /// Write the note of the new commit
    PostCommit,
    /// Say what rewriting did to notes
    PostRewrite {
        /// `amend` or `rebase`
        command: String,
        #[arg(hide = true)]
        rest: Vec<String>,
    },
    /// Judge what is going to be pushed
    PrePush {
        /// The remote's name
        remote: Option<OsString>,
        #[arg(hide = true)]
        rest: Vec<OsString>,
    },
    /// Judge what is pushed to this repository
    PreReceive,
    /// Judge a tool that an agent's client is going to run, in the client's own protocol
    Agent {
        /// Who asks
        #[arg(long, value_enum)]
        client: ClientArg,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ClientArg {
    Claude,
    Codex,
    Cursor,
    Gemini,
}

/// What every client takes for "do not run it". It is the code of a wrong command line too, so that a wrong setting lets nothing through.
const BLOCKED: ExitStatus = ExitStatus::Usage;

/// Nobody writes longer commands.
const MAX_QUESTION: u64 = 4 << 20;

impl Name {
    fn as_str(&self) -> &'static str {
        match self {
            Name::PreCommit => "pre-commit",
            Name::CommitMsg { .. } => "commit-msg",
            Name::PostCommit => "post-commit",
            Name::PostRewrite { .. } => "post-rewrite",
            Name::PrePush { .. } => "pre-push",
            Name::PreReceive => "pre-receive",
            Name::Agent { .. } => "agent",
        }
    }
}

pub fn hook(args: HookArgs) -> anyhow::Result<ExitStatus> {
    if let Name::Agent { client } = args.name {
        return Ok(agent(client));
    }
    if args.beside_shim {
        let binary = std::env::current_exe().context("find this program's own path")?;
        if install::shim_runs(args.name.as_str(), &binary)? {
            return Ok(ExitStatus::Accepted);
        }
    }
    let repo = Repo::discover()?;
    if let Name::PreReceive = args.name {
        return pre_receive(&repo);
    }
    let settings = hook_settings(&repo, Place::Hook)?;
    let around = surroundings(&repo);
    let ticker = Ticker::new();
    let mut tick = |progress| ticker.tick("koan-guard", progress);
    match args.name {
        Name::PreCommit => say(
            &hook::pre_commit(&repo, &settings, &around, &mut tick)?,
            ticker,
        ),
        Name::CommitMsg { file } => say(
            &hook::commit_msg(&repo, &settings, &around, &file, &mut tick)?,
            ticker,
        ),
        Name::PostCommit => post_commit(&repo, &settings, &around),
        Name::PostRewrite { .. } => post_rewrite(&repo),
        Name::PrePush { remote, .. } => {
            let (mark, lines) = (around.environment, lines_of_git()?);
            let mut tick = |name: &str, progress| ticker.tick(name, progress);
            let push = send::pre_push(&repo, settings, mark, remote.as_deref(), &lines, &mut tick)?;
            drop(ticker);
            say_push(&push)
        }
        Name::PreReceive => pre_receive(&repo),
        Name::Agent { client } => Ok(agent(client)),
    }
}

/// Clients go on after a hook that fails by any other code than [`BLOCKED`], so every failure ends in it.
fn agent(client: ClientArg) -> ExitStatus {
    match panic::catch_unwind(|| ask(client)) {
        Ok(Ok(())) => ExitStatus::Accepted,
        Ok(Err(err)) => {
            ui::say(&format!(
                "koan-guard: {err:#}, so it is not run\nnext: `koan-guard doctor` looks for what is wrong"
            ));
            BLOCKED
        }
        Err(_) => {
            ui::say("koan-guard: it failed itself, so nothing is run");
            BLOCKED
        }
    }
}

fn ask(client: ClientArg) -> anyhow::Result<()> {
    let client = match client {
        ClientArg::Claude => Client::Claude,
        ClientArg::Codex => Client::Codex,
        ClientArg::Cursor => Client::Cursor,
        ClientArg::Gemini => Client::Gemini,
    };
    let mut question = Vec::new();
    io::stdin()
        .take(MAX_QUESTION)
        .read_to_end(&mut question)
        .context("read the client's question from stdin")?;
    let request = Request::read(client, &question)?;
    if let Some(folder) = &request.folder {
        std::env::set_current_dir(folder)
            .with_context(|| format!("go to `{}`", folder.display()))?;
    }
    let repo = match Repo::discover() {
        Ok(repo) => Some(repo),
        // Outside a repository there is nothing to guard but the habits.
        Err(err) if err.is::<UsageError>() => None,
        Err(err) => return Err(err),
    };
    let alias = |name: &str| repo.as_ref()?.config(&format!("alias.{name}"));
    let folder = std::env::current_dir().context("find the current folder")?;
    let scene = Scene::of(folder, repo.as_ref(), std::env::home_dir(), &alias)?;
    let denial = crate::hook::agent::judge(&request, &scene)?;
    ui::answer(&crate::hook::agent::answer(
        client,
        &request,
        denial.as_ref(),
    ))
}

fn hook_settings(repo: &Repo, place: Place) -> anyhow::Result<Settings> {
    let judge = JudgeArgs {
        lane: LaneArg::Auto,
        base: None,
        pusher: None,
        issues: None,
    };
    settings(repo, &judge, &RunArgs::default(), place)
}

/// Nothing is written into the receiving repository, and nothing that is kept there is believed.
fn pre_receive(repo: &Repo) -> anyhow::Result<ExitStatus> {
    if repo.work_dir().is_some() || io::stdin().is_terminal() {
        return Err(UsageError::with_hint(
            "`pre-receive` is called by git, in the bare repository that receives a push",
            "`koan-guard install --server` puts the hook in there",
        )
        .into());
    }
    let mut settings = hook_settings(repo, Place::Check)?;
    let runs = settings.cache_dir.join("runs");
    settings.results = Arc::new(Results::new(runs, false));
    let server = Server::of(repo, |name| std::env::var_os(name))?;
    let push = receive::pre_receive(repo, settings, server, &lines_of_git()?, &mut |_, _| ())?;
    say_push(&push)
}

fn say_push(answers: &Push) -> anyhow::Result<ExitStatus> {
    let mut out = String::new();
    push::push(answers, &mut out)?;
    if !out.is_empty() {
        ui::say(out.trim_end());
    }
    Ok(ExitStatus::of_push(answers))
}

/// What git hands to a hook; nothing where a person started it.
fn lines_of_git() -> anyhow::Result<String> {
    let mut lines = String::new();
    if !io::stdin().is_terminal() {
        io::stdin()
            .read_to_string(&mut lines)
            .context("read git's lines from stdin")?;
    }
    Ok(lines)
}

/// Silence is for people: whoever is not judged is not told so either.
fn say(answer: &Answer, ticker: Ticker) -> anyhow::Result<ExitStatus> {
    drop(ticker);
    let Answer::Judged(judgement) = answer else {
        return Ok(ExitStatus::Accepted);
    };
    let is_quiet = matches!(
        judgement.verdict,
        Verdict::Accepted(crate::verdict::Basis::Perimeter(_))
    ) && judgement.warnings.is_empty();
    if !is_quiet {
        let mut out = String::new();
        text::judgement(judgement, &mut out)?;
        ui::say(out.trim_end());
    }
    Ok(ExitStatus::of_hook(judgement))
}

fn post_commit(
    repo: &Repo,
    settings: &Settings,
    around: &Surroundings,
) -> anyhow::Result<ExitStatus> {
    match hook::post_commit(repo, settings, around)? {
        Trace::Noted { commit } => ui::say(&format!(
            "koan-guard: {commit} is proved, its note is written"
        )),
        Trace::Pending { commit } => {
            ui::say(&format!("koan-guard: {commit} is pending: its fix is owed"))
        }
        Trace::Unguarded { commit, why } => {
            ui::say(&format!(
                "koan-guard: {commit} is UNGUARDED: {why}\n  next: koan-guard check {commit}"
            ));
            return Ok(ExitStatus::Refused);
        }
        Trace::None => (),
    }
    Ok(ExitStatus::Accepted)
}

fn post_rewrite(repo: &Repo) -> anyhow::Result<ExitStatus> {
    let mut lines = String::new();
    std::io::stdin()
        .read_to_string(&mut lines)
        .context("read the rewritten commits from stdin")?;
    for (commit, standing) in hook::post_rewrite(repo, &lines)? {
        ui::say(&format!(
            "koan-guard: the note of {commit} is {} after rewriting",
            standing.as_str()
        ));
    }
    Ok(ExitStatus::Accepted)
}

fn surroundings(repo: &Repo) -> Surroundings {
    let person = |name: Option<String>, email: Option<String>| Person {
        name: name.unwrap_or_else(|| "nobody".into()),
        email: email.unwrap_or_else(|| "nobody".into()),
        seconds: 0,
    };
    let env = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let author = person(env("GIT_AUTHOR_NAME"), env("GIT_AUTHOR_EMAIL"));
    let committer = person(
        env("GIT_COMMITTER_NAME").or_else(|| repo.config("user.name")),
        env("GIT_COMMITTER_EMAIL").or_else(|| repo.config("user.email")),
    );
    Surroundings {
        amends: caller::amends(),
        people: vec![author, committer],
        environment: agents::in_environment(|name| env(name)),
    }
}
