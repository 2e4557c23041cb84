//! JUnit XML, as different writers mean it: every `testcase`, wherever it stands, and nothing that counts itself.

use std::collections::BTreeMap;

use roxmltree::{Document, Node, ParsingOptions};

use crate::suite::{Outcome, Raised, TestId, TestResult};

/// A report is not read beyond this.
pub(super) const MAX_BYTES: usize = 64 << 20;

/// Test cases of all reports of a run, equal names by their worst outcome.
#[derive(Debug, Default)]
pub(super) struct Cases {
    pub results: BTreeMap<TestId, TestResult>,
}

impl Cases {
    /// Adds a report's test cases.
    ///
    /// # Errors
    /// It is empty, cut off, no JUnit report, larger than [`MAX_BYTES`], or has a document type.
    pub fn read(&mut self, report: &[u8]) -> Result<(), String> {
        if report.len() > MAX_BYTES {
            return Err("it is larger than 64 MiB".to_owned());
        }
        let text = std::str::from_utf8(report).map_err(|_| "it is not UTF-8".to_owned())?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim().is_empty() {
            return Err("it is empty".to_owned());
        }
        let options = ParsingOptions {
            allow_dtd: false,
            ..ParsingOptions::default()
        };
        let document =
            Document::parse_with_options(text, options).map_err(|err| err.to_string())?;
        let root = document.root_element();
        if !["testsuites", "testsuite"].contains(&root.tag_name().name()) {
            let name = root.tag_name().name();
            return Err(format!("`{name}` is no JUnit report"));
        }
        let cases = root.descendants();
        for case in cases.filter(|node| node.tag_name().name() == "testcase") {
            let Some(name) = case.attribute("name").filter(|name| !name.is_empty()) else {
                return Err("a test case has no name".to_owned());
            };
            let id = match case.attribute("classname").map(str::trim) {
                None | Some("") => name.to_owned(),
                Some(class) if class == name => name.to_owned(),
                Some(class) => format!("{class}::{name}"),
            };
            self.add(TestId(id), result(case));
        }
        Ok(())
    }

    fn add(&mut self, id: TestId, result: TestResult) {
        let is_worse = |known: &TestResult| rank(result.outcome) > rank(known.outcome);
        if self.results.get(&id).is_none_or(is_worse) {
            self.results.insert(id, result);
        }
    }
}

fn rank(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Passed => 0,
        Outcome::Skipped => 1,
        Outcome::Failed => 2,
        Outcome::TimedOut => 3,
        Outcome::Errored => 4,
    }
}

fn result(case: Node) -> TestResult {
    let child = |name: &str| {
        let mut children = case.children();
        children.find(|child| child.tag_name().name().eq_ignore_ascii_case(name))
    };
    let is_flaky = |node: &Node| node.tag_name().name().starts_with("flaky");
    let did_not_run = case
        .attribute("status")
        .is_some_and(|status| ["notrun", "disabled", "skipped"].contains(&status));
    // A test that is marked as to do may be reported skipped and failed.
    if let Some(skipped) = child("skipped").or_else(|| child("disabled")) {
        return TestResult::new(Outcome::Skipped, message(skipped));
    }
    if did_not_run {
        return TestResult::new(Outcome::Skipped, "it did not run");
    }
    if let Some(flaky) = case.children().find(is_flaky) {
        let detail = format!("flaky: it passed at last, after {}", message(flaky));
        return TestResult::new(Outcome::Errored, detail);
    }
    if let Some(error) = child("error") {
        return raised(error, is_of_the_test(error));
    }
    if let Some(failure) = child("failure") {
        let is_of_the_test = !is_abort(failure) && !is_missing_name(failure);
        return raised(failure, is_of_the_test);
    }
    let again = |node: &Node| node.tag_name().name().starts_with("rerun");
    if let Some(again) = case.children().find(again) {
        return TestResult::new(Outcome::Errored, message(again));
    }
    TestResult::new(Outcome::Passed, "")
}

fn raised(node: Node, is_of_the_test: bool) -> TestResult {
    let outcome = match is_of_the_test {
        true => Outcome::Failed,
        false => Outcome::Errored,
    };
    let kind = node.attribute("type").unwrap_or_default();
    let kind = kind.rsplit(['.', '\\', ':']).next().unwrap_or(kind);
    let message = message(node);
    let raised = (!kind.is_empty()).then(|| Raised {
        kind: kind.to_owned(),
        bases: vec![kind.to_owned()],
        message: message.clone(),
        frames: Vec::new(),
    });
    let detail = match kind {
        "" => message,
        kind if message.starts_with(kind) => message,
        kind => format!("{kind}: {message}"),
    };
    TestResult {
        raised,
        ..TestResult::new(outcome, detail)
    }
}

/// Writers call an exception in a test an error, and also what kept it from running. The first has a type.
fn is_of_the_test(error: Node) -> bool {
    let has_type = error.attribute("type").is_some_and(|kind| !kind.is_empty());
    has_type && !is_missing_name(error) && !is_abort(error)
}

/// What was not there, or could not be set up: nothing was shown.
fn is_missing_name(node: Node) -> bool {
    const KINDS: [&str; 17] = [
        "AttributeError",
        "ClassNotFoundException",
        "ExceptionInInitializerError",
        "IncompatibleClassChangeError",
        "ImportError",
        "InitializationError",
        "LinkageError",
        "LoadError",
        "ModuleNotFoundError",
        "NameError",
        "NoClassDefFoundError",
        "NoMethodError",
        "NoSuchFieldError",
        "NoSuchMethodError",
        "ReferenceError",
        "UnsatisfiedLinkError",
        "VerifyError",
    ];
    let kind = node.attribute("type").unwrap_or_default();
    let last = kind.rsplit(['.', '\\', ':']).next().unwrap_or(kind);
    KINDS.contains(&last)
}

