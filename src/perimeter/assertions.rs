//! Tests that ask for less than before: fewer assertions, looser comparisons, wider tolerances; and changes whose only tests are snapshots.
//!
//! Told from the text, so it only warns by default: the proof runs the old tests against the new code, and that decides.

use std::collections::BTreeMap;

use gix::bstr::ByteSlice as _;

use super::text::shown;
use super::{Judged, Objection, deletions, rust_tests};
use crate::change::FileVersion;
use crate::policy::{self, Rule};
use crate::suite::inline;

/// Words of assertions, one at least in each line that is one.
const ASSERTS: &[&str] = &[
    "assert",
    "Assert",
    "expect(",
    "expect ",
    "expect{",
    ".should",
    "must_",
    "wont_",
    "raises(",
    ".Error(",
    ".Errorf(",
    ".Fatal(",
    ".Fatalf(",
    "require.",
    "verify(",
    "Verify(",
    "refute",
    "flunk",
    ".fail(",
    "isEqualTo",
    "toThrow",
];

/// Those that say what a value is.
const EXACT: &[&str] = &[
    " == ",
    " === ",
    "Equal",
    "equal(",
    "eql(",
    "Same(",
    "toBe(",
    "assert_eq!",
    "assert_equal",
    "must_equal",
    "to eq",
    "AreEqual",
    "isEqualTo",
];

/// Those that say something of it.
const LOOSE: &[&str] = &[
    "assertTrue",
    "assertIn(",
    "NotNone",
    "NotNull",
    "NotNil",
    "NotEmpty",
    "Contains",
    "InstanceOf",
    "IsInstance",
    "Greater",
    "Less",
    "Regex",
    "assert_match",
    "assert_includes",
    "assert_kind_of",
    "assert_not_nil",
    "refute_nil",
    "toBeTruthy",
    "toBeDefined",
    "toContain",
    "toMatch",
    "toHaveProperty",
    "assert.ok(",
    "be_truthy",
    "be_present",
    "to include",
    "to match",
    "must_include",
    "must_match",
    "assert!(",
    ".True(",
    "isNotNull(",
    "isTrue(",
    "expect.any",
    "to.be.ok",
    "to.exist",
    "to.contain",
    "to.include",
    " in ",
    " is not None",
    " != nil",
    "assert ",
    "ANY",
];

/// Words beside which a larger number asks for less, and those beside which a smaller one does.
const TOLERANCES: &[&str] = &[
    "approx",
    "delta",
    "rel_tol",
    "abs_tol",
    "rel=",
    "abs=",
    "rtol",
    "atol",
    "epsilon",
    "be_within",
    "InDelta",
    "InEpsilon",
    "isCloseTo",
    "tolerance",
];
const DIGITS: &[&str] = &["places", "toBeCloseTo", "AlmostEqual", "decimal", "closeTo"];

/// Names of files that a tool writes for a test to compare with.
const SNAPSHOTS: &[&str] = &[
    "*.snap",
    "*.ambr",
    "*.golden",
    "*.approved.txt",
    "*.verified.txt",
    "*.stdout",
    "*.stderr",
    "__snapshots__/*",
    "snapshots/*",
    "golden/*",
    "goldens/*",
    "expected/*",
    "*.expected",
    "*.snapshot",
    "*.shot",
];

/// Tests that were there before and ask for less.
pub(super) fn weakened(files: &[Judged]) -> Vec<Objection> {
    let mut objections = Vec::new();
    for judged in files.iter().filter(|judged| may_ask_for_less(judged)) {
        let path = &judged.file.path;
        let [old, new] = both(judged);
        for (name, old) in &old {
            let Some(new) = new.get(name) else {
                continue;
            };
            let of = match name.is_empty() {
                true => format!("`{path}`"),
                false => format!("`{}` of `{path}`", shown(name)),
            };
            let (n_old, n_new) = (n_lines(old, ASSERTS), n_lines(new, ASSERTS));
            if n_new < n_old {
                let fact = format!("{of} has {n_new} lines of assertions, {n_old} before");
                objections.push(Objection::file(Rule::AssertionWeakened, path, fact));
            } else if is_looser(old, new) {
                let fact = format!("{of} says less exactly what it expects");
                objections.push(Objection::file(Rule::AssertionWeakened, path, fact));
            }
        }
        objections.extend(wider(judged));
    }
    objections
}

/// A look at the lines, so that most files need not be read as a whole.
fn may_ask_for_less(judged: &Judged) -> bool {
    let file = judged.file;
    let is_rust = file.path.extension() == Some(b"rs");
    let asserts = |line: &[u8]| ASSERTS.iter().any(|word| line.contains_str(word));
    file.old.is_some()
        && file.new.is_some()
        && (judged.is_test() || is_rust)
        && file.removed_lines().any(|(_, line)| asserts(line))
}

