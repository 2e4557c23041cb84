//! The tests that a change of a Rust source can touch: of two versions only the items are parsed in which a hunk stands.
//!
//! What is outside is the same on both sides, byte by byte and bracket by bracket, so its tests are too.

use std::ops::Range;

use gix::bstr::ByteSlice as _;

use super::functions::TestFunction;
use super::scan::{Cut, Odd};
use super::source::Source;
use super::{CannotCut, functions, items, may_begin, may_hold_tests, source};
use crate::change::Hunk;

/// Whole items of both versions, and the modules that they stand in.
struct Part<'a> {
    modules: Vec<&'a str>,
    old: Range<usize>,
    new: Range<usize>,
}

/// Something of each version of a source.
pub type Both<T> = [Vec<T>; 2];

/// The items that the hunks touch; `None` where brackets alone do not tell.
fn parts<'a>(old: &'a str, new: &'a str, hunks: &[Hunk]) -> Option<Vec<Part<'a>>> {
    let mut parts = Vec::new();
    let mut here = Cut::default();
    let mut rest = hunks;
    while let Some(first) = rest.first() {
        let first = first.clone();
        let mut next = here.clone();
        while !next.is_last && next.at <= first.new.bytes.start {
            here = next.clone();
            next.advance(new).ok()?;
        }
        let from = here.clone();
        let mut there = here.clone();
        there.at = (here.at + first.old.bytes.start).checked_sub(first.new.bytes.start)?;
        let start = there.at;
        rest = meet((old, &mut there), (new, &mut here), rest).ok()?;
        parts.push(Part {
            modules: from.modules,
            old: start..there.at,
            new: from.at..here.at,
        });
    }
    Some(parts)
}

/// Goes on from one place in both versions to the next behind a hunk from which they are the same. Returns the hunks below it.
fn meet<'a, 'h>(
    (old, there): (&'a str, &mut Cut<'a>),
    (new, here): (&'a str, &mut Cut<'a>),
    mut hunks: &'h [Hunk],
) -> Result<&'h [Hunk], Odd> {
    loop {
        let [hunk, below @ ..] = hunks else {
            return Err(Odd);
        };
        if there.is_last && here.is_last {
            return Ok(&[]);
        }
        if let Some(next) = below.first()
            && (there.at > next.old.bytes.start || here.at > next.new.bytes.start)
        {
            hunks = below;
            continue;
        }
        let [behind_old, behind_new] = [
            there.at as i64 - hunk.old.bytes.end as i64,
            here.at as i64 - hunk.new.bytes.end as i64,
        ];
        let is_same = behind_old == behind_new && there.modules == here.modules;
        if is_same && behind_old >= 0 {
            return Ok(below);
        }
        if !there.is_last && (behind_old <= behind_new || here.is_last) {
            there.advance(old)?;
        } else {
            here.advance(new)?;
        }
    }
}

/// The test functions of the items that differ. All others are in both versions.
///
/// # Errors
/// One of the versions is not a sequence of Rust tokens.
pub(super) fn test_functions(
    [old, new]: [&str; 2],
    hunks: &[Hunk],
) -> Result<Both<TestFunction>, CannotCut> {
    if let Some(both) = functions_of_parts([old, new], hunks) {
        return Ok(both);
    }
    let whole = |text: &str| match may_hold_tests(text.as_bytes()) {
        true => functions::test_functions(text),
        false => Ok(Vec::new()),
    };
    Ok([whole(old)?, whole(new)?])
}

fn functions_of_parts([old, new]: [&str; 2], hunks: &[Hunk]) -> Option<Both<TestFunction>> {
    let parts = parts(old, new, hunks)?;
    let mut both = Both::default();
    for part in &parts {
        let path: Vec<&str> = part.modules.iter().map(|header| name_of(header)).collect();
        let path = path.join("::");
        let sides = [&old[part.old.clone()], &new[part.new.clone()]];
        let starts = [&old[..part.old.start], &new[..part.new.start]];
        for ((side, above), found) in sides.into_iter().zip(starts).zip(&mut both) {
            if !may_hold_tests(side.as_bytes()) {
                continue;
            }
            let mut functions = functions::test_functions_in(side, &path).ok()?;
            let n_above = n_line_feeds(above);
            for function in functions.iter_mut().filter(|_| n_above > 0) {
                let head = &function.head;
                function.head = head.start() + n_above..=head.end() + n_above;
                function.end += n_above;
            }
            found.append(&mut functions);
        }
    }
    // One of the same name elsewhere could be taken for it.
    let mut names = both.iter().flatten().map(|function| {
        let (_, name) = function.path.rsplit_once("::").unwrap_or_default();
        if name.is_empty() {
            function.path.as_str()
        } else {
            name
        }
    });
    let is_told_apart = names.all(|name| !is_defined_outside(new, &parts, name));
    is_told_apart.then_some(both)
}

