//! Answers for people: they read well without colour.

use std::fmt::{self, Write as _};

use super::runs;
use super::words::{self, Words};
use crate::change::shown;
use crate::check::Judgement;
use crate::check::range::RangeJudgement;
use crate::check::waive::{Reason, Void, Waived};
use crate::perimeter::{Finding, Location};
use crate::policy::Lane;
use crate::proof::{Attempt, Compared, Evidence, Proof, Shortfall, Shown, Sources};
use crate::verdict::{Approval, Basis, Verdict};

/// At most so many reasons of one kind are spelled out.
const MANY: usize = 12;

/// One judged change: the verdict first, then its reasons, then where they come from.
pub fn judgement(judgement: &Judgement, out: &mut String) -> fmt::Result {
    let word = judgement.verdict.word(judgement.observed);
    writeln!(out, "{word}: {}", judgement.name)?;
    match &judgement.verdict {
        Verdict::Accepted(Basis::Proof(proof)) => accepted(proof, out)?,
        Verdict::Accepted(Basis::Perimeter(lane)) => perimeter_only(*lane, out)?,
        Verdict::Accepted(Basis::Approved { approvals, proof }) => {
            approvals
                .iter()
                .try_for_each(|approval| approved(approval, out))?;
            match proof {
                Some(proof) => accepted(proof, out)?,
                None => writeln!(out, "  nothing was proved: a person answers for it")?,
            }
        }
        Verdict::Accepted(Basis::Revert { of, pass_to_pass }) => {
            let of = of.get(..10).unwrap_or(of);
            writeln!(
                out,
                "  it takes back exactly what `{of}` did, and no test breaks"
            )?;
            writeln!(out, "  PASS_TO_PASS  {}", n_of(pass_to_pass.len(), "test"))?;
        }
        Verdict::Accepted(Basis::Unproved) => writeln!(
            out,
            "  nothing was proved: this server takes topic branches by their perimeter, and the default branch only with a proof"
        )?,
        Verdict::Pending(red) => {
            for test in red.tests.iter().take(MANY) {
                writeln!(out, "  red           {}", shown(test.0.as_bytes()))?;
            }
            writeln!(
                out,
                "  next: commit the fix that turns them green; the range is accepted only then"
            )?;
        }
        Verdict::Refused { findings, gaps } => {
            capped(findings.iter(), findings.len(), out, |item, out| {
                finding(word, item, out)
            })?;
            capped(gaps.iter(), gaps.len(), out, |gap, out| {
                reason(word, &words::of_gap(gap), out)
            })?;
        }
        Verdict::Undecided { doubts } => {
            capped(doubts.iter(), doubts.len(), out, |doubt, out| {
                reason(word, &words::of_doubt(doubt), out)
            })?;
            needs_person(judgement, out)?;
        }
    }
    for warning in &judgement.warnings {
        finding("warning", warning, out)?;
    }
    waivers(judgement, out)?;
    if let Some(evidence) = &judgement.evidence {
        circumstances(evidence, out)?;
    }
    runs::runs(&judgement.traces, out)?;
    origin(judgement, out)?;
    if judgement.observed {
        writeln!(
            out,
            "  the policy observes here (`mode: observe`): nothing is refused, and no statement is written"
        )?;
    }
    Ok(())
}

/// What a person lets pass, and what nobody does any more.
fn waivers(judgement: &Judgement, out: &mut String) -> fmt::Result {
    let waived = &judgement.waived;
    capped(
        waived.iter(),
        waived.len(),
        out,
        |Waived { finding, by }, out| {
            writeln!(
                out,
                "waived[{}]: {}{}",
                finding.rule,
                place(finding.location.as_ref()),
                finding.fact
            )?;
            let (because, path) = (shown(by.because.as_bytes()), shown(by.path.as_bytes()));
            writeln!(
                out,
                "  because: {because} (for `{path}`, until {}; {})",
                by.until, by.origin
            )
        },
    )?;
    for Void { by, reason } in &judgement.void_waivers {
        let why = match reason {
            Reason::Expired => format!("it ended on {}", by.until),
            Reason::Floor => "the floor of this machine holds".to_owned(),
        };
        let path = shown(by.path.as_bytes());
        writeln!(
            out,
            "  the waiver of `{}` for `{path}` does not count: {why} ({})",
            by.rule, by.origin
        )?;
    }
    Ok(())
}

pub(super) fn approved(approval: &Approval, out: &mut String) -> fmt::Result {
    let (person, because) = (
        shown(approval.person.as_bytes()),
        shown(approval.because.as_bytes()),
    );
    write!(
        out,
        "  accepted by {person}: `{}`, because {because}",
        approval.rule
    )?;
    match &approval.until {
        Some(until) => writeln!(out, " (until {until})"),
        None => writeln!(out),
    }
}

