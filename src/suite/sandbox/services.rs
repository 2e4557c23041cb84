//! Servers that tests need, such as a database: started for one job, shut in as it is, in its own network and with its own files.
//!
//! They are started by a process that then ends, so that they are no children of the program under test. With everything else of the
//! job they are killed at its end.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::fs::MemfdFlags;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, waitpid};

use super::confine::{self, Filter};
use super::spec::{JobSpec, ServiceSpec, Spec};
use super::sys::{self, Fork};

/// How long between two looks whether a service is ready.
const PAUSE: Duration = Duration::from_millis(20);

/// How long after it is ready a service may need to let go of its starter.
const SETTLE: Duration = Duration::from_millis(50);

/// How much of a service's last words is told.
const MAX_WORDS: u64 = 2_000;

/// What the services of one job say, in memory that belongs to no folder.
#[derive(Debug)]
pub struct Logs(Vec<File>);

/// The services that must live as long as the job, by their place in the specification.
#[derive(Debug, Default)]
pub struct Running(Vec<(usize, Pid)>);

impl Logs {
    pub fn new(spec: &Spec) -> anyhow::Result<Logs> {
        let log = |_| -> anyhow::Result<File> {
            let memory = rustix::fs::memfd_create("log", MemfdFlags::CLOEXEC);
            Ok(File::from(memory.context("make room for a log")?))
        };
        spec.services
            .iter()
            .map(log)
            .collect::<Result<_, _>>()
            .map(Logs)
    }

    /// The last lines of the service at this place, each after a bar.
    fn last_words(&self, place: usize) -> String {
        let read = || -> anyhow::Result<String> {
            let mut log = self.0.get(place).context("a log")?.try_clone()?;
            let end = log.seek(SeekFrom::End(0))?;
            log.seek(SeekFrom::Start(end.saturating_sub(MAX_WORDS)))?;
            let mut bytes = Vec::new();
            log.take(MAX_WORDS).read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let text = read().unwrap_or_else(|err| format!("{err:#}"));
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        if lines.is_empty() {
            return "it said nothing".into();
        }
        let lines = &lines[lines.len().saturating_sub(10)..];
        lines.join(" | ")
    }
}

impl Running {
    /// Reads what [`Running::told`] wrote.
    pub fn read(text: &str) -> Option<Running> {
        let list = text.strip_prefix(TOLD)?.strip_suffix('\n')?;
        list.split_ascii_whitespace()
            .map(|entry| {
                let (place, pid) = entry.split_once(':')?;
                Some((place.parse().ok()?, Pid::from_raw(pid.parse().ok()?)?))
            })
            .collect::<Option<Vec<_>>>()
            .map(Running)
    }

    fn told(&self) -> String {
        let entry = |(place, pid): &(usize, Pid)| format!(" {place}:{}", pid.as_raw_nonzero());
        TOLD.to_owned() + &self.0.iter().map(entry).collect::<String>() + "\n"
    }

    /// An error if one of them has ended: what the tests did without it says nothing.
    pub fn check(&self, spec: &Spec, logs: &Logs) -> anyhow::Result<()> {
        for (place, pid) in &self.0 {
            match waitpid(Some(*pid), WaitOptions::NOHANG) {
                Ok(None) => {}
                // It waits to be collected, or was.
                Ok(Some(_)) | Err(Errno::CHILD) => bail!(
                    "service `{}` ended while the tests ran: {}",
                    spec.services[*place].name,
                    logs.last_words(*place)
                ),
                Err(err) => return Err(err).context("look at a service"),
            }
        }
        Ok(())
    }
}

const TOLD: &str = "services running:";

/// What went wrong after the services were started.
pub fn trouble(said: &str) -> &str {
    match said.split_once('\n') {
        Some((first, rest)) if first.starts_with(TOLD) => rest,
        _ => said,
    }
}

/// Starts all services of a job and waits until each is ready; `told` is where the supervisor hears of them.
pub fn start(
    spec: &Spec,
    job: &JobSpec,
    filters: &[Filter],
    logs: &Logs,
    mut told: &File,
) -> anyhow::Result<()> {
    if spec.services.is_empty() {
        return Ok(());
    }
    match sys::fork().context("fork")? {
        Fork::Child => {
            let mut keeper = Keeper {
                spec,
                job,
                filters,
                logs,
            };
            let (text, code) = match keeper.start_all() {
                Ok(running) => (running.told(), 0),
                Err(err) => (format!("{err:#}"), 1),
            };
            let code = told.write_all(text.as_bytes()).map_or(1, |()| code);
            #[expect(clippy::exit, reason = "a forked child has no caller to return to")]
            std::process::exit(code)
        }
        Fork::Parent(pid) => {
            let (_, status) = waitpid(Some(pid), WaitOptions::empty())?.context("no end")?;
            // It has told why.
            ensure!(status.exit_status() == Some(0), "");
            Ok(())
        }
    }
}

struct Keeper<'a> {
    spec: &'a Spec,
    job: &'a JobSpec,
    filters: &'a [Filter],
    logs: &'a Logs,
}

