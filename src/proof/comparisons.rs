//! Where code compares: beside `==`, in an arm of a match, in a set that is looked into, as a key of a table.
//!
//! A fix that gives such a table, match or set one more entry is what most honest ones of that shape are. It is told from a special case by
//! its company: at least two sisters, and the line that the construct begins with, were there before.

use std::collections::BTreeSet;

use super::lexer::{self, Kind, Language, Token};
use super::neighbours::{self, Value};
use super::smells::words;
use crate::change::FileChange;

/// So many entries that were there before make a table.
const MIN_SISTERS: usize = 2;

/// Whether the value stands beside a comparison that is not one more entry of what was there. `named`: the words of the new tests.
pub(super) fn is_compared(file: &FileChange, value: &Value, named: &BTreeSet<&str>) -> bool {
    let Some(text) = file.new.as_ref().and_then(|new| new.content.text()) else {
        return false;
    };
    let Some(language) = Language::of(&value.path) else {
        return false;
    };
    let Some(tokens) = lexer::tokens(language, text) else {
        return false;
    };
    let tokens: Vec<&Token> = tokens
        .iter()
        .filter(|token| token.kind != Kind::Comment)
        .collect();
    // An indentation may be empty.
    let at = tokens.partition_point(|token| token.bytes.end <= value.bytes.start);
    let place = Place {
        language,
        text,
        tokens,
        at,
        added: file.added_lines().map(|(n, _)| n).collect(),
    };
    if place.is_equal() {
        return true;
    }
    let Some(how) = place.how() else {
        return false;
    };
    let old = file.old.as_ref().and_then(|old| old.content.text());
    !old.is_some_and(|old| place.is_one_more(how, old, named))
}

/// A construct whose entries can be told apart.
#[derive(Clone, Copy, PartialEq)]
enum How {
    Arm,
    Member,
    Key,
}

/// A literal among the tokens of its file, comments left out.
struct Place<'a> {
    language: Language,
    text: &'a str,
    tokens: Vec<&'a Token>,
    at: usize,
    /// Numbers of the lines that the change adds.
    added: BTreeSet<usize>,
}

