//! The stream of events that the guard's own reporters send, read into a run; and every way in which it can contradict itself.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use super::Canary;
use crate::suite::process::{End, Finished};
use crate::suite::{NotBuilt, Outcome, TestId, TestResult, TestRun};

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
    End {
        status: i32,
    },
}

#[derive(Debug, Deserialize)]
struct Phase {
    id: String,
    when: When,
    outcome: Reported,
    xfail: bool,
    exc: Option<Exception>,
    note: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum When {
    Setup,
    Call,
    /// A subtest, while its test is being called.
    Sub,
    Teardown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reported {
    Passed,
    Failed,
    Skipped,
}

/// What was raised, as the reporter found it, before anybody's hook could call it something else.
#[derive(Debug, Deserialize)]
struct Exception {
    kind: String,
    bases: Vec<String>,
    message: String,
    innermost: Place,
    /// The innermost frame that lies in the tree.
    nearest: Place,
    owner: Option<Owner>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    Test,
    /// Production code of the tree.
    Tree,
    /// `unittest.mock`, pytest's `monkeypatch`.
    Patch,
    Other,
    None,
}

/// What an attribute was asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Owner {
    None,
    Module,
    Class,
    /// Its class is defined in the tree.
    TreeInstance,
    Instance,
    Unknown,
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
    status: Option<i32>,
    run: TestRun,
}

/// What pytest says, and our unittest script with it, when nothing ran.
const NOTHING_RAN: i32 = 5;

/// Reads a finished run of one of the guard's reporters.
pub(super) fn read(finished: &Finished, canary: Option<&Canary>) -> TestRun {
    let mut stream = Stream::default();
    if let Err(error) = stream.take(&finished.report) {
        stream.distrust(format!("the report cannot be read: {error:#}"));
    }
    if stream.status.is_none() {
        stream.ended_early(finished);
    }
    stream.judge_cases(finished.end == End::TimedOut);
    stream.judge_status(finished);
    stream.judge_canary(canary);
    stream.run
}

impl Stream {
    fn take(&mut self, report: &[u8]) -> anyhow::Result<()> {
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
            self.take_event(line.event);
        }
        Ok(())
    }

    fn take_event(&mut self, event: Event) {
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
            Event::NotCollected { what, detail, exc } => {
                self.any_failed = true;
                let detail = match exc {
                    Some(exc) if detail.is_empty() => exc.to_string(),
                    _ => detail,
                };
                self.run.not_built.push(NotBuilt { what, detail });
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
        let detail = detail.into();
        self.run
            .results
            .insert(TestId(id), TestResult { outcome, detail });
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

    fn judge_cases(&mut self, timed_out: bool) {
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
            match case.judge() {
                Ok((outcome, detail)) => self.result(id.clone(), outcome, detail),
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

    fn judge_status(&mut self, finished: &Finished) {
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
            NOTHING_RAN => !self.any_failed && self.ran_nothing(),
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
    fn judge_canary(&mut self, canary: Option<&Canary>) {
        let Some(canary) = canary else { return };
        let is_canary = |id: &TestId| id.0.contains(&canary.name);
        let sung: Vec<(TestId, TestResult)> = self
            .run
            .results
            .extract_if(.., |id, _| is_canary(id))
            .collect();
        if sung.is_empty() {
            self.distrust("the test that must fail did not run".to_owned());
        }
        for (id, result) in sung {
            let is_assertion = result.detail.starts_with("AssertionError: ");
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
    fn judge(&self) -> Result<(Outcome, String), String> {
        let mut worst: Option<(Outcome, String)> = None;
        let mut call: Option<Reported> = None;
        for phase in &self.phases {
            let (outcome, detail) = phase.judge()?;
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
                When::Setup => outcome != Outcome::Passed,
                When::Sub | When::Teardown => {
                    outcome != Outcome::Passed && outcome != Outcome::Skipped
                }
            };
            if is_decisive
                && worst
                    .as_ref()
                    .is_none_or(|(seen, _)| rank(outcome) > rank(*seen))
            {
                worst = Some((outcome, detail));
            }
        }
        // unittest says no more about a test whose only trouble was a skipped subtest.
        let is_skipped =
            |phase: &Phase| phase.when == When::Sub && phase.outcome == Reported::Skipped;
        if worst.is_none() && self.phases.iter().any(is_skipped) {
            worst = Some((Outcome::Skipped, "a subtest is skipped".to_owned()));
        }
        worst.ok_or_else(|| "it ended without a result".to_owned())
    }
}

impl Phase {
    fn judge(&self) -> Result<(Outcome, String), String> {
        let detail = match &self.exc {
            Some(exc) => exc.to_string(),
            None => self.note.clone(),
        };
        match (self.outcome, &self.exc) {
            (Reported::Passed, Some(exc)) => {
                Err(format!("reported passed although it raised {exc}"))
            }
            (Reported::Passed, None) => Ok((Outcome::Passed, detail)),
            (Reported::Skipped, Some(exc)) if !self.xfail && !exc.is_skip() => {
                Err(format!("reported skipped although it raised {exc}"))
            }
            (Reported::Skipped, _) if self.xfail => {
                Ok((Outcome::Skipped, format!("expected to fail: {detail}")))
            }
            (Reported::Skipped, _) => Ok((Outcome::Skipped, detail)),
            (Reported::Failed, _) if self.when == When::Setup => {
                Ok((Outcome::Errored, format!("set-up: {detail}")))
            }
            (Reported::Failed, _) if self.when == When::Teardown => {
                Ok((Outcome::Errored, format!("tear-down: {detail}")))
            }
            (Reported::Failed, Some(exc)) if exc.is_missing_name() => Ok((
                Outcome::Errored,
                format!("a name is missing, in test code: {detail}"),
            )),
            (Reported::Failed, _) => Ok((Outcome::Failed, detail)),
        }
    }
}

impl Exception {
    fn is_a(&self, kind: &str) -> bool {
        self.bases.iter().any(|base| base == kind)
    }

    fn is_skip(&self) -> bool {
        self.is_a("Skipped") || self.is_a("SkipTest")
    }

    /// Whether test code asked for something that is not there: it says that a name is new, not that anything was wrong. The same exception
    /// raised by production code is a failure.
    fn is_missing_name(&self) -> bool {
        let outside_production = self.nearest != Place::Tree;
        if self.is_a("ImportError") || self.is_a("NameError") {
            return outside_production;
        }
        if self.is_a("AttributeError") {
            let is_definite = matches!(
                self.owner,
                Some(Owner::Module | Owner::Class | Owner::TreeInstance)
            );
            let by_patch = self.innermost == Place::Patch && outside_production;
            return by_patch || (self.nearest == Place::Test && is_definite);
        }
        self.is_a("TypeError") && self.nearest == Place::Test && is_about_signature(&self.message)
    }
}

impl std::fmt::Display for Exception {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_assertion = self.is_a("AssertionError");
        let kind = if is_assertion {
            "AssertionError"
        } else {
            &self.kind
        };
        write!(f, "{kind}: {}", self.message)
    }
}

fn is_about_signature(message: &str) -> bool {
    [
        "unexpected keyword argument",
        "positional argument",
        "keyword-only argument",
        "multiple values for",
        "takes no arguments",
        "takes no keyword arguments",
        "takes exactly",
        "takes at most",
        "takes at least",
    ]
    .iter()
    .any(|part| message.contains(part))
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
