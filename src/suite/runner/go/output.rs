//! What a Go test binary says: its list of tests, and the outcome of one of them in a process of its own.
//!
//! Lines can be printed by anybody. A test has passed where the process's status says so; beside the guard's own tests, whose names nobody
//! knows, the process must have come to its end.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use crate::suite::process::{End, Finished};
use crate::suite::runner::Canary;
use crate::suite::{Outcome, Raised, RaisedIn, TestResult};

/// What one process said about the test that it was started for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::suite::runner) struct Reading {
    pub outcome: Outcome,
    pub detail: String,
    pub raised: Option<Raised>,
    /// Whether there is such a test: a subtest that nobody starts is none.
    pub has_run: bool,
    /// Subtests that ended, by their full names.
    pub subtests: Vec<(String, Outcome)>,
    /// Subtests that were started.
    pub begun: Vec<String>,
}

impl Reading {
    fn new(outcome: Outcome, detail: impl Into<String>) -> Reading {
        Reading {
            outcome,
            detail: detail.into(),
            raised: None,
            has_run: true,
            subtests: Vec::new(),
            begun: Vec::new(),
        }
    }

    pub fn into_result(self) -> TestResult {
        TestResult {
            raised: self.raised,
            ..TestResult::new(self.outcome, self.detail)
        }
    }
}

/// The names of the guard's own tests in the file that it adds to every package.
pub(super) fn own(canary: &Canary) -> [String; 2] {
    ["Test", "Example"].map(|kind| format!("{kind}_{}", canary.name))
}

/// The guard's own tests that can run beside `name`: a pattern with a slash meets no example.
pub(super) fn canaries(name: &str, canary: &Canary) -> Vec<String> {
    let n = if name.contains('/') { 1 } else { 2 };
    own(canary).into_iter().take(n).collect()
}

/// The arguments that run these tests only: one test, maybe a subtest, and others without a slash.
pub(super) fn only(names: &[String]) -> Vec<String> {
    let (first, others) = names
        .split_first()
        .map_or(("", names), |(first, rest)| (first.as_str(), rest));
    let mut levels = first.split('/');
    let top = levels.next().unwrap_or_default();
    let tops: Vec<String> = std::iter::once(top)
        .chain(others.iter().map(String::as_str))
        .map(regex::escape)
        .collect();
    let below = levels.map(|level| format!("/^{}$", regex::escape(level)));
    let pattern = format!("^({})${}", tops.join("|"), below.collect::<String>());
    [
        "-test.v=true",
        "-test.paniconexit0=true",
        "-test.count=1",
        &format!("-test.run={pattern}"),
    ]
    .map(String::from)
    .into()
}

/// The tests of a binary, and the guard's own in it.
///
/// # Errors
/// It does not list them as a whole: the guard's own do not come last.
pub(in crate::suite::runner) fn list(
    finished: &Finished,
    canary: Option<&Canary>,
) -> Result<(Vec<String>, Vec<String>), String> {
    let unlisted = || "it does not list its tests: `TestMain` or an `init` ends early".to_owned();
    if finished.end != End::Exit(0) || finished.truncated {
        return Err(unlisted());
    }
    let text = String::from_utf8_lossy(&finished.stdout);
    let is_name = |line: &&str| {
        let kinds = ["Test", "Example", "Fuzz"];
        let mut chars = line.chars();
        kinds.iter().any(|kind| line.starts_with(kind))
            && chars.all(|c| c.is_alphanumeric() || c == '_')
    };
    let names = text.lines().map(str::trim_end).filter(is_name);
    let names: Vec<String> = names.map(str::to_owned).collect();
    let Some(canary) = canary else {
        return Ok((names, Vec::new()));
    };
    for (own, kind) in own(canary).iter().zip(["Test", "Example"]) {
        let last = names.iter().rfind(|name| name.starts_with(kind));
        if last != Some(own) {
            return Err(unlisted());
        }
    }
    let is_own = |name: &String| {
        let rest = name.strip_prefix("Test_");
        let rest = rest.or_else(|| name.strip_prefix("Example_"));
        rest.is_some_and(|rest| rest.starts_with(&canary.name))
    };
    let (own, tests) = names.into_iter().partition(is_own);
    Ok((tests, own))
}

