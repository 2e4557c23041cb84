//! Not tuned to the test: where the new tests' values are varied, the exception that the fix ends must not come back.
//!
//! Only near values are tried, of the same shape and on the same side of zero: what is empty, negative or nothing may fail for reasons of
//! its own. A value is suspicious only if every one near it brings the exception back. And no line of the fix compares with a value that
//! only the new tests have.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use super::comparisons;
use super::lexer::{self, Kind, Language, Token};
use super::smells::{Parts, words};
use super::split::Split;
use super::{Doubt, Gap};
use crate::change::{Change, FileChange, FileMode, RepoPath};
use crate::suite::inline;

/// So many values are varied, and so many runs made, at most.
const MAX_VALUES: usize = 8;
pub(super) const MAX_RUNS: usize = 12;

/// No further run begins after that.
pub(super) const MAX_TIME: Duration = Duration::from_secs(120);

/// A literal of the new tests' added lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub path: RepoPath,
    pub mode: FileMode,
    pub line: usize,
    /// As it is written.
    pub text: String,
    kind: Kind,
    pub bytes: Range<usize>,
}

/// The values of the new tests, texts first: those are what code is told by.
pub(super) fn values(change: &Change, split: &Split) -> Vec<Value> {
    let mut values: Vec<Value> = Vec::new();
    for file in &change.files {
        for value in literals(file, split, Part::Tests) {
            let is_known = values.iter().any(|known| known.text == value.text);
            if !is_known && !value.variants().is_empty() {
                values.push(value);
            }
        }
    }
    values.sort_by_key(|value| value.kind != Kind::Text);
    values.truncate(MAX_VALUES);
    values
}

impl Value {
    /// A literal that no lexer has read: a number, or a text in its quotes.
    pub fn new(
        path: &RepoPath,
        mode: FileMode,
        line: usize,
        text: &str,
        bytes: Range<usize>,
    ) -> Value {
        let kind = match text.starts_with(|c: char| c.is_ascii_digit()) {
            true => Kind::Number,
            false => Kind::Text,
        };
        Value {
            path: path.clone(),
            mode,
            line,
            text: text.to_owned(),
            kind,
            bytes,
        }
    }

    /// The literals near this one; at least two, or none.
    pub fn variants(&self) -> Vec<String> {
        let variants = match self.kind {
            Kind::Number => near_numbers(&self.text),
            _ => near_texts(&self.text),
        };
        let mut seen = BTreeSet::from([self.text.clone()]);
        let variants: Vec<String> = variants
            .into_iter()
            .filter(|variant| seen.insert(variant.clone()))
            .collect();
        if variants.len() < 2 {
            Vec::new()
        } else {
            variants
        }
    }

    /// The file with this value replaced.
    pub fn replaced(&self, content: &str, variant: &str) -> Option<String> {
        let before = content.get(..self.bytes.start)?;
        let after = content.get(self.bytes.end..)?;
        let is_there = content.get(self.bytes.clone())? == self.text;
        is_there.then(|| format!("{before}{variant}{after}"))
    }

    pub fn gap(&self) -> Gap {
        Gap::SpecialCased {
            path: self.path.clone(),
            line: self.line,
            value: self.text.clone(),
            how: SpecialCase::ComesBack,
        }
    }
}

/// How code was found to know the tests' values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpecialCase {
    /// The exception comes back as soon as this value of a test is another one.
    ComesBack,
    /// A line of the fix compares with this value of a test, which was nowhere in the file before.
    Compared,
}

/// Lines of the fix that compare with a value of the new tests that the file did not know.
pub(super) fn compared(change: &Change, split: &Split) -> Vec<Gap> {
    let given: BTreeSet<String> = change
        .files
        .iter()
        .flat_map(|file| literals(file, split, Part::Tests))
        .filter_map(|value| value.telling())
        .collect();
    let parts = Parts::of(change, split);
    let named: BTreeSet<&str> = parts
        .tests
        .iter()
        .flat_map(|line| words(line.text))
        .collect();
    let mut gaps = Vec::new();
    for file in &change.files {
        let known = file.old.as_ref().and_then(|old| old.content.text());
        for value in literals(file, split, Part::Fix) {
            let Some(told) = value.telling().filter(|told| given.contains(told)) else {
                continue;
            };
            let is_new = known.is_none_or(|known| !known.contains(&told));
            if is_new && comparisons::is_compared(file, &value, &named) {
                gaps.push(Gap::SpecialCased {
                    path: value.path,
                    line: value.line,
                    value: value.text,
                    how: SpecialCase::Compared,
                });
            }
        }
    }
    gaps.sort();
    gaps.dedup();
    gaps
}

