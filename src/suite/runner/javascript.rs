//! What the runners of JavaScript share: Node.js, the packages of the user's checkout, the guard's programs, and the canary's text.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::events::{self, Dialect, Exception, Owner, Place};
use super::{Canary, Order, Runner, Selection, Toolbox, tools};
use crate::change::RepoPath;
use crate::suite::area::{Area, Phase, Side};
use crate::suite::process::Job;
use crate::suite::{TestId, TestRun};
use crate::usage::UsageError;

/// Node.js with the guard's programs for one framework.
#[derive(Debug)]
pub(super) struct JavaScript {
    facts: Facts,
    runner: &'static str,
    /// The folder that it works in, relative to the tree.
    dir: PathBuf,
    scripts: PathBuf,
    env: BTreeMap<OsString, OsString>,
    readable: Vec<PathBuf>,
    /// The folders of packages, and where they are in a tree.
    packages: Vec<(PathBuf, PathBuf)>,
    /// Whether they are there without being shown.
    is_set_up: bool,
}

/// What Node.js says about itself.
#[derive(Debug, Deserialize)]
struct Facts {
    executable: PathBuf,
    version: String,
}

const ASK: &str =
    "console.log(JSON.stringify({executable: process.execPath, version: process.versions.node}))";

/// The oldest version that is known to do.
const OLDEST_NODE: u32 = 20;

macro_rules! program {
    ($name:literal) => {
        ($name, include_str!(concat!("javascript/", $name)))
    };
}
/// The guard's programs by name; they find each other beside themselves.
const PROGRAMS: &[(&str, &str)] = &[
    program!("koan_command.cjs"),
    program!("koan_drive.cjs"),
    program!("koan_files.cjs"),
    program!("koan_jest.cjs"),
    program!("koan_jest_main.cjs"),
    program!("koan_jest_reporter.cjs"),
    program!("koan_jest_runner.cjs"),
    program!("koan_jest_sequencer.cjs"),
    program!("koan_mocha.cjs"),
    program!("koan_mocha_main.cjs"),
    program!("koan_node.cjs"),
    program!("koan_node_first.mjs"),
    program!("koan_node_report.mjs"),
    program!("koan_report.cjs"),
    program!("koan_vitest.cjs"),
    program!("koan_vitest_main.mjs"),
    program!("koan_vitest_runner.mjs"),
];

pub(super) const EXTENSIONS: &[&str] = &["js", "mjs", "cjs", "jsx", "ts", "mts", "cts", "tsx"];

pub(super) const DIALECT: Dialect = Dialect {
    assertions: &["AssertionError", "JestAssertionError"],
    skips: &[],
    is_missing_name,
    nothing_ran: 0,
    not_started: 0,
};

/// How deep below the top the packages of a workspace are looked for.
const DEPTH: usize = 5;

/// What the programs are asked to do; they read it before any file of the tree.
#[derive(Debug, Serialize)]
struct ProgramOrder<'a> {
    runner: &'a str,
    tree: &'a Path,
    /// `None` is the whole suite.
    files: Option<Vec<&'a str>>,
    tests: Option<&'a BTreeSet<TestId>>,
    canary: Option<&'a str>,
    seed: Option<u64>,
}

impl JavaScript {
    /// Finds Node.js and writes the guard's programs.
    pub fn open(runner: &'static str, dir: &Path, toolbox: &Toolbox) -> anyhow::Result<JavaScript> {
        let program = tools::on_path(toolbox, "node").ok_or_else(|| {
            let hint = format!("install Node.js {OLDEST_NODE} or later");
            UsageError::with_hint("there is no `node` on the `PATH`", hint)
        })?;
        let answer = tools::ask(toolbox, &program, &["-e", ASK])?;
        let facts: Facts = serde_json::from_str(&answer)
            .with_context(|| format!("read what `{}` says about itself", program.display()))?;
        let major = facts.version.split('.').next().and_then(|n| n.parse().ok());
        if major.is_none_or(|major: u32| major < OLDEST_NODE) {
            bail!(UsageError::with_hint(
                format!("`{}` is Node.js {}", program.display(), facts.version),
                format!("koan-guard needs Node.js {OLDEST_NODE} or later")
            ));
        }
        for (name, text) in PROGRAMS {
            tools::write_script(toolbox, name, text)?;
        }
        let bin = facts.executable.parent().unwrap_or(Path::new("/"));
        let mut env = tools::test_env(toolbox, bin)?;
        env.insert("NO_COLOR".into(), "1".into());
        // As the frameworks themselves do; with the others, tools such as Babel would find another configuration.
        if ["jest", "vitest"].contains(&runner) {
            env.insert("NODE_ENV".into(), "test".into());
        }
        // What setup installed lies below every run; else the checkout's packages are shown there.
        let packages = match (&toolbox.setup, &toolbox.work_dir) {
            (Some(set_up), _) => packages(&set_up.tree())?,
            (None, Some(work_dir)) => packages(work_dir)?,
            (None, None) => Vec::new(),
        };
        let is_set_up = toolbox.setup.is_some();
        let mut readable = vec![facts.executable.clone(), toolbox.scripts.clone()];
        // An installation has npm's global packages beside its `bin`.
        let global = bin.parent().unwrap_or(bin).join("lib/node_modules");
        readable.extend(Some(global).filter(|folder| folder.is_dir()));
        Ok(JavaScript {
            readable,
            runner,
            dir: dir.to_owned(),
            scripts: toolbox.scripts.clone(),
            env,
            packages,
            is_set_up,
            facts,
        })
    }

