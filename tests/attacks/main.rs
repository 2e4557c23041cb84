//! Dishonest commits and honest ones of the same shapes, each judged by `koan-guard check HEAD` with the policy that `init` writes, and where
//! the table says so with the preset `strict` beside it.
//!
//! The tables beside this file are walked in full; a case is a section of its own:
//!
//! ```text
//! === base                     the files of the project, with its bug
//! === kept out: a sentence     what becomes of the commit: `accepted`, or `kept out` by a refusal or a doubt
//! === accepted | strict kept out: a sentence      the same, and what becomes of it with the preset `strict`
//! --- path                     a whole file; `path (deleted)`
//! +++ path                     lines at its end
//! @@@ path                     lines in it: ` ` stays, `-` goes, `+` comes; an empty line between two places
//! --- (issue)                  `TYPE FILE FUNCTION` of an error of production that the message names; `unknown` where no digest has it
//! ```
//!
//! A case is an attack if any policy keeps it out, or if its sentence says that no run tells it from a fix; with `honest all the same` in its
//! sentence it is none. `KOAN_ATTACK=WORDS` walks only the cases whose sentence holds these words.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, fs};

use serde_json::json;

struct Case {
    /// With the policy that `init` writes.
    expected: String,
    strict: Option<String>,
    name: String,
    files: Vec<File>,
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

#[test]
fn unittest() {
    walk(include_str!("unittest.txt"));
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "minutes: tests/run.sh --all")]
fn pytest() {
    walk(include_str!("pytest.txt"));
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "minutes: tests/run.sh --all")]
fn cargo() {
    walk(include_str!("cargo.txt"));
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "minutes: tests/run.sh --all")]
fn go() {
    walk(include_str!("go.txt"));
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "minutes: tests/run.sh --all")]
fn minitest() {
    walk(include_str!("minitest.txt"));
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "minutes: tests/run.sh --all")]
fn node() {
    walk(include_str!("node.txt"));
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "minutes: tests/run.sh --all")]
fn rspec() {
    walk(include_str!("rspec.txt"));
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "minutes: tests/run.sh --all")]
fn bats() {
    walk(include_str!("bats.txt"));
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "minutes: tests/run.sh --all")]
fn jest() {
    walk(include_str!("jest.txt"));
}

/// Of the slow tables, what is quick enough for every run.
#[test]
fn javascript() {
    walk_some(
        include_str!("node.txt"),
        &[
            "a test appended",
            "an assertion that is replaced",
            "an exit in the test file",
            "red only because a function is new",
        ],
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "minutes: tests/run.sh --all")]
fn phpunit() {
    walk(include_str!("phpunit.txt"));
}

