//! Past fixes as text: one line a commit, and under it what is to be said of it.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use super::text::{approved, judgement, n_of};
use crate::attestation::approval::SIGNERS;
use crate::attestation::signature::Purpose;
use crate::attestation::{Predicate, Statement};
use crate::audit::{Audit, Came, Entry, Reattached, Remark, Replay, Replayed};
use crate::change::shown;
use crate::check::refusal::Kept;
use crate::suite::TestId;

/// One line a commit, newest first, and what they come to.
pub fn audit(audit: &Audit, out: &mut String) -> fmt::Result {
    for entry in &audit.entries {
        self::entry(entry, out)?;
    }
    if !audit.overruled.is_empty() {
        let rules = audit.overruled.iter();
        let rules: Vec<String> = rules.map(|(rule, n)| format!("{rule} {n}")).collect();
        writeln!(out, "overruled by people: {}", rules.join(", "))?;
    }
    writeln!(
        out,
        "{}, {} with a note, {} unproved",
        n_of(audit.n_commits, "commit"),
        audit.n_noted(),
        audit.n_unproved()
    )
}

fn entry(entry: &Entry, out: &mut String) -> fmt::Result {
    let is_stated = matches!(entry.standing, "stated" | "valid");
    let mark = match entry.standing {
        "forged" => "FORGED",
        _ if entry.unproved => "UNPROVED",
        _ if !is_stated && !entry.approvals.is_empty() => "approved",
        standing => standing,
    };
    write!(out, "{mark:<9} {}  {}", entry.commit, entry.subject)?;
    let range = entry.remarks.iter().find_map(|remark| match remark {
        Remark::InRange(range) => Some(shown(range.as_bytes())),
        _ => None,
    });
    match (range, &entry.statement) {
        (Some(range), _) => write!(out, "  [accepted as part of {range}]")?,
        (None, Some(statement)) if is_stated => write!(out, "  [{}]", proved(statement))?,
        (None, Some(statement)) => write!(out, "  [{}: {}]", entry.standing, proved(statement))?,
        (None, None) => write!(
            out,
            "  [{} note; {}]",
            entry.standing,
            shown(entry.lane.reason.as_bytes())
        )?,
    }
    writeln!(out)?;
    for text in entry.remarks.iter().filter_map(remark) {
        writeln!(out, "  {text}")?;
    }
    entry
        .approvals
        .iter()
        .try_for_each(|approval| approved(approval, out))?;
    if entry.n_void_approvals > 0 {
        let n_void = n_of(entry.n_void_approvals, "approval");
        writeln!(
            out,
            "  {n_void} in the note that no known person gave for this commit"
        )?;
    }
    Ok(())
}

fn proved(statement: &Statement) -> String {
    let Predicate {
        fail_to_pass,
        pass_to_pass,
        reverts,
        judged_by,
        local,
        ..
    } = &statement.predicate;
    let origin = if *local { ", from a local cache" } else { "" };
    let what = match reverts {
        Some(of) => format!(
            "takes back {}",
            shown(of.get(..10).unwrap_or(of).as_bytes())
        ),
        None => tests(fail_to_pass.keys()),
    };
    format!(
        "{what}; {} kept; judged by {}{origin}",
        pass_to_pass.count,
        shown(judged_by.as_bytes()),
    )
}

fn tests<'a>(tests: impl Iterator<Item = &'a TestId>) -> String {
    let tests: Vec<String> = tests.map(|test| shown(test.0.as_bytes())).collect();
    tests.join(", ")
}

/// `None` for what the first line has said.
fn remark(remark: &Remark) -> Option<String> {
    let text = |text: &str| shown(text.as_bytes());
    Some(match remark {
        Remark::SignedBy(names) => format!("signed by {}", text(names)),
        Remark::SameTree { of } => format!(
            "its statement is about {}, with the same tree: a claim until `audit --replay` runs the proof again",
            text(of)
        ),
        Remark::SamePatch { of } => format!(
            "its statement is about {}, which makes the same change: a claim until `audit --replay` runs the proof again",
            text(of)
        ),
        Remark::Copied { of } => format!(
            "its statement was copied from {}, which is in the same history: it says nothing of this commit",
            text(of)
        ),
        Remark::OtherChange { of } => {
            format!("its statement is about {}, another change", text(of))
        }
        Remark::OtherTrees => {
            "its statement names this commit, and other trees than the commit and its parent have"
                .into()
        }
        Remark::OtherPolicy(digest) => format!(
            "it was judged by another policy ({}) than the one that had to judge it",
            text(digest.get(..10).unwrap_or(digest))
        ),
        Remark::Contradiction(fact) => format!("{fact}: neither is believed, and both stay"),
        Remark::UnknownKey => format!(
            "signed with a key that `{SIGNERS}` on the trusted ref gives to nobody for `{}`",
            Purpose::State.namespace()
        ),
        Remark::BrokenSignature => "its signature is not one over what it says".into(),
        Remark::Regressed { issue, release } => {
            let release = release.as_deref().map_or(String::new(), |name| {
                format!(" in release `{}`, which has the fix", text(name))
            });
            format!(
                "production has seen {} again{release}: see `triage show`",
                text(issue)
            )
        }
        Remark::Odd { line, fact } => format!("line {line} of its note is left alone: {fact}"),
        Remark::InRange(_) => return None,
        Remark::Came(came) => self::came(came),
        Remark::OnServer(branch) => format!(
            "it is on `{}`: the server it went through has no guard, or its guard was off",
            text(branch)
        ),
    })
}