    /// `Node.js 20.20.2`.
    pub fn version(&self) -> String {
        format!("Node.js {}", self.facts.version)
    }

    /// The version of a package that the project has installed, found as Node.js finds it.
    ///
    /// # Errors
    /// [`UsageError`] if it is not installed, or older than the major version `oldest`.
    pub fn package_version(
        &self,
        (name, oldest): (&str, u32),
        toolbox: &Toolbox,
    ) -> anyhow::Result<String> {
        #[derive(Deserialize)]
        struct Manifest {
            version: String,
        }
        let places = self.dir.ancestors().map(|dir| dir.join("node_modules"));
        let manifest = places
            .filter_map(|place| {
                let (source, _) = self.packages.iter().find(|(_, known)| *known == place)?;
                Some(source.join(name).join("package.json"))
            })
            .find(|path| path.is_file());
        let Some(path) = manifest else {
            let is_pnp = |dir: &PathBuf| dir.join(".pnp.cjs").is_file();
            if toolbox.work_dir.as_ref().is_some_and(is_pnp) {
                bail!(UsageError::with_hint(
                    "packages that Yarn installs by Plug'n'Play cannot be used",
                    "set `nodeLinker: node-modules` in `.yarnrc.yml` and install them again"
                ));
            }
            bail!(UsageError::with_hint(
                format!("the package `{name}` is not installed in `node_modules`"),
                "install the project's packages, or let the guard do it by `proof.setup: [\"npm ci\"]`"
            ));
        };
        let text =
            fs::read_to_string(&path).with_context(|| format!("read `{}`", path.display()))?;
        let manifest: Manifest =
            serde_json::from_str(&text).with_context(|| format!("read `{}`", path.display()))?;
        let major = manifest.version.split('.').next();
        if major
            .and_then(|n| n.parse::<u32>().ok())
            .is_none_or(|major| major < oldest)
        {
            bail!(UsageError::with_hint(
                format!("`{name}` is installed in version {}", manifest.version),
                format!("koan-guard needs `{name}` {oldest} or later")
            ));
        }
        Ok(manifest.version)
    }

    pub fn run(&self, area: &Area, side: &Side, order: &Order) -> anyhow::Result<TestRun> {
        let tree = area.tree().join(&self.dir);
        let file = self.write_order(&tree, order)?;
        let mut env = self.env.clone();
        env.extend(
            order
                .env
                .iter()
                .map(|(name, value)| (name.into(), value.into())),
        );
        let job = Job {
            argv: vec![
                self.facts.executable.clone().into(),
                self.scripts.join("koan_drive.cjs").into(),
                file.path().into(),
            ],
            dir: tree,
            env,
            timeout: order.timeout,
            readable: self.readable.clone(),
            scratch: Vec::new(),
            shown: match self.is_set_up {
                true => Vec::new(),
                false => self.packages.clone(),
            },
            report: true,
        };
        let finished = area.run(side, Phase::Run, &job)?;
        Ok(events::read(&finished, order.canary, &DIALECT))
    }

