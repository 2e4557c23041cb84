//! Text that a reader does not see, or takes for another: invisible and turning characters, control characters, letters in disguise, code far
//! to the right, lines that are read in another encoding than they are shown in.

use super::text::{is_invisible, shown};
use super::{Judged, Objection};
use crate::change::CommitMessage;
use crate::policy::Rule;

/// As many blanks within a line push what stands behind them out of sight.
const MAX_BLANKS: usize = 100;

/// Encodings in which a reader and a compiler see the same, because the file is UTF-8. Python and Ruby take any of these names.
const PLAIN_ENCODINGS: [&str; 7] = [
    "ascii",
    "ascii-8bit",
    "binary",
    "us-ascii",
    "utf-8",
    "utf-8-unix",
    "utf8",
];

/// So many lines of one file say enough.
const MOST_PER_FILE: usize = 100;

/// The added lines of every file that is text.
pub(super) fn hidden_text(files: &[Judged]) -> Vec<Objection> {
    let mut objections = Vec::new();
    for judged in files {
        let path = &judged.file.path;
        let is_code = !judged.is_documentation();
        let most = objections.len() + MOST_PER_FILE;
        for (line, text) in judged.file.added_lines() {
            if objections.len() >= most {
                break;
            }
            let oddity = is_code.then(|| odd(text, line)).flatten();
            if let Some(what) = oddity {
                let fact = format!("line {line} of `{path}` has {what}");
                objections.push(Objection::line(Rule::HiddenText, path, line, fact));
                continue;
            }
            if is_plain(text) {
                continue;
            }
            // What is not UTF-8 is a finding of its own.
            let Ok(text) = std::str::from_utf8(text) else {
                continue;
            };
            let disguise = match path.extension() {
                _ if !is_code => Disguise::NoMatter,
                Some(b"py" | b"pyi" | b"pyx" | b"ipynb") if !judged.is_test() => Disguise::Anywhere,
                _ => Disguise::OutsideOfQuotes,
            };
            if let Some(what) = hidden(text, line == 1, disguise) {
                let fact = format!("line {line} of `{path}` has {what}");
                objections.push(Objection::line(Rule::HiddenText, path, line, fact));
            }
        }
    }
    objections
}

/// Where a letter in disguise is a finding.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Disguise {
    NoMatter,
    /// As data they are what they seem; where a text of many lines ends is not told here.
    OutsideOfQuotes,
    /// Python takes such a letter for the plain one, and a text may have begun on a line above.
    Anywhere,
}

/// A message is read by people and by tools, and no part of it is code.
pub(super) fn hidden_in_message(message: &CommitMessage) -> Option<Objection> {
    let bytes = message.as_bstr();
    let Ok(text) = std::str::from_utf8(bytes) else {
        let fact = "the message is not UTF-8".to_owned();
        return Some(Objection::new(Rule::HiddenText, fact));
    };
    let what = text
        .split('\n')
        .find_map(|line| hidden(line, false, Disguise::NoMatter))?;
    let fact = format!("the message has {what}");
    Some(Objection::new(Rule::HiddenText, fact))
}

/// What is hidden in a line of code although every character of it is seen.
fn odd(line: &[u8], number: usize) -> Option<String> {
    if let Some(name) = encoding_of(line).filter(|_| number <= 2) {
        let name = shown(&name);
        return Some(format!(
            "the encoding `{name}`, in which this file is not what it seems"
        ));
    }
    let blanks = |byte: &u8| matches!(byte, b' ' | b'\t');
    let is_far = line.len() > MAX_BLANKS
        && line
            .trim_ascii()
            .split(|byte| !blanks(byte))
            .any(|run| run.len() >= MAX_BLANKS);
    is_far.then(|| format!("{MAX_BLANKS} blanks or more before what stands far to the right"))
}

/// The encoding that a comment declares (PEP 263, and Ruby's magic comments), if it is none that a reader may expect.
fn encoding_of(line: &[u8]) -> Option<String> {
    let line = std::str::from_utf8(line).ok()?;
    let comment = line.trim_start().strip_prefix('#')?.to_ascii_lowercase();
    let (_, rest) = comment.split_once("coding")?;
    let value = rest.strip_prefix([':', '='])?.trim_start();
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let end = value.find(|c| !is_part(c)).unwrap_or(value.len());
    let name = value[..end].replace('_', "-");
    (!name.is_empty() && !PLAIN_ENCODINGS.contains(&name.as_str())).then_some(name)
}

fn is_plain(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.iter()
        .all(|&byte| matches!(byte, b'\t' | 0x0c | 0x20..0x7f))
}