impl Place<'_> {
    fn slice(&self, at: Option<usize>) -> &str {
        let token = at.and_then(|at| self.tokens.get(at));
        token.map_or("", |token| &self.text[token.bytes.clone()])
    }

    fn before(&self, at: usize, n: usize) -> &str {
        self.slice(at.checked_sub(n))
    }

    fn after(&self, at: usize, n: usize) -> &str {
        self.slice(Some(at + n))
    }

    /// Where a list of values begins that is compared as a whole.
    fn start(&self) -> usize {
        let mut start = self.at;
        while start > 0 && {
            let is_value = matches!(self.tokens[start - 1].kind, Kind::Number | Kind::Text);
            is_value || matches!(self.before(start, 1), "[" | "(" | "{" | "," | "-")
        } {
            start -= 1;
        }
        start
    }

    fn is_equal(&self) -> bool {
        let (at, start) = (self.at, self.start());
        let is_call = matches!(self.before(at, 2), "equals" | "eq" | "equalsIgnoreCase")
            && self.before(at, 1) == "(";
        self.before(start, 1) == "=" && matches!(self.before(start, 2), "=" | "!")
            || matches!(self.after(at, 1), "=" | "!") && self.after(at, 2) == "="
            || is_call
            || self.is_equal_by_a_call()
    }

    /// `hash(kind) == hash('toys')`: what a call makes of the value is compared with what it makes of something else.
    fn is_equal_by_a_call(&self) -> bool {
        let at = self.at;
        let is_word = |at: Option<usize>| {
            let token = at.and_then(|at| self.tokens.get(at));
            token.is_some_and(|token| token.kind == Kind::Word)
        };
        let is_argument = self.before(at, 1) == "(" && self.after(at, 1) == ")";
        if !is_argument || !is_word(at.checked_sub(2)) {
            return false;
        }
        let bytes = &self.tokens[at].bytes;
        let start = self.text[..bytes.start].rfind('\n').map_or(0, |at| at + 1);
        let line = self.text[start..].lines().next().unwrap_or_default();
        if line.matches(&format!("{}(", self.before(at, 2))).count() < 2 {
            return false;
        }
        let mut callee = at - 2;
        while self.before(callee, 1) == "." && is_word(callee.checked_sub(2)) {
            callee -= 2;
        }
        self.before(callee, 1) == "=" && matches!(self.before(callee, 2), "=" | "!")
            || matches!(self.after(at, 2), "=" | "!") && self.after(at, 3) == "="
    }

    fn how(&self) -> Option<How> {
        if self.is_arm(self.at) || self.before(self.start(), 1) == "case" {
            Some(How::Arm)
        } else if self.is_in_set() {
            Some(How::Member)
        } else if self.is_key(self.at) {
            Some(How::Key)
        } else {
            None
        }
    }

    fn is_arm(&self, at: usize) -> bool {
        match self.language {
            Language::Rust => {
                (self.after(at, 1) == "=" && self.after(at, 2) == ">")
                    || (self.after(at, 1) == "|"
                        && self.after(at, 2) != "|"
                        && self.before(at, 1) != "|")
                    || (self.before(at, 1) == "|" && self.before(at, 2) != "|")
            }
            _ => self.before(at, 1) == "case",
        }
    }

    fn is_in_set(&self) -> bool {
        match self.language {
            Language::Python => {
                let start = self.start();
                let is_loop = words(self.line_before(self.at)).any(|word| word == "for");
                self.before(start, 1) == "in" && start < self.at && !is_loop
            }
            Language::JavaScript => {
                let end = (self.at + 1..self.tokens.len())
                    .find(|&at| {
                        let is_value = matches!(self.tokens[at].kind, Kind::Number | Kind::Text);
                        !is_value && !matches!(self.slice(Some(at)), "," | "-")
                    })
                    .unwrap_or(self.at);
                self.slice(Some(end)) == "]"
                    && self.after(end, 1) == "."
                    && matches!(self.after(end, 2), "includes" | "indexOf")
            }
            _ => false,
        }
    }

    fn is_key(&self, at: usize) -> bool {
        let has_literal_keys = matches!(
            self.language,
            Language::Python | Language::JavaScript | Language::Go
        );
        has_literal_keys && self.after(at, 1) == ":" && matches!(self.before(at, 1), "{" | ",")
    }

    /// What stands before a token on its line.
    fn line_before(&self, at: usize) -> &str {
        let end = self.tokens[at].bytes.start;
        let start = self.text[..end].rfind('\n').map_or(0, |at| at + 1);
        &self.text[start..end]
    }

    /// Whether the construct around the literal was there in the `old` file, with at least two entries.
    fn is_one_more(&self, how: How, old: &str, named: &BTreeSet<&str>) -> bool {
        let Some(open) = self.opening() else {
            return false;
        };
        let head = self.line_before(open).trim_start();
        let begins = format!("{head}{}", self.slice(Some(open)));
        if words(head).next().is_none() || !old.contains(&begins) {
            return false;
        }
        // A test that looks into the table by its name says nothing of what the code does with it.
        let is_looked_into = || {
            let mut names = words(head.split(['=', ':']).next().unwrap_or(head));
            names.any(|name| named.contains(name) && !is_keyword(name))
        };
        if how == How::Key && (!head.contains('=') || is_looked_into()) {
            return false;
        }
        let sisters: BTreeSet<&str> = self
            .entries(open)
            .filter(|&at| match how {
                How::Arm => self.is_arm(at),
                How::Member => true,
                How::Key => self.is_key(at),
            })
            .filter(|&at| self.was_there(at, old))
            .map(|at| self.slice(Some(at)))
            .filter(|entry| neighbours::telling(self.tokens[self.at].kind, entry).is_some())
            .collect();
        sisters.len() >= MIN_SISTERS
    }

    /// Whether an entry of the literal's kind is an old one: by its line, and a text by itself.
    fn was_there(&self, at: usize, old: &str) -> bool {
        let token = self.tokens[at];
        let line = 1 + self.text[..token.bytes.start].matches('\n').count();
        let is_same = token.kind == Kind::Text && old.contains(&self.text[token.bytes.clone()]);
        token.kind == self.tokens[self.at].kind && (is_same || !self.added.contains(&line))
    }

    /// The bracket that the literal stands in.
    fn opening(&self) -> Option<usize> {
        let mut depth = 0_usize;
        for at in (0..self.at).rev() {
            match self.slice(Some(at)) {
                ")" | "]" | "}" => depth += 1,
                "(" | "[" | "{" if depth == 0 => return Some(at),
                "(" | "[" | "{" => depth -= 1,
                _ => {}
            }
        }
        None
    }

    /// The literals that stand in a bracket, and in none inside of it.
    fn entries(&self, open: usize) -> impl Iterator<Item = usize> {
        let mut depth = 0_usize;
        (open + 1..self.tokens.len())
            .map_while(move |at| {
                match self.slice(Some(at)) {
                    "(" | "[" | "{" => depth += 1,
                    ")" | "]" | "}" => depth = depth.checked_sub(1)?,
                    _ => {}
                }
                Some((at, depth))
            })
            .filter(|&(at, depth)| {
                depth == 0 && matches!(self.tokens[at].kind, Kind::Number | Kind::Text)
            })
            .map(|(at, _)| at)
    }
}

fn is_keyword(word: &str) -> bool {
    ["const", "export", "let", "self", "static", "this", "var"].contains(&word)
}
