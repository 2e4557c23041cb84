//! What must hold of any bytes: an entry for each reader of what others write. `fuzz/` feeds them what libFuzzer thinks of, and the test here
//! its seeds with small damages, the same in every run.

use crate::change::{Change, CommitMessage, Content, FileChange, FileMode, FileVersion, RepoPath};
use crate::issue::Crash;
use crate::perimeter::{self, Candidate, Shape};
use crate::policy::{self, Level, Policy, Rule};
use crate::triage::fold::{Signature, fold};
use crate::triage::log::{self, Log};
use crate::triage::operation::Operation;
use crate::{attestation, git, proof, suite};

/// An entry: it panics where something does not hold.
pub type Entry = fn(&[u8]);

/// All entries, by the names of their folders in `fuzz/corpus`.
pub const ENTRIES: &[(&str, Entry)] = &[
    ("change", change),
    ("commit", commit),
    ("digest", digest),
    ("message", message),
    ("note", note),
    ("policy", load_policy),
    ("report", report),
    ("source", source),
    ("triage", logs),
];

/// A policy that loads keeps the closed rules closed, and says the same of itself twice.
pub fn load_policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let _ = policy::lint(text, policy::PATH);
    let Ok(policy) = Policy::load(text, policy::PATH) else {
        return;
    };
    for rule in Rule::ALL.iter().filter(|rule| rule.info().closed) {
        assert_eq!(policy.level(*rule), Level::Deny, "{rule}");
    }
    let again = Policy::load(text, policy::PATH).expect("it was loaded a moment ago");
    assert_eq!(policy.digest, again.digest);
}

/// A path, an old and a new text, parted by NULs: the hunks tell the one from the other, and every finding is in that file.
pub fn change(data: &[u8]) {
    let mut parts = data.splitn(3, |&byte| byte == 0);
    let mut part = || parts.next().unwrap_or_default();
    let (path, old, new) = (part(), part(), part());
    if path.is_empty() || old == new {
        return;
    }
    let path = RepoPath::new(path);
    let mut file = FileChange {
        path: path.clone(),
        old: version(old),
        new: version(new),
        hunks: Vec::new(),
    };
    if let (Some(Content::Text(_)) | None, Some(Content::Text(_)) | None) =
        (content(&file.old), content(&file.new))
    {
        file.hunks = git::fuzzing::hunks(old, new);
    }
    let change = Change { files: vec![file] };
    let candidate = Candidate {
        change: &change,
        message: None,
        shape: Shape::Ordinary,
        neighbours: None,
        known_issues: None,
        frames: Vec::new(),
        is_signed: None,
    };
    for finding in perimeter::inspect(&candidate, default_policy()) {
        let location = finding.location.iter();
        assert!(location.into_iter().all(|location| location.path == path));
    }
    proof::fuzzing::texts(&path, old, new);
}

/// The bytes of a commit, and of a tree.
pub fn commit(data: &[u8]) {
    git::fuzzing::objects(data);
}

/// Cleaning a message twice is cleaning it once; a subject is one line.
pub fn message(data: &[u8]) {
    let cleaned = CommitMessage::clean(data, None);
    let again = CommitMessage::clean(cleaned.as_bstr(), None);
    assert_eq!(cleaned.as_bstr(), again.as_bstr());
    for message in [CommitMessage::new(data), cleaned] {
        assert!(!message.subject().contains(&b'\n'));
        for trailer in message.trailers() {
            assert!(!trailer.token.is_empty() && !trailer.value.contains('\n'));
        }
        let candidate = Candidate {
            change: &Change { files: Vec::new() },
            message: Some(&message),
            shape: Shape::Ordinary,
            neighbours: None,
            known_issues: None,
            frames: Vec::new(),
            is_signed: None,
        };
        // Nothing changed: that alone is a finding.
        assert!(!perimeter::inspect(&candidate, default_policy()).is_empty());
    }
}

/// No report is believed that does not hold the nonce of the guard's own test.
pub fn report(data: &[u8]) {
    suite::runner::fuzzing::reports(data);
}

/// A note states nothing of a commit that it does not name.
pub fn note(data: &[u8]) {
    attestation::ledger::fuzzing::note(data);
}

/// A digest of production's errors.
pub fn digest(data: &[u8]) {
    let _ = Crash::read_digest(data);
}

