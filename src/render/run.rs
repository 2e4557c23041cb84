//! A run for people: a line for each stage while it goes on, and at the end a summary that reads like a release note.

use std::fmt::{self, Write as _};

use super::text::n_of;
use super::words;
use crate::change::shown;
use crate::proof::Shortfall;
use crate::run::Event;
use crate::run::report::{AttemptReport, Halt, IssueReport, Outcome, Reach, Report, Spent};

/// At most so many of the issues that were left alone are named.
const MANY: usize = 10;

/// What is said of an event on its own line, if anything.
pub fn event(event: &Event) -> Option<String> {
    let stage = |stage: &str, issue: &str, text: String| {
        let issue = issue.get(..11).unwrap_or(issue);
        Some(format!("{stage:<10} {issue:<11} {text}"))
    };
    match event {
        Event::Detected(detected) => stage(
            "detect",
            "",
            format!(
                "{} of {}, from {}",
                n_of(
                    usize::try_from(detected.events).unwrap_or(usize::MAX),
                    "event"
                ),
                n_of(detected.errors, "error"),
                n_of(detected.sources, "source")
            ),
        ),
        Event::Prioritized {
            n_picked,
            n_skipped,
        } => stage(
            "prioritize",
            "",
            format!("{n_picked} for an agent, {n_skipped} not"),
        ),
        Event::Claimed { issue } => stage("confirm", issue, "claimed".into()),
        Event::Trying {
            issue,
            n,
            of,
            agent,
        } => stage("fix", issue, format!("{agent}, attempt {n} of {of}")),
        Event::Judging { issue } => stage("verify", issue, "perimeter and proof".into()),
        Event::Tried { issue, report } => stage("verify", issue, tried(report)),
        Event::Traced { issue, branch } => {
            stage("trace", issue, format!("branch {branch}, and its note"))
        }
        Event::Proof { .. } | Event::Done { .. } => None,
    }
}

fn tried(report: &AttemptReport) -> String {
    let rules = report.rules.join(", ");
    match rules.is_empty() {
        true => report.word.to_owned(),
        false => format!("{}: {rules}", report.word),
    }
}

/// What a setup fell short of.
pub fn shortfall(short: &Shortfall) -> String {
    let gaps = short.gaps.iter().map(|gap| words::of_gap(gap).fact);
    let doubts = short.doubts.iter().map(|doubt| words::of_doubt(doubt).fact);
    gaps.chain(doubts).collect::<Vec<_>>().join("; ")
}

/// The whole summary.
///
/// # Errors
/// Writing to a text fails, which it does not.
pub fn report(report: &Report) -> Result<String, fmt::Error> {
    let mut out = String::new();
    write(report, &mut out)?;
    Ok(out)
}

fn write(report: &Report, out: &mut String) -> fmt::Result {
    let head = report.head.get(..10).unwrap_or(&report.head);
    if report.is_dry {
        writeln!(
            out,
            "A run of {} on {head}, dry: nobody was called\n",
            report.agent
        )?;
    } else {
        writeln!(out, "A run of {} on {head}\n", report.agent)?;
    }
    section(
        out,
        "Fixed",
        &issues(report, |it| matches!(it, Outcome::Accepted { .. })),
        accepted,
    )?;
    section(
        out,
        "Planned",
        &issues(report, |it| matches!(it, Outcome::Planned { .. })),
        planned,
    )?;
    section(
        out,
        "Refused, which is what the guard is for",
        &issues(report, |it| matches!(it, Outcome::Refused { .. })),
        refused,
    )?;
    section(
        out,
        "Undecided, for a person",
        &issues(report, |it| matches!(it, Outcome::Undecided { .. })),
        refused,
    )?;
    section(
        out,
        "Not done",
        &issues(report, |it| {
            matches!(it, Outcome::Undone { .. } | Outcome::Taken { .. })
        }),
        undone,
    )?;
    if !report.skipped.is_empty() {
        writeln!(out, "Left alone")?;
        for skipped in report.skipped.iter().take(MANY) {
            writeln!(
                out,
                "- {} {}: {}",
                skipped.issue,
                line(&skipped.title),
                line(&skipped.why)
            )?;
        }
        let n_more = report.skipped.len().saturating_sub(MANY);
        if n_more > 0 {
            writeln!(out, "- and {n_more} more")?;
        }
        writeln!(out)?;
    }
    for issue in &report.given_back {
        writeln!(
            out,
            "given back: {issue}, which a run that died had claimed"
        )?;
    }
    if !report.left.is_empty() {
        writeln!(out, "next: {}", report.left.join(", "))?;
    }
    halted(report.halt.as_ref(), out)?;
    sums(report, out)
}

