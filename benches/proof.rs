//! What a proof costs, in CPU time (user and system, children included), beside what it cannot do without: the bare test commands, two fresh
//! worktrees with fresh build output, and `git worktree add`.
//!
//! ```sh
//! KOAN_TEST_PYTHON=/tmp/venv/bin/python cargo bench --bench proof
//! ```
//! The Python needs pytest; without the variable it is `python3` of the `PATH`. `--quick` runs less often, and with fewer dependencies in the
//! Rust project; a word such as `pytest`, `cargo` or `trees` runs that part alone. The Rust project takes its dependencies from
//! cargo's cache: those of the guard itself.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[path = "support/projects.rs"]
mod projects;
mod support;

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use koan_guard::change::{FileMode, RepoPath};
use koan_guard::git::{Blob, Edit, Repo};
use koan_guard::suite::area::{Area, Kept};
use koan_guard::suite::sandbox::{Sandbox, SandboxLevel};
use serde_json::Value;

use projects::{Language, Project};
use support::{command, git, median, wait, write_file};

/// One run of tests that a proof makes.
#[derive(Debug)]
struct Run {
    /// The worktree that holds its tree, or one whose tests do the same.
    tree: &'static str,
    selection: Selection,
    /// Files that are new to this side, so that what is built of them is built again.
    fresh: Vec<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Selection {
    /// The touched test file.
    File,
    /// The new test alone.
    Test,
    All,
    /// The examples of the documentation alone.
    Examples,
}

/// One line of a table.
struct Row {
    name: &'static str,
    cpu: Vec<Duration>,
    wall: Vec<Duration>,
}

/// What one line costs.
#[derive(Clone, Copy, Default)]
struct Cost {
    cpu: Duration,
    wall: Duration,
}

fn main() -> anyhow::Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [verb, repo, area, n] = &args[..]
        && verb == LAY_OUT
    {
        lay_out_before(Path::new(repo), Path::new(area), n.parse()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let is_quick = args.iter().any(|arg| arg == "--quick");
    // `cargo bench` adds `--bench`.
    let words: Vec<&String> = args.iter().filter(|arg| !arg.starts_with("--")).collect();
    let is_asked_for = |part: &str| words.is_empty() || words.iter().any(|word| *word == part);
    if is_asked_for("pytest") {
        beside_bare_commands(&projects::python(is_quick)?, if is_quick { 2 } else { 9 })?;
    }
    if is_asked_for("cargo") {
        let project = projects::rust(is_quick)?;
        beside_bare_commands(&project, if is_quick { 1 } else { 3 })?;
        beside_fresh_worktrees(&project, if is_quick { 1 } else { 2 })?;
    }
    if is_asked_for("trees") {
        beside_worktree_add(if is_quick { 5 } else { 15 })?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A proof in a warm work area, beyond the test commands that it must run.
fn beside_bare_commands(project: &Project, n_rounds: usize) -> anyhow::Result<()> {
    for tree in ["parent", "before", "after", "old", "other"] {
        project.add_worktree(tree)?;
    }
    let runs = runs(project)?;
    let mut rows = ["bare test commands", "koan-guard check"].map(Row::new);
    let bare = |keeps_byte_code: bool| -> anyhow::Result<Cost> {
        let mut sum = Cost::default();
        for run in &runs {
            sum.add(run_bare(project, run, keeps_byte_code)?);
        }
        Ok(sum)
    };
    let mut typed = Row::new("the same, byte code kept");
    for round in 0..=n_rounds {
        let mut costs = vec![bare(false)?, check(project)?];
        if project.language == Language::Python {
            costs.push(bare(true)?);
        }
        // The first round warms the caches.
        if round > 0 {
            let all = rows.iter_mut().chain([&mut typed]);
            all.zip(costs).for_each(|(row, cost)| row.push(cost));
        }
    }
    let n_runs = runs.len();
    println!(
        "\n{}: a proof of {n_runs} runs in a warm work area, {n_rounds} interleaved rounds{}",
        project.name,
        load()
    );
    print_table(&[&rows[0], &typed, &rows[1]]);
    // What a person would have typed, where that is measured.
    let bare = if typed.cpu.is_empty() {
        &rows[0]
    } else {
        &typed
    };
    let guard = &rows[1];
    let beyond = median(&guard.cpu).as_secs_f64() - median(&bare.cpu).as_secs_f64();
    println!(
        "beyond {}: {:+.1} % (budget 5 %), {:+.1} ms a run; wall {:+.1} %",
        bare.name,
        beyond / median(&bare.cpu).as_secs_f64() * 100.0,
        beyond * 1e3 / n_runs as f64,
        (median(&guard.wall).as_secs_f64() / median(&bare.wall).as_secs_f64() - 1.0) * 100.0,
    );
    Ok(())
}

/// A proof in a warm work area, beside two worktrees and two folders of build output made for it.
fn beside_fresh_worktrees(project: &Project, n_rounds: usize) -> anyhow::Result<()> {
    let mut rows = [
        "two fresh worktrees, new test",
        "two fresh worktrees, suite",
        "koan-guard check",
        "koan-guard hook pre-commit",
    ]
    .map(Row::new);
    project.stage_fix()?;
    for round in 0..=n_rounds {
        // Nothing of a fresh worktree gets warm; the guard's own first round does not count.
        let naive = match round {
            0 => [Cost::default(); 2],
            _ => [
                in_fresh_worktrees(project, Selection::File)?,
                in_fresh_worktrees(project, Selection::All)?,
            ],
        };
        let hook = measure(project.command(GUARD).args(["hook", "pre-commit"]), &[0])?;
        let costs = [naive[0], naive[1], check(project)?, hook];
        if round > 0 {
            rows.iter_mut()
                .zip(costs)
                .for_each(|(row, cost)| row.push(cost));
        }
    }
    println!(
        "\n{}: a proof beside two fresh worktrees with fresh build output, {n_rounds} interleaved rounds{}",
        project.name,
        load()
    );
    print_table(&rows.each_ref());
    let ratio = |one: usize, other: usize| {
        median(&rows[one].cpu).as_secs_f64() / median(&rows[other].cpu).as_secs_f64()
    };
    println!(
        "whole proof: 1/{:.1} of the new test, 1/{:.1} of the suite; in a hook: 1/{:.1} and 1/{:.1} (budget 1/40)",
        ratio(0, 2),
        ratio(1, 2),
        ratio(0, 3),
        ratio(1, 3),
    );
    Ok(())
}

/// BEFORE and AFTER as they would be tried by hand.
fn in_fresh_worktrees(project: &Project, selection: Selection) -> anyhow::Result<Cost> {
    let mut sum = Cost::default();
    for (tree, exits) in [("before", &[101][..]), ("after", &[0])] {
        let name = format!("fresh-{tree}");
        let place = project.repo.with_file_name(&name);
        let path = place.to_str().context("a path")?;
        let mut add = command(&project.repo, "git");
        add.args(["worktree", "add", "--quiet", "--detach", path, "fix"]);
        sum.add(measure(&mut add, &[0])?);
        if tree == "before" {
            let source = project.text_at("main", project.source)?;
            fs::write(place.join(project.source), source)?;
        }
        let mut test = project.bare(&name, selection, false);
        sum.add(measure(&mut test, exits)?);
        git(&project.repo, &["worktree", "remove", "--force", path])?;
    }
    Ok(sum)
}

const GUARD: &str = env!("CARGO_BIN_EXE_koan-guard");
const CHECK: [&str; 5] = ["check", "fix", "--base", "main", "--no-note"];

fn check(project: &Project) -> anyhow::Result<Cost> {
    measure(project.command(GUARD).args(CHECK), &[0])
}

/// The runs of one proof, as the guard tells them to whoever asks.
fn runs(project: &Project) -> anyhow::Result<Vec<Run>> {
    // Whatever is made only once is made now.
    check(project)?;
    let mut guard = project.command(GUARD);
    guard.args(CHECK).args(["--verbose", "--format", "json"]);
    let output = guard.stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "koan-guard check: {output:?}");
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    let commits = answer["range"]["commits"].as_array().context("commits")?;
    let whole = &answer["range"]["whole"];
    let mut runs = Vec::new();
    for judgement in commits.iter().chain([whole]) {
        for record in judgement["runs"].as_array().into_iter().flatten() {
            if record["source"] == "made" {
                runs.push(run(project, record, &runs)?);
            }
        }
    }
    ensure!(runs.len() > 3, "a proof of {} runs", runs.len());
    Ok(runs)
}

fn run(project: &Project, record: &Value, earlier: &[Run]) -> anyhow::Result<Run> {
    let what = &record["what"];
    let is_hunk = what.get("without-hunk").is_some();
    let is_other = what.get("other-expectation").is_some();
    let tree = match record["tree"].as_str() {
        Some("after") if is_other => "other",
        Some("parent") => "parent",
        // Without its only hunk the fix is gone.
        Some("after") if is_hunk => "before",
        Some("before") => "before",
        Some("after") => "after",
        Some("old-tests") => "old",
        _ => bail!("this benchmark does not know the tree of {record}"),
    };
    let selection = match (what.as_str(), what["sample"]["n"].as_u64()) {
        (Some("suite"), _) => Selection::All,
        (Some("examples"), _) => Selection::Examples,
        (Some("echoed"), _) | (_, Some(1)) => Selection::File,
        (_, Some(_)) => Selection::Test,
        _ if is_hunk || is_other => Selection::Test,
        _ => bail!("this benchmark does not know the run {what}"),
    };
    let is_new = !earlier.iter().any(|run| run.tree == tree);
    let fresh = match tree {
        // The same once more, with other comments: another side.
        _ if what == "echoed" => vec![project.source, project.test],
        "before" if is_hunk || is_new => vec![project.test],
        "other" => vec![project.test],
        "after" if is_new => vec![project.source, project.test],
        "old" if is_new => vec![project.source],
        _ => Vec::new(),
    };
    Ok(Run {
        tree,
        selection,
        fresh,
    })
}

fn run_bare(project: &Project, run: &Run, keeps_byte_code: bool) -> anyhow::Result<Cost> {
    let folder = project.repo.with_file_name(run.tree);
    for path in &run.fresh {
        // As the guard lays them out: younger than all build output.
        fs::File::open(folder.join(path))?.set_modified(std::time::SystemTime::now())?;
    }
    let red = match project.language {
        Language::Python => 1,
        Language::Rust => 101,
    };
    let is_red = matches!(run.tree, "before" | "other");
    let exits = if is_red { [red] } else { [0] };
    measure(
        &mut project.bare(run.tree, run.selection, keeps_byte_code),
        &exits,
    )
}

/// The hidden argument with which this program starts itself, so that laying out a tree is measured as `git worktree add` is.
const LAY_OUT: &str = "__lay-out";
const N_FILES: usize = 5_000;
const EDITED: &str = "src/part0/group0/file1.py";

/// Laying out BEFORE above a kept PARENT, beside `git worktree add`.
fn beside_worktree_add(n_rounds: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let repo = folder.path().join("repo");
    support::build_repo(&repo, |stream| {
        for i in 0..N_FILES {
            write_file(stream, &path(i), &projects::lines(i, 40))?;
        }
        Ok(())
    })?;
    let area = folder.path().join("area");
    let lay_out = |n: usize| -> anyhow::Result<Cost> {
        let mut command = command(&repo, std::env::current_exe()?);
        command.arg(LAY_OUT).arg(&repo).arg(&area);
        measure(command.arg(n.to_string()), &[0])
    };
    let fresh = folder.path().join("fresh");
    let fresh = fresh.to_str().context("a path")?;
    let mut rows = [
        "git worktree add",
        "find PARENT in the work area",
        "the same, and lay out BEFORE",
        "the same, and three trees more",
    ]
    .map(Row::new);
    for round in 0..=n_rounds {
        let mut add = command(&repo, "git");
        let add = measure(
            add.args(["worktree", "add", "--quiet", "--detach", fresh]),
            &[0],
        )?;
        git(&repo, &["worktree", "remove", "--force", fresh])?;
        let costs = [add, lay_out(0)?, lay_out(1)?, lay_out(4)?];
        if round > 0 {
            rows.iter_mut()
                .zip(costs)
                .for_each(|(row, cost)| row.push(cost));
        }
    }
    println!(
        "\n{N_FILES} files: laying out BEFORE, {n_rounds} interleaved rounds{}",
        load()
    );
    print_table(&rows.each_ref());
    let cpu = rows.each_ref().map(|row| median(&row.cpu).as_secs_f64());
    // A busy machine makes writing five thousand files dearer than looking at them.
    let least = rows.each_ref().map(|row| {
        let least = row.cpu.iter().min().copied().unwrap_or_default();
        least.as_secs_f64()
    });
    println!(
        "BEFORE, with a look at all that it stands on: 1/{:.1} of `git worktree add`, 1/{:.1} by the least values (budget 1/15); each further tree: 1/{:.0}",
        cpu[0] / cpu[2],
        least[0] / least[2],
        cpu[0] * 3.0 / (cpu[3] - cpu[2]).max(1e-6),
    );
    Ok(())
}

fn path(i: usize) -> String {
    format!("src/part{}/group{}/file{i}.py", i / 1000, i / 25 % 40)
}

/// What the guard does for a proof until `n_sides` trees are laid out; the first time it keeps what the next times find.
fn lay_out_before(repo: &Path, area: &Path, n_sides: usize) -> anyhow::Result<()> {
    let repo = Repo::open(repo)?;
    let head_id = repo.head_id()?.context("no commit")?;
    let parent_tree_id = repo.commit(head_id)?.tree_id;
    // Nothing runs here.
    let sandbox = Sandbox {
        level: SandboxLevel::None,
        landlock_abi: 0,
        namespaces: false,
        seccomp: false,
        seatbelt: false,
        missing: Vec::new(),
        launcher: "/nonexistent/launcher".into(),
    };
    let area = Area::open(area, &sandbox, Duration::from_secs(60))?;
    let base = match area.kept("bench")? {
        Some(kept) => kept,
        None => {
            let side = area.add_side(None, |folder| repo.export(parent_tree_id, folder))?;
            let tree_id = parent_tree_id.to_string();
            area.keep("bench", Kept { side, tree_id })?
        }
    };
    for n in 0..n_sides {
        // As a canary is planted: the whole list of files is looked at.
        let files = repo.files(parent_tree_id)?;
        ensure!(files.len() == N_FILES, "{} files", files.len());
        let path = RepoPath::new(EDITED);
        let mut content = (repo.read_file(parent_tree_id, &path)?).context("no such file")?;
        content.extend_from_slice(format!("n = {n}\n").as_bytes());
        let edit = Edit::Put {
            path,
            mode: FileMode::Regular,
            content: Blob::Bytes(content),
        };
        let tree_id = repo.edit_tree(parent_tree_id, vec![edit])?;
        area.add_side(Some(&base.side), |folder| {
            repo.export_over((parent_tree_id, None), tree_id, folder)
        })?;
    }
    Ok(())
}

/// Runs a command to its end, which must be one of `exits`.
fn measure(command: &mut Command, exits: &[i32]) -> anyhow::Result<Cost> {
    let said = tempfile::tempfile()?;
    command
        .stdin(Stdio::null())
        .stdout(said.try_clone()?)
        .stderr(said.try_clone()?);
    let started = Instant::now();
    let child = command
        .spawn()
        .with_context(|| format!("run {command:?}"))?;
    let (exit, cpu) = wait(child)?;
    let wall = started.elapsed();
    if !exit.is_some_and(|exit| exits.contains(&exit)) {
        use std::io::Seek as _;
        let (mut said, mut text) = (said, String::new());
        said.rewind()?;
        said.read_to_string(&mut text)?;
        bail!("{command:?}: exit {exit:?}, not {exits:?}: {}", text.trim());
    }
    Ok(Cost { cpu, wall })
}

impl Cost {
    fn add(&mut self, other: Cost) {
        self.cpu += other.cpu;
        self.wall += other.wall;
    }
}

impl Row {
    fn new(name: &'static str) -> Row {
        Row {
            name,
            cpu: Vec::new(),
            wall: Vec::new(),
        }
    }

    fn push(&mut self, cost: Cost) {
        self.cpu.push(cost.cpu);
        self.wall.push(cost.wall);
    }
}

/// Ratios are to the first row.
fn print_table(rows: &[&Row]) {
    println!(
        "{:<32} {:>10} {:>10} {:>10} {:>8}",
        "CPU ms", "median", "least", "wall", "ratio"
    );
    let floor = median(&rows[0].cpu).as_secs_f64();
    for row in rows {
        let Some(least) = row.cpu.iter().min() else {
            continue;
        };
        let middle = median(&row.cpu).as_secs_f64();
        println!(
            "{:<32} {:>10.1} {:>10.1} {:>10.1} {:>8.3}",
            row.name,
            middle * 1e3,
            least.as_secs_f64() * 1e3,
            median(&row.wall).as_secs_f64() * 1e3,
            middle / floor,
        );
    }
}

/// How busy the machine is with other things: wall time means little where it is.
fn load() -> String {
    let said = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = said.split(' ').next().filter(|load| !load.is_empty());
    first.map_or_else(String::new, |load| format!(", load {load}"))
}