/// The same as a doubt.
pub(super) fn doubt(gap: Gap) -> Option<Doubt> {
    match gap {
        Gap::SpecialCased {
            path, line, value, ..
        } => Some(Doubt::ComparesWithTest { path, line, value }),
        _ => None,
    }
}

impl Value {
    fn telling(&self) -> Option<String> {
        telling(self.kind, &self.text)
    }
}

/// What a literal says, where that is more than any code says: not a small number, not a letter or two.
pub(super) fn telling(kind: Kind, text: &str) -> Option<String> {
    let told = match kind {
        Kind::Number => text.replace('_', ""),
        _ => body(text)?.1.to_owned(),
    };
    let is_telling = match kind {
        Kind::Number => !matches!(told.as_str(), "0" | "1" | "2" | "0.0" | "1.0"),
        _ => told.chars().count() >= 3,
    };
    is_telling.then_some(told)
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Part {
    Tests,
    Fix,
}

/// The literals in the added lines of one part of a file.
pub(super) fn literals(file: &FileChange, split: &Split, part: Part) -> Vec<Value> {
    let Some(version) = &file.new else {
        return Vec::new();
    };
    let (Some(language), Some(text)) = (Language::of(&file.path), version.content.text()) else {
        return Vec::new();
    };
    let Some(tokens) = lexer::tokens(language, text) else {
        return Vec::new();
    };
    let is_test_file = split.tests.contains(&file.path);
    let regions = match language {
        Language::Rust => inline::test_lines(text),
        _ => Vec::new(),
    };
    let is_wanted = |line: usize| {
        let is_test = is_test_file || regions.iter().any(|region| region.contains(&line));
        is_test == (part == Part::Tests)
    };
    let added: BTreeSet<usize> = file.added_lines().map(|(n, _)| n).collect();
    let starts = line_starts(text);
    let mut values = Vec::new();
    for (n, token) in tokens.iter().enumerate() {
        let line = starts.partition_point(|&start| start <= token.bytes.start);
        let is_literal = matches!(token.kind, Kind::Number | Kind::Text);
        if is_literal && added.contains(&line) && is_wanted(line) && !is_idle(text, &tokens, n) {
            values.push(Value {
                path: file.path.clone(),
                mode: version.mode,
                line,
                text: text[token.bytes.clone()].to_owned(),
                kind: token.kind,
                bytes: token.bytes.clone(),
            });
        }
    }
    values
}

/// A text that stands by itself, or names a module.
fn is_idle(text: &str, tokens: &[Token], n: usize) -> bool {
    let before = n.checked_sub(1).and_then(|n| tokens.get(n));
    let after = tokens.get(n + 1);
    let is_indent = |token: Option<&Token>| token.is_none_or(|token| token.kind == Kind::Indent);
    let imports = ["from", "import", "require"];
    let mut named = tokens[n.saturating_sub(2)..n].iter();
    (tokens[n].kind == Kind::Text && is_indent(before) && is_indent(after))
        || named.any(|token| imports.contains(&&text[token.bytes.clone()]))
}

fn line_starts(text: &str) -> Vec<usize> {
    let feeds = text.match_indices('\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(feeds).collect()
}

/// One more, one less, a larger one; on the same side of zero, and written in the same way.
fn near_numbers(text: &str) -> Vec<String> {
    let n_digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '_')
        .unwrap_or(text.len());
    let (digits, suffix) = text.split_at(n_digits);
    let is_whole = suffix.is_empty() || suffix.starts_with(['u', 'i', 'n', 'L']);
    let is_float = suffix.starts_with('.');
    let Ok(number) = digits.replace('_', "").parse::<u32>() else {
        return Vec::new();
    };
    if (digits.len() > 1 && digits.starts_with('0')) || !(is_whole || is_float) {
        return Vec::new();
    }
    let number = u64::from(number);
    let larger = number + 7;
    let smaller = number.saturating_sub(1);
    let smaller = if smaller == 0 { number + 2 } else { smaller };
    [number + 1, smaller, larger]
        .map(|number| format!("{number}{suffix}"))
        .into()
}

/// Another text of the same length and shape, once by its last digit, once by its letters; and a longer one.
fn near_texts(text: &str) -> Vec<String> {
    let Some((open, body, close)) = body(text) else {
        return Vec::new();
    };
    if body.is_empty() || body.contains('\\') {
        return Vec::new();
    }
    let mut variants = Vec::new();
    if let Some(at) = body.rfind(|c: char| c.is_ascii_digit()) {
        let digit = (body.as_bytes()[at] - b'0' + 1) % 10;
        variants.push(format!("{}{digit}{}", &body[..at], &body[at + 1..]));
    }
    let turned: String = body.chars().map(next_letter).collect();
    variants.push(turned);
    let last = body.chars().rfind(|c| c.is_ascii_alphanumeric());
    if let Some(last) = last {
        let at = body.rfind(last).unwrap_or(0);
        variants.push(format!("{}{last}{}", &body[..at], &body[at..]));
    }
    variants
        .into_iter()
        .map(|body| format!("{open}{body}{close}"))
        .collect()
}

/// Prefix and opening quote, what is between, closing quote.
fn body(text: &str) -> Option<(&str, &str, &str)> {
    let at = text.find(['"', '\''])?;
    let quote = &text[at..=at];
    let hashes = text.len() - text.trim_end_matches('#').len();
    let triple = quote.repeat(3);
    let is_triple = text[at..].starts_with(&triple) && text.len() >= at + 6;
    let n_quotes = if is_triple { 3 } else { 1 };
    let end = text.len().checked_sub(n_quotes + hashes)?;
    Some((
        &text[..at + n_quotes],
        text.get(at + n_quotes..end)?,
        &text[end..],
    ))
}

fn next_letter(c: char) -> char {
    match c {
        'z' => 'a',
        'Z' => 'A',
        'a'..='y' | 'A'..='Y' => char::from(c as u8 + 1),
        _ => c,
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::change::{Content, FileVersion, Hunk, Lines};

    /// A file all of whose lines are added.
    pub fn added(path: &str, old: &str, text: &str) -> FileChange {
        let version = |text: &str| FileVersion {
            mode: FileMode::Regular,
            id: gix::ObjectId::null(gix::hash::Kind::Sha1),
            content: Content::from_blob(text.as_bytes().to_vec()),
        };
        FileChange {
            path: path.into(),
            old: Some(version(old)),
            new: Some(version(text)),
            hunks: vec![Hunk {
                old: Lines::default(),
                new: Lines {
                    start: 1,
                    n_lines: text.lines().count(),
                    bytes: 0..text.len(),
                },
            }],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::added;
    use super::*;

    #[track_caller]
    fn check_variants(kind: Kind, text: &str, expected: &[&str]) {
        let value = Value {
            path: "t.py".into(),
            mode: FileMode::Regular,
            line: 1,
            text: text.to_owned(),
            kind,
            bytes: 0..text.len(),
        };
        assert_eq!(value.variants(), expected, "{text}");
    }

    #[test]
    fn near_a_number_are_those_beside_it() {
        let check = |text, expected: &[&str]| check_variants(Kind::Number, text, expected);
        check("5", &["6", "4", "12"]);
        check("1", &["2", "3", "8"]);
        check("0", &["1", "2", "7"]);
        check("1_000u32", &["1001u32", "999u32", "1007u32"]);
        check("2.50", &["3.50", "1.50", "9.50"]);
        for text in ["0x10", "007", "1e5", "99999999999"] {
            check(text, &[]);
        }
    }

    #[test]
    fn near_a_text_are_those_of_its_shape() {
        let check = |text, expected: &[&str]| check_variants(Kind::Text, text, expected);
        check("'toys'", &["'upzt'", "'toyss'"]);
        check("'pizza'", &["'qjaab'", "'pizzaa'"]);
        check("b\"A9\"", &["b\"A0\"", "b\"B9\"", "b\"A99\""]);
        check(
            "\"2024-01-01T00:00:00Z\"",
            &[
                "\"2024-01-01T00:00:01Z\"",
                "\"2024-01-01U00:00:00A\"",
                "\"2024-01-01T00:00:00ZZ\"",
            ],
        );
        check("'''a'''", &["'''b'''", "'''aa'''"]);
        check("r#\"ab\"#", &["r#\"bc\"#", "r#\"abb\"#"]);
        for text in ["''", "'\\n'", "'-'"] {
            check(text, &[]);
        }
    }

    fn change(extension: &str, old: &str, code: &str, test: &str) -> (Change, Split) {
        let (code_path, test_path) = (format!("cart.{extension}"), format!("test.{extension}"));
        let files = vec![added(&code_path, old, code), added(&test_path, "", test)];
        let split = Split {
            tests: vec![RepoPath::new(test_path)],
            fix: vec![RepoPath::new(code_path)],
            ..Split::default()
        };
        (Change { files }, split)
    }

    #[test]
    fn texts_come_first_and_each_value_once() {
        let test = "'''A doc.'''\nfrom a import b\n\ndef test_a():\n    assert f(3, 'ab', 3, '') == 'ab'\n";
        let (change, split) = change("py", "", "", test);
        let values = values(&change, &split);
        let texts: Vec<&str> = values.iter().map(|value| value.text.as_str()).collect();
        assert_eq!(texts, ["'ab'", "3"]);
        let replaced = values[1].replaced(test, "4").expect("it is there");
        assert!(replaced.contains("f(4, 'ab', 3, '')"), "{replaced}");
        assert_eq!(values[1].replaced("x", "4"), None);
    }

    #[track_caller]
    fn check_compared(extension: &str, code: &str, test: &str, expected: &[usize]) {
        check_added(extension, "x = 'known'", code, test, expected);
    }

    #[track_caller]
    fn check_added(extension: &str, old: &str, code: &str, test: &str, expected: &[usize]) {
        let (change, split) = change(extension, old, code, test);
        let gaps = compared(&change, &split);
        let lines: Vec<usize> = gaps
            .iter()
            .map(|gap| match gap {
                Gap::SpecialCased { line, .. } => *line,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(lines, expected, "{code}");
        assert_eq!(gaps.into_iter().filter_map(doubt).count(), lines.len());
    }

    #[test]
    fn code_that_compares_with_a_value_of_the_tests() {
        let test = "assert f('toys', 4711, 'known', 'ab', 2, 47) == 5\n";
        for code in [
            "'toys' == kind and pay()\n",
            "x = 1\nif hash(kind) == hash('toys'): pass\n",
            "is_toy = kind == 'toys'\n",
            "if n == 47: pass\n",
            "if kind == 'toys': pass\n",
            "if 'toys' == kind: pass\n",
            "if n != 4_711: pass\n",
            "match kind:\n case 'toys': pass\n",
            "if kind in ('a', 'toys'): pass\n",
            "if kinds == ['toys', 4]: pass\n",
            "if n == -4711: pass\n",
            "if hash(kind) == hash('toys'): pass\n",
            "if m.hash('toys') != m.hash(kind): pass\n",
            "if m.n.hash(kind) == m.n.hash('toys'): pass\n",
            "x = {'toys': 7}\n",
        ] {
            let line = code.lines().count().min(2);
            check_compared("py", code, test, &[line]);
        }
        for code in [
            "log('toys')\n",
            "x = 'toys'\n",
            "if kind == 'known': pass\n",
            "if kind == 'ab': pass\n",
            "if n == 2: pass\n",
            "if kind == 'boys': pass\n",
            "# if kind == 'toys'\n",
            "for kind in ('a', 'toys'): pass\n",
            "if kind == price('toys'): pass\n",
            "kind = ['toys', 4711]\n",
            "x = y[4711:]\n",
        ] {
            check_compared("py", code, test, &[]);
        }
        let test = "assert f('''toys''') == 5\n";
        check_compared("py", "if kind == 'toys': pass\n", test, &[1]);
        let test = "assert_eq!(f(\"toys\"), 4711);\n";
        check_compared("rs", "match x { \"toys\" => 1, _ => 2 }\n", test, &[1]);
        check_compared("rs", "match x { 'a' | 4711 => 1 }\n", test, &[1]);
        let alternatives = "match x { \"a\" | \"toys\" | \"b\" => 1, _ => 2 }\n";
        check_compared("rs", alternatives, test, &[1]);
        check_compared("rs", "if x == \"toys\" {}\n", test, &[1]);
        check_compared("rs", "if x == \"toys\" {}\n", "f(r#\"toys\"#);\n", &[1]);
        check_compared("rs", "let x = a || b(4711);\n", test, &[]);
        let inline = "fn f(x: &str) -> bool {\n    x == \"toys\"\n}\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn a() {\n        assert!(f(\"toys\"));\n        let x = y == \"toys\";\n    }\n}\n";
        check_compared("rs", inline, "", &[2]);
        let test = "assert.equal(f('toys'), 4711)\n";
        check_compared("js", "if (x === \"toys\") {}\n", test, &[1]);
        check_compared("js", "'toys' === x && f()\n", test, &[1]);
        check_compared("js", "switch (x) { case 'toys': }\n", test, &[1]);
        check_compared("js", "const y = {'toys': 3}\n", test, &[1]);
        check_compared("js", "const y = 'toys' + x\n", test, &[]);
        check_compared("js", "const y = x ? 'toys' : 4711\n", test, &[]);
        check_compared(
            "java",
            "if (x.equals(\"toys\")) {}\n",
            "f(\"toys\");\n",
            &[1],
        );
    }

    #[test]
    fn one_more_entry_of_a_table_is_no_special_case() {
        let test = "assert f('toys', 4711) == 5\n";
        let check = |old: &str, new: &str, expected: &[usize]| {
            check_added("py", old, new, test, expected);
        };
        let rates = "RATES = {'books': 7, 'other': 19}\n";
        check(rates, "RATES = {'books': 7, 'other': 19, 'toys': 9}\n", &[]);
        // Of another table, of one with a single entry, of none that was there.
        check(rates, "SEEN = {'books': 7, 'other': 19, 'toys': 9}\n", &[1]);
        check(
            "RATES = {'books': 7}\n",
            "RATES = {'books': 7, 'toys': 9}\n",
            &[1],
        );
        check(
            "x = 1\n",
            "return {'books': 7, 'other': 19, 'toys': 9}[x]\n",
            &[1],
        );
        check(
            rates,
            "RATES = {'balls': 7, 'dolls': 19, 'toys': 9}\n",
            &[1],
        );
        check(
            "if x in ('books', 'other'): pass\n",
            "if x in ('books', 'other', 'toys'): pass\n",
            &[],
        );
        check(
            "if x in ('books',): pass\n",
            "if x in ('books', 'toys'): pass\n",
            &[1],
        );
        // What stands in an entry, or behind the table, is no sister.
        check(
            "RATES = {'books': {'first': 7, 'other': 19}}\n",
            "RATES = {'books': {'first': 7, 'other': 19}, 'toys': 9}\n",
            &[1],
        );
        check(
            "if x in ('books',): pass\nx = 'other'\n",
            "if x in ('books', 'toys'): pass\nx = 'other'\n",
            &[1],
        );
        // Numbers are known by their lines alone, all of which are new here.
        check(
            "P = {100: 3, 250: 4}\n",
            "P = {100: 3, 250: 4, 4711: 5}\n",
            &[1],
        );
        // The table itself is what the test looks into.
        let test = "assert 'toys' in RATES\n";
        check_added(
            "py",
            rates,
            "RATES = {'books': 7, 'other': 19, 'toys': 9}\n",
            test,
            &[1],
        );

        let test = "assert_eq!(f(\"toys\"), 4711);\n";
        let old = "match x {\n \"books\" => 7,\n \"other\" => { 19 }\n}\n";
        let new = "match x {\n \"books\" => 7,\n \"other\" => { 19 }\n \"toys\" => 9,\n}\n";
        check_added("rs", old, new, test, &[]);
        let new = "match x {\n \"books\" | \"toys\" => 7,\n \"other\" => { 19 }\n}\n";
        check_added("rs", old, new, test, &[]);
        let new = "match y {\n \"books\" => 7,\n \"other\" => { 19 }\n \"toys\" => 9,\n}\n";
        check_added("rs", old, new, test, &[4]);
        // A recursion's ends are no table.
        let old = "match n {\n 0 => 0,\n 1 => 1,\n _ => f(n - 1),\n}\n";
        let new = "match n {\n 0 => 0,\n 1 => 1,\n 4711 => 5,\n _ => f(n - 1),\n}\n";
        check_added("rs", old, new, test, &[4]);

        let test = "assert.equal(f('toys'), 4711)\n";
        let old = "switch (x) {\n case 'books': return 7\n case 'other': return 19\n}\n";
        let new = "switch (x) {\n case 'books': return 7\n case 'other': return 19\n case 'toys': return 9\n}\n";
        check_added("js", old, new, test, &[]);
        check_added("js", "switch (x) {\n", new, test, &[4]);
        let old = "if (['books', 'other'].includes(x)) {}\n";
        check_added(
            "js",
            old,
            "if (['books', 'toys', 'other'].includes(x)) {}\n",
            test,
            &[],
        );
        check_added(
            "js",
            "",
            "if (['toys', 'other'].includes(x)) {}\n",
            test,
            &[1],
        );

        let test = "if f(\"toys\") != 4711 {}\n";
        let old = "var rates = map[string]int{\n\"books\": 7,\n\"other\": 19,\n}\n";
        let new = "var rates = map[string]int{\n\"books\": 7,\n\"other\": 19,\n\"toys\": 9,\n}\n";
        check_added("go", old, new, test, &[]);
        check_added("go", "", new, test, &[4]);
    }
}
