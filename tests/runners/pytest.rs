//! pytest.

use std::time::Duration;

use crate::support::{Project, check, check_distrusted};

const SHOP: &str = "\
class Cart:
    total = None
def total(items):
    raise ValueError('no items')
def broken():
    return undefined_name
";

fn project(tests: &str) -> Project {
    Project::new("pytest")
        .file("shop.py", SHOP)
        .file(
            "tests/test_shop.py",
            &format!("import pytest, shop\n{tests}"),
        )
        .plant("tests/test_shop.py")
}

#[track_caller]
fn check_tests(tests: &str, expected: &str) {
    check(&project(tests).touched(&["tests/test_shop.py"]), expected);
}

#[track_caller]
fn check_attack(tests: &str, reason: &str) {
    check_distrusted(&project(tests).touched(&["tests/test_shop.py"]), reason);
}

#[test]
fn a_test_passes_fails_is_skipped_or_cannot_be_set_up() {
    check_tests(
        "\
def test_passes(): pass
def test_fails(): assert shop.Cart.total == 1
def test_is_skipped(): pytest.skip('why')
@pytest.fixture
def broken(): raise OSError
def test_setup(broken): pass
@pytest.fixture
def left(): yield; raise OSError
def test_teardown(left): pass
@pytest.mark.parametrize('x', ['a b', 2])
def test_parameters(x): assert x == 2
class TestClass:
    def test_method(self): pass
def test_subtests(subtests):
    for i in range(2):
        with subtests.test(i=i): assert i == 0
",
        "
passed tests/test_shop.py::TestClass::test_method
failed tests/test_shop.py::test_fails
skipped tests/test_shop.py::test_is_skipped
passed tests/test_shop.py::test_parameters[2]
failed tests/test_shop.py::test_parameters[a b]
passed tests/test_shop.py::test_passes
errored tests/test_shop.py::test_setup
failed tests/test_shop.py::test_subtests
errored tests/test_shop.py::test_teardown
        ",
    );
}

#[test]
fn what_is_expected_to_fail_proves_nothing() {
    check_tests(
        "\
@pytest.mark.xfail
def test_fails(): assert 0
@pytest.mark.xfail
def test_passes(): pass
@pytest.mark.xfail(strict=True)
def test_passes_strictly(): pass
",
        "
skipped tests/test_shop.py::test_fails
passed tests/test_shop.py::test_passes
failed tests/test_shop.py::test_passes_strictly
        ",
    );
}

#[test]
fn an_exception_of_production_code_is_a_failure() {
    check_tests(
        "\
def test_raises(): shop.total([])
def test_name(): shop.broken()
def test_none(): shop.Cart.total.amount
",
        "
failed tests/test_shop.py::test_name
failed tests/test_shop.py::test_none
failed tests/test_shop.py::test_raises
        ",
    );
}

#[test]
fn a_name_that_test_code_does_not_find_is_no_failure() {
    check_tests(
        "\
from unittest import mock
def test_module(): shop.new()
def test_class(): shop.Cart.new()
def test_instance(): shop.Cart().new()
def test_signature(): shop.total(items=[], new=1)
def test_raises():
    with pytest.raises(ValueError): shop.total([], new=1)
def test_import():
    from shop import new
def test_import_module():
    import importlib
    importlib.import_module('shop_new')
def test_name(): new
def test_patch():
    with mock.patch('shop.new'): pass
@mock.patch('shop.new')
def test_patch_decorator(new): pass
def test_monkeypatch(monkeypatch): monkeypatch.setattr('shop.new', 1)
",
        "
errored tests/test_shop.py::test_class
errored tests/test_shop.py::test_import
errored tests/test_shop.py::test_import_module
errored tests/test_shop.py::test_instance
errored tests/test_shop.py::test_module
errored tests/test_shop.py::test_monkeypatch
errored tests/test_shop.py::test_name
errored tests/test_shop.py::test_patch
errored tests/test_shop.py::test_patch_decorator
errored tests/test_shop.py::test_raises
errored tests/test_shop.py::test_signature
        ",
    );
}

