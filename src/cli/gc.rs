//! `gc`.

use std::time::{Duration, SystemTime};

use clap::Args;

use super::exit::ExitStatus;
use super::settings::{Format, cache_dir};
use super::ui;
use crate::render::{areas, json};
use crate::suite::area::sweep::{Limits, sweep};

/// Remove work areas that nobody used for long
#[derive(Args, Debug)]
pub struct GcArgs {
    /// Keep what was used within so many days
    #[arg(long, value_name = "N", default_value_t = 30)]
    days: u32,
    /// Of that, keep at most so many GiB: the longest unused work areas go first
    #[arg(long, value_name = "N", default_value_t = 20)]
    gib: u32,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub fn gc(args: GcArgs) -> anyhow::Result<ExitStatus> {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let limits = Limits {
        max_age: DAY * args.days,
        max_bytes: u64::from(args.gib) << 30,
    };
    let swept = sweep(&cache_dir()?, limits, SystemTime::now(), args.dry_run)?;
    match args.format {
        Format::Text => ui::answer(&areas::areas(&swept, args.dry_run)),
        Format::Json => ui::answer(&json::answer(0, "areas", &swept)?),
    }?;
    Ok(ExitStatus::Accepted)
}
