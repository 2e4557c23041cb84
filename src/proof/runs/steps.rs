//! The steps beyond red and green, each on the same bench: the right red, hunks that nothing needs, values that the
//! code knows by heart, other circumstances.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::Context as _;
use gix::ObjectId;

use super::run::{Ask, Scope};
use super::{Bench, Staged, Trees};
use crate::change::RepoPath;
use crate::git::{Blob, Edit};
use crate::policy::{Level, Suite};
use crate::proof::case::{Case, What};
use crate::proof::expectation::Expected;
use crate::proof::split::Split;
use crate::proof::trees::LaidOut;
use crate::proof::{
    Doubt, Gap, Proof, Shortfall, Tree, examples, expectation, necessity, neighbours, signature,
    variations,
};
use crate::suite::{Outcome, RaisedIn, TestId, TestResult, TestRun};

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

    /// Whether the examples in the documentation that ran well at the parent still do. Not in a hook: each of them is compiled.
    pub(super) fn examples_hold(&mut self, parent: &LaidOut, after: &LaidOut) -> Staged<()> {
        if self.is_hurried || !self.runner.has_examples() {
            return Ok(Ok(()));
        }
        let after_run = stage!(self.run_examples(after)?);
        if examples::is_clean(&after_run) {
            return Ok(Ok(()));
        }
        let parent_run = stage!(self.run_examples(parent)?);
        Ok(examples::compare(&parent_run, &after_run))
    }

    fn run_examples(&mut self, laid_out: &LaidOut) -> Staged<TestRun> {
        let ask = Ask {
            what: What::Examples,
            scope: Scope::Examples,
            seed: None,
            env: &self.policy.proof.env,
        };
        let mut run = stage!(self.run_raw(laid_out, &ask)?);
        let excluded = &self.policy.proof.tests_exclude;
        run.results.retain(|test, _| !excluded.is_match(&test.0));
        Ok(Ok(run))
    }

    /// Whether the new tests turn red where they expect something else. Not in a hook: somebody waits.
    pub(super) fn expectations_matter(
        &mut self,
        trees: &Trees,
        split: &Split,
        case: &Case,
        proof: &Proof,
    ) -> Staged<()> {
        if self.is_hurried {
            return Ok(Ok(()));
        }
        let tests: BTreeSet<TestId> = proof.fail_to_pass().keys().cloned().collect();
        let mut doubts = Vec::new();
        let rounds = expectation::rounds(case.change, split, &tests);
        for (n, round) in (1..).zip(rounds) {
            let mut by_file: BTreeMap<&RepoPath, Vec<&Expected>> = BTreeMap::new();
            for expected in &round {
                by_file.entry(&expected.path).or_default().push(expected);
            }
            let mut edits = Vec::new();
            for (path, expected) in by_file {
                let content = self.repo.read_file(trees.after, path)?;
                let content = String::from_utf8(content.unwrap_or_default())?;
                let replaced = expectation::replaced(&content, &expected);
                edits.push(Edit::Put {
                    path: path.clone(),
                    mode: expected[0].mode,
                    content: Blob::Bytes(replaced.context("a value moved")?.into_bytes()),
                });
            }
            let tree_id = self.repo.edit_tree(trees.after, edits)?;
            let what = What::OtherExpectation { n };
            let run = stage!(self.run_tree(tree_id, what, Scope::Tests(&tests))?);
            doubts.extend(run.distrust.iter().cloned().map(|reason| {
                let tree = Tree::After;
                Doubt::RunnerUntrusted { tree, reason }
            }));
            let unmissed = expectation::unmissed(&round, &run);
            doubts.extend(unmissed.map(|expected| Doubt::ExpectsAnything {
                path: expected.path.clone(),
                line: expected.line,
                value: expected.text.clone(),
            }));
        }
        let gaps = Vec::new();
        Ok(Shortfall { gaps, doubts }.into_result(()))
    }

    /// Whether some new test is red without each hunk of the fix. Not in a hook: somebody waits.
    pub(super) fn every_hunk_is_needed(
        &mut self,
        trees: &Trees,
        split: &Split,
        case: &Case,
        proof: &Proof,
        scope: Suite,
    ) -> Staged<()> {
        let level = self.policy.proof.necessity;
        if level == Level::Off || self.is_hurried {
            return Ok(Ok(()));
        }
        let tests: BTreeSet<TestId> = proof.fail_to_pass().keys().cloned().collect();
        let pieces = necessity::pieces(case.change, split);
        let end = Instant::now() + self.policy.proof.timeout * 2;
        // Which files the tests stand in is not known where they are old ones.
        let scope = match scope {
            Suite::Touched => Scope::Tests(&tests),
            Suite::All => Scope::All,
        };
        let mut n = 0;
        let search = necessity::search(&pieces, |out| {
            if Instant::now() >= end {
                return Ok(None);
            }
            n += 1;
            let tree_id = necessity::without(self.repo, case.change, split, trees.after, out)?;
            let run = self.try_tree(tree_id, What::WithoutHunk { n }, scope)?;
            Ok::<_, anyhow::Error>(run.map(|run| !is_green(&run, &tests)))
        })?;
        stage!(self.time_left());
        if search.n_untried > 0 && level == Level::Deny {
            let n = search.n_untried;
            let said = format!("the time is over before {n} hunks of the fix were left out");
            return Ok(Err(Doubt::Other(said).into()));
        }
        Ok(self.weigh(level, search.unneeded))
    }

    /// Whether the code knows more than the values of the new tests.
    pub(super) fn near_values_hold(
        &mut self,
        trees: &Trees,
        split: &Split,
        case: &Case,
        (proof, before): (&Proof, &TestRun),
    ) -> Staged<()> {
        let level = self.policy.proof.neighbours;
        if level == Level::Off {
            return Ok(Ok(()));
        }
        let mut gaps = neighbours::compared(case.change, split);
        if level == Level::Warn && !gaps.is_empty() {
            // Rare enough among honest fixes for a person to look at each.
            let doubts = gaps.into_iter().filter_map(neighbours::doubt).collect();
            return Ok(Err(Shortfall {
                gaps: Vec::new(),
                doubts,
            }));
        }
        if !self.is_hurried {
            gaps.extend(self.vary(trees, split, case, (proof, before))?);
            stage!(self.time_left());
        }
        Ok(self.weigh(level, gaps))
    }

    /// Runs the new tests with other values, where they were red by an exception of production's.
    fn vary(
        &mut self,
        trees: &Trees,
        split: &Split,
        case: &Case,
        (proof, before): (&Proof, &TestRun),
    ) -> anyhow::Result<Vec<Gap>> {
        let policy = self.policy;
        let regions = signature::test_regions(self.repo, split, trees.after)?;
        let is_test = |frame: &RaisedIn| signature::is_test_frame(frame, policy, split, &regions);
        let origin = |result: &TestResult| signature::origin(result.raised.as_ref()?, &is_test);
        let mut origins = BTreeMap::new();
        for test in proof.fail_to_pass().keys() {
            if let Some(origin) = before.results.get(test).and_then(origin) {
                origins.insert(stem(test).to_owned(), origin);
            }
        }
        if origins.is_empty() {
            return Ok(Vec::new());
        }
        // The names of parametrised tests hold their values.
        let tests: BTreeSet<TestId> = proof.fail_to_pass().keys().cloned().collect();
        let is_named = tests.iter().all(|test| stem(test) == test.0);
        let scope = match is_named {
            true => Scope::Tests(&tests),
            false => Scope::Files,
        };

        let end = Instant::now() + neighbours::MAX_TIME;
        let mut n = 0;
        let mut gaps = Vec::new();
        for value in neighbours::values(case.change, split) {
            let content = self.repo.read_file(trees.after, &value.path)?;
            let content = String::from_utf8(content.unwrap_or_default())?;
            let mut is_special = true;
            for variant in value.variants() {
                if n == neighbours::MAX_RUNS || Instant::now() >= end {
                    return Ok(gaps);
                }
                n += 1;
                let replaced = value.replaced(&content, &variant);
                let edit = Edit::Put {
                    path: value.path.clone(),
                    mode: value.mode,
                    content: Blob::Bytes(replaced.context("a value moved")?.into_bytes()),
                };
                let tree_id = self.repo.edit_tree(trees.after, vec![edit])?;
                let Some(run) = self.try_tree(tree_id, What::OtherValue { n }, scope)? else {
                    return Ok(gaps);
                };
                let mut results = run.results.iter();
                is_special = results.any(|(test, result)| {
                    let known = origins.get(stem(test));
                    known.is_some() && known == origin(result).as_ref()
                });
                if !is_special {
                    break;
                }
            }
            if is_special {
                gaps.push(value.gap());
            }
        }
        Ok(gaps)
    }

    /// Whether the new tests pass in the other circumstances that the policy names. Not in a hook.
    pub(super) fn varied(&mut self, after: &LaidOut, proof: &Proof) -> Staged<()> {
        let mut doubts = Vec::new();
        if self.is_hurried {
            return Ok(Ok(()));
        }
        let tests: BTreeSet<TestId> = proof.fail_to_pass().keys().cloned().collect();
        for &variation in &self.policy.proof.variations {
            let mut env = self.policy.proof.env.clone();
            env.extend(variations::environment(variation)?);
            let ask = Ask {
                what: What::Varied,
                scope: Scope::Tests(&tests),
                seed: None,
                env: &env,
            };
            let run = stage!(self.run_raw(after, &ask)?);
            let red = tests
                .iter()
                .filter(|test| run.outcome(test) != Some(Outcome::Passed));
            doubts.extend(red.map(|test| variations::doubt(variation, test)));
            doubts.extend(run.distrust.into_iter().map(|reason| {
                let tree = Tree::After;
                Doubt::RunnerUntrusted { tree, reason }
            }));
        }
        let gaps = Vec::new();
        Ok(Shortfall { gaps, doubts }.into_result(()))
    }

    /// The same; `None` if the budget is spent.
    fn try_tree(
        &mut self,
        tree_id: ObjectId,
        what: What,
        scope: Scope,
    ) -> anyhow::Result<Option<TestRun>> {
        Ok(self.run_tree(tree_id, what, scope)?.ok())
    }

    /// One run on a tree of its own, which goes then.
    fn run_tree(&mut self, tree_id: ObjectId, what: What, scope: Scope) -> Staged<TestRun> {
        let laid_out = match what {
            What::OtherExpectation { .. } | What::OtherValue { .. } => LaidOut::like_after(tree_id),
            _ => LaidOut::when_needed(Tree::After, tree_id),
        };
        let run = self.run(&laid_out, what, scope, None)?;
        if let Some(ground) = laid_out.ground.into_inner() {
            self.area.remove_side(ground.side)?;
        }
        Ok(run)
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

/// The name of a test without its parameters.
fn stem(test: &TestId) -> &str {
    test.0.split('[').next().unwrap_or(&test.0)
}

fn is_green(run: &TestRun, tests: &BTreeSet<TestId>) -> bool {
    let mut tests = tests.iter();
    tests.all(|test| run.outcome(test) == Some(Outcome::Passed))
}
