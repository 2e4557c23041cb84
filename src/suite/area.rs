//! The work area outside the repository: one folder per side of a proof, all of them seen at one path.
//!
//! A side's build output is its own; what a run writes is thrown away. One guard at a time works in an area.

mod built;
mod folders;
mod inspect;
mod kept;
pub mod manifest;
pub mod room;
pub mod services;
pub mod setup;
mod shown;
pub mod sweep;

use std::fs::{self, File, TryLockError};
use std::num::NonZeroUsize;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, bail, ensure};

pub use self::built::BuildSite;
use self::folders::{add_missing, copy_tree, lay_over, remove_tree};
pub use self::kept::Kept;
use self::services::Services;
use self::setup::{Layer, Site};
use super::process::{Finished, Job};
use super::sandbox::{
    Enforce, JobSpec, Output, Outside, Sandbox, SandboxLevel, Spec, Text, View, launcher,
};

/// A locked work area. Dropping it removes its sides.
#[derive(Debug)]
pub struct Area {
    root: PathBuf,
    sandbox: Sandbox,
    /// How many test processes run at once.
    jobs: NonZeroUsize,
    /// Whether build output can lie in layers here; found out when it is first asked for.
    has_layers: OnceLock<bool>,
    /// What setup installed, below the tree and the `HOME` of every run.
    layer: OnceLock<Layer>,
    /// Servers that run beside every run.
    services: OnceLock<Services>,
    /// Without namespaces the view is a real folder, for one run at a time.
    turn: Mutex<()>,
    /// Held as long as the area; the system lets go of it when the guard dies.
    lock: File,
}

/// One exported tree with its build output. The folder's name is random, so that no test can tell the sides apart by it.
#[derive(Debug)]
pub struct Side {
    folder: PathBuf,
    /// Other sides' build output below this one's, the nearest first. Empty where there are no layers.
    lower: Vec<PathBuf>,
    /// The whole tree of which this side's holds only the difference.
    below: Option<PathBuf>,
    /// What the policy's commands made of this side's sources: see [`BuildSite`].
    built: Option<PathBuf>,
}

/// The build output of a side and of those below it, the nearest first.
#[derive(Clone, Debug)]
pub struct BuildOutput(Vec<PathBuf>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The tree may be written to (thrown away afterwards), the build output is kept.
    Build,
    /// Tree and build output are as the build left them, for every run anew; what a run writes is thrown away.
    Run,
}

/// What the jobs of one launcher have beside them.
#[derive(Clone, Copy, Debug)]
enum Beside<'a> {
    Outside(&'a Outside),
    Services,
}

impl Beside<'_> {
    const NOTHING: Beside<'static> = Beside::Outside(&Outside::Nothing);
}

/// Whether a side can be laid out as what it has otherwise than its base. What is gone needs a mark that no tree can hold: the device that
/// Linux takes for it is root's alone to make elsewhere.
pub const HAS_WHITEOUTS: bool = cfg!(target_os = "linux");

/// How much longer than its jobs a launcher may take.
const GRACE: Duration = Duration::from_secs(60);

impl Area {
    /// Takes the lock of `root`, waiting at most `patience`, and removes what a killed guard left there.
    ///
    /// # Errors
    /// The folder cannot be made or locked, or another guard holds it for longer than `patience`.
    pub fn open(root: &Path, sandbox: &Sandbox, patience: Duration) -> anyhow::Result<Area> {
        let open = || format!("open the work area `{}`", root.display());
        fs::create_dir_all(root).with_context(open)?;
        let root = root.canonicalize().with_context(open)?;
        let is_ours = fs::metadata(&root)?.uid() == rustix::process::geteuid().as_raw();
        ensure!(is_ours, "`{}` belongs to another user", root.display());
        let lock = root.join("lock");
        let is_taken = ["sides", "view"]
            .iter()
            .any(|name| root.join(name).exists());
        if is_taken && !lock.exists() {
            bail!("`{}` is no work area, and not empty", root.display());
        }
        fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).with_context(open)?;
        let lock = take_lock(&lock, patience)?;
        // Its time tells when the area was last used: see [`sweep`].
        lock.set_modified(SystemTime::now()).with_context(open)?;

