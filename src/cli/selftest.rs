//! `selftest`.

use clap::Args;

use super::exit::ExitStatus;
use super::settings::{Format, today};
use super::ui;
use crate::check::trust;
use crate::git::Repo;
use crate::render::{json, selftest as text};
use crate::selftest;

/// Try shipped attacks and honest changes on the policy that judges, in memory
#[derive(Args, Debug)]
pub struct SelftestArgs {
    /// The trusted revision whose policy is tried (default: as for `check HEAD`)
    #[arg(long, visible_alias = "trusted-ref", value_name = "REV")]
    base: Option<String>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub fn selftest(args: SelftestArgs) -> anyhow::Result<ExitStatus> {
    let repo = Repo::discover()?;
    let tip = trust::tip(&repo, args.base.as_deref())?;
    let (trusted, policy) = trust::policy(&repo, tip.as_ref(), repo.head_id()?)?;
    let selftest = selftest::run(&repo, &trusted, &policy, today())?;
    let status = match selftest.n_passed() {
        0 => ExitStatus::Accepted,
        _ => ExitStatus::Refused,
    };
    match args.format {
        Format::Text => {
            let mut out = String::new();
            text::text(&selftest, &mut out)?;
            ui::answer(&out)?;
        }
        Format::Json => ui::answer(&json::answer(status as u8, "selftest", &selftest)?)?,
    }
    Ok(status)
}
