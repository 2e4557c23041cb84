//! Where the items of a Rust source end, told by its brackets alone: for sources of which a parser need not read everything.
//!
//! Comments and literals are skipped by the rules of the language, nothing else is understood. What looks odd ends the scan, and a parser
//! reads the whole.

use gix::bstr::ByteSlice as _;

/// A point of a source where no bracket is open but those of modules.
#[derive(Clone, Debug, Default)]
pub(super) struct Cut<'a> {
    pub at: usize,
    /// What each open module says from the end of the item before it to its brace.
    pub modules: Vec<&'a str>,
    /// There is no item behind it.
    pub is_last: bool,
}

/// The source holds something that its brackets do not tell.
#[derive(Debug)]
pub(super) struct Odd;

impl<'a> Cut<'a> {
    /// Goes to the end of the next item, into a module, or out of one.
    pub fn advance(&mut self, source: &'a str) -> Result<(), Odd> {
        let start = self.at;
        let mut item = Item {
            source,
            bytes: source.as_bytes(),
            at: start,
            open: Vec::new(),
            keyword: Keyword::None,
            words: [(start, start); 2],
        };
        if start == 0 {
            item.skip_prefix();
        }
        let step = loop {
            if let Some(step) = item.step()? {
                break step;
            }
        };
        self.at = item.at;
        match step {
            Step::Item => self.at = item.line_end(),
            Step::Module => self.modules.push(&source[start..item.at]),
            Step::EndOfModule => {
                self.modules.pop().ok_or(Odd)?;
                self.at = item.line_end();
            }
            Step::EndOfSource if self.modules.is_empty() => self.is_last = true,
            Step::EndOfSource => return Err(Odd),
        }
        Ok(())
    }
}

/// What a step came to.
enum Step {
    Item,
    /// Behind its brace.
    Module,
    EndOfModule,
    EndOfSource,
}

/// An item on the way to its end.
struct Item<'a> {
    source: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// The brackets that close what is open.
    open: Vec<u8>,
    keyword: Keyword,
    /// Where the last two words outside of brackets stand.
    words: [(usize, usize); 2],
}

/// What the words of an item say of its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keyword {
    /// Nothing yet.
    None,
    /// A constant, or a function that is one.
    Const,
    /// It ends with a semicolon, and braces may stand before that: `use a::{b, c};`.
    Semicolon,
    Brace,
}

/// Bytes that mean something between brackets.
const TELLING: [bool; 256] = {
    let mut telling = [false; 256];
    let bytes = b"\"'/()[]{}";
    let mut n = 0;
    while n < bytes.len() {
        telling[bytes[n] as usize] = true;
        n += 1;
    }
    telling
};

