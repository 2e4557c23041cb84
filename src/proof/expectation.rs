//! What a new test expects matters: with another expected value the test turns red. A result that equals everything, or an assertion that
//! something has made deaf, is found out by this.
//!
//! Only plain equality with a literal counts: `assert f(x) == 7`, `assert_eq!(f(x), 7)`, `expect(f(x)).toBe(7)`, `if f(x) != 7 {`. A line that
//! weighs more than one thing is left alone, because there an honest test may not care.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::bodies::{self, Heads};
use super::lexer::{self, Kind, Language, Token};
use super::neighbours::{self, Part, Value};
use super::split::Split;
use crate::change::{Change, FileChange, FileMode, RepoPath};
use crate::suite::{Outcome, TestId, TestRun};

/// So many values of one test are changed, one after the other.
const MAX_ROUNDS: usize = 4;

/// Calls that compare their first two arguments, or what they are given with what stands before them.
const CALLS: [&str; 19] = [
    "assertEqual",
    "assertEquals",
    "assertSame",
    "assert_eq",
    "assert_equal",
    "be",
    "deepEqual",
    "deepStrictEqual",
    "deep_equal",
    "eq",
    "eql",
    "equal",
    "equals",
    "is",
    "same",
    "strictEqual",
    "toBe",
    "toEqual",
    "toStrictEqual",
];

/// An expected value, and the tests that it stands in.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub path: RepoPath,
    pub mode: FileMode,
    pub line: usize,
    /// As it is written.
    pub text: String,
    bytes: Range<usize>,
    /// What is written in its place.
    other: String,
    /// The function or the title that it stands under.
    function: String,
    pub tests: BTreeSet<TestId>,
}

/// In Ruby, which has no lexer here: a plain literal that one of these is given first, at the end of a line or before a comma.
static RUBY: LazyLock<Regex> = LazyLock::new(|| {
    let text = r#"(?m)^[^#\n]*?\b(?:assert_equal|must_equal|eq|eql)(?:\(\s*|\s+)(\d+|'[^'\\\n]+'|"[^"\\#\n]+")\s*(?:,|\)*$)"#;
    Regex::new(text).expect("it is used by a test")
});

/// What the new tests expect: in each round one value of each test.
pub(super) fn rounds(
    change: &Change,
    split: &Split,
    tests: &BTreeSet<TestId>,
) -> Vec<Vec<Expected>> {
    let mut rounds: Vec<Vec<Expected>> = Vec::new();
    let mut n_of: BTreeMap<(RepoPath, String), usize> = BTreeMap::new();
    for file in &change.files {
        for mut expected in expected(file, split) {
            let names = |test: &&TestId| bodies::names(test, &expected.function);
            expected.tests = tests.iter().filter(names).cloned().collect();
            let function = (file.path.clone(), expected.function.clone());
            let n = n_of.entry(function).or_default();
            if expected.tests.is_empty() || *n == MAX_ROUNDS {
                continue;
            }
            if rounds.len() == *n {
                rounds.push(Vec::new());
            }
            rounds[*n].push(expected);
            *n += 1;
        }
    }
    rounds
}

/// A text with another value in each of the places; `None` where one of them has moved.
pub(super) fn replaced(text: &str, round: &[&Expected]) -> Option<String> {
    let mut last_first = round.to_vec();
    last_first.sort_by_key(|expected| Reverse(expected.bytes.start));
    let mut text = text.to_owned();
    for expected in last_first {
        let is_there = text.get(expected.bytes.clone())? == expected.text;
        is_there.then(|| text.replace_range(expected.bytes.clone(), &expected.other))?;
    }
    Some(text)
}

/// The values that no test misses: all tests in which they stand passed as if nothing had been changed.
pub(super) fn unmissed<'a>(
    round: &'a [Expected],
    run: &'a TestRun,
) -> impl Iterator<Item = &'a Expected> {
    let passed = |test: &TestId| run.outcome(test) == Some(Outcome::Passed);
    round
        .iter()
        .filter(move |expected| expected.tests.iter().all(passed))
}

