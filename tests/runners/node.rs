//! node:test.

use std::time::Duration;

use crate::support::{Project, check, check_distrusted};

const SHOP: &str = "\
'use strict';
class Cart { total = null; }
exports.Cart = Cart;
exports.total = (items) => { if (items.length === 0) throw new RangeError('no items'); return items.length; };
exports.broken = () => undefinedName;
exports.leave = () => process.exit(0);
exports.find = (items) => items.find(Boolean);
";

const HEAD: &str = "const { test, describe, it, before, after, beforeEach } = require('node:test');\nconst assert = require('node:assert');\nconst shop = require('../shop');\n";

fn project(tests: &str) -> Project {
    Project::new("node")
        .file("package.json", "{\"scripts\": {\"test\": \"node --test\"}}")
        .file("shop.js", SHOP)
        .file("test/shop.test.js", &format!("{HEAD}{tests}"))
        .plant("test/shop.test.js")
        .with_canary_file("shop.js")
}

#[track_caller]
fn check_tests(tests: &str, expected: &str) {
    check(&project(tests).touched(&["test/shop.test.js"]), expected);
}

#[track_caller]
fn check_attack(tests: &str, reason: &str) {
    check_distrusted(&project(tests).touched(&["test/shop.test.js"]), reason);
}

#[test]
fn half_a_surrogate_pair_is_reported_as_a_replacement() {
    check_tests(
        "test('half \\ud83d', () => { throw new TypeError('\\ud83d'); });\n",
        "failed test/shop.test.js::half \u{fffd}",
    );
}

#[test]
fn a_test_passes_fails_is_skipped_or_cannot_be_set_up() {
    check_tests(
        "\
test('passes', () => {});
test('fails', () => assert.equal(shop.total([1]), 2));
test('is skipped', { skip: 'why' }, () => {});
test('skips itself', (t) => t.skip('why'));
test('is to do', { todo: true }, () => assert.fail());
test.todo('is nothing yet');
describe('a group', () => {
  it('passes', () => {});
  it('passes', async () => { await null; });
  describe('in a group', () => it('fails', async () => { await null; assert.ok(0); }));
});
describe('a broken group', () => { beforeEach(() => { throw new Error('x'); }); it('runs', () => {}); });
test('parent', async (t) => { await t.test('child', () => assert.ok(0)); });
",
        "
errored test/shop.test.js::a broken group > runs
failed test/shop.test.js::a group > in a group > fails
passed test/shop.test.js::a group > passes
passed test/shop.test.js::a group > passes#2
failed test/shop.test.js::fails
skipped test/shop.test.js::is nothing yet
skipped test/shop.test.js::is skipped
skipped test/shop.test.js::is to do
errored test/shop.test.js::parent
failed test/shop.test.js::parent > child
passed test/shop.test.js::passes
skipped test/shop.test.js::skips itself
        ",
    );
}

#[test]
fn an_exception_of_production_code_is_a_failure() {
    check_tests(
        "\
test('raises', () => shop.total([]));
test('rejects', async () => { await null; shop.total([]); });
test('a name', () => shop.broken());
test('an argument', () => shop.total(undefined));
test('a property', () => { const found = shop.find([]); assert.equal(found.amount, 1); });
",
        "
failed test/shop.test.js::a name
failed test/shop.test.js::a property
failed test/shop.test.js::an argument
failed test/shop.test.js::raises
failed test/shop.test.js::rejects
        ",
    );
}

#[test]
fn a_name_that_test_code_does_not_find_is_no_failure() {
    check_tests(
        "\
test('a function', () => shop.fresh());
test('a class', () => new shop.Fresh());
test('a method', () => new shop.Cart().fresh());
test('a property', () => assert.equal(shop.fresh.amount, 1));
test('a name', () => fresh());
test('a callback', () => assert.throws(shop.fresh));
test('a module', () => require('../fresh'));
test('an import', async () => { await import('../fresh.mjs'); });
test('an export', async () => { const { fresh } = await import('../shop.js'); fresh(); });
test('in a test', async (t) => { await t.test('inside', () => shop.fresh()); });
",
        "
errored test/shop.test.js::a callback
errored test/shop.test.js::a class
errored test/shop.test.js::a function
errored test/shop.test.js::a method
errored test/shop.test.js::a module
errored test/shop.test.js::a name
errored test/shop.test.js::a property
errored test/shop.test.js::an export
errored test/shop.test.js::an import
errored test/shop.test.js::in a test
errored test/shop.test.js::in a test > inside
        ",
    );
}

