//! The YAML shape of a policy and its errors; the only file that names the YAML crate.
//!
//! What the values mean is said in [`merge`](super::merge). Every value keeps its place, so that an error and `policy show --origin` can name it.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{Error, Spanned};

use crate::usage::UsageError;

/// A larger file is refused before it is parsed.
pub const MAX_BYTES: usize = 256 << 10;

/// A value with the place where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub value: T,
    /// 1-based; 0 where the parser does not know.
    pub line: u64,
    pub column: u64,
}

/// A value that need not be there. If its key is there, so is a value: an empty one is an error.
#[derive(Clone, Debug)]
pub(super) struct Said<T>(pub Option<At<T>>);

/// The entries of a mapping whose keys are names, in order.
#[derive(Clone, Debug)]
pub(super) struct Entries<T>(pub Vec<(At<String>, At<T>)>);

pub(super) type List = Said<Vec<At<String>>>;

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($field:ident $(= $key:literal)?: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub(super) struct $name { $($(#[serde(rename = $key)])? pub $field: $type),* }
    };
}

section!(PolicyFile {
    version: Said<u64>,
    extends: List,
    lanes: LanesFile,
    mode: Said<String>,
    perimeter: PerimeterFile,
    proof: ProofFile,
    message: MessageFile,
    sources: Said<Vec<At<SourceFile>>>,
    waivers: Said<Vec<At<WaiverFile>>>,
});
section!(LanesFile {
    repair: RepairFile,
    agent: AgentFile,
    people: List,
    others: Said<String>,
});
section!(RepairFile {
    branches: List,
    agents: Said<Names>,
});
section!(AgentFile { agents: Said<Names> });
section!(PerimeterFile {
    allow: List,
    protect: List,
    limits: LimitsFile,
    test_limits: TestLimitsFile,
    forbid: Said<Vec<At<ForbidFile>>>,
    not_secrets: List,
    rules: Said<Entries<String>>,
});
section!(LimitsFile {
    files: Said<u64>,
    new_files: Said<u64>,
    lines: Said<u64>,
    hunks: Said<u64>,
    directories: Said<u64>,
    line_length: Said<u64>,
    file_bytes: Said<u64>,
});
section!(TestLimitsFile {
    files: Said<u64>,
    added: Said<u64>,
    file_bytes: Said<u64>,
});
section!(ForbidFile {
    id: Said<String>,
    pattern: Said<String>,
    on: Said<String>,
    paths = "in": List,
    why: Said<String>,
});
section!(ProofFile {
    tests: List,
    runner: Said<Runners>,
    hook: HookFile,
    suite: Said<String>,
    env: Said<Entries<String>>,
    before: Said<String>,
    red_commits: Said<String>,
    existing_tests: Said<String>,
    existing_red: Said<String>,
    samples: Said<u64>,
    timeout: Said<String>,
    inputs: List,
    setup: List,
    setup_inputs: List,
    setup_env: List,
    setup_network: Said<String>,
    setup_timeout: Said<String>,
    build: List,
    tests_exclude: List,
    services: Said<Vec<At<ServiceFile>>>,
    sandbox: SandboxFile,
    signature: Said<String>,
    necessity: Said<String>,
    neighbours: Said<String>,
    variations: List,
});
section!(RunnerFile {
    name: Said<String>,
    dir: Said<String>,
    features: List,
    build: Said<String>,
    command: Said<String>,
    report: Said<String>,
    trust_report: Said<bool>,
});
section!(ServiceFile {
    name: Said<String>,
    preset: Said<String>,
    prepare: Said<String>,
    start: Said<String>,
    ready: Said<String>,
    env: Said<Entries<String>>,
    port: Said<u64>,
    ready_timeout: Said<String>,
});
section!(HookFile {
    suite: Said<String>,
    budget: Said<String>,
});
section!(SandboxFile {
    min_level: Said<u64>
});
section!(MessageFile {
    style: Said<String>,
    types: List,
    subject_length: Said<u64>,
    require_trailers: List,
});
section!(WaiverFile {
    path: Said<String>,
    rule: Said<String>,
    until: Said<String>,
    because: Said<String>,
});
section!(SourceFile {
    name: Said<String>,
    kind: Said<String>,
    path: Said<String>,
    table: Said<String>,
    columns: Said<Entries<String>>,
});

/// A word in place of a list, or a list of names.
#[derive(Clone, Debug)]
pub(super) enum Names {
    Word(String),
    List(Vec<At<String>>),
}

/// The name of a runner, or runners one by one, each a name or a mapping.
#[derive(Clone, Debug)]
pub(super) enum Runners {
    Name(String),
    One(Box<RunnerFile>),
    List(Vec<At<Runners>>),
}

/// Keys that the documents describe and this version does not enforce.
const LATER: &[&str] = &[
    "agent",
    "attempts",
    "document_limits",
    "environment",
    "network",
    "preset",
    "source_sensitive",
    "strict_role",
    "url_env",
    "weights",
    "writable",
];

/// Reads the shape; what the values mean is looked at later.
///
/// # Errors
/// [`UsageError`], with the place and what is wrong there.
pub(super) fn parse(text: &str, name: &str) -> Result<PolicyFile, UsageError> {
    if text.len() > MAX_BYTES {
        let n_bytes = text.len();
        return Err(UsageError::new(format!(
            "{name}: the file is too large: {n_bytes} bytes, at most {MAX_BYTES}"
        )));
    }
    serde_saphyr::from_str_with_options(text, options()).map_err(|err| explain(&err, text, name))
}

/// An error at a place of the file `name`.
pub(super) fn wrong<T>(name: &str, at: &At<T>, message: impl fmt::Display) -> UsageError {
    located(name, at.line, at.column, message)
}

/// The nearest of `names`, as a question at the end of a sentence; empty if none is near.
pub(super) fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let word = word.to_lowercase();
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&word, name), name))
        .filter(|(distance, name)| *distance <= name.len().max(word.len()) / 3 + 1)
        .min()
        .map(|(_, name)| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

/// Text of a file, fit for one line of a message.
pub(super) fn shown(text: &str) -> String {
    const MAX_CHARS: usize = 80;
    let mut shown: String = text
        .chars()
        .take(MAX_CHARS)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        shown.push('…');
    }
    shown
        .replace("\\'", "'")
        .replace("\\\"", "\"")
        .replace("\\\\", "\\")
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 32,
            flow_nesting_limit: 32,
            max_nodes: 20_000,
            max_events: 50_000,
            max_aliases: 0,
            max_anchors: 0,
            max_documents: 1,
            max_merge_keys: 0,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        reject_tagged_field_names: true,
        with_snippet: false,
    }
}

