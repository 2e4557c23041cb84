//! A text as it stands, as the program that it is would put it together, and as one decoding shows it.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use gix::bstr::ByteSlice as _;

use super::content::with_context;
use crate::change::{Content, FileChange, Lines};

/// A run of added lines, read in all ways with the lines around it.
#[derive(Debug)]
pub(super) struct AddedRun<'a> {
    pub(super) file: &'a FileChange,
    /// The whole new version.
    pub(super) text: &'a [u8],
    pub(super) run: &'a Lines,
    pub(super) views: Vec<View<'a>>,
    /// Where the views begin in the text.
    start: usize,
}

/// One way to read a text.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) text: Cow<'a, [u8]>,
    pub(super) form: Form,
    origin: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    /// Literals beside one another, or with an operator between them.
    Joined,
    /// Literals of a list too: enough for what has a form of its own, too much for anything else.
    Listed,
    Base64,
    Hex,
}

/// Where the bytes of a view stand in the text.
#[derive(Debug)]
enum Origin {
    Same,
    /// Where each piece begins: here, and in the text.
    Pieces(Vec<(usize, usize)>),
    /// All of it is made from these bytes.
    Whole(Range<usize>),
}

/// A coded run is decoded if it is as long as that, for no shorter one holds a secret.
const MIN_CODED: usize = 24;
/// Of a longer run only the beginning is decoded, and of all runs of a text together no more than [`MAX_DECODED`].
const MAX_RUN: usize = 1 << 20;
/// Beyond the largest blob that is read: every byte of it can be decoded once in each form.
const MAX_DECODED: usize = 48 << 20;

/// The added lines of a file that is text; each run is read when its turn comes, so that only one is in memory.
pub(super) fn added_runs(file: &FileChange) -> impl Iterator<Item = AddedRun<'_>> {
    let text = match file.new.as_ref().map(|new| &new.content) {
        Some(Content::Text(text)) => text.as_slice(),
        _ => &[],
    };
    let runs = file.hunks.iter().map(|hunk| &hunk.new);
    let runs = runs.filter(|run| run.n_lines > 0 && !text.is_empty());
    runs.map(move |run| {
        let context = with_context(text, &run.bytes);
        AddedRun {
            file,
            text,
            run,
            start: context.start,
            views: views(&text[context]),
        }
    })
}

impl AddedRun<'_> {
    /// Where a range of a view stands in the text; `None` if nothing of it is added.
    pub(super) fn source(&self, view: &View, range: &Range<usize>) -> Option<Range<usize>> {
        let source = view.source(range);
        let source = self.start + source.start..self.start + source.end;
        let meets = source.start < self.run.bytes.end && self.run.bytes.start < source.end;
        meets.then_some(source)
    }

    /// The number of the line of `at`, or of the run's first one where that stands above it.
    pub(super) fn line_of(&self, at: usize) -> usize {
        let from = at.max(self.run.bytes.start);
        let above = &self.text[self.run.bytes.start..from];
        self.run.start + above.find_iter("\n").count()
    }
}

/// All ways to read `text`, the plain one first.
pub(super) fn views(text: &[u8]) -> Vec<View<'_>> {
    let mut views = vec![View {
        text: Cow::Borrowed(text),
        form: Form::Plain,
        origin: Origin::Same,
    }];
    views.extend(
        [Form::Joined, Form::Listed]
            .into_iter()
            .filter_map(|form| joined(text, form)),
    );
    let mut left = MAX_DECODED;
    let decoded: Vec<View> = views
        .iter()
        .flat_map(|view| decoded(view, &mut left))
        .collect();
    views.extend(decoded);
    views
}

impl View<'_> {
    /// Where `range` of this view stands in the text.
    pub(super) fn source(&self, range: &Range<usize>) -> Range<usize> {
        match &self.origin {
            Origin::Same => range.clone(),
            Origin::Pieces(_) => self.at(range.start)..self.at(range.end.saturating_sub(1)) + 1,
            Origin::Whole(source) => source.clone(),
        }
    }

    fn at(&self, offset: usize) -> usize {
        match &self.origin {
            Origin::Same => offset,
            Origin::Pieces(pieces) => {
                let n = pieces.partition_point(|&(here, _)| here <= offset);
                let (here, there) = pieces[n.saturating_sub(1)];
                there + (offset - here)
            }
            Origin::Whole(source) => source.start,
        }
    }
}

/// The text with `"a" + "b"` written as `"ab"`; `None` where nothing is to be joined.
fn joined(text: &[u8], form: Form) -> Option<View<'_>> {
    let mut out = Vec::new();
    let mut pieces = vec![(0, 0)];
    let mut kept = 0;
    let mut at = 0;
    while let Some(n) = text.get(at..).and_then(|rest| rest.find_byteset(QUOTES)) {
        at += n;
        if is_empty_literal(text, at) {
            // Its second quote is the end of a literal.
            at += 1;
        }
        let Some(end) = join_end(text, at, form) else {
            at += 1;
            continue;
        };
        out.extend_from_slice(&text[kept..at]);
        pieces.push((out.len(), end));
        (kept, at) = (end, end);
    }
    (kept > 0).then(|| {
        out.extend_from_slice(&text[kept..]);
        View {
            text: Cow::Owned(out),
            form,
            origin: Origin::Pieces(pieces),
        }
    })
}

