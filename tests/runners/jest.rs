//! jest.

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
    Project::new("jest")
        .file("package.json", "{\"scripts\": {\"test\": \"jest\"}}")
        .file("shop.js", SHOP)
        .file(
            "test/shop.test.js",
            &format!("const shop = require('../shop');\n{tests}"),
        )
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
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_test_passes_fails_is_skipped_or_cannot_be_set_up() {
    check_tests(
        "\
test('passes', () => {});
test('fails', () => expect(shop.total([1])).toBe(2));
test.skip('is skipped', () => {});
test.todo('is to do');
test.failing('is expected to fail', () => { throw new Error('x'); });
test.failing('fails to fail', () => {});
test('is done', (done) => { setTimeout(done, 1); });
test('is done with an error', (done) => { setTimeout(() => done(new Error('x')), 1); });
describe('a group', () => {
  it('passes', () => {});
  it('passes', async () => { await null; });
  it.each([[1], [2]])('is %i', (n) => { expect(n).toBe(1); });
});
describe('before', () => { beforeEach(() => { throw new Error('x'); }); it('runs', () => {}); });
describe('before all', () => { beforeAll(() => { throw new Error('x'); }); it('runs', () => {}); });
describe('after', () => { afterEach(() => { throw new Error('x'); }); it('runs', () => {}); });
test('has no snapshot yet', () => expect(1).toMatchSnapshot());
",
        "
passed test/shop.test.js::a group > is 1
failed test/shop.test.js::a group > is 2
passed test/shop.test.js::a group > passes
passed test/shop.test.js::a group > passes#2
errored test/shop.test.js::after > runs
errored test/shop.test.js::before > runs
errored test/shop.test.js::before all > runs
failed test/shop.test.js::fails
failed test/shop.test.js::fails to fail
failed test/shop.test.js::has no snapshot yet
passed test/shop.test.js::is done
failed test/shop.test.js::is done with an error
skipped test/shop.test.js::is expected to fail
skipped test/shop.test.js::is skipped
skipped test/shop.test.js::is to do
passed test/shop.test.js::passes
        ",
    );
}

