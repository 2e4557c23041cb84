//! What kind of commit a past one is: a fix that an agent could have made, or something else.

use serde::Serialize;

use crate::perimeter::Sizes;

/// By what the subject says and what the change touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It says that it fixes something, and touches code and tests.
    TestedFix,
    /// It says so, and touches code alone.
    UntestedFix,
    Other,
}

/// Types of conventional commits that fix nothing in production, whatever else the subject says.
const OTHER_TYPES: [&str; 10] = [
    "build", "chore", "ci", "docs", "doc", "feat", "refactor", "style", "test", "tests",
];

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::TestedFix, Kind::UntestedFix, Kind::Other];

    pub(super) fn of(says_fix: bool, sizes: &Sizes) -> Kind {
        match (says_fix && sizes.files > 0, touches_tests(sizes)) {
            (true, true) => Kind::TestedFix,
            (true, false) => Kind::UntestedFix,
            (false, _) => Kind::Other,
        }
    }

    pub fn is_fix(self) -> bool {
        self != Kind::Other
    }
}

pub(super) fn touches_tests(sizes: &Sizes) -> bool {
    sizes.test_files > 0 || sizes.test_added > 0
}

/// Whether a subject has the word: `fix: …`, `Fixed #12 -- …`, `refs: fix a leak`, `Bugfix …`; a revert or another type has not.
pub(super) fn says_fix(subject: &str) -> bool {
    let is_word =
        |word: &str, words: &[&str]| words.iter().any(|one| word.eq_ignore_ascii_case(one));
    let mut words = subject
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let first = words.clone().next().unwrap_or_default();
    let is_typed = subject
        .split_once(':')
        .is_some_and(|(before, _)| before.split(['(', '!']).next() == Some(first));
    if is_word(first, &["revert", "reverts"]) || is_typed && is_word(first, &OTHER_TYPES) {
        return false;
    }
    let fixes = ["fix", "fixes", "fixed", "fixing", "bugfix", "hotfix"];
    words.any(|word| is_word(word, &fixes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(subject: &str, expected: bool) {
        assert_eq!(says_fix(subject), expected, "{subject}");
    }

    #[test]
    fn a_subject_says_whether_it_fixes() {
        for subject in [
            "fix: total of an empty cart",
            "fix(cart)!: total",
            "Fixed #123 -- Crash in the admin.",
            "refs: fix a leak",
            "Bugfix in the parser",
        ] {
            check(subject, true);
        }
        for subject in [
            "",
            "feat: prefix of a name",
            "docs: fix a typo",
            "test(cart): fix a flaky test",
            "Revert \"fix: total\"",
            "Add a suffix",
        ] {
            check(subject, false);
        }
        // A sentence that begins with the word of a type is none.
        check("Build on Windows, fix the path", true);
    }

    #[test]
    fn a_fix_touches_code() {
        let sizes = |files, test_files, test_added| Sizes {
            files,
            test_files,
            test_added,
            ..Sizes::default()
        };
        assert_eq!(Kind::of(true, &sizes(1, 1, 3)), Kind::TestedFix);
        // Tests inside of the source.
        assert_eq!(Kind::of(true, &sizes(1, 0, 3)), Kind::TestedFix);
        assert_eq!(Kind::of(true, &sizes(1, 0, 0)), Kind::UntestedFix);
        assert_eq!(Kind::of(true, &sizes(0, 1, 3)), Kind::Other);
        assert_eq!(Kind::of(false, &sizes(1, 1, 3)), Kind::Other);
    }
}
