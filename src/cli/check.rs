//! `check` and `prove`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use gix::ObjectId;
use sha2::{Digest as _, Sha256};

use super::exit::ExitStatus;
use super::settings::{Format, JudgeArgs, RunArgs, settings_for};
use super::ui::{self, Ticker};
use crate::attestation::Told;
use crate::attestation::ledger::Written;
use crate::change::shown;
use crate::check::range::{self, Asked, RangeJudgement};
use crate::check::{self, Judgement, Next, record, refusal};
use crate::git::Repo;
use crate::proof::{Shown, Traces};
use crate::render::{self, json, text};
use crate::usage::UsageError;
use crate::verdict::Verdict;

/// Judge a commit, a range, or what is staged
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// A commit, `A..B`, or a branch (default: from the trusted ref to `HEAD`)
    #[arg(value_name = "RANGE", conflicts_with = "staged")]
    range: Option<String>,
    /// Judge what is staged
    #[arg(long)]
    staged: bool,
    /// Write no note about accepted commits
    #[arg(long)]
    no_note: bool,
    /// Keep what is refused, with the reasons, under `refs/koan/refused/`: the last 200
    #[arg(long, conflicts_with = "staged")]
    keep_refused: bool,
    /// The brief that whoever made the fix was given; statements name its SHA-256
    #[arg(long, value_name = "FILE")]
    brief: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    judge: JudgeArgs,
    #[command(flatten)]
    run: RunArgs,
}

/// Show the proof of a commit alone, both sides
#[derive(Args, Debug)]
pub struct ProveArgs {
    /// The commit
    #[arg(value_name = "REV", default_value = "HEAD")]
    revision: String,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    judge: JudgeArgs,
    #[command(flatten)]
    run: RunArgs,
}

pub fn check(args: CheckArgs) -> anyhow::Result<ExitStatus> {
    let repo = Repo::discover()?;
    let spec = args.range.as_deref();
    let (settings, _) = settings_for(&repo, &args.judge, &args.run, spec)?;
    let ticker = Ticker::new();
    if args.staged {
        let mut tick = |progress| ticker.tick("staged", progress);
        let judgement =
            check::staged(&repo, &settings, Next::default())?.judge(&repo, &settings, &mut tick)?;
        drop(ticker);
        say_kept(judgement.iter().map(|judgement| &judgement.traces));
        return answer_one(&args, judgement.as_ref(), "what is staged");
    }
    match range::asked(&repo, &settings, spec)? {
        Asked::Commit(id) => {
            let name = check::trust::short(id);
            let mut tick = |progress| ticker.tick(&name, progress);
            let judgement = check::commit(&repo, &settings, id, &mut tick)?;
            drop(ticker);
            say_kept(judgement.iter().map(|judgement| &judgement.traces));
            if let (Some(judgement), false) = (&judgement, args.no_note) {
                say_unsigned(&record::commit(&repo, judgement, &told(&args)?)?);
            }
            if args.keep_refused {
                keep_refused(&repo, judgement.iter(), id);
            }
            answer_one(&args, judgement.as_ref(), &name)
        }
        Asked::Range { from, to, branch } => {
            let mut tick = |name: &str, progress| ticker.tick(name, progress);
            let range = range::check(&repo, &settings, (from, to), branch.as_deref(), &mut tick)?;
            drop(ticker);
            say_kept(range.all().map(|judgement| &judgement.traces));
            if !args.no_note {
                let is_accepted = ExitStatus::of_range(&range) == ExitStatus::Accepted;
                let told = told(&args)?;
                say_unsigned(&record::range(&repo, &range, is_accepted, &told)?);
            }
            if args.keep_refused {
                keep_refused(&repo, range.all(), to);
            }
            answer_range(&args, &range)
        }
    }
}

fn answer_one(
    args: &CheckArgs,
    judgement: Option<&Judgement>,
    name: &str,
) -> anyhow::Result<ExitStatus> {
    let Some(judgement) = judgement else {
        ui::say(&format!(
            "undecided: {name} is a clean merge: nothing to judge"
        ));
        return Ok(ExitStatus::Undecided);
    };
    let status = ExitStatus::of_judgement(judgement);
    match args.format {
        Format::Text => {
            let mut out = String::new();
            text::judgement(judgement, &mut out)?;
            ui::answer(&out)?;
        }
        Format::Json => ui::answer(&json::verdict(
            status as u8,
            "judgement",
            judgement,
            observed_word([judgement].into_iter()),
        )?)?,
    }
    Ok(status)
}

