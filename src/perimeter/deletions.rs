//! Tests that are no longer there: a deleted test file, a removed test function, one that another of its name hides.
//!
//! A test that went elsewhere with its body as it was is not deleted.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use gix::ObjectId;
use gix::bstr::ByteSlice as _;

use super::kept::Kept;
use super::text::{code_of, shown};
use super::{Judged, Objection, blocks, rust_tests};
use crate::change::{FileMode, FileVersion, RepoPath};
use crate::policy::Rule;
use crate::suite::{inline, titles};

/// The most names that one finding repeats.
const MAX_NAMES: usize = 5;

/// A test function as far as it can be told from the text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Test {
    /// With its classes or modules.
    name: String,
    body: String,
    /// Whether a runner would find it where it stands, by the names of file and class.
    is_collected: bool,
}

/// What one file loses.
struct Loss {
    n_before: usize,
    removed: Vec<Test>,
    hidden: Vec<Test>,
}

pub(super) fn deleted(files: &[Judged]) -> Vec<Objection> {
    let losses: Vec<(&Judged, Loss)> = files
        .iter()
        .filter(|judged| may_lose_tests(judged))
        .map(|judged| (judged, Loss::of(judged)))
        .collect();
    // What was added is looked at only if something is gone.
    let is_any_gone = losses.iter().any(|(_, loss)| !loss.removed.is_empty());
    let mut added: Vec<Test> = Vec::new();
    for judged in files.iter().filter(|_| is_any_gone) {
        let [old, new] = both(judged);
        added.extend(beyond(&new, &old));
    }
    let mut objections = Vec::new();
    for (judged, mut loss) in losses {
        loss.removed
            .retain(|test| !went_elsewhere(test, &mut added));
        let path = &judged.file.path;
        let is_gone = judged.is_test() && judged.file.is_deleted();
        let fact = if !loss.removed.is_empty() {
            let verb = if is_gone { "is deleted with" } else { "loses" };
            format!("`{path}` {verb} {}", names(&loss.removed))
        } else if is_gone && loss.n_before == 0 && !is_moved(judged, files) {
            format!("`{path}` is deleted")
        } else if !loss.hidden.is_empty() {
            format!(
                "`{path}` defines more than once, so that the last one hides the others, {}",
                names(&loss.hidden)
            )
        } else {
            continue;
        };
        objections.push(Objection::file(Rule::TestDeleted, path, fact));
    }
    objections
}

impl From<&inline::TestFunction> for Test {
    fn from(function: &inline::TestFunction) -> Test {
        Test {
            name: function.path.clone(),
            body: function.body.clone(),
            is_collected: true,
        }
    }
}

impl Loss {
    fn of(judged: &Judged) -> Loss {
        let [old, new] = both(judged);
        Loss {
            n_before: old.len(),
            removed: beyond(&old, &new),
            hidden: beyond(&hidden(&new), &hidden(&old)),
        }
    }
}

/// A look at the lines, so that most sources need not be read as a whole.
fn may_lose_tests(judged: &Judged) -> bool {
    let file = judged.file;
    let is_rust = file.path.extension() == Some(b"rs");
    if file.old.is_none()
        || file.hunks.is_empty() && !file.is_deleted()
        || !judged.is_test() && !is_rust
    {
        return false;
    }
    // Where no line goes, a Rust test can only be buried: in a comment, a raw string, a macro.
    let buries = |line: &[u8]| {
        [&b"/*"[..], b"r#", b"macro_rules"]
            .iter()
            .any(|mark| line.contains_str(mark))
    };
    !is_rust || file.n_removed() > 0 || file.added_lines().any(|(_, line)| buries(line))
}

/// The test functions of both versions, but for those that no hunk touches where that is known without reading all of them.
fn both(judged: &Judged) -> [Rc<[Test]>; 2] {
    let [old, new] = [&judged.file.old, &judged.file.new];
    if judged.file.path.extension() == Some(b"rs")
        && let Some(both) = rust_tests::changed(judged)
    {
        return both
            .each_ref()
            .map(|functions| functions.iter().map(Test::from).collect());
    }
    [tests(judged, old), tests(judged, new)]
}

