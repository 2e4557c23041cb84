//! pytest, driven by a plugin of the guard's own that streams every phase with its raw exception.
//!
//! The environment's plugins are loaded, because a configuration may need them; those that run tests again, elsewhere or in another order
//! are not, and their options are known all the same: see `koan_pytest.py`.

use std::path::Path;

use anyhow::bail;

use super::{Canary, Order, Runner, Toolbox, python};
use crate::change::RepoPath;
use crate::suite::TestRun;
use crate::suite::area::{Area, Side};
use crate::usage::UsageError;

#[derive(Debug)]
pub(super) struct Pytest {
    python: python::Python,
    version: String,
}

const SCRIPT: &str = include_str!("koan_pytest.py");

pub(super) fn open(dir: &Path, toolbox: &Toolbox) -> anyhow::Result<Pytest> {
    let python = python::Python::open("pytest", SCRIPT, dir, toolbox)?;
    let Some(pytest) = &python.facts.pytest else {
        let program = python.executable().display();
        bail!(UsageError::with_hint(
            format!("`{program}` has no pytest"),
            format!("`{program} -m pip install pytest`, or activate the environment that has it"),
        ));
    };
    let version = format!("pytest {pytest}, {}", python.version());
    Ok(Pytest { python, version })
}

impl Runner for Pytest {
    fn name(&self) -> &'static str {
        "pytest"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["py", "pyi"]
    }

    fn plant(&self, path: &RepoPath, content: &[u8], canary: &Canary) -> Option<Vec<u8>> {
        let has_test_case = content.windows(8).any(|word| word == b"TestCase");
        let mut test = python::function_canary(canary);
        if has_test_case {
            test += &python::class_canary(canary);
        }
        python::is_test_file(path).then(|| python::append(content, &test))
    }

    fn canary_file(&self, _beside: &RepoPath, canary: &Canary) -> (RepoPath, Vec<u8>) {
        let test = python::function_canary(canary) + &python::class_canary(canary);
        (python::canary_path(canary), test.into_bytes())
    }

    fn run(&self, area: &Area, side: &Side, order: &Order) -> anyhow::Result<TestRun> {
        self.python.run(area, side, order)
    }
}