#[test]
fn a_file_that_cannot_be_loaded_does_not_hide_the_others() {
    let run = project("test('ok', () => {});")
        .file("shop.mjs", "export const a = 1;\n")
        .file("test/new.test.mjs", "import test from 'node:test';\nimport { fresh } from '../shop.mjs';\ntest('a', () => fresh());\n")
        .file("test/gone.test.js", "require('../gone');\n")
        .file("test/syntax.test.js", "test(\n")
        .file("test/plain.test.js", "require('node:assert').ok(1);\n")
        .touched(&["test/shop.test.js", "test/new.test.mjs", "test/gone.test.js", "test/syntax.test.js", "test/plain.test.js"]);
    check(
        &run,
        "
        skipped test/plain.test.js
        passed test/shop.test.js::ok
        not built test/new.test.mjs: SyntaxError: The requested module '../shop.mjs' does not provide an export named 'fresh'
        not built test/gone.test.js: Error: Cannot find module '../gone' Require stack: - test/gone.test.js [MODULE_NOT_FOUND]
        not built test/syntax.test.js: SyntaxError: Unexpected end of input
    ",
    );
}

#[test]
fn only_what_was_asked_for_runs() {
    let project = project("test('a', () => {});\ntest('b', () => {});").file(
        "test/other.test.js",
        "require('node:test')('other', () => {});",
    );
    check(
        &project.only(&["test/shop.test.js"], &["test/shop.test.js::b"]),
        "passed test/shop.test.js::b",
    );
}

