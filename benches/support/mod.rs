//! What the benchmarks share: commands in a clean environment, the CPU time of a child, and repositories written by `git fast-import`.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;
use std::{env, io};

use anyhow::{Context as _, ensure};

/// A command in a clean environment: what it keeps in a home is in one beside the repository.
pub fn command(repo: &Path, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(repo).env_clear();
    command
        .env("HOME", repo.with_file_name("home"))
        .env("GIT_CONFIG_NOSYSTEM", "1");
    for name in ["PATH", "TMPDIR"] {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

pub fn git(repo: &Path, args: &[&str]) -> anyhow::Result<()> {
    let status = command(repo, "git").args(args).status()?;
    ensure!(status.success(), "git {args:?} failed");
    Ok(())
}

/// Makes a repository of one commit on `main`, whose files `write` says by [`write_file`], and checks it out.
pub fn build_repo(
    repo: &Path,
    write: impl FnOnce(&mut io::BufWriter<ChildStdin>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    use io::Write as _;

    std::fs::create_dir_all(repo)?;
    git(repo, &["init", "--quiet", "--initial-branch=main"])?;
    git(repo, &["config", "user.name", "Bench"])?;
    git(repo, &["config", "user.email", "bench@example.com"])?;
    let mut import = command(repo, "git")
        .args(["fast-import", "--quiet"])
        .stdin(Stdio::piped())
        .spawn()?;
    let mut stream = io::BufWriter::new(import.stdin.take().context("no stdin")?);
    write!(
        stream,
        "commit refs/heads/main\ncommitter Bench <bench@example.com> 1767323045 +0000\ndata 5\nfirst\n"
    )?;
    write(&mut stream)?;
    stream.flush()?;
    drop(stream);
    ensure!(import.wait()?.success(), "git fast-import failed");
    git(repo, &["reset", "--quiet", "--hard"])
}

pub fn write_file(stream: &mut impl io::Write, path: &str, text: &str) -> io::Result<()> {
    write!(
        stream,
        "M 100644 inline {path}\ndata {}\n{text}\n",
        text.len()
    )
}

/// Commits the policy that `koan-guard init` proposes.
pub fn commit_policy(repo: &Path, more: &str) -> anyhow::Result<()> {
    let proposed = command(repo, env!("CARGO_BIN_EXE_koan-guard"))
        .arg("init")
        .output()?;
    ensure!(proposed.status.success(), "koan-guard init: {proposed:?}");
    let path = repo.join(".koan-guard.yaml");
    let policy = std::fs::read_to_string(&path)?;
    std::fs::write(&path, policy + more)?;
    git(repo, &["add", ".koan-guard.yaml"])?;
    git(repo, &["commit", "--quiet", "--message=policy"])
}

/// How a child ended and what it took, with all the children that it waited for.
#[derive(Debug)]
pub struct Usage {
    /// `None` after a signal.
    pub exit: Option<i32>,
    pub cpu: Duration,
    /// The most memory that it had at a time.
    #[allow(dead_code, reason = "not every benchmark asks for it")]
    pub peak_kib: u64,
}

/// Exit code, `None` after a signal, and the CPU time of a child and of all the children that it waited for.
#[allow(dead_code, reason = "not every benchmark asks for just this")]
pub fn wait(child: Child) -> anyhow::Result<(Option<i32>, Duration)> {
    let usage = wait_for(child)?;
    Ok((usage.exit, usage.cpu))
}

pub fn wait_for(child: Child) -> anyhow::Result<Usage> {
    let pid = libc::pid_t::try_from(child.id())?;
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    #[expect(unsafe_code, reason = "the usage of one child is told by wait4 alone")]
    // SAFETY: both pointers are valid for writing, `rusage` is plain numbers, and `child` is not waited for elsewhere.
    let (waited, usage) = unsafe {
        let waited = libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr());
        (waited, usage.assume_init())
    };
    if waited != pid {
        return Err(io::Error::last_os_error()).context("wait for a child");
    }
    // macOS counts bytes.
    let unit = if cfg!(target_os = "macos") { 1024 } else { 1 };
    Ok(Usage {
        exit: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
        cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
        peak_kib: u64::try_from(usage.ru_maxrss).unwrap_or(0) / unit,
    })
}

fn duration(time: libc::timeval) -> Duration {
    let micros = i128::from(time.tv_sec) * 1_000_000 + i128::from(time.tv_usec);
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

pub fn median(samples: &[Duration]) -> Duration {
    let mut sorted = samples.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2]
}
