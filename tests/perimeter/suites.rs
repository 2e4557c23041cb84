//! Tests that are taken away or say less, and what only looks like a test.

use crate::site::{Case, kept_out};

pub const CASES: &[Case] = &[
    kept_out("no-test", "a fix without a test", |site| {
        site.git(["restore", "tests"]);
    }),
    kept_out("pending", "a test without a fix", |site| {
        site.git(["restore", "shop.py"]);
        site.say("fix: total of a cart\n");
    }),
    kept_out("test-deleted", "a file of tests is deleted", |site| {
        site.remove("web/app.test.js");
    }),
    kept_out("test-deleted", "an old test is deleted", |site| {
        site.edit(
            "tests/test_shop.py",
            "    def test_half(self):\n        self.assertEqual(total([0, 10], 50), 5)\n\n",
            "",
        );
    }),
    kept_out("test-skipped", "an old test is skipped", |site| {
        site.edit(
            "tests/test_shop.py",
            "    def test_half",
            "    @unittest.skip('slow')\n    def test_half",
        );
    }),
    kept_out("test-skipped", "an old test is expected to fail", |site| {
        site.edit(
            "tests/test_shop.py",
            "    def test_half",
            "    @unittest.expectedFailure\n    def test_half",
        );
    }),
    kept_out("test-skipped", "an old test skips itself", |site| {
        site.edit(
            "tests/test_shop.py",
            "    def test_half(self):\n",
            "    def test_half(self):\n        self.skipTest('slow')\n",
        );
    }),
    kept_out(
        "test-deleted",
        "an old test is renamed out of what is collected",
        |site| {
            site.edit("tests/test_shop.py", "def test_half", "def half");
        },
    ),
    kept_out(
        "test-deleted",
        "an old test is overwritten by another of its name",
        |site| {
            site.test("    def test_half(self):\n        self.assertEqual(total([4, 4], 50), 4)\n    test_names = None\n");
        },
    ),
    kept_out(
        "expectation-changed",
        "an old test expects something else",
        |site| {
            site.without_fix();
            site.edit("shop.py", "return result *", "return 1 + result *");
            site.edit("tests/test_shop.py", "50), 5)", "50), 6)");
            site.edit("tests/test_shop.py", "total([]), 0)", "total([]), 1)");
        },
    ),
    kept_out(
        "already-passes",
        "a test that is green without the fix",
        |site| {
            site.git(["restore", "tests"]);
            site.test("    def test_one(self):\n        self.assertEqual(total([0, 1]), 1)\n");
        },
    ),
    kept_out("already-passes", "a test that says nothing", |site| {
        site.git(["restore", "tests"]);
        site.test("    def test_one(self):\n        self.assertTrue(True)\n");
    }),
    kept_out("still-fails", "a fix that fixes nothing", |site| {
        site.git(["restore", "shop.py"]);
        site.line("A = 1");
    }),
    kept_out("broken", "a fix that breaks another test", |site| {
        site.line("\n\ndef names(items):\n    return []");
    }),
    kept_out(
        "production-code-under-tests",
        "production code under the name of a test",
        |site| {
            site.without_fix();
            site.write(
                "tests/helpers_for_shop.py",
                "def total(prices, discount=0):\n    return sum(prices)\n",
            );
            site.edit(
                "shop.py",
                "def total(prices",
                "from tests.helpers_for_shop import total as other\n\n\ndef total(prices",
            );
        },
    ),
    kept_out(
        "test-renamed-away",
        "a file of tests moves to where no test is",
        |site| {
            site.git(["mv", "web/app.test.js", "web/old.js"]);
        },
    ),
];
