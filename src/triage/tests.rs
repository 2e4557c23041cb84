use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::change::RepoPath;
use crate::issue::{Fingerprint, Flag, Frame, Severity, Standing, Tally};
use crate::policy::{FileKind, Policy, TriagePolicy};

fn now() -> Timestamp {
    "2026-11-22T08:00:00Z".parse().expect("a time")
}

fn window() -> Window {
    Window::days_before(now(), 14).expect("a window")
}

/// An issue in `src/lib.rs` with events of these ages in hours.
fn issue(name: &str, ages: &[(u32, u64)]) -> Issue {
    let frames = vec![Frame {
        file: "src/lib.rs".to_owned(),
        line: Some(3),
        function: Some(name.to_owned()),
        in_app: true,
    }];
    let ago = |hours: u32| now().checked_sub(SignedDuration::from_hours(i64::from(hours)));
    let at = |hours: Option<&(u32, u64)>| hours.map(|(hours, _)| ago(*hours).expect("a time"));
    let fingerprint = Fingerprint::new(Some("panic"), &frames, "");
    Issue {
        error_type: Some("panic".to_owned()),
        skeleton: "attempt to subtract with overflow".to_owned(),
        frames,
        severity: Some(Severity::Error),
        tally: Tally {
            n_events: ages.iter().map(|(_, n)| n).sum(),
            by_age: ages.iter().copied().collect(),
            first_seen: at(ages.iter().max()),
            last_seen: at(ages.iter().min()),
        },
        ..Issue::new(fingerprint)
    }
}

fn ranked(issues: Vec<Issue>) -> Vec<Ranked> {
    ranked_by(issues, &TriagePolicy::default(), &Recurrences::new())
}

fn ranked_by(issues: Vec<Issue>, triage: &TriagePolicy, recurrences: &Recurrences) -> Vec<Ranked> {
    let files = ["src/lib.rs", "migrations/1.sql", "tests/a.rs"];
    let files: BTreeSet<RepoPath> = files.iter().map(|path| RepoPath::from(*path)).collect();
    let kind_of = |path: &RepoPath| match path.to_str() {
        Some("migrations/1.sql") => FileKind::Protected,
        Some("tests/a.rs") => FileKind::Test,
        _ => FileKind::Production,
    };
    let scene = Scene {
        files: &files,
        kind_of: &kind_of,
        triage,
        recurrences,
    };
    rank(issues, &window(), &scene)
}

#[track_caller]
fn check(change: impl FnOnce(&mut Issue), act: Act, reasons: &[Reason]) {
    let mut issue = issue("total", &[(1, 2)]);
    change(&mut issue);
    let ranked = ranked(vec![issue]).remove(0);
    assert_eq!((ranked.act, &ranked.reasons[..]), (act, reasons));
}

fn at_file(file: &str) -> impl FnOnce(&mut Issue) {
    move |issue| issue.frames[0].file = file.to_owned()
}

#[test]
fn a_crash_in_production_code_can_be_tried() {
    check(|_| {}, Act::Yes, &[]);
    check(at_file("/srv/shop/releases/7/src/lib.rs"), Act::Yes, &[]);
}

#[test]
fn a_crash_that_no_file_of_head_explains_is_not_tried() {
    check(at_file("src/other.rs"), Act::No, &[Reason::NotInHead]);
    check(at_file("other/src/lib.rs"), Act::No, &[Reason::NotInHead]);
    check(at_file("/srv/../src/lib.rs"), Act::No, &[Reason::NotInHead]);
    check(at_file(""), Act::No, &[Reason::NotInHead]);
    check(at_file("/"), Act::No, &[Reason::NotInHead]);
}

#[test]
fn a_crash_where_an_agent_may_not_go_is_not_tried() {
    check(
        at_file("migrations/1.sql"),
        Act::No,
        &[Reason::Perimeter(FileKind::Protected)],
    );
    check(
        at_file("tests/a.rs"),
        Act::No,
        &[Reason::Perimeter(FileKind::Test)],
    );
}

