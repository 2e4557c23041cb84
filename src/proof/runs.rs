//! Runs a proof: which trees, in which order, how often, and where to stop.
//!
//! The new tests come first, interleaved on both sides, then the suite; the first gap stops the run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gix::ObjectId;

use super::build::Build;
use super::case::{
    Attempt, Budget, Case, Evidence, Progress, Record, Shown, Sources, Traces, What, Workshop,
};
use super::chance;
use super::compare::{self, Runs, Terms};
use super::echo::{self, Echoes};
use super::missing::Missing;
use super::modules;
use super::prune::Pruned;
use super::renamed::Renames;
use super::rewritten;
use super::setup::{self, SetupEvidence};
use super::signature::Compared;
use super::smells;
use super::split::Split;
use super::trees::{self, Base, Built, LaidOut};
use super::{Doubt, Gap, Shortfall, Tree};
use crate::change::{Change, RepoPath};
use crate::git::Repo;
use crate::policy::{ExistingRed, Policy, RedCommits, Suite};
use crate::suite::area::Area;
use crate::suite::results::{Key, KeyBuilder};
use crate::suite::runner::{self, Canary, Runner};
use crate::suite::{TestId, TestRun};

/// Proves that a change fixes what its tests show.
///
/// # Errors
/// Something that the proof needs could not be read, written or started. What the tests themselves do is never an error.
pub fn prove(
    repo: &Repo,
    policy: &Policy,
    workshop: &Workshop,
    case: &Case,
    progress: &mut dyn FnMut(Progress),
) -> anyhow::Result<Attempt> {
    let mut modules = BTreeSet::new();
    for file in &case.change.files {
        if modules::is_test_module(repo, [case.parent_tree_id, case.tree_id], &file.path)? {
            modules.insert(file.path.clone());
        }
    }
    let split = match Split::of(case.change, policy, |path| modules.contains(path))
        .and_then(|split| scope(&split, case, policy).map(|()| split))
        .and_then(|split| match case.is_revert {
            // What comes back was written by others, and said all that then.
            true => Ok(split),
            false => sincere(case.change, &split).map(|()| split),
        }) {
        Ok(split) => split,
        Err(short) => {
            return Ok(Attempt::short(short));
        }
    };
    let min_level = policy.proof.sandbox_min_level;
    let level = workshop.sandbox.level.number();
    if level < min_level {
        let doubt = Doubt::SandboxBelowPolicy { level, min_level };
        return Ok(Attempt::short(doubt));
    }
    let started = Instant::now();
    let before_tree_id = split.before(repo, case.change, case.parent_tree_id)?;
    let old_tests_tree_id = split.old_tests(repo, case.change, case.tree_id)?;
    progress(Progress::Waiting);
    let patience = patience(policy, case.budget.as_ref());
    let area = Area::open(&workshop.root, &workshop.sandbox, patience)?;
    let area = Arc::new(area.with_jobs(workshop.effort.jobs));
    let mut toolbox = workshop.toolbox.clone();
    let (mut setup, mut services) = (None, Vec::new());
    if policy.proof.setup.is_some() || !policy.proof.services.is_empty() {
        let site = setup::Site {
            repo,
            policy: &policy.proof,
            area: &area,
            toolbox: &workshop.toolbox,
            budget: case.budget,
        };
        match setup::install(&site, case, progress)? {
            Ok(installed) => {
                toolbox.setup = Some(installed.set_up);
                setup = installed.evidence;
                services = installed.services;
            }
            Err(short) => {
                return Ok(Attempt::short(short));
            }
        }
    }
    let runner = runner::open(&policy.proof.runners, &toolbox)?;
    let is_revival = !split.has_tests() && case.carried.tests.is_empty();
    let tools = (area.as_ref(), runner.as_ref());
    let installed = (setup.as_ref(), &services[..]);
    let mut bench = Bench {
        repo,
        policy,
        workshop,
        // Where that cannot be said, every run is made.
        context: run::context(policy, workshop, case, tools, installed).ok(),
        runner: runner.as_ref(),
        area: &area,
        canary: trees::new_canary()?,
        touched: split
            .test_files()
            .into_iter()
            .chain(case.carried.files.iter().cloned())
            .chain(split.fix.first().filter(|_| is_revival).cloned())
            .collect(),
        changed: {
            let of_change = case.change.files.iter().map(|file| &file.path);
            of_change.chain(&case.carried.files).cloned().collect()
        },
        budget: case.budget,
        is_hurried: case.is_hurried,
        n_samples: chance::n_samples(case.change, &split, policy.proof.samples),
        pruned: None,
        missing: None,
        red_by_name: BTreeSet::new(),
        progress,
        trusted_tree_id: case.trusted_tree_id,
        setup,
        build: Build::of(policy, &toolbox)?,
        base: None,
        built: None,
        asked: BTreeMap::new(),
        sources: Sources::default(),
        records: Vec::new(),
        inspected: BTreeSet::new(),
        issues: Vec::new(),
        warnings: Vec::new(),
    };
    let trees = Trees {
        parent: case.parent_tree_id,
        before: before_tree_id,
        after: case.tree_id,
        old_tests: old_tests_tree_id,
        echoes: echo::echoes(repo, case.change, &split, (before_tree_id, case.tree_id))?,
    };
    let result = if case.is_revert {
        bench.revert(&trees)
    } else if is_revival {
        bench.revival(&trees, &split, case)
    } else if split.has_fix() {
        bench.fix(&trees, &split, case)
    } else {
        bench.red(&trees, &split)
    }?;
    let traces = Traces {
        trees: (!bench.inspected.is_empty()).then(|| area.inspected()),
        runs: bench.records,
    };
    let (issues, warnings) = (bench.issues, bench.warnings);
    let evidence = Evidence {
        runner: runner.name().to_owned(),
        runner_version: runner.version().to_owned(),
        sandbox: workshop.sandbox.clone(),
        suite: case.suite,
        before_tree_id: (bench.pruned.as_ref())
            .map_or(before_tree_id, |pruned| pruned.before)
            .to_string(),
        pruned: (bench.pruned.iter())
            .flat_map(|pruned| pruned.names.iter().cloned())
            .collect(),
        red_by_name: match &result {
            Ok(Shown::Fix(proof)) => {
                let proving = proof.fail_to_pass();
                let by_name = bench.red_by_name.iter();
                let by_name = by_name.filter(|test| proving.contains_key(test));
                by_name.cloned().collect()
            }
            Ok(Shown::Revert(_)) => Vec::new(),
            Ok(Shown::Red(carried)) => carried
                .tests
                .intersection(&bench.red_by_name)
                .cloned()
                .collect(),
            Err(_) => Vec::new(),
        },
        old_tests_tree_id: old_tests_tree_id.to_string(),
        setup: bench.setup,
        services,
        tests_exclude: policy.proof.tests_exclude.globs.clone(),
        milliseconds: started.elapsed().as_millis().try_into().unwrap_or(u64::MAX),
        runs: bench.sources,
        issues,
        warnings,
    };
    Ok(Attempt {
        result,
        evidence: Some(evidence),
        traces,
    })
}

