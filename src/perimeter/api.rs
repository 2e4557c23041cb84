//! Signatures of public functions that are no longer what they were, by the forms of lines in each language; no parser takes part.

use std::cell::{LazyCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use gix::ObjectId;
use gix::bstr::ByteSlice as _;

use super::kept::Kept;
use super::text::shown;
use super::{Judged, Objection};
use crate::change::{FileChange, FileMode, FileVersion};
use crate::policy::{FileKind, Rule};

/// How a language writes a public function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Language {
    Python,
    JavaScript,
    Rust,
    Go,
    Ruby,
    Php,
    Java,
}

/// The most that is read of one signature, in bytes, and how far above a hunk one may begin, in lines.
const MOST: usize = 2_000;
const LINES_ABOVE: usize = 30;

/// Name to signatures: white space collapsed, from the name to the body.
type Signatures = BTreeMap<String, Vec<String>>;

pub(super) fn changed(files: &[Judged]) -> Vec<Objection> {
    let production = files
        .iter()
        .filter(|judged| judged.kind == FileKind::Production);
    let mut lost = Vec::new();
    for judged in production.clone() {
        let file = judged.file;
        let Some(language) = Language::of(file).filter(|language| language.may_differ(file)) else {
            continue;
        };
        let (old, new) = (
            language.signatures(&file.old),
            language.signatures(&file.new),
        );
        for (name, olds) in &*old {
            let news = new.get(name).map_or(&[][..], Vec::as_slice);
            let gone = olds.iter().filter(|old| !news.contains(old));
            for gone in gone {
                let mut others = news.iter().filter(|new| !olds.contains(new));
                if !others.clone().any(|new| language.is_compatible(gone, new)) {
                    lost.push((file, language, name.clone(), others.next().cloned()));
                }
            }
        }
    }
    // Each file is read once, and only if something is gone.
    let files = LazyCell::new(|| {
        let languages = production.clone().filter_map(|judged| {
            let language = Language::of(judged.file)?;
            let [old, new] = [&judged.file.old, &judged.file.new];
            Some((language, language.signatures(old), language.signatures(new)))
        });
        languages.collect::<Vec<_>>()
    });
    // What went to another file is still there.
    let is_elsewhere = |language: Language, name: &str| {
        files.iter().any(|(other, old, new)| {
            *other == language && !old.contains_key(name) && new.contains_key(name)
        })
    };
    let lost = lost
        .into_iter()
        .filter(|(_, language, name, now)| now.is_some() || !is_elsewhere(*language, name));
    lost.map(|(file, _, name, now)| {
        let path = &file.path;
        let name = shown(&name);
        let fact = match now {
            Some(now) => format!(
                "the public function `{name}` of `{path}` is now `{}`",
                shown(&now)
            ),
            None => format!("`{path}` no longer has the public function `{name}`"),
        };
        Objection::file(Rule::PublicApiChanged, path, fact)
    })
    .collect()
}

impl Language {
    fn of(file: &FileChange) -> Option<Language> {
        Some(match file.path.extension()? {
            b"py" | b"pyi" => Language::Python,
            b"js" | b"cjs" | b"mjs" | b"jsx" | b"ts" | b"cts" | b"mts" | b"tsx" => {
                Language::JavaScript
            }
            b"rs" => Language::Rust,
            b"go" => Language::Go,
            b"rb" => Language::Ruby,
            b"php" => Language::Php,
            b"java" | b"kt" | b"cs" => Language::Java,
            _ => return None,
        })
    }

