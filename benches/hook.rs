//! What a hook costs: CPU time (user and system, children included) of judging five staged files, beside git's own diff and beside the
//! no-op hooks of the hook managers that are found.
//!
//! ```sh
//! python3 -m venv /tmp/tools && /tmp/tools/bin/pip install prek pre-commit
//! KOAN_BENCH_TOOLS=/tmp/tools/bin cargo bench --bench hook
//! ```
//! `--quick` leaves the largest repository out and runs less often. Without prek and pre-commit their rows are missing.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;
use std::{env, fs, io};

use anyhow::{Context as _, bail, ensure};

/// The perimeter of the staged change, without the proof.
const GUARD: &[&str] = &["check", "--staged", "--perimeter-only"];
/// The budget is a ratio to this.
const BASELINE: &[&str] = &["diff", "--cached", "-U0"];

const POLICY: &str = "version: 1\nextends: [default]\n";
const MANAGER_CONFIG: &str = "\
repos:
- repo: local
  hooks:
  - {id: nothing, name: nothing, entry: 'true', language: system, always_run: true, pass_filenames: false}
";

/// One line of a table.
struct Row {
    name: &'static str,
    argv: Vec<PathBuf>,
    /// Exit codes that are an answer; any other one means that nothing was measured.
    answers: &'static [i32],
    samples: Vec<Duration>,
}

fn main() -> anyhow::Result<ExitCode> {
    let is_quick = env::args().any(|arg| arg == "--quick");
    let sizes: &[usize] = if is_quick {
        &[30, 5_000]
    } else {
        &[30, 5_000, 57_000]
    };
    let n_runs = if is_quick { 7 } else { 31 };
    let managers = managers();
    if managers.is_empty() {
        println!(
            "prek and pre-commit were not found: `pip install prek pre-commit` into a virtual environment, and name its bin folder in KOAN_BENCH_TOOLS"
        );
    }
    for n_files in sizes {
        let folder = tempfile::tempdir()?;
        let repo = folder.path().join("repo");
        build(&repo, *n_files).with_context(|| format!("build {n_files} files"))?;
        let mut rows = rows(&managers);
        measure(&repo, &mut rows, n_runs)?;
        print_table(*n_files, n_runs, &rows);
    }
    Ok(ExitCode::SUCCESS)
}

