//! The shipped attacks and honest changes, tried on the policy that judges.

use insta::assert_snapshot;

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
    assert_snapshot!(repo.guard(["selftest"]), @"");
}

#[test]
fn a_policy_that_was_weakened_is_told_where() {
    let repo = with_policy(
        "version: 1\nextends: [python]\nperimeter:\n  limits: {lines: 1000000}\n  rules: {mode-change: off, lockfile-changed: warn}\nproof: {runner: unittest}\n",
    );
    assert_snapshot!(repo.guard(["selftest"]), @"");
}

#[test]
fn a_policy_that_observes_is_told_so() {
    let repo = with_policy(&format!("{UNITTEST_POLICY}mode: observe\n"));
    assert_snapshot!(repo.guard(["selftest"]), @"");
}

#[test]
fn a_policy_that_is_too_tight_is_told_what_it_refuses() {
    let repo = with_policy(&format!(
        "{UNITTEST_POLICY}perimeter: {{limits: {{hunks: 4}}, test_limits: {{added: 20}}}}\n"
    ));
    assert_snapshot!(repo.guard(["selftest"]), @"");
}

#[test]
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
    assert_snapshot!(repo.guard(["selftest"]), @"");
}
