//! Folders from outside at their places in the tree of the view, read-only.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use anyhow::Context as _;
use rustix::mount::mount_bind_recursive;

use super::place::make_place;
use super::sys::{MountChange, change_mount};

/// Binds each folder over what the tree has at its place.
pub fn bind(tree: &Path, shown: &[(OwnedFd, &Path)]) -> anyhow::Result<()> {
    for (source, place) in shown {
        let place = make_place(tree, place)?;
        let source = format!("/proc/self/fd/{}", source.as_raw_fd());
        mount_bind_recursive(source, &place)
            .with_context(|| format!("bind `{}`", place.display()))?;
        change_mount(&place, MountChange::ReadOnlyBelow)?;
    }
    Ok(())
}
