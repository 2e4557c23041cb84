//! vitest, of the project's own version, with the guard's test runner in each worker.

use std::path::Path;

use super::{Canary, Order, Runner, Toolbox, javascript};
use crate::change::RepoPath;
use crate::suite::TestRun;
use crate::suite::area::{Area, Side};

#[derive(Debug)]
pub(super) struct Vitest {
    javascript: javascript::JavaScript,
    version: String,
}

pub(super) fn open(dir: &Path, toolbox: &Toolbox) -> anyhow::Result<Vitest> {
    let javascript = javascript::JavaScript::open("vitest", dir, toolbox)?;
    let vitest = javascript.package_version(("vitest", 0), toolbox)?;
    let version = format!("vitest {vitest}, {}", javascript.version());
    Ok(Vitest {
        javascript,
        version,
    })
}

impl Runner for Vitest {
    fn name(&self) -> &'static str {
        "vitest"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn extensions(&self) -> &'static [&'static str] {
        javascript::EXTENSIONS
    }

    fn plant(&self, path: &RepoPath, content: &[u8], canary: &Canary) -> Option<Vec<u8>> {
        let test = format!("\n{}", test(canary));
        javascript::holds_tests(path, content).then(|| javascript::append(content, &test))
    }

    fn canary_file(&self, _beside: &RepoPath, canary: &Canary) -> (RepoPath, Vec<u8>) {
        let path = RepoPath::new(format!("{}.test.mjs", canary.name));
        (path, test(canary).into_bytes())
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

/// Every file is a module, and its `expect` the same as the global one.
fn test(canary: &Canary) -> String {
    let Canary { name, nonce } = canary;
    let load = format!("import {{ test as {name}, expect as {name}_expect }} from \"vitest\";\n");
    let matchers = [
        "toBe(\"\")",
        "toEqual(\"\")",
        "toStrictEqual(\"\")",
        "to.equal(\"\")",
    ];
    let tests = matchers.iter().enumerate().map(|(n, matcher)| {
        format!("{name}(\"{name} {n}\", () => {{ {name}_expect(\"{nonce}\").{matcher}; }});\n")
    });
    load + &tests.collect::<String>()
}
