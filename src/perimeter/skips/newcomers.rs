//! Whether a skip mark stands on a test that is wholly new: that one proves nothing, and hides nothing.
//!
//! Every doubt is a no. All lines of such a test are added, its mark is of the test alone, the old file does not know its name, and the
//! change takes no head of a test away, which this one might have been.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use gix::bstr::ByteSlice as _;
use regex::Regex;

use super::super::{Judged, rust_tests};
use crate::change::{Content, FileVersion};
use crate::suite::inline::{self, TestFunction};

/// A file whose tests can be told apart by their lines.
pub(super) struct Newcomers<'a> {
    tongue: Tongue,
    lines: Vec<&'a str>,
    added: BTreeSet<usize>,
    old: &'a str,
    text: &'a str,
    /// Of a Rust source.
    functions: OnceCell<Vec<TestFunction>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tongue {
    Go,
    JavaScript,
    Python,
    Ruby,
    Rust,
}

impl Tongue {
    fn of(extension: &[u8]) -> Option<Tongue> {
        match extension {
            b"go" => Some(Tongue::Go),
            b"py" => Some(Tongue::Python),
            b"rb" => Some(Tongue::Ruby),
            b"rs" => Some(Tongue::Rust),
            extension if crate::suite::titles::speaks(Some(extension)) => Some(Tongue::JavaScript),
            _ => None,
        }
    }
}

macro_rules! pattern {
    ($name:ident, $text:expr) => {
        static $name: LazyLock<Regex> =
            LazyLock::new(|| Regex::new($text).expect("each pattern is used by a test"));
    };
}

