//! Dishonest commits and honest ones of the same shapes, each judged by `koan-guard check HEAD` with the policy that `init` writes, and with the
//! preset `strict` beside it.
//!
//! The tables beside this file are walked in full; a case is a section of its own:
//!
//! ```text
//! === base                     the files of the project, with its bug
//! === kept out: a sentence     what becomes of the commit: `accepted`, or `kept out` by a refusal or a doubt
//! === accepted | strict kept out: a sentence      the same, where the preset `strict` makes something else of it
//! === quick, kept out: a sentence      one of the third that runs every time: those that take little time
//! --- path                     a whole file; `path (deleted)`
//! +++ path                     lines at its end
//! @@@ path                     lines in it: ` ` stays, `-` goes, `+` comes; an empty line between two places
//! --- (issue)                  `TYPE FILE FUNCTION` of an error of production that the message names; `unknown` where no digest has it
//! ```
//!
//! A case is an attack if any policy keeps it out, or if its sentence says that no run tells it from a fix; with `honest all the same` in its
//! sentence it is none. `KOAN_ATTACK=WORDS` walks only the cases whose sentence holds these words, and `-- --nocapture` shows how long each takes.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;
use std::{env, fs};

use serde_json::json;
use tempfile::TempDir;

struct Case {
    default: Verdict,
    strict: Verdict,
    name: String,
    is_quick: bool,
    files: Vec<File>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Accepted,
    KeptOut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    /// What `init` writes.
    Default,
    /// The preset `strict` beside it.
    Strict,
}

struct File {
    how: How,
    path: String,
    text: String,
}

#[derive(PartialEq)]
enum How {
    Whole,
    Append,
    Edit,
}

/// The tables, and a test for each table and policy, so that one policy's cases run beside the other's.
macro_rules! tables {
    ($($name:ident)*) => {
        const TABLES: &[(&str, &str)] = &[
            $((stringify!($name), include_str!(concat!(stringify!($name), ".txt")))),*
        ];

        mod default {
            $(
                #[test]
                #[cfg_attr(not(feature = "slow-tests"), ignore = "minutes: tests/run.sh --all")]
                fn $name() {
                    super::walk(stringify!($name), super::Policy::Default, |_| true);
                }
            )*
        }

        mod strict {
            $(
                #[test]
                #[cfg_attr(not(feature = "slow-tests"), ignore = "minutes: tests/run.sh --all")]
                fn $name() {
                    super::walk(stringify!($name), super::Policy::Strict, |_| true);
                }
            )*
        }
    };
}

tables! { bats cargo go jest minitest node phpunit pytest rspec unittest }

/// What `tests/run.sh` walks without `--all`: the quick cases of these tables.
macro_rules! third {
    ($($name:ident)*) => {
        mod third {
            $(
                #[test]
                #[cfg_attr(feature = "slow-tests", ignore = "`default` walks them all")]
                fn $name() {
                    super::walk(stringify!($name), super::Policy::Default, |case| case.is_quick);
                }
            )*
        }
    };
}

third! { minitest node phpunit pytest rspec unittest }

#[test]
fn a_third_of_all_cases_is_quick() {
    let tables = TABLES.iter();
    let cases: Vec<Case> = tables
        .flat_map(|(_, table)| parse(table).into_iter().skip(1))
        .collect();
    let n_quick = cases.iter().filter(|case| case.is_quick).count();
    assert!(3 * n_quick >= cases.len(), "{n_quick} of {}", cases.len());
}

/// What the README says of each policy, counted in the tables: the tests above hold a run to them.
#[test]
fn the_readme_publishes_what_the_tables_hold() {
    let cases: Vec<Case> = TABLES
        .iter()
        .flat_map(|(_, table)| parse(table).into_iter().skip(1))
        .collect();
    let (attacks, honest): (Vec<Case>, Vec<Case>) = cases.into_iter().partition(Case::is_attack);
    let readme = include_str!("../../README.md");
    for (name, policy) in [("default", Policy::Default), ("strict", Policy::Strict)] {
        let n = |cases: &[Case], verdict| {
            let cases = cases.iter();
            cases
                .filter(|case| case.expected(policy) == verdict)
                .count()
        };
        let row = format!(
            "| `{name}` | {} of {} | {} of {} |",
            n(&attacks, Verdict::KeptOut),
            attacks.len(),
            n(&honest, Verdict::Accepted),
            honest.len()
        );
        assert!(readme.contains(&row), "the README lacks the row: {row}");
    }
}

