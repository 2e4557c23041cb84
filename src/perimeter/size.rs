//! Rules about how much is changed: production code, tests and documents each by limits of their own.
//!
//! Every line counts, blank ones and comments too; a moved line counts at both ends. Whatever is neither test nor documentation counts as
//! production code.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

use gix::ObjectId;

use super::kept::Kept;
use super::{Judged, Objection};
use crate::change::{Content, FileChange, FileMode, FileVersion, Hunk, Lines};
use crate::policy::{Limits, Rule, TestLimits};
use crate::suite::inline;

/// Documents may grow with a fix, but nobody reads a book beside one.
const DOCUMENTATION_FILES: usize = 10;
const DOCUMENTATION_LINES: usize = 400;
const DOCUMENTATION_FILE_BYTES: u64 = 1 << 20;

/// Text and data have longer lines than code: this much.
const LOOSE_LINES: usize = 4;

/// How much of each kind is changed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    files: usize,
    new_files: usize,
    lines: usize,
    hunks: usize,
    directories: BTreeSet<Vec<u8>>,
    test_files: usize,
    test_added: usize,
    documents: usize,
    document_lines: usize,
}

/// How much of everything a change has that the policy limits: whoever allows that much lets it pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    pub files: usize,
    pub new_files: usize,
    pub lines: usize,
    pub hunks: usize,
    pub directories: usize,
    /// The longest line that is added to code.
    pub line_length: usize,
    /// The largest file of production code that grows.
    pub file_bytes: u64,
    pub test_files: usize,
    pub test_added: usize,
    pub test_file_bytes: u64,
}

pub(super) fn measure(files: &[Judged], exact: bool) -> Sizes {
    let tally = match exact {
        true => tally(files, inline_tests),
        false => tally(files, |_| None),
    };
    let mut sizes = Sizes {
        files: tally.files,
        new_files: tally.new_files,
        lines: tally.lines,
        hunks: tally.hunks,
        directories: tally.directories.len(),
        test_files: tally.test_files,
        test_added: tally.test_added,
        ..Sizes::default()
    };
    for judged in files.iter().filter(|judged| !judged.is_documentation()) {
        let file = judged.file;
        let n_bytes = |version: &Option<FileVersion>| {
            let version = version.as_ref();
            version.map_or(0, |version| version.content.n_bytes())
        };
        let (old, new) = (n_bytes(&file.old), n_bytes(&file.new));
        let grown = if new > old { new } else { 0 };
        if judged.is_test() {
            sizes.test_file_bytes = sizes.test_file_bytes.max(grown);
            continue;
        }
        sizes.file_bytes = sizes.file_bytes.max(grown);
        let lengths = file.added_lines().map(|(_, line)| line.len());
        sizes.line_length = sizes.line_length.max(lengths.max().unwrap_or(0));
    }
    sizes
}

/// Files, lines, hunks and directories of the change as a whole.
pub(super) fn size(files: &[Judged], limits: &Limits, test_limits: &TestLimits) -> Vec<Objection> {
    let mut tally = tally(files, |_| None);
    // Tests inside of sources are looked for only where it matters: a parse costs more than all the rest.
    let n_added: usize = files.iter().map(|file| file.file.n_added()).sum();
    if !production(&tally, limits).is_empty() || n_added > test_limits.added {
        tally = self::tally(files, inline_tests);
    }
    let mut objections = production(&tally, limits);
    let mut check = |rule, n: usize, what: &str, limit: usize| {
        if n > limit {
            objections.push(Objection::new(rule, format!("{n} {what}, at most {limit}")));
        }
    };
    let Tally {
        test_files,
        test_added,
        documents,
        document_lines,
        ..
    } = tally;
    check(
        Rule::TooManyFiles,
        test_files,
        "test files changed",
        test_limits.files,
    );
    check(
        Rule::TooManyLines,
        test_added,
        "lines added to tests",
        test_limits.added,
    );
    check(
        Rule::TooManyFiles,
        documents,
        "documents changed",
        DOCUMENTATION_FILES,
    );
    check(
        Rule::TooManyLines,
        document_lines,
        "lines of documents changed",
        DOCUMENTATION_LINES,
    );
    objections
}

