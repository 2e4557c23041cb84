//! What the ledger costs when it is large: CPU time (user and system) of writing one note among many, and of a report, beside git's own list of notes.
//!
//! ```sh
//! cargo bench --bench ledger
//! ```
//! `--quick` has ten thousand notes in the place of a hundred thousand, and runs less often.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

mod support;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ExitCode, Stdio};
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context as _, bail, ensure};
use gix::ObjectId;
use koan_guard::git::{Repo, notes};

use support::{build_repo, command, commit_policy, git, median, wait, write_file};

/// One line of the table.
struct Row {
    name: &'static str,
    repo: PathBuf,
    program: PathBuf,
    args: Vec<String>,
    /// Another row, by its number, and how many times its cost this one may have.
    budget: Option<(usize, f64)>,
    samples: Vec<Duration>,
}

/// Tells this program, started again, to write one note.
const NOTE: &str = "--write-a-note";

fn main() -> anyhow::Result<ExitCode> {
    let args: Vec<String> = env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == NOTE) {
        return write_note(args.get(at + 1).context("which repository")?.as_ref());
    }
    let is_quick = args.iter().any(|arg| arg == "--quick");
    let (n_notes, n_runs) = if is_quick { (10_000, 7) } else { (100_000, 21) };
    let folder = tempfile::tempdir()?;
    let (none, many) = (folder.path().join("none"), folder.path().join("many"));
    build(&none, 200, false).context("build a repository without notes")?;
    build(&many, n_notes, true).with_context(|| format!("build {n_notes} notes"))?;
    let mut rows = rows(&none, &many)?;
    measure(&mut rows, n_runs)?;
    println!("\n{n_notes} notes: CPU of {n_runs} interleaved runs");
    let is_within = print_table(&rows);
    // A quick round on a busy machine shows that everything runs, and no more.
    Ok(if is_within || is_quick {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn rows(none: &Path, many: &Path) -> anyhow::Result<Vec<Row>> {
    let guard = PathBuf::from(env!("CARGO_BIN_EXE_koan-guard"));
    let this = env::current_exe()?;
    let row = |name, repo: &Path, program: &Path, args: &[&str], budget| Row {
        name,
        repo: repo.to_owned(),
        program: program.to_owned(),
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        budget,
        samples: Vec::new(),
    };
    let list = ["notes", "--ref=koan", "list"];
    let log = ["log", "--notes=koan", "--format=%H %N"];
    let git = Path::new("git");
    let one = [NOTE, "."];
    let last = ["audit", "HEAD~100..HEAD"];
    Ok(vec![
        row("a note among none", none, &this, &one, None),
        row("a note among many", many, &this, &one, Some((0, 1.5))),
        row("git notes list", many, git, &list, None),
        row(
            "audit of the last hundred",
            many,
            &guard,
            &last,
            Some((2, 3.0)),
        ),
        row("git log with notes", many, git, &log, None),
        row("audit of all", many, &guard, &["audit"], Some((4, 3.0))),
    ])
}

/// Runs every row once in turn, so that what else the machine does hits all of them alike. The first round warms the caches.
fn measure(rows: &mut [Row], n_runs: usize) -> anyhow::Result<()> {
    for i in 0..=n_runs {
        for row in &mut *rows {
            let errors = row.repo.with_extension("stderr");
            let mut command = command(&row.repo, &row.program);
            command.args(&row.args).stdin(Stdio::null());
            command
                .stdout(Stdio::null())
                .stderr(fs::File::create(&errors)?);
            let child = command.spawn().with_context(|| row.name)?;
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

/// Whether all are within their budgets.
fn print_table(rows: &[Row]) -> bool {
    println!(
        "{:<28} {:>10} {:>10} {:>8} {:>8}",
        "", "median ms", "least ms", "ratio", "budget"
    );
    let mut is_within = true;
    for row in rows {
        let least = row.samples.iter().min().copied().unwrap_or_default();
        let middle = median(&row.samples).as_secs_f64();
        print!(
            "{:<28} {:>10.2} {:>10.2}",
            row.name,
            middle * 1e3,
            least.as_secs_f64() * 1e3
        );
        if let Some((of, budget)) = row.budget {
            let ratio = middle / median(&rows[of].samples).as_secs_f64();
            is_within &= ratio <= budget;
            print!(" {ratio:>8.2} {budget:>8.1}");
        }
        println!();
    }
    if !is_within {
        println!("over budget");
    }
    is_within
}

/// A note for an object that has none: its id is a new one each time.
fn write_note(repo: &Path) -> anyhow::Result<ExitCode> {
    let repo = Repo::open(repo)?;
    let mut bytes = [0; 20];
    for chunk in bytes.chunks_mut(4) {
        let random = RandomState::new().build_hasher().finish();
        chunk.copy_from_slice(&random.to_be_bytes()[..4]);
    }
    let id = ObjectId::from_bytes_or_panic(&bytes);
    notes::append(&repo, id, &statement(&id.to_string(), "0", "0"))?;
    Ok(ExitCode::SUCCESS)
}

fn build(repo: &Path, n_commits: usize, has_notes: bool) -> anyhow::Result<()> {
    build_repo(repo, |stream| {
        Ok(write_file(stream, "first.py", "x = 0\n")?)
    })?;
    fs::write(repo.join("test_first.py"), "import unittest\n")?;
    git(repo, &["add", "test_first.py"])?;
    git(repo, &["commit", "--quiet", "--message=chore: a test"])?;
    commit_policy(repo, "")?;
    import(repo, |stream| {
        for n in 0..n_commits {
            let message = format!("fix: number {n}\n");
            write!(stream, "commit refs/heads/main\nmark :{}\n", n + 1)?;
            writeln!(
                stream,
                "committer Bench <bench@example.com> {} +0000",
                1_767_323_100 + n
            )?;
            writeln!(stream, "data {}\n{message}", message.len())?;
            if n == 0 {
                writeln!(stream, "from refs/heads/main^0")?;
            }
            write_file(
                stream,
                &format!("part{}/file.py", n % 50),
                &format!("x = {n}\n"),
            )?;
        }
        Ok(())
    })?;
    git(repo, &["reset", "--quiet", "--hard"])?;
    if !has_notes {
        return git(repo, &["gc", "--quiet"]);
    }
    let output = command(repo, "git")
        .args(["log", "--format=%H %T"])
        .output()?;
    let commits = String::from_utf8(output.stdout)?;
    import(repo, |stream| {
        write!(
            stream,
            "commit refs/notes/koan\ncommitter Bench <bench@example.com> 1767323045 +0000\ndata 5\nnotes\n"
        )?;
        let trees = commits.lines().map(|line| line.split_once(' '));
        let trees: Option<Vec<(&str, &str)>> = trees.collect();
        let trees = trees.context("commits and their trees")?;
        // The newest come first, each before its parent.
        for pair in trees.windows(2).take(n_commits) {
            let [(id, tree_id), (_, parent_tree_id)] = pair else {
                continue;
            };
            let text = statement(id, tree_id, parent_tree_id) + "\n";
            write!(stream, "N inline {id}\ndata {}\n{text}\n", text.len())?;
        }
        Ok(())
    })?;
    git(repo, &["gc", "--quiet"])
}

fn import(
    repo: &Path,
    write: impl FnOnce(&mut BufWriter<ChildStdin>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut import = command(repo, "git")
        .args(["fast-import", "--quiet"])
        .stdin(Stdio::piped())
        .spawn()?;
    let mut stream = BufWriter::new(import.stdin.take().context("no stdin")?);
    write(&mut stream)?;
    stream.flush()?;
    drop(stream);
    ensure!(import.wait()?.success(), "git fast-import failed");
    Ok(())
}

/// A statement as long as they are.
fn statement(id: &str, tree_id: &str, parent_tree_id: &str) -> String {
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"fix: it","digest":{{"gitCommit":"{id}","gitTree":"{tree_id}"}}}}],"predicateType":"urn:koan-guard:fail-to-pass:v1","predicate":{{"result":"accepted","lane":"repair","judgedBy":"check","policy":{{"digest":"{0}{0}","commit":"{id}"}},"trees":{{"parent":"{parent_tree_id}","before":"{id}","after":"{tree_id}","oldTests":"{tree_id}"}},"patchId":"{id}","failToPass":{{"test_cart.Total.test_of_nothing":{{"before":["failed","failed","failed"],"after":["passed","passed","passed"],"detail":"IndexError: list index out of range"}}}},"passToPass":{{"count":120,"sha256":"{0}{0}"}},"stillRed":[],"runner":{{"name":"unittest","version":"CPython 3.13.1","suite":"all"}},"sandbox":{{"level":3,"landlock_abi":7,"namespaces":true,"seccomp":true,"missing":[]}},"milliseconds":1234,"guardVersion":"0.1.0"}}}}"#,
        "0123456789abcdef0123456789abcdef"
    )
}
