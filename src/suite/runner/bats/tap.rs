//! What is in a bats file, and what bats says about one of its tests.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use crate::change::RepoPath;
use crate::suite::Outcome;
use crate::suite::process::{End, Finished};
use crate::suite::runner::Canary;

/// A test by the name that stands in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::suite::runner) struct Test {
    pub file: String,
    pub name: String,
}

/// What one bats said about the one test that it was started for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::suite::runner) struct Reading {
    pub outcome: Outcome,
    pub detail: String,
    said: String,
}

/// The paths that `find` gave, those of other projects left out.
pub(in crate::suite::runner) fn files(stdout: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(stdout);
    let foreign = [
        "node_modules",
        "vendor",
        "bats-core",
        "bats-assert",
        "bats-support",
        "bats-file",
    ];
    let is_own = |path: &&str| !path.split('/').any(|part| foreign.contains(&part));
    let paths = text.split('\0').filter(|path| !path.is_empty());
    let paths = paths.map(|path| path.trim_start_matches("./"));
    let mut own: Vec<String> = paths.filter(is_own).map(str::to_owned).collect();
    own.sort();
    own
}

static HEAD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[ \t]*@test[ \t]+(.*[^ \t])[ \t]+\{.*$").expect("it is used by every run")
});

/// A function that a comment makes a test.
static FUNCTION: LazyLock<Regex> = LazyLock::new(|| {
    let text = r"[ \t]*([^ \t()]+)[ \t]*\(?\)?[ \t]+\{[ \t]+#[ \t]*@test[ \t]*$";
    Regex::new(text).expect("it is used by every run")
});

/// The tests in the lines that `grep -HZ` gave, by the patterns of bats itself.
pub(in crate::suite::runner) fn tests(stdout: &[u8]) -> Vec<Test> {
    let text = String::from_utf8_lossy(stdout);
    let mut tests = Vec::new();
    for line in text.lines() {
        let Some((file, line)) = line.split_once('\0') else {
            continue;
        };
        let captures = HEAD.captures(line).or_else(|| FUNCTION.captures(line));
        let Some(name) = captures.and_then(|captures| captures.get(1)) else {
            continue;
        };
        let quotes = ['\'', '"'];
        let name = name.as_str();
        let name = name.strip_prefix(quotes).unwrap_or(name);
        let name = name.strip_suffix(quotes).unwrap_or(name);
        tests.push(Test {
            file: file.to_owned(),
            name: name.to_owned(),
        });
    }
    tests
}

/// The expression that meets these names only.
pub(super) fn filter<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let escaped = names.map(|name| {
        let mut text = String::new();
        for c in name.chars() {
            if ".[]()*+?{}|^$\\".contains(c) {
                text.push('\\');
            }
            text.push(c);
        }
        text
    });
    format!("^({})$", escaped.collect::<Vec<_>>().join("|"))
}

/// The test files that a touched file is, or belongs to: those below its folder, else below the nearest folder above.
pub(super) fn belonging<'a>(files: &BTreeSet<&'a str>, touched: &RepoPath) -> Vec<&'a str> {
    let path = touched.as_path();
    if let Some(&own) = files.iter().find(|file| Path::new(file) == path) {
        return vec![own];
    }
    for folder in path.ancestors().skip(1) {
        let below = files
            .iter()
            .filter(|file| Path::new(file).starts_with(folder));
        let below: Vec<&str> = below.copied().collect();
        if !below.is_empty() {
            return below;
        }
    }
    Vec::new()
}

/// Tests that must fail, each by another kind of assertion; every one says the nonce.
pub(super) fn canary_tests(canary: &Canary, has_asserts: bool) -> String {
    let Canary { name, nonce } = canary;
    let test =
        |kind: &str, body: &str| format!("@test \"{name}{kind}\" {{ echo {nonce}; {body}; }}\n");
    let mut tests = test("", "false");
    tests += &test("_bracket", "[ 1 -eq 2 ]");
    tests += &test(
        "_run",
        &format!("run echo {nonce}; [[ \"$status\" -ne 0 ]]"),
    );
    if has_asserts {
        tests += &test("_equal", "assert_equal 1 2");
    }
    tests
}

