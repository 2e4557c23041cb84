//! The stream of events that the guard's own reporters send, read into a run; and every way in which it can contradict itself.

mod outcome;

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

pub(super) use self::outcome::{Exception, Owner, Place};
use self::outcome::{Phase, Reported, When};
use super::Canary;
use crate::suite::process::{End, Finished};
use crate::suite::{BuildError, NotBuilt, Outcome, TestId, TestResult, TestRun};

#[derive(Debug, Deserialize)]
struct Line {
    secret: String,
    n: u64,
    #[serde(flatten)]
    event: Event,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    Start,
    /// A test that will run.
    Plan {
        id: String,
    },
    /// A test that was collected and will not run.
    LeftOut {
        id: String,
        detail: String,
    },
    Begin {
        id: String,
    },
    Phase(Phase),
    Finish {
        id: String,
    },
    /// A file that could not be imported.
    NotCollected {
        what: String,
        detail: String,
        exc: Option<Exception>,
        /// Whether the canary stands in it.
        holds_canary: bool,
    },
    SkippedFile {
        what: String,
        detail: String,
    },
    /// A class or module whose tests could not be set up, or taken down: `setUpClass (module.Class)`.
    Held {
        what: String,
        outcome: Reported,
        exc: Option<Exception>,
        note: String,
    },
    /// A module of the tree that was loaded from elsewhere.
    Foreign {
        name: String,
        file: String,
    },
    /// What the reporter itself finds unbelievable.
    Contradiction {
        reason: String,
    },
    /// A method of the language or the framework that the tree redefined.
    Patched {
        name: String,
        file: String,
    },
    End {
        status: i32,
    },
}

#[derive(Debug, Default)]
struct Case {
    planned: bool,
    begun: usize,
    finished: usize,
    phases: Vec<Phase>,
}

#[derive(Debug, Default)]
struct Stream {
    cases: BTreeMap<String, Case>,
    left_out: BTreeMap<String, String>,
    held: Vec<(String, Reported, String)>,
    any_failed: bool,
    /// That its file is not built is said already.
    canary_not_collected: bool,
    never_started: bool,
    status: Option<i32>,
    run: TestRun,
}

/// What the reporters of one language mean.
#[derive(Debug)]
pub(super) struct Dialect {
    /// The types that a failed assertion raises, the best known first.
    pub assertions: &'static [&'static str],
    /// The types that leave a test out.
    pub skips: &'static [&'static str],
    /// Whether test code asked for something that is not there: that says that a name is new, not that anything was wrong. The same
    /// exception raised by production code is a failure.
    pub is_missing_name: fn(&Exception) -> bool,
    /// The status of a run in which nothing ran; 0 where it is not told apart.
    pub nothing_ran: i32,
    /// The status of a runner that could not load the project's own settings or helpers; 0 where it is not told apart.
    pub not_started: i32,
}

/// Reads a finished run of one of the guard's reporters.
pub(super) fn read(finished: &Finished, canary: Option<&Canary>, dialect: &Dialect) -> TestRun {
    let mut stream = Stream::default();
    if let Err(error) = stream.take(&finished.report, dialect) {
        stream.distrust(format!("the report cannot be read: {error:#}"));
    }
    if stream.status.is_none() {
        stream.ended_early(finished);
    }
    stream.judge_start(finished, dialect);
    stream.judge_cases(finished.end == End::TimedOut, dialect);
    stream.judge_status(finished, dialect);
    stream.judge_canary(canary, dialect);
    stream.run
}

impl Stream {
    fn take(&mut self, report: &[u8], dialect: &Dialect) -> anyhow::Result<()> {
        let mut secret: Option<String> = None;
        for (expected, bytes) in report.split_inclusive(|&byte| byte == b'\n').enumerate() {
            let line: Line = serde_json::from_slice(bytes)
                .with_context(|| format!("line {} is not ours", expected + 1))?;
            let secret = secret.get_or_insert_with(|| line.secret.clone());
            ensure!(
                line.secret == *secret && line.n == expected as u64 && self.status.is_none(),
                "line {} is not ours",
                expected + 1
            );
            self.take_event(line.event, dialect);
        }
        Ok(())
    }

