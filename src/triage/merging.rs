//! Logs that part and meet again, with clocks that lie.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::fold::{self, Base, Record, Signature, Void, Word, fold};
use super::log::{Log, Trouble, n_missing, union};
use super::operation::{Kind, Operation};

const KEYS: [&str; 5] = ["key-0", "key-1", "key-2", "key-3", "key-4"];

fn noon() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().expect("a time")
}

fn hours(n: i64) -> Timestamp {
    noon() + SignedDuration::from_hours(n)
}

/// The next line of this log, at this hour of its writer's clock.
fn line(log: &[u8], kind: Kind, writer: usize, id: u64, hour: i64) -> String {
    let read = Log::read(log);
    let mut unsigned = |_: &Operation| Ok(Signature::Bad);
    let record = fold(&read, &mut unsigned).expect("a record");
    let text = |text: String| Some(text.into());
    let at = hours(hour);
    let there = record.lease.map(|lease| lease.said.id);
    let mut operation = Operation {
        n: read.next_n(),
        at,
        id: format!("{id:016x}").into(),
        by: format!("{writer}@example.com").into(),
        ..Operation::new(kind)
    };
    match kind {
        Kind::Seen => operation.last = Some(at),
        Kind::Ranked => operation.score = Some(1.0),
        Kind::Claimed => {
            operation.until = Some(at + SignedDuration::from_hours(2));
            operation.lock = text(fold::lock_of(KEYS[writer]));
            operation.claim = there.and_then(text);
            operation.key = Some(KEYS[writer].into());
        }
        Kind::Released | Kind::Fixed | Kind::Refused => {
            operation.claim = Some(there.unwrap_or("0".repeat(16)).into());
            operation.key = Some(KEYS[writer].into());
            operation.commit = text("c".repeat(40));
            operation.because = text("it does not build".into());
        }
        Kind::Ignored => operation.because = text("noise".into()),
        Kind::Confirmed | Kind::Regressed | Kind::Reopened => {}
    }
    operation.line().expect("a line")
}

fn record(log: &[u8]) -> Record {
    fold(&Log::read(log), &mut |_| Ok(Signature::Bad)).expect("a record")
}

#[derive(Clone, Debug)]
enum Step {
    /// A clone writes, with its clock this many hours off.
    Write(usize, Kind, i64),
    /// The first takes in what the second has.
    Pull(usize, usize),
    /// Something that no version of ours wrote.
    Rubbish(usize, Vec<u8>),
}

fn steps() -> impl Strategy<Value = (usize, Vec<Step>)> {
    (2..=5_usize).prop_flat_map(|n| {
        let kind = proptest::sample::select(Kind::ALL.to_vec());
        let hour = prop_oneof![-3..3_i64, Just(-500_000), Just(500_000)];
        let step = prop_oneof![
            6 => (0..n, kind, hour).prop_map(|(at, kind, hour)| Step::Write(at, kind, hour)),
            4 => (0..n, 0..n).prop_map(|(to, from)| Step::Pull(to, from)),
            1 => (0..n, "[ -~]{1,20}").prop_map(|(at, text)| Step::Rubbish(at, text.into_bytes())),
        ];
        (Just(n), proptest::collection::vec(step, 1..40))
    })
}

fn lines(log: &[u8]) -> BTreeSet<Vec<u8>> {
    let lines = log.split(|&byte| byte == b'\n').map(<[u8]>::to_vec);
    lines.filter(|line| !line.trim_ascii().is_empty()).collect()
}

