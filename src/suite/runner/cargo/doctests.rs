//! The examples in documentation, which `cargo test --doc` compiles and runs: never a proof, but what must keep passing.
//!
//! rustdoc names an example by its file, item and line; here its place among those of the item stands for the line, so that it means the
//! same in every tree.

use super::build;
use super::features::Features;
use super::workspace::{Kind, Package, Workspace};
use crate::suite::process::{End, Finished};
use crate::suite::{NotBuilt, Outcome, TestId, TestResult, TestRun};

/// The call of cargo for all libraries of the workspace; `None` where there is none whose examples run.
pub(super) fn call(workspace: &Workspace, features: &Features) -> Option<Vec<String>> {
    let has_examples = |package: &&Package| {
        let mut targets = package.targets.iter();
        targets.any(|target| target.doctest && target.kind() == Kind::Lib)
    };
    let tested: Vec<&Package> = workspace.packages.iter().filter(has_examples).collect();
    if tested.is_empty() {
        return None;
    }
    let packages = tested
        .iter()
        .flat_map(|package| ["-p".to_owned(), package.id.clone()]);
    let fixed = ["test", "--doc", "--offline", "--no-fail-fast"].map(String::from);
    let features = features.args(workspace, &tested);
    Some(fixed.into_iter().chain(packages).chain(features).collect())
}

/// What rustdoc said about the examples.
pub(super) fn read(finished: &Finished) -> TestRun {
    let mut run = TestRun::default();
    if finished.truncated || matches!(finished.end, End::TimedOut | End::Signal(_)) {
        run.distrust
            .push("the examples of the documentation did not run to their end".to_owned());
        return run;
    }
    let stdout = String::from_utf8_lossy(&finished.stdout);
    // How many results the block still owes; `None` outside of one.
    let mut owed: Option<usize> = None;
    let mut examples: Vec<(&str, usize, Outcome)> = Vec::new();
    let mut is_contradictory = false;
    for line in stdout.lines() {
        if let Some(n) = begun(line) {
            is_contradictory |= owed.is_some();
            owed = Some(n);
        } else if line.starts_with("test result: ") || line == "failures:" {
            is_contradictory |= owed.take().is_some_and(|owed| owed > 0);
        } else if let (Some(left), Some(example)) = (owed, example(line)) {
            let Some(left) = left.checked_sub(1) else {
                is_contradictory = true;
                continue;
            };
            owed = Some(left);
            examples.push(example);
        }
    }
    is_contradictory |= owed.is_some();
    // They run in any order.
    examples.sort_by_key(|&(item, line, _)| (item, line));
    for example in examples.chunk_by(|(one, ..), (next, ..)| one == next) {
        for (at, &(item, _, outcome)) in example.iter().enumerate() {
            let id = match at {
                0 => format!("doc {item}"),
                _ => format!("doc {item} #{}", at + 1),
            };
            let result = TestResult::new(outcome, "an example of the documentation");
            run.results.insert(TestId(id), result);
        }
    }
    let is_red = run
        .results
        .values()
        .any(|result| result.outcome == Outcome::Failed);
    match finished.end {
        End::Exit(0) => is_contradictory |= is_red,
        _ if is_red => {}
        _ => {
            let error = build::first_error(&finished.stderr);
            run.not_built
                .push(NotBuilt::new("the examples of the documentation", error));
        }
    }
    if is_contradictory {
        run.distrust
            .push("what rustdoc says about the examples contradicts itself".to_owned());
    }
    run
}

/// The number of examples that a block announces.
fn begun(line: &str) -> Option<usize> {
    let rest = line.strip_prefix("running ")?;
    let (n, word) = rest.split_once(' ')?;
    matches!(word, "test" | "tests")
        .then(|| n.parse().ok())
        .flatten()
}

/// File and item of an example, its line, and what became of it.
fn example(line: &str) -> Option<(&str, usize, Outcome)> {
    let rest = line.strip_prefix("test ")?;
    let (name, outcome) = rest.rsplit_once(" ... ")?;
    let (item, rest) = name.rsplit_once(" (line ")?;
    let (line, _) = rest.split_once(')')?;
    let outcome = match outcome {
        "ok" => Outcome::Passed,
        "FAILED" => Outcome::Failed,
        _ if outcome.starts_with("ignored") => Outcome::Skipped,
        _ => return None,
    };
    Some((item, line.parse().ok()?, outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(end: End, stdout: &str) -> Finished {
        Finished {
            end,
            stdout: stdout.into(),
            stderr: b"error: it does not compile\n".to_vec(),
            report: Vec::new(),
            truncated: false,
        }
    }

    #[track_caller]
    fn check(end: End, stdout: &str, expected: &[(&str, Outcome)], faults: &str) {
        let run = read(&finished(end, stdout));
        let results: Vec<(&str, Outcome)> = run
            .results
            .iter()
            .map(|(test, result)| (test.0.as_str(), result.outcome))
            .collect();
        assert_eq!(results, expected, "{stdout}");
        let not_built = run.not_built.iter().map(|not_built| &not_built.detail);
        let said: Vec<&str> = not_built.chain(&run.distrust).map(String::as_str).collect();
        assert_eq!(said.join("; "), faults, "{stdout}");
    }

    #[test]
    fn examples_are_known_by_their_items() {
        const OK: &str = "\nrunning 4 tests\ntest src/lib.rs - add (line 2) ... ok\ntest src/lib.rs - add (line 9) - compile ... ok\n\
            test src/lib.rs - shop::Cart<T>::total (line 20) ... ignored\ntest README.md - (line 3) ... ok\n\n\
            test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.41s\n\n";
        let all = [
            ("doc README.md -", Outcome::Passed),
            ("doc src/lib.rs - add", Outcome::Passed),
            ("doc src/lib.rs - add #2", Outcome::Passed),
            ("doc src/lib.rs - shop::Cart<T>::total", Outcome::Skipped),
        ];
        check(End::Exit(0), OK, &all, "");
        check(End::Exit(0), "", &[], "");
        check(End::Exit(101), "", &[], "error: it does not compile");
    }

    #[test]
    fn what_a_failed_example_prints_is_no_result() {
        const RED: &str = "running 2 tests\ntest src/lib.rs - add (line 2) ... FAILED\ntest src/lib.rs - sub (line 9) ... ok\n\nfailures:\n\n\
            ---- src/lib.rs - add (line 2) stdout ----\ntest src/lib.rs - mul (line 40) ... ok\n\nfailures:\n    src/lib.rs - add (line 2)\n\n\
            test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.41s\n";
        let all = [
            ("doc src/lib.rs - add", Outcome::Failed),
            ("doc src/lib.rs - sub", Outcome::Passed),
        ];
        const CONTRADICTION: &str = "what rustdoc says about the examples contradicts itself";
        check(End::Exit(101), RED, &all, "");
        check(End::Exit(0), RED, &all, CONTRADICTION);
        check(
            End::Exit(0),
            "running 2 tests\ntest src/lib.rs - a (line 2) ... ok\ntest result: ok.\n",
            &[("doc src/lib.rs - a", Outcome::Passed)],
            CONTRADICTION,
        );
        check(End::Exit(0), "running 1 test\n", &[], CONTRADICTION);
        const CUT: &str = "the examples of the documentation did not run to their end";
        check(End::TimedOut, RED, &[], CUT);
        check(End::Signal(9), RED, &[], CUT);
    }
}