/// What is hidden in a line, if anything.
fn hidden(line: &str, is_first: bool, disguise: Disguise) -> Option<String> {
    let line = line.strip_suffix('\r').unwrap_or(line);
    let line = line
        .strip_prefix('\u{feff}')
        .filter(|_| is_first)
        .unwrap_or(line);
    let (mut before, mut quote) = (None, None);
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match quote {
            Some(open) if c == open && before != Some('\\') => quote = None,
            None if matches!(c, '\'' | '"' | '`') => quote = Some(c),
            _ => {}
        }
        let is_control = c.is_control() && !matches!(c, '\t' | '\u{c}');
        if is_control || is_invisible(c) && !joins(before, c, rest.clone().next()) {
            return Some(format!("the hidden character U+{:04X}", u32::from(c)));
        }
        let is_data = disguise == Disguise::OutsideOfQuotes && closes(quote, rest.as_str());
        if disguise != Disguise::NoMatter && !is_data && is_disguised(c) {
            return Some(format!("`{c}`, which compilers may read as a plain letter"));
        }
        before = Some(c);
    }
    let word = line
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .find(|word| {
            word.chars().any(|c| c.is_ascii_alphabetic()) && word.chars().any(looks_latin)
        })?;
    Some(format!(
        "`{}`, a word of letters of two scripts that look alike",
        shown(word)
    ))
}

/// Whether a quote is open that ends on this line.
fn closes(quote: Option<char>, rest: &str) -> bool {
    quote.is_some_and(|open| rest.contains(open))
}

/// Whether an invisible character does what it is for: it joins parts of an emoji, or letters of a script that needs it.
fn joins(before: Option<char>, c: char, after: Option<char>) -> bool {
    let is_emoji = |c: char| matches!(c, '\u{203c}'..='\u{3299}' | '\u{1f000}'..='\u{1faff}' | '\u{fe0f}' | '#' | '*' | '0'..='9');
    let needs_it = |c: char| matches!(c, '\u{600}'..='\u{7ff}' | '\u{900}'..='\u{dff}' | '\u{fb50}'..='\u{fdff}');
    match c {
        '\u{fe0f}' => before.is_some_and(is_emoji),
        '\u{200d}' => {
            before.is_some_and(is_emoji) && after.is_some_and(is_emoji)
                || before.is_some_and(needs_it) && after.is_some_and(needs_it)
        }
        '\u{200c}' => before.is_some_and(needs_it) && after.is_some_and(needs_it),
        _ => false,
    }
}

/// Full-width and mathematical letters: Python takes them for the plain ones.
fn is_disguised(c: char) -> bool {
    matches!(c, '\u{ff10}'..='\u{ff5a}' | '\u{1d400}'..='\u{1d7ff}' | '\u{2100}'..='\u{2149}' if c.is_alphanumeric() && c != '\u{2126}')
}

/// Letters of other scripts that are drawn like Latin ones.
fn looks_latin(c: char) -> bool {
    matches!(c, '\u{400}'..='\u{52f}' | '\u{531}'..='\u{587}' | '\u{13a0}'..='\u{13ff}')
        || "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧονικυρ".contains(c)
}

