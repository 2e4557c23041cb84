//! The hooks, with the guard in them, tried by committing.

use std::fs;

use insta::assert_snapshot;

use crate::support::samples::{CART, CART_FIXED, CART_TEST, CART_TEST_OF_BUG, UNITTEST_POLICY};
use crate::support::{Repo, copy_binary};

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_commit_of_a_fix_with_its_test_is_proved_and_noted() {
    let repo = guarded();
    fix(&repo);
    repo.git(["add", "."]);
    assert_snapshot!(repo.try_git(["commit", "--quiet", "-m", MESSAGE]), @"
    exit: 0
    stdout:
    stderr:
    accepted: staged
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite touched, sandbox [level] in [time]
      lane repair (branch `koan/1`), policy of a3e325c1ec (main, the local default branch)
    koan-guard: e9eb8ae2e6 is proved, its note is written
    ");
    assert_eq!(standing(&repo), "stated");
    assert_eq!(repo.git(["status", "--porcelain"]), "");
}

#[test]
fn a_commit_without_a_test_does_not_come_to_be() {
    let repo = guarded();
    repo.write("cart.py", CART_FIXED);
    repo.git(["add", "."]);
    let before = repo.contents();
    assert_snapshot!(repo.try_git(["commit", "--quiet", "-m", MESSAGE]), @"
    exit: 1
    stdout:
    stderr:
    refused: staged
    refused[no-test]: the change adds or changes no test
      why: a fix without a test that failed before it is a guess
      next: add a test that fails without the fix, in the same commit
      lane repair (branch `koan/1`), policy of a3e325c1ec (main, the local default branch)
    ");
    assert_eq!(repo.contents(), before);
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_message_is_refused_after_its_tree_was_proved() {
    let repo = guarded();
    fix(&repo);
    repo.git(["add", "."]);
    assert_snapshot!(repo.try_git(["commit", "--quiet", "-m", "Fix it"]), @"
    exit: 1
    stdout:
    stderr:
    accepted: staged
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite touched, sandbox [level] in [time]
      lane repair (branch `koan/1`), policy of a3e325c1ec (main, the local default branch)
    refused: staged
    refused[not-conventional]: `Fix it` is not conventional: Missing type in the commit summary, expected `type: description`
      why: the message says what kind of change this is, in a form that tools read
      next: write the subject as `fix: what was wrong`
      lane repair (branch `koan/1`), policy of a3e325c1ec (main, the local default branch)
    ");
    assert!(
        repo.try_git(["commit", "--quiet", "-m", MESSAGE])
            .starts_with("exit: 0\n")
    );
    assert_eq!(standing(&repo), "stated");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn commit_all_is_judged_by_what_it_is_going_to_commit() {
    let repo = guarded();
    fix(&repo);
    assert!(
        repo.try_git(["commit", "--quiet", "-a", "-m", MESSAGE])
            .starts_with("exit: 0\n")
    );
    assert_eq!(standing(&repo), "stated");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_hunk_that_is_not_staged_is_not_judged() {
    let repo = guarded();
    repo.write("cart.py", CART_FIXED);
    repo.git(["add", "."]);
    repo.write("cart.py", CART)
        .write("test_cart.py", CART_TEST_OF_BUG);
    let patch = repo.git(["diff", "test_cart.py"]);
    fs::write(repo.beside("patch"), patch).expect("patch");
    repo.git(["apply", "--cached", "../patch"]);
    // The index holds the fix and its test; the work tree has the bug.
    assert!(
        repo.try_git(["commit", "--quiet", "-m", MESSAGE])
            .starts_with("exit: 0\n")
    );
    assert_eq!(standing(&repo), "stated");
    assert_eq!(repo.read("cart.py"), CART);
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_partial_commit_is_judged_by_its_part() {
    let repo = guarded();
    fix(&repo);
    repo.git(["add", "."]);
    let answer = repo.try_git(["commit", "--quiet", "-m", MESSAGE, "--", "cart.py"]);
    assert!(
        answer.starts_with("exit: 1\n") && answer.contains("refused[no-test]"),
        "{answer}"
    );
    repo.write("extra.py", "1\n");
    repo.git(["add", "extra.py"]);
    let answer = repo.try_git([
        "commit",
        "--quiet",
        "-m",
        MESSAGE,
        "--",
        "cart.py",
        "test_cart.py",
    ]);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    assert_eq!(standing(&repo), "stated");
    assert_eq!(repo.git(["status", "--porcelain"]), "A  extra.py\n");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn an_amended_commit_is_judged_as_a_whole() {
    let repo = guarded();
    repo.write("cart.py", CART_FIXED);
    repo.git(["commit", "--quiet", "--no-verify", "-a", "-m", MESSAGE]);
    repo.write("test_cart.py", CART_TEST_OF_BUG);
    let answer = repo.try_git(["commit", "--quiet", "-a", "--amend", "--no-edit"]);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    assert_eq!(standing(&repo), "stated");
    let head = repo.git(["rev-parse", "HEAD"]);
    repo.write("test_cart.py", CART_TEST);
    let answer = repo.try_git(["commit", "--quiet", "-a", "--amend", "--no-edit"]);
    assert!(answer.contains("refused[no-test]"), "{answer}");
    assert_eq!(repo.git(["rev-parse", "HEAD"]), head);
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_message_alone_may_be_amended() {
    let repo = guarded();
    fix(&repo);
    repo.git(["commit", "--quiet", "-a", "-m", MESSAGE]);
    assert_snapshot!(repo.try_git(["commit", "--quiet", "--amend", "-m", "fix: an empty cart costs nothing"]), @"
    exit: 0
    stdout:
    stderr:
    accepted: staged
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite touched, sandbox [level] in [time]
      from the local cache: 8 of 8 runs; the verdict of record is made without `--use-cache`
      lane repair (branch `koan/1`), policy of a3e325c1ec (main, the local default branch)
    koan-guard: 31998a1fca is proved, its note is written
    koan-guard: the note of 31998a1fca is stated after rewriting
    ");
    assert_eq!(standing(&repo), "stated");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_commit_from_a_subfolder_is_judged_alike() {
    let repo = guarded();
    fix(&repo);
    fs::create_dir(repo.root.join("docs")).expect("folder");
    let mut commit = repo.command("git", &repo.root.join("docs"));
    commit.args(["commit", "--quiet", "-a", "-m", MESSAGE]);
    assert!(repo.answer_of(&mut commit).starts_with("exit: 0\n"));
    assert_eq!(standing(&repo), "stated");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_linked_worktree_is_guarded_too() {
    let repo = guarded();
    repo.git(["worktree", "add", "--quiet", "-b", "koan/2", "../linked"]);
    let linked = repo.beside("linked");
    fs::write(linked.join("cart.py"), CART_FIXED).expect("file");
    let commit = || {
        let mut commit = repo.command("git", &linked);
        commit.args(["commit", "--quiet", "-a", "-m", MESSAGE]);
        repo.answer_of(&mut commit)
    };
    let answer = commit();
    assert!(
        answer.starts_with("exit: 1\n") && answer.contains("refused[no-test]"),
        "{answer}"
    );
    fs::write(linked.join("test_cart.py"), CART_TEST_OF_BUG).expect("file");
    let answer = commit();
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    assert!(
        answer.contains("is proved, its note is written"),
        "{answer}"
    );
    assert_eq!(repo.git(["config", "--get", "core.bare"]), "false\n");
    assert_eq!(repo.git(["status", "--porcelain"]), "");
}

#[test]
fn a_commit_past_the_hooks_is_said_to_be_unguarded() {
    let repo = guarded();
    repo.write("cart.py", CART_FIXED);
    assert_snapshot!(repo.try_git(["commit", "--quiet", "--no-verify", "-a", "-m", MESSAGE]), @"
    exit: 0
    stdout:
    stderr:
    koan-guard: bef109cf85 is UNGUARDED: no hook judged this tree
      next: koan-guard check bef109cf85
    ");
    assert_eq!(standing(&repo), "missing");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_verdict_on_another_tree_is_not_noted_past_the_hooks() {
    let repo = guarded();
    fix(&repo);
    repo.git(["add", "."]);
    // Judged and kept, and then the message refused.
    repo.try_git(["commit", "--quiet", "-m", "Fix it"]);
    repo.write("cart.py", "def total(prices):\n    return 0\n");
    let answer = repo.try_git(["commit", "--quiet", "--no-verify", "-a", "-m", MESSAGE]);
    assert!(answer.contains("UNGUARDED"), "{answer}");
    assert_eq!(standing(&repo), "missing");
}

#[test]
fn without_its_binary_nothing_is_committed() {
    let repo = Repo::python_sample();
    let copy = repo.beside("koan-guard");
    copy_binary(&copy);
    repo.install_shims(&copy);
    repo.git(["switch", "--quiet", "--create", "koan/1"]);
    fs::remove_file(&copy).expect("binary");
    fix(&repo);
    repo.git(["add", "."]);
    let before = repo.contents();
    assert_snapshot!(repo.try_git(["commit", "--quiet", "-m", MESSAGE]), @"
    exit: 1
    stdout:
    stderr:
    koan-guard: `[temp]/koan-guard` is gone, so nothing can be judged and nothing passes
    hint: install koan-guard again, then `koan-guard install`; without it, remove `.git/hooks/pre-commit`
    ");
    assert_eq!(repo.contents(), before);
}

#[test]
fn a_person_hears_nothing() {
    let repo = guarded();
    repo.git(["switch", "--quiet", "main"]);
    repo.write("cart.py", CART_FIXED).write("new.py", "1\n");
    repo.git(["add", "."]);
    assert_eq!(
        repo.try_git(["commit", "--quiet", "-m", "Whatever"]),
        "exit: 0\nstdout:\nstderr:\n"
    );
    assert_eq!(standing(&repo), "missing");
}

#[test]
fn an_agent_is_known_by_its_environment() {
    let repo = guarded();
    repo.git(["switch", "--quiet", "main"]);
    repo.write("cart.py", CART_FIXED);
    let mut commit = repo.command("git", &repo.root);
    commit
        .env("CLAUDECODE", "1")
        .args(["commit", "--quiet", "-a", "-m", MESSAGE]);
    assert_snapshot!(repo.answer_of(&mut commit), @"
    exit: 1
    stdout:
    stderr:
    refused: staged
    refused[no-test]: the change adds or changes no test
      why: a fix without a test that failed before it is a guess
      next: add a test that fails without the fix, in the same commit
      lane repair (marked by claude-code), policy of a3e325c1ec (the parent, no trusted ref is configured)
    ");
}

#[test]
fn an_agent_is_known_by_its_trailer_before_the_commit_is_made() {
    let repo = guarded();
    repo.git(["switch", "--quiet", "main"]);
    repo.write("cart.py", CART_FIXED);
    let message = format!("{MESSAGE}\n\nCo-authored-by: Claude <noreply@anthropic.com>");
    assert_snapshot!(repo.try_git(["commit", "--quiet", "-a", "-m", &message]), @"
    exit: 1
    stdout:
    stderr:
    refused: staged
    refused[no-test]: the change adds or changes no test
      why: a fix without a test that failed before it is a guess
      next: add a test that fails without the fix, in the same commit
      lane repair (marked by claude-code), policy of a3e325c1ec (the parent, no trusted ref is configured)
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_file_that_a_later_hook_adds_is_judged_with_the_message() {
    let repo = guarded();
    fs::rename(
        repo.root.join(".git/hooks/pre-commit"),
        repo.root.join(".git/hooks/shim"),
    )
    .expect("hook");
    repo.write_script(
        ".git/hooks/pre-commit",
        "#!/bin/sh\n.git/hooks/shim \"$@\" || exit\necho 1 > extra.py && git add extra.py\n",
    );
    fix(&repo);
    assert_snapshot!(repo.try_git(["commit", "--quiet", "-a", "-m", MESSAGE]), @"
    exit: 1
    stdout:
    stderr:
    accepted: staged
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite touched, sandbox [level] in [time]
      lane repair (branch `koan/1`), policy of a3e325c1ec (main, the local default branch)
    refused: staged
    refused[too-many-files]: 1 production files added, at most 0
      why: a small fix stays local; nobody reads a large one line by line
      next: fix one cause at a time
      lane repair (branch `koan/1`), policy of a3e325c1ec (main, the local default branch)
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_tree_that_was_not_judged_gets_no_note() {
    let repo = guarded();
    // What is staged here is not committed any more, yet `commit-msg` sees it.
    repo.write_script(
        ".git/hooks/prepare-commit-msg",
        "#!/bin/sh\necho '# a note' >> test_cart.py && git add test_cart.py\n",
    );
    fix(&repo);
    repo.git(["add", "."]);
    let answer = repo.try_git(["commit", "--quiet", "-m", MESSAGE]);
    assert!(answer.contains("UNGUARDED"), "{answer}");
    assert_eq!(standing(&repo), "missing");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_message_is_judged_without_its_comments() {
    let repo = guarded();
    repo.write_script(
        "../editor",
        "#!/bin/sh\n{ echo '# Type: nothing'; echo 'fix: total of an empty cart'; cat \"$1\"; } > \"$1.new\" && mv \"$1.new\" \"$1\"\n",
    );
    fix(&repo);
    let mut commit = repo.command("git", &repo.root);
    commit.env("GIT_EDITOR", repo.beside("editor")).args([
        "commit",
        "--quiet",
        "--all",
        "--verbose",
    ]);
    let answer = repo.answer_of(&mut commit);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    assert_eq!(
        repo.git(["log", "-1", "--format=%B"]),
        "fix: total of an empty cart\n\n"
    );
    assert_eq!(standing(&repo), "stated");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_red_test_may_be_committed_before_its_fix() {
    let repo = guarded();
    repo.write("test_cart.py", CART_TEST_OF_BUG);
    assert_snapshot!(repo.try_git(["commit", "--quiet", "-a", "-m", "test: an empty cart"]), @"
    exit: 0
    stdout:
    stderr:
    pending: staged
      red           test_cart.Total.test_of_nothing
      next: commit the fix that turns them green; the range is accepted only then
      run by unittest, CPython [version], suite touched, sandbox [level] in [time]
      lane repair (branch `koan/1`), policy of a3e325c1ec (main, the local default branch)
    koan-guard: db7c8cc7b8 is pending: its fix is owed
    ");
    assert_eq!(standing(&repo), "missing");
}

#[test]
fn nothing_to_commit_is_gits_to_say() {
    let repo = guarded();
    assert_snapshot!(repo.try_git(["commit", "-m", MESSAGE]), @"
    exit: 1
    stdout:
    On branch koan/1
    nothing to commit, working tree clean
    stderr:
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_clean_merge_passes_in_lane_repair() {
    let repo = guarded();
    fix(&repo);
    repo.git(["commit", "--quiet", "-a", "-m", MESSAGE]);
    repo.git(["switch", "--quiet", "main"]);
    repo.write("README.md", "A cart.\n")
        .commit("docs: what it is");
    repo.git(["switch", "--quiet", "koan/1"]);
    assert_snapshot!(repo.try_git(["merge", "--quiet", "--no-edit", "main"]), @"
    exit: 0
    stdout:
    stderr:
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_merge_with_more_than_its_parents_is_refused() {
    let repo = guarded();
    fix(&repo);
    repo.git(["commit", "--quiet", "-a", "-m", MESSAGE]);
    repo.git(["switch", "--quiet", "main"]);
    repo.write("README.md", "A cart.\n")
        .commit("docs: what it is");
    repo.git(["switch", "--quiet", "koan/1"]);
    repo.git(["merge", "--quiet", "--no-commit", "main"]);
    repo.write("cart.py", "def total(prices):\n    return sum(prices)\n");
    assert_snapshot!(repo.try_git(["commit", "--quiet", "-a", "--no-edit"]), @"
    exit: 1
    stdout:
    stderr:
    refused: staged
    refused[merge-introduces-changes]: the merge differs from its parents' automatic merge in 1 files
      why: a merge that is more than its parents hides a change where nobody looks
      next: make the change in a commit of its own
      lane repair (branch `koan/1`), policy of a3e325c1ec (main, the local default branch)
    ");
    assert_snapshot!(repo.guard(["check", "--staged"]), @"
    exit: 3
    stdout:
    stderr:
    undecided: what is staged is a clean merge: nothing to judge
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_resolved_conflict_is_a_persons_decision() {
    let repo = guarded();
    fix(&repo);
    repo.git(["commit", "--quiet", "-a", "-m", MESSAGE]);
    repo.git(["switch", "--quiet", "main"]);
    repo.write("cart.py", "def total(prices):\n    return prices[0]\n")
        .commit("fix: another way");
    repo.git(["switch", "--quiet", "koan/1"]);
    repo.try_git(["merge", "--quiet", "main"]);
    repo.write("cart.py", CART_FIXED);
    repo.git(["add", "."]);
    assert_snapshot!(repo.try_git(["commit", "--quiet", "--no-edit"]), @"
    exit: 1
    stdout:
    stderr:
    undecided: staged
    undecided[conflict-resolved]: this merge resolves a conflict, and how is a person's decision
      why: when in doubt, do not act
      next: a person decides
      lane repair (branch `koan/1`), policy of a3e325c1ec (main, the local default branch)
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_note_that_a_rebase_carried_is_a_claim() {
    let repo = guarded();
    fix(&repo);
    repo.git(["commit", "--quiet", "-a", "-m", MESSAGE]);
    repo.git(["switch", "--quiet", "main"]);
    repo.git([
        "commit",
        "--quiet",
        "--no-verify",
        "--allow-empty",
        "-m",
        "chore: nothing",
    ]);
    repo.git(["switch", "--quiet", "koan/1"]);
    assert_snapshot!(repo.try_git(["rebase", "--quiet", "main"]), @"
    exit: 0
    stdout:
    stderr:
    koan-guard: the note of 533b2ecc73 is claimed after rewriting
    ");
    assert_eq!(standing(&repo), "claimed");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_note_that_was_carried_to_another_tree_is_a_claim_as_long_as_the_change_is_the_same() {
    let repo = guarded();
    fix(&repo);
    repo.git(["commit", "--quiet", "-a", "-m", MESSAGE]);
    repo.git(["switch", "--quiet", "main"]);
    repo.write("README.md", "A cart.\n")
        .commit("docs: what it is");
    repo.git(["switch", "--quiet", "koan/1"]);
    assert_snapshot!(repo.try_git(["rebase", "--quiet", "main"]), @"
    exit: 0
    stdout:
    stderr:
    koan-guard: the note of a3634194a7 is claimed after rewriting
    ");
    assert_eq!(standing(&repo), "claimed");
    repo.write(
        "cart.py",
        &CART_FIXED.replace("result = 0", "result = int()"),
    );
    repo.try_git([
        "commit",
        "--quiet",
        "--all",
        "--amend",
        "--no-verify",
        "-m",
        MESSAGE,
    ]);
    assert_eq!(standing(&repo), "stale");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_cherry_pick_runs_past_the_hooks_and_is_said_to_be_unguarded() {
    let repo = guarded();
    fix(&repo);
    repo.git(["commit", "--quiet", "-a", "-m", MESSAGE]);
    repo.git(["switch", "--quiet", "--create", "koan/2", "main"]);
    repo.git([
        "commit",
        "--quiet",
        "--no-verify",
        "--allow-empty",
        "-m",
        "chore: nothing",
    ]);
    assert_snapshot!(repo.try_git(["cherry-pick", "koan/1"]), @"
    exit: 0
    stdout:
    [koan/2 533b2ec] fix: total of an empty cart
     Author: An Author <author@example.com>
     Date: Fri Jan 2 03:04:05 2026 +0000
     2 files changed, 5 insertions(+), 2 deletions(-)
    stderr:
    koan-guard: 533b2ecc73 is UNGUARDED: no hook judged this tree
      next: koan-guard check 533b2ecc73
    ");
    assert_eq!(standing(&repo), "missing");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn where_the_policy_observes_everything_is_said_and_nothing_refused() {
    let repo = guarded();
    repo.write(
        ".koan-guard.yaml",
        &format!("{UNITTEST_POLICY}mode: observe\n"),
    )
    .commit("chore: observe");
    repo.git(["branch", "--force", "main", "HEAD"]);
    repo.write("cart.py", CART_FIXED);
    assert_snapshot!(repo.try_git(["commit", "--quiet", "-a", "-m", MESSAGE]), @"
    exit: 0
    stdout:
    stderr:
    would refuse: staged
    would refuse[no-test]: the change adds or changes no test
      why: a fix without a test that failed before it is a guess
      next: add a test that fails without the fix, in the same commit
      lane repair (branch `koan/1`), policy of e3baa526c9 (main, the local default branch)
      the policy observes here (`mode: observe`): nothing is refused, and no statement is written
    ");
    repo.write("cart.py", CART);
    repo.git(["commit", "--quiet", "--no-verify", "-a", "-m", "fix: back"]);
    fix(&repo);
    assert_snapshot!(repo.try_git(["commit", "--quiet", "-a", "-m", MESSAGE]), @"
    exit: 0
    stdout:
    stderr:
    accepted: staged
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite touched, sandbox [level] in [time]
      lane repair (branch `koan/1`), policy of e3baa526c9 (main, the local default branch)
      the policy observes here (`mode: observe`): nothing is refused, and no statement is written
    ");
    assert_eq!(standing(&repo), "missing");
}

#[test]
fn the_first_policy_is_committed_past_the_hooks() {
    let repo = Repo::empty();
    assert_snapshot!(repo.guard(["install"]), @"
    exit: 0
    stdout:
    hooks in `[repo]/.git/hooks`
      pre-commit     added
      commit-msg     added
      post-commit    added
      post-rewrite   added
      pre-push       added
      git config     notes.rewriteRef
      git config     notes.koan.mergeStrategy
    note: no policy is committed yet, and without one no commit passes: commit `.koan-guard.yaml` with `git commit --no-verify`
    stderr:
    ");
    repo.write(".koan-guard.yaml", UNITTEST_POLICY);
    repo.git(["add", "."]);
    assert_snapshot!(repo.try_git(["commit", "--quiet", "-m", "chore: guard agents"]), @"
    exit: 1
    stdout:
    stderr:
    error: no policy to judge by: no trusted ref is named, and there is no commit before this one
    hint: `koan-guard init` writes one; a person commits `.koan-guard.yaml` on the trusted branch, before the hooks are installed or past them
    ");
}

#[test]
fn where_the_policy_does_not_load_nobody_is_let_pass_unsaid() {
    let repo = guarded();
    repo.write(".koan-guard.yaml", "version: 1\nperimiter: {}\n")
        .commit("chore: policy");
    repo.git(["branch", "--force", "main", "HEAD"]);
    fix(&repo);
    assert_snapshot!(repo.try_git(["commit", "--quiet", "-a", "-m", MESSAGE]), @"
    exit: 1
    stdout:
    stderr:
    error: read the policy of 5f559cebfb: .koan-guard.yaml:2:1: unknown key `perimiter`; did you mean `perimeter`? (known here: `version`, `extends`, `lanes`, `mode`, `perimeter`, `proof`, `message`, `sources`, `triage`, `waivers`, `run`)
    hint: correct it and try `koan-guard policy lint`
    ");
}

#[test]
fn a_push_is_judged_before_it_leaves() {
    let repo = with_remote();
    repo.write("cart.py", CART_FIXED).commit(MESSAGE);
    assert_snapshot!(repo.try_git(["push", "--quiet", "origin", "koan/1"]), @"
    exit: 1
    stdout:
    stderr:
    refs/heads/koan/1:
    refused: bef109cf85 fix: total of an empty cart
    refused[no-test]: the change adds or changes no test
      why: a fix without a test that failed before it is a guess
      next: add a test that fails without the fix, in the same commit
      lane repair (branch `koan/1`), policy of a3e325c1ec (refs/remotes/origin/main, the remote's default branch)
    error: failed to push some refs to '../bare.git'
    ");
    // One bad branch keeps the good ones here.
    let answer = repo.try_git(["push", "--quiet", "origin", "main:other", "koan/1"]);
    assert!(answer.contains("refused[no-test]"), "{answer}");
    assert_eq!(repo.git(["ls-remote", "origin", "koan/1", "other"]), "");
    repo.git(["push", "--quiet", "--no-verify", "origin", "koan/1"]);
    // A deletion has no commits, and whether it may be is the server's to say.
    let answer = repo.try_git(["push", "--quiet", "origin", ":koan/1"]);
    assert_eq!(answer, "exit: 0\nstdout:\nstderr:\n");
    assert_eq!(repo.git(["ls-remote", "origin", "koan/1"]), "");
}

#[test]
fn a_push_of_nothing_is_nothing() {
    let repo = with_remote();
    repo.git(["switch", "--quiet", "main"]);
    for args in [["push", "origin", "main"], ["push", "origin", "main:other"]] {
        let answer = repo.try_git(args);
        assert!(answer.starts_with("exit: 0\n"), "{answer}");
        assert!(!answer.contains("main:"), "{answer}");
    }
    // By hand, or where a framework has read git's lines: the current branch.
    assert_eq!(
        repo.guard(["hook", "pre-push", "origin"]),
        "exit: 0\nstdout:\nstderr:\n"
    );
    repo.git(["switch", "--quiet", "koan/1"]);
    repo.write("cart.py", CART_FIXED).commit(MESSAGE);
    for args in [
        &["hook", "pre-push"][..],
        &["hook", "pre-push", "origin", "../bare.git"],
        &[
            "hook",
            "pre-push",
            "https://example.com/a..b",
            "https://example.com/a..b",
        ],
    ] {
        let mut command = repo.guard_command([]);
        let answer = repo.answer_of(command.args(args));
        assert!(answer.contains("refused[no-test]"), "{args:?} {answer}");
    }
}

#[test]
fn an_agent_hears_what_a_server_would_say() {
    let repo = with_remote();
    repo.git(["tag", "v1"]);
    let push = |spec: &str| {
        let mut command = repo.command("git", &repo.root);
        command.args(["push", "--quiet", "origin", spec]);
        repo.answer_of(command.env("CLAUDECODE", "1"))
    };
    assert_snapshot!(push("v1"), @"
    exit: 1
    stdout:
    stderr:
    refused: refs/tags/v1
    refused[push-tag]: `refs/tags/v1` is a tag
      why: a tag may start a release, which a person decides
      next: ask a person to tag it
      judged as an agent's push: marked by claude-code
    error: failed to push some refs to '../bare.git'
    ");
    repo.git(["switch", "--quiet", "--create", "work", "main"]);
    repo.write("cart.py", CART_FIXED).commit("feat: free carts");
    assert!(push("work").contains("refused[push-not-topic]"));
    assert!(push("work:main").contains("refused[type-not-allowed]"));
    // Without the mark of an agent these are a person's.
    for spec in ["v1", "work", "work:main"] {
        let answer = repo.try_git(["push", "--quiet", "origin", spec]);
        assert_eq!(answer, "exit: 0\nstdout:\nstderr:\n", "{spec}");
    }
    let behind = push("+work~1:main");
    assert!(behind.contains("refused[push-forced]"), "{behind}");
    assert!(push(":work").contains("refused[push-not-topic]"));
}

#[test]
fn where_nothing_is_trusted_a_first_push_is_told_so() {
    let repo = Repo::python_sample();
    repo.guard(["install"]);
    repo.git([
        "init",
        "--quiet",
        "--bare",
        "--initial-branch=main",
        "../bare.git",
    ]);
    assert_snapshot!(repo.try_git(["push", "--quiet", "../bare.git", "main"]), @"
    exit: 0
    stdout:
    stderr:
    not judged: refs/heads/main: there is no trusted ref to compare with; `git config koan.trustedRef` names one
    ");
}

/// The sample with hooks and a remote that has its main branch, on a branch in lane `repair`.
fn with_remote() -> Repo {
    let repo = guarded();
    repo.git(["clone", "--quiet", "--bare", ".", "../bare.git"]);
    repo.git([
        "-C",
        "../bare.git",
        "symbolic-ref",
        "HEAD",
        "refs/heads/main",
    ]);
    repo.git(["-C", "../bare.git", "branch", "--quiet", "-D", "koan/1"]);
    repo.git(["remote", "add", "origin", "../bare.git"]);
    repo.git(["fetch", "--quiet", "origin"]);
    repo.git(["remote", "set-head", "origin", "main"]);
    repo
}

const MESSAGE: &str = "fix: total of an empty cart";

/// The sample with hooks, on a branch in lane `repair`.
fn guarded() -> Repo {
    let repo = Repo::python_sample();
    let answer = repo.guard(["install"]);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    repo.git(["switch", "--quiet", "--create", "koan/1"]);
    repo
}

fn fix(repo: &Repo) {
    repo.write("cart.py", CART_FIXED)
        .write("test_cart.py", CART_TEST_OF_BUG);
}

/// What `audit` says of the note of `HEAD`.
#[track_caller]
fn standing(repo: &Repo) -> String {
    let answer = repo.guard(["audit", "HEAD~1..HEAD", "--format", "json"]);
    let json: serde_json::Value = answer
        .split_once("stdout:\n")
        .and_then(|(_, rest)| rest.split_once("stderr:"))
        .and_then(|(json, _)| serde_json::from_str(json).ok())
        .unwrap_or_else(|| panic!("{answer}"));
    match json["audit"]["entries"].as_array().map(Vec::as_slice) {
        Some([entry]) => entry["standing"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"))
            .to_owned(),
        Some([]) => "missing".to_owned(),
        _ => panic!("{answer}"),
    }
}
