//! Rules about what a commit says.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use gix::bstr::ByteSlice as _;
use regex::Regex;
use unicode_normalization::UnicodeNormalization as _;

use super::text::{is_invisible, shown};
use super::{Objection, Shape};
use crate::change::CommitMessage;
use crate::policy::Rule;

/// The trailer that names the issue a fix is for.
pub const ISSUE_TRAILER: &str = "Koan-Issue";

/// Conventional Commits 1.0, and of the allowed types. A merge may say what git says for it; a revert is of the type `revert`.
pub(super) fn style(
    message: &CommitMessage,
    shape: Shape,
    conventional: bool,
    types: &[String],
) -> Vec<Objection> {
    let subject = message.subject();
    let is_gits_merge = shape == Shape::Merge && subject.starts_with(b"Merge ");
    if !conventional || is_gits_merge {
        return Vec::new();
    }
    let kind = match commit_type(message) {
        Ok(kind) => kind,
        Err(why) => return vec![Objection::new(Rule::NotConventional, why)],
    };
    let is_allowed = types.is_empty()
        || types
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(&kind));
    if is_allowed {
        return Vec::new();
    }
    let fact = format!(
        "the type `{}` is none of `{}`",
        shown(&kind),
        types.join("`, `")
    );
    vec![Objection::new(Rule::TypeNotAllowed, fact)]
}

/// The number of a pull request, which a forge puts behind a subject when it merges, is not counted.
pub(super) fn subject_length(message: &CommitMessage, limit: usize) -> Option<Objection> {
    static PULL_REQUEST: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r" \(#[0-9]{1,9}\)$").expect("a test uses it"));
    let subject = message.subject().to_string();
    let n_chars = PULL_REQUEST.replace(&subject, "").chars().count();
    let is_long = n_chars > limit;
    is_long.then(|| {
        let fact = format!("the subject has {n_chars} characters, at most {limit}");
        Objection::new(Rule::SubjectTooLong, fact)
    })
}

/// Required trailers that are not there or empty, and issues that nobody has seen.
pub(super) fn trailers(
    message: &CommitMessage,
    required: &[String],
    known_issues: Option<&BTreeSet<String>>,
) -> Vec<Objection> {
    let mut objections = Vec::new();
    for token in required {
        if !message.trailer_values(token).any(|value| !value.is_empty()) {
            let fact = format!("the message has no trailer `{token}`");
            objections.push(Objection::new(Rule::TrailerMissing, fact));
        }
    }
    if let Some(known) = known_issues {
        for issue in message
            .trailer_values(ISSUE_TRAILER)
            .filter(|issue| !known.contains(issue))
        {
            let fact = format!("the issue `{}` is not known", shown(&issue));
            objections.push(Objection::new(Rule::TrailerUnknownIssue, fact));
        }
    }
    objections
}

/// Words to the guard or to CI that only somebody else could say, one finding for each line that holds some.
pub(super) fn directives(message: &CommitMessage) -> Vec<Objection> {
    static DIRECTIVE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"(?xi)
            ^\s*koan-(?:[a-z0-9-]+)\s*[:=]                                  # a trailer of the guard's own; the issue's is let through below
            | koan[-_\ ]?guard\s*[:=,]?\s*(?:please\s+)?
                (?:ignore|allow|skip|approve|accept|waive|disable|bypass|exempt|off\b|no-?verify|trust)
            | \[\s*(?:skip|no|ignore|disable)[-\ ](?:koan(?:-guard)?|guard|ci|actions?)\s*\]
            | \[\s*(?:koan(?:-guard)?|guard|ci|actions?)[-\ ](?:skip|off|ignore)\s*\]
            | \*\*\*\s*no_ci\s*\*\*\*
            | ^\s*skip-checks\s*:\s*true",
        )
        .expect("the pattern is checked by a test")
    });
    let is_worth_a_look = message.as_bstr().bytes().any(|byte| !byte.is_ascii())
        || ["koan", "[", "***", "skip-checks"]
            .iter()
            .any(|literal| contains_ignoring_case(message.as_bstr(), literal));
    if !is_worth_a_look {
        return Vec::new();
    }
    let text: String = message
        .as_bstr()
        .to_str_lossy()
        .nfkc()
        .filter(|&c| !is_invisible(c))
        .collect();
    let mut objections = Vec::new();
    for line in text.lines().filter(|line| DIRECTIVE.is_match(line)) {
        let token = line.split(':').next().unwrap_or(line).trim();
        let is_issue = token.eq_ignore_ascii_case(ISSUE_TRAILER);
        let value = &line[line.find(':').map_or(0, |at| at + 1)..];
        if !is_issue || DIRECTIVE.is_match(value) {
            let fact = format!("the message says `{}`", shown(line.trim()));
            objections.push(Objection::new(Rule::GuardDirectiveInMessage, fact));
        }
    }
    objections
}

/// The type of a conventional message, or why it is none.
fn commit_type(message: &CommitMessage) -> Result<String, String> {
    let Ok(text) = message.as_bstr().to_str() else {
        return Err("the message is not UTF-8".into());
    };
    let subject = message.subject();
    let subject = subject.to_str_lossy();
    if subject.is_empty() {
        return Err("the message is empty".into());
    }
    if ["fixup! ", "squash! ", "amend! "]
        .iter()
        .any(|mark| subject.starts_with(mark))
    {
        return Err(format!(
            "`{}` is a part of another commit: put it there with `git rebase --autosquash`",
            shown(&subject)
        ));
    }
    if subject.starts_with("Revert \"") {
        return Ok("revert".into());
    }
    // As text, with line feeds alone, the parser takes a body behind any blank line.
    let commit = git_conventional::Commit::parse(text.trim_end());
    match commit {
        Ok(commit) => Ok(commit.type_().as_str().to_owned()),
        Err(error) => Err(format!(
            "`{}` is not conventional: {error}",
            shown(&subject)
        )),
    }
}

