//! The right red: a fix that names an error of production is shown by a test that failed as production did.
//!
//! Types are compared by the last part of their names and may be narrower than what production saw; panics, which have no types, by what
//! they say. The place is the innermost frame of production code: its file or its function is among the error's own.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use gix::ObjectId;
use serde::Serialize;

use super::split::{Inline, Split};
use super::{Doubt, Gap, Shortfall};
use crate::change::RepoPath;
use crate::git::Repo;
use crate::issue::{Crash, Frame, skeleton};
use crate::policy::{self, FileKind, Policy};
use crate::suite::{Raised, RaisedIn, TestId, TestRun, inline};

/// An issue that the message names, and what is known of it.
#[derive(Clone, Debug)]
pub struct Named<'a> {
    pub fingerprint: String,
    pub known: Known<'a>,
}

#[derive(Clone, Copy, Debug)]
pub enum Known<'a> {
    /// No digest was given.
    NoDigest,
    /// The digest does not have it.
    Absent,
    Crash(&'a Crash),
}

/// How the red of a proof stands to an issue, for the evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compared {
    pub issue: String,
    #[serde(flatten)]
    pub standing: Standing,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "signature", rename_all = "kebab-case")]
pub enum Standing {
    /// This test failed as production did.
    Same {
        test: TestId,
        raised: String,
    },
    Different,
    /// Not compared: no digest of errors was given.
    NoDigest,
    /// Not compared: the digest does not have the issue.
    Absent,
    /// Not compared: production recorded no exception.
    NoException,
}

/// What is said of all issues that are named.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub compared: Vec<Compared>,
    pub warnings: Vec<Gap>,
    pub short: Shortfall,
}

/// Compares the first run BEFORE with every issue. `is_test` says which frames are test code.
pub(super) fn compare<'a>(
    level: policy::Signature,
    issues: &[Named],
    fail_to_pass: impl Iterator<Item = &'a TestId> + Clone,
    before: &TestRun,
    is_test: impl Fn(&RaisedIn) -> bool,
) -> Answer {
    let mut answer = Answer::default();
    if level == policy::Signature::Off {
        return answer;
    }
    for issue in issues {
        let standing = match issue.known {
            Known::NoDigest => Standing::NoDigest,
            Known::Absent => Standing::Absent,
            Known::Crash(crash) => match crash.error_type.as_deref() {
                None => Standing::NoException,
                Some(kind) => {
                    let reds = fail_to_pass
                        .clone()
                        .filter_map(|test| Some((test, before.results.get(test)?)));
                    let same = reds.clone().find_map(|(test, result)| {
                        let raised = result.raised.as_ref()?;
                        is_same(raised, kind, crash, &is_test).then(|| Standing::Same {
                            test: test.clone(),
                            raised: shown(raised, &is_test),
                        })
                    });
                    same.unwrap_or_else(|| {
                        answer.differs(
                            level,
                            crash,
                            kind,
                            reds.map(|(_, result)| {
                                let raised = result.raised.as_ref();
                                raised
                                    .map_or(result.detail.clone(), |raised| shown(raised, &is_test))
                            }),
                        );
                        Standing::Different
                    })
                }
            },
        };
        let is_unknown = matches!(standing, Standing::NoDigest | Standing::Absent);
        if is_unknown && level == policy::Signature::Required {
            let issue = issue.fingerprint.clone();
            answer.short.doubts.push(Doubt::IssueUnknown(issue));
        }
        answer.compared.push(Compared {
            issue: issue.fingerprint.clone(),
            standing,
        });
    }
    answer
}

impl Answer {
    fn differs(
        &mut self,
        level: policy::Signature,
        crash: &Crash,
        kind: &str,
        seen: impl Iterator<Item = String>,
    ) {
        let seen: BTreeSet<String> = seen.collect();
        let culprit = crash.frames.iter().rev().find(|frame| frame.in_app);
        let place = culprit.map_or(String::new(), |frame| {
            let function = frame.function.as_deref().unwrap_or("");
            format!(" in {function} of {}", frame.file).replace("in  of", "in")
        });
        let gap = Gap::DifferentFailure {
            issue: crash.fingerprint.clone(),
            expected: format!("{kind}{place}"),
            seen: seen.into_iter().collect(),
        };
        if level == policy::Signature::Preferred {
            self.warnings.push(gap);
        } else {
            self.short.gaps.push(gap);
        }
    }
}

