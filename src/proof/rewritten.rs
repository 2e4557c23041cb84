//! Old tests that the change makes say less without turning them red: a test may be weakened today and the code broken tomorrow.
//!
//! More assertions, other data and other names are no matter: an old test that says more is as good as before.

use std::sync::LazyLock;

use regex::Regex;

use super::Doubt;
use super::bodies::{Heads, names};
use super::renamed::Renames;
use super::smells::languages::pattern;
use super::split::Split;
use crate::change::Change;
use crate::suite::{Outcome, TestId, TestRun};

/// Tests that passed at the parent, that say less now, and that are not among the FAIL_TO_PASS tests.
pub(super) fn doubts<'a>(
    change: &Change,
    split: &Split,
    parent: &TestRun,
    fail_to_pass: impl Iterator<Item = &'a TestId> + Clone,
    renames: &Renames,
) -> Vec<Doubt> {
    let has_passed = |name: &str| {
        let mut passed = parent
            .results
            .iter()
            .filter(|(_, result)| result.outcome == Outcome::Passed);
        passed.any(|(test, _)| names(test, name))
    };
    let mut doubts = Vec::new();
    for path in split.test_files() {
        let (Some(file), Some(heads)) = (change.file(&path), Heads::of(&path)) else {
            continue;
        };
        let (Some(old), Some(new)) = (&file.old, &file.new) else {
            continue;
        };
        let (Some(old), Some(new)) = (old.content.text(), new.content.text()) else {
            continue;
        };
        let (old, new) = (heads.bodies(old), heads.bodies(new));
        for (name, texts) in &old {
            let is_weaker = match new.get(name) {
                Some(new) => says_less(texts, new),
                None => !renames.has(name),
            };
            let is_shown = || fail_to_pass.clone().any(|test| names(test, name));
            if is_weaker && has_passed(name) && !is_shown() {
                doubts.push(Doubt::OldTestRewritten {
                    path: path.clone(),
                    name: (*name).to_owned(),
                });
            }
        }
    }
    doubts
}

// Go asserts by a comparison and a call.
const ASSERTIONS: [&str; 10] = [
    "assert", "expect", "raises", "should", "fail", "must_", "wont_", ".Error", ".Fatal", " != ",
];
const ESCAPES: [&str; 9] = [
    "return", "except", "catch", "if ", "skip", "xfail", "rescue", "unless ", "pending",
];

/// Whether an assertion of the old text is gone, or the new text has more ways round its assertions.
fn says_less(old: &[String], new: &[String]) -> bool {
    !all_among(&marked(old, &ASSERTIONS), &marked(new, &ASSERTIONS)) || has_more_escapes(old, new)
}

