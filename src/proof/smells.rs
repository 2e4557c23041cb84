//! Lines by which the two parts of a change could come to an understanding: code that looks for its tests, and tests that look at the code
//! instead of running it. Such a change may be honest; no run can tell, so a person has to.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::Doubt;
use super::split::Split;
use crate::change::{Change, FileChange, RepoPath};
use crate::suite::{Outcome, TestRun, inline};

/// An added line of code.
struct Line<'a> {
    path: &'a RepoPath,
    n: usize,
    text: &'a str,
}

/// The patterns of one language.
struct Language {
    extensions: &'static [&'static [u8]],
    comment: &'static str,
    /// Production that asks whether it is being tested, or reaches into what tests it.
    aware: LazyLock<Regex>,
    /// Tests that ask what the source looks like, or what is defined in it.
    looking: LazyLock<Regex>,
    /// Names that production defines: what any group holds.
    defines: LazyLock<Regex>,
}

macro_rules! language {
    ($extensions:expr, $comment:literal, aware: $aware:literal, looking: $looking:literal, defines: $defines:literal) => {
        Language {
            extensions: &$extensions,
            comment: $comment,
            aware: LazyLock::new(|| pattern($aware)),
            looking: LazyLock::new(|| pattern($looking)),
            defines: LazyLock::new(|| pattern($defines)),
        }
    };
}