/// At least one test and one production file, or tests only where the policy lets them come first.
fn scope(split: &Split, case: &Case, policy: &Policy) -> Result<(), Shortfall> {
    let may_be_red = policy.proof.red_commits == RedCommits::Allow;
    let may_revive = policy.proof.existing_red == ExistingRed::Allow && split.has_fix();
    let may_be_alone = case.is_revert && split.has_fix();
    if !split.has_tests() && case.carried.tests.is_empty() && !may_revive && !may_be_alone {
        return Err(Gap::NoTest.into());
    }
    let is_test_first = may_be_red && split.has_tests();
    if !split.has_fix() && !is_test_first {
        return Err(Gap::NoFix.into());
    }
    Ok(())
}

/// No line of the change by which code and tests know more of each other than a run shows.
fn sincere(change: &Change, split: &Split) -> Result<(), Shortfall> {
    Shortfall {
        gaps: Vec::new(),
        doubts: smells::doubts(change, split),
    }
    .into_result(())
}

/// How long another guard in the same work area is waited for.
fn patience(policy: &Policy, budget: Option<&Budget>) -> Duration {
    match budget {
        Some(budget) => budget.until.saturating_duration_since(Instant::now()),
        // The other one may be installing.
        None => {
            let setup = policy.proof.setup.as_ref();
            setup.map_or(Duration::ZERO, |setup| setup.timeout) + policy.proof.timeout
        }
    }
}

pub(super) struct Trees {
    parent: ObjectId,
    pub(super) before: ObjectId,
    pub(super) after: ObjectId,
    old_tests: ObjectId,
    echoes: Echoes,
}