    fn words(self) -> &'static [&'static str] {
        match self {
            Language::Python | Language::Ruby => &["def "],
            Language::JavaScript => &["export ", "exports."],
            Language::Rust => &["pub "],
            Language::Go => &["func "],
            Language::Php => &["function "],
            Language::Java => &["public ", "fun "],
        }
    }

    /// A look at the lines, so that most files need not be read as a whole.
    fn may_differ(self, file: &FileChange) -> bool {
        let Some(old) = file.old.as_ref().and_then(|old| old.content.text()) else {
            return false;
        };
        let begins = |line: &[u8]| self.words().iter().any(|word| line.contains_str(word));
        let is_inside = |at: usize| {
            let above = &old.as_bytes()[..at.min(old.len())];
            let above = above.lines().rev().take(LINES_ABOVE);
            let goes_on = |line: &&[u8]| {
                line.trim_ascii_end().ends_with(b",") || line.trim_ascii_end().ends_with(b"(")
            };
            above.take_while(goes_on).any(begins)
        };
        file.is_deleted()
            || file.removed_lines().any(|(_, line)| begins(line))
            || file
                .hunks
                .iter()
                .any(|hunk| is_inside(hunk.old.bytes.start))
    }

    fn signatures(self, version: &Option<FileVersion>) -> Rc<Signatures> {
        thread_local! {
            // A link has the text of a file without being one.
            static KEPT: RefCell<Kept<(ObjectId, FileMode, Language), Rc<Signatures>>> =
                RefCell::new(Kept::new(32));
        }
        let Some(version) = version else {
            return Rc::default();
        };
        let read = || Rc::new(self.signatures_of(version.content.text().unwrap_or_default()));
        KEPT.with_borrow_mut(|kept| kept.or_read((version.id, version.mode, self), read))
    }

    fn signatures_of(self, text: &str) -> Signatures {
        let mut signatures = Signatures::new();
        let mut scopes = Scopes::default();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let code = line.trim_start();
            let at = start + (line.len() - code.len());
            start += line.len();
            if code.trim().is_empty() {
                continue;
            }
            scopes.enter(line, code);
            let Some(from) = self.function(code).filter(|_| !scopes.hides(self)) else {
                continue;
            };
            let head = head(self, &text[at + from..]);
            let end = head
                .find(['(', ' ', '<', ':', '=', '['])
                .unwrap_or(head.len());
            let name = &head[..end];
            // The type that a method of Go belongs to is a part of its name.
            let receiver = match self {
                Language::Go => code[5..from].trim(),
                _ => "",
            };
            let is_public = match self {
                Language::Go => name.starts_with(char::is_uppercase),
                Language::Python => !name.starts_with('_') || name == "__init__",
                _ => !name.starts_with('_'),
            };
            if is_public && !name.is_empty() {
                let key = format!(
                    "{receiver}{}{name}",
                    if receiver.is_empty() { "" } else { " " }
                );
                signatures.entry(key).or_default().push(on_one_line(head));
            }
        }
        signatures
    }

    /// Where the name of the public function begins that a line begins.
    fn function(self, code: &str) -> Option<usize> {
        let strip = |rest: &'_ str, words: &[&str]| -> usize {
            let mut at = 0;
            while let Some(word) = words.iter().find(|word| rest[at..].starts_with(**word)) {
                at += word.len();
            }
            at
        };
        let behind =
            |at: usize, word: &str| code[at..].starts_with(word).then_some(at + word.len());
        match self {
            Language::Python => behind(strip(code, &["async "]), "def "),
            Language::Ruby => {
                let at = behind(0, "def ")?;
                Some(at + strip(&code[at..], &["self."]))
            }
            Language::JavaScript => {
                let at = behind(0, "export ")?;
                let at = at
                    + strip(
                        &code[at..],
                        &["default ", "async ", "declare ", "abstract "],
                    );
                let function = behind(at, "function ").or_else(|| behind(at, "function* "));
                let arrow = || {
                    behind(at, "const ").filter(|_| {
                        code.contains("=>") || code.contains("= (") || code.contains("= async (")
                    })
                };
                function.or_else(arrow)
            }
            Language::Rust => {
                let at = behind(0, "pub ")?;
                let at = at
                    + strip(
                        &code[at..],
                        &["const ", "async ", "unsafe ", "extern \"C\" "],
                    );
                behind(at, "fn ")
            }
            Language::Go => {
                let at = behind(0, "func ")?;
                match code[at..].starts_with('(') {
                    true => code[at..].find(") ").map(|end| at + end + 2),
                    false => Some(at),
                }
            }
            Language::Php => {
                let at = strip(code, &["final ", "abstract ", "public ", "static "]);
                let at = behind(at, "function ")?;
                Some(at + strip(&code[at..], &["&"]))
            }
            Language::Java => {
                let is_type = [" class ", " interface ", " enum ", " record ", " struct "]
                    .iter()
                    .any(|word| code.contains(word));
                let open = code
                    .find('(')
                    .filter(|open| !is_type && !code[..*open].contains('='))?;
                let at = code[..open].rfind([' ', '.']).map_or(0, |at| at + 1);
                let is_public = code.starts_with("public ")
                    || code.starts_with("fun ")
                    || code.starts_with("suspend fun ");
                is_public.then_some(at)
            }
        }
    }

    /// Whether every call of the old function is one of the new.
    fn is_compatible(self, old: &str, new: &str) -> bool {
        let names_only = matches!(
            self,
            Language::Python | Language::JavaScript | Language::Ruby | Language::Php
        );
        if !names_only {
            return false;
        }
        let (old, new) = (parameters(old), parameters(new));
        let same = old.iter().zip(&new).all(|(old, new)| {
            let keeps_default = !old.is_optional || new.is_optional;
            old.name == new.name && keeps_default
        });
        let rest = new.get(old.len()..);
        same && rest.is_some_and(|rest| rest.iter().all(|parameter| parameter.is_optional))
    }
}

