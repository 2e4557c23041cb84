//! Tests that are switched off where they stand: skip marks, and marks that leave only others to run.

mod newcomers;

use std::cell::LazyCell;
use std::sync::LazyLock;

use gix::bstr::ByteSlice as _;
use regex::bytes::Regex;

use self::newcomers::Newcomers;
use super::{Judged, Objection};
use crate::change::Content;
use crate::policy::Rule;

/// The marks of one language.
struct Language {
    extensions: &'static [&'static str],
    /// What a line of comment begins with.
    comment: &'static str,
    marks: LazyLock<Regex>,
}

/// So many marks of a file are looked at for whether their test is new: each takes a look at all that is around it.
const MOST_ASKED: usize = 50;

/// Each mark below has one of these in it, so that no pattern is compiled where there is none.
const NEEDLES: [&str; 33] = [
    "assum",
    "nabled",
    "equires",
    "focus",
    "skip",
    "Skip",
    "SKIP",
    "ignore",
    "Ignore",
    "xfail",
    "expectedFailure",
    "only",
    "xit",
    "xdescribe",
    "xtest",
    "xcontext",
    "fit(",
    "fit ",
    "fcontext",
    "xspecify",
    "xscenario",
    "xfeature",
    "omit",
    "pend",
    "fdescribe",
    "todo",
    "pending",
    "isabled",
    "DISABLED",
    "Incomplete",
    "Inconclusive",
    "cfg",
    "__test__",
];

macro_rules! language {
    ($extensions:expr, $comment:literal, $marks:literal) => {
        Language {
            extensions: &$extensions,
            comment: $comment,
            marks: LazyLock::new(|| {
                Regex::new(concat!("(?x-u)", $marks)).expect("each pattern is checked by a test")
            }),
        }
    };
}

