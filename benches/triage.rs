//! What it costs to list 10,000 issues of 100 operations each: time and CPU of `triage list`, beside `git cat-file --batch` over the same logs,
//! which only unpacks them; and what one more claim costs there, beside a claim in an empty repository.
//!
//! ```sh
//! cargo bench --bench triage
//! ```
//! `--quick` takes a tenth of the issues and runs less often.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[expect(dead_code, reason = "the other benchmarks use all of it")]
mod support;

use std::io::Write as _;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io};

use anyhow::{Context as _, ensure};

use support::{command, git, median, wait};

const REF: &str = "refs/koan/triage";
const GUARD: &str = env!("CARGO_BIN_EXE_koan-guard");

/// Wall clock and CPU of one run.
type Sample = (Duration, Duration);

fn main() -> anyhow::Result<ExitCode> {
    let is_quick = env::args().any(|arg| arg == "--quick");
    let n_issues = if is_quick { 1_000 } else { 10_000 };
    let n_runs = if is_quick { 3 } else { 11 };
    let folder = tempfile::tempdir()?;
    let (full, empty) = (folder.path().join("full"), folder.path().join("empty"));
    for (repo, n) in [(&full, n_issues), (&empty, 0)] {
        build(repo, n).with_context(|| format!("build {n} issues"))?;
    }
    let ids = folder.path().join("ids");
    let listed = command(&full, "git")
        .args(["ls-tree", "-r", "--format=%(objectname)", REF])
        .output()?;
    fs::write(&ids, &listed.stdout)?;
    let n_listed = listed.stdout.split(|&byte| byte == b'\n').count() - 1;
    ensure!(n_listed == n_issues, "{n_listed} logs were written");

    let (mut floor, mut list) = (Vec::new(), Vec::new());
    let (mut claims, mut first_claims) = (Vec::new(), Vec::new());
    for round in 0..=n_runs {
        let input = Stdio::from(fs::File::open(&ids)?);
        floor.push(run(&full, "git", &["cat-file", "--batch"], input)?);
        list.push(run(
            &full,
            GUARD,
            &["triage", "list", "--all"],
            Stdio::null(),
        )?);
        let issue = format!("k1:{round:08x}{}", "f".repeat(16));
        let claim = ["triage", "claim", &issue, "--local"];
        claims.push(run(&full, GUARD, &claim, Stdio::null())?);
        first_claims.push(run(&empty, GUARD, &claim, Stdio::null())?);
    }
    println!("{n_issues} issues of 100 operations: {n_runs} interleaved runs");
    println!(
        "{:<28} {:>10} {:>10} {:>8}",
        "", "wall ms", "CPU ms", "ratio"
    );
    row("git cat-file --batch", &floor, &floor);
    row("koan-guard triage list", &list, &floor);
    row("claim, no issues", &first_claims, &first_claims);
    row("claim, all of them", &claims, &first_claims);
    Ok(ExitCode::SUCCESS)
}

/// The first run warms the caches. The ratio is one of CPU.
fn row(name: &str, samples: &[Sample], baseline: &[Sample]) {
    let of = |samples: &[Sample]| {
        let (walls, cpus): (Vec<Duration>, Vec<Duration>) = samples[1..].iter().copied().unzip();
        (median(&walls), median(&cpus))
    };
    let ((wall, cpu), (_, base)) = (of(samples), of(baseline));
    println!(
        "{name:<28} {:>10.1} {:>10.1} {:>8.2}",
        wall.as_secs_f64() * 1e3,
        cpu.as_secs_f64() * 1e3,
        cpu.as_secs_f64() / base.as_secs_f64()
    );
}

fn run(repo: &Path, program: &str, args: &[&str], input: Stdio) -> anyhow::Result<Sample> {
    let mut command = command(repo, program);
    command.args(args).stdin(input);
    command.stdout(Stdio::null()).stderr(Stdio::inherit());
    let start = Instant::now();
    let (exit, cpu) = wait(command.spawn()?)?;
    ensure!(exit == Some(0), "{program} {args:?}: exit {exit:?}");
    Ok((start.elapsed(), cpu))
}

/// A repository whose issues were seen, claimed, refused and fixed over and over.
fn build(repo: &Path, n_issues: usize) -> anyhow::Result<()> {
    support::build_repo(repo, |stream| Ok(support::write_file(stream, "f", "x\n")?))?;
    if n_issues == 0 {
        return Ok(());
    }
    let mut import = command(repo, "git")
        .args(["fast-import", "--quiet"])
        .stdin(Stdio::piped())
        .spawn()?;
    let mut stream = io::BufWriter::new(import.stdin.take().context("no stdin")?);
    write!(
        stream,
        "commit {REF}\ncommitter Bench <bench@example.com> 1767323045 +0000\ndata 6\ntriage\n"
    )?;
    for n in 0..n_issues {
        // Spread as digests are.
        let name = format!("{:08x}{n:016x}", (n as u32).wrapping_mul(0x9e37_79b1));
        let path = format!("k1/{}/{}", &name[..2], &name[2..]);
        support::write_file(&mut stream, &path, &log(n))?;
    }
    stream.flush()?;
    drop(stream);
    ensure!(import.wait()?.success(), "git fast-import failed");
    git(repo, &["gc", "--quiet"])
}

fn log(issue: usize) -> String {
    let mut log = String::new();
    let mut claim = String::new();
    for n in 1..=100_u64 {
        let id = random(issue as u64 * 100 + n);
        let rest = match n % 10 {
            1 => format!(r#""op":"claimed","until":"2026-11-23T10:00:00Z","lock":"{id}""#),
            2 => format!(r#""op":"released","claim":"{claim}""#),
            3 => r#""op":"ranked","score":71.5,"act":"yes""#.to_owned(),
            4 if n > 90 => format!(r#""op":"fixed","commit":"{id}{:024}""#, 0),
            _ => r#""op":"seen","title":"IndexError: list index out of range","events":12,"last":"2026-11-22T08:00:00Z""#.to_owned(),
        };
        if n % 10 == 1 {
            claim.clone_from(&id);
        }
        log += &format!(
            "{{\"v\":1,\"n\":{n},\"at\":\"2026-11-22T{:02}:00:00Z\",\"id\":\"{id}\",\"by\":\"bot@example.com\",{rest}}}\n",
            n % 24
        );
    }
    log
}

/// 16 digits in which nothing repeats, so that logs are as long packed as real ones (splitmix64).
fn random(seed: u64) -> String {
    let mut z = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    format!("{:016x}", z ^ (z >> 31))
}