    fn write_order(&self, tree: &Path, order: &Order) -> anyhow::Result<NamedTempFile> {
        let (files, tests) = match order.selection {
            Selection::All => (None, None),
            Selection::Files(files) => (Some(files), None),
            Selection::Tests { files, tests } => (Some(files), Some(tests)),
        };
        let files = files
            .map(|files| files.iter().map(utf8).collect::<anyhow::Result<Vec<_>>>())
            .transpose()?;
        let program_order = ProgramOrder {
            runner: self.runner,
            tree,
            files,
            tests,
            canary: order.canary.map(|canary| canary.name.as_str()),
            seed: order.seed,
        };
        let mut file = NamedTempFile::new_in(&self.scripts).context("write the order")?;
        file.write_all(&serde_json::to_vec(&program_order)?)?;
        file.flush()?;
        Ok(file)
    }
}

/// A source of JavaScript or TypeScript that defines tests, as far as its text tells.
pub(super) fn holds_tests(path: &RepoPath, content: &[u8]) -> bool {
    let extension = path.extension().unwrap_or_default();
    let is_source = EXTENSIONS.iter().any(|known| known.as_bytes() == extension);
    let text = String::from_utf8_lossy(content);
    is_source && text.lines().any(|line| call(line).is_some())
}

/// The word by which a line begins a test or a group of tests: `it`, `test`, `describe`.
pub(super) fn call(line: &str) -> Option<&str> {
    const WORDS: [&str; 7] = ["test", "it", "describe", "suite", "specify", "context", "t"];
    let code = line.trim_start();
    let code = code.strip_prefix("await ").unwrap_or(code);
    let end = code.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    let (word, rest) = code.split_at(end);
    (WORDS.contains(&word) && rest.starts_with(['(', '.', '`'])).then_some(word)
}

/// Whether a source is an ES module, or is made one of by a compiler that reads `import` as `require`.
pub(super) fn has_imports(path: &RepoPath, content: &[u8]) -> bool {
    match path.extension() {
        Some(b"mjs" | b"mts") => return true,
        Some(b"cjs" | b"cts") => return false,
        _ => (),
    }
    let text = String::from_utf8_lossy(content);
    text.lines().any(|line| {
        let is_import = line.strip_prefix("import").is_some_and(|rest| {
            rest.starts_with([' ', '{', '"', '\'', '*']) && !rest.trim_start().starts_with('(')
        });
        is_import || line.starts_with("export ") || line.starts_with("} from ")
    })
}

/// A test in the way of `expect(..)`, with the words that the file itself uses; `None` where it has no `expect`.
pub(super) fn expect_canary(content: &[u8], canary: &Canary) -> Option<String> {
    let Canary { name, nonce } = canary;
    let text = String::from_utf8_lossy(content);
    if !calls_expect(&text) {
        return None;
    }
    let word = test_word(&text);
    let is_chai = text.contains(").to.") || text.contains(").not.to.");
    let matchers = if is_chai {
        ["to.equal(\"\")", "to.deep.equal(\"\")"]
    } else {
        ["toBe(\"\")", "toEqual(\"\")"]
    };
    let expect = inner_expect(&text).unwrap_or("expect");
    let tests = matchers.iter().enumerate().map(|(n, matcher)| {
        format!("{word}(\"{name} expect {n}\", () => {{ {expect}(\"{nonce}\").{matcher}; }});\n")
    });
    Some(tests.collect())
}

/// Where `expect` is a name of a group of tests only, what it is there: `chai.expect` of `var expect = chai.expect;`.
fn inner_expect(text: &str) -> Option<&str> {
    let value = |line: &'_ str| -> Option<(bool, usize)> {
        let code = line.trim_start();
        let rest = ["var ", "let ", "const "]
            .iter()
            .find_map(|word| code.strip_prefix(word))?;
        let rest = rest.strip_prefix("expect = ")?;
        Some((code.len() < line.len(), line.len() - rest.len()))
    };
    let mut found = None;
    for line in text.lines() {
        match value(line) {
            Some((true, at)) => found = found.or(Some(line[at..].trim_end().trim_end_matches(';'))),
            Some((false, _)) => return None,
            None => {}
        }
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_$.".contains(c);
    found.filter(|value| !value.is_empty() && value.chars().all(is_name))
}

/// Whether `expect(..)` is more than a step in a chain of calls, as in `request(app).get("/").expect(200)`.
fn calls_expect(text: &str) -> bool {
    text.match_indices("expect(").any(|(at, _)| {
        let chain = text[..at].trim_end().strip_suffix('.');
        !chain.is_some_and(|chain| chain.trim_end().ends_with(')'))
    })
}

