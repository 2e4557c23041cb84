//! Whose policy judges, and how strictly.

use insta::assert_snapshot;

use crate::support::Repo;
use crate::support::samples::{CART_FIXED, CART_TEST_OF_BUG, UNITTEST_POLICY};

#[test]
fn without_a_policy_nothing_is_judged() {
    let repo = Repo::with_honest_fix();
    repo.git(["switch", "--quiet", "--orphan", "bare"]);
    repo.git(["branch", "--quiet", "-D", "main"]);
    repo.write("cart.py", "1\n").commit("one");
    repo.write("cart.py", "2\n").commit("two");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 2
    stdout:
    stderr:
    error: no policy to judge by: there is no `.koan-guard.yaml` in ba49125e20 (the parent)
    hint: `koan-guard init` writes one; a person commits `.koan-guard.yaml` on the trusted branch, before the hooks are installed or past them
    ");
}

#[test]
fn a_branch_does_not_bring_the_policy_that_it_is_judged_by() {
    let repo = Repo::python_sample();
    repo.git(["switch", "--quiet", "--create", "fix"]);
    repo.write(
        ".koan-guard.yaml",
        "version: 1\nextends: [default, python]\nmode: observe\n",
    )
    .commit("chore: observe");
    repo.write("cart.py", "1\n")
        .commit("fix: total of an empty cart");
    let answer = repo.guard(["check", "HEAD"]);
    assert!(answer.starts_with("exit: 1\n"), "{answer}");
    assert!(
        answer.contains("(main, the local default branch)"),
        "{answer}"
    );
}

#[test]
fn a_policy_that_does_not_load_judges_nothing() {
    let repo = Repo::python_sample();
    repo.write(".koan-guard.yaml", "version: 1\nperimiter: {}\n")
        .commit("chore: policy");
    repo.fix_honestly();
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 2
    stdout:
    stderr:
    error: read the policy of 5f559cebfb: .koan-guard.yaml:2:1: unknown key `perimiter`; did you mean `perimeter`? (known here: `version`, `extends`, `lanes`, `mode`, `perimeter`, `proof`, `message`, `sources`, `triage`, `waivers`, `run`)
    hint: correct it and try `koan-guard policy lint`
    ");
}

#[test]
fn a_policy_of_another_version_judges_nothing() {
    let repo = Repo::python_sample();
    repo.write(".koan-guard.yaml", "version: 2\n")
        .commit("chore: policy");
    repo.fix_honestly();
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 3
    stdout:
    stderr:
    error: read the policy of 6a19af2abd: policy `.koan-guard.yaml` has version 2, this koan-guard knows 1: a newer one is needed to judge
    ");
}