/// The expected values in the added lines of a file's test part.
fn expected(file: &FileChange, split: &Split) -> Vec<Expected> {
    let text = file.new.as_ref().and_then(|new| new.content.text());
    let (Some(heads), Some(text)) = (Heads::of(&file.path), text) else {
        return Vec::new();
    };
    let lines: Vec<&str> = text.lines().collect();
    let values = match Language::of(&file.path) {
        Some(language) => in_code(file, split, language, text),
        None if file.path.extension() == Some(b"rb") => in_ruby(file, split, text),
        None => Vec::new(),
    };
    let values = values.into_iter().filter_map(|value| {
        Some(Expected {
            other: value.variants().into_iter().next()?,
            function: heads.around(&lines, value.line)?.to_owned(),
            path: value.path,
            mode: value.mode,
            line: value.line,
            text: value.text,
            bytes: value.bytes,
            tests: BTreeSet::new(),
        })
    });
    values.collect()
}

fn in_code(file: &FileChange, split: &Split, language: Language, text: &str) -> Vec<Value> {
    let Some(tokens) = lexer::tokens(language, text) else {
        return Vec::new();
    };
    let code = tokens.into_iter();
    let code = Code {
        text,
        language,
        lines: text.lines().collect(),
        tokens: code.filter(|token| token.kind != Kind::Comment).collect(),
    };
    let mut values = neighbours::literals(file, split, Part::Tests);
    values.retain(|value| code.is_expected(value));
    values
}

fn in_ruby(file: &FileChange, split: &Split, text: &str) -> Vec<Value> {
    let Some(version) = file
        .new
        .as_ref()
        .filter(|_| split.tests.contains(&file.path))
    else {
        return Vec::new();
    };
    let added: BTreeSet<usize> = file.added_lines().map(|(n, _)| n).collect();
    let literals = RUBY.captures_iter(text).filter_map(|found| found.get(1));
    let values = literals.map(|literal| {
        let line = 1 + text[..literal.start()].matches('\n').count();
        Value::new(
            &file.path,
            version.mode,
            line,
            literal.as_str(),
            literal.range(),
        )
    });
    let lines: Vec<&str> = text.lines().collect();
    let is_plain = |value: &Value| {
        let line = lines.get(value.line - 1);
        line.is_some_and(|line| !weighs_more(line, &value.text))
    };
    let values = values.filter(|value| added.contains(&value.line));
    values.filter(is_plain).collect()
}

/// Whether a line says more than one thing, so that one of them may not matter.
fn weighs_more(line: &str, literal: &str) -> bool {
    let words = [
        "||", "&&", " or ", " and ", " if ", " unless ", " else ", " not ", " in ", "?", ".or ",
        ".or(",
    ];
    // What a literal says is no operator.
    let around = line.replace(literal, "");
    words.iter().any(|word| around.contains(word))
}

struct Code<'a> {
    text: &'a str,
    language: Language,
    lines: Vec<&'a str>,
    tokens: Vec<Token>,
}