/// Blobs that are too large. One that was too large before may be edited: its lines are counted.
pub(super) fn bytes(files: &[Judged], limits: &Limits, test_limits: &TestLimits) -> Vec<Objection> {
    let mut objections = Vec::new();
    for judged in files {
        let path = &judged.file.path;
        let limit = if judged.is_test() {
            test_limits.file_bytes
        } else if judged.is_documentation() {
            DOCUMENTATION_FILE_BYTES.max(limits.file_bytes)
        } else {
            limits.file_bytes
        };
        let versions = [&judged.file.old, &judged.file.new];
        let [old, new] = versions.map(|version| version.as_ref().map(|version| &version.content));
        let is_unread = |content: &&Content| matches!(content, Content::TooLarge { .. });
        let is_large = |content: &&Content| content.n_bytes() > limit;
        let fact = if let Some(content) = [old, new].into_iter().flatten().find(is_unread) {
            format!("`{path}` has {} bytes and was not read", content.n_bytes())
        } else if let Some(content) = new.filter(is_large)
            && !old.is_some_and(|old| is_large(&old))
        {
            format!("`{path}` has {} bytes, at most {limit}", content.n_bytes())
        } else {
            continue;
        };
        objections.push(Objection::file(Rule::FileTooBig, path, fact));
    }
    objections
}

/// Added lines of which the end is not seen.
pub(super) fn line_length(files: &[Judged], limits: &Limits) -> Vec<Objection> {
    let mut objections = Vec::new();
    for judged in files {
        let is_code = !judged.is_test() && !judged.is_documentation();
        let limit = limits.line_length * if is_code { 1 } else { LOOSE_LINES };
        let path = &judged.file.path;
        for hunk in &judged.file.hunks {
            if hunk.new.bytes.len() <= limit {
                continue;
            }
            let lines = hunk.new.of(content(&judged.file.new));
            for (line, text) in lines.filter(|(_, text)| text.len() > limit) {
                let fact = format!(
                    "line {line} of `{path}` has {} bytes, at most {limit}",
                    text.len()
                );
                objections.push(Objection::line(Rule::LineTooLong, path, line, fact));
            }
        }
    }
    objections
}

fn production(tally: &Tally, limits: &Limits) -> Vec<Objection> {
    let mut objections = Vec::new();
    let mut check = |rule, n: usize, what: &str, limit: usize| {
        if n > limit {
            objections.push(Objection::new(rule, format!("{n} {what}, at most {limit}")));
        }
    };
    check(
        Rule::TooManyFiles,
        tally.files,
        "production files changed",
        limits.files,
    );
    check(
        Rule::TooManyFiles,
        tally.new_files,
        "production files added",
        limits.new_files,
    );
    check(
        Rule::TooManyLines,
        tally.lines,
        "production lines added and removed",
        limits.lines,
    );
    check(
        Rule::TooManyHunks,
        tally.hunks,
        "hunks of production code",
        limits.hunks,
    );
    let directories = tally.directories.len();
    check(
        Rule::TooManyDirectories,
        directories,
        "directories of production code",
        limits.directories,
    );
    objections
}

/// Test regions of the old and the new version of a source, as byte ranges, where they hold changed lines.
#[derive(Clone)]
struct InlineTests {
    old: Rc<[Range<usize>]>,
    new: Rc<[Range<usize>]>,
}

fn tally(files: &[Judged], inline_tests: impl Fn(&FileChange) -> Option<InlineTests>) -> Tally {
    let mut tally = Tally::default();
    for judged in files {
        let file = judged.file;
        if judged.is_test() {
            tally.test_files += 1;
            tally.test_added += file.n_added();
        } else if judged.is_documentation() {
            tally.documents += 1;
            tally.document_lines += file.n_added() + file.n_removed();
        } else {
            let tests = inline_tests(file);
            let mut hunks = 0;
            for hunk in &file.hunks {
                let split = tests.as_ref().map(|tests| test_lines(file, hunk, tests));
                let (test_added, test_removed) = split.unwrap_or_default();
                let lines = hunk.new.n_lines - test_added + hunk.old.n_lines - test_removed;
                tally.test_added += test_added;
                tally.lines += lines;
                hunks += usize::from(lines > 0);
            }
            tally.hunks += hunks;
            let is_only_tests = hunks == 0 && !file.hunks.is_empty();
            if !is_only_tests {
                tally.files += 1;
                tally.new_files += usize::from(file.is_added());
                tally
                    .directories
                    .insert(file.path.folder().as_bytes().to_vec());
            }
        }
    }
    tally
}