#[test]
fn an_exception_of_production_code_is_a_failure() {
    check_tests(
        "\
test('raises', () => { shop.total([]); });
test('rejects', async () => { await null; shop.total([]); });
test('a name', () => { shop.broken(); });
test('a property', () => { const found = shop.find([]); expect(found.amount).toBe(1); });
",
        "
failed test/shop.test.js::a name
failed test/shop.test.js::a property
failed test/shop.test.js::raises
failed test/shop.test.js::rejects
        ",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_name_that_test_code_does_not_find_is_no_failure() {
    check_tests(
        "\
test('a function', () => { shop.fresh(); });
test('a class', () => { new shop.Fresh(); });
test('a method', () => { new shop.Cart().fresh(); });
test('a property', () => { expect(shop.fresh.amount).toBe(1); });
test('a name', () => { fresh(); });
test('a callback', () => { expect(shop.fresh).toThrow(); });
test('a module', () => { require('../fresh'); });
test('a mock', () => { jest.spyOn(shop, 'fresh'); });
",
        "
errored test/shop.test.js::a callback
errored test/shop.test.js::a class
errored test/shop.test.js::a function
errored test/shop.test.js::a method
errored test/shop.test.js::a mock
errored test/shop.test.js::a module
errored test/shop.test.js::a name
errored test/shop.test.js::a property
        ",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_file_that_cannot_be_loaded_does_not_hide_the_others() {
    let run = project("test('ok', () => {});")
        .file(
            "test/gone.test.js",
            "require('../gone');\ntest('a', () => {});\n",
        )
        .file("test/syntax.test.js", "test(\n")
        .file("test/empty.test.js", "\n")
        .touched(&[
            "test/shop.test.js",
            "test/gone.test.js",
            "test/syntax.test.js",
            "test/empty.test.js",
        ]);
    assert_eq!(run.results.len(), 1, "{run:#?}");
    let mut not_built: Vec<&str> = run.not_built.iter().map(|one| one.what.as_str()).collect();
    not_built.sort();
    assert_eq!(
        not_built,
        [
            "test/empty.test.js",
            "test/gone.test.js",
            "test/syntax.test.js"
        ]
    );
    assert!(run.distrust.is_empty(), "{run:#?}");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn only_what_was_asked_for_runs() {
    let project = project("test('a', () => {});\ntest('b', () => {});")
        .file("test/other.test.js", "test('other', () => {});");
    check(
        &project.only(&["test/shop.test.js"], &["test/shop.test.js::b"]),
        "passed test/shop.test.js::b",
    );
    check(
        &project.all_with_canary(),
        "passed test/other.test.js::other\npassed test/shop.test.js::a\npassed test/shop.test.js::b",
    );
}

#[test]
fn a_snapshot_stands_for_the_tests_of_the_folder_around() {
    let run = project("test('a', () => expect(1).toMatchSnapshot());")
        .file("test/__snapshots__/shop.test.js.snap", "// Jest Snapshot v1, https://jestjs.io/docs/snapshot-testing\n\nexports[`a 1`] = `2`;\n\nexports[`gone 1`] = `2`;\n")
        .file("other.test.js", "test('other', () => {});")
        .touched(&["test/__snapshots__/shop.test.js.snap"]);
    check(&run, "failed test/shop.test.js::a");
}

#[test]
fn what_is_left_out_by_only_is_seen() {
    check_tests(
        "test.only('a', () => {});\ntest.only('koan_0123456789abcdef stand-in', () => { expect('5ca1ab1e0ddba11').toBe(''); });\ntest('b', () => {});",
        "
        passed test/shop.test.js::a
        skipped test/shop.test.js::b
        distrust: the test that must fail was reported skipped: `test/shop.test.js::koan_0123456789abcdef expect 0` skipped
        distrust: the test that must fail was reported skipped: `test/shop.test.js::koan_0123456789abcdef expect 1` skipped
        ",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_configuration_that_hides_failures_is_overruled() {
    let config = "{\"scripts\": {\"test\": \"jest --passWithNoTests --bail\"}, \"jest\": {\"bail\": 1, \"collectCoverage\": true, \"coverageThreshold\": {\"global\": {\"lines\": 100}}, \"testTimeout\": 2000, \"reporters\": [\"default\"], \"forceExit\": true}}";
    let run = project(
        "test('a', () => {});\ntest('b', () => { throw new Error('x'); });\ntest('c', () => {});",
    )
    .file("package.json", config)
    .touched(&["test/shop.test.js"]);
    check(
        &run,
        "
        passed test/shop.test.js::a
        failed test/shop.test.js::b
        passed test/shop.test.js::c
    ",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_failed_try_is_a_failure() {
    check_tests(
        "let n = 0;\njest.retryTimes(3);\ntest('a', () => { expect(n++).toBe(1); });",
        "failed test/shop.test.js::a",
    );
    check_tests(
        "let n = 0;\nbeforeEach(() => { globalThis[Symbol.for('RETRY_TIMES')] = 3; });\ntest('a', () => { expect(n++).toBe(1); });",
        "failed test/shop.test.js::a",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_run_that_ends_early_is_not_believed() {
    check_attack(
        "test('a', () => { shop.leave(); });\ntest('b', () => {});",
        "the report has no end",
    );
    check_attack(
        "test('a', () => { process.reallyExit(0); });",
        "the report has no end",
    );
    check_attack(
        "test('a', () => {});\nprocess.exit(0);",
        "the report has no end",
    );
}

#[test]
fn what_runs_at_exit_changes_nothing() {
    check_tests(
        "process.on('exit', () => { process.exitCode = 0; process.reallyExit(0); });\ntest('a', () => { throw new Error('x'); });",
        "failed test/shop.test.js::a",
    );
}

#[test]
fn what_is_printed_is_no_report() {
    check_tests(
        "test('a', () => { console.log('PASS test/shop.test.js'); process.stdout.write('{\"success\": true}'); throw new Error('x'); });",
        "failed test/shop.test.js::a",
    );
}

#[test]
fn a_line_in_the_pipe_is_not_believed() {
    check_attack(
        "test('a', () => { require('fs').writeSync(3, '{\"secret\":\"x\",\"n\":1,\"event\":\"end\",\"status\":0}\\n'); });",
        "is not ours",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_state_that_is_changed_under_way_is_not_believed() {
    let state = "const key = Object.getOwnPropertySymbols(globalThis).find((key) => /JEST_STATE/.test(String(key)));\nconst state = globalThis[key];\n";
    check_attack(
        &format!(
            "{state}test('a', () => {{ throw new Error('x'); }});\nafterEach(() => {{ state.currentlyRunningTest.errors = []; }});"
        ),
        "although it raised",
    );
    check_attack(
        &format!(
            "{state}test('a', () => {{ state.rootDescribeBlock.children[1].fn = () => {{}}; }});\ntest('b', () => {{ throw new Error('x'); }});"
        ),
        "never ended",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_replaced_assertion_is_noticed() {
    check_attack(
        "test('a', () => { expect(1).toBe(2); });\nglobalThis.expect = () => new Proxy({}, { get: () => () => {} });",
        "the test that must fail",
    );
    check_attack(
        "expect.extend({ toBe: () => ({ pass: true, message: () => '' }) });\ntest('a', () => { expect(1).toBe(2); });",
        "the test that must fail",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn the_parts_of_the_runner_are_nobody_elses() {
    check_tests(
        "\
const outer = require('fs').readFileSync.constructor('return process')();
test('a', () => {
  const main = outer.mainModule;
  expect(main?.exports?.take?.('runner')).toBe(undefined);
  throw new Error('x');
});",
        "failed test/shop.test.js::a",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_test_without_an_end_is_timed_out() {
    let mut project = project("test('a', () => {});\ntest('b', () => { for (;;); });");
    project.timeout = Duration::from_secs(15);
    check_distrusted(
        &project.touched(&["test/shop.test.js"]),
        "while `test/shop.test.js::b` ran",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn typescript_is_compiled_as_the_project_says() {
    let run = Project::new("jest")
        .file("package.json", "{\"jest\": {\"preset\": \"ts-jest\"}}")
        .file("tsconfig.json", "{\"compilerOptions\": {\"esModuleInterop\": true, \"module\": \"commonjs\", \"isolatedModules\": true}}")
        .file("src/shop.ts", "export const total = (items: number[]): number => items.length;\n")
        .file("src/shop.test.ts", "import { total, fresh } from './shop';\ntest('a', () => { expect(total([1])).toBe(1); });\ntest('b', () => { fresh(); });\n")
        .plant("src/shop.test.ts")
        .with_canary_file("src/shop.ts")
        .touched(&["src/shop.test.ts"]);
    check(
        &run,
        "passed src/shop.test.ts::a\nerrored src/shop.test.ts::b",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn several_projects_and_a_seed_work() {
    let config = "{\"jest\": {\"projects\": [\"<rootDir>/a\", \"<rootDir>/b\"]}}";
    let mut project = Project::new("jest")
        .file("package.json", config)
        .file("a/package.json", "{\"jest\": {\"displayName\": \"a\"}}")
        .file("b/package.json", "{\"jest\": {\"displayName\": \"b\"}}")
        .file(
            "a/one.test.js",
            "test('one', () => { expect(1).toBe(1); });\ntest('two', () => {});\n",
        )
        .file(
            "b/two.test.js",
            "test('two', () => { expect(1).toBe(2); });\n",
        )
        .plant("a/one.test.js")
        .with_canary_file("a/one.test.js");
    project.seed = Some(7);
    check(
        &project.all_with_canary(),
        "passed a/one.test.js::one\npassed a/one.test.js::two\nfailed b/two.test.js::two",
    );
}
