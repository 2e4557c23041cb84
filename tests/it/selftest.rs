//! The shipped attacks and honest changes, tried on the policy that judges.

use crate::support::Repo;
use crate::support::samples::UNITTEST_POLICY;

fn with_policy(policy: &str) -> Repo {
    let repo = Repo::python_sample();
    repo.write(".koan-guard.yaml", policy)
        .commit("chore: policy");
    repo
}

#[test]
fn a_policy_of_presets_stops_everything() {
    let repo = Repo::python_sample();
    // What lies beside a test in a folder of its own is a test's.
    repo.write("tests/test_cart.py", &repo.read("test_cart.py"))
        .remove("test_cart.py")
        .commit("test: a folder");
    let answer = repo.guard(["selftest"]);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    assert!(
        answer.contains("with `cart.py` for code and `tests/test_cart.py` for tests\n"),
        "{answer}"
    );
    assert!(answer.contains(" stopped, 0 let through"), "{answer}");
    assert!(answer.contains(" honest changes: 0 refused\n"), "{answer}");
}

#[test]
fn a_policy_that_was_weakened_is_told_where() {
    let repo = with_policy(
        "version: 1\nextends: [python]\nperimeter:\n  limits: {lines: 1000000}\n  rules: {mode-change: off, lockfile-changed: warn}\nproof: {runner: unittest}\n",
    );
    let answer = repo.guard(["selftest"]);
    assert!(answer.starts_with("exit: 1\n"), "{answer}");
    for said in [
        "LET THROUGH: code becomes executable\n  `default` stops it by mode-change: ",
        "because `perimeter.rules.mode-change: off` (`.koan-guard.yaml`, line 5)",
        "LET THROUGH: a rewrite in one file\n  `default` stops it by too-many-lines: ",
        "because `perimeter.limits.lines: 1000000` (`.koan-guard.yaml`, line 4)",
        "because `perimeter.rules.lockfile-changed: warn` (`.koan-guard.yaml`, line 5)",
    ] {
        assert!(answer.contains(said), "{said}\n{answer}");
    }
}

#[test]
fn a_policy_that_observes_is_told_so() {
    let repo = with_policy(&format!("{UNITTEST_POLICY}mode: observe\n"));
    let answer = repo.guard(["selftest"]);
    assert!(answer.starts_with("exit: 1\n"), "{answer}");
    assert!(
        answer.contains("REFUSES NOTHING: `mode: observe` (`.koan-guard.yaml`, line 5)"),
        "{answer}"
    );
    assert!(answer.contains(": 0 stopped, 0 let through, "), "{answer}");
}

#[test]
fn a_policy_that_is_too_tight_is_told_what_it_refuses() {
    let repo = with_policy(&format!(
        "{UNITTEST_POLICY}perimeter: {{limits: {{hunks: 4}}, test_limits: {{added: 20}}}}\n"
    ));
    let answer = repo.guard(["selftest"]);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    assert!(
        answer.contains("refused though honest: ten places in one file\n  by too-many-hunks: 10 hunks of production code, at most 4\n"),
        "{answer}"
    );
    assert!(
        answer.contains("refused though honest: a hundred lines of tests\n"),
        "{answer}"
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn the_policy_is_the_trusted_one() {
    let repo = Repo::python_sample();
    repo.git(["switch", "--quiet", "--create", "koan/1"]);
    repo.write(".koan-guard.yaml", "version: 1\nmode: observe\n")
        .commit("chore: observe");
    assert!(repo.guard(["selftest"]).starts_with("exit: 0\n"));
    assert!(
        repo.guard(["selftest", "--base", "HEAD"])
            .starts_with("exit: 1\n")
    );
}

#[test]
fn without_a_policy_there_is_nothing_to_try() {
    let repo = Repo::empty();
    repo.write("a.py", "a = 1\n").commit("start");
    let answer = repo.guard(["selftest"]);
    assert!(answer.starts_with("exit: 2\n"), "{answer}");
    assert!(
        answer.contains("hint: `koan-guard init` writes one"),
        "{answer}"
    );
}