fn came(came: &Came) -> String {
    match came {
        Came::BeforePolicy => {
            "its parent has no policy: it is older than the guard, or comes from a branch that is"
                .into()
        }
        Came::NoteLost => "hooks judged it here, and what they noted is gone".into(),
        Came::Pending => "red tests alone, and no fix of theirs is noted".into(),
        Came::Unhooked(command) => format!(
            "made here by `git {}`, which runs no hook that judges",
            shown(command.as_bytes())
        ),
        Came::NoVerify => {
            "made here past the hooks: `--no-verify`, or `pre-commit` was not there".into()
        }
        Came::HooksOff => {
            "made here by git, and no hook of the guard's ran: not installed then, or `core.hooksPath` led elsewhere".into()
        }
        Came::Elsewhere => {
            "not made in this clone: by somebody else, on a server, or by a client that runs no hooks".into()
        }
    }
}

/// The statements that found their commits again.
pub fn reattached(found: &[Reattached], out: &mut String) -> fmt::Result {
    for Reattached {
        commit,
        subject,
        of,
        is_same_tree,
    } in found
    {
        let tie = match is_same_tree {
            true => "with the same tree",
            false => "which makes the same change",
        };
        writeln!(
            out,
            "reattached {commit}  {subject}\n  the statement about {of}, {tie}"
        )?;
    }
    write!(out, "{} found again", n_of(found.len(), "statement"))?;
    match found.len() {
        0 => writeln!(out),
        1 => writeln!(out, "; a claim until `audit --replay` runs the proof again"),
        _ => writeln!(out, "; claims until `audit --replay` runs the proofs again"),
    }
}

/// What running proofs again came to.
pub fn replayed(all: &[Replayed], out: &mut String) -> fmt::Result {
    for Replayed {
        commit,
        subject,
        replay,
    } in all
    {
        writeln!(out, "{:<10} {commit}  {subject}", replay.word())?;
        match replay {
            Replay::Agrees => (),
            Replay::OtherTests { stated, seen } => {
                writeln!(out, "  stated: {}", tests(stated.iter()))?;
                writeln!(out, "  seen:   {}", tests(seen.iter()))?;
            }
            Replay::Refused { judgement: refused } => {
                let mut text = String::new();
                judgement(refused, &mut text)?;
                for line in text.lines().skip(1) {
                    writeln!(out, "  {line}")?;
                }
            }
            Replay::CannotRun { why } => writeln!(out, "  {}", shown(why.as_bytes()))?,
        }
    }
    let n_of_word = |word: &str| all.iter().filter(|it| it.replay.word() == word).count();
    writeln!(
        out,
        "{} again: {} agree, {} disagree, {} cannot run",
        n_of(all.len(), "proof"),
        n_of_word("agrees"),
        n_of_word("DISAGREES"),
        n_of_word("cannot run"),
    )
}

/// What was refused and kept, the newest first, and which rules did it.
pub fn refused(all: &[Kept], out: &mut String) -> fmt::Result {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for kept in all.iter().rev() {
        for rule in kept.rules() {
            *counts.entry(rule).or_default() += 1;
        }
        let id = shown(kept.name.get(..10).unwrap_or(&kept.name).as_bytes());
        let Some(refusal) = &kept.refusal else {
            writeln!(
                out,
                "unreadable {id}  its record is not one that koan-guard reads"
            )?;
            continue;
        };
        let subject = refusal.subject.first();
        let subject = subject.map_or("", |subject| subject.name.as_str());
        let rules: Vec<&str> = kept.rules().into_iter().collect();
        writeln!(
            out,
            "{:<10} {id}  {}  [{}]",
            shown(refusal.predicate.result.as_bytes()),
            shown(subject.as_bytes()),
            shown(rules.join(", ").as_bytes()),
        )?;
    }
    if !counts.is_empty() {
        let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
        counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        let rules = counts.iter().take(12);
        let rules: Vec<String> = rules.map(|(rule, n)| format!("{rule} {n}")).collect();
        writeln!(out, "most often: {}", shown(rules.join(", ").as_bytes()))?;
    }
    writeln!(out, "{} kept", n_of(all.len(), "refusal"))
}
