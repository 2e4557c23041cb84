//! A Rust source, parsed, with the byte range of each of its tokens.

use std::ops::Range;
use std::thread;

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};

use super::CannotCut;

/// A bound on how deep the parser recurses; see [`depth`]. Of 2,265 public sources with tests three need more than a tenth of it: long
/// generated tables.
const MAX_DEPTH: usize = 20_000;

/// For [`MAX_DEPTH`] levels of an unoptimised parser. Only what is touched takes memory.
const STACK_BYTES: usize = 1 << 30;

/// A larger source is not read: its tokens would take some two hundred times its size.
const MAX_BYTES: usize = 1 << 20;

/// A source with its tokens and its items.
pub(super) struct Source<'a> {
    pub text: &'a str,
    /// Length of what stands before the first token: a byte order mark, a `#!` line.
    pub prefix: usize,
    pub stream: TokenStream,
    pub file: syn::File,
}

/// Runs `cut` on a thread of its own: its stack fits what [`lex`] lets through, and the parser's table of spans, which is kept for each
/// thread and only grows, ends with it.
pub(super) fn on_deep_stack<T: Send>(
    cut: impl FnOnce() -> Result<T, CannotCut> + Send,
) -> Result<T, CannotCut> {
    thread::scope(|scope| {
        let parser = thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, cut)
            .map_err(|error| CannotCut(format!("no stack for the parser: {error}")))?;
        parser
            .join()
            .unwrap_or_else(|_| Err(CannotCut("the parser panicked".into())))
    })
}

impl<'a> Source<'a> {
    pub fn parse(text: &'a str) -> Result<Source<'a>, CannotCut> {
        let (prefix, stream) = lex(text)?;
        let file = syn::parse2(stream.clone())
            .map_err(|error| CannotCut(format!("the source does not parse: {error}")))?;
        Ok(Source {
            text,
            prefix,
            stream,
            file,
        })
    }

    pub fn bytes(&self, span: Span) -> Range<usize> {
        let bytes = span.byte_range();
        bytes.start + self.prefix..bytes.end + self.prefix
    }

    /// 1-based.
    pub fn line(&self, offset: usize) -> usize {
        1 + self.text[..offset].matches('\n').count()
    }

    /// Every token in order, delimiters too.
    pub fn tokens(&self) -> Vec<Range<usize>> {
        let mut tokens = Vec::new();
        let mut open = vec![(self.stream.clone().into_iter(), None)];
        while let Some((stream, _)) = open.last_mut() {
            match stream.next() {
                Some(TokenTree::Group(group)) => {
                    tokens.push(self.bytes(group.span_open()));
                    open.push((group.stream().into_iter(), Some(group.span_close())));
                }
                Some(token) => tokens.push(self.bytes(token.span())),
                None => {
                    let close = open.pop().and_then(|(_, close)| close);
                    tokens.extend(close.map(|span| self.bytes(span)));
                }
            }
        }
        tokens
    }
}

/// The length of what stands before the tokens, and the tokens, nested no deeper than a parser can stand.
pub(super) fn lex(text: &str) -> Result<(usize, TokenStream), CannotCut> {
    if text.len() > MAX_BYTES {
        let n = text.len();
        let fact = format!("the source has {n} bytes, the parser reads at most {MAX_BYTES}");
        return Err(CannotCut(fact));
    }
    let mut prefix = 0;
    if text.starts_with('\u{feff}') {
        prefix += '\u{feff}'.len_utf8();
    }
    let has_shebang = text[prefix..]
        .strip_prefix("#!")
        .is_some_and(|rest| !rest.trim_start().starts_with('['));
    if has_shebang {
        prefix += text[prefix..].find('\n').unwrap_or(text.len() - prefix);
    }
    let stream: TokenStream = text[prefix..]
        .parse()
        .map_err(|error| CannotCut(format!("the source does not parse: {error}")))?;
    if depth(stream.clone()) > MAX_DEPTH {
        return Err(CannotCut("the source is nested too deeply".into()));
    }
    Ok((prefix, stream))
}

/// How deep a recursive parser can get, never too low: brackets count, and so does each token since the last point where nothing but the
/// brackets is open, because `!!!!x`, `a = b = c` and `A<A<A<..` recurse without brackets.
fn depth(stream: TokenStream) -> usize {
    let mut deepest = 0;
    let mut outer = 0;
    let mut open = vec![Level::new(stream)];
    while let Some(level) = open.last_mut() {
        let Some(token) = level.rest.next() else {
            open.pop();
            outer -= open.last().map_or(0, |level| level.n_tokens);
            continue;
        };
        level.count(&token);
        deepest = deepest.max(outer + level.n_tokens);
        if let TokenTree::Group(group) = token {
            outer += level.n_tokens;
            open.push(Level::new(group.stream()));
        }
    }
    deepest
}

/// The tokens between two brackets.
struct Level {
    rest: proc_macro2::token_stream::IntoIter,
    /// Since the last point where nothing is open.
    n_tokens: usize,
    /// Whether a comma may stand inside of `<>` or `||`.
    comma_is_inner: bool,
    after_brace: bool,
}

impl Level {
    fn new(stream: TokenStream) -> Level {
        Level {
            rest: stream.into_iter(),
            n_tokens: 0,
            comma_is_inner: false,
            after_brace: false,
        }
    }

    fn count(&mut self, token: &TokenTree) {
        let ends = match token {
            TokenTree::Punct(punct) => match punct.as_char() {
                ';' => true,
                ',' => !self.comma_is_inner,
                '#' => self.after_brace,
                '<' | '|' => {
                    self.comma_is_inner = true;
                    false
                }
                _ => false,
            },
            // `{} else` and `{} as` go on, any other word begins anew.
            TokenTree::Ident(word) => self.after_brace && word != "else" && word != "as",
            _ => false,
        };
        if ends {
            self.n_tokens = 0;
            self.comma_is_inner = false;
        }
        self.n_tokens += 1;
        self.after_brace =
            matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
    }
}
