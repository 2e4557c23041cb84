//! What git's configuration says of the machine rather than of the repository, which whoever works in it can write.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context as _;
use gix::bstr::ByteSlice as _;
use gix::config::{File, Source};

use super::Repo;
use crate::usage::UsageError;

/// What takes the usual files of the machine away, and is set by whoever starts the program.
const REDIRECTIONS: [&str; 3] = [
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
];

impl Repo {
    /// All values of `SECTION.NAME` in the system's and the user's own configuration, in order.
    ///
    /// The usual files count also where the environment names others in their place.
    ///
    /// # Errors
    /// [`UsageError`] if the repository's configuration or the environment has the key: its writer would take it for set.
    pub fn machine_config(&self, section: &str, name: &str) -> anyhow::Result<Vec<String>> {
        let mut values = Vec::new();
        let snapshot = self.inner.config_snapshot();
        for (source, value) in of_file(snapshot.plumbing(), section, name) {
            let is_machine = matches!(
                source,
                Source::GitInstallation | Source::System | Source::Git | Source::User
            );
            if !is_machine {
                return Err(UsageError::with_hint(
                    format!("`{section}.{name}` stands in {}, where it does not count", place(source)),
                    format!("take it out there (`git config --show-origin --get-all {section}.{name}`); it belongs into git's global or system configuration"),
                )
                .into());
            }
            values.push(value);
        }
        if REDIRECTIONS.iter().any(|name| env::var_os(name).is_some()) {
            for (path, source) in usual_files() {
                let file = match File::from_path_no_includes(path.clone(), source) {
                    Ok(file) => file,
                    Err(_) if !path.exists() => continue,
                    Err(error) => {
                        return Err(anyhow::Error::from(error))
                            .with_context(|| format!("read `{}`", path.display()));
                    }
                };
                values.extend(
                    of_file(&file, section, name)
                        .into_iter()
                        .map(|(_, value)| value),
                );
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        values
            .into_iter()
            .filter(|value| seen.insert(value.clone()))
            .map(|value| {
                let value = value.to_str().map(str::to_owned);
                value
                    .map_err(|_| UsageError::new(format!("`{section}.{name}` is not UTF-8")).into())
            })
            .collect()
    }
}

/// The values with where each stands; a key without a value has an empty one.
fn of_file(file: &File, section: &str, name: &str) -> Vec<(Source, gix::bstr::BString)> {
    let sections = file.sections_by_name(section).into_iter().flatten();
    sections
        .filter(|section| section.header().subsection_name().is_none())
        .flat_map(|section| {
            let values = section.values(name);
            // A key alone is a value that says nothing: the caller rejects it.
            let n_alone = usize::from(values.is_empty() && section.contains_value_name(name));
            let source = section.meta().source;
            values
                .into_iter()
                .chain(std::iter::repeat_n(gix::bstr::BString::default(), n_alone))
                .map(move |value| (source, value))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn usual_files() -> Vec<(PathBuf, Source)> {
    let mut env = |name: &str| -> Option<OsString> {
        let is_hidden = REDIRECTIONS.contains(&name);
        (!is_hidden).then(|| env::var_os(name)).flatten()
    };
    [Source::System, Source::Git, Source::User]
        .into_iter()
        .filter_map(|source| Some((source.storage_location(&mut env)?, source)))
        .collect()
}

fn place(source: Source) -> &'static str {
    match source {
        Source::Local => "the configuration of the repository",
        Source::Worktree => "the configuration of the worktree",
        _ => "the environment or the command line",
    }
}

#[cfg(test)]
mod tests {
    use gix::bstr::BStr;

    use super::*;

    /// `expected`: each value with where it was found.
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let meta = gix::config::file::Metadata::from(Source::User);
        let file = File::from_bytes_no_includes(text.as_bytes(), meta, Default::default());
        let found = of_file(&file.expect("parses"), "koan", "policyFloor");
        let found: Vec<&BStr> = found.iter().map(|(_, value)| value.as_bstr()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn every_value_is_found_and_one_that_says_nothing_too() {
        check(
            "[koan]\n policyFloor = /a\n[koan]\n policyfloor = /b\n",
            &["/a", "/b"],
        );
        check("[koan]\n policyFloor\n", &[""]);
        check("[koan]\n policyFloor =\n", &[""]);
        check(
            "[koan \"x\"]\n policyFloor = /a\n[koan]\n other = /b\n",
            &[],
        );
    }
}
