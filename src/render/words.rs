//! What a gap or a doubt is called, what happened, why it matters, and one legal next step.

use crate::change::shown;
use crate::proof::{Doubt, Gap, Progress, SpecialCase, Standing, Tree, What};
use crate::suite::TestId;

/// One reason of a refusal, in words. Sentences without a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    pub id: &'static str,
    pub fact: String,
    pub why: &'static str,
    pub next: &'static str,
}

pub fn of_gap(gap: &Gap) -> Words {
    let (fact, why, next) = match gap {
        Gap::NoTest => (
            "the change adds or changes no test".into(),
            "a fix without a test that failed before it is a guess",
            "add a test that fails without the fix, in the same commit",
        ),
        Gap::NoFix => (
            "the change touches no production file".into(),
            "tests that pass already repair nothing",
            "commit the fix together with its test",
        ),
        Gap::AlreadyPasses(tests) if tests.is_empty() => (
            "no new test ran and failed without the fix".into(),
            "a test that is skipped, or not found by the runner, shows nothing",
            "let the new test run: no skip mark, and a file and a name that the runner collects; `check --verbose` lists what ran",
        ),
        Gap::AlreadyPasses(tests) => (
            format!("{} passes without the fix", list(tests)),
            "a test that passes without the fix does not show the bug",
            "make the test fail on the parent first, then fix",
        ),
        Gap::AlreadyRed(tests) => (
            format!(
                "{} failed at the parent already, by the parent's own version",
                list(tests)
            ),
            "a test that was red before shows nothing new",
            "add a test of the bug, or judge the range that brought the red test",
        ),
        Gap::StillFails(test) => (
            format!("{} fails with the fix", name(test)),
            "the test is the contract: the fix does not keep it",
            "repair the code until the new test passes",
        ),
        Gap::Broken(test) => (
            format!("{} passed at the parent and fails now", name(test)),
            "a fix must not break what worked",
            "find another fix; if the old expectation is wrong, a person decides",
        ),
        Gap::Vanished(test) => (
            format!(
                "{} ran at the parent and is absent or skipped now",
                name(test)
            ),
            "a test that does not run cannot fail",
            "restore the test",
        ),
        Gap::NotBuilt { what, detail } => (
            format!(
                "{} builds at the parent and not with the commit: {}",
                code(what),
                shown(detail.as_bytes())
            ),
            "tests that cannot run have not passed",
            "make it build",
        ),
        Gap::JudgeInputChanged(path) => (
            format!("`{path}` decides how tests run"),
            "whoever changes the judge's inputs judges himself",
            "leave the file as it is; a person changes it in a commit of their own",
        ),
        Gap::DifferentFailure {
            issue,
            expected,
            seen,
        } => (
            format!(
                "issue {} is {} in production; without the fix the new tests fail with {}",
                code(issue),
                code(expected),
                some(seen)
            ),
            "a test that fails in another way shows another bug",
            "let a new test reach the code of the issue, and fail there with the same exception",
        ),
        Gap::UnprovenHunk {
            path,
            line,
            n_added,
            n_removed,
        } => (
            format!(
                "{path}:{line}: every new test passes without this hunk (+{n_added} -{n_removed})"
            ),
            "what no test needs is not part of the fix that was shown",
            "leave the hunk out, or add a test that fails without it",
        ),
        Gap::SpecialCased {
            path,
            line,
            value,
            how,
        } => (
            match how {
                SpecialCase::ComesBack => format!(
                    "{path}:{line}: the exception comes back as soon as {} is another value near it",
                    code(value)
                ),
                SpecialCase::Compared => format!(
                    "{path}:{line}: the fix compares with {}, a value of the new tests that this file did not know",
                    code(value)
                ),
            },
            "code that knows the values of its test is green for that test alone",
            "fix the cause for every value; where this one is special indeed, a person decides",
        ),
    };
    Words {
        id: gap.id(),
        fact,
        why,
        next,
    }
}

/// How the red stands to an issue, as the end of a sentence.
pub fn of_standing(standing: &Standing) -> String {
    match standing {
        Standing::Same { test, raised } => {
            format!(
                "{} failed as production did, with {}",
                name(test),
                code(raised)
            )
        }
        Standing::Different => "no new test failed as production did".into(),
        Standing::NoDigest => "not compared, no digest of errors was given (`--issues`)".into(),
        Standing::Absent => "not compared, the digest does not have it".into(),
        Standing::NoException => "not compared, production recorded no exception".into(),
    }
}