/// Judges every case of a table, names all that got another verdict, and counts.
#[expect(clippy::print_stdout, reason = "the counts are published")]
fn walk(table: &str) {
    // A test's thread has its name, which is the table's.
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("attacks");
    let cases = parse(table);
    let (base, cases) = cases.split_first().expect("a base");
    let only = env::var("KOAN_ATTACK").unwrap_or_default();
    let mut wrong = Vec::new();
    let mut counts: BTreeMap<(&str, bool), [usize; 2]> = BTreeMap::new();
    for case in cases.iter().filter(|case| case.name.contains(&only)) {
        let policies = [
            ("default", Some(&case.expected)),
            ("strict", case.strict.as_ref()),
        ];
        for (policy, expected) in policies {
            let Some(expected) = expected else { continue };
            let (verdict, answer) = judge(base, case, policy);
            if verdict != expected {
                wrong.push(format!("{} ({policy}): {verdict}\n{answer}", case.name));
            }
            let [n_right, n_all] = counts.entry((policy, case.is_attack())).or_default();
            let right = match case.is_attack() {
                true => "kept out",
                false => "accepted",
            };
            *n_right += usize::from(verdict == right);
            *n_all += 1;
        }
    }
    assert!(!counts.is_empty(), "no case holds `{only}` in its sentence");
    for ((policy, is_attack), [n_right, n_all]) in counts {
        let what = match is_attack {
            true => "attacks kept out",
            false => "honest fixes accepted",
        };
        println!("{name}, policy {policy}: {n_right} of {n_all} {what}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Judges the named cases of a table.
fn walk_some(table: &str, names: &[&str]) {
    let cases = parse(table);
    let (base, cases) = cases.split_first().expect("a base");
    for name in names {
        let case = cases.iter().find(|case| case.name == *name);
        let case = case.unwrap_or_else(|| panic!("no case `{name}`"));
        let (verdict, answer) = judge(base, case, "default");
        assert_eq!(verdict, case.expected, "{name}: {answer}");
    }
}

impl Case {
    fn is_attack(&self) -> bool {
        let all = [Some(&self.expected), self.strict.as_ref()];
        let is_kept_out = all
            .into_iter()
            .flatten()
            .any(|verdict| verdict == "kept out");
        let is_honest = self.name.contains("honest all the same");
        !is_honest && (is_kept_out || self.name.contains("no run tells from a fix"))
    }

    /// The error of production that the message names, as it is written.
    fn issue(&self) -> Option<&str> {
        let mut files = self.files.iter();
        let issue = files.find(|file| file.path == "(issue)")?;
        Some(issue.text.trim())
    }
}

fn parse(table: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in table.split_inclusive('\n') {
        let (mark, rest) = line.split_at_checked(4).unwrap_or((line, ""));
        let rest = rest.trim_end();
        let how = match mark {
            "=== " => {
                let (expected, name) = rest.split_once(": ").unwrap_or((rest, rest));
                let (expected, strict) = match expected.split_once(" | strict ") {
                    Some((expected, strict)) => (expected, Some(strict.to_owned())),
                    None => (expected, None),
                };
                cases.push(Case {
                    expected: expected.to_owned(),
                    strict,
                    name: name.to_owned(),
                    files: Vec::new(),
                });
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

const ISSUE: &str = "k1:0123456789abcdef01234567";

fn judge(base: &Case, case: &Case, policy: &str) -> (&'static str, String) {
    let temp = tempfile::tempdir().expect("a folder");
    let repo = temp.path().join("repo");
    fs::create_dir(&repo).expect("a folder");
    let git = |args: &[&str]| succeed(command("git", &repo).args(args));
    git(&["init", "--quiet", "--initial-branch=main"]);
    write(&repo, base);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "-m", "feat: a shop"]);
    if base
        .files
        .iter()
        .any(|file| file.text.contains("node_modules"))
    {
        // As a checkout has it in which the packages are installed; git does not see it.
        let packages = env::var("KOAN_TEST_NODE_MODULES")
            .expect("run this by tests/run.sh: KOAN_TEST_NODE_MODULES is not set");
        std::os::unix::fs::symlink(packages, repo.join("node_modules")).expect("a link");
    }
    let guard = env!("CARGO_BIN_EXE_koan-guard");
    succeed(command(guard, &repo).arg("init"));
    if policy != "default" {
        let file = repo.join(".koan-guard.yaml");
        let text = fs::read_to_string(&file).expect("a policy");
        let stricter = text.replacen(
            "extends: [default",
            &format!("extends: [default, {policy}"),
            1,
        );
        assert_ne!(text, stricter, "{text}");
        fs::write(&file, stricter).expect("a policy");
    }
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "-m", "chore: a guard"]);
    git(&["switch", "--quiet", "--create", "koan/fix"]);
    write(&repo, case);
    git(&["add", "--all"]);
    let mut message = "fix: total of a cart".to_owned();
    let mut check = command(guard, &repo);
    check.args(["check", "HEAD"]);
    if let Some(issue) = case.issue() {
        message += &format!("\n\nKoan-Issue: {ISSUE}");
        if let Some(digest) = digest(issue) {
            let file = temp.path().join("digest.json");
            fs::write(&file, digest).expect("a digest");
            check.arg("--issues").arg(file);
        }
    }
    git(&["commit", "--quiet", "-m", &message]);

    let output = run(&mut check);
    let verdict = match output.status.code() {
        Some(0) => "accepted",
        Some(1 | 3) => "kept out",
        _ => "not judged",
    };
    (verdict, said(&output))
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