fn contains_ignoring_case(text: &[u8], literal: &str) -> bool {
    text.windows(literal.len())
        .any(|window| window.eq_ignore_ascii_case(literal.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::super::change_of::facts;
    use super::*;

    #[track_caller]
    fn check_style(message: &str, expected: &[&str]) {
        let message = CommitMessage::new(message);
        let types = ["fix".to_owned(), "test".to_owned()];
        assert_eq!(
            facts(style(&message, Shape::Ordinary, true, &types)),
            expected
        );
    }

    #[test]
    fn conventional_messages_of_allowed_types_pass() {
        check_style("fix: total of an empty cart\n", &[]);
        check_style("fix(cart)!: total\n\nbody\n\nKoan-Issue: x\n", &[]);
        check_style("Test: a case\n", &[]);
    }

    #[test]
    fn other_messages_are_refused_with_the_reason() {
        check_style("feat: a\n", &["the type `feat` is none of `fix`, `test`"]);
        check_style(
            "Revert \"fix: a\"\n\nThis reverts it.\n",
            &["the type `revert` is none of `fix`, `test`"],
        );
        check_style("", &["the message is empty"]);
        check_style(
            "fixup! fix: a\n",
            &[
                "`fixup! fix: a` is a part of another commit: put it there with `git rebase --autosquash`",
            ],
        );
        for message in [
            "total of an empty cart\n",
            "fix total\n",
            "Merge branch 'a'\n",
            "fix: a\nno blank line\n",
        ] {
            let message = CommitMessage::new(message);
            let objections = style(&message, Shape::Ordinary, true, &[]);
            assert_eq!(
                objections.first().map(|objection| objection.rule),
                Some(Rule::NotConventional)
            );
        }
        let latin = CommitMessage::new(&b"fix: gr\xf6\xdfe"[..]);
        assert_eq!(
            facts(style(&latin, Shape::Ordinary, true, &[])),
            ["the message is not UTF-8"]
        );
    }

    #[test]
    fn a_merge_may_say_what_git_says_for_it() {
        let merge = CommitMessage::new("Merge branch 'a'\n");
        assert!(style(&merge, Shape::Merge, true, &[]).is_empty());
        assert!(style(&CommitMessage::new("any"), Shape::Ordinary, false, &[]).is_empty());
    }

    #[test]
    fn a_subject_is_measured_in_characters() {
        let length = |subject: &str| facts(subject_length(&CommitMessage::new(subject), 8));
        assert_eq!(length("fix: ößü"), [""; 0]);
        assert_eq!(
            length("fix: ößüx"),
            ["the subject has 9 characters, at most 8"]
        );
        assert_eq!(length("fix: abc (#1234)"), [""; 0]);
        assert_eq!(
            length("fix: (#1) abc"),
            ["the subject has 13 characters, at most 8"]
        );
    }

    #[test]
    fn trailers_are_asked_for_by_name_and_issues_by_list() {
        let known = BTreeSet::from(["abc".to_owned()]);
        let required = ["koan-issue".to_owned()];
        let check = |message: &str| {
            facts(trailers(
                &CommitMessage::new(message),
                &required,
                Some(&known),
            ))
        };
        assert_eq!(check("fix: a\n\nKoan-Issue: abc\n"), [""; 0]);
        assert_eq!(
            check("fix: a\n"),
            ["the message has no trailer `koan-issue`"]
        );
        assert_eq!(
            check("fix: a\n\nKoan-Issue:\n"),
            [
                "the message has no trailer `koan-issue`",
                "the issue `` is not known",
            ]
        );
        assert_eq!(
            check("fix: a\n\nKoan-Issue: x`\u{1b}\n"),
            ["the issue `x'\\u{1b}` is not known"]
        );
    }

    #[test]
    fn directives_are_found_however_they_are_written() {
        for line in [
            "koan-guard: ignore",
            "Koan-Guard: allow path-protected",
            "# koan-guard skip",
            "koan_guard=off",
            "Koan-Approved: Jo <jo@x>",
            "Koan-Verdict: accepted",
            "koan-waiver = all",
            "[skip koan]",
            "[koan-guard skip]",
            "[skip ci]",
            "[ci skip]",
            "[no ci]",
            "[skip actions]",
            "***NO_CI***",
            "skip-checks: true",
            "ko\u{200b}an-guard: ignore",
            "ｋoan-guard: ignore",
            "Koan-Issue: x koan-guard: ignore",
        ] {
            let message = CommitMessage::new(format!("fix: a\n\n{line}\n"));
            assert_eq!(directives(&message).len(), 1, "{line}");
        }
    }

    #[test]
    fn talk_about_the_guard_is_no_directive() {
        for line in [
            "Koan-Issue: abc",
            "koan-guard refused the first attempt",
            "the ci skips this",
            "[x] done",
            "größe",
        ] {
            let message = CommitMessage::new(format!("fix: a\n\n{line}\n"));
            assert!(directives(&message).is_empty(), "{line}");
        }
    }

    #[test]
    fn a_directive_hides_behind_neither_an_issue_nor_wide_letters() {
        let n_found = |message: &str| directives(&CommitMessage::new(message)).len();
        assert_eq!(n_found("fix: a\n\nKoan-Issue: koan-waiver: all\n"), 1);
        assert_eq!(n_found("［ｓｋｉｐ－ｃｉ］"), 1);
    }
}
