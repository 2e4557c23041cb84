//! Calls that no crate makes safe on macOS.
#![expect(unsafe_code, reason = "bare system calls, in this file only")]

use std::fs;
use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::ptr;

use anyhow::{Context as _, bail, ensure};
use rustix::io::{FdFlags, fcntl_setfd};

use super::super::family::Process;

/// Of `sys/proc.h`: a process that has ended and was not collected.
const ZOMBIE: u32 = 5;

/// Closes every descriptor from `first` on. For a process that has opened none itself.
pub fn close_from(first: i32) -> io::Result<()> {
    let mut open = Vec::new();
    for entry in fs::read_dir("/dev/fd")? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.parse::<i32>().ok());
        open.extend(number.filter(|number| *number >= first));
    }
    for number in open {
        // The one that the list was read from is closed already, which is no error here.
        // SAFETY: called before the launcher opens anything, so that no owner of a descriptor exists.
        unsafe { libc::close(number) };
    }
    Ok(())
}

/// The file that the launcher has lent this process under `number`. No program gets it.
pub fn inherited(number: i32) -> anyhow::Result<OwnedFd> {
    // SAFETY: asks about a number, whatever is behind it.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    ensure!(flags != -1, "nothing was handed on as file {number}");
    // SAFETY: it is open, nothing in this process has opened it, and this is called once.
    let file = unsafe { OwnedFd::from_raw_fd(number) };
    fcntl_setfd(&file, FdFlags::CLOEXEC)?;
    Ok(file)
}

/// All processes that this user may look at and that have not ended.
pub fn processes() -> anyhow::Result<Vec<Process>> {
    let all: Vec<Process> = pids()?.into_iter().filter_map(process).collect();
    let own = i32::try_from(std::process::id())?;
    let is_whole = all.iter().any(|process| process.pid == own);
    ensure!(is_whole, "the list of processes is not whole");
    Ok(all)
}

fn pids() -> anyhow::Result<Vec<libc::pid_t>> {
    for _ in 0..16 {
        // SAFETY: without a buffer only a number comes back.
        let n = unsafe { libc::proc_listallpids(ptr::null_mut(), 0) };
        let room = usize::try_from(n).context("count processes")? + 256;
        let mut pids: Vec<libc::pid_t> = vec![0; room];
        let n_bytes = i32::try_from(size_of_val(pids.as_slice()))?;
        // SAFETY: the buffer lives for the call and has that size.
        let n = unsafe { libc::proc_listallpids(pids.as_mut_ptr().cast(), n_bytes) };
        let n = usize::try_from(n).context("list processes")?;
        // A full buffer may have been too small.
        if n < room {
            pids.truncate(n);
            return Ok(pids);
        }
    }
    bail!("there are ever more processes")
}

fn process(pid: libc::pid_t) -> Option<Process> {
    // SAFETY: plain numbers, for which nothing is as good as anything.
    let mut info: libc::proc_bsdinfo = unsafe { std::mem::zeroed() };
    let size = i32::try_from(size_of::<libc::proc_bsdinfo>()).ok()?;
    // SAFETY: the buffer lives for the call and has that size.
    let n =
        unsafe { libc::proc_pidinfo(pid, libc::PROC_PIDTBSDINFO, 0, (&raw mut info).cast(), size) };
    if n != size || info.pbi_status == ZOMBIE {
        return None;
    }
    Some(Process {
        pid,
        parent: i32::try_from(info.pbi_ppid).ok()?,
        group: i32::try_from(info.pbi_pgid).ok()?,
        started: info.pbi_start_tvsec * 1_000_000 + info.pbi_start_tvusec,
    })
}
