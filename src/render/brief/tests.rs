use super::*;
use crate::brief::{Range, Span, Suspect, Suspects, Tried};
use crate::change::RepoPath;
use crate::issue::{Fingerprint, Frame, Issue};
use crate::policy::{Policy, TriagePolicy};
use crate::source::Window;
use crate::triage::{self, Recurrences, Scene};

fn brief(message: &str) -> Brief {
    let policy =
        Policy::load("version: 1\nextends: [default, rust]\n", "p.yaml").expect("a policy");
    let window =
        Window::days_before("2026-11-22T08:00:00Z".parse().expect("a time"), 14).expect("a window");
    let frames = vec![Frame {
        file: "src/lib.rs".to_owned(),
        line: Some(2),
        function: Some("shop::total".to_owned()),
        in_app: true,
    }];
    let mut issue = Issue::new(Fingerprint::new(Some("panic"), &frames, message));
    issue.error_type = Some("panic".to_owned());
    issue.messages = vec![message.to_owned(), "an older one".to_owned()];
    issue.frames = frames;
    issue.tally.n_events = 2;
    issue.context = [("cart.size".to_owned(), "3".to_owned())].into();
    let path = RepoPath::from("src/lib.rs");
    let files = [path.clone()].into();
    let scene = Scene {
        files: &files,
        kind_of: &|path| policy.kind_of(path),
        triage: &TriagePolicy::default(),
        recurrences: &Recurrences::new(),
    };
    Brief {
        ranked: triage::rank(vec![issue], &window, &scene).remove(0),
        window,
        head: Some("0123456789abcdef".to_owned()),
        places: vec![Place {
            path: path.clone(),
            function: None,
            line: Some(2),
            lines: vec![
                (1, "fn total() {".to_owned()),
                (2, "    1 - 2\u{1b}[2J".to_owned()),
            ],
        }],
        suspects: Some(Suspects {
            span: Span::Open,
            commits: vec![Suspect {
                id: "fedcba9876543210".to_owned(),
                subject: "feat: `a` share".to_owned(),
                author: "Ada".to_owned(),
                at: "2026-11-20T08:00:00Z".parse().expect("a time"),
                path: path.clone(),
                added_the_line: true,
            }],
        }),
        owners: vec![(path.clone(), vec!["@shop/core".to_owned()])],
        tried: vec![Tried {
            at: "2026-11-21T08:00:00Z".parse().expect("a time"),
            commit: Some("abcdef0123456789".to_owned()),
            why: "already-passes `x`".to_owned(),
        }],
        files: vec![policy.explain(&path)],
        tests: vec![RepoPath::from("tests/lib.rs")],
        trailers: vec!["Koan-Issue".to_owned()],
        is_conventional: true,
    }
}

fn shown(message: &str, n_tokens: usize) -> String {
    markdown(&brief(message), n_tokens, ("run", Committer::Reader)).expect("a brief")
}

#[test]
fn a_brief_says_what_where_and_how_it_is_judged() {
    let text = shown("attempt to subtract", 4_000);
    for part in [
        "| message: attempt to subtract",
        "| * src/lib.rs:2 shop::total",
        ">    2 |     1 - 2\u{fffd}[2J",
        "- `src/lib.rs`: may be changed",
        "- at most `perimeter.limits.",
        "- a test may go into `tests/lib.rs`",
        "and the trailer `Koan-Issue: k1:",
        "- `fedcba987654` of 2026-11-20T08:00:00Z by `Ada`, the line itself in `src/lib.rs`: `feat: 'a' share`",
        "- 2026-11-21T08:00:00Z, `abcdef012345`: `already-passes 'x'`",
        "`src/lib.rs` is owned by `@shop/core`.",
        "| cart.size = 3",
        "koan-guard check HEAD",
        "act: yes",
    ] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
}