static LANGUAGES: [Language; 10] = [
    language!(
        ["rs"],
        "//",
        r"\#\s*!?\[\s*(?:ignore\b | cfg_attr\s*\(.*\bignore\b | cfg\s*\(\s*(?:any\s*\(\s*\)|false|FALSE)\s*\))"
    ),
    language!(
        ["py"],
        "#",
        r"\bmark\s*\.\s*(?:skip|skipif|xfail)\b | \bpytest\s*\.\s*(?:skip|xfail|importorskip)\s*\( | \bunittest\s*\.\s*(?:skip\w*|SkipTest|expectedFailure)\b
        | \bself\s*\.\s*skipTest\s*\( | \bSkipTest\b | @\s*(?:skip|skipIf|skipUnless|skipif|xfail|expectedFailure)\b | \b__test__\s*=\s*False | \bcollect_ignore"
    ),
    language!(
        ["js", "jsx", "ts", "tsx", "mjs", "cjs", "mts", "cts"],
        "//",
        r"\b(?:it|test|describe|suite|context|specify|bench|each|concurrent|t|this|ctx)\s*\.\s*(?:skip|todo|only|skipIf|runIf|fails|failing)\b
        | \b(?:xit|xtest|xdescribe|xcontext|xspecify|fit|fdescribe|ftest)\s*\( | \b(?:skip|todo|only)\s*:\s*(?:true|['\x22`]) | \bpending\s*\("
    ),
    language!(
        ["go"],
        "",
        r"\b[a-z]\w*\s*\.\s*Skip(?:f|Now)?\s*\( | //\s*go:build\s.*\bignore\b | //\s*\+build\s.*\bignore\b"
    ),
    language!(
        ["java", "kt", "kts", "scala", "groovy"],
        "//",
        r"@\s*(?:Disabled\w*|Ignore\w*|EnabledIf\w*|PendingFeature)\b | \bassum(?:e|ing)(?:True|False|That|Not\w*|No\w*)\s*\( | \benabled\s*=\s*false
        | \b(?:ignore|pending|cancel)\s*(?:\(|$) | \bSkipException\b"
    ),
    language!(
        ["cs", "fs", "vb"],
        "//",
        r"[\[<,]\s*Ignore\b | \bSkip\s*=\s*[\x22$@] | \bAssert\s*\.\s*(?:Ignore|Inconclusive|Skip)\b"
    ),
    language!(
        ["rb"],
        "#",
        r"(?:^|[{;])\s*(?:skip|pending|pend|omit|omit_if|omit_unless)\b | :(?:focus|pending)\b | \b(?:xit|xdescribe|xcontext|xspecify|xfeature|xscenario|fit|fdescribe|fcontext)\b\s*[\x22'(] | :skip\b | \b(?:skip|pending|focus)\s*:"
    ),
    language!(
        ["php", "phpt"],
        "//",
        r"\bmarkTest(?:Skipped|Incomplete)\s*\( | ->\s*(?:skip|todo|only)\s*\( | @requires\b | \#\[\s*Requires\w* | ^--SKIPIF--"
    ),
    language!(
        ["ex", "exs"],
        "#",
        r"@(?:tag|moduletag|describetag)\s+(?:\[?\s*skip\s*:|:skip\b) | \bskip\s*:"
    ),
    language!(
        ["bats", "sh", "bash"],
        "#",
        r"(?:^|[;&|]|\bthen\b|\bdo\b)\s*skip(?:\s|$) | \bbats_?skip\b"
    ),
];

/// Skip marks in the added lines of test files, and in Rust wherever tests may stand. Those on wholly new tests are none.
pub(super) fn skipped(files: &[Judged]) -> Vec<Objection> {
    let mut objections = Vec::new();
    let loses_heads = LazyCell::new(|| newcomers::loses_heads(files));
    for judged in files {
        let path = &judged.file.path;
        let Some(language) = path.extension().and_then(language) else {
            continue;
        };
        if !judged.is_test() && language.extensions != ["rs"] {
            continue;
        }
        let Some(Content::Text(text)) = judged.file.new.as_ref().map(|new| &new.content) else {
            continue;
        };
        let newcomers = LazyCell::new(|| Newcomers::of(judged).filter(|_| !*loses_heads));
        let mut n_asked = 0;
        let runs = judged.file.hunks.iter().map(|hunk| &hunk.new);
        for run in runs.filter(|run| may_skip(&text[run.bytes.clone()])) {
            for (line, text) in run.of(text) {
                if let Some(mark) = skip_mark(language, text) {
                    let mark = super::text::shown(&String::from_utf8_lossy(mark));
                    let is_only_one = language.marks.find_iter(text).count() == 1;
                    n_asked += 1;
                    let may_ask = is_only_one && n_asked <= MOST_ASKED;
                    let newcomers = may_ask.then_some(&newcomers);
                    let newcomers = newcomers.and_then(|newcomers| newcomers.as_ref());
                    if newcomers.is_some_and(|newcomers| newcomers.has(line, &mark)) {
                        continue;
                    }
                    let fact = format!("line {line} of `{path}` adds `{mark}`");
                    objections.push(Objection::line(Rule::TestSkipped, path, line, fact));
                }
            }
        }
    }
    objections
}

fn language(extension: &[u8]) -> Option<&'static Language> {
    LANGUAGES.iter().find(|language| {
        let mut extensions = language.extensions.iter();
        extensions.any(|known| extension.eq_ignore_ascii_case(known.as_bytes()))
    })
}

/// Whether a mark in `text` is possible at all.
fn may_skip(text: &[u8]) -> bool {
    NEEDLES.iter().any(|needle| text.contains_str(needle))
}

fn skip_mark<'a>(language: &Language, line: &'a [u8]) -> Option<&'a [u8]> {
    let code = line.trim_ascii();
    if !language.comment.is_empty() && code.starts_with(language.comment.as_bytes()) {
        return None;
    }
    language
        .marks
        .find(line)
        .map(|found| found.as_bytes().trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(extension: &str, line: &str, expected: bool) {
        let language = language(extension.as_bytes()).expect("a known language");
        let mark = skip_mark(language, line.as_bytes());
        assert_eq!(mark.is_some(), expected, "{line}");
        assert!(
            mark.is_none_or(may_skip),
            "no needle is in the mark of {line}"
        );
    }

    #[test]
    fn marks_that_switch_tests_off_are_found() {
        for (extension, line) in [
            ("rs", "    #[ignore]"),
            ("rs", "#[ignore = \"flaky\"]"),
            ("rs", "#[cfg_attr(miri, ignore)]"),
            ("rs", "#[cfg(any())]"),
            ("py", "@pytest.mark.skip"),
            ("py", "    @pytest.mark.skipif(True, reason='x')"),
            ("py", "@mark.xfail"),
            ("py", "    pytest.skip('x')"),
            ("py", "@unittest.skip('x')"),
            ("py", "@unittest.skipUnless(x, 'y')"),
            ("py", "@skipIf(x)"),
            ("py", "        self.skipTest('x')"),
            ("py", "    raise SkipTest"),
            ("py", "@unittest.expectedFailure"),
            ("py", "    __test__ = False"),
            ("js", "it.skip('a', () => {"),
            ("ts", "xit('a', () => {"),
            ("ts", "describe.only('a', () => {"),
            ("js", "test('a', {skip: true}, () => {"),
            ("go", "\tt.Skip(\"x\")"),
            ("go", "//go:build ignore"),
            ("java", "@Disabled(\"x\")"),
            ("java", "assumeTrue(false);"),
            ("cs", "[Fact(Skip = \"x\")]"),
            ("cs", "[Ignore]"),
            ("rb", "  skip 'x'"),
            ("rb", "xit 'adds' do"),
            ("rb", "  fit 'adds' do"),
            ("rb", "  it 'adds', :focus do"),
            ("rb", "  before { skip 'x' }"),
            ("rb", "    omit('x')"),
            ("rb", "    pend"),
            ("php", "    #[RequiresPhp('>= 9')]"),
            ("php", "$this->markTestSkipped('x');"),
            ("exs", "@tag :skip"),
            ("exs", "@tag skip: true"),
            ("bats", "  skip \"x\""),
        ] {
            check(extension, line, true);
        }
    }

    #[test]
    fn words_that_only_look_like_marks_are_let_through() {
        for (extension, line) in [
            ("rs", "    fn ignore_case() {}"),
            ("rs", "// #[ignore]"),
            ("py", "def test_skip_empty_lines():"),
            ("py", "    assert parse(x, skip=True)"),
            ("py", "# pytest.skip('x')"),
            ("js", "expect(only).toBe(1)"),
            ("js", "const fitness = benefit(1)"),
            ("go", "\tskipped := 1"),
            ("rb", "  assert skipped"),
            ("rb", "  it 'appends' do"),
            ("rb", "  expect(benefit 'x').to eq(1)"),
            ("php", "    $this->skip = true;"),
            ("bats", "  run skip_it"),
        ] {
            check(extension, line, false);
        }
    }

    #[test]
    fn every_pattern_compiles() {
        for language in &LANGUAGES {
            LazyLock::force(&language.marks);
        }
    }

    #[test]
    fn rust_is_searched_everywhere_and_other_languages_in_their_tests() {
        use super::super::change_of::{change, judged};
        use crate::policy::FileKind;
        for (path, line, n_found) in [
            ("src/a.rs", "#[ignore]", 1),
            ("tests/a.rs", "#[ignore]", 1),
            ("src/a.py", "pytest.skip('x')", 0),
            ("tests/a.py", "pytest.skip('x')", 1),
        ] {
            let change = change(&[(path, "a\n", &format!("a\n{line}\n"))]);
            let files = judged(&change, |path| match path.starts_with("tests/") {
                true => FileKind::Test,
                false => FileKind::Production,
            });
            assert_eq!(skipped(&files).len(), n_found, "{path}");
        }
    }
}
