//! A policy that judges, says what it would do, and refuses nothing.

use insta::assert_snapshot;

use crate::support::Repo;
use crate::support::samples::{CART_FIXED, CART_TEST, CART_TEST_OF_BUG, UNITTEST_POLICY};

/// The sample, guarded by a policy with `more` at its end, and a branch with a fix without a test.
fn observed(more: &str) -> Repo {
    let repo = Repo::python_sample();
    repo.write(".koan-guard.yaml", &format!("{UNITTEST_POLICY}{more}"))
        .commit("chore: observe");
    repo.git(["switch", "--quiet", "--create", "koan/1"]);
    repo.write("cart.py", CART_FIXED)
        .commit("fix: total of an empty cart");
    repo
}

#[test]
fn what_would_be_refused_is_said_in_text_and_passes() {
    let repo = observed("mode: observe\n");
    assert_snapshot!(repo.guard(["check"]), @"
    exit: 0
    stdout:
    would refuse: 47544c0543 fix: total of an empty cart
    would refuse[no-test]: the change adds or changes no test
      why: a fix without a test that failed before it is a guess
      next: add a test that fails without the fix, in the same commit
      lane repair (asked for), policy of e3baa526c9 (main, the local default branch)
      the policy observes here (`mode: observe`): nothing is refused, and no statement is written
    stderr:
    ");
    assert_eq!(repo.git(["for-each-ref", "refs/notes"]), "");
}

#[test]
fn the_same_in_json() {
    let repo = observed("mode: observe\n");
    let answer = repo.guard(["check", "--format", "json"]);
    let json = answer.split_once("stdout:\n").expect("an answer").1;
    let json = json.split_once("stderr:\n").expect("an answer").0;
    let json: serde_json::Value = serde_json::from_str(json).expect("JSON");
    assert_eq!(json["exit"], 0);
    assert_eq!(json["observed"], "would refuse");
    assert_eq!(json["range"]["commits"][0]["observed"], true);
    assert!(json["range"]["commits"][0]["verdict"]["refused"].is_object());
}

#[test]
fn one_lane_observes_while_the_rest_enforces() {
    let repo = observed("lanes: {repair: {mode: observe}}\n");
    assert!(
        repo.guard(["check"])
            .starts_with("exit: 0\nstdout:\nwould refuse: ")
    );
    let values = repo.guard(["policy", "show", "--origin"]);
    let modes: Vec<&str> = values
        .lines()
        .filter(|line| line.contains("mode ="))
        .collect();
    assert_snapshot!(modes.join("\n"), @"
    mode = enforce    # preset `default`, line 10
    lanes.repair.mode = observe    # `.koan-guard.yaml`, line 5
    lanes.agent.mode = enforce    # preset `default`, line 10
    ");
    let repo = observed("mode: observe\nlanes: {repair: {mode: enforce}}\n");
    assert!(
        repo.guard(["check"])
            .starts_with("exit: 1\nstdout:\nrefused: ")
    );
}

#[test]
fn the_judged_side_cannot_set_the_mode() {
    let repo = observed("# Everything is enforced.\n");
    repo.write(
        ".koan-guard.yaml",
        &format!("{UNITTEST_POLICY}mode: observe\n"),
    )
    .commit("chore: observe");
    let answer = repo.guard(["check"]);
    assert!(answer.starts_with("exit: 1\n"), "{answer}");
    assert!(!answer.contains("would refuse"), "{answer}");
}

#[test]
fn a_red_test_that_stays_red_is_said_and_passes() {
    let repo = Repo::python_sample();
    repo.write(
        ".koan-guard.yaml",
        &format!("{UNITTEST_POLICY}mode: observe\n"),
    )
    .commit("chore: observe");
    repo.git(["switch", "--quiet", "--create", "koan/1"]);
    repo.write("test_cart.py", CART_TEST_OF_BUG)
        .commit("test: total of an empty cart");
    let answer = repo.guard(["check"]);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    assert!(answer.contains("would refuse[still-pending]: "), "{answer}");
    // What is well is called so.
    repo.write("test_cart.py", CART_TEST).fix_honestly();
    let answer = repo.guard(["check", "HEAD"]);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    assert!(answer.contains("the policy observes here"), "{answer}");
}
