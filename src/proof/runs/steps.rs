//! The steps beyond red and green, each on the same bench: the right red, hunks that nothing needs.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::anyhow;
use gix::ObjectId;

use super::{Bench, Staged, Trees};
use crate::policy::Level;
use crate::proof::case::{Case, What};
use crate::proof::split::Split;
use crate::proof::trees::LaidOut;
use crate::proof::{Doubt, Gap, Proof, Shortfall, Tree, necessity, signature};
use crate::suite::runner::Selection;
use crate::suite::{Outcome, RaisedIn, TestId, TestRun};

impl Bench<'_> {
    /// Whether a new test failed as production did, where the message names an error of production.
    pub(super) fn right_red<'a>(
        &mut self,
        trees: &Trees,
        split: &Split,
        case: &Case,
        fail_to_pass: impl Iterator<Item = &'a TestId> + Clone,
        before: &TestRun,
    ) -> Staged<()> {
        let regions = signature::test_regions(self.repo, split, trees.before)?;
        let is_test =
            |frame: &RaisedIn| signature::is_test_frame(frame, self.policy, split, &regions);
        let level = self.policy.proof.signature;
        let answer = signature::compare(level, &case.issues, fail_to_pass, before, is_test);
        self.issues.extend(answer.compared);
        self.warnings.extend(answer.warnings);
        Ok(answer.short.into_result(()))
    }

    /// Whether some new test is red without each hunk of the fix. Not in a hook: somebody waits.
    pub(super) fn every_hunk_is_needed(
        &mut self,
        base: &LaidOut,
        trees: &Trees,
        split: &Split,
        case: &Case,
        proof: &Proof,
    ) -> Staged<()> {
        let level = self.policy.proof.necessity;
        if level == Level::Off || self.deadline.is_some() {
            return Ok(Ok(()));
        }
        let tests: BTreeSet<TestId> = proof.fail_to_pass().keys().cloned().collect();
        let pieces = necessity::pieces(case.change, split);
        let end = Instant::now() + self.policy.proof.timeout * 2;
        let mut n = 0;
        let search = necessity::search(&pieces, |out| {
            if Instant::now() >= end {
                return Ok(None);
            }
            n += 1;
            let tree_id = necessity::without(self.repo, case.change, split, trees.after, out)?;
            let run = self.try_tree(base, tree_id, What::WithoutHunk { n }, &tests)?;
            Ok::<_, anyhow::Error>(Some(!is_green(&run, &tests)))
        })?;
        if search.n_untried > 0 && level == Level::Deny {
            let n = search.n_untried;
            let said = format!("the time is over before {n} hunks of the fix were left out");
            return Ok(Err(Doubt::Other(said).into()));
        }
        Ok(self.weigh(level, search.unneeded))
    }

    /// One run of `tests` on a tree of its own, which goes then.
    fn try_tree(
        &mut self,
        base: &LaidOut,
        tree_id: ObjectId,
        what: What,
        tests: &BTreeSet<TestId>,
    ) -> anyhow::Result<TestRun> {
        let laid_out = self.lay_out(Some(base), Tree::After, tree_id)?;
        let files = &laid_out.files;
        let run = self.run(&laid_out, what, Selection::Tests { files, tests }, None)?;
        self.area.remove_side(laid_out.side)?;
        // Only a hook has a deadline, and no hook comes here.
        run.map_err(|short| anyhow!("a run was cut short: {short:?}"))
    }

    /// Gaps that refuse, or are only said.
    fn weigh(&mut self, level: Level, gaps: Vec<Gap>) -> Result<(), Shortfall> {
        if level == Level::Deny {
            let doubts = Vec::new();
            return Shortfall { gaps, doubts }.into_result(());
        }
        self.warnings.extend(gaps);
        Ok(())
    }
}

fn is_green(run: &TestRun, tests: &BTreeSet<TestId>) -> bool {
    let mut tests = tests.iter();
    tests.all(|test| run.outcome(test) == Some(Outcome::Passed))
}
