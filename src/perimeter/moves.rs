//! Files that went elsewhere: tests to where no runner looks, production code to where it is judged as a test.

use std::collections::BTreeMap;

use gix::bstr::ByteSlice as _;

use super::{Judged, Objection, deletions};
use crate::change::{Content, FileVersion};
use crate::policy::{FileKind, Rule};

/// So many pairs of files are compared by their lines; beyond that, only the same content is a move.
const MOST_PAIRS: usize = 2_500;

/// A deleted file and the added one that holds at least half of it.
pub(super) struct Move<'a> {
    pub(super) from: &'a Judged<'a>,
    pub(super) to: &'a Judged<'a>,
}

pub(super) fn moves<'a>(files: &'a [Judged<'a>]) -> Vec<Move<'a>> {
    let deleted: Vec<&Judged> = files
        .iter()
        .filter(|judged| judged.file.is_deleted())
        .collect();
    let added: Vec<&Judged> = files
        .iter()
        .filter(|judged| judged.file.is_added())
        .collect();
    let looks_at_lines = deleted.len() * added.len() <= MOST_PAIRS;
    let mut moves = Vec::new();
    for from in deleted {
        let is_same = |to: &&&Judged| {
            let id = |version: &Option<FileVersion>| version.as_ref().map(|version| version.id);
            id(&from.file.old) == id(&to.file.new)
        };
        let is_alike = |to: &&&Judged| looks_at_lines && is_alike(from, to);
        let to = added.iter().find(is_same);
        if let Some(to) = to.or_else(|| added.iter().find(is_alike)) {
            moves.push(Move { from, to });
        }
    }
    moves
}

/// Whether half of the lines of the longer text are those of the other.
fn is_alike(from: &Judged, to: &Judged) -> bool {
    fn text(version: &Option<FileVersion>) -> Option<&[u8]> {
        match version.as_ref().map(|version| &version.content) {
            Some(Content::Text(text)) => Some(text),
            _ => None,
        }
    }
    let (Some(old), Some(new)) = (text(&from.file.old), text(&to.file.new)) else {
        return false;
    };
    // A few bytes are alike by chance, and ten times as many are something else.
    let (short, long) = (old.len().min(new.len()), old.len().max(new.len()));
    if short < 40 || short * 4 < long {
        return false;
    }
    let mut left: BTreeMap<&[u8], usize> = BTreeMap::new();
    let lines = |text: &'_ [u8]| {
        text.lines()
            .filter(|line| !line.trim_ascii().is_empty())
            .count()
    };
    for line in old.lines().map(|line| line.trim_ascii()) {
        *left.entry(line).or_default() += usize::from(!line.is_empty());
    }
    let mut n_common = 0;
    for line in new.lines() {
        if let Some(n) = left.get_mut(line.trim_ascii()).filter(|n| **n > 0) {
            *n -= 1;
            n_common += 1;
        }
    }
    n_common * 2 >= lines(old).max(lines(new))
}

/// Test files that went to a path where nothing takes them for tests.
pub(super) fn tests_renamed_away(moves: &[Move]) -> Vec<Objection> {
    let is_away = |moved: &&Move| {
        let Move { from, to } = moved;
        let is_marked = |judged: &Judged| is_marked(judged.file.path.file_name());
        let extension = |judged: &Judged| judged.file.path.extension().map(<[u8]>::to_vec);
        let holds_tests = is_marked(from) || deletions::holds_tests(from);
        let is_lost = to.kind != FileKind::Test
            || is_marked(from) && !is_marked(to)
            || extension(from) != extension(to);
        from.is_test() && holds_tests && is_lost
    };
    let away = moves.iter().filter(is_away);
    away.map(|Move { from, to }| {
        let (old, new) = (&from.file.path, &to.file.path);
        let fact =
            format!("the test file `{old}` went to `{new}`, where no runner looks for tests");
        Objection::file(Rule::TestRenamedAway, new, fact)
    })
    .collect()
}