/// Where the tests of a changed Rust source are. A source that cannot be cut is production code.
fn inline_tests(file: &FileChange) -> Option<InlineTests> {
    if file.path.extension() != Some(b"rs") {
        return None;
    }
    let begins = [&file.old, &file.new].map(|version| inline::may_begin(content(version)));
    let is_near = |hunk: &Hunk| hunk.old.bytes.end > begins[0] || hunk.new.bytes.end > begins[1];
    if !file.hunks.iter().any(is_near) {
        // All of it stands above the first thing that could be a test.
        return None;
    }
    kept_regions(file)
}

/// The test regions that hunks touch; in a history one change is asked about more than once. `None` for a source that cannot be cut.
fn kept_regions(file: &FileChange) -> Option<InlineTests> {
    // A link has the text of a file without being one.
    type Pair = [Option<(ObjectId, FileMode)>; 2];
    thread_local! {
        static KEPT: RefCell<Kept<Pair, Option<InlineTests>>> = RefCell::new(Kept::new(256));
    }
    let versions = [&file.old, &file.new];
    let id =
        |version: &Option<FileVersion>| version.as_ref().map(|version| (version.id, version.mode));
    fn text(version: &Option<FileVersion>) -> Option<&str> {
        match version {
            Some(version) => version.content.text(),
            None => Some(""),
        }
    }
    let cut = || {
        let [old, new] = [text(&file.old)?, text(&file.new)?];
        let regions = inline::changed_test_regions([old, new], &file.hunks);
        let [old, new] = regions.ok()?.map(Rc::from);
        Some(InlineTests { old, new })
    };
    KEPT.with_borrow_mut(|kept| kept.or_read(versions.map(id), cut))
}

/// How many of a hunk's added and removed lines belong to tests. Blank lines belong to the tests that they stand beside.
fn test_lines(file: &FileChange, hunk: &Hunk, tests: &InlineTests) -> (usize, usize) {
    let (added, other_added) = split(content(&file.new), &hunk.new, &tests.new);
    let (removed, other_removed) = split(content(&file.old), &hunk.old, &tests.old);
    let is_only_tests = !other_added && !other_removed && added + removed > 0;
    if is_only_tests {
        (hunk.new.n_lines, hunk.old.n_lines)
    } else {
        (added, removed)
    }
}

/// How many lines of a run stand in tests, and whether anything but blank lines stands elsewhere.
fn split(content: &[u8], lines: &Lines, tests: &[Range<usize>]) -> (usize, bool) {
    let mut n_tests = 0;
    let mut has_others = false;
    let mut start = lines.bytes.start;
    for (_, line) in lines.of(content) {
        let text = line.trim_ascii();
        let from = start + (line.len() - line.trim_ascii_start().len());
        let test = tests.partition_point(|test| test.end < from + text.len());
        if tests.get(test).is_some_and(|test| test.start <= from) {
            n_tests += 1;
        } else {
            has_others |= !text.is_empty();
        }
        start += line.len() + 1;
    }
    (n_tests, has_others)
}

