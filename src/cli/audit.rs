//! `audit`.

use clap::Args;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::exit::ExitStatus;
use super::settings::{Format, JudgeArgs, LaneArg, RunArgs, settings_for};
use super::ui::{self, Ticker};
use crate::audit::{self, Question, Replay};
use crate::check::{Settings, approvals, refusal, trust};
use crate::git::{Repo, Revision};
use crate::render::{audit as text, json};
use crate::usage::UsageError;

/// List past fixes from their notes, and guarded commits that have none
#[derive(Args, Debug)]
pub struct AuditArgs {
    /// A revision or `A..B` (default: all of `HEAD`)
    #[arg(value_name = "RANGE")]
    range: Option<String>,
    /// Believe only statements that a key of `.koan-guard/allowed_signers` on the trusted ref signed
    #[arg(long, conflicts_with_all = ["reattach", "replay"])]
    verify: bool,
    /// Put statements whose commits were rewritten beside the commits that took their place, by tree and by patch id
    #[arg(long, conflicts_with = "replay")]
    reattach: bool,
    /// List what was refused and kept (`check --keep-refused`), and which rules refused most often
    #[arg(long, conflicts_with_all = ["verify", "reattach", "replay", "range"])]
    refused: bool,
    /// Run the proofs again, and state anew what agrees
    #[arg(long)]
    replay: bool,
    /// With `--replay`: write no note
    #[arg(long, requires = "replay")]
    no_note: bool,
    /// Leave out what is older than this day (`2026-01-31`, in UTC)
    #[arg(long, value_name = "DATE")]
    since: Option<Date>,
    /// The trusted revision whose policy says which commits are guarded
    #[arg(long, visible_alias = "trusted-ref", value_name = "REV")]
    base: Option<String>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    run: RunArgs,
}

pub fn audit(args: AuditArgs) -> anyhow::Result<ExitStatus> {
    let repo = Repo::discover()?;
    if args.refused {
        return refused(&args, &repo);
    }
    let lane = match args.replay {
        true => LaneArg::Repair,
        false => LaneArg::Auto,
    };
    let judge = JudgeArgs {
        lane,
        base: args.base.clone(),
        pusher: None,
        issues: None,
    };
    let spec = args.range.as_deref();
    let (settings, branch) = settings_for(&repo, &judge, &args.run, spec)?;
    let head_id = repo.head_id()?;
    let (from, to) = match spec.map(|spec| repo.parse(spec)).transpose()? {
        Some(Revision::Range { from, to }) => (Some(from), to),
        Some(Revision::Commit(to)) => (None, to),
        None => {
            let no_commit = || UsageError::new("there is no commit yet");
            (None, head_id.ok_or_else(no_commit)?)
        }
    };
    let (trusted, policy) = trust::policy(&repo, settings.trusted_tip.as_ref(), Some(to))?;
    let signers = approvals::signers(&repo, &settings, &trusted)?;
    let since = args.since.map(|day| day.to_zoned(TimeZone::UTC));
    let question = Question {
        policy: &policy,
        signers: &signers,
        from,
        to,
        branch: branch.as_deref(),
        since: since.transpose()?.map(|day| day.timestamp().as_second()),
        verifies: args.verify,
        trusted_tip: settings.trusted_tip.as_ref(),
    };
    if args.reattach {
        return reattach(&args, &repo, &question);
    }
    let audit = audit::audit(&repo, &question)?;
    if args.replay {
        return replay(&args, &repo, &settings, &audit);
    }
    let status = if audit.n_unproved() == 0 {
        ExitStatus::Accepted
    } else {
        ExitStatus::Refused
    };
    match args.format {
        Format::Text => {
            let mut out = String::new();
            text::audit(&audit, &mut out)?;
            ui::answer(&out)?;
        }
        Format::Json => ui::answer(&json::answer(status as u8, "audit", &audit)?)?,
    }
    Ok(status)
}

fn refused(args: &AuditArgs, repo: &Repo) -> anyhow::Result<ExitStatus> {
    let kept = refusal::kept(repo)?;
    let status = ExitStatus::Accepted;
    match args.format {
        Format::Text => {
            let mut out = String::new();
            text::refused(&kept, &mut out)?;
            ui::answer(&out)?;
        }
        Format::Json => ui::answer(&json::answer(status as u8, "refused", &kept)?)?,
    }
    Ok(status)
}

fn reattach(args: &AuditArgs, repo: &Repo, question: &Question) -> anyhow::Result<ExitStatus> {
    let found = audit::reattach(repo, question)?;
    let status = ExitStatus::Accepted;
    match args.format {
        Format::Text => {
            let mut out = String::new();
            text::reattached(&found, &mut out)?;
            ui::answer(&out)?;
        }
        Format::Json => ui::answer(&json::answer(status as u8, "reattached", &found)?)?,
    }
    Ok(status)
}

fn replay(
    args: &AuditArgs,
    repo: &Repo,
    settings: &Settings,
    audit: &audit::Audit,
) -> anyhow::Result<ExitStatus> {
    let ticker = Ticker::new();
    let mut tick = |name: &str, progress| ticker.tick(name, progress);
    let all = audit::replay(repo, settings, audit, !args.no_note, &mut tick)?;
    drop(ticker);
    let any = |word: fn(&Replay) -> bool| all.iter().any(|replayed| word(&replayed.replay));
    let status =
        if any(|replay| matches!(replay, Replay::OtherTests { .. } | Replay::Refused { .. })) {
            ExitStatus::Refused
        } else if any(|replay| matches!(replay, Replay::CannotRun { .. })) {
            ExitStatus::Undecided
        } else {
            ExitStatus::Accepted
        };
    match args.format {
        Format::Text => {
            let mut out = String::new();
            text::replayed(&all, &mut out)?;
            ui::answer(&out)?;
        }
        Format::Json => ui::answer(&json::answer(status as u8, "replayed", &all)?)?,
    }
    Ok(status)
}
