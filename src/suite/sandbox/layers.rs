//! The mounts of one job: its tree, build output, `HOME` and `TMPDIR` at the place that all sides share.
//!
//! They live in a mount namespace of the job's own, so that they are gone with its last process.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, UnmountFlags, mount_bind, mount_bind_recursive, unmount};
use rustix::process::umask;
use rustix::thread::UnshareFlags;

use super::lists::owns_tmp;
use super::root::AREA;
use super::shown;
use super::spec::{JobSpec, Output, Text, View, Written};
use super::sys::{self, MountChange, change_mount};

/// What all writes of one job together may hold: in memory, so never more than half of it.
const SCRATCH: u64 = 4 << 30;

/// Mounts the view of `job` over the work area at `root`, which nobody sees afterwards.
pub fn mount(root: &Path, view: &View, job: &JobSpec) -> anyhow::Result<()> {
    sys::unshare(UnshareFlags::NEWNS).context("make a mount namespace")?;
    umask(Mode::from_raw_mode(0o077));
    let area = Path::new(AREA);
    // Taken before they are covered, and named by number: what a job reads in `/proc/self/mountinfo` is the same for all sides.
    let taken = Taken::of(view)?;
    let scratch: Vec<OwnedFd> = job
        .scratch
        .iter()
        .map(|folder| open(folder.as_path()))
        .collect::<anyhow::Result<_>>()?;
    let shown: Vec<(OwnedFd, &Path)> = job
        .shown
        .iter()
        .map(|(source, place)| Ok((open(source.as_path())?, place.as_path())))
        .collect::<anyhow::Result<_>>()?;

    mount_tmpfs(root)?;
    let place = root.join("view");
    let mut discarding = Discarding { root, n_layers: 0 };
    match view {
        View::Folders { .. } => bail!("a view of folders is not mounted"),
        View::Setup { tree, home } => {
            for (folder, name) in [(tree, "tree"), (home, "home")] {
                mount_bind(area.join(folder.as_path()), place.join(name))
                    .with_context(|| format!("bind `{name}`"))?;
            }
        }
        View::Layers {
            output, written, ..
        } => {
            match written {
                None => discarding.mount(&taken.tree, &place.join("tree"))?,
                Some(Written { upper, work }) => {
                    keep_layer(&taken.tree, (upper, work), &place.join("tree"))?;
                }
            }
            if !taken.home.is_empty() {
                discarding.mount(&taken.home, &place.join("home"))?;
            }
            match output {
                Output::Discard(_) => discarding.mount(&taken.output, &place.join("target"))?,
                Output::Keep(folder) => {
                    mount_bind(area.join(folder.as_path()), place.join("target"))
                        .context("bind the build output")?;
                }
                Output::KeepLayer { upper, work, .. } => {
                    keep_layer(&taken.output, (upper, work), &place.join("target"))?;
                }
            }
        }
    }
    shown::bind(&place.join("tree"), &shown)?;
    for (folder, lower) in job.scratch.iter().zip(scratch) {
        discarding.mount(&[lower], folder.as_path())?;
    }
    for path in job.readable.iter().map(Text::as_path) {
        if let Ok(below) = path.strip_prefix(root) {
            bind_below(&area.join(below), path)?;
        }
    }
    if owns_tmp(root) {
        keep_seen_in_tmp(root, job, &place.join("tmp"))?;
        mount_bind_recursive(place.join("tmp"), "/tmp").context("bind `/tmp`")?;
    }
    unmount(AREA, UnmountFlags::DETACH).context("leave the work area")?;
    Ok(())
}

/// The folders of the work area that become layers, the nearest first.
#[derive(Default)]
struct Taken {
    tree: Vec<OwnedFd>,
    home: Vec<OwnedFd>,
    output: Vec<OwnedFd>,
}

impl Taken {
    fn of(view: &View) -> anyhow::Result<Taken> {
        let View::Layers {
            tree, home, output, ..
        } = view
        else {
            return Ok(Taken::default());
        };
        let take = |folder: &Text| open(&Path::new(AREA).join(folder.as_path()));
        let output = match output {
            Output::Keep(_) => &[][..],
            Output::KeepLayer { lower, .. } | Output::Discard(lower) => lower,
        };
        Ok(Taken {
            tree: tree.iter().map(take).collect::<Result<_, _>>()?,
            home: home.iter().map(take).collect::<Result<_, _>>()?,
            output: output.iter().map(take).collect::<Result<_, _>>()?,
        })
    }
}

