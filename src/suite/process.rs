//! Child processes: the one door to them, with a group, a clean environment, limits on time and output, and no survivor.

pub mod ending;
#[cfg(target_os = "linux")]
mod pidfd;
#[cfg(not(target_os = "linux"))]
pub(super) mod tick;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};

#[cfg(target_os = "linux")]
use self::pidfd::Watch;
#[cfg(not(target_os = "linux"))]
use self::tick::Watch;

/// One command to be run in a sandbox.
#[derive(Clone, Debug)]
pub struct Job {
    /// The program by absolute path, then its arguments.
    pub argv: Vec<OsString>,
    /// Where it starts; inside the view.
    pub dir: PathBuf,
    /// The whole environment; nothing is inherited. `HOME` and `TMPDIR` are added, and `KOAN_REPORT_FD` when `report` is set.
    pub env: BTreeMap<OsString, OsString>,
    pub timeout: Duration,
    /// What it may read beside the system's folders, the view and its own `HOME` and `TMPDIR`: toolchains, virtual environments.
    pub readable: Vec<PathBuf>,
    /// Folders that it may write to, the writes being thrown away where layers can be mounted and refused elsewhere: `CARGO_HOME`.
    pub scratch: Vec<PathBuf>,
    /// Folders outside (absolute) and the places inside the tree (relative to its top) where they are seen, read-only, instead of whatever
    /// the tree has there: `node_modules` of the user's checkout.
    pub shown: Vec<(PathBuf, PathBuf)>,
    /// Whether the command gets an inherited pipe to report over.
    pub report: bool,
}

/// How a command ended.
#[derive(Clone, Debug)]
pub struct Finished {
    pub end: End,
    /// At most [`MAX_OUTPUT`] bytes each; the rest is thrown away while it is read.
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// What came over the report pipe, at most [`MAX_REPORT`] bytes.
    pub report: Vec<u8>,
    /// Whether anything was thrown away.
    pub truncated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Exit(i32),
    Signal(i32),
    /// Killed by us, with all its children.
    TimedOut,
}

/// Per stream.
pub const MAX_OUTPUT: usize = 8 << 20;
pub const MAX_REPORT: usize = 128 << 20;

/// How long the pipes of a tool may stay open after it ended: a daemon that it left behind is no reason to wait.
const LINGER: Duration = Duration::from_secs(2);

/// The part of a job's environment that is equal for all languages. `PATH` is the caller's to give.
pub fn base_env() -> BTreeMap<OsString, OsString> {
    const ENV: &[(&str, &str)] = &[
        ("CI", "1"),
        ("GIT_CEILING_DIRECTORIES", "/"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("LANG", "C.UTF-8"),
        ("LC_ALL", "C.UTF-8"),
        ("LOGNAME", "koan"),
        ("SHELL", "/bin/sh"),
        ("TERM", "dumb"),
        ("TZ", "UTC"),
        ("USER", "koan"),
    ];
    ENV.iter()
        .map(|&(name, value)| (name.into(), value.into()))
        .collect()
}

/// Runs a tool of the guard's own, such as `git` or `rustc --version`, outside any sandbox. It must not be told to run code of the project.
///
/// It has the guard's environment without any `GIT_*`, its own process group, and no input.
///
/// # Errors
/// The tool could not be started. A failing or endless tool is no error: see [`Finished::end`].
pub fn output(
    argv: &[&OsStr],
    dir: &Path,
    env: &BTreeMap<OsString, OsString>,
    timeout: Duration,
) -> anyhow::Result<Finished> {
    output_of(argv, dir, env, b"", timeout)
}

/// The same with something to read.
pub fn output_of(
    argv: &[&OsStr],
    dir: &Path,
    env: &BTreeMap<OsString, OsString>,
    input: &[u8],
    timeout: Duration,
) -> anyhow::Result<Finished> {
    let (program, mut command) = tool(argv, dir, env)?;
    let stdin = if input.is_empty() {
        Stdio::null()
    } else {
        Stdio::piped()
    };
    command.stdin(stdin);
    let mut group =
        Group::spawn(command).with_context(|| format!("run `{}`", program.display()))?;
    if let Some(mut stdin) = group.child.stdin.take() {
        let input = input.to_vec();
        // Whoever does not read all of it ends the thread by going away.
        thread::spawn(move || drop(stdin.write_all(&input)));
    }
    let mut streams = group.streams(MAX_OUTPUT)?;
    let deadline = Instant::now() + timeout;
    let end = match group.wait(&mut streams, deadline)? {
        Some(status) => End::from(status),
        None => End::TimedOut,
    };
    let [stdout, stderr] = streams;
    Ok(Finished {
        end,
        truncated: stdout.truncated || stderr.truncated,
        stdout: stdout.bytes,
        stderr: stderr.bytes,
        report: Vec::new(),
    })
}

/// Runs a tool that a person at the terminal may have to answer: for a passphrase, for a touch. Says whether it succeeded.
pub fn at_terminal(argv: &[&OsStr], dir: &Path) -> anyhow::Result<bool> {
    let (program, mut command) = tool(argv, dir, &BTreeMap::new())?;
    // Standard output is the guard's own answer.
    command.stdout(Stdio::null());
    let status = command
        .status()
        .with_context(|| format!("run `{}`", program.display()))?;
    Ok(status.success())
}

/// The same for a tool whose standard output is wanted; it has the guard's own standard input and error, and may ask there.
pub fn output_at_terminal(
    argv: &[&OsStr],
    dir: &Path,
    env: &BTreeMap<OsString, OsString>,
) -> anyhow::Result<(End, Vec<u8>)> {
    let (program, mut command) = tool(argv, dir, env)?;
    command.stdout(Stdio::piped()).stderr(Stdio::inherit());
    let output = command
        .output()
        .with_context(|| format!("run `{}`", program.display()))?;
    Ok((End::from(output.status), output.stdout))
}

fn tool<'a>(
    argv: &[&'a OsStr],
    dir: &Path,
    env: &BTreeMap<OsString, OsString>,
) -> anyhow::Result<(&'a OsStr, Command)> {
    let Some((&program, args)) = argv.split_first() else {
        bail!("no program to run");
    };
    let mut command = Command::new(program);
    command.args(args).current_dir(dir).envs(env);
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_git_variable(name)) {
        if !env.contains_key(&name) {
            command.env_remove(name);
        }
    }
    Ok((program, command))
}