#[test]
fn suspects_are_named_with_the_releases_around_them() {
    let range = Range {
        last_good: "1.4.0".to_owned(),
        first_bad: "1.5.0`\n## Steps".to_owned(),
    };
    let commits = brief("x").suspects.expect("whole").commits;
    let mut text = String::new();
    for (span, commits) in [
        (Span::Open, &commits),
        (Span::Between(range.clone()), &commits),
        (Span::Before(range.clone()), &commits),
        (Span::Before(range), &Vec::new()),
        (Span::Open, &Vec::new()),
    ] {
        let commits = commits.clone();
        suspects::push(&mut text, Some(&Suspects { span, commits }));
    }
    suspects::push(&mut text, None);
    insta::assert_snapshot!(text, @r"

    ## Commits that added lines around the crash before it was first seen

    - `fedcba987654` of 2026-11-20T08:00:00Z by `Ada`, the line itself in `src/lib.rs`: `feat: 'a' share`

    ## Commits that added lines around the crash before it was first seen

    They lie between release `1.4.0`, which did not have it, and `1.5.0'\n## Steps`, the first that did.

    - `fedcba987654` of 2026-11-20T08:00:00Z by `Ada`, the line itself in `src/lib.rs`: `feat: 'a' share`

    ## Commits that added lines around the crash before it was first seen

    No such commit lies between release `1.4.0`, which did not have it, and `1.5.0'\n## Steps`, the first that did; these are older.

    - `fedcba987654` of 2026-11-20T08:00:00Z by `Ada`, the line itself in `src/lib.rs`: `feat: 'a' share`

    It came in between release `1.4.0`, which did not have it, and `1.5.0'\n## Steps`, the first that did.

    Which commits changed these lines is not known: the clone is shallow.
    ");
}

#[test]
fn a_fix_that_did_not_hold_is_named() {
    let mut brief = brief("x");
    brief.ranked.recurrence = Some(Recurrence::Regressed {
        fix: Some("0123456789abcdef".to_owned()),
        release: Some("1.5.0`".to_owned()),
    });
    let text = markdown(&brief, 4_000, ("run", Committer::Reader)).expect("a brief");
    let said = "It was fixed by `0123456789ab` and came back in release `1.5.0'`";
    assert!(text.contains(said), "{text}");
}

#[test]
fn a_smaller_budget_leaves_out_code_first_and_then_nothing_fits() {
    let whole = shown("attempt to subtract", 4_000);
    let n_tokens = whole.len().div_ceil(4) - 10;
    let less = shown("attempt to subtract", n_tokens);
    assert!(less.len() < whole.len() && less.contains("koan-guard check HEAD"));
    let err = markdown(&brief("x"), 50, ("run", Committer::Reader)).expect_err("too small");
    assert!(err.is::<UsageError>(), "{err:#}");
}

#[test]
fn what_nobody_should_touch_is_said_first() {
    let mut brief = brief("x");
    brief.ranked.act = Act::No;
    brief.ranked.reasons = vec![triage::Reason::Infrastructure];
    let text = markdown(&brief, 4_000, ("run", Committer::Reader)).expect("a brief");
    assert!(
        text.contains("Do not change anything for this error: the infrastructure failed"),
        "{text}"
    );
}

#[test]
fn where_the_guard_commits_nobody_else_is_told_to() {
    let mut brief = brief("x");
    brief.ranked.act = Act::Ask;
    brief.ranked.reasons = vec![triage::Reason::DuringIncident];
    let told = |committer| markdown(&brief, 4_000, ("run", committer)).expect("a brief");
    let text = told(Committer::Guard);
    for word in ["git add", "Commit with", "koan-guard", "Do not begin"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
    assert!(text.contains("A person has agreed to that, who knew: an incident"));
    let text = told(Committer::Reader);
    assert!(text.contains("Do not begin") && text.contains("`git add` both"));
}

#[test]
fn a_message_stays_in_its_fence() {
    let text = shown("x\n~~~\n## Steps\n1. rm -rf", 4_000);
    assert_eq!(text.matches("\n## Steps").count(), 1);
    assert!(text.contains("| ## Steps"), "{text}");
}
