//! Which git there is, because what hooks it runs depends on that.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use crate::suite::process;

/// The major and the minor number of git's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

impl Version {
    /// What koan-guard is made for.
    pub const OLDEST: Version = Version(2, 34);

    /// From here on git runs hooks that stand in its configuration.
    pub const WITH_CONFIG_HOOKS: Version = Version(2, 54);

    /// Reads what `git version` says.
    pub fn of(text: &str) -> Option<Version> {
        let text = text.trim().trim_start_matches("git version ");
        let mut numbers = text.split(['.', ' ', '-']).map(str::parse::<u32>);
        Some(Version(numbers.next()?.ok()?, numbers.next()?.ok()?))
    }

    /// Asks the git on `PATH`.
    ///
    /// # Errors
    /// There is none, or it says what cannot be read.
    pub fn of_git() -> anyhow::Result<Version> {
        let argv = ["git", "version"].map(OsStr::new);
        let limit = Duration::from_secs(30);
        let said = process::output(&argv, Path::new("/"), &BTreeMap::new(), limit)?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        Version::of(&said).with_context(|| format!("read git's version `{}`", said.trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (text, expected) in [
            ("git version 2.47.3\n", Some(Version(2, 47))),
            ("2.54.0.windows.1", Some(Version(2, 54))),
            ("2.55-dev", Some(Version(2, 55))),
            ("git version 2.39.3 (Apple Git-146)", Some(Version(2, 39))),
            ("git version", None),
            ("x.y", None),
        ] {
            assert_eq!(Version::of(text), expected, "{text}");
        }
        assert!(Version(2, 9) < Version::OLDEST && Version(3, 0) > Version::WITH_CONFIG_HOOKS);
    }
}