#[cfg(test)]
mod tests {
    use super::super::change_of::{change, facts, judged};
    use super::*;
    use crate::policy::FileKind;

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let change = change(&[("src/a.py", "x = 0\n", &format!("x = 0\n{line}\n"))]);
        let files = judged(&change, |_| FileKind::Production);
        let prefix = "line 2 of `src/a.py` has ";
        let facts = facts(hidden_text(&files));
        let facts: Vec<&str> = facts
            .iter()
            .map(|fact| fact.strip_prefix(prefix).unwrap_or(fact))
            .collect();
        assert_eq!(facts.join("; "), expected, "{line:?}");
    }

    #[test]
    fn characters_that_nobody_sees_are_found() {
        check("# \u{202e} x", "the hidden character U+202E");
        check("a\u{200b}b = 1", "the hidden character U+200B");
        check("a = 1\u{2067}", "the hidden character U+2067");
        check("a = 1 \r# b", "the hidden character U+000D");
        check("a = '\u{1b}[2J'", "the hidden character U+001B");
        check("a = '\u{e0041}'", "the hidden character U+E0041");
        check("\u{feff}a = 1", "the hidden character U+FEFF");
        // A joiner needs what it joins on both sides.
        for [before, after] in [
            ["a", "b"],
            ["❤", "b"],
            ["a", "❤"],
            ["م", "b"],
            ["a", "م"],
            ["❤", "م"],
        ] {
            check(
                &format!("{before}\u{200d}{after}"),
                "the hidden character U+200D",
            );
        }
        check("'م\u{200c}a'", "the hidden character U+200C");
        check("'a\u{200c}م'", "the hidden character U+200C");
    }

    #[test]
    fn letters_in_disguise_are_found() {
        check(
            "def t\u{43e}tal():",
            "`t\u{43e}tal`, a word of letters of two scripts that look alike",
        );
        check(
            "\u{ff45}xec(code)",
            "`\u{ff45}`, which compilers may read as a plain letter",
        );
        check(
            "\u{1d41e}\u{1d431}ec(code)",
            "`\u{1d41e}`, which compilers may read as a plain letter",
        );
    }

    #[test]
    fn a_letter_in_disguise_may_be_data() {
        let found = |path: &str, kind: FileKind, line: &str| {
            let change = change(&[(path, "x = 0\n", &format!("x = 0\n{line}\n"))]);
            !hidden_text(&judged(&change, |_| kind)).is_empty()
        };
        let (code, test) = (FileKind::Production, FileKind::Test);
        assert!(!found("a.test.ts", test, "expect(f('\u{ff50}')).toBe(1)"));
        assert!(!found("a.ts", code, "const wide = \"it's \u{ff50}\""));
        assert!(!found("test_a.py", test, "assert f('\u{ff14}') == 4"));
        assert!(found("a.py", code, "x = '\u{ff14}'"));
        assert!(found("test_a.py", test, "\u{ff45}xec('x')"));
        assert!(found("test_a.py", test, "f('x'); \u{ff45}xec('x')"));
        assert!(found("a.test.ts", test, "it's \u{ff45}xec(1)"));
    }

    #[test]
    fn text_of_other_scripts_is_left_alone() {
        for line in [
            "# Größe, naïve, façade, 漢字, русский, ελληνικά",
            "price = \"5 €\"  # ± 2 µs, Δt, 20 °C",
            "heart = \"❤\u{fe0f} 👩\u{200d}💻\"",
            "word = \"می\u{200c}خواهم\"",
            "\ta = 1",
            "a = 1\r",
        ] {
            check(line, "");
        }
    }

    #[test]
    fn code_far_to_the_right_is_found() {
        let blanks = " ".repeat(MAX_BLANKS);
        let found = "100 blanks or more before what stands far to the right";
        check(&format!("a = 1;{blanks}b = 2"), found);
        check(&format!("a = 1;{}b = 2", "\t".repeat(MAX_BLANKS)), found);
        check(&format!("{blanks}a = 1"), "");
        check(&format!("a = 1{blanks}"), "");
        check(&format!("a = 1;{}b = 2", &blanks[1..]), "");
    }

    #[test]
    fn an_encoding_that_is_not_what_is_seen_is_found() {
        for (line, expected) in [
            ("# -*- coding: utf-7 -*-", Some("utf-7")),
            ("#coding=unicode_escape", Some("unicode-escape")),
            ("# encoding: Shift_JIS", Some("shift-jis")),
            ("# vim: set fileencoding=latin-1 :", Some("latin-1")),
            ("# -*- coding: UTF_8 -*-", None),
            ("# encoding: ASCII-8BIT", None),
            ("# encoding is what it is", None),
            ("x = 'coding: utf-7'", None),
            ("#include <coding>", None),
        ] {
            assert_eq!(encoding_of(line.as_bytes()).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn a_message_hides_nothing() {
        let check = |message: &[u8]| hidden_in_message(&CommitMessage::new(message)).is_some();
        assert!(!check(
            "fix: größe der 合計 — сумма ❤\u{fe0f}\n\nBody.\n".as_bytes()
        ));
        assert!(check("fix: a\n\nb\u{200b}c\n".as_bytes()));
        assert!(check("fix: \u{202e}a\n".as_bytes()));
        assert!(check(b"fix: a\n\n\x1b[2Jb\n"));
        assert!(check(b"fix: caf\xe9\n"));
    }

    #[test]
    fn a_byte_order_mark_at_the_beginning_is_what_it_is_for() {
        assert_eq!(hidden("\u{feff}a = 1", true, Disguise::Anywhere), None);
    }

    #[test]
    fn only_added_lines_count() {
        let change = change(&[("a.py", "# \u{202e}\n", "# \u{202e}\nx = 1\n")]);
        assert!(hidden_text(&judged(&change, |_| FileKind::Test)).is_empty());
    }
}
