//! What past commits say about a policy.

use insta::assert_snapshot;

use crate::support::Repo;
use crate::support::samples::{CART, CART_FIXED, CART_TEST, CART_TEST_OF_BUG};

/// A history of fixes and other changes, and a policy of the work tree.
fn history() -> Repo {
    let repo = Repo::python_sample();
    repo.fix_honestly();
    repo.write(
        "cart.py",
        &format!("{CART}\n\ndef first(prices):\n    return prices[0]\n"),
    )
    .write("shop.py", "import cart\n")
    .commit("feat: the first price");
    repo.write("cart.py", CART_FIXED)
        .commit("Fixed #12 -- the total of nothing");
    repo.write("requirements.txt", "attrs\n")
        .commit("chore: attrs");
    let long: String = (1..=60).map(|n| format!("    # {n}\n")).collect();
    repo.write("cart.py", &format!("{CART_FIXED}{long}"))
        .write("test_cart.py", CART_TEST)
        .commit("fix: explain the total");
    repo.write(".github/workflows/ci.yml", "on: push\n")
        .commit("ci: fix the tests");
    repo.write("cart.py", CART_FIXED)
        .write("test_cart.py", CART_TEST_OF_BUG)
        .commit("fix: total\n\nghp_ is the beginning of a token\n");
    repo
}