/// Names and bodies of the tests in both versions, but perhaps for those that are as they were.
fn both(judged: &Judged) -> [BTreeMap<String, String>; 2] {
    let file = judged.file;
    if file.path.extension() == Some(b"rs")
        && let Some(both) = rust_tests::changed(judged)
    {
        let [olds, news] = &*both;
        return [
            rust_bodies(text(&file.old), olds),
            rust_bodies(text(&file.new), news),
        ];
    }
    [bodies(judged, &file.old), bodies(judged, &file.new)]
}

/// The tests by name; of a language whose tests are not told apart, the whole file under no name.
fn bodies(judged: &Judged, version: &Option<FileVersion>) -> BTreeMap<String, String> {
    let text = text(version);
    match judged.file.path.extension() {
        Some(b"go") => return go_bodies(text),
        // A source that cannot be read as tokens does not compile.
        Some(b"rs") => {
            return rust_bodies(text, &inline::test_functions(text).unwrap_or_default());
        }
        _ => {}
    }
    match deletions::bodies(judged, version) {
        Some(tests) => {
            let mut bodies = BTreeMap::new();
            for (name, body) in tests {
                bodies
                    .entry(name)
                    .or_insert_with(String::new)
                    .push_str(&body);
            }
            bodies
        }
        None => BTreeMap::from([(String::new(), text.to_owned())]),
    }
}

fn text(version: &Option<FileVersion>) -> &str {
    let text = version.as_ref().and_then(|version| version.content.text());
    text.unwrap_or_default()
}

/// The lines of each test function.
fn rust_bodies(text: &str, functions: &[inline::TestFunction]) -> BTreeMap<String, String> {
    let body = |function: &inline::TestFunction| -> String {
        let n_above = function.head.start().saturating_sub(1);
        let lines = text.lines().take(function.end).skip(n_above);
        lines.map(|line| format!("{line}\n")).collect()
    };
    let functions = functions.iter();
    functions
        .map(|function| (function.path.clone(), body(function)))
        .collect()
}

/// From `func Test` in the first column to the brace in the first column.
fn go_bodies(text: &str) -> BTreeMap<String, String> {
    let mut bodies: BTreeMap<String, String> = BTreeMap::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("func Test") {
            let end = rest.find('(').unwrap_or(rest.len());
            open = Some(format!("Test{}", &rest[..end]));
        }
        if let Some(name) = &open {
            let body = bodies.entry(name.clone()).or_default();
            body.push_str(line);
            body.push('\n');
        }
        if line == "}" {
            open = None;
        }
    }
    bodies
}

fn n_lines(text: &str, words: &[&str]) -> usize {
    let has_one = |line: &&str| words.iter().any(|word| line.contains(word));
    text.lines()
        .filter(|line| !is_comment(line))
        .filter(has_one)
        .count()
}

fn is_comment(line: &str) -> bool {
    let code = line.trim_start();
    code.starts_with("//") || code.starts_with("# ") || code.starts_with('*')
}

/// Fewer lines that say what a value is, and more that say something of it.
fn is_looser(old: &str, new: &str) -> bool {
    let assertions = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !is_comment(line));
        let lines = lines.filter(|line| ASSERTS.iter().any(|word| line.contains(word)));
        lines.map(|line| line.trim().to_owned()).collect()
    };
    let has = |line: &String, words: &[&str]| words.iter().any(|word| line.contains(word));
    let count = |text: &str| {
        let lines = assertions(text);
        let n_exact = lines.iter().filter(|line| has(line, EXACT)).count();
        let n_loose = lines
            .iter()
            .filter(|line| !has(line, EXACT) && has(line, LOOSE))
            .count();
        (n_exact, n_loose)
    };
    let ((old_exact, old_loose), (new_exact, new_loose)) = (count(old), count(new));
    new_exact < old_exact && new_loose > old_loose
}

/// Lines that are as before but for a number that lets more pass.
fn wider(judged: &Judged) -> Vec<Objection> {
    let file = judged.file;
    let path = &file.path;
    let version = |version: &'_ Option<FileVersion>| {
        let text = version.as_ref().and_then(|version| version.content.text());
        text.unwrap_or_default().to_owned()
    };
    let (old, new) = (version(&file.old), version(&file.new));
    let mut objections = Vec::new();
    for hunk in &file.hunks {
        let pairs = hunk.old.of(old.as_bytes()).zip(hunk.new.of(new.as_bytes()));
        for ((_, before), (line, after)) in pairs {
            let (before, after) = (before.to_str_lossy(), after.to_str_lossy());
            if is_wider(&before, &after) {
                let fact = format!(
                    "line {line} of `{path}` lets more pass: `{}`",
                    shown(after.trim())
                );
                objections.push(Objection::line(Rule::AssertionWeakened, path, line, fact));
            }
        }
    }
    objections
}