#[test]
fn a_change_of_the_policy_is_refused_by_the_one_before_it() {
    let repo = Repo::python_sample();
    repo.write(".koan-guard.yaml", "version: 1\nmode: observe\n")
        .write("cart.py", CART_FIXED)
        .write("test_cart.py", CART_TEST_OF_BUG)
        .commit("fix: total of an empty cart");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 1
    stdout:
    refused: 361664fab7 fix: total of an empty cart
    refused[path-protected]: .koan-guard.yaml: `.koan-guard.yaml` matches `.koan-guard*`, which is always protected
      why: some files decide what is safe; an agent that could change them would judge itself
      next: leave the file as it is; a person changes it in a commit of their own
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
fn a_policy_weakened_on_the_branch_does_not_judge_the_branch() {
    let repo = Repo::python_sample();
    repo.git(["switch", "--quiet", "--create", "fix"]);
    repo.write(".koan-guard.yaml", "version: 1\nmode: observe\n")
        .commit("chore: policy");
    repo.write("cart.py", CART_FIXED)
        .commit("fix: total of an empty cart");
    assert_snapshot!(repo.guard(["check", "fix", "--base", "main"]), @"
    exit: 1
    stdout:
    refused: f5c7a321c1 chore: policy
    refused[type-not-allowed]: the type `chore` is none of `fix`, `test`
      why: an agent repairs; features and refactorings are decided by people
      next: use one of the allowed types, if that is what the change is
    refused[path-protected]: .koan-guard.yaml: `.koan-guard.yaml` matches `.koan-guard*`, which is always protected
      why: some files decide what is safe; an agent that could change them would judge itself
      next: leave the file as it is; a person changes it in a commit of their own
      lane repair (asked for), policy of a3e325c1ec (main, --base)
    refused: d2ea2b3c05 fix: total of an empty cart
    refused[no-test]: the change adds or changes no test
      why: a fix without a test that failed before it is a guess
      next: add a test that fails without the fix, in the same commit
      lane repair (asked for), policy of a3e325c1ec (main, --base)
    refused: a3e325c1ec..d2ea2b3c05 as one change
    refused[path-protected]: .koan-guard.yaml: `.koan-guard.yaml` matches `.koan-guard*`, which is always protected
      why: some files decide what is safe; an agent that could change them would judge itself
      next: leave the file as it is; a person changes it in a commit of their own
      lane repair (asked for), policy of a3e325c1ec (main, --base)
    stderr:
    ");
    assert!(
        repo.guard(["check", "HEAD", "--base", "main"])
            .starts_with("exit: 1\n")
    );
}

#[test]
fn a_branch_needs_something_to_compare_it_with() {
    let repo = Repo::with_honest_fix();
    assert_snapshot!(repo.guard(["check"]), @"
    exit: 2
    stdout:
    stderr:
    error: there is no trusted ref to compare with
    hint: name one with `--base`, or for good: `git config koan.trustedRef refs/heads/main`; one commit needs none: `koan-guard check HEAD`
    ");
    assert_snapshot!(repo.guard(["check", "main"]), @"
    exit: 2
    stdout:
    stderr:
    error: there is no trusted ref to compare with
    hint: name one with `--base`, or for good: `git config koan.trustedRef refs/heads/main`; one commit needs none: `koan-guard check HEAD`
    ");
    assert_snapshot!(repo.guard(["check", "--base", "nowhere"]), @r#"
    exit: 2
    stdout:
    stderr:
    error: resolve `--base`: `nowhere` names no commit
    hint: git says more with `git rev-parse --verify`; here: The ref partially named "nowhere" could not be found
    "#);
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn the_trusted_ref_may_be_configured() {
    let repo = fix_on_a_branch();
    repo.git(["config", "koan.trustedRef", "refs/heads/main"]);
    assert_snapshot!(repo.guard(["check"]), @"
    exit: 0
    stdout:
    accepted: e9eb8ae2e6 fix: total of an empty cart
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of a3e325c1ec (refs/heads/main, koan.trustedRef)
    stderr:
    ");
    assert_eq!(
        repo.guard(["check", "fix"]),
        repo.guard(["check", "refs/heads/fix"])
    );
}

#[test]
fn a_configured_ref_that_is_not_there_is_not_passed_over() {
    let repo = fix_on_a_branch();
    repo.git(["config", "koan.trustedRef", "refs/heads/gone"]);
    assert_snapshot!(repo.guard(["check", "HEAD"]), @r#"
    exit: 2
    stdout:
    stderr:
    error: resolve `koan.trustedRef`: `refs/heads/gone` names no commit
    hint: git says more with `git rev-parse --verify`; here: The ref partially named "refs/heads/gone" could not be found
    "#);
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn else_the_remotes_default_branch_is_trusted() {
    let repo = fix_on_a_branch();
    repo.git(["update-ref", "refs/remotes/origin/main", "main"]);
    repo.git([
        "symbolic-ref",
        "refs/remotes/origin/HEAD",
        "refs/remotes/origin/main",
    ]);
    assert_snapshot!(repo.guard(["check"]), @"
    exit: 0
    stdout:
    accepted: e9eb8ae2e6 fix: total of an empty cart
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of a3e325c1ec (refs/remotes/origin/main, the remote's default branch)
    stderr:
    ");
}

#[test]
fn a_base_without_common_history_decides_nothing() {
    let repo = Repo::with_honest_fix();
    repo.git(["switch", "--quiet", "--orphan", "other"]);
    repo.write(".koan-guard.yaml", UNITTEST_POLICY)
        .commit("other");
    repo.git(["switch", "--quiet", "main"]);
    assert_snapshot!(repo.guard(["check", "main", "--base", "other"]), @"
    exit: 3
    stdout:
    stderr:
    error: choose the policy of the range: the two ends of the range have no common history
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn what_is_only_observed_is_not_refused_and_not_noted() {
    let repo = Repo::python_sample();
    repo.write(
        ".koan-guard.yaml",
        &format!("{UNITTEST_POLICY}mode: observe\n"),
    )
    .commit("chore: observe");
    repo.write("cart.py", CART_FIXED)
        .commit("fix: total of an empty cart");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 0
    stdout:
    would refuse: 47544c0543 fix: total of an empty cart
    would refuse[no-test]: the change adds or changes no test
      why: a fix without a test that failed before it is a guess
      next: add a test that fails without the fix, in the same commit
      lane repair (asked for), policy of e3baa526c9 (the parent, no trusted ref is configured)
      the policy observes here (`mode: observe`): nothing is refused, and no statement is written
    stderr:
    ");
    repo.git(["revert", "--no-edit", "HEAD"]);
    repo.fix_honestly();
    assert!(
        repo.guard(["check", "HEAD"])
            .starts_with("exit: 0\nstdout:\naccepted: ")
    );
    assert_eq!(repo.git(["for-each-ref", "refs/notes"]), "");
}

#[test]
fn a_person_is_advised_only() {
    let repo = Repo::python_sample();
    repo.write("cart.py", CART_FIXED).commit("Fix the cart");
    assert_snapshot!(repo.guard(["check", "HEAD", "--lane", "human"]), @"
    exit: 0
    stdout:
    accepted: 4b241ab8f3 Fix the cart
      nothing was proved: lane `human` does not ask for it
      lane human (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
    // That no mark of an agent is there makes nobody a person.
    assert_snapshot!(repo.guard(["check", "HEAD", "--lane", "auto"]), @"
    exit: 1
    stdout:
    refused: 4b241ab8f3 Fix the cart
    refused[not-conventional]: `Fix the cart` is not conventional: Missing type in the commit summary, expected `type: description`
      why: the message says what kind of change this is, in a form that tools read
      next: write the subject as `fix: what was wrong`
      lane repair (nobody says who pushes: `--pusher` and `lanes.people` do), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
    assert_eq!(repo.git(["for-each-ref", "refs/notes"]), "");
}

#[test]
fn a_mark_of_an_agent_puts_a_commit_in_lane_repair() {
    let repo = Repo::python_sample();
    repo.write(
        ".koan-guard.yaml",
        &format!("{UNITTEST_POLICY}lanes: {{people: [ada]}}\n"),
    )
    .commit("chore: people");
    repo.write("cart.py", CART_FIXED)
        .commit("Fix the cart\n\nCo-authored-by: Claude <noreply@anthropic.com>");
    assert_snapshot!(repo.guard(["check", "HEAD", "--lane", "auto", "--pusher", "ada"]), @"
    exit: 1
    stdout:
    refused: 58a07e3f56 Fix the cart
    refused[not-conventional]: `Fix the cart` is not conventional: Missing type in the commit summary, expected `type: description`
      why: the message says what kind of change this is, in a form that tools read
      next: write the subject as `fix: what was wrong`
      lane repair (marked by claude-code), policy of ebe38bcc7a (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
fn a_branch_of_repairs_is_in_lane_repair() {
    let repo = Repo::python_sample();
    repo.git(["switch", "--quiet", "--create", "koan/0001"]);
    repo.write("cart.py", CART_FIXED)
        .commit("fix: total of an empty cart");
    assert_snapshot!(repo.guard(["check", "koan/0001", "--base", "main", "--lane", "auto"]), @"
    exit: 1
    stdout:
    refused: bef109cf85 fix: total of an empty cart
    refused[no-test]: the change adds or changes no test
      why: a fix without a test that failed before it is a guess
      next: add a test that fails without the fix, in the same commit
      lane repair (branch `koan/0001`), policy of a3e325c1ec (main, --base)
    stderr:
    ");
}

/// The fix on `fix`, which is checked out; `main` is one behind.
fn fix_on_a_branch() -> Repo {
    let repo = Repo::python_sample();
    repo.git(["switch", "--quiet", "--create", "fix"]);
    repo.fix_honestly();
    repo
}

/// The sample whose machine has this floor, with the honest fix on `fix`.
fn above(floor: &str) -> Repo {
    let repo = fix_on_a_branch();
    std::fs::write(repo.beside("floor.yaml"), floor).expect("file");
    repo.git([
        "config",
        "--global",
        "koan.policyFloor",
        path(&repo, "floor.yaml"),
    ]);
    repo
}

fn path(repo: &Repo, name: &str) -> &'static str {
    let path = repo.beside(name);
    String::leak(path.to_str().expect("UTF-8").to_owned())
}

#[test]
fn the_floor_of_the_machine_makes_every_policy_stricter() {
    let repo = above("version: 1\nperimeter: {limits: {lines: 2}}\n");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 1
    stdout:
    refused: e9eb8ae2e6 fix: total of an empty cart
    refused[too-many-lines]: 4 production lines added and removed, at most 2
      why: a small fix stays local; nobody reads a large one line by line
      next: make the fix smaller, or hand the issue to a person
      lane repair (asked for), policy of a3e325c1ec (main, the local default branch), floor `[temp]/floor.yaml`
    stderr:
    ");
    let shown = repo.guard(["policy", "show", "--origin"]);
    let line = "perimeter.limits.lines = 2    # floor `[temp]/floor.yaml`, line 2\n";
    assert!(shown.contains(line), "{shown}");
    let json = repo.guard(["check", "HEAD", "--format", "json"]);
    assert!(json.contains("\"floors\": [\n"), "{json}");
}

#[test]
fn a_floor_that_cannot_be_read_judges_nothing() {
    let repo = above("version: 1\nperimeter: {limit: {lines: 2}}\n");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 2
    stdout:
    stderr:
    error: read the policy of a3e325c1ec: the floor of this machine: [temp]/floor.yaml:2:13: unknown key `limit`; did you mean `limits`? (known here: `allow`, `protect`, `limits`, `test_limits`, `forbid`, `not_secrets`, `rules`)
    hint: it is named by `koan.policyFloor` in git's global or system configuration; its owner corrects it
    ");
    std::fs::remove_file(repo.beside("floor.yaml")).expect("there");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 2
    stdout:
    stderr:
    error: `koan.policyFloor` is `[temp]/floor.yaml`: No such file or directory (os error 2)
    hint: it names a policy file by its whole path; without one that can be read, nothing is judged
    ");
    repo.git(["config", "--global", "koan.policyFloor", "floor.yaml"]);
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 2
    stdout:
    stderr:
    error: `koan.policyFloor` is `floor.yaml`: that is no whole path
    hint: it names a policy file by its whole path; without one that can be read, nothing is judged
    ");
    repo.write("floor.yaml", "version: 1\n");
    repo.git([
        "config",
        "--global",
        "koan.policyFloor",
        path(&repo, "repo/floor.yaml"),
    ]);
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 2
    stdout:
    stderr:
    error: `koan.policyFloor` is `[repo]/floor.yaml`: that is a file of this repository
    hint: it names a policy file by its whole path; without one that can be read, nothing is judged
    ");
}

#[test]
fn whoever_works_in_the_repository_moves_no_floor() {
    let repo = above("version: 1\nperimeter: {limits: {lines: 2}}\n");
    repo.git(["config", "koan.policyFloor", "/dev/null"]);
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 2
    stdout:
    stderr:
    error: `koan.policyFloor` stands in the configuration of the repository, where it does not count
    hint: take it out there (`git config --show-origin --get-all koan.policyFloor`); it belongs into git's global or system configuration
    ");
    repo.git(["config", "--unset", "koan.policyFloor"]);
    let answer_in = |variables: &[(&str, &str)]| {
        let mut command = repo.guard_command(["check", "HEAD"]);
        repo.answer_of(command.envs(variables.iter().copied()))
    };
    let set = answer_in(&[
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "koan.policyFloor"),
        ("GIT_CONFIG_VALUE_0", "/dev/null"),
    ]);
    assert!(set.starts_with("exit: 2\n"), "{set}");
    assert!(
        set.contains("in the environment or the command line"),
        "{set}"
    );
    let away = answer_in(&[
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_SYSTEM", "/dev/null"),
    ]);
    assert!(away.contains("at most 2"), "{away}");
}
