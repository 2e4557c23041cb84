//! What the shipped attacks and honest changes came to.

use std::fmt::{self, Write as _};

use super::text::n_of;
use crate::change::shown;
use crate::policy::Effective;
use crate::selftest::{Attack, End, Honest, Missed, Selftest};

pub fn text(selftest: &Selftest, out: &mut String) -> fmt::Result {
    let trusted = &selftest.trusted;
    writeln!(
        out,
        "selftest of the policy of {} ({}, {}), with `{}` for code and `{}` for tests",
        trusted.commit.get(..10).unwrap_or(&trusted.commit),
        shown(trusted.name.as_bytes()),
        trusted.source.as_str(),
        selftest.code,
        selftest.test
    )?;
    let mut passed = 0;
    for attack in &selftest.attacks {
        if let End::Passed {
            by_default,
            because,
        } = &attack.end
        {
            self::passed(attack, by_default, because, out)?;
            passed += 1;
        }
    }
    observed(selftest, out)?;
    for honest in &selftest.honest {
        if let Honest {
            name,
            refused: Some(refused),
        } = honest
            && let Some(first) = refused.first()
        {
            writeln!(out, "refused though honest: {name}")?;
            writeln!(out, "  by {}: {}", first.rule, first.fact)?;
        }
    }
    let n_honest = selftest
        .honest
        .iter()
        .filter(|it| it.refused.is_some())
        .count();
    let is_refused = |honest: &&Honest| honest.refused.as_ref().is_some_and(|it| !it.is_empty());
    let n_refused = selftest.honest.iter().filter(is_refused).count();
    let is_left_out = |attack: &&Attack| matches!(attack.end, End::NotApplicable);
    let n_left_out = selftest.attacks.iter().filter(is_left_out).count();
    let n_tried = selftest.attacks.len() - n_left_out;
    let n_observed = selftest.n_passed() - passed;
    let left_out = match n_left_out {
        0 => String::new(),
        n => format!("; {n} left out, about tests in languages that the policy has no globs for"),
    };
    let observed = match n_observed {
        0 => String::new(),
        n => format!(", {n} only observed"),
    };
    writeln!(
        out,
        "{}: {} stopped, {passed} let through{observed}{left_out}",
        n_of(n_tried, "attack"),
        selftest.n_stopped()
    )?;
    writeln!(
        out,
        "{}: {n_refused} refused",
        n_of(n_honest, "honest change")
    )
}

fn passed(
    attack: &Attack,
    by_default: &[Missed],
    because: &[Effective],
    out: &mut String,
) -> fmt::Result {
    writeln!(out, "LET THROUGH: {}", attack.name)?;
    match by_default.first() {
        Some(missed) => writeln!(
            out,
            "  `default` stops it by {}: {}",
            missed.rule, missed.fact
        )?,
        None => writeln!(out, "  `default` does not stop it here either")?,
    }
    for value in because {
        writeln!(
            out,
            "  because `{}: {}` ({})",
            value.key,
            shown(value.value.as_bytes()),
            value.origin
        )?;
    }
    if because.is_empty() {
        writeln!(
            out,
            "  because the policy does not have what `default` says; `extends: [default]` brings it back"
        )?;
    }
    Ok(())
}

fn observed(selftest: &Selftest, out: &mut String) -> fmt::Result {
    for value in &selftest.observes {
        writeln!(
            out,
            "REFUSES NOTHING: `{}: {}` ({}): what would be stopped is said and passes",
            value.key, value.value, value.origin
        )?;
    }
    Ok(())
}
