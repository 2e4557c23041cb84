//! `triage`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::demo::time_of;
use super::exit::ExitStatus;
use super::settings::{Format, JudgeArgs, LaneArg, RunArgs, settings};
use super::ui;
use crate::change::shown;
use crate::check::{Place, trust};
use crate::extract::{self, Asked};
use crate::git::Repo;
use crate::policy::{self, Policy, agents};
use crate::publish::{self, Published};
use crate::render::{digest, json, triage as render, verify as render_verify};
use crate::sync::Remote;
use crate::tracker::{Hand, LEASE, Outcome, Tracker, Wish};
use crate::triage::Outcome as TriageOutcome;
use crate::triage::fold::Word;
use crate::usage::UsageError;
use crate::verify;

/// Say what is known of issues, and who is on them
#[derive(Args, Debug)]
pub struct TriageArgs {
    #[command(subcommand)]
    command: TriageCommand,
}

#[derive(Subcommand, Debug)]
enum TriageCommand {
    /// List issues, those that hurt most first
    List {
        /// Those too that are fixed or ignored
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        reading: Reading,
    },
    /// Show everything that is known of an issue
    Show(OneArgs),
    /// Show what was done about an issue, line by line
    Log(OneArgs),
    /// Read the sources and explain an error's rank, term by term, and whether an agent may try it
    Explain {
        /// An error by its fingerprint, or the beginning of one
        issue: String,
        /// Judge ages as of this time (RFC 3339; default: now)
        #[arg(long, value_name = "TIME")]
        now: Option<String>,
        /// The trusted revision whose policy names the sources
        #[arg(long, visible_alias = "trusted-ref", value_name = "REV")]
        base: Option<String>,
    },
    /// Say which fixes hold in production, by what should have been seen, which came back or moved, and which cannot be told yet
    ///
    /// An error that came back is open again, and the note of its fix is marked. Exit 1: one came back or moved.
    Verify {
        /// Write nothing
        #[arg(long)]
        dry_run: bool,
        /// Errors since this time, or of so long (RFC 3339, `28d`, `12h`; default: 28 days)
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// Judge ages as of this time (RFC 3339; default: now)
        #[arg(long, value_name = "TIME")]
        now: Option<String>,
        #[command(flatten)]
        reading: Reading,
    },
    /// Tell the server of errors that the policy names which commit fixed an error, and resolve it there
    Publish {
        /// An error by its fingerprint, or the beginning of one
        issue: String,
        /// Judge ages as of this time (RFC 3339; default: now)
        #[arg(long, value_name = "TIME")]
        now: Option<String>,
        /// The trusted revision whose policy names the sources
        #[arg(long, visible_alias = "trusted-ref", value_name = "REV")]
        base: Option<String>,
    },
    /// Say, as a person, that an issue is worth a fix
    Confirm {
        #[command(flatten)]
        deciding: Deciding,
        /// Why
        #[arg(long, value_name = "TEXT")]
        because: Option<String>,
    },
    /// Say, as a person, that nobody shall act on an issue
    Ignore {
        #[command(flatten)]
        deciding: Deciding,
        /// Why
        #[arg(long, value_name = "TEXT")]
        because: String,
        /// The last day of it, in UTC (`2027-01-31`; default: for good)
        #[arg(long, value_name = "DATE")]
        until: Option<Date>,
    },
    /// Take an issue for a while, so that nobody else works on it
    Claim {
        #[command(flatten)]
        taking: Taking,
        /// For so long (`30m`, `2h`; at most a day)
        #[arg(long = "for", value_name = "TIME", value_parser = policy::duration)]
        length: Option<Duration>,
    },
    /// Give back a claim that was made in this clone
    Release {
        #[command(flatten)]
        taking: Taking,
        /// Why
        #[arg(long, value_name = "TEXT")]
        because: Option<String>,
        /// A person's key, to release what was claimed elsewhere
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Say, as a person, that an issue is neither fixed nor ignored any more
    Reopen {
        #[command(flatten)]
        deciding: Deciding,
        /// Why
        #[arg(long, value_name = "TEXT")]
        because: Option<String>,
    },
}

#[derive(Args, Debug)]
struct Reading {
    /// The trusted revision that says whose signatures count
    #[arg(long, visible_alias = "trusted-ref", value_name = "REV")]
    base: Option<String>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Args, Debug)]
struct OneArgs {
    /// An issue by its fingerprint, or the beginning of one
    issue: String,
    #[command(flatten)]
    reading: Reading,
}

