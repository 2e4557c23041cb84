//! The supervisor: runs the jobs one after another, reads what they say, ends them in time, and leaves nobody alive.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::event::PollFlags;
use rustix::io::{DupFlags, FdFlags, dup3};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitStatus, pidfd_open, set_parent_process_death_signal,
};

pub use super::kill::Reach;
use super::kill::{Reaped, kill_all, reap};
use super::services::{self, Logs, Running};
use super::spec::{Answer, JobSpec, Spec, View};
use super::sys::{self, Fork};
use super::{confine, layers, root};
use crate::suite::process::{Capture, End, Finished, MAX_OUTPUT, MAX_REPORT, wait_readable};

/// How often orphans are collected while a job runs.
const TICK: Duration = Duration::from_millis(500);

/// In bytes. A job that leaves the disk less than this is ended, where there was twice as much when it began: others need it too.
const KEPT_FREE: u64 = 512 << 20;

/// The reading ends of a job's pipes.
struct Started {
    pid: Pid,
    streams: [Capture; 3],
    services: Running,
}

/// Runs all jobs and writes an answer for each. `report` is the number that the jobs report over.
pub fn supervise(spec: &Spec, reach: Reach, report: &mut OwnedFd) -> anyhow::Result<()> {
    let filters = match spec.enforce.seccomp {
        true => confine::filters(spec.enforce)?,
        false => Vec::new(),
    };
    let guard = std::io::stdout().as_fd().try_clone_to_owned()?;
    let mut answers = File::from(guard.try_clone()?);
    let area = match spec.view {
        View::Folders { .. } => spec.root.as_path(),
        _ => Path::new(root::AREA),
    };
    let disk = File::open(area).context("open the work area")?;
    for job in &spec.jobs {
        let logs = Logs::new(spec)?;
        let Started {
            pid,
            mut streams,
            services,
        } = start(spec, job, &filters, &logs, report)?;
        let begun = Instant::now();
        let end = watch((&disk, job), pid, &mut streams, guard.as_fd());
        let time = begun.elapsed();
        let served = services.check(spec, &logs);
        // Whatever came of it, nobody is alive afterwards, and so the pipes end.
        kill_all(reach)?;
        let end = end?;
        served?;
        read_rest(&mut streams)?;
        let [stdout, stderr, report] = streams;
        let finished = Finished {
            end,
            truncated: stdout.truncated || stderr.truncated || report.truncated,
            stdout: stdout.bytes,
            stderr: stderr.bytes,
            report: report.bytes,
        };
        answers.write_all(&Answer::encode(&finished, time)?)?;
    }
    Ok(())
}

/// Waits for the end of the job or of its time. `disk` is the folder of all that it writes and that stays.
fn watch(
    (disk, job): (&File, &JobSpec),
    pid: Pid,
    streams: &mut [Capture; 3],
    guard: BorrowedFd<'_>,
) -> anyhow::Result<End> {
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).context("watch the job")?;
    let deadline = Instant::now() + Duration::from_millis(job.timeout_ms);
    let is_roomy = n_free(disk)? >= 2 * KEPT_FREE;
    loop {
        let now = Instant::now();
        if now >= deadline {
            return Ok(End::TimedOut);
        }
        ensure!(
            !is_roomy || n_free(disk)? >= KEPT_FREE,
            "the disk filled up while the job ran: less than {} MiB are left",
            KEPT_FREE >> 20
        );
        let others = [(pidfd.as_fd(), PollFlags::IN), (guard, PollFlags::empty())];
        let events = wait_readable(streams, &others, (deadline - now).min(TICK))?;
        ensure!(!events[1], "the guard is gone");
        // Orphans come to this process, and wait for it.
        match reap(Some(pid))? {
            Reaped::Found(status) => return Ok(end_of(status)),
            Reaped::Others => {}
            Reaped::Alone => bail!("the job has no end"),
        }
    }
}

