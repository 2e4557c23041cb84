//! Small lexers: enough of a language to tell its names, numbers, strings and comments apart.
//!
//! What cannot be read to its end is `None`: nobody may build on half an understanding.

use std::ops::Range;

use crate::change::RepoPath;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub kind: Kind,
    pub bytes: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or a keyword.
    Word,
    Number,
    /// A plain string: no interpolation, one token from its prefix to its closing quote.
    Text,
    /// A string that holds code, a regular expression, a character.
    Other,
    Sign,
    Comment,
    /// The indentation of a line that begins a statement, where that has a meaning.
    Indent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Python,
    Rust,
    JavaScript,
    Go,
    Java,
}

impl Language {
    pub fn of(path: &RepoPath) -> Option<Language> {
        match path.extension()? {
            b"py" | b"pyi" => Some(Language::Python),
            b"rs" => Some(Language::Rust),
            b"js" | b"jsx" | b"mjs" | b"cjs" | b"ts" | b"tsx" | b"mts" | b"cts" => {
                Some(Language::JavaScript)
            }
            b"go" => Some(Language::Go),
            b"java" | b"kt" => Some(Language::Java),
            _ => None,
        }
    }
}

/// The tokens of a whole file.
pub(super) fn tokens(language: Language, text: &str) -> Option<Vec<Token>> {
    let mut lexer = Lexer {
        language,
        text,
        at: 0,
        depth: 0,
        tokens: Vec::new(),
    };
    if language == Language::Python {
        lexer.indent();
    }
    while lexer.at < text.len() {
        lexer.next()?;
    }
    Some(lexer.tokens)
}

/// What a file does, as far as its tokens tell: without comments, and in Python without texts that stand by themselves.
pub(super) fn essence(language: Language, text: &str) -> Option<Vec<(Kind, &str)>> {
    let tokens = tokens(language, text)?;
    let mut kept: Vec<(Kind, &str)> = Vec::new();
    // Where the statement begins that has nothing but texts so far.
    let mut only_texts: Option<usize> = None;
    for token in &tokens {
        let slice = &text[token.bytes.clone()];
        match token.kind {
            Kind::Comment => continue,
            Kind::Indent => {
                kept.truncate(
                    only_texts
                        .filter(|&at| at + 1 < kept.len())
                        .unwrap_or(kept.len()),
                );
                // A line that says nothing more has no indentation either.
                if matches!(kept.last(), Some((Kind::Indent, _))) {
                    kept.pop();
                }
                only_texts = Some(kept.len());
            }
            Kind::Text => {}
            _ => only_texts = None,
        }
        kept.push((token.kind, slice));
    }
    kept.truncate(only_texts.unwrap_or(kept.len()));
    Some(kept)
}

