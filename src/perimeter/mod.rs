//! The safety perimeter: every way in which a change leaves it is a finding. Pure: no I/O, nothing printed.

mod api;
mod assertions;
mod blocks;
#[cfg(test)]
mod change_of;
mod content;
mod deletions;
mod dependencies;
mod hidden;
mod idioms;
mod kept;
mod kinds;
mod literals;
mod message;
mod moves;
mod names;
mod paths;
mod refactor;
mod related;
mod rust_tests;
mod secrets;
mod shape;
mod size;
mod skips;
mod text;
mod view;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::change::{Change, CommitMessage, FileChange, RepoPath};
use crate::issue::Frame;
use crate::policy::{FileKind, Level, Policy, Rule};
pub use message::ISSUE_TRAILER;
pub use paths::{added_names, folders_to_list};
pub use secrets::shown_subject;
pub use size::Sizes;

/// What is judged.
#[derive(Debug)]
pub struct Candidate<'a> {
    pub change: &'a Change,
    /// `None` in `pre-commit`, where no message exists yet.
    pub message: Option<&'a CommitMessage>,
    pub shape: Shape,
    /// What the judged tree has, files and folders, in each of [`folders_to_list`]; only those count whose folded form is one of [`added_names`]. `None`: only the change's own paths are compared.
    pub neighbours: Option<&'a [RepoPath]>,
    /// The issues that a fix may name. `None` where no source is configured: any name will do.
    pub known_issues: Option<&'a BTreeSet<String>>,
    /// The stacks of the errors that the message names, as far as a digest tells them.
    pub frames: Vec<&'a Frame>,
    /// Whether the commit has a signature; `None` while there is none that could have.
    pub is_signed: Option<bool>,
}

/// What the commit is by its parents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The staged index, or one parent.
    Ordinary,
    Root,
    /// Two parents; the change is what the merge has beyond an automatic merge of its parents.
    Merge,
    /// More than two parents: so many. What git makes of them is not made again; the change is against the first.
    Octopus(usize),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub rule: Rule,
    pub level: Level,
    pub location: Option<Location>,
    /// The fact with its number: one sentence without a period, paths in backticks.
    pub fact: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Location {
    pub path: RepoPath,
    /// 1-based, in the new version (in the old one for removed lines).
    pub line: Option<usize>,
}

/// A finding that the policy has not weighed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Objection {
    rule: Rule,
    location: Option<Location>,
    fact: String,
}

/// A file of the change with what it is to the policy.
#[derive(Debug)]
struct Judged<'a> {
    file: &'a FileChange,
    kind: FileKind,
}

