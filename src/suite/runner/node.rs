//! `node:test`, each test file in a process of its own with a reporter of the guard's inside.

use std::path::Path;

use super::{Canary, Order, Runner, Toolbox, javascript};
use crate::change::RepoPath;
use crate::suite::TestRun;
use crate::suite::area::{Area, Side};

#[derive(Debug)]
pub(super) struct Node {
    javascript: javascript::JavaScript,
    version: String,
}

pub(super) fn open(dir: &Path, toolbox: &Toolbox) -> anyhow::Result<Node> {
    let javascript = javascript::JavaScript::open("node", dir, toolbox)?;
    let version = format!("node:test, {}", javascript.version());
    Ok(Node {
        javascript,
        version,
    })
}

impl Runner for Node {
    fn name(&self) -> &'static str {
        "node"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn extensions(&self) -> &'static [&'static str] {
        javascript::EXTENSIONS
    }

    fn plant(&self, path: &RepoPath, content: &[u8], canary: &Canary) -> Option<Vec<u8>> {
        let test = test(canary, javascript::has_imports(path, content));
        let mut test = format!("\n{test}");
        if let Some(expect) = javascript::expect_canary(content, canary) {
            test += &expect;
        }
        javascript::holds_tests(path, content).then(|| javascript::append(content, &test))
    }

    fn canary_file(&self, _beside: &RepoPath, canary: &Canary) -> (RepoPath, Vec<u8>) {
        let path = RepoPath::new(format!("{}.test.mjs", canary.name));
        (path, test(canary, true).into_bytes())
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

/// One test for each of the assertions that nearly all tests are made of: any of them could have been replaced.
fn test(canary: &Canary, has_imports: bool) -> String {
    let Canary { name, nonce } = canary;
    let load = if has_imports {
        format!(
            "import {{ test as {name} }} from \"node:test\";\nimport {name}_assert from \"node:assert\";\n"
        )
    } else {
        format!(
            "var {name} = require(\"node:test\").test, {name}_assert = require(\"node:assert\");\n"
        )
    };
    format!(
        "{load}for (const a of [{name}_assert, {name}_assert.strict]) for (const f of [\"equal\", \"strictEqual\", \"deepEqual\", \"deepStrictEqual\"]) \
         {name}(`{name} ${{f}}`, () => a[f](0, 1, \"{nonce}\"));\n{name}(\"{name} ok\", () => {name}_assert.ok(0, \"{nonce}\"));\n"
    )
}
