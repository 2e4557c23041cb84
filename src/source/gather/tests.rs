use std::collections::BTreeMap;

use serde_json::Value;

use super::*;

fn gatherer(settings: &Settings) -> Gatherer<'_> {
    Gatherer::new(settings).expect("a gatherer")
}

/// `tests/fixtures/errors/shopapp_events.py` wrote it: every event of the sample application, with the bug that raised it.
fn shopapp() -> Vec<(String, RawEvent, u64)> {
    let lines = include_str!("../../../tests/fixtures/errors/shopapp.jsonl").lines();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let events = lines.map(|line| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let frames = line["frames"].as_array().expect("frames").iter();
        let frames = frames.map(|frame| RawFrame {
            file: text(&frame[0]).expect("a file"),
            line: frame[1].as_u64().and_then(|line| u32::try_from(line).ok()),
            function: text(&frame[2]),
            application: None,
            in_app: frame[3].as_bool(),
        });
        let event = RawEvent {
            error_type: text(&line["type"]),
            module: text(&line["module"]),
            message: text(&line["value"]).expect("a message"),
            template: text(&line["template"]),
            frames: frames.collect(),
            ..RawEvent::default()
        };
        let bug = text(&line["bug"]).expect("a bug");
        (bug, event, line["n"].as_u64().expect("a number"))
    });
    events.collect()
}

/// Pairs of events.
fn pairs(counts: impl IntoIterator<Item = u64>) -> f64 {
    counts.into_iter().map(|n| (n * (n - 1) / 2) as f64).sum()
}

#[test]
fn the_sample_application_is_grouped_better_than_by_any_tool_that_was_measured() {
    let settings = Settings::default();
    let mut gatherer = gatherer(&settings);
    let (mut by_bug, mut by_issue, mut by_both) =
        (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (bug, event, n) in shopapp() {
        let issue = gatherer.add(event).expect("an issue");
        *by_bug.entry(bug.clone()).or_insert(0) += n;
        *by_issue.entry(issue.clone()).or_insert(0) += n;
        *by_both.entry((bug, issue)).or_insert(0) += n;
    }
    assert_eq!((by_bug.len(), by_bug.values().sum::<u64>()), (59, 566));
    let mut n_issues: BTreeMap<&str, usize> = BTreeMap::new();
    for (bug, _) in by_both.keys() {
        *n_issues.entry(bug).or_default() += 1;
    }
    let split: Vec<&&str> = n_issues
        .iter()
        .filter(|(_, n)| **n > 1)
        .map(|(bug, _)| bug)
        .collect();
    assert!(split.is_empty(), "split: {split:?}");
    let both = pairs(by_both.into_values());
    let precision = both / pairs(by_issue.clone().into_values());
    let recall = both / pairs(by_bug.into_values());
    let f1 = 2.0 * precision * recall / (precision + recall);
    assert!(
        f1 >= 0.908,
        "{} issues, precision {precision:.3}, recall {recall:.3}, F1 {f1:.4}",
        by_issue.len()
    );
}

/// What one event becomes: type, message, causes.
#[track_caller]
fn check(event: RawEvent, expected: (&str, &str, &[&str])) {
    let settings = Settings::default();
    let mut gatherer = gatherer(&settings);
    let name = gatherer.add(event).expect("an issue");
    let issue = &gatherer.issues[&name];
    let said = (
        issue.error_type.as_deref().unwrap_or(""),
        issue.messages[0].as_str(),
        issue.causes.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    assert_eq!(said, (expected.0, expected.1, expected.2.to_vec()));
}

#[test]
fn a_type_is_qualified_by_its_module() {
    let event = |module: &str, name: &str| RawEvent {
        error_type: Some(name.to_owned()),
        module: Some(module.to_owned()),
        ..RawEvent::default()
    };
    check(event("re", "error"), ("re.error", "", &[]));
    check(event("builtins", "KeyError"), ("KeyError", "", &[]));
    check(event("shop", "shop.errors.E"), ("shop.errors.E", "", &[]));
}

#[test]
fn a_trace_says_what_its_source_does_not() {
    let event = RawEvent {
        message: "request failed".to_owned(),
        stack: Some(
            "E: a\n    at f (/srv/a.js:1:2)\n  [cause]: TypeError: x\n      at g (/srv/b.js:1:2)"
                .to_owned(),
        ),
        ..RawEvent::default()
    };
    check(event, ("E", "a", &["TypeError: x"]));
}

#[test]
fn a_template_names_what_has_no_frames() {
    let settings = Settings::default();
    let mut gatherer = gatherer(&settings);
    let mut add = |message: &str, template: Option<&str>| {
        gatherer.add(RawEvent {
            message: message.to_owned(),
            template: template.map(str::to_owned),
            ..RawEvent::default()
        })
    };
    let template = Some("queue %s has %d stuck messages");
    assert_eq!(
        add("queue mail has 3 stuck messages", template),
        add("queue pay has 7 stuck messages", template)
    );
    assert_ne!(
        add("queue mail has 3 stuck messages", None),
        add("queue pay has 7 stuck messages", None)
    );
}

#[test]
fn a_policy_names_levels() {
    let settings = Settings {
        levels: BTreeMap::from([("7".to_owned(), Severity::Fatal)]),
        ..Settings::default()
    };
    let gatherer = gatherer(&settings);
    assert_eq!(gatherer.severity(Some("7"), None), Some(Severity::Fatal));
    assert_eq!(
        gatherer.severity(Some("warn"), None),
        Some(Severity::Warning)
    );
    assert_eq!(
        gatherer.severity(Some("50"), Some(Severity::Error)),
        Some(Severity::Error)
    );
}
