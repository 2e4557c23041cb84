//! The steps of a proof beyond red and green: the right red, hunks that nothing needs, values that the code knows by heart.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::Repo;
use crate::support::samples::{CART_FIXED, CART_TEST_OF_BUG, RUST_CART_FIXED};

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

/// The sample, its policy with further lines of `proof`.
fn with_policy(lines: &str) -> Repo {
    let repo = Repo::python_sample();
    if !lines.is_empty() {
        let text = format!("{}{lines}", repo.read(".koan-guard.yaml"));
        repo.write(".koan-guard.yaml", &text)
            .commit("chore: a policy");
    }
    repo
}

/// The honest fix, which names its issue.
fn named_fix(policy: &str) -> Repo {
    let repo = with_policy(policy);
    repo.write("cart.py", CART_FIXED)
        .write("test_cart.py", CART_TEST_OF_BUG)
        .commit(&format!(
            "fix: total of an empty cart\n\nKoan-Issue: {ISSUE}"
        ));
    repo
}

const WITH_DIGEST: [&str; 5] = ["check", "HEAD", "--no-note", "--issues", "../digest.json"];

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
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
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
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
    warning[unrelated-files]: cart.py: no frame of the issue is in `cart.py`
      why: the error's stack does not pass through this file
      next: fix the bug where the stack points, or say in the message why it is elsewhere
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
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
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
      needs a person: koan-guard approve 41e97995ee --rule issue-unknown --because TEXT
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

