//! What replaying a history costs: CPU time, wall time and peak memory of `koan-guard backtest` without proofs, beside `git log -p` of the same
//! commits, interleaved, and how both grow with the number of commits.
//!
//! ```sh
//! KOAN_BENCH_HISTORY=/path/to/clones/of/cargo:/path/to/clones/of/sqlalchemy cargo bench --bench history
//! ```
//! Each is a clone with a policy in its work tree; one that has none gets what `koan-guard init` proposes. `--quick` reads fewer commits.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[allow(dead_code, reason = "other benchmarks use the rest")]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use support::{command, median, wait_for};

const GUARD: &str = env!("CARGO_BIN_EXE_koan-guard");

/// One command and what each of its runs cost.
struct Row {
    name: &'static str,
    cpu: Vec<Duration>,
    wall: Vec<Duration>,
    /// In KiB.
    peak: u64,
}

fn main() -> anyhow::Result<ExitCode> {
    let is_quick = std::env::args().any(|arg| arg == "--quick");
    let Some(repos) = std::env::var_os("KOAN_BENCH_HISTORY") else {
        println!("no history: clone a large repository and name its folder in KOAN_BENCH_HISTORY");
        return Ok(ExitCode::SUCCESS);
    };
    let (sizes, n_rounds): (&[usize], usize) = match is_quick {
        true => (&[300], 1),
        false => (&[1_000, 10_000], 3),
    };
    for repo in std::env::split_paths(&repos) {
        propose_policy(&repo)?;
        for &n_commits in sizes {
            let rows = measure(&repo, n_commits, n_rounds)
                .with_context(|| format!("replay `{}`", repo.display()))?;
            print_table(&repo, n_commits, &rows);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn propose_policy(repo: &Path) -> anyhow::Result<()> {
    if repo.join(".koan-guard.yaml").exists() {
        return Ok(());
    }
    let proposed = command(repo, GUARD).arg("init").output()?;
    ensure!(proposed.status.success(), "koan-guard init: {proposed:?}");
    Ok(())
}

/// The first round warms the page cache.
fn measure(repo: &Path, n_commits: usize, n_rounds: usize) -> anyhow::Result<[Row; 3]> {
    let n = n_commits.to_string();
    let mut rows = [
        "git log -p",
        "koan-guard backtest -j 1",
        "koan-guard backtest -j 2",
    ]
    .map(|name| Row {
        name,
        cpu: Vec::new(),
        wall: Vec::new(),
        peak: 0,
    });
    let log = ["log", "-p", "--no-merges", "-U0", "-n", &n];
    let replay = |jobs| ["backtest", "-j", jobs, "HEAD", "--last", &n];
    let one = replay("1");
    let two = replay("2");
    for round in 0..=n_rounds {
        let commands = [("git", &log[..]), (GUARD, &one[..]), (GUARD, &two[..])];
        for (row, (program, args)) in rows.iter_mut().zip(commands) {
            let mut command = command(repo, program);
            let errors = tempfile::NamedTempFile::new()?;
            command
                .args(args)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(errors.reopen()?);
            let started = Instant::now();
            let child = command
                .spawn()
                .with_context(|| format!("run `{program}`"))?;
            let usage = wait_for(child)?;
            if usage.exit != Some(0) {
                let said = fs::read_to_string(errors.path())?;
                bail!("{}: exit {:?}: {}", row.name, usage.exit, said.trim());
            }
            if round > 0 {
                row.cpu.push(usage.cpu);
                row.wall.push(started.elapsed());
                row.peak = row.peak.max(usage.peak_kib);
            }
        }
    }
    Ok(rows)
}

/// Ratios are to `git log -p`.
fn print_table(repo: &Path, n_commits: usize, rows: &[Row; 3]) {
    let name = PathBuf::from(repo.file_name().unwrap_or(repo.as_os_str()));
    println!("\n{}: {n_commits} commits", name.display());
    println!(
        "{:<26} {:>9} {:>6} {:>9} {:>6} {:>9} {:>6}",
        "", "CPU s", "ratio", "wall s", "ratio", "peak MiB", "ratio"
    );
    let seconds = |samples: &[Duration]| median(samples).as_secs_f64();
    let [git, ..] = rows;
    for row in rows {
        println!(
            "{:<26} {:>9.2} {:>6.2} {:>9.2} {:>6.2} {:>9.0} {:>6.2}",
            row.name,
            seconds(&row.cpu),
            seconds(&row.cpu) / seconds(&git.cpu),
            seconds(&row.wall),
            seconds(&row.wall) / seconds(&git.wall),
            row.peak as f64 / 1024.0,
            row.peak as f64 / git.peak as f64,
        );
    }
    println!("budget: 1.5 CPU, 0.6 wall on two free cores, 1.0 of the memory");
}
