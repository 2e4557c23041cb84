//! Trees that are built from their own sources before their tests run.

use insta::assert_snapshot;

use crate::support::Repo;
use crate::support::samples::{CART, CART_FIXED};

const TEST: &str = "\
import unittest

from made import total


class Total(unittest.TestCase):
    def test_of_two(self):
        self.assertEqual(total([1, 2]), 3)
";

const TEST_OF_BUG: &str = "
    def test_of_nothing(self):
        self.assertEqual(total([]), 0)
";

/// Copies the sources to what the tests import, and runs them first: code of both sides is at work in a build.
const BUILD: &str = "python3 -B source/cart.py && cp source/cart.py made.py";

/// A project whose tests import what is built; a change to its source is committed together with a test of the bug.
fn with_build(proof: &str, source: &str) -> Repo {
    let repo = Repo::empty();
    let policy =
        format!("version: 1\nextends: [default, python]\nproof:\n  runner: unittest\n{proof}");
    repo.write(".koan-guard.yaml", &policy)
        .write(".gitignore", "/made.py\n")
        .write("source/cart.py", CART)
        .write("test_cart.py", TEST)
        .commit("feat: total of a cart");
    repo.write("source/cart.py", source)
        .write("test_cart.py", &format!("{TEST}{TEST_OF_BUG}"))
        .commit("fix: total of an empty cart");
    repo
}

fn build(line: &str) -> String {
    format!(
        "  build: [{}]\n",
        serde_json::to_string(line).expect("a string")
    )
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn each_side_is_built_from_its_own_sources() {
    let repo = with_build(&build(BUILD), CART_FIXED);
    let answer = repo.guard(["check", "HEAD"]);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    assert!(!repo.root.join("made.py").exists());

    // What the checkout has is nothing to any side.
    repo.write("made.py", "raise SystemExit\n");
    let answer = repo.guard(["prove", "HEAD"]);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
}

#[test]
fn without_a_build_nothing_is_decided() {
    let repo = with_build("", CART_FIXED);
    let answer = repo.guard(["check", "HEAD"]);
    assert!(answer.starts_with("exit: 3\n"), "{answer}");
    assert!(answer.contains("before-errored"), "{answer}");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_build_has_no_network_and_is_seen_by_no_other_side() {
    // It would make the other side's file, were it still there.
    let line = format!(
        "test ! -e made.py && ! ls ../*/made.py && ! python3 -c 'import socket; socket.create_connection((\"1.1.1.1\", 80), 2)' && {BUILD}"
    );
    let repo = with_build(&build(&line), CART_FIXED);
    let answer = repo.guard(["check", "HEAD"]);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
}

/// A build that does its mischief on the side of the fix only, where the source says so and is repaired in nothing.
#[track_caller]
fn is_refused(mischief: &str, expected: &str) {
    let build = build("python3 -B make.py && cp source/cart.py made.py");
    let repo = with_build(&build, CART);
    repo.git(["checkout", "--quiet", "-B", "main", "HEAD~1"]);
    let script = format!("import os\n\nif 'now' in open('source/cart.py').read():\n{mischief}");
    repo.write("make.py", &script).commit("feat: make it");
    repo.write("source/cart.py", &format!("{CART}\n\nnow = 1\n"))
        .write("test_cart.py", &format!("{TEST}{TEST_OF_BUG}"))
        .commit("fix: total of an empty cart");
    let answer = repo.guard(["check", "HEAD"]);
    assert!(!answer.starts_with("exit: 0\n"), "{mischief}{answer}");
    assert!(answer.contains(expected), "{mischief}{answer}");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn what_a_build_does_to_tests_and_runners_does_not_count() {
    for mischief in [
        // The tests themselves, and others in their place.
        "    text = open('test_cart.py').read().split('class')[0]\n    open('test_cart.py', 'w').write(text + 'class Total(unittest.TestCase):\\n    def test_of_nothing(self): pass\\n')\n",
        "    os.remove('test_cart.py')\n    os.mkdir('test_cart.py')\n",
        // What is imported before them, or in the place of what judges.
        "    for name in ['unittest', 'sitecustomize', 'usercustomize', 'conftest', 'traceback']:\n        open(name + '.py', 'w').write('import os; os._exit(0)')\n",
        "    os.mkdir('unittest')\n    open('unittest/__init__.py', 'w').write('import os; os._exit(0)')\n",
        // Whatever can be reached.
        "    for top, _, files in os.walk('..'):\n        for name in files:\n            if name.startswith('test'):\n                open(os.path.join(top, name), 'w').close()\n",
    ] {
        is_refused(mischief, "still-fails");
    }
    // A package wins over a module of its name: the tests themselves never run, and the guard's own among them.
    is_refused(
        "    os.mkdir('test_cart')\n    open('test_cart/__init__.py', 'w').close()\n",
        "the test that must fail did not run",
    );
}

#[test]
fn a_tree_that_does_not_build_is_no_proof() {
    let broken = "def total(:\n";
    let repo = with_build(&build(BUILD), broken);
    let answer = repo.guard(["check", "HEAD"]);
    assert!(answer.starts_with("exit: 1\n"), "{answer}");
    assert!(answer.contains("not-built"), "{answer}");
}

#[test]
fn a_build_that_fails_without_the_fix_says_nothing_about_the_bug() {
    let line = format!("grep -q 'if not' source/cart.py && {BUILD}");
    let repo = with_build(&build(&line), CART_FIXED);
    assert_snapshot!(repo.guard(["check", "HEAD"]), @r"
    exit: 3
    stdout:
    undecided: 82bbed481f fix: total of an empty cart
    undecided[before-errored]: `grep -q 'if not' source/cart.py && python3 -B source/cart.py && cp source/cart.py made.py` does not start, and not at the parent either: ended with exit code 1
      why: where the parent's own tests do not start, nothing can be compared
      next: get the parent's tests to run here first: install what they need, or have `proof.setup` do it
      needs a person: koan-guard approve 82bbed481f --rule before-errored --because TEXT
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of e8a7ebe931 (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
fn a_build_that_does_not_end_is_undecided() {
    let repo = with_build(&format!("  timeout: 1s\n{}", build("sleep 77")), CART_FIXED);
    let answer = repo.guard(["check", "HEAD"]);
    assert!(answer.starts_with("exit: 3\n"), "{answer}");
    assert!(answer.contains("was not done on"), "{answer}");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn what_setup_made_cannot_be_built_again() {
    let proof = format!("  setup: ['{BUILD}']\n{}", build(BUILD));
    let repo = with_build(&proof, CART_FIXED);
    let answer = repo.guard(["check", "HEAD"]);
    assert!(answer.starts_with("exit: 3\n"), "{answer}");
    assert!(
        answer.contains("was made by `proof.setup` before"),
        "{answer}"
    );
}
