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

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    Paths,
    Size,
    Kinds,
    Content,
    Secrets,
    Dependencies,
    Tests,
    Shape,
    Commit,
    Message,
}

impl Group {
    pub fn as_str(self) -> &'static str {
        match self {
            Group::Paths => "paths",
            Group::Size => "size",
            Group::Kinds => "kinds",
            Group::Content => "content",
            Group::Secrets => "secrets",
            Group::Dependencies => "dependencies",
            Group::Tests => "tests",
            Group::Shape => "shape",
            Group::Commit => "commit",
            Group::Message => "message",
        }
    }
}

/// What is known of a rule before any change is looked at.
#[derive(Debug)]
pub struct RuleInfo {
    pub id: &'static str,
    pub group: Group,
    pub level: Level,
    /// No policy can lower it.
    pub closed: bool,
    /// Why the rule exists: one sentence without a period.
    pub why: &'static str,
    /// One legal next step: an imperative without a period.
    pub next: &'static str,
}

macro_rules! rules {
    ($($variant:ident = $id:literal, $group:ident, $level:ident $closed:ident, $why:literal, $next:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule { $($variant),* }

        impl Rule {
            pub const ALL: &'static [Rule] = &[$(Rule::$variant),*];

            pub fn info(self) -> &'static RuleInfo {
                match self {
                    $(Rule::$variant => &RuleInfo {
                        id: $id, group: Group::$group, level: Level::$level, closed: rules!(@$closed), why: $why, next: $next,
                    }),*
                }
            }
        }
    };
    (@closed) => { true };
    (@open) => { false };
}

