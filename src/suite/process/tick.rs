//! The end of a child where no descriptor tells it: looked for again and again.

use std::time::Duration;

use anyhow::Context as _;
use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::{Capture, wait_readable};

/// How long a child may have ended before it is noticed.
const TICK: Duration = Duration::from_millis(5);

/// A child whose end is waited for. It is not collected.
pub struct Watch(Pid);

impl Watch {
    pub fn new(pid: Pid) -> anyhow::Result<Watch> {
        Ok(Watch(pid))
    }

    /// Reads from the streams for a moment. Tells whether the child has ended.
    pub fn wait(&self, streams: &mut [Capture], timeout: Duration) -> anyhow::Result<bool> {
        wait_readable(streams, &[], timeout.min(TICK))?;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(self.0), options) {
            Ok(status) => Ok(status.is_some()),
            Err(Errno::INTR) => Ok(false),
            Err(err) => Err(err).context("watch a child"),
        }
    }
}
