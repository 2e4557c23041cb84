//! vitest.

use std::time::Duration;

use crate::support::{Project, check, check_distrusted};

const SHOP: &str = "\
export class Cart { total: number | null = null; }
export const total = (items: number[]): number => { if (items.length === 0) throw new RangeError('no items'); return items.length; };
export const broken = () => undefinedName;
export const leave = () => process.exit(0);
export const find = (items: number[]) => items.find(Boolean);
";

fn project(tests: &str) -> Project {
    let head = "import { test, it, expect, describe, vi, beforeEach, afterEach, beforeAll, afterAll } from 'vitest';\nimport * as shop from './shop';\n";
    Project::new("vitest")
        .file(
            "package.json",
            "{\"type\": \"module\", \"scripts\": {\"test\": \"vitest run\"}}",
        )
        .file("src/shop.ts", SHOP)
        .file("src/shop.test.ts", &format!("{head}{tests}"))
        .plant("src/shop.test.ts")
        .with_canary_file("src/shop.ts")
}

#[track_caller]
fn check_tests(tests: &str, expected: &str) {
    check(&project(tests).touched(&["src/shop.test.ts"]), expected);
}

#[track_caller]
fn check_attack(tests: &str, reason: &str) {
    check_distrusted(&project(tests).touched(&["src/shop.test.ts"]), reason);
}