fn issues(report: &Report, is: impl Fn(&Outcome) -> bool) -> Vec<&IssueReport> {
    let issues = report.issues.iter();
    issues.filter(|issue| is(&issue.outcome)).collect()
}

fn section(
    out: &mut String,
    heading: &str,
    issues: &[&IssueReport],
    write: impl Fn(&IssueReport, &mut String) -> fmt::Result,
) -> fmt::Result {
    if issues.is_empty() {
        return Ok(());
    }
    writeln!(out, "{heading}")?;
    for issue in issues {
        write(issue, out)?;
    }
    writeln!(out)
}

fn accepted(issue: &IssueReport, out: &mut String) -> fmt::Result {
    let Outcome::Accepted {
        commit,
        branch,
        subject,
        fail_to_pass,
        pass_to_pass,
        request,
        remarks,
    } = &issue.outcome
    else {
        return Ok(());
    };
    writeln!(
        out,
        "- {} ({}, {})",
        line(subject),
        issue.issue,
        line(&issue.title)
    )?;
    let commit = commit.get(..10).unwrap_or(commit);
    writeln!(out, "  {commit} on branch {branch}, {}", spent(issue))?;
    for test in fail_to_pass.iter().take(MANY) {
        writeln!(out, "  failed before, passes now: {}", line(test))?;
    }
    writeln!(out, "  still passes: {}", n_of(*pass_to_pass, "test"))?;
    if let Some(request) = request {
        writeln!(out, "  to be merged by a person: {request}")?;
    }
    for remark in remarks {
        writeln!(out, "  note: {}", line(remark))?;
    }
    Ok(())
}

fn planned(issue: &IssueReport, out: &mut String) -> fmt::Result {
    let Outcome::Planned {
        branch,
        call,
        brief_tokens,
    } = &issue.outcome
    else {
        return Ok(());
    };
    writeln!(out, "- {}, {}", issue.issue, line(&issue.title))?;
    writeln!(
        out,
        "  with a brief of about {brief_tokens} tokens: {}",
        line(call)
    )?;
    writeln!(out, "  what is proved would be on branch {branch}")
}

fn refused(issue: &IssueReport, out: &mut String) -> fmt::Result {
    let (Outcome::Refused { rules, kept } | Outcome::Undecided { rules, kept }) = &issue.outcome
    else {
        return Ok(());
    };
    writeln!(
        out,
        "- {}, {}: {}",
        issue.issue,
        line(&issue.title),
        rules.join(", ")
    )?;
    let last = issue
        .attempts
        .iter()
        .rev()
        .find(|attempt| !attempt.rules.is_empty());
    let said = last.iter().flat_map(|attempt| attempt.said.lines()).skip(1);
    let others = ["warning", "  lane ", "  run by "];
    let is_reason = |line: &&str| !others.iter().any(|other| line.starts_with(other));
    for said in said.take_while(is_reason).take(MANY) {
        writeln!(out, "  {}", line(said))?;
    }
    match kept {
        Some(kept) => writeln!(
            out,
            "  {}; the work is kept: git show {kept}^",
            spent(issue)
        ),
        None => writeln!(out, "  {}; the work is not kept", spent(issue)),
    }
}