fn rows(managers: &[(&'static str, PathBuf)]) -> Vec<Row> {
    let row = |name, program: &Path, args: &[&str], answers| Row {
        name,
        argv: [program.to_owned()]
            .into_iter()
            .chain(args.iter().map(PathBuf::from))
            .collect(),
        answers,
        samples: Vec::new(),
    };
    let guard = Path::new(env!("CARGO_BIN_EXE_koan-guard"));
    let mut rows = vec![
        row("git diff --cached -U0", Path::new("git"), BASELINE, &[0]),
        row("koan-guard, perimeter", guard, GUARD, &[0, 1]),
    ];
    for (name, program) in managers {
        rows.push(row(name, program, &["run"], &[0]));
    }
    rows
}

/// Hook managers, from `KOAN_BENCH_TOOLS` or `PATH`.
fn managers() -> Vec<(&'static str, PathBuf)> {
    let mut folders: Vec<PathBuf> = env::var_os("KOAN_BENCH_TOOLS")
        .into_iter()
        .map(PathBuf::from)
        .collect();
    folders.extend(env::var_os("PATH").iter().flat_map(env::split_paths));
    let find = |program| {
        let mut paths = folders.iter().map(|folder| folder.join(program));
        paths.find(|path| path.is_file())
    };
    [
        ("prek, no-op hook", "prek"),
        ("pre-commit, no-op hook", "pre-commit"),
    ]
    .into_iter()
    .filter_map(|(name, program)| Some((name, find(program)?)))
    .collect()
}

/// Runs every row once in turn, so that what else the machine does hits all of them alike. The first round warms the caches.
fn measure(repo: &Path, rows: &mut [Row], n_runs: usize) -> anyhow::Result<()> {
    for i in 0..=n_runs {
        for row in &mut *rows {
            let mut command = command(repo, &row.argv[0]);
            command
                .args(&row.argv[1..])
                .stdin(Stdio::null())
                .stdout(Stdio::null());
            let errors = repo.with_file_name("stderr");
            command.stderr(fs::File::create(&errors)?);
            let child = command
                .spawn()
                .with_context(|| format!("run `{}`", row.argv[0].display()))?;
            let (exit, cpu) = wait(child)?;
            if !exit.is_some_and(|code| row.answers.contains(&code)) {
                bail!(
                    "{}: exit {exit:?}: {}",
                    row.name,
                    fs::read_to_string(&errors)?.trim()
                );
            }
            if i > 0 {
                row.samples.push(cpu);
            }
        }
    }
    Ok(())
}

/// Exit code, `None` after a signal, and the CPU time of a child and of all the children that it waited for.
fn wait(child: Child) -> anyhow::Result<(Option<i32>, Duration)> {
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
    let exit = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
    Ok((exit, duration(usage.ru_utime) + duration(usage.ru_stime)))
}

fn duration(time: libc::timeval) -> Duration {
    let micros = i128::from(time.tv_sec) * 1_000_000 + i128::from(time.tv_usec);
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

fn print_table(n_files: usize, n_runs: usize, rows: &[Row]) {
    println!("\n{n_files} files, 5 staged: CPU of {n_runs} interleaved runs");
    println!(
        "{:<26} {:>10} {:>10} {:>8}",
        "", "median ms", "least ms", "ratio"
    );
    let baseline = median(&rows[0].samples);
    for row in rows {
        let middle = median(&row.samples);
        let least = row.samples.iter().min().copied().unwrap_or_default();
        println!(
            "{:<26} {:>10.2} {:>10.2} {:>8.2}",
            row.name,
            middle.as_secs_f64() * 1e3,
            least.as_secs_f64() * 1e3,
            middle.as_secs_f64() / baseline.as_secs_f64(),
        );
    }
}

fn median(samples: &[Duration]) -> Duration {
    let mut sorted = samples.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2]
}

/// A repository of small text files in nested folders, one commit, five files staged.
fn build(repo: &Path, n_files: usize) -> anyhow::Result<()> {
    fs::create_dir_all(repo)?;
    git(repo, &["init", "--quiet", "--initial-branch=main"])?;
    let mut import = command(repo, "git");
    let mut import = import
        .args(["fast-import", "--quiet"])
        .stdin(Stdio::piped())
        .spawn()?;
    let mut stream = io::BufWriter::new(import.stdin.take().context("no stdin")?);
    write!(
        stream,
        "commit refs/heads/main\ncommitter Bench <bench@example.com> 1767323045 +0000\ndata 5\nfirst\n"
    )?;
    write_file(&mut stream, ".koan-guard.yaml", POLICY)?;
    write_file(&mut stream, ".pre-commit-config.yaml", MANAGER_CONFIG)?;
    for i in 0..n_files {
        write_file(&mut stream, &path(i), &text(i))?;
    }
    stream.flush()?;
    drop(stream);
    ensure!(import.wait()?.success(), "git fast-import failed");

    git(repo, &["reset", "--quiet", "--hard"])?;
    for i in 0..5 {
        let i = i * n_files / 5;
        let changed = text(i).replace("line 7 ", "line seven ");
        fs::write(repo.join(path(i)), changed)?;
        git(repo, &["add", &path(i)])?;
    }
    Ok(())
}

fn path(i: usize) -> String {
    format!("src/part{}/group{}/file{i}.txt", i / 1000, i / 25 % 40)
}

fn text(i: usize) -> String {
    (0..20)
        .map(|line| format!("file {i} line {line} of some text\n"))
        .collect()
}

fn write_file(stream: &mut impl io::Write, path: &str, text: &str) -> io::Result<()> {
    write!(
        stream,
        "M 100644 inline {path}\ndata {}\n{text}\n",
        text.len()
    )
}

fn git(repo: &Path, args: &[&str]) -> anyhow::Result<()> {
    let status = command(repo, "git").args(args).status()?;
    ensure!(status.success(), "git {args:?} failed");
    Ok(())
}

/// A command in a clean environment: the managers keep their caches in a home of their own.
fn command(repo: &Path, program: impl AsRef<OsStr>) -> Command {
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