/// All that one proof works with.
pub(super) struct Bench<'a> {
    pub(super) repo: &'a Repo,
    pub(super) policy: &'a Policy,
    workshop: &'a Workshop,
    /// What all runs depend on; `None` where it cannot be said.
    context: Option<KeyBuilder>,
    pub(super) runner: &'a dyn Runner,
    area: &'a Area,
    pub(super) canary: Canary,
    touched: Vec<RepoPath>,
    changed: Vec<RepoPath>,
    budget: Option<Budget>,
    /// Whether somebody waits: what takes long is left to `check`.
    is_hurried: bool,
    /// Runs of the new tests on each side.
    n_samples: usize,
    /// What BEFORE went without.
    pub(super) pruned: Option<Pruned>,
    /// Where the policy takes them: new tests that BEFORE cannot build for want of a name.
    pub(super) missing: Option<Missing>,
    /// Tests that were red only because the policy takes a missing name for it.
    red_by_name: BTreeSet<TestId>,
    progress: &'a mut dyn FnMut(Progress),
    trusted_tree_id: ObjectId,
    setup: Option<SetupEvidence>,
    /// How each tree is built before its tests run, where the policy says so.
    build: Option<Build<'a>>,
    /// What all trees start from, as soon as one of them is laid out.
    base: Option<Base>,
    /// AFTER, once its tests have run.
    built: Option<Built>,
    /// How often each run was asked for.
    asked: BTreeMap<Key, usize>,
    sources: Sources,
    records: Vec<Record>,
    /// The trees that are kept for a person.
    inspected: BTreeSet<Tree>,
    issues: Vec<Compared>,
    /// What the policy lets pass, and says.
    warnings: Vec<Gap>,
}

/// A stage's answer: an error of ours, or a shortfall of the change's.
pub(super) type Staged<T> = anyhow::Result<Result<T, Shortfall>>;

/// Leaves the function with a shortfall, as `?` leaves it with an error.
macro_rules! stage {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(short) => return Ok(Err(Shortfall::from(short))),
        }
    };
}
pub(super) use stage;

mod halves;
mod run;
mod steps;
mod unsteady;

use run::Scope;

