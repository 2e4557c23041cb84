//! Several commits: each by itself, and all of them as one change.

use insta::assert_snapshot;

use crate::support::Repo;
use crate::support::samples::{CART_FIXED, CART_TEST, CART_TEST_OF_BUG, UNITTEST_POLICY};

#[test]
fn a_red_test_and_then_its_fix_are_accepted() {
    let repo = red_then_fixed();
    assert_snapshot!(repo.guard(["check", "fix", "--base", "main"]), @"
    exit: 0
    stdout:
    pending: a627e89069 test: total of an empty cart
      red           test_cart.Total.test_of_nothing
      next: commit the fix that turns them green; the range is accepted only then
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of a3e325c1ec (main, --base)
    accepted: 6a9b800ae2 fix: total of an empty cart
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of a3e325c1ec (main, --base)
    accepted: a3e325c1ec..6a9b800ae2 as one change
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of a3e325c1ec (main, --base)
    stderr:
    ");
    let noted = repo.git(["notes", "--ref=koan", "list"]);
    let fix = repo.git(["rev-parse", "fix"]);
    assert!(noted.trim_end().ends_with(fix.trim_end()), "{noted}");
    assert_eq!(noted.lines().count(), 1, "{noted}");
}

#[test]
fn a_range_that_ends_red_is_refused() {
    let repo = red();
    assert_snapshot!(repo.guard(["check", "main..fix"]), @"
    exit: 1
    stdout:
    pending: a627e89069 test: total of an empty cart
      red           test_cart.Total.test_of_nothing
      next: commit the fix that turns them green; the range is accepted only then
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of a3e325c1ec (main, the local default branch)
    refused[still-pending]: `test_cart.Total.test_of_nothing` was committed red, and no later commit turns it green
    stderr:
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_fix_that_leaves_another_red_test_is_refused() {
    let repo = red();
    let other = "import unittest\n\nfrom cart import total\n\n\nclass Other(unittest.TestCase):\n    def test_of_none(self):\n        self.assertEqual(total(None), 0)\n";
    repo.write("test_none.py", other)
        .commit("test: total of no cart");
    repo.write("cart.py", CART_FIXED)
        .commit("fix: total of an empty cart");
    assert_snapshot!(repo.guard(["check", "main..fix"]), @"
    exit: 1
    stdout:
    pending: a627e89069 test: total of an empty cart
      red           test_cart.Total.test_of_nothing
      next: commit the fix that turns them green; the range is accepted only then
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of a3e325c1ec (main, the local default branch)
    pending: aec153780d test: total of no cart
      red           test_none.Other.test_of_none
      next: commit the fix that turns them green; the range is accepted only then
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of a3e325c1ec (main, the local default branch)
    refused: af2a52f1aa fix: total of an empty cart
    refused[still-fails]: `test_none.Other.test_of_none` fails with the fix
      why: the test is the contract: the fix does not keep it
      next: repair the code until the new test passes
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of a3e325c1ec (main, the local default branch)
    refused: a3e325c1ec..af2a52f1aa as one change
    refused[still-fails]: `test_none.Other.test_of_none` fails with the fix
      why: the test is the contract: the fix does not keep it
      next: repair the code until the new test passes
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of a3e325c1ec (main, the local default branch)
    refused[still-pending]: `test_cart.Total.test_of_nothing` was committed red, and no later commit turns it green
    refused[still-pending]: `test_none.Other.test_of_none` was committed red, and no later commit turns it green
    stderr:
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_fix_with_a_clean_merge_of_the_main_branch_is_accepted() {
    let repo = merged();
    repo.git(["merge", "--quiet", "--message", "Merge main", "main"]);
    assert_snapshot!(repo.guard(["check", "fix", "--base", "main"]), @"
    exit: 0
    stdout:
    pending: a627e89069 test: total of an empty cart
      red           test_cart.Total.test_of_nothing
      next: commit the fix that turns them green; the range is accepted only then
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of fb7932a8b2 (main, --base)
    accepted: 6a9b800ae2 fix: total of an empty cart
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of fb7932a8b2 (main, --base)
    accepted: fb7932a8b2..2992563a48 as one change
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of fb7932a8b2 (main, --base)
    clean merge: 2992563a480734964dbaee52dd3cb4fee5a5d322
    stderr:
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_merge_that_adds_what_neither_side_has_is_judged_by_that() {
    let repo = merged();
    repo.git(["merge", "--quiet", "--no-commit", "main"]);
    repo.write(
        "cart.py",
        &format!("{CART_FIXED}\n\ndef pay():\n    pass\n"),
    )
    .commit("Merge main");
    assert_snapshot!(repo.guard(["check", "fix", "--base", "main"]), @"
    exit: 1
    stdout:
    pending: a627e89069 test: total of an empty cart
      red           test_cart.Total.test_of_nothing
      next: commit the fix that turns them green; the range is accepted only then
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of fb7932a8b2 (main, --base)
    accepted: 6a9b800ae2 fix: total of an empty cart
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of fb7932a8b2 (main, --base)
    refused: 2e5d0228ab Merge main
    refused[merge-introduces-changes]: the merge differs from its parents' automatic merge in 1 files
      why: a merge that is more than its parents hides a change where nobody looks
      next: make the change in a commit of its own
      lane repair (asked for), policy of fb7932a8b2 (main, --base)
    accepted: fb7932a8b2..2e5d0228ab as one change
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
    warning[unproven-hunk]: cart.py:6: every new test passes without this hunk (+4 -0)
      why: what no test needs is not part of the fix that was shown
      next: leave the hunk out, or add a test that fails without it
      lane repair (asked for), policy of fb7932a8b2 (main, --base)
    stderr:
    ");
}

#[test]
fn a_merge_that_resolves_a_conflict_is_a_persons_decision() {
    let repo = merged();
    repo.git(["switch", "--quiet", "main"]);
    repo.write("cart.py", "def total(prices):\n    return prices[0]\n")
        .commit("fix: another way");
    repo.git(["switch", "--quiet", "fix"]);
    repo.try_git(["merge", "--quiet", "main"]);
    repo.write("cart.py", CART_FIXED).commit("Merge main");
    assert_snapshot!(repo.guard(["check", "HEAD", "--base", "main"]), @"
    exit: 3
    stdout:
    undecided: 4ac3d6276d Merge main
    undecided[conflict-resolved]: this merge resolves a conflict, and how is a person's decision
      why: when in doubt, do not act
      next: a person decides
      needs a person: koan-guard approve 4ac3d6276d --rule conflict-resolved --because TEXT
      lane repair (asked for), policy of a3e325c1ec (main, --base)
    stderr:
    ");
}

#[test]
fn a_merge_of_three_is_judged_as_a_change_of_its_own() {
    let repo = merged();
    repo.git(["switch", "--quiet", "--create", "third", "main~1"]);
    repo.write("third.md", "third\n").commit("docs: third");
    repo.git(["switch", "--quiet", "fix"]);
    repo.git([
        "merge",
        "--quiet",
        "--message",
        "Merge three",
        "main",
        "third",
    ]);
    assert_snapshot!(repo.guard(["check", "HEAD", "--base", "main~1"]), @"
    exit: 1
    stdout:
    refused: f548e9974c Merge three
    refused[merge-introduces-changes]: the merge has 3 parents, and one of more than two is not made again
      why: a merge that is more than its parents hides a change where nobody looks
      next: make the change in a commit of its own
    refused[not-conventional]: `Merge three` is not conventional: Missing type in the commit summary, expected `type: description`
      why: the message says what kind of change this is, in a form that tools read
      next: write the subject as `fix: what was wrong`
      lane repair (asked for), policy of a3e325c1ec (main~1, --base)
    stderr:
    ");
}

#[test]
fn nothing_but_a_clean_merge_is_undecided() {
    let repo = merged();
    repo.git(["merge", "--quiet", "--message", "Merge main", "main"]);
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 3
    stdout:
    stderr:
    undecided: 2992563a48 is a clean merge: nothing to judge
    ");
}

#[test]
fn nothing_to_judge_is_undecided() {
    let repo = Repo::python_sample();
    assert_snapshot!(repo.guard(["check", "HEAD..HEAD"]), @"
    exit: 3
    stdout:
    stderr:
    undecided: nothing to judge in this range
    ");
    assert_snapshot!(repo.guard(["check", "main", "--base", "HEAD"]), @"
    exit: 3
    stdout:
    stderr:
    undecided: nothing to judge in this range
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn two_fixes_in_a_range_are_judged_one_by_one_and_together() {
    let repo = Repo::python_sample();
    repo.git(["switch", "--quiet", "--create", "fix"]);
    repo.fix_honestly();
    repo.write("cart.py", "import os\n").commit("fix: tidy up");
    assert_snapshot!(repo.guard(["check", "main..fix"]), @"
    exit: 1
    stdout:
    accepted: e9eb8ae2e6 fix: total of an empty cart
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of a3e325c1ec (main, the local default branch)
    refused: ae4f3c023f fix: tidy up
    refused[no-test]: the change adds or changes no test
      why: a fix without a test that failed before it is a guess
      next: add a test that fails without the fix, in the same commit
    warning[public-api-changed]: cart.py: `cart.py` no longer has the public function `total`
      why: others call what is public, and none of their tests run here
      next: keep the signature; give a new parameter a default
      lane repair (asked for), policy of a3e325c1ec (main, the local default branch)
    refused: a3e325c1ec..ae4f3c023f as one change
    refused[vanished]: `test_cart.Total.test_of_nothing` ran at the parent and is absent or skipped now
      why: a test that does not run cannot fail
      next: restore the test
    refused[not-built]: `test_cart.py` builds at the parent and not with the commit: ImportError: cannot import name 'total' from 'cart' (cart.py)
      why: tests that cannot run have not passed
      next: make it build
    warning[public-api-changed]: cart.py: `cart.py` no longer has the public function `total`
      why: others call what is public, and none of their tests run here
      next: keep the signature; give a new parameter a default
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of a3e325c1ec (main, the local default branch)
    stderr:
    ");
}

#[test]
fn ranges_are_written_with_two_points() {
    let repo = Repo::with_honest_fix();
    assert_snapshot!(repo.guard(["check", "HEAD~1...HEAD"]), @"
    exit: 2
    stdout:
    stderr:
    error: `HEAD~1...HEAD` means the commits of either side
    hint: write `A..B` for what B has and A has not
    ");
    assert_snapshot!(repo.guard(["check", "nowhere"]), @r#"
    exit: 2
    stdout:
    stderr:
    error: `nowhere` names no commit
    hint: git says more with `git rev-parse --verify`; here: The ref partially named "nowhere" could not be found
    "#);
    assert_snapshot!(repo.guard(["check", "HEAD^{tree}"]), @"
    exit: 2
    stdout:
    stderr:
    error: `HEAD^{tree}` is a tree, not a commit
    ");
    assert_snapshot!(repo.guard(["check", "--", "--staged"]), @r#"
    exit: 2
    stdout:
    stderr:
    error: `--staged` names no commit
    hint: git says more with `git rev-parse --verify`; here: The ref partially named "--staged" could not be found
    "#);
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_branch_called_head_is_not_what_head_means() {
    let repo = Repo::with_honest_fix();
    repo.git(["update-ref", "refs/heads/HEAD", "HEAD~1"]);
    assert!(repo.guard(["check", "HEAD"]).contains("accepted: "));
}

/// `main` holds the bug, `fix` a red test on top of it.
#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_secret_that_a_later_commit_removes_is_refused_and_never_told() {
    let repo = Repo::python_sample();
    repo.git(["switch", "--quiet", "--create", "fix"]);
    // In two halves, so that no scanner finds one here.
    let body = "9vK2mXq7TzL4bWcR8nYp3sHdJ6gFa5eUo1iQ";
    let token = format!("ghp_{body}");
    let with_token = CART_TEST.replacen("import", &format!("KEY = '{token}'\nimport",), 1);
    repo.write("test_cart.py", &with_token)
        .commit(&format!("test: use {token}"));
    repo.write("test_cart.py", CART_TEST_OF_BUG)
        .write("cart.py", CART_FIXED)
        .commit("fix: total of an empty cart");
    let answer = repo.guard(["check", "main..fix"]);
    assert!(answer.starts_with("exit: 1\n"), "{answer}");
    for told in [
        "test: use ghp_…\n",
        "refused[secret-added]: line 1 of the message holds what looks like a GitHub token (`ghp_…`, 40 bytes)",
        "refused[secret-added]: test_cart.py:1: line 1 of `test_cart.py` adds what looks like a GitHub token (`ghp_…`, 40 bytes)",
    ] {
        assert!(answer.contains(told), "{told}: {answer}");
    }
    assert!(!answer.contains(&body[..8]), "{answer}");
    let json = repo.guard(["check", "main..fix", "--format", "json"]);
    assert!(
        json.contains("secret-added") && !json.contains(&body[..8]),
        "{json}"
    );
}

fn red() -> Repo {
    let repo = Repo::python_sample();
    repo.git(["switch", "--quiet", "--create", "fix"]);
    repo.write("test_cart.py", CART_TEST_OF_BUG)
        .commit("test: total of an empty cart");
    repo
}

fn red_then_fixed() -> Repo {
    let repo = red();
    repo.write("cart.py", CART_FIXED)
        .commit("fix: total of an empty cart");
    repo
}

/// `main` went on after `fix` was begun; `fix` is checked out.
fn merged() -> Repo {
    let repo = red_then_fixed();
    repo.git(["switch", "--quiet", "main"]);
    repo.write("README.md", "A cart.\n")
        .commit("docs: what it is");
    repo.git(["switch", "--quiet", "fix"]);
    repo
}

#[test]
fn a_proving_test_that_a_later_commit_deletes_refuses_the_range() {
    let repo = red_then_fixed();
    let other = "import unittest\n\nfrom cart import total\n\n\nclass Other(unittest.TestCase):\n    def test_of_none(self):\n        self.assertEqual(total(None), 0)\n";
    repo.write(
        "cart.py",
        &CART_FIXED.replace("in prices", "in prices or ()"),
    )
    .write("test_none.py", other)
    .write("test_cart.py", CART_TEST)
    .commit("fix: total of no cart");
    assert_snapshot!(repo.guard(["check", "fix", "--base", "main"]), @"
    exit: 1
    stdout:
    pending: a627e89069 test: total of an empty cart
      red           test_cart.Total.test_of_nothing
      next: commit the fix that turns them green; the range is accepted only then
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of a3e325c1ec (main, --base)
    accepted: 6a9b800ae2 fix: total of an empty cart
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of a3e325c1ec (main, --base)
    refused: b87550f052 fix: total of no cart
    refused[test-deleted]: test_cart.py: `test_cart.py` loses 1 test: `Total.test_of_nothing`
      why: a test that is gone cannot fail
      next: restore the test; add a new one beside it
      lane repair (asked for), policy of a3e325c1ec (main, --base)
    refused: a3e325c1ec..b87550f052 as one change
    refused[vanished]: `test_cart.Total.test_of_nothing` ran at the parent and is absent or skipped now
      why: a test that does not run cannot fail
      next: restore the test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of a3e325c1ec (main, --base)
    stderr:
    ");
}

#[test]
fn tests_that_are_red_on_the_main_branch_are_a_proof_where_the_policy_says_so() {
    let repo = Repo::python_sample();
    repo.write("test_cart.py", CART_TEST_OF_BUG)
        .commit("test: total of an empty cart");
    repo.git(["switch", "--quiet", "--create", "fix"]);
    repo.write("cart.py", CART_FIXED)
        .commit("fix: total of an empty cart");
    assert_snapshot!(repo.guard(["check", "HEAD", "--base", "main"]), @"
    exit: 1
    stdout:
    refused: 6a9b800ae2 fix: total of an empty cart
    refused[no-test]: the change adds or changes no test
      why: a fix without a test that failed before it is a guess
      next: add a test that fails without the fix, in the same commit
      lane repair (asked for), policy of a627e89069 (main, --base)
    stderr:
    ");

    repo.git(["switch", "--quiet", "main"]);
    repo.write(
        ".koan-guard.yaml",
        &format!("{UNITTEST_POLICY}  existing_red: allow\n"),
    )
    .commit("chore: a red main branch may be repaired");
    repo.git(["rebase", "--quiet", "main", "fix"]);
    assert_snapshot!(repo.guard(["check", "HEAD", "--base", "main"]), @"
    exit: 0
    stdout:
    accepted: 913163e70c fix: total of an empty cart
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of edddb2f118 (main, --base)
    stderr:
    ");
}
