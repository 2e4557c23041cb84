//! Proofs of one half only: tests whose fix is still owed, and a fix for tests that are red already. And reverts, which prove nothing new.

use std::collections::{BTreeMap, BTreeSet};

use super::{Bench, Staged, Trees};
use crate::policy::Suite;
use crate::proof::case::{Carried, Case, Shown};
use crate::proof::compare::{self, Runs, Terms};
use crate::proof::renamed::Renames;
use crate::proof::split::Split;
use crate::proof::trees::LaidOut;
use crate::proof::{Gap, Shortfall, Tree};

impl Bench<'_> {
    /// An exact revert: what passed at the parent still passes, or went with what is taken back.
    pub(super) fn revert(&mut self, trees: &Trees) -> Staged<Shown> {
        let parent = LaidOut::when_needed(Tree::Parent, trees.parent);
        let parent_run = stage!(self.run_suite(&parent, Suite::All)?);
        let after = LaidOut::when_needed(Tree::After, trees.after);
        let after_run = stage!(self.run_suite(&after, Suite::All)?);
        let short = match compare::unbroken(&parent_run, &after_run) {
            Ok(kept) => {
                stage!(self.examples_hold(&parent, &after)?);
                return Ok(Ok(Shown::Revert(kept)));
            }
            Err(short) => short,
        };
        if compare::blamed(&short).is_empty() {
            return Ok(Err(short));
        }
        // A test that fails now and then gets a second chance, and the change at best a doubt.
        let again = stage!(self.run_suite(&after, Suite::All)?);
        Ok(Err(compare::again(short, &again, &again)))
    }

    /// Tests without a fix: they must be red, in every sample.
    pub(super) fn red(&mut self, trees: &Trees, split: &Split) -> Staged<Shown> {
        let terms = Terms {
            existing_tests: self.policy.proof.existing_tests,
            carried: &BTreeSet::new(),
            renamed: &BTreeMap::new(),
            unsteady: &BTreeSet::new(),
        };
        let parent = LaidOut::when_needed(Tree::Parent, trees.parent);
        let parent_run = stage!(self.run_touched(&parent, 1)?);
        let before = LaidOut::when_needed(Tree::Before, trees.before);
        let first = stage!(self.run_touched(&before, 1)?);
        let candidates = match compare::red(&parent_run, &first, &terms) {
            Ok(candidates) => candidates,
            // Green tests alone fix nothing.
            Err(short) if short.doubts.is_empty() => return Ok(Err(Gap::NoFix.into())),
            Err(short) => return Ok(Err(short)),
        };
        let end = self.sampling_end();
        for n in 2..=self.n_samples {
            stage!(self.sampling_time_left(end, n));
            let run = stage!(self.run_candidates(&before, &candidates, n)?);
            stage!(compare::still_red(&candidates, &run));
        }
        Ok(Ok(Shown::Red(Carried {
            tests: candidates,
            files: split.test_files().into_iter().collect(),
        })))
    }

    /// A fix without a test: those that are red at the parent and that it turns green are its proof. BEFORE is the parent itself.
    pub(super) fn revival(&mut self, trees: &Trees, split: &Split, case: &Case) -> Staged<Shown> {
        let parent = LaidOut::when_needed(Tree::Parent, trees.parent);
        let parent_run = stage!(self.run_suite(&parent, Suite::All)?);
        if !compare::has_red(&parent_run) {
            return Ok(Err(Gap::NoTest.into()));
        }
        let after = LaidOut::when_needed(Tree::After, trees.after);
        let after_run = stage!(self.run_suite(&after, Suite::All)?);
        let revived = stage!(compare::revived(&parent_run, &after_run));
        let (mut before_runs, mut after_runs) = (vec![parent_run], vec![after_run]);
        // Which files these tests stand in is not known for every runner: the whole suite runs again.
        let end = self.sampling_end();
        for n in 2..=self.n_samples {
            stage!(self.sampling_time_left(end, n));
            let (first, second) = match n % 2 == 0 {
                true => (&after, &parent),
                false => (&parent, &after),
            };
            for laid_out in [first, second] {
                let run = stage!(self.run_suite(laid_out, Suite::All)?);
                match laid_out.tree {
                    Tree::After => after_runs.push(run),
                    _ => before_runs.push(run),
                }
            }
        }
        let renames = Renames::of(case.change, split).tests(&before_runs[0], &after_runs[0]);
        let terms = Terms {
            existing_tests: self.policy.proof.existing_tests,
            carried: &revived,
            renamed: &renames,
            unsteady: &BTreeSet::new(),
        };
        let runs = Runs {
            parent: &before_runs[0],
            before: &before_runs,
            after: &after_runs,
            old_tests: &after_runs[0],
            expects_baseline: true,
        };
        let proof = stage!(compare::compare(&runs, &terms));
        let shown = proof.fail_to_pass().keys();
        stage!(self.right_red(trees, split, case, shown, &before_runs[0])?);
        stage!(self.deaf(&revived, &trees.echoes, Suite::All)?);
        stage!(self.examples_hold(&parent, &after)?);
        stage!(self.every_hunk_is_needed(trees, split, case, &proof, Suite::All)?);
        Ok(Ok(Shown::Fix(proof)))
    }
}