#[test]
fn a_test_passes_fails_is_skipped_or_cannot_be_set_up() {
    check_tests(
        "\
test('passes', () => {});
test('fails', () => expect(shop.total([1])).toBe(2));
test.skip('is skipped', () => {});
test('skips itself', (ctx) => { ctx.skip(); });
test.todo('is to do');
test.fails('is expected to fail', () => { throw new Error('x'); });
test.fails('fails to fail', () => {});
let n = 0;
test('is tried again', { retry: 3 }, () => { expect(n++).toBe(1); });
test('is late', { timeout: 30 }, () => new Promise(() => {}));
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
errored group (src/shop.test.ts > before all)
passed src/shop.test.ts::a group > is 1
failed src/shop.test.ts::a group > is 2
passed src/shop.test.ts::a group > passes
passed src/shop.test.ts::a group > passes#2
errored src/shop.test.ts::after > runs
errored src/shop.test.ts::before > runs
errored src/shop.test.ts::before all > runs
failed src/shop.test.ts::fails
failed src/shop.test.ts::fails to fail
failed src/shop.test.ts::has no snapshot yet
skipped src/shop.test.ts::is expected to fail
failed src/shop.test.ts::is late
skipped src/shop.test.ts::is skipped
skipped src/shop.test.ts::is to do
failed src/shop.test.ts::is tried again
passed src/shop.test.ts::passes
skipped src/shop.test.ts::skips itself
        ",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn exceptions_of_production_are_failures_and_missing_names_are_none() {
    check_tests(
        "\
test('a raises', () => { shop.total([]); });
test('a name', () => { shop.broken(); });
test('a property', () => { const found = shop.find([]); expect(found.amount).toBe(1); });
test('b function', () => { shop.fresh(); });
test('b class', () => { new shop.Fresh(); });
test('b method', () => { new shop.Cart().fresh(); });
test('b callback', () => { expect(shop.fresh).toThrow(); });
test('b module', async () => { await import('./fresh'); });
test('b spy', () => { vi.spyOn(shop, 'fresh'); });
",
        "
failed src/shop.test.ts::a name
failed src/shop.test.ts::a property
failed src/shop.test.ts::a raises
errored src/shop.test.ts::b callback
errored src/shop.test.ts::b class
errored src/shop.test.ts::b function
errored src/shop.test.ts::b method
errored src/shop.test.ts::b module
errored src/shop.test.ts::b spy
        ",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_file_that_cannot_be_loaded_does_not_hide_the_others() {
    let run = project("test('ok', () => {});")
        .file("src/gone.test.ts", "import { test } from 'vitest';\nimport { fresh } from './gone';\ntest('a', () => fresh());\n")
        .touched(&["src/shop.test.ts", "src/gone.test.ts"]);
    assert!(
        run.distrust.is_empty() && run.results.len() == 1,
        "{run:#?}"
    );
    assert_eq!(run.not_built[0].what, "src/gone.test.ts");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn only_what_was_asked_for_runs() {
    let mut project = project("test('a', () => {});\ntest('b', () => {});").file(
        "src/other.test.ts",
        "import { test } from 'vitest';\ntest('other', () => {});",
    );
    check(
        &project.only(&["src/shop.test.ts"], &["src/shop.test.ts::b"]),
        "passed src/shop.test.ts::b",
    );
    project.seed = Some(7);
    check(
        &project.all_with_canary(),
        "passed src/other.test.ts::other\npassed src/shop.test.ts::a\npassed src/shop.test.ts::b",
    );
}

#[test]
fn what_is_left_out_by_only_is_seen() {
    let run =
        project("test.only('a', () => {});\ntest('b', () => {});").touched(&["src/shop.test.ts"]);
    check_distrusted(&run, "was reported skipped");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_configuration_that_hides_failures_is_overruled() {
    let config = "import { defineConfig } from 'vitest/config';\nexport default defineConfig({ test: { retry: 3, bail: 1, pool: 'forks', isolate: false, globals: true, coverage: { enabled: true }, dangerouslyIgnoreUnhandledErrors: true, passWithNoTests: true } });\n";
    let run = project("test('a', () => {});\nlet n = 0;\ntest('b', () => { expect(n++).toBe(1); });\ntest('c', () => {});")
        .file("vitest.config.ts", config)
        .touched(&["src/shop.test.ts"]);
    check(
        &run,
        "
        passed src/shop.test.ts::a
        failed src/shop.test.ts::b
        passed src/shop.test.ts::c
    ",
    );
}

/// Each project has settings of its own, and one file may run in several of them.
fn projects(tests: &str) -> Project {
    project(tests)
        .file(
            "vitest.config.mjs",
            "\
export default { test: { projects: [
  { test: { name: 'plain', include: ['src/*.test.ts'], retry: 3, runner: './own.mjs' } },
  { extends: true, test: { name: 'far', include: ['src/*.test.ts'], env: { ZONE: 'far' }, bail: 1 } },
  './packages/*',
] } };",
        )
        .file(
            "packages/tool/tool.test.ts",
            "import { test } from 'vitest';\ntest('is alone', () => {});\n",
        )
        .file("packages/tool/package.json", "{\"name\": \"tool\"}")
}

#[test]
fn a_file_that_several_projects_run_has_its_tests_in_each() {
    let tests = "\
let n = 0;
test('is tried again', () => { expect(n++).toBe(1); });
test('depends', () => expect(process.env.ZONE).toBe('far'));
";
    let all = projects(tests).all_with_canary();
    check(
        &all,
        "
passed packages/tool/tool.test.ts::is alone
passed src/shop.test.ts [far]::depends
failed src/shop.test.ts [far]::is tried again
failed src/shop.test.ts [plain]::depends
failed src/shop.test.ts [plain]::is tried again
        ",
    );
    check_distrusted(
        &projects("test('ends', () => process.reallyExit(0));").touched(&["src/shop.test.ts"]),
        "planned and never reported",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_run_that_ends_early_is_not_believed() {
    check_tests(
        "test('a', () => { shop.leave(); });\ntest('b', () => {});",
        "
        failed src/shop.test.ts::a
        passed src/shop.test.ts::b
        ",
    );
    check_attack(
        "test('a', () => { process.reallyExit(0); });",
        "planned and never reported",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_state_that_is_changed_under_way_is_not_believed() {
    check_attack(
        "afterEach((ctx) => { ctx.task.result = { state: 'pass', errors: [] }; Object.defineProperty(ctx.task, 'result', { get: () => ({ state: 'pass' }), set() {} }); });\ntest('a', () => { throw new Error('x'); });",
        "although it raised",
    );
    check_attack(
        "expect.extend({ toBe: () => ({ pass: true, message: () => '' }) });\ntest('a', () => { expect(1).toBe(2); });",
        "the test that must fail",
    );
}

#[test]
fn a_line_in_the_pipe_is_not_believed() {
    check_attack(
        "import { writeSync } from 'node:fs';\ntest('a', () => { writeSync(3, '{\"secret\":\"x\",\"n\":0,\"event\":\"open\",\"stream\":\"src/shop.test.ts\"}\\n'); });",
        "somebody else opened a report",
    );
}

#[test]
fn an_error_beside_the_tests_is_seen() {
    let run = project("test('a', async () => { setTimeout(() => { throw new Error('x'); }, 1); await new Promise((ok) => setTimeout(ok, 30)); });").touched(&["src/shop.test.ts"]);
    check(&run, "passed src/shop.test.ts::a\nerrored vitest");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_test_without_an_end_is_timed_out() {
    let mut project = project("test('a', () => {});\ntest('b', () => { for (;;); });");
    project.timeout = Duration::from_secs(15);
    check_distrusted(
        &project.touched(&["src/shop.test.ts"]),
        "while `src/shop.test.ts::b` ran",
    );
}