proptest! {
    #[test]
    fn clones_converge_and_lose_and_invent_nothing((n, steps) in steps(), order in any::<prop::sample::Index>()) {
        let mut clones = vec![Vec::new(); n];
        let mut written = BTreeSet::new();
        // What the writer of a line had before it.
        let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut is_clean = true;
        for (at, step) in steps.into_iter().enumerate() {
            match step {
                Step::Write(clone, kind, hour) => {
                    let line = line(&clones[clone], kind, clone, at as u64, hour);
                    let before = Log::read(&clones[clone]);
                    let before = before.operations.iter().map(|op| op.id.to_string()).collect();
                    known.insert(format!("{at:016x}"), before);
                    clones[clone] = union(&clones[clone], line.as_bytes());
                    written.insert(line.into_bytes());
                }
                Step::Pull(to, from) => clones[to] = union(&clones[to], &clones[from]),
                Step::Rubbish(clone, bytes) => {
                    clones[clone] = union(&clones[clone], &bytes);
                    if !bytes.trim_ascii().is_empty() {
                        is_clean = false;
                        written.insert(bytes);
                    }
                }
            }
        }
        // Whoever is asked first, and however often.
        let first = order.index(n);
        let mut all = clones[first].clone();
        for turn in 1..=n {
            all = union(&clones[(first + turn) % n], &all);
        }
        let mut other_way = Vec::new();
        for clone in clones.iter().rev() {
            other_way = union(&other_way, clone);
        }
        prop_assert_eq!(&all, &other_way);
        prop_assert_eq!(&union(&all, &all), &all);
        prop_assert_eq!(lines(&all), written);
        for clone in &clones {
            prop_assert_eq!(n_missing(clone, &all), 0);
        }
        prop_assert_eq!(record(&all), record(&other_way));
        let log = Log::read(&all);
        prop_assert_eq!(log.problems.is_empty(), is_clean);
        // What a writer knew stands before what it wrote, whatever its clock said.
        let mut seen = BTreeSet::new();
        for operation in &log.operations {
            prop_assert!(known[&*operation.id].is_subset(&seen), "{:?}", operation.id);
            seen.insert(operation.id.to_string());
        }
        prop_assert_eq!(seen.len(), known.len());
    }

    #[test]
    fn two_claims_that_did_not_know_of_each_other_have_one_winner(hours in proptest::collection::vec(-500_000..500_000_i64, 2..5)) {
        let seen = line(b"", Kind::Seen, 0, 99, 0);
        let mut all = seen.clone().into_bytes();
        for (writer, hour) in hours.iter().enumerate() {
            let claim = line(seen.as_bytes(), Kind::Claimed, writer, writer as u64, *hour);
            all = union(&all, claim.as_bytes());
        }
        let record = record(&all);
        prop_assert!(record.lease.is_some());
        let held = record.void.iter().filter(|(_, _, void)| *void == Void::Held);
        prop_assert_eq!(held.count(), hours.len() - 1);
    }
}

/// Lines by `KIND@HOUR/WRITER`, each knowing those before it.
fn story(text: &str) -> Vec<u8> {
    let mut log = Vec::new();
    for (id, word) in text.split_whitespace().enumerate() {
        let (kind, rest) = word.split_once('@').expect("KIND@HOUR/WRITER");
        let (hour, writer) = rest.split_once('/').expect("KIND@HOUR/WRITER");
        let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind);
        let line = line(
            &log,
            kind.expect("a kind"),
            writer.parse().expect("a writer"),
            id as u64,
            hour.parse().expect("an hour"),
        );
        log = union(&log, line.as_bytes());
    }
    log
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let record = record(&story(text));
    let voids = record.void.iter().map(|(said, kind, void)| {
        let writer = said.by.split('@').next().unwrap_or("");
        format!(" {void:?}({}/{writer})", kind.as_str())
    });
    let voids: String = voids.collect();
    let holder = match record.held(noon()) {
        Some(lease) => format!(" {}", lease.said.by.split('@').next().unwrap_or("")),
        None => String::new(),
    };
    let word = record.word(noon()).as_str();
    assert_eq!(format!("{word}{holder}{voids}"), expected, "{text}");
}

#[test]
fn a_claim_is_held_until_it_is_over_or_given_back() {
    check("seen@-1/0", "open");
    check("claimed@-1/1", "claimed 1");
    check("claimed@-2/1", "open");
    check("claimed@-1/1 claimed@0/2", "claimed 1 Held(claimed/2)");
    check("claimed@-3/1 claimed@-1/2", "claimed 2");
    check("claimed@-1/1 released@0/1", "open");
    check("claimed@-1/1 released@0/1 claimed@0/2", "claimed 2");
    check("claimed@-1/1 fixed@0/1", "fixed");
    check("claimed@-1/1 refused@0/1", "open");
    check("claimed@-2/1 claimed@-1/1", "claimed 1");
}

#[test]
fn nobody_gives_back_what_another_has() {
    check(
        "claimed@-1/1 released@0/2",
        "claimed 1 NotTheirs(released/2)",
    );
    check("released@0/2", "open NotTheirs(released/2)");
    // The fix is one all the same; the claim goes on.
    check("claimed@-1/1 fixed@0/2", "claimed 1");
}

#[test]
fn a_clock_that_is_far_ahead_keeps_nobody_out_for_years() {
    check("claimed@500000/1", "open");
    check("claimed@500000/1 claimed@-1/2", "claimed 2");
    check("claimed@-500000/1", "open");
}

#[test]
fn what_was_said_last_holds() {
    check("ignored@0/1", "ignored");
    check("ignored@0/1 reopened@0/2", "open");
    check("fixed@0/1", "fixed");
    check("fixed@0/1 regressed@0/1", "regressed");
    // Anybody could have said so.
    check("confirmed@0/1", "open");
    check("confirmed@500000/1 ignored@-500000/1", "ignored");
    check("regressed@0/1 fixed@0/1", "fixed");
}

