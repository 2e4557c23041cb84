//! What looks like a refactoring: files that move, names that change in many places, lines that go elsewhere, many small edits.

use std::collections::BTreeMap;

use gix::bstr::ByteSlice as _;

use super::moves::Move;
use super::text::shown;
use super::{Judged, Objection};
use crate::change::{FileChange, FileVersion};
use crate::policy::{FileKind, Rule};

/// From so many on it is no accident: lines with the same name changed, lines that went elsewhere, hunks of at most [`SMALL`] lines.
const MIN_RENAMED: usize = 4;
const MIN_MOVED: usize = 8;
const MIN_EDITS: usize = 8;
const SMALL: usize = 2;
/// A shorter line is found in many places.
const MIN_LINE: usize = 12;

pub(super) fn suspected(files: &[Judged], moves: &[Move]) -> Vec<Objection> {
    let production: Vec<&FileChange> = files
        .iter()
        .filter(|judged| judged.kind == FileKind::Production)
        .map(|judged| judged.file)
        .collect();
    let mut objections: Vec<Objection> = moves
        .iter()
        .filter(|moved| {
            [moved.from, moved.to]
                .iter()
                .all(|judged| judged.kind == FileKind::Production)
        })
        .map(|Move { from, to }| {
            let (old, new) = (&from.file.path, &to.file.path);
            let fact = format!("`{old}` is now `{new}`");
            Objection::file(Rule::RefactorSuspected, new, fact)
        })
        .collect();
    for ((old, new), n) in renamed(&production) {
        if n >= MIN_RENAMED {
            let fact = format!(
                "{n} lines change nothing but `{}` to `{}`",
                shown(&old),
                shown(&new)
            );
            objections.push(Objection::new(Rule::RefactorSuspected, fact));
        }
    }
    let n_moved = n_moved(&production);
    if n_moved >= MIN_MOVED && objections.is_empty() {
        let fact = format!("{n_moved} lines go from one place to another");
        objections.push(Objection::new(Rule::RefactorSuspected, fact));
    }
    let hunks = production.iter().flat_map(|file| &file.hunks);
    let n_small = hunks
        .filter(|hunk| hunk.old.n_lines.max(hunk.new.n_lines) <= SMALL)
        .count();
    if n_small >= MIN_EDITS && objections.is_empty() {
        let fact = format!("{n_small} small edits, each of at most {SMALL} lines");
        objections.push(Objection::new(Rule::RefactorSuspected, fact));
    }
    objections
}

/// How many lines change nothing but one name to another.
fn renamed(files: &[&FileChange]) -> BTreeMap<(String, String), usize> {
    let mut pairs = BTreeMap::new();
    for file in files {
        let (Some(old), Some(new)) = (text(&file.old), text(&file.new)) else {
            continue;
        };
        for hunk in file
            .hunks
            .iter()
            .filter(|hunk| hunk.old.n_lines == hunk.new.n_lines)
        {
            let lines = hunk.old.of(old).zip(hunk.new.of(new));
            for pair in lines.filter_map(|((_, old), (_, new))| renamed_in(old, new)) {
                *pairs.entry(pair).or_default() += 1;
            }
        }
    }
    pairs
}

/// The one name that two lines differ in.
fn renamed_in(old: &[u8], new: &[u8]) -> Option<(String, String)> {
    let (old, new) = (old.to_str().ok()?, new.to_str().ok()?);
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    fn words(line: &str) -> Vec<&str> {
        line.split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .collect()
    }
    let signs = |line: &'_ str| -> String { line.chars().filter(|c| !is_word(*c)).collect() };
    let (olds, news) = (words(old), words(new));
    if olds.len() != news.len() || signs(old) != signs(new) {
        return None;
    }
    let mut pairs: Vec<(&str, &str)> = olds
        .into_iter()
        .zip(news)
        .filter(|(old, new)| old != new)
        .collect();
    pairs.dedup();
    let is_name =
        |word: &str| word.len() > 1 && word.starts_with(|c: char| c.is_alphabetic() || c == '_');
    match pairs[..] {
        [(old, new)] if is_name(old) && is_name(new) => Some((old.to_owned(), new.to_owned())),
        _ => None,
    }
}