/// Returns everything the policy objects to, rules that are off left out, in the order of the change; what concerns all of it comes first.
pub fn inspect(candidate: &Candidate, policy: &Policy) -> Vec<Finding> {
    let perimeter = &policy.perimeter;
    let change = candidate.change;
    let files = change.files.iter();
    let files: Vec<_> = files
        .map(|file| Judged {
            file,
            kind: policy.kind_of(&file.path),
        })
        .collect();
    let is_on = |rule| policy.level(rule) != Level::Off;

    let mut objections = shape::shape(change, candidate.shape);
    objections.extend(shape::signature(candidate.is_signed));
    let mut secrets = secrets::Search::new(change, &perimeter.not_secrets);
    if let Some(message) = candidate.message {
        let conventional = policy.message.conventional;
        objections.extend(message::style(
            message,
            candidate.shape,
            conventional,
            &policy.message.types,
        ));
        // Where the form of a message is free, its length is too.
        if conventional {
            objections.extend(message::subject_length(
                message,
                policy.message.subject_length,
            ));
        }
        objections.extend(message::trailers(
            message,
            &policy.message.require_trailers,
            candidate.known_issues,
        ));
        objections.extend(message::directives(message));
        objections.extend(hidden::hidden_in_message(message));
        secrets.message(message);
    }
    objections.extend(size::size(
        &files,
        &perimeter.limits,
        &perimeter.test_limits,
    ));
    let of_all = objections.len();

    objections.extend(paths::protected(&files, &perimeter.protect));
    if let Some(allow) = &perimeter.allow {
        objections.extend(paths::not_allowed(&files, allow));
    }
    objections.extend(paths::encoding(change));
    objections.extend(paths::case_collisions(change, candidate.neighbours));
    objections.extend(size::bytes(
        &files,
        &perimeter.limits,
        &perimeter.test_limits,
    ));
    objections.extend(size::line_length(&files, &perimeter.limits));
    objections.extend(kinds::entries(change));
    objections.extend(kinds::content(change));
    objections.extend(kinds::generated(change));
    objections.extend(content::forbidden(&files, &perimeter.forbid));
    objections.extend(hidden::hidden_text(&files));
    let mut idioms = idioms::Search::new(change, policy);
    for judged in &files {
        secrets.file(judged.file);
        for added in view::added_runs(judged.file) {
            secrets.lines(&added);
            idioms.lines(judged, &added);
        }
    }
    objections.extend(secrets.objections.iter().cloned());
    objections.append(&mut idioms.objections);
    objections.extend(dependencies::dependencies(&files));
    if is_on(Rule::TestDeleted) {
        objections.extend(deletions::deleted(&files));
    }
    if is_on(Rule::TestSkipped) {
        objections.extend(skips::skipped(&files));
    }
    if is_on(Rule::AssertionWeakened) {
        objections.extend(assertions::weakened(&files));
    }
    objections.extend(assertions::snapshot_only(&files));
    let moves = moves::moves(&files);
    objections.extend(moves::tests_renamed_away(&moves));
    objections.extend(moves::production_under_tests(&moves));
    if is_on(Rule::RefactorSuspected) {
        objections.extend(refactor::suspected(&files, &moves));
    }
    if is_on(Rule::PublicApiChanged) {
        objections.extend(api::changed(&files));
    }
    objections.extend(related::unrelated(&files, &candidate.frames));
    objections[of_all..].sort_by(|one, two| place(one).cmp(&place(two)));
    let mut findings = weighed(objections, policy);
    secrets.redact(&mut findings);
    findings
}

/// Whether a message hides nothing, holds no secret and gives no orders, whatever a policy says of it.
pub fn is_plain_message(message: &CommitMessage) -> bool {
    let (change, known) = (Change::default(), BTreeSet::new());
    let mut secrets = secrets::Search::new(&change, &known);
    secrets.message(message);
    let directives: Vec<Objection> = message::directives(message).into_iter().collect();
    secrets.objections.is_empty()
        && directives.is_empty()
        && hidden::hidden_in_message(message).is_none()
}

/// What a person is told too: only where something may be hidden, or known to all for ever.
pub fn advise(candidate: &Candidate, policy: &Policy) -> Vec<Finding> {
    let change = candidate.change;
    let files = change.files.iter();
    // What a file is to the policy makes no difference to these rules.
    let files: Vec<_> = files
        .map(|file| Judged {
            file,
            kind: FileKind::Production,
        })
        .collect();
    let mut objections: Vec<Objection> = paths::encoding(change).into_iter().collect();
    objections.extend(hidden::hidden_text(&files));
    let mut secrets = secrets::Search::new(change, &policy.perimeter.not_secrets);
    if let Some(message) = candidate.message {
        objections.extend(hidden::hidden_in_message(message));
        secrets.message(message);
    }
    for judged in &files {
        secrets.file(judged.file);
        for added in view::added_runs(judged.file) {
            secrets.lines(&added);
        }
    }
    objections.extend(secrets.objections.iter().cloned());
    objections.sort_by(|one, two| place(one).cmp(&place(two)));
    let mut findings = weighed(objections, policy);
    secrets.redact(&mut findings);
    findings
        .iter_mut()
        .for_each(|finding| finding.level = Level::Warn);
    findings
}

fn place(objection: &Objection) -> Option<(&RepoPath, Option<usize>)> {
    let location = objection.location.as_ref();
    location.map(|at| (&at.path, at.line))
}

/// With the policy's levels; rules that are off are left out.
fn weighed(objections: Vec<Objection>, policy: &Policy) -> Vec<Finding> {
    let objections = objections.into_iter();
    objections
        .map(
            |Objection {
                 rule,
                 location,
                 fact,
             }| Finding {
                rule,
                level: policy.level(rule),
                location,
                fact,
            },
        )
        .filter(|finding| finding.level != Level::Off)
        .collect()
}

/// How much a change is, in what the limits count. Tests inside of sources are looked for if it is to be `exact`, which takes a parse.
pub fn measure(change: &Change, policy: &Policy, exact: bool) -> Sizes {
    let files = change.files.iter();
    let files: Vec<_> = files
        .map(|file| Judged {
            file,
            kind: policy.kind_of(&file.path),
        })
        .collect();
    size::measure(&files, exact)
}

