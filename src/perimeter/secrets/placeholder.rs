//! What stands where a secret would stand, and is none: examples, placeholders, fakes.

/// Words that no random value holds and every fake one does.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "example", "sample", "placeholder", "changeme", "change-me", "change_me", "dummy", "fake", "mock", "your", "insert", "replace", "redact",
    "todo", "fixme", "test", "foobar", "lorem", "qwerty", "asdf", "secret", "token", "passw", "invalid", "deadbeef", "cafebabe", "xxxx", "----",
    "notreal", "not-a", "not_a", "bogus",
];

/// Passwords of examples, beside what holds one of [`WORDS`].
const WEAK: &[&str] = &[
    "pass",
    "user",
    "admin",
    "root",
    "guest",
    "letmein",
    "welcome",
    "hunter2",
    "foo",
    "bar",
    "baz",
    "demo",
    "default",
    "postgres",
    "mysql",
    "null",
    "none",
    "undefined",
    "pwd",
];

/// Values that providers print in their own documentation, and of emulators: how they begin or what they hold.
const KNOWN: &[&str] = &[
    // Amazon's, with its word in it.
    "EXAMPLE",
    // Stripe's first call.
    "4eC39HqLyjWDarjtT1zdp7dc",
    "BQokikJOvBiI2HlWgH4olfQ2",
    // The web token of everybody's first look: subject 1234567890.
    "eyJzdWIiOiIxMjM0NTY3ODkw",
    // The storage and database emulators of Azure.
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2U",
    "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTq",
];

/// Whether a value is printed in a provider's own documentation.
pub(super) fn is_known(value: &[u8]) -> bool {
    KNOWN.iter().any(|known| contains(value, known))
}

/// Whether the random part of a token was typed by hand.
pub(super) fn is_token_placeholder(body: &[u8]) -> bool {
    is_known(body) || has_word(body, WORDS) || has_run(body, 6) || is_monotonous(body)
}

/// Whether a password is a variable, an example or what everybody tries first.
pub(super) fn is_weak_password(password: &[u8]) -> bool {
    let n_classes = n_classes(password);
    let is_variable = password.iter().any(|byte| b"{}<>*".contains(byte))
        || matches!(password.first(), Some(b'$' | b'%'));
    let is_short = password.len() < 6 || n_classes < 2 && password.len() < 12;
    is_variable
        || is_short
        || has_word(password, WORDS)
        || has_word(password, WEAK)
        || has_run(password, 4)
}

/// Of lower case, upper case, digits and the rest, how many a value has.
pub(super) fn n_classes(value: &[u8]) -> usize {
    let has = |is: fn(&u8) -> bool| usize::from(value.iter().any(is));
    has(u8::is_ascii_lowercase)
        + has(u8::is_ascii_uppercase)
        + has(u8::is_ascii_digit)
        + has(|byte| !byte.is_ascii_alphanumeric())
}

/// Whether a value of letters and digits looks drawn by lot: mixed all over, without words and runs.
pub(super) fn looks_random(value: &[u8]) -> bool {
    let is_digit = u8::is_ascii_digit;
    let n_letters = value
        .iter()
        .filter(|byte| byte.is_ascii_alphabetic())
        .count();
    let n_changes = value
        .windows(2)
        .filter(|pair| is_digit(&pair[0]) != is_digit(&pair[1]))
        .count();
    let least_bits = if value.iter().all(u8::is_ascii_hexdigit) {
        2.9
    } else {
        3.4
    };
    n_letters > 0
        && n_changes >= 4
        && has_long_part(value)
        && bits(value) >= least_bits
        && n_in_words(value) * 10 <= value.len() * 6
        && !is_uuid(value)
        && !is_token_placeholder(value)
}

/// Whether a value is more than a list of short names and numbers: a version, a path, a date.
fn has_long_part(value: &[u8]) -> bool {
    let mut parts = value.split(|byte| !byte.is_ascii_alphanumeric());
    parts.any(|part| {
        let is_mixed =
            part.iter().any(u8::is_ascii_digit) && part.iter().any(u8::is_ascii_alphabetic);
        part.len() >= 10 && is_mixed
    })
}

/// Shannon's entropy, in bits a byte.
pub(super) fn bits(value: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for &byte in value {
        counts[usize::from(byte)] += 1;
    }
    let n = value.len() as f64;
    let used = counts.iter().filter(|&&count| count > 0);
    used.map(|&count| {
        let share = f64::from(count) / n;
        -share * share.log2()
    })
    .sum()
}

/// Letters that stand in runs of one case long enough for a word, a capital at the beginning included.
fn n_in_words(value: &[u8]) -> usize {
    const WORD: usize = 5;
    let (mut n_in_words, mut n_run) = (0, 0);
    let mut before = b' ';
    for &byte in value.iter().chain(b" ") {
        let goes_on = byte.is_ascii_alphabetic()
            && before.is_ascii_alphabetic()
            && (before.is_ascii_lowercase() == byte.is_ascii_lowercase()
                || n_run == 1 && before.is_ascii_uppercase());
        if !goes_on {
            n_in_words += if n_run >= WORD { n_run } else { 0 };
            n_run = 0;
        }
        n_run += usize::from(byte.is_ascii_alphabetic());
        before = byte;
    }
    n_in_words
}

fn is_uuid(value: &[u8]) -> bool {
    let parts: Vec<&[u8]> = value.split(|&byte| byte == b'-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [8, 4, 4, 4, 12] && parts.concat().iter().all(u8::is_ascii_hexdigit)
}

/// Whether `n` bytes in a row are equal, or follow one another as in `abcd` and `4321`.
fn has_run(value: &[u8], n: usize) -> bool {
    let (mut n_run, mut last_step) = (1, None);
    for pair in value.windows(2) {
        let step =
            i16::from(pair[1].to_ascii_lowercase()) - i16::from(pair[0].to_ascii_lowercase());
        n_run = match last_step == Some(step) {
            true => n_run + 1,
            false => 2,
        };
        last_step = Some(step);
        if n_run >= n && (-1..=1).contains(&step) {
            return true;
        }
    }
    false
}

/// Few different bytes for a value of its length.
fn is_monotonous(value: &[u8]) -> bool {
    value.len() >= 12 && bits(value) < 2.5
}

fn has_word(value: &[u8], words: &[&str]) -> bool {
    let value = value.to_ascii_lowercase();
    words.iter().any(|word| contains(&value, word))
}

fn contains(value: &[u8], part: &str) -> bool {
    value
        .windows(part.len())
        .any(|window| window == part.as_bytes())
}