fn explain(err: &Error, text: &str, name: &str) -> UsageError {
    let (line, column) = err
        .location()
        .map_or((0, 0), |location| (location.line(), location.column()));
    let message = match err.without_snippet() {
        Error::SerdeUnknownField { field, .. } if LATER.contains(&field.as_str()) => {
            format!("key `{field}` is not supported by this version of koan-guard")
        }
        Error::SerdeUnknownField {
            field, expected, ..
        } => {
            let nearest = nearest(field, expected.iter().copied());
            format!(
                "unknown key `{}`{nearest} (known here: {})",
                shown(field),
                quoted(expected)
            )
        }
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("key `{}` stands here twice", shown(key))
        }
        Error::DuplicateMappingKey { key: None, .. } => "a key stands here twice".to_owned(),
        Error::Budget { breach, .. } => budget(breach),
        Error::MultipleDocuments { .. } => "more than one YAML document".to_owned(),
        other => {
            let said = other.render_with_formatter(&serde_saphyr::UserMessageFormatter);
            let said = said.lines().next().unwrap_or("cannot be read");
            let said = said.rsplit_once(" at line ").map_or(said, |(said, _)| said);
            let said = said.replace("invalid u64", "expected a whole number");
            match offending(text, line, column) {
                Some(offending) => format!("{said}: `{offending}`"),
                None => said,
            }
        }
    };
    located(name, line, column, message)
}

