//! `doctor`.

use anyhow::Context as _;
use clap::Args;

use super::exit::ExitStatus;
use super::settings::Format;
use super::ui;
use crate::doctor::{self, Machine};
use crate::git::Repo;
use crate::render::{doctor as text, json};
use crate::suite::sandbox::Sandbox;

/// Look for each way in which the guard is off without a word, and say how to mend it
#[derive(Args, Debug)]
pub struct DoctorArgs {
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub fn doctor(args: DoctorArgs) -> anyhow::Result<ExitStatus> {
    let repo = Repo::discover()?;
    let machine = Machine {
        binary: std::env::current_exe().context("find this program's own path")?,
        variables: std::env::vars_os().collect(),
        home: std::env::home_dir(),
        sandbox: Sandbox::probe(),
        git: None,
    };
    let health = doctor::examine(&repo, &machine)?;
    let status = match health.findings.is_empty() {
        true => ExitStatus::Accepted,
        false => ExitStatus::Refused,
    };
    match args.format {
        Format::Text => {
            let mut out = String::new();
            text::text(&health, &mut out)?;
            ui::answer(&out)?;
        }
        Format::Json => ui::answer(&json::answer(status as u8, "doctor", &health)?)?,
    }
    Ok(status)
}
