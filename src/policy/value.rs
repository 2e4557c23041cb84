//! Single values of a policy: words, numbers, durations, globs, patterns. Each is read here once, or says what is wrong with it.

use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;
use std::time::Duration;

use gix::bstr::ByteSlice as _;
use regex::bytes::{Regex, RegexBuilder};

use super::file::{nearest, shown};
use super::paths;

/// A regular expression of the linear-time kind, over bytes.
///
/// Patterns of presets are compiled when they are first used, because every hook reads the presets; that they compile is tested.
#[derive(Debug)]
pub struct Pattern {
    text: String,
    /// Every match holds one of these, in whatever case. Where there are none, nothing is known of the matches.
    needles: &'static [&'static str],
    compiled: OnceLock<Regex>,
}

/// The longest pattern that is read, and the largest program that it may become, in bytes.
const MAX_PATTERN: usize = 1_000;
const MAX_PROGRAM: usize = 1 << 20;

impl Pattern {
    /// Compiles `text` at once.
    pub(super) fn new(text: &str) -> Result<Pattern, String> {
        if text.is_empty() {
            return Err("the pattern is empty".to_owned());
        }
        if text.len() > MAX_PATTERN {
            let n_bytes = text.len();
            return Err(format!(
                "the pattern is too long: {n_bytes} bytes, at most {MAX_PATTERN}"
            ));
        }
        let compiled = compile(text).map_err(|err| match err {
            regex::Error::CompiledTooBig(limit) => {
                format!(
                    "pattern `{}` becomes too large: more than {limit} bytes",
                    shown(text)
                )
            }
            other => {
                let reason = other.to_string();
                let reason = reason
                    .lines()
                    .last()
                    .unwrap_or("syntax")
                    .trim_start_matches("error: ");
                format!("pattern `{}` does not compile: {reason}", shown(text))
            }
        })?;
        Ok(Pattern {
            text: text.to_owned(),
            needles: &[],
            compiled: OnceLock::from(compiled),
        })
    }

    /// Takes a pattern of a preset on trust until it is used.
    pub(super) fn of_preset(text: &str, needles: &'static [&'static str]) -> Pattern {
        Pattern {
            text: text.to_owned(),
            needles,
            compiled: OnceLock::new(),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a match in `text` is possible at all: asked first, it saves most hooks from compiling anything.
    pub fn may_match(&self, text: &[u8]) -> bool {
        let folded = text.to_ascii_lowercase();
        let mut needles = self.needles.iter();
        self.needles.is_empty() || needles.any(|needle| folded.contains_str(needle))
    }
}

impl Deref for Pattern {
    type Target = Regex;

    /// # Panics
    /// If a preset's pattern does not compile: better no answer than a rule less.
    fn deref(&self) -> &Regex {
        self.compiled
            .get_or_init(|| compile(&self.text).expect("patterns of presets compile"))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn compile(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text)
        .size_limit(MAX_PROGRAM)
        .nest_limit(50)
        .build()
}

/// The value that `word` stands for.
pub(super) fn choice<T: Clone>(word: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices.iter().find(|(name, _)| *name == word);
    found.map(|(_, value)| value.clone()).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        unknown("value", word, &names)
    })
}

/// That `word` is none of `names`.
pub(super) fn unknown(what: &str, word: &str, names: &[&str]) -> String {
    let known: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let nearest = nearest(word, names.iter().copied());
    let known = if names.len() <= 12 {
        format!(" (known: {})", known.join(", "))
    } else {
        String::new()
    };
    format!("unknown {what} `{}`{nearest}{known}", shown(word))
}