    fn take_event(&mut self, event: Event, dialect: &Dialect) {
        match event {
            Event::Start => {}
            Event::Plan { id } => self.case(id).planned = true,
            Event::LeftOut { id, detail } => _ = self.left_out.insert(id, detail),
            Event::Begin { id } => self.case(id).begun += 1,
            Event::Finish { id } => self.case(id).finished += 1,
            Event::Phase(phase) => {
                self.any_failed |= phase.outcome == Reported::Failed;
                self.case(phase.id.clone()).phases.push(phase);
            }
            Event::NotCollected {
                what,
                detail,
                exc,
                holds_canary,
            } => {
                self.any_failed = true;
                self.canary_not_collected |= holds_canary;
                let mut not_built = NotBuilt::new(what, detail);
                if let Some(exc) = exc {
                    not_built.errors.push(BuildError {
                        file: not_built.what.clone(),
                        is_missing_name: (dialect.is_missing_name)(&exc),
                        ..BuildError::default()
                    });
                    if not_built.detail.is_empty() {
                        not_built.detail = exc.to_string();
                    }
                }
                self.run.not_built.push(not_built);
            }
            Event::SkippedFile { what, detail } => {
                self.result(what, Outcome::Skipped, detail);
            }
            Event::Held {
                what,
                outcome,
                exc,
                note,
            } => {
                self.any_failed |= outcome == Reported::Failed;
                let detail = exc.map_or(note, |exc| exc.to_string());
                self.held.push((what, outcome, detail));
            }
            Event::Foreign { name, file } => {
                self.distrust(format!("imported `{name}` from outside the tree: `{file}`"))
            }
            Event::Contradiction { reason } => self.distrust(reason),
            Event::Patched { name, file } => {
                self.distrust(format!("`{name}` is redefined at `{file}`"));
            }
            Event::End { status } => self.status = Some(status),
        }
    }

    fn case(&mut self, id: String) -> &mut Case {
        self.cases.entry(id).or_default()
    }

    fn distrust(&mut self, reason: String) {
        self.run.distrust.push(reason);
    }

    fn result(&mut self, id: String, outcome: Outcome, detail: impl Into<String>) {
        self.run
            .results
            .insert(TestId(id), TestResult::new(outcome, detail));
    }

    fn ended_early(&mut self, finished: &Finished) {
        let end = match finished.end {
            End::Exit(status) => format!("ended with status {status}"),
            End::Signal(signal) => format!("was killed by signal {signal}"),
            End::TimedOut => "was stopped at its time limit".to_owned(),
        };
        let running = self
            .cases
            .iter()
            .find(|(_, case)| case.begun > case.finished)
            .map(|(id, _)| format!(" while `{id}` ran"));
        let said = match running {
            Some(_) => String::new(),
            None => last_words(finished),
        };
        self.distrust(format!(
            "the report has no end: the test process {end}{}{said}",
            running.unwrap_or_default()
        ));
    }

    /// A runner that says that it could not begin, and of which nothing is heard otherwise, has built nothing; the canary neither.
    fn judge_start(&mut self, finished: &Finished, dialect: &Dialect) {
        let status = self.status.filter(|&status| status != 0);
        let is_silent = self.cases.is_empty() && self.left_out.is_empty() && self.held.is_empty();
        if status != Some(dialect.not_started) || !is_silent || !self.run.not_built.is_empty() {
            return;
        }
        let stderr = String::from_utf8_lossy(&finished.stderr);
        let error = stderr.lines().rfind(|line| line.contains("rror: "));
        let said = error.map_or_else(|| last_words(finished), str::to_owned);
        let said = said.trim_start_matches([':', ' ']).to_owned();
        self.run.not_built.push(NotBuilt::new("the suite", said));
        self.canary_not_collected = true;
        self.never_started = true;
    }

