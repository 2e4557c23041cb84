//! The presets that are shipped in `policies/`.

/// Names and texts. They have the shape of a policy and go through the same parser.
pub(super) const PRESETS: &[(&str, &str)] = &[
    (DEFAULT, include_str!("../../policies/default.yaml")),
    ("go", include_str!("../../policies/go.yaml")),
    ("javascript", include_str!("../../policies/javascript.yaml")),
    ("php", include_str!("../../policies/php.yaml")),
    ("python", include_str!("../../policies/python.yaml")),
    ("ruby", include_str!("../../policies/ruby.yaml")),
    ("rust", include_str!("../../policies/rust.yaml")),
    ("shell", include_str!("../../policies/shell.yaml")),
    ("strict", include_str!("../../policies/strict.yaml")),
];

/// The preset that has a value for everything: what nobody says is as it is here.
pub(super) const DEFAULT: &str = "default";

pub(super) fn text_of(name: &str) -> Option<&'static str> {
    PRESETS
        .iter()
        .find(|(preset, _)| *preset == name)
        .map(|&(_, text)| text)
}

/// By the id of a preset's pattern: every match holds one of these, in whatever case of ASCII. That it does is proved by a test.
const NEEDLES: &[(&str, &[&str])] = &[
    ("no-verify", &["--no-verify"]),
    (
        "tls-off",
        &[
            "verify",
            "node_tls_reject_unauthorized",
            "danger_accept_invalid_certs",
        ],
    ),
    (
        "dynamic-code",
        &["eval", "exec", "new function", "__import__"],
    ),
    ("swallowed-error", &["except", "catch"]),
];

/// Empty where nothing is known of a pattern.
pub(super) fn needles_of(id: &str) -> &'static [&'static str] {
    let mut known = NEEDLES.iter();
    known
        .find(|(pattern, _)| *pattern == id)
        .map_or(&[], |&(_, needles)| needles)
}

#[cfg(test)]
mod tests {
    use regex_syntax::hir::{Class, Hir, HirKind};

    use super::*;
    use crate::policy::Policy;

    /// All that an expression can match, in lower case; `None` where that is too much to list.
    fn words(hir: &Hir) -> Option<Vec<String>> {
        const MOST: usize = 100;
        let words: Vec<String> = match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => vec![String::new()],
            HirKind::Literal(literal) => vec![String::from_utf8_lossy(&literal.0).to_lowercase()],
            HirKind::Class(Class::Bytes(class)) => {
                let bytes = class.ranges().iter();
                let bytes = bytes.flat_map(|range| range.start()..=range.end());
                bytes
                    .map(|byte| char::from(byte).to_lowercase().collect())
                    .collect()
            }
            HirKind::Class(Class::Unicode(_)) | HirKind::Repetition(_) => return None,
            HirKind::Capture(capture) => words(&capture.sub)?,
            HirKind::Concat(parts) => parts
                .iter()
                .map(words)
                .try_fold(vec![String::new()], |starts, ends| product(starts, &ends?))?,
            HirKind::Alternation(branches) => {
                let branches: Option<Vec<_>> = branches.iter().map(words).collect();
                branches?.concat()
            }
        };
        (words.len() <= MOST).then_some(words)
    }

    fn product(starts: Vec<String>, ends: &[String]) -> Option<Vec<String>> {
        let both = |start: String| ends.iter().map(move |end| format!("{start}{end}"));
        let words: Vec<String> = starts.into_iter().flat_map(both).collect();
        (words.len() <= 1_000).then_some(words)
    }

    /// Whether each match of the expression holds one of `needles`.
    fn always_holds(hir: &Hir, needles: &[&str]) -> bool {
        let one_in_each = |words: &[String]| {
            let has_one = |word: &String| needles.iter().any(|needle| word.contains(needle));
            words.iter().all(has_one)
        };
        match hir.kind() {
            HirKind::Concat(parts) => {
                let mut run = vec![String::new()];
                for part in parts {
                    let longer = words(part).and_then(|ends| product(run.clone(), &ends));
                    run = longer.unwrap_or_else(|| vec![String::new()]);
                    if one_in_each(&run) || always_holds(part, needles) {
                        return true;
                    }
                }
                false
            }
            HirKind::Alternation(branches) => {
                branches.iter().all(|branch| always_holds(branch, needles))
            }
            HirKind::Capture(capture) => always_holds(&capture.sub, needles),
            HirKind::Repetition(repetition) => {
                repetition.min > 0 && always_holds(&repetition.sub, needles)
            }
            _ => words(hir).is_some_and(|words| one_in_each(&words)),
        }
    }

    fn parse(pattern: &str) -> Hir {
        let mut parser = regex_syntax::ParserBuilder::new().utf8(false).build();
        parser.parse(pattern).expect("it parses")
    }

    #[test]
    fn every_match_of_a_preset_holds_a_needle() {
        let text = "version: 1\nextends: [default, go, javascript, php, python, ruby, rust, shell, strict]\n";
        let policy = Policy::load(text, "policy").expect("the presets load");
        assert_eq!(policy.perimeter.forbid.len(), NEEDLES.len());
        for forbidden in &policy.perimeter.forbid {
            let needles = needles_of(&forbidden.id);
            let hir = parse(forbidden.pattern.as_str());
            assert!(always_holds(&hir, needles), "{}", forbidden.id);
        }
    }

    #[test]
    fn a_needle_that_is_not_in_every_match_is_noticed() {
        for (pattern, needle, expected) in [
            ("(?i-u)a drop b", "drop", true),
            ("(?-u)x(drop|DROP)+", "drop", true),
            ("(?-u)d(ro|r|)p", "drop", false),
            ("(?-u)dr[a-z]*op", "drop", false),
            ("(?-u)(drop)?x", "drop", false),
            ("(?-u)drop|x", "drop", false),
            // The Kelvin sign is a `k` to a pattern that knows Unicode.
            ("(?i)key", "key", false),
        ] {
            assert_eq!(
                always_holds(&parse(pattern), &[needle]),
                expected,
                "{pattern}"
            );
        }
    }
}
