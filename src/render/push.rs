//! What is said of a push: a few words for each ref, which git shows behind `remote:`.

use std::fmt::{self, Write as _};

use super::text;
use super::words::Words;
use crate::change::shown;
use crate::check::range::RangeJudgement;
use crate::hook::update::{Answer, Closed, Push, Pusher, Update};
use crate::policy::Lane;
use crate::verdict::{Basis, Verdict};

/// The answers for every ref. What a person may do without a word is left out.
pub fn push(push: &Push, out: &mut String) -> fmt::Result {
    for (update, answer) in &push.lines {
        let name = shown(update.name.as_bytes());
        match answer {
            Answer::Free => (),
            Answer::NothingNew => {
                if let Pusher::Other(_) = push.pusher {
                    writeln!(out, "accepted: {name}")?;
                    writeln!(out, "  it has no commit that the default branch has not")?;
                }
            }
            Answer::Unjudged(why) => {
                writeln!(out, "not judged: {name}: {}", shown(why.as_bytes()))?;
            }
            Answer::Closed(closed) => {
                closed_ref(*closed, update, push, out)?;
            }
            Answer::OldPolicy => {
                let word = if push.observed {
                    "would not decide"
                } else {
                    "undecided"
                };
                writeln!(out, "{word}: {name}")?;
                writeln!(
                    out,
                    "undecided[old-policy]: it began before the policy of the default branch changed"
                )?;
                writeln!(out, "  why: an older policy may be a weaker one")?;
                writeln!(
                    out,
                    "  next: rebase onto the default branch, and push it under a new name"
                )?;
            }
            Answer::Judged(range) if is_quiet(range) => (),
            Answer::Judged(range) => {
                writeln!(out, "{name}:")?;
                text::range(range, out)?;
                if range.commits.is_empty() {
                    writeln!(out, "undecided: nothing to judge in this range")?;
                }
            }
        }
    }
    Ok(())
}

fn closed_ref(closed: Closed, update: &Update, push: &Push, out: &mut String) -> fmt::Result {
    let words = of_closed(closed, update);
    let name = shown(update.name.as_bytes());
    let word = if push.observed {
        "would refuse"
    } else {
        "refused"
    };
    writeln!(out, "{word}: {name}")?;
    writeln!(out, "refused[{}]: {}", words.id, words.fact)?;
    writeln!(out, "  why: {}", words.why)?;
    writeln!(out, "  next: {}", words.next)?;
    match &push.pusher {
        Pusher::Person(name) => writeln!(out, "  pushed by {}", shown(name.as_bytes())),
        Pusher::Other(why) => writeln!(
            out,
            "  judged as an agent's push: {}",
            shown(why.as_bytes())
        ),
    }
}

/// People who are not judged are not told so either.
fn is_quiet(range: &RangeJudgement) -> bool {
    !range.commits.is_empty()
        && range.all().all(|judgement| {
            let is_person = judgement.verdict == Verdict::Accepted(Basis::Perimeter(Lane::Human));
            is_person && judgement.warnings.is_empty()
        })
}

fn of_closed(closed: Closed, update: &Update) -> Words {
    let name = format!("`{}`", shown(update.name.as_bytes()));
    let (id, fact, why, next) = match closed {
        Closed::Own => (
            "push-own-ref",
            format!("{name} holds what the guard knows"),
            "who is judged does not write the record of it",
            "leave the ref out of the push",
        ),
        Closed::Replace => (
            "push-replace",
            format!("{name} would show other objects than those that were judged"),
            "what is judged must be what everybody sees",
            "leave the ref out of the push",
        ),
        Closed::Notes => (
            "push-notes",
            format!("{name} is a ref of notes"),
            "notes are believed by people and tools, and nothing judges them",
            "leave the ref out of the push",
        ),
        Closed::Tag => (
            "push-tag",
            format!("{name} is a tag"),
            "a tag may start a release, which a person decides",
            "ask a person to tag it",
        ),
        Closed::Elsewhere => (
            "push-elsewhere",
            format!("{name} is no branch"),
            "an agent works on topic branches",
            "push to a topic branch such as `koan/NAME`",
        ),
        Closed::NotTopic => (
            "push-not-topic",
            format!("{name} is neither the default branch nor in `lanes.repair.branches`"),
            "an agent works on topic branches; the others belong to people",
            "push to a topic branch such as `koan/NAME`",
        ),
        Closed::Deleted => (
            "push-deleted",
            format!("{name} would be gone"),
            "what was pushed may be somebody's work, and the record of an attempt",
            "leave the branch to a person, and push a new one",
        ),
        Closed::Forced => (
            "push-forced",
            format!("{name} would lose commits that it has"),
            "what was pushed may be somebody's work, and the record of an attempt",
            "push to a new topic branch, or add commits instead of rewriting them",
        ),
    };
    Words {
        id,
        fact,
        why,
        next,
    }
}
