//! One run: which tests of which tree, and whether what it says is known already.
//!
//! A tree is laid out when something first runs on it. Two runs of one proof are never one: the key of a result counts them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use gix::ObjectId;

use super::{Bench, Staged};
use crate::policy::{Before, Policy, Suite};
use crate::proof::case::{Case, Progress, Record, Source, What, Workshop};
use crate::proof::setup::{ServiceEvidence, SetupEvidence};
use crate::proof::trees::{self, Ground, LaidOut};
use crate::proof::{Doubt, Shortfall, Tree, base, missing};
use crate::suite::area::{Area, manifest};
use crate::suite::results::{self, Key, KeyBuilder};
use crate::suite::runner::{Order, Runner, Selection};
use crate::suite::sandbox::SandboxLevel;
use crate::suite::{TestId, TestRun};

/// Which tests of a tree are run.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scope<'a> {
    /// These, of the touched files.
    Tests(&'a BTreeSet<TestId>),
    /// All of the touched files.
    Files,
    All,
    /// The examples in the documentation.
    Examples,
}

/// What one run is asked to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    pub what: What,
    pub scope: Scope<'a>,
    pub seed: Option<u64>,
    /// What the tests see besides the allow-list.
    pub env: &'a BTreeMap<String, String>,
}

impl Bench<'_> {
    pub(in crate::proof) fn run_touched(
        &mut self,
        laid_out: &LaidOut,
        n: usize,
    ) -> Staged<TestRun> {
        let of = self.n_samples;
        self.run(laid_out, What::Sample { n, of }, Scope::Files, None)
    }

    pub(in crate::proof) fn run_candidates(
        &mut self,
        laid_out: &LaidOut,
        tests: &BTreeSet<TestId>,
        n: usize,
    ) -> Staged<TestRun> {
        let of = self.n_samples;
        let seed = self.seed_of(n);
        let what = What::Sample { n, of };
        self.run(laid_out, what, Scope::Tests(tests), seed)
    }

    /// The last sample runs in another order.
    pub(super) fn seed_of(&self, n: usize) -> Option<u64> {
        (n == self.n_samples).then_some(n as u64)
    }

    pub(super) fn run_suite(&mut self, laid_out: &LaidOut, suite: Suite) -> Staged<TestRun> {
        let scope = match suite {
            Suite::All => Scope::All,
            Suite::Touched => Scope::Files,
        };
        self.run(laid_out, What::Suite, scope, None)
    }

    pub(super) fn run(
        &mut self,
        laid_out: &LaidOut,
        what: What,
        scope: Scope,
        seed: Option<u64>,
    ) -> Staged<TestRun> {
        let env = &self.policy.proof.env;
        let ask = Ask {
            what,
            scope,
            seed,
            env,
        };
        let mut run = stage!(self.run_raw(laid_out, &ask)?);
        let excluded = &self.policy.proof.tests_exclude;
        run.results.retain(|test, _| !excluded.is_match(&test.0));
        let takes_names = self.policy.proof.before == Before::MissingSymbol;
        if takes_names && matches!(laid_out.tree, Tree::Parent | Tree::Before) {
            self.red_by_name.extend(missing::as_red(&mut run));
            if let (Some(missing), Tree::Before) = (&self.missing, laid_out.tree) {
                missing.add_to(&mut run);
            }
        }
        Ok(Ok(run))
    }

    /// What the runner says, as it says it.
    pub(super) fn run_raw(&mut self, laid_out: &LaidOut, ask: &Ask) -> Staged<TestRun> {
        stage!(self.time_left());
        let started = Instant::now();
        let keys = self.keys(laid_out.tree_id, ask);
        let known = keys
            .as_ref()
            .and_then(|keys| self.known(laid_out.tree, keys));
        let (run, source) = match known {
            Some(known) => known,
            None => {
                let run = stage!(self.make_run(laid_out, ask, keys.as_ref())?);
                (run, Source::Made)
            }
        };
        self.sources.count(source);
        if self.workshop.effort.shows_runs {
            self.records.push(Record {
                tree: laid_out.tree,
                what: ask.what,
                source,
                milliseconds: started.elapsed().as_millis().try_into().unwrap_or(u64::MAX),
                run: run.clone(),
            });
        }
        Ok(Ok(run))
    }

    fn make_run(&mut self, laid_out: &LaidOut, ask: &Ask, keys: Option<&Keys>) -> Staged<TestRun> {
        let left = stage!(self.time_left());
        let ground = stage!(self.ground(laid_out, left)?);
        if let Some(not_built) = &ground.not_built {
            return Ok(Ok(TestRun {
                not_built: vec![not_built.clone()],
                ..TestRun::default()
            }));
        }
        let timeout = stage!(self.time_left()).min(self.policy.proof.timeout);
        (self.progress)(Progress::Running {
            tree: laid_out.tree,
            what: ask.what,
        });
        let files = &ground.files;
        let is_of_examples = matches!(ask.scope, Scope::Examples);
        let order = Order {
            selection: match ask.scope {
                Scope::Tests(tests) => Selection::Tests { files, tests },
                Scope::Files => Selection::Files(files),
                Scope::All | Scope::Examples => Selection::All,
            },
            changed: &self.changed,
            canary: (!is_of_examples).then_some(&self.canary),
            seed: ask.seed,
            timeout,
            env: ask.env,
        };
        let started = Instant::now();
        let (area, side) = (self.area, &ground.side);
        let run = match is_of_examples {
            // Where there are none, none fails.
            true => self
                .runner
                .examples(area, side, &order)?
                .unwrap_or_default(),
            false => self.runner.run(area, side, &order)?,
        };
        // What was cut short by the budget says nothing about the tests.
        stage!(self.time_left());
        // What a command of the policy made lies elsewhere than what the runner built.
        let stays = matches!(ask.what, What::Suite | What::Sample { .. });
        if stays && laid_out.tree == Tree::After && run.not_built.is_empty() && self.build.is_none()
        {
            self.built.get_or_insert_with(|| ground.built());
        }
        // A build that was cut short is told as one that failed.
        let may_be_cut_short = !run.not_built.is_empty() && started.elapsed() >= timeout;
        if let Some(keys) = keys
            && results::is_lasting(&run)
            && !may_be_cut_short
        {
            let results = &self.workshop.results;
            results.keep(&keys.own, &run);
            // Places of errors are those of a file with the guard's test in it, and another commit touches other files.
            let is_of_commit = matches!(laid_out.tree, Tree::Parent | Tree::After);
            if let Some(shared) = &keys.shared
                && is_of_commit
                && run.not_built.is_empty()
            {
                results.remember(shared.clone(), &run);
            }
        }
        Ok(Ok(run))
    }

    /// Where a tree lies, laid out now if need be.
    fn ground<'l>(&mut self, laid_out: &'l LaidOut, left: Duration) -> Staged<&'l Ground> {
        if let Some(ground) = laid_out.ground.get() {
            return Ok(Ok(ground));
        }
        let base = match &self.base {
            Some(base) => base,
            None => {
                (self.progress)(Progress::Building);
                self.base.insert(base::base(
                    self.repo,
                    self.policy,
                    self.area,
                    self.runner,
                    self.trusted_tree_id,
                    self.setup.as_ref(),
                    left,
                )?)
            }
        };
        let built = self.built.as_ref().filter(|_| laid_out.is_like_after);
        let mut ground = trees::lay_out(
            self.repo,
            self.area,
            (base, built),
            self.runner,
            &self.canary,
            (laid_out.tree, laid_out.tree_id),
            &self.touched,
        )?;
        if let Some(build) = &self.build {
            let tree = laid_out.tree;
            (self.progress)(Progress::Making { tree });
            let place = (self.repo, self.area, base);
            let of = (tree, laid_out.tree_id);
            let timeout = self.policy.proof.timeout;
            let timeout = self.budget.map_or(timeout, |budget| {
                budget
                    .until
                    .saturating_duration_since(Instant::now())
                    .min(timeout)
            });
            let made = build.make(place, of, &mut ground.side, timeout)?;
            // What was cut short by the budget says nothing about the build.
            stage!(self.time_left());
            ground.not_built = stage!(made);
        }
        let ground = laid_out.ground.get_or_init(|| ground);
        // Of each kind the first: what comes later are tries with a part of the change.
        if self.workshop.effort.keeps_trees && !self.inspected.contains(&laid_out.tree) {
            self.inspect(laid_out)?;
        }
        Ok(Ok(ground))
    }

    /// Keeps a tree for a person to look into, in the place of an earlier one of its kind.
    pub(in crate::proof) fn inspect(&mut self, laid_out: &LaidOut) -> anyhow::Result<()> {
        let Some(ground) = laid_out
            .ground
            .get()
            .filter(|_| self.workshop.effort.keeps_trees)
        else {
            return Ok(());
        };
        if self.inspected.is_empty() {
            self.area.clear_inspected()?;
        }
        self.inspected.insert(laid_out.tree);
        let name = match laid_out.tree {
            Tree::Parent => "PARENT",
            Tree::Before => "BEFORE",
            Tree::After => "AFTER",
            Tree::OldTests => "OLD_TESTS",
        };
        self.area.inspect(name, &ground.side)
    }

    pub(super) fn time_left(&self) -> Result<Duration, Doubt> {
        match self.budget {
            Some(budget) => budget.left(),
            None => Ok(Duration::MAX),
        }
    }
}