fn undone(issue: &IssueReport, out: &mut String) -> fmt::Result {
    let (Outcome::Undone { why } | Outcome::Taken { why }) = &issue.outcome else {
        return Ok(());
    };
    let mut lines = why.lines();
    let first = lines.next().unwrap_or_default();
    writeln!(
        out,
        "- {}, {}: {}",
        issue.issue,
        line(&issue.title),
        line(first)
    )?;
    for said in lines.take(MANY) {
        writeln!(out, "  {}", line(said))?;
    }
    Ok(())
}

/// `2 attempts, 1234 tokens, $0.25`
fn spent(issue: &IssueReport) -> String {
    let mut all = Spent::default();
    for attempt in &issue.attempts {
        all.add(attempt.spent);
    }
    let mut text = n_of(issue.attempts.len(), "attempt");
    if let Some(tokens) = all.tokens {
        text.push_str(&format!(", {tokens} tokens"));
    }
    if let Some(dollars) = all.dollars.filter(|dollars| *dollars > 0.0) {
        text.push_str(&format!(", ${dollars:.2}"));
    }
    text
}

fn halted(halt: Option<&Halt>, out: &mut String) -> fmt::Result {
    match halt {
        None => Ok(()),
        Some(Halt::Signal) => writeln!(out, "stopped by a signal: everything begun was put away"),
        Some(Halt::Budget(what)) => writeln!(out, "stopped: no {what} left"),
        Some(Halt::Changed(changes)) => {
            writeln!(
                out,
                "refused[repository-changed]: while an agent was at work, this changed, and nothing was put back:"
            )?;
            for change in changes.iter().take(MANY) {
                writeln!(out, "  - {}", line(&change.to_string()))?;
            }
            let n_more = changes.len().saturating_sub(MANY);
            if n_more > 0 {
                writeln!(out, "  - and {n_more} more")?;
            }
            writeln!(
                out,
                "  next: if that was you, run it again from a checkout that nobody works in; if not, look at each of these before you run anything here"
            )
        }
    }
}

fn sums(report: &Report, out: &mut String) -> fmt::Result {
    if report.issues.is_empty() {
        writeln!(out, "nothing to do")?;
    } else if !report.is_dry {
        let mut text = format!(
            "{} fixed, {} refused, {} tried",
            report.n_accepted(),
            report.n_refused(),
            report.issues.len()
        );
        let dollars = report.spent.dollars.filter(|dollars| *dollars > 0.0);
        if let (Some(dollars), n) = (dollars, report.n_accepted()) {
            text.push_str(&format!("; ${dollars:.2}"));
            if n > 0 {
                text.push_str(&format!(", ${:.2} a fix", dollars / n as f64));
            }
        }
        writeln!(out, "{text}")?;
        let (all, own) = (report.milliseconds, report.own_milliseconds);
        let agent = report.agent_milliseconds();
        let n_issues = u64::try_from(report.issues.len()).unwrap_or(u64::MAX);
        writeln!(
            out,
            "{:.1} s: the agent {:.1} s, commands of the project {:.1} s, the guard itself {:.1} s ({:.2} s an issue)",
            seconds(all),
            seconds(agent),
            seconds(all.saturating_sub(own).saturating_sub(agent)),
            seconds(own),
            seconds(own / n_issues.max(1))
        )?;
    }
    let network = match &report.limits.network {
        Reach::None => "no network".to_owned(),
        Reach::Hosts(hosts) => format!("no network but {}", hosts.join(", ")),
        Reach::All => "network".to_owned(),
    };
    writeln!(
        out,
        "the agent: sandbox L{}, {network}",
        report.limits.sandbox.level.number()
    )?;
    for missing in &report.limits.not_enforced {
        writeln!(out, "  not enforced: {}", line(missing))?;
    }
    Ok(())
}

fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

/// Anybody's text on one line, which drives no terminal.
fn line(text: &str) -> String {
    shown(text.as_bytes())
}