/// `120s`, `30m`, `2h`, `500ms`; more than nothing and at most a day.
pub fn duration(text: &str) -> Result<Duration, String> {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let wrong = |reason: &str| {
        format!(
            "`{}` is no duration: {reason}, as in `120s`, `30m`, `2h`, `500ms`",
            shown(text)
        )
    };
    let at = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let number: u64 = number
        .parse()
        .map_err(|_| wrong("write a whole number and a unit"))?;
    let millis = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => return Err(wrong("write a whole number and a unit")),
    };
    let duration = millis
        .map(Duration::from_millis)
        .filter(|duration| *duration <= DAY);
    match duration {
        Some(Duration::ZERO) => Err(wrong("it must be more than nothing")),
        Some(duration) => Ok(duration),
        None => Err(wrong("at most 24 hours")),
    }
}

/// One way to write each duration.
pub(super) fn shown_duration(duration: Duration) -> String {
    match duration.as_millis() {
        millis if millis % 1_000 == 0 => format!("{}s", millis / 1_000),
        millis => format!("{millis}ms"),
    }
}

/// A digest as `sha256sum` writes it.
pub(super) fn sha256(text: &str) -> Result<(), String> {
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_digest = text.len() == 64 && text.bytes().all(is_digit);
    is_digest.then_some(()).ok_or_else(|| {
        "a digest has 64 small hexadecimal digits, as `printf %s VALUE | sha256sum` writes them"
            .to_owned()
    })
}

/// Looks at a glob without compiling it.
pub(super) fn glob(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("the glob is empty".to_owned());
    }
    if text.len() > paths::MAX_GLOB {
        let n_bytes = text.len();
        return Err(format!(
            "the glob is too long: {n_bytes} bytes, at most {}",
            paths::MAX_GLOB
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("glob `{}` holds a control character", shown(text)));
    }
    match paths::check(text) {
        Ok(()) => Ok(()),
        Err(err) => Err(format!(
            "glob `{}` cannot be read: {}",
            shown(text),
            err.kind()
        )),
    }
}

/// A folder of the repository, relative to its top, without a slash at its end; empty for the top.
pub(super) fn folder(text: &str) -> Result<String, String> {
    let folder = text.strip_suffix('/').unwrap_or(text);
    let is_plain = |part: &str| !matches!(part, "" | "." | ".." | ".git");
    if folder == "." {
        return Ok(String::new());
    }
    if folder.chars().any(char::is_control) || !folder.split('/').all(is_plain) {
        return Err(format!("`{}` is no folder of the repository", shown(text)));
    }
    Ok(folder.to_owned())
}

/// A number between two others.
pub(super) fn within(number: u64, least: u64, most: u64) -> Result<u64, String> {
    if (least..=most).contains(&number) {
        Ok(number)
    } else {
        Err(format!("{number} is not between {least} and {most}"))
    }
}

/// A short name of letters, digits, `-`, `_` and `.`.
pub(super) fn identifier(text: &str) -> Result<(), String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !text.is_empty() && text.len() <= 64 && text.chars().all(is_plain) {
        Ok(())
    } else {
        Err(format!(
            "`{}` is no name: at most 64 letters, digits, `-`, `_`, `.`",
            shown(text)
        ))
    }
}

/// The name of an environment variable that tests may be given.
pub(super) fn variable(text: &str) -> Result<(), String> {
    let is_name = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !text.starts_with(|c: char| c.is_ascii_digit());
    if text.is_empty() || !is_name {
        return Err(format!("`{}` is no name of a variable", shown(text)));
    }
    if text.starts_with("GIT_") || text.starts_with("LD_") || text.starts_with("KOAN_") {
        return Err(format!(
            "`{text}` cannot be given to tests: it is git's, the loader's or the guard's own"
        ));
    }
    Ok(())
}

/// The token of a trailer.
pub(super) fn trailer(text: &str) -> Result<(), String> {
    let is_token = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && text.starts_with(|c: char| c.is_ascii_alphabetic());
    if text.is_empty() || !is_token {
        return Err(format!(
            "`{}` is no trailer: letters, digits and `-`, as in `Koan-Issue`",
            shown(text)
        ));
    }
    Ok(())
}

