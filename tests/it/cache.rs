//! Results that are known from earlier runs, and what a call may cost.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use insta::assert_snapshot;
use serde_json::Value;

use crate::support::Repo;
use crate::support::samples::{CART_FIXED, CART_TEST_OF_BUG, RUST_CART_FIXED, UNITTEST_POLICY};

#[test]
fn a_second_check_of_an_unchanged_commit_runs_no_test() {
    let repo = Repo::with_honest_fix();
    let first = check(&repo, &["HEAD", "--no-note"]);
    assert_eq!(first.exit, 0);
    assert_eq!(first.recalled, 0);
    // Every run is an entry of its own: three samples are three.
    assert_eq!(entries(&repo).len(), first.made);
    assert!(first.made > 6, "{}", first.made);
    // Nothing is laid out either, which a work area would show.
    fs::remove_dir_all(repo.home().join(".cache")).expect("a work area");
    assert_snapshot!(repo.guard(["check", "HEAD", "--use-cache"]), @"
    exit: 0
    stdout:
    accepted: e9eb8ae2e6 fix: total of an empty cart
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      from the local cache: 12 of 12 runs; the verdict of record is made without `--use-cache`
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
    assert!(!area(&repo).join("kept").exists());
    let second = check(&repo, &["HEAD", "--use-cache"]);
    assert_eq!((second.made, second.recalled), (0, first.made));
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn unless_asked_to_believe_the_cache_a_check_runs_everything() {
    let repo = Repo::with_honest_fix();
    let first = check(&repo, &["HEAD"]);
    let second = check(&repo, &["HEAD"]);
    assert_eq!((second.made, second.recalled), (first.made, 0));
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_changed_fix_is_judged_by_its_own_runs() {
    let repo = Repo::with_honest_fix();
    assert_eq!(check(&repo, &["HEAD"]).exit, 0);
    repo.write(
        "cart.py",
        &CART_FIXED.replace("result += price", "result = price"),
    );
    repo.git(["add", "--all"]);
    repo.git(["commit", "--quiet", "--amend", "--no-edit", "--no-verify"]);
    let changed = check(&repo, &["HEAD", "--use-cache"]);
    // What BEFORE does is known; AFTER is another tree.
    assert_eq!(changed.exit, 1);
    assert!(changed.made > 0 && changed.recalled > 0);
}

/// What of the first check's results is believed when something else has changed: nothing.
#[track_caller]
fn misses(change: impl FnOnce(&Repo), prepare: impl FnOnce(&Repo, &mut Command)) {
    let repo = Repo::with_honest_fix();
    let first = check(&repo, &["HEAD", "--no-note"]);
    assert_eq!(first.exit, 0);
    change(&repo);
    let mut command = repo.guard_command(["check", "HEAD", "--use-cache", "--format", "json"]);
    prepare(&repo, &mut command);
    let second = Checked::of(&mut command);
    assert_eq!(second.exit, 0);
    assert_eq!((second.made, second.recalled), (first.made, 0));
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn another_environment_is_a_miss() {
    misses(
        |_| (),
        |repo, command| {
            let path = std::env::var("PATH").expect("a PATH");
            command.env("PATH", format!("{path}:{}", repo.home().display()));
        },
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn other_packages_in_the_checkout_are_a_miss() {
    misses(
        |repo| {
            repo.write(".git/info/exclude", "node_modules\n")
                .write("node_modules/left-pad/index.js", "");
        },
        |_, _| (),
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn another_policy_is_a_miss() {
    let repo = Repo::python_sample();
    let policy = format!("{UNITTEST_POLICY}  env: {{A: b}}\n");
    repo.write(".koan-guard.yaml", &policy)
        .commit("chore: another policy");
    repo.fix_honestly();
    let first = check(&repo, &["HEAD", "--base", "main~1"]);
    assert_eq!((first.exit, first.recalled), (0, 0));
    let same = check(&repo, &["HEAD", "--base", "main~1", "--use-cache"]);
    assert_eq!((same.made, same.recalled), (0, first.made));
    let other = check(&repo, &["HEAD", "--base", "main~2", "--use-cache"]);
    assert_eq!((other.exit, other.recalled), (0, 0));
    assert!(other.made > 0);
}

#[test]
fn entries_that_somebody_touched_are_misses() {
    misses(
        |repo| {
            for (n, entry) in entries(repo).into_iter().enumerate() {
                let text = fs::read_to_string(&entry).expect("an entry");
                let text = match n % 3 {
                    0 => text[..text.len() / 2].to_owned(),
                    1 => text.replace("\"failed\"", "\"passed\"") + "\n",
                    _ => String::new(),
                };
                fs::write(&entry, text).expect("an entry");
            }
        },
        |_, _| (),
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn tests_neither_see_nor_write_the_cache() {
    let repo = Repo::with_honest_fix();
    assert_eq!(check(&repo, &["HEAD", "--no-note"]).exit, 0);
    let kept: Vec<Vec<u8>> = entries(&repo)
        .iter()
        .map(|entry| fs::read(entry).expect("an entry"))
        .collect();
    let cache = cache(&repo);
    // It passes only where the folder cannot be seen; it plants an entry where it could, and overwrites what is there.
    let probe = format!(
        "\
import glob
import os
import unittest


class Probe(unittest.TestCase):
    def test_of_the_cache(self):
        for path in glob.glob('{0}/*') + ['{0}/planted.run', '{1}/planted']:
            try:
                open(path, 'w').close()
            except OSError:
                pass
        self.assertFalse(os.path.exists('{0}'))
",
        cache.display(),
        repo.root.display()
    );
    repo.git(["reset", "--quiet", "--hard", "main~1"]);
    repo.write("test_probe.py", &probe)
        .commit("test: look around");
    repo.fix_honestly();
    let probed = check(&repo, &["HEAD"]);
    assert_eq!(probed.exit, 0);
    let probed = &probed.answer["judgement"]["verdict"];
    assert!(
        probed
            .to_string()
            .contains("test_probe.Probe.test_of_the_cache"),
        "{probed}"
    );
    assert!(!cache.join("planted.run").exists() && !repo.root.join("planted").exists());
    let left: Vec<Vec<u8>> = entries(&repo)
        .iter()
        .map(|entry| fs::read(entry).expect("an entry"))
        .collect();
    assert!(kept.iter().all(|entry| left.contains(entry)));
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_statement_says_that_it_rests_on_the_cache_until_a_whole_check_says_more() {
    let repo = Repo::with_honest_fix();
    check(&repo, &["HEAD", "--no-note"]);
    check(&repo, &["HEAD", "--use-cache"]);
    let note = || repo.git(["notes", "--ref=koan", "show", "HEAD"]);
    assert!(note().contains("\"local\":true"));
    let audit = repo.guard(["audit"]);
    assert!(
        audit.contains("judged by check, from a local cache"),
        "{audit}"
    );
    check(&repo, &["HEAD"]);
    check(&repo, &["HEAD", "--use-cache"]);
    assert_eq!(note().lines().filter(|line| !line.is_empty()).count(), 2);
    let audit = repo.guard(["audit"]);
    assert!(audit.contains("judged by check]"), "{audit}");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn in_a_range_the_suite_of_a_commit_is_that_of_the_next_ones_parent() {
    let repo = Repo::with_honest_fix();
    repo.write("cart.py", &CART_FIXED.replace("prices:", "prices or []:"))
        .write(
            "test_cart.py",
            &format!("{CART_TEST_OF_BUG}\n    def test_of_none(self):\n        self.assertEqual(total(None), 0)\n"),
        )
        .commit("fix: total of no cart");
    let range = check(&repo, &["main~2..main"]);
    assert_eq!(range.exit, 0, "{}", range.answer);
    let reused = |judgement: &Value| judgement["evidence"]["runs"]["reused"].as_u64();
    let range = &range.answer["range"];
    assert_eq!(reused(&range["commits"][0]), Some(0));
    assert_eq!(reused(&range["commits"][1]), Some(1));
    // The parent of the whole is that of the first commit; all else is run for itself.
    assert_eq!(reused(&range["whole"]), Some(1));
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn both_sides_are_shown_on_request() {
    let repo = Repo::with_honest_fix();
    assert_snapshot!(repo.guard(["check", "HEAD", "--verbose"]), @"
    exit: 0
    stdout:
    accepted: e9eb8ae2e6 fix: total of an empty cart
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      runs:
        new tests on BEFORE, sample 1 of 3: 1 passed, 1 failed (in [time])
        suite on PARENT: 1 passed (in [time])
        suite on AFTER: 2 passed (in [time])
        new tests on AFTER, sample 2 of 3: 1 passed (in [time])
        new tests on BEFORE, sample 2 of 3: 1 failed (in [time])
        new tests on BEFORE, sample 3 of 3: 1 failed (in [time])
        new tests on AFTER, sample 3 of 3: 1 passed (in [time])
        new tests on BEFORE with the other side's lines in comments: 1 failed (in [time])
        new tests on AFTER with the other side's lines in comments: 1 passed (in [time])
        suite on AFTER with the parent's tests: 1 passed (in [time])
        new tests that expect something else on AFTER, try 1: 1 failed (in [time])
        new tests with other values on AFTER, try 1: 1 failed (in [time])
      test_cart.Total.test_of_nothing
        BEFORE: failed, failed, failed
          IndexError: list index out of range
          at cart.py:2 in total
          at test_cart.py:11 in test_of_nothing
        AFTER: passed, passed, passed
      test_cart.Total.test_of_two
        PARENT: passed
        BEFORE: passed
        AFTER: passed
        AFTER with the parent's tests: passed
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn trees_are_kept_for_a_person_on_request_and_one_set_of_them() {
    let repo = Repo::with_honest_fix();
    let answer = repo.guard(["check", "HEAD", "--keep-work-area"]);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    let kept = area(&repo).join("inspect");
    let shown = kept.strip_prefix(repo.home()).expect("below the home");
    assert!(answer.contains(&format!("kept: the trees of the last proof, with the guard's own failing tests and without build output, in `[home]/{}`", shown.display())), "{answer}");
    let cart = |tree: &str| fs::read_to_string(kept.join(tree).join("cart.py")).expect("a tree");
    assert!(cart("BEFORE").contains("prices[0]") && cart("PARENT").contains("prices[0]"));
    assert_eq!(
        (cart("AFTER"), cart("OLD_TESTS")),
        (CART_FIXED.into(), CART_FIXED.into())
    );
    assert!(kept.join("AFTER/.koan-guard.yaml").exists());
    assert!(!kept.join("AFTER/.git").exists());

    fs::write(kept.join("mine"), "").expect("a file");
    repo.guard(["check", "HEAD"]);
    assert!(kept.join("mine").exists());
    repo.guard(["check", "HEAD", "--keep-work-area"]);
    assert!(!kept.join("mine").exists() && kept.join("AFTER").exists());
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_budget_that_is_spent_decides_nothing() {
    let repo = Repo::with_honest_fix();
    assert_snapshot!(repo.guard(["check", "HEAD", "--budget", "1ms"]), @"
    exit: 3
    stdout:
    undecided: e9eb8ae2e6 fix: total of an empty cart
    undecided[budget-spent]: the proof takes longer than the [time] of `--budget`
      why: half a proof is none
      next: give it more time, or none at all: the budget is for all that one call judges
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
    assert_eq!(entries(&repo).len(), 0);
    let within = repo.guard(["check", "HEAD", "--budget", "20m"]);
    assert!(within.starts_with("exit: 0\n"), "{within}");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn any_number_of_jobs_gives_the_same_answer() {
    let repo = Repo::rust_sample();
    repo.write("src/lib.rs", RUST_CART_FIXED)
        .commit("fix: total of an empty cart");
    let verdicts = ["1", "5"].map(|jobs| {
        let checked = check(&repo, &["HEAD", "--no-note", "--jobs", jobs]);
        assert_eq!(checked.exit, 0, "{}", checked.answer);
        checked.answer["judgement"]["verdict"].clone()
    });
    assert_eq!(verdicts[0], verdicts[1]);
}

#[test]
fn a_budget_and_a_number_of_jobs_are_more_than_nothing() {
    let repo = Repo::with_honest_fix();
    for args in [
        ["--budget", "0s"],
        ["--budget", "soon"],
        ["--jobs", "0"],
        ["--jobs", "many"],
    ] {
        let answer = repo.guard(["check", "HEAD", args[0], args[1]]);
        assert!(answer.starts_with("exit: 2\n"), "{answer}");
    }
}

struct Checked {
    exit: i64,
    made: usize,
    recalled: usize,
    answer: Value,
}

impl Checked {
    #[track_caller]
    fn of(command: &mut Command) -> Checked {
        let output = command.output().expect("koan-guard");
        let answer: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|err| panic!("{err}: {}", String::from_utf8_lossy(&output.stderr)));
        let runs = &answer["judgement"]["evidence"]["runs"];
        let n = |name: &str| usize::try_from(runs[name].as_u64().unwrap_or(0)).expect("a number");
        Checked {
            exit: output.status.code().expect("an exit code").into(),
            made: n("made"),
            recalled: n("recalled"),
            answer,
        }
    }
}

#[track_caller]
fn check(repo: &Repo, args: &[&str]) -> Checked {
    let mut command = repo.guard_command(["check", "--format", "json"]);
    Checked::of(command.args(args))
}

fn cache(repo: &Repo) -> PathBuf {
    repo.root.join(".git/koan-guard/cache")
}

fn entries(repo: &Repo) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(cache(repo)) else {
        return Vec::new();
    };
    entries
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

/// The one work area of the user's.
fn area(repo: &Repo) -> PathBuf {
    let folder = repo.home().join(".cache/koan-guard");
    let entries = fs::read_dir(folder).expect("a cache");
    let mut areas = entries.map(|entry| entry.expect("an entry").path());
    let area = areas.find(|path| path.join("lock").exists());
    area.expect("a work area")
}
