//! Honest fixes: what they do looks, to a hasty rule, like something that it is not.

use crate::site::{Case, Site, accepted};

/// Another bug's fix: something that takes a line of its own, shown by a test.
fn fix_names(site: &Site, line: &str) {
    site.without_fix();
    site.edit(
        "shop.py",
        "    return [item[\"name\"] for item in items]",
        line,
    );
    site.test("    def test_names_of_nothing(self):\n        self.assertEqual(names(None), [])\n");
    site.say("fix: names of nothing\n");
}

pub const CASES: &[Case] = &[
    accepted("a fix with its test", |_| {}),
    accepted("staged", |site| {
        site.git(["add", "--all"]);
        site.ask(&["check", "--staged", "--base", "main"]);
    }),
    accepted("a fix with a document", |site| {
        site.append("README.md", "The first price counts as well.\n");
    }),
    accepted("a fix with a long document", |site| {
        site.append("docs/guide.md", &"One line more.\n".repeat(120));
    }),
    accepted("a fix with an entry in a list of changes", |site| {
        site.write("CHANGELOG.md", "# Changes\n\n- The first price counts.\n");
    }),
    accepted("a fix with a fixture", |site| {
        site.write("tests/data/first.json", "{\"prices\": [3, 4]}\n");
    }),
    accepted("a fix with several tests", |site| {
        site.test("    def test_one(self):\n        self.assertEqual(total([5]), 5)\n");
    }),
    accepted("a fix with a new file of tests", |site| {
        site.git(["restore", "tests"]);
        site.write("tests/test_first.py", "import unittest\n\nfrom shop import total\n\n\nclass First(unittest.TestCase):\n    def test_first(self):\n        self.assertEqual(total([3, 4]), 7)\n");
    }),
    accepted("a fix in another alphabet", |site| {
        site.edit(
            "shop.py",
            "    result = 0\n",
            "    # Сумма всех цен, 合計\n    result = 0\n",
        );
    }),
    accepted("a message in another alphabet", |site| {
        site.say("fix: сумма корзины — 合計\n\nПервая цена терялась.\n");
    }),
    accepted("an emoji with joiners in a test", |site| {
        site.test("    def test_family(self):\n        self.assertEqual(names([{\"name\": \"👨\u{200d}👩\u{200d}👧\"}]), [\"👨\u{200d}👩\u{200d}👧\"])\n");
    }),
    accepted("accents in a literal", |site| {
        site.test("    def test_cafe(self):\n        self.assertEqual(names([{\"name\": \"café\"}]), [\"café\"])\n");
    }),
    accepted("a name with accents", |site| {
        site.write("tests/data/café.json", "{}\n");
    }),
    accepted("a hash in a test", |site| {
        site.test(
            "    DIGEST = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'\n",
        );
    }),
    accepted("a placeholder for a key", |site| {
        site.test("    def test_key(self):\n        api_key = 'your-api-key-here'\n        self.assertEqual(names([{\"name\": api_key}]), [api_key])\n");
    }),
    accepted("a documented example of a key", |site| {
        site.append(
            "README.md",
            "`AKIAIOSFODNN7EXAMPLE` is the example of the manual.\n",
        );
    }),
    accepted("a password that is asked for", |site| {
        site.append("README.md", "`password = os.environ['SHOP_PASSWORD']`\n");
    }),
    accepted("an address without a password", |site| {
        site.append("docs/guide.md", "postgres://localhost:5432/shop\n");
    }),
    accepted("a document that speaks of dropping tables", |site| {
        site.append(
            "docs/guide.md",
            "Never run `DROP TABLE cart`, nor `rm -rf /`.\n",
        );
    }),
    accepted("a comment that speaks of tests", |site| {
        site.edit(
            "shop.py",
            "    result = 0\n",
            "    # The tests of the shop show why all of them count.\n    result = 0\n",
        );
    }),
    accepted("a name that holds the word test", |site| {
        site.edit(
            "shop.py",
            "        result += price\n",
            "        latest = price\n        result += latest\n",
        );
    }),
    accepted("a call that is named like a deletion", |site| {
        fix_names(
            site,
            "    kept = list(items or [])\n    return [item[\"name\"] for item in kept]",
        );
    }),
    accepted("a fix with an exception", |site| {
        site.without_fix();
        site.edit("shop.py", "    result = 0\n", "    if discount > 100:\n        raise ValueError(\"a discount over the price\")\n    result = 0\n");
        site.test("    def test_too_much(self):\n        with self.assertRaises(ValueError):\n            total([1, 2], 101)\n");
    }),
    accepted("a fix that removes lines only", |site| {
        site.without_fix();
        site.git(["switch", "--quiet", "main"]);
        site.edit(
            "shop.py",
            "    result = 0\n",
            "    if not prices:\n        return None\n    result = 0\n",
        );
        site.edit(
            "tests/test_shop.py",
            "    def test_nothing(self):\n        self.assertEqual(total([]), 0)\n\n",
            "",
        );
        site.commit("feat: none");
        site.git(["switch", "--quiet", "--force-create", "koan/fix"]);
        site.edit("shop.py", "    if not prices:\n        return None\n", "");
        site.test("    def test_nothing(self):\n        self.assertEqual(total([]), 0)\n");
    }),
    accepted("a fix in two files", |site| {
        site.without_fix();
        site.edit("helpers.py", "return 2 * n", "return 2 * (n or 0)");
        site.edit(
            "shop.py",
            "return [item[\"name\"] for item in items]",
            "return [item[\"name\"] for item in items or []]",
        );
        site.write("tests/test_helpers.py", "import unittest\n\nfrom helpers import twice\n\n\nclass Twice(unittest.TestCase):\n    def test_none(self):\n        self.assertEqual(twice(None), 0)\n");
        site.test(
            "    def test_names_of_nothing(self):\n        self.assertEqual(names(None), [])\n",
        );
    }),
    accepted("a type in capital letters", |site| {
        site.say("Fix(shop): total of a cart\n");
    }),
    accepted("a breaking fix", |site| {
        site.say("fix!: total of a cart\n\nBREAKING CHANGE: the first price counts\n");
    }),
    accepted("a message with trailers of people", |site| {
        site.say("fix: total of a cart\n\nReviewed-by: A Reviewer <r@example.com>\nSigned-off-by: An Author <author@example.com>\n");
    }),
    accepted("a message that names the guard", |site| {
        site.say("fix: total of a cart\n\nkoan-guard found that the first price was left out.\n");
    }),
    accepted("a subject of 72 characters", |site| {
        site.say(format!("fix: {}\n", "x".repeat(67)));
    }),
    accepted("a test first, then the fix", |site| {
        site.git(["restore", "shop.py"]);
        site.say("test: the first price counts\n");
        site.commit_now();
        site.edit("shop.py", "prices[1:]", "prices");
        site.say("fix: total of a cart\n");
        site.commit_now();
    }),
    accepted("two fixes in two commits", |site| {
        site.commit_now();
        site.edit("shop.py", "for item in items]", "for item in items or []]");
        site.test(
            "    def test_names_of_nothing(self):\n        self.assertEqual(names(None), [])\n",
        );
        site.say("fix: names of nothing\n");
        site.commit_now();
    }),
    accepted("a clean merge of main", |site| {
        site.commit_now();
        site.git(["switch", "--quiet", "main"]);
        site.append("notes.txt", "four\n");
        site.commit("docs: a note");
        site.git(["switch", "--quiet", "koan/fix"]);
        site.git([
            "merge",
            "--quiet",
            "-m",
            "Merge branch 'main' into koan/fix",
            "main",
        ]);
    }),
    accepted("an author of another time zone and alphabet", |site| {
        site.commit_bytes("tree {tree}\nparent {parent}\nauthor Zoë 山 <z@example.com> 1767323045 +1245\ncommitter Zoë 山 <z@example.com> 1767323045 -0930\n\nfix: total of a cart\n".as_bytes());
    }),
    accepted("asked from a folder below", |site| {
        site.judge_in(site.root.join("tests"));
    }),
    accepted("a file without a line break at its end", |site| {
        let text = site.read("shop.py");
        site.write("shop.py", text.trim_end());
    }),
    accepted("a fix in a file with carriage returns", |site| {
        site.without_fix();
        site.git(["switch", "--quiet", "main"]);
        let text = site.read("shop.py").replace('\n', "\r\n");
        site.write("shop.py", &text);
        site.commit("chore: line ends");
        site.git(["switch", "--quiet", "--force-create", "koan/fix"]);
        site.fix();
    }),
    accepted("fifty lines", |site| {
        let table: String = (100..144).map(|n| format!("        {n}: 0,\n")).collect();
        site.edit(
            "shop.py",
            "    result = 0\n",
            &format!("    known = {{\n{table}    }}\n    result = known[100]\n"),
        );
    }),
    accepted("a deletion that a program is for", |site| {
        fix_names(
            site,
            "    found = dict(enumerate(items or []))\n    found.pop(None, None)\n    return [item[\"name\"] for item in found.values()]",
        );
    }),
    accepted("an old test gains an assertion", |site| {
        site.git(["restore", "tests"]);
        site.edit(
            "tests/test_shop.py",
            "50), 5)",
            "50), 5)\n        self.assertEqual(total([10, 10], 50), 10)",
        );
    }),
    accepted("an old test gets a better name", |site| {
        site.edit(
            "tests/test_shop.py",
            "def test_nothing",
            "def test_an_empty_cart",
        );
    }),
    accepted("notes of git and a hook that others put there", |site| {
        site.commit_now();
        site.git(["notes", "add", "-m", "read", "HEAD"]);
        site.write_script(".git/hooks/post-commit", "#!/bin/sh\nexit 0\n");
    }),
    accepted("an executable script among the fixtures", |site| {
        site.write_script("tests/data/run.sh", "#!/bin/sh\n");
    }),
];
