//! Production code of one version of a source with the tests of another.
//!
//! Lines are merged first, so that everything keeps its place. Where tests and the rest share lines, the test items are put in by tokens.
//! Either result counts only if its tokens prove that it is what it should be.

use std::ops::Range;

use similar::{Algorithm, DiffOp};

use super::CannotCut;
use super::items::{self, Region};
use super::source::Source;

/// A source cut into its tests and the rest.
pub(super) struct Cut<'a> {
    source: Source<'a>,
    tests: Vec<Region>,
    tokens: Vec<Range<usize>>,
}

/// A line with its line feed, and whether nothing of it is production.
struct Line<'a> {
    text: &'a str,
    is_test: bool,
}

pub(super) fn join(production_of: &str, tests_of: &str) -> Result<String, CannotCut> {
    let production = Cut::new(production_of)?;
    let tests = Cut::new(tests_of)?;
    let joined = merge_lines(&production, &tests);
    let Err(by_lines) = verify(&joined, &production, &tests) else {
        return Ok(joined);
    };
    let joined = splice(&production, &tests);
    match verify(&joined, &production, &tests) {
        Ok(()) => Ok(joined),
        Err(by_items) => Err(CannotCut(format!(
            "tests and production code cannot be told apart: {by_lines} by lines, {by_items} by items"
        ))),
    }
}

impl<'a> Cut<'a> {
    pub fn new(text: &'a str) -> Result<Cut<'a>, CannotCut> {
        let source = Source::parse(text)?;
        Ok(Cut {
            tests: items::regions(&source),
            tokens: source.tokens(),
            source,
        })
    }

    fn text(&self, bytes: &Range<usize>) -> &'a str {
        &self.source.text[bytes.clone()]
    }

    fn is_test(&self, offset: usize) -> bool {
        let after = self.tests.partition_point(|test| test.bytes.end <= offset);
        self.tests
            .get(after)
            .is_some_and(|test| test.bytes.contains(&offset))
    }

    /// What stands before the first token, and every production token.
    pub fn production_tokens(&self) -> impl Iterator<Item = &'a str> {
        let prefix = &self.source.text[..self.source.prefix];
        let tokens = self.tokens.iter();
        let tokens = tokens.filter(|token| !self.is_test(token.start));
        std::iter::once(prefix).chain(tokens.map(|token| self.text(token)))
    }

    /// The tokens of each test with the place that it stands in.
    fn test_tokens(&self) -> impl Iterator<Item = (&str, Vec<&'a str>)> {
        self.tests.iter().map(|test| {
            let first = self
                .tokens
                .partition_point(|token| token.start < test.bytes.start);
            let tokens = self.tokens[first..].iter();
            let tokens = tokens.take_while(|token| token.start < test.bytes.end);
            (
                test.container.as_str(),
                tokens.map(|token| self.text(token)).collect(),
            )
        })
    }

    fn lines(&self) -> Vec<Line<'a>> {
        let mut start = 0;
        let lines = self.source.text.split_inclusive('\n').map(|text| {
            let is_test = self.is_test_line(start, text);
            start += text.len();
            Line { text, is_test }
        });
        lines.collect()
    }

    /// Whether all of a line belongs to a test; a comment behind its last brace does.
    fn is_test_line(&self, start: usize, line: &str) -> bool {
        let end = start + line.trim_end().len();
        let mut at = end - line.trim().len();
        loop {
            let first = self.tests.partition_point(|test| test.bytes.end <= at);
            let Some(test) = self.tests.get(first).filter(|test| test.bytes.start <= at) else {
                return false;
            };
            let rest = &self.source.text[test.bytes.end.min(end)..end];
            let comment = rest.trim_start();
            if comment.is_empty() || comment.starts_with("//") {
                return true;
            }
            at = end - comment.len();
        }
    }
}

