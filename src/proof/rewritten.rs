//! Old tests that the change makes say less without turning them red: a test may be weakened today and the code broken tomorrow.
//!
//! More assertions, other data and other names are no matter: an old test that says more is as good as before.

use std::collections::{BTreeMap, BTreeSet};

use super::Doubt;
use super::smells::function_name;
use super::split::Split;
use crate::change::Change;
use crate::suite::{Outcome, TestId, TestRun};

/// Tests that passed at the parent, that say less now, and that are not among the FAIL_TO_PASS tests.
pub(super) fn doubts<'a>(
    change: &Change,
    split: &Split,
    parent: &TestRun,
    fail_to_pass: impl Iterator<Item = &'a TestId>,
) -> Vec<Doubt> {
    let shown: BTreeSet<&str> = fail_to_pass.map(|test| function_name(&test.0)).collect();
    let passed = parent
        .results
        .iter()
        .filter(|(_, result)| result.outcome == Outcome::Passed);
    let names: BTreeSet<&str> = passed.map(|(test, _)| function_name(&test.0)).collect();
    let mut doubts = Vec::new();
    for path in split.test_files() {
        let Some(file) = change.file(&path) else {
            continue;
        };
        let Some(keyword) = keyword(path.extension()) else {
            continue;
        };
        let (Some(old), Some(new)) = (&file.old, &file.new) else {
            continue;
        };
        let (Some(old), Some(new)) = (old.content.text(), new.content.text()) else {
            continue;
        };
        let (old, new) = (functions(keyword, old), functions(keyword, new));
        for (name, texts) in &old {
            let is_weaker = new.get(name).is_none_or(|new| says_less(texts, new));
            if is_weaker && names.contains(name) && !shown.contains(name) {
                doubts.push(Doubt::OldTestRewritten {
                    path: path.clone(),
                    name: (*name).to_owned(),
                });
            }
        }
    }
    doubts
}

/// Whether an assertion of the old text is gone, or the new text has more ways round its assertions.
fn says_less(old: &[String], new: &[String]) -> bool {
    const ASSERTIONS: [&str; 7] = [
        "assert", "expect", "raises", "should", "fail", "must_", "wont_",
    ];
    const ESCAPES: [&str; 9] = [
        "return", "except", "catch", "if ", "skip", "xfail", "rescue", "unless ", "pending",
    ];
    let lines = |texts: &[String], marks: &[&str]| -> Vec<String> {
        let lines = texts.iter().flat_map(|text| text.lines());
        let marked = lines.filter(|line| marks.iter().any(|mark| line.contains(mark)));
        marked.map(str::to_owned).collect()
    };
    let mut left = lines(new, &ASSERTIONS);
    let is_kept = |line: &String| match left.iter().position(|other| other == line) {
        Some(at) => {
            left.swap_remove(at);
            true
        }
        None => false,
    };
    let keeps_all = lines(old, &ASSERTIONS).iter().all(is_kept);
    !keeps_all || lines(new, &ESCAPES).len() > lines(old, &ESCAPES).len()
}

fn keyword(extension: Option<&[u8]>) -> Option<&'static str> {
    match extension? {
        b"py" | b"rb" => Some("def "),
        b"php" => Some("function "),
        b"rs" => Some("fn "),
        _ => None,
    }
}

/// The functions of a source by name, each with its lines from its first attribute or decorator to its end, as the indentation tells. White
/// space around lines, blank lines and comments do not count.
fn functions<'a>(keyword: &str, text: &'a str) -> BTreeMap<&'a str, Vec<String>> {
    let lines: Vec<&str> = text.lines().collect();
    let mut functions: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = defined(keyword, line) else {
            continue;
        };
        let is_above = |line: &&&str| {
            !line.trim().is_empty() && indent(line) >= indent(lines[at]) && !ends_block(line)
        };
        let n_above = lines[..at].iter().rev().take_while(is_above).count();
        let is_inside = |below: &&&str| {
            below.trim().is_empty()
                || indent(below) > indent(line)
                || indent(below) == indent(line) && closes(below)
        };
        let n_below = lines[at + 1..].iter().take_while(is_inside).count();
        let own = lines[at - n_above..=at + n_below].iter();
        let own = own.map(|line| line.trim());
        let own = own.filter(|line| {
            !line.is_empty()
                && !line.starts_with("//")
                && (!line.starts_with('#') || line.starts_with("#["))
        });
        functions
            .entry(name)
            .or_default()
            .push(own.collect::<Vec<_>>().join("\n"));
    }
    functions
}

/// The name of the function that a line begins.
fn defined<'a>(keyword: &str, line: &'a str) -> Option<&'a str> {
    let (before, rest) = line.split_once(keyword)?;
    let is_head = before.chars().all(|c| {
        c.is_alphanumeric()
            || c.is_whitespace()
            || matches!(c, '(' | ')' | '#' | '[' | ']' | '_' | ':')
    });
    let name = rest
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .next()?;
    (is_head && !name.is_empty()).then_some(name)
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// A line at a function's own indentation that still belongs to it.
fn closes(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with(['{', '}', ')', ']']) || line.starts_with("where")
}

/// What stands above and belongs to something else.
fn ends_block(line: &str) -> bool {
    let line = line.trim();
    matches!(line, "}" | "{" | "end")
        || line.ends_with('{') && !line.starts_with("#[")
        || line.starts_with("class ")
        || line.ends_with(';')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the functions that say less.
    #[track_caller]
    fn check(keyword: &str, old: &str, new: &str, expected: &str) {
        let (old, new) = (functions(keyword, old), functions(keyword, new));
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
}