/// A text that is there and fits on a line.
pub(super) fn plain_text(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("the text is empty".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err(format!("`{}` holds a control character", shown(text)));
    }
    Ok(())
}

/// The exact name or e-mail address of an agent, in lower case.
pub(super) fn agent_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    let stem = name.strip_suffix("[bot]").unwrap_or(name);
    if stem.is_empty() {
        return Err("the name is empty".to_owned());
    }
    if let Some(sign) = stem.chars().find(|c| "*?[]{}!".contains(*c)) {
        return Err(format!(
            "`{}` holds `{sign}`, but names of agents are exact, not globs; `[bot]` at the end is taken as it stands",
            shown(text)
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("`{}` holds a control character", shown(text)));
    }
    Ok(name.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_duration(text: &str, expected: Option<u128>) {
        assert_eq!(
            duration(text).ok().map(|duration| duration.as_millis()),
            expected,
            "{text}"
        );
    }

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        check_duration("500ms", Some(500));
        check_duration("120s", Some(120_000));
        check_duration("30m", Some(1_800_000));
        check_duration("24h", Some(86_400_000));
        for text in [
            "",
            "5",
            "s",
            "0s",
            "-5s",
            "1.5s",
            "5 s",
            "25h",
            "99999999999999999999s",
            "18446744073709551615h",
            "5S",
            "5sec",
            "١s",
        ] {
            check_duration(text, None);
        }
    }

    #[test]
    fn a_duration_has_one_way_to_be_written() {
        for (text, shown) in [
            ("2m", "120s"),
            ("120s", "120s"),
            ("1500ms", "1500ms"),
            ("2000ms", "2s"),
        ] {
            assert_eq!(duration(text).map(shown_duration), Ok(shown.to_owned()));
        }
    }

    #[test]
    fn an_agents_name_is_exact() {
        assert_eq!(agent_name("Claude[bot]"), Ok("claude[bot]".to_owned()));
        assert_eq!(
            agent_name("Bot@Example.org"),
            Ok("bot@example.org".to_owned())
        );
        for name in [
            "*[bot]", "bot*", "[bot]", "a[bot]b", "{a,b}", "", " ", "a\nb",
        ] {
            assert!(agent_name(name).is_err(), "{name:?}");
        }
        let err = agent_name("*[bot]").expect_err("a glob");
        assert!(
            err.contains("`[bot]` at the end is taken as it stands"),
            "{err}"
        );
    }

    #[test]
    fn a_glob_is_looked_at() {
        for text in ["**", "src/**", "**/*.py", "{a,b}/*", "[a-z]*"] {
            assert_eq!(glob(text), Ok(()), "{text}");
        }
        for text in ["", "a[", "{a", "[z-a]", "a\\", "a\nb", &"a".repeat(1_001)] {
            assert!(glob(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_pattern_compiles_within_bounds() {
        assert!(
            Pattern::new(r"(?i)\bdrop\s+table\b")
                .is_ok_and(|pattern| pattern.is_match(b"DROP  TABLE x"))
        );
        for (text, reason) in [
            ("", "the pattern is empty"),
            ("a(", "does not compile: unclosed group"),
            ("(?=a)", "does not compile: look-around"),
            (r"(\w{1000}){1000}", "becomes too large"),
            (&"(".repeat(300), "does not compile"),
            (&"a".repeat(1_001), "too long"),
        ] {
            let err = Pattern::new(text).expect_err(text);
            assert!(err.contains(reason), "{err}");
        }
    }

    #[test]
    fn the_nearest_word_is_offered() {
        let choices = [("enforce", 1), ("observe", 2)];
        assert_eq!(choice("observe", &choices), Ok(2));
        let err = choice("obsrve", &choices).expect_err("misspelt");
        assert_eq!(
            err,
            "unknown value `obsrve`; did you mean `observe`? (known: `enforce`, `observe`)"
        );
    }
}