/// Whether the guard's own tests, run alone, failed as they must.
pub(super) fn sang(
    finished: &Finished,
    canaries: &[String],
    canary: &Canary,
) -> Result<(), String> {
    let said = Said::read(finished);
    for name in canaries {
        match said.verdict(name)? {
            Some(Outcome::Failed) if finished.end == End::Exit(1) => {}
            Some(outcome) => return Err(format!("the test that must fail was reported {outcome}")),
            None => return Err("the test that must fail did not run".to_owned()),
        }
    }
    match said.text.matches(&canary.nonce).count() >= canaries.len() {
        true => Ok(()),
        false => Err("the test that must fail did not say why".to_owned()),
    }
}

/// The outcome of the test `name`, which ran alone, or beside the guard's own.
///
/// # Errors
/// The reason not to believe it. A process that ends well without a result, or despite a canary, was ended by what it tested.
pub(in crate::suite::runner) fn read(
    finished: &Finished,
    name: &str,
    canary: Option<&Canary>,
    tree: &Path,
) -> Result<Reading, String> {
    let status = match finished.end {
        End::TimedOut => {
            return Ok(Reading::new(
                Outcome::TimedOut,
                "it ran when the time was over",
            ));
        }
        End::Signal(signal) => return Ok(killed(signal)),
        End::Exit(status) => status,
    };
    let said = Said::read(finished);
    let verdict = said.verdict(name)?;
    let crash = Crash::read(&finished.stderr, tree);
    if crash.as_ref().is_some_and(Crash::is_exit) {
        return Err("what it tested ended the process with status 0".to_owned());
    }
    let top = name.split('/').next().unwrap_or(name);
    let has_sung = match canary {
        None => true,
        Some(canary) => said.has_sung(name, canary)?,
    };
    let outcome = match (status, verdict) {
        (2, None | Some(Outcome::Failed)) if crash.is_some() => Outcome::Failed,
        // A subtest that is not there: its test ran without it.
        (0 | 1, None) if name != top && has_sung && said.verdict(top)?.is_some() => {
            return Ok(Reading {
                has_run: false,
                ..Reading::new(Outcome::Errored, "there is no such subtest")
            });
        }
        (0, Some(Outcome::Passed | Outcome::Skipped)) if canary.is_none() && said.is_whole() => {
            verdict.unwrap_or(Outcome::Errored)
        }
        (1, Some(Outcome::Failed)) if has_sung => Outcome::Failed,
        (1, Some(outcome)) if canary.is_some() && has_sung => outcome,
        (0, _) => return Err("its process ended with status 0 and without a result".to_owned()),
        (status, Some(Outcome::Passed | Outcome::Skipped)) => {
            let detail = format!("it passed, and its process ended with status {status}");
            return Ok(Reading::new(Outcome::Errored, detail));
        }
        (status, _) => {
            let detail = format!("its process ended with status {status} and without a result");
            return Ok(Reading::new(Outcome::Errored, detail));
        }
    };
    // A subtest fails with what its test says; what that says about itself is no matter.
    let (detail, raised) = match (outcome, crash) {
        (Outcome::Passed, _) => (String::new(), None),
        (Outcome::Failed, Some(crash)) => (crash.to_string(), Some(crash.into_raised())),
        _ => (said.reason(name), None),
    };
    Ok(Reading {
        outcome,
        detail,
        raised,
        has_run: true,
        subtests: said.subtests(name)?,
        begun: said.begun(name),
    })
}

/// One reading of a test that ran alone and beside the guard's own.
pub(super) fn agree(
    alone: Result<Reading, String>,
    beside: Result<Reading, String>,
) -> Result<Reading, String> {
    let (alone, beside) = (alone?, beside?);
    if alone.outcome == beside.outcome && alone.has_run == beside.has_run {
        return Ok(alone);
    }
    let detail = format!(
        "alone it {}, beside another test it {}",
        alone.outcome, beside.outcome
    );
    Ok(Reading::new(Outcome::Errored, detail))
}

/// The lines of a process.
struct Said {
    text: String,
    /// All verdicts by name.
    verdicts: BTreeMap<String, Vec<Outcome>>,
}

