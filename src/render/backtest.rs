//! What past commits say about a policy, on one screen.

use std::fmt::{self, Write as _};

use super::text::n_of;
use super::words;
use crate::backtest::{
    Backtest, Counts, End, Example, Fit, Kind, Limit, Place, Population, Proofs, Proved, Reason,
};
use crate::change::shown;
use crate::proof::Shortfall;

/// So many rules, places and undecided commits are told; `--format json` tells all that is kept.
const MANY: usize = 8;

/// The longest fact on a line, in characters.
const FACT_CHARS: usize = 72;

/// What was replayed, in words: `200 commits of `main``, the policy's place.
#[derive(Debug)]
pub struct Heading<'a> {
    pub range: &'a str,
    pub policy: &'a str,
}

pub fn text(backtest: &Backtest, heading: &Heading, out: &mut String) -> fmt::Result {
    let n_commits = n_of(backtest.n_commits, "commit");
    writeln!(
        out,
        "backtest: {n_commits} of {}, by {}, each judged as if an agent had made it",
        heading.range, heading.policy
    )?;
    writeln!(out)?;
    kinds(&backtest.kinds, out)?;
    reasons(&backtest.reasons, out)?;
    undecided(&backtest.undecided, out)?;
    limits(&backtest.limits, out)?;
    places(&backtest.protected, out)?;
    if let Some(proofs) = &backtest.proofs {
        self::proofs(proofs, out)?;
    }
    writeln!(out)?;
    writeln!(out, "{}", scope(backtest))
}

fn kinds(kinds: &[Counts], out: &mut String) -> fmt::Result {
    writeln!(
        out,
        "{:<24} {:>8} {:>13} {:>20} {:>9} {:>10}",
        "", "commits", "inside", "but for the message", "refused", "undecided"
    )?;
    for counts in kinds {
        let inside = share(counts.inside, counts.commits);
        writeln!(
            out,
            "{:<24} {:>8} {:>13} {:>20} {:>9} {:>10}",
            kind(counts.kind),
            counts.commits,
            inside,
            counts.but_for_message,
            counts.refused,
            counts.undecided
        )?;
    }
    Ok(())
}

fn reasons(reasons: &[Reason], out: &mut String) -> fmt::Result {
    if reasons.is_empty() {
        return writeln!(out, "\nno rule refuses any of them");
    }
    writeln!(out)?;
    writeln!(
        out,
        "{:<26} {:>6} {:>7} {:>7}   newest example",
        "refused by", "fixes", "(alone)", "others"
    )?;
    for reason in reasons.iter().take(MANY) {
        let example = reason.examples.first();
        writeln!(
            out,
            "{:<26} {:>6} {:>7} {:>7}   {}",
            reason.rule.id(),
            reason.fixes,
            reason.fixes_alone,
            reason.others,
            example.map_or(String::new(), |it| format!(
                "{} {}",
                it.commit,
                cut(&it.fact)
            ))
        )?;
    }
    more(reasons.len(), out)
}

fn undecided(examples: &[Example], out: &mut String) -> fmt::Result {
    for example in examples {
        writeln!(
            out,
            "undecided: {} {}",
            example.commit,
            cut(&shown(example.fact.as_bytes()))
        )?;
    }
    Ok(())
}

fn limits(fit: &Fit, out: &mut String) -> fmt::Result {
    writeln!(out)?;
    if fit.n == 0 {
        return writeln!(out, "limits: there is no fix to measure them by");
    }
    writeln!(out, "limits, by {}", population(fit))?;
    writeln!(
        out,
        "{:<24} {:>8} {:>8} {:>8} {:>8} {:>8}   over it now",
        "", "half", "90 %", "95 %", "largest", "now"
    )?;
    for limit in &fit.limits {
        writeln!(
            out,
            "{:<24} {:>8} {:>8} {:>8} {:>8} {:>8}   {}",
            limit.key,
            limit.median,
            limit.p90,
            limit.p95,
            limit.max,
            limit.now,
            over(limit)
        )?;
    }
    writeln!(
        out,
        "inside all of them at once: {} now, {} with the column of 95 %",
        share(fit.inside_now, fit.n),
        share(fit.inside_p95, fit.n)
    )
}

fn places(places: &[Place], out: &mut String) -> fmt::Result {
    if places.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    writeln!(
        out,
        "{:<34} {:>6} {:>7}   newest example",
        "protected places touched", "fixes", "others"
    )?;
    for place in places.iter().take(MANY) {
        let example = place.examples.first();
        writeln!(
            out,
            "{:<34} {:>6} {:>7}   {}",
            shown(place.entry.as_bytes()),
            place.fixes,
            place.others,
            example.map_or(String::new(), |it| format!(
                "{} {}",
                it.commit,
                cut(&it.subject)
            ))
        )?;
    }
    more(places.len(), out)
}

fn proofs(proofs: &Proofs, out: &mut String) -> fmt::Result {
    writeln!(out)?;
    let is_proved = |tried: &&Proved| matches!(tried.end, End::Proved);
    let n_proved = proofs.tried.iter().filter(is_proved).count();
    writeln!(
        out,
        "proof of {}: {n_proved} proved; {} more could be tried (`--max`)",
        match proofs.tried.len() {
            1 => "1 fix with tests".to_owned(),
            n => format!("{n} fixes with tests"),
        },
        proofs.left
    )?;
    for tried in &proofs.tried {
        let said = match &tried.end {
            End::Proved => "proved".to_owned(),
            End::Red => "red tests only".to_owned(),
            End::Short(short) => short_words(short),
        };
        writeln!(out, "  {} {}: {said}", tried.commit, cut(&tried.subject))?;
    }
    Ok(())
}

