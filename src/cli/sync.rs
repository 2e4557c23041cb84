//! `sync`.

use clap::Args;

use super::exit::ExitStatus;
use super::settings::Format;
use super::ui;
use crate::git::Repo;
use crate::render::{json, triage as render};
use crate::sync::{self, Remote};
use crate::usage::UsageError;

/// Exchange notes and triage state with a remote; nothing is lost on either side
#[derive(Args, Debug)]
pub struct SyncArgs {
    /// One of the repository's remotes (default: `koan.syncRemote`, else `origin`, else the only one)
    #[arg(value_name = "REMOTE")]
    remote: Option<String>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub fn sync(args: SyncArgs) -> anyhow::Result<ExitStatus> {
    let repo = Repo::discover()?;
    let remote = Remote::find(&repo, args.remote.as_deref())?.ok_or_else(|| {
        UsageError::with_hint(
            "this repository has no remote",
            "add one: `git remote add origin URL`",
        )
    })?;
    let exchanges = sync::sync(&repo, &remote)?;
    let is_closed = exchanges.iter().any(|exchange| exchange.closed.is_some());
    let status = if is_closed {
        ExitStatus::Refused
    } else {
        ExitStatus::Accepted
    };
    let mut out = String::new();
    match args.format {
        Format::Text => render::exchanges(&remote.name, &exchanges, &mut out)?,
        Format::Json => out = json::answer(status as u8, "sync", &exchanges)?,
    }
    ui::answer(&out)?;
    Ok(status)
}