const QUOTES: &[u8] = b"\"'`";

fn is_quote(byte: u8) -> bool {
    QUOTES.contains(&byte)
}

/// Whether a literal without text begins at `at`: two quotes, and none that could end before them.
fn is_empty_literal(text: &[u8], at: usize) -> bool {
    let is_pair = is_quote(text[at]) && text.get(at + 1) == Some(&text[at]);
    let before = at.checked_sub(1).map_or(b' ', |before| text[before]);
    is_pair && (before.is_ascii_whitespace() || b"=(,:[{+.&|".contains(&before))
}

/// Where the next literal's text begins, if the quote at `at` ends one literal and another goes on from it.
fn join_end(text: &[u8], at: usize, form: Form) -> Option<usize> {
    /// White space, operators and prefixes between two literals.
    const MOST: usize = 200;
    let rest = &text[at + 1..text.len().min(at + 1 + MOST)];
    let mut n_operators = 0;
    let mut n_prefix = 0;
    for (n, &byte) in rest.iter().enumerate() {
        match byte {
            _ if is_quote(byte) => {
                // An empty literal joins nothing by itself, and `''` inside of a literal is a quote.
                let is_next = n > 0 || byte == text[at];
                return is_next.then_some(at + 1 + n + 1);
            }
            b' ' | b'\t' | b'\r' | b'\n' | b'\\' if n_prefix == 0 => {}
            b'+' | b'.' | b'&' | b'~' | b'|' | b'<' | b'>' if n_prefix == 0 => n_operators += 1,
            b',' if form == Form::Listed && n_prefix == 0 => n_operators += 1,
            b'b' | b'B' | b'f' | b'F' | b'r' | b'R' | b'u' | b'U' | b'L' | b'$' | b'@' => {
                n_prefix += 1
            }
            _ => return None,
        }
        if n_operators > 2 || n_prefix > 2 {
            return None;
        }
    }
    None
}

/// What the coded runs of a view say, where that is text.
fn decoded<'a>(view: &View, left: &mut usize) -> Vec<View<'a>> {
    let mut views = Vec::new();
    for (form, runs) in [
        (Form::Base64, runs(&view.text, is_base64)),
        (Form::Hex, runs(&view.text, is_hex)),
    ] {
        for run in runs {
            let end = run.end.min(run.start + MAX_RUN);
            let coded = &view.text[run.start..end];
            if coded.len() > *left {
                break;
            }
            *left -= coded.len();
            let bytes = match form {
                Form::Hex => from_hex(coded),
                _ => from_base64(coded),
            };
            views.extend(bytes.filter(|bytes| is_text(bytes)).map(|bytes| View {
                text: Cow::Owned(bytes),
                form,
                origin: Origin::Whole(view.source(&run)),
            }));
        }
    }
    views
}

/// The longest runs of bytes that all are `is_part`, if long enough.
fn runs(text: &[u8], is_part: impl Fn(u8) -> bool) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut start = 0;
    while let Some(window) = text.get(start..start + MIN_CODED) {
        // From its end, because most of what stands above need not be looked at then.
        if let Some(at) = window.iter().rposition(|&byte| !is_part(byte)) {
            start += at + 1;
            continue;
        }
        let rest = &text[start + MIN_CODED..];
        let n_more = rest.iter().position(|&byte| !is_part(byte));
        let end = start + MIN_CODED + n_more.unwrap_or(rest.len());
        runs.push(start..end);
        start = end + 1;
    }
    runs
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// Also of `\x41` and `%41`.
fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || matches!(byte, b'\\' | b'x' | b'%')
}

fn from_base64(coded: &[u8]) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const PLAIN: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
    const FOR_URLS: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);
    // A single letter too many stands for nothing.
    let coded = match coded.len() % 4 {
        1 => &coded[..coded.len() - 1],
        _ => coded,
    };
    // Most of what looks like it is an identifier or a path: its first bytes tell.
    let first = &coded[..MIN_CODED.min(coded.len()) / 4 * 4];
    let of = |engine: &GeneralPurpose| {
        let head = engine.decode(first).ok()?;
        is_text(&head).then(|| engine.decode(coded).ok()).flatten()
    };
    of(&PLAIN).or_else(|| of(&FOR_URLS))
}

fn from_hex(coded: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = coded
        .iter()
        .filter(|byte| byte.is_ascii_hexdigit())
        .map(|&byte| char::from(byte).to_digit(16).map_or(0, |digit| digit as u8))
        .collect();
    let pairs = digits.chunks_exact(2);
    Some(pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// Printable but for one byte in ten.
fn is_text(bytes: &[u8]) -> bool {
    let is_plain = |byte: &&u8| matches!(**byte, b'\t' | b'\n' | b'\r' | 0x20..0x7f);
    bytes.iter().filter(is_plain).count() * 10 >= bytes.len() * 9
}