/// The first reason why there is no proof.
fn short_words(short: &Shortfall) -> String {
    let gap = short.gaps.first().map(words::of_gap);
    let word = if gap.is_some() {
        "refused"
    } else {
        "undecided"
    };
    match gap.or_else(|| short.doubts.first().map(words::of_doubt)) {
        Some(words) => format!("{word}[{}]: {}", words.id, cut(&words.fact)),
        None => word.to_owned(),
    }
}

/// What this is and what it is not, and where to go on.
fn scope(backtest: &Backtest) -> String {
    let ran = match backtest.proofs {
        Some(_) => "the tests of those above were run",
        None => "no test was run (`--proof` runs some)",
    };
    format!(
        "fixes say so in their subject and touch code; {ran}; nothing was written\n\
         next: `koan-guard selftest` tries attacks on the policy; `mode: observe` lets it judge and refuse nothing"
    )
}

/// The same as tables of Markdown, for an issue or a merge request.
pub fn markdown(backtest: &Backtest, heading: &Heading, out: &mut String) -> fmt::Result {
    writeln!(
        out,
        "### koan-guard backtest\n\n{} of {}, by {}, each judged as if an agent had made it.\n",
        n_of(backtest.n_commits, "commit"),
        heading.range,
        heading.policy
    )?;
    writeln!(
        out,
        "| | commits | inside | but for the message | refused | undecided |"
    )?;
    writeln!(out, "| --- | ---: | ---: | ---: | ---: | ---: |")?;
    for counts in &backtest.kinds {
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            kind(counts.kind),
            counts.commits,
            share(counts.inside, counts.commits),
            counts.but_for_message,
            counts.refused,
            counts.undecided
        )?;
    }
    if !backtest.reasons.is_empty() {
        writeln!(
            out,
            "\n| refused by | fixes | alone | others | newest example |"
        )?;
        writeln!(out, "| --- | ---: | ---: | ---: | --- |")?;
    }
    for reason in &backtest.reasons {
        writeln!(
            out,
            "| `{}` | {} | {} | {} | {} |",
            reason.rule.id(),
            reason.fixes,
            reason.fixes_alone,
            reason.others,
            cells(reason.examples.first())
        )?;
    }
    if backtest.limits.n > 0 {
        writeln!(
            out,
            "\n| limit, by {} | half | 90 % | 95 % | largest | now | over it now |",
            population(&backtest.limits)
        )?;
        writeln!(out, "| --- | ---: | ---: | ---: | ---: | ---: | ---: |")?;
    }
    for limit in backtest
        .limits
        .limits
        .iter()
        .filter(|_| backtest.limits.n > 0)
    {
        let Limit {
            key,
            median,
            p90,
            p95,
            max,
            now,
            ..
        } = limit;
        writeln!(
            out,
            "| `{key}` | {median} | {p90} | {p95} | {max} | {now} | {} |",
            over(limit)
        )?;
    }
    if !backtest.protected.is_empty() {
        writeln!(
            out,
            "\n| protected place touched | fixes | others | newest example |"
        )?;
        writeln!(out, "| --- | ---: | ---: | --- |")?;
    }
    for place in &backtest.protected {
        writeln!(
            out,
            "| {} | {} | {} | {} |",
            cell(&place.entry),
            place.fixes,
            place.others,
            cells(place.examples.first())
        )?;
    }
    if let Some(proofs) = &backtest.proofs {
        let mut lines = String::new();
        self::proofs(proofs, &mut lines)?;
        writeln!(out, "\n```text\n{}\n```", lines.trim())?;
    }
    Ok(())
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::TestedFix => "fixes with tests",
        Kind::UntestedFix => "fixes without tests",
        Kind::Other => "other changes",
    }
}

/// Whose sizes the limits are compared with, and how many those are.
pub fn population(fit: &Fit) -> String {
    let n = fit.n;
    match fit.population {
        Population::TestedFixes => format!("{n} fixes with tests"),
        Population::Fixes => format!("{n} fixes, with tests or without"),
        Population::TestedChanges => {
            format!("{n} changes of code and tests, too few of which say that they fix")
        }
    }
}

fn over(limit: &Limit) -> String {
    match limit.over {
        0 => "-".into(),
        n => n.to_string(),
    }
}

/// `33 (80 %)`.
fn share(n: usize, of: usize) -> String {
    match (n * 100).checked_div(of) {
        Some(percent) => format!("{n} ({percent} %)"),
        None => n.to_string(),
    }
}

fn more(n: usize, out: &mut String) -> fmt::Result {
    match n.checked_sub(MANY) {
        Some(rest) if rest > 0 => writeln!(out, "and {rest} more (`--format json`)"),
        _ => Ok(()),
    }
}

/// The newest example in a cell of a table: what it is, and what was found.
fn cells(example: Option<&Example>) -> String {
    let Some(Example {
        commit,
        subject,
        fact,
    }) = example
    else {
        return String::new();
    };
    match fact.as_str() {
        "" => format!("{commit} {}", cell(subject)),
        fact => format!("{commit} {}: {}", cell(subject), cell(fact)),
    }
}

/// Text that stays in its cell and is no markup.
fn cell(text: &str) -> String {
    let text = shown(text.as_bytes());
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '|' | '<' | '>' | '*' | '_' | '[' | ']' | '\\' | '@') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(FACT_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
