//! Whether an agent may try an issue: not what no code can fix, not where it may not go, not on one stranger's word.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::LazyLock;

use super::incident::Brake;
use super::recurrence::{Doubt, Recurrence, Recurrences};
use crate::change::RepoPath;
use crate::issue::{Flag, Frame, Issue, Severity, Standing};
use crate::policy::{FileKind, TriagePolicy};
use regex::Regex;

/// Mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    Yes,
    /// A person decides.
    Ask,
    No,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A network, a disk or a neighbour failed.
    Infrastructure,
    NoFrame,
    /// The file of the crash is not in the commit that would be fixed.
    NotInHead,
    /// The crash is in a file that an agent may not change.
    Perimeter(FileKind),
    /// The policy says that the business expects it.
    Business,
    /// Its own tracker says that it is no matter, or done with.
    Standing(Standing),
    /// It has a fix, and is seen only where that is not.
    Fixed,
    /// It has a fix, and nobody can tell whether that failed.
    MaybeRegressed(Doubt),
    /// Somebody said that nobody shall act.
    Ignored,
    /// Its log cannot be read or believed.
    Undecided,
    /// One of several that broke out together: one cause, and no time for patches.
    Incident,
    InstructionLike,
    HiddenCharacters,
    SingleEvent,
    /// Never worse than a warning: the program expects it.
    Expected,
    /// Something larger is going on.
    DuringIncident,
}

/// The repository that would be repaired.
pub struct Scene<'a> {
    /// Every file of `HEAD`.
    pub files: &'a BTreeSet<RepoPath>,
    pub kind_of: &'a dyn Fn(&RepoPath) -> FileKind,
    /// What the project says of its errors.
    pub triage: &'a TriagePolicy,
    /// What became of those that were dealt with before.
    pub recurrences: &'a Recurrences,
}

impl Act {
    pub fn as_str(self) -> &'static str {
        match self {
            Act::Yes => "yes",
            Act::Ask => "ask",
            Act::No => "no",
        }
    }
}

impl Scene<'_> {
    /// The file of `HEAD` that a frame names: its path as it is or, if it is absolute, without what stands before the project.
    pub fn locate(&self, frame: &Frame) -> Option<RepoPath> {
        let file = frame.file.as_str();
        if file.split('/').any(|part| part == "..") {
            return None;
        }
        let n_starts = if file.starts_with('/') { usize::MAX } else { 0 };
        let tails = file.match_indices('/').map(|(at, _)| &file[at + 1..]);
        let mut candidates = std::iter::once(file).chain(tails.take(n_starts));
        let found = candidates.find(|tail| self.files.contains(&RepoPath::from(*tail)));
        found.map(RepoPath::from).or_else(|| self.locate_end(file))
    }

    /// What the policy says the place of the crash weighs.
    pub(super) fn weight_of(&self, issue: &Issue) -> Option<f64> {
        let path = self.locate(issue.culprit()?)?;
        self.triage.weight_of(&path)
    }

    /// The one file of `HEAD` whose path ends with that of a frame: languages with packages record no more of it.
    fn locate_end(&self, file: &str) -> Option<RepoPath> {
        if file.starts_with('/') || !file.contains('/') {
            return None;
        }
        let end = format!("/{file}");
        let mut found = self
            .files
            .iter()
            .filter(|path| path.to_str().is_some_and(|path| path.ends_with(&end)));
        match (found.next(), found.next()) {
            (Some(path), None) => Some(path.clone()),
            _ => None,
        }
    }
}

impl Reason {
    pub fn act(&self) -> Act {
        match self {
            Reason::Infrastructure
            | Reason::NoFrame
            | Reason::NotInHead
            | Reason::Perimeter(_)
            | Reason::Business
            | Reason::Standing(_)
            | Reason::Fixed
            | Reason::MaybeRegressed(_)
            | Reason::Ignored
            | Reason::Undecided
            | Reason::Incident => Act::No,
            Reason::InstructionLike
            | Reason::HiddenCharacters
            | Reason::SingleEvent
            | Reason::Expected
            | Reason::DuringIncident => Act::Ask,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::MaybeRegressed(doubt) => {
                return write!(f, "it may have come back after its fix: {doubt}");
            }
            Reason::Fixed => "it is fixed, and seen only where the fix is not",
            Reason::Ignored => "it is ignored: see `triage show`",
            Reason::Undecided => "its log cannot be read or believed: see `triage show`",
            Reason::Infrastructure => "the infrastructure failed, not the code",
            Reason::NoFrame => "no frame in the project's own code",
            Reason::NotInHead => "the file of the crash is not in HEAD",
            Reason::Perimeter(FileKind::Protected) => "the crash is in a protected file",
            Reason::Perimeter(FileKind::JudgeInput) => {
                "the crash is in a file that decides how tests run"
            }
            Reason::Perimeter(FileKind::Test) => "the crash is in a test",
            Reason::Perimeter(FileKind::Documentation) => "the crash is in a document",
            Reason::Perimeter(FileKind::Production) => "the crash is in a production file",
            Reason::Business => "the business expects it, as the policy says",
            Reason::Standing(Standing::Muted) => "it is muted",
            Reason::Standing(Standing::Resolved) => "it is resolved",
            Reason::Standing(Standing::Open) => "it is open",
            Reason::Incident => "part of an incident: several errors broke out together",
            Reason::Expected => "never worse than a warning: the program expects it",
            Reason::DuringIncident => "an incident is going on",
            Reason::InstructionLike => "its text reads like an order to the reader",
            Reason::HiddenCharacters => "its text has hidden characters",
            Reason::SingleEvent => "it happened once",
        })
    }
}