/// A test by the `assert` of the file itself; `None` where it has none.
pub(super) fn assert_canary(content: &[u8], canary: &Canary) -> Option<String> {
    let Canary { name, nonce } = canary;
    let text = String::from_utf8_lossy(content);
    let word = test_word(&text);
    let has = |call: &str| text.contains(call);
    let call = ["strictEqual", "equal", "deepStrictEqual", "deepEqual"]
        .iter()
        .find(|call| has(&format!("assert.{call}(")));
    if call.is_none() && !has("assert(") && !has("assert.") {
        return None;
    }
    let call = match call {
        Some(call) => format!("assert.{call}(0, 1, \"{nonce}\")"),
        None if has("assert(") => format!("assert(false, \"{nonce}\")"),
        None => format!("assert.ok(false, \"{nonce}\")"),
    };
    Some(format!("{word}(\"{name} assert\", () => {{ {call}; }});\n"))
}

/// The word by which the file begins its tests.
pub(super) fn word(content: &[u8]) -> &'static str {
    test_word(&String::from_utf8_lossy(content))
}

fn test_word(text: &str) -> &'static str {
    let is_called = |word: &&str| {
        text.match_indices(*word).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let is_start = before.is_none_or(|c| !c.is_alphanumeric() && !"_$.".contains(c));
            let after = &text[at + word.len()..];
            is_start
                && ["('", "(\"", "(`"]
                    .iter()
                    .any(|quote| after.starts_with(quote))
        })
    };
    let begun: BTreeSet<&str> = text.lines().filter_map(call).collect();
    let known = ["test", "it", "specify"];
    // With a title: `test({ .. })` may be a helper of the file's own.
    let titled = known
        .into_iter()
        .find(|word| begun.contains(word) && is_called(word));
    let at_a_start = || known.into_iter().find(|word| begun.contains(word));
    titled
        .or_else(at_a_start)
        .or_else(|| known.into_iter().find(is_called))
        .unwrap_or("test")
}

/// Beside what is planted there is always a file of the guard's own: a touched file may be one that the project does not run.
pub(super) fn own_file(
    runner: &dyn Runner,
    touched: &[RepoPath],
    canary: &Canary,
) -> Vec<(RepoPath, Vec<u8>)> {
    let beside = touched.first();
    let own = beside.map(|beside| runner.canary_file(beside, canary));
    own.into_iter().collect()
}

/// Appended to a test file: the lines above it keep their numbers.
pub(super) fn append(content: &[u8], test: &str) -> Vec<u8> {
    let mut planted = content.to_vec();
    if !planted.is_empty() && !planted.ends_with(b"\n") {
        planted.push(b'\n');
    }
    planted.extend_from_slice(test.as_bytes());
    planted
}

/// The checkout's folders of packages, at the top and in the packages of a workspace, with their places in a tree.
pub(super) fn packages(work_dir: &Path) -> anyhow::Result<Vec<(PathBuf, PathBuf)>> {
    let mut found = Vec::new();
    let mut folders = vec![(work_dir.to_owned(), PathBuf::new(), 0)];
    while let Some((folder, inner, depth)) = folders.pop() {
        let own = folder.join("node_modules");
        if own.is_dir() {
            let source = own.canonicalize();
            let source = source.with_context(|| format!("resolve `{}`", own.display()))?;
            found.push((source, inner.join("node_modules")));
        }
        if depth == DEPTH {
            continue;
        }
        let entries = fs::read_dir(&folder);
        let entries = entries.with_context(|| format!("read `{}`", folder.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("read `{}`", folder.display()))?;
            let name = entry.file_name();
            let is_hidden = name.as_encoded_bytes().starts_with(b".");
            let is_folder = !is_hidden && name != "node_modules" && entry.file_type()?.is_dir();
            // What a compiler keeps for itself holds no package, and may be very large.
            if !is_folder || entry.path().join("CACHEDIR.TAG").exists() {
                continue;
            }
            folders.push((entry.path(), inner.join(name), depth + 1));
        }
    }
    found.sort();
    Ok(found)
}