#[test]
fn past_commits_are_counted_by_what_stops_them() {
    let repo = history();
    assert_snapshot!(repo.guard(["backtest"]), @r"
    exit: 0
    stdout:
    backtest: 8 commits of `main`, by the work tree's `.koan-guard.yaml`, each judged as if an agent had made it

                              commits        inside  but for the message   refused  undecided
    fixes with tests                3      1 (33 %)                    0         2          0
    fixes without tests             1       0 (0 %)                    1         0          0
    other changes                   4       0 (0 %)                    0         4          0

    refused by                  fixes (alone)  others   newest example
    too-many-lines                  2       1       0   a4e77477d6 60 production lines added and removed, at most 50
    test-deleted                    1       0       0   42c70fae57 `test_cart.py` loses 1 test: `Total.test_of_nothing`
    not-conventional                1       1       0   73d5932ebf `Fixed #12 -- the total of nothing` is not conventional: Missing type in…
    too-many-files                  0       0       4   65e7e3310c 1 production files added, at most 0
    type-not-allowed                0       0       4   65e7e3310c the type `ci` is none of `fix`, `test`
    path-protected                  0       0       2   65e7e3310c `.github/workflows/ci.yml` matches `.github`, which is always protected
    manifest-changed                0       0       1   84c5e6b9df `requirements.txt` names dependencies
    root-commit                     0       0       1   a3e325c1ec the commit has no parent and brings 3 files

    limits, by 5 changes of code and tests, too few of which say that they fix
                                 half     90 %     95 %  largest      now   over it now
    limits.files                    1        2        2        2        2   -
    limits.new_files                0        2        2        2        0   1
    limits.lines                    9       60       60       60       50   2
    limits.hunks                    1        2        2        2       10   -
    limits.directories              1        1        1        1        2   -
    limits.line_length             24       28       28       28      500   -
    limits.file_bytes               0      632      632      632   262144   -
    test_limits.files               1        1        1        1        8   -
    test_limits.added               3        8        8        8      200   -
    test_limits.file_bytes        144      215      215      215   262144   -
    inside all of them at once: 2 (40 %) now, 5 (100 %) with the column of 95 %

    protected places touched            fixes  others   newest example
    .github (built in)                      0       1   65e7e3310c ci: fix the tests
    .koan-guard* (built in)                 0       1   a3e325c1ec feat: total of a cart

    fixes say so in their subject and touch code; no test was run (`--proof` runs some); nothing was written
    next: `koan-guard selftest` tries attacks on the policy; `mode: observe` lets it judge and refuse nothing
    stderr:
    ");
}

#[test]
fn the_same_as_tables() {
    let repo = history();
    assert_snapshot!(repo.guard(["backtest", "--format", "markdown", "--last", "3"]), @r"
    exit: 0
    stdout:
    ### koan-guard backtest

    3 commits of `main`, by the work tree's `.koan-guard.yaml`, each judged as if an agent had made it.

    | | commits | inside | but for the message | refused | undecided |
    | --- | ---: | ---: | ---: | ---: | ---: |
    | fixes with tests | 2 | 0 (0 %) | 0 | 2 | 0 |
    | fixes without tests | 0 | 0 | 0 | 0 | 0 |
    | other changes | 1 | 0 (0 %) | 0 | 1 | 0 |

    | refused by | fixes | alone | others | newest example |
    | --- | ---: | ---: | ---: | --- |
    | `too-many-lines` | 2 | 1 | 0 | a4e77477d6 fix: total: 60 production lines added and removed, at most 50 |
    | `test-deleted` | 1 | 0 | 0 | 42c70fae57 fix: explain the total: `test\_cart.py` loses 1 test: `Total.test\_of\_nothing` |
    | `path-protected` | 0 | 0 | 1 | 65e7e3310c ci: fix the tests: `.github/workflows/ci.yml` matches `.github`, which is always protected |
    | `too-many-files` | 0 | 0 | 1 | 65e7e3310c ci: fix the tests: 1 production files added, at most 0 |
    | `type-not-allowed` | 0 | 0 | 1 | 65e7e3310c ci: fix the tests: the type `ci` is none of `fix`, `test` |

    | limit, by 2 changes of code and tests, too few of which say that they fix | half | 90 % | 95 % | largest | now | over it now |
    | --- | ---: | ---: | ---: | ---: | ---: | ---: |
    | `limits.files` | 1 | 1 | 1 | 1 | 2 | - |
    | `limits.new_files` | 0 | 0 | 0 | 0 | 0 | - |
    | `limits.lines` | 60 | 60 | 60 | 60 | 50 | 2 |
    | `limits.hunks` | 1 | 1 | 1 | 1 | 10 | - |
    | `limits.directories` | 1 | 1 | 1 | 1 | 2 | - |
    | `limits.line_length` | 0 | 8 | 8 | 8 | 500 | - |
    | `limits.file_bytes` | 0 | 632 | 632 | 632 | 262144 | - |
    | `test_limits.files` | 1 | 1 | 1 | 1 | 8 | - |
    | `test_limits.added` | 0 | 3 | 3 | 3 | 200 | - |
    | `test_limits.file_bytes` | 0 | 215 | 215 | 215 | 262144 | - |

    | protected place touched | fixes | others | newest example |
    | --- | ---: | ---: | --- |
    | .github (built in) | 0 | 1 | 65e7e3310c ci: fix the tests |
    stderr:
    ");
}

#[test]
fn the_policy_of_a_revision_is_tried_on_a_range() {
    let repo = history();
    repo.write(".koan-guard.yaml", "version: 1\nnonsense: true\n");
    let answer = repo.guard(["backtest", "HEAD~2..HEAD", "--base", "HEAD"]);
    assert!(
        answer.starts_with(
            "exit: 0\nstdout:\nbacktest: 2 commits of `HEAD~2..HEAD`, by the policy of "
        ),
        "{answer}"
    );
    let answer = repo.guard(["backtest"]);
    assert!(answer.starts_with("exit: 2\n"), "{answer}");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn threads_count_the_same_as_one() {
    let repo = history();
    for n in 0..70 {
        repo.git([
            "commit",
            "--quiet",
            "--no-verify",
            "--allow-empty",
            "-m",
            &format!("fix: {n}"),
        ]);
    }
    let one = repo.guard(["backtest", "--format", "json", "--jobs", "1"]);
    assert_eq!(
        repo.guard(["backtest", "--format", "json", "--jobs", "4"]),
        one
    );
    assert!(one.contains("\"n_commits\": 78"), "{one}");
}

#[test]
fn nothing_to_replay_is_undecided() {
    let repo = history();
    assert_snapshot!(repo.guard(["backtest", "HEAD..HEAD"]), @"
    exit: 3
    stdout:
    stderr:
    undecided: there is no commit to replay
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn what_stays_inside_can_be_proved() {
    let repo = history();
    let answer = repo.guard(["backtest", "--proof", "--max", "1", "HEAD~5"]);
    assert!(
        answer.contains("proof of 1 fix with tests: 1 proved; 0 more"),
        "{answer}"
    );
}

#[test]
fn init_fits_the_limits_to_past_fixes() {
    let repo = history();
    repo.remove(".koan-guard.yaml");
    let few = repo.guard(["init", "--print", "--backtest", "100"]);
    assert!(few.contains("# Not fitted: "), "{few}");
    for n in 0..20 {
        repo.write("cart.py", &format!("{CART_FIXED}# {n}\n"))
            .write("test_cart.py", &format!("{CART_TEST_OF_BUG}# {n}\n"))
            .commit(&format!("fix: the number {n}"));
    }
    let answer = repo.guard(["init", "--print", "--backtest", "100"]);
    let lines = answer
        .lines()
        .skip_while(|line| !line.starts_with("# Limits"));
    let section: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    let section = section.join("\n");
    assert!(
        section.contains("# Fitted to 23 fixes with tests among the last 28 commits: "),
        "{section}"
    );
    assert!(
        section.contains("limits: {files: 1, new_files: 0, lines: "),
        "{section}"
    );
}