static VERDICT: LazyLock<Regex> = LazyLock::new(|| {
    // What a test printed last may stand before it on the same line.
    let text = r"(?m)--- (PASS|FAIL|SKIP): (\S+) \(\d+\.\d+s\)\r?$";
    Regex::new(text).expect("it is used by every test")
});

impl Said {
    fn read(finished: &Finished) -> Said {
        let text = String::from_utf8_lossy(&finished.stdout).into_owned();
        let mut verdicts: BTreeMap<String, Vec<Outcome>> = BTreeMap::new();
        for captures in VERDICT.captures_iter(&text) {
            let outcome = match &captures[1] {
                "PASS" => Outcome::Passed,
                "SKIP" => Outcome::Skipped,
                _ => Outcome::Failed,
            };
            verdicts
                .entry(captures[2].to_owned())
                .or_default()
                .push(outcome);
        }
        Said { text, verdicts }
    }

    /// `Err` where there are several: only one can be the framework's.
    fn verdict(&self, name: &str) -> Result<Option<Outcome>, String> {
        match self.verdicts.get(name).map(Vec::as_slice) {
            None => Ok(None),
            Some([outcome]) => Ok(Some(*outcome)),
            Some(_) => Err(format!("`{name}` was reported several times")),
        }
    }

    /// Whether every canary beside `name` failed with its nonce.
    fn has_sung(&self, name: &str, canary: &Canary) -> Result<bool, String> {
        for own in canaries(name, canary) {
            if self.verdict(&own)? != Some(Outcome::Failed) {
                return Ok(false);
            }
        }
        Ok(self.text.contains(&canary.nonce)
            && self
                .text
                .trim_end()
                .lines()
                .any(|line| line.ends_with("FAIL")))
    }

    /// Whether the framework came to its end.
    fn is_whole(&self) -> bool {
        self.text.lines().any(|line| line.ends_with("PASS"))
    }

    fn subtests(&self, name: &str) -> Result<Vec<(String, Outcome)>, String> {
        let mut subtests = Vec::new();
        for other in self.verdicts.keys().filter(|other| is_below(other, name)) {
            if let Some(outcome) = self.verdict(other)? {
                subtests.push((other.clone(), outcome));
            }
        }
        Ok(subtests)
    }

    fn begun(&self, name: &str) -> Vec<String> {
        let mut begun: Vec<String> = Vec::new();
        for line in self.text.lines() {
            let Some((_, other)) = line.split_once("=== RUN   ") else {
                continue;
            };
            if is_below(other, name) && !begun.iter().any(|known| known == other) {
                begun.push(other.to_owned());
            }
        }
        begun
    }

    /// The first line that a test gave as its reason.
    fn reason(&self, name: &str) -> String {
        let mut inside = false;
        let mut example = false;
        let mut lines = self.text.lines();
        while let Some(line) = lines.next() {
            if let Some((_, other)) = line
                .split_once("=== ")
                .filter(|(before, _)| before.trim_matches('\u{16}').is_empty())
            {
                let other = other.split_whitespace().nth(1).unwrap_or_default();
                inside = other == name || is_below(other, name);
                continue;
            }
            if line.contains(&format!("--- FAIL: {name} (")) && name.starts_with("Example") {
                example = true;
                continue;
            }
            let said = line.trim();
            if example && said != "got:" && !said.is_empty() {
                return cut(&format!("got {said}"));
            }
            if inside && line.starts_with("    ") && LOG.is_match(said) {
                return cut(&in_full(said, lines));
            }
        }
        "it failed and said nothing".to_owned()
    }
}

static LOG: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\S+\.go:\d+:(?: |$)").expect("it is used by every failed test"));

/// A message that begins on the line after its place, as those of testify do, behind a trace.
fn in_full<'a>(said: &str, following: impl Iterator<Item = &'a str>) -> String {
    if !said.ends_with(':') {
        return said.to_owned();
    }
    let is_trace = |line: &&str| line.starts_with("Error Trace:") || is_place(line);
    let message = following
        .take_while(|line| line.is_empty() || line.starts_with("    "))
        .map(str::trim)
        .find(|line| !line.is_empty() && !is_trace(line));
    match message {
        Some(message) => format!("{said} {message}"),
        None => said.to_owned(),
    }
}

