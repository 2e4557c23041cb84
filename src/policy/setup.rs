//! What the project's tests need around them: dependencies that are installed before, and tests that cannot run here.

use std::time::Duration;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::file::{PolicyFile, Said};
use super::merge::{Merge, Read};
use super::{PathSet, builtin, value};
use crate::change::RepoPath;

/// How dependencies are installed, in a phase of its own and from a trusted tree.
#[derive(Debug)]
pub struct SetupPolicy {
    /// For `/bin/sh -c`, at the top of the tree, one after another.
    pub lines: Vec<String>,
    /// Files that decide what is installed. Their content names the result, so a change may not touch them.
    pub inputs: PathSet,
    /// Variables of the user that this phase gets, and no other.
    pub env: Vec<String>,
    pub network: Network,
    /// For all lines together.
    pub timeout: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    Allow,
    Deny,
}

/// Globs over the names of tests; `*` matches any text.
#[derive(Debug, Default)]
pub struct TestGlobs {
    pub globs: Vec<String>,
    set: GlobSet,
}

/// Beside the names in [`builtin::SETUP_INPUTS`].
const INPUT_GLOBS: &[&str] = &[
    "**/requirements*.txt",
    "**/requirements*.in",
    "**/requirements/*.txt",
    "**/requirements/*.in",
    "**/constraints*.txt",
];

impl SetupPolicy {
    /// Whether the content of this file decides what is installed.
    pub fn is_input(&self, path: &RepoPath) -> bool {
        self.inputs.is_match(path)
    }
}

impl Network {
    pub fn as_str(self) -> &'static str {
        match self {
            Network::Allow => "allow",
            Network::Deny => "deny",
        }
    }
}

impl TestGlobs {
    fn new(globs: Vec<String>) -> anyhow::Result<TestGlobs> {
        let mut set = GlobSetBuilder::new();
        for glob in &globs {
            set.add(test_glob(glob)?);
        }
        Ok(TestGlobs {
            set: set.build()?,
            globs,
        })
    }

    pub fn is_match(&self, test: &str) -> bool {
        self.set.is_match(test)
    }
}

fn test_glob(text: &str) -> Result<globset::Glob, globset::Error> {
    GlobBuilder::new(text).backslash_escape(true).build()
}

impl Merge<'_> {
    /// `None` where no line says what is to be done.
    pub(super) fn setup(&mut self) -> anyhow::Result<Option<SetupPolicy>> {
        let lines = self.last_list("proof.setup", |file| &file.proof.setup, value::plain_text)?;
        let inputs = self.globs("proof.setup_inputs", |file| &file.proof.setup_inputs)?;
        let env = self.list(
            "proof.setup_env",
            |file| &file.proof.setup_env,
            value::variable,
        )?;
        let network = self.word(
            "proof.setup_network",
            |file| &file.proof.setup_network,
            &[("deny", Network::Deny), ("allow", Network::Allow)],
        )?;
        let timeout = self.duration("proof.setup_timeout", |file| &file.proof.setup_timeout)?;
        if lines.is_empty() {
            return Ok(None);
        }
        let globs = INPUT_GLOBS.iter().map(|&glob| glob.to_owned());
        Ok(Some(SetupPolicy {
            lines,
            inputs: PathSet::with_look_alikes(
                globs.chain(inputs).collect(),
                &builtin::SETUP_INPUTS,
            )?,
            env,
            network,
            timeout,
        }))
    }

    /// What makes of each tree's own sources what its tests import.
    pub(super) fn build(&mut self) -> anyhow::Result<Vec<String>> {
        Ok(self.last_list("proof.build", |file| &file.proof.build, value::plain_text)?)
    }

    pub(super) fn tests_exclude(&mut self) -> anyhow::Result<TestGlobs> {
        let globs = self.list(
            "proof.tests_exclude",
            |file| &file.proof.tests_exclude,
            |text| {
                value::plain_text(text)?;
                test_glob(text)
                    .map(|_| ())
                    .map_err(|err| format!("glob `{text}` cannot be read: {}", err.kind()))
            },
        )?;
        TestGlobs::new(globs)
    }

    /// A list whose order matters: the last one said is all of it.
    fn last_list(
        &mut self,
        key: &str,
        get: impl Fn(&PolicyFile) -> &Said<Vec<super::file::At<String>>>,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Read<Vec<String>> {
        let mut last = Vec::new();
        for (layer, at) in self.said(get) {
            for item in &at.value {
                check(&item.value).map_err(|err| layer.wrong(item, err))?;
            }
            if !layer.is_fallback {
                last = at
                    .value
                    .iter()
                    .map(|item| (item.value.clone(), layer.origin(item.line)))
                    .collect();
            }
        }
        // With its number, so that another order is another policy.
        for (n, (item, origin)) in last.iter().enumerate() {
            self.note(format!("{key}.{}", n + 1), item, origin.clone());
        }
        Ok(last.into_iter().map(|(item, _)| item).collect())
    }
}