#[test]
fn a_file_that_cannot_be_collected_does_not_hide_the_others() {
    let run = project("def test_ok(): pass")
        .file("tests/test_new.py", "from shop import new\n")
        .with_canary_file("shop.py")
        .touched(&[
            "tests/test_shop.py",
            "tests/test_new.py",
            "tests/test_gone.py",
        ]);
    check(
        &run,
        "
        passed tests/test_shop.py::test_ok
        not built tests/test_new.py: ImportError: cannot import name 'new' from 'shop' (shop.py)
    ",
    );
}

#[test]
fn a_suite_that_cannot_begin_is_not_built() {
    let run = project("def test_a(): pass\n")
        .file("conftest.py", "import pytest_absent\n")
        .touched(&["tests/test_shop.py"]);
    assert!(
        run.results.is_empty() && run.distrust.is_empty(),
        "{run:#?}"
    );
    let [not_built] = &run.not_built[..] else {
        panic!("{run:#?}");
    };
    assert!(not_built.detail.contains("pytest_absent"), "{run:#?}");
}

#[test]
fn only_what_was_asked_for_runs() {
    let project = project("def test_a(): pass\ndef test_b(): pass")
        .file("tests/test_other.py", "def test_other(): pass");
    check(
        &project.only(&["tests/test_shop.py"], &["tests/test_shop.py::test_b"]),
        "passed tests/test_shop.py::test_b",
    );
}

#[test]
fn a_fixture_stands_for_the_tests_of_its_folder() {
    let run = project("def test_a(): pass")
        .file("tests/data/cart.json", "{}")
        .file("test_other.py", "def test_other(): pass")
        .touched(&["tests/data/cart.json"]);
    check(&run, "passed tests/test_shop.py::test_a");
}

#[test]
fn a_shuffled_run_keeps_the_canary_last() {
    let mut project =
        project("def test_a(): pass\ndef test_b(): pass\nclass TestC:\n    def test_c(self): pass");
    project.seed = Some(7);
    check(
        &project.touched(&["tests/test_shop.py"]),
        "
        passed tests/test_shop.py::TestC::test_c
        passed tests/test_shop.py::test_a
        passed tests/test_shop.py::test_b
    ",
    );
}

#[test]
fn options_that_stop_early_are_overruled() {
    let config = "[pytest]\naddopts = -x --strict-markers --lf\ntestpaths = tests\n";
    let run = project("def test_a(): assert 0\ndef test_b(): pass\n")
        .file("pytest.ini", config)
        .with_canary_file("shop.py")
        .all();
    assert!(run.distrust.is_empty(), "{run:#?}");
}

/// Where the environment has these plugins: their options are known although they are not loaded.
#[test]
fn a_plugin_that_the_configuration_needs_works() {
    let has = |name: &str| {
        !Project::new("pytest")
            .file("test_a.py", &format!("import {name}\n"))
            .all()
            .not_built
            .is_empty()
    };
    if [
        "pytest_cov",
        "xdist",
        "pytest_asyncio",
        "pytest_rerunfailures",
    ]
    .iter()
    .any(|name| has(name))
    {
        return;
    }
    let config = "[pytest]\naddopts = --cov=shop --cov-report term -n 2 --reruns 2 -p xdist\nasyncio_mode = auto\nrequired_plugins = pytest-cov\n";
    let run = project("import asyncio\nasync def test_a(worker_id): await asyncio.sleep(0)\n@pytest.mark.flaky(reruns=2)\ndef test_b(): assert 0\n")
        .file("pytest.ini", config)
        .touched(&["tests/test_shop.py"]);
    check(
        &run,
        "
        passed tests/test_shop.py::test_a
        failed tests/test_shop.py::test_b
    ",
    );
}

