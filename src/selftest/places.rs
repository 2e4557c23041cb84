//! Where in a repository the shipped changes take place: files of code and tests that the policy itself calls so.

use gix::ObjectId;

use crate::change::{Content, FileMode, RepoPath};
use crate::git::{Blob, Edit, Repo, TreeFile};
use crate::policy::{FileKind, Policy};

/// The files of a repository that stand for `{code}`, `{test}` and their kin.
#[derive(Debug)]
pub(super) struct Places {
    /// The trusted tree; with a file of code or tests put in where it has none.
    pub tree_id: ObjectId,
    code: RepoPath,
    test: RepoPath,
    /// Names for new tests of each language that the policy takes for tests, by their extension.
    tests: Vec<(&'static str, String)>,
}

/// Extensions of programs and what begins a line of comment in them.
const LANGUAGES: &[(&str, &[&str])] = &[
    (
        "//",
        &[
            "rs", "go", "js", "jsx", "mjs", "cjs", "ts", "tsx", "mts", "cts", "java", "kt", "kts",
            "scala", "groovy", "cs", "fs", "swift", "dart", "c", "h", "cc", "cpp", "hpp", "php",
        ],
    ),
    (
        "#",
        &[
            "py", "rb", "sh", "bash", "bats", "ex", "exs", "pl", "r", "jl", "cr",
        ],
    ),
    ("--", &["lua", "hs", "elm"]),
    (";", &["clj", "cljs", "el", "lisp"]),
];

/// Names that a new test may have, the likeliest first.
const TESTS: &[(&str, &[&str])] = &[
    (
        "py",
        &[
            "tests/test_koan_selftest.py",
            "test/test_koan_selftest.py",
            "test_koan_selftest.py",
        ],
    ),
    (
        "js",
        &[
            "test/koan-selftest.test.js",
            "tests/koan-selftest.test.js",
            "__tests__/koan-selftest.test.js",
            "koan-selftest.test.js",
        ],
    ),
    ("rs", &["tests/koan_selftest.rs"]),
    ("go", &["koan_selftest_test.go"]),
    (
        "rb",
        &["test/koan_selftest_test.rb", "spec/koan_selftest_spec.rb"],
    ),
    (
        "php",
        &[
            "tests/KoanSelftestTest.php",
            "tests/Unit/KoanSelftestTest.php",
        ],
    ),
    (
        "bats",
        &["test/koan_selftest.bats", "tests/koan_selftest.bats"],
    ),
];

/// Where there is no code at all.
const CODE: &str = "koan_selftest.py";

/// The largest file that is chosen, and the longest line in it, in bytes.
const MAX_BYTES: usize = 64 << 10;
const MAX_LINE: usize = 200;

/// So many files are read at most before one is made.
const TRIES: usize = 200;

impl Places {
    /// Chooses from `tree_id` by the policy's own kinds.
    pub fn choose(repo: &Repo, policy: &Policy, tree_id: ObjectId) -> anyhow::Result<Places> {
        let files = repo.files(tree_id)?;
        let tests = TESTS.iter().filter_map(|(extension, names)| {
            let mut names = names.iter();
            let name = names.find(|name| is(policy, &RepoPath::from(**name), FileKind::Test))?;
            Some((*extension, (*name).to_owned()))
        });
        let tests: Vec<_> = tests.collect();
        let mut made = Vec::new();
        let code = first(repo, policy, (tree_id, &files), FileKind::Production)?;
        let code = code.unwrap_or_else(|| make(&mut made, CODE));
        let test = first(repo, policy, (tree_id, &files), FileKind::Test)?;
        let test = test.unwrap_or_else(|| {
            let name = tests
                .first()
                .map_or("tests/test_koan_selftest_old.py", |(_, name)| name);
            make(&mut made, name)
        });
        Ok(Places {
            tree_id: repo.edit_tree(tree_id, made)?,
            code,
            test,
            tests,
        })
    }

    pub fn code(&self) -> &RepoPath {
        &self.code
    }

    pub fn test(&self) -> &RepoPath {
        &self.test
    }

