//! The command line: the only place that knows clap, streams, and exit codes.

mod approve;
mod audit;
mod backtest;
mod brief;
mod check;
mod demo;
mod doctor;
mod exit;
mod gc;
mod hook;
mod install;
mod policy;
mod run;
mod selftest;
mod settings;
mod sync;
mod triage;
mod ui;

use std::ffi::OsString;
use std::panic::{self, AssertUnwindSafe};

use clap::{Parser, Subcommand};

pub use exit::ExitStatus;

use crate::usage::UsageError;

/// Let an agent's fix into git only inside a perimeter, and with a test that failed before it
#[derive(Parser)]
#[command(name = "koan-guard", version, max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

/// The program as hooks call it: to know all other commands takes longer than to read this one.
#[derive(Parser)]
#[command(name = "koan-guard")]
struct ArgsOfHook {
    #[command(subcommand)]
    command: CommandOfHook,
}

#[derive(Subcommand)]
enum CommandOfHook {
    Hook(hook::HookArgs),
}

#[derive(Subcommand)]
enum Command {
    Init(install::InitArgs),
    Install(install::InstallArgs),
    Uninstall(install::UninstallArgs),
    Check(check::CheckArgs),
    Prove(check::ProveArgs),
    Approve(approve::ApproveArgs),
    Audit(audit::AuditArgs),
    Backtest(backtest::BacktestArgs),
    Policy(policy::PolicyArgs),
    Selftest(selftest::SelftestArgs),
    Extract(demo::ExtractArgs),
    Triage(triage::TriageArgs),
    Sync(sync::SyncArgs),
    Brief(brief::BriefArgs),
    Run(Box<run::RunCommandArgs>),
    Demo(demo::DemoArgs),
    Doctor(doctor::DoctorArgs),
    Hook(hook::HookArgs),
    Gc(gc::GcArgs),
}

/// Runs the program. A panic is a doubt like any other.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitStatus {
    let args: Vec<OsString> = args.into_iter().collect();
    match panic::catch_unwind(AssertUnwindSafe(|| run(args))) {
        Ok(status) => status,
        Err(_) => {
            ui::say("error: koan-guard itself failed: nothing was decided");
            ExitStatus::Undecided
        }
    }
}

fn run(args: Vec<OsString>) -> ExitStatus {
    let command = match command(args) {
        Ok(command) => command,
        Err(err) => return clap_answer(&err),
    };
    let outcome = match command {
        Command::Init(args) => install::init(args),
        Command::Install(args) => install::install(args),
        Command::Uninstall(args) => install::uninstall(args),
        Command::Check(args) => check::check(args),
        Command::Prove(args) => check::prove(args),
        Command::Approve(args) => approve::approve(args),
        Command::Audit(args) => audit::audit(args),
        Command::Backtest(args) => backtest::backtest(args),
        Command::Policy(args) => policy::policy(args),
        Command::Selftest(args) => selftest::selftest(args),
        Command::Extract(args) => demo::extract(args),
        Command::Triage(args) => triage::triage(args),
        Command::Sync(args) => sync::sync(args),
        Command::Brief(args) => brief::brief(args),
        Command::Run(args) => run::run(*args),
        Command::Demo(args) => demo::demo(args),
        Command::Doctor(args) => doctor::doctor(args),
        Command::Hook(args) => hook::hook(args),
        Command::Gc(args) => gc::gc(args),
    };
    outcome.unwrap_or_else(|err| {
        explain(&err);
        ExitStatus::of_error(&err)
    })
}

/// What cannot be read as a hook is read as any other command, so that help and errors know them all.
fn command(args: Vec<OsString>) -> Result<Command, clap::Error> {
    let is_hook = args.get(1).is_some_and(|name| name == "hook");
    let hook = is_hook.then(|| ArgsOfHook::try_parse_from(&args));
    if let Some(Ok(ArgsOfHook { command })) = hook {
        let CommandOfHook::Hook(args) = command;
        return Ok(Command::Hook(args));
    }
    Args::try_parse_from(args).map(|args| args.command)
}

/// Help and version are answers; anything else that clap says is a wrong command line.
fn clap_answer(err: &clap::Error) -> ExitStatus {
    let is_answer = !err.use_stderr();
    let text = err.render().ansi().to_string();
    let text = anstream::adapter::strip_str(&text).to_string();
    if !is_answer {
        ui::say(text.trim_end());
        return ExitStatus::Usage;
    }
    match ui::answer(&text) {
        Ok(()) => ExitStatus::Accepted,
        Err(_) => ExitStatus::Undecided,
    }
}

fn explain(err: &anyhow::Error) {
    let chain: Vec<String> = err
        .chain()
        .map(|cause| crate::change::shown(cause.to_string().as_bytes()))
        .collect();
    ui::say(&format!("error: {}", chain.join(": ")));
    if let Some(hint) = err
        .downcast_ref::<UsageError>()
        .and_then(|usage| usage.hint.as_ref())
    {
        ui::say(&format!("hint: {hint}"));
    }
}
