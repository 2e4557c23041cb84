//! mocha.

use std::time::Duration;

use crate::support::{Project, check, check_distrusted};

const SHOP: &str = "\
class Cart { constructor() { this.total = null; } }
exports.Cart = Cart;
exports.total = (items) => { if (items.length === 0) throw new RangeError('no items'); return items.length; };
exports.broken = () => undefinedName;
exports.leave = () => process.exit(0);
exports.find = (items) => items.find(Boolean);
";

fn project(tests: &str) -> Project {
    Project::new("mocha")
        .file("package.json", "{\"scripts\": {\"test\": \"mocha\"}}")
        .file("shop.js", SHOP)
        .file(
            "test/shop.js",
            &format!(
                "const assert = require('assert');\nconst shop = require('../shop');\n{tests}"
            ),
        )
        .plant("test/shop.js")
        .with_canary_file("shop.js")
}

#[track_caller]
fn check_tests(tests: &str, expected: &str) {
    check(&project(tests).touched(&["test/shop.js"]), expected);
}

#[track_caller]
fn check_attack(tests: &str, reason: &str) {
    check_distrusted(&project(tests).touched(&["test/shop.js"]), reason);
}

#[test]
fn a_test_passes_fails_is_skipped_or_cannot_be_set_up() {
    check_tests(
        "\
it('passes', () => {});
it('fails', () => assert.equal(shop.total([1]), 2));
it.skip('is skipped', () => {});
it('skips itself', function () { this.skip(); });
it('is to do');
it('is done', (done) => { setTimeout(done, 1); });
it('is done with an error', (done) => { setTimeout(() => done(new Error('x')), 1); });
it('throws later', (done) => { setTimeout(() => { throw new Error('x'); }, 1); });
it('is late', function (done) { this.timeout(20); });
describe('a group', () => {
  it('passes', () => {});
  it('passes', async () => { await null; });
});
describe('before', () => { beforeEach(() => { throw new Error('x'); }); it('runs', () => {}); it('follows', () => {}); });
describe('before all', () => { before(() => { throw new Error('x'); }); it('runs', () => {}); });
describe('after', () => { afterEach(() => { throw new Error('x'); }); it('runs', () => {}); it('follows', () => {}); });
",
        "
passed test/shop.js::a group > passes
passed test/shop.js::a group > passes#2
errored test/shop.js::after > follows
errored test/shop.js::after > runs
errored test/shop.js::before > follows
errored test/shop.js::before > runs
errored test/shop.js::before all > runs
failed test/shop.js::fails
passed test/shop.js::is done
failed test/shop.js::is done with an error
failed test/shop.js::is late
skipped test/shop.js::is skipped
skipped test/shop.js::is to do
passed test/shop.js::passes
skipped test/shop.js::skips itself
failed test/shop.js::throws later
        ",
    );
}

#[test]
fn exceptions_of_production_are_failures_and_missing_names_are_none() {
    check_tests(
        "\
it('a raises', () => { shop.total([]); });
it('a name', () => { shop.broken(); });
it('a property', () => { const found = shop.find([]); assert.equal(found.amount, 1); });
it('b function', () => { shop.fresh(); });
it('b class', () => { new shop.Fresh(); });
it('b method', () => { new shop.Cart().fresh(); });
it('b property', () => { assert.equal(shop.fresh.amount, 1); });
it('b callback', () => { assert.throws(shop.fresh); });
it('b module', () => { require('../fresh'); });
",
        "
failed test/shop.js::a name
failed test/shop.js::a property
failed test/shop.js::a raises
errored test/shop.js::b callback
errored test/shop.js::b class
errored test/shop.js::b function
errored test/shop.js::b method
errored test/shop.js::b module
errored test/shop.js::b property
        ",
    );
}

#[test]
fn a_file_that_cannot_be_loaded_does_not_hide_the_others() {
    let run = project("it('ok', () => {});")
        .file(
            "test/gone.js",
            "it('left', () => {});\nrequire('../gone');\n",
        )
        .touched(&["test/shop.js", "test/gone.js"]);
    check(
        &run,
        "
        passed test/shop.js::ok
        not built test/gone.js: Error: Cannot find module '../gone' Require stack: - test/gone.js [MODULE_NOT_FOUND]
    ",
    );
}

