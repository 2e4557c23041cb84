//! The new tests once more in other circumstances: more than a year later, with sets and maps in another order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Doubt;
use crate::policy::Variation;
use crate::suite::TestId;
use crate::usage::UsageError;

/// How far the clock is moved.
const DAYS: u32 = 400;

/// What a run is told in its environment.
///
/// # Errors
/// A [`UsageError`] where a tool is needed and not there.
pub(super) fn environment(variation: Variation) -> anyhow::Result<BTreeMap<String, String>> {
    let pairs = match variation {
        Variation::HashSeed => vec![
            ("PYTHONHASHSEED", "4711".to_owned()),
            ("PERL_HASH_SEED", "4711".to_owned()),
        ],
        Variation::Clock => {
            let library = library(Path::new("/")).ok_or_else(|| {
                UsageError::with_hint(
                    "`proof.variations` asks for another clock, and libfaketime is not installed",
                    "install it (Debian, Ubuntu: `apt-get install faketime`), or leave `clock` out",
                )
            })?;
            vec![
                ("LD_PRELOAD", library.to_string_lossy().into_owned()),
                ("FAKETIME", format!("+{DAYS}d")),
                // Waiting and build tools go by these, and nobody asks them for the date.
                ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
                ("NO_FAKE_STAT", "1".to_owned()),
            ]
        }
    };
    let owned = |(name, value): (&str, String)| (name.to_owned(), value);
    Ok(pairs.into_iter().map(owned).collect())
}

pub(super) fn doubt(variation: Variation, test: &TestId) -> Doubt {
    match variation {
        Variation::Clock => Doubt::TimeDependent(test.clone()),
        Variation::HashSeed => Doubt::SeedDependent(test.clone()),
    }
}

/// Where distributions put libfaketime, the one for threads.
fn library(root: &Path) -> Option<PathBuf> {
    let mut folders = vec![root.join("usr/local/lib/faketime")];
    for lib in ["usr/lib", "usr/lib64"] {
        let lib = root.join(lib);
        folders.push(lib.join("faketime"));
        let below = std::fs::read_dir(&lib).into_iter().flatten().flatten();
        folders.extend(below.map(|entry| entry.path().join("faketime")));
    }
    let mut libraries = folders
        .iter()
        .map(|folder| folder.join("libfaketimeMT.so.1"));
    libraries.find(|library| library.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_found_where_distributions_put_it() {
        let root = tempfile::tempdir().expect("a folder");
        assert_eq!(library(root.path()), None);
        let folder = root.path().join("usr/lib/x86_64-linux-gnu/faketime");
        std::fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("libfaketimeMT.so.1");
        std::fs::write(&file, "").expect("a file");
        assert_eq!(library(root.path()), Some(file));
    }

    #[test]
    fn the_seed_is_not_that_of_other_runs() {
        let environment = environment(Variation::HashSeed).expect("needs nothing");
        assert!(!["0", ""].contains(&environment["PYTHONHASHSEED"].as_str()));
    }
}