/// What of a file is not seen from outside.
#[derive(Default)]
struct Scopes {
    /// Indentation, and whether it is a function's.
    open: Vec<(usize, bool)>,
    is_private: bool,
}

impl Scopes {
    fn enter(&mut self, line: &str, code: &str) {
        let indent = line.len() - code.len();
        self.open.retain(|&(depth, _)| depth < indent);
        let is_function = code.starts_with("def ") || code.starts_with("async def ");
        let is_class = code.starts_with("class ") || code.starts_with("module ");
        self.is_private = match code.trim() {
            "private" | "protected" => true,
            "public" => false,
            _ => self.is_private && !is_class,
        };
        // What stands in the function is hidden, not the function itself.
        if is_function || is_class {
            self.open.push((indent, is_function));
        }
    }

    fn hides(&self, language: Language) -> bool {
        match language {
            Language::Python => {
                let outer = self.open.len().saturating_sub(1);
                self.open[..outer]
                    .iter()
                    .any(|&(_, is_function)| is_function)
            }
            Language::Ruby => self.is_private,
            _ => false,
        }
    }
}

/// As a formatter would write it on one line.
fn on_one_line(head: &str) -> String {
    let words: Vec<&str> = head.split_whitespace().collect();
    let line = words.join(" ").replace("( ", "(").replace(" )", ")");
    line.replace(",)", ")")
}

/// From a name to where the body begins.
fn head(language: Language, text: &str) -> &str {
    let ends: &[&str] = match language {
        Language::Python => &[":"],
        Language::JavaScript => &["{", "=>", ";"],
        Language::Ruby => &["\n", ";"],
        _ => &["{", ";", "\nwhere"],
    };
    let mut depth = 0_usize;
    for (at, c) in text.char_indices().take(MOST) {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ if depth == 0 && ends.iter().any(|end| text[at..].starts_with(end)) => {
                return &text[..at];
            }
            _ => {}
        }
    }
    text.char_indices()
        .nth(MOST)
        .map_or(text, |(at, _)| &text[..at])
}

/// A parameter by what a caller knows of it.
struct Parameter {
    name: String,
    is_optional: bool,
}

