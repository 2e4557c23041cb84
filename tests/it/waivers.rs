//! What a person lets pass, on the trusted ref, for a time.

use insta::assert_snapshot;

use crate::support::Repo;
use crate::support::samples::{CART_FIXED, CART_TEST_OF_BUG, UNITTEST_POLICY};

fn waiver(rule: &str, until: &str) -> String {
    format!(
        "{UNITTEST_POLICY}waivers:\n  - {{path: '*.py', rule: {rule}, until: {until}, because: the cart moves house}}\n"
    )
}

/// The sample with this policy on `main`, and a fix on `fix` of a type that the policy does not allow.
fn repo(policy: &str) -> Repo {
    let repo = Repo::python_sample();
    repo.write(".koan-guard.yaml", policy)
        .commit("chore: policy");
    repo.git(["switch", "--quiet", "--create", "fix"]);
    repo.write("cart.py", CART_FIXED)
        .write("test_cart.py", CART_TEST_OF_BUG)
        .commit("feat: total of an empty cart");
    repo
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_waiver_lets_pass_what_it_names_and_is_told() {
    let repo = repo(&waiver("type-not-allowed", "2999-12-31"));
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 0
    stdout:
    accepted: d1f69b36a4 feat: total of an empty cart
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
    waived[type-not-allowed]: the type `feat` is none of `fix`, `test`
      because: the cart moves house (for `*.py`, until 2999-12-31; `.koan-guard.yaml`, line 6)
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of f3524f84e1 (main, the local default branch)
    stderr:
    ");
    let note = repo.git(["notes", "--ref=koan", "show", "HEAD"]);
    let waivers = r#""waivers":[{"rule":"type-not-allowed","path":"*.py","until":"2999-12-31","because":"the cart moves house","fact":"the type `feat` is none of `fix`, `test`"}]"#;
    assert!(note.contains(waivers), "{note}");
    let json = repo.guard(["check", "HEAD", "--format", "json"]);
    assert!(
        json.contains(r#""because": "the cart moves house""#),
        "{json}"
    );
}

#[test]
fn a_waiver_that_is_over_lets_nothing_pass_and_is_told() {
    let repo = repo(&waiver("type-not-allowed", "2026-01-01"));
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 1
    stdout:
    refused: 15a189fb40 feat: total of an empty cart
    refused[type-not-allowed]: the type `feat` is none of `fix`, `test`
      why: an agent repairs; features and refactorings are decided by people
      next: use one of the allowed types, if that is what the change is
      the waiver of `type-not-allowed` for `*.py` does not count: it ended on 2026-01-01 (`.koan-guard.yaml`, line 6)
      lane repair (asked for), policy of f337710720 (main, the local default branch)
    stderr:
    ");
}

#[test]
fn a_waiver_of_another_rule_or_path_lets_nothing_pass() {
    for policy in [
        waiver("subject-too-long", "2999-12-31"),
        waiver("type-not-allowed", "2999-12-31").replace("*.py", "db/**"),
        // What concerns the whole change is waived for every file of it, or not at all.
        waiver("type-not-allowed", "2999-12-31").replace("*.py", "test_*"),
    ] {
        let answer = repo(&policy).guard(["check", "HEAD"]);
        assert!(answer.starts_with("exit: 1\n"), "{answer}");
        assert!(!answer.contains("waiver"), "{answer}");
    }
}

#[test]
fn a_branch_brings_no_waiver_of_its_own() {
    let repo = Repo::python_sample();
    repo.git(["switch", "--quiet", "--create", "fix"]);
    repo.write(
        ".koan-guard.yaml",
        &waiver("type-not-allowed", "2999-12-31"),
    )
    .commit("fix: a waiver");
    repo.write("cart.py", CART_FIXED)
        .write("test_cart.py", CART_TEST_OF_BUG)
        .commit("feat: total of an empty cart");
    let answer = repo.guard(["check", "HEAD"]);
    assert!(answer.starts_with("exit: 1\n"), "{answer}");
    assert!(answer.contains("refused[type-not-allowed]"), "{answer}");
}

#[test]
fn what_no_policy_can_lower_no_waiver_lets_pass() {
    assert_snapshot!(repo(&waiver("secret-added", "2999-12-31")).guard(["check", "HEAD"]), @"
    exit: 2
    stdout:
    stderr:
    error: read the policy of a31837a9b8: .koan-guard.yaml:6:26: rule `secret-added` cannot be waived: what was committed once is known to everybody who can read the repository, for ever, also when a later commit removes it
    hint: correct it and try `koan-guard policy lint`
    ");
}