pub fn of_doubt(doubt: &Doubt) -> Words {
    let (fact, why, next) = match doubt {
        Doubt::Flaky(test) => (
            format!("{} did not do the same in every sample", name(test)),
            "a test that sometimes fails proves nothing when it fails",
            "make the test deterministic: no clock, no randomness, no order",
        ),
        Doubt::BeforeErrored {
            what,
            detail,
            at_parent: true,
        } => (
            format!(
                "{} does not start, and not at the parent either: {}",
                code(what),
                shown(detail.as_bytes())
            ),
            "where the parent's own tests do not start, nothing can be compared",
            "get the parent's tests to run here first: install what they need, or have `proof.setup` do it",
        ),
        Doubt::BeforeErrored {
            what,
            detail,
            at_parent: false,
        } => (
            format!(
                "without the fix {} does not even start: {}",
                code(what),
                shown(detail.as_bytes())
            ),
            "an error of build, import or name is not the bug",
            "let the test reach the bug through names that the parent has",
        ),
        Doubt::RunnerUntrusted { tree, reason } => (
            format!(
                "the run on {tree} cannot be believed: {}",
                shown(reason.as_bytes())
            ),
            "what the judged code can make its runner say is no evidence",
            "run the tests by hand; something ends, replaces or rewrites the test run",
        ),
        Doubt::ExpectationChanged(test) => (
            format!(
                "{} passes as the commit has it; the parent's version fails on the new code",
                name(test)
            ),
            "what an existing test expects is a product decision",
            "keep the old expectation and add a new test, or ask a person",
        ),
        Doubt::OldTestsNotBuilt { what, detail } => (
            format!(
                "the parent's tests of {} do not build on the new code: {}",
                code(what),
                shown(detail.as_bytes())
            ),
            "a change of what tests build against is more than a fix",
            "keep the interface that the existing tests use, or ask a person",
        ),
        Doubt::NoBaseline(said) => (
            shown(said.as_bytes()),
            "what never ran cannot have kept passing",
            "get the parent's tests to run here first",
        ),
        Doubt::TimedOut(test) => (
            format!("{} ran into the time limit without the fix", name(test)),
            "slow is not the same as wrong",
            "let the test fail by an assertion; a deadlock needs a time limit of the test's own",
        ),
        Doubt::CannotSplit { path, reason } => (
            format!(
                "tests and code of `{path}` cannot be told apart: {}",
                shown(reason.as_bytes())
            ),
            "BEFORE must be the parent with the new tests and nothing else",
            "put the tests into a `#[cfg(test)] mod tests` or a file of their own",
        ),
        Doubt::TestAware { path, line, text } => (
            format!(
                "line {line} of `{path}` has `{}`, by which code can tell that it is being tested",
                shown(text.as_bytes())
            ),
            "code that behaves otherwise under test is green and not right",
            "fix what happens in production; where the line is needed for that, a person decides",
        ),
        Doubt::SourceSensitive { path, line, text } => (
            format!(
                "line {line} of `{path}` has `{}`: the test looks at the code, or is ready for a name to be missing",
                shown(text.as_bytes())
            ),
            "that a text or a name is missing before the fix is not the bug",
            "let the test call what the parent has, and look at what comes of it",
        ),
        Doubt::ComparesWithTest { path, line, value } => (
            format!(
                "{path}:{line}: the fix compares with {}, a value of the new tests that this file did not know",
                code(value)
            ),
            "code that knows the values of its test is green for that test alone",
            "fix the cause for every value; where this one is special indeed, a person decides",
        ),
        Doubt::ExpectsAnything { path, line, value } => (
            format!(
                "{path}:{line}: the test passes as well when it expects something else than {}",
                code(value)
            ),
            "an assertion that holds for any value shows nothing",
            "let the test compare what the code returns with a plain value, and nothing else answer the comparison",
        ),
        Doubt::UnitMocked { path, line, name } => (
            format!(
                "line {line} of `{path}` puts something else in the place of {}, which the fix changes",
                code(name)
            ),
            "a test that brings its own answer shows nothing about the code",
            "let the test call the code itself; replace only what lies around it",
        ),
        Doubt::OldTestRewritten { path, name } => (
            format!(
                "{} of `{path}` says less than before, and was not red without the fix",
                code(name)
            ),
            "what an existing test says is a product decision, and nothing shows that it still says it",
            "leave the test as it is and add a new one beside it, or ask a person",
        ),
        Doubt::ReadsSource(test) => (
            format!("{} turns with the comments of the sources", name(test)),
            "a test that reads the code says what is written there, not what it does",
            "let the test call the code, and look at what comes of it",
        ),
        Doubt::TimeDependent(test) => (
            format!("{} does not pass more than a year later", name(test)),
            "a test that goes by the clock turns red by itself one day",
            "give the code and the test a date of their own",
        ),
        Doubt::SeedDependent(test) => (
            format!(
                "{} does not pass with another order of sets and maps",
                name(test)
            ),
            "an order that nobody promised is another one tomorrow",
            "sort what the test compares, or compare it as a set",
        ),
        Doubt::IssueUnknown(issue) => (
            format!("nothing is known of the issue {}", code(issue)),
            "the policy wants to see the failure that production saw",
            "give the digest that has it: `--issues FILE`, as `koan-guard extract --format json` writes it",
        ),
        Doubt::SandboxBelowPolicy { level, min_level } => (
            format!("this machine gives sandbox level {level}, the policy wants {min_level}"),
            "test code is the judged side's code, and it runs here",
            "judge on a machine with Landlock and user namespaces, or let a person lower `proof.sandbox.min_level`",
        ),
        Doubt::SetupNotTrusted { path } => (
            format!("`{path}` decides what is installed, and an earlier commit changed it"),
            "what is installed runs with a network, so it comes from the trusted branch only",
            "let a person bring that change to the trusted branch first",
        ),
        Doubt::SetupFailed { line, end, said } => (
            setup_failed(line, end, said),
            "without its dependencies no test says anything",
            "correct `proof.setup`, or what it needs on this machine, and try again",
        ),
        Doubt::BudgetSpent {
            seconds,
            is_hook: false,
        } => (
            format!("the proof takes longer than the {seconds} s of `--budget`"),
            "half a proof is none",
            "give it more time, or none at all: the budget is for all that one call judges",
        ),
        Doubt::BudgetSpent {
            seconds,
            is_hook: true,
        } => (
            format!("the proof takes longer than the hook's {seconds} s"),
            "a hook gives an answer while somebody waits, or none",
            "judge it outside the hook: `koan-guard check --staged`",
        ),
        Doubt::Reverts(id) => (
            format!("it takes back exactly what `{id}` did"),
            "whether a fix was wrong is a decision about the product",
            "a person decides",
        ),
        Doubt::ConflictResolved => (
            "this merge resolves a conflict, and how is a person's decision".into(),
            "when in doubt, do not act",
            "a person decides",
        ),
        Doubt::Other(reason) => (
            shown(reason.as_bytes()),
            "when in doubt, do not act",
            "a person decides",
        ),
    };
    Words {
        id: doubt.id(),
        fact,
        why,
        next,
    }
}