    fn judge_cases(&mut self, timed_out: bool, dialect: &Dialect) {
        for (id, detail) in std::mem::take(&mut self.left_out) {
            self.result(id, Outcome::Skipped, detail);
        }
        let held = std::mem::take(&mut self.held);
        let mut silent = Vec::new();
        for (id, case) in &std::mem::take(&mut self.cases) {
            if !case.planned && self.status.is_some() {
                self.distrust(format!("`{id}` reported without having been planned"));
            }
            if case.begun == 0 {
                match held.iter().find(|(what, ..)| holds(what, id)) {
                    Some((what, Reported::Skipped, detail)) => {
                        self.result(id.clone(), Outcome::Skipped, format!("{what}: {detail}"));
                    }
                    Some((what, _, detail)) => {
                        self.result(id.clone(), Outcome::Errored, format!("{what}: {detail}"));
                    }
                    None => silent.push(id.clone()),
                }
                continue;
            }
            if case.finished < case.begun {
                let (outcome, detail) = if timed_out {
                    (Outcome::TimedOut, "it ran when the time was over")
                } else {
                    (Outcome::Errored, "the test process ended while it ran")
                };
                self.result(id.clone(), outcome, detail);
                continue;
            }
            match case.judge(dialect) {
                Ok(result) => _ = self.run.results.insert(TestId(id.clone()), result),
                Err(reason) => {
                    self.result(id.clone(), Outcome::Errored, reason.as_str());
                    self.distrust(format!("`{id}`: {reason}"));
                }
            }
        }
        for (what, outcome, detail) in held {
            if outcome == Reported::Failed {
                self.result(what, Outcome::Errored, detail);
            }
        }
        if let (Some(_), Some(first)) = (self.status, silent.first()) {
            let n = silent.len();
            self.distrust(format!("planned and never reported: {n}, first `{first}`"));
        }
    }

    fn judge_status(&mut self, finished: &Finished, dialect: &Dialect) {
        let Some(status) = self.status else { return };
        if finished.end != End::Exit(status) {
            let end = finished.end;
            self.distrust(format!(
                "the report says status {status}, the process ended as {end:?}"
            ));
        }
        let n_ran = self.run.results.len();
        let agrees = match status {
            0 => !self.any_failed,
            1 => self.any_failed,
            _ if self.never_started => true,
            status if status == dialect.nothing_ran => !self.any_failed && self.ran_nothing(),
            _ => false,
        };
        if !agrees {
            let said = last_words(finished);
            self.distrust(format!(
                "status {status} does not agree with the {n_ran} results{said}"
            ));
        }
    }

    fn ran_nothing(&self) -> bool {
        self.run
            .results
            .values()
            .all(|result| result.outcome == Outcome::Skipped)
    }

    /// The canary must have failed, by an assertion, with its nonce. It leaves the results.
    fn judge_canary(&mut self, canary: Option<&Canary>, dialect: &Dialect) {
        let Some(canary) = canary else { return };
        let results = std::mem::take(&mut self.run.results);
        let (sung, results): (BTreeMap<TestId, TestResult>, _) = results
            .into_iter()
            .partition(|(id, _)| id.0.contains(&canary.name));
        self.run.results = results;
        // A run without an end is not believed anyway, and who says nothing more has said why.
        if sung.is_empty() && !self.canary_not_collected && self.status.is_some() {
            self.distrust("the test that must fail did not run".to_owned());
        }
        for (id, result) in sung {
            let is_assertion = result.raised.as_ref().is_some_and(|raised| {
                let is_one = |base: &String| dialect.assertions.contains(&base.as_str());
                raised.bases.iter().any(is_one)
            });
            if result.outcome != Outcome::Failed
                || !is_assertion
                || !result.detail.contains(&canary.nonce)
            {
                let outcome = result.outcome;
                self.distrust(format!(
                    "the test that must fail was reported {outcome}: `{id}` {}",
                    result.detail
                ));
            }
        }
    }
}

impl Case {
    /// The outcome by the worst of its phases; `Err` where they contradict each other.
    fn judge(&self, dialect: &Dialect) -> Result<TestResult, String> {
        let mut worst: Option<TestResult> = None;
        let mut call: Option<Reported> = None;
        for phase in &self.phases {
            let result = phase.judge(dialect)?;
            if phase.when == When::Call
                && call
                    .replace(phase.outcome)
                    .is_some_and(|earlier| earlier != phase.outcome)
            {
                return Err("reported twice, and differently".to_owned());
            }
            // A passed set-up or subtest says nothing about the test, nor does a skipped subtest.
            let is_decisive = match phase.when {
                When::Call => true,
                When::Setup => result.outcome != Outcome::Passed,
                When::Sub | When::Teardown => {
                    !matches!(result.outcome, Outcome::Passed | Outcome::Skipped)
                }
            };
            let is_worse = |seen: &TestResult| rank(result.outcome) > rank(seen.outcome);
            if is_decisive && worst.as_ref().is_none_or(is_worse) {
                worst = Some(result);
            }
        }
        // unittest says no more about a test whose only trouble was a skipped subtest.
        let is_skipped =
            |phase: &Phase| phase.when == When::Sub && phase.outcome == Reported::Skipped;
        if worst.is_none() && self.phases.iter().any(is_skipped) {
            worst = Some(TestResult::new(Outcome::Skipped, "a subtest is skipped"));
        }
        worst.ok_or_else(|| "it ended without a result".to_owned())
    }
}