/// Test code asked for something that is not there.
fn is_missing_name(exc: &Exception) -> bool {
    if exc.nearest == Place::Tree {
        return false;
    }
    let says = |parts: &[&str]| parts.iter().any(|part| exc.message.contains(part));
    if exc.is_a("ReferenceError") {
        return true;
    }
    if says(&[
        "Cannot find module",
        "Cannot find package",
        "ERR_MODULE_NOT_FOUND",
        "MODULE_NOT_FOUND",
        "Failed to load url",
    ]) || (exc.is_a("SyntaxError")
        && says(&[
            "does not provide an export named",
            "Cannot use import",
            "The requested module",
        ]))
    {
        return true;
    }
    if exc.is_a("TypeError") {
        let is_call = says(&[
            "is not a function",
            "is not a constructor",
            "is not a class",
            "Class extends value",
        ]);
        let is_argument = says(&["ERR_INVALID_ARG_TYPE"]) && says(&["Received undefined"]);
        // Of what else was undefined, only a name that was imported is known to be new; where it cannot be told, nothing is shown.
        let is_property = says(&[
            "Cannot read propert",
            "Cannot set propert",
            "Cannot destructure",
        ]) && !matches!(exc.owner, Some(Owner::Instance));
        return is_call || is_argument || is_property;
    }
    // As old versions of vitest say it of what was to be replaced.
    if exc.kind == "Error" && exc.message.ends_with(" does not exist") {
        return true;
    }
    // What was to be called by an assertion is none of the tree's functions.
    says(&[
        "received value must be a function",
        "expected undefined to be a function",
        "undefined is not a function",
        // Of the libraries that replace functions.
        "does not exist in the provided object",
        "property because it is not a function; undefined given",
        "Cannot stub non-existent",
        "Attempted to wrap undefined property",
        "can only spy on a function",
        "does not exist on the object",
        "is not defined on the object",
    ])
}

fn utf8(path: &RepoPath) -> anyhow::Result<&str> {
    path.to_str()
        .with_context(|| format!("{path} is not UTF-8, which Node.js needs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_begins_a_test_is_known() {
        for (line, expected) in [
            ("test('a', () => {", Some("test")),
            ("  it.each([1])('a', () => {", Some("it")),
            ("describe(\"a\", function () {", Some("describe")),
            ("    await t.test('a', async () => {", Some("t")),
            ("const it = 1", None),
            ("testing('a')", None),
            ("item.push(1)", None),
        ] {
            assert_eq!(call(line), expected, "{line}");
        }
    }

    #[test]
    fn a_step_of_a_chain_is_no_call_of_expect() {
        for (text, expected) in [
            ("expect(1).toBe(1)", true),
            ("  chai.expect(1).to.equal(1)", true),
            ("request(app)\n  .get('/')\n  .expect(200)", false),
            ("get('/') . expect(200)", false),
            ("get('/').expect(200)\nexpect(1).toBe(1)", true),
            ("it('a', () => { a() })\nexpect(1).toBe(1)", true),
            ("lib().assert(1)", false),
        ] {
            assert_eq!(calls_expect(text), expected, "{text}");
        }
    }

    #[test]
    fn the_word_of_a_test_has_a_title() {
        for (text, expected) in [
            ("it('a', () => {\n  test({ a: 1 });\n});", "it"),
            ("test('a', () => {\n  it({ a: 1 });\n});", "test"),
            ("test(name, () => {});", "test"),
            ("for (const a of all) it(`${a}`, b);", "it"),
            ("", "test"),
        ] {
            assert_eq!(test_word(text), expected, "{text}");
        }
    }

    #[test]
    fn an_expect_of_an_inner_scope_is_what_it_is_there() {
        for (text, expected) in [
            ("  var expect = chai.expect;\n", Some("chai.expect")),
            ("\tconst expect = own.expect", Some("own.expect")),
            ("const expect = chai.expect;\n  let expect = b;", None),
            ("  let expect = require('chai').expect;", None),
            ("expect(1)", None),
        ] {
            assert_eq!(inner_expect(text), expected, "{text}");
        }
    }

    #[test]
    fn a_module_is_known_by_its_imports() {
        let check = |path: &str, text: &str, expected: bool| {
            assert_eq!(
                has_imports(&path.into(), text.as_bytes()),
                expected,
                "{path} {text}"
            );
        };
        check("a.js", "import a from 'a'\n", true);
        check("a.ts", "import {\n  a,\n} from 'a';\n", true);
        check("a.js", "const a = require('a')\nimport('b')\n", false);
        check("a.mjs", "", true);
        check("a.cjs", "import a from 'a'\n", false);
        check("a.test.js", "import('a').then(b)\n", false);
    }
}