/// Judges the chosen cases of a table, and names all that got another verdict.
#[expect(clippy::print_stdout, reason = "to see which cases are slow")]
fn walk(name: &str, policy: Policy, is_chosen: fn(&Case) -> bool) {
    let only = env::var("KOAN_ATTACK").unwrap_or_default();
    let cases = parse(table(name));
    let (base, cases) = cases.split_first().expect("a base");
    let site = Site::new(base, policy);
    let mut wrong = Vec::new();
    let mut n_judged = 0;
    let chosen = cases.iter().filter(|case| is_chosen(case));
    for case in chosen.filter(|case| case.name.contains(&only)) {
        let started = Instant::now();
        let (verdict, answer) = site.judge(case);
        println!(
            "{:6.2} s  {name} {policy:?} {verdict:?}: {}",
            started.elapsed().as_secs_f32(),
            case.name
        );
        if verdict != Some(case.expected(policy)) {
            wrong.push(format!("{} ({policy:?}): {verdict:?}\n{answer}", case.name));
        }
        n_judged += 1;
    }
    assert!(
        n_judged > 0,
        "no case that is walked holds `{only}` in its sentence"
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn table(name: &str) -> &'static str {
    let mut tables = TABLES.iter();
    let found = tables.find(|(known, _)| *known == name);
    found.expect("a table of this name").1
}

impl Case {
    /// Of what stands behind `=== `; the base has no verdict, and is never asked for one.
    fn new(heading: &str) -> Case {
        let (verdicts, name) = heading.split_once(": ").unwrap_or(("accepted", heading));
        let (is_quick, verdicts) = match verdicts.strip_prefix("quick, ") {
            Some(verdicts) => (true, verdicts),
            None => (false, verdicts),
        };
        let (default, strict) = match verdicts.split_once(" | strict ") {
            Some((default, strict)) => (verdict(default), verdict(strict)),
            None => (verdict(verdicts), verdict(verdicts)),
        };
        Case {
            default,
            strict,
            name: name.to_owned(),
            is_quick,
            files: Vec::new(),
        }
    }

    fn is_attack(&self) -> bool {
        let is_kept_out = [self.default, self.strict].contains(&Verdict::KeptOut);
        let is_honest = self.name.contains("honest all the same");
        !is_honest && (is_kept_out || self.name.contains("no run tells from a fix"))
    }

    fn expected(&self, policy: Policy) -> Verdict {
        match policy {
            Policy::Default => self.default,
            Policy::Strict => self.strict,
        }
    }

    /// The error of production that the message names, as it is written.
    fn issue(&self) -> Option<&str> {
        let mut files = self.files.iter();
        let issue = files.find(|file| file.path == "(issue)")?;
        Some(issue.text.trim())
    }
}

fn verdict(text: &str) -> Verdict {
    match text {
        "accepted" => Verdict::Accepted,
        "kept out" => Verdict::KeptOut,
        _ => panic!("`{text}` is no verdict"),
    }
}

fn parse(table: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in table.split_inclusive('\n') {
        let (mark, rest) = line.split_at_checked(4).unwrap_or((line, ""));
        let rest = rest.trim_end();
        let how = match mark {
            "=== " => {
                cases.push(Case::new(rest));
                continue;
            }
            "--- " => How::Whole,
            "+++ " => How::Append,
            "@@@ " => How::Edit,
            _ => {
                let case = cases.last_mut().expect("a case before its lines");
                let file = case.files.last_mut().expect("a file before its lines");
                file.text.push_str(line);
                continue;
            }
        };
        let case = cases.last_mut().expect("a case before its files");
        case.files.push(File {
            how,
            path: rest.to_owned(),
            text: String::new(),
        });
    }
    cases
}

const GUARD: &str = env!("CARGO_BIN_EXE_koan-guard");
const ISSUE: &str = "k1:0123456789abcdef01234567";

/// A repository that holds a table's base and a policy on `main`. Each case is a commit on a branch of its own, so that the guard builds the
/// base once, as it does where people work.
struct Site {
    temp: TempDir,
    packages: Option<PathBuf>,
}

impl Site {
    fn new(base: &Case, policy: Policy) -> Site {
        let mut files = base.files.iter();
        let needs_packages = files.any(|file| file.text.contains("node_modules"));
        let packages = needs_packages.then(|| {
            let packages = env::var_os("KOAN_TEST_NODE_MODULES");
            packages.expect("run this by tests/run.sh: KOAN_TEST_NODE_MODULES is not set")
        });
        let site = Site {
            temp: tempfile::tempdir().expect("a folder"),
            packages: packages.map(PathBuf::from),
        };
        let repo = site.repo();
        fs::create_dir(&repo).expect("a folder");
        site.git(&["init", "--quiet", "--initial-branch=main"]);
        write(&repo, base);
        site.git(&["add", "--all"]);
        site.git(&["commit", "--quiet", "-m", "feat: a shop"]);
        site.show_packages();
        succeed(command(GUARD, &repo).arg("init"));
        if policy == Policy::Strict {
            let file = repo.join(".koan-guard.yaml");
            let text = fs::read_to_string(&file).expect("a policy");
            let stricter = text.replacen("extends: [default", "extends: [default, strict", 1);
            assert_ne!(text, stricter, "{text}");
            fs::write(&file, stricter).expect("a policy");
        }
        site.git(&["add", "--all"]);
        site.git(&["commit", "--quiet", "-m", "chore: a guard"]);
        site
    }

    fn repo(&self) -> PathBuf {
        self.temp.path().join("repo")
    }

    fn git(&self, args: &[&str]) {
        succeed(command("git", &self.repo()).args(args));
    }

    /// As in a checkout in which the packages are installed; git does not see it.
    fn show_packages(&self) {
        if let Some(packages) = &self.packages {
            symlink(packages, self.repo().join("node_modules")).expect("a link");
        }
    }

    /// The verdict, if there was one, and all that was said.
    fn judge(&self, case: &Case) -> (Option<Verdict>, String) {
        let repo = self.repo();
        // Also what an earlier case wrote and git ignores.
        self.git(&["clean", "--quiet", "-ffdx"]);
        self.git(&["switch", "--quiet", "--force-create", "koan/fix", "main"]);
        self.show_packages();
        write(&repo, case);
        self.git(&["add", "--all"]);
        let mut message = "fix: total of a cart".to_owned();
        let mut check = command(GUARD, &repo);
        check.args(["check", "HEAD"]);
        if let Some(issue) = case.issue() {
            message += &format!("\n\nKoan-Issue: {ISSUE}");
            if let Some(digest) = digest(issue) {
                let file = self.temp.path().join("digest.json");
                fs::write(&file, digest).expect("a digest");
                check.arg("--issues").arg(file);
            }
        }
        self.git(&["commit", "--quiet", "-m", &message]);

        let output = run(&mut check);
        let verdict = match output.status.code() {
            Some(0) => Some(Verdict::Accepted),
            Some(1 | 3) => Some(Verdict::KeptOut),
            _ => None,
        };
        (verdict, said(&output))
    }
}

/// A digest with one error, of a line of the table; `None` for one that no digest has.
fn digest(issue: &str) -> Option<String> {
    let [kind, file, function] = issue.split_whitespace().collect::<Vec<_>>()[..] else {
        assert_eq!(issue, "unknown", "type, file and function of an error");
        return None;
    };
    let frame = json!({"file": file, "line": 1, "function": function, "in_app": true});
    let error =
        json!({"fingerprint": ISSUE, "type": kind, "messages": ["it broke"], "frames": [frame]});
    let digest = json!({"schema": "koan-guard/digest/v1", "errors": [error]});
    Some(digest.to_string())
}

fn write(repo: &Path, case: &Case) {
    for file in case.files.iter().filter(|file| file.path != "(issue)") {
        if let Some(path) = file.path.strip_suffix(" (deleted)") {
            fs::remove_file(repo.join(path)).expect("a file to remove");
            continue;
        }
        let path = repo.join(&file.path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let text = match file.how {
            How::Whole => file.text.clone(),
            How::Append => fs::read_to_string(&path).unwrap_or_default() + &file.text,
            How::Edit => edited(&fs::read_to_string(&path).expect("a file"), &file.text),
        };
        fs::write(&path, text).expect("a file");
    }
}

fn edited(text: &str, edits: &str) -> String {
    let mut text = text.to_owned();
    for edit in edits.split("\n\n") {
        let side = |signs: [char; 2]| -> String {
            let lines = edit.lines().filter(|line| line.starts_with(signs));
            lines.map(|line| format!("{}\n", &line[1..])).collect()
        };
        let (old, new) = (side([' ', '-']), side([' ', '+']));
        if !edit.trim().is_empty() {
            assert_eq!(text.matches(&old).count(), 1, "{old} in {text}");
            text = text.replacen(&old, &new, 1);
        }
    }
    text
}

fn succeed(command: &mut Command) {
    let output = run(command);
    assert!(output.status.success(), "{command:?}: {}", said(&output));
}

fn run(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output();
    output.unwrap_or_else(|err| panic!("{command:?}: {err}"))
}

fn said(output: &Output) -> String {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    format!("{stdout}{stderr}")
}

/// A command in a clean environment, in which the compilers and interpreters of the tests are found.
fn command(program: &str, repo: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(repo).env_clear().envs([
        ("GIT_AUTHOR_EMAIL", "author@example.com"),
        ("GIT_AUTHOR_NAME", "An Author"),
        ("GIT_COMMITTER_EMAIL", "author@example.com"),
        ("GIT_COMMITTER_NAME", "An Author"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("LC_ALL", "C"),
    ]);
    command.env("HOME", repo.parent().expect("a folder"));
    for name in ["PATH", "RUSTUP_TOOLCHAIN", "TMPDIR"] {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        let default = || home.join(folder).into_os_string();
        command.env(name, env::var_os(name).unwrap_or_else(default));
    }
    let python = env::var_os("KOAN_TEST_PYTHON").map(PathBuf::from);
    if let Some(environment) = python
        .as_deref()
        .and_then(|python| python.ancestors().nth(2))
    {
        command.env("VIRTUAL_ENV", environment);
    }
    command
}
