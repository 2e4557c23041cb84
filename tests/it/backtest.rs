//! What past commits say about a policy.

use insta::assert_snapshot;

use crate::support::Repo;
use crate::support::samples::{CART, CART_FIXED, CART_TEST, CART_TEST_OF_BUG};

/// What stands behind a name at the beginning of a line, with single spaces.
#[track_caller]
fn row(answer: &str, name: &str) -> String {
    let mut rows = answer.lines().filter_map(|line| line.strip_prefix(name));
    let row = rows
        .next()
        .unwrap_or_else(|| panic!("no `{name}` in {answer}"));
    row.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A history of fixes and other changes, and a policy of the work tree.
fn history() -> Repo {
    let repo = Repo::python_sample();
    repo.fix_honestly();
    repo.write(
        "cart.py",
        &format!("{CART}\n\ndef first(prices):\n    return prices[0]\n"),
    )
    .write("shop.py", "import cart\n")
    .commit("feat: the first price");
    repo.write("cart.py", CART_FIXED)
        .commit("Fixed #12 -- the total of nothing");
    repo.write("requirements.txt", "attrs\n")
        .commit("chore: attrs");
    let long: String = (1..=60).map(|n| format!("    # {n}\n")).collect();
    repo.write("cart.py", &format!("{CART_FIXED}{long}"))
        .write("test_cart.py", CART_TEST)
        .commit("fix: explain the total");
    repo.write(".github/workflows/ci.yml", "on: push\n")
        .commit("ci: fix the tests");
    repo.write("cart.py", CART_FIXED)
        .write("test_cart.py", CART_TEST_OF_BUG)
        .commit("fix: total\n\nghp_ is the beginning of a token\n");
    repo
}

#[test]
fn past_commits_are_counted_by_what_stops_them() {
    let repo = history();
    let answer = repo.guard(["backtest"]);
    assert!(
        answer.starts_with("exit: 0\nstdout:\nbacktest: 8 commits of `main`, by the work tree's `.koan-guard.yaml`, "),
        "{answer}"
    );
    // Commits, inside with its share, but for the message, refused, undecided.
    assert_eq!(row(&answer, "fixes with tests"), "3 1 (33 %) 0 2 0");
    assert_eq!(row(&answer, "fixes without tests"), "1 0 (0 %) 1 0 0");
    assert_eq!(row(&answer, "other changes"), "4 0 (0 %) 0 4 0");
    // Fixes, of them by this rule alone, other changes.
    assert!(
        row(&answer, "manifest-changed").starts_with("0 0 1 "),
        "{answer}"
    );
    assert!(row(&answer, "too-many-lines").starts_with("2 "), "{answer}");
    assert!(
        row(&answer, ".github (built in)").starts_with("0 1 "),
        "{answer}"
    );
    assert!(answer.contains("limits, by "), "{answer}");
}

#[test]
fn the_same_as_tables() {
    let repo = history();
    let answer = repo.guard(["backtest", "--format", "markdown", "--last", "3"]);
    assert!(
        answer.contains("\n| fixes with tests | 2 | 0 (0 %) | 0 | 2 | 0 |\n"),
        "{answer}"
    );
    assert!(
        answer.contains("\n| other changes | 1 | 0 (0 %) | 0 | 1 | 0 |\n"),
        "{answer}"
    );
    assert!(
        answer.contains("\n| `path-protected` | 0 | 0 | 1 | "),
        "{answer}"
    );
}

#[test]
fn the_policy_of_a_revision_is_tried_on_a_range() {
    let repo = history();
    repo.write(".koan-guard.yaml", "version: 1\nnonsense: true\n");
    let answer = repo.guard(["backtest", "HEAD~2..HEAD", "--base", "HEAD"]);
    assert!(
        answer.starts_with(
            "exit: 0\nstdout:\nbacktest: 2 commits of `HEAD~2..HEAD`, by the policy of "
        ),
        "{answer}"
    );
    let answer = repo.guard(["backtest"]);
    assert!(answer.starts_with("exit: 2\n"), "{answer}");
}

#[test]
fn threads_count_the_same_as_one() {
    let repo = history();
    for n in 0..70 {
        repo.git([
            "commit",
            "--quiet",
            "--no-verify",
            "--allow-empty",
            "-m",
            &format!("fix: {n}"),
        ]);
    }
    let one = repo.guard(["backtest", "--format", "json", "--jobs", "1"]);
    assert_eq!(
        repo.guard(["backtest", "--format", "json", "--jobs", "4"]),
        one
    );
    assert!(one.contains("\"n_commits\": 78"), "{one}");
}

#[test]
fn nothing_to_replay_is_undecided() {
    let repo = history();
    assert_snapshot!(repo.guard(["backtest", "HEAD..HEAD"]), @"
    exit: 3
    stdout:
    stderr:
    undecided: there is no commit to replay
    ");
}

#[test]
fn what_stays_inside_can_be_proved() {
    let repo = history();
    let answer = repo.guard(["backtest", "--proof", "--max", "1", "HEAD~5"]);
    assert!(
        answer.contains("proof of 1 fix with tests: 1 proved; 0 more"),
        "{answer}"
    );
}

#[test]
fn init_fits_the_limits_to_past_fixes() {
    let repo = history();
    repo.remove(".koan-guard.yaml");
    let few = repo.guard(["init", "--print", "--backtest", "100"]);
    assert!(few.contains("# Not fitted: "), "{few}");
    for n in 0..20 {
        repo.write("cart.py", &format!("{CART_FIXED}# {n}\n"))
            .write("test_cart.py", &format!("{CART_TEST_OF_BUG}# {n}\n"))
            .commit(&format!("fix: the number {n}"));
    }
    let answer = repo.guard(["init", "--print", "--backtest", "100"]);
    let lines = answer
        .lines()
        .skip_while(|line| !line.starts_with("# Limits"));
    let section: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    let section = section.join("\n");
    assert!(
        section.contains("# Fitted to 23 fixes with tests among the last 28 commits: "),
        "{section}"
    );
    assert!(
        section.contains("limits: {files: 1, new_files: 0, lines: "),
        "{section}"
    );
}
