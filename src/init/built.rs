//! Whether a JavaScript project's tests import what is built and is not in git, and the script that builds it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Language, Seen};
use crate::change::RepoPath;

/// What to run before the tests of each side, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    pub line: String,
    /// A sentence without a period.
    pub why: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Manifest {
    name: String,
    scripts: Map<String, Value>,
    main: Option<Value>,
    module: Option<Value>,
    exports: Option<Value>,
}

/// The modules that a file names: after `from`, in `import` and in `require`.
static IMPORTS: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r#"(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\s*\(\s*)['"]([^'"\n]{1,200})['"]"#;
    Regex::new(pattern).expect("a pattern that is tested")
});

/// Scripts by which projects build, the likeliest first.
const SCRIPTS: [&str; 4] = ["build", "compile", "prepare", "pretest"];

/// What a script of another purpose must call to be one that builds.
const BUILDERS: [&str; 14] = [
    "tsc",
    "babel",
    "rollup",
    "esbuild",
    "webpack",
    "tsup",
    "unbuild",
    "swc",
    "microbundle",
    "parcel",
    "ncc",
    "vite build",
    "run build",
    "run compile",
];

/// Files of tests that are looked at.
const MAX_FILES: usize = 500;

/// The endings under which a module that is named without one, or with that of its output, may be in git.
const ENDINGS: [&str; 11] = [
    "", ".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".tsx", ".jsx", ".json", ".d.ts",
];

/// `None` where nothing that the tests import is missing in git, or nothing seems to build it.
pub(super) fn of(seen: &Seen) -> anyhow::Result<Option<Build>> {
    let Some(content) = (seen.read)(&RepoPath::from("package.json"))? else {
        return Ok(None);
    };
    let Ok(manifest) = serde_json::from_slice::<Manifest>(&content) else {
        return Ok(None);
    };
    let Some(script) = manifest.script() else {
        return Ok(None);
    };
    let tree = Tree {
        files: seen.files.iter().filter_map(RepoPath::to_str).collect(),
        manifest: &manifest,
    };
    for path in seen
        .files
        .iter()
        .filter(|path| is_test(path))
        .take(MAX_FILES)
    {
        let (Some(name), Some(content)) = (path.to_str(), (seen.read)(path)?) else {
            continue;
        };
        let text = String::from_utf8_lossy(&content);
        let mut imports = IMPORTS
            .captures_iter(&text)
            .map(|found| found[1].to_owned());
        // As paths are shown: a name may hold anything.
        if let Some(missing) = imports
            .find_map(|module| tree.missing(name, &module))
            .map(RepoPath::new)
        {
            return Ok(Some(Build {
                line: format!("npm run {script}"),
                why: format!(
                    "`{path}` imports `{missing}`, which is not in git: each side is built first"
                ),
            }));
        }
    }
    Ok(None)
}

struct Tree<'a> {
    files: BTreeSet<&'a str>,
    manifest: &'a Manifest,
}

impl Tree<'_> {
    /// What a test file means by `module`, where that is a file of the project's that is not in git.
    fn missing(&self, test: &str, module: &str) -> Option<String> {
        if module == self.manifest.name {
            return self.missing_entry();
        }
        if !module.starts_with('.') {
            return None;
        }
        let folder = test.rsplit_once('/').map_or("", |(folder, _)| folder);
        let path = joined(folder, module)?;
        if path.is_empty() {
            return self.missing_entry();
        }
        // A test may well ask for a file of its own that is not there.
        let first = path.split('/').next()?;
        let is_of_tests = ["test", "spec", "fixture", "mock"]
            .iter()
            .any(|word| first.contains(word));
        (!is_of_tests && !self.has(&path)).then_some(path)
    }

    /// One of the files that the package offers and git does not have.
    fn missing_entry(&self) -> Option<String> {
        let mut entries = Vec::new();
        let Manifest {
            main,
            module,
            exports,
            ..
        } = self.manifest;
        for said in [main, module, exports].into_iter().flatten() {
            leaves(said, &mut entries);
        }
        if entries.is_empty() {
            entries.push("index.js");
        }
        let mut entries = entries
            .into_iter()
            .filter(|entry| !entry.contains('*') && !entry.ends_with(".d.ts"))
            .filter_map(|entry| joined("", entry));
        entries.find(|path| !self.has(path))
    }

    fn has(&self, path: &str) -> bool {
        // A module of TypeScript is named as what it becomes.
        let stem = [".js", ".mjs", ".cjs", ".jsx"]
            .iter()
            .find_map(|ending| path.strip_suffix(ending));
        [Some(path), stem].into_iter().flatten().any(|stem| {
            ENDINGS.iter().any(|ending| {
                let is_file = self.files.contains(format!("{stem}{ending}").as_str());
                is_file
                    || self
                        .files
                        .contains(format!("{stem}/index{ending}").as_str())
            })
        }) || self.files.contains(format!("{path}/package.json").as_str())
    }
}

