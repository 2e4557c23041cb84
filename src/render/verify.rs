//! What became of fixes, for people and for programs.

use std::fmt::{self, Write as _};

use serde_json::{Value, json};

use crate::change::shown;
use crate::triage::{Exposure, Outcome, Unknown};
use crate::verify::Verified;

/// One fix a line, and how many there are of each kind.
pub fn text(verified: &[Verified], out: &mut String) -> fmt::Result {
    for one in verified {
        let commit: String = one.fix.commit.chars().take(10).collect();
        writeln!(
            out,
            "{:<9}  {}  {}: {}",
            word(&one.outcome),
            one.issue,
            shown(commit.as_bytes()),
            shown(said(&one.outcome).as_bytes())
        )?;
        let title: String = one.title.chars().take(100).collect();
        if !title.is_empty() {
            writeln!(out, "           {}", shown(title.as_bytes()))?;
        }
    }
    let words = ["held", "regressed", "moved", "unknown"];
    let counts = words.iter().filter_map(|name| {
        let n = verified
            .iter()
            .filter(|one| word(&one.outcome) == *name)
            .count();
        (n > 0).then(|| format!("{n} {name}"))
    });
    let counts: Vec<String> = counts.collect();
    match verified.len() {
        0 => writeln!(out, "no fix is known of any error"),
        1 => writeln!(out, "1 fix: {}", counts.join(", ")),
        n => writeln!(out, "{n} fixes: {}", counts.join(", ")),
    }
}

/// The same for programs.
pub fn json(verified: &[Verified]) -> Value {
    let one = |one: &Verified| {
        let mut value = json!({
            "issue": one.issue.as_str(),
            "title": one.title,
            "fix": one.fix.commit,
            "deployed_at": one.fix.deployed_at.map(|at| at.to_string()),
            "outcome": word(&one.outcome),
            "why": said(&one.outcome),
        });
        if let Some(exposure) = exposure(&one.outcome) {
            let round = |number: f64| (number * 100.0).round() / 100.0;
            value["expected"] = round(exposure.expected).into();
            value["hours"] = round(exposure.hours).into();
        }
        if let Outcome::Moved { to } = &one.outcome {
            value["to"] = to.iter().map(|name| name.as_str()).collect();
        }
        value
    };
    verified.iter().map(one).collect()
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Held { .. } => "held",
        Outcome::Regressed { .. } => "regressed",
        Outcome::Moved { .. } => "moved",
        Outcome::Unknown(_) => "unknown",
    }
}

fn said(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Held { exposure } => exposure.to_string(),
        Outcome::Regressed {
            release: Some(release),
        } => {
            format!(
                "seen in release `{}`, which has the fix",
                release.replace('`', "'")
            )
        }
        Outcome::Regressed { release: None } => "seen in a release that has the fix".to_owned(),
        Outcome::Moved { to } => {
            let to: Vec<&str> = to.iter().map(|name| name.as_str()).collect();
            format!("the same place fails as {}", to.join(", "))
        }
        Outcome::Unknown(why) => why.to_string(),
    }
}

fn exposure(outcome: &Outcome) -> Option<&Exposure> {
    match outcome {
        Outcome::Held { exposure } | Outcome::Unknown(Unknown::TooEarly { exposure }) => {
            Some(exposure)
        }
        _ => None,
    }
}
