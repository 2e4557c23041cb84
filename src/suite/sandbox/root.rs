//! Namespaces, and in them a file system that holds only what jobs may see: read-only, without the user's files.
//!
//! Jobs see the system's folders, what they are said to read, a few devices, and the work area's place, where each job mounts its own
//! layers. The work area itself is at [`AREA`] until the job has taken its layers from there.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive,
    mount_change, unmount,
};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::process::{getgid, getuid, pivot_root};
use rustix::thread::UnshareFlags;

use super::gates::{self, Keeper};
use super::spec::{Spec, Text};
use super::sys::{self, MountChange, change_mount};

/// Where the work area is while a job prepares itself.
pub const AREA: &str = "/.area";

/// What every program may need. What is not there is left out.
pub const SYSTEM: &[&str] = &[
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix",
];

pub const DEVICES: &[&str] = &[
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
];

/// Goes into new namespaces, with the same user id unless told otherwise; children are in a new pid namespace.
pub fn enter_namespaces(spec: &Spec) -> anyhow::Result<()> {
    let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
    let mut namespaces = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP;
    if !spec.enforce.network {
        namespaces |= UnshareFlags::NEWNET;
    }
    sys::unshare(namespaces).context("make namespaces")?;
    let (seen_uid, seen_gid) = (spec.user.unwrap_or(uid), spec.user.unwrap_or(gid));
    fs::write("/proc/self/setgroups", "deny").context("write `setgroups`")?;
    fs::write("/proc/self/uid_map", format!("{seen_uid} {uid} 1")).context("map the user")?;
    fs::write("/proc/self/gid_map", format!("{seen_gid} {gid} 1")).context("map the group")?;
    Ok(())
}

/// Builds the new file system and makes it the root.
pub fn build(spec: &Spec, keeper: Option<Keeper>) -> anyhow::Result<()> {
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .context("part from the mounts outside")?;
    rustix::system::sethostname(b"localhost").context("set the host name")?;
    if !spec.enforce.network {
        raise_loopback().context("raise the loopback interface")?;
    }

    let root = spec.root.as_path();
    let new = root.join("view");
    mount(
        "tmpfs",
        &new,
        "tmpfs",
        MountFlags::NOSUID,
        c"size=16m,mode=0755",
    )
    .context("mount a tmpfs")?;
    let inside = |path: &str| new.join(path.trim_start_matches('/'));

    let mut bound = system_folders(&new)?;
    // Before there are links, which would lead out of the new root while it is built.
    if !is_below(root, &bound) {
        fs::create_dir_all(inside_of(&new, root)?)?;
    }
    for path in read_list(spec)? {
        bind(&new, &path, &mut bound)?;
    }
    fs::create_dir_all(inside("/proc"))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
    mount("proc", inside("/proc"), "proc", flags, None).context("mount a new `/proc`")?;
    for dir in ["/tmp", "/var", "/dev", AREA] {
        fs::create_dir_all(inside(dir))?;
    }
    devices(&new)?;
    link(Path::new("/tmp"), &inside("/var/tmp"))?;
    link(&root.join("shm"), &inside("/dev/shm"))?;
    // Shells take these names for files that are open already.
    for (name, place) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
    ] {
        link(Path::new(place), &inside(name))?;
    }
    mount_bind(root, inside(AREA)).context("bind the work area")?;
    if let Some(keeper) = keeper {
        gates::open(&keeper, &spec.gates, &new)?;
    }

    change_mount(&new, MountChange::ReadOnlyBelow).context("make the mounts read-only")?;
    change_mount(&inside(AREA), MountChange::Writable)?;
    std::env::set_current_dir(&new)?;
    pivot_root(".", ".").context("change the root")?;
    unmount(".", UnmountFlags::DETACH).context("leave the old root")?;
    std::env::set_current_dir("/")?;
    Ok(())
}

fn system_folders(new: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    let mut bound = BTreeSet::new();
    for folder in SYSTEM.iter().map(Path::new) {
        let place = inside_of(new, folder)?;
        match fs::symlink_metadata(folder) {
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => continue,
            Err(err) => return Err(err).with_context(|| format!("look at `{}`", folder.display())),
            Ok(data) if data.is_symlink() => symlink(fs::read_link(folder)?, place)?,
            Ok(_) => {
                fs::create_dir(&place)?;
                mount_bind_recursive(folder, &place)
                    .with_context(|| format!("bind `{}`", folder.display()))?;
            }
        }
        bound.insert(folder.to_owned());
    }
    Ok(bound)
}