#[test]
fn options_of_the_project_are_taken_and_those_that_hide_failures_are_not() {
    let run = project("it('a', () => { assert.ok(0); });\nit('b', () => { assert.equal(globalThis.isSetUp, true); });\nit('other', () => {});")
        .file("package.json", "{\"scripts\": {\"test\": \"c8 mocha --exit --bail --retries 3 'test/*.js' || true\"}}")
        .file(".mocharc.json", "{\"require\": [\"./setup.js\"], \"grep\": \"^(a|b|koan)\", \"reporter\": \"dot\"}")
        .file("setup.js", "globalThis.isSetUp = true;\n")
        .file("lib/other.js", "it('elsewhere', () => {});")
        .all_with_canary();
    check(
        &run,
        "
        failed test/shop.js::a
        passed test/shop.js::b
        skipped test/shop.js::other
    ",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn every_command_of_the_script_counts() {
    let run = |scripts: &str| {
        project("it('a', () => {});")
            .file("package.json", &format!("{{\"scripts\": {{{scripts}}}}}"))
            .file("more/other.js", "it('other', () => {});")
            .all_with_canary()
    };
    let both = "passed more/other.js::other\npassed test/shop.js::a";
    for scripts in [
        r#""test": "mocha test/*.js && mocha more/*.js""#,
        r#""test": "npm run lint && npm run a && npm run b", "lint": "eslint .", "a": "nyc mocha more/*.js", "b": "mocha test""#,
    ] {
        check(&run(scripts), both);
    }
    let once = r#""test": "npm run unit && npm run cover", "unit": "mocha", "cover": "nyc mocha""#;
    check(&run(once), "passed test/shop.js::a");
    for scripts in [
        r#""test": "mocha && mocha more/*.js""#,
        r#""test": "mocha test/*.js && mocha --require assert more/*.js""#,
    ] {
        check_distrusted(&run(scripts), "starts mocha more than once");
    }
}

#[test]
fn tests_are_declared_as_the_interface_says() {
    let run = |ui: &str, tests: &str| {
        Project::new("mocha")
            .file("package.json", "{\"scripts\": {\"test\": \"mocha\"}}")
            .file(".mocharc.json", &format!("{{\"ui\": \"{ui}\"}}"))
            .file("shop.js", SHOP)
            .file("test/a.js", tests)
            .file("test/b.js", tests)
            .with_canary_file("shop.js")
    };
    let in_groups = "
passed test/a.js::early
passed test/a.js::one > late
passed test/b.js::early
passed test/b.js::one > late
";
    check(
        &run(
            "qunit",
            "test('early', () => {});\nsuite('one');\ntest('late', () => {});\n",
        )
        .plant("test/b.js")
        .all_with_canary(),
        in_groups,
    );
    check(
        &run(
            "tdd",
            "test('early', () => {});\nsuite('one', () => { test('late', () => {}); });\n",
        )
        .plant("test/b.js")
        .all_with_canary(),
        in_groups,
    );
    check_distrusted(
        &run(
            "exports",
            "module.exports = { one: { 'test': () => {} } };\n",
        )
        .all_with_canary(),
        "its interface `exports` cannot be used",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn the_environment_is_the_one_of_the_script() {
    let run = |script: &str| {
        let test = "it('a', () => { const { NODE_ENV, BABEL_ENV, LD_PRELOAD } = process.env; throw new Error(`env ${NODE_ENV} ${BABEL_ENV} ${LD_PRELOAD}`); });";
        project(test)
            .file(
                "package.json",
                &format!("{{\"scripts\": {{\"test\": \"{script}\"}}}}"),
            )
            .touched(&["test/shop.js"])
    };
    for (script, expected) in [
        ("mocha", "env undefined undefined undefined"),
        ("NODE_ENV=test mocha", "env test undefined"),
        ("cross-env NODE_ENV=other nyc mocha", "env other undefined"),
        (
            "BABEL_ENV=commonjs LD_PRELOAD=/x.so mocha",
            "env undefined commonjs undefined",
        ),
    ] {
        let run = run(script);
        let detail = run.results.values().next().map(|result| &result.detail);
        assert!(
            detail.is_some_and(|said| said.contains(expected)),
            "{run:?}"
        );
    }
    check_distrusted(
        &run("NODE_ENV=a mocha && NODE_ENV=b mocha"),
        "NODE_ENV=b mocha",
    );
}

#[test]
fn what_keeps_the_framework_from_starting_is_told() {
    let run = project("it('a', () => {});")
        .file(".mocharc.json", "{\"require\": \"./gone.js\"}")
        .touched(&["test/shop.js"]);
    check_distrusted(&run, "it could not be run: Cannot find module");
}

#[test]
fn an_expect_of_an_inner_scope_is_planted_with() {
    let run = Project::new("mocha")
        .file("package.json", "{\"type\": \"module\"}")
        .file("own.js", "import assert from 'assert';\nexport const expect = (a) => ({ to: { equal: (b) => assert.equal(a, b), deep: { equal: (b) => assert.deepEqual(a, b) } } });\n")
        .file("test/a.js", "import * as own from '../own.js';\ndescribe('a', function () {\n  var expect = own.expect;\n  it('b', () => { expect(1).to.equal(1); });\n});\n")
        .plant("test/a.js")
        .with_canary_file("own.js")
        .touched(&["test/a.js"]);
    check(&run, "passed test/a.js::a > b");
}

#[test]
fn a_module_and_its_chai_are_planted_in() {
    let run = Project::new("mocha")
        .file("package.json", "{\"type\": \"module\", \"scripts\": {\"test\": \"mocha\"}}")
        .file("test/a.js", "import { expect } from 'chai';\nimport { total } from '../shop.js';\ndescribe('x', () => { it('a', () => { expect(total([1])).to.equal(2); }); });\n")
        .file("shop.js", "export const total = (items) => items.length;\n")
        .plant("test/a.js")
        .with_canary_file("shop.js")
        .touched(&["test/a.js"]);
    check(&run, "failed test/a.js::x > a");
}

#[test]
fn typescript_is_compiled_as_the_project_says() {
    let run = Project::new("mocha")
        .file("package.json", "{\"scripts\": {\"test\": \"mocha\"}}")
        .file(".mocharc.yml", "node-option: [import=tsx]\nrequire: tsx\nspec: 'test/**/*.ts'\nextension: ts\n")
        .file("test/a.ts", "import assert from 'node:assert';\nimport { total } from '../shop';\nit('a', () => { assert.equal(total([1]) as number, 1); });\n")
        .file("shop.ts", "export const total = (items: number[]): number => items.length;\n")
        .plant("test/a.ts")
        .with_canary_file("shop.ts")
        .touched(&["test/a.ts"]);
    check(&run, "passed test/a.ts::a");
}

#[test]
fn only_what_was_asked_for_runs() {
    let project = project("it('a', () => {});\nit('b', () => {});")
        .file("test/other.js", "it('other', () => {});");
    check(
        &project.only(&["test/shop.js"], &["test/shop.js::b"]),
        "passed test/shop.js::b",
    );
}

#[test]
fn what_is_left_out_by_only_is_seen() {
    let run = project("it.only('a', () => {});\nit('b', () => {});").touched(&["test/shop.js"]);
    check_distrusted(&run, "was reported skipped");
    let b = run
        .results
        .iter()
        .find(|(id, _)| id.0.ends_with("::b"))
        .expect("b");
    assert_eq!(b.1.outcome, koan_guard::suite::Outcome::Skipped, "{run:#?}");
}

#[test]
fn a_failed_try_is_a_failure() {
    check_tests(
        "let n = 0;\nit('a', function () { this.retries(3); assert.ok(n++ > 0); });",
        "failed test/shop.js::a",
    );
}

#[test]
fn a_run_that_ends_early_is_not_believed() {
    check_attack(
        "it('a', () => { shop.leave(); });\nit('b', () => {});",
        "while `test/shop.js::a` ran",
    );
    check_attack(
        "it('a', () => {});\nprocess.exit(0);",
        "the report has no end",
    );
    check_attack(
        "it('a', () => { process.reallyExit(0); });",
        "the report has no end",
    );
}

#[test]
fn what_runs_at_exit_changes_nothing() {
    check_tests(
        "process.on('exit', () => { process.exitCode = 0; });\nit('a', () => { throw new Error('x'); });",
        "failed test/shop.js::a",
    );
}

#[test]
fn a_framework_that_is_changed_under_way_is_not_believed() {
    check_attack(
        "const Runner = require('mocha').Runner;\nRunner.prototype.fail = function (test) { this.emit('pass', test); };\nit('a', () => { assert.ok(0); });",
        "although it raised",
    );
    check_attack(
        "it('a', function () { const b = this.test.parent.tests.find((test) => test.title === 'b'); b.fn = () => {}; });\nit('b', () => { assert.ok(0); });",
        "never ended",
    );
    check_attack(
        "assert.equal = () => {};\nit('a', () => { assert.equal(1, 2); });",
        "the test that must fail",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_test_without_an_end_is_timed_out() {
    let mut project = project("it('a', () => {});\nit('b', () => { for (;;); });");
    project.timeout = Duration::from_secs(8);
    check_distrusted(
        &project.touched(&["test/shop.js"]),
        "while `test/shop.js::b` ran",
    );
}
