//! What each run of a proof said, for `--verbose`. All of it comes from judged code, so all of it is shown escaped and with a limit.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use super::words;
use crate::change::shown;
use crate::proof::{Record, Source, Traces, Tree, What};
use crate::suite::{Outcome, TestId, TestResult, TestRun};

/// At most so much of what a test said.
const MAX_CHARS: usize = 600;
/// At most so many frames of where it came from.
const MAX_FRAMES: usize = 8;

const TREES: [Tree; 4] = [Tree::Parent, Tree::Before, Tree::After, Tree::OldTests];

/// Every run in order, then every test that did more than pass, side by side.
pub fn runs(traces: &Traces, out: &mut String) -> fmt::Result {
    if !traces.runs.is_empty() {
        writeln!(out, "  runs:")?;
    }
    for record in &traces.runs {
        run(record, out)?;
    }
    for test in told(&traces.runs) {
        sides(test, &traces.runs, out)?;
    }
    Ok(())
}

fn run(record: &Record, out: &mut String) -> fmt::Result {
    let came = match record.source {
        Source::Made => format!("in {:.1} s", record.milliseconds as f64 / 1000.0),
        Source::Reused => "run for the commit before".to_owned(),
        Source::Recalled => "from the local cache".to_owned(),
    };
    let what = words::of_run(record.tree, record.what);
    writeln!(out, "    {what}: {} ({came})", counts(&record.run))?;
    for reason in &record.run.distrust {
        writeln!(out, "      not believed: {}", limited(reason))?;
    }
    for not_built in &record.run.not_built {
        let (what, detail) = (limited(&not_built.what), limited(&not_built.detail));
        writeln!(out, "      not built: {what}: {detail}")?;
    }
    Ok(())
}

/// `1 failed, 20 passed`
fn counts(run: &TestRun) -> String {
    let mut counts: BTreeMap<Outcome, usize> = BTreeMap::new();
    for result in run.results.values() {
        *counts.entry(result.outcome).or_default() += 1;
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(outcome, n)| format!("{n} {outcome}"))
        .collect();
    match counts.is_empty() {
        true => "no test".to_owned(),
        false => counts.join(", "),
    }
}

/// The tests that ran BEFORE, and all that did not pass somewhere.
fn told(records: &[Record]) -> BTreeSet<&TestId> {
    let mut tests = BTreeSet::new();
    for record in records.iter().filter(|record| is_of_side(record)) {
        let results = record.run.results.iter();
        let told = results
            .filter(|(_, result)| record.tree == Tree::Before || result.outcome != Outcome::Passed);
        tests.extend(told.map(|(test, _)| test));
    }
    tests
}

/// A run of a side as it is, not of a try with a part of the change.
fn is_of_side(record: &Record) -> bool {
    matches!(record.what, What::Sample { .. } | What::Suite)
}

fn sides(test: &TestId, records: &[Record], out: &mut String) -> fmt::Result {
    writeln!(out, "  {}", shown(test.0.as_bytes()))?;
    for tree in TREES {
        let of_tree = records
            .iter()
            .filter(|record| is_of_side(record) && record.tree == tree);
        let results: Vec<&TestResult> = of_tree
            .filter_map(|record| record.run.results.get(test))
            .collect();
        if results.is_empty() {
            continue;
        }
        let outcomes: Vec<&str> = results
            .iter()
            .map(|result| result.outcome.as_str())
            .collect();
        writeln!(out, "    {tree}: {}", outcomes.join(", "))?;
        let mut said = Vec::new();
        for result in results {
            let lines = lines_of(result);
            if !lines.is_empty() && !said.contains(&lines) {
                said.push(lines);
            }
        }
        for line in said.iter().flatten() {
            writeln!(out, "      {line}")?;
        }
    }
    Ok(())
}

fn lines_of(result: &TestResult) -> Vec<String> {
    let mut lines = Vec::new();
    if !result.detail.is_empty() {
        lines.push(limited(&result.detail));
    }
    if let Some(raised) = &result.raised {
        if !raised.message.is_empty() && !result.detail.contains(&raised.message) {
            lines.push(limited(&format!("{}: {}", raised.kind, raised.message)));
        }
        let frames = raised.frames.iter().take(MAX_FRAMES);
        lines.extend(frames.map(|frame| {
            let place = limited(&format!("{}:{}", frame.file, frame.line));
            match frame.function.is_empty() {
                true => format!("at {place}"),
                false => format!("at {place} in {}", limited(&frame.function)),
            }
        }));
    }
    lines
}

fn limited(text: &str) -> String {
    let mut short: String = text.chars().take(MAX_CHARS).collect();
    if short.len() < text.len() {
        short.push_str(" ...");
    }
    shown(short.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::{NotBuilt, Raised, RaisedIn};

    fn record(tree: Tree, what: What, source: Source, results: &[(&str, TestResult)]) -> Record {
        let results = results
            .iter()
            .map(|(test, result)| (TestId((*test).into()), result.clone()));
        Record {
            tree,
            what,
            source,
            milliseconds: 1234,
            run: TestRun {
                results: results.collect(),
                ..TestRun::default()
            },
        }
    }

    fn text(runs: Vec<Record>) -> String {
        let mut out = String::new();
        let traces = Traces { runs, trees: None };
        super::runs(&traces, &mut out).expect("a text");
        out
    }

    #[test]
    fn both_sides_of_a_test_stand_together() {
        let mut failed = TestResult::new(Outcome::Failed, "IndexError: out of range");
        failed.raised = Some(Raised {
            kind: "IndexError".into(),
            message: "out of range".into(),
            frames: vec![RaisedIn {
                file: "cart.py".into(),
                function: "total".into(),
                line: 3,
            }],
            ..Raised::default()
        });
        let passed = TestResult::new(Outcome::Passed, "");
        let (first, second) = (What::Sample { n: 1, of: 2 }, What::Sample { n: 2, of: 2 });
        let before = [("new", failed)];
        let after = [("new", passed.clone()), ("old", passed)];
        insta::assert_snapshot!(text(vec![
            record(Tree::Before, first, Source::Made, &before),
            record(Tree::After, What::Suite, Source::Reused, &after),
            record(Tree::Before, second, Source::Recalled, &before),
            record(Tree::After, What::WithoutHunk { n: 1 }, Source::Made, &before),
        ]), @"
        runs:
          new tests on BEFORE, sample 1 of 2: 1 failed (in 1.2 s)
          suite on AFTER: 2 passed (run for the commit before)
          new tests on BEFORE, sample 2 of 2: 1 failed (from the local cache)
          new tests on AFTER without a hunk, try 1: 1 failed (in 1.2 s)
        new
          BEFORE: failed, failed
            IndexError: out of range
            at cart.py:3 in total
          AFTER: passed
        ");
    }

    #[test]
    fn hostile_text_stays_text() {
        let hostile = "\u{1b}[2Jaccepted\n\u{202e}accepted: all is well";
        let mut record = record(
            Tree::Before,
            What::Suite,
            Source::Made,
            &[(
                hostile,
                TestResult::new(Outcome::Failed, hostile.repeat(60)),
            )],
        );
        record.run.distrust.push(hostile.into());
        record.run.not_built.push(NotBuilt::new(hostile, hostile));
        let text = text(vec![record]);
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        assert!(!text.contains("\naccepted"), "{text}");
        assert!(text.lines().all(|line| line.len() < 8000), "{text}");
    }
}
