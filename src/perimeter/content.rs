//! The policy's own rules about text that must not come in, or go out.

use std::collections::BTreeSet;
use std::ops::Range;

use gix::bstr::ByteSlice as _;
use regex::bytes::Regex;

use super::{Judged, Objection};
use crate::change::{Content, FileChange, FileVersion, Lines};
use crate::policy::{Forbidden, On, Rule};
use crate::suite::inline;

/// How many lines around a hunk may hold the rest of a match: a text broken over lines is the same text.
const CONTEXT_LINES: usize = 2;

/// Matches in changed lines, in those of a whole file where it is binary.
pub(super) fn forbidden(files: &[Judged], forbid: &[Forbidden]) -> Vec<Objection> {
    let mut objections = Vec::new();
    for Judged { file, kind } in files {
        for rule in forbid
            .iter()
            .filter(|rule| rule.speaks_of(&file.path, *kind))
        {
            if rule.on != On::Removed {
                let mut lines =
                    matches(rule, &file.new, || file.hunks.iter().map(|hunk| &hunk.new));
                leave_out_tests(rule, file, &file.new, &mut lines);
                objections.extend(
                    lines
                        .into_iter()
                        .map(|line| objection(rule, file, line, "added")),
                );
            }
            if rule.on != On::Added {
                let mut lines =
                    matches(rule, &file.old, || file.hunks.iter().map(|hunk| &hunk.old));
                leave_out_tests(rule, file, &file.old, &mut lines);
                objections.extend(
                    lines
                        .into_iter()
                        .map(|line| objection(rule, file, line, "removed")),
                );
            }
        }
    }
    objections
}

fn objection(rule: &Forbidden, file: &FileChange, line: usize, verb: &str) -> Objection {
    let Forbidden { id, why, .. } = rule;
    let path = &file.path;
    let fact = format!("`{id}` matches what is {verb} at line {line} of `{path}`: {why}");
    Objection::line(Rule::ForbiddenPattern, path, line, fact)
}

/// Takes the lines out that stand in tests inside of a Rust source, where the rule does not speak of tests.
fn leave_out_tests(
    rule: &Forbidden,
    file: &FileChange,
    version: &Option<FileVersion>,
    lines: &mut BTreeSet<usize>,
) {
    if rule.in_tests || lines.is_empty() || file.path.extension() != Some(b"rs") {
        return;
    }
    if let Some(text) = version.as_ref().and_then(|version| version.content.text()) {
        let tests = inline::test_lines(text);
        lines.retain(|line| !tests.iter().any(|test| test.contains(line)));
    }
}

/// The numbers of the lines where a match begins that meets one of `runs`.
fn matches<'a, I: Iterator<Item = &'a Lines>>(
    rule: &Forbidden,
    version: &Option<FileVersion>,
    runs: impl FnOnce() -> I,
) -> BTreeSet<usize> {
    let mut lines = BTreeSet::new();
    match version.as_ref().map(|version| &version.content) {
        Some(Content::Text(text)) => {
            for run in runs() {
                if rule
                    .pattern
                    .may_match(&text[with_context(text, &run.bytes)])
                {
                    lines.extend(matches_at(&rule.pattern, text, run));
                }
            }
        }
        Some(Content::Binary(bytes)) => {
            let is_match = rule.pattern.may_match(bytes) && rule.pattern.is_match(bytes);
            lines.extend(is_match.then_some(1));
        }
        Some(Content::TooLarge { .. } | Content::None) | None => {}
    }
    lines
}

fn matches_at(pattern: &Regex, text: &[u8], run: &Lines) -> BTreeSet<usize> {
    let mut lines = BTreeSet::new();
    let context = with_context(text, &run.bytes);
    for found in pattern.find_iter(&text[context.clone()]) {
        let (start, end) = (context.start + found.start(), context.start + found.end());
        // Of an empty run: what stood in between is gone.
        let meets = start < run.bytes.end && run.bytes.start < end;
        if meets || run.bytes.contains(&start) {
            let from = start.max(run.bytes.start);
            lines.insert(run.start + text[run.bytes.start..from].find_iter("\n").count());
        }
    }
    // An anchor means the ends of a line.
    if ["^", "$", "\\A", "\\z"]
        .iter()
        .any(|anchor| pattern.as_str().contains(anchor))
    {
        let matching = run.of(text).filter(|(_, line)| pattern.is_match(line));
        lines.extend(matching.map(|(line, _)| line));
    }
    lines
}

/// A range of bytes with the lines around it.
pub(super) fn with_context(text: &[u8], bytes: &Range<usize>) -> Range<usize> {
    let mut start = bytes.start.min(text.len());
    for _ in 0..CONTEXT_LINES {
        let above = &text[..start.saturating_sub(1)];
        start = if start == 0 {
            0
        } else {
            above.rfind_byte(b'\n').map_or(0, |at| at + 1)
        };
    }
    let mut end = bytes.end.min(text.len());
    for _ in 0..CONTEXT_LINES {
        end = text[end..]
            .find_byte(b'\n')
            .map_or(text.len(), |at| end + at + 1);
    }
    start..end
}

