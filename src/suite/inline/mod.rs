//! Tests that live in production files: where they are in a Rust source, and how two versions of one file are joined.
//!
//! Every answer comes from a parse of the whole source, on a thread with a stack that fits; what does not parse cannot be cut.

mod functions;
mod items;
mod join;
mod modules;
mod parts;
mod prune;
mod scan;
mod smells;
mod source;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use gix::bstr::ByteSlice as _;

use crate::change::{Hunk, RepoPath};
pub use functions::TestFunction;
pub use parts::Both;
pub use smells::Smell;

/// Why a source cannot be cut into tests and the rest: a sentence without a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CannotCut(pub String);

/// A source without the parts of its tests in which something does not build; every line and column keeps its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruned {
    pub text: String,
    /// The test functions that are gone: `tests::of_nothing`.
    pub tests: Vec<String>,
    /// The helpers and imports of tests that are gone: `tests::sample`, `use tests::probe`.
    pub others: Vec<String>,
}

static NEEDLES: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::new(items::NEEDLES).expect("three short literals make an automaton")
});

/// Whether a Rust source can hold tests at all: a cheap look at the bytes, never a "no" where there are some.
pub fn may_hold_tests(source: &[u8]) -> bool {
    NEEDLES.is_match(source)
}

/// No test region begins above this byte: a cheap look at attributes and macro calls. Where it errs, it says too little.
pub fn may_begin(source: &[u8]) -> usize {
    let Some(first) = marker(source) else {
        return source.len();
    };
    // Comments and other attributes of the same item stand above; the item before it ends with a brace in the first column.
    source[..first].rfind(b"\n}\n").map_or(0, |at| at + 3)
}

/// The first attribute that names a test, or macro whose name does.
fn marker(source: &[u8]) -> Option<usize> {
    NEEDLES.find_iter(source).find_map(|found| {
        // Not further back: a hostile source would take for ever.
        let window = found.start().saturating_sub(1024);
        let before = &source[window..found.start()];
        let line = before
            .rfind_byte(b'\n')
            .map_or(window, |at| window + at + 1);
        let after = source[found.end()..].trim_start_with(|c| c.is_alphanumeric() || c == '_');
        let is_macro = after.trim_ascii_start().starts_with(b"!");
        // An attribute may go over several lines.
        let open = before.rfind_byte(b'#').map_or(line, |at| window + at);
        let between = &source[open..found.start()];
        let is_attribute =
            between.starts_with(b"#") && !between.contains(&b'{') && !between.contains(&b';');
        (is_macro || is_attribute).then_some(open.min(line))
    })
}

/// The byte ranges of the test items of a Rust source, in order, not overlapping, each with its attributes and doc comments: `#[cfg(test)]`
/// items (only where the condition requires `test`), `#[test]` functions and their like.
///
/// # Errors
/// The source does not parse.
pub fn test_regions(source: &str) -> Result<Vec<Range<usize>>, CannotCut> {
    if !may_hold_tests(source.as_bytes()) {
        return Ok(Vec::new());
    }
    source::on_deep_stack(|| {
        let regions = items::regions(&source::Source::parse(source)?);
        Ok(regions.into_iter().map(|region| region.bytes).collect())
    })
}

/// The 1-based lines of the tests of a source; none where it does not parse.
pub fn test_lines(source: &str) -> Vec<Range<usize>> {
    let regions = test_regions(source).unwrap_or_default();
    let line_of = |at: usize| 1 + source[..at].bytes().filter(|&byte| byte == b'\n').count();
    regions
        .into_iter()
        .map(|region| line_of(region.start)..line_of(region.end) + 1)
        .collect()
}

/// Production code of one version with the tests of another: verified by tokens, or refused.
///
/// Called with (parent, commit) for the tree BEFORE and with (commit, parent) for the parent's tests on the new source. What is not test keeps
/// its bytes and, where tests stand below, its line numbers.
///
/// # Errors
/// One of the versions does not parse, or the joined file does not hold just the tokens that it should.
pub fn join(production_of: &str, tests_of: &str) -> Result<String, CannotCut> {
    let has_tests = may_hold_tests(production_of.as_bytes()) || may_hold_tests(tests_of.as_bytes());
    if production_of == tests_of || !has_tests {
        return Ok(production_of.to_owned());
    }
    source::on_deep_stack(|| join::join(production_of, tests_of))
}

