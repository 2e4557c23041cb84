//! Old tests that fail now and then, whatever is fixed.

use std::collections::BTreeSet;

use super::{Bench, Staged};
use crate::proof::Shortfall;
use crate::proof::case::Case;
use crate::proof::compare;
use crate::proof::trees::LaidOut;
use crate::suite::{Outcome, TestId};

/// How often the parent is asked whether such a test fails there as well.
const N_TRIES: usize = 3;

impl Bench<'_> {
    /// A test that fails now and then would blame any fix: it gets a second chance, and the change at best a doubt; unless the test fails at the
    /// parent as well, when it runs there again. Such tests are the answer; what else is short stays so.
    pub(super) fn unsteady(
        &mut self,
        short: Shortfall,
        [parent, after, old_tests]: [&LaidOut; 3],
        case: &Case,
    ) -> Staged<BTreeSet<TestId>> {
        let blamed = compare::blamed(&short);
        if blamed.is_empty() {
            return Ok(Err(short));
        }
        let after_run = stage!(self.run_suite(after, case.suite)?);
        let old_tests_run = stage!(self.run_suite(old_tests, case.suite)?);
        let short = compare::again(short, &after_run, &old_tests_run);
        let flaky = compare::flaky(&short);
        if flaky.is_empty() || self.is_hurried {
            return Ok(Err(short));
        }
        let mut unsteady = BTreeSet::new();
        for _ in 0..N_TRIES {
            let run = stage!(self.run_suite(parent, case.suite)?);
            if !run.distrust.is_empty() {
                return Ok(Err(short));
            }
            let failed = |test: &&TestId| {
                matches!(run.outcome(test), Some(Outcome::Failed | Outcome::TimedOut))
            };
            unsteady.extend(flaky.iter().filter(failed).cloned());
            if unsteady.len() == flaky.len() {
                return Ok(Ok(unsteady));
            }
        }
        Ok(Err(short))
    }
}