#[test]
fn without_a_frame_of_our_own_nothing_is_tried() {
    check(|issue| issue.frames.clear(), Act::No, &[Reason::NoFrame]);
    check(
        |issue| issue.frames[0].in_app = false,
        Act::No,
        &[Reason::NoFrame],
    );
}

#[test]
fn what_the_infrastructure_did_is_not_tried() {
    for name in [
        "ConnectionRefusedError",
        "redis.exceptions.ConnectionError",
        "ECONNRESET",
        "Net::ReadTimeout",
        "TimeoutError",
        "ActiveRecord::Deadlocked",
        "java.lang.OutOfMemoryError",
        "MemoryError",
        "UnknownHostException",
        "socket.gaierror",
    ] {
        check(
            |issue| issue.error_type = Some(name.to_owned()),
            Act::No,
            &[Reason::Infrastructure],
        );
    }
    for text in [
        "upstream refused the connection",
        "No space left on device",
        "database is locked",
    ] {
        check(
            |issue| issue.skeleton = text.to_owned(),
            Act::No,
            &[Reason::Infrastructure],
        );
    }
    for name in [
        "KeyError",
        "NoMethodError",
        "CartTimeoutPolicyMissing",
        "AddressError",
        "EConnectTotal",
    ] {
        check(
            |issue| issue.error_type = Some(name.to_owned()),
            Act::Yes,
            &[],
        );
    }
}

#[test]
fn what_reads_like_an_order_or_came_once_is_for_a_person() {
    check(
        |issue| {
            issue.flags = BTreeSet::from([Flag::InstructionLike, Flag::HiddenCharacters]);
            issue.tally.n_events = 1;
        },
        Act::Ask,
        &[
            Reason::InstructionLike,
            Reason::HiddenCharacters,
            Reason::SingleEvent,
        ],
    );
}

#[test]
fn the_strictest_reason_counts() {
    check(
        |issue| {
            issue.frames.clear();
            issue.tally.n_events = 1;
        },
        Act::No,
        &[Reason::NoFrame, Reason::SingleEvent],
    );
}

#[test]
fn each_term_is_what_the_formula_says() {
    let mut one = issue("total", &[(0, 4), (24, 7), (72, 2)]);
    one.users = Some(50);
    let score = ranked(vec![one]).remove(0).score;
    let shown: Vec<String> = score
        .terms
        .all()
        .iter()
        .map(|(name, _, value)| format!("{name} {:.3}", value.expect("known")))
        .collect();
    // frequency: ln(1 + 4 + 7 * 2^(-1/3) + 2 * 2^-1) / ln 101; spike: (4 - 9/7) / sqrt(9/7 + 1) / 6
    assert_eq!(
        shown,
        [
            "frequency 0.530",
            "severity 0.700",
            "users 1.000",
            "recency 1.000",
            "spike 0.299",
            "repetition 0.214",
            "area 0.300"
        ]
    );
    assert_eq!(score.total, 59.7);
}

#[test]
fn the_weights_are_one_together() {
    let score = ranked(vec![issue("total", &[(0, 1)])]).remove(0).score;
    let sum: f64 = score.terms.all().iter().map(|(_, weight, _)| weight).sum();
    assert!((sum - 1.0).abs() < 1e-9);
}

#[test]
fn what_is_not_known_counts_neither_way() {
    let mut timeless = issue("total", &[]);
    timeless.tally.n_events = 5;
    let score = ranked(vec![timeless]).remove(0).score;
    assert_eq!(score.terms.frequency, None);
    // (0.20 * 0.7 + 0.10 * 0.3) / 0.30
    assert_eq!(score.total, 56.7);
}

#[test]
fn staging_alone_weighs_less() {
    let production = ranked(vec![issue("total", &[(1, 5)])])
        .remove(0)
        .score
        .total;
    let mut staging = issue("total", &[(1, 5)]);
    staging.environments.insert("staging".to_owned());
    let score = ranked(vec![staging.clone()]).remove(0).score;
    assert!(score.total < production / 2.0);
    assert!(score.states.contains(&State::NonProduction));
    staging.environments.insert("production".to_owned());
    assert_eq!(ranked(vec![staging]).remove(0).score.total, production);
}

