//! Secrets that are known by their neighbour: a random value given to a name that tells what it is.

use std::ops::Range;
use std::sync::LazyLock;

use super::Suspect;
use super::placeholder::{is_weak_password, looks_random, n_classes};
use crate::perimeter::literals::LiteralTable;

/// Names whose value a person thought of: what is short, and no word, counts.
const PASSWORDS: &[&str] = &["password", "passwd", "passphrase", "pwd"];

/// Names whose value a machine made: what looks random counts.
#[rustfmt::skip]
const KEYS: &[&str] = &[
    "secret", "token", "credential", "authorization", "api_key", "api-key", "apikey", "access_key", "access-key", "accesskey", "auth_key",
    "auth-key", "authkey", "private_key", "private-key", "privatekey", "encryption_key", "encryptionkey", "signing_key", "signingkey",
];

/// Parts of a name that say that its value is no secret.
#[rustfmt::skip]
const HARMLESS: &[&str] = &[
    "public", "hash", "digest", "checksum", "fingerprint", "example", "fake", "dummy", "mock", "invalid", "wrong", "expected", "_id", "-id",
    "_name", "-name", "_type", "_url", "_uri", "_path", "_file", "integrity",
];

/// The most that is looked at of a name, of what stands between it and its value, and of the value.
const MAX_NAME: usize = 40;
const MAX_BETWEEN: usize = 60;
const MAX_VALUE: usize = 512;

static NAMES: LazyLock<LiteralTable> =
    LazyLock::new(|| LiteralTable::new(PASSWORDS.iter().chain(KEYS).copied(), true));

/// A value as it is written.
struct Literal {
    value: Range<usize>,
}

/// Every literal in `text` that a telling name is given and that looks like a secret. `is_settings`: values may stand without quotes.
pub(super) fn find(text: &[u8], is_settings: bool) -> Vec<Suspect> {
    let mut suspects: Vec<Suspect> = Vec::new();
    for hit in NAMES.hits_apart(text) {
        let is_password = hit.literal < PASSWORDS.len();
        let name = name_around(text, hit.start..hit.end);
        let known = suspects.last().map_or(0, |suspect| suspect.at.end);
        if hit.start < known || is_harmless(&text[name.clone()]) {
            continue;
        }
        let Some(Literal { value }) = literal_after(text, name.end, is_settings) else {
            continue;
        };
        let words = &text[value.clone()];
        if is_password && is_password_like(words) || is_key_like(words) {
            let kind = if is_password {
                "a password"
            } else {
                "a random secret"
            };
            suspects.push(Suspect {
                kind,
                at: value.clone(),
                value,
            });
        }
    }
    suspects
}

/// The identifier that holds `hit`.
fn name_around(text: &[u8], hit: Range<usize>) -> Range<usize> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let before = text[..hit.start].iter().rev().take(MAX_NAME);
    let after = text[hit.end..].iter().take(MAX_NAME);
    let start = hit.start - before.take_while(|byte| is_part(byte)).count();
    let end = hit.end + after.take_while(|byte| is_part(byte)).count();
    start..end
}

fn is_harmless(name: &[u8]) -> bool {
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    HARMLESS.iter().any(|part| name.contains(part)) || name.ends_with("id")
}

/// The literal that what ends at `end` is given, or compared with, or that stands beside it.
fn literal_after(text: &[u8], end: usize, is_settings: bool) -> Option<Literal> {
    let between = &text[end..text.len().min(end + MAX_BETWEEN)];
    let mut has_operator = false;
    let mut n_lines = 0;
    for (n, &byte) in between.iter().enumerate() {
        let at = end + n;
        match byte {
            b'"' | b'\'' | b'`' => {
                // The quote that ends the name itself, as in JSON.
                let is_end_of_name = n == 0
                    || !has_operator
                        && matches!(
                            text.get(at + 1),
                            Some(b']' | b':' | b',' | b')' | b' ' | b'=')
                        );
                if !is_end_of_name {
                    return quoted(text, at);
                }
            }
            b'=' | b',' | b'(' | b'>' => has_operator = true,
            b':' => has_operator = true,
            b'\n' => {
                n_lines += 1;
                if !has_operator || n_lines > 1 {
                    return None;
                }
            }
            b' ' | b'\t' | b'\r' | b']' | b')' | b'?' | b'|' | b'&' | b'[' | b'<' | b'.' | b'*'
            | b'_' | b'$' | b'@' | b'!' => {}
            _ if byte.is_ascii_alphanumeric() => {
                let before = between[..n].last().copied();
                let is_assigned =
                    matches!(before, Some(b'=')) || is_settings && has_operator && n_lines == 0;
                if is_assigned && let Some(literal) = bare(text, at) {
                    return Some(literal);
                }
            }
            _ => return None,
        }
    }
    None
}

/// The value between the quote at `at` and the same one on its line, without the name of a scheme.
fn quoted(text: &[u8], at: usize) -> Option<Literal> {
    let (quote, start) = (text[at], at + 1);
    let rest = &text[start..text.len().min(start + MAX_VALUE)];
    let n = rest
        .iter()
        .position(|&byte| byte == quote || byte == b'\n')?;
    (rest[n] == quote).then(|| Literal {
        value: without_scheme(text, start..start + n),
    })
}

/// The value that begins at `at` and ends where no value goes on.
fn bare(text: &[u8], at: usize) -> Option<Literal> {
    let rest = &text[at..text.len().min(at + MAX_VALUE)];
    let scheme = without_scheme(text, at..at + rest.len()).start - at;
    let is_end = |byte: &u8| byte.is_ascii_whitespace() || b"\"'`,;&)(]}{<>$\\".contains(byte);
    let n = rest[scheme..]
        .iter()
        .position(is_end)
        .unwrap_or(rest.len() - scheme);
    let after = rest.get(scheme + n).copied();
    // A call, an index, a variable: code.
    let is_code = matches!(after, Some(b'(' | b'{' | b'<' | b'$' | b'\\'));
    (n >= 8 && !is_code).then(|| Literal {
        value: at + scheme..at + scheme + n,
    })
}

fn without_scheme(text: &[u8], value: Range<usize>) -> Range<usize> {
    let schemes = ["bearer ", "basic ", "token "].iter();
    let has = |scheme: &&&str| {
        let head = text[value.clone()].get(..scheme.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(scheme.as_bytes()))
    };
    let n = schemes.clone().find(has).map_or(0, |scheme| scheme.len());
    value.start + n..value.end
}

/// Short enough to be thought of, of three kinds of characters, and no expression of any language.
fn is_password_like(value: &[u8]) -> bool {
    (8..=64).contains(&value.len())
        && n_classes(value) >= 3
        && value.iter().any(u8::is_ascii_digit)
        && value
            .iter()
            .all(|byte| byte.is_ascii_graphic() && !b"(){}[]<>|\\/:,\"'`=;".contains(byte))
        && !is_weak_password(value)
        && value
            .iter()
            .filter(|byte| matches!(byte, b'.' | b'-' | b'_'))
            .count()
            <= 1
}

fn is_key_like(value: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=_.~-".contains(byte);
    value.len() >= 16 && value.iter().all(is_part) && looks_random(value)
}