static LANGUAGES: [Language; 2] = [
    language!(
        [b"py", b"pyi"], "#",
        aware: r#"
            \b_?pytest\b | \bunittest\b | \bconftest\b | \bPYTEST | \bdoctest\b | \bnose2?\b | \bhypothesis\b
            | ^\s*(?:from|import)\s+(?:tests?|testing|mock)\b
            | ["'](?:[^"']*[/\\.])?(?:tests?[/\\.][^"']*|tests?|test_[^"']*|[^"']*_test(?:\.py)?)["']
            | \b(?:environ|getenv)\b.*["'][^"']*TEST[^"']*["'] | ["'][^"']*TEST[^"']*["'].*\b(?:environ|getenv)\b
            | \.\s*modules\b | \b_getframe\b | \b_current_frames\b | \bimport\s+sys\s+as\b | \bruntest\w*\b | (?:^|[^.\w])(?:exec|eval|compile|globals)\s*\(
            | \bgetattr\s*\(\s*(?:sys|os|gc|inspect)\b | \b__loader__\b | \b__spec__\b
            | \bsys\s*\.\s*(?:argv\s*\[\s*0|_\w+|set(?:trace|profile)|get(?:trace|profile)|monitoring|addaudithook|excepthook|unraisablehook|meta_path|path_hooks|orig_argv)\b
            | ^\s*from\s+sys\s+import\b.*\b(?:modules|_\w+|settrace|setprofile|monitoring|addaudithook|meta_path|path_hooks)\b
            | \binspect\s*\.\s*(?:stack|trace|currentframe|getouterframes|getinnerframes|getframeinfo)\b | ^\s*from\s+inspect\s+import\b
            | \b(?:extract_stack|walk_stack|print_stack|format_stack|f_back|f_globals|tb_frame)\b
            | \bgc\b\s*\. | ^\s*(?:import|from)\s.*\b(?:gc|atexit|ctypes|faulthandler)\b
            | \batexit\b | \bos\s*\.\s*(?:_exit|abort|kill\w*|fork\w*|dup2?)\b | \b__builtins__\b | \bbuiltins\b | \b__import__\b | \bimport_module\b
            | /proc/ | \b__subclasses__\b | \b__class__\s*= | \bcurrent_thread\b
        "#,
        looking: r#"
            \bhasattr\s*\( | \bgetattr\s*\(.*,.*, | (?:^|[^.\w])(?:vars|dir|globals|locals)\s*\( | \b__dict__\b | \b__doc__\b | \b__code__\b
            | \b__defaults__\b | \b__kwdefaults__\b | \b__annotations__\b | \b__version__\b | \bco_\w+ | \b(?:tb|f)_lineno\b | \binspect\b | \b\w+\.__file__\b
            | ^\s*(?:import|from)\s+(?:ast|dis|tokenize|linecache|symtable|marshal|pkgutil|importlib|py_compile|runpy|zipimport|gc)\b
            | \.pyc?["'] | \bgetsource\w*\b | \bimport_module\b | \b__import__\s*\(
            | \bexcept\s*:| \bexcept\b.*\b(?:ImportError|ModuleNotFoundError|AttributeError|NameError|Exception|BaseException)\b
            | \bsuppress\s*\(.*\b(?:ImportError|ModuleNotFoundError|AttributeError|NameError|Exception|BaseException)\b
            | \braises\s*\(.*\b(?:ImportError|ModuleNotFoundError|NameError)\b | ["']-c["'] | \bgit\b["']
        "#,
        defines: r#"^\s*(?:async\s+)?(?:def|class)\s+(\w+) | ^(\w+)\s*(?::[^=]*)?= | \b(?:self|cls)\.(\w+)\s*(?::[^=]*)?=[^=] | \bsetattr\s*\([^,]*,\s*["'](\w+)"#
    ),
    language!(
        [b"rs"], "//",
        aware: r#"
            \bthread\s*::\s*current\b | \bcurrent_exe\b | \bBacktrace\b | \bbacktrace\s*:: | \bset_hook\b | \btake_hook\b
            | \bmacro_rules\s*!\s*(?:r\#)?(?:assert\w*|debug_assert\w*|panic|matches|unreachable|todo|unimplemented|vec|format)\b
            | \buse\b.*\bas\s+(?:assert\w*|debug_assert\w*|panic|test)\b | \#\s*!?\[\s*(?:no_mangle|unsafe\s*\(\s*no_mangle|export_name|link_section|unsafe\s*\(\s*link_section|ctor|macro_use|path)\b
            | \bextern\s+"C" | \bprocess\s*::\s*(?:exit|abort)\b | \blibc\s*:: | \binclude\s*! | /proc/ | \bRUST_TEST\w* | \bCARGO_(?:TARGET|PKG|CRATE|BIN|MANIFEST)\w*
            | "[^"]*\btests?/ | \benv\s*::\s*args
        "#,
        looking: r#"
            \binclude(?:_str|_bytes)?\s*!\s*.*(?:\bsrc/|\.rs") | "[^"]*(?:\bsrc/|\.rs|Cargo\.(?:toml|lock))" | \btype_name\b | \bsize_of\w*\b | \balign_of\w*\b
            | \b(?:file|line|column|option_env)\s*!\s*\( | \bCommand\s*::\s*new\s*\(\s*"(?:git|cargo|rustc|grep)" | \bCARGO_PKG_VERSION\b
        "#,
        defines: r#"\b(?:fn|const|static|struct|enum|union|trait|type|mod)\s+(?:mut\s+)?(\w+) | \bmacro_rules\s*!\s*(\w+) | \bas\s+([A-Za-z]\w*)\s*[;,}]"#
    ),
];

/// Code and tests that look at each other, by their added lines alone.
pub(super) fn doubts(change: &Change, split: &Split) -> Vec<Doubt> {
    let parts = Parts::of(change, split);
    let aware = parts.production.iter().filter_map(|line| {
        let found = find(line, |language| &language.aware)?;
        Some(Doubt::TestAware {
            path: line.path.clone(),
            line: line.n,
            text: found.to_owned(),
        })
    });
    let looking = parts.tests.iter().filter_map(|line| {
        let found = find(line, |language| &language.looking)?;
        Some(Doubt::SourceSensitive {
            path: line.path.clone(),
            line: line.n,
            text: found.to_owned(),
        })
    });
    aware.chain(looking).collect()
}

/// New tests that name what only the fix defines, and yet did not stumble over it `before`: they were ready for its absence.
pub(super) fn markers(change: &Change, split: &Split, before: &TestRun) -> Vec<Doubt> {
    let parts = Parts::of(change, split);
    let names = parts.new_names(change, split);
    if names.is_empty() {
        return Vec::new();
    }
    let stumbled: BTreeSet<&str> = before
        .results
        .iter()
        .filter(|(_, result)| result.outcome == Outcome::Errored)
        .map(|(test, _)| function_name(&test.0))
        .collect();
    let mut doubts = Vec::new();
    // The function that the lines stand in, with its indentation, if it stumbled.
    let mut inside: Option<usize> = None;
    for line in &parts.tests {
        let indent = line.text.len() - line.text.trim_start().len();
        if inside.is_some_and(|outer| indent <= outer) {
            inside = None;
        }
        if defined_function(line.text).is_some_and(|name| stumbled.contains(name)) {
            inside = Some(indent);
        }
        if inside.is_some() {
            continue;
        }
        if let Some(name) = words(line.text).find(|word| names.contains(word)) {
            doubts.push(Doubt::SourceSensitive {
                path: line.path.clone(),
                line: line.n,
                text: name.to_owned(),
            });
        }
    }
    doubts
}

/// The added lines of code of both parts.
struct Parts<'a> {
    production: Vec<Line<'a>>,
    tests: Vec<Line<'a>>,
}

impl<'a> Parts<'a> {
    fn of(change: &'a Change, split: &Split) -> Parts<'a> {
        let mut parts = Parts {
            production: Vec::new(),
            tests: Vec::new(),
        };
        for file in &change.files {
            let Some(language) = language(&file.path) else {
                continue;
            };
            let regions = test_lines(file);
            let is_test_file = split.tests.contains(&file.path);
            for (n, text) in file.added_lines() {
                let Ok(text) = std::str::from_utf8(text) else {
                    continue;
                };
                let code = text.trim();
                if code.is_empty() || code.starts_with(language.comment) {
                    continue;
                }
                let path = &file.path;
                let is_test = is_test_file || regions.iter().any(|range| range.contains(&n));
                let part = if is_test {
                    &mut parts.tests
                } else {
                    &mut parts.production
                };
                part.push(Line { path, n, text });
            }
        }
        parts
    }

    /// What the production lines define and the parent's production does not even mention.
    fn new_names(&self, change: &'a Change, split: &Split) -> BTreeSet<&'a str> {
        let known: BTreeSet<&str> = change
            .files
            .iter()
            .filter(|file| !split.tests.contains(&file.path))
            .filter_map(|file| file.old.as_ref()?.content.text())
            .flat_map(words)
            .collect();
        let mut names = BTreeSet::new();
        for line in &self.production {
            let Some(language) = language(line.path) else {
                continue;
            };
            for captures in language.defines.captures_iter(line.text) {
                let defined = captures.iter().skip(1).flatten();
                names.extend(defined.map(|name| name.as_str()));
            }
            names.extend(self.class_attribute(change, line));
        }
        names.retain(|name| !known.contains(name) && !name.starts_with("__"));
        names
    }

    /// The name that an indented Python line gives to its class; `None` in a function.
    fn class_attribute(&self, change: &'a Change, line: &Line<'a>) -> Option<&'a str> {
        static ASSIGNMENT: LazyLock<Regex> =
            LazyLock::new(|| pattern(r"^\s+(\w+)\s*(?::[^=]*)?=[^=]"));
        let name = ASSIGNMENT.captures(line.text)?.get(1)?.as_str();
        let text = change.file(line.path)?.new.as_ref()?.content.text()?;
        let indent = |line: &str| line.len() - line.trim_start().len();
        let above = text.lines().take(line.n.saturating_sub(1));
        let outer = above
            .filter(|above| !above.trim().is_empty() && indent(above) < indent(line.text))
            .last()?;
        outer.trim_start().starts_with("class ").then_some(name)
    }
}

/// The lines of the new version that stand in inline tests.
fn test_lines(file: &FileChange) -> Vec<std::ops::Range<usize>> {
    let text = file.new.as_ref().and_then(|version| version.content.text());
    let Some(text) = text.filter(|_| file.path.extension() == Some(b"rs")) else {
        return Vec::new();
    };
    // What cannot be cut is all production; the split says so by itself.
    let regions = inline::test_regions(text).unwrap_or_default();
    let line_of = |at: usize| 1 + text[..at].bytes().filter(|&byte| byte == b'\n').count();
    regions
        .into_iter()
        .map(|region| line_of(region.start)..line_of(region.end) + 1)
        .collect()
}

fn language(path: &RepoPath) -> Option<&'static Language> {
    let extension = path.extension()?;
    LANGUAGES
        .iter()
        .find(|language| language.extensions.contains(&extension))
}

fn find<'a>(
    line: &Line<'a>,
    patterns: impl Fn(&'static Language) -> &'static LazyLock<Regex>,
) -> Option<&'a str> {
    let found = patterns(language(line.path)?).find(line.text)?;
    Some(found.as_str().trim())
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

/// `test_b` of `tests/test_a.py::TestA::test_b[1]`, `test_a.TestA.test_b` and `shop::cart::tests::test_b`.
fn function_name(id: &str) -> &str {
    let id = id.split('[').next().unwrap_or(id);
    id.rsplit([':', '.']).next().unwrap_or(id)
}

/// The function that a Python line begins.
fn defined_function(line: &str) -> Option<&str> {
    let rest = line.trim_start();
    let rest = rest.strip_prefix("async ").unwrap_or(rest);
    let name = rest.strip_prefix("def ")?;
    words(name).next()
}

fn pattern(text: &str) -> Regex {
    Regex::new(&format!("(?x){text}")).expect("each pattern is used by a test")
}