/// The test functions of a version of a file; none where the language is not known or the text is not text.
fn tests(judged: &Judged, version: &Option<FileVersion>) -> Rc<[Test]> {
    // A link has the text of a file without being one.
    type Key = (ObjectId, FileMode, RepoPath, bool);
    thread_local! {
        static KEPT: RefCell<Kept<Key, Rc<[Test]>>> = RefCell::new(Kept::new(32));
    }
    let Some(version) = version else {
        return Rc::default();
    };
    let read = || match version.content.text() {
        Some(text) => tests_of(judged, text).into(),
        None => Rc::default(),
    };
    let key = (
        version.id,
        version.mode,
        judged.file.path.clone(),
        judged.is_test(),
    );
    KEPT.with_borrow_mut(|kept| kept.or_read(key, read))
}

fn tests_of(judged: &Judged, text: &str) -> Vec<Test> {
    let path = &judged.file.path;
    match path.extension() {
        Some(b"py") if judged.is_test() => {
            python_tests(text, is_python_test_file(path.file_name()))
        }
        Some(b"rb") if judged.is_test() => {
            block_tests(blocks::ruby(text), is_ruby_test_file(path.file_name()))
        }
        Some(b"php") if judged.is_test() => {
            block_tests(blocks::php(text), path.file_name().ends_with(b"Test.php"))
        }
        Some(b"rs") => rust_tests(text),
        extension if judged.is_test() && titles::speaks(extension) => titled_tests(text),
        _ => Vec::new(),
    }
}

/// Whether a deleted file held tests.
pub(super) fn holds_tests(judged: &Judged) -> bool {
    !tests(judged, &judged.file.old).is_empty()
}

/// Names and bodies of the tests; `None` where the language's tests are not told apart.
pub(super) fn bodies(
    judged: &Judged,
    version: &Option<FileVersion>,
) -> Option<Vec<(String, String)>> {
    let extension = judged.file.path.extension();
    let is_known = matches!(extension, Some(b"py" | b"rb" | b"php"));
    (is_known || titles::speaks(extension)).then(|| {
        let tests = tests(judged, version);
        let tests = tests.iter();
        tests
            .map(|test| (test.name.clone(), test.body.clone()))
            .collect()
    })
}

fn titled_tests(text: &str) -> Vec<Test> {
    let tests = titles::tests(text).into_iter();
    tests
        .map(|titles::Titled { name, body }| Test {
            name,
            body,
            is_collected: true,
        })
        .collect()
}

fn rust_tests(text: &str) -> Vec<Test> {
    // A source that cannot be read as tokens has no tests that could be lost: it does not compile.
    let functions = inline::test_functions(text).unwrap_or_default();
    functions.iter().map(Test::from).collect()
}

fn block_tests(blocks: Vec<blocks::Block>, is_collected: bool) -> Vec<Test> {
    let test = |block: blocks::Block| Test {
        name: block.name,
        body: block.body,
        is_collected,
    };
    blocks.into_iter().map(test).collect()
}

fn is_ruby_test_file(name: &[u8]) -> bool {
    let begins = name.starts_with(b"test_") || name.starts_with(b"spec_");
    begins || name.ends_with(b"_test.rb") || name.ends_with(b"_spec.rb")
}

fn is_python_test_file(name: &[u8]) -> bool {
    let stem = name.strip_suffix(b".py").unwrap_or(name);
    stem.starts_with(b"test") || stem.ends_with(b"_test") || stem.ends_with(b"_tests")
}

