//! `brief`.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;

use super::demo::time_of;
use super::exit::ExitStatus;
use super::triage::policy_of;
use super::ui;
use crate::brief;
use crate::extract::{self, Asked};
use crate::git::Repo;
use crate::render;
use crate::usage::UsageError;

/// Make one task of one production error: where it crashed, where a fix may go, and what will judge it
#[derive(Args, Debug)]
pub struct BriefArgs {
    /// The error's fingerprint, as `extract` shows it, or its beginning
    #[arg(value_name = "ISSUE")]
    issue: String,
    /// Write it to a file: what `check --brief FILE` then puts into the fix's note
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// At most about so many tokens
    #[arg(long, value_name = "N", default_value_t = 4_000)]
    tokens: usize,
    /// Judge ages as of this time (RFC 3339; default: now)
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
    /// The trusted revision whose policy names the sources
    #[arg(long, value_name = "REV")]
    base: Option<String>,
}

pub fn brief(args: BriefArgs) -> anyhow::Result<ExitStatus> {
    let repo = Repo::discover()?;
    let policy = policy_of(&repo, args.base)?;
    let now = match args.now {
        Some(time) => time_of(&time, Timestamp::now())?,
        None => Timestamp::now(),
    };
    let found = brief::of(&repo, &policy, &Asked::recent(now), &args.issue)?;
    let text = render::brief::markdown(
        &found,
        args.tokens,
        (&extract::new_run_id()?, render::brief::Committer::Reader),
    )?;
    match &args.output {
        Some(path) => fs::write(path, &text)
            .map_err(|err| UsageError::new(format!("write `{}`: {err}", path.display())))?,
        None => ui::answer(&text)?,
    }
    let hash = render::digest::hash(&text);
    ui::say(&format!(
        "brief `{hash}`: with `check --brief FILE` it stands in the note of the fix"
    ));
    Ok(ExitStatus::Accepted)
}