fn budget(breach: &serde_saphyr::budget::BudgetBreach) -> String {
    use serde_saphyr::budget::BudgetBreach as Breach;
    match breach {
        Breach::Aliases { .. } | Breach::Anchors { .. } => {
            "anchors and aliases are not allowed in a policy".to_owned()
        }
        Breach::MergeKeys { .. } => "merge keys are not allowed in a policy".to_owned(),
        Breach::Documents { .. } => "more than one YAML document".to_owned(),
        Breach::Depth { .. } => "nested too deep for a policy".to_owned(),
        other => format!("too large for a policy: {other:?}"),
    }
}

/// The rest of the line from where the parser points.
fn offending(text: &str, line: u64, column: u64) -> Option<String> {
    let line = text
        .lines()
        .nth(usize::try_from(line).ok()?.checked_sub(1)?)?;
    let n_before = usize::try_from(column).ok()?.saturating_sub(1);
    let rest: String = line.chars().skip(n_before).collect();
    let rest = rest.trim();
    let rest = if rest.is_empty() { line.trim() } else { rest };
    (!rest.is_empty()).then(|| shown(rest))
}

fn located(name: &str, line: u64, column: u64, message: impl fmt::Display) -> UsageError {
    let hint = "correct it and try `koan-guard policy lint`";
    let message = if line == 0 {
        format!("{name}: {message}")
    } else {
        format!("{name}:{line}:{column}: {message}")
    };
    UsageError::with_hint(message, hint)
}