#[derive(Args, Debug)]
struct Deciding {
    #[command(flatten)]
    one: OneArgs,
    /// Your private key, or the public one whose private half your SSH agent holds (default: `koan.approveKey`)
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct Taking {
    #[command(flatten)]
    one: OneArgs,
    /// Leave the remote out: other clones learn of it by the next `sync`
    #[arg(long, conflicts_with = "remote")]
    local: bool,
    /// Where it is won or lost (default: `koan.syncRemote`, else `origin`, else the only one)
    #[arg(long, value_name = "REMOTE")]
    remote: Option<String>,
}

pub fn triage(args: TriageArgs) -> anyhow::Result<ExitStatus> {
    match args.command {
        TriageCommand::List { all, reading } => list(all, &reading),
        TriageCommand::Show(args) => show(&args),
        TriageCommand::Log(args) => log(&args),
        TriageCommand::Explain { issue, now, base } => explain(&issue, now, base),
        TriageCommand::Verify {
            dry_run,
            since,
            now,
            reading,
        } => verify(dry_run, since, now, reading),
        TriageCommand::Publish { issue, now, base } => publish(&issue, now, base),
        TriageCommand::Confirm { deciding, because } => decide(deciding, Wish::Confirm { because }),
        TriageCommand::Ignore {
            deciding,
            because,
            until,
        } => {
            let until = until.map(end_of).transpose()?;
            decide(deciding, Wish::Ignore { because, until })
        }
        TriageCommand::Reopen { deciding, because } => decide(deciding, Wish::Reopen { because }),
        TriageCommand::Claim { taking, length } => {
            let length = match length {
                Some(length) => SignedDuration::try_from(length)?,
                None => LEASE,
            };
            take(taking, None, &Wish::Claim { length })
        }
        TriageCommand::Release {
            taking,
            because,
            key,
        } => take(taking, key, &Wish::Release { because }),
    }
}

fn list(all: bool, reading: &Reading) -> anyhow::Result<ExitStatus> {
    let repo = Repo::discover()?;
    let tracker = Tracker::open(&repo, reading.base.as_deref(), Timestamp::now())?;
    let (entries, listing) = tracker.list()?;
    let is_undecided = !listing.foreign.is_empty()
        || entries
            .iter()
            .any(|entry| entry.record.word(tracker.now) == Word::Undecided);
    let status = status_of(is_undecided);
    let mut out = String::new();
    match reading.format {
        Format::Text => {
            render::list(&entries, &listing.foreign, (tracker.now, all), &mut out)?;
        }
        Format::Json => {
            let value = render::json_list(&entries, &listing.foreign, tracker.now);
            out = json::answer(status as u8, "triage", &value)?;
        }
    }
    ui::answer(&out)?;
    Ok(status)
}

fn show(args: &OneArgs) -> anyhow::Result<ExitStatus> {
    let repo = Repo::discover()?;
    let tracker = Tracker::open(&repo, args.reading.base.as_deref(), Timestamp::now())?;
    let (_, entry) = tracker.show(&tracker.issue(&args.issue)?)?;
    let status = status_of(!entry.record.problems.is_empty());
    let mut out = String::new();
    match args.reading.format {
        Format::Text => render::show(&entry, tracker.now, &mut out)?,
        Format::Json => {
            out = json::answer(status as u8, "issue", &render::json(&entry, tracker.now))?;
        }
    }
    ui::answer(&out)?;
    Ok(status)
}

fn explain(name: &str, now: Option<String>, base: Option<String>) -> anyhow::Result<ExitStatus> {
    let repo = Repo::discover()?;
    let policy = policy_of(&repo, base)?;
    let now = match now {
        Some(time) => time_of(&time, Timestamp::now())?,
        None => Timestamp::now(),
    };
    let ranked = extract::digest(&repo, &policy, &Asked::recent(now))?.find(name)?;
    ui::answer(&digest::explain(&ranked))?;
    Ok(ExitStatus::Accepted)
}

fn publish(name: &str, now: Option<String>, base: Option<String>) -> anyhow::Result<ExitStatus> {
    let repo = Repo::discover()?;
    let policy = policy_of(&repo, base)?;
    let now = match now {
        Some(time) => time_of(&time, Timestamp::now())?,
        None => Timestamp::now(),
    };
    let (issue, published) = publish::publish(&repo, &policy, &Asked::recent(now), name)?;
    let (status, said) = match published {
        Published::Resolved { fix, ids } => {
            let fix = shown(fix.as_bytes());
            let said = format!(
                "resolved: {issue}, {} of the server's, by {fix}\n",
                ids.len()
            );
            (ExitStatus::Accepted, said)
        }
        Published::NotFixed => {
            let said =
                format!("not resolved: {issue}: no fix is known that holds; see `triage verify`\n");
            (ExitStatus::Refused, said)
        }
    };
    ui::answer(&said)?;
    Ok(status)
}

fn verify(
    dry_run: bool,
    since: Option<String>,
    now: Option<String>,
    reading: Reading,
) -> anyhow::Result<ExitStatus> {
    let repo = Repo::discover()?;
    let policy = policy_of(&repo, reading.base)?;
    let now = match now {
        Some(time) => time_of(&time, Timestamp::now())?,
        None => Timestamp::now(),
    };
    let asked = Asked {
        since: since.map(|time| time_of(&time, now)).transpose()?,
        ..Asked::recent(now)
    };
    let verified = verify::verify(&repo, &policy, &asked)?;
    if !dry_run {
        verify::record(&repo, &verified, Timestamp::now())?;
    }
    let is_bad = |outcome: &TriageOutcome| {
        matches!(
            outcome,
            TriageOutcome::Regressed { .. } | TriageOutcome::Moved { .. }
        )
    };
    let status = match verified.iter().any(|one| is_bad(&one.outcome)) {
        true => ExitStatus::Refused,
        false => ExitStatus::Accepted,
    };
    let mut out = String::new();
    match reading.format {
        Format::Text => render_verify::text(&verified, &mut out)?,
        Format::Json => out = json::answer(status as u8, "fixes", &render_verify::json(&verified))?,
    }
    ui::answer(&out)?;
    Ok(status)
}

/// The policy of the trusted revision.
pub(super) fn policy_of(repo: &Repo, base: Option<String>) -> anyhow::Result<Policy> {
    let judge = JudgeArgs {
        lane: LaneArg::Auto,
        base,
        pusher: None,
        issues: None,
    };
    let settings = settings(repo, &judge, &RunArgs::default(), Place::Check)?;
    let (_, policy) = trust::policy(repo, settings.trusted_tip.as_ref(), repo.head_id()?)?;
    Ok(policy)
}

fn log(args: &OneArgs) -> anyhow::Result<ExitStatus> {
    let repo = Repo::discover()?;
    let tracker = Tracker::open(&repo, args.reading.base.as_deref(), Timestamp::now())?;
    let (bytes, entry) = tracker.show(&tracker.issue(&args.issue)?)?;
    let status = status_of(!entry.record.problems.is_empty());
    let mut out = String::new();
    match args.reading.format {
        Format::Text => render::log(&bytes, &entry.record, &mut out)?,
        Format::Json => {
            let value = render::json_log(&bytes, &entry.record);
            out = json::answer(status as u8, "log", &value)?;
        }
    }
    ui::answer(&out)?;
    Ok(status)
}

/// A person's word. It is written here, and others learn of it by `sync`.
fn decide(args: Deciding, wish: Wish) -> anyhow::Result<ExitStatus> {
    let environment =
        |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    if let Some(mark) = agents::in_environment(environment) {
        return Err(UsageError::with_hint(
            format!("the environment bears the mark of an agent ({mark}), and a person decides"),
            "run this in a terminal of your own",
        )
        .into());
    }
    let repo = Repo::discover()?;
    let key = args
        .key
        .or_else(|| repo.config("koan.approveKey").map(PathBuf::from));
    if key.is_none() {
        ui::say(
            "not signed, so it is worth what anybody's word is worth: name your key with `--key`, or `git config --global koan.approveKey FILE`",
        );
    }
    act(&repo, &args.one, key, None, &wish)
}

fn take(args: Taking, key: Option<PathBuf>, wish: &Wish) -> anyhow::Result<ExitStatus> {
    let repo = Repo::discover()?;
    let remote = if args.local {
        None
    } else {
        Remote::find(&repo, args.remote.as_deref())?
    };
    act(&repo, &args.one, key, remote.as_ref(), wish)
}

fn act(
    repo: &Repo,
    args: &OneArgs,
    key: Option<PathBuf>,
    remote: Option<&Remote>,
    wish: &Wish,
) -> anyhow::Result<ExitStatus> {
    let tracker = Tracker::open(repo, args.reading.base.as_deref(), Timestamp::now())?;
    let issue = tracker.issue(&args.issue)?;
    let key = key.map(std::path::absolute).transpose()?;
    let hand = Hand {
        key: key.as_deref(),
        remote,
    };
    let outcome = tracker.act(&issue, wish, &hand)?;
    let kind = wish.kind();
    let status = match &outcome {
        Outcome::Done(_) => ExitStatus::Accepted,
        Outcome::Refused(_) => ExitStatus::Refused,
    };
    let mut out = String::new();
    match (&outcome, args.reading.format) {
        (Outcome::Done(entry), Format::Text) => {
            render::done(kind, entry, tracker.now, &mut out)?;
        }
        (Outcome::Done(entry), Format::Json) => {
            let value = render::json(entry, tracker.now);
            out = json::answer(status as u8, "issue", &value)?;
        }
        (Outcome::Refused(refusal), Format::Text) => {
            out = render::refusal(kind, issue.as_str(), refusal, tracker.now);
        }
        (Outcome::Refused(refusal), Format::Json) => {
            let why = render::refusal(kind, issue.as_str(), refusal, tracker.now);
            out = json::answer(status as u8, "refused", &why.trim_end())?;
        }
    }
    ui::answer(&out)?;
    Ok(status)
}

fn status_of(is_undecided: bool) -> ExitStatus {
    if is_undecided {
        ExitStatus::Undecided
    } else {
        ExitStatus::Accepted
    }
}

/// The first instant after a day.
fn end_of(day: Date) -> anyhow::Result<Timestamp> {
    Ok(day.tomorrow()?.to_zoned(TimeZone::UTC)?.timestamp())
}
