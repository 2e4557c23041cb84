//! What past commits say about a policy.

use insta::assert_snapshot;

use crate::support::Repo;
use crate::support::samples::{CART, CART_FIXED, CART_TEST, CART_TEST_OF_BUG};

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
    assert_snapshot!(repo.guard(["backtest"]), @"");
}

#[test]
fn the_same_as_tables() {
    let repo = history();
    assert_snapshot!(repo.guard(["backtest", "--format", "markdown", "--last", "3"]), @"");
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
    for n in 0..150 {
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
    assert!(one.contains("\"n_commits\": 158"), "{one}");
}

#[test]
fn nothing_to_replay_is_undecided() {
    let repo = history();
    assert_snapshot!(repo.guard(["backtest", "HEAD..HEAD"]), @"");
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
    repo.remove(".koan-guard.yaml");
    let answer = repo.guard(["init", "--print", "--backtest", "100"]);
    let lines = answer
        .lines()
        .skip_while(|line| !line.starts_with("# Limits"));
    let section: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    assert_snapshot!(section.join("\n"), @"");
}