/// Whether a set-up of `what`, as unittest names it (`setUpClass (module.Class)`), stands before the test `id`.
fn holds(what: &str, id: &str) -> bool {
    let Some((setup, rest)) = what.split_once(" (") else {
        return false;
    };
    let owner = rest.trim_end_matches(')');
    setup.starts_with("setUp")
        && id
            .strip_prefix(owner)
            .is_some_and(|rest| rest.starts_with('.'))
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

/// The last line that the process said, for a reason that names no test.
fn last_words(finished: &Finished) -> String {
    [&finished.stderr, &finished.stdout]
        .into_iter()
        .find_map(|stream| {
            let text = String::from_utf8_lossy(stream);
            let line = text.lines().rfind(|line| !line.trim().is_empty())?;
            Some(format!(": {}", line.trim()))
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::python::DIALECT as PYTHON;
    use super::*;

    fn phase(id: &str, when: &str, outcome: &str, exc: Value) -> Value {
        json!({"event": "phase", "id": id, "when": when, "outcome": outcome, "xfail": false, "exc": exc, "note": ""})
    }

    fn raised(kind: &str, message: &str, innermost: &str, nearest: &str, owner: Value) -> Value {
        json!({"kind": kind, "bases": [kind, "Exception"], "message": message, "innermost": innermost, "nearest": nearest, "owner": owner})
    }

    fn assertion() -> Value {
        raised(
            "AssertionError",
            "1 != 2 : nonce",
            "test",
            "test",
            Value::Null,
        )
    }

    /// A test that ran: planned, begun, its phases, finished.
    fn case(id: &str, phases: &[Value]) -> Vec<Value> {
        let mut events = vec![
            json!({"event": "plan", "id": id}),
            json!({"event": "begin", "id": id}),
        ];
        events.extend_from_slice(phases);
        events.push(json!({"event": "finish", "id": id}));
        events
    }

    fn end(status: i32) -> Value {
        json!({"event": "end", "status": status})
    }

    fn report(events: &[Value]) -> Vec<u8> {
        let line = |(n, event): (usize, &Value)| {
            let mut line = event.clone();
            line["secret"] = json!("s");
            line["n"] = json!(n);
            format!("{line}\n").into_bytes()
        };
        events.iter().enumerate().flat_map(line).collect()
    }

    fn finished(status: i32, report: Vec<u8>) -> Finished {
        Finished {
            end: End::Exit(status),
            stdout: Vec::new(),
            stderr: b"last words\n".to_vec(),
            report,
            truncated: false,
        }
    }

    fn show(run: &TestRun) -> String {
        let results = run
            .results
            .iter()
            .map(|(id, result)| format!("{id} {}", result.outcome));
        let distrust = run
            .distrust
            .iter()
            .map(|reason| format!("distrust: {reason}"));
        results.chain(distrust).collect::<Vec<_>>().join("; ")
    }

    #[track_caller]
    fn check(status: i32, events: &[Value], expected: &str) {
        assert_eq!(
            show(&read(&finished(status, report(events)), None, &PYTHON)),
            expected
        );
    }

    #[track_caller]
    fn check_call(outcome: &str, exc: Value, expected: &str) {
        let mut events = case("t", &[phase("t", "call", outcome, exc)]);
        let status = i32::from(outcome == "failed");
        events.push(end(status));
        check(status, &events, expected);
    }

    #[test]
    fn outcome_and_exception_agree_or_nothing_is_believed() {
        check_call("passed", Value::Null, "t passed");
        check_call("failed", assertion(), "t failed");
        check_call(
            "skipped",
            raised("Skipped", "why", "other", "test", Value::Null),
            "t skipped",
        );
        check_call(
            "passed",
            assertion(),
            "t errored; distrust: `t`: reported passed although it raised AssertionError: 1 != 2 : nonce",
        );
        check_call(
            "skipped",
            assertion(),
            "t errored; distrust: `t`: reported skipped although it raised AssertionError: 1 != 2 : nonce",
        );
    }

    #[test]
    fn a_missing_name_in_test_code_is_no_failure() {
        let cases = [
            (
                "NameError",
                "name 'x' is not defined",
                "test",
                "test",
                json!(null),
                "errored",
            ),
            (
                "NameError",
                "name 'x' is not defined",
                "tree",
                "tree",
                json!(null),
                "failed",
            ),
            (
                "ImportError",
                "cannot import name 'x'",
                "other",
                "test",
                json!(null),
                "errored",
            ),
            (
                "ImportError",
                "cannot import name 'x'",
                "tree",
                "tree",
                json!(null),
                "failed",
            ),
            (
                "AttributeError",
                "no x",
                "test",
                "test",
                json!("module"),
                "errored",
            ),
            (
                "AttributeError",
                "no x",
                "test",
                "test",
                json!("class"),
                "errored",
            ),
            (
                "AttributeError",
                "no x",
                "test",
                "test",
                json!("tree-instance"),
                "errored",
            ),
            (
                "AttributeError",
                "no x",
                "test",
                "test",
                json!("instance"),
                "failed",
            ),
            (
                "AttributeError",
                "no x",
                "test",
                "test",
                json!("none"),
                "failed",
            ),
            (
                "AttributeError",
                "no x",
                "tree",
                "tree",
                json!("module"),
                "failed",
            ),
            (
                "AttributeError",
                "no x",
                "patch",
                "none",
                json!("unknown"),
                "errored",
            ),
            (
                "AttributeError",
                "no x",
                "patch",
                "tree",
                json!("unknown"),
                "failed",
            ),
            (
                "TypeError",
                "f() got an unexpected keyword argument 'x'",
                "test",
                "test",
                json!(null),
                "errored",
            ),
            (
                "TypeError",
                "f() takes 1 positional argument but 2 were given",
                "other",
                "test",
                json!(null),
                "errored",
            ),
            (
                "TypeError",
                "f() got an unexpected keyword argument 'x'",
                "tree",
                "tree",
                json!(null),
                "failed",
            ),
            (
                "TypeError",
                "unsupported operand",
                "test",
                "test",
                json!(null),
                "failed",
            ),
            ("ValueError", "x", "test", "test", json!(null), "failed"),
        ];
        for (kind, message, innermost, nearest, owner, expected) in cases {
            let exc = raised(kind, message, innermost, nearest, owner);
            check_call("failed", exc, &format!("t {expected}"));
        }
    }

    #[test]
    fn the_worst_phase_counts() {
        let passed = |when| phase("t", when, "passed", Value::Null);
        let failed = |when| phase("t", when, "failed", assertion());
        let check = |phases: &[Value], expected: &str| {
            let mut events = case("t", phases);
            events.push(end(1));
            check(1, &events, expected);
        };
        check(&[failed("setup")], "t errored");
        check(
            &[passed("setup"), passed("call"), failed("teardown")],
            "t errored",
        );
        check(
            &[passed("setup"), failed("sub"), passed("call")],
            "t failed",
        );
        check(
            &[failed("call"), passed("call")],
            "t errored; distrust: `t`: reported twice, and differently",
        );
        check(&[failed("call"), failed("call")], "t failed");
    }

    #[test]
    fn what_was_planned_reports_and_nothing_else() {
        let plan = json!({"event": "plan", "id": "u"});
        let mut events = case("t", &[phase("t", "call", "passed", Value::Null)]);
        events.extend([plan, end(0)]);
        check(
            0,
            &events,
            "t passed; distrust: planned and never reported: 1, first `u`",
        );
        let mut events = case("t", &[phase("t", "call", "passed", Value::Null)]);
        events.remove(0);
        events.push(end(0));
        check(
            0,
            &events,
            "t passed; distrust: `t` reported without having been planned",
        );
    }

    #[test]
    fn the_exit_status_agrees() {
        let mut events = case("t", &[phase("t", "call", "failed", assertion())]);
        events.push(end(0));
        check(
            0,
            &events,
            "t failed; distrust: status 0 does not agree with the 1 results: last words",
        );
        check(0, &[end(0)], "");
        check(5, &[end(5)], "");
        check(
            3,
            &[end(3)],
            "distrust: status 3 does not agree with the 0 results: last words",
        );
        check(
            0,
            &[end(1)],
            "distrust: the report says status 1, the process ended as Exit(0); distrust: status 1 does not agree with the 0 results: last words",
        );
    }

    #[test]
    fn a_report_without_an_end_is_not_believed() {
        check(
            0,
            &[],
            "distrust: the report has no end: the test process ended with status 0: last words",
        );
        let begun = [
            json!({"event": "plan", "id": "t"}),
            json!({"event": "begin", "id": "t"}),
        ];
        check(
            0,
            &begun,
            "t errored; distrust: the report has no end: the test process ended with status 0 while `t` ran",
        );
    }

    #[test]
    fn a_line_of_somebody_else_is_not_believed() {
        let other_secret = |text: &str| text.replacen("\"secret\":\"s\"", "\"secret\":\"x\"", 2);
        let honest = String::from_utf8(report(&[json!({"event": "start"}), end(0)])).expect("text");
        let (first, second) = honest.split_once('\n').expect("two lines");
        let forged = [
            format!("{first}\n{}", other_secret(second)),
            format!("{first}\nhello\n{second}"),
            format!("{first}\n{first}\n{second}"),
            format!("{honest}{second}"),
        ];
        for text in forged {
            let run = read(&finished(0, text.into_bytes()), None, &PYTHON);
            assert!(run.distrust[0].contains("is not ours"), "{run:?}");
        }
        assert!(
            read(&finished(0, honest.into_bytes()), None, &PYTHON)
                .distrust
                .is_empty()
        );
    }

    #[test]
    fn a_runner_that_could_not_begin_has_built_nothing() {
        let canary = Canary {
            name: "koan_1".into(),
            nonce: "nonce".into(),
        };
        let run = |status: i32, events: &[Value]| {
            let events = [events, &[end(status)]].concat();
            let finished = finished(status, report(&events));
            read(&finished, Some(&canary), &PYTHON)
        };
        let started = run(4, &[]);
        assert_eq!(started.not_built[0].what, "the suite");
        assert!(started.distrust.is_empty(), "{started:?}");
        for (status, events) in [
            (0, vec![]),
            (1, vec![]),
            (4, case("t", &[phase("t", "call", "passed", Value::Null)])),
            (4, vec![json!({"event": "plan", "id": "t"})]),
        ] {
            let run = run(status, &events);
            assert!(!run.distrust.is_empty(), "{status} {run:?}");
        }
    }

    #[test]
    fn a_held_class_holds_its_tests() {
        let plan = json!({"event": "plan", "id": "m.A.t"});
        let held = |outcome: &str| json!({"event": "held", "what": "setUpClass (m.A)", "outcome": outcome, "exc": null, "note": "why"});
        check(
            1,
            &[plan.clone(), held("failed"), end(1)],
            "m.A.t errored; setUpClass (m.A) errored",
        );
        check(0, &[plan, held("skipped"), end(0)], "m.A.t skipped");
    }

    #[test]
    fn a_canary_fails_with_its_nonce_or_nothing_is_believed() {
        let canary = Canary {
            name: "koan_1".into(),
            nonce: "nonce".into(),
        };
        let run = |outcome: &str, exc: Value| {
            let mut events = case("test_koan_1", &[phase("test_koan_1", "call", outcome, exc)]);
            let status = i32::from(outcome == "failed");
            events.push(end(status));
            show(&read(
                &finished(status, report(&events)),
                Some(&canary),
                &PYTHON,
            ))
        };
        assert_eq!(run("failed", assertion()), "");
        assert!(run("passed", Value::Null).contains("was reported passed"));
        assert!(
            run(
                "failed",
                raised("AssertionError", "other", "test", "test", Value::Null)
            )
            .contains("was reported failed")
        );
        assert!(
            run(
                "failed",
                raised("ValueError", "nonce", "test", "test", Value::Null)
            )
            .contains("was reported failed")
        );
        let silent = read(&finished(0, report(&[end(0)])), Some(&canary), &PYTHON);
        assert_eq!(
            show(&silent),
            "distrust: the test that must fail did not run"
        );
        let broken = json!({"event": "not_collected", "what": "test_a.py", "detail": "x", "exc": null, "holds_canary": true});
        assert!(
            read(
                &finished(1, report(&[broken, end(1)])),
                Some(&canary),
                &PYTHON
            )
            .distrust
            .is_empty()
        );
    }
}