fn answer_range(args: &CheckArgs, range: &RangeJudgement) -> anyhow::Result<ExitStatus> {
    let status = ExitStatus::of_range(range);
    match args.format {
        Format::Text => {
            let mut out = String::new();
            text::range(range, &mut out)?;
            ui::answer(&out)?;
        }
        Format::Json => ui::answer(&json::verdict(
            status as u8,
            "range",
            range,
            observed_word(range.all()),
        )?)?,
    }
    if range.commits.is_empty() {
        ui::say("undecided: nothing to judge in this range");
    }
    Ok(status)
}

/// What would have come of all that a policy only observes, the worst of it; `None` where it observes nothing.
fn observed_word<'a>(judgements: impl Iterator<Item = &'a Judgement>) -> Option<&'static str> {
    let observed = judgements.filter(|judgement| judgement.observed);
    let severity = |verdict: &Verdict| match verdict {
        Verdict::Accepted(_) => 0,
        Verdict::Pending(_) => 1,
        Verdict::Undecided { .. } => 2,
        Verdict::Refused { .. } => 3,
    };
    let worst = observed.max_by_key(|judgement| severity(&judgement.verdict))?;
    Some(worst.verdict.word(true))
}

/// Says where the trees of the last proof lie that kept any.
fn say_kept<'a>(traces: impl Iterator<Item = &'a Traces>) {
    if let Some(folder) = traces.filter_map(|traces| traces.trees.as_ref()).last() {
        let folder = folder.display();
        ui::say(&format!(
            "kept: the trees of the last proof, with the guard's own failing tests and without build output, in `{folder}`; the next \
             `--keep-work-area` replaces them, `rm -r '{folder}'` removes them"
        ));
    }
}

/// What whoever made the fix was told, by digests.
fn told(args: &CheckArgs) -> anyhow::Result<Told> {
    let digest = |path: &Path| {
        let text = fs::read(path)
            .map_err(|err| UsageError::new(format!("read `{}`: {err}", path.display())))?;
        let digest = Sha256::digest(text);
        let hex = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        anyhow::Ok(hex)
    };
    Ok(Told {
        issues: args.judge.issues.as_deref().map(digest).transpose()?,
        brief: args.brief.as_deref().map(digest).transpose()?,
    })
}

/// Whether that works changes no verdict.
fn keep_refused<'a>(
    repo: &Repo,
    judgements: impl Iterator<Item = &'a Judgement>,
    tip_id: ObjectId,
) {
    for judgement in judgements {
        if let Err(error) = refusal::keep(repo, judgement, Some(tip_id)) {
            let why = shown(format!("{error:#}").as_bytes());
            ui::say(&format!("a refusal is not kept: {why}"));
        }
    }
}

fn say_unsigned(written: &Written) {
    if let Some(why) = &written.unsigned {
        let why = shown(why.as_bytes());
        ui::say(&format!(
            "the statement is not signed: {why}; `git config koan.signingKey FILE` names another key, and an empty one says that none is wanted"
        ));
    }
}

pub fn prove(args: ProveArgs) -> anyhow::Result<ExitStatus> {
    let repo = Repo::discover()?;
    let spec = Some(&args.revision[..]);
    let (settings, _) = settings_for(&repo, &args.judge, &args.run, spec)?;
    let ticker = Ticker::new();
    let Asked::Commit(id) = range::asked(&repo, &settings, spec)? else {
        return Err(UsageError::with_hint(
            format!("`{}` is not one commit", args.revision),
            "`koan-guard check` judges branches and ranges",
        )
        .into());
    };
    let commit = repo.commit(id)?;
    let (trusted, policy) = check::trust::policy(
        &repo,
        settings.trusted_tip.as_ref(),
        commit.parent_ids.first().copied(),
    )?;
    let subject = check::subject_of(&repo, commit)?;
    let attempt = check::prove(
        &repo,
        &settings,
        (&trusted, &policy),
        &subject,
        &mut |progress| ticker.tick(&args.revision, progress),
    )?;
    drop(ticker);
    say_kept([&attempt.traces].into_iter());
    let status = match &attempt.result {
        Ok(Shown::Fix(_)) => ExitStatus::Accepted,
        Ok(Shown::Red(_) | Shown::Revert(_)) => ExitStatus::Refused,
        Err(short) if !short.gaps.is_empty() => ExitStatus::Refused,
        Err(_) => ExitStatus::Undecided,
    };
    match args.format {
        Format::Text => {
            let mut out = String::new();
            render::text::attempt(&attempt, &mut out)?;
            ui::answer(&out)?;
        }
        Format::Json => ui::answer(&json::answer(status as u8, "attempt", &attempt)?)?,
    }
    Ok(status)
}