rules! {
    PathProtected = "path-protected", Paths, Deny closed,
        "some files decide what is safe; an agent that could change them would judge itself",
        "leave the file as it is; a person changes it in a commit of their own";
    PathNotAllowed = "path-not-allowed", Paths, Deny open,
        "the policy names the folders that a fix may touch",
        "fix the bug inside `perimeter.allow`, or hand the issue to a person";
    PathEncoding = "path-encoding", Paths, Deny closed,
        "a name that looks like another, or that a file system folds into another, hides what is changed",
        "use plain names";
    PathCaseCollision = "path-case-collision", Paths, Deny open,
        "two paths that differ by case only are one file on many machines",
        "choose another name";
    TooManyFiles = "too-many-files", Size, Deny open,
        "a small fix stays local; nobody reads a large one line by line",
        "fix one cause at a time";
    TooManyLines = "too-many-lines", Size, Deny open,
        "a small fix stays local; nobody reads a large one line by line",
        "make the fix smaller, or hand the issue to a person";
    TooManyHunks = "too-many-hunks", Size, Deny open,
        "edits in many places are a refactoring, not a fix",
        "change only what the failing test needs";
    TooManyDirectories = "too-many-directories", Size, Deny open,
        "a fix that spans the tree is not local",
        "fix the bug where it is";
    LineTooLong = "line-too-long", Size, Deny open,
        "what stands far to the right is not read",
        "break the line";
    FileTooBig = "file-too-big", Size, Deny open,
        "large blobs cannot be reviewed and stay in the history for ever",
        "keep large files out of the commit";
    BinaryFile = "binary-file", Kinds, Deny open,
        "bytes that are not text cannot be reviewed",
        "leave binary files to a person";
    Symlink = "symlink", Kinds, Deny open,
        "a link makes one path mean another",
        "use a regular file";
    Submodule = "submodule", Kinds, Deny open,
        "a submodule's commit brings in code that this change does not show",
        "leave submodules to a person";
    ModeChange = "mode-change", Kinds, Deny open,
        "the executable bit decides what runs",
        "keep the file's mode";
    LfsPointer = "lfs-pointer", Kinds, Deny open,
        "what a pointer points at is not in the commit",
        "leave such files to a person";
    GeneratedOrVendored = "generated-or-vendored", Kinds, Deny open,
        "an edit of generated or foreign code is lost or forks it",
        "change the source that it is made from";
    GitattributesChanged = "gitattributes-changed", Kinds, Deny open,
        "attributes decide what diffs show and what filters run",
        "leave attributes to a person";
    ForbiddenPattern = "forbidden-pattern", Content, Deny open,
        "the policy forbids this text",
        "write it another way";
    HiddenText = "hidden-text", Content, Deny closed,
        "what a reader does not see, or takes for something else, is not reviewed",
        "write it with plain characters, or as an escape";
    DestructiveOperation = "destructive-operation", Content, Deny open,
        "what deletes data, files or history cannot be taken back, and a repair rarely needs it",
        "fix the bug without it, or hand the issue to a person; name the rows or the file that is meant";
    SuppressionAdded = "suppression-added", Content, Warn open,
        "a silenced tool finds nothing, neither now nor later",
        "mend what the tool complains of";
    NetworkOrProcessAdded = "network-or-process-added", Content, Warn open,
        "a connection or a child process reaches beyond the code that a person reads here",
        "fix the bug with what the file already uses";
    EnvironmentProbe = "environment-probe", Content, Deny open,
        "code that looks for its tests, for CI or for the guard can please them without being right",
        "make the code right wherever it runs";
    SecretAdded = "secret-added", Secrets, Deny closed,
        "what was committed once is known to everybody who can read the repository, for ever, also when a later commit removes it",
        "read the value from the environment, or put a placeholder in its place; a person may list the digest of what is none in `perimeter.not_secrets`";
    TooLargeToRead = "too-large-to-read", Secrets, Deny closed,
        "what is too large to be looked through may hold anything, also a secret",
        "keep the file out of the commit";
    ManifestChanged = "manifest-changed", Dependencies, Deny open,
        "a dependency is a decision about other people's code",
        "fix the bug without touching dependencies";
    LockfileChanged = "lockfile-changed", Dependencies, Deny open,
        "a lock file decides which foreign code runs",
        "restore the lock file";
    BuildScriptChanged = "build-script-changed", Dependencies, Deny open,
        "a build script runs on every machine that builds, before any test does",
        "leave the build as it is; a person changes it in a commit of their own";
    InstallScriptChanged = "install-script-changed", Dependencies, Deny open,
        "what runs on installation runs on every user's machine, with all of their rights",
        "leave installation as it is; a person changes it in a commit of their own";
    TestDeleted = "test-deleted", Tests, Deny open,
        "a test that is gone cannot fail",
        "restore the test; add a new one beside it";
    TestRenamedAway = "test-renamed-away", Tests, Deny open,
        "a test that lies where no runner looks for it does not run",
        "leave the file where it is, or give it a path that `proof.tests` and the runner know";
    TestSkipped = "test-skipped", Tests, Deny open,
        "a test that does not run cannot fail",
        "let the test run";
    AssertionWeakened = "assertion-weakened", Tests, Warn open,
        "a test that asks for less lets more bugs pass",
        "keep what the test asserts and add a new test for the fix";
    SnapshotOnly = "snapshot-only", Tests, Warn open,
        "a snapshot repeats what the code does now, right or wrong",
        "add a test that says what is right in its own words";
    ProductionCodeUnderTests = "production-code-under-tests", Tests, Deny open,
        "what stands among the tests is judged as a test, so code that runs in production does not belong there",
        "keep the code where production code is, within its limits";
    RefactorSuspected = "refactor-suspected", Shape, Warn open,
        "what is moved or renamed hides what is changed",
        "change only what the failing test needs";
    PublicApiChanged = "public-api-changed", Shape, Warn open,
        "others call what is public, and none of their tests run here",
        "keep the signature; give a new parameter a default";
    UnrelatedFiles = "unrelated-files", Shape, Warn open,
        "the error's stack does not pass through this file",
        "fix the bug where the stack points, or say in the message why it is elsewhere";
    MergeIntroducesChanges = "merge-introduces-changes", Commit, Deny open,
        "a merge that is more than its parents hides a change where nobody looks",
        "make the change in a commit of its own";
    RootCommit = "root-commit", Commit, Deny open,
        "a commit without a parent has nothing to be compared with",
        "commit on top of the trusted branch";
    EmptyCommit = "empty-commit", Commit, Deny open,
        "a commit that changes nothing fixes nothing",
        "commit the fix and its test";
    SignatureMissing = "signature-missing", Commit, Off open,
        "without a signature anybody can have made the commit in anybody's name",
        "sign it: `git commit --amend --no-edit -S`";
    NotConventional = "not-conventional", Message, Deny open,
        "the message says what kind of change this is, in a form that tools read",
        "write the subject as `fix: what was wrong`";
    TypeNotAllowed = "type-not-allowed", Message, Deny open,
        "an agent repairs; features and refactorings are decided by people",
        "use one of the allowed types, if that is what the change is";
    SubjectTooLong = "subject-too-long", Message, Deny open,
        "a long subject is cut off wherever commits are listed",
        "shorten the subject; details belong into the body";
    TrailerMissing = "trailer-missing", Message, Deny open,
        "the policy wants every fix to name this",
        "add the trailer to the last paragraph of the message";
    TrailerUnknownIssue = "trailer-unknown-issue", Message, Deny open,
        "a fix for an issue that nobody has seen cannot be followed up",
        "name an issue of the digest";
    GuardDirectiveInMessage = "guard-directive-in-message", Message, Deny closed,
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