/// The source without the test functions, the helpers of tests and the leaves of `use` in which an error lies, and without every test or helper
/// that mentions the name of something that is gone. `is_test_file` says that no part of it is production.
///
/// # Errors
/// An error lies elsewhere, something else of the tests mentions such a name, or what is left would not be just the other tokens.
pub fn prune(
    source: &str,
    is_test_file: bool,
    errors: &[Range<usize>],
) -> Result<Pruned, CannotCut> {
    source::on_deep_stack(|| prune::prune(source, is_test_file, errors))
}

/// A version of the source without what [`prune`] named: every line and column keeps its place.
///
/// # Errors
/// The source does not parse.
pub fn without(
    source: &str,
    is_test_file: bool,
    names: &BTreeSet<String>,
) -> Result<String, CannotCut> {
    source::on_deep_stack(|| prune::without(source, is_test_file, names))
}

/// The test functions of a Rust source, those inside of macros like `proptest!` too.
///
/// # Errors
/// The source is not a sequence of Rust tokens.
pub fn test_functions(source: &str) -> Result<Vec<TestFunction>, CannotCut> {
    if !may_hold_tests(source.as_bytes()) {
        return Ok(Vec::new());
    }
    source::on_deep_stack(|| functions::test_functions(source))
}

/// The test functions of two versions of a source, but for those that stand in items without a changed line: they are the same in both.
///
/// # Errors
/// One of the versions is not a sequence of Rust tokens.
pub fn changed_test_functions(
    versions: [&str; 2],
    hunks: &[Hunk],
) -> Result<Both<TestFunction>, CannotCut> {
    if versions.iter().all(|text| !may_hold_tests(text.as_bytes())) {
        return Ok(Both::default());
    }
    source::on_deep_stack(|| parts::test_functions(versions, hunks))
}

/// The test regions of two versions of a source in which changed lines stand, as [`test_regions`] tells them; of a part of a region perhaps.
///
/// # Errors
/// One of the versions does not parse.
pub fn changed_test_regions(
    versions: [&str; 2],
    hunks: &[Hunk],
) -> Result<Both<Range<usize>>, CannotCut> {
    if versions.iter().all(|text| !may_hold_tests(text.as_bytes())) {
        return Ok(Both::default());
    }
    source::on_deep_stack(|| parts::test_regions(versions, hunks))
}

/// Places of `after` outside its tests that compile to something else under test, and that `before` has not: there a red test may turn green
/// though production stays as it was.
///
/// # Errors
/// One of the versions does not parse.
pub fn new_smells(before: &str, after: &str) -> Result<Vec<Smell>, CannotCut> {
    let known = smells(before)?;
    Ok(smells::beyond(known, smells(after)?))
}

/// Every place outside the tests of a source that compiles to something else under test: `cfg!(test)`, `#[cfg(not(test))]`,
/// `#[cfg(test)]` on a statement or a field, `#[cfg_attr(test, ..)]`.
///
/// # Errors
/// The source does not parse.
pub fn smells(source: &str) -> Result<Vec<Smell>, CannotCut> {
    if !smells::may_smell(source.as_bytes()) {
        return Ok(Vec::new());
    }
    source::on_deep_stack(|| Ok(smells::smells(&source::Source::parse(source)?)))
}

/// Where the files of a source's `#[cfg(test)] mod name;` may stand: each of them is a test file.
///
/// # Errors
/// The source does not parse, or a `#[path]` leads out of the repository.
pub fn test_module_files(source: &str, path: &RepoPath) -> Result<Vec<RepoPath>, CannotCut> {
    if !may_hold_tests(source.as_bytes()) {
        return Ok(Vec::new());
    }
    source::on_deep_stack(|| modules::files(&source::Source::parse(source)?, path, false))
}

/// Where the files of all of a source's `mod name;` may stand: what a test file includes is a test file.
///
/// # Errors
/// The source does not parse, or a `#[path]` leads out of the repository.
pub fn module_files(source: &str, path: &RepoPath) -> Result<Vec<RepoPath>, CannotCut> {
    source::on_deep_stack(|| modules::files(&source::Source::parse(source)?, path, true))
}