impl Keeper<'_> {
    fn start_all(&mut self) -> anyhow::Result<Running> {
        let mut running = Running::default();
        for (place, service) in self.spec.services.iter().enumerate() {
            let deadline = Instant::now() + Duration::from_millis(service.ready_ms);
            let pid = self.spawn(place, service, service.start.as_os_str())?;
            if self.wait_until_ready(place, service, pid, deadline)? {
                running.0.push((place, pid));
            }
        }
        Ok(running)
    }

    /// Whether the started process is the service itself; one that goes into the background has ended well before.
    fn wait_until_ready(
        &self,
        place: usize,
        service: &ServiceSpec,
        pid: Pid,
        deadline: Instant,
    ) -> anyhow::Result<bool> {
        let name = &service.name;
        let mut is_alive = true;
        let mut look = || -> anyhow::Result<bool> {
            if is_alive && let Some(status) = ended(pid)? {
                ensure!(
                    status.exit_status() == Some(0),
                    "service `{name}` ended before it was ready: {}",
                    self.logs.last_words(place)
                );
                is_alive = false;
            }
            Ok(is_alive)
        };
        loop {
            look()?;
            let probe = self.spawn(place, service, service.ready.as_os_str())?;
            if self.succeeds(probe, deadline)? {
                // One that is just going into the background gets the time for it; later it would count as dead.
                thread::sleep(SETTLE);
                return look();
            }
            if Instant::now() >= deadline {
                bail!(
                    "service `{name}` was not ready in {} s: {}",
                    service.ready_ms / 1_000,
                    self.logs.last_words(place)
                );
            }
            thread::sleep(PAUSE);
        }
    }

    fn succeeds(&self, probe: Pid, deadline: Instant) -> anyhow::Result<bool> {
        loop {
            if let Some(status) = ended(probe)? {
                return Ok(status.exit_status() == Some(0));
            }
            if Instant::now() >= deadline {
                kill_process(probe, Signal::KILL).context("end a look at a service")?;
                waitpid(Some(probe), WaitOptions::empty())?;
                return Ok(false);
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Starts a line of shell as a process of its own session, shut in as the job is.
    fn spawn(
        &self,
        place: usize,
        service: &ServiceSpec,
        line: &std::ffi::OsStr,
    ) -> anyhow::Result<Pid> {
        match sys::fork().context("fork")? {
            Fork::Parent(pid) => Ok(pid),
            Fork::Child => {
                let err = match self.become_service(place, service, line) {
                    Ok(()) => anyhow::anyhow!("no program"),
                    Err(err) => err,
                };
                if let Some(mut log) = self.logs.0.get(place) {
                    drop(writeln!(log, "{err:#}"));
                }
                std::process::exit(127)
            }
        }
    }

    /// Returns only if it fails.
    fn become_service(
        &self,
        place: usize,
        service: &ServiceSpec,
        line: &std::ffi::OsStr,
    ) -> anyhow::Result<()> {
        rustix::process::setsid()?;
        let view = self.spec.root.as_path().join("view");
        std::env::set_current_dir(view.join("home")).context("enter `HOME`")?;
        let log = self.logs.0.get(place).context("a log")?;
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(line).env_clear();
        for (name, value) in &service.env {
            command.env(name.as_os_str(), value.as_os_str());
        }
        command.env("HOME", view.join("home"));
        command.env("TMPDIR", view.join("tmp"));
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?);
        confine::confine(self.spec, self.job, self.filters)?;
        Err(command.exec()).context("start `/bin/sh`")
    }
}

fn ended(pid: Pid) -> anyhow::Result<Option<WaitStatus>> {
    let status = waitpid(Some(pid), WaitOptions::NOHANG).context("wait for a service")?;
    Ok(status.map(|(_, status)| status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_runs_is_read_as_it_was_told() {
        let pids = [(0, 17), (2, 4)];
        let pid = |(place, pid)| (place, Pid::from_raw(pid).expect("a pid"));
        let running = Running(pids.map(pid).to_vec());
        let read = Running::read(&running.told()).expect("services");
        assert_eq!(read.0, running.0);
        assert!(Running::read(&Running::default().told()).is_some());
        // After the services, the job itself may have had trouble.
        for text in [
            "",
            "fork: no",
            "services running: x\n",
            "services running: 1:0\n",
            "services running: 1:2\nno",
        ] {
            assert!(Running::read(text).is_none(), "{text}");
        }
    }
}