fn is_wider(before: &str, after: &str) -> bool {
    let has = |words: &[&str]| words.iter().any(|word| after.contains(word));
    if !has(TOLERANCES) && !has(DIGITS) || masked(before) != masked(after) {
        return false;
    }
    match (last_number(before), last_number(after)) {
        (Some(old), Some(new)) if has(DIGITS) && !has(TOLERANCES) => new < old,
        (Some(old), Some(new)) => new > old,
        _ => false,
    }
}

/// A line without its numbers.
fn masked(line: &str) -> String {
    numbers(line).fold(line.trim().to_owned(), |masked, number| {
        masked.replacen(number, "#", 1)
    })
}

fn last_number(line: &str) -> Option<f64> {
    numbers(line).last()?.replace('_', "").parse().ok()
}

/// `12`, `1.5`, `1e-6`.
fn numbers(line: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, '.' | '_' | 'e' | 'E' | '-');
    let words = line.split(move |c: char| !is_part(c));
    words
        .map(|word| word.trim_matches(['.', '_', 'e', 'E', '-']))
        .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
}

/// The only test that a change brings is something that a tool writes.
pub(super) fn snapshot_only(files: &[Judged]) -> Option<Objection> {
    let mut tests = files.iter().filter(|judged| judged.is_test());
    let is_snapshot = |judged: &&Judged| {
        let name = policy::fold(judged.file.path.as_bytes());
        super::names::is_one_of(&name, SNAPSHOTS)
    };
    let has_production = files
        .iter()
        .any(|judged| judged.kind == policy::FileKind::Production);
    // A Rust source holds tests too.
    let adds_inline = |judged: &Judged| {
        let is_mark = |line: &[u8]| {
            [&b"#[test]"[..], b"assert", b"::test]"]
                .iter()
                .any(|mark| line.contains_str(mark))
        };
        judged.file.path.extension() == Some(b"rs")
            && judged.file.added_lines().any(|(_, line)| is_mark(line))
    };
    let first = tests.clone().find(is_snapshot)?;
    let is_only = has_production
        && tests.all(|judged| is_snapshot(&judged))
        && !files.iter().any(adds_inline);
    is_only.then(|| {
        let path = &first.file.path;
        let fact = format!("the only test that changes is a snapshot: `{path}`");
        Objection::file(Rule::SnapshotOnly, path, fact)
    })
}

#[cfg(test)]
mod tests {
    use super::super::change_of::{change, facts, judged};
    use super::*;
    use crate::policy::FileKind;

    fn kind(path: &str) -> FileKind {
        match path.starts_with("tests/") {
            true => FileKind::Test,
            false => FileKind::Production,
        }
    }

    /// Whether `new` asks for less than `old`, each in a test of its language.
    #[track_caller]
    fn check(path: &str, old: &str, new: &str, expected: bool) {
        let change = change(&[(path, old, new)]);
        let found = weakened(&judged(&change, kind));
        assert_eq!(
            !found.is_empty(),
            expected,
            "{path}: {new}: {:?}",
            facts(found)
        );
    }