#[cfg(test)]
mod tests {
    use super::super::change_of::{file, judged};
    use super::*;
    use crate::policy::FileKind;

    /// The lines where `pattern` is found in what is added.
    #[track_caller]
    fn check(pattern: &str, old: &str, new: &str, expected: &[usize]) {
        let pattern = Regex::new(pattern).expect("it compiles");
        let file = file("a.sql", old, new);
        let text = new.as_bytes();
        let lines: BTreeSet<usize> = file
            .hunks
            .iter()
            .flat_map(|hunk| matches_at(&pattern, text, &hunk.new))
            .collect();
        assert_eq!(Vec::from_iter(lines), expected, "{new:?}");
    }

    const DROP: &str = r"(?i)\bdrop\s+table\b";

    #[test]
    fn an_added_match_is_found_with_its_line() {
        check(DROP, "a\n", "a\nb\nDROP TABLE x;\n", &[3]);
        check(DROP, "drop table x;\n", "drop table x;\nb\n", &[]);
        check(DROP, "drop table x;\n", "", &[]);
    }

    #[test]
    fn a_text_broken_over_lines_is_the_same_text() {
        check(DROP, "a\n", "a\ndrop\n   table x;\n", &[2]);
        check(DROP, "drop\n", "drop\ntable x;\n", &[2]);
        check(DROP, "drop\nthe\ntable\n", "drop\ntable\n", &[2]);
    }

    #[test]
    fn anchors_are_the_ends_of_a_line() {
        check("^import os$", "a\n", "a\nb\nimport os\n", &[3]);
    }

    #[test]
    fn the_rest_of_a_match_may_stand_two_lines_away() {
        let old = "--\ntable x;\n";
        check(r"drop[\s-]+table", old, &format!("drop\n{old}"), &[1]);
        let old = "drop\n--\n";
        check(r"drop[\s-]+table", old, &format!("{old}table x;\n"), &[3]);
    }

    #[test]
    fn a_pattern_counts_on_the_side_that_the_policy_names() {
        let found = |on, old: &str, new: &str| {
            let policy = format!(
                "version: 1\nperimeter: {{forbid: [{{id: drop, pattern: drop, on: {on}, in: ['**'], why: gone}}]}}\n"
            );
            let policy = crate::policy::Policy::load(&policy, "p.yaml").expect("loads");
            let change = crate::change::Change {
                files: vec![file("a.sql", old, new)],
            };
            let rules = &policy.perimeter.forbid;
            let rules: Vec<&Forbidden> = rules.iter().filter(|rule| rule.id == "drop").collect();
            let [rule] = rules[..] else {
                panic!("one rule of this name");
            };
            let files = judged(&change, |_| FileKind::Production);
            forbidden(&files, std::slice::from_ref(rule)).len()
        };
        for (on, added, removed) in [("added", 1, 0), ("removed", 0, 1), ("both", 1, 1)] {
            assert_eq!(found(on, "a\n", "a\ndrop\n"), added, "{on}");
            assert_eq!(found(on, "a\ndrop\n", "a\n"), removed, "{on}");
            // Of what is binary no line is known.
            assert_eq!(found(on, "a\0\n", "a\0drop\n"), added, "{on}");
            assert_eq!(found(on, "a\0\n", "a\0b\n"), 0, "{on}");
        }
    }

    #[test]
    fn a_pattern_may_leave_tests_out() {
        let found = |path: &str, kind: FileKind, new: &str| {
            let policy =
                "version: 1\nperimeter: {forbid: [{id: drop, pattern: drop, tests: false}]}\n";
            let policy = crate::policy::Policy::load(policy, "p.yaml").expect("loads");
            let change = crate::change::Change {
                files: vec![file(path, "fn a() {}\n", new)],
            };
            let rules = &policy.perimeter.forbid;
            let files = judged(&change, |_| kind);
            forbidden(&files, &rules[rules.len() - 1..]).len()
        };
        assert_eq!(found("a.py", FileKind::Production, "drop\n"), 1);
        assert_eq!(found("a.py", FileKind::JudgeInput, "drop\n"), 1);
        assert_eq!(found("a.py", FileKind::Test, "drop\n"), 0);
        // So are tests inside of a source; what stands around them is not.
        let rust = "fn a() { drop(1) }\n#[cfg(test)]\nmod tests {\n    fn b() { drop(1) }\n}\n";
        assert_eq!(found("a.rs", FileKind::Production, rust), 1);
        let rust = "#[cfg(test)]\nmod tests {\n    fn b() { drop(1) }\n}\nfn a() { drop(1) }\n";
        assert_eq!(found("a.rs", FileKind::Production, rust), 1);
        assert_eq!(found("a.rs", FileKind::Production, "drop(1\n"), 1);
    }
}