        let area = Area {
            root,
            sandbox: sandbox.clone(),
            jobs: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            has_layers: OnceLock::new(),
            layer: OnceLock::new(),
            services: OnceLock::new(),
            turn: Mutex::new(()),
            lock,
        };
        area.clear()?;
        fs::create_dir(area.sides()).with_context(open)?;
        fs::create_dir(area.view()).with_context(open)?;
        Ok(area)
    }

    /// The area, for so many test processes at once where a runner starts one for each test; as many as processors unless said.
    #[must_use]
    pub fn with_jobs(mut self, jobs: NonZeroUsize) -> Area {
        self.jobs = jobs;
        self
    }

    pub fn jobs(&self) -> NonZeroUsize {
        self.jobs
    }

    /// Adds a side: `lay_out` writes the tree into the folder that it is given. Where `base` is given, `lay_out` writes only what is
    /// otherwise than in that side's tree (the whole tree without [`HAS_WHITEOUTS`]), and the build output starts as a copy (or a layer) of that side's, so that dependencies are built
    /// once; `base` must not be built again then.
    pub fn add_side(
        &self,
        base: Option<&Side>,
        lay_out: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<Side> {
        self.add_side_with(base, base.map(Side::build_output), lay_out)
    }

    /// The same, where the build output starts as another side's than that of the base.
    pub fn add_side_with(
        &self,
        base: Option<&Side>,
        output: Option<BuildOutput>,
        lay_out: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<Side> {
        let mut side = self.new_side()?;
        side.below = base.filter(|_| HAS_WHITEOUTS).map(Side::tree);
        match output {
            None => {}
            Some(output) if self.has_layers()? => side.lower = output.0,
            Some(output) => {
                let own = output.0.first().context("no build output")?;
                remove_tree(&side.target())?;
                copy_tree(own, &side.target())?;
            }
        }
        lay_out(&side.tree()).context("lay out a tree")?;
        Ok(side)
    }

    /// Removes a side that nothing runs on any more.
    pub fn remove_side(&self, side: Side) -> anyhow::Result<()> {
        remove_tree(&side.folder).context("remove a side")
    }

    /// Where every side's tree is seen while a job runs. For [`Job::dir`] and [`Job::env`].
    pub fn tree(&self) -> PathBuf {
        self.view().join("tree")
    }

    /// Where every side's build output is seen while a job runs.
    pub fn target(&self) -> PathBuf {
        self.view().join("target")
    }

    /// Where jobs see their `HOME`.
    pub fn home(&self) -> PathBuf {
        self.view().join("home")
    }

    /// Where jobs see their `TMPDIR`.
    pub fn tmp(&self) -> PathBuf {
        self.view().join("tmp")
    }

    /// What is enforced around the jobs.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Runs one job in a fresh sandbox, with `HOME` and `TMPDIR` of its own; nothing that it started is alive afterwards.
    ///
    /// # Errors
    /// The sandbox could not be set up or the program not be started. A failing or endless program is no error: see [`Finished::end`].
    pub fn run(&self, side: &Side, phase: Phase, job: &Job) -> anyhow::Result<Finished> {
        let mut all = self.run_each(side, phase, std::slice::from_ref(job))?;
        all.pop().context("the sandbox did not answer")
    }

    /// Runs jobs one after another in one sandbox: a few milliseconds less each. Between two jobs no process survives.
    pub fn run_each(
        &self,
        side: &Side,
        phase: Phase,
        jobs: &[Job],
    ) -> anyhow::Result<Vec<Finished>> {
        match (self.services.get(), phase) {
            (Some(services), Phase::Run) => {
                let jobs: Vec<Job> = jobs.iter().map(|job| services.beside(job)).collect();
                self.run_beside(Beside::Services, side, phase, &jobs)
            }
            _ => self.run_beside(Beside::NOTHING, side, phase, jobs),
        }
    }

    fn run_beside(
        &self,
        beside: Beside<'_>,
        side: &Side,
        phase: Phase,
        jobs: &[Job],
    ) -> anyhow::Result<Vec<Finished>> {
        for job in jobs {
            self.check(job)?;
        }
        let jobs: Vec<JobSpec> = jobs.iter().map(job_spec).collect::<anyhow::Result<_>>()?;
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        if self.sandbox.namespaces {
            self.launch(self.layers(side, phase)?, jobs, beside)
        } else {
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            jobs.into_iter()
                .map(|job| self.run_in_folders(side, phase, job))
                .collect::<anyhow::Result<Vec<_>>>()
                .map(|finished| finished.into_iter().flatten().collect())
        }
    }

    fn check(&self, job: &Job) -> anyhow::Result<()> {
        let program = job.argv.first().context("a job without a program")?;
        ensure!(
            Path::new(program).is_absolute(),
            "`{}` is not an absolute path",
            program.display()
        );
        ensure!(
            job.dir.starts_with(self.view()),
            "`{}` is outside the view",
            job.dir.display()
        );
        for (source, place) in &job.shown {
            ensure!(
                source.is_absolute() && !source.starts_with(&self.root),
                "`{}` cannot be shown",
                source.display()
            );
            let mut parts = place.components();
            let is_plain = parts.all(|part| matches!(part, Component::Normal(_)));
            ensure!(
                is_plain && place.file_name().is_some(),
                "`{}` is no place in a tree",
                place.display()
            );
        }
        Ok(())
    }

    fn launch(
        &self,
        view: View,
        jobs: Vec<JobSpec>,
        beside: Beside<'_>,
    ) -> anyhow::Result<Vec<Finished>> {
        if self.sandbox.level == SandboxLevel::None {
            bail!("there is no sandbox on this machine");
        }
        let gates = match beside {
            Beside::Outside(Outside::Gates(gates)) => gates.clone(),
            _ => Vec::new(),
        };
        ensure!(
            gates.is_empty() || self.sandbox.namespaces,
            "without namespaces no host can be told from another"
        );
        let spec = Spec {
            enforce: Enforce {
                network: matches!(beside, Beside::Outside(Outside::All)),
                ..self.sandbox.enforce()
            },
            root: Text::new(&self.root),
            view,
            user: self.services.get().and_then(Services::user),
            services: match self.services.get() {
                Some(services) if matches!(beside, Beside::Services) => services.specs.clone(),
                _ => Vec::new(),
            },
            gates,
            jobs,
        };
        let time = spec
            .jobs
            .iter()
            .map(|job| {
                let services = spec.services.iter().map(|service| service.ready_ms);
                services.fold(job.timeout_ms, u64::saturating_add)
            })
            .fold(0, u64::saturating_add);
        let patience = Duration::from_millis(time).saturating_add(GRACE);
        launcher::ask(&self.sandbox.launcher, &spec, patience)
    }

    fn layers(&self, side: &Side, phase: Phase) -> anyhow::Result<View> {
        let inside = |path: &Path| self.inside(path);
        let lower: Vec<Text> = side
            .lower
            .iter()
            .map(|path| inside(path))
            .collect::<Result<_, _>>()?;
        let output = match phase {
            Phase::Build if lower.is_empty() => Output::Keep(inside(&side.target())?),
            Phase::Build => Output::KeepLayer {
                upper: inside(&side.target())?,
                work: inside(&side.folder.join("work"))?,
                lower,
            },
            Phase::Run => {
                let mut all = vec![inside(&side.target())?];
                all.extend(lower);
                Output::Discard(all)
            }
        };
        let mut tree = vec![inside(&side.tree())?];
        if let Some(below) = &side.below {
            tree.push(inside(below)?);
        }
        let mut home = None;
        if let Some(layer) = self.layer.get() {
            tree.push(inside(&layer.tree())?);
            home = Some(inside(&layer.home())?);
        }
        // Below everything: what it made is never in the place of a file that was judged or installed.
        if let Some(built) = &side.built {
            tree.push(inside(built)?);
        }
        Ok(View::Layers {
            tree,
            written: None,
            home,
            output,
        })
    }

    /// A folder of this area, as the launcher names it.
    fn inside(&self, path: &Path) -> anyhow::Result<Text> {
        let path = path.strip_prefix(&self.root);
        Ok(Text::new(path.context("a folder of another area")?))
    }

    /// Without layers: a copy of the tree, and the side's build output itself where it cannot be changed or may be.
    fn run_in_folders(
        &self,
        side: &Side,
        phase: Phase,
        job: JobSpec,
    ) -> anyhow::Result<Vec<Finished>> {
        remove_tree(&self.view())?;
        fs::create_dir(self.view())?;
        match &side.below {
            Some(below) => {
                copy_tree(below, &self.tree())?;
                lay_over(&side.tree(), &self.tree())?;
            }
            None => copy_tree(&side.tree(), &self.tree())?,
        }
        if let Some(layer) = self.layer.get() {
            add_missing(&layer.tree(), &self.tree())?;
            copy_tree(&layer.home(), &self.home())?;
        } else {
            fs::create_dir(self.home())?;
        }
        if let Some(built) = &side.built {
            add_missing(built, &self.tree())?;
        }
        for (source, place) in &job.shown {
            shown::link(source.as_path(), &self.tree(), place.as_path())?;
        }
        fs::create_dir(self.view().join("tmp"))?;
        let is_protected = self.sandbox.protects_files();
        if phase == Phase::Run && !is_protected {
            copy_tree(&side.target(), &self.target())?;
            return self.launch(View::Folders { writable: true }, vec![job], Beside::NOTHING);
        }
        fs::rename(side.target(), self.target()).context("show the build output")?;
        let writable = phase == Phase::Build;
        let finished = self.launch(View::Folders { writable }, vec![job], Beside::NOTHING);
        fs::rename(self.target(), side.target()).context("take the build output back")?;
        finished
    }

    /// Without layers: the folders themselves, for as long as it takes.
    fn set_up_in_folders(
        &self,
        site: &Site,
        jobs: Vec<JobSpec>,
        beside: Beside<'_>,
    ) -> anyhow::Result<Vec<Finished>> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        remove_tree(&self.view())?;
        for name in ["target", "tmp"] {
            fs::create_dir_all(self.view().join(name))?;
        }
        let moved = [(site.tree(), self.tree()), (site.home(), self.home())];
        for (from, to) in &moved {
            fs::rename(from, to).context("show the folders of setup")?;
        }
        let finished = self.launch(View::Folders { writable: true }, jobs, beside);
        for (from, to) in &moved {
            fs::rename(to, from).context("take the folders of setup back")?;
        }
        finished
    }

    fn new_side(&self) -> anyhow::Result<Side> {
        let folder = tempfile::Builder::new()
            .prefix("")
            .rand_bytes(12)
            .tempdir_in(self.sides())
            .context("make a side")?
            .keep();
        for name in ["tree", "target", "work"] {
            fs::create_dir(folder.join(name)).context("make a side")?;
        }
        Ok(Side {
            folder,
            lower: Vec::new(),
            below: None,
            built: None,
        })
    }

    /// Whether the kernel takes this file system's folders as layers, found out by a job that does nothing.
    fn has_layers(&self) -> anyhow::Result<bool> {
        if let Some(&known) = self.has_layers.get() {
            return Ok(known);
        }
        let mut has_layers = false;
        if self.sandbox.namespaces {
            let (below, mut above) = (self.new_side()?, self.new_side()?);
            above.lower.push(below.target());
            let nothing = JobSpec {
                argv: Vec::new(),
                dir: Text::new(self.tree()),
                env: Vec::new(),
                timeout_ms: 10_000,
                readable: Vec::new(),
                scratch: Vec::new(),
                shown: Vec::new(),
                report: false,
            };
            // A copy does as well, so any reason is as good as the other.
            has_layers = self
                .launch(
                    self.layers(&above, Phase::Build)?,
                    vec![nothing],
                    Beside::NOTHING,
                )
                .is_ok();
            remove_tree(&above.folder)?;
            remove_tree(&below.folder)?;
        }
        Ok(*self.has_layers.get_or_init(|| has_layers))
    }

    fn clear(&self) -> anyhow::Result<()> {
        remove_tree(&self.sides())?;
        remove_tree(&self.view())
    }

    fn sides(&self) -> PathBuf {
        self.root.join("sides")
    }

    fn view(&self) -> PathBuf {
        self.root.join("view")
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // What stays is removed by the next guard that opens the area, or stops it.
        drop(self.clear());
        // Closing is not enough: a child that another thread is just starting holds the file too, until it has become its program.
        drop(self.lock.unlock());
    }
}