/// `def test..` by indentation: what stands deeper than a `def` is its body.
fn python_tests(text: &str, is_test_file: bool) -> Vec<Test> {
    let mut tests: Vec<Test> = Vec::new();
    // Classes and functions that are open, with their indentation.
    let mut open: Vec<(usize, String)> = Vec::new();
    let mut current: Option<(usize, usize)> = None;
    for line in text.lines() {
        let (indent, code) = code_of(line);
        if code.is_empty() || code.starts_with('#') {
            continue;
        }
        if let Some((test, depth)) = current {
            // A signature broken over lines ends with a bracket as far left as its `def`.
            if indent > depth || code.starts_with([')', ']']) {
                tests[test].body.push_str(code);
                tests[test].body.push('\n');
                continue;
            }
            current = None;
        }
        open.retain(|&(depth, _)| depth < indent);
        let definition = code.strip_prefix("async ").unwrap_or(code).trim_start();
        if let Some(rest) = definition.strip_prefix("def ") {
            let rest = rest.trim_start();
            let name = &rest[..rest.find('(').unwrap_or(rest.len())];
            if name.starts_with("test") {
                let classes = open.iter().map(|(_, class)| class.as_str());
                let path: Vec<&str> = classes.chain([name.trim_end()]).collect();
                let is_in_test_class = open.iter().all(|(_, class)| class.contains("Test"));
                current = Some((tests.len(), indent));
                tests.push(Test {
                    name: path.join("."),
                    body: format!("{}\n", &rest[name.len()..]),
                    is_collected: is_test_file && is_in_test_class,
                });
            } else {
                open.push((indent, format!("{}()", name.trim_end())));
            }
        } else if let Some(rest) = code.strip_prefix("class ") {
            let end = rest.find(['(', ':']).unwrap_or(rest.len());
            open.push((indent, rest[..end].trim().to_owned()));
        }
    }
    tests
}

/// The tests of `these` that `those` has not by name, or not so often.
fn beyond(these: &[Test], those: &[Test]) -> Vec<Test> {
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    for test in those {
        *left.entry(&test.name).or_default() += 1;
    }
    let beyond = these
        .iter()
        .filter(|test| match left.get_mut(test.name.as_str()) {
            Some(n @ 1..) => {
                *n -= 1;
                false
            }
            _ => true,
        });
    beyond.cloned().collect()
}

/// Tests behind which another of the same name follows.
fn hidden(tests: &[Test]) -> Vec<Test> {
    let mut below = BTreeSet::new();
    let mut hidden = Vec::new();
    for test in tests.iter().rev() {
        if !below.insert(test.name.as_str()) {
            hidden.push(test.clone());
        }
    }
    hidden.reverse();
    hidden
}

/// Takes from `added` a test with the same body that is found wherever this one was.
fn went_elsewhere(test: &Test, added: &mut Vec<Test>) -> bool {
    let same = added
        .iter()
        .position(|other| other.body == test.body && (other.is_collected || !test.is_collected));
    same.map(|at| added.swap_remove(at)).is_some()
}

/// Whether another test file of the change has just this content under a name of the same ending.
fn is_moved(judged: &Judged, files: &[Judged]) -> bool {
    let old_id = judged.file.old.as_ref().map(|old| old.id);
    files.iter().any(|other| {
        other.is_test()
            && other.file.is_added()
            && other.file.path.extension() == judged.file.path.extension()
            && other.file.new.as_ref().map(|new| new.id) == old_id
    })
}

fn names(tests: &[Test]) -> String {
    let names = tests
        .iter()
        .take(MAX_NAMES)
        .map(|test| format!("`{}`", shown(&test.name)));
    let mut names = names.collect::<Vec<_>>().join(", ");
    if tests.len() > MAX_NAMES {
        names += &format!(" and {} more", tests.len() - MAX_NAMES);
    }
    let word = if tests.len() == 1 { "test" } else { "tests" };
    format!("{} {word}: {names}", tests.len())
}

#[cfg(test)]
mod tests {
    use super::super::change_of::{facts, judged};
    use super::*;
    use crate::policy::FileKind;

    /// `files`: path, old text, new text; empty is absent. What is below `tests` is a test.
    #[track_caller]
    fn check(files: &[(&str, &str, &str)], expected: &[&str]) {
        let change = super::super::change_of::change(files);
        let kind = |path: &str| {
            if path.starts_with("tests/") {
                FileKind::Test
            } else {
                FileKind::Production
            }
        };
        assert_eq!(facts(deleted(&judged(&change, kind))), expected);
    }

    const PY: &str =
        "class TestCart:\n    def test_a(self):\n        assert 1\n\ndef test_b():\n    assert 2\n";

    #[test]
    fn a_deleted_file_of_tests_is_named_with_its_tests() {
        check(
            &[("tests/test_a.py", PY, "")],
            &["`tests/test_a.py` is deleted with 2 tests: `TestCart.test_a`, `test_b`"],
        );
        check(
            &[("tests/data.json", "{}\n", "")],
            &["`tests/data.json` is deleted"],
        );
    }

