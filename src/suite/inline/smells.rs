//! Places in production code that compile to something else under test.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use proc_macro2::{Ident, TokenStream, TokenTree};

use super::items;
use super::source::Source;

/// A condition on being tested.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Smell {
    /// 1-based.
    pub line: usize,
    /// As it is written, white space folded: `cfg(not(test))`.
    pub text: String,
}

/// What takes a condition.
const CONDITIONALS: [&str; 5] = ["cfg", "cfg_attr", "cfg_select", "cfg_match", "cfg_if"];

/// What tells a build for tests from another.
const TEST_WORDS: [&str; 2] = ["test", "debug_assertions"];

pub(super) fn may_smell(source: &[u8]) -> bool {
    static CFG: LazyLock<AhoCorasick> =
        LazyLock::new(|| AhoCorasick::new(["cfg"]).expect("a short literal makes an automaton"));
    CFG.is_match(source)
}

pub(super) fn smells(source: &Source) -> Vec<Smell> {
    let regions = items::regions(source);
    let mut smells = Vec::new();
    each_condition(source.stream.clone(), &mut |word, condition| {
        let start = source.bytes(word.span()).start;
        let is_production = !regions.iter().any(|region| region.bytes.contains(&start));
        if is_production && names_test(condition.stream()) {
            let end = source.bytes(condition.span_close()).end;
            let text = source.text[start..end].split_whitespace();
            smells.push(Smell {
                line: source.line(start),
                text: text.collect::<Vec<_>>().join(" "),
            });
        }
    });
    smells
}

/// The smells of `now` that `known` has not, or not so often.
pub(super) fn beyond(known: Vec<Smell>, now: Vec<Smell>) -> Vec<Smell> {
    let mut left: BTreeMap<String, usize> = BTreeMap::new();
    for smell in known {
        *left.entry(smell.text).or_default() += 1;
    }
    let mut new = now;
    new.retain(|smell| match left.get_mut(&smell.text) {
        Some(n @ 1..) => {
            *n -= 1;
            false
        }
        _ => true,
    });
    new
}

fn each_condition(stream: TokenStream, found: &mut impl FnMut(&Ident, &proc_macro2::Group)) {
    let mut tokens = stream.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => each_condition(group.stream(), found),
            TokenTree::Ident(word) if CONDITIONALS.iter().any(|name| word == name) => {
                tokens.next_if(|token| token.to_string() == "!");
                if let Some(TokenTree::Group(group)) = tokens.peek() {
                    found(&word, group);
                }
            }
            _ => {}
        }
    }
}

fn names_test(stream: TokenStream) -> bool {
    stream.into_iter().any(|token| match token {
        TokenTree::Group(group) => names_test(group.stream()),
        TokenTree::Ident(word) => TEST_WORDS.iter().any(|name| word == name),
        // The argument of a macro, which may be any of these words.
        TokenTree::Punct(punct) => punct.as_char() == '$',
        TokenTree::Literal(_) => false,
    })
}
