//! The end of a child as Linux tells it: a descriptor that can be read then.

use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::{Capture, wait_readable};

/// A child whose end is waited for. It is not collected.
pub struct Watch(OwnedFd);

impl Watch {
    pub fn new(pid: Pid) -> anyhow::Result<Watch> {
        Ok(Watch(pidfd_open(pid, PidfdFlags::empty())?))
    }

    /// Reads from the streams until something happens. Tells whether the child has ended.
    pub fn wait(&self, streams: &mut [Capture], timeout: Duration) -> anyhow::Result<bool> {
        let events = wait_readable(streams, &[(self.0.as_fd(), PollFlags::IN)], timeout)?;
        Ok(events[0])
    }
}
