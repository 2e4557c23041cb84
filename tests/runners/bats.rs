//! bats.

use std::time::Duration;

use crate::support::{Project, check, check_distrusted};

const CART: &str = "#!/bin/sh\n# Sums up.\nsum=0\nfor price in \"$@\"; do\n  sum=$((sum + price))\ndone\necho \"$sum\"\n";

fn project(tests: &str) -> Project {
    Project::new("bats")
        .file("lib/cart.sh", CART)
        .file(
            "test/cart.bats",
            &format!("setup() {{ cart=\"$BATS_TEST_DIRNAME/../lib/cart.sh\"; }}\n\n{tests}\n"),
        )
        .file("test/other.bats", "@test \"other\" { true; }\n")
        .plant("test/cart.bats")
}

#[track_caller]
fn check_tests(tests: &str, expected: &str) {
    check(&project(tests).touched(&["test/cart.bats"]), expected);
}

#[track_caller]
fn check_attack(tests: &str, reason: &str) {
    check_distrusted(&project(tests).touched(&["test/cart.bats"]), reason);
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_test_passes_fails_or_is_skipped() {
    check_tests(
        r#"
@test "passes (1|2) [a] \"q\" \$x" { run sh "$cart" 1 2; [ "$output" = 3 ]; }
@test "fails" {
  run sh "$cart" 1 2
  [ "$output" = 4 ]
}
@test 'a # SKIP in its name' { false; }
@test "skipped" { skip "why"; }
@test "skipped too" { skip; }
@test "leaves" { exit 0; }
@test "folder" { [ -f lib/cart.sh ]; diff <(echo a) <(echo a); }
@test "missing" { run total 1 2; [ "$status" -eq 0 ]; }
@test "missing too" { total 1 2; }
function by_comment { #@test
  [[ -n $cart ]]
}
"#,
        r#"
        failed test/cart.bats::a # SKIP in its name
        passed test/cart.bats::by_comment
        failed test/cart.bats::fails
        passed test/cart.bats::folder
        failed test/cart.bats::leaves
        errored test/cart.bats::missing
        errored test/cart.bats::missing too
        passed test/cart.bats::passes (1|2) [a] \"q\" \$x
        skipped test/cart.bats::skipped
        skipped test/cart.bats::skipped too
        "#,
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn the_whole_suite_is_every_file() {
    let project = project("@test \"a\" { true; }").file(
        "test/bats-assert/test/x.bats",
        "@test \"foreign\" { false; }\n",
    );
    check(
        &project.all_with_canary(),
        "
        passed test/cart.bats::a
        passed test/other.bats::other
        ",
    );
    check(
        &project.only(&["test/cart.bats"], &["test/cart.bats::a"]),
        "passed test/cart.bats::a",
    );
    let without = Project::new("bats").file("a.bats", "@test \"a\" { true; }\n");
    check_distrusted(
        &without.all_with_canary(),
        "the test that must fail did not run",
    );
    check(
        &without.with_canary_file("lib/a.sh").all_with_canary(),
        "passed a.bats::a",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_file_that_cannot_be_set_up_gives_no_tests() {
    for (text, reason) in [
        (
            "setup_file() { false; }\n@test \"a\" { true; }",
            "set-up: `setup_file() { false; }' failed",
        ),
        ("@test \"a\" { true; }\nif true; then", "set-up: "),
        (
            "load nowhere\n@test \"a\" { true; }",
            "set-up: bats_load_safe: Could not find",
        ),
        (
            "setup() { nothing_there; }\n@test \"a\" { true; }",
            "set-up or tear-down: ",
        ),
    ] {
        let run = project(text).touched(&["test/cart.bats"]);
        assert!(
            run.results.is_empty() && run.distrust.is_empty(),
            "{run:#?}"
        );
        let [not_built] = &run.not_built[..] else {
            panic!("{run:#?}");
        };
        assert!(not_built.detail.starts_with(reason), "{not_built:?}");
    }
}

#[test]
fn a_result_that_is_printed_is_not_believed() {
    check_attack(
        "@test \"a\" { echo \"ok 1 a\" >&3; false; }",
        "bats planned 1 tests and reported 2",
    );
    check_attack(
        "@test \"a\" { kill -9 $PPID; false; }",
        "`test/cart.bats::a`: ",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn an_overridden_assertion_is_not_believed() {
    let reason = "the test that must fail was reported passed";
    check_attack(
        "run() { status=1; }\nset() { :; }\nfunction [ { return 0; }\n@test \"a\" { [ 1 -eq 2 ]; }",
        reason,
    );
    check_attack("false() { return 0; }\n@test \"a\" { false; }", reason);
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn an_endless_test_is_timed_out() {
    let mut project = project("@test \"a\" { while :; do :; done; }\n@test \"b\" { true; }");
    project.timeout = Duration::from_secs(10);
    check(
        &project.touched(&["test/cart.bats"]),
        "
        timed out test/cart.bats::a
        passed test/cart.bats::b
        ",
    );
}