/// `/tree/cart_test.go:12`, a further line of a trace.
fn is_place(line: &str) -> bool {
    let place = line.rsplit_once(".go:");
    place.is_some_and(|(_, n)| n.chars().all(|c| c.is_ascii_digit()))
}

fn is_below(other: &str, name: &str) -> bool {
    other
        .strip_prefix(name)
        .is_some_and(|rest| rest.starts_with('/') && rest.len() > 1)
}

fn cut(text: &str) -> String {
    text.chars().take(400).collect()
}

/// What the runtime says when a program dies of itself.
struct Crash {
    kind: &'static str,
    message: String,
    frames: Vec<RaisedIn>,
}

impl Crash {
    fn read(stderr: &[u8], tree: &Path) -> Option<Crash> {
        let text = String::from_utf8_lossy(stderr);
        let lines: Vec<&str> = text.lines().collect();
        let is_trace = |line: &&str| line.starts_with("goroutine ") && line.ends_with(':');
        let kinds = [("panic: ", "panic"), ("fatal error: ", "fatal error")];
        let head = |line: &str| {
            let mut kinds = kinds.iter();
            kinds.find_map(|&(start, kind)| Some((line.strip_prefix(start)?.to_owned(), kind)))
        };
        let (at, (message, kind)) = lines
            .iter()
            .enumerate()
            .find_map(|(n, line)| Some((n, head(line)?)))?;
        let trace = at + lines[at..].iter().position(is_trace)?;
        let message = message.trim_end_matches(" [recovered]").to_owned();
        let frames = frames(&lines[trace + 1..], tree);
        Some(Crash {
            kind,
            message,
            frames,
        })
    }

    fn is_exit(&self) -> bool {
        self.message.starts_with("unexpected call to os.Exit(0)")
    }

    fn into_raised(self) -> Raised {
        Raised {
            kind: self.kind.to_owned(),
            bases: vec![self.kind.to_owned()],
            message: self.message,
            frames: self.frames,
        }
    }
}

impl std::fmt::Display for Crash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&cut(&format!("{}: {}", self.kind, self.message)))?;
        match self.frames.first() {
            Some(frame) => write!(f, " ({}:{})", frame.file, frame.line),
            None => Ok(()),
        }
    }
}

/// The frames of the first goroutine that lie in the tree: two lines each, the innermost first.
fn frames(lines: &[&str], tree: &Path) -> Vec<RaisedIn> {
    let own = lines.iter().take_while(|line| !line.is_empty());
    let own: Vec<&str> = own.copied().collect();
    let mut frames = Vec::new();
    for pair in own.chunks(2) {
        let [call, place] = pair else { break };
        let place = place.trim().split(" +0x").next().unwrap_or_default();
        let Some((file, line)) = place.rsplit_once(':') else {
            continue;
        };
        let Ok(file) = Path::new(file).strip_prefix(tree) else {
            continue;
        };
        if call.starts_with("created by ") {
            continue;
        }
        frames.push(RaisedIn {
            file: file.display().to_string(),
            function: function(call),
            line: line.parse().unwrap_or(0),
        });
    }
    frames.truncate(50);
    frames
}

/// `(*Cart).Total` of `example.com/shop/cart.(*Cart).Total(0xc000012345)`.
fn function(call: &str) -> String {
    let call = match call.rfind('(') {
        Some(at) if at > 0 && call.ends_with(')') => &call[..at],
        _ => call,
    };
    let last = call.rsplit('/').next().unwrap_or(call);
    let name = last.split_once('.').map_or(last, |(_, name)| name);
    name.to_owned()
}

/// A crash of C code is a failure; a kill from outside is not.
fn killed(signal: i32) -> Reading {
    let name = match signal {
        libc::SIGABRT => "SIGABRT",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGBUS => "SIGBUS",
        libc::SIGILL => "SIGILL",
        libc::SIGFPE => "SIGFPE",
        _ => return Reading::new(Outcome::Errored, format!("killed by signal {signal}")),
    };
    Reading::new(Outcome::Failed, format!("killed by {name}"))
}
