//! The examples in the documentation, weighed: they prove nothing, and what ran well at the parent must still do so.

use super::{Doubt, Gap, Shortfall, Tree};
use crate::suite::{NotBuilt, Outcome, TestRun};

/// Whether all that ran passed or was skipped, and nothing speaks against the run.
pub(super) fn is_clean(run: &TestRun) -> bool {
    let mut results = run.results.values();
    run.distrust.is_empty()
        && run.not_built.is_empty()
        && results.all(|result| is_well(result.outcome))
}

/// What could not be run at the parent either is not this commit's doing.
pub(super) fn compare(parent: &TestRun, after: &TestRun) -> Result<(), Shortfall> {
    let mut short = Shortfall::default();
    let is_parent_known = parent.not_built.is_empty() && parent.distrust.is_empty();
    for (test, result) in &after.results {
        match parent.outcome(test) {
            _ if is_well(result.outcome) => {}
            Some(Outcome::Passed) => short.gaps.push(Gap::Broken(test.clone())),
            None if is_parent_known => short.gaps.push(Gap::StillFails(test.clone())),
            _ => {}
        }
    }
    if parent.not_built.is_empty() {
        let not_built = after.not_built.iter().cloned();
        short
            .gaps
            .extend(not_built.map(|NotBuilt { what, detail, .. }| Gap::NotBuilt { what, detail }));
    }
    if parent.distrust.is_empty() {
        let reasons = after.distrust.iter().cloned();
        short.doubts.extend(reasons.map(|reason| {
            let tree = Tree::After;
            Doubt::RunnerUntrusted { tree, reason }
        }));
    }
    short.into_result(())
}

fn is_well(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Passed | Outcome::Skipped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::{TestId, TestResult};

    /// `P`assed, `F`ailed or `-` for `doc a`; `!` distrusts the run, `?` did not build.
    fn run(marks: &str) -> TestRun {
        let mut run = TestRun::default();
        for mark in marks.chars() {
            let outcome = match mark {
                'P' => Outcome::Passed,
                'F' => Outcome::Failed,
                'S' => Outcome::Skipped,
                '!' => {
                    run.distrust.push("cut".to_owned());
                    continue;
                }
                '?' => {
                    run.not_built.push(NotBuilt::new("doc", "no"));
                    continue;
                }
                _ => continue,
            };
            let id = TestId("doc a".to_owned());
            run.results.insert(id, TestResult::new(outcome, ""));
        }
        run
    }

    #[test]
    fn examples_must_keep_running() {
        #[track_caller]
        fn check(parent: &str, after: &str, expected: &str) {
            let (parent, after) = (run(parent), run(after));
            let short = compare(&parent, &after).err().unwrap_or_default();
            let said = match (&short.gaps[..], &short.doubts[..]) {
                ([], []) => "fine".to_owned(),
                ([gap], []) => format!("{gap:?}"),
                ([], [doubt]) => format!("{doubt:?}"),
                _ => format!("{short:?}"),
            };
            assert!(said.starts_with(expected), "{said}");
            assert!(!is_clean(&after) || said == "fine", "{said}");
        }
        check("P", "P", "fine");
        check("P", "S", "fine");
        check("P", "-", "fine");
        check("P", "F", "Broken");
        check("F", "F", "fine");
        check("-", "F", "StillFails");
        check("!", "F", "fine");
        check("?", "F", "fine");
        check("P!", "F", "Broken");
        check("P", "?", "NotBuilt");
        check("?", "?", "fine");
        check("P", "!", "RunnerUntrusted");
        check("!", "!", "fine");
        check("?", "!", "RunnerUntrusted");
    }
}