struct Lexer<'a> {
    language: Language,
    text: &'a str,
    at: usize,
    /// Open brackets, in which Python's lines go on.
    depth: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn push(&mut self, kind: Kind, n_bytes: usize) {
        let bytes = self.at..self.at + n_bytes;
        self.at = bytes.end;
        self.tokens.push(Token { kind, bytes });
    }

    fn next(&mut self) -> Option<()> {
        let rest = self.rest();
        let c = rest.chars().next()?;
        if c == '\n' && self.language == Language::Python && self.depth == 0 {
            self.at += 1;
            self.indent();
            return Some(());
        }
        if rest.starts_with("\\\n") || rest.starts_with("\\\r\n") {
            self.at += rest.find('\n')? + 1;
            return Some(());
        }
        if c.is_whitespace() {
            self.at += c.len_utf8();
            return Some(());
        }
        if let Some(n_bytes) = self.comment()? {
            self.push(Kind::Comment, n_bytes);
            return Some(());
        }
        if let Some((kind, n_bytes)) = self.quoted()? {
            self.push(kind, n_bytes);
            return Some(());
        }
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        let before = self.text[..self.at].chars().next_back();
        let is_field = before.is_some_and(|c| is_word(c) || matches!(c, '.' | ')' | ']' | '}'));
        let starts_number = c.is_ascii_digit()
            || (c == '.' && !is_field && rest[1..].starts_with(|c: char| c.is_ascii_digit()));
        if starts_number {
            self.push(Kind::Number, number(rest));
        } else if is_word(c) {
            let n_bytes = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            self.push(Kind::Word, n_bytes);
        } else {
            match c {
                '(' | '[' | '{' => self.depth += 1,
                ')' | ']' | '}' => self.depth = self.depth.checked_sub(1)?,
                _ => {}
            }
            self.push(Kind::Sign, c.len_utf8());
        }
        Some(())
    }

    /// The indentation of the statement that begins here; blank lines and comments have none.
    fn indent(&mut self) {
        let rest = self.rest();
        let n_bytes = rest
            .find(|c| !matches!(c, ' ' | '\t'))
            .unwrap_or(rest.len());
        let line = &rest[n_bytes..];
        if !line.is_empty() && !line.starts_with(['\n', '\r', '#']) {
            self.push(Kind::Indent, n_bytes);
        } else {
            self.at += n_bytes;
        }
    }

    fn comment(&self) -> Option<Option<usize>> {
        let rest = self.rest();
        let line = || rest.find('\n').unwrap_or(rest.len());
        match self.language {
            Language::Python => Some(rest.starts_with('#').then(line)),
            _ if rest.starts_with("//") => Some(Some(line())),
            Language::JavaScript if self.at == 0 && rest.starts_with("#!") => Some(Some(line())),
            _ if !rest.starts_with("/*") => Some(None),
            Language::Rust => Some(Some(nested_comment(rest)?)),
            _ => Some(Some(rest[2..].find("*/")? + 4)),
        }
    }

    fn quoted(&self) -> Option<Option<(Kind, usize)>> {
        match self.language {
            Language::Python => self.python_string(),
            Language::Rust => self.rust_string(),
            Language::JavaScript => self.javascript_string(),
            Language::Go | Language::Java => self.plain_string(),
        }
    }

    fn python_string(&self) -> Option<Option<(Kind, usize)>> {
        let rest = self.rest();
        let n_prefix = rest.find(['"', '\'']).filter(|&n| n <= 2);
        let Some(n_prefix) = n_prefix else {
            return Some(None);
        };
        let prefix = rest[..n_prefix].to_ascii_lowercase();
        if !prefix.chars().all(|c| "rbuft".contains(c)) {
            return Some(None);
        }
        let quoted = &rest[n_prefix..];
        let quote = &quoted[..1];
        let triple = quote.repeat(3);
        let quote = if quoted.starts_with(&triple) {
            triple.as_str()
        } else {
            quote
        };
        let holds_code = prefix.contains(['f', 't']);
        let n_bytes = self.end_of_string(&quoted[quote.len()..], quote, holds_code)?;
        let kind = if holds_code { Kind::Other } else { Kind::Text };
        Some(Some((kind, n_prefix + quote.len() + n_bytes)))
    }

    /// How far a string goes after its opening quote, the closing one included.
    fn end_of_string(&self, body: &str, quote: &str, holds_code: bool) -> Option<usize> {
        let mut at = 0;
        while at < body.len() {
            let rest = &body[at..];
            if rest.starts_with(quote) {
                return Some(at + quote.len());
            }
            if let Some(escaped) = rest.strip_prefix('\\') {
                at += 1 + escaped.chars().next()?.len_utf8();
            } else if rest.starts_with('\n') && quote.len() == 1 && quote != "`" {
                return None;
            } else if holds_code && (rest.starts_with("{{") || rest.starts_with("}}")) {
                at += 2;
            } else if holds_code && rest.starts_with('{') {
                at += self.braced(rest)?;
            } else {
                at += rest.chars().next()?.len_utf8();
            }
        }
        None
    }

    /// How far `{…}` goes, strings in it respected.
    fn braced(&self, text: &str) -> Option<usize> {
        let mut inner = Lexer {
            language: self.language,
            text,
            at: 0,
            depth: 0,
            tokens: Vec::new(),
        };
        inner.next()?;
        while inner.depth > 0 {
            // The format behind a colon may hold anything, `#` too.
            if inner.rest().starts_with(['#', '!', ':', '%']) {
                inner.push(Kind::Sign, 1);
            } else if inner.rest().starts_with('\n') {
                inner.at += 1;
            } else {
                inner.next()?;
            }
        }
        Some(inner.at)
    }

    fn rust_string(&self) -> Option<Option<(Kind, usize)>> {
        let rest = self.rest();
        let n_prefix = rest.find(['"', '\'', '#']).filter(|&n| n <= 2);
        let Some(n_prefix) = n_prefix else {
            return Some(None);
        };
        let (prefix, quoted) = rest.split_at(n_prefix);
        if !matches!(prefix, "" | "b" | "r" | "br" | "c" | "cr") {
            return Some(None);
        }
        let n_hashes = quoted.len() - quoted.trim_start_matches('#').len();
        if prefix.contains('r') && quoted[n_hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(n_hashes));
            let body = &quoted[n_hashes + 1..];
            let n_bytes = body.find(&close)? + close.len();
            return Some(Some((Kind::Text, n_prefix + n_hashes + 1 + n_bytes)));
        }
        if let Some(body) = quoted.strip_prefix('"') {
            let n_bytes = string_with_lines(body)?;
            return Some(Some((Kind::Text, n_prefix + 1 + n_bytes)));
        }
        let Some(body) = quoted.strip_prefix('\'') else {
            return Some(None);
        };
        // A character, or else a lifetime.
        let mut chars = body.chars();
        let first = chars.next()?;
        let is_char = first == '\\' || chars.next() == Some('\'');
        if !is_char {
            return Some(None);
        }
        let n_bytes = self.end_of_string(body, "'", false)?;
        Some(Some((Kind::Other, n_prefix + 1 + n_bytes)))
    }

    fn javascript_string(&self) -> Option<Option<(Kind, usize)>> {
        let rest = self.rest();
        if let Some(body) = rest.strip_prefix('`') {
            return Some(Some((Kind::Other, 1 + self.template(body)?)));
        }
        if rest.starts_with('/') && !self.follows_value() {
            return Some(Some((Kind::Other, regex(rest)?)));
        }
        self.plain_string()
    }

    /// How far a template goes after its opening quote.
    fn template(&self, body: &str) -> Option<usize> {
        let mut at = 0;
        loop {
            let rest = body.get(at..)?;
            if rest.starts_with('`') {
                return Some(at + 1);
            }
            at += if rest.starts_with("${") {
                1 + self.braced(&rest[1..])?
            } else if let Some(escaped) = rest.strip_prefix('\\') {
                1 + escaped.chars().next()?.len_utf8()
            } else {
                rest.chars().next()?.len_utf8()
            };
        }
    }

    fn plain_string(&self) -> Option<Option<(Kind, usize)>> {
        let rest = self.rest();
        if self.language == Language::Go && rest.starts_with('`') {
            return Some(Some((Kind::Other, 2 + rest[1..].find('`')?)));
        }
        if self.language == Language::Java && rest.starts_with("\"\"\"") {
            let n_bytes = self.end_of_string(&rest[3..], "\"\"\"", false)?;
            return Some(Some((Kind::Other, 3 + n_bytes)));
        }
        let Some(quote) = rest.get(..1).filter(|quote| matches!(*quote, "\"" | "'")) else {
            return Some(None);
        };
        let n_bytes = self.end_of_string(&rest[1..], quote, false)?;
        let is_character = quote == "'" && self.language != Language::JavaScript;
        let kind = if is_character {
            Kind::Other
        } else {
            Kind::Text
        };
        Some(Some((kind, 1 + n_bytes)))
    }

    /// Whether the last token ends a value: a slash divides then.
    fn follows_value(&self) -> bool {
        const KEYWORDS: [&str; 13] = [
            "return",
            "typeof",
            "instanceof",
            "in",
            "of",
            "new",
            "delete",
            "void",
            "throw",
            "case",
            "do",
            "else",
            "await",
        ];
        let mut tokens = self.tokens.iter().rev();
        let Some(last) = tokens.find(|token| token.kind != Kind::Comment) else {
            return false;
        };
        let slice = &self.text[last.bytes.clone()];
        match last.kind {
            Kind::Word => !KEYWORDS.contains(&slice),
            Kind::Number | Kind::Text | Kind::Other => true,
            Kind::Sign => matches!(slice, ")" | "]" | "}"),
            Kind::Comment | Kind::Indent => false,
        }
    }
}