/// Whether the line of a frame is test code: of a file of the tests, or of a region of tests in a production file.
pub(super) fn is_test_frame(
    frame: &RaisedIn,
    policy: &Policy,
    split: &Split,
    regions: &BTreeMap<RepoPath, Vec<Range<usize>>>,
) -> bool {
    let path = RepoPath::from(frame.file.as_str());
    let is_production = matches!(
        policy.kind_of(&path),
        FileKind::Production | FileKind::Protected
    );
    let line = frame.line as usize;
    let mut regions = regions.get(&path).into_iter().flatten();
    !is_production || split.tests.contains(&path) || regions.any(|lines| lines.contains(&line))
}

/// The lines of inline tests BEFORE, by file.
pub(super) fn test_regions(
    repo: &Repo,
    split: &Split,
    before_tree_id: ObjectId,
) -> anyhow::Result<BTreeMap<RepoPath, Vec<Range<usize>>>> {
    let mut regions = BTreeMap::new();
    for Inline { path, .. } in &split.inline {
        let content = repo.read_file(before_tree_id, path)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&content);
        regions.insert(path.clone(), inline::test_lines(&text));
    }
    Ok(regions)
}

fn is_same(
    raised: &Raised,
    kind: &str,
    crash: &Crash,
    is_test: &impl Fn(&RaisedIn) -> bool,
) -> bool {
    is_same_kind(raised, kind, crash) && is_same_place(raised, crash, is_test)
}

/// What production raised and where, as far as two runs can be compared; `None` for what a test raised or asserted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    kind: String,
    place: String,
}

pub(super) fn origin(raised: &Raised, is_test: &impl Fn(&RaisedIn) -> bool) -> Option<Origin> {
    let innermost = raised.frames.first().filter(|frame| !is_test(frame))?;
    let kind = match is_panic(&raised.kind) {
        true => panic_class(&raised.message),
        false => raised.kind.clone(),
    };
    let place = match innermost.function.as_str() {
        "" => &innermost.file,
        function => function,
    };
    let is_bare = is_assertion(raised) || kind == "assertion";
    (!is_bare).then(|| Origin {
        kind,
        place: place.to_owned(),
    })
}

/// What every exception is says nothing of one.
const ROOTS: [&str; 6] = [
    "BaseException",
    "Error",
    "Exception",
    "RuntimeException",
    "StandardError",
    "Throwable",
];

fn is_same_kind(raised: &Raised, kind: &str, crash: &Crash) -> bool {
    let expected = last_part(kind);
    if is_panic(&raised.kind) {
        let said = panic_class(&raised.message);
        let mut messages = crash.messages.iter();
        return match is_panic(kind) {
            true => messages.any(|message| panic_class(message) == said),
            // An error that was unwrapped: its type stands in the message.
            false => words(&raised.message).any(|word| word == expected),
        };
    }
    let is_expected = |name: &String| last_part(name) == expected;
    if ROOTS.contains(&expected) {
        is_expected(&raised.kind)
    } else {
        is_expected(&raised.kind) || raised.bases.iter().any(is_expected)
    }
}

fn is_same_place(raised: &Raised, crash: &Crash, is_test: &impl Fn(&RaisedIn) -> bool) -> bool {
    let own: Vec<&Frame> = crash.frames.iter().filter(|frame| frame.in_app).collect();
    if own.is_empty() {
        // Production told no place of its own; nothing but the type can be compared.
        return raised.frames.iter().any(|frame| !is_test(frame));
    }
    let is_bare = is_panic(&raised.kind) || is_assertion(raised);
    let mut frames = raised.frames.iter();
    let nearest = match is_bare {
        // What a test asserts or unwraps by itself is its own failure, wherever it is called from.
        true => frames.next().filter(|frame| !is_test(frame)),
        // A stand-in of the test may raise for a collaborator; the code that called it is what failed.
        false => frames.find(|frame| !is_test(frame)),
    };
    nearest.is_some_and(|nearest| {
        own.iter().any(|frame| {
            is_same_file(&frame.file, &nearest.file) || is_same_function(frame, nearest)
        })
    })
}

fn is_assertion(raised: &Raised) -> bool {
    let mut names = raised.bases.iter().chain([&raised.kind]);
    names.any(|name| last_part(name).contains("Assertion"))
}

/// Go's runtime has types for its panics.
fn is_panic(kind: &str) -> bool {
    let kind = kind.trim_start_matches('*').to_ascii_lowercase();
    matches!(last_part(&kind), "panic" | "rust_panic" | "panicexception")
        || kind.starts_with("runtime.")
        || kind.starts_with("runtime error")
}

