//! The test functions of a Rust source by name and body, as far as its tokens tell.

use std::ops::RangeInclusive;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::CannotCut;
use super::items;
use super::source;

/// A function that a runner would call, or a macro makes into one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestFunction {
    /// With its modules: `tests::empty_cart`.
    pub path: String,
    /// What follows the name, without comments and white space.
    pub body: String,
    /// The lines from its first attribute to its name, counted from 1.
    pub head: RangeInclusive<usize>,
    /// Its last line.
    pub end: usize,
}

pub(super) fn test_functions(text: &str) -> Result<Vec<TestFunction>, CannotCut> {
    test_functions_in(text, "")
}

/// Those of items that stand in a module.
pub(super) fn test_functions_in(text: &str, path: &str) -> Result<Vec<TestFunction>, CannotCut> {
    let (_, stream) = source::lex(text)?;
    let mut functions = Vec::new();
    collect(stream, path, false, &mut functions);
    Ok(functions)
}

/// `every_function_is_one`: in `quickcheck! { .. }`.
fn collect(
    stream: TokenStream,
    path: &str,
    every_function_is_one: bool,
    functions: &mut Vec<TestFunction>,
) {
    let inside = |name: &str| match path {
        "" => name.to_owned(),
        _ => format!("{path}::{name}"),
    };
    let mut tokens = stream.into_iter().peekable();
    let mut is_test = every_function_is_one;
    let mut module = None;
    let mut quickcheck = false;
    // Where the attributes of what comes next begin.
    let mut start: Option<usize> = None;
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                let name = items::attribute_name(group.stream());
                is_test |= name.is_some_and(|name| items::is_test_attribute(&name));
            }
            TokenTree::Group(group) => {
                let path = module.take().unwrap_or_else(|| path.to_owned());
                collect(group.stream(), &path, quickcheck, functions);
                is_test = every_function_is_one;
                start = None;
                quickcheck = false;
            }
            TokenTree::Ident(word) if word == "mod" => {
                module = tokens.peek().map(|name| inside(&name.to_string()));
            }
            TokenTree::Ident(word) if word == "quickcheck" => quickcheck = true,
            TokenTree::Ident(word) if word == "fn" => {
                let Some(TokenTree::Ident(name)) = tokens.peek() else {
                    continue;
                };
                let path = inside(&name.to_string());
                let line = name.span().start().line;
                let mut end = line;
                tokens.next();
                let mut body = String::new();
                for token in tokens.by_ref() {
                    let is_end = match &token {
                        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                        TokenTree::Punct(punct) => punct.as_char() == ';',
                        _ => false,
                    };
                    body += &token.to_string();
                    end = token.span().end().line;
                    if is_end {
                        break;
                    }
                }
                if is_test {
                    let head = start.unwrap_or(line)..=line;
                    functions.push(TestFunction {
                        path,
                        body,
                        head,
                        end,
                    });
                }
                is_test = every_function_is_one;
                start = None;
            }
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                start = start.or(Some(punct.span().start().line));
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => {
                is_test = every_function_is_one;
                start = None;
                module = None;
                quickcheck = false;
            }
            _ => {}
        }
    }
}