fn nested_comment(text: &str) -> Option<usize> {
    let (mut at, mut depth) = (0, 0);
    loop {
        let rest = text.get(at..)?;
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
        } else {
            at += rest.chars().next()?.len_utf8();
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

fn string_with_lines(body: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// How far a regular expression goes, its flags included.
fn regex(text: &str) -> Option<usize> {
    let (mut is_escaped, mut in_class) = (false, false);
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\n' => return None,
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '[' => in_class = true,
            ']' => in_class = false,
            '/' if !in_class => {
                let flags = &text[at + 1..];
                let n_flags = flags.find(|c: char| !c.is_ascii_alphabetic());
                return Some(at + 1 + n_flags.unwrap_or(flags.len()));
            }
            _ => {}
        }
    }
    None
}

fn number(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_hex = text.len() > 1 && text[..2].eq_ignore_ascii_case("0x");
    let mut at = 0;
    while at < bytes.len() {
        let next = bytes.get(at + 1).copied().unwrap_or(b' ');
        let goes_on = match bytes[at] {
            b'.' => next.is_ascii_digit() && (at == 0 || bytes[at - 1] != b'.'),
            b'+' | b'-' => {
                at > 0 && matches!(bytes[at - 1], b'e' | b'E') && !is_hex && next.is_ascii_digit()
            }
            byte => byte.is_ascii_alphanumeric() || byte == b'_',
        };
        if !goes_on {
            break;
        }
        at += 1;
    }
    at.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each token with the first letter of its kind, comments included, indentations left out.
    #[track_caller]
    fn check(language: Language, text: &str, expected: &str) {
        let tokens = tokens(language, text).map(|tokens| {
            let shown = tokens.iter().filter(|token| token.kind != Kind::Indent);
            let shown = shown.map(|token| {
                let kind = format!("{:?}", token.kind);
                format!("{}:{}", &kind[..1], &text[token.bytes.clone()])
            });
            shown.collect::<Vec<_>>().join(" ")
        });
        assert_eq!(tokens.as_deref().unwrap_or("nothing"), expected, "{text}");
    }

    #[test]
    fn python() {
        let check = |text, expected| check(Language::Python, text, expected);
        check("x = rb'a\\'b' # 'c", "W:x S:= T:rb'a\\'b' C:# 'c");
        check(
            "f'{x[\"a\"]:#x} {{}}' + 'b'",
            "O:f'{x[\"a\"]:#x} {{}}' S:+ T:'b'",
        );
        check("f\"{d[\"k\"]}\"", "O:f\"{d[\"k\"]}\"");
        check("'''a\n'b' # c'''", "T:'''a\n'b' # c'''");
        check(
            "1_000 0xFF 1.5e-3 .5 a.b x[1:2]",
            "N:1_000 N:0xFF N:1.5e-3 N:.5 W:a S:. W:b W:x S:[ N:1 S:: N:2 S:]",
        );
        check("f'''{\nx}''' y", "O:f'''{\nx}''' W:y");
        check("f'{{' + '{'", "O:f'{{' S:+ T:'{'");
        check("1+2 0xe+1", "N:1 S:+ N:2 N:0xe S:+ N:1");
        check("'a\nb'", "nothing");
        check("f(", "W:f S:(");
        check(")", "nothing");
        check("format('x')", "W:format S:( T:'x' S:)");
    }

    #[test]
    fn rust() {
        let check = |text, expected| check(Language::Rust, text, expected);
        check(
            "a..=3 0..5 1.5f32",
            "W:a S:. S:. S:= N:3 N:0 S:. S:. N:5 N:1.5f32",
        );
        check(
            "r#\"a\"b\"# b'x' 'a' '\\'' &'a str",
            "T:r#\"a\"b\"# O:b'x' O:'a' O:'\\'' S:& S:' W:a W:str",
        );
        check(
            "\"a\nb\\\"\" /* /* */ x */ y // z",
            "T:\"a\nb\\\"\" C:/* /* */ x */ W:y C:// z",
        );
        check("/**/ x", "C:/**/ W:x");
        check("/* /* */", "nothing");
        check("\"", "nothing");
        check("r#type", "W:r S:# W:type");
        check("r\"\\\" 'x'", "T:r\"\\\" O:'x'");
    }

    #[test]
    fn javascript() {
        let check = |text, expected| check(Language::JavaScript, text, expected);
        check("a / b / c", "W:a S:/ W:b S:/ W:c");
        check(
            "x = /[/'\"]+/gi.test('a')",
            "W:x S:= O:/[/'\"]+/gi S:. W:test S:( T:'a' S:)",
        );
        check("#!node\n$a_b", "C:#!node W:$a_b");
        check("return /a/", "W:return O:/a/");
        check("x = /a\\/'/ + 'b'", "W:x S:= O:/a\\/'/ S:+ T:'b'");
        check("x = /a\n/", "nothing");
        check("`a\\`b` + 'c'", "O:`a\\`b` S:+ T:'c'");
        check(
            "`a ${b + `c ${\"}\"}`} d` + 1n",
            "O:`a ${b + `c ${\"}\"}`} d` S:+ N:1n",
        );
        check("/* ' */ \"b\" // c", "C:/* ' */ T:\"b\" C:// c");
        check("'a", "nothing");
        check("`a", "nothing");
    }

    #[test]
    fn go_and_java() {
        check(Language::Go, "`a\n\"` 'x' \"b\"", "O:`a\n\"` O:'x' T:\"b\"");
        check(
            Language::Java,
            "\"\"\"\na \"b\"\n\"\"\" 'x' \"c\"",
            "O:\"\"\"\na \"b\"\n\"\"\" O:'x' T:\"c\"",
        );
    }

    #[track_caller]
    fn check_same(language: Language, one: &str, other: &str, expected: bool) {
        let one_essence = essence(language, one).expect("it can be read");
        let same = Some(one_essence) == essence(language, other);
        assert_eq!(same, expected, "{one}\n---\n{other}");
    }

    #[test]
    fn comments_blank_lines_and_docstrings_do_nothing() {
        let check = |one, other, expected| check_same(Language::Python, one, other, expected);
        check("x = 1\n", "# a\n\nx = 1  # b\n", true);
        check(
            "def f():\n    '''a'''\n    return 1\n",
            "def f():\n    '''b'''\n    return 1\n",
            true,
        );
        check(
            "def f():\n    '''a'''\n    return 1\n",
            "def f():\n    return 1\n",
            true,
        );
        check("'''a'''\nx = 1\n", "x = 1\n", true);
        check("x = 'a'\n", "x = 'b'\n", false);
        check("f('a')\n", "f()\n", false);
        check("f(\n    'a',\n)\n", "f(\n  'a',\n)\n", true);
        // A statement in another block is another program.
        check("if a:\n    b()\n    c()\n", "if a:\n    b()\nc()\n", false);
        check("x = 1 + \\\n    2\n", "x = 1 + 2\n", true);
        check("x = 1\n   \n    # a\n", "x = 1\n", true);
        check("x = '''\n# a\n'''\n", "x = '''\n# b\n'''\n", false);
        let check = |one, other, expected| check_same(Language::Rust, one, other, expected);
        check("/// a\nfn f() {}\n", "fn f() {\n}\n", true);
        check("fn f() { g() }", "fn f() { g(); }", false);
    }
}