#[test]
fn what_a_person_signed_is_undone_by_a_person() {
    let signed = |text: &str, by: &str| {
        let log = String::from_utf8(story(text)).expect("UTF-8");
        let sign = |line: &str| {
            let mut operation = Operation::read(line.as_bytes()).expect("an operation");
            if by.split(' ').any(|writer| operation.by.starts_with(writer)) {
                operation.sig = Some("signed".into());
            }
            operation.line().expect("a line") + "\n"
        };
        let log: String = log.lines().map(sign).collect();
        let verify = |operation: &Operation| {
            let is_good = !operation.by.starts_with('4');
            Ok(if is_good {
                Signature::Good
            } else {
                Signature::Bad
            })
        };
        let mut verify = verify;
        let record = fold(&Log::read(log.as_bytes()), &mut verify).expect("a record");
        let voids: Vec<Void> = record.void.iter().map(|(_, _, void)| *void).collect();
        (record.word(noon()), record.is_confirmed_by_person(), voids)
    };
    let needs = vec![Void::NeedsPerson];
    assert_eq!(
        signed("ignored@0/1 reopened@0/2", "1"),
        (Word::Ignored, false, needs.clone())
    );
    assert_eq!(signed("ignored@0/1 fixed@0/2", "1").0, Word::Ignored);
    assert_eq!(
        signed("ignored@0/1 reopened@0/2", "1 2"),
        (Word::Open, false, vec![])
    );
    assert_eq!(
        signed("confirmed@0/1 confirmed@0/2", "1"),
        (Word::Confirmed, true, vec![])
    );
    assert_eq!(signed("confirmed@0/2", "1"), (Word::Open, false, vec![]));
    assert_eq!(
        signed("confirmed@0/4", "4"),
        (Word::Open, false, vec![Void::Forged])
    );
    assert_eq!(
        signed("claimed@-1/1 released@0/2", "2"),
        (Word::Open, false, vec![])
    );
    assert_eq!(
        signed("claimed@-1/1 released@0/4", "4"),
        (Word::Claimed, false, vec![Void::Forged])
    );
}

#[test]
fn an_end_of_ignoring_is_one() {
    let mut operation = Operation {
        n: 1,
        at: noon(),
        id: "0".repeat(16).into(),
        by: "a".into(),
        because: Some("noise".into()),
        until: Some(hours(1)),
        ..Operation::new(Kind::Ignored)
    };
    operation.until = Some(hours(1));
    let log = operation.line().expect("a line");
    let record = record(log.as_bytes());
    assert!(matches!(record.base, Base::Ignored { .. }));
    assert_eq!(record.word(noon()), Word::Ignored);
    assert_eq!(record.word(hours(1)), Word::Open);
}

#[test]
fn a_claim_for_too_long_is_none() {
    let claim = |n_hours: i64| {
        let operation = Operation {
            n: 1,
            at: noon(),
            id: "0".repeat(16).into(),
            by: "a".into(),
            lock: Some("x".into()),
            until: Some(hours(n_hours)),
            ..Operation::new(Kind::Claimed)
        };
        record(operation.line().expect("a line").as_bytes()).word(noon())
    };
    assert_eq!(claim(168), Word::Claimed);
    assert_eq!(claim(169), Word::Open);
    assert_eq!(claim(0), Word::Open);
    assert_eq!(claim(-1), Word::Open);
}

#[test]
fn what_cannot_be_read_or_believed_leaves_the_issue_undecided() {
    let log = story("seen@0/1 confirmed@0/1");
    let undecided = |more: &str, expected: &str| {
        let log = [&log, more.as_bytes()].concat();
        let record = record(&log);
        assert_eq!(record.word(noon()), Word::Undecided, "{more}");
        let said = record.problems.iter().map(ToString::to_string);
        assert_eq!(said.collect::<Vec<_>>(), [expected]);
        let merged = union(&log, b"");
        assert_eq!(lines(&merged), lines(&log), "it is kept");
    };
    undecided(
        "{\"v\":2}\n",
        "line 3: it is of version 2, and this guard knows only 1",
    );
    undecided(
        "hello\n",
        "line 3: it cannot be read: expected value at line 1 column 1",
    );
    let ahead = line(b"", Kind::Confirmed, 2, 77, 0).replace("\"n\":1", "\"n\":900");
    undecided(
        &ahead,
        "line 3: it calls itself number 900, in a log of 3 lines",
    );
}

#[test]
fn a_line_that_was_edited_meets_itself_again() {
    let log = story("seen@0/1 ignored@0/1");
    let edited = String::from_utf8(log.clone()).expect("UTF-8");
    let edited = edited.replace("noise", "nothing");
    let merged = union(&log, edited.as_bytes());
    assert_eq!(n_missing(&log, edited.as_bytes()), 1);
    let read = Log::read(&merged);
    assert_eq!(read.operations.len(), 1);
    assert_eq!(read.problems.len(), 2);
    let is_edited = |what: &Trouble| matches!(what, Trouble::Edited(_));
    assert!(read.problems.iter().all(|problem| is_edited(&problem.what)));
    assert_eq!(record(&merged).word(noon()), Word::Undecided);
}
