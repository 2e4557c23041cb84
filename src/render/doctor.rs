//! What is wrong with the guard's place, and how to mend it.

use std::fmt::{self, Write as _};

use super::text::n_of;
use crate::change::shown;
use crate::doctor::Health;

pub fn text(health: &Health, out: &mut String) -> fmt::Result {
    for finding in &health.findings {
        writeln!(out, "{}: {}", finding.id, shown(finding.fact.as_bytes()))?;
        writeln!(out, "  why: {}", finding.why)?;
        for (i, line) in finding.mend.lines().enumerate() {
            let word = if i == 0 { "mend:" } else { "     " };
            writeln!(out, "  {word} {line}")?;
        }
    }
    match health.findings.len() {
        0 => writeln!(
            out,
            "the guard is on: hooks in `{}`, git {}, sandbox L{}",
            health
                .hooks_dir
                .as_ref()
                .map_or("?".into(), |dir| shown(dir.as_os_str().as_encoded_bytes())),
            health.git,
            health.sandbox
        ),
        n => writeln!(out, "{} by which the guard may be off", n_of(n, "finding")),
    }
}
