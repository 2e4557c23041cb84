//! jest, of the project's own version, with the guard's test runner around jest-circus.

use std::path::Path;

use super::{Canary, Order, Runner, Toolbox, javascript};
use crate::change::RepoPath;
use crate::suite::TestRun;
use crate::suite::area::{Area, Side};

#[derive(Debug)]
pub(super) struct Jest {
    javascript: javascript::JavaScript,
    version: String,
}

pub(super) fn open(dir: &Path, toolbox: &Toolbox) -> anyhow::Result<Jest> {
    let javascript = javascript::JavaScript::open("jest", dir, toolbox)?;
    let jest = javascript.package_version(("jest", 27), toolbox)?;
    let version = format!("jest {jest}, {}", javascript.version());
    Ok(Jest {
        javascript,
        version,
    })
}

impl Runner for Jest {
    fn name(&self) -> &'static str {
        "jest"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn extensions(&self) -> &'static [&'static str] {
        javascript::EXTENSIONS
    }

    fn plant(&self, path: &RepoPath, content: &[u8], canary: &Canary) -> Option<Vec<u8>> {
        let test = javascript::expect_canary(content, canary);
        let test = test.or_else(|| javascript::assert_canary(content, canary));
        let test = test.unwrap_or_else(|| own_test(canary));
        javascript::holds_tests(path, content)
            .then(|| javascript::append(content, &format!("\n{test}")))
    }

    fn canary_file(&self, _beside: &RepoPath, canary: &Canary) -> (RepoPath, Vec<u8>) {
        let path = RepoPath::new(format!("{}.test.js", canary.name));
        (path, own_test(canary).into_bytes())
    }

    fn canary_files(
        &self,
        _files: &[RepoPath],
        touched: &[RepoPath],
        _planted: &[RepoPath],
        canary: &Canary,
    ) -> Vec<(RepoPath, Vec<u8>)> {
        javascript::own_file(self, touched, canary)
    }

    fn run(&self, area: &Area, side: &Side, order: &Order) -> anyhow::Result<TestRun> {
        self.javascript.run(area, side, order)
    }
}

/// With jest's globals: valid in whatever kind of module the file is.
fn own_test(canary: &Canary) -> String {
    let Canary { name, nonce } = canary;
    format!(
        "test(\"{name} toBe\", () => {{ expect(\"{nonce}\").toBe(\"\"); }});\ntest(\"{name} toEqual\", () => {{ expect([\"{nonce}\"]).toEqual([]); }});\n"
    )
}
