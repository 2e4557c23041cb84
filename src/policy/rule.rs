//! The rules of the perimeter by name: what each is for, how strict it is, and what a person can do about it.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Off,
    Warn,
    Deny,
}

impl Level {
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Off => "off",
            Level::Warn => "warn",
            Level::Deny => "deny",
        }
    }
}

/// What is known of a rule before any change is looked at.
#[derive(Debug)]
pub struct RuleInfo {
    pub id: &'static str,
    pub level: Level,
    /// No policy can lower it.
    pub closed: bool,
    /// Why the rule exists: one sentence without a period.
    pub why: &'static str,
    /// One legal next step: an imperative without a period.
    pub next: &'static str,
}

macro_rules! rules {
    ($($variant:ident = $id:literal, $level:ident $closed:ident, $why:literal, $next:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule { $($variant),* }

        impl Rule {
            pub const ALL: &'static [Rule] = &[$(Rule::$variant),*];

            pub fn info(self) -> &'static RuleInfo {
                match self {
                    $(Rule::$variant => &RuleInfo {
                        id: $id, level: Level::$level, closed: rules!(@$closed), why: $why, next: $next,
                    }),*
                }
            }
        }
    };
    (@closed) => { true };
    (@open) => { false };
}

rules! {
    PathProtected = "path-protected", Deny closed,
        "some files decide what is safe; an agent that could change them would judge itself",
        "leave the file as it is; a person changes it in a commit of their own";
    PathNotAllowed = "path-not-allowed", Deny open,
        "the policy names the folders that a fix may touch",
        "fix the bug inside `perimeter.allow`, or hand the issue to a person";
    PathEncoding = "path-encoding", Deny closed,
        "a name that looks like another, or that a file system folds into another, hides what is changed",
        "use plain names";
    PathCaseCollision = "path-case-collision", Deny open,
        "two paths that differ by case only are one file on many machines",
        "choose another name";
    TooManyFiles = "too-many-files", Deny open,
        "a small fix stays local; nobody reads a large one line by line",
        "fix one cause at a time";
    TooManyLines = "too-many-lines", Deny open,
        "a small fix stays local; nobody reads a large one line by line",
        "make the fix smaller, or hand the issue to a person";
    TooManyHunks = "too-many-hunks", Deny open,
        "edits in many places are a refactoring, not a fix",
        "change only what the failing test needs";
    TooManyDirectories = "too-many-directories", Deny open,
        "a fix that spans the tree is not local",
        "fix the bug where it is";
    LineTooLong = "line-too-long", Deny open,
        "what stands far to the right is not read",
        "break the line";
    FileTooBig = "file-too-big", Deny open,
        "large blobs cannot be reviewed and stay in the history for ever",
        "keep large files out of the commit";
    BinaryFile = "binary-file", Deny open,
        "bytes that are not text cannot be reviewed",
        "leave binary files to a person";
    Symlink = "symlink", Deny open,
        "a link makes one path mean another",
        "use a regular file";
    Submodule = "submodule", Deny open,
        "a submodule's commit brings in code that this change does not show",
        "leave submodules to a person";
    ModeChange = "mode-change", Deny open,
        "the executable bit decides what runs",
        "keep the file's mode";
    LfsPointer = "lfs-pointer", Deny open,
        "what a pointer points at is not in the commit",
        "leave such files to a person";
    GeneratedOrVendored = "generated-or-vendored", Deny open,
        "an edit of generated or foreign code is lost or forks it",
        "change the source that it is made from";
    GitattributesChanged = "gitattributes-changed", Deny open,
        "attributes decide what diffs show and what filters run",
        "leave attributes to a person";
    ForbiddenPattern = "forbidden-pattern", Deny open,
        "the policy forbids this text",
        "write it another way";
    HiddenText = "hidden-text", Deny closed,
        "what a reader does not see, or takes for something else, is not reviewed",
        "write it with plain characters, or as an escape";
    SecretAdded = "secret-added", Deny closed,
        "what was committed once is known to everybody who can read the repository, for ever, also when a later commit removes it",
        "read the value from the environment, or put a placeholder in its place; a person may list the digest of what is none in `perimeter.not_secrets`";
    ManifestChanged = "manifest-changed", Deny open,
        "a dependency is a decision about other people's code",
        "fix the bug without touching dependencies";
    LockfileChanged = "lockfile-changed", Deny open,
        "a lock file decides which foreign code runs",
        "restore the lock file";
    TestDeleted = "test-deleted", Deny open,
        "a test that is gone cannot fail",
        "restore the test; add a new one beside it";
    TestSkipped = "test-skipped", Deny open,
        "a test that does not run cannot fail",
        "let the test run";
    MergeIntroducesChanges = "merge-introduces-changes", Deny open,
        "a merge that is more than its parents hides a change where nobody looks",
        "make the change in a commit of its own";
    RootCommit = "root-commit", Deny open,
        "a commit without a parent has nothing to be compared with",
        "commit on top of the trusted branch";
    EmptyCommit = "empty-commit", Deny open,
        "a commit that changes nothing fixes nothing",
        "commit the fix and its test";
    NotConventional = "not-conventional", Deny open,
        "the message says what kind of change this is, in a form that tools read",
        "write the subject as `fix: what was wrong`";
    TypeNotAllowed = "type-not-allowed", Deny open,
        "an agent repairs; features and refactorings are decided by people",
        "use one of the allowed types, if that is what the change is";
    SubjectTooLong = "subject-too-long", Deny open,
        "a long subject is cut off wherever commits are listed",
        "shorten the subject; details belong into the body";
    TrailerMissing = "trailer-missing", Deny open,
        "the policy wants every fix to name this",
        "add the trailer to the last paragraph of the message";
    TrailerUnknownIssue = "trailer-unknown-issue", Deny open,
        "a fix for an issue that nobody has seen cannot be followed up",
        "name an issue of the digest";
    GuardDirectiveInMessage = "guard-directive-in-message", Deny closed,
        "the judged side cannot waive its own judgement",
        "remove the directive; waivers stand on the trusted ref";
}

impl Rule {
    pub fn id(self) -> &'static str {
        self.info().id
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

impl FromStr for Rule {
    type Err = ();

    fn from_str(id: &str) -> Result<Rule, ()> {
        Rule::ALL
            .iter()
            .copied()
            .find(|rule| rule.id() == id)
            .ok_or(())
    }
}