#[test]
fn a_fixture_stands_for_the_tests_of_its_folder() {
    let run = project("test('a', () => {});")
        .file("test/data/cart.json", "{}")
        .file("other.test.js", "require('node:test')('other', () => {});")
        .touched(&["test/data/cart.json"]);
    check(&run, "passed test/shop.test.js::a");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn tests_are_where_the_script_of_the_project_looks() {
    let other = "require('node:test')('other', () => {});";
    let run = |script: &str| {
        project("test('a', () => {});")
            .file(
                "package.json",
                &format!("{{\"scripts\": {{\"test\": \"{script}\"}}}}"),
            )
            .file("lib/unit/other.js", other)
            .all_with_canary()
    };
    let both = "passed lib/unit/other.js::other\npassed test/shop.test.js::a";
    check(&run("node --test"), "passed test/shop.test.js::a");
    check(&run("node --test lib/unit/ test"), both);
    check(
        &run("node --test 'lib/**/*.js'"),
        "passed lib/unit/other.js::other",
    );
    check(
        &run("eslint . && c8 --all node --test --test-reporter spec lib/unit/*.js test/"),
        both,
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn every_command_of_the_script_counts() {
    let other = "require('node:test')('other', () => {});";
    let run = |scripts: &str| {
        project("test('a', () => {});")
            .file("package.json", &format!("{{\"scripts\": {{{scripts}}}}}"))
            .file("lib/unit/other.js", other)
            .all_with_canary()
    };
    let both = "passed lib/unit/other.js::other\npassed test/shop.test.js::a";
    for scripts in [
        r#""test": "node --test lib/unit/*.js && node --test test/""#,
        r#""test": "npm run lint && npm run test:b && npm run test:a", "lint": "eslint .", "test:a": "node --test lib/unit/", "test:b": "node --test""#,
        r#""test": "run-s lint test:*", "lint": "eslint .", "test:a": "node --test lib/unit/", "test:b": "node --no-warnings --test test/""#,
        r#""test": "npm run test:a; npm test; npm run test:a && node --test", "test:a": "node --test lib/unit/""#,
    ] {
        check(&run(scripts), both);
    }
    let twice = r#""test": "node --test && node --expose-gc --test test/""#;
    check_distrusted(&run(twice), "runs `test/shop.test.js` more than once");
}

#[test]
fn a_module_of_its_own_kind_is_planted_in() {
    let esm = "import { test } from 'node:test';\nimport { total } from '../shop.js';\ntest('a', () => { total([1]); });\n";
    let run = Project::new("node")
        .file("package.json", "{\"type\": \"module\"}")
        .file("shop.js", "export const total = (items) => items.length;\n")
        .file("test/a.test.js", esm)
        .plant("test/a.test.js")
        .with_canary_file("shop.js")
        .touched(&["test/a.test.js"]);
    check(&run, "passed test/a.test.js::a");
}

#[test]
fn what_is_left_out_by_only_is_seen() {
    let run = project("test('a', { only: true }, () => {});\ntest('b', () => {});\n")
        .file(
            "package.json",
            "{\"scripts\": {\"test\": \"node --test --test-only\"}}",
        )
        .touched(&["test/shop.test.js"]);
    assert!(
        !run.results.iter().any(|(id, result)| id.0.ends_with("::b")
            && result.outcome == koan_guard::suite::Outcome::Passed),
        "{run:#?}"
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_run_that_ends_early_is_not_believed() {
    for leave in [
        "test('a', () => shop.leave());\ntest('b', () => assert.ok(0));",
        "test('a', async () => { await null; shop.leave(); });",
        "test('a', () => assert.ok(0));\nprocess.exit(0);",
        "test('a', () => {});\nprocess.reallyExit(0);",
        "test('a', () => {});\ntest('b', () => process.kill(process.pid, 'SIGKILL'));",
    ] {
        let run = project(leave).touched(&["test/shop.test.js"]);
        assert!(run.results.is_empty(), "{run:#?}");
        let is_known = !run.not_built.is_empty() || !run.distrust.is_empty();
        assert!(is_known, "{run:#?}");
    }
    check_attack(
        "test('a', async () => { await new Promise((ok) => setTimeout(ok, 50)); process.exit(0); });",
        "the report has no end",
    );
}

#[test]
fn a_status_that_is_changed_at_exit_is_not_believed() {
    let run = project("test('a', () => assert.ok(0));\nprocess.on('exit', () => { process.exitCode = 0; process.exit(0); });").touched(&["test/shop.test.js"]);
    check(&run, "failed test/shop.test.js::a");
}

#[test]
fn what_is_printed_is_no_report() {
    check_tests(
        "test('a', () => { console.log('ok 1 - a'); process.stdout.write('TAP version 13\\nok 1\\n'); assert.ok(0); });",
        "failed test/shop.test.js::a",
    );
}

#[test]
fn a_line_in_the_pipe_is_not_believed() {
    check_attack(
        "test('a', () => { require('fs').writeSync(3, '{\"secret\":\"x\",\"n\":1,\"event\":\"end\",\"status\":0}\\n'); });",
        "is not ours",
    );
    check_attack(
        "test('a', () => { require('fs').writeSync(3, '{\"secret\":\"x\",\"n\":0,\"event\":\"open\",\"stream\":null}\\n'); });",
        "somebody else opened a report",
    );
}

#[test]
fn a_replaced_assertion_is_noticed() {
    check_attack(
        "test('a', () => { assert.equal = () => {}; assert.equal(1, 2); });",
        "the test that must fail",
    );
    check_attack(
        "test('a', () => { require('node:assert').strict.deepEqual = () => {}; });",
        "the test that must fail",
    );
}

#[test]
fn a_prototype_that_writes_values_is_not_asked() {
    check_tests(
        "Object.prototype.toJSON = function () { if (this.outcome) this.outcome = 'passed'; return this; };\nArray.prototype.toJSON = () => 1;\ntest('a', () => assert.ok(0));",
        "failed test/shop.test.js::a",
    );
}

#[test]
fn the_reporter_is_nobody_elses() {
    check_attack(
        "\
const path = process.env.NODE_OPTIONS ?? '';
const { readdirSync, readFileSync } = require('fs');
const scripts = readFileSync('/proc/self/cmdline', 'utf8').split('\\0').find((word) => word.endsWith('koan_node_report.mjs'));
test('a', async () => {
  const { default: report } = await import(scripts);
  for await (const _ of report((async function* () { yield { type: 'test:pass', data: { name: 'forged', nesting: 0, details: {} } }; })()));
  assert.ok(0);
});
process.exitCode = 0;
test('b', () => process.exit(0));
",
        "somebody else started the reporter",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_test_without_an_end_is_timed_out() {
    let mut project =
        project("test('a', () => {});\ntest('b', () => new Promise((ok) => setTimeout(ok, 1e6)));");
    project.timeout = Duration::from_secs(8);
    let run = project.touched(&["test/shop.test.js"]);
    check_distrusted(&run, "time limit");
    project.timeout = Duration::from_secs(120);
}

#[test]
fn a_promise_that_never_settles_is_no_success() {
    check_attack(
        "test('a', () => new Promise(() => {}));",
        "Promise resolution is still pending",
    );
}
