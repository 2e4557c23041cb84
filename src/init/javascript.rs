//! Which test framework a JavaScript project uses, from its `package.json`: what its `test` script runs, else what it is configured for.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Choice, Seen};
use crate::change::RepoPath;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Manifest {
    scripts: Map<String, Value>,
    jest: Option<Value>,
    mocha: Option<Value>,
    dependencies: Map<String, Value>,
    dev_dependencies: Map<String, Value>,
}

const FRAMEWORKS: [&str; 3] = ["vitest", "jest", "mocha"];

/// Configuration files by the beginning of their names.
const CONFIGURATIONS: [(&str, &str); 4] = [
    ("vitest.", "vitest"),
    ("jest.config.", "jest"),
    (".mocharc", "mocha"),
    ("mocha.opts", "mocha"),
];

/// How deep scripts may call each other.
const DEPTH: usize = 5;

/// The runner of the package at the top; where that has none, those of the packages below.
pub(super) fn runners(seen: &Seen) -> anyhow::Result<Vec<Choice>> {
    if let Some(choice) = of_package(seen, "")? {
        return Ok(vec![choice]);
    }
    let mut choices: Vec<Choice> = Vec::new();
    for path in seen.files {
        let dir = path
            .to_str()
            .and_then(|path| path.strip_suffix("/package.json"));
        let Some(dir) = dir.filter(|dir| is_own(dir)) else {
            continue;
        };
        let is_inside = |above: &Choice| dir.starts_with(&format!("{}/", above.dir));
        if !choices.iter().any(is_inside) {
            choices.extend(of_package(seen, dir)?);
        }
    }
    Ok(choices)
}

/// Whether a package is one of the project's, not an example or somebody else's.
fn is_own(dir: &str) -> bool {
    const FOREIGN: [&str; 10] = [
        "node_modules",
        "test",
        "tests",
        "__tests__",
        "fixtures",
        "__fixtures__",
        "examples",
        "example",
        "vendor",
        "templates",
    ];
    !dir.split('/')
        .any(|part| FOREIGN.contains(&part) || part.starts_with('.'))
}

fn of_package(seen: &Seen, dir: &str) -> anyhow::Result<Option<Choice>> {
    let inside = |name: &str| match dir {
        "" => name.to_owned(),
        dir => format!("{dir}/{name}"),
    };
    let path = inside("package.json");
    let Some(content) = (seen.read)(&RepoPath::from(path.as_str()))? else {
        return Ok(None);
    };
    // One that npm cannot read runs no tests.
    let Ok(manifest) = serde_json::from_slice::<Manifest>(&content) else {
        return Ok(None);
    };
    let choice = |value: &'static str, why: String| {
        Ok(Some(Choice {
            value,
            dir: dir.to_owned(),
            features: Vec::new(),
            custom: None,
            why,
        }))
    };
    if let Some(runner) = manifest.script("test", 0) {
        return choice(runner, format!("the script `test` of `{path}` runs it"));
    }
    for (start, runner) in CONFIGURATIONS {
        let start = inside(start);
        let is_one = |file: &&RepoPath| file.as_bytes().starts_with(start.as_bytes());
        if let Some(file) = seen.files.iter().find(is_one) {
            return choice(runner, format!("there is `{file}`"));
        }
    }
    for (key, said) in [("jest", &manifest.jest), ("mocha", &manifest.mocha)] {
        if said.is_some() {
            return choice(key, format!("`{path}` configures it"));
        }
    }
    for name in FRAMEWORKS {
        if manifest.dev_dependencies.contains_key(name) || manifest.dependencies.contains_key(name)
        {
            return choice(name, format!("`{path}` depends on it"));
        }
    }
    for file in seen
        .files
        .iter()
        .filter(|file| is_test(file) && file.as_bytes().starts_with(inside("").as_bytes()))
    {
        let uses_node =
            (seen.read)(file)?.is_some_and(|content| super::holds(&content, b"node:test"));
        if uses_node {
            return choice("node", format!("`{file}` uses `node:test`"));
        }
    }
    Ok(None)
}

impl Manifest {
    /// The framework that a script of the package runs, by itself or through others.
    fn script(&self, name: &str, depth: usize) -> Option<&'static str> {
        let text = self.scripts.get(name)?.as_str().filter(|_| depth < DEPTH)?;
        for command in text.split(['&', '|', ';']) {
            let words: Vec<&str> = command.split_whitespace().collect();
            if let Some(runner) = framework(&words) {
                return Some(runner);
            }
            let calls = words.first().is_some_and(|word| {
                ["npm", "yarn", "pnpm", "bun", "run-s", "npm-run-all"].contains(word)
            });
            let called = words.iter().skip(1).filter(|_| calls);
            let mut others = called.filter(|word| **word != name && **word != "run");
            if let Some(runner) = others.find_map(|word| self.script(word, depth + 1)) {
                return Some(runner);
            }
        }
        None
    }
}

/// `vitest run`, `npx jest`, `node --import tsx --test`, `node node_modules/mocha/bin/mocha.js`.
fn framework(words: &[&str]) -> Option<&'static str> {
    let is_program = |word: &str, name: &str| {
        let file = word.rsplit('/').next().unwrap_or(word);
        let file = file
            .trim_end_matches(".js")
            .trim_end_matches(".mjs")
            .trim_end_matches(".cjs");
        file == name || file.strip_prefix('_') == Some(name)
    };
    for word in words {
        let known = FRAMEWORKS.iter().find(|name| is_program(word, name));
        if let Some(name) = known {
            return Some(name);
        }
    }
    let has = |wanted: &str| words.iter().any(|word| is_program(word, wanted));
    let is_node = has("node") || has("tsx") || has("ts-node");
    ((is_node && words.contains(&"--test")) || has("borp")).then_some("node")
}

fn is_test(path: &RepoPath) -> bool {
    let Some(path) = path.to_str() else {
        return false;
    };
    path.contains("test")
        && super::Language::JavaScript
            .extensions()
            .iter()
            .any(|extension| path.as_bytes().ends_with(extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_says_what_it_runs() {
        let check = |scripts: &str, expected: Option<&str>| {
            let text = format!("{{\"scripts\": {scripts}}}");
            let manifest: Manifest = serde_json::from_str(&text).expect("a manifest");
            assert_eq!(manifest.script("test", 0), expected, "{scripts}");
        };
        check(r#"{"test": "jest"}"#, Some("jest"));
        check(r#"{"test": "eslint . && c8 mocha --exit"}"#, Some("mocha"));
        check(r#"{"test": "node --test"}"#, Some("node"));
        check(
            r#"{"test": "node --import tsx --test 'test/**/*.ts'"}"#,
            Some("node"),
        );
        check(
            r#"{"test": "npm run lint && npm run unit", "lint": "eslint .", "unit": "vitest run"}"#,
            Some("vitest"),
        );
        check(
            r#"{"test": "node ./node_modules/jest/bin/jest.js --ci"}"#,
            Some("jest"),
        );
        check(
            r#"{"test": "NODE_OPTIONS=--experimental-vm-modules npx jest"}"#,
            Some("jest"),
        );
        check(r#"{"test": "npm run test"}"#, None);
        check(r#"{"test": "ava"}"#, None);
        check(r#"{"test": "node test.js"}"#, None);
    }
}