/// The command by which a person decides what the guard cannot.
fn needs_person(judgement: &Judgement, out: &mut String) -> fmt::Result {
    let revision = match &judgement.commit {
        Some(commit) => commit.get(..10),
        // A range as one change is called by its ends.
        None => judgement.name.split(' ').next(),
    };
    let Some(revision) = revision.filter(|name| *name != "staged") else {
        return Ok(());
    };
    for rule in judgement.verdict.needs_person() {
        writeln!(
            out,
            "  needs a person: koan-guard approve {revision} --rule {rule} --because TEXT"
        )?;
    }
    Ok(())
}

/// Every commit of a range, the whole, and what is owed.
pub fn range(range: &RangeJudgement, out: &mut String) -> fmt::Result {
    for item in range.all() {
        judgement(item, out)?;
    }
    for merge in &range.clean_merges {
        writeln!(out, "clean merge: {merge}")?;
    }
    let word = match range.is_observed() {
        true => "would refuse",
        false => "refused",
    };
    for test in &range.owed {
        let test = shown(test.0.as_bytes());
        writeln!(
            out,
            "{word}[still-pending]: `{test}` was committed red, and no later commit turns it green"
        )?;
    }
    Ok(())
}

/// A proof by itself, both sides shown.
pub fn attempt(attempt: &Attempt, out: &mut String) -> fmt::Result {
    match &attempt.result {
        Ok(Shown::Fix(proof)) => both_sides(proof, out)?,
        Ok(Shown::Revert(kept)) => {
            writeln!(out, "a revert: {} tests pass before and after", kept.len())?;
        }
        Ok(Shown::Red(red)) => {
            writeln!(out, "pending: tests only, red without a fix")?;
            for test in &red.tests {
                writeln!(out, "  red           {}", shown(test.0.as_bytes()))?;
            }
        }
        Err(Shortfall { gaps, doubts }) => {
            capped(gaps.iter(), gaps.len(), out, |gap, out| {
                reason("refused", &words::of_gap(gap), out)
            })?;
            capped(doubts.iter(), doubts.len(), out, |doubt, out| {
                reason("undecided", &words::of_doubt(doubt), out)
            })?;
        }
    }
    if let Some(evidence) = &attempt.evidence {
        circumstances(evidence, out)?;
    }
    runs::runs(&attempt.traces, out)
}

fn both_sides(proof: &Proof, out: &mut String) -> fmt::Result {
    for (test, detail) in proof.fail_to_pass() {
        writeln!(out, "{}", shown(test.0.as_bytes()))?;
        writeln!(
            out,
            "  BEFORE  failed {0} of {0}: {1}",
            proof.samples(),
            shown(detail.as_bytes())
        )?;
        writeln!(out, "  AFTER   passed {0} of {0}", proof.samples())?;
    }
    kept(proof, out)
}

fn accepted(proof: &Proof, out: &mut String) -> fmt::Result {
    for (test, detail) in proof.fail_to_pass().iter().take(MANY) {
        writeln!(out, "  FAIL_TO_PASS  {}", shown(test.0.as_bytes()))?;
        if !detail.is_empty() {
            writeln!(
                out,
                "                it failed with: {}",
                shown(detail.as_bytes())
            )?;
        }
    }
    if proof.fail_to_pass().len() > MANY {
        writeln!(
            out,
            "  FAIL_TO_PASS  and {} more",
            proof.fail_to_pass().len() - MANY
        )?;
    }
    kept(proof, out)
}

fn kept(proof: &Proof, out: &mut String) -> fmt::Result {
    writeln!(
        out,
        "  PASS_TO_PASS  {}",
        n_of(proof.pass_to_pass().len(), "test")
    )?;
    for test in proof.still_red().iter().take(MANY) {
        writeln!(
            out,
            "  still red     {} (as at the parent)",
            shown(test.0.as_bytes())
        )?;
    }
    Ok(())
}

fn perimeter_only(lane: Lane, out: &mut String) -> fmt::Result {
    writeln!(
        out,
        "  nothing was proved: lane `{}` does not ask for it",
        lane.as_str()
    )
}

fn capped<T>(
    items: impl Iterator<Item = T>,
    n_items: usize,
    out: &mut String,
    write: impl Fn(T, &mut String) -> fmt::Result,
) -> fmt::Result {
    for item in items.take(MANY) {
        write(item, out)?;
    }
    if n_items > MANY {
        writeln!(out, "  and {} more", n_items - MANY)
    } else {
        Ok(())
    }
}