fn parameters(signature: &str) -> Vec<Parameter> {
    let Some(open) = signature.find('(') else {
        return Vec::new();
    };
    let mut parameters = Vec::new();
    let mut depth = 0_usize;
    let mut start = open + 1;
    for (at, c) in signature.char_indices().skip_while(|&(at, _)| at < open) {
        match c {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' | '>' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let is_end = depth == 0 || depth == 1 && c == ',';
        if is_end && at > open {
            parameters.extend(parameter(&signature[start..at]));
            start = at + 1;
        }
        if depth == 0 && at > open {
            break;
        }
    }
    parameters
}

fn parameter(text: &str) -> Option<Parameter> {
    let text = text.trim();
    let is_rest = text.starts_with('*') || text.starts_with("...") || text.starts_with('&');
    let is_ruby_keyword = text
        .split_once(": ")
        .is_some_and(|(name, _)| !name.contains(' '))
        && !text.contains('=');
    let head = text.split(['=', ':']).next().unwrap_or(text).trim();
    let name = head
        .trim_end_matches('?')
        .rsplit(' ')
        .next()
        .unwrap_or(head);
    // A star alone, or a slash, only divides.
    (!text.is_empty() && !matches!(text, "*" | "/")).then(|| Parameter {
        name: name.to_owned(),
        is_optional: is_rest
            || text.contains('=')
            || head.ends_with('?')
            || is_ruby_keyword && text.ends_with(['\'', '"']),
    })
}

#[cfg(test)]
mod tests {
    use super::super::change_of::{change, facts, judged};
    use super::*;

    #[track_caller]
    fn check(path: &str, old: &str, new: &str, expected: &str) {
        let change = change(&[(path, old, new)]);
        let files = judged(&change, |_| FileKind::Production);
        let found = facts(changed(&files)).join("; ");
        assert_eq!(found, expected, "{path}: {new}");
    }

    #[test]
    fn another_signature_is_another_interface() {
        check(
            "a.py",
            "def total(a, b):\n    pass\n",
            "def total(a, c):\n    pass\n",
            "the public function `total` of `a.py` is now `total(a, c)`",
        );
        check(
            "a.py",
            "def total(a):\n    pass\n",
            "def total(a, b):\n    pass\n",
            "the public function `total` of `a.py` is now `total(a, b)`",
        );
        check(
            "a.py",
            "def total(\n    a,\n    b,\n):\n    pass\n",
            "def total(\n    a,\n    c,\n):\n    pass\n",
            "the public function `total` of `a.py` is now `total(a, c)`",
        );
        check(
            "a.py",
            "class A:\n    def b(self):\n        pass\nx = 1\n",
            "class A:\n    pass\nx = 1\n",
            "`a.py` no longer has the public function `b`",
        );
        check(
            "a.ts",
            "export function total(a: number): number {\n}\n",
            "export function total(a: number, b: number): number {\n}\n",
            "the public function `total` of `a.ts` is now `total(a: number, b: number): number`",
        );
        check(
            "a.rs",
            "pub fn total(a: u8) -> u8 {\n",
            "pub fn total(a: u8) -> u16 {\n",
            "the public function `total` of `a.rs` is now `total(a: u8) -> u16`",
        );
        check(
            "a.go",
            "func (c *Cart) Total(a int) int {\n",
            "func (c *Cart) Total(a, b int) int {\n",
            "the public function `(c *Cart) Total` of `a.go` is now `Total(a, b int) int`",
        );
        check(
            "a.rb",
            "def total(a)\nend\n",
            "def total(a, b)\nend\n",
            "the public function `total` of `a.rb` is now `total(a, b)`",
        );
        check(
            "a.php",
            "public function total($a)\n{\n",
            "public function total($a, $b)\n{\n",
            "the public function `total` of `a.php` is now `total($a, $b)`",
        );
        check(
            "A.java",
            "public int total(int a) {\n",
            "public int total(long a) {\n",
            "the public function `total` of `A.java` is now `total(long a)`",
        );
        check(
            "a.py",
            "def total(a):\n    pass\nx = 1\n",
            "x = 1\n",
            "`a.py` no longer has the public function `total`",
        );
    }

    #[test]
    fn what_callers_do_not_notice_is_let_through() {
        check(
            "a.py",
            "def total(a):\n    pass\n",
            "def total(a, b=1):\n    pass\n",
            "",
        );
        check(
            "a.py",
            "def total(a):\n    pass\n",
            "def total(a: int) -> int:\n    pass\n",
            "",
        );
        check(
            "a.py",
            "def total(a):\n    return 1\n",
            "def total(a):\n    return 2\n",
            "",
        );
        check(
            "a.py",
            "def _total(a):\n    pass\n",
            "def _total(a, b):\n    pass\n",
            "",
        );
        check(
            "a.py",
            "def total(a):\n    def each(b):\n        pass\n",
            "def total(a):\n    def each(b, c):\n        pass\n",
            "",
        );
        check(
            "a.py",
            "def total(a):\n    pass\n",
            "def total(a, *, b=1, **c):\n    pass\n",
            "",
        );
        check(
            "a.ts",
            "function total(a) {\n}\n",
            "function total(a, b) {\n}\n",
            "",
        );
        check(
            "a.ts",
            "export function total(a: number) {\n}\n",
            "export function total(a: number, b?: number) {\n}\n",
            "",
        );
        check(
            "a.rs",
            "fn total(a: u8) -> u8 {\n",
            "fn total(a: u8) -> u16 {\n",
            "",
        );
        check(
            "a.rs",
            "pub(crate) fn total(a: u8) {\n",
            "pub(crate) fn total(a: u16) {\n",
            "",
        );
        check(
            "a.rs",
            "pub fn total(a: u8) {\n",
            "pub fn total(\n    a: u8,\n) {\n",
            "",
        );
        check(
            "a.go",
            "func total(a int) int {\n",
            "func total(a, b int) int {\n",
            "",
        );
        check(
            "a.rb",
            "private\ndef total(a)\nend\n",
            "private\ndef total(a, b)\nend\n",
            "",
        );
        check(
            "a.php",
            "private function total($a)\n{\n",
            "private function total($a, $b)\n{\n",
            "",
        );
        check(
            "a.php",
            "public function total($a)\n{\n",
            "public function total($a, $b = 1)\n{\n",
            "",
        );
        check(
            "A.java",
            "private int total(int a) {\n",
            "private int total(long a) {\n",
            "",
        );
        check("a.md", "def total(a):\n", "def total(b):\n", "");
    }

    #[test]
    fn a_function_that_went_to_another_file_is_still_there() {
        let text = "def total(a):\n    pass\n";
        let change = change(&[
            ("a.py", &format!("x = 1\n{text}"), "x = 1\n"),
            ("b.py", "y = 1\n", &format!("y = 1\n{text}")),
        ]);
        let files = judged(&change, |_| FileKind::Production);
        assert_eq!(facts(changed(&files)), Vec::<String>::new());
    }
}