impl Manifest {
    fn script(&self) -> Option<&'static str> {
        SCRIPTS.into_iter().find(|&name| {
            let text = self.scripts.get(name).and_then(Value::as_str);
            text.is_some_and(|text| {
                name == "build" || BUILDERS.iter().any(|word| text.contains(word))
            })
        })
    }
}

/// Every text in a value: the files of `exports`, under whatever conditions.
fn leaves<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(list) => list.iter().for_each(|value| leaves(value, found)),
        Value::Object(map) => map.values().for_each(|value| leaves(value, found)),
        _ => {}
    }
}

/// `path` as seen from `folder`, without dots; `None` if it leads out of the tree.
fn joined(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop()?,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn is_test(path: &RepoPath) -> bool {
    let Some(name) = path.to_str() else {
        return false;
    };
    let is_source = path
        .extension()
        .is_some_and(|own| Language::JavaScript.extensions().contains(&own));
    is_source
        && ["test", "spec"].iter().any(|word| name.contains(word))
        && !name.contains("fixture")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(manifest: &str, test: &str, expected: Option<(&str, &str)>) {
        let files = [
            ("package.json", manifest),
            ("src/a.ts", ""),
            ("lib/index.js", ""),
            ("test/a.test.js", test),
        ];
        let paths: Vec<RepoPath> = files.iter().map(|(path, _)| (*path).into()).collect();
        let seen = Seen {
            files: &paths,
            subjects: &[],
            hooks: &[],
            read: &|path| {
                let file = files.iter().find(|(at, _)| *path == RepoPath::from(*at));
                Ok(file.map(|(_, content)| content.as_bytes().to_vec()))
            },
        };
        let build = of(&seen).expect("read");
        let found = build.as_ref().map(|build| build.line.as_str());
        assert_eq!(found, expected.map(|(line, _)| line), "{build:?}");
        if let (Some(build), Some((_, missing))) = (&build, expected) {
            let expected = format!("imports `{missing}`");
            assert!(build.why.contains(&expected), "{}", build.why);
        }
    }

    const BUILD: &str = r#"{"name": "own", "main": "dist/a.js", "scripts": {"build": "make"}}"#;

    #[test]
    fn what_tests_import_and_git_does_not_have_is_built() {
        let built = |missing| Some(("npm run build", missing));
        check(BUILD, "require('../dist/b')", built("dist/b"));
        check(BUILD, "import a from \"../dist/b.js\";", built("dist/b.js"));
        check(BUILD, "await import('../index.js')", built("index.js"));
        check(BUILD, "var a = require('..');", built("dist/a.js"));
        check(BUILD, "import { a } from 'own';", built("dist/a.js"));
        let exports = r#"{"name": "own", "exports": {".": {"types": "./a.d.ts", "import": "./out/a.mjs"}, "./*": "./*"}, "scripts": {"build": "x"}}"#;
        check(exports, "import 'own'", built("out/a.mjs"));
    }

    #[test]
    fn what_is_in_git_or_of_the_tests_is_not() {
        for test in [
            "require('../lib')",
            "require('../lib/index')",
            "import '../src/a.js'",
            "import '../src/a'",
            "import 'chai'",
            "require('./gone')",
            "require('../test/gone')",
            "require('../../outside')",
        ] {
            check(BUILD, test, None);
        }
        let main = r#"{"name": "own", "main": "lib", "scripts": {"build": "make"}}"#;
        check(main, "require('..'); require('own')", None);
    }

    #[test]
    fn a_script_must_build() {
        let with = |scripts: &str| format!("{{\"scripts\": {{{scripts}}}}}");
        let test = "require('../dist/a')";
        for (scripts, expected) in [
            (r#""compile": "tsc""#, Some("npm run compile")),
            (r#""prepare": "husky""#, None),
            (
                r#""prepare": "npm run build", "x": """#,
                Some("npm run prepare"),
            ),
            (
                r#""pretest": "eslint . && babel src -d dist""#,
                Some("npm run pretest"),
            ),
            (r#""pretest": "eslint .""#, None),
            ("", None),
        ] {
            check(&with(scripts), test, expected.map(|line| (line, "dist/a")));
        }
    }
}
