//! What the scripts of Ruby and PHP are asked to do, in a form that either reads without loading a library.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use tempfile::NamedTempFile;

use super::{Order, Selection};
use crate::change::RepoPath;
use crate::suite::process::Job;

/// Keys and values in turn, each with a zero byte at its end. The script reads it before any file of the tree.
pub(super) fn write_order(
    folder: &Path,
    runner: &str,
    tree: &Path,
    order: &Order,
    checkout: Option<&Path>,
) -> anyhow::Result<NamedTempFile> {
    let tree = tree
        .to_str()
        .context("the work area's path is not UTF-8")?
        // Joined with no folder, it ends with a slash.
        .trim_end_matches('/');
    let mut pairs: Vec<(&str, String)> =
        vec![("runner", runner.to_owned()), ("tree", tree.to_owned())];
    let files = match order.selection {
        Selection::All => {
            pairs.push(("all", "1".to_owned()));
            &[][..]
        }
        Selection::Files(files) => files,
        Selection::Tests { files, tests } => {
            pairs.push(("chosen", "1".to_owned()));
            pairs.extend(tests.iter().map(|test| ("test", test.0.clone())));
            files
        }
    };
    for path in files {
        let path = path
            .to_str()
            .with_context(|| format!("{path} is not UTF-8, which `{runner}` needs"))?;
        pairs.push(("file", path.to_owned()));
    }
    // Whatever bytes a name has, the folder that it stands in counts.
    let changed = order.changed.iter().map(RepoPath::as_bytes);
    pairs.extend(changed.map(|path| ("changed", String::from_utf8_lossy(path).into_owned())));
    if let Some(canary) = order.canary {
        pairs.push(("canary", canary.name.clone()));
    }
    if let Some(seed) = order.seed {
        // Frameworks take numbers of 31 bits.
        pairs.push(("seed", (seed & 0x7fff_ffff).to_string()));
    }
    if let Some(checkout) = checkout.and_then(Path::to_str) {
        pairs.push(("checkout", checkout.to_owned()));
    }
    let mut file = NamedTempFile::new_in(folder).context("write the order")?;
    for (key, value) in pairs {
        ensure!(!value.contains('\0'), "a zero byte in `{key}`");
        write!(file, "{key}\0{value}\0")?;
    }
    file.flush()?;
    Ok(file)
}

/// The run of a script in `dir` that reports over the pipe.
pub(super) fn job(
    argv: Vec<OsString>,
    dir: PathBuf,
    env: &BTreeMap<OsString, OsString>,
    readable: &[PathBuf],
    order: &Order,
) -> Job {
    let mut env = env.clone();
    let said = order.env.iter();
    env.extend(said.map(|(name, value)| (name.into(), value.into())));
    Job {
        argv,
        dir,
        env,
        timeout: order.timeout,
        readable: readable.to_vec(),
        scratch: Vec::new(),
        shown: Vec::new(),
        report: true,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_changed_file_counts_whatever_bytes_its_name_has() {
        let changed = [RepoPath::new(b"test/lib/h\xff.rb".to_vec())];
        let order = Order {
            selection: Selection::All,
            changed: &changed,
            canary: None,
            seed: None,
            timeout: Duration::from_secs(1),
            env: &BTreeMap::new(),
        };
        let folder = tempfile::tempdir().expect("a folder");
        let file = write_order(folder.path(), "minitest", Path::new("/tree"), &order, None);
        let text = std::fs::read_to_string(file.expect("an order").path()).expect("text");
        assert!(
            text.contains("\0changed\0test/lib/h\u{fffd}.rb\0"),
            "{text:?}"
        );
    }
}