/// An inserted line is kept only if it belongs to a test; a deleted line is dropped only if it does.
fn merge_lines(production: &Cut, tests: &Cut) -> String {
    let (old, new) = (production.lines(), tests.lines());
    let mut joined = String::with_capacity(production.source.text.len() + tests.source.text.len());
    for op in similar::capture_diff_slices(Algorithm::Myers, &texts(&old), &texts(&new)) {
        let is_equal = matches!(op, DiffOp::Equal { .. });
        let kept = old[op.old_range()]
            .iter()
            .filter(|line| is_equal || !line.is_test);
        let added = new[op.new_range()]
            .iter()
            .filter(|line| !is_equal && line.is_test);
        for line in kept.chain(added) {
            // The last line of a file may lack its line feed.
            if !joined.is_empty() && !joined.ends_with('\n') {
                joined.push('\n');
            }
            joined.push_str(line.text);
        }
    }
    joined
}

fn texts<'a>(lines: &[Line<'a>]) -> Vec<&'a str> {
    lines.iter().map(|line| line.text).collect()
}

/// The production text, its own tests taken out, with each test of the other version before the token that it stood before there.
fn splice(production: &Cut, tests: &Cut) -> String {
    let old: Vec<_> = production
        .tokens
        .iter()
        .filter(|token| !production.is_test(token.start))
        .collect();
    let new: Vec<_> = tests
        .tokens
        .iter()
        .filter(|token| !tests.is_test(token.start))
        .collect();
    let old_texts: Vec<_> = old.iter().map(|token| production.text(token)).collect();
    let new_texts: Vec<_> = new.iter().map(|token| tests.text(token)).collect();
    let ops = similar::capture_diff_slices(Algorithm::Myers, &old_texts, &new_texts);
    let boundaries = items::boundaries(&production.source);

    // Where each test goes: an offset in the production text.
    let mut inserts: Vec<(usize, &str)> = Vec::new();
    for test in &tests.tests {
        let n_before = new.partition_point(|token| token.start < test.bytes.start);
        let counterpart = |n: usize| {
            ops.iter().find_map(|op| match *op {
                DiffOp::Equal {
                    old_index,
                    new_index,
                    len,
                } if (new_index..new_index + len).contains(&n) => Some(old_index + (n - new_index)),
                _ => None,
            })
        };
        let behind = n_before
            .checked_sub(1)
            .and_then(counterpart)
            .map(|n| old[n].end);
        let offset = behind
            .or_else(|| counterpart(n_before).map(|n| old[n].start))
            .unwrap_or_else(|| {
                let op = ops.iter().find(|op| op.new_range().contains(&n_before));
                let from = op.and_then(|op| old.get(op.old_range().start));
                let from = from.map_or(production.source.text.len(), |token| token.start);
                let next = boundaries.partition_point(|&end| end < from);
                boundaries
                    .get(next)
                    .copied()
                    .unwrap_or(production.source.text.len())
            });
        inserts.push((offset, tests.text(&test.bytes)));
    }
    inserts.sort_by_key(|&(offset, _)| offset);

    let mut joined = String::new();
    let mut at = 0;
    let mut removed = production.tests.iter().map(|test| &test.bytes).peekable();
    let mut copy_until = |joined: &mut String, end: usize| {
        while let Some(test) = removed.next_if(|test| test.start < end) {
            joined.push_str(&production.source.text[at..test.start]);
            at = test.end;
        }
        if at < end {
            joined.push_str(&production.source.text[at..end]);
            at = end;
        }
    };
    for (offset, test) in inserts {
        copy_until(&mut joined, offset);
        joined.push('\n');
        joined.push_str(test);
        joined.push('\n');
    }
    copy_until(&mut joined, production.source.text.len());
    joined
}

/// Whether `joined` holds the production tokens of the one and the test items of the other, each test in the place that it has there.
fn verify(joined: &str, production: &Cut, tests: &Cut) -> Result<(), CannotCut> {
    let joined = Cut::new(joined)?;
    if !joined
        .production_tokens()
        .eq(production.production_tokens())
    {
        return Err(CannotCut("production code would differ".into()));
    }
    if !joined.test_tokens().eq(tests.test_tokens()) {
        return Err(CannotCut("tests would differ".into()));
    }
    Ok(())
}