fn content(version: &Option<FileVersion>) -> &[u8] {
    match version.as_ref().map(|version| &version.content) {
        Some(Content::Text(bytes)) => bytes,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::super::change_of::{change, facts, judged};
    use super::*;
    use crate::policy::FileKind;

    const LIMITS: Limits = Limits {
        files: 1,
        new_files: 0,
        lines: 4,
        hunks: 2,
        directories: 1,
        line_length: 20,
        file_bytes: 200,
    };
    const TEST_LIMITS: TestLimits = TestLimits {
        files: 2,
        added: 6,
        file_bytes: 300,
    };

    fn kind(path: &str) -> FileKind {
        match path.split('/').next() {
            Some("tests") => FileKind::Test,
            Some("docs") => FileKind::Documentation,
            Some("ci") => FileKind::Protected,
            _ => FileKind::Production,
        }
    }

    #[track_caller]
    fn check(files: &[(&str, &str, &str)], expected: &[&str]) {
        let change = change(files);
        let files = judged(&change, kind);
        let mut found = facts(size(&files, &LIMITS, &TEST_LIMITS));
        found.extend(facts(bytes(&files, &LIMITS, &TEST_LIMITS)));
        found.extend(facts(line_length(&files, &LIMITS)));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_small_fix_is_inside_of_all_limits() {
        check(
            &[
                ("src/a.py", "1\n2\n3\n", "1\n4\n\n3\n"),
                ("tests/t.py", "", "1\n2\n"),
            ],
            &[],
        );
    }

    #[test]
    fn every_limit_is_kept_at_its_value_and_broken_above() {
        check(
            &[("a", "1\n", "2\n"), ("b", "1\n", "2\n")],
            &["2 production files changed, at most 1"],
        );
        check(
            &[("a", "", "1\n")],
            &["1 production files added, at most 0"],
        );
        check(&[("a", "0\n", "1\n2\n3\n")], &[]);
        check(
            &[("a", "0\n", "1\n\n# 3\n4\n")],
            &["5 production lines added and removed, at most 4"],
        );
        check(
            &[("a", "1\n2\n3\n4\n5\n", "2\n4\n")],
            &["3 hunks of production code, at most 2"],
        );
        check(
            &[("a", "x\n", ""), ("s/b", "x\n", "")],
            &[
                "2 production files changed, at most 1",
                "2 directories of production code, at most 1",
            ],
        );
    }

    #[test]
    fn protected_files_count_as_production_code() {
        check(
            &[("ci/a", "1\n", "2\n"), ("b", "1\n", "2\n")],
            &[
                "2 production files changed, at most 1",
                "2 directories of production code, at most 1",
            ],
        );
    }

    #[test]
    fn tests_and_documents_have_limits_of_their_own() {
        check(
            &[
                ("tests/a", "", "1\n2\n3\n4\n5\n6\n"),
                ("docs/a", "", &"x\n".repeat(100)),
            ],
            &[],
        );
        check(
            &[("tests/a", "", "1\n2\n3\n4\n5\n6\n7\n")],
            &["7 lines added to tests, at most 6"],
        );
        check(
            &[
                ("tests/a", "", "1\n"),
                ("tests/b", "", "1\n"),
                ("tests/c", "", "1\n"),
            ],
            &["3 test files changed, at most 2"],
        );
        check(
            &[("docs/a", "", &"x\n".repeat(401))],
            &["401 lines of documents changed, at most 400"],
        );
    }

    const RS: &str = "fn a() { 1 }\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn one() {}\n}\n";

    #[test]
    fn inline_tests_count_as_tests() {
        let fix = RS.replace("{ 1 }", "{ 2 }");
        let tested = fix.replace(
            "fn one() {}",
            "fn one() {}\n\n    #[test]\n    fn two() {\n    }",
        );
        check(&[("src/a.rs", RS, &tested)], &[]);
        // Tests may go, too.
        check(&[("src/a.rs", &tested, RS)], &[]);
        // Blank lines of the code are no tests, whatever else is changed.
        check(
            &[("src/a.rs", &fix, &format!("{}{tested}", "\n".repeat(5)))],
            &["5 production lines added and removed, at most 4"],
        );
        // The same lines are production code where nothing makes them tests.
        let plain = |source: &str| {
            source
                .replace("#[cfg(test)]", "//")
                .replace("#[test]", "//")
        };
        check(
            &[("src/a.rs", &plain(RS), &plain(&tested))],
            &["6 production lines added and removed, at most 4"],
        );
        // What cannot be cut is production code.
        check(
            &[("src/a.rs", RS, &(tested + "}\n"))],
            &["7 production lines added and removed, at most 4"],
        );
    }

    #[test]
    fn the_first_inline_tests_of_a_file_are_tests_with_the_blank_line_above() {
        let head = "fn a() { 1 }\n";
        check(&[("src/a.rs", head, RS), ("src/b.rs", "1\n", "2\n")], &[]);
    }

    #[test]
    fn a_file_that_grows_too_large_is_refused_and_one_that_was_is_not() {
        let (large, larger) = ("x\n".repeat(101), "x\n".repeat(102));
        check(&[("tests/a", "", &"x\n".repeat(5))], &[]);
        check(
            &[("a", &"x\n".repeat(100), &large)],
            &["`a` has 202 bytes, at most 200"],
        );
        check(&[("a", &large, &larger)], &[]);
    }

    #[test]
    fn a_blob_that_was_not_read_is_too_large() {
        let mut change = change(&[("a", "1\n", "1\n2\n")]);
        let new = change.files[0].new.as_mut().expect("it is there");
        new.content = Content::TooLarge { n_bytes: 1 << 30 };
        let files = judged(&change, kind);
        let facts = facts(bytes(&files, &LIMITS, &TEST_LIMITS));
        assert_eq!(facts, ["`a` has 1073741824 bytes and was not read"]);
    }

    #[test]
    fn a_line_may_be_as_long_as_its_limit() {
        let line = |n: usize| format!("{}\n", "x".repeat(n));
        check(&[("a", "1\n", &line(20))], &[]);
        check(
            &[("a", "1\n", &line(21))],
            &["line 1 of `a` has 21 bytes, at most 20"],
        );
        check(&[("tests/a", "1\n", &line(80))], &[]);
        check(
            &[("tests/a", "1\n", &format!("1\n{}", line(81)))],
            &["line 2 of `tests/a` has 81 bytes, at most 80"],
        );
    }

    #[test]
    fn a_line_of_code_between_tests_is_a_line_of_code() {
        // One hunk, of a test and of what stands below it: the brace that stays is the last one.
        let old = "#[cfg(test)]\nmod tests {\n    fn one() {}\n}\nfn a() { 1 }\n";
        let new =
            "#[cfg(test)]\nmod tests {\n    fn two() {}\n}\nfn a() {\n    2;\n    3;\n    4\n}\n";
        let far = new.replace("\n    2", "\n              2");
        for new in [new, &far] {
            check(
                &[("src/a.rs", old, new)],
                &["5 production lines added and removed, at most 4"],
            );
        }
    }

    #[test]
    fn too_many_lines_of_inline_tests_are_too_many_lines_of_tests() {
        let tested = RS.replace(
            "fn one() {}",
            &format!("fn one() {{{}    }}", "\n        1;".repeat(8)),
        );
        let limits = Limits {
            lines: 100,
            ..LIMITS
        };
        let change = change(&[("src/a.rs", RS, &tested)]);
        let found = facts(size(&judged(&change, kind), &limits, &TEST_LIMITS));
        assert!(
            found.len() == 1 && found[0].ends_with("lines added to tests, at most 6"),
            "{found:?}"
        );
    }

    #[test]
    fn documents_count_by_what_comes_and_what_goes() {
        let lines = |n: usize, line: &str| line.repeat(n);
        let [limit_lines, limit_files] = [DOCUMENTATION_LINES, DOCUMENTATION_FILES];
        let half = limit_lines / 2 + 1;
        let found = |files: &[(&str, &str, &str)]| {
            let change = change(files);
            facts(size(&judged(&change, kind), &LIMITS, &TEST_LIMITS)).len()
        };
        assert_eq!(
            found(&[("docs/a", &lines(half, "x\n"), &lines(half, "y\n"))]),
            1
        );
        let names: Vec<String> = (0..=limit_files).map(|n| format!("docs/{n}")).collect();
        let files: Vec<_> = names
            .iter()
            .map(|name| (name.as_str(), "x\n", "y\n"))
            .collect();
        assert_eq!(found(&files), 1);
        assert_eq!(found(&files[1..]), 0);
    }
}