    #[test]
    fn a_removed_function_is_a_deleted_test() {
        let less = PY.replace("def test_b", "def check_b");
        check(
            &[("tests/test_a.py", PY, &less)],
            &["`tests/test_a.py` loses 1 test: `test_b`"],
        );
        check(
            &[("tests/test_a.py", PY, &PY.replace("assert 2", "assert 3"))],
            &[],
        );
    }

    #[test]
    fn a_renamed_or_moved_test_is_not_deleted() {
        let renamed = PY.replace("test_b", "test_total");
        check(&[("tests/test_a.py", PY, &renamed)], &[]);
        check(
            &[("tests/test_a.py", PY, ""), ("tests/test_b.py", "", PY)],
            &[],
        );
        check(
            &[("tests/a.json", "{}\n", ""), ("tests/b.json", "", "{}\n")],
            &[],
        );
        // Also within a group, whose name is no part of the body.
        let js =
            "describe('cart', () => {\n  it('adds', () => {\n    expect(a).toBe(1)\n  })\n})\n";
        let renamed = js.replace("'adds'", "'adds one'");
        check(&[("tests/a.test.js", js, &renamed)], &[]);
        let moved = js.replace("describe('cart'", "describe('total'");
        check(&[("tests/a.test.js", js, &moved)], &[]);
        let other = renamed.replace("toBe(1)", "toBe(2)");
        check(
            &[("tests/a.test.js", js, &other)],
            &["`tests/a.test.js` loses 1 test: `cart > adds`"],
        );
    }

    #[test]
    fn a_test_moved_to_where_it_is_not_found_is_deleted() {
        let elsewhere = [("tests/test_a.py", PY, ""), ("tests/cart.py", "", PY)];
        check(
            &elsewhere,
            &["`tests/test_a.py` is deleted with 2 tests: `TestCart.test_a`, `test_b`"],
        );
        let no_test_class = PY.replace("TestCart", "Cart");
        check(
            &[("tests/test_a.py", PY, &no_test_class)],
            &["`tests/test_a.py` loses 1 test: `TestCart.test_a`"],
        );
    }

    #[test]
    fn a_renamed_test_with_another_body_is_deleted() {
        let weaker = PY.replace("def test_b():\n    assert 2", "def test_c():\n    pass");
        check(
            &[("tests/test_a.py", PY, &weaker)],
            &["`tests/test_a.py` loses 1 test: `test_b`"],
        );
    }

    #[test]
    fn a_second_definition_hides_the_first() {
        let twice = format!("{PY}\ndef test_b():\n    pass\n");
        check(
            &[("tests/test_a.py", PY, &twice)],
            &[
                "`tests/test_a.py` defines more than once, so that the last one hides the others, 1 test: `test_b`",
            ],
        );
    }

    #[test]
    fn tests_of_ruby_and_php_are_tests() {
        let spec = "RSpec.describe Cart do\n  it 'adds' do\n    expect(1).to eq(1)\n  end\nend\n";
        check(
            &[(
                "tests/a_spec.rb",
                spec,
                &spec.replace("it 'adds'", "xit 'adds'"),
            )],
            &["`tests/a_spec.rb` loses 1 test: `Cart adds`"],
        );
        check(
            &[("tests/a_spec.rb", spec, &spec.replace("'adds'", "'sums'"))],
            &[],
        );
        let php = "<?php\nclass ATest extends TestCase\n{\n    public function testA()\n    {\n        $this->fail();\n    }\n}\n";
        check(
            &[("tests/ATest.php", php, &php.replace("testA", "checkA"))],
            &["`tests/ATest.php` loses 1 test: `ATest testA`"],
        );
    }

    const RS: &str = "fn a() {}\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn one() { a() }\n}\n";