/// How many removed lines are added in another hunk, whatever their indentation.
fn n_moved(files: &[&FileChange]) -> usize {
    let mut removed: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
    let mut n_hunk = 0;
    let is_long = |line: &&[u8]| line.len() >= MIN_LINE;
    for file in files {
        for hunk in &file.hunks {
            n_hunk += 1;
            let lines = hunk.old.of(text(&file.old).unwrap_or_default());
            for line in lines.map(|(_, line)| line.trim_ascii()).filter(is_long) {
                removed.entry(line).or_default().push(n_hunk);
            }
        }
    }
    let (mut n_hunk, mut n_moved) = (0, 0);
    for file in files {
        for hunk in &file.hunks {
            n_hunk += 1;
            let lines = hunk.new.of(text(&file.new).unwrap_or_default());
            for line in lines.map(|(_, line)| line.trim_ascii()).filter(is_long) {
                let hunks = removed.get_mut(line);
                // In the same hunk it is only indented anew.
                let other = hunks.and_then(|hunks| {
                    let at = hunks.iter().position(|&hunk| hunk != n_hunk)?;
                    Some(hunks.swap_remove(at))
                });
                n_moved += usize::from(other.is_some());
            }
        }
    }
    n_moved
}

fn text(version: &Option<FileVersion>) -> Option<&[u8]> {
    let text = version.as_ref()?.content.text()?;
    Some(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::change_of::{change, facts, judged};
    use super::super::moves::moves;
    use super::*;

    #[track_caller]
    fn check(files: &[(&str, &str, &str)], expected: &[&str]) {
        let change = change(files);
        let files = judged(&change, |path| match path.starts_with("tests/") {
            true => FileKind::Test,
            false => FileKind::Production,
        });
        assert_eq!(facts(suspected(&files, &moves(&files))), expected);
    }

    fn lines(n: usize, line: impl Fn(usize) -> String) -> String {
        (0..n).map(|n| format!("{}\n", line(n))).collect()
    }

    #[test]
    fn names_that_change_in_many_places_are_a_refactoring() {
        let old = lines(4, |n| format!("x{n} = cart.total({n})\n"));
        let new = old.replace("total", "sum_of");
        check(
            &[("a.py", &old, &new)],
            &["4 lines change nothing but `total` to `sum_of`"],
        );
        check(&[("tests/a.py", &old, &new)], &[]);
        let old = lines(3, |n| format!("x{n} = cart.total({n})\n"));
        check(&[("a.py", &old, &old.replace("total", "sum_of"))], &[]);
        let old = lines(4, |n| format!("x{n} = cart.total({n})\n"));
        let more = lines(4, |n| format!("x{n} = cart.sum_of({n}, {n})\n"));
        check(&[("a.py", &old, &more)], &[]);
        let numbers = lines(4, |n| format!("x{n} = 1{n}\n"));
        check(&[("a.py", &numbers, &numbers.replace("= 1", "= 2"))], &[]);
    }

    #[test]
    fn what_goes_elsewhere_is_a_refactoring() {
        let block = lines(8, |n| format!("    the_line_number_{n}()"));
        let rest = lines(10, |n| format!("rest{n}"));
        let (old, new) = (format!("{block}{rest}"), format!("{rest}{block}"));
        check(
            &[("a.py", &old, &new)],
            &["8 lines go from one place to another"],
        );
        let indented = lines(8, |n| format!("        the_line_number_{n}()"));
        check(&[("a.py", &block, &format!("if x:\n{indented}"))], &[]);
        check(&[("a.py", &old, &rest)], &[]);
        let text = lines(9, |n| format!("the_line_number_{n}()"));
        check(
            &[("a.py", &text, ""), ("b.py", "", &text)],
            &["`a.py` is now `b.py`"],
        );
        check(&[("a.py", &text, ""), ("tests/b.py", "", &text)], &[]);
        check(&[("tests/a.py", &text, ""), ("tests/b.py", "", &text)], &[]);
    }

    #[test]
    fn many_small_edits_are_a_refactoring() {
        let text = |mark: &str, n: usize| {
            lines(40, |at| {
                format!("{at}{}", if at % 4 == 0 && at / 4 < n { mark } else { "" })
            })
        };
        check(
            &[("a.py", &text("a b", 8), &text("c d", 8))],
            &["8 small edits, each of at most 2 lines"],
        );
        check(&[("a.py", &text("a b", 7), &text("c d", 7))], &[]);
    }
}