/// A fix with a second hunk that no test needs, and a comment.
fn fix_with_more(policy: &str) -> Repo {
    let repo = with_policy(policy);
    let more = CART_FIXED.replace("return result", "return result + 0");
    repo.write("cart.py", &format!("# Carts.\n{more}"))
        .write("test_cart.py", CART_TEST_OF_BUG)
        .commit("fix: total of an empty cart");
    repo
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_hunk_that_no_test_needs_is_said() {
    let repo = fix_with_more("");
    assert_snapshot!(repo.guard(["check", "HEAD", "--no-note"]), @"
    exit: 0
    stdout:
    accepted: 5918e0c0c9 fix: total of an empty cart
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
    warning[unproven-hunk]: cart.py:6: every new test passes without this hunk (+1 -1)
      why: what no test needs is not part of the fix that was shown
      next: leave the hunk out, or add a test that fails without it
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_hunk_that_no_test_needs_is_refused_where_the_policy_says_so() {
    let repo = fix_with_more("  necessity: deny\n");
    assert_snapshot!(repo.guard(["check", "HEAD", "--no-note"]), @"
    exit: 1
    stdout:
    refused: 9d24664519 fix: total of an empty cart
    refused[unproven-hunk]: cart.py:6: every new test passes without this hunk (+1 -1)
      why: what no test needs is not part of the fix that was shown
      next: leave the hunk out, or add a test that fails without it
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of bba5e01349 (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_hunk_that_no_test_needs_is_nobodys_business_where_the_policy_says_so() {
    let repo = fix_with_more("  necessity: off\n");
    let answer = repo.guard(["check", "HEAD", "--no-note"]);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    assert!(!answer.contains("unproven-hunk"), "{answer}");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_hunk_beside_inline_tests() {
    let repo = Repo::rust_sample();
    let more = RUST_CART_FIXED.replace("}\n\n#[cfg", "}\n\npub fn nothing() {}\n\n#[cfg");
    repo.write("src/lib.rs", &more)
        .commit("fix: total of an empty cart");
    assert_snapshot!(repo.guard(["check", "HEAD", "--no-note"]), @"
    exit: 0
    stdout:
    accepted: c456d3f311 fix: total of an empty cart
      FAIL_TO_PASS  cart tests::of_nothing
                    it failed with: panicked at src/lib.rs:2:5: index out of bounds: the len is 0 but the index is 0
      PASS_TO_PASS  1 test
      run by cargo [version], suite all, sandbox [level] in [time]
    warning[unproven-hunk]: src/lib.rs:5: every new test passes without this hunk (+2 -0)
      why: what no test needs is not part of the fix that was shown
      next: leave the hunk out, or add a test that fails without it
      lane repair (asked for), policy of 604c637b8e (the parent, no trusted ref is configured)
    stderr:
    ");
}

/// Prices whose names may hold commas, with a fix for a test of one of them.
fn special_case(fixed: &str, policy: &str) -> Repo {
    let repo = with_policy(policy);
    let prices = "def price(name):\n    return int(name)\n";
    let test = |more: &str| {
        format!(
            "import unittest\n\nfrom prices import price\n\n\nclass Price(unittest.TestCase):\n    def test_plain(self):\n        self.assertEqual(price('5'), 5)\n{more}"
        )
    };
    repo.write("prices.py", prices)
        .write("test_prices.py", &test(""))
        .commit("feat: prices");
    let more = "\n    def test_thousands(self):\n        self.assertEqual(price('1,400'), 1400)\n";
    repo.write("prices.py", fixed)
        .write("test_prices.py", &test(more))
        .commit("fix: prices with commas");
    repo
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn an_exception_that_comes_back_with_another_value_is_said() {
    let code = "KNOWN = {hash('1,400'): 1400}\n\n\ndef price(name):\n    return KNOWN.get(hash(name)) or int(name)\n";
    let repo = special_case(code, "");
    assert_snapshot!(repo.guard(["check", "HEAD", "--no-note"]), @"
    exit: 0
    stdout:
    accepted: 32fc0d2916 fix: prices with commas
      FAIL_TO_PASS  test_prices.Price.test_thousands
                    it failed with: ValueError: invalid literal for int() with base 10: '1,400'
      PASS_TO_PASS  2 tests
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
    warning[special-cased]: test_prices.py:11: the exception comes back as soon as `'1,400'` is another value near it
      why: code that knows the values of its test is green for that test alone
      next: fix the cause for every value; where this one is special indeed, a person decides
      lane repair (asked for), policy of a79b3c5be8 (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_value_of_the_tests_in_the_code_is_refused_where_the_policy_says_so() {
    let code =
        "def price(name):\n    if name == '1,400':\n        return 1400\n    return int(name)\n";
    let repo = special_case(code, "  neighbours: deny\n");
    assert_snapshot!(repo.guard(["check", "HEAD", "--no-note"]), @"
    exit: 1
    stdout:
    refused: e9019d5cac fix: prices with commas
    refused[special-cased]: prices.py:2: the fix compares with `'1,400'`, a value of the new tests that this file did not know
      why: code that knows the values of its test is green for that test alone
      next: fix the cause for every value; where this one is special indeed, a person decides
    refused[special-cased]: test_prices.py:11: the exception comes back as soon as `'1,400'` is another value near it
      why: code that knows the values of its test is green for that test alone
      next: fix the cause for every value; where this one is special indeed, a person decides
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of 43de818430 (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_fix_for_every_value_stands() {
    let code = "def price(name):\n    return int(name.replace(',', ''))\n";
    let repo = special_case(code, "  neighbours: deny\n");
    assert_snapshot!(repo.guard(["check", "HEAD", "--no-note"]), @"
    exit: 0
    stdout:
    accepted: c0f58cb152 fix: prices with commas
      FAIL_TO_PASS  test_prices.Price.test_thousands
                    it failed with: ValueError: invalid literal for int() with base 10: '1,400'
      PASS_TO_PASS  2 tests
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of 43de818430 (the parent, no trusted ref is configured)
    stderr:
    ");
}

/// A fix whose test looks at the clock.
fn time_bomb(policy: &str) -> Repo {
    let repo = with_policy(policy);
    let test = CART_TEST_OF_BUG.replace("import unittest\n", "import time\nimport unittest\n");
    let test = test.replace(
        "total([]), 0)",
        "total([]) + (time.time() // 86400 > TODAY + 1), 0)",
    );
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let today = now.expect("a clock").as_secs() / 86_400;
    repo.write("cart.py", CART_FIXED)
        .write("test_cart.py", &test.replace("TODAY", &today.to_string()))
        .commit("fix: total of an empty cart");
    repo
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_test_that_passes_today_only() {
    let repo = time_bomb("  variations: [clock]\n");
    let answer = repo.guard(["check", "HEAD", "--no-note"]);
    assert!(answer.starts_with("exit: 3\n"), "{answer}");
    let said = "undecided[time-dependent]: `test_cart.Total.test_of_nothing` does not pass more than a year later";
    assert!(answer.contains(said), "{answer}");
    let answer = time_bomb("").guard(["check", "HEAD", "--no-note"]);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_test_that_passes_with_one_order_only() {
    let repo = with_policy("  variations: [hash-seed]\n");
    let test = CART_TEST_OF_BUG.replace(
        "        self.assertEqual(total([]), 0)",
        "        self.assertEqual(total([]), 0)\n        self.assertEqual(hash('a'), SEED)",
    );
    // What the guard's own runs say, whose seed is 0.
    let mut python = repo.command("python3", &repo.root);
    let python = python.env("PYTHONHASHSEED", "0");
    let output = python.args(["-c", "print(hash('a'))"]).output();
    let hash = String::from_utf8(output.expect("python3").stdout).expect("a number");
    repo.write("cart.py", CART_FIXED)
        .write("test_cart.py", &test.replace("SEED", hash.trim()))
        .commit("fix: total of an empty cart");
    let answer = repo.guard(["check", "HEAD", "--no-note"]);
    assert!(answer.starts_with("exit: 3\n"), "{answer}");
    assert!(answer.contains("undecided[seed-dependent]"), "{answer}");
}
