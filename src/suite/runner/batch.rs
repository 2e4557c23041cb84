//! Many short jobs: in batches, on several threads, in an order that a seed decides.

use anyhow::{anyhow, ensure};

use crate::suite::area::{Area, Phase, Side};
use crate::suite::process::{Finished, Job};

/// The jobs of one sandbox: enough to make its start cheap, few enough that their output fits into memory.
const BATCH: usize = 32;

/// Every test in a process of its own, one after another.
pub(super) fn run_serially(
    area: &Area,
    side: &Side,
    jobs: &[Job],
) -> anyhow::Result<Vec<Finished>> {
    let mut all = Vec::new();
    for batch in jobs.chunks(BATCH) {
        all.extend(area.run_each(side, Phase::Run, batch)?);
    }
    ensure!(
        all.len() == jobs.len(),
        "the sandbox did not answer in full"
    );
    Ok(all)
}

/// Every test in a process of its own, as many at once as the area allows.
pub(super) fn run_all(area: &Area, side: &Side, jobs: &[Job]) -> anyhow::Result<Vec<Finished>> {
    // A sandbox for each one or two jobs would cost more than they do.
    let n_threads = area.jobs().get().min(jobs.len() / 2).max(1);
    let mut parts = jobs.chunks(jobs.len().div_ceil(n_threads).max(1));
    let first = parts.next().unwrap_or_default();
    std::thread::scope(|scope| {
        let others: Vec<_> = parts
            .map(|part| scope.spawn(move || run_serially(area, side, part)))
            .collect();
        let mut all = run_serially(area, side, first)?;
        for other in others {
            let rest = other
                .join()
                .map_err(|_| anyhow!("a thread that ran tests panicked"))?;
            all.extend(rest?);
        }
        Ok(all)
    })
}

/// Fisher and Yates, over splitmix64.
pub(super) fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for n in (1..items.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let at = (z ^ (z >> 31)) % (n as u64 + 1);
        items.swap(n, usize::try_from(at).unwrap_or(0));
    }
}
