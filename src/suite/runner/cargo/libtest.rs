//! What a Rust test binary says: its list of tests, and the outcome of one of them in a process of its own.

use std::collections::BTreeSet;

use crate::suite::process::{End, Finished};
use crate::suite::{Outcome, Raised, RaisedIn, TestResult};

/// The tests of a binary; `None` where it has no libtest harness, or does not say so.
pub(in crate::suite::runner) fn list(finished: &Finished) -> Option<Vec<String>> {
    if finished.end != End::Exit(0) || finished.truncated {
        return None;
    }
    let text = std::str::from_utf8(&finished.stdout).ok()?;
    let mut tests = Vec::new();
    let mut n_benches = 0;
    let (entries, count) = text
        .trim_end()
        .rsplit_once('\n')
        .unwrap_or(("", text.trim_end()));
    for line in entries.lines().filter(|line| !line.is_empty()) {
        match line.rsplit_once(": ")? {
            (name, "test") => tests.push(name.to_owned()),
            (_, "benchmark") => n_benches += 1,
            _ => return None,
        }
    }
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    let n = tests.len();
    let expected = format!(
        "{n} test{}, {n_benches} benchmark{}",
        plural(n),
        plural(n_benches)
    );
    (count == expected).then_some(tests)
}

/// The outcome of the test `name`, which ran alone, or beside a canary of its binary.
///
/// # Errors
/// The reason not to believe it. A process that ends well without libtest's word, or despite a canary, was ended by what it tested.
pub(in crate::suite::runner) fn read(
    finished: &Finished,
    name: &str,
    canary: Option<&str>,
) -> Result<(Outcome, String), String> {
    let stdout = String::from_utf8_lossy(&finished.stdout);
    let status = match finished.end {
        End::TimedOut => {
            return Ok((
                Outcome::TimedOut,
                "it ran when the time was over".to_owned(),
            ));
        }
        End::Signal(signal) => return Ok(killed(signal, finished)),
        End::Exit(status) => status,
    };
    let summary = Summary::read(&stdout);
    let failed: BTreeSet<&str> = failed_tests(&stdout);
    let expected = |names: &[&str]| failed == names.iter().copied().collect();
    let outcome = match (status, summary, canary) {
        (
            0,
            Some(Summary {
                passed: 1,
                failed: 0,
            }),
            None,
        ) => Outcome::Passed,
        (
            101,
            Some(Summary {
                passed: 0,
                failed: 1,
            }),
            None,
        ) if expected(&[name]) => Outcome::Failed,
        (
            101,
            Some(Summary {
                passed: 1,
                failed: 1,
            }),
            Some(canary),
        ) if expected(&[canary]) => Outcome::Passed,
        (
            101,
            Some(Summary {
                passed: 0,
                failed: 2,
            }),
            Some(canary),
        ) if expected(&[name, canary]) => Outcome::Failed,
        (0, ..) => return Err("its process ended with status 0 and without a result".to_owned()),
        _ => {
            let detail = format!("its process ended with status {status} and without a result");
            return Ok((Outcome::Errored, detail));
        }
    };
    let detail = match outcome {
        Outcome::Failed => panic_of(&stdout, name),
        _ => String::new(),
    };
    Ok((outcome, detail))
}

/// The counts of the last line that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Summary {
    passed: usize,
    failed: usize,
}

impl Summary {
    fn read(stdout: &str) -> Option<Summary> {
        let line = stdout.lines().rfind(|line| !line.trim().is_empty())?;
        let (word, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let mut counts = counts.split("; ");
        let passed = counts.next()?.strip_suffix(" passed")?.parse().ok()?;
        let failed = counts.next()?.strip_suffix(" failed")?.parse().ok()?;
        let is_plain = counts.next()? == "0 ignored" && (word == "ok") == (failed == 0);
        is_plain.then_some(Summary { passed, failed })
    }
}

/// The names below the last `failures:`.
fn failed_tests(stdout: &str) -> BTreeSet<&str> {
    let list = stdout
        .rsplit_once("\nfailures:\n")
        .map_or("", |(_, list)| list);
    list.lines()
        .take_while(|line| line.starts_with("    "))
        .map(str::trim)
        .collect()
}

/// `panicked at FILE:LINE:COLUMN: MESSAGE`, or the first line that the test said.
fn panic_of(stdout: &str, name: &str) -> String {
    let header = format!("---- {name} stdout ----\n");
    let section = stdout.split_once(&header).map_or("", |(_, rest)| rest);
    let section = section
        .split_once("\n---- ")
        .map_or(section, |(own, _)| own);
    let mut lines = section.lines().filter(|line| !line.trim().is_empty());
    let first = lines.clone().next().unwrap_or("it failed and said nothing");
    let detail = match lines.find_map(|line| line.split_once(" panicked at ")) {
        Some((_, place)) => format!("panicked at {place} {}", lines.next().unwrap_or_default()),
        None => first.to_owned(),
    };
    detail.chars().take(400).collect()
}

/// The panic that a failed test told of. Where it came from is one place: backtraces are off, they would name the compiler's folders.
pub(super) fn raised(result: &TestResult) -> Option<Raised> {
    if result.outcome != Outcome::Failed {
        return None;
    }
    let (_, place) = result.detail.split_once("panicked at ")?;
    let (place, message) = place
        .split_once(": ")
        .unwrap_or((place.trim_end_matches(':'), ""));
    let mut parts = place.rsplitn(3, ':');
    let (_column, line, file) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Raised {
        kind: "panic".to_owned(),
        bases: vec!["panic".to_owned()],
        message: message.to_owned(),
        frames: vec![RaisedIn {
            file: file.to_owned(),
            function: String::new(),
            line: line.parse().unwrap_or(0),
        }],
    })
}