    /// Puts the places into a path or a text; `None` where the policy knows no test of the language that is asked for.
    pub fn fill(&self, template: &str) -> Option<String> {
        let (code, test) = (self.code.to_string(), self.test.to_string());
        let extension = code
            .rsplit_once('.')
            .map_or("txt", |(_, extension)| extension);
        let mut text = template
            .replace("{code}", &code)
            .replace("{code/}", &folder(&code))
            .replace("{code^}", &swapped(&code))
            .replace("{test}", &test)
            .replace("{test/}", &folder(&test))
            .replace("{#}", comment(&code));
        while let Some((before, after)) = text.split_once("{new.") {
            let (n, rest) = after.split_once('}')?;
            text = format!(
                "{before}{}koan_selftest_{n}.{extension}{rest}",
                folder(&code)
            );
        }
        while let Some((before, after)) = text.split_once("{name.") {
            let (n, rest) = after.split_once('}')?;
            text = format!("{before}koan_selftest_{n}.{extension}{rest}");
        }
        while let Some((before, after)) = text.split_once("{test.") {
            let (language, rest) = after.split_once('}')?;
            let (_, name) = self
                .tests
                .iter()
                .find(|(extension, _)| *extension == language)?;
            text = format!("{before}{name}{rest}");
        }
        Some(text)
    }
}

/// What begins a line of comment in a file of this name.
pub(super) fn comment(path: &str) -> &'static str {
    language(path).unwrap_or("#")
}

fn language(path: &str) -> Option<&'static str> {
    let (_, extension) = path.rsplit_once('.')?;
    let mut languages = LANGUAGES.iter();
    languages
        .find(|(_, extensions)| extensions.contains(&extension))
        .map(|(comment, _)| *comment)
}

/// Whether a fix may touch such a file at all.
fn is(policy: &Policy, path: &RepoPath, kind: FileKind) -> bool {
    let allow = policy.perimeter.allow.as_ref();
    policy.kind_of(path) == kind && allow.is_none_or(|allow| allow.is_match(path))
}

/// The first file of a kind that is a plain program of a usual size.
fn first(
    repo: &Repo,
    policy: &Policy,
    (tree_id, files): (ObjectId, &[TreeFile]),
    kind: FileKind,
) -> anyhow::Result<Option<RepoPath>> {
    let candidates = files.iter().filter(|file| {
        file.mode == FileMode::Regular
            && file
                .path
                .to_str()
                .is_some_and(|path| language(path).is_some())
            && is(policy, &file.path, kind)
    });
    for file in candidates.take(TRIES) {
        if repo.read_file(tree_id, &file.path)?.is_some_and(is_usual) {
            return Ok(Some(file.path.clone()));
        }
    }
    Ok(None)
}

/// Text of a usual size that nothing is found in by itself: no generator's mark, no tests among the code, no unusual character.
fn is_usual(bytes: Vec<u8>) -> bool {
    if bytes.len() > MAX_BYTES || !bytes.is_ascii() {
        return false;
    }
    let content = Content::from_blob(bytes);
    let Some(text) = content.text() else {
        return false;
    };
    let marks = ["#[test]", "cfg(test", "enerated", "EDIT"];
    let n_lines = text.lines().count();
    (5..2_000).contains(&n_lines)
        && text.ends_with('\n')
        && text.lines().all(|line| line.len() <= MAX_LINE)
        && !marks.iter().any(|mark| text.contains(mark))
}

fn make(made: &mut Vec<Edit>, path: &str) -> RepoPath {
    let path = RepoPath::from(path);
    made.push(Edit::Put {
        path: path.clone(),
        mode: FileMode::Regular,
        content: Blob::Bytes(
            (1..=20)
                .map(|n| format!("# line {n}\n"))
                .collect::<String>()
                .into(),
        ),
    });
    path
}

/// With the slash at its end; empty at the top.
fn folder(path: &str) -> String {
    path.rsplit_once('/')
        .map_or(String::new(), |(folder, _)| format!("{folder}/"))
}

/// The path with the case of its file's name turned around.
fn swapped(path: &str) -> String {
    let folder = folder(path);
    let name = path[folder.len()..].chars();
    let name = name.map(|c| match c.is_ascii_lowercase() {
        true => c.to_ascii_uppercase(),
        false => c.to_ascii_lowercase(),
    });
    folder.clone() + &name.collect::<String>()
}