fn is_abort(node: Node) -> bool {
    let kind = node.attribute("type").unwrap_or_default();
    kind.contains("abort") || kind.contains("timeout") || kind.contains("TestTimedOut")
}

/// The first line of what it says.
fn message(node: Node) -> String {
    let said = node.attribute("message").or_else(|| node.text());
    let line = said.and_then(|said| said.lines().find(|line| !line.trim().is_empty()));
    let line = line.unwrap_or("it said nothing").trim();
    line.chars().take(400).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(report: &[u8]) -> String {
        let mut cases = Cases::default();
        if let Err(reason) = cases.read(report) {
            return format!("refused: {reason}");
        }
        let lines = cases.results.iter().map(|(id, result)| {
            let line = format!("{} {id}: {}", result.outcome, result.detail);
            line.trim_end_matches([':', ' ']).to_owned()
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    macro_rules! check {
        ($file:literal, $expected:literal) => {
            let report = include_bytes!(concat!("../../../tests/fixtures/junit/", $file));
            let lines = $expected.lines().map(str::trim);
            let expected: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
            assert_eq!(show(report), expected.join("\n"), $file);
        };
    }

    #[test]
    fn surefire_names_the_class_and_the_exception() {
        check!(
            "surefire.xml",
            "
            passed shop.CartTest::addsOne
            failed shop.CartTest::addsTwo: AssertionFailedError: expected: <3> but was: <2>
            failed shop.CartTest::ofNobody: NullPointerException: Cannot invoke \"shop.Cart.total()\" because \"cart\" is null
            errored shop.CartTest::old: NoSuchMethodError: 'int shop.Cart.vat()'
            errored shop.CartTest::retried: flaky: it passed at last, after expected: <1> but was: <0>
            failed shop.CartTest::stillRed: AssertionFailedError: expected: <1> but was: <0>
            skipped shop.CartTest::switchedOff: later
            "
        );
    }

    #[test]
    fn gradle_repeats_a_test_that_it_runs_again() {
        check!(
            "gradle.xml",
            "
            passed shop.CartTest::addsOne()
            failed shop.CartTest::retried(): AssertionFailedError: expected: <1> but was: <0>
            skipped shop.CartTest::switchedOff(): it said nothing
            "
        );
    }

    #[test]
    fn node_puts_cases_below_the_root_and_calls_a_todo_skipped() {
        check!(
            "node.xml",
            "
            passed test::adds one
            failed test::adds two: testCodeFailure: 2 == 3
            passed test::inner
            skipped test::later: todo
            "
        );
    }

    #[test]
    fn jest_says_twice_that_a_suite_is_broken() {
        check!(
            "jest-junit.xml",
            "
            errored broken.test.js: Test suite failed to run
            passed cart adds one
            failed cart adds two: Error: expect(received).toBe(expected)
            "
        );
    }

    #[test]
    fn mocha_miscounts() {
        check!(
            "mocha.xml",
            "
            passed cart::adds one
            failed cart::adds two: AssertionError: 2 == 3
            skipped cart::later: it said nothing
            "
        );
    }

    #[test]
    fn phpunit_nests_deeply() {
        check!(
            "phpunit.xml",
            "
            failed CartTest::testDivides: DivisionByZeroError: Division by zero
            passed CartTest::testTotal with data set #0
            failed CartTest::testTotal with data set #1: ExpectationFailedException: CartTest::testTotal with data set #1
            "
        );
    }

    #[test]
    fn dotnet_names_every_argument() {
        check!(
            "dotnet.xml",
            "
            passed Shop.Tests.CartTests::Adds(a: 1)
            failed Shop.Tests.CartTests::Adds(a: 2): failure: Assert.Equal() Failure: Values differ
            skipped Shop.Tests.CartTests::Later: it said nothing
            "
        );
    }

    #[test]
    fn pytest_fails_twice_under_one_name() {
        check!(
            "pytest.xml",
            "
            errored tests.test_cart::test_both: failed on teardown with \"OSError: gone\"
            passed tests.test_cart::test_one
            skipped tests.test_cart::test_xfail: known
            "
        );
    }

    #[test]
    fn what_is_no_report_is_refused() {
        let refused = |report: &str| show(report.as_bytes()).starts_with("refused: ");
        for report in [
            "",
            " \n",
            "<testsuite>",
            "<testsuite><testcase name='a'/>",
            "<html/>",
            "<testsuite><testcase/></testsuite>",
            "<!DOCTYPE x [<!ENTITY a 'b'>]><testsuite/>",
        ] {
            assert!(refused(report), "{report}");
        }
        assert!(show(b"\xff").starts_with("refused: "));
        assert_eq!(show(b"<testsuites/>"), "");
        assert_eq!(show("\u{feff}<testsuites/>".as_bytes()), "");
    }

    #[test]
    fn the_worst_of_equal_names_counts() {
        let report =
            "<testsuites><testcase name='a'><failure/></testcase><testcase name='a'/></testsuites>";
        assert_eq!(show(report.as_bytes()), "failed a: it said nothing");
    }
}