impl fmt::Display for CannotCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CannotCut {}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected`: the source with each test region in brackets of its own, `‹` and `›`.
    #[track_caller]
    fn check_regions(expected: &str) {
        let source = expected.replace(['‹', '›'], "");
        let mut marked = source.clone();
        let regions = test_regions(&source).expect("the source parses");
        for region in regions.iter().rev() {
            marked.insert(region.end, '›');
            marked.insert(region.start, '‹');
        }
        assert_eq!(marked, expected);
    }

    #[test]
    fn a_test_module_is_a_region_with_its_attributes_and_comments() {
        check_regions(
            "fn a() {}\n\n‹/// Tests.\n#[cfg(test)]\n#[rustfmt::skip]\nmod tests {\n    fn b() {}\n}›\n",
        );
    }

    #[test]
    fn a_bare_test_function_is_a_region() {
        check_regions(
            "‹#[test]\nfn a() {}›\nfn b() {}\n‹#[tokio::test(flavor = \"x\")]\nasync fn c() {}›",
        );
        check_regions("‹#[rstest]\n#[case(1)]\nfn a(#[case] n: u8) {}›");
        check_regions("‹#[test_case(1 ; \"one\")]\nfn a(n: u8) {}›");
    }

    #[test]
    fn a_condition_that_does_not_require_test_is_production() {
        check_regions(
            "#[cfg(any(test, feature = \"x\"))]\nmod a {}\n#[cfg(not(test))]\nmod b {}\n#[cfg(feature = \"test\")]\nmod c {}",
        );
        check_regions(
            "‹#[cfg(all(unix, test))]\nmod a {}›\n‹#[cfg(any(test, all(test, unix)))]\nmod b {}›",
        );
    }

    #[test]
    fn tests_inside_of_modules_and_blocks_are_found() {
        check_regions(
            "mod a {\n    ‹#[cfg(test)] use x::Y;›\n    mod b { ‹#[test] fn t() {}› }\n}",
        );
        check_regions(
            "impl A {\n    fn a() {}\n    ‹#[cfg(test)]\n    fn b() {}›\n}\ntrait T { ‹#[cfg(test)] fn c();› }",
        );
        check_regions("‹#[cfg(test)] mod tests;›\n");
    }

    #[test]
    fn a_macro_is_a_region_only_if_it_holds_nothing_but_tests() {
        check_regions(
            "‹proptest! {\n    #![proptest_config(x)]\n    #[test]\n    fn a(n in 0..9) {}\n}›",
        );
        check_regions("‹quickcheck! { fn a(n: u8) -> bool { true } }›");
        check_regions("some! {\n    fn production() {}\n    #[test]\n    fn a() {}\n}");
        check_regions("cfg_if! { if #[cfg(unix)] { #[test] fn a() {} } }");
    }

    #[test]
    fn a_source_of_nothing_but_tests_is_one_region() {
        check_regions("‹#!/usr/bin/env run\n#![cfg(test)]\nfn a() {}\n›");
    }

    #[test]
    fn offsets_are_bytes_behind_marks_and_wide_letters() {
        check_regions(
            "\u{feff}#!/bin/x\n// größe\r\nfn a() {}\r\n‹/// ß\r\n#[test]\r\nfn ü() {}›\r\n",
        );
    }

    #[test]
    fn what_does_not_parse_or_is_nested_without_end_cannot_be_cut() {
        let deep = [
            "(".repeat(100_000),
            format!(
                "fn test() {{ {}x{} }}",
                "(".repeat(50_000),
                ")".repeat(50_000)
            ),
            format!("fn test() {{ {}x }}", "!".repeat(100_000)),
            format!("fn test() {{ {}x }}", "|a, b|".repeat(50_000)),
            format!("fn test() {{ x{} }}", " = x".repeat(50_000)),
            format!(
                "fn test() {{ if x {{}} {} }}",
                "else if x {}".repeat(50_000)
            ),
            format!(
                "type Test = {}u8{};",
                "A<u8, ".repeat(50_000),
                ">".repeat(50_000)
            ),
            format!("fn test() {{ x{} }}", ".x()".repeat(50_000)),
        ];
        for source in deep {
            let source = source + " // test";
            assert!(test_regions(&source).is_err(), "{}", &source[..40]);
        }
        assert!(test_regions("#[test] fn a( {}").is_err());
    }

    #[test]
    fn the_stack_bears_what_the_bound_lets_through() {
        let n = 19_900;
        let deep = [
            format!("fn test() {{ {}x{} }}", "(".repeat(n), ")".repeat(n)),
            format!("fn test() {{ {}x{} }}", "{".repeat(n), "}".repeat(n)),
            format!("fn test() {{ {}x{} }}", "[".repeat(n), "]".repeat(n)),
            format!("fn test() {{ {}x }}", "!".repeat(n)),
            format!("fn test() {{ {}x }}", "|a|".repeat(n / 3)),
            format!("fn test() {{ x{} }}", " = x".repeat(n / 2)),
            format!("fn test() {{ if x {{}} {} }}", "else if x {}".repeat(n / 4)),
            format!(
                "fn test() {{ {}x{} }}",
                "if ".repeat(n / 2),
                "{}".repeat(n / 2)
            ),
            format!("type Test = {}u8;", "&".repeat(n)),
            format!("type Test = {}u8{};", "A<".repeat(n / 3), ">".repeat(n / 3)),
            format!("fn test() {{ x{} }}", ".x()".repeat(n / 3)),
            format!("{}{}", "mod test { ".repeat(n / 3), "}".repeat(n / 3)),
        ];
        for source in deep {
            assert!(test_regions(&source).is_ok(), "{}", &source[..40]);
        }
    }

    #[track_caller]
    fn check_join(production_of: &str, tests_of: &str, joined: &str) {
        assert_eq!(join(production_of, tests_of).as_deref(), Ok(joined));
    }

    const PARENT: &str = "\
//! Sums.

pub fn sum(a: u8) -> u8 { a }

#[cfg(test)]
mod tests {
    #[test]
    fn one() {}
}

pub fn below() {}
";
    const COMMIT: &str = "\
//! Sums, fixed.

pub fn sum(a: u8) -> u8 { a + 1 }
pub fn new() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one() {}

    /// Reproduces it.
    #[test]
    fn two() { assert_eq!(sum(1), 2) }
}

pub fn below() {}
";

    #[test]
    fn before_is_the_parents_production_code_with_the_new_tests() {
        check_join(
            PARENT,
            COMMIT,
            "\
//! Sums.

pub fn sum(a: u8) -> u8 { a }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one() {}

    /// Reproduces it.
    #[test]
    fn two() { assert_eq!(sum(1), 2) }
}

pub fn below() {}
",
        );
    }

    #[test]
    fn the_parents_tests_go_onto_the_new_source() {
        check_join(
            COMMIT,
            PARENT,
            "\
//! Sums, fixed.

pub fn sum(a: u8) -> u8 { a + 1 }
pub fn new() {}

#[cfg(test)]
mod tests {
    #[test]
    fn one() {}
}

pub fn below() {}
",
        );
    }

    #[test]
    fn a_file_joined_with_itself_is_itself() {
        check_join(PARENT, PARENT, PARENT);
        check_join(COMMIT, COMMIT, COMMIT);
    }

    #[test]
    fn the_first_tests_of_a_file_are_added() {
        check_join(
            "fn a() {}",
            "fn a() { 1; }\n#[test]\nfn t() {}\n",
            "fn a() {}\n#[test]\nfn t() {}\n",
        );
    }

    #[test]
    fn a_test_method_goes_into_its_impl() {
        check_join(
            "impl A {\n    fn a() {}\n}\nimpl B {\n}\n",
            "impl A {\n    fn a() { 1 }\n    #[cfg(test)]\n    fn t() {}\n}\nimpl B {\n}\n",
            "impl A {\n    fn a() {}\n    #[cfg(test)]\n    fn t() {}\n}\nimpl B {\n}\n",
        );
    }

    #[test]
    fn tests_that_share_lines_with_production_code_are_put_in_by_tokens() {
        check_join(
            "fn a() { 0 } #[test] fn t() {} fn b() {}",
            "fn a() { 1 } #[test] fn t() { new } fn b() {}",
            "fn a() { 0 }\n#[test] fn t() { new }\n  fn b() {}",
        );
    }

    #[test]
    fn a_production_item_that_becomes_a_test_is_no_test_of_the_parent() {
        // Both hold `helper`, once as production code: each side keeps its own.
        check_join(
            "fn helper() {}\n",
            "#[cfg(test)]\nfn helper() {}\n",
            "fn helper() {}\n\n#[cfg(test)]\nfn helper() {}\n",
        );
    }

    #[test]
    fn a_test_whose_module_is_new_cannot_be_cut() {
        assert!(
            join(
                "fn a() {}\n",
                "fn a() {}\nmod m {\n    #[test]\n    fn t() {}\n}\n"
            )
            .is_err()
        );
    }

    #[test]
    fn conditions_on_being_tested_are_smells_outside_of_tests() {
        let smell = |source: &str| -> Vec<String> {
            let smells = smells(source).expect("the source parses");
            smells
                .into_iter()
                .map(|smell| format!("{} {}", smell.line, smell.text))
                .collect()
        };
        assert_eq!(smell("fn a() {\n    if cfg!(test) {}\n}"), ["2 cfg!(test)"]);
        assert_eq!(smell("#[cfg(not(test))]\nfn a() {}"), ["1 cfg(not(test))"]);
        assert_eq!(
            smell("fn a() {\n#[cfg( test )]\nlet x = 1; }"),
            ["2 cfg( test )"]
        );
        assert_eq!(
            smell("#[cfg_attr(test, path = \"b.rs\")] mod a;"),
            ["1 cfg_attr(test, path = \"b.rs\")"]
        );
        assert_eq!(
            smell("m! { if cfg!(debug_assertions) {} }"),
            ["1 cfg!(debug_assertions)"]
        );
        assert_eq!(
            smell("#[cfg(test)]\nmod tests { fn a() { cfg!(test); } }"),
            [""; 0]
        );
        assert_eq!(smell("#[cfg(feature = \"test\")]\nfn test() {}"), [""; 0]);
    }

    #[test]
    fn a_smell_that_was_there_is_not_new() {
        let new = |before, after| new_smells(before, after).expect("both parse").len();
        assert_eq!(
            new("fn a() { cfg!(test) }", "fn b() {}\nfn a() { cfg!(test) }"),
            0
        );
        assert_eq!(
            new(
                "fn a() { cfg!(test) }",
                "fn a() { cfg!(test) && cfg!(test) }"
            ),
            1
        );
    }

    #[test]
    fn test_functions_have_a_path_and_a_body() {
        let functions = test_functions(
            "fn a() {}\n#[cfg(test)] mod tests { mod deep { #[test] #[ignore] fn t() { x } } fn no() {} }\nproptest! { #[test] fn p(n in 0..9) {} }",
        );
        let paths: Vec<_> = functions
            .expect("it parses")
            .into_iter()
            .map(|f| f.path)
            .collect();
        assert_eq!(paths, ["tests::deep::t", "p"]);
    }

    #[track_caller]
    fn check_modules(path: &str, source: &str, expected: &[&str]) {
        let files = test_module_files(source, &RepoPath::from(path)).expect("it parses");
        let files: Vec<_> = files.iter().map(ToString::to_string).collect();
        assert_eq!(files, expected);
    }

    #[test]
    fn the_file_of_a_test_module_is_found() {
        let source = "mod a;\n#[cfg(test)]\nmod tests;";
        check_modules("src/lib.rs", source, &["src/tests.rs", "src/tests/mod.rs"]);
        check_modules(
            "src/a.rs",
            source,
            &["src/a/tests.rs", "src/a/tests/mod.rs"],
        );
        check_modules(
            "src/a/mod.rs",
            source,
            &["src/a/tests.rs", "src/a/tests/mod.rs"],
        );
        check_modules(
            "src/bin/a.rs",
            source,
            &["src/bin/tests.rs", "src/bin/tests/mod.rs"],
        );
        check_modules(
            "src/a.rs",
            "#[cfg(test)] #[path = \"../t.rs\"] mod b;",
            &["t.rs"],
        );
        check_modules(
            "src/a.rs",
            "mod x { #[cfg(test)] mod b; }",
            &["src/a/x/b.rs", "src/a/x/b/mod.rs"],
        );
        check_modules("src/a.rs", "#[cfg(not(test))] mod b;", &[]);
    }
}