    #[test]
    fn inline_tests_are_tests() {
        check(
            &[("src/a.rs", RS, "fn a() {}\n")],
            &["`src/a.rs` loses 1 test: `tests::one`"],
        );
        check(
            &[("src/a.rs", RS, "")],
            &["`src/a.rs` loses 1 test: `tests::one`"],
        );
        check(
            &[("src/a.rs", RS, &RS.replace("    #[test]\n", ""))],
            &["`src/a.rs` loses 1 test: `tests::one`"],
        );
        check(
            &[(
                "src/a.rs",
                RS,
                &RS.replace("    #[test]\n", "/*    #[test]\n")
                    .replace("()\n}", "()*/\n}"),
            )],
            &["`src/a.rs` loses 1 test: `tests::one`"],
        );
        check(
            &[("src/a.rs", RS, &RS.replace("fn a() {}", "fn a() { 1; }"))],
            &[],
        );
        check(
            &[("src/a.rs", RS, "fn a() {}\n"), ("src/b.rs", "", RS)],
            &[],
        );
    }

    #[test]
    fn a_deleted_source_without_tests_is_no_matter() {
        check(
            &[("src/a.rs", "fn a() {}\n", ""), ("src/b.py", PY, "")],
            &[],
        );
    }

    #[test]
    fn only_the_same_content_in_another_test_file_is_a_moved_file() {
        for other in [
            ("tests/b.json", "", "[]\n"),
            ("tests/b.txt", "", "{}\n"),
            ("src/b.json", "", "{}\n"),
            ("tests/b.json", "x\n", "{}\n"),
        ] {
            check(
                &[("tests/a.json", "{}\n", ""), other],
                &["`tests/a.json` is deleted"],
            );
        }
        check(
            &[("tests/a.bin", "\0\n", "")],
            &["`tests/a.bin` is deleted"],
        );
    }

    #[test]
    fn a_file_without_hunks_may_be_a_deleted_one() {
        let mut change = super::super::change_of::change(&[("tests/a.bin", "\0\n", "")]);
        change.files[0].hunks.clear();
        let files = judged(&change, |_| FileKind::Test);
        assert_eq!(facts(deleted(&files)), ["`tests/a.bin` is deleted"]);
    }

    #[test]
    fn a_test_that_moves_out_of_the_tests_is_deleted() {
        let spec = "RSpec.describe Cart do\n  it 'adds' do\n    expect(1).to eq(1)\n  end\nend\n";
        let php = "<?php\nclass ATest extends TestCase\n{\n    public function testA()\n    {\n        $this->fail();\n    }\n}\n";
        let js = "test('adds', () => {\n  expect(1).toBe(1);\n});\n";
        for (old, new, text) in [
            ("tests/test_a.py", "src/test_a.py", PY),
            ("tests/a_spec.rb", "src/a_spec.rb", spec),
            ("tests/a_spec.rb", "tests/helper.rb", spec),
            ("tests/ATest.php", "src/ATest.php", php),
            ("tests/a.test.js", "src/a.test.js", js),
        ] {
            let change = super::super::change_of::change(&[(old, text, ""), (new, "", text)]);
            let files = judged(&change, |path| match path.starts_with("tests/") {
                true => FileKind::Test,
                false => FileKind::Production,
            });
            let facts = facts(deleted(&files));
            let start = format!("`{old}` is deleted with ");
            assert!(
                facts.len() == 1 && facts[0].starts_with(&start),
                "{new}: {facts:?}"
            );
        }
        for new in ["tests/b_spec.rb", "tests/b_test.rb", "tests/test_b.rb"] {
            check(&[("tests/a_spec.rb", spec, ""), (new, "", spec)], &[]);
        }
        check(
            &[("tests/a.test.js", js, ""), ("tests/b.test.js", "", js)],
            &[],
        );
    }

    #[test]
    fn one_of_two_of_a_name_is_a_test_too() {
        let twice = format!("{PY}\ndef test_b():\n    assert 2\n");
        check(
            &[("tests/test_a.py", &twice, PY)],
            &["`tests/test_a.py` loses 1 test: `test_b`"],
        );
    }

    #[test]
    fn a_comment_does_not_end_a_test() {
        let long = PY.replace("assert 2", "assert 2\n# why\n    assert 3");
        let weaker = long.replace("test_b", "test_c").replace("assert 3", "pass");
        check(
            &[("tests/test_a.py", &long, &weaker)],
            &["`tests/test_a.py` loses 1 test: `test_b`"],
        );
    }
}