/// What kind of panic it is: what a language's own panics say, else the words without what varies.
fn panic_class(message: &str) -> String {
    const CLASSES: [(&str, &[&str]); 17] = [
        (
            "assertion",
            &["assertion `", "assertion failed", "assertion left"],
        ),
        ("overflow", &["with overflow", "integer overflow"]),
        (
            "index",
            &[
                "index out of bounds",
                "index out of range",
                "out of range for slice",
                "out of range for str",
                "slice bounds out of range",
                "slice index starts at",
                "byte index",
            ],
        ),
        (
            "none",
            &["option::unwrap()` on a `none`", "on a `none` value"],
        ),
        (
            "error",
            &["result::unwrap()` on an `err`", "on an `err` value"],
        ),
        ("ok", &["on an `ok` value"]),
        (
            "nil",
            &["nil pointer dereference", "invalid memory address"],
        ),
        ("nil map", &["assignment to entry in nil map"]),
        (
            "zero",
            &["divide by zero", "division by zero", "divisor of zero"],
        ),
        ("interface", &["interface conversion"]),
        ("borrow", &["already borrowed", "already mutably borrowed"]),
        ("key", &["no entry found for key"]),
        ("todo", &["not yet implemented", "not implemented"]),
        ("unreachable", &["entered unreachable code"]),
        ("stack", &["overflowed its stack", "stack overflow"]),
        (
            "closed channel",
            &["send on closed channel", "close of closed channel"],
        ),
        ("deadlock", &["all goroutines are asleep"]),
    ];
    let lower = message.to_ascii_lowercase();
    let class = CLASSES
        .iter()
        .find(|(_, parts)| parts.iter().any(|part| lower.contains(part)));
    match class {
        Some((class, _)) => (*class).to_owned(),
        None => skeleton(message.lines().next().unwrap_or("")),
    }
}

/// Production has its sources below folders that the tree does not know, and builds may know only the file's name.
fn is_same_file(recorded: &str, in_tree: &str) -> bool {
    let parts = |path: &str| -> Vec<String> {
        let path = path.replace('\\', "/");
        let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
        parts.rev().map(str::to_owned).collect()
    };
    let (recorded, in_tree) = (parts(recorded), parts(in_tree));
    let n_same = recorded
        .iter()
        .zip(&in_tree)
        .take_while(|(one, other)| one == other)
        .count();
    n_same >= 2 || (n_same > 0 && (n_same == recorded.len() || n_same == in_tree.len()))
}

fn is_same_function(recorded: &Frame, seen: &RaisedIn) -> bool {
    let recorded = recorded.function.as_deref().and_then(function_name);
    recorded.is_some() && recorded == function_name(&seen.function)
}

/// The name of a function alone; `None` for what has none.
fn function_name(function: &str) -> Option<&str> {
    const NAMELESS: [&str; 8] = [
        "anonymous",
        "block",
        "closure",
        "genexpr",
        "lambda",
        "listcomp",
        "module",
        "main",
    ];
    let is_name = |word: &&str| {
        // Go numbers its closures: `main.run.func1`.
        let stem = word.trim_end_matches(|c: char| c.is_ascii_digit());
        !NAMELESS.contains(word) && !stem.is_empty() && (stem != "func" || stem == *word)
    };
    words(function).filter(is_name).last()
}

