//! What a digest of a million events costs: CPU time and peak memory of `extract`, beside the same facts as a person asks for them in the `sqlite3` shell
//! and in `psql`. Of PostgreSQL the server's CPU time counts too.
//!
//! ```sh
//! cargo bench --bench digest
//! ```
//! `--quick` has a tenth of the events and runs less often. `--growth` goes from ten thousand events to ten million, which takes 15 GB of disk.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[expect(dead_code, reason = "the other benchmarks use all of it")]
mod support;

#[cfg(feature = "postgres")]
#[path = "../tests/it/support/postgres.rs"]
#[expect(dead_code, reason = "the stories use all of it")]
mod postgres;

use std::path::{Path, PathBuf};
#[cfg(feature = "postgres")]
use std::process::Command;
use std::process::{ExitCode, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

use anyhow::{Context as _, bail};
use rusqlite::Connection;

use support::{command, commit_policy, git, median, wait_for};

const GUARD: &str = env!("CARGO_BIN_EXE_koan-guard");
const NOW: &str = "2026-11-22T08:00:00Z";

/// CPU time beside the same aggregate in the database's own shell.
const BUDGET: f64 = 1.2;
const MAX_MIB: f64 = 100.0;

/// What a person would ask for: how often and when by the hour and place, who was hit, and a message.
const ASKED: &str = "
SELECT exception_class, backtrace, HOUR, release, environment, level, count(*), min(created_at), max(created_at)
FROM errors WHERE created_at > '2026-11-08 08:00:00' GROUP BY 1, 2, 3, 4, 5, 6;
SELECT exception_class, backtrace, count(*), count(DISTINCT user_id), max(message)
FROM errors WHERE created_at > '2026-11-08 08:00:00' GROUP BY 1, 2;
";

/// Sixty bugs with eight frames each, over twelve days.
const ROWS: &str = "
SELECT x, 'Shop.Error' || (x % 60), 'order ' || x || ' of cart ' || (x * 7919 % 1000003) || ' is lost',
  FRAMES, CASE x % 10 WHEN 0 THEN 'fatal' ELSE 'error' END, 'shop@1.' || (x % 4), CASE x % 5 WHEN 0 THEN 'staging' ELSE 'production' END,
  x * 31 % 5003, AT FROM SERIES";

/// One line of the table.
struct Row {
    name: String,
    program: PathBuf,
    args: Vec<String>,
    /// A server that works for it.
    server: Option<u32>,
    baseline: Option<usize>,
    cpu: Vec<Duration>,
    peak_kib: u64,
}

fn main() -> anyhow::Result<ExitCode> {
    let has = |name: &str| env::args().any(|arg| arg == name);
    let folder = tempfile::tempdir()?;
    if has("--growth") {
        for n_events in [10_000, 100_000, 1_000_000, 10_000_000] {
            measure(folder.path(), n_events, 1)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let (n_events, n_runs) = if has("--quick") {
        (100_000, 3)
    } else {
        (1_000_000, 5)
    };
    let is_within = measure(folder.path(), n_events, n_runs)?;
    if !is_within {
        println!("over budget");
    }
    // A quick round on a busy machine shows that everything runs, and no more.
    Ok(if is_within || has("--quick") {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs every row once in turn, so that what else the machine does hits all of them alike. The first round warms the caches.
fn measure(folder: &Path, n_events: u64, n_runs: usize) -> anyhow::Result<bool> {
    let folder = folder.join(n_events.to_string());
    let mut rows = sqlite(&folder, n_events)?;
    #[cfg(feature = "postgres")]
    rows.extend(in_postgres(&folder, n_events, rows.len())?);
    for i in 0..=n_runs {
        for row in &mut rows {
            let (cpu, peak_kib) = run(&folder, row)?;
            if i > 0 {
                row.cpu.push(cpu);
                row.peak_kib = row.peak_kib.max(peak_kib);
            }
        }
    }
    println!("\n{n_events} events: CPU of {n_runs} interleaved runs");
    println!(
        "{:<28} {:>10} {:>10} {:>8} {:>8}",
        "", "median ms", "peak MiB", "ratio", "budget"
    );
    let mut is_within = true;
    for row in &rows {
        let cpu = median(&row.cpu).as_secs_f64();
        let peak = row.peak_kib as f64 / 1024.0;
        print!("{:<28} {:>10.1} {peak:>10.1}", row.name, cpu * 1e3);
        if let Some(of) = row.baseline {
            let ratio = cpu / median(&rows[of].cpu).as_secs_f64();
            is_within &= ratio <= BUDGET && peak <= MAX_MIB;
            print!(" {ratio:>8.2} {BUDGET:>8.1}");
        }
        println!();
    }
    fs::remove_dir_all(&folder)?;
    Ok(is_within)
}

fn run(folder: &Path, row: &Row) -> anyhow::Result<(Duration, u64)> {
    let errors = folder.join("stderr");
    let before = row.server.map(cpu_of_children).transpose()?;
    let mut command = command(&folder.join("repo"), &row.program);
    command.args(&row.args).stdin(Stdio::null());
    command
        .stdout(Stdio::null())
        .stderr(fs::File::create(&errors)?);
    let usage = wait_for(command.spawn().with_context(|| row.name.clone())?)?;
    if usage.exit != Some(0) {
        let said = fs::read_to_string(&errors)?;
        bail!("{}: exit {:?}: {}", row.name, usage.exit, said.trim());
    }
    let mut cpu = usage.cpu;
    if let (Some(server), Some(before)) = (row.server, before) {
        // The server's process for us goes a moment after us, and is counted then.
        thread::sleep(Duration::from_millis(500));
        cpu += cpu_of_children(server)?.saturating_sub(before);
    }
    Ok((cpu, usage.peak_kib))
}

/// CPU time of all children that a process has waited for.
fn cpu_of_children(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(") ").context("a process without a name")?;
    let mut fields = fields.split(' ').skip(13);
    let mut ticks = || fields.next().and_then(|field| field.parse::<u64>().ok());
    let (user, system) = (ticks().context("no time")?, ticks().context("no time")?);
    // A tick is a hundredth of a second wherever Linux is seen from a program.
    Ok(Duration::from_millis(10 * (user + system)))
}

fn row(name: &str, program: impl Into<PathBuf>, args: &[&str]) -> Row {
    Row {
        name: name.to_owned(),
        program: program.into(),
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        server: None,
        baseline: None,
        cpu: Vec::new(),
        peak_kib: 0,
    }
}

/// `extract` with a policy of its own: each is a commit, and the trusted one of its row.
fn extract(name: &str, folder: &Path, source: &str, baseline: usize) -> anyhow::Result<Row> {
    let repo = folder.join("repo");
    if !repo.exists() {
        fs::create_dir_all(&repo)?;
        git(&repo, &["init", "--quiet", "--initial-branch=main"])?;
        git(&repo, &["config", "user.name", "Bench"])?;
        git(&repo, &["config", "user.email", "bench@example.com"])?;
        fs::write(repo.join("first.py"), "x = 0\n")?;
        git(&repo, &["add", "first.py"])?;
        git(&repo, &["commit", "--quiet", "--message=first"])?;
        commit_policy(&repo, "")?;
    }
    let policy = repo.join(".koan-guard.yaml");
    let text = fs::read_to_string(&policy)?;
    let start = "sources:\n  - {name: app, table: errors, timeout: 1h, ";
    let own = text.split(start).next().unwrap_or_default();
    fs::write(&policy, format!("{own}{start}{source}}}\n"))?;
    git(&repo, &["add", ".koan-guard.yaml"])?;
    git(&repo, &["commit", "--quiet", "--message=a source"])?;
    let commit = command(&repo, "git").args(["rev-parse", "HEAD"]).output()?;
    let commit = String::from_utf8(commit.stdout)?;
    let args = [
        "extract",
        "--format",
        "json",
        "--now",
        NOW,
        "--base",
        commit.trim(),
    ];
    Ok(Row {
        baseline: Some(baseline),
        ..row(name, GUARD, &args)
    })
}

fn sqlite(folder: &Path, n_events: u64) -> anyhow::Result<Vec<Row>> {
    fs::create_dir_all(folder)?;
    let path = folder.join("errors.sqlite3");
    let rows = ROWS
        .replace("FRAMES", &frames("char(10)"))
        .replace("AT FROM", "datetime(1795333000 - x * 7919 % 1036800, 'unixepoch') FROM")
        .replace(
            "SERIES",
            &format!("(WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {n_events}) SELECT x FROM n)"),
        );
    Connection::open(&path)?.execute_batch(&format!(
        "PRAGMA synchronous = off; PRAGMA journal_mode = delete;
         CREATE TABLE errors (id INTEGER PRIMARY KEY, exception_class TEXT, message TEXT, backtrace TEXT, level TEXT, release TEXT,
                              environment TEXT, user_id INTEGER, created_at TEXT);
         INSERT INTO errors {rows};"
    ))?;
    let shown = path.to_str().context("UTF-8")?;
    let asked = ASKED.replace("HOUR", "substr(created_at, 1, 13)");
    let shell = row("sqlite3", "sqlite3", &["-readonly", shown, &asked]);
    let source = format!("kind: sqlite, path: '{shown}'");
    Ok(vec![
        shell,
        extract("extract from SQLite", folder, &source, 0)?,
    ])
}

/// Eight lines as Python writes them, the same for all events of a bug.
fn frames(newline: &str) -> String {
    let lines = (0..8).map(|n| {
        format!("'  File \"/srv/shop/part{n}/module_' || (x % 60) || '.py\", line 1{n}, in handle_{n}' || {newline} || '    total = handle(cart, user)' || {newline}")
    });
    let lines: Vec<String> = lines.collect();
    format!(
        "'Traceback (most recent call last):' || {newline} || {} || 'Shop.Error' || (x % 60) || ': lost'",
        lines.join(" || ")
    )
}

#[cfg(feature = "postgres")]
fn in_postgres(folder: &Path, n_events: u64, baseline: usize) -> anyhow::Result<Vec<Row>> {
    let name = format!("events_{n_events}");
    let server = postgres::database(&name);
    let rows = ROWS
        .replace("FRAMES", &frames("chr(10)"))
        .replace(
            "AT FROM",
            "to_timestamp(1795333000 - x * 7919 % 1036800) FROM",
        )
        .replace(
            "SERIES",
            &format!("generate_series(1, {n_events}::bigint) AS n(x)"),
        );
    server.sql(
        &name,
        &format!(
            "SET timezone = 'UTC';
             CREATE TABLE errors (id bigint PRIMARY KEY, exception_class text, message text, backtrace text, level text, release text,
                                  environment text, user_id bigint, created_at timestamptz);
             INSERT INTO errors {rows};
             ANALYZE errors; GRANT SELECT ON errors TO reader;"
        ),
    );
    let asked = ASKED.replace("HOUR", "date_trunc('hour', created_at)");
    let asked: Vec<&str> = asked.split_inclusive(';').collect();
    let psql: &Command = &server.psql(&name);
    let args: Vec<String> = psql
        .get_args()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    for statement in asked.iter().filter(|text| text.contains("SELECT")) {
        args.extend(["-c", statement]);
    }
    let pid = fs::read_to_string(server.socket_folder().join("data/postmaster.pid"))?;
    let pid: u32 = pid.lines().next().context("no process")?.parse()?;
    let source = format!(
        "kind: postgres, url: 'postgres://reader@/{name}?host={}&port={}'",
        server.socket_folder().display(),
        server.port
    );
    let mut shell = row("psql", psql.get_program(), &args);
    shell.server = Some(pid);
    let mut extract = extract("extract from PostgreSQL", folder, &source, baseline)?;
    extract.server = Some(pid);
    Ok(vec![shell, extract])
}