impl Code<'_> {
    fn is_expected(&self, value: &Value) -> bool {
        let at = (self.tokens).partition_point(|token| token.bytes.end <= value.bytes.start);
        let line = self
            .lines
            .get(value.line - 1)
            .map_or("", |line| line.trim());
        if weighs_more(line, &value.text) {
            return false;
        }
        let (start, end) = self.list_around(at);
        self.is_beside_equality(start, end, line) || self.is_argument(start, end)
    }

    /// The first token of the value and the one behind it; those of the list of literals that the value stands in.
    fn list_around(&self, at: usize) -> (usize, usize) {
        let is_item = |n: usize| {
            let is_literal = matches!(self.tokens[n].kind, Kind::Number | Kind::Text);
            is_literal || matches!(self.slice(n), "," | "-")
        };
        let opening = (0..at).rev().find(|&n| !is_item(n));
        let closing = (at + 1..self.tokens.len()).find(|&n| !is_item(n));
        if let (Some(opening), Some(closing)) = (opening, closing)
            && self.slice(opening) == "["
            && self.slice(closing) == "]"
            // `prices[1]` is no list.
            && matches!(self.before(opening, 1), "(" | "," | "=" | "&" | "!")
        {
            let is_borrowed = matches!(self.before(opening, 1), "&" | "!");
            let is_vec = self.before(opening, 1) == "!";
            return (
                opening - usize::from(is_borrowed) - usize::from(is_vec),
                closing + 1,
            );
        }
        let is_negative =
            self.before(at, 1) == "-" && matches!(self.before(at, 2), "(" | "," | "=");
        (at - usize::from(is_negative), at + 1)
    }

    fn is_beside_equality(&self, start: usize, end: usize, line: &str) -> bool {
        let is_asserted = match self.language {
            Language::Python => line.starts_with("assert "),
            Language::Go => line.starts_with("if ") && line.ends_with('{'),
            Language::Rust => line.starts_with("assert!("),
            Language::JavaScript => line.starts_with("assert"),
            Language::Java => line.starts_with("assert"),
        };
        let operator = match self.language {
            Language::Go => "!",
            _ => "=",
        };
        // `!==` is no equality.
        let is_behind = self.before(start, 1) == "="
            && self.before(start, 2) == operator
            && self.before(start, 3) != "!";
        let ends = |end: usize| {
            let is_last = self
                .tokens
                .get(end)
                .is_none_or(|token| token.kind == Kind::Indent);
            is_last || matches!(self.slice(end), "," | ")" | "{" | ";")
        };
        is_asserted && is_behind && ends(end)
    }

    /// Whether it is one of the two things that a call compares.
    fn is_argument(&self, start: usize, end: usize) -> bool {
        if !matches!(self.before(start, 1), "(" | ",") || !matches!(self.slice(end), "," | ")") {
            return false;
        }
        let (mut depth, mut n_before) = (0_usize, 0);
        for n in (0..start).rev() {
            match self.slice(n) {
                ")" | "]" | "}" => depth += 1,
                "(" if depth == 0 => {
                    let is_macro = self.before(n, 1) == "!";
                    let callee = self.before(n, 1 + usize::from(is_macro));
                    return n_before < 2 && CALLS.contains(&callee);
                }
                "[" | "{" if depth == 0 => return false,
                "(" | "[" | "{" => depth -= 1,
                "," if depth == 0 => n_before += 1,
                _ => {}
            }
        }
        false
    }

    fn slice(&self, at: usize) -> &str {
        let token = self.tokens.get(at);
        token.map_or("", |token| &self.text[token.bytes.clone()])
    }

    fn before(&self, at: usize, n: usize) -> &str {
        at.checked_sub(n).map_or("", |at| self.slice(at))
    }
}

#[cfg(test)]
mod tests {
    use super::super::neighbours::testing::added;
    use super::*;