/// Rust with its tests beside the code: joined with itself it is what it was.
pub fn source(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (one, other) = text.split_once('\0').unwrap_or((text, text));
    if let Ok(joined) = suite::inline::join(one, one) {
        assert_eq!(joined, one);
    }
    let _ = suite::inline::join(one, other);
    let _ = suite::inline::test_regions(other);
    let _ = suite::inline::test_functions(other);
    let _ = suite::inline::new_smells(one, other);
}

/// Two logs of an issue, parted by a NUL: their union has every line of both and no other, whichever comes first, and its fold is the same.
pub fn logs(data: &[u8]) {
    let mut parts = data.splitn(2, |&byte| byte == 0);
    let (one, other) = (parts.next().unwrap_or_default(), parts.next());
    let other = other.unwrap_or_default();
    let union = log::union(one, other);
    assert_eq!(union, log::union(other, one));
    assert_eq!(union, log::union(&union, one));
    assert_eq!(log::n_missing(one, &union), 0);
    assert_eq!(log::n_missing(other, &union), 0);
    let n_new = log::n_missing(&union, one);
    assert_eq!(n_new, log::n_missing(other, one));
    let read = Log::read(&union);
    let mut nobody = |_: &Operation| Ok(Signature::Bad);
    let record = fold(&read, &mut nobody).expect("nothing is asked of anybody");
    assert!(!record.is_confirmed_by_person());
    assert_eq!(record.n_operations, read.operations.len());
}

fn content(version: &Option<FileVersion>) -> Option<&Content> {
    version.as_ref().map(|version| &version.content)
}

fn version(text: &[u8]) -> Option<FileVersion> {
    (!text.is_empty()).then(|| FileVersion {
        mode: FileMode::Regular,
        id: gix::ObjectId::null(gix::hash::Kind::Sha1),
        content: Content::from_blob(text.to_vec()),
    })
}

fn default_policy() -> &'static Policy {
    static POLICY: std::sync::LazyLock<Policy> = std::sync::LazyLock::new(|| {
        let text = "version: 1\nextends: [default, strict, python, javascript, rust, go, ruby, php, shell]\n";
        Policy::load(text, policy::PATH).expect("the presets load")
    });
    &POLICY
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Seeds and found inputs, each as it is and damaged in a few hundred ways.
    #[test]
    #[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
    fn what_must_hold_holds_of_damaged_seeds() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        for (name, entry) in ENTRIES {
            let folder = corpus.join(name);
            let mut seeds: Vec<_> = fs::read_dir(&folder)
                .unwrap_or_else(|err| panic!("`{}`: {err}", folder.display()))
                .map(|seed| seed.expect("a seed").path())
                .collect();
            seeds.sort();
            assert!(!seeds.is_empty(), "{name}");
            for seed in seeds {
                let bytes = fs::read(&seed).expect("a seed");
                entry(&bytes);
                let mut damage = Damage(0x9e37_79b9_7f4a_7c15 ^ bytes.len() as u64);
                for _ in 0..60 {
                    entry(&damage.done_to(&bytes));
                }
            }
        }
    }

    /// A generator of numbers (xorshift64, Marsaglia 2003) that begins the same every time.
    struct Damage(u64);

    impl Damage {
        fn next(&mut self, below: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % below.max(1) as u64) as usize
        }

        /// The bytes with one to four changes: a byte, a run that goes, a run that comes twice.
        fn done_to(&mut self, bytes: &[u8]) -> Vec<u8> {
            const ODD: &[u8] = b"\0\n\r\t\"'`\\{}[]<>:;#/*-\x7f\x80\xc3\xff";
            let mut bytes = bytes.to_vec();
            for _ in 0..=self.next(4) {
                let at = self.next(bytes.len());
                let end = (at + self.next(20)).min(bytes.len());
                match self.next(4) {
                    0 if !bytes.is_empty() => bytes[at] = ODD[self.next(ODD.len())],
                    1 => bytes.insert(at, ODD[self.next(ODD.len())]),
                    2 => drop(bytes.drain(at..end)),
                    _ => {
                        let run = bytes[at..end].to_vec();
                        bytes.splice(at..at, run);
                    }
                }
            }
            bytes
        }
    }
}