/// Starts `program` with one argument and no environment, hands it `message` and returns what it answers.
pub(super) fn ask(
    program: &Path,
    argument: &str,
    message: Vec<u8>,
    timeout: Duration,
) -> anyhow::Result<Vec<u8>> {
    let mut command = Command::new(program);
    command.arg(argument);
    command.env_clear().current_dir("/").stdin(Stdio::piped());
    let mut group = Group::spawn(command)
        .with_context(|| format!("start `{} {argument}`", program.display()))?;
    let mut stdin = group.child.stdin.take().context("no standard input")?;
    let writer = thread::spawn(move || stdin.write_all(&message));
    let mut streams = group.streams(usize::MAX)?;
    let status = group.wait(&mut streams, Instant::now() + timeout)?;
    let written = writer
        .join()
        .map_err(|_| anyhow::anyhow!("the writer panicked"))?;
    let [stdout, stderr] = streams;
    match status {
        Some(status) if status.success() => {
            written.with_context(|| format!("write to `{argument}`"))?;
            Ok(stdout.bytes)
        }
        Some(status) => {
            let said = String::from_utf8_lossy(&stderr.bytes);
            bail!("`{argument}` gave up ({status}): {}", said.trim())
        }
        None => bail!("`{argument}` did not answer in {} s", timeout.as_secs()),
    }
}

/// A child that leads its own process group, which dies with this value.
struct Group {
    child: Child,
    pid: Pid,
    is_reaped: bool,
}

impl Group {
    fn spawn(mut command: Command) -> anyhow::Result<Group> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.process_group(0).spawn()?;
        let pid = Pid::from_child(&child);
        Ok(Group {
            child,
            pid,
            is_reaped: false,
        })
    }

    fn streams(&mut self, limit: usize) -> anyhow::Result<[Capture; 2]> {
        let stdout = self.child.stdout.take().context("no standard output")?;
        let stderr = self.child.stderr.take().context("no standard error")?;
        Ok([
            Capture::new(stdout.into(), limit)?,
            Capture::new(stderr.into(), limit)?,
        ])
    }

    /// Reads until the child has ended and its streams are closed. `None` if the time ran out; the group is dead then.
    fn wait(
        &mut self,
        streams: &mut [Capture],
        deadline: Instant,
    ) -> anyhow::Result<Option<ExitStatus>> {
        let watch = Watch::new(self.pid)?;
        let mut ended = None;
        loop {
            let until = ended.unwrap_or(deadline);
            let is_quiet = streams.iter().all(|stream| stream.is_closed());
            let now = Instant::now();
            if now >= until || (is_quiet && ended.is_some()) {
                let status = self.kill()?;
                return Ok(ended.map(|_| status));
            }
            if ending::is_asked_for() {
                self.kill()?;
                bail!("{}", ending::WHY);
            }
            let left = (until - now).min(ending::LOOK);
            if ended.is_some() {
                wait_readable(streams, &[], left)?;
            } else if watch.wait(streams, left)? {
                ended = Some(Instant::now() + LINGER);
            }
        }
    }

    /// Kills the group while its leader is not waited for: until then nobody else can have its number.
    fn kill(&mut self) -> anyhow::Result<ExitStatus> {
        if !self.is_reaped {
            match kill_process_group(self.pid, Signal::KILL) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(err) => return Err(err).context("kill a child"),
            }
        }
        let status = self.child.wait().context("wait for a child")?;
        self.is_reaped = true;
        Ok(status)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Where it matters, `wait` has done it and told of any error.
        drop(self.kill());
    }
}