#[test]
fn what_began_today_is_new() {
    let states = |ages| ranked(vec![issue("total", ages)]).remove(0).score.states;
    assert_eq!(states(&[(1, 5)]), [State::New]);
    assert_eq!(states(&[(1, 5), (40, 1)]), []);
}

#[test]
fn what_its_tracker_is_done_with_weighs_little_and_is_not_tried() {
    let open = ranked(vec![issue("total", &[(1, 5)])]).remove(0);
    for (standing, factor) in [(Standing::Muted, 0.25), (Standing::Resolved, 0.15)] {
        let mut closed = issue("total", &[(1, 5)]);
        closed.standing = standing;
        let closed = ranked(vec![closed]).remove(0);
        assert_eq!(closed.reasons, [Reason::Standing(standing)]);
        assert_eq!(closed.act, Act::No);
        assert!((closed.score.total - open.score.total * factor).abs() < 0.1);
    }
}

#[test]
fn a_warning_is_for_a_person() {
    check(
        |issue| issue.severity = Some(Severity::Warning),
        Act::Ask,
        &[Reason::Expected],
    );
    check(|issue| issue.severity = None, Act::Yes, &[]);
}

#[test]
fn what_the_business_expects_is_nobodys_bug() {
    let policy = "version: 1\ntriage: {expected: [panic], areas: {'src/**': 100}}";
    let policy = Policy::load(policy, "p").expect("a policy");
    let one = || vec![issue("total", &[(1, 2)])];
    let ranked = ranked_by(one(), &policy.triage, &Recurrences::new()).remove(0);
    assert_eq!(
        (ranked.act, &ranked.reasons[..]),
        (Act::No, &[Reason::Business][..])
    );
    assert_eq!(ranked.score.terms.area, 1.0);
    assert_eq!(self::ranked(one())[0].score.terms.area, 0.3);
}

/// What an issue of one score becomes by what is known of it.
#[track_caller]
fn check_past(recurrence: Recurrence, standing: Standing, expected: &str) {
    let mut one = issue("total", &[(1, 2), (80, 4)]);
    let before = ranked(vec![one.clone()]).remove(0).score.total;
    one.standing = standing;
    let recurrences = [(one.fingerprint.clone(), recurrence)].into();
    let after = ranked_by(vec![one], &TriagePolicy::default(), &recurrences).remove(0);
    let reasons: Vec<String> = after.reasons.iter().map(ToString::to_string).collect();
    let times = after.score.total / before;
    let said = format!("{:?} x{times:.2} {}", after.act, reasons.join("; "));
    assert_eq!(said, expected);
}

#[test]
fn what_came_back_comes_first_and_what_may_have_is_left_alone() {
    let fix = || "f".to_owned();
    let back = || Recurrence::Regressed {
        fix: Some(fix()),
        release: None,
    };
    check_past(back(), Standing::Open, "Yes x1.22 ");
    check_past(back(), Standing::Resolved, "Yes x1.22 ");
    check_past(back(), Standing::Muted, "No x0.36 it is muted");
    let maybe = Recurrence::Maybe {
        fix: fix(),
        doubt: Doubt::NoRelease,
    };
    check_past(
        maybe,
        Standing::Open,
        "No x1.05 it may have come back after its fix: its events name no release",
    );
    check_past(
        Recurrence::Fixed { fix: fix() },
        Standing::Open,
        "No x0.15 it is fixed, and seen only where the fix is not",
    );
    check_past(
        Recurrence::Ignored,
        Standing::Open,
        "No x0.25 it is ignored: see `triage show`",
    );
    check_past(
        Recurrence::Undecided,
        Standing::Open,
        "No x1.00 its log cannot be read or believed: see `triage show`",
    );
}

