//! One commit and its verdict.

use std::fs;
use std::path::Path;

use insta::assert_snapshot;

use crate::support::Repo;
use crate::support::samples::{
    CART, CART_FIXED, CART_TEST, CART_TEST_OF_BUG, RUST_CART, RUST_CART_FIXED, UNITTEST_POLICY,
};

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn an_honest_fix_is_accepted_and_noted() {
    let repo = Repo::with_honest_fix();
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 0
    stdout:
    accepted: e9eb8ae2e6 fix: total of an empty cart
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
    let note = repo.git(["notes", "--ref=koan", "show", "HEAD"]);
    let note: serde_json::Value = serde_json::from_str(&note).expect("one statement");
    let head = repo.git(["rev-parse", "HEAD"]);
    assert_eq!(note["subject"][0]["digest"]["gitCommit"], head.trim_end());
    assert_eq!(note["predicate"]["result"], "accepted");
    assert_snapshot!(repo.guard(["audit"]), @"
    exit: 0
    stdout:
    stated    e9eb8ae2e6  fix: total of an empty cart  [test_cart.Total.test_of_nothing; 1 kept; judged by check]
    2 commits, 1 with a note, 0 unproved
    stderr:
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_second_check_adds_no_second_note() {
    let repo = Repo::with_honest_fix();
    repo.guard(["check", "HEAD"]);
    repo.guard(["check", "HEAD"]);
    let note = repo.git(["notes", "--ref=koan", "show", "HEAD"]);
    assert_eq!(note.lines().count(), 1, "{note}");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn without_a_note_when_none_is_wanted() {
    let repo = Repo::with_honest_fix();
    assert!(
        repo.guard(["check", "HEAD", "--no-note"])
            .starts_with("exit: 0\n")
    );
    assert_eq!(repo.git(["for-each-ref", "refs/notes"]), "");
}

#[test]
fn a_fix_without_a_test_is_refused() {
    let repo = Repo::python_sample();
    repo.write("cart.py", CART_FIXED)
        .commit("fix: total of an empty cart");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 1
    stdout:
    refused: bef109cf85 fix: total of an empty cart
    refused[no-test]: the change adds or changes no test
      why: a fix without a test that failed before it is a guess
      next: add a test that fails without the fix, in the same commit
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
fn a_test_that_passes_without_the_fix_proves_nothing() {
    let repo = Repo::python_sample();
    let test = format!(
        "{CART_TEST}\n    def test_of_one(self):\n        self.assertEqual(total([4]), 4)\n"
    );
    repo.write("cart.py", CART_FIXED)
        .write("test_cart.py", &test)
        .commit("fix: total of an empty cart");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 1
    stdout:
    refused: cd246ef56a fix: total of an empty cart
    refused[already-passes]: `test_cart.Total.test_of_one` passes without the fix
      why: a test that passes without the fix does not show the bug
      next: make the test fail on the parent first, then fix
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
fn green_tests_alone_are_no_fix() {
    let repo = Repo::python_sample();
    let test = format!(
        "{CART_TEST}\n    def test_of_one(self):\n        self.assertEqual(total([4]), 4)\n"
    );
    repo.write("test_cart.py", &test)
        .commit("test: total of one");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 1
    stdout:
    refused: 8338059e8c test: total of one
    refused[no-fix]: the change touches no production file
      why: tests that pass already repair nothing
      next: commit the fix together with its test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
fn red_tests_alone_are_pending_and_not_accepted() {
    let repo = Repo::python_sample();
    repo.write("test_cart.py", CART_TEST_OF_BUG)
        .commit("test: total of an empty cart");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 1
    stdout:
    pending: a627e89069 test: total of an empty cart
      red           test_cart.Total.test_of_nothing
      next: commit the fix that turns them green; the range is accepted only then
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
    assert_eq!(repo.git(["for-each-ref", "refs/notes"]), "");
}

#[test]
fn a_test_that_still_fails_is_refused() {
    let repo = Repo::python_sample();
    repo.write("cart.py", &format!("\"\"\"A cart.\"\"\"\n{CART}"))
        .write("test_cart.py", CART_TEST_OF_BUG)
        .commit("fix: total of an empty cart");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 1
    stdout:
    refused: 2c4b8b0215 fix: total of an empty cart
    refused[still-fails]: `test_cart.Total.test_of_nothing` fails with the fix
      why: the test is the contract: the fix does not keep it
      next: repair the code until the new test passes
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn an_old_test_that_breaks_is_refused() {
    let repo = Repo::python_sample();
    repo.write("cart.py", "def total(prices):\n    return 0\n")
        .write("test_cart.py", CART_TEST_OF_BUG)
        .commit("fix: total of an empty cart");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 1
    stdout:
    refused: d61defa6e4 fix: total of an empty cart
    refused[broken]: `test_cart.Total.test_of_two` passed at the parent and fails now
      why: a fix must not break what worked
      next: find another fix; if the old expectation is wrong, a person decides
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn an_old_test_in_another_file_that_breaks_is_refused() {
    let repo = Repo::python_sample();
    let other = CART_TEST.replace("[1, 2]), 3", "[4, 5]), 9");
    repo.write("test_other.py", &other).commit("test: another");
    repo.write(
        "cart.py",
        "def total(prices):\n    return 3 if prices else 0\n",
    )
    .write("test_cart.py", CART_TEST_OF_BUG)
    .commit("fix: total of an empty cart");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 1
    stdout:
    refused: 27b9b38792 fix: total of an empty cart
    refused[broken]: `test_other.Total.test_of_two` passed at the parent and fails now
      why: a fix must not break what worked
      next: find another fix; if the old expectation is wrong, a person decides
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of 8a56e20bfd (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn an_old_test_that_the_new_source_makes_vanish_is_refused() {
    let repo = Repo::python_sample();
    let cases = "\
import unittest

import cart


class Cases(unittest.TestCase):
    pass


for case in cart.CASES:
    setattr(Cases, f\"test_{case}\", lambda self: None)
";
    repo.write("cart.py", &format!("CASES = [1, 2]\n{CART}"))
        .write("test_cases.py", cases)
        .commit("test: cases");
    repo.write("cart.py", &format!("CASES = [1]\n{CART_FIXED}"))
        .write("test_cart.py", CART_TEST_OF_BUG)
        .commit("fix: total of an empty cart");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 1
    stdout:
    refused: 1851857efc fix: total of an empty cart
    refused[vanished]: `test_cases.Cases.test_2` ran at the parent and is absent or skipped now
      why: a test that does not run cannot fail
      next: restore the test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of 04cf3e3d20 (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn what_an_old_test_expects_is_a_persons_decision() {
    let repo = Repo::python_sample();
    repo.write(
        "cart.py",
        "def total(prices):\n    return sum(prices) * 2\n",
    )
    .write(
        "test_cart.py",
        &CART_TEST_OF_BUG.replace("[1, 2]), 3", "[1, 2]), 6"),
    )
    .commit("fix: total of an empty cart");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 3
    stdout:
    undecided: 4929488a78 fix: total of an empty cart
    undecided[expectation-changed]: `test_cart.Total.test_of_two` passes as the commit has it; the parent's version fails on the new code
      why: what an existing test expects is a product decision
      next: keep the old expectation and add a new test, or ask a person
      needs a person: koan-guard approve 4929488a78 --rule expectation-changed --because TEXT
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
fn a_test_of_a_new_symbol_says_nothing_about_the_bug() {
    let repo = Repo::python_sample();
    repo.write(
        "cart.py",
        &format!("{CART_FIXED}\n\ndef count(prices):\n    return len(prices)\n"),
    )
    .write(
        "test_cart.py",
        &CART_TEST_OF_BUG.replace("import total", "import count, total"),
    )
    .commit("fix: total of an empty cart");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 3
    stdout:
    undecided: c387ff172c fix: total of an empty cart
    undecided[before-errored]: without the fix `test_cart.py` does not even start: ImportError: cannot import name 'count' from 'cart' (cart.py)
      why: an error of build, import or name is not the bug
      next: let the test reach the bug through names that the parent has
      needs a person: koan-guard approve c387ff172c --rule before-errored --because TEXT
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
fn a_change_of_what_decides_how_tests_run_is_refused() {
    let repo = Repo::python_sample();
    repo.write("setup.cfg", "[metadata]\nname = cart\n")
        .commit("chore: name it");
    repo.write("setup.cfg", "[metadata]\nname = shop\n")
        .write("cart.py", CART_FIXED)
        .write("test_cart.py", CART_TEST_OF_BUG)
        .commit("fix: total of an empty cart");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 1
    stdout:
    refused: 99f321c6e1 fix: total of an empty cart
    refused[manifest-changed]: setup.cfg: `setup.cfg` names dependencies
      why: a dependency is a decision about other people's code
      next: fix the bug without touching dependencies
    refused[judge-input-changed]: `setup.cfg` decides how tests run
      why: whoever changes the judge's inputs judges himself
      next: leave the file as it is; a person changes it in a commit of their own
      lane repair (asked for), policy of e19c309322 (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
fn a_protected_path_is_refused() {
    let repo = Repo::python_sample();
    repo.write(".github/workflows/ci.yml", "on: push\n")
        .write("cart.py", CART_FIXED)
        .write("test_cart.py", CART_TEST_OF_BUG)
        .commit("fix: total of an empty cart");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 1
    stdout:
    refused: b688037156 fix: total of an empty cart
    refused[too-many-files]: 1 production files added, at most 0
      why: a small fix stays local; nobody reads a large one line by line
      next: fix one cause at a time
    refused[path-protected]: .github/workflows/ci.yml: `.github/workflows/ci.yml` matches `.github`, which is always protected
      why: some files decide what is safe; an agent that could change them would judge itself
      next: leave the file as it is; a person changes it in a commit of their own
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
fn a_fix_that_is_too_large_is_refused_with_its_numbers() {
    let repo = Repo::python_sample();
    let more: String = (0..200).map(|n| format!("N_{n} = {n}\n")).collect();
    repo.write("cart.py", &format!("{CART_FIXED}{more}"))
        .write("test_cart.py", CART_TEST_OF_BUG)
        .commit("fix: total of an empty cart");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 1
    stdout:
    refused: 6ebea589ab fix: total of an empty cart
    refused[too-many-lines]: 204 production lines added and removed, at most 50
      why: a small fix stays local; nobody reads a large one line by line
      next: make the fix smaller, or hand the issue to a person
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
fn a_message_of_another_style_is_refused() {
    let repo = Repo::python_sample();
    repo.write("cart.py", CART_FIXED)
        .write("test_cart.py", CART_TEST_OF_BUG)
        .commit("Fixed the cart!");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 1
    stdout:
    refused: f7f048d5dc Fixed the cart!
    refused[not-conventional]: `Fixed the cart!` is not conventional: Missing type in the commit summary, expected `type: description`
      why: the message says what kind of change this is, in a form that tools read
      next: write the subject as `fix: what was wrong`
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
fn an_empty_commit_is_refused() {
    let repo = Repo::python_sample();
    repo.git([
        "commit",
        "--quiet",
        "--allow-empty",
        "--message",
        "fix: nothing",
    ]);
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 1
    stdout:
    refused: e681fa308a fix: nothing
    refused[empty-commit]: no file is changed
      why: a commit that changes nothing fixes nothing
      next: commit the fix and its test
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
fn a_root_commit_has_no_policy_before_it() {
    let repo = Repo::python_sample();
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 2
    stdout:
    stderr:
    error: no policy to judge by: no trusted ref is named, and there is no commit before this one
    hint: `koan-guard init` writes one; a person commits `.koan-guard.yaml` on the trusted branch, before the hooks are installed or past them
    ");
}

#[test]
fn a_fix_with_its_test_beside_it_is_accepted() {
    let repo = Repo::rust_sample();
    repo.write("src/lib.rs", RUST_CART_FIXED)
        .commit("fix: total of an empty cart");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 0
    stdout:
    accepted: 816e5bbde2 fix: total of an empty cart
      FAIL_TO_PASS  cart tests::of_nothing
                    it failed with: panicked at src/lib.rs:2:5: index out of bounds: the len is 0 but the index is 0
      PASS_TO_PASS  1 test
      run by cargo [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of 604c637b8e (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
fn a_fix_in_rust_without_a_test_is_refused() {
    let repo = Repo::rust_sample();
    let fixed = RUST_CART.replace("prices[0] + prices[1..]", "prices");
    repo.write("src/lib.rs", &fixed)
        .commit("fix: total of an empty cart");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 1
    stdout:
    refused: 0d9ca02779 fix: total of an empty cart
    refused[no-test]: the change adds or changes no test
      why: a fix without a test that failed before it is a guess
      next: add a test that fails without the fix, in the same commit
      lane repair (asked for), policy of 604c637b8e (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_rust_test_of_a_new_symbol_says_nothing_about_the_bug() {
    let repo = Repo::rust_sample();
    let fixed = RUST_CART_FIXED
        .replace(
            "#[cfg(test)]",
            "pub fn none() -> Vec<u32> {\n    Vec::new()\n}\n\n#[cfg(test)]",
        )
        .replace("total(&[])", "total(&none())");
    repo.write("src/lib.rs", &fixed)
        .commit("fix: total of an empty cart");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 3
    stdout:
    undecided: 37e256771f fix: total of an empty cart
    undecided[before-errored]: without the fix `cart` does not even start: error[E0425]: cannot find function `none` in this scope (src/lib.rs:16)
      why: an error of build, import or name is not the bug
      next: let the test reach the bug through names that the parent has
      needs a person: koan-guard approve 37e256771f --rule before-errored --because TEXT
      run by cargo [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of 604c637b8e (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn the_proof_alone_shows_both_sides() {
    let repo = Repo::with_honest_fix();
    assert_snapshot!(repo.guard(["prove"]), @"
    exit: 0
    stdout:
    test_cart.Total.test_of_nothing
      BEFORE  failed 3 of 3: IndexError: list index out of range
      AFTER   passed 3 of 3
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
    stderr:
    ");
    assert_eq!(repo.git(["for-each-ref", "refs/notes"]), "");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn what_is_staged_is_judged_without_a_commit() {
    let repo = Repo::python_sample();
    repo.write("cart.py", CART_FIXED)
        .write("test_cart.py", CART_TEST_OF_BUG);
    repo.git(["add", "."]);
    assert_snapshot!(repo.guard(["check", "--staged"]), @"
    exit: 0
    stdout:
    accepted: staged
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
fn what_is_staged_is_judged_whatever_the_work_tree_holds() {
    let repo = Repo::python_sample();
    repo.write("cart.py", CART_FIXED);
    repo.git(["add", "."]);
    repo.write("test_cart.py", CART_TEST_OF_BUG);
    assert_snapshot!(repo.guard(["check", "--staged"]), @"
    exit: 1
    stdout:
    refused: staged
    refused[no-test]: the change adds or changes no test
      why: a fix without a test that failed before it is a guess
      next: add a test that fails without the fix, in the same commit
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
fn nothing_staged_is_no_fix() {
    let repo = Repo::python_sample();
    assert_snapshot!(repo.guard(["check", "--staged"]), @"
    exit: 1
    stdout:
    refused: staged
    refused[empty-commit]: no file is changed
      why: a commit that changes nothing fixes nothing
      next: commit the fix and its test
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
fn the_same_in_json() {
    let repo = Repo::python_sample();
    repo.write("cart.py", CART_FIXED)
        .commit("fix: total of an empty cart");
    assert_snapshot!(repo.guard(["check", "HEAD", "--format", "json"]), @r#"
    exit: 1
    stdout:
    {
      "exit": 1,
      "judgement": {
        "commit": "bef109cf85bd0e9f38161c2c933c7fb4cf421650",
        "lane": {
          "lane": "repair",
          "reason": "asked for"
        },
        "name": "bef109cf85 fix: total of an empty cart",
        "observed": false,
        "parent_tree": "dd18731cc3280e57e0347fea9289527c75c6214a",
        "policy_digest": "[digest]",
        "tree": "4b73804c92828f7e6c38e8036b895bd2ea340988",
        "trusted": {
          "commit": "a3e325c1ec4ab1006dfefbfb780117cecdc53341",
          "name": "the parent",
          "source": "parent"
        },
        "verdict": {
          "refused": {
            "findings": [],
            "gaps": [
              "no-test"
            ]
          }
        },
        "warnings": []
      },
      "version": 1
    }
    stderr:
    "#);
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn an_editable_install_is_tested_as_the_tree_has_it() {
    let repo = Repo::empty();
    repo.write(".koan-guard.yaml", UNITTEST_POLICY)
        .write(".gitignore", ".venv\n")
        .write("src/cart.py", CART)
        .write("test_cart.py", CART_TEST)
        .commit("feat: total of a cart");
    repo.write("src/cart.py", CART_FIXED)
        .write("test_cart.py", CART_TEST_OF_BUG)
        .commit("fix: total of an empty cart");
    let mut venv = repo.command("python3", &repo.root);
    venv.args(["-m", "venv", "--without-pip", ".venv"]);
    assert!(repo.answer_of(&mut venv).starts_with("exit: 0\n"));
    let lib = fs::read_dir(repo.root.join(".venv/lib"))
        .expect("lib")
        .next();
    let packages = lib
        .expect("a version")
        .expect("entry")
        .path()
        .join("site-packages");
    let source = repo.root.join("src");
    fs::write(packages.join("cart.pth"), format!("{}\n", source.display())).expect("pth");
    // The checkout holds the fix: a test that reached it would pass without the fix.
    let answer = repo.guard(["check", "HEAD"]);
    assert!(
        answer.contains("FAIL_TO_PASS  test_cart.Total.test_of_nothing"),
        "{answer}"
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn every_repository_has_one_work_area_of_its_own() {
    let repo = Repo::with_honest_fix();
    let other = Repo::with_honest_fix();
    let areas = |repo: &Repo, folder: &Path| {
        let mut command = repo.guard_command(["check", "HEAD"]);
        command
            .current_dir(folder)
            .env("XDG_CACHE_HOME", other.beside("cache"));
        let answer = repo.answer_of(&mut command);
        assert!(answer.starts_with("exit: 0\n"), "{answer}");
        let entries = fs::read_dir(other.beside("cache/koan-guard")).expect("work areas");
        let names = entries.map(|entry| entry.expect("entry").file_name());
        names.filter(|name| name != "scripts").count()
    };
    assert_eq!(areas(&repo, &repo.root), 1);
    fs::create_dir(repo.root.join("docs")).expect("folder");
    assert_eq!(areas(&repo, &repo.root.join("docs")), 1);
    repo.git(["worktree", "add", "--quiet", "--detach", "../linked"]);
    assert_eq!(areas(&repo, &repo.beside("linked")), 1);
    assert_eq!(areas(&other, &other.root), 2);
}