/// The outcome of a test that ran alone, or before one of the guard's own, which has this name.
///
/// # Errors
/// The reason not to believe it: status, plan and results do not agree.
pub(in crate::suite::runner) fn read(
    finished: &Finished,
    own: Option<(&str, &Canary)>,
) -> Result<Reading, String> {
    let said = String::from_utf8_lossy(&finished.stdout).into_owned();
    let warned = String::from_utf8_lossy(&finished.stderr).into_owned();
    let new = |outcome: Outcome, detail: &str| Reading {
        outcome,
        detail: detail.chars().take(400).collect(),
        said: said.clone(),
    };
    let status = match finished.end {
        End::TimedOut => return Ok(new(Outcome::TimedOut, "it ran when the time was over")),
        End::Signal(signal) => {
            return Ok(new(
                Outcome::Errored,
                &format!("bats was killed by signal {signal}"),
            ));
        }
        End::Exit(status) => status,
    };
    let mut lines = said.lines().filter(|line| !line.starts_with('#'));
    let plan = lines.next().unwrap_or_default();
    let results: Vec<&str> = lines.filter(|line| !line.trim().is_empty()).collect();
    let n = if own.is_some() { 2 } else { 1 };
    if results == ["not ok 1 setup_file failed"] || results == ["not ok 1 setup_suite failed"] {
        return Ok(new(
            Outcome::Errored,
            &format!("set-up: {}", reason(&said, 1)),
        ));
    }
    if plan != format!("1..{n}") {
        return match status {
            0 => Err(format!("bats ended with status 0 and planned `{plan}`")),
            _ => Ok(new(Outcome::Errored, &first_line(&warned, plan))),
        };
    }
    if results.len() != n {
        return Err(format!(
            "bats planned {n} tests and reported {}",
            results.len()
        ));
    }
    let outcomes: Option<Vec<Outcome>> = results
        .iter()
        .zip(1..)
        .map(|(line, n)| outcome(line, n))
        .collect();
    let Some([first, rest @ ..]) = outcomes.as_deref() else {
        return Err("bats reported a line that is no result".to_owned());
    };
    if let Some((name, canary)) = own {
        let is_named = results[1] == format!("not ok 2 {name}");
        if !is_named || rest != [Outcome::Failed] || !said.contains(&canary.nonce) {
            return Err("the test that must fail was not reported failed after it".to_owned());
        }
    }
    let any_failed = *first == Outcome::Failed || rest.contains(&Outcome::Failed);
    if (status != 0) != any_failed || status > 1 {
        return Err(format!("status {status} does not agree with the results"));
    }
    let reason = reason(&said, 1);
    Ok(match first {
        Outcome::Failed if is_in(&said, "setup") || is_in(&said, "teardown") => {
            new(Outcome::Errored, &format!("set-up or tear-down: {reason}"))
        }
        Outcome::Failed if lacks_command(&reason, &warned) => new(
            Outcome::Errored,
            &format!("a command is missing, in test code: {reason}"),
        ),
        Outcome::Failed => new(Outcome::Failed, &reason),
        outcome => new(*outcome, ""),
    })
}

impl Reading {
    /// One reading of a test that ran alone and before one of the guard's own.
    pub fn agree(self, beside: Reading) -> Reading {
        if self.outcome == beside.outcome {
            return self;
        }
        let (alone, beside) = (self.outcome, beside.outcome);
        Reading {
            outcome: Outcome::Errored,
            detail: format!("alone it {alone}, beside another test it {beside}"),
            said: self.said,
        }
    }

    /// Whether the guard's own test failed, and said why.
    pub fn sang(&self, canary: &Canary) -> bool {
        self.outcome == Outcome::Failed && self.said.contains(&canary.nonce)
    }

    /// Whether it came as far as its own lines.
    pub fn is_set_up(&self) -> bool {
        self.outcome != Outcome::Errored
    }
}

fn outcome(line: &str, n: usize) -> Option<Outcome> {
    if line.starts_with(&format!("not ok {n} ")) {
        return Some(Outcome::Failed);
    }
    let name = line.strip_prefix(&format!("ok {n} "))?;
    let is_skipped = name.ends_with(" # skip") || name.contains(" # skip ");
    Some(if is_skipped {
        Outcome::Skipped
    } else {
        Outcome::Passed
    })
}

/// The comments below the result of test `n`.
fn comments(said: &str, n: usize) -> impl Iterator<Item = &str> {
    let head = format!("not ok {n} ");
    let mut lines = said
        .lines()
        .skip_while(move |line| !line.starts_with(&head));
    lines.next();
    lines
        .take_while(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim())
}

/// What failed, without the place, which moves.
fn reason(said: &str, n: usize) -> String {
    let is_what = |line: &&str| line.starts_with('`') && line.contains("' failed");
    let what = comments(said, n).find(is_what);
    let first = || comments(said, n).find(|line| !line.starts_with('('));
    what.or_else(first)
        .unwrap_or("it failed and said nothing")
        .to_owned()
}

fn is_in(said: &str, function: &str) -> bool {
    let place = format!("function `{function}'");
    comments(said, 1)
        .take_while(|line| !line.starts_with('`'))
        .any(|line| line.contains(&place))
}

/// A test that calls what is not there has shown nothing.
fn lacks_command(reason: &str, warned: &str) -> bool {
    reason.ends_with("failed with status 127") || warned.contains("BW01: ")
}