/// Bytes that whoever is not root may still write there.
fn n_free(folder: &File) -> anyhow::Result<u64> {
    let disk = rustix::fs::fstatvfs(folder).context("ask how full the disk is")?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn read_rest(streams: &mut [Capture; 3]) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while streams.iter().any(|stream| !stream.is_closed()) {
        ensure!(
            Instant::now() < deadline,
            "somebody outside the sandbox holds the job's pipes"
        );
        wait_readable(streams, &[], TICK)?;
    }
    Ok(())
}

fn end_of(status: WaitStatus) -> End {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => End::Exit(code),
        (None, signal) => End::Signal(signal.unwrap_or(-1)),
    }
}

/// Forks the job's process and returns once it has become the program.
fn start(
    spec: &Spec,
    job: &JobSpec,
    filters: &[confine::Filter],
    logs: &Logs,
    report_fd: &mut OwnedFd,
) -> anyhow::Result<Started> {
    let pipe = || pipe_with(PipeFlags::CLOEXEC).context("make a pipe");
    let (stdout, stdout_end) = pipe()?;
    let (stderr, stderr_end) = pipe()?;
    let (report, report_end) = pipe()?;
    let (trouble, trouble_end) = pipe()?;
    match sys::fork().context("fork")? {
        Fork::Child => {
            let dup = dup3(&report_end, report_fd, DupFlags::CLOEXEC).context("hand on the report");
            let ends = [stdout_end, stderr_end];
            let trouble = File::from(trouble_end);
            let told = |()| become_job(spec, job, filters, ends, report_fd, (logs, &trouble));
            let code = match dup.and_then(told) {
                Ok(()) => 0,
                Err(err) => {
                    // If even this fails the parent sees a job without an end that it asked for: exit code 1, and no trouble told.
                    drop((&trouble).write_all(format!("{err:#}").as_bytes()));
                    1
                }
            };
            #[expect(clippy::exit, reason = "a forked child has no caller to return to")]
            std::process::exit(code)
        }
        Fork::Parent(pid) => {
            drop((stdout_end, stderr_end, report_end, trouble_end));
            let mut said = String::new();
            File::from(trouble).read_to_string(&mut said)?;
            let services = match Running::read(&said) {
                Some(services) => services,
                None if said.is_empty() => Running::default(),
                None => bail!("{}", services::trouble(&said)),
            };
            let streams = [
                Capture::new(stdout, MAX_OUTPUT)?,
                Capture::new(stderr, MAX_OUTPUT)?,
                Capture::new(report, MAX_REPORT)?,
            ];
            Ok(Started {
                pid,
                streams,
                services,
            })
        }
    }
}

/// Shuts this process in and becomes the program. Returns only for a job without a program.
fn become_job(
    spec: &Spec,
    job: &JobSpec,
    filters: &[confine::Filter],
    [stdout, stderr]: [OwnedFd; 2],
    report: &OwnedFd,
    (logs, trouble): (&Logs, &File),
) -> anyhow::Result<()> {
    rustix::process::setsid()?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let root = spec.root.as_path();
    if !matches!(spec.view, View::Folders { .. }) {
        layers::mount(root, &spec.view, job)?;
    }
    services::start(spec, job, filters, logs, trouble)?;
    let dir = job.dir.as_path();
    std::env::set_current_dir(dir).with_context(|| format!("enter `{}`", dir.display()))?;

    let mut command = None;
    if let Some((program, args)) = job.argv.split_first() {
        let command = command.insert(Command::new(program.as_os_str()));
        command.args(args.iter().map(|arg| arg.as_os_str()));
        command.env_clear();
        for (name, value) in &job.env {
            command.env(name.as_os_str(), value.as_os_str());
        }
        command.env("HOME", root.join("view/home"));
        command.env("TMPDIR", root.join("view/tmp"));
        if job.report {
            // The other files of this process are closed when it becomes the program.
            rustix::io::fcntl_setfd(report, FdFlags::empty())?;
            command.env("KOAN_REPORT_FD", report.as_raw_fd().to_string());
        }
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    }
    confine::confine(spec, job, filters)?;
    match command {
        None => Ok(()),
        Some(mut command) => {
            let program = Path::new(command.get_program()).to_owned();
            Err(command.exec()).with_context(|| format!("start `{}`", program.display()))
        }
    }
}
