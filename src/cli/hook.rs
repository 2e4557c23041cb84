//! `hook NAME`: what the shims call. Answers go to stderr, where git shows what hooks say.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::exit::ExitStatus;
use super::settings::{JudgeArgs, LaneArg, RunArgs, settings};
use super::ui::{self, Ticker};
use crate::check::{Place, Settings};
use crate::git::{Person, Repo, caller};
use crate::hook::{self, Answer, Surroundings, Trace};
use crate::policy::agents;
use crate::render::text;
use crate::verdict::Verdict;

/// Do what git's hook of this name should (the installed hooks call this)
#[derive(Args, Debug)]
pub struct HookArgs {
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
}

pub fn hook(args: HookArgs) -> anyhow::Result<ExitStatus> {
    let repo = Repo::discover()?;
    let settings = settings(
        &repo,
        &JudgeArgs {
            lane: LaneArg::Auto,
            base: None,
            pusher: None,
            issues: None,
        },
        &RunArgs::default(),
        Place::Hook,
    )?;
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
    }
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