fn finding(word: &str, finding: &Finding, out: &mut String) -> fmt::Result {
    let info = finding.rule.info();
    writeln!(
        out,
        "{word}[{}]: {}{}",
        info.id,
        place(finding.location.as_ref()),
        finding.fact
    )?;
    writeln!(out, "  why: {}", info.why)?;
    writeln!(out, "  next: {}", info.next)
}

fn place(location: Option<&Location>) -> String {
    match location {
        Some(Location {
            path,
            line: Some(line),
        }) => format!("{path}:{line}: "),
        Some(Location { path, line: None }) => format!("{path}: "),
        None => String::new(),
    }
}

fn reason(word: &str, words: &Words, out: &mut String) -> fmt::Result {
    writeln!(out, "{word}[{}]: {}", words.id, words.fact)?;
    writeln!(out, "  why: {}", words.why)?;
    writeln!(out, "  next: {}", words.next)
}

fn circumstances(evidence: &Evidence, out: &mut String) -> fmt::Result {
    writeln!(
        out,
        "  run by {}, suite {}, sandbox L{}{} in {:.1} s",
        shown(evidence.runner_version.as_bytes()),
        evidence.suite.as_str(),
        evidence.sandbox.level.number(),
        match evidence.sandbox.seatbelt {
            true => " (seatbelt)",
            false => "",
        },
        evidence.milliseconds as f64 / 1000.0,
    )?;
    sources(evidence.runs, out)?;
    if let Some(setup) = &evidence.setup {
        let lines: Vec<String> = setup
            .lines
            .iter()
            .map(|line| format!("`{}`", shown(line.as_bytes())))
            .collect();
        writeln!(
            out,
            "  installed by {} ({}, network {}, shown as {})",
            lines.join(", "),
            setup.digest.get(..10).unwrap_or(&setup.digest),
            setup.network.as_str(),
            setup.shown_as,
        )?;
    }
    for service in &evidence.services {
        let version = service.version.as_deref().unwrap_or(&service.start);
        let (name, version) = (shown(service.name.as_bytes()), shown(version.as_bytes()));
        writeln!(out, "  beside service {name}: {version}")?;
    }
    if !evidence.tests_exclude.is_empty() {
        let globs = evidence.tests_exclude.join(" ");
        writeln!(out, "  left out: {}", shown(globs.as_bytes()))?;
    }
    if !evidence.pruned.is_empty() {
        let names = evidence.pruned.iter().take(MANY);
        let names: Vec<String> = names.map(|name| words::code(name)).collect();
        let more = match evidence.pruned.len().checked_sub(MANY) {
            Some(n) if n > 0 => format!(" and {n} more"),
            _ => String::new(),
        };
        let names = names.join(", ");
        writeln!(out, "  not built BEFORE, and left out: {names}{more}")?;
    }
    if !evidence.red_by_name.is_empty() {
        let tests = n_of(evidence.red_by_name.len(), "test");
        writeln!(
            out,
            "  red by `proof.before: missing_symbol` only, for want of a name: {tests}"
        )?;
    }
    for missing in &evidence.sandbox.missing {
        writeln!(out, "  not enforced: {missing}")?;
    }
    for Compared { issue, standing } in &evidence.issues {
        let issue = shown(issue.as_bytes());
        writeln!(out, "  issue {issue}: {}", words::of_standing(standing))?;
    }
    capped(
        evidence.warnings.iter(),
        evidence.warnings.len(),
        out,
        |gap, out| reason("warning", &words::of_gap(gap), out),
    )
}

/// Which results nobody saw come about just now.
fn sources(runs: Sources, out: &mut String) -> fmt::Result {
    let n_runs = runs.made + runs.reused + runs.recalled;
    if runs.recalled > 0 {
        let (recalled, all) = (runs.recalled, n_of(n_runs, "run"));
        writeln!(
            out,
            "  from the local cache: {recalled} of {all}; the verdict of record is made without `--use-cache`"
        )?;
    }
    Ok(())
}

fn origin(judgement: &Judgement, out: &mut String) -> fmt::Result {
    let trusted = &judgement.trusted;
    let floors: String = trusted
        .floors
        .iter()
        .map(|path| format!(", floor `{}`", shown(path.as_bytes())))
        .collect();
    writeln!(
        out,
        "  lane {} ({}), policy of {} ({}, {}){floors}",
        judgement.lane.lane.as_str(),
        shown(judgement.lane.reason.as_bytes()),
        trusted.commit.get(..10).unwrap_or(&trusted.commit),
        shown(trusted.name.as_bytes()),
        trusted.source.as_str(),
    )
}

/// `1 test`, `2 tests`.
pub fn n_of(n: usize, noun: &str) -> String {
    if n == 1 {
        format!("1 {noun}")
    } else {
        format!("{n} {noun}s")
    }
}