    /// The expected values of a test file all of whose lines are added, by where they stand.
    #[track_caller]
    fn check(path: &str, text: &str, expected_values: &[(&str, &str)]) {
        let split = Split {
            tests: vec![path.into()],
            ..Split::default()
        };
        let file = added(path, "", text);
        let found = expected(&file, &split);
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|expected| (expected.function.as_str(), expected.text.as_str()))
            .collect();
        assert_eq!(found, expected_values, "{text}");
    }

    #[test]
    fn what_is_compared_for_equality_is_expected() {
        let check = |text: &str, expected: &[&str]| {
            let text = format!("def test_a(self):\n    {text}\n");
            let expected: Vec<_> = expected.iter().map(|text| ("test_a", *text)).collect();
            check("tests/test_a.py", &text, &expected);
        };
        check("assert total([3, 4]) == 7", &["7"]);
        check("assert total([3, 4]) == -7, 'a sum'", &["7"]);
        check("assert (total([3]) == 7)", &["7"]);
        check("assert names(3) == ['ab', 'c']", &["'ab'", "'c'"]);
        check("self.assertEqual(total([3, 4]), 7)", &["7"]);
        check("self.assertEqual(7, total(3), 'a sum')", &["7"]);
        check("self.assertEqual(total(3), [7, 8])", &["7", "8"]);
        for none in [
            "total(3) == 7",
            "assert total(3) != 7",
            "assert total(3) >= 7",
            "assert total(3) == 7 or late",
            "assert total(3) == 7 % n",
            "assert total(3) == prices[1]",
            "assert total(3) == f(7)",
            "assert 'ab' in total(3)",
            "assert not total(3) == 7",
            "assert total(3) == ''",
            "self.assertAlmostEqual(total(3), 7)",
            "self.assertEqual(total(3), f(7))",
            "self.assertEqual(total(3), [n, 7, 8])",
            "self.assertEqual(total(3), late, 'a sum')",
            "self.assertRaises(Error, total, 7)",
        ] {
            check(none, &[]);
        }
    }

    #[test]
    fn other_languages_compare_in_their_ways() {
        check(
            "tests/a.rs",
            "#[test]\nfn adds() {\n    assert_eq!(total(&[3, 4], 0), 7);\n    assert!(total(&[3], 0) == 3);\n    assert_eq!(names(), vec![\"ab\"]);\n    \
             assert_eq!(total(&[]), 0, \"of {}\", 5);\n}\n",
            &[
                ("adds", "7"),
                ("adds", "3"),
                ("adds", "\"ab\""),
                ("adds", "0"),
            ],
        );
        check(
            "a_test.go",
            "package a\n\nfunc TestAdds(t *testing.T) {\n\tif got := total(3, 4); got != 7 {\n\t\tt.Errorf(\"got %d\", got)\n\t}\n\tif n == 8 {\n\t}\n}\n",
            &[("TestAdds", "7")],
        );
        check(
            "a.test.js",
            "describe('a cart', () => {\n  it('adds', () => {\n    expect(total([3, 4])).toBe(7);\n    assert.strictEqual(total([3]), 'ab');\n    assert(total([3]) === 8);\n    assert(total([3]) !== 9);\n  });\n});\n",
            &[("adds", "7"), ("adds", "'ab'"), ("adds", "8")],
        );
    }

    #[test]
    fn ruby_is_read_line_by_line() {
        let check = |text: &str, expected: &[&str]| {
            let text = format!("def test_a\n  {text}\nend\n");
            let expected: Vec<_> = expected.iter().map(|text| ("test_a", *text)).collect();
            check("test/test_a.rb", &text, &expected);
        };
        check("assert_equal 7, total([3, 4])", &["7"]);
        check("assert_equal('ab', name, 'a name')", &["'ab'"]);
        check("_(total(3)).must_equal 7", &["7"]);
        check("expect(total(3)).to eq(7)", &["7"]);
        check("expect(total(3)).to(eq \"ab\")", &["\"ab\""]);
        for none in [
            "# assert_equal 7, total(3)",
            "assert_equal 7 + n, total(3)",
            "assert_equal \"a#{n}\", total(3)",
            "assert_in_delta 7, total(3)",
            "expect(total(3)).to eq(7).or eq(8)",
            "refute_equal 7, total(3)",
        ] {
            check(none, &[]);
        }
    }

    #[test]
    fn a_value_stands_in_the_nearest_function_around_it() {
        check(
            "test_a.py",
            "def test_a():\n    def inner():\n        assert f() == 5\n    assert f() == 6\n\n\nassert f() == 7\n",
            &[("inner", "5"), ("test_a", "6")],
        );
    }

    #[test]
    fn in_each_round_one_value_of_each_test_is_another_one() {
        let text = "def test_a():\n    assert f(1) == 5\n    assert f(2) == 6\n\n\ndef test_b():\n    assert f(3) == 70\n";
        let change = Change {
            files: vec![added("test_a.py", "", text)],
        };
        let split = Split {
            tests: vec!["test_a.py".into()],
            ..Split::default()
        };
        let test = |name: &str| TestId(format!("test_a.py::{name}"));
        let tests = BTreeSet::from([test("test_a"), test("test_b"), test("test_c")]);
        let rounds = rounds(&change, &split, &tests);
        let texts: Vec<String> = rounds
            .iter()
            .map(|round| {
                let round: Vec<&Expected> = round.iter().collect();
                replaced(text, &round).expect("all are there")
            })
            .collect();
        assert_eq!(
            texts,
            [
                text.replace("== 5", "== 6").replace("== 70", "== 71"),
                text.replace("== 6", "== 7"),
            ]
        );

        let mut run = TestRun::default();
        let mut says = |name: &str, outcome| {
            let result = crate::suite::TestResult::new(outcome, "");
            run.results.insert(test(name), result);
        };
        says("test_a", Outcome::Passed);
        says("test_b", Outcome::Failed);
        let unmissed: Vec<&str> = unmissed(&rounds[0], &run)
            .map(|expected| expected.text.as_str())
            .collect();
        assert_eq!(unmissed, ["5"]);
    }
}