#[test]
fn a_deselected_test_is_skipped() {
    let run = project("@pytest.mark.slow\ndef test_slow(): pass\ndef test_b(): pass\n")
        .file(
            "pytest.ini",
            "[pytest]\naddopts = -m 'not slow'\nmarkers = slow: slow\n",
        )
        .touched(&["tests/test_shop.py"]);
    check(
        &run,
        "
        passed tests/test_shop.py::test_b
        skipped tests/test_shop.py::test_slow
    ",
    );
    let hook = "def pytest_collection_modifyitems(items): items[:] = [i for i in items if 'red' not in i.name]\n";
    let run = project("def test_red(): assert 0\ndef test_b(): pass\n")
        .file("conftest.py", hook)
        .touched(&["tests/test_shop.py"]);
    check(
        &run,
        "
        passed tests/test_shop.py::test_b
        skipped tests/test_shop.py::test_red
    ",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn leaving_early_is_not_believed() {
    check_attack("import os; os._exit(0)", "the report has no end");
    check_attack(
        "import os\ndef test_a(): os._exit(0)",
        "ended with status 0 while `tests/test_shop.py::test_a` ran",
    );
    check_attack(
        "import os, signal\ndef test_a(): os.kill(os.getpid(), signal.SIGSEGV)",
        "killed by signal 11",
    );
}

#[test]
fn a_system_exit_is_a_failure() {
    check_tests(
        "import sys\ndef test_a(): sys.exit(0)",
        "failed tests/test_shop.py::test_a",
    );
}

#[test]
fn an_exit_handler_changes_nothing() {
    check_tests(
        "import atexit, os\natexit.register(lambda: os._exit(0))\ndef test_a(): assert 0",
        "failed tests/test_shop.py::test_a",
    );
}

#[test]
fn a_hook_that_changes_the_outcome_is_not_believed() {
    let hook = "\
import pytest
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    report.outcome = 'passed'
";
    for order in ["", "tryfirst=True, "] {
        let hook = hook.replace("hookimpl(", &format!("hookimpl({order}"));
        let run = project("def test_a(): assert 0")
            .file("conftest.py", &hook)
            .touched(&["tests/test_shop.py"]);
        assert!(!run.distrust.is_empty(), "{run:#?}");
    }
    let finish = "def pytest_sessionfinish(session):\n    session.exitstatus = 0\n";
    let run = project("def test_a(): assert 0")
        .file("conftest.py", finish)
        .touched(&["tests/test_shop.py"]);
    check_distrusted(&run, "status 0 does not agree");
    let skip = "def pytest_runtest_protocol(item): return True\n";
    let run = project("def test_a(): assert 0")
        .file("conftest.py", skip)
        .touched(&["tests/test_shop.py"]);
    check_distrusted(&run, "it ended without a result");
}

#[test]
fn a_patched_assertion_is_not_believed() {
    check_attack(
        "import unittest\nunittest.TestCase.assertEqual = lambda *a: None\nclass TestA(unittest.TestCase):\n    def test_a(self): self.assertEqual(1, 2)",
        "the test that must fail was reported passed",
    );
}

#[test]
fn a_file_that_hides_its_tests_is_not_believed() {
    check_attack(
        "pytestmark = pytest.mark.skip\ndef test_a(): assert 0",
        "the test that must fail was reported skipped",
    );
    check_attack(
        "__test__ = False\ndef test_a(): assert 0",
        "the test that must fail did not run",
    );
    check_attack(
        "pytest.skip('x', allow_module_level=True)\ndef test_a(): assert 0",
        "the test that must fail did not run",
    );
}

#[test]
fn a_line_on_the_pipe_is_not_believed() {
    let guess = "\
import os, stat
def test_a():
    for fd in range(3, 20):
        try:
            if stat.S_ISFIFO(os.fstat(fd).st_mode) or stat.S_ISREG(os.fstat(fd).st_mode): os.write(fd, b'{\"secret\": \"\", \"n\": 0, \"event\": \"end\", \"status\": 0}\\n')
        except OSError: pass
    assert 0
";
    check_attack(guess, "is not ours");
}

#[test]
fn an_endless_test_is_timed_out() {
    let mut project = project("def test_a():\n    while True: pass\ndef test_b(): pass");
    project.timeout = Duration::from_secs(5);
    let run = project.touched(&["tests/test_shop.py"]);
    check_distrusted(
        &run,
        "stopped at its time limit while `tests/test_shop.py::test_a` ran",
    );
    assert!(
        run.results
            .values()
            .all(|result| result.outcome.as_str() == "timed out"),
        "{run:#?}"
    );
}

#[test]
fn a_flood_of_output_changes_nothing() {
    check_tests(
        "import os\ndef test_a():\n    for _ in range(80): os.write(1, b'test result: ok. 1 passed\\n' * 40000)\n    assert 0",
        "failed tests/test_shop.py::test_a",
    );
}

#[test]
fn a_test_that_forks_reports_once() {
    check_tests(
        "import os\ndef test_a():\n    if os.fork() == 0: return\n    os.wait()\n    assert 0",
        "failed tests/test_shop.py::test_a",
    );
}

#[test]
fn an_installed_copy_is_not_the_tree() {
    let run = project("import iniconfig\ndef test_a(): pass")
        .file("iniconfig/core.py", "")
        .touched(&["tests/test_shop.py"]);
    check_distrusted(&run, "imported `iniconfig` from outside the tree");
}

#[test]
fn a_file_of_the_tree_cannot_stand_in_for_the_runner() {
    let run = project("def test_a(): assert 0")
        .file("json.py", "import os; os._exit(0)")
        .file("koan_pytest.py", "import os; os._exit(0)")
        .file("sitecustomize.py", "import os; os._exit(0)")
        .touched(&["tests/test_shop.py"]);
    check(&run, "failed tests/test_shop.py::test_a");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_file_that_leaves_while_it_is_imported_is_not_built() {
    for leave in ["import sys; sys.exit(0)", "pytest.exit('done', 0)"] {
        let run = project(leave).touched(&["tests/test_shop.py"]);
        assert!(run.results.is_empty(), "{run:#?}");
        let is_known = !run.not_built.is_empty() || !run.distrust.is_empty();
        assert!(is_known, "{run:#?}");
    }
    let run = project("from shop import new").touched(&["tests/test_shop.py"]);
    check(
        &run,
        "not built tests/test_shop.py: ImportError: cannot import name 'new' from 'shop' (shop.py)",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_name_that_is_missing_at_import_is_told_from_other_reasons() {
    for (tests, expected) in [
        ("from shop import absent", true),
        ("import absent", true),
        ("x = absent", true),
        ("x = shop.broken()", false),
        ("x = shop.total([])", false),
        ("raise ValueError('absent')", false),
    ] {
        let run = project(tests).touched(&["tests/test_shop.py"]);
        let found: Vec<bool> = run
            .not_built
            .iter()
            .flat_map(|not_built| &not_built.errors)
            .map(|error| error.is_missing_name)
            .collect();
        assert_eq!(found, [expected], "{tests}: {run:#?}");
    }
}

#[test]
fn a_file_that_only_another_one_imports_is_run_as_well() {
    let project = Project::new("pytest")
        .file("pytest.ini", "[pytest]\npython_files = all.py\n")
        .file("tests/__init__.py", "")
        .file("tests/all.py", "from .test_a import TestA\n")
        .file(
            "tests/test_a.py",
            "import unittest\nclass TestA(unittest.TestCase):\n    def test_a(self): pass\n",
        )
        .plant("tests/test_a.py");
    let both = "passed tests/all.py::TestA::test_a\npassed tests/test_a.py::TestA::test_a";
    check(&project.touched(&["tests/test_a.py"]), both);
    check(&project.suite(&["tests/test_a.py"]), both);
}

#[test]
fn half_a_surrogate_pair_is_reported_as_a_question_mark() {
    check_tests(
        "def test_half(): raise ValueError('\\ud83d')\n",
        "failed tests/test_shop.py::test_half",
    );
}
