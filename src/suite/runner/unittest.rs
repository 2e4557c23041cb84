//! unittest, driven by a script of the guard's own that discovers like `python -m unittest discover` and streams what each test raised.

use std::path::Path;

use super::{Canary, Order, Runner, Toolbox, python};
use crate::change::RepoPath;
use crate::suite::TestRun;
use crate::suite::area::{Area, Side};

#[derive(Debug)]
pub(super) struct Unittest {
    python: python::Python,
    version: String,
}

const SCRIPT: &str = include_str!("koan_unittest.py");

pub(super) fn open(dir: &Path, toolbox: &Toolbox) -> anyhow::Result<Unittest> {
    let python = python::Python::open("unittest", SCRIPT, dir, toolbox)?;
    let version = format!("unittest, {}", python.version());
    Ok(Unittest { python, version })
}

impl Runner for Unittest {
    fn name(&self) -> &'static str {
        "unittest"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["py", "pyi"]
    }

    fn plant(&self, path: &RepoPath, content: &[u8], canary: &Canary) -> Option<Vec<u8>> {
        python::is_test_file(path).then(|| python::append(content, &python::class_canary(canary)))
    }

    fn canary_file(&self, _beside: &RepoPath, canary: &Canary) -> (RepoPath, Vec<u8>) {
        let test = python::class_canary(canary);
        (python::canary_path(canary), test.into_bytes())
    }

    fn run(&self, area: &Area, side: &Side, order: &Order) -> anyhow::Result<TestRun> {
        self.python.run(area, side, order)
    }
}