/// The keys of one run's result.
struct Keys {
    own: Key,
    /// Of the first run of a whole suite: the same for every commit at which this tree is run.
    shared: Option<Key>,
}

impl Bench<'_> {
    /// The keys of the next run of this kind.
    fn keys(&mut self, tree_id: ObjectId, ask: &Ask) -> Option<Keys> {
        let common = self.context.clone()?.with("tree", tree_id.as_bytes());
        let mut own = common.clone();
        for path in &self.touched {
            own = own.with("touched", path.as_bytes());
        }
        for path in &self.changed {
            own = own.with("changed", path.as_bytes());
        }
        let own = ask.add_to(own);
        let n = self.asked.entry(own.clone().key()).or_insert(0);
        *n += 1;
        let is_shared = matches!(ask.scope, Scope::All) && *n == 1;
        Some(Keys {
            own: own.with("n", n.to_string()).key(),
            shared: is_shared.then(|| ask.add_to(common).key()),
        })
    }

    /// The suite at a parent is the one that a moment ago ran AFTER the commit before: nobody but this process has had its result. Only
    /// for a parent, because the guard's own tests stood in the files of the other commit then.
    fn known(&self, tree: Tree, keys: &Keys) -> Option<(TestRun, Source)> {
        let results = &self.workshop.results;
        let made = keys.shared.as_ref().filter(|_| tree == Tree::Parent);
        if let Some(run) = made.and_then(|shared| results.made(shared)) {
            results.keep(&keys.own, &run);
            return Some((run, Source::Reused));
        }
        Some((results.recall(&keys.own)?, Source::Recalled))
    }
}