/// Whether the new text has as many assertions as the old one, no more ways round them, and all of its data: what a test that gets parameters
/// has above its assertions then.
pub(super) fn keeps_data(old: &[String], new: &[String]) -> bool {
    static LITERAL: LazyLock<Regex> =
        LazyLock::new(|| pattern(r#""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\b\d[\w.]*"#));
    let data = |texts: &[String]| -> Vec<String> {
        let found = texts.iter().flat_map(|text| LITERAL.find_iter(text));
        found
            .map(|literal| literal.as_str().replace('\'', "\""))
            .collect()
    };
    let n_assertions = |texts: &[String]| marked(texts, &ASSERTIONS).len();
    n_assertions(new) >= n_assertions(old)
        && !has_more_escapes(old, new)
        && all_among(&data(old), &data(new))
}

/// The lines that have one of these in them.
fn marked(texts: &[String], marks: &[&str]) -> Vec<String> {
    let lines = texts.iter().flat_map(|text| text.lines());
    let marked = lines.filter(|line| marks.iter().any(|mark| line.contains(mark)));
    marked.map(str::to_owned).collect()
}

fn has_more_escapes(old: &[String], new: &[String]) -> bool {
    marked(new, &ESCAPES).len() > marked(old, &ESCAPES).len()
}

/// Whether each of `these` stands there, as often as here.
fn all_among(these: &[String], there: &[String]) -> bool {
    let mut left: Vec<&String> = there.iter().collect();
    these
        .iter()
        .all(|one| match left.iter().position(|other| *other == one) {
            Some(at) => {
                left.swap_remove(at);
                true
            }
            None => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the functions that say less.
    #[track_caller]
    fn check(keyword: &'static str, old: &str, new: &str, expected: &str) {
        let heads = Heads::Keyword(keyword);
        let (old, new) = (heads.bodies(old), heads.bodies(new));
        let rewritten: Vec<&str> = old
            .iter()
            .filter(|(name, texts)| new.get(*name).is_none_or(|new| says_less(texts, new)))
            .map(|(name, _)| *name)
            .collect();
        assert_eq!(rewritten.join(" "), expected);
    }

    const PYTHON: &str = "import x\n\n\n@mark(\n    1,\n)\ndef test_a():\n    assert a == 1\n\n\nclass T:\n    def test_b(self):\n        # why\n        assert b == 2\n";

    #[test]
    fn a_python_test_is_its_decorators_and_its_block() {
        let edit = |from: &str, to: &str| PYTHON.replace(from, to);
        check("def ", PYTHON, &edit("a == 1", "a"), "test_a");
        check("def ", PYTHON, &edit("    1,", "    2,"), "");
        check(
            "def ",
            PYTHON,
            &edit(
                "    assert a == 1",
                "    b = 2\n    assert a == 1\n    assert b",
            ),
            "",
        );
        check(
            "def ",
            PYTHON,
            &edit("    assert a", "    return\n    assert a"),
            "test_a",
        );
        check(
            "def ",
            PYTHON,
            &edit("    def test_b", "    @skip\n    def test_b"),
            "test_b",
        );
        check("def ", PYTHON, &edit("def test_b", "def other"), "test_b");
        check("def ", PYTHON, &edit("# why", "# because"), "");
        check("def ", PYTHON, &edit("import x", "import y"), "");
        check(
            "def ",
            PYTHON,
            &format!("{PYTHON}\n    def test_c(self):\n        pass\n"),
            "",
        );
    }

    #[test]
    fn ruby_and_php_tests_are_methods() {
        let ruby = "class T\n  def test_a\n    assert_equal 1, a\n  end\n  def test_b\n    b.must_equal 2\n  end\nend\n";
        check(
            "def ",
            ruby,
            &ruby.replace("_equal 1", "_equal 2"),
            "test_a",
        );
        check(
            "def ",
            ruby,
            &ruby.replace("    b.m", "    return\n    b.m"),
            "test_b",
        );
        check("def ", ruby, &ruby.replace("class T", "class U"), "");
        let php = "class T\n{\n    public function testA(): void\n    {\n        $this->assertSame(1, 1);\n    }\n}\n";
        check("function ", php, &php.replace("1, 1", "1, 2"), "testA");
        check("function ", php, &php.replace("class T", "class U"), "");
    }

    const RUST: &str = "mod tests {\n    use super::*;\n    #[test]\n    fn a() {\n        assert_eq!(1, 1);\n    }\n    #[test]\n    fn b() {\n        for x in y {\n            assert!(x);\n        }\n    }\n}\n";

    #[test]
    fn a_go_test_compares_and_complains() {
        let go = "func TestA(t *testing.T) {\n\tif got := A(); got != 1 {\n\t\tt.Errorf(\"%d\", got)\n\t}\n}\n";
        let edit = |from: &str, to: &str| go.replace(from, to);
        check("func ", go, &edit("got != 1", "got == 9"), "TestA");
        check("func ", go, &edit("t.Errorf", "t.Logf"), "TestA");
        check(
            "func ",
            go,
            &edit(
                "TestA(t *testing.T) {\n",
                "TestA(t *testing.T) {\n\tt.Helper()\n",
            ),
            "",
        );
    }

    #[test]
    fn a_rust_test_is_its_attributes_and_its_block() {
        let edit = |from: &str, to: &str| RUST.replace(from, to);
        check("fn ", RUST, &edit("1, 1", "1, 2"), "a");
        check(
            "fn ",
            RUST,
            &edit(
                "    #[test]\n    fn b",
                "    #[test]\n    #[should_panic]\n    fn b",
            ),
            "",
        );
        check("fn ", RUST, &edit("assert!(x)", "drop(x)"), "b");
        check(
            "fn ",
            RUST,
            &edit("    fn a() {\n", "    fn a() {}\n    fn a_() {\n"),
            "a",
        );
        check(
            "fn ",
            RUST,
            &edit(
                "    #[test]\n    fn b",
                "    #[test]\n    fn c() {}\n\n    #[test]\n    fn b",
            ),
            "",
        );
        check(
            "fn ",
            RUST,
            &edit("use super::*;", "use super::{a, b};"),
            "",
        );
    }

    /// Whether `test_a`, which becomes `new`, is a doubt. `parent`: its outcome there.
    #[track_caller]
    fn check_doubt(new: &str, parent: Outcome, fail_to_pass: &str, expected: bool) {
        let old = "def test_a():\n    assert 1 == 1\n    assert 2 == 2\n";
        let path = "tests/test_x.py";
        let test = crate::git::testing::TestRepo::new();
        let trees = [old, new].map(|text| {
            test.write(path, text).commit("a tree");
            test.id("HEAD^{tree}")
        });
        let change = test.open().diff(trees[0], trees[1]).expect("a diff");
        let policy = "version: 1\nextends: [default, python]\n";
        let policy = crate::policy::Policy::load(policy, "p.yaml").expect("loads");
        let split = Split::of(&change, &policy, |_| false).expect("a split");
        let mut run = TestRun::default();
        let id = |name: &str| TestId(format!("{path}::{name}"));
        let result = crate::suite::TestResult::new(parent, "");
        run.results.insert(id("test_a"), result);
        let shown = [id(fail_to_pass)];
        let renames = Renames::of(&change, &split);
        let doubts = doubts(&change, &split, &run, shown.iter(), &renames);
        assert_eq!(!doubts.is_empty(), expected, "{doubts:?}");
    }

    #[test]
    fn only_a_test_that_passed_and_shows_nothing_now_is_a_doubt() {
        let less = "def test_a():\n    assert 1 == 1\n";
        let same = "def test_a():\n    assert 1 == 1\n    assert 2 == 2\n    assert 3 == 3\n";
        let renamed = "def test_b():\n    assert 1 == 1\n    assert 2 == 2\n";
        let gone = "def test_b():\n    assert 1 == 1\n";
        check_doubt(less, Outcome::Passed, "test_n", true);
        check_doubt(less, Outcome::Passed, "test_a", false);
        check_doubt(less, Outcome::Failed, "test_n", false);
        check_doubt(same, Outcome::Passed, "test_n", false);
        check_doubt(renamed, Outcome::Passed, "test_n", false);
        check_doubt(gone, Outcome::Passed, "test_n", true);
    }
}
