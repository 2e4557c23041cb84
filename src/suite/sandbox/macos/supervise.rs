//! The supervisor on macOS: runs the jobs one after another, reads what they say, ends them in time, and kills whom it saw.

use std::io::{PipeReader, PipeWriter, Write as _, pipe};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, getpgrp, getppid};

use super::super::family::Family;
use super::super::launcher::SUBCOMMAND;
use super::super::lists::folders;
use super::super::seatbelt::{self, Lists};
use super::super::spec::{Answer, JobSpec, Spec, Text};
use super::inner::{START, STARTED};
use super::kill::kill_all;
use super::slot::Slot;
use super::{REPORT, sys};
use crate::suite::process::tick::Watch;
use crate::suite::process::{Capture, End, Finished, MAX_OUTPUT, MAX_REPORT, wait_readable};

/// What puts a profile around a program and becomes it.
const SANDBOX_EXEC: &str = "/usr/bin/sandbox-exec";

/// How often the list of processes is read while a job runs. Who leaves its parents in less time is not seen.
const LOOK: Duration = Duration::from_millis(20);

/// How long the sandbox may take to let a job begin, and its pipes to end.
const PATIENCE: Duration = Duration::from_secs(20);

const MAX_TROUBLE: usize = 64 << 10;

/// A job's first process.
struct Started {
    child: Child,
    pid: Pid,
    family: Family,
    streams: [Capture; 3],
    trouble: Capture,
}

/// Runs all jobs and writes an answer for each.
pub fn supervise(spec: &Spec, report: &mut Slot, trouble: &mut Slot) -> anyhow::Result<()> {
    let guard = getppid().filter(|pid| *pid != Pid::INIT);
    ensure!(guard.is_some(), "the guard is gone");
    for job in &spec.jobs {
        let mut started = start(spec, job, report, trouble)?;
        let begun = Instant::now();
        let end = watch(job, &mut started, guard);
        let time = begun.elapsed();
        // Whatever came of it, nobody whom we know is alive afterwards. Only then the first process is collected: until then its number,
        // and that of its group, are nobody else's.
        kill_all(&mut started.family)?;
        let status = started.child.wait().context("collect the job")?;
        let end = end?.unwrap_or_else(|| End::from(status));
        read_rest(&mut started.streams)?;
        let [stdout, stderr, report] = started.streams;
        let finished = Finished {
            end,
            truncated: stdout.truncated || stderr.truncated || report.truncated,
            stdout: stdout.bytes,
            stderr: stderr.bytes,
            report: report.bytes,
        };
        std::io::stdout().write_all(&Answer::encode(&finished, time)?)?;
    }
    std::io::stdout().flush()?;
    Ok(())
}

/// Waits for the end of the job, which is to be collected, or of its time.
fn watch(job: &JobSpec, started: &mut Started, guard: Option<Pid>) -> anyhow::Result<Option<End>> {
    await_program(started)?;
    let watch = Watch::new(started.pid)?;
    let deadline = Instant::now() + Duration::from_millis(job.timeout_ms);
    let mut next_look = Instant::now();
    loop {
        let now = Instant::now();
        if now >= deadline {
            return Ok(Some(End::TimedOut));
        }
        if now >= next_look {
            started.family.grow(&sys::processes()?);
            ensure!(getppid() == guard, "the guard is gone");
            next_look = Instant::now() + LOOK;
        }
        if watch.wait(&mut started.streams, deadline - now)? {
            return Ok(None);
        }
    }
}

/// Waits until the job's process is shut in and about to become the program: it says so itself, since an exit code could be anybody's.
fn await_program(started: &mut Started) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let Started {
        streams, trouble, ..
    } = started;
    while !trouble.is_closed() {
        let now = Instant::now();
        ensure!(now < deadline, "the sandbox does not let the job begin");
        wait_readable(std::slice::from_mut(trouble), &[], deadline - now)?;
    }
    let said = String::from_utf8_lossy(&trouble.bytes);
    match said.strip_prefix(STARTED) {
        Some("") => Ok(()),
        Some(err) => bail!("{err}"),
        None => {
            streams[1].drain()?;
            let reason = String::from_utf8_lossy(&streams[1].bytes);
            bail!("shut the job in: {said} {}", reason.trim())
        }
    }
}

