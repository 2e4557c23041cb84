//! The steps of a proof beyond red and green: the right red, hunks that nothing needs, values that the code knows by heart.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::Repo;
use crate::support::samples::{CART_FIXED, CART_TEST_OF_BUG};

const ISSUE: &str = "k1:0123456789abcdef01234567";

/// Writes a digest with one error beside the repository.
fn digest(repo: &Repo, kind: &str, file: &str, function: &str) {
    let digest = json!({
        "schema": "koan-guard/digest/v1",
        "errors": [{
            "fingerprint": ISSUE,
            "type": kind,
            "messages": ["list index out of range"],
            "frames": [{"file": file, "line": 2, "function": function, "in_app": true}],
        }],
    });
    std::fs::write(repo.beside("digest.json"), digest.to_string()).expect("a digest");
}

/// The honest fix, which names its issue.
fn named_fix(policy: &str) -> Repo {
    let repo = Repo::python_sample();
    if !policy.is_empty() {
        let text = format!("{}{policy}", repo.read(".koan-guard.yaml"));
        repo.write(".koan-guard.yaml", &text)
            .commit("chore: a policy");
    }
    repo.write("cart.py", CART_FIXED)
        .write("test_cart.py", CART_TEST_OF_BUG)
        .commit(&format!(
            "fix: total of an empty cart\n\nKoan-Issue: {ISSUE}"
        ));
    repo
}

const WITH_DIGEST: [&str; 5] = ["check", "HEAD", "--no-note", "--issues", "../digest.json"];

#[test]
fn a_test_that_fails_as_production_did() {
    let repo = named_fix("");
    digest(&repo, "IndexError", "/srv/shop/cart.py", "total");
    assert_snapshot!(repo.guard(WITH_DIGEST), @"
    exit: 0
    stdout:
    accepted: 9d48723a93 fix: total of an empty cart
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      issue k1:0123456789abcdef01234567: `test_cart.Total.test_of_nothing` failed as production did, with `IndexError in total of cart.py`
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
fn a_test_that_fails_in_another_way() {
    let repo = named_fix("");
    digest(&repo, "KeyError", "/srv/shop/cart.py", "total");
    assert_snapshot!(repo.guard(WITH_DIGEST), @"
    exit: 1
    stdout:
    refused: 9d48723a93 fix: total of an empty cart
    refused[different-failure]: issue `k1:0123456789abcdef01234567` is `KeyError in total of /srv/shop/cart.py` in production; without the fix the new tests fail with `IndexError in total of cart.py`
      why: a test that fails in another way shows another bug
      next: let a new test reach the code of the issue, and fail there with the same exception
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      issue k1:0123456789abcdef01234567: no new test failed as production did
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
fn a_test_that_fails_in_another_way_where_the_policy_only_prefers() {
    let repo = named_fix("  signature: preferred\n");
    digest(&repo, "IndexError", "/srv/shop/views.py", "checkout");
    assert_snapshot!(repo.guard(WITH_DIGEST), @"
    exit: 0
    stdout:
    accepted: 1ac0dffc8a fix: total of an empty cart
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      issue k1:0123456789abcdef01234567: no new test failed as production did
    warning[different-failure]: issue `k1:0123456789abcdef01234567` is `IndexError in checkout of /srv/shop/views.py` in production; without the fix the new tests fail with `IndexError in total of cart.py`
      why: a test that fails in another way shows another bug
      next: let a new test reach the code of the issue, and fail there with the same exception
      lane repair (asked for), policy of 81a291ff66 (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
fn without_a_digest_nothing_is_compared_and_that_is_said() {
    let repo = named_fix("");
    assert_snapshot!(repo.guard(["check", "HEAD", "--no-note"]), @"
    exit: 0
    stdout:
    accepted: 9d48723a93 fix: total of an empty cart
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      issue k1:0123456789abcdef01234567: not compared, no digest of errors was given (`--issues`)
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
fn without_a_digest_a_policy_that_requires_the_comparison_decides_nothing() {
    let repo = named_fix("  signature: required\n");
    assert_snapshot!(repo.guard(["check", "HEAD", "--no-note"]), @"
    exit: 3
    stdout:
    undecided: 41e97995ee fix: total of an empty cart
    undecided[issue-unknown]: nothing is known of the issue `k1:0123456789abcdef01234567`
      why: the policy wants to see the failure that production saw
      next: give the digest that has it: `--issues FILE`, as `koan-guard extract --format json` writes it
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      issue k1:0123456789abcdef01234567: not compared, no digest of errors was given (`--issues`)
      lane repair (asked for), policy of 029c1722bc (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
fn what_is_no_digest_is_said_to_be_none() {
    let repo = named_fix("");
    std::fs::write(repo.beside("digest.json"), "{}").expect("a file");
    assert_snapshot!(repo.guard(WITH_DIGEST), @"
    exit: 2
    stdout:
    stderr:
    error: read the digest `../digest.json`: it is no digest: missing field `schema` at line 1 column 2
    hint: `koan-guard extract --format json` writes one
    ");
}