/// A crash is what production does when it fails; a kill from outside is not.
fn killed(signal: i32, finished: &Finished) -> (Outcome, String) {
    let name = match signal {
        libc::SIGABRT => "SIGABRT",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGBUS => "SIGBUS",
        libc::SIGILL => "SIGILL",
        libc::SIGFPE => "SIGFPE",
        libc::SIGTRAP => "SIGTRAP",
        _ => return (Outcome::Errored, format!("killed by signal {signal}")),
    };
    let stderr = String::from_utf8_lossy(&finished.stderr);
    let said = stderr
        .lines()
        .find(|line| line.contains("panicked at ") || line.contains("has overflowed its stack"))
        .map(|line| format!(": {}", line.trim()));
    let detail = format!("killed by {name}{}", said.unwrap_or_default());
    (Outcome::Failed, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(end: End, stdout: &str) -> Finished {
        Finished {
            end,
            stdout: stdout.into(),
            stderr: Vec::new(),
            report: Vec::new(),
            truncated: false,
        }
    }

    #[track_caller]
    fn check(status: i32, stdout: &str, canary: Option<&str>, expected: &str) {
        let shown = match read(&finished(End::Exit(status), stdout), "tests::a", canary) {
            Ok((outcome, detail)) => format!("{outcome} {detail}"),
            Err(reason) => format!("distrust {reason}"),
        };
        assert_eq!(shown.trim(), expected);
    }

    const PASSED: &str = "\nrunning 1 test\ntest tests::a ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 4 filtered out; finished in 0.00s\n\n";
    // Captured from rustc 1.95.
    const FAILED: &str = "\nrunning 1 test\ntest tests::a ... FAILED\n\nfailures:\n\n---- tests::a stdout ----\n\nthread 'tests::a' (14232) panicked at src/lib.rs:5:26:\nassertion `left == right` failed: msg\n  left: 3\n right: 4\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n\n\nfailures:\n    tests::a\n\ntest result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 5 filtered out; finished in 0.00s\n\n";
    const BOTH: &str = "\nfailures:\n    koan\n    tests::a\n\ntest result: FAILED. 0 passed; 2 failed; 0 ignored; 0 measured; 5 filtered out; finished in 0.00s\n";
    const CANARY: &str = "\nfailures:\n    koan\n\ntest result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 5 filtered out; finished in 0.00s\n";
    const EARLY: &str = "distrust its process ended with status 0 and without a result";

    #[test]
    fn status_and_summary_agree() {
        check(0, PASSED, None, "passed");
        check(
            101,
            FAILED,
            None,
            "failed panicked at src/lib.rs:5:26: assertion `left == right` failed: msg",
        );
        check(0, FAILED, None, EARLY);
        check(
            101,
            PASSED,
            None,
            "errored its process ended with status 101 and without a result",
        );
    }

    #[test]
    fn beside_a_canary_nothing_ends_well() {
        check(101, CANARY, Some("koan"), "passed");
        check(101, BOTH, Some("koan"), "failed it failed and said nothing");
        check(0, PASSED, Some("koan"), EARLY);
        check(0, CANARY, Some("koan"), EARLY);
    }

    #[test]
    fn an_early_end_is_not_believed() {
        check(0, "\nrunning 1 test\n", None, EARLY);
        check(
            0,
            "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured",
            None,
            EARLY,
        );
        check(
            1,
            "",
            None,
            "errored its process ended with status 1 and without a result",
        );
    }

    #[test]
    fn a_crash_is_a_failure_and_a_kill_is_not() {
        let outcome = |signal| {
            read(&finished(End::Signal(signal), ""), "a", None).map(|(outcome, _)| outcome)
        };
        assert_eq!(outcome(libc::SIGSEGV), Ok(Outcome::Failed));
        assert_eq!(outcome(libc::SIGKILL), Ok(Outcome::Errored));
    }

    #[test]
    fn a_list_is_whole_or_none() {
        let list = |text: &str| list(&finished(End::Exit(0), text));
        assert_eq!(
            list("a::b: test\nc: benchmark\n\n1 test, 1 benchmark\n"),
            Some(vec!["a::b".to_owned()])
        );
        assert_eq!(list("0 tests, 0 benchmarks\n"), Some(vec![]));
        assert_eq!(list("a::b: test\n"), None);
        assert_eq!(list("hello\n"), None);
    }
}
