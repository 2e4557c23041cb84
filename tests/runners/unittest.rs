//! unittest.

use crate::support::{Project, check, check_distrusted};

const HEAD: &str = "import os, sys, unittest, shop\n";

fn project(tests: &str) -> Project {
    Project::new("unittest")
        .file(
            "shop.py",
            "class Cart:\n    total = None\ndef total(items): raise ValueError('no items')\n",
        )
        .file("tests/__init__.py", "")
        .file("tests/test_shop.py", &format!("{HEAD}{tests}"))
        .plant("tests/test_shop.py")
}

fn case(methods: &str) -> String {
    format!("class A(unittest.TestCase):\n{methods}")
}

#[track_caller]
fn check_tests(methods: &str, expected: &str) {
    check(
        &project(&case(methods)).touched(&["tests/test_shop.py"]),
        expected,
    );
}

#[track_caller]
fn check_attack(tests: &str, reason: &str) {
    check_distrusted(&project(tests).touched(&["tests/test_shop.py"]), reason);
}

#[test]
fn a_test_passes_fails_or_is_skipped() {
    check_tests(
        "
    def test_passes(self): pass
    def test_fails(self): self.assertEqual(1, 2)
    def test_production_raises(self): shop.total([])
    def test_none(self): shop.Cart.total.amount
    def test_new_name(self): shop.new()
    def test_new_argument(self):
        self.assertRaises(ValueError, shop.total, items=[], new=1)
    def test_is_skipped(self): self.skipTest('why')
    @unittest.expectedFailure
    def test_expected(self): self.fail()
    @unittest.expectedFailure
    def test_unexpected(self): pass
    def test_subtests(self):
        for i in range(2):
            with self.subTest(i=i): self.assertEqual(i, 0)
    def test_skipped_subtest(self):
        with self.subTest(): self.skipTest('why')
    def test_exit(self): sys.exit(0)
",
        "
        failed tests.test_shop.A.test_exit
        skipped tests.test_shop.A.test_expected
        failed tests.test_shop.A.test_fails
        skipped tests.test_shop.A.test_is_skipped
        errored tests.test_shop.A.test_new_argument
        errored tests.test_shop.A.test_new_name
        failed tests.test_shop.A.test_none
        passed tests.test_shop.A.test_passes
        failed tests.test_shop.A.test_production_raises
        skipped tests.test_shop.A.test_skipped_subtest
        failed tests.test_shop.A.test_subtests
        failed tests.test_shop.A.test_unexpected
        ",
    );
}

#[test]
fn what_cannot_be_set_up_is_errored() {
    let tests = "
class A(unittest.TestCase):
    def setUp(self): raise OSError
    def test_a(self): pass
class B(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise OSError
    def test_b(self): pass
class C(unittest.TestCase):
    def tearDown(self): raise OSError
    def test_c(self): pass
class D(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise unittest.SkipTest('why')
    def test_d(self): pass
class E(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self): raise OSError
    async def test_e(self): pass
";
    check(
        &project(tests).touched(&["tests/test_shop.py"]),
        "
        errored setUpClass (tests.test_shop.B)
        errored tests.test_shop.A.test_a
        errored tests.test_shop.B.test_b
        errored tests.test_shop.C.test_c
        skipped tests.test_shop.D.test_d
        errored tests.test_shop.E.test_e
    ",
    );
}

#[test]
fn a_module_that_does_not_import_hides_nothing_else() {
    let run = project(&case("    def test_a(self): pass"))
        .file("tests/test_new.py", "import shop_new\n")
        .all();
    check(
        &run,
        "
        passed tests.test_shop.A.test_a
        failed tests.test_shop.Test_koan_0123456789abcdef.test_koan_0123456789abcdef
        not built tests/test_new.py: ModuleNotFoundError: No module named 'shop_new'
    ",
    );
}

#[test]
fn only_what_was_asked_for_runs() {
    let project = project(&case(
        "    def test_a(self): pass\n    def test_b(self): pass",
    ));
    check(
        &project.only(&["tests/test_shop.py"], &["tests.test_shop.A.test_b"]),
        "passed tests.test_shop.A.test_b",
    );
}

#[test]
fn a_source_folder_is_no_part_of_a_name() {
    let run = Project::new("unittest")
        .file("src/shop/__init__.py", "")
        .file(
            "src/shop/test_shop.py",
            "import unittest, shop\nclass A(unittest.TestCase):\n    def test_a(self): pass\n",
        )
        .file(
            "tests/unit/test_plain.py",
            "import unittest, shop\nclass B(unittest.TestCase):\n    def test_b(self): pass\n",
        )
        .all();
    check(
        &run,
        "
        passed shop.test_shop.A.test_a
        passed tests.unit.test_plain.B.test_b
    ",
    );
}

#[test]
fn a_test_that_load_tests_leaves_out_is_skipped() {
    let tests = case("    def test_a(self): self.fail()\n    def test_b(self): pass")
        + "\ndef load_tests(loader, tests, pattern): return loader.loadTestsFromNames(['tests.test_shop.A.test_b', 'tests.test_shop.Test_koan_0123456789abcdef'])\n";
    check(
        &project(&tests).touched(&["tests/test_shop.py"]),
        "
        skipped tests.test_shop.A.test_a
        passed tests.test_shop.A.test_b
    ",
    );
}

#[test]
fn a_load_tests_that_names_its_classes_need_not_know_the_canary() {
    let tests = case("    def test_a(self): self.fail()\n    def test_b(self): pass")
        + "\ndef load_tests(loader, tests, pattern): return loader.loadTestsFromTestCase(A)\n";
    check(
        &project(&tests).touched(&["tests/test_shop.py"]),
        "
        failed tests.test_shop.A.test_a
        passed tests.test_shop.A.test_b
    ",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn attacks_are_not_believed() {
    check_attack("os._exit(0)", "the report has no end");
    check_attack(
        &case("    def test_a(self): os._exit(0)"),
        "while `tests.test_shop.A.test_a` ran",
    );
    check_attack(
        "unittest.TestCase.assertEqual = lambda *a: None",
        "was reported passed",
    );
    check_attack(
        "unittest.TestCase.run = lambda self, result=None: None",
        "planned and never reported",
    );
    check_attack(
        "unittest.TestLoader.getTestCaseNames = lambda *a: []",
        "was reported skipped",
    );
    check_attack(
        "def load_tests(loader, tests, pattern): return unittest.TestSuite()",
        "was reported skipped",
    );
    check_attack("raise unittest.SkipTest('x')", "did not run");
    check_attack(
        &case(
            "    def run(self, result): result.startTest(self); result.stopTest(self)\n    def test_a(self): pass",
        ),
        "it ended without a result",
    );
}

#[test]
fn an_exit_handler_changes_nothing() {
    check(
        &project(
            &("import atexit\natexit.register(lambda: os._exit(0))\n".to_owned()
                + &case("    def test_a(self): self.fail()")),
        )
        .touched(&["tests/test_shop.py"]),
        "failed tests.test_shop.A.test_a",
    );
}

#[test]
fn a_file_that_leaves_while_it_is_imported_is_not_built() {
    let run = project("sys.exit(0)").touched(&["tests/test_shop.py"]);
    check(&run, "not built tests/test_shop.py: SystemExit: 0");
}