/// The byte ranges of the test items of both versions, as far as they hold lines of hunks.
///
/// # Errors
/// One of the versions does not parse.
pub(super) fn test_regions(
    [old, new]: [&str; 2],
    hunks: &[Hunk],
) -> Result<Both<Range<usize>>, CannotCut> {
    if let Some(both) = regions_of_parts([old, new], hunks) {
        return Ok(both);
    }
    let whole = |text: &str| -> Result<Vec<Range<usize>>, CannotCut> {
        if !may_hold_tests(text.as_bytes()) {
            return Ok(Vec::new());
        }
        let regions = items::regions(&Source::parse(text)?).into_iter();
        Ok(regions.map(|region| region.bytes).collect())
    };
    Ok([whole(old)?, whole(new)?])
}

fn regions_of_parts([old, new]: [&str; 2], hunks: &[Hunk]) -> Option<Both<Range<usize>>> {
    let mut both = Both::default();
    for part in parts(old, new, hunks)? {
        let is_in_tests = || -> Option<bool> {
            let mut is_test = false;
            for header in &part.modules {
                is_test |= may_hold_tests(header.as_bytes()) && is_test_module(header)?;
            }
            Some(is_test)
        };
        let is_in_tests = is_in_tests()?;
        for ((text, bytes), found) in [(old, part.old), (new, part.new)]
            .into_iter()
            .zip(&mut both)
        {
            let side = &text[bytes.clone()];
            if is_in_tests {
                // It must not hold the end of the module.
                source::lex(side).ok()?;
                found.push(bytes);
            } else if may_begin(side.as_bytes()) < side.len() {
                let regions = items::regions(&Source::parse(side).ok()?).into_iter();
                let start = bytes.start;
                found.extend(regions.map(|it| it.bytes.start + start..it.bytes.end + start));
            }
        }
    }
    Some(both)
}

/// Whether a module is a test by its attributes; `None` if its header cannot be told from what stands above it.
fn is_test_module(header: &str) -> Option<bool> {
    let closed = format!("{header}}}");
    let source = Source::parse(&closed).ok()?;
    match source.file.items.last()? {
        item @ syn::Item::Mod(_) => Some(items::is_test(items::attributes(item))),
        _ => None,
    }
}

/// The name of a module: the last word before its brace.
fn name_of(header: &str) -> &str {
    let head = header.trim_end_matches('{').trim_end();
    head.rsplit(char::is_whitespace).next().unwrap_or(head)
}

fn n_line_feeds(text: &str) -> usize {
    text.bytes().filter(|&byte| byte == b'\n').count()
}