#[test]
fn a_file_that_a_package_names_is_the_one_that_ends_so() {
    let found = |file: &str, files: &[&str]| {
        let files: BTreeSet<RepoPath> = files.iter().map(|path| RepoPath::from(*path)).collect();
        let scene = Scene {
            files: &files,
            kind_of: &|_| FileKind::Production,
            triage: &TriagePolicy::default(),
            recurrences: &Recurrences::new(),
        };
        let frame = Frame {
            file: file.to_owned(),
            line: None,
            function: None,
            in_app: true,
        };
        scene.locate(&frame).map(|path| path.to_string())
    };
    let java = "src/main/java/org/shop/Cart.java";
    assert_eq!(found("org/shop/Cart.java", &[java]).as_deref(), Some(java));
    assert_eq!(
        found("org/shop/Cart.java", &[java, "other/org/shop/Cart.java"]),
        None
    );
    assert_eq!(found("Cart.java", &[java]), None);
    assert_eq!(found("shop/Cart.java", &["src/workshop/Cart.java"]), None);
}

#[test]
fn several_errors_at_once_are_one_incident_and_nothing_is_tried() {
    let burst = |name: &str| issue(name, &[(2, 20), (3, 4)]);
    let old = issue("old", &[(1, 2), (30, 3), (60, 3)]);
    let mut issues = vec![burst("a"), burst("b"), old.clone()];
    assert_eq!(incidents(&issues), []);
    issues.push(burst("c"));
    let found = incidents(&issues);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (
            found[0].hours_ago,
            found[0].n_events,
            found[0].fingerprints.len()
        ),
        (2, 72, 3)
    );
    let reasons: BTreeMap<Fingerprint, Vec<Reason>> = ranked(issues)
        .into_iter()
        .map(|ranked| (ranked.issue.fingerprint, ranked.reasons))
        .collect();
    assert_eq!(reasons[&old.fingerprint], [Reason::DuringIncident]);
    assert_eq!(reasons[&burst("a").fingerprint], [Reason::Incident]);
}

#[test]
fn what_is_loud_every_day_is_no_burst() {
    let loud = |name: &str| {
        issue(
            name,
            &[(2, 20), (26, 20), (50, 20), (74, 20), (98, 20), (122, 20)],
        )
    };
    assert_eq!(incidents(&[loud("a"), loud("b"), loud("c")]), []);
}

fn any_issue() -> impl Strategy<Value = Issue> {
    let ages = prop::collection::btree_map(0_u32..336, 1_u64..50, 0..6);
    (0..9_u8, ages, prop::option::of(0_u64..500)).prop_map(|(name, ages, users)| {
        let ages: Vec<(u32, u64)> = BTreeMap::into_iter(ages).collect();
        let mut issue = issue(&format!("f{name}"), &ages);
        issue.users = users;
        issue
    })
}

proptest! {
    #[test]
    fn every_score_is_a_number_between_0_and_100(issue in any_issue()) {
        let score = ranked(vec![issue]).remove(0).score;
        prop_assert!((0.0..=100.0).contains(&score.total), "{}", score.total);
    }

    #[test]
    fn the_order_of_input_does_not_matter(issues in prop::collection::vec(any_issue(), 0..8)) {
        // One issue a fingerprint, as a reading has them.
        let issues: BTreeMap<Fingerprint, Issue> =
            issues.into_iter().map(|issue| (issue.fingerprint.clone(), issue)).collect();
        let issues: Vec<Issue> = issues.into_values().collect();
        let backwards: Vec<Issue> = issues.iter().rev().cloned().collect();
        prop_assert_eq!(ranked(issues), ranked(backwards));
    }

    #[test]
    fn more_events_never_rank_lower(issue in any_issue(), age in 0_u32..24) {
        let mut worse = issue.clone();
        *worse.tally.by_age.entry(age).or_default() += 10;
        worse.tally.n_events += 10;
        let seen = now().checked_sub(SignedDuration::from_hours(i64::from(age)))?;
        worse.tally.last_seen = worse.tally.last_seen.max(Some(seen));
        let [before, after] = [issue, worse].map(|issue| ranked(vec![issue]).remove(0).score);
        if before.terms.frequency.is_some() {
            prop_assert!(after.total >= before.total, "{} {}", before.total, after.total);
        }
    }
}
