//! `check` and `prove`.

use clap::Args;

use super::exit::ExitStatus;
use super::settings::{Format, JudgeArgs, RunArgs, settings};
use super::ui::{self, Ticker};
use crate::attestation::{Statement, ledger};
use crate::check::range::{self, Asked, RangeJudgement};
use crate::check::{self, Judgement, Next, Place, Settings};
use crate::git::Repo;
use crate::hook;
use crate::perimeter::shown_subject;
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
    let settings = settings(&repo, &args.judge, &args.run, Place::Check)?;
    let ticker = Ticker::new();
    if args.staged {
        let mut tick = |progress| ticker.tick("staged", progress);
        let judgement =
            check::staged(&repo, &settings, Next::default())?.judge(&repo, &settings, &mut tick)?;
        drop(ticker);
        say_kept(judgement.iter().map(|judgement| &judgement.traces));
        return answer_one(&args, judgement.as_ref(), "what is staged");
    }
    match range::asked(&repo, &settings, args.range.as_deref())? {
        Asked::Commit(id) => {
            let name = check::trust::short(id);
            let mut tick = |progress| ticker.tick(&name, progress);
            let judgement = check::commit(&repo, &settings, id, &mut tick)?;
            drop(ticker);
            say_kept(judgement.iter().map(|judgement| &judgement.traces));
            if let (Some(judgement), false) = (&judgement, args.no_note) {
                note(&repo, judgement)?;
            }
            answer_one(&args, judgement.as_ref(), &name)
        }
        Asked::Range { from, to, branch } => {
            let mut tick = |name: &str, progress| ticker.tick(name, progress);
            let range = range::check(&repo, &settings, (from, to), branch.as_deref(), &mut tick)?;
            drop(ticker);
            say_kept(range.all().map(|judgement| &judgement.traces));
            if !args.no_note {
                range
                    .commits
                    .iter()
                    .try_for_each(|judgement| note(&repo, judgement))?;
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

/// Leaves the trace of an accepted commit.
fn note(repo: &Repo, judgement: &Judgement) -> anyhow::Result<()> {
    let Some(id) = &judgement.commit else {
        return Ok(());
    };
    let commit = repo.commit(gix::ObjectId::from_hex(id.as_bytes())?)?;
    let Some(predicate) = judgement.predicate(Place::Check, hook::issue_of(&commit))? else {
        return Ok(());
    };
    let subject = shown_subject(&commit.message);
    ledger::record(
        repo,
        commit.id,
        &Statement::about(id, &judgement.tree, &subject, predicate),
    )
}

pub fn prove(args: ProveArgs) -> anyhow::Result<ExitStatus> {
    let repo = Repo::discover()?;
    let settings: Settings = settings(&repo, &args.judge, &args.run, Place::Check)?;
    let ticker = Ticker::new();
    let Asked::Commit(id) = range::asked(&repo, &settings, Some(&args.revision))? else {
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