impl Item<'_> {
    fn step(&mut self) -> Result<Option<Step>, Odd> {
        let is_inside = !self.open.is_empty();
        if is_inside {
            let mut rest = self.bytes[self.at..].iter();
            let length = rest.position(|&byte| TELLING[usize::from(byte)]);
            self.at += length.ok_or(Odd)?;
        }
        let Some(&byte) = self.bytes.get(self.at) else {
            return Ok(Some(Step::EndOfSource));
        };
        match byte {
            b'"' => self.skip_string()?,
            b'\'' => self.skip_quote()?,
            b'/' => self.skip_slash()?,
            b'(' => self.open(b')'),
            b'[' => self.open(b']'),
            b'{' if !is_inside && self.is_module() => {
                self.at += 1;
                return Ok(Some(Step::Module));
            }
            b'{' => self.open(b'}'),
            b'}' if !is_inside => {
                self.at += 1;
                return Ok(Some(Step::EndOfModule));
            }
            b')' | b']' | b'}' => {
                if self.open.pop() != Some(byte) {
                    return Err(Odd);
                }
                self.at += 1;
                let is_end = byte == b'}' && self.open.is_empty();
                if is_end && self.keyword != Keyword::Semicolon {
                    return Ok(Some(Step::Item));
                }
            }
            b';' => {
                self.at += 1;
                return Ok(Some(Step::Item));
            }
            b'#' if self.speaks_of_the_whole_file() => return Err(Odd),
            _ if is_word(byte) => self.skip_word(),
            _ => self.at += 1,
        }
        Ok(None)
    }

    fn open(&mut self, close: u8) {
        self.open.push(close);
        self.at += 1;
    }

    /// A byte order mark and a `#!` line.
    fn skip_prefix(&mut self) {
        if self.source.starts_with('\u{feff}') {
            self.at = '\u{feff}'.len_utf8();
        }
        let rest = &self.source[self.at..];
        let is_shebang = rest
            .strip_prefix("#!")
            .is_some_and(|rest| !rest.trim_start().starts_with('['));
        if is_shebang {
            self.at += rest.find('\n').unwrap_or(rest.len());
        }
    }

    /// Whether `#![..]` makes everything a test.
    fn speaks_of_the_whole_file(&self) -> bool {
        let rest = &self.bytes[self.at..];
        let end = rest.find_byte(b']').unwrap_or(rest.len());
        rest.starts_with(b"#!") && rest[..end].contains_str("test")
    }

    fn skip_word(&mut self) {
        let start = self.at;
        self.at = self.word_end(start);
        let word = &self.bytes[start..self.at];
        self.words = [self.words[1], (start, self.at)];
        self.keyword = match (self.keyword, word) {
            (Keyword::None, b"pub" | b"default") => Keyword::None,
            (Keyword::None, b"const") => Keyword::Const,
            (Keyword::None, b"use" | b"static" | b"type" | b"let") => Keyword::Semicolon,
            (Keyword::Const, b"fn" | b"async" | b"unsafe" | b"extern") => Keyword::Brace,
            (Keyword::Const, _) => Keyword::Semicolon,
            (Keyword::None | Keyword::Brace, _) => Keyword::Brace,
            (Keyword::Semicolon, _) => Keyword::Semicolon,
        };
    }

    fn word_end(&self, start: usize) -> usize {
        let rest = &self.bytes[start..];
        let length = rest.iter().position(|&byte| !is_word(byte));
        start + length.unwrap_or(rest.len())
    }

    fn skip_string(&mut self) -> Result<(), Odd> {
        if let Some(n_hashes) = self.raw_hashes() {
            let mut end = vec![b'#'; n_hashes + 1];
            end[0] = b'"';
            let text = self.at + 1;
            self.at = text + self.bytes[text..].find(&end).ok_or(Odd)? + end.len();
            return Ok(());
        }
        let mut at = self.at + 1;
        loop {
            let rest = self.bytes.get(at..).ok_or(Odd)?;
            at += rest.find_byteset(b"\"\\").ok_or(Odd)?;
            if self.bytes[at] == b'"' {
                self.at = at + 1;
                return Ok(());
            }
            at += 2;
        }
    }

    /// The number of hashes between `r`, `br` or `cr` and the quote.
    fn raw_hashes(&self) -> Option<usize> {
        let before = &self.bytes[..self.at];
        let word_end = before.trim_end_with(|c| c == '#').len();
        let is_part = |byte: &&u8| is_word(**byte);
        let n_word = before[..word_end].iter().rev().take_while(is_part).count();
        let (before, word) = before[..word_end].split_at(word_end - n_word);
        let is_raw = matches!(word, b"r" | b"br" | b"cr") && !before.ends_with(b"'");
        is_raw.then_some(self.at - word_end)
    }

    /// A character, or a lifetime.
    fn skip_quote(&mut self) -> Result<(), Odd> {
        let start = self.at + 1;
        let first = self.source[start..].chars().next().ok_or(Odd)?;
        if first == '\\' {
            // What is escaped may be a quote itself.
            let rest = self.bytes.get(start + 2..).ok_or(Odd)?;
            self.at = start + 2 + rest.find_byte(b'\'').ok_or(Odd)? + 1;
            return Ok(());
        }
        let end = start + first.len_utf8();
        self.at = match self.bytes.get(end) {
            Some(b'\'') => end + 1,
            _ => self.word_end(start),
        };
        Ok(())
    }

    fn skip_slash(&mut self) -> Result<(), Odd> {
        match self.bytes.get(self.at + 1) {
            Some(b'/') => {
                let rest = &self.bytes[self.at..];
                self.at += rest.find_byte(b'\n').unwrap_or(rest.len());
            }
            Some(b'*') => {
                let mut depth = 1;
                self.at += 2;
                while depth > 0 {
                    let rest = &self.bytes[self.at..];
                    let n = rest.find_byteset(b"*/").ok_or(Odd)?;
                    let (n_bytes, change) = match rest.get(n..n + 2).ok_or(Odd)? {
                        b"*/" => (2, -1),
                        b"/*" => (2, 1),
                        _ => (1, 0),
                    };
                    self.at += n + n_bytes;
                    depth += change;
                }
            }
            _ => self.at += 1,
        }
        Ok(())
    }

    /// Whether the brace that is next is that of `mod name`, and nothing inside speaks of the module.
    fn is_module(&self) -> bool {
        let [(mod_start, mod_end), (name_start, name_end)] = self.words;
        let is_blank = |start: usize, end: usize| self.bytes[start..end].trim_ascii().is_empty();
        &self.bytes[mod_start..mod_end] == b"mod"
            && is_blank(mod_end, name_start)
            && is_blank(name_end, self.at)
            && !speaks_of_itself(&self.source[self.at + 1..])
    }

    /// Beyond the line feed, if nothing but blanks stands before it.
    fn line_end(&self) -> usize {
        let rest = &self.bytes[self.at..];
        let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r');
        let n_blanks = rest.iter().take_while(is_blank).count();
        match rest.get(n_blanks) {
            Some(b'\n') => self.at + n_blanks + 1,
            _ => self.at,
        }
    }
}

/// Whether what stands in a module begins with `#![..]`, or perhaps does.
fn speaks_of_itself(mut inside: &str) -> bool {
    loop {
        inside = inside.trim_start();
        if !inside.starts_with("//") {
            return inside.starts_with("#!") || inside.starts_with("/*");
        }
        let (_, below) = inside.split_once('\n').unwrap_or_default();
        inside = below;
    }
}

/// A part of a word or number: beyond ASCII everything is.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}
