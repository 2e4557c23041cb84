//! A file number that jobs inherit.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};

use anyhow::ensure;
use rustix::io::{FdFlags, dup2, fcntl_setfd};

/// While nothing is lent, the number is taken by a file that no child gets.
pub struct Slot {
    number: OwnedFd,
    nothing: File,
}

impl Slot {
    /// Takes the first free number, which must be `number`.
    pub fn new(number: i32) -> anyhow::Result<Slot> {
        let taken = OwnedFd::from(File::open("/dev/null")?);
        ensure!(
            taken.as_raw_fd() == number,
            "file number {number} is not free"
        );
        // Above all slots, so that the next one finds its number free.
        let nothing = rustix::io::fcntl_dupfd_cloexec(&taken, 16)?;
        Ok(Slot {
            number: taken,
            nothing: nothing.into(),
        })
    }

    /// Children that are started from now on have `end` under this number.
    pub fn lend(&mut self, end: impl AsFd) -> anyhow::Result<()> {
        dup2(end, &mut self.number)?;
        fcntl_setfd(&self.number, FdFlags::empty())?;
        Ok(())
    }

    /// And from now on not any more.
    pub fn take_back(&mut self) -> anyhow::Result<()> {
        dup2(&self.nothing, &mut self.number)?;
        fcntl_setfd(&self.number, FdFlags::CLOEXEC)?;
        Ok(())
    }
}