fn first_line(text: &str, default: &str) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty());
    let said = line.unwrap_or(default).trim();
    match said {
        "" => "bats failed and said nothing".to_owned(),
        said => said.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: i32, stdout: &str, own: Option<&str>, expected: &str) {
        let finished = Finished {
            end: End::Exit(status),
            stdout: stdout.into(),
            stderr: Vec::new(),
            report: Vec::new(),
            truncated: false,
        };
        let canary = Canary {
            name: String::new(),
            nonce: String::new(),
        };
        let shown = match read(&finished, own.map(|name| (name, &canary))) {
            Ok(reading) => format!("{} {}", reading.outcome, reading.detail),
            Err(reason) => format!("distrust {reason}"),
        };
        assert_eq!(shown.trim(), expected, "{stdout}");
    }

    #[test]
    fn status_plan_and_result_agree() {
        check(0, "1..1\nok 1 adds\n", None, "passed");
        check(0, "1..1\nok 1 adds # skip why\n", None, "skipped");
        check(0, "1..1\nok 1 adds # skip\n", None, "skipped");
        check(
            1,
            "1..1\nnot ok 1 adds\n# (in test file a.bats, line 6)\n#   `[ 1 -eq 2 ]' failed\n",
            None,
            "failed `[ 1 -eq 2 ]' failed",
        );
        check(
            1,
            "1..1\nok 1 adds\n",
            None,
            "distrust status 1 does not agree with the results",
        );
        check(
            0,
            "1..1\nnot ok 1 adds\n",
            None,
            "distrust status 0 does not agree with the results",
        );
        check(
            0,
            "1..0\n",
            None,
            "distrust bats ended with status 0 and planned `1..0`",
        );
        check(
            0,
            "",
            None,
            "distrust bats ended with status 0 and planned ``",
        );
    }

    #[test]
    fn a_line_too_many_is_not_believed() {
        check(
            0,
            "1..1\nok 1 adds\nok 2 more\n",
            None,
            "distrust bats planned 1 tests and reported 2",
        );
        check(
            0,
            "1..1\n",
            None,
            "distrust bats planned 1 tests and reported 0",
        );
        check(
            0,
            "1..1\nhello\n",
            None,
            "distrust bats reported a line that is no result",
        );
    }

    #[test]
    fn the_guards_own_test_fails_after_it() {
        let silent = "distrust the test that must fail was not reported failed after it";
        check(
            1,
            "1..2\nok 1 adds\nnot ok 2 koan\n",
            Some("koan"),
            "passed",
        );
        check(0, "1..2\nok 1 adds\nok 2 koan\n", Some("koan"), silent);
        check(1, "1..2\nok 1 adds\nnot ok 2 other\n", Some("koan"), silent);
    }

    #[test]
    fn what_was_not_set_up_has_not_failed() {
        // Captured from bats 1.8.2.
        check(
            1,
            "1..1\nnot ok 1 a\n# (from function `setup' in test file s.bats, line 1)\n#   `setup() { nope; }' failed with status 127\n",
            None,
            "errored set-up or tear-down: `setup() { nope; }' failed with status 127",
        );
        check(
            1,
            "1..1\nnot ok 1 setup_file failed\n# (from function `setup_file' in test file sf.bats, line 1)\n#   `setup_file() { false; }' failed\n",
            None,
            "errored set-up: `setup_file() { false; }' failed",
        );
        check(
            1,
            "1..1\nnot ok 1 b\n# (in test file mc.bats, line 2)\n#   `total 1' failed with status 127\n",
            None,
            "errored a command is missing, in test code: `total 1' failed with status 127",
        );
    }

    #[test]
    fn tests_are_found_as_bats_finds_them() {
        let lines = "a.bats\0@test \"adds (one)\" { # x\na.bats\0  @test 'it { ' {\na.bats\0function f { #@test\nb/c.bats\0test_g() { # @test\nb.bats\0# see @test\n";
        let found: Vec<String> = tests(lines.as_bytes())
            .into_iter()
            .map(|test| format!("{}={}", test.file, test.name))
            .collect();
        assert_eq!(
            found,
            [
                "a.bats=adds (one)",
                "a.bats=it { ",
                "a.bats=f",
                "b/c.bats=test_g"
            ]
        );
        assert_eq!(filter(["a (b)", "c.d"].into_iter()), r"^(a \(b\)|c\.d)$");
    }

    #[test]
    fn a_helper_belongs_to_the_tests_below_its_folder() {
        let files = BTreeSet::from(["test/a.bats", "test/unit/b.bats", "x/c.bats"]);
        let check = |path: &str, expected: &str| {
            assert_eq!(
                belonging(&files, &path.into()).join(" "),
                expected,
                "{path}"
            );
        };
        check("test/a.bats", "test/a.bats");
        check("test/helper.bash", "test/a.bats test/unit/b.bats");
        check("test/unit/data/x.txt", "test/unit/b.bats");
        check("y/z.txt", "test/a.bats test/unit/b.bats x/c.bats");
    }
}