impl From<ExitStatus> for End {
    fn from(status: ExitStatus) -> End {
        match (status.code(), status.signal()) {
            (Some(code), _) => End::Exit(code),
            (None, signal) => End::Signal(signal.unwrap_or(-1)),
        }
    }
}

/// The reading end of a pipe, of which at most `limit` bytes are kept. The writer never blocks for long.
pub(super) struct Capture {
    pipe: Option<std::fs::File>,
    limit: usize,
    pub bytes: Vec<u8>,
    pub truncated: bool,
}

impl Capture {
    pub fn new(pipe: OwnedFd, limit: usize) -> anyhow::Result<Capture> {
        rustix::io::ioctl_fionbio(&pipe, true)?;
        Ok(Capture {
            pipe: Some(pipe.into()),
            limit,
            bytes: Vec::new(),
            truncated: false,
        })
    }

    pub fn is_closed(&self) -> bool {
        self.pipe.is_none()
    }

    /// Reads what is there now, at most a few pipes full.
    pub fn drain(&mut self) -> anyhow::Result<()> {
        let mut buffer = [0; 64 << 10];
        for _ in 0..16 {
            let Some(pipe) = &mut self.pipe else {
                return Ok(());
            };
            match pipe.read(&mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(n) => {
                    let kept = n.min(self.limit - self.bytes.len());
                    self.bytes.extend_from_slice(&buffer[..kept]);
                    self.truncated |= kept < n;
                }
                Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(err) if err.kind() == ErrorKind::Interrupted => {}
                Err(err) => return Err(err).context("read from a child"),
            }
        }
        Ok(())
    }
}

/// Waits until a stream can be read or something happens to one of `others`, then reads. Tells which of `others` it was.
pub(super) fn wait_readable(
    streams: &mut [Capture],
    others: &[(BorrowedFd<'_>, PollFlags)],
    timeout: Duration,
) -> anyhow::Result<Vec<bool>> {
    let mut fds: Vec<PollFd<'_>> = others
        .iter()
        .map(|&(fd, flags)| PollFd::from_borrowed_fd(fd, flags))
        .collect();
    for pipe in streams.iter().filter_map(|stream| stream.pipe.as_ref()) {
        fds.push(PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN));
    }
    let timeout = Timespec::try_from(timeout).context("a time limit")?;
    match poll(&mut fds, Some(&timeout)) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(err) => return Err(err).context("wait for a child"),
    }
    let events = fds[..others.len()]
        .iter()
        .map(|fd| !fd.revents().is_empty())
        .collect();
    for stream in streams {
        stream.drain()?;
    }
    Ok(events)
}

fn is_git_variable(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"GIT_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn sh(script: &str, timeout: Duration) -> Finished {
        let argv = ["/bin/sh", "-c", script].map(OsStr::new);
        output(&argv, Path::new("/"), &BTreeMap::new(), timeout).expect("a shell")
    }

    #[test]
    fn a_tool_answers_with_its_streams_and_its_end() {
        let finished = sh("echo out; echo err >&2; exit 3", Duration::from_secs(20));
        assert_eq!(finished.end, End::Exit(3));
        assert_eq!(finished.stdout, b"out\n");
        assert_eq!(finished.stderr, b"err\n");
        assert!(!finished.truncated);
    }

    #[test]
    fn an_endless_tool_is_killed_with_its_children() {
        let start = Instant::now();
        let finished = sh("sleep 61 & sleep 62", Duration::from_millis(300));
        assert_eq!(finished.end, End::TimedOut);
        assert!(start.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_child_that_keeps_the_streams_open_does_not_hold_up() {
        let start = Instant::now();
        let finished = sh("sleep 63 & echo done", Duration::from_secs(40));
        assert_eq!(finished.end, End::Exit(0));
        assert_eq!(finished.stdout, b"done\n");
        assert!(start.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn much_output_is_read_and_thrown_away() {
        let finished = sh(
            "head -c 20000000 /dev/zero; echo end >&2",
            Duration::from_secs(60),
        );
        assert_eq!(finished.end, End::Exit(0));
        assert_eq!(finished.stdout.len(), MAX_OUTPUT);
        assert_eq!(finished.stderr, b"end\n");
        assert!(finished.truncated);
    }

    #[test]
    fn what_git_sets_is_not_handed_on() {
        assert!(is_git_variable(OsStr::new("GIT_INDEX_FILE")));
        assert!(!is_git_variable(OsStr::new("GITHUB_ACTIONS")));
    }

    #[test]
    fn a_missing_tool_is_an_error() {
        let argv = [OsStr::new("/nonexistent/tool")];
        let second = Duration::from_secs(1);
        assert!(output(&argv, Path::new("/"), &BTreeMap::new(), second).is_err());
    }
}