impl Bench<'_> {
    fn fix(&mut self, trees: &Trees, split: &Split, case: &Case) -> Staged<Shown> {
        let terms = Terms {
            existing_tests: self.policy.proof.existing_tests,
            carried: &case.carried.tests,
            renamed: &BTreeMap::new(),
            unsteady: &BTreeSet::new(),
        };
        let renames = Renames::of(case.change, split);

        // BEFORE comes first: where nothing is red there, the whole suite need not run.
        let (before, first) = stage!(self.first_before(trees, split, case.change)?);
        let mut before_runs = vec![first];
        let parent = LaidOut::when_needed(Tree::Parent, trees.parent);
        if !compare::has_red(&before_runs[0]) && self.missing.is_none() {
            let parent_run = stage!(self.run_touched(&parent, 1)?);
            stage!(compare::red(&parent_run, &before_runs[0], &terms));
        }
        // From here on a proof is likely: what must still pass runs with what is new.
        let parent_run = stage!(self.run_suite(&parent, case.suite)?);
        let after = LaidOut::when_needed(Tree::After, trees.after);
        let mut after_runs = Vec::new();
        if self.missing.is_some() {
            // Which tests a name is missing for is known only from where it is there.
            after_runs.push(stage!(self.run_suite(&after, case.suite)?));
            self.find_missing(&parent_run, &mut before_runs[0], &after_runs[0]);
        }
        let candidates = stage!(compare::red(&parent_run, &before_runs[0], &terms));
        stage!(
            Shortfall {
                gaps: Vec::new(),
                doubts: match self.missing {
                    // What is red is so because it stumbled, with its whole file.
                    Some(_) => Vec::new(),
                    None => {
                        let left = self.pruned.as_ref().map(|pruned| &pruned.left);
                        let left = left.unwrap_or(const { &BTreeMap::new() });
                        smells::markers(case.change, split, &before_runs[0], left)
                    }
                },
            }
            .into_result(())
        );
        if after_runs.is_empty() {
            after_runs.push(stage!(self.run_suite(&after, case.suite)?));
        }
        stage!(compare::green(
            &candidates,
            &parent_run,
            &before_runs[0],
            &after_runs[0]
        ));

        let end = self.sampling_end();
        for n in 2..=self.n_samples {
            stage!(self.sampling_time_left(end, n));
            // The order of the sides changes, so that what one leaves behind cannot always come before the other.
            let after_first = n % 2 == 0;
            for is_after in [after_first, !after_first] {
                let (laid_out, runs) = if is_after {
                    (&after, &mut after_runs)
                } else {
                    (&before, &mut before_runs)
                };
                runs.push(stage!(self.run_candidates(laid_out, &candidates, n)?));
            }
        }
        let fail_to_pass = stage!(compare::reproduced(
            &candidates,
            &parent_run,
            &before_runs,
            &after_runs
        ));
        // An old test that was red by chance proves nothing, and has to stay green as any other.
        let candidates: BTreeSet<TestId> = fail_to_pass.keys().cloned().collect();
        stage!(
            Shortfall {
                gaps: Vec::new(),
                doubts: rewritten::doubts(
                    case.change,
                    split,
                    &parent_run,
                    fail_to_pass.keys(),
                    &renames
                ),
            }
            .into_result(())
        );
        stage!(self.right_red(trees, split, case, fail_to_pass.keys(), &before_runs[0])?);
        stage!(self.same_tests(&candidates)?);
        let echoes = match before.tree_id == trees.before {
            true => trees.echoes,
            false => {
                let sides = (before.tree_id, trees.after);
                echo::echoes(self.repo, case.change, split, sides)?
            }
        };
        stage!(self.deaf(&candidates, &echoes, Suite::Touched)?);

        let old_tests = LaidOut::when_needed(Tree::OldTests, trees.old_tests);
        let old_tests_run = stage!(self.run_suite(&old_tests, case.suite)?);
        let runs = Runs {
            parent: &parent_run,
            before: &before_runs,
            after: &after_runs,
            old_tests: &old_tests_run,
            expects_baseline: case.suite == Suite::All,
        };
        let terms = Terms {
            renamed: &renames.tests(&parent_run, &after_runs[0]),
            ..terms
        };
        let proof = match compare::compare(&runs, &terms) {
            Ok(proof) => proof,
            Err(short) => {
                let unsteady = stage!(self.unsteady(short, [&parent, &after, &old_tests], case)?);
                let terms = Terms {
                    unsteady: &unsteady,
                    ..terms
                };
                stage!(compare::compare(&runs, &terms))
            }
        };
        stage!(self.examples_hold(&parent, &after)?);
        stage!(self.expectations_matter(trees, split, case, &proof)?);
        stage!(self.every_hunk_is_needed(trees, split, case, &proof, Suite::Touched)?);
        stage!(self.varied(&after, &proof)?);
        let shown = (&proof, &before_runs[0]);
        stage!(self.near_values_hold(trees, split, case, shown)?);
        Ok(Ok(Shown::Fix(proof)))
    }

    /// The new tests once more, with the other side's lines in comments: whoever reads sources does something else now.
    fn deaf(&mut self, candidates: &BTreeSet<TestId>, echoes: &Echoes, suite: Suite) -> Staged<()> {
        if self.is_hurried {
            // Two more builds are too much while somebody waits; `check` does it.
            return Ok(Ok(()));
        }
        let (scope, seed) = match suite {
            Suite::All => (Scope::All, None),
            Suite::Touched => (Scope::Tests(candidates), self.seed_of(self.n_samples)),
        };
        let mut runs = Vec::new();
        for (tree, tree_id) in [(Tree::Before, echoes.before), (Tree::After, echoes.after)] {
            let laid_out = LaidOut::when_needed(tree, tree_id);
            runs.push(stage!(self.run(&laid_out, What::Echoed, scope, seed)?));
        }
        Ok(compare::deaf(candidates, &runs[0], &runs[1]))
    }

    /// Takes what BEFORE cannot build for want of a name for red.
    fn find_missing(&mut self, parent: &TestRun, before: &mut TestRun, after: &TestRun) {
        if let Some(missing) = &mut self.missing {
            missing.find(parent, before, after);
            missing.add_to(before);
            self.red_by_name.extend(missing.tests().cloned());
        }
    }

    /// When samples beyond the policy's number end.
    fn sampling_end(&self) -> Instant {
        Instant::now() + self.policy.proof.timeout * 2
    }

    /// Whether there is time for sample `n`. The policy's own samples take the time they need.
    fn sampling_time_left(&self, end: Instant, n: usize) -> Result<(), Doubt> {
        if n <= self.policy.proof.samples || Instant::now() < end {
            return Ok(());
        }
        let n_samples = self.n_samples;
        Err(Doubt::Other(format!(
            "a change that names chance or time needs {n_samples} runs of its tests, and the time is over before run {n}"
        )))
    }
}