    #[test]
    fn a_test_that_asks_for_less_is_found() {
        let python = "def test_a():\n    assert total([1]) == 1\n    assert total([]) == 0\n";
        let edit = |from: &str, to: &str| python.replace(from, to);
        let path = "tests/test_a.py";
        check(path, python, &edit("    assert total([]) == 0\n", ""), true);
        check(
            path,
            python,
            &edit(
                "    assert total([]) == 0\n",
                "    # assert total([]) == 0\n",
            ),
            true,
        );
        check(
            path,
            python,
            &edit("assert total([1]) == 1", "assert total([1])"),
            true,
        );
        check(
            path,
            python,
            &edit("assert total([1]) == 1", "assert 1 in total([1])"),
            true,
        );
        let near = "def test_a():\n    assert a == approx(1, rel=1e-9)\n";
        check(path, near, &near.replace("1e-9", "1e-3"), true);
        let near = "def test_a(self):\n    self.assertAlmostEqual(a, 1, places=7)\n";
        check(path, near, &near.replace('7', "2"), true);
        let js =
            "test('a', () => {\n  expect(total([1])).toBe(1)\n  expect(total([])).toBe(0)\n})\n";
        check(
            "tests/a.test.js",
            js,
            &js.replace("toBe(1)", "toBeTruthy()"),
            true,
        );
        check(
            "tests/a.test.js",
            js,
            &js.replace("  expect(total([])).toBe(0)\n", ""),
            true,
        );
        let go = "func TestA(t *testing.T) {\n\tif a != 1 {\n\t\tt.Errorf(\"a\")\n\t}\n}\n";
        check(
            "tests/a_test.go",
            go,
            &go.replace("t.Errorf", "t.Logf"),
            true,
        );
        let rust = "#[cfg(test)]\nmod tests {\n    #[test]\n    fn a() {\n        assert_eq!(b(), 1);\n    }\n}\n";
        check(
            "src/a.rs",
            rust,
            &rust.replace("assert_eq!(b(), 1)", "assert!(b() > 0)"),
            true,
        );
        let ruby = "class T < Minitest::Test\n  def test_a\n    assert_equal 1, a\n  end\nend\n";
        check(
            "tests/a_test.rb",
            ruby,
            &ruby.replace("assert_equal 1, a", "assert_kind_of Integer, a"),
            true,
        );
        let java =
            "class T {\n  void a() {\n    assertEquals(1, a);\n    assertEquals(2, b);\n  }\n}\n";
        check(
            "tests/T.java",
            java,
            &java.replace("    assertEquals(2, b);\n", ""),
            true,
        );
    }

    #[test]
    fn a_test_that_asks_for_as_much_is_let_through() {
        let python = "def test_a():\n    assert total([1]) == 1\n    assert total([]) == 0\n";
        let edit = |from: &str, to: &str| python.replace(from, to);
        let path = "tests/test_a.py";
        check(path, python, &edit("[1]) == 1", "[2]) == 2"), false);
        check(path, python, &edit("def test_a", "def test_b"), false);
        check(
            path,
            python,
            &format!("{python}\ndef test_b():\n    assert x\n"),
            false,
        );
        check(
            path,
            python,
            &edit(
                "    assert total([]) == 0\n",
                "    assert total([]) == 0, 'none'\n    assert x\n",
            ),
            false,
        );
        check("src/test_a.py", python, "def test_a():\n    pass\n", false);
        let near = "def test_a():\n    assert a == approx(1, rel=1e-3)\n";
        check(path, near, &near.replace("1e-3", "1e-9"), false);
        check(path, near, &near.replace("approx(1,", "approx(2,"), false);
        let near = "def test_a(self):\n    self.assertAlmostEqual(a, 1, places=2)\n";
        check(path, near, &near.replace("places=2", "places=7"), false);
        let js = "test('a', () => {\n  expect(total([1])).toBe(1)\n})\n";
        check(
            "tests/a.test.js",
            js,
            &js.replace("toBe(1)", "toEqual(1)"),
            false,
        );
        check(
            "tests/a.test.js",
            js,
            &js.replace("toBe(1)", "toBe(2)"),
            false,
        );
        let go = "func TestA(t *testing.T) {\n\tif a != 1 {\n\t\tt.Errorf(\"a\")\n\t}\n}\n";
        check(
            "tests/a_test.go",
            go,
            &go.replace("t.Errorf(\"a\")", "t.Fatalf(\"b\")"),
            false,
        );
        let rust = "#[cfg(test)]\nmod tests {\n    #[test]\n    fn a() {\n        assert_eq!(b(), 1);\n    }\n}\n";
        check("src/a.rs", rust, &rust.replace("b(), 1", "b(), 2"), false);
        let java = "class T {\n  void a() {\n    assertEquals(1, a);\n  }\n}\n";
        check("tests/T.java", java, &java.replace("1, a", "2, a"), false);
    }

    #[test]
    fn a_snapshot_alone_is_no_test() {
        let found = |paths: &[&str]| {
            let files: Vec<(&str, &str, &str)> = paths
                .iter()
                .map(|path| (*path, "a\n", "#[test] b\n"))
                .collect();
            let change = change(&files);
            snapshot_only(&judged(&change, kind)).is_some()
        };
        for (paths, expected) in [
            (&["src/a.js", "tests/__snapshots__/a.snap"][..], true),
            (
                &["src/a.py", "tests/golden/a.txt", "tests/golden/b.txt"],
                true,
            ),
            (&["src/a.py", "tests/a.ambr"], true),
            (
                &["src/a.js", "tests/__snapshots__/a.snap", "tests/a.test.js"],
                false,
            ),
            (&["src/a.rs", "tests/a.snap"], false),
            (&["tests/a.snap"], false),
            (&["src/a.py"], false),
            (&["src/a.py", "tests/data.json"], false),
        ] {
            assert_eq!(found(paths), expected, "{paths:?}");
        }
    }
}