fn last_part(name: &str) -> &str {
    words(name).last().unwrap_or("")
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

/// `KeyError in total of shop/cart.py`
fn shown(raised: &Raised, is_test: &impl Fn(&RaisedIn) -> bool) -> String {
    let kind = match is_panic(&raised.kind) {
        true => format!("{}: {}", raised.kind, raised.message),
        false => raised.kind.clone(),
    };
    match raised.frames.iter().find(|frame| !is_test(frame)) {
        Some(frame) if frame.function.is_empty() => format!("{kind} in {}", frame.file),
        Some(frame) => format!("{kind} in {} of {}", frame.function, frame.file),
        None => format!("{kind} in test code"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::testing::TestRepo;
    use crate::suite::{Outcome, TestResult};

    /// `file function`, the innermost first; `tests/` is test code.
    fn raised(kind: &str, bases: &[&str], message: &str, frames: &[&str]) -> Raised {
        let frame = |text: &&str| {
            let (file, function) = text.split_once(' ').unwrap_or((text, ""));
            RaisedIn {
                file: file.to_owned(),
                function: function.to_owned(),
                line: 1,
            }
        };
        Raised {
            kind: kind.to_owned(),
            bases: bases.iter().map(|&base| base.to_owned()).collect(),
            message: message.to_owned(),
            frames: frames.iter().map(frame).collect(),
        }
    }

    /// `file function`, the innermost last; with `!` in front foreign.
    fn crash(kind: &str, message: &str, frames: &[&str]) -> Crash {
        let frame = |text: &&str| {
            let own = text.trim_start_matches('!');
            let (file, function) = own.split_once(' ').unwrap_or((own, ""));
            Frame {
                file: file.to_owned(),
                line: Some(9),
                function: Some(function.to_owned()).filter(|name| !name.is_empty()),
                in_app: !text.starts_with('!'),
            }
        };
        Crash {
            fingerprint: "k1:a".to_owned(),
            error_type: Some(kind.to_owned()),
            messages: vec![message.to_owned()],
            frames: frames.iter().map(frame).collect(),
        }
    }

    fn is_test(frame: &RaisedIn) -> bool {
        frame.file.starts_with("tests/")
    }

    #[track_caller]
    fn check(raised: Raised, crash: Crash, expected: bool) {
        let kind = crash.error_type.clone().expect("a type");
        let same = is_same(&raised, &kind, &crash, &is_test);
        assert_eq!(same, expected, "{raised:?} {crash:?}");
    }

    const KEY_ERROR: &[&str] = &["KeyError", "LookupError", "Exception", "BaseException"];
    const IN_TOTAL: &[&str] = &["shop/cart.py total", "tests/test_cart.py test_total"];

    #[test]
    fn the_same_exception_in_the_same_code() {
        let seen = || raised("KeyError", KEY_ERROR, "'x'", IN_TOTAL);
        let frames = &[
            "/srv/app/shop/views.py checkout",
            "/srv/app/shop/cart.py total",
        ];
        check(seen(), crash("KeyError", "'y'", frames), true);
        check(seen(), crash("builtins.KeyError", "'y'", frames), true);
        // A narrower type than production saw.
        check(seen(), crash("LookupError", "", frames), true);
        check(seen(), crash("ValueError", "", frames), false);
        // Every exception is one.
        check(seen(), crash("Exception", "", frames), false);
        let plain = raised("Exception", &["Exception", "BaseException"], "no", IN_TOTAL);
        check(plain, crash("Exception", "no", frames), true);
    }

    #[test]
    fn types_of_every_language_are_compared_by_their_last_part() {
        for kind in [
            "ActiveRecord::RecordNotFound",
            "app.errors.RecordNotFound",
            r"App\Errors\RecordNotFound",
            "org.shop.Errors$RecordNotFound",
            "*shop.RecordNotFound",
        ] {
            let seen = raised("RecordNotFound", &["RecordNotFound"], "", &["a/b.rb find"]);
            check(seen, crash(kind, "", &["a/b.rb find"]), true);
        }
    }

    #[test]
    fn the_same_file_or_the_same_function_will_do() {
        let seen = |frame: &str| raised("KeyError", KEY_ERROR, "", &[frame, "tests/t.py t"]);
        let frames = &["/srv/r/42/shop/cart.py Cart.total", "!/usr/lib/x.py get"];
        check(
            seen("shop/cart.py other"),
            crash("KeyError", "", frames),
            true,
        );
        check(seen("moved.py total"), crash("KeyError", "", frames), true);
        check(seen("moved.py other"), crash("KeyError", "", frames), false);
        // Go's closures have the names of their functions.
        let go = |function: &str| crash("KeyError", "", &[&format!("/srv/a.go {function}")]);
        check(seen("b.go shop.run.func1"), go("shop.run"), true);
        check(seen("b.go shop.run.func1"), go("shop.stop.func1"), false);
        check(seen("b.go shop.func"), go("shop.func"), true);
        check(seen("b.go shop.total2"), go("shop.other2"), false);
        // What is foreign to the project is no place of it.
        check(seen("lib/x.py get"), crash("KeyError", "", frames), false);
        // Nor is code without a name.
        check(
            seen("a.py <module>"),
            crash("KeyError", "", &["/srv/b.py <module>"]),
            false,
        );
    }

    #[test]
    fn a_test_that_raises_by_itself_shows_nothing() {
        let frames = &[
            "/srv/tests/test_cart.py test_total",
            "/srv/shop/cart.py total",
        ];
        let own = raised(
            "KeyError",
            KEY_ERROR,
            "",
            &["tests/test_cart.py test_total"],
        );
        check(own, crash("KeyError", "", frames), false);
        let nowhere = raised("KeyError", KEY_ERROR, "", &[]);
        check(nowhere, crash("KeyError", "", frames), false);
        // A collaborator's stand-in raises, and production fails to bear it.
        let stand_in = raised(
            "KeyError",
            KEY_ERROR,
            "",
            &["tests/t.py fake", "shop/cart.py total", "tests/t.py test"],
        );
        check(stand_in.clone(), crash("KeyError", "", frames), true);
        let assertion = Raised {
            kind: "AssertionError".to_owned(),
            bases: vec!["AssertionError".to_owned()],
            ..stand_in
        };
        check(assertion, crash("AssertionError", "", frames), false);
    }

    #[test]
    fn an_origin_is_a_kind_in_production_code() {
        let origin = |raised: Raised| {
            let origin = origin(&raised, &is_test);
            origin.map(|Origin { kind, place }| format!("{kind} {place}"))
        };
        let seen = raised("KeyError", KEY_ERROR, "'x'", IN_TOTAL);
        assert_eq!(origin(seen).as_deref(), Some("KeyError total"));
        let panic = |message| raised("panic", &["panic"], message, &["src/cart.rs"]);
        let overflow = panic("attempt to add with overflow");
        assert_eq!(origin(overflow).as_deref(), Some("overflow src/cart.rs"));
        assert_eq!(origin(panic("assertion failed: x")), None);
        let own = raised("KeyError", KEY_ERROR, "", &["tests/t.py t"]);
        assert_eq!(origin(own), None);
        let assertion = raised("AssertionError", &["AssertionError"], "", IN_TOTAL);
        assert_eq!(origin(assertion), None);
    }

    #[test]
    fn without_a_place_of_its_own_the_type_decides() {
        let seen = raised("KeyError", KEY_ERROR, "", IN_TOTAL);
        check(seen.clone(), crash("KeyError", "", &[]), true);
        check(seen, crash("KeyError", "", &["!/usr/lib/x.py get"]), true);
        let own = raised("KeyError", KEY_ERROR, "", &["tests/t.py t"]);
        check(own, crash("KeyError", "", &[]), false);
    }

    #[test]
    fn panics_are_compared_by_what_they_say() {
        let panic = |message: &str| raised("panic", &["panic"], message, &["src/cart.rs"]);
        let overflow = "attempt to subtract with overflow";
        let check = |message: &str, kind: &str, production: &str, expected: bool| {
            let crash = crash(kind, production, &["/build/src/cart.rs shop::Cart::total"]);
            check(panic(message), crash, expected);
        };
        check(overflow, "panic", "attempt to add with overflow", true);
        let index = "index out of bounds: the len is 0 but the index is 0";
        check(overflow, "panic", index, false);
        check(
            "index out of range [5] with length 3",
            "runtime.boundsError",
            "runtime error: index out of range [0] with length 0",
            true,
        );
        check("no cart 12", "panic", "no cart 4711", true);
        check("no cart 12", "panic", "no purse 4711", false);
        check(
            "called `Result::unwrap()` on an `Err` value: LookupError(3)",
            "shop::LookupError",
            "no product 3",
            true,
        );
        check(overflow, "shop::LookupError", "no product 3", false);
    }

    #[test]
    fn every_class_of_panics_is_one_of_its_own() {
        let messages = [
            "assertion `left == right` failed",
            "attempt to multiply with overflow",
            "range end index 5 out of range for slice of length 3",
            "called `Option::unwrap()` on a `None` value",
            "called `Result::unwrap()` on an `Err` value: ParseIntError { kind: Empty }",
            "runtime error: invalid memory address or nil pointer dereference",
            "assignment to entry in nil map",
            "attempt to divide by zero",
            "interface conversion: interface {} is string, not int",
            "RefCell already borrowed",
            "not yet implemented",
            "internal error: entered unreachable code",
        ];
        let classes: BTreeSet<String> = messages.into_iter().map(panic_class).collect();
        assert_eq!(classes.len(), messages.len(), "{classes:?}");
        assert!(classes.iter().all(|class| class.len() < 12), "{classes:?}");
    }

    #[test]
    fn paths_of_production_end_like_those_of_the_tree() {
        let same = [
            ("/srv/shop/cart.py", "shop/cart.py"),
            (
                "/usr/lib/python3/site-packages/shop/cart.py",
                "src/shop/cart.py",
            ),
            ("Cart.java", "src/main/java/org/shop/Cart.java"),
            ("./src/lib.rs", "src/lib.rs"),
            (r"C:\app\shop\cart.py", "shop/cart.py"),
            ("/srv/cart.py", "cart.py"),
        ];
        for (recorded, in_tree) in same {
            assert!(is_same_file(recorded, in_tree), "{recorded} {in_tree}");
        }
        let other = [
            ("/srv/shop/models.py", "app/models.py"),
            ("/srv/shop/cart.py", "shop/cart2.py"),
            ("", "shop/cart.py"),
        ];
        for (recorded, in_tree) in other {
            assert!(!is_same_file(recorded, in_tree), "{recorded} {in_tree}");
        }
    }

    #[track_caller]
    fn check_answer(level: policy::Signature, known: Known, kind: &str, expected: &str) {
        let test = TestId("t".to_owned());
        let mut result = TestResult::new(Outcome::Failed, "said");
        result.raised = Some(raised(kind, &[kind], "", IN_TOTAL));
        let before = TestRun {
            results: [(test.clone(), result)].into(),
            ..TestRun::default()
        };
        let issues = [Named {
            fingerprint: "k1:a".to_owned(),
            known,
        }];
        let answer = compare(level, &issues, [&test].into_iter(), &before, is_test);
        let standing = answer.compared.first().map(|compared| &compared.standing);
        let standing = format!("{standing:?}");
        let standing = standing.split([' ', '(', ')']).nth(1).unwrap_or("-");
        let shown = format!(
            "{standing} gaps {} doubts {} warnings {}",
            answer.short.gaps.len(),
            answer.short.doubts.len(),
            answer.warnings.len()
        );
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_policy_says_what_a_difference_weighs() {
        use policy::Signature::{Off, Preferred, Required, WhenKnown};
        let crash = crash("KeyError", "", &["/srv/shop/cart.py total"]);
        let known = Known::Crash(&crash);
        for level in [WhenKnown, Required, Preferred] {
            check_answer(level, known, "KeyError", "Same gaps 0 doubts 0 warnings 0");
        }
        let refused = "Different gaps 1 doubts 0 warnings 0";
        check_answer(WhenKnown, known, "ValueError", refused);
        check_answer(Required, known, "ValueError", refused);
        let said = "Different gaps 0 doubts 0 warnings 1";
        check_answer(Preferred, known, "ValueError", said);
        check_answer(Off, known, "ValueError", "- gaps 0 doubts 0 warnings 0");
        let undecided = "NoDigest gaps 0 doubts 1 warnings 0";
        check_answer(Required, Known::NoDigest, "KeyError", undecided);
        let undecided = "Absent gaps 0 doubts 1 warnings 0";
        check_answer(Required, Known::Absent, "KeyError", undecided);
        let said = "Absent gaps 0 doubts 0 warnings 0";
        check_answer(WhenKnown, Known::Absent, "KeyError", said);
        check_answer(Preferred, Known::Absent, "KeyError", said);
        let silent = Crash {
            error_type: None,
            ..crash.clone()
        };
        let said = "NoException gaps 0 doubts 0 warnings 0";
        check_answer(Required, Known::Crash(&silent), "KeyError", said);
    }

    #[test]
    fn a_frame_is_of_a_test_by_its_file_or_its_lines() {
        let source = "pub fn a() {}\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn b() {}\n}\n";
        let fixed = source.replace("{}", "{\n    }");
        let test = TestRepo::new();
        let trees = [source, &fixed]
            .map(|text| test.tree(&[("src/lib.rs", text), ("src/samples.rs", text)]));
        let repo = test.open();
        let policy = Policy::load("version: 1\nextends: [default, rust]\n", "p.yaml");
        let policy = policy.expect("loads");
        let change = repo.diff(trees[0], trees[1]).expect("a diff");
        let is_test_module = |path: &RepoPath| *path == RepoPath::from("src/samples.rs");
        let split = Split::of(&change, &policy, is_test_module).expect("a split");
        let regions = test_regions(&repo, &split, trees[1]).expect("regions");
        for (file, line, expected) in [
            ("src/lib.rs", 1, false),
            ("src/lib.rs", 7, true),
            ("src/other.rs", 7, false),
            ("src/samples.rs", 1, true),
            ("tests/a.rs", 1, true),
        ] {
            let frame = RaisedIn {
                file: file.to_owned(),
                function: "f".to_owned(),
                line,
            };
            let is_test = is_test_frame(&frame, &policy, &split, &regions);
            assert_eq!(is_test, expected, "{file} {line}");
        }
    }
}