impl Ask<'_> {
    fn add_to(&self, mut key: KeyBuilder) -> KeyBuilder {
        match self.scope {
            Scope::All => key = key.with("scope", "all"),
            Scope::Files => key = key.with("scope", "files"),
            Scope::Examples => key = key.with("scope", "examples"),
            Scope::Tests(tests) => {
                key = key.with("scope", "tests");
                for test in tests {
                    key = key.with("test", &test.0);
                }
            }
        }
        if let Some(seed) = self.seed {
            key = key.with("seed", seed.to_string());
        }
        for (name, value) in self.env {
            key = key.with("variable", name).with("value", value);
        }
        key
    }
}

/// What all runs of one proof depend on: the policy, the trusted tree below every other, what is installed, the tools, the sandbox, the
/// machine, and the guard itself.
///
/// # Errors
/// Something of it cannot be read: then no result is known, and none is kept.
pub(super) fn context(
    policy: &Policy,
    workshop: &Workshop,
    case: &Case,
    (area, runner): (&Area, &dyn Runner),
    (setup, services): (Option<&SetupEvidence>, &[ServiceEvidence]),
) -> anyhow::Result<KeyBuilder> {
    let sandbox = &workshop.sandbox;
    // Less keeps no test from writing where results are kept.
    ensure!(
        sandbox.level >= SandboxLevel::Confined,
        "tests could write what is kept"
    );
    let system = rustix::system::uname();
    let mut key = Key::builder()
        .with("guard", env!("CARGO_PKG_VERSION"))
        .with("build", results::build_of(&sandbox.launcher)?)
        .with("system", system.sysname().to_bytes())
        .with("release", system.release().to_bytes())
        .with("machine", system.machine().to_bytes())
        .with("user", rustix::process::geteuid().as_raw().to_string())
        .with("sandbox", serde_json::to_vec(sandbox)?)
        .with("view", area.tree().as_os_str().as_encoded_bytes())
        .with("policy", &policy.digest)
        .with("trusted", case.trusted_tree_id.as_bytes())
        .with("runner", runner.name())
        .with("version", runner.version())
        .with("setup", setup.map_or("", |setup| &setup.digest))
        .with("services", serde_json::to_vec(services)?);
    let toolbox = &workshop.toolbox;
    for (name, value) in &toolbox.env {
        key = key.with("variable", name).with("value", value);
    }
    // What the tests may find in the user's checkout. What is installed for all of the machine tells its version at most.
    let mut folders: BTreeSet<_> = toolbox
        .env
        .get("VIRTUAL_ENV")
        .map(Into::into)
        .into_iter()
        .collect();
    for dir in toolbox.work_dir.iter() {
        let dirs = policy
            .proof
            .runners
            .iter()
            .map(|runner| dir.join(&runner.dir));
        for dir in dirs.chain([dir.clone()]) {
            folders.extend([".venv", "venv", "node_modules", "vendor"].map(|name| dir.join(name)));
        }
    }
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        let held = manifest::of(folder).context("look at what is installed")?;
        key = key.with("folder", folder.as_os_str().as_encoded_bytes());
        key = key.with("holds", held);
    }
    Ok(key)
}