/// Whether a function of this name may stand outside of the parts.
fn is_defined_outside(new: &str, parts: &[Part], name: &str) -> bool {
    let starts = [0].into_iter().chain(parts.iter().map(|part| part.new.end));
    let ends = parts.iter().map(|part| part.new.start).chain([new.len()]);
    let mut gaps = starts.zip(ends).map(|(start, end)| &new[start..end]);
    gaps.any(|gap| {
        gap.as_bytes().find_iter(name).any(|at| {
            let before = gap[..at].trim_end();
            // A comment may stand between the two words.
            before.ends_with("fn") || before.ends_with('/') || before.ends_with("r#")
        })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::change::Lines;

    const SOURCE: &str = r####"//! About "it's" {.
#![allow(dead_code)]
use std::{fmt, io};

/* a /* nested }" */ comment */
const TABLE: Table = Table { rows: [1; 2], name: "}" };
pub const fn first<'a>(text: &'a str) -> char { '"' }

impl Table {
    /// What it's worth.
    fn worth(&self) -> u8 { if self.rows[0] == b'\'' { 1 } else { 2 } }
    #[cfg(test)]
    fn of_tests(&self) {}
}

#[test]
fn bare() { assert_eq!(first("a"), '}'); }

macro_rules! made { ($name:ident) => { #[test] fn $name() {} } }

#[cfg(test)]
mod tests {
    use super::*;

    fn helper() -> &'static str { r#"{ " } fn none() {"# }

    /// One.
    #[test]
    fn one() {
        let text = "\" // {";
        assert!(text.len() > 1);
    }

    #[test] // }
    fn two() { let c = '{'; assert_eq!(helper(), br"\"); }

    mod deeper {
        #[test]
        #[ignore]
        fn three() {}
    }
}

mod production {
    pub fn not_a_test() {}
    #[test]
    fn four() {}
}

proptest! {
    #[test]
    fn five(n in 0..3) {}
}
"####;

    fn lines(text: &str, range: Range<usize>) -> Lines {
        let end_of = |n: usize| {
            text.split_inclusive('\n')
                .take(n)
                .map(str::len)
                .sum::<usize>()
        };
        Lines {
            start: range.start + 1,
            n_lines: range.len(),
            bytes: end_of(range.start)..end_of(range.end),
        }
    }

    /// The source with the given lines of it, counted from 0, replaced; and the hunks between the two.
    fn edited(edits: &[(Range<usize>, &str)]) -> (String, Vec<Hunk>) {
        let old: Vec<&str> = SOURCE.split_inclusive('\n').collect();
        let (mut new, mut at, mut n_new) = (String::new(), 0, 0);
        let mut places = Vec::new();
        for (range, text) in edits {
            new.extend(old[at..range.start].iter().copied());
            n_new += range.start - at;
            new.push_str(text);
            let n_lines = text.split_inclusive('\n').count();
            places.push((range.clone(), n_new..n_new + n_lines));
            n_new += n_lines;
            at = range.end;
        }
        new.extend(old[at..].iter().copied());
        let hunks = places.into_iter().map(|(one, other)| Hunk {
            old: lines(SOURCE, one),
            new: lines(&new, other),
        });
        let hunks = hunks.collect();
        (new, hunks)
    }

    /// What one version has more of than the other.
    fn beyond(these: &[TestFunction], those: &[TestFunction]) -> Vec<(String, String)> {
        let mut left: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for function in those {
            *left.entry((&function.path, &function.body)).or_default() += 1;
        }
        let these = these.iter().filter(|function| {
            let n = left.entry((&function.path, &function.body)).or_default();
            let is_there = *n > 0;
            *n = n.saturating_sub(1);
            !is_there
        });
        let mut beyond: Vec<_> = these.map(|it| (it.path.clone(), it.body.clone())).collect();
        beyond.sort();
        beyond
    }

    /// That the parts tell of the difference just what the whole sources do.
    #[track_caller]
    fn check(edits: &[(Range<usize>, &str)]) {
        let (new, hunks) = edited(edits);
        let whole = |text: &str| functions::test_functions(text);
        if let (Ok(old_tests), Ok(new_tests)) = (whole(SOURCE), whole(&new)) {
            let [old_part, new_part] = test_functions([SOURCE, &new], &hunks).expect("both lex");
            let gone = beyond(&old_tests, &new_tests);
            assert_eq!(beyond(&old_part, &new_part), gone, "{edits:?}");
            let come = beyond(&new_tests, &old_tests);
            assert_eq!(beyond(&new_part, &old_part), come, "{edits:?}");
            for function in &new_part {
                assert!(new_tests.contains(function), "{function:?} after {edits:?}");
            }
        }
        let whole = |text: &str| -> Result<Vec<Range<usize>>, CannotCut> {
            let regions = items::regions(&Source::parse(text)?).into_iter();
            Ok(regions.map(|region| region.bytes).collect())
        };
        let (Ok(old_regions), Ok(new_regions)) = (whole(SOURCE), whole(&new)) else {
            return;
        };
        let [old_part, new_part] = test_regions([SOURCE, &new], &hunks).expect("both parse");
        let sides = [
            (SOURCE, old_regions, old_part),
            (new.as_str(), new_regions, new_part),
        ];
        for (n, (text, whole, part)) in sides.into_iter().enumerate() {
            for hunk in &hunks {
                let bytes = [&hunk.old.bytes, &hunk.new.bytes][n].clone();
                for at in bytes.filter(|&at| !text.as_bytes()[at].is_ascii_whitespace()) {
                    let is_in =
                        |regions: &[Range<usize>]| regions.iter().any(|it| it.contains(&at));
                    assert_eq!(
                        is_in(&part),
                        is_in(&whole),
                        "{at} of side {n} after {edits:?}"
                    );
                }
            }
        }
    }

    const TEXTS: [&str; 14] = [
        "",
        "    x();\n",
        "}\n",
        "{\n",
        "/*\n",
        "*/\n",
        "let a = \"\n",
        "r#\"\n",
        "\"#\n",
        "#[test]\nfn new() {}\n",
        "#[test]\nfn one() {}\n",
        "mod tests {\n",
        "use a::{b, c};\n",
        "}\n#[cfg(test)]\nmod other {\n",
    ];

    #[test]
    #[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
    fn one_edit_anywhere_tells_what_the_whole_tells() {
        let n_lines = SOURCE.lines().count();
        for start in 0..n_lines {
            for length in [0, 1, 3] {
                for text in TEXTS {
                    let end = (start + length).min(n_lines);
                    check(&[(start..end, text)]);
                }
            }
        }
    }

    #[test]
    #[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
    fn two_edits_tell_what_the_whole_tells() {
        let n_lines = SOURCE.lines().count();
        for first in 0..n_lines - 1 {
            for second in (first + 1..n_lines).step_by(5) {
                for (n, text) in TEXTS.iter().enumerate() {
                    let other = TEXTS[(n * 5 + first) % TEXTS.len()];
                    check(&[(first..first + 1, text), (second..second + 1, other)]);
                }
            }
        }
    }

    #[test]
    fn what_is_far_from_a_hunk_is_not_parsed() {
        let line = SOURCE
            .lines()
            .position(|line| line.contains("fn two"))
            .expect("there");
        let (new, hunks) = edited(&[(line..line + 1, "    fn two() {}\n")]);
        let parts = parts(SOURCE, &new, &hunks).expect("brackets tell");
        let [part] = &parts[..] else {
            panic!("{} parts", parts.len());
        };
        assert_eq!(part.modules.len(), 1);
        assert_eq!(
            new[part.new.clone()].trim_start_matches('\n'),
            "    #[test] // }\n    fn two() {}\n"
        );
    }
}
