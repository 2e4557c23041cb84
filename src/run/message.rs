//! The message of a fix: the agent's own words as its subject where they are plain, and trailers that the guard writes.

use crate::brief::Place;
use crate::issue::Issue;
use crate::perimeter::ISSUE_TRAILER;
use crate::policy::MessagePolicy;

/// The mark by which an agent says how it would call its fix.
pub const SUBJECT_MARK: &str = "SUBJECT:";

const PREFIX: &str = "fix: ";

/// Longer words are no subject, whatever the policy allows.
const MAX_SUBJECT: usize = 90;

/// How long the agent's part of a subject may be.
pub fn subject_length(policy: &MessagePolicy) -> usize {
    policy
        .subject_length
        .min(MAX_SUBJECT)
        .saturating_sub(PREFIX.len())
}

/// `place` is where it crashed, `answer` what the agent said at last.
pub fn message(
    policy: &MessagePolicy,
    (issue, place): (&Issue, Option<&Place>),
    agent: &str,
    answer: &str,
) -> String {
    let said = answer
        .lines()
        .rev()
        .find_map(|line| line.trim().trim_matches('`').strip_prefix(SUBJECT_MARK));
    let most = subject_length(policy);
    let subject = said
        .and_then(|said| plain(said, most))
        .unwrap_or_else(|| of_crash(issue, place, most));
    let fingerprint = issue.fingerprint.as_str();
    let mut trailers = vec![format!("{ISSUE_TRAILER}: {fingerprint}")];
    for name in &policy.require_trailers {
        // A person's name is a person's to give.
        let is_person = name.to_ascii_lowercase().ends_with("-by");
        if !is_person && !name.eq_ignore_ascii_case(ISSUE_TRAILER) {
            trailers.push(format!("{name}: {fingerprint}"));
        }
    }
    trailers.push(format!("Assisted-by: {agent}"));
    format!("{PREFIX}{subject}\n\n{}\n", trailers.join("\n"))
}

/// The words without their prefix, on one line and not too long; `None` where something in them is not plain.
fn plain(said: &str, most: usize) -> Option<String> {
    let words: Vec<&str> = said.split_whitespace().collect();
    let said = words.join(" ");
    let said = said.trim_matches(|c: char| "`\"'".contains(c));
    let said = match said.split_once(':') {
        Some((first, rest))
            if first == "fix" || (first.starts_with("fix(") && first.ends_with(')')) =>
        {
            rest.trim()
        }
        _ => said,
    };
    let said = said.trim_end_matches('.');
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " `'\"()/_.,:;=<>+-*%!?&#".contains(c);
    let speaks_to_guard = ["koan", "***", "skip-checks"]
        .iter()
        .any(|word| said.to_ascii_lowercase().contains(word));
    let fits = !said.is_empty() && said.chars().count() <= most && said.chars().all(is_plain);
    (fits && !speaks_to_guard).then(|| said.to_owned())
}

/// `IndexError in total`, of what production recorded.
fn of_crash(issue: &Issue, place: Option<&Place>, most: usize) -> String {
    let name = |text: &str| -> String {
        let is_plain = |c: &char| c.is_ascii_alphanumeric() || "_.".contains(*c);
        text.chars().filter(is_plain).collect()
    };
    let what = name(issue.error_type.as_deref().unwrap_or_default());
    let what = if what.is_empty() {
        "error".to_owned()
    } else {
        what
    };
    let function = place.and_then(|place| place.function.as_deref()).map(name);
    let file = place.map(|place| name(&String::from_utf8_lossy(place.path.file_name())));
    let whereabouts = function.filter(|text| !text.is_empty()).or(file);
    let subject = match whereabouts.filter(|text| !text.is_empty()) {
        Some(place) => format!("{what} in {place}"),
        None => what,
    };
    subject.chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issue::Fingerprint;
    use crate::policy::Policy;

    fn crash(error_type: &str, function: Option<&str>) -> (Issue, Place) {
        let mut issue = Issue::new(Fingerprint::explicit(&["x".to_owned()]));
        issue.error_type = Some(error_type.to_owned());
        let place = Place {
            path: "shop/cart.py".into(),
            function: function.map(str::to_owned),
            line: None,
            lines: Vec::new(),
        };
        (issue, place)
    }

    fn text(policy: &str, (error, function): (&str, Option<&str>), answer: &str) -> String {
        let policy = Policy::load(policy, "p.yaml").expect("loads");
        let (issue, place) = crash(error, function);
        message(&policy.message, (&issue, Some(&place)), "codex", answer)
    }

    #[track_caller]
    fn check(answer: &str, expected: &str) {
        let policy = "version: 1\nmessage: {subject_length: 60}\n";
        let text = text(policy, ("IndexError", Some("total")), answer);
        assert_eq!(text.lines().next(), Some(expected));
    }

    #[test]
    fn the_subject_is_the_agents_where_it_is_plain() {
        check(
            "I did it.\nSUBJECT: total of an empty cart\n",
            "fix: total of an empty cart",
        );
        check("SUBJECT: fix(cart): the total.", "fix: the total");
        check("SUBJECT: one\nSUBJECT:  two  words ", "fix: two words");
    }

    #[test]
    fn and_else_it_is_of_the_crash() {
        let own = "fix: IndexError in total";
        check("", own);
        check("SUBJECT:", own);
        check("SUBJECT: a\u{202e}b", own);
        check("SUBJECT: [skip ci] x", own);
        check("SUBJECT: koan-guard: allow this", own);
        check(&format!("SUBJECT: {}", "x".repeat(80)), own);
    }

    #[test]
    fn what_strangers_wrote_cannot_make_lines() {
        let text = |crash| text("version: 1\n", crash, "");
        assert!(text(("a\n\nKoan-Issue: b", None)).starts_with("fix: aKoanIssueb in cart.py\n\n"));
        assert!(text(("", Some("\n"))).starts_with("fix: error in cart.py\n\n"));
    }

    #[test]
    fn trailers_are_the_guards() {
        let policy =
            "version: 1\nmessage: {require_trailers: [Ticket, Signed-off-by, Koan-Issue]}\n";
        let name = crash("E", None).0.fingerprint.to_string();
        assert_eq!(
            text(policy, ("E", Some("f")), ""),
            format!("fix: E in f\n\nKoan-Issue: {name}\nTicket: {name}\nAssisted-by: codex\n")
        );
    }
}
