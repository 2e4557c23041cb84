//! mocha, of the project's own version and configured as the project says, with each test's function watched.

use std::path::Path;

use super::{Canary, Order, Runner, Toolbox, javascript};
use crate::change::RepoPath;
use crate::suite::TestRun;
use crate::suite::area::{Area, Side};

#[derive(Debug)]
pub(super) struct Mocha {
    javascript: javascript::JavaScript,
    version: String,
}

pub(super) fn open(dir: &Path, toolbox: &Toolbox) -> anyhow::Result<Mocha> {
    let javascript = javascript::JavaScript::open("mocha", dir, toolbox)?;
    let mocha = javascript.package_version(("mocha", 6), toolbox)?;
    let version = format!("mocha {mocha}, {}", javascript.version());
    Ok(Mocha {
        javascript,
        version,
    })
}

impl Runner for Mocha {
    fn name(&self) -> &'static str {
        "mocha"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn extensions(&self) -> &'static [&'static str] {
        javascript::EXTENSIONS
    }

    fn plant(&self, path: &RepoPath, content: &[u8], canary: &Canary) -> Option<Vec<u8>> {
        let has_imports = javascript::has_imports(path, content);
        let mut test = format!("\n{}", test(javascript::word(content), canary, has_imports));
        if let Some(expect) = javascript::expect_canary(content, canary) {
            test += &expect;
        }
        javascript::holds_tests(path, content).then(|| javascript::append(content, &test))
    }

    fn canary_file(&self, _beside: &RepoPath, canary: &Canary) -> (RepoPath, Vec<u8>) {
        let path = RepoPath::new(format!("{}.test.cjs", canary.name));
        // Whichever words the interface has.
        let word = "(globalThis.it || globalThis.test)";
        (path, test(word, canary, false).into_bytes())
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
fn test(word: &str, canary: &Canary, has_imports: bool) -> String {
    let Canary { name, nonce } = canary;
    let load = match has_imports {
        true => format!("import * as {name} from \"assert\";\n"),
        false => format!("var {name} = require(\"assert\");\n"),
    };
    let calls = ["equal", "strictEqual", "deepEqual", "deepStrictEqual"];
    let tests = calls.iter().map(|call| {
        format!("{word}(\"{name} {call}\", function () {{ {name}.{call}(0, 1, \"{nonce}\"); }});\n")
    });
    load + &tests.collect::<String>()
}