/// The command and its last words, each on a line of its own.
fn setup_failed(line: &str, end: &str, said: &[String]) -> String {
    let mut text = format!("`{}` {end}", shown(line.as_bytes()));
    for line in said {
        text.push_str("\n  | ");
        text.push_str(&shown(line.as_bytes()));
    }
    text
}

/// The first few of many.
fn list(tests: &[TestId]) -> String {
    let tests: Vec<String> = tests.iter().map(|test| test.0.clone()).collect();
    some(&tests)
}

/// The first few of many, as code.
fn some(texts: &[String]) -> String {
    let named: Vec<String> = texts.iter().take(3).map(|text| code(text)).collect();
    match texts.len().saturating_sub(named.len()) {
        0 => named.join(", "),
        n_more => format!("{} and {n_more} more", named.join(", ")),
    }
}

fn name(test: &TestId) -> String {
    code(&test.0)
}

/// What is going on, for people who wait.
pub fn of_progress(progress: Progress) -> String {
    match progress {
        Progress::Waiting => "waiting for the work area".to_owned(),
        Progress::Building => "building what all sides start from".to_owned(),
        Progress::SettingUp { n, of } => format!("setup, line {n} of {of}"),
        Progress::Making { tree } => format!("building {tree}"),
        Progress::Running { tree, what } => of_run(tree, what),
    }
}

/// One run of a proof.
pub(super) fn of_run(tree: Tree, what: What) -> String {
    match what {
        What::Sample { n, of } => format!("new tests on {tree}, sample {n} of {of}"),
        What::Suite => format!("suite on {tree}"),
        What::WithoutHunk { n } => format!("new tests on {tree} without a hunk, try {n}"),
        What::OtherExpectation { n } => {
            format!("new tests that expect something else on {tree}, try {n}")
        }
        What::OtherValue { n } => format!("new tests with other values on {tree}, try {n}"),
        What::Echoed => format!("new tests on {tree} with the other side's lines in comments"),
        What::Examples => format!("examples of the documentation on {tree}"),
        What::Varied => format!("new tests on {tree} in other circumstances"),
    }
}

pub(super) fn code(text: &str) -> String {
    format!("`{}`", shown(text.as_bytes()))
}
