//! The few system calls that the launcher needs and that no crate offers as safe functions.
#![expect(unsafe_code, reason = "raw system calls, in this file only")]

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// Which of the two processes this is after a fork.
pub enum Fork {
    Parent(Pid),
    Child,
}

/// Duplicates this process, which must have one thread only.
pub fn fork() -> io::Result<Fork> {
    // SAFETY: the launcher never starts a thread before it forks (the keeper of its gates does, and never forks), so the child may do
    // whatever the parent may.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => Pid::from_raw(pid)
            .map(Fork::Parent)
            .ok_or_else(|| io::Error::other("fork gave no process id")),
    }
}

pub fn unshare(flags: UnshareFlags) -> io::Result<()> {
    debug_assert!(!flags.contains(UnshareFlags::FILES));
    // SAFETY: only `CLONE_FILES` could leave a borrowed descriptor dangling, and nobody asks for it.
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(io::Error::from)
}

/// Closes every descriptor from `first` on. For a process that has opened none itself.
pub fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: called before the launcher opens anything, so that no owner of a descriptor exists.
    let rc = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    if rc == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// What to change about a mount.
#[derive(Clone, Copy)]
pub enum MountChange {
    /// It and all mounts below it.
    ReadOnlyBelow,
    ReadOnly,
    Writable,
}

/// Changes the attributes of a mount; `set-user-ID` is never honoured below.
pub fn change_mount(path: &Path, change: MountChange) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let read_only = libc::MOUNT_ATTR_RDONLY;
    let (flags, set, clear) = match change {
        MountChange::ReadOnlyBelow => (libc::AT_RECURSIVE, read_only, 0),
        MountChange::ReadOnly => (0, read_only, 0),
        MountChange::Writable => (0, 0, read_only),
    };
    let attributes = libc::mount_attr {
        attr_set: set | libc::MOUNT_ATTR_NOSUID,
        attr_clr: clear,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: path and attributes live for the call, and their sizes are their own.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if rc == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The version of the kernel's Landlock; 0 where there is none or it is switched off.
pub fn landlock_abi() -> u8 {
    const VERSION: libc::c_uint = 1;
    // SAFETY: with this flag no attributes are read.
    let abi = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0,
            VERSION,
        )
    };
    u8::try_from(abi.max(0)).unwrap_or(u8::MAX)
}