/// Production files that went among the tests.
pub(super) fn production_under_tests(moves: &[Move]) -> Vec<Objection> {
    let is_under = |moved: &&Move| moved.from.kind == FileKind::Production && moved.to.is_test();
    let under = moves.iter().filter(is_under);
    under
        .map(|Move { from, to }| {
            let (old, new) = (&from.file.path, &to.file.path);
            let fact = format!("the production file `{old}` went to `{new}`, among the tests");
            Objection::file(Rule::ProductionCodeUnderTests, new, fact)
        })
        .collect()
}

/// Whether a file's name says that it holds tests.
fn is_marked(name: &[u8]) -> bool {
    let Ok(name) = std::str::from_utf8(name) else {
        return false;
    };
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let ends = [
        "_test", "_tests", "_spec", ".test", ".tests", ".spec", "-test", "-spec", "Test", "Tests",
        "Spec",
    ];
    ["test_", "test-", "Test"]
        .iter()
        .any(|start| stem.starts_with(start))
        || ends.iter().any(|end| stem.ends_with(end))
        || matches!(stem, "test" | "tests")
        || name.ends_with(".bats")
}

#[cfg(test)]
mod tests {
    use super::super::change_of::{change, facts, judged};
    use super::*;

    const TEST: &str = "import shop\n\ndef test_total():\n    assert shop.total([1]) == 1\n\ndef test_none():\n    assert shop.total([]) == 0\n";

    /// What is deleted and what is added.
    #[track_caller]
    fn check(from: &str, old: &str, to: &str, new: &str, expected: &[&str]) {
        let change = change(&[(from, old, ""), (to, "", new)]);
        let files = judged(&change, |path| {
            if path.starts_with("tests/") {
                FileKind::Test
            } else if path.ends_with(".md") {
                FileKind::Documentation
            } else {
                FileKind::Production
            }
        });
        let moves = moves(&files);
        let mut objections = tests_renamed_away(&moves);
        objections.extend(production_under_tests(&moves));
        assert_eq!(facts(objections), expected, "{from} to {to}");
    }

    #[test]
    fn a_test_that_no_runner_finds_is_away() {
        for to in [
            "attic/test_shop.py",
            "tests/shop_old.py",
            "tests/test_shop.py.bak",
            "test_shop.md",
        ] {
            let expected = format!(
                "the test file `tests/test_shop.py` went to `{to}`, where no runner looks for tests"
            );
            check("tests/test_shop.py", TEST, to, TEST, &[&expected]);
            let edited = TEST.replace("[1]", "[2]");
            check("tests/test_shop.py", TEST, to, &edited, &[&expected]);
        }
        check(
            "tests/shop.py",
            TEST,
            "attic/shop.py",
            TEST,
            &[
                "the test file `tests/shop.py` went to `attic/shop.py`, where no runner looks for tests",
            ],
        );
    }

    #[test]
    fn a_test_that_is_still_one_is_not_away() {
        check("tests/test_shop.py", TEST, "tests/test_cart.py", TEST, &[]);
        check(
            "tests/test_shop.py",
            TEST,
            "tests/shop/test_total.py",
            TEST,
            &[],
        );
        check("tests/shop_test.go", TEST, "tests/cart_test.go", TEST, &[]);
        check(
            "tests/test_shop.py",
            TEST,
            "shop/other.py",
            "import os\n\ndef other():\n    return os.getcwd()\n# a\n# b\n",
            &[],
        );
        check(
            "tests/data.json",
            "{\"a\": 1, \"b\": 2, \"c\": 3, \"d\": 4, \"e\": 5}\n",
            "shop/data.json",
            "{\"a\": 1, \"b\": 2, \"c\": 3, \"d\": 4, \"e\": 5}\n",
            &[],
        );
    }

    const CODE: &str =
        "def total(prices):\n    return sum(prices)\n\n\ndef none():\n    return 0\n";

    #[test]
    fn production_code_does_not_move_among_the_tests() {
        check(
            "shop/total.py",
            CODE,
            "tests/total.py",
            CODE,
            &["the production file `shop/total.py` went to `tests/total.py`, among the tests"],
        );
        check("shop/total.py", CODE, "shop/sum.py", CODE, &[]);
        check("shop/total.py", CODE, "tests/total.py", TEST, &[]);
        check("notes.md", CODE, "tests/total.py", CODE, &[]);
    }
}