fn read_rest(streams: &mut [Capture; 3]) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while streams.iter().any(|stream| !stream.is_closed()) {
        let now = Instant::now();
        ensure!(
            now < deadline,
            "somebody who was not seen to be of the job holds its pipes"
        );
        wait_readable(streams, &[], deadline - now)?;
    }
    Ok(())
}

fn start(
    spec: &Spec,
    job: &JobSpec,
    report: &mut Slot,
    trouble: &mut Slot,
) -> anyhow::Result<Started> {
    let (stdout, stdout_end) = pipe()?;
    let (stderr, stderr_end) = pipe()?;
    let (report_out, report_end) = pipe()?;
    let (trouble_out, trouble_end) = pipe()?;
    let capture = |pipe: PipeReader, limit| Capture::new(pipe.into(), limit);
    let streams = [
        capture(stdout, MAX_OUTPUT)?,
        capture(stderr, MAX_OUTPUT)?,
        capture(report_out, MAX_REPORT)?,
    ];
    let said = capture(trouble_out, MAX_TROUBLE)?;
    let outside = getpgrp().as_raw_nonzero().get();
    let mut command = command(spec, job)?;
    command.stdin(Stdio::null());
    command.stdout(stdout_end).stderr(stderr_end);
    let child = spawn(
        &mut command,
        job,
        (report, report_end),
        (trouble, trouble_end),
    )?;
    // It holds the writing ends of the streams, which would never end.
    drop(command);
    let pid = Pid::from_child(&child);
    Ok(Started {
        child,
        pid,
        family: Family::new(pid.as_raw_nonzero().get(), outside),
        streams,
        trouble: said,
    })
}

fn spawn(
    command: &mut Command,
    job: &JobSpec,
    (report, report_end): (&mut Slot, PipeWriter),
    (trouble, trouble_end): (&mut Slot, PipeWriter),
) -> anyhow::Result<Child> {
    if job.report {
        report.lend(&report_end)?;
    }
    trouble.lend(&trouble_end)?;
    let child = command.spawn();
    trouble.take_back()?;
    report.take_back()?;
    child.with_context(|| format!("start `{}`", command.get_program().display()))
}

/// The launcher's own program, which becomes the job's: in a profile where one is wanted.
fn command(spec: &Spec, job: &JobSpec) -> anyhow::Result<Command> {
    let launcher = std::env::current_exe().context("find the launcher")?;
    let launcher = launcher.canonicalize().context("find the launcher")?;
    let mut command = if spec.enforce.seatbelt {
        let profile = seatbelt::profile(&lists(spec, job, &launcher)?)?;
        let mut command = Command::new(SANDBOX_EXEC);
        command.arg("-p").arg(profile).arg(&launcher);
        command
    } else {
        Command::new(&launcher)
    };
    command.arg(SUBCOMMAND).arg(START).arg(job.dir.as_os_str());
    command.args(job.argv.iter().map(Text::as_os_str));
    command.env_clear().current_dir("/");
    for (name, value) in &job.env {
        command.env(name.as_os_str(), value.as_os_str());
    }
    let view = spec.root.as_path().join("view");
    command.env("HOME", view.join("home"));
    command.env("TMPDIR", view.join("tmp"));
    if job.report {
        command.env("KOAN_REPORT_FD", REPORT.to_string());
    }
    Ok(command)
}

/// The same lists as Landlock's, by real paths. What the system has not is left out; what the job was promised must be there.
fn lists(spec: &Spec, job: &JobSpec, launcher: &Path) -> anyhow::Result<Lists> {
    let real = |path: &Path| {
        path.canonicalize()
            .with_context(|| format!("resolve `{}`", path.display()))
    };
    let (written, only_read) = folders(spec, job);
    let shown = job.shown.iter().map(|(source, _)| source);
    let named = job.readable.iter().chain(shown).map(Text::as_path);
    let optional = seatbelt::SYSTEM.iter().map(Path::new).chain(named);
    let mut read: Vec<PathBuf> = Vec::new();
    for path in optional {
        match path.canonicalize() {
            Ok(path) => read.push(path),
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => {}
            Err(err) => return Err(err).with_context(|| format!("resolve `{}`", path.display())),
        }
    }
    read.push(launcher.to_owned());
    for path in &only_read {
        read.push(real(path)?);
    }
    read.sort();
    read.dedup();
    Ok(Lists {
        read,
        write: written
            .iter()
            .map(|path| real(path))
            .collect::<Result<_, _>>()?,
        network: spec.enforce.network,
    })
}
