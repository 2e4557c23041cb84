//! The end that a signal asks for: whoever waits for a child stops waiting, so that there is time to put everything away.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// What is said of a child that nobody waits for any more.
pub const WHY: &str = "stopped by a signal";

/// How often a waiter looks whether it is to stop.
pub(super) const LOOK: Duration = Duration::from_millis(200);

static ASKED_FOR: OnceLock<Arc<AtomicBool>> = OnceLock::new();

thread_local! {
    /// What puts things away is not to be stopped itself.
    static PUTS_AWAY: Cell<bool> = const { Cell::new(false) };
}

/// From now on SIGINT, SIGTERM and SIGHUP do not end this process: they are told by [`is_asked_for`].
///
/// # Errors
/// The system does not let us.
pub fn catch_signals() -> anyhow::Result<()> {
    let flag = ASKED_FOR.get_or_init(Default::default);
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(flag)).context("catch signals")?;
    }
    Ok(())
}

/// Whether a signal came.
pub fn is_asked_for() -> bool {
    let flag = ASKED_FOR.get();
    flag.is_some_and(|flag| flag.load(Ordering::SeqCst)) && !PUTS_AWAY.get()
}

/// Does what must be done even then: give a claim back, remove a folder.
pub fn put_away<T>(work: impl FnOnce() -> T) -> T {
    let before = PUTS_AWAY.replace(true);
    let done = work();
    PUTS_AWAY.set(before);
    done
}