pattern!(
    PYTHON_MARK,
    r"^@(?:(?:pytest\.)?mark\.(?:skip|skipif|xfail)|unittest\.(?:skip|skipIf|skipUnless|expectedFailure)|skip|skipIf|skipUnless|skipif|expectedFailure)\b"
);
pattern!(PYTHON_HEAD, r"^(?:async )?def (test\w*)\(");
pattern!(
    PYTHON_CLASS,
    r"^class \w+(?:\((?:object|(?:unittest\.)?TestCase)?\))?:"
);
pattern!(GO_HEAD, r"^func (Test\w*)\(\w+ \*testing\.T\) \{$");
pattern!(
    JS_HEAD,
    r#"^(?:(?:it|test|specify)\.(?:skip|todo)\(|(?:xit|xtest|xspecify)\(|(?:it|test)\((?:'[^'\\]*'|"[^"\\]*"), ?\{ ?(?:skip|todo):)"#
);
pattern!(JS_TITLE, r#"^[\w.]+\((?:'([^'\\]+)'|"([^"\\]+)")"#);
pattern!(
    RUBY_HEAD,
    r#"^(?:def (test_\w+)|(?:x?it|x?specify|test|example|scenario|should)[ (] ?(?:'([^'\\]+)'|"([^"\\#]+)")\)?(?:,[^|]*)? do(?: \|[^|]*\|)?)$"#
);
pattern!(
    RUBY_MARKED_HEAD,
    r#"^(?:xit|xspecify)\b|, ?(?::skip|:pending|skip:|pending:)"#
);
pattern!(
    RUBY_CLASS,
    r"^class [\w:]+ < (?:Minitest::Test|Test::Unit::TestCase)$"
);
pattern!(RUBY_MARK, r"^(?:skip|pending|omit|pend)\b");
pattern!(
    RUBY_OPENS,
    r"^(?:if|unless|case|begin|while|until|for|def|class|module)\b|\bdo(?: \|[^|]*\|)?$|=\s*(?:if|unless|case|begin)\b"
);

// What the head of a test, or of a group of them, looks like where it is taken away.
pattern!(PYTHON_HEADS, r"\b(?:def|class)\b|\btest");
pattern!(GO_HEADS, r"\bfunc\b|\bRun\(");
pattern!(
    JS_HEADS,
    r"\b[xf]?(?:it|test|specify|describe|suite|context|bench|scenario|feature)\b"
);
pattern!(
    RUBY_HEADS,
    r"\b(?:def|class|module|it|its|specify|test|example|scenario|should|context|describe|feature|shared_examples\w*|it_behaves_like|include_examples)\b"
);
pattern!(
    RUST_HEADS,
    r"\bfn\b|#\[.*test|\bmod\b|macro_rules|!\s*[({\[]"
);

/// Whether the change takes a line away that a test may begin with: a new test may then be an old one under another name.
pub(super) fn loses_heads(files: &[Judged]) -> bool {
    files.iter().any(|judged| {
        let Some(tongue) = judged.file.path.extension().and_then(Tongue::of) else {
            // A binary file, data or a language that is not read here: no test's head by itself.
            return false;
        };
        if tongue == Tongue::Rust {
            return loses_rust_tests(judged);
        }
        let heads = match tongue {
            Tongue::Go => &GO_HEADS,
            Tongue::JavaScript => &JS_HEADS,
            Tongue::Python => &PYTHON_HEADS,
            Tongue::Ruby => &RUBY_HEADS,
            Tongue::Rust => &RUST_HEADS,
        };
        let is_head = |line: &[u8]| line.to_str().map_or(true, |line| heads.is_match(line));
        judged.is_test()
            && (judged.file.is_deleted()
                || judged.file.removed_lines().any(|(_, line)| is_head(line)))
    })
}

fn loses_rust_tests(judged: &Judged) -> bool {
    let names = |version: &Option<FileVersion>| -> Option<BTreeSet<String>> {
        let Some(text) = text(version) else {
            return Some(BTreeSet::new());
        };
        let functions = inline::test_functions(text).ok()?;
        Some(
            functions
                .into_iter()
                .map(|function| function.path)
                .collect(),
        )
    };
    let is_head = |line: &[u8]| line.to_str().map_or(true, |line| RUST_HEADS.is_match(line));
    if judged.is_test() && judged.file.removed_lines().any(|(_, line)| is_head(line)) {
        return true;
    }
    if let Some(both) = rust_tests::changed(judged) {
        let [old, new] = &*both;
        let is_kept = |old: &TestFunction| new.iter().any(|new| new.path == old.path);
        return !old.iter().all(is_kept);
    }
    match (names(&judged.file.old), names(&judged.file.new)) {
        (Some(old), Some(new)) => !old.is_subset(&new),
        _ => true,
    }
}

fn text(version: &Option<FileVersion>) -> Option<&str> {
    version.as_ref().and_then(|version| version.content.text())
}

impl<'a> Newcomers<'a> {
    /// `None` where the language's tests cannot be told safely, or a version of the file is no text.
    pub fn of(judged: &'a Judged) -> Option<Newcomers<'a>> {
        let file = judged.file;
        let tongue = Tongue::of(file.path.extension()?)?;
        let old = match file.old.as_ref().map(|old| &old.content) {
            None => "",
            Some(Content::Text(_)) => text(&file.old)?,
            Some(_) => return None,
        };
        let text = text(&file.new)?;
        Some(Newcomers {
            tongue,
            lines: text.lines().collect(),
            added: file.added_lines().map(|(line, _)| line).collect(),
            old,
            text,
            functions: OnceCell::new(),
        })
    }

    /// Whether the skip mark on a line, counted from 1, is of a wholly new test.
    pub fn has(&self, line: usize, mark: &str) -> bool {
        let at = line - 1;
        let found = match self.tongue {
            Tongue::Rust => self.rust(line, mark),
            Tongue::Python => self.python(at),
            Tongue::Go => self.go(at, mark),
            Tongue::JavaScript => self.javascript(at),
            Tongue::Ruby => self.ruby(at),
        };
        found.is_some()
    }

    /// `#[ignore]` among the attributes of a test function.
    fn rust(&self, line: usize, mark: &str) -> Option<()> {
        let is_own = mark.contains("ignore") && !mark.contains('!');
        let functions = || inline::test_functions(self.text).unwrap_or_default();
        let functions = self.functions.get_or_init(functions);
        let function = functions
            .iter()
            .find(|function| is_own && function.head.contains(&line))?;
        let name = function.path.rsplit("::").next()?;
        let lines = function.head.start() - 1..=function.end - 1;
        self.is_new(name, lines)
    }

    /// A decorator that is a plain skip, further decorators, and the `def` that they are of.
    fn python(&self, at: usize) -> Option<()> {
        let depth = indent(self.lines[at]);
        let mark = self.lines[at].trim_start();
        if !PYTHON_MARK.is_match(mark) {
            return None;
        }
        let mut head = at;
        let name = loop {
            let line = self.lines.get(head)?;
            let code = line.trim();
            // Here a string over several lines could hide what is decorated, and a walrus could keep the mark for others.
            let hides = ["\"\"\"", "'''", ":=", ";"]
                .iter()
                .any(|sign| code.contains(sign));
            if hides || code.ends_with('\\') {
                return None;
            }
            let is_own = indent(line) == depth;
            if let Some(head) = PYTHON_HEAD.captures(code).filter(|_| is_own) {
                break head.get(1)?.as_str();
            }
            let goes_on = code.starts_with(['@', ')', ']', '}', '#']) || code.is_empty();
            if !(indent(line) > depth || is_own && goes_on) {
                return None;
            }
            head += 1;
        };
        let mut end = head;
        let mut open: Option<&str> = None;
        for (at, line) in self.lines.iter().enumerate().skip(head + 1) {
            let code = line.trim();
            let closes = indent(line) == depth && code.starts_with([')', ']']);
            if open.is_none() && !code.is_empty() && indent(line) <= depth && !closes {
                break;
            }
            open = long_string(open, code);
            if !code.is_empty() {
                end = at;
            }
        }
        (open.is_none() && !self.may_inherit(at, depth)).then_some(())?;
        self.is_new(name, at..=end)
    }

    /// Whether a test of this name may be there already, from a class above or another module.
    fn may_inherit(&self, at: usize, depth: usize) -> bool {
        let outer = |line: &&&str| !line.trim().is_empty() && indent(line) < depth;
        let class = self.lines[..at].iter().rev().find(outer);
        let is_plain = |line: &&str| PYTHON_CLASS.is_match(line.trim());
        depth > 0 && !class.is_some_and(is_plain) || self.text.contains("import *")
    }

    /// `t.Skip()` between the head of a `func Test…` and its brace, both in the first column, as gofmt has them.
    fn go(&self, at: usize, mark: &str) -> Option<()> {
        if !mark.contains("Skip") {
            return None;
        }
        let is_outer = |line: &&str| !line.is_empty() && indent(line) == 0;
        let head = self.lines[..at].iter().rposition(&is_outer)?;
        let name = GO_HEAD.captures(self.lines[head])?.get(1)?.as_str();
        let n_inside = self.lines[at..].iter().position(is_outer)?;
        let end = at + n_inside;
        (self.lines[end] == "}").then_some(())?;
        // The function is open from its head to that brace.
        let mut open = 0;
        for line in &self.lines[head..end] {
            open = balance(line, "//", open, &['{'], &['}'])?;
            (open > 0).then_some(())?;
        }
        (open == 1).then_some(())?;
        self.is_new(name, head..=end)
    }

    /// `it.skip('title', () => {` and what stands below it, to the bracket as deep as its head.
    fn javascript(&self, head: usize) -> Option<()> {
        let line = self.lines[head];
        let code = line.trim();
        let is_head = JS_HEAD.is_match(code) && !code.contains("only");
        let title = is_head.then(|| JS_TITLE.captures(code))??;
        let title = title.iter().skip(1).flatten().next()?.as_str();
        let below = self.lines[head + 1..]
            .iter()
            .position(|other| !other.trim().is_empty() && indent(other) <= indent(line));
        let (opens, closes) = (['(', '{', '['], [')', '}', ']']);
        let alone = balance(line, "//", 0, &opens, &closes)?;
        let end = match alone {
            0 => head,
            _ => head + 1 + below?,
        };
        let mut open = 0;
        for (at, line) in self.lines.iter().enumerate().take(end + 1).skip(head) {
            open = balance(line, "//", open, &opens, &closes)?;
            // A regular expression could hold brackets.
            let rest = without_strings(line, "//")?;
            (!rest.contains('/') && (open > 0 || at == end)).then_some(())?;
        }
        (open == 0).then_some(())?;
        self.is_new(title, head..=end)
    }

    /// `xit 'title' do`, `it 'title', :skip do`, or a `skip` as the first line of a test.
    fn ruby(&self, at: usize) -> Option<()> {
        let code = self.lines[at].trim();
        let head = match RUBY_MARK.is_match(code) {
            true => {
                let above = self.lines[..at].iter();
                above
                    .rev()
                    .position(|line| !line.trim().is_empty())
                    .map(|n| at - 1 - n)?
            }
            false => RUBY_MARKED_HEAD.is_match(code).then_some(at)?,
        };
        let line = self.lines[head];
        let code = line.trim();
        let captures = RUBY_HEAD
            .captures(code)
            .filter(|_| !code.contains("focus"))?;
        let name = captures.iter().skip(1).flatten().next()?.as_str();
        let below = self.lines[head + 1..]
            .iter()
            .position(|other| !other.trim().is_empty() && indent(other) <= indent(line))?;
        let end = head + 1 + below;
        (self.lines[end].trim() == "end" && indent(self.lines[end]) == indent(line))
            .then_some(())?;
        (at == head || at < end && indent(self.lines[at]) > indent(line)).then_some(())?;
        let is_method = code.starts_with("def ");
        let may_inherit = is_method && {
            let class = |line: &&&str| line.trim_start().starts_with("class ");
            let class = self.lines[..head].iter().rev().find(class);
            !class.is_some_and(|line| RUBY_CLASS.is_match(line.trim()))
                || self.text.contains("include ")
        };
        (!may_inherit).then_some(())?;
        let block = || self.lines[head..=end].iter().map(|line| line.trim());
        let hides = |code: &str| code.contains("<<") || code.starts_with('=') || code.contains('%');
        let n_opened = block().filter(|code| RUBY_OPENS.is_match(code)).count();
        let n_closed = block().filter(|code| code.starts_with("end")).count();
        (n_opened == n_closed && !block().any(hides)).then_some(())?;
        self.is_new(name, head..=end)
    }

    /// The old file does not know the name in whatever place, and all lines are added. Only a last line of brackets may be an old one's:
    /// which of two equal lines is the new one is the diff's choice.
    fn is_new(&self, name: &str, lines: RangeInclusive<usize>) -> Option<()> {
        let end = *lines.end();
        let is_added = |at: usize| {
            let code = self.lines[at].trim();
            let closes = code == "end" || code.chars().all(|c| matches!(c, '}' | ')' | ']' | ';'));
            code.is_empty() || self.added.contains(&(at + 1)) || at == end && closes
        };
        let is_new = !self.old.contains(name) && { lines }.all(is_added);
        is_new.then_some(())
    }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The quotes of the Python string that goes on after a line, where one of these was open before it.
fn long_string<'q>(open: Option<&'q str>, line: &str) -> Option<&'q str> {
    const QUOTES: [&str; 2] = ["\"\"\"", "'''"];
    let mut open = open;
    let mut rest = line;
    loop {
        let found = match open {
            Some(quotes) => rest.find(quotes).map(|at| (at, quotes)),
            None => {
                let places = QUOTES
                    .iter()
                    .filter_map(|quotes| Some((rest.find(quotes)?, *quotes)));
                places.min()
            }
        };
        let Some((at, quotes)) = found else {
            return open;
        };
        open = open.is_none().then_some(quotes);
        rest = &rest[at + 3..];
    }
}

/// How many brackets are open after a line; `None` where a string or a comment goes on, or more is closed than was open.
fn balance(
    line: &str,
    comment: &str,
    open: usize,
    opens: &[char],
    closes: &[char],
) -> Option<usize> {
    let mut open = open;
    for c in without_strings(line, comment)?.chars() {
        if opens.contains(&c) {
            open += 1;
        } else if closes.contains(&c) {
            open = open.checked_sub(1)?;
        }
    }
    Some(open)
}

/// A line without its strings and comment; `None` where one of them goes beyond the line.
fn without_strings(line: &str, comment: &str) -> Option<String> {
    let mut rest = String::new();
    let mut quote: Option<char> = None;
    let mut chars = line.char_indices();
    while let Some((at, c)) = chars.next() {
        match quote {
            Some(_) if c == '\\' => _ = chars.next(),
            Some(open) => quote = (c != open).then_some(open),
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if line[at..].starts_with(comment) => break,
            None if c == '`' || line[at..].starts_with("/*") || line[at..].starts_with("*/") => {
                return None;
            }
            None => rest.push(c),
        }
    }
    quote.is_none().then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::super::super::change_of::{change, facts, judged};
    use super::super::skipped;
    use crate::policy::FileKind;

    /// `files`: path, old text, new text; each is a test.
    #[track_caller]
    fn check_files(files: &[(&str, &str, &str)], n_expected: usize) {
        let change = change(files);
        let found = facts(skipped(&judged(&change, |_| FileKind::Test)));
        assert_eq!(found.len(), n_expected, "{found:?} in {files:?}");
    }

    #[track_caller]
    fn check_new(path: &str, old: &str, new: &str) {
        check_files(&[(path, old, new)], 0);
    }

    #[track_caller]
    fn check_refused(path: &str, old: &str, new: &str) {
        check_files(&[(path, old, new)], 1);
    }

    const PY: &str = "import pytest\n\n\nclass TestCart:\n    def test_total(self):\n        assert total() == 2\n\n\ndef test_vat():\n    assert vat() == 19\n";
    const PY_NEW: &str = "\n@pytest.mark.parametrize('a', [\n    1,\n])\n@pytest.mark.skipif(\n    sys.version_info < (3, 14),\n    reason='later',\n)\n@other\ndef test_later(\n    a,\n):\n    \"\"\"\nWhy.\n    \"\"\"\n\n    assert a\n";

    #[test]
    fn a_new_python_test_may_be_skipped() {
        check_new("test_a.py", PY, &format!("{PY}{PY_NEW}"));
        check_new("test_a.py", "", &format!("import pytest\n{PY_NEW}"));
        let method = "    @pytest.mark.skip\n    async def test_later(self):\n        assert 1\n\n";
        let at = PY.find("    def test_total").expect("a method");
        let within = format!("{}{method}{}", &PY[..at], &PY[at..]);
        check_new("test_a.py", PY, &within);
        check_new(
            "test_a.py",
            PY,
            &within.replace("pytest.mark.skip", "unittest.skip('x')"),
        );
    }

    #[test]
    fn a_new_python_test_may_have_strings_of_many_lines() {
        for text in [
            "'''\nfrom a import b\n\"\"\"\n    '''",
            "\"\"\"\n@x\n'''\"\"\"; y = '''\n'''",
        ] {
            let new = format!(
                "\n@skipIf(1 < 2, 'new')\ndef test_later():\n    x = {text}\n    assert x\n"
            );
            check_new("test_a.py", PY, &format!("{PY}{new}"));
        }
        let open = "\n@skipIf(1 < 2, 'new')\ndef test_later():\n    x = '''\n\"\"\"\n";
        check_refused("test_a.py", PY, &format!("{PY}{open}"));
        let stolen = "@skipIf(1 < 2, 'new')\ndef test_later():\n    x = '''\n'''\n    assert vat";
        check_refused(
            "test_a.py",
            PY,
            &PY.replace("def test_vat():\n    assert vat", stolen),
        );
    }

    #[test]
    fn a_skip_on_an_old_python_test_is_refused() {
        let skip = "@pytest.mark.skip\ndef test_vat";
        check_refused("test_a.py", PY, &PY.replace("def test_vat", skip));
        // Renamed in the same stroke, with and without a new body.
        for name in ["test_later", "test_total_of_all"] {
            let renamed = PY.replace("def test_vat", &format!("@pytest.mark.skip\ndef {name}"));
            check_refused("test_a.py", PY, &renamed);
            check_refused("test_a.py", PY, &renamed.replace("19", "20"));
        }
        // A new head takes the old body over.
        let stolen = PY.replace(
            "def test_vat():\n",
            "def test_vat():\n    pass\n\n@pytest.mark.skip\ndef test_later():\n",
        );
        check_refused("test_a.py", PY, &stolen);
        // Another file's test moves here.
        check_files(
            &[
                ("test_a.py", PY, ""),
                ("test_b.py", "", &format!("import pytest\n{PY_NEW}")),
            ],
            1,
        );
    }

    #[test]
    fn a_python_skip_of_more_than_one_test_is_refused() {
        for more in [
            "pytestmark = pytest.mark.skip\n",
            "pytest.skip('x', allow_module_level=True)\n",
            "later = pytest.mark.skip\n",
            "@pytest.mark.skip\nclass TestLater:\n    def test_later(self):\n        pass\n",
            "@(later := pytest.mark.skip)\ndef test_later():\n    pass\n",
            "@pytest.mark.skip(reason=(later := 'x'))\ndef test_later():\n    pass\n",
            "@pytest.mark.skip\ndef helper():\n    pass\n",
            "def test_later():\n    pytest.skip('x')\n",
        ] {
            check_refused("test_a.py", PY, &format!("{PY}\n{more}"));
        }
        let hidden =
            "@pytest.mark.skip(reason=\"\"\"\ndef test_later():\n    \"\"\")\ndef test_vat";
        check_refused("test_a.py", PY, &PY.replace("def test_vat", hidden));
    }

    #[test]
    fn a_python_test_that_may_replace_an_inherited_one_is_refused() {
        let class = "class TestShop(Base):\n    def test_a(self):\n        assert 1\n";
        let skip = "\n    @pytest.mark.skip\n    def test_later(self):\n        pass\n";
        check_refused("test_a.py", class, &format!("{class}{skip}"));
        let plain = class.replace("(Base)", "(unittest.TestCase)");
        check_new("test_a.py", &plain, &format!("{plain}{skip}"));
        let stars = format!("from base import *\n{PY}");
        check_refused("test_a.py", &stars, &format!("{stars}{PY_NEW}"));
    }

    const RS: &str = "#[cfg(test)]\nmod tests {\n    #[test]\n    fn total() {\n        assert!(true);\n    }\n}\n";

    #[test]
    fn a_rust_test_is_new_or_old() {
        let new = "\n    #[test]\n    #[ignore = \"slow\"]\n    #[should_panic(\n        expected = \"x\"\n    )]\n    fn later() {\n        x();\n    }\n}\n";
        let with = |more: &str| format!("{}{more}", RS.strip_suffix("}\n").expect("a brace"));
        check_new("a.rs", RS, &with(new));
        check_new(
            "a.rs",
            RS,
            &with(&new.replace("[ignore = \"slow\"]", "[cfg_attr(miri, ignore)]")),
        );
        check_refused(
            "a.rs",
            RS,
            &RS.replace("    fn total", "    #[ignore]\n    fn total"),
        );
        check_refused(
            "a.rs",
            RS,
            &RS.replace("    fn total", "    #[ignore]\n    fn later"),
        );
        // The new head takes the old body over.
        let stolen = "fn total() {}\n    #[test]\n    #[ignore]\n    fn later() {";
        check_refused("a.rs", RS, &RS.replace("fn total() {", stolen));
        check_refused(
            "a.rs",
            RS,
            &with(&new.replace("ignore = \"slow\"", "cfg(any())")),
        );
        check_refused("a.rs", RS, &RS.replace("mod tests", "#[ignore]\nmod tests"));
        check_refused(
            "a.rs",
            RS,
            &format!(
                "#![cfg_attr(all(), ignore)]\n{}",
                with(&new.replace("    #[ignore = \"slow\"]\n", ""))
            ),
        );
        let in_a_comment = "    /* #[test] fn later() {} */ #[ignore]\n    fn total";
        check_refused("a.rs", RS, &RS.replace("    fn total", in_a_comment));
        check_refused("a.rs", RS, &format!("{RS}#[ignore]\nfn later() {{}}\n"));
    }

    const GO: &str = "package a\n\nfunc TestTotal(t *testing.T) {\n\tcheck(t)\n}\n";

    #[test]
    fn a_go_test_is_new_or_old() {
        let new = "\nfunc TestLater(t *testing.T) {\n\tif testing.Short() { // {\n\t\tt.Skip(\"{\")\n\t}\n\tcheck(t)\n}\n";
        check_new("a_test.go", GO, &format!("{GO}{new}"));
        check_refused(
            "a_test.go",
            GO,
            &GO.replace("\tcheck", "\tt.Skip()\n\tcheck"),
        );
        let renamed = GO.replace("Total(t *testing.T) {", "Later(t *testing.T) {\n\tt.Skip()");
        check_refused("a_test.go", GO, &renamed);
        // The new head takes the old body over.
        let stolen = GO.replace(
            "\tcheck",
            "}\n\nfunc TestLater(t *testing.T) {\n\tt.Skip()\n\tcheck",
        );
        check_refused("a_test.go", GO, &stolen);
        for more in [
            "func helper(t *testing.T) {\n\tt.Skip()\n}\n",
            "func TestMain(m *testing.M) {\n\tt.Skip()\n}\n",
            "func TestLater(t *testing.T) {\n\t}\n\tfunc helper(t *testing.T) {\n\tt.Skip()\n}\n",
            "func TestLater(t *testing.T) {\n\tx := `\n}`\n\tt.Skip()\n}\n",
            "//go:build ignore\n",
        ] {
            check_refused("a_test.go", GO, &format!("{GO}{more}"));
        }
    }

    const JS: &str =
        "describe('cart', () => {\n  it('adds', () => {\n    expect(1).toBe(1);\n  });\n});\n";

    #[test]
    fn a_javascript_test_is_new_or_old() {
        let within = |more: &str| JS.replace("  it('adds'", &format!("{more}  it('adds'"));
        for head in [
            "it.skip('later', ",
            "xit(\"later\", ",
            "test.todo('later', ",
        ] {
            let more =
                format!("  {head}() => {{\n    // {{\n    expect(f('(')).toBe(1);\n  }});\n\n");
            check_new("a.test.js", JS, &within(&more));
        }
        check_new(
            "a.test.js",
            JS,
            &within("  it.skip('later', () => { f(); });\n"),
        );
        check_new(
            "a.test.js",
            JS,
            &within("  test('later', { skip: true }, () => {\n    f();\n  });\n"),
        );
        check_refused("a.test.js", JS, &JS.replace("it('adds'", "it.skip('adds'"));
        check_refused("a.test.js", JS, &JS.replace("it('adds'", "it.skip('later'"));
        check_refused("a.test.js", JS, &JS.replace("describe(", "describe.skip("));
        for more in [
            "  it.only('later', () => {});\n",
            "  it.skip('adds', () => {});\n",
            "  it.skip(`later ${1}`, () => {});\n",
            "  describe.skip('later', () => {\n  });\n",
            "  fit('later', () => {});\n",
            // What is open still takes the next test in.
            "  it.skip('later', () => { // });\n",
            "  it.skip('later', () => { /});/;\n",
            "  it.skip('later', () => {\n",
            "  it.skip('later', () => {}); it.only('x', () => {});\n",
        ] {
            check_refused("a.test.js", JS, &within(more));
        }
        // The new head takes the old body over.
        let stolen = "it('adds', () => {});\n  it.skip('later', () => {";
        check_refused("a.test.js", JS, &JS.replace("it('adds', () => {", stolen));
    }

    const RB: &str = "RSpec.describe Cart do\n  it 'adds' do\n    expect(1).to eq(1)\n  end\nend\n";

    #[test]
    fn a_ruby_test_is_new_or_old() {
        let within = |more: &str| RB.replace("  it 'adds'", &format!("{more}  it 'adds'"));
        for more in [
            "  xit 'later' do\n    f { 1 }\n  end\n\n",
            "  it 'later', :skip do\n    f\n  end\n",
            "  it('later', skip: 'x') do\n    if f\n      g\n    end\n  end\n",
            "  it 'later' do\n    skip 'x' if f\n    g\n  end\n",
        ] {
            check_new("a_spec.rb", RB, &within(more));
        }
        let class = "class ATest < Minitest::Test\n  def test_a\n    assert 1\n  end\nend\n";
        let method = "  def test_later\n    skip 'x'\n  end\n\n  def test_a";
        check_new("a_test.rb", class, &class.replace("  def test_a", method));
        let other = class.replace("Minitest::Test", "Base");
        check_refused("a_test.rb", &other, &other.replace("  def test_a", method));
        check_refused("a_spec.rb", RB, &RB.replace("it 'adds'", "xit 'adds'"));
        check_refused("a_spec.rb", RB, &RB.replace("it 'adds'", "xit 'later'"));
        check_refused(
            "a_spec.rb",
            RB,
            &RB.replace("    expect", "    skip 'x'\n    expect"),
        );
        for more in [
            "  it 'later', :focus do\n    f\n  end\n",
            "  xdescribe 'later' do\n    f\n  end\n",
            "  before do\n    skip 'x'\n  end\n",
            "  it('later') { f }\n    before {\n skip 'x' }\n",
            "  xit 'later' do\n    f do\n  end\n",
            "  xit 'adds' do\n    f\n  end\n",
        ] {
            check_refused("a_spec.rb", RB, &within(more));
        }
        // The new head takes the old body over.
        let stolen = "it 'adds' do\n  end\n\n  xit 'later' do\n";
        check_refused("a_spec.rb", RB, &RB.replace("it 'adds' do\n", stolen));
    }

    #[test]
    fn other_languages_are_refused() {
        check_refused(
            "ATest.php",
            "<?php\n",
            "<?php\n$this->markTestSkipped('x');\n",
        );
        check_refused("ATest.java", "", "@Disabled\nvoid later() {}\n");
    }
}