impl Objection {
    /// About the change as a whole.
    fn new(rule: Rule, fact: impl Into<String>) -> Objection {
        Objection {
            rule,
            location: None,
            fact: fact.into(),
        }
    }

    fn file(rule: Rule, path: &RepoPath, fact: impl Into<String>) -> Objection {
        Objection {
            rule,
            location: Some(Location {
                path: path.clone(),
                line: None,
            }),
            fact: fact.into(),
        }
    }

    fn line(rule: Rule, path: &RepoPath, line: usize, fact: impl Into<String>) -> Objection {
        Objection {
            rule,
            location: Some(Location {
                path: path.clone(),
                line: Some(line),
            }),
            fact: fact.into(),
        }
    }
}

impl Judged<'_> {
    fn is_test(&self) -> bool {
        self.kind == FileKind::Test
    }

    fn is_documentation(&self) -> bool {
        self.kind == FileKind::Documentation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "
version: 1
perimeter:
  allow: ['src/**', 'tests/**', '*.lock']
  protect: ['src/money/**']
  limits: {files: 2, new_files: 0, lines: 3, hunks: 5, directories: 2, line_length: 80, file_bytes: 10000}
  forbid:
    - {id: no-sleep, pattern: 'sleep\\(', on: added, in: ['**'], why: waits}
  rules: {lockfile-changed: warn, too-many-hunks: 'off'}
proof:
  tests: ['tests/**']
  runner: pytest
message:
  types: [fix]
";

    /// Rule and level of everything that is found.
    #[track_caller]
    fn check(files: &[(&str, &str, &str)], message: &str, expected: &[&str]) {
        let policy = Policy::load(POLICY, "policy").expect("the policy loads");
        let change = change_of::change(files);
        let message = CommitMessage::new(message);
        let candidate = Candidate {
            change: &change,
            message: Some(&message),
            shape: Shape::Ordinary,
            neighbours: None,
            known_issues: None,
            frames: Vec::new(),
            is_signed: None,
        };
        let findings = inspect(&candidate, &policy).into_iter();
        let found: Vec<_> = findings
            .map(
                |Finding {
                     rule, level, fact, ..
                 }| format!("{level:?} {rule}: {fact}"),
            )
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_fix_inside_of_the_perimeter_has_no_findings() {
        check(
            &[
                ("src/a.py", "a = 1\n", "a = 2\n"),
                ("tests/test_a.py", "", "def test_a():\n    assert a == 2\n"),
            ],
            "fix: a\n",
            &[],
        );
    }

    #[test]
    fn each_rule_speaks_with_the_level_of_the_policy() {
        check(
            &[
                ("Cargo.lock", "1\n", "2\n"),
                ("lib/a.py", "1\n", "2\n"),
                ("src/money/1.sql", "1\n", "sleep(1);\n"),
                (
                    "tests/test_a.py",
                    "def test_a():\n    pass\n",
                    "@pytest.mark.skip\ndef test_b():\n    assert 1\n",
                ),
            ],
            "feat: a\n\nkoan-guard: skip\n",
            &[
                "Deny type-not-allowed: the type `feat` is none of `fix`, `test`",
                "Deny guard-directive-in-message: the message says `koan-guard: skip`",
                "Deny too-many-files: 3 production files changed, at most 2",
                "Deny too-many-lines: 6 production lines added and removed, at most 3",
                "Deny too-many-directories: 3 directories of production code, at most 2",
                "Warn lockfile-changed: `Cargo.lock` is a lock file",
                "Deny path-not-allowed: `lib/a.py` matches none of `src/**`, `tests/**`, `*.lock`",
                "Deny path-protected: `src/money/1.sql` matches protected `src/money/**`",
                "Deny forbidden-pattern: `no-sleep` matches what is added at line 1 of `src/money/1.sql`: waits",
                "Deny test-deleted: `tests/test_a.py` loses 1 test: `test_a`",
                "Deny test-skipped: line 1 of `tests/test_a.py` adds `mark.skip`",
            ],
        );
    }

    #[test]
    fn nothing_changed_is_a_finding() {
        check(&[], "fix: a\n", &["Deny empty-commit: no file is changed"]);
    }
}
