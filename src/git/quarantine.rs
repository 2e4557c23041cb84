//! The objects of a push that is not accepted yet: git keeps them in a folder of their own, and names it in the environment of `pre-receive`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use super::Repo;

/// Makes `repo` find the objects of `folder` and of the `:`-separated `alternates` besides its own. Nothing is ever written to them.
///
/// gix follows only the file `info/alternates`, so an empty object folder with such a file stands in front.
pub(super) fn read_through(
    repo: &mut Repo,
    folder: &OsStr,
    alternates: Option<&OsStr>,
) -> anyhow::Result<()> {
    let front = tempfile::tempdir().context("make a folder")?;
    let own = repo.common_dir().join("objects");
    let listed = alternates.map_or(&[][..], |alternates| alternates.as_bytes());
    let mut list = Vec::new();
    let folders = std::iter::once(folder.as_bytes())
        .chain(listed.split(|&byte| byte == b':'))
        .chain([own.as_os_str().as_bytes()]);
    for folder in folders.filter(|folder| !folder.is_empty()) {
        list.extend_from_slice(absolute(folder)?.as_os_str().as_bytes());
        list.push(b'\n');
    }
    let info = front.path().join("info");
    std::fs::create_dir(&info)?;
    std::fs::write(info.join("alternates"), list)?;
    let store = gix::odb::at(front.path(), repo.inner.object_hash())?;
    repo.inner.objects = gix::odb::memory::Proxy::from(store);
    repo.inner.objects.ignore_replacements = true;
    repo.quarantine = Some(Arc::new(front));
    Ok(())
}

/// git takes relative folders from the folder that the hook runs in.
fn absolute(folder: &[u8]) -> anyhow::Result<PathBuf> {
    let is_ambiguous = folder.contains(&b'\n') || folder.starts_with(b"\"");
    anyhow::ensure!(
        !is_ambiguous,
        "an object folder has a name in need of quotes"
    );
    let path = std::path::absolute(Path::new(OsStr::from_bytes(folder)))?;
    let shown = crate::change::RepoPath::new(folder);
    path.canonicalize()
        .with_context(|| format!("find the object folder `{shown}`"))
}