fn quoted(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

impl<T> Default for Said<T> {
    fn default() -> Said<T> {
        Said(None)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Said<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Said<T>, D::Error> {
        At::deserialize(deserializer).map(|at| Said(Some(at)))
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<At<T>, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        Ok(At {
            value: spanned.value,
            line: spanned.referenced.line(),
            column: spanned.referenced.column(),
        })
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Names, D::Error> {
        struct WordOrList;

        impl<'de> Visitor<'de> for WordOrList {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a word or a list of names")
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Names, E> {
                Ok(Names::Word(word.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = seq.next_element()? {
                    names.push(name);
                }
                Ok(Names::List(names))
            }
        }

        deserializer.deserialize_any(WordOrList)
    }
}

impl<'de> Deserialize<'de> for Runners {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Runners, D::Error> {
        struct NameOrMore;

        impl<'de> Visitor<'de> for NameOrMore {
            type Value = Runners;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str(
                    "the name of a runner, a mapping with its `name` and `dir`, or a list of these",
                )
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Runners, E> {
                Ok(Runners::Name(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Runners, A::Error> {
                RunnerFile::deserialize(MapAccessDeserializer::new(map))
                    .map(|file| Runners::One(Box::new(file)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Runners, A::Error> {
                let mut list = Vec::new();
                while let Some(runner) = seq.next_element()? {
                    list.push(runner);
                }
                Ok(Runners::List(list))
            }
        }

        deserializer.deserialize_any(NameOrMore)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entries<T>, D::Error> {
        struct InOrder<T>(std::marker::PhantomData<T>);

        impl<'de, T: DeserializeOwned> Visitor<'de> for InOrder<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(InOrder(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// `expected` is `ok`, or what the message must hold, beginning with line and column.
    #[track_caller]
    fn check(text: &str, expected: &str) {
        match parse(text, "p.yaml") {
            Ok(file) => assert_eq!("ok", expected, "{file:?}"),
            Err(err) => {
                let message = err
                    .message
                    .strip_prefix("p.yaml:")
                    .expect("the file is named");
                assert!(
                    message.starts_with(expected),
                    "{message}\n  wanted {expected}"
                );
            }
        }
    }

    #[test]
    fn a_misspelt_key_names_its_place_and_the_nearest_one() {
        check(
            "version: 1\nperimter: {}\n",
            "2:1: unknown key `perimter`; did you mean `perimeter`?",
        );
        check(
            "perimeter:\n  limits: {files: 2, line: 3}\n",
            "2:22: unknown key `line`; did you mean `lines`?",
        );
        check("zzz: 1\n", "1:1: unknown key `zzz` (known here: `version`,");
    }

    #[test]
    fn a_key_of_a_later_version_is_said_to_be_one() {
        check(
            "proof:\n  writable: [x]\n",
            "2:3: key `writable` is not supported by this version",
        );
        check(
            "agent: {command: [x]}\n",
            "1:1: key `agent` is not supported by this version",
        );
        check(
            "sources:\n  - {name: x, kind: postgres, url_env: A}\n",
            "2:31: key `url_env` is not supported",
        );
    }

    #[test]
    fn a_key_that_stands_twice_is_an_error_at_any_depth() {
        check(
            "version: 1\nversion: 1\n",
            "2:1: key `version` stands here twice",
        );
        check(
            "perimeter:\n  limits:\n    files: 2\n    files: 3\n",
            "4:5: key `files` stands here twice",
        );
        check(
            "proof: {env: {A: 1, A: 2}}\n",
            "1:21: key `A` stands here twice",
        );
    }

    #[test]
    fn a_wrong_type_is_an_error_with_the_text() {
        check(
            "perimeter: {limits: {files: two}}\n",
            "1:29: expected a whole number: `two}}`",
        );
        check(
            "perimeter: {limits: {files: -1}}\n",
            "1:29: expected a whole number: `-1}}`",
        );
        check(
            "perimeter: {limits: {files: 1.5}}\n",
            "1:29: expected a whole number",
        );
        check(
            "perimeter: {limits: {files: 010}}\n",
            "1:29: expected a whole number",
        );
        check(
            "perimeter: {allow: src}\n",
            "1:20: expected sequence start: `src}`",
        );
        check(
            "mode: [enforce]\n",
            "1:7: expected string scalar: `[enforce]`",
        );
        check("lanes: {repair: {agents: 5}}\n", "1:18: invalid type");
        check("[1]\n", "1:1: expected mapping start: `[1]`");
    }

    #[test]
    fn a_key_without_a_value_is_not_a_key_that_is_absent() {
        check(
            "perimeter:\n  allow:\nmode: enforce\n",
            "2:8: expected sequence start",
        );
        check("perimeter:\n", "1:10: expected mapping start");
        check("mode: ~\n", "1:7: null is not allowed here: `~`");
        check("lanes: {repair: {agents: }}\n", "1:18: invalid type");
    }

    #[test]
    fn what_yaml_offers_beyond_plain_values_is_refused() {
        check(
            "mode: &a enforce\n",
            "1:10: anchors and aliases are not allowed in a policy",
        );
        check("mode: *a\n", "1:7: ");
        check("<<: {mode: enforce}\n", "1:1: ");
        check("mode: !x enforce\n", "1:10: unsupported tag `!x`");
        check(
            "mode: enforce\n---\nmode: observe\n",
            "2:1: more than one YAML document",
        );
        check("mode: \"enforce\n", "1:7: unclosed quote");
    }

    #[test]
    fn byte_order_mark_and_carriage_returns_do_no_harm() {
        check("\u{feff}version: 1\r\nmode: enforce\r\n", "ok");
    }

    #[test]
    fn bombs_are_errors_at_once() {
        let aliases: String = (1..40)
            .map(|n| {
                format!(
                    "x{n}: &a{n} [{}]\n",
                    vec![format!("*a{}", n - 1); 10].join(",")
                )
            })
            .collect();
        let begin = Instant::now();
        check(
            &format!("perimeter: {{allow: {}", "[".repeat(100_000)),
            "1:",
        );
        check(&format!("version: {}", "{a: ".repeat(50_000)), "1:");
        check(&format!("x0: &a0 [1]\n{aliases}"), "1:");
        check(
            &format!(
                "perimeter:\n  allow: [&a src, {}]\n",
                vec!["*a"; 20_000].join(",")
            ),
            "2:14: anchors and aliases",
        );
        check(
            &format!("perimeter:\n  allow: [{}]\n", vec!["a"; 30_000].join(",")),
            "2:",
        );
        assert!(
            begin.elapsed() < Duration::from_secs(2),
            "{:?}",
            begin.elapsed()
        );
    }

    #[test]
    fn a_file_over_the_cap_is_not_even_parsed() {
        let text = format!("version: 1\n#{}\n", "x".repeat(MAX_BYTES));
        check(
            &text,
            " the file is too large: 262157 bytes, at most 262144",
        );
    }

    #[test]
    fn text_of_the_file_cannot_drive_a_terminal() {
        check("\"\\e[2J\": 1\n", "1:1: unknown key `\\u{1b}[2J`");
    }
}