impl Side {
    /// Where what it has otherwise than its base was laid out: all of it where it has none.
    pub fn tree(&self) -> PathBuf {
        self.folder.join("tree")
    }

    pub fn build_output(&self) -> BuildOutput {
        let mut all = vec![self.target()];
        all.extend_from_slice(&self.lower);
        BuildOutput(all)
    }

    fn target(&self) -> PathBuf {
        self.folder.join("target")
    }

    /// A site of setup has one that is kept.
    fn home(&self) -> PathBuf {
        self.folder.join("home")
    }
}

fn take_lock(path: &Path, patience: Duration) -> anyhow::Result<File> {
    let deadline = Instant::now() + patience;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .with_context(|| format!("open `{}`", path.display()))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => bail!(
                "another koan-guard works in `{}`",
                path.parent().unwrap_or(path).display()
            ),
            Err(TryLockError::Error(err)) => {
                return Err(err).with_context(|| format!("lock `{}`", path.display()));
            }
        }
    }
}

fn job_spec(job: &Job) -> anyhow::Result<JobSpec> {
    Ok(JobSpec {
        argv: job.argv.iter().map(Text::new).collect(),
        dir: Text::new(&job.dir),
        env: job
            .env
            .iter()
            .map(|(name, value)| (Text::new(name), Text::new(value)))
            .collect(),
        timeout_ms: u64::try_from(job.timeout.as_millis()).context("a time limit")?,
        readable: job.readable.iter().map(Text::new).collect(),
        scratch: job.scratch.iter().map(Text::new).collect(),
        shown: job
            .shown
            .iter()
            .map(|(source, place)| (Text::new(source), Text::new(place)))
            .collect(),
        report: job.report,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sandbox() -> Sandbox {
        Sandbox {
            level: SandboxLevel::None,
            landlock_abi: 0,
            namespaces: false,
            seccomp: false,
            seatbelt: false,
            missing: Vec::new(),
            launcher: PathBuf::from("/nonexistent/launcher"),
        }
    }

    fn open(root: &Path, patience: u64) -> anyhow::Result<Area> {
        Area::open(root, &sandbox(), Duration::from_millis(patience))
    }

    #[test]
    fn one_guard_at_a_time_works_in_an_area() {
        let folder = tempfile::tempdir().expect("a folder");
        let area = open(folder.path(), 0).expect("free");
        let start = Instant::now();
        let err = open(folder.path(), 100).expect_err("held");
        assert!(err.to_string().contains("another koan-guard"), "{err}");
        assert!(start.elapsed() >= Duration::from_millis(100));
        drop(area);
        open(folder.path(), 0).expect("free again");
    }

    #[test]
    fn what_a_killed_guard_left_is_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let area = open(folder.path(), 0).expect("free");
        let side = area.add_side(None, |_| Ok(())).expect("a side");
        let left = side.folder.clone();
        std::mem::forget(area.add_side(None, |tree| Ok(fs::write(tree.join("f"), "")?)));
        // As a killed guard would: nothing is dropped but the lock.
        let area = std::mem::ManuallyDrop::new(area);
        area.lock.unlock().expect("unlock");
        assert!(left.exists());
        let area = open(folder.path(), 0).expect("free");
        assert!(!left.exists());
        drop(area);
        assert!(!folder.path().join("sides").exists());
    }

    #[test]
    fn a_folder_of_somebody_else_is_not_cleared() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("view")).expect("a view");
        assert!(open(folder.path(), 0).is_err());
        assert!(folder.path().join("view").exists());
    }

    #[test]
    fn nothing_runs_without_a_sandbox() {
        let folder = tempfile::tempdir().expect("a folder");
        let area = open(folder.path(), 0).expect("free");
        let side = area.add_side(None, |_| Ok(())).expect("a side");
        let job = Job {
            argv: vec!["/bin/true".into()],
            dir: area.tree(),
            env: super::super::process::base_env(),
            timeout: Duration::from_secs(1),
            readable: Vec::new(),
            scratch: Vec::new(),
            shown: Vec::new(),
            report: false,
        };
        let err = area.run(&side, Phase::Run, &job).expect_err("no sandbox");
        assert!(err.to_string().contains("no sandbox"), "{err}");
    }
}