/// A tmpfs over the work area, with the folders of the view and of what is thrown away.
fn mount_tmpfs(root: &Path) -> anyhow::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    let memory = rustix::system::sysinfo();
    let memory = (memory.totalram as u64).saturating_mul(memory.mem_unit.into());
    let options = format!("size={},nr_inodes=1m,mode=0700", SCRATCH.min(memory / 2));
    let options = CString::new(options)?;
    rustix::mount::mount("tmpfs", root, "tmpfs", flags, options.as_c_str())
        .context("mount a tmpfs")?;
    for folder in [
        "view",
        "view/tree",
        "view/target",
        "view/home",
        "view/tmp",
        "shm",
    ] {
        fs::create_dir(root.join(folder))?;
    }
    Ok(())
}

/// Mounts layers whose writes go to the tmpfs.
struct Discarding<'a> {
    root: &'a Path,
    n_layers: usize,
}

impl Discarding<'_> {
    fn mount(&mut self, lower: &[OwnedFd], place: &Path) -> anyhow::Result<()> {
        self.n_layers += 1;
        let layer = self.root.join(format!("layer-{}", self.n_layers));
        let (upper, work) = (layer.join("upper"), layer.join("work"));
        fs::create_dir_all(&upper)?;
        fs::create_dir(&work)?;
        overlay(lower, &upper, &work, place, false)
    }
}

/// Mounts layers whose writes stay in a folder of the work area.
fn keep_layer(
    lower: &[OwnedFd],
    (upper, work): (&Text, &Text),
    place: &Path,
) -> anyhow::Result<()> {
    let area = Path::new(AREA);
    let work = area.join(work.as_path());
    renew(&work)?;
    overlay(lower, &area.join(upper.as_path()), &work, place, true)
}

/// A virtual environment or a `CARGO_HOME` may stand in `/tmp`: it is bound into the job's own one, which is going to cover it.
fn keep_seen_in_tmp(root: &Path, job: &JobSpec, own: &Path) -> anyhow::Result<()> {
    let named = |paths: &[Text]| -> BTreeSet<PathBuf> {
        let paths = paths.iter().map(|path| path.as_path().to_owned());
        paths
            .filter(|path| path.starts_with("/tmp") && !path.starts_with(root) && path.exists())
            .collect()
    };
    let scratch = named(&job.scratch);
    for folder in &scratch {
        let place = own.join(folder.strip_prefix("/tmp")?);
        fs::create_dir_all(&place)?;
        mount_bind_recursive(folder, &place)
            .with_context(|| format!("bind `{}`", place.display()))?;
    }
    let mut bound = scratch;
    for path in named(&job.readable) {
        // Parents come before what is below them.
        if path.ancestors().any(|folder| bound.contains(folder)) {
            continue;
        }
        bind_below(&path, &own.join(path.strip_prefix("/tmp")?))?;
        bound.insert(path);
    }
    Ok(())
}

/// Binds what a job reads inside the work area, such as the guard's own scripts.
fn bind_below(path: &Path, place: &Path) -> anyhow::Result<()> {
    if path.is_dir() {
        fs::create_dir_all(place)?;
    } else {
        fs::create_dir_all(place.parent().context("a file without a folder")?)?;
        fs::write(place, "")?;
    }
    mount_bind_recursive(path, place).with_context(|| format!("bind `{}`", place.display()))?;
    change_mount(place, MountChange::ReadOnly)?;
    Ok(())
}

fn overlay(
    lower: &[OwnedFd],
    upper: &Path,
    work: &Path,
    place: &Path,
    is_kept: bool,
) -> anyhow::Result<()> {
    let (upper, work) = (open(upper)?, open(work)?);
    let path = |fd: &OwnedFd| format!("/proc/self/fd/{}", fd.as_raw_fd());
    let lower: Vec<String> = lower.iter().map(path).collect();
    let mut options = format!(
        "lowerdir={},upperdir={},workdir={},userxattr,index=off",
        lower.join(":"),
        path(&upper),
        path(&work)
    );
    if is_kept {
        // Without it, the end of every job would wait until the whole disk is written.
        options.push_str(",volatile");
    }
    let options = CString::new(options)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount("overlay", place, "overlay", flags, options.as_c_str())
        .with_context(|| format!("mount layers at `{}`", place.display()))
}

/// Empties the folder that the kernel keeps its own things in: it refuses one of a mount that was not ended in order.
fn renew(work: &Path) -> anyhow::Result<()> {
    let renew = || -> std::io::Result<()> {
        fs::remove_dir_all(work)?;
        fs::create_dir(work)
    };
    renew().with_context(|| format!("renew `{}`", work.display()))
}

fn open(path: &Path) -> anyhow::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
        .with_context(|| format!("open `{}`", PathBuf::from(path).display()))
}