/// The strictest of all reasons counts.
pub fn decide(issue: &Issue, scene: &Scene, brake: Brake) -> (Act, Vec<Reason>) {
    let mut reasons = Vec::new();
    if is_infrastructure(issue) {
        reasons.push(Reason::Infrastructure);
    }
    match issue.culprit() {
        None => reasons.push(Reason::NoFrame),
        Some(frame) => match scene.locate(frame) {
            None => reasons.push(Reason::NotInHead),
            Some(path) => match (scene.kind_of)(&path) {
                FileKind::Production => {}
                kind => reasons.push(Reason::Perimeter(kind)),
            },
        },
    }
    let is_expected = |name: &String| scene.triage.expects(name);
    if issue.error_type.as_ref().is_some_and(is_expected) {
        reasons.push(Reason::Business);
    }
    let recurrence = scene.recurrences.get(&issue.fingerprint);
    reasons.extend(recurrence.and_then(reason_of));
    // What is seen where its fix is is not done with, whatever its tracker was told.
    let is_back = matches!(recurrence, Some(Recurrence::Regressed { .. }));
    let is_shut = match issue.standing {
        Standing::Open => false,
        Standing::Muted => true,
        Standing::Resolved => !is_back,
    };
    if is_shut {
        reasons.push(Reason::Standing(issue.standing));
    }
    match brake {
        Brake::Member => reasons.push(Reason::Incident),
        Brake::Beside => reasons.push(Reason::DuringIncident),
        Brake::None => {}
    }
    if issue.flags.contains(&Flag::InstructionLike) {
        reasons.push(Reason::InstructionLike);
    }
    if issue.flags.contains(&Flag::HiddenCharacters) {
        reasons.push(Reason::HiddenCharacters);
    }
    if issue.tally.n_events <= 1 {
        reasons.push(Reason::SingleEvent);
    }
    if issue
        .severity
        .is_some_and(|severity| severity <= Severity::Warning)
    {
        reasons.push(Reason::Expected);
    }
    let act = reasons.iter().map(Reason::act).max().unwrap_or(Act::Yes);
    (act, reasons)
}

fn reason_of(recurrence: &Recurrence) -> Option<Reason> {
    match recurrence {
        Recurrence::Regressed { .. } => None,
        Recurrence::Fixed { .. } => Some(Reason::Fixed),
        Recurrence::Maybe { doubt, .. } => Some(Reason::MaybeRegressed(doubt.clone())),
        Recurrence::Ignored => Some(Reason::Ignored),
        Recurrence::Undecided => Some(Reason::Undecided),
    }
}

fn is_infrastructure(issue: &Issue) -> bool {
    let error_type = issue.error_type.as_deref().unwrap_or("");
    INFRASTRUCTURE_TYPE.is_match(error_type) || INFRASTRUCTURE_TEXT.is_match(&issue.skeleton)
}

static INFRASTRUCTURE_TYPE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?ix)
        connection_?(?:refused|reset|aborted|closed|error|timeout|timed_?out) | broken_?pipe | ^(?:[\w.:]*[.:])? (?-i:E(?:CONN[A-Z]+|PIPE|TIMEDOUT|HOSTUNREACH|NOSPC|MFILE|NOTFOUND|AI_AGAIN)) $
        | (?:read|open|write|socket|gateway|connect|query|statement)_?time_?out | ^(?:[\w.:]*[.:])? Timeout (?:Error|Exception)? $
        | dead_?lock | lock_?(?:wait_?)?timeout | lock_?not_?available | out_?of_?memory | ^(?:[\w.:]*[.:])? Memory_?Error $ | no_?memory
        | (?:dns|gai|name_?resolution|unknown_?host)_?(?:error|exception|failure)? $ | disk_?full | no_?space
        | (?:bad_?gateway|service_?unavailable|too_?many_?requests) | ssl_?error | operational_?error
        ",
    )
    .expect("the pattern is constant")
});

static INFRASTRUCTURE_TEXT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?ix)
        connection \s (?:was \s)? (?:refused|reset|closed|aborted|timed \s out) | refused \s the \s connection | \bECONN(?:REFUSED|RESET|ABORTED)\b | \bETIMEDOUT\b
        | network \s is \s unreachable | no \s route \s to \s host | broken \s pipe | (?:temporary \s failure \s in|could \s not) \s (?:name \s resolution|resolve \s host)
        | no \s space \s left | disk \s (?:is \s)? full | too \s many \s open \s files | out \s of \s memory | cannot \s allocate \s memory
        | deadlock \s (?:detected|found) | database \s is \s locked | lock \s wait \s timeout | too \s many \s connections
        | (?:502|503|504) \s (?:bad \s gateway|service \s unavailable|gateway \s time)
        ",
    )
    .expect("the pattern is constant")
});