/// What the jobs read, outside the work area: as it was named, and where that really is.
fn read_list(spec: &Spec) -> anyhow::Result<BTreeSet<PathBuf>> {
    let mut all = BTreeSet::new();
    let named = spec.jobs.iter().flat_map(|job| {
        let shown = job.shown.iter().map(|(source, _)| source);
        job.readable.iter().chain(&job.scratch).chain(shown)
    });
    for path in named.map(Text::as_path).collect::<BTreeSet<_>>() {
        if path.starts_with(spec.root.as_path()) || !path.exists() {
            continue;
        }
        let real = path
            .canonicalize()
            .with_context(|| format!("resolve `{}`", path.display()))?;
        for path in [path, &real] {
            let is_kernels = path.starts_with("/proc") || path == Path::new("/dev");
            if is_kernels || path == Path::new("/") {
                bail!("`{}` cannot be on a job's read list", path.display());
            }
        }
        all.insert(real);
        all.insert(path.to_owned());
    }
    Ok(all)
}

fn bind(new: &Path, path: &Path, bound: &mut BTreeSet<PathBuf>) -> anyhow::Result<()> {
    if is_below(path, bound) {
        return Ok(());
    }
    let place = inside_of(new, path)?;
    if path.is_dir() {
        fs::create_dir_all(&place)?;
    } else {
        fs::create_dir_all(place.parent().context("a file without a folder")?)?;
        fs::write(&place, "")?;
    }
    mount_bind_recursive(path, &place).with_context(|| format!("bind `{}`", path.display()))?;
    bound.insert(path.to_owned());
    Ok(())
}

fn is_below(path: &Path, bound: &BTreeSet<PathBuf>) -> bool {
    path.ancestors().any(|folder| bound.contains(folder))
}

/// Where an absolute path of plain parts is in the new root.
fn inside_of(new: &Path, path: &Path) -> anyhow::Result<PathBuf> {
    let is_plain = path.is_absolute()
        && path
            .components()
            .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !is_plain {
        bail!(
            "`{}` is not an absolute path of plain parts",
            path.display()
        );
    }
    Ok(new.join(path.strip_prefix("/")?))
}

fn devices(new: &Path) -> anyhow::Result<()> {
    for device in DEVICES.iter().map(Path::new) {
        let place = inside_of(new, device)?;
        fs::write(&place, "")?;
        mount_bind(device, &place).with_context(|| format!("bind `{}`", device.display()))?;
    }
    let dev = new.join("dev");
    symlink("/proc/self/fd", dev.join("fd"))?;
    for (number, name) in ["stdin", "stdout", "stderr"].iter().enumerate() {
        symlink(format!("/proc/self/fd/{number}"), dev.join(name))?;
    }
    Ok(())
}

/// Makes a link where nothing is yet, such as the way to the work area or to what a job reads.
fn link(to: &Path, place: &Path) -> anyhow::Result<()> {
    match symlink(to, place) {
        Err(err) if err.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(err).with_context(|| format!("link `{}`", to.display()))
        }
        _ => Ok(()),
    }
}

/// Sets the interface `lo`, which is number 1 in every network namespace, up.
fn raise_loopback() -> anyhow::Result<()> {
    const RTM_NEWLINK: u16 = 16;
    const REQUEST_AND_ACK: u16 = 1 | 4;
    const UP: u32 = 1;
    let mut message = Vec::new();
    // struct nlmsghdr: length, type, flags, sequence, port; then struct ifinfomsg: family, type, index, flags, change.
    message.extend_from_slice(&32_u32.to_ne_bytes());
    message.extend_from_slice(&RTM_NEWLINK.to_ne_bytes());
    message.extend_from_slice(&REQUEST_AND_ACK.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(&[0; 4]);
    message.extend_from_slice(&1_u32.to_ne_bytes());
    message.extend_from_slice(&UP.to_ne_bytes());
    message.extend_from_slice(&UP.to_ne_bytes());
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None, // NETLINK_ROUTE is 0.
    )?;
    rustix::net::send(&socket, &message, SendFlags::empty())?;
    let mut answer = [0; 64];
    let (n, _) = rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty())?;
    // struct nlmsgerr: a header of 16 bytes, then the error, 0 for none.
    match answer.get(16..20).filter(|_| n >= 20) {
        Some([0, 0, 0, 0]) => Ok(()),
        _ => bail!("the kernel refused"),
    }
}
