//! The state of issues as people and agents read and change it: `triage` and what a loop does by itself.
//!
//! What is asked for is written as a line, and the log with that line is folded: what would not count there is refused here.

mod secret;
mod signing;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::thread;

use anyhow::{Context as _, bail};
use gix::ObjectId;
use jiff::{SignedDuration, Timestamp};

use crate::change::shown;
use crate::git::Repo;
use crate::git::refs::{self, Tip};
use crate::issue::Fingerprint;
use crate::sync::{self, Pushed, Remote};
use crate::triage::fold::{self, Base, Lease, Record, Void, Word, fold};
use crate::triage::log::{self, Log};
use crate::triage::operation::{Kind, MAX_LINE, Operation};
use crate::triage::store::{self, Listing};
use crate::usage::UsageError;

/// How long a claim holds where nobody says.
pub const LEASE: SignedDuration = SignedDuration::from_hours(2);

/// What is known of one issue.
#[derive(Clone, Debug)]
pub struct Entry {
    pub issue: Fingerprint,
    pub record: Record,
}

/// What is to be done about an issue.
#[derive(Clone, Debug)]
pub enum Wish {
    Confirm {
        because: Option<String>,
    },
    Ignore {
        because: String,
        until: Option<Timestamp>,
    },
    Claim {
        length: SignedDuration,
    },
    Release {
        because: Option<String>,
    },
    Reopen {
        because: Option<String>,
    },
    /// By this commit; the claim of this clone ends.
    Fixed {
        commit: String,
    },
    /// An attempt of this clone's was refused; its claim ends.
    Refused {
        because: String,
    },
}

/// What came of it.
#[derive(Debug)]
pub enum Outcome {
    Done(Box<Entry>),
    Refused(Refusal),
}

/// Why not, as a value: nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    Held(Box<Lease>),
    Ignored {
        by: String,
        until: Option<Timestamp>,
    },
    Fixed {
        commit: String,
    },
    /// There is nothing to give back.
    NotClaimed,
    /// The claim was made in another clone.
    NotYours(Box<Lease>),
    /// It is neither ignored nor fixed.
    Open,
    /// A person signed what this would undo.
    NeedsPerson {
        by: String,
    },
}

/// A repository's triage state, read with the trusted ref's keys at one time.
pub struct Tracker<'repo> {
    repo: &'repo Repo,
    signers: Vec<u8>,
    pub now: Timestamp,
}

/// Who writes, and where to.
#[derive(Default)]
pub struct Hand<'h> {
    /// The key to sign with.
    pub key: Option<&'h Path>,
    /// Where it is won or lost; without one, here.
    pub remote: Option<&'h Remote>,
}

impl<'repo> Tracker<'repo> {
    /// `base` names the trusted ref, as for `check`.
    pub fn open(repo: &'repo Repo, base: Option<&str>, now: Timestamp) -> anyhow::Result<Self> {
        Ok(Tracker {
            repo,
            signers: signing::signers(repo, base)?,
            // Lines have full seconds.
            now: Timestamp::from_second(now.as_second()).context("a time")?,
        })
    }

    /// Every issue, sorted by name, and files of the ref that are none.
    pub fn list(&self) -> anyhow::Result<(Vec<Entry>, Listing)> {
        let listing = store::list(self.repo, store::tip(self.repo)?.tree_id)?;
        let n_threads = thread::available_parallelism().map_or(1, usize::from);
        let n_each = listing.logs.len().div_ceil(n_threads).max(1);
        let mut logs: Vec<&store::Stored> = listing.logs.iter().collect();
        self.repo.sort_by_pack(&mut logs, |stored| stored.blob_id);
        let parts = thread::scope(|scope| {
            let parts = logs.chunks(n_each).map(|stored| {
                let (repo, signers) = (self.repo.for_many(), &self.signers);
                scope.spawn(move || -> anyhow::Result<Vec<Entry>> {
                    let entry = |stored: &&store::Stored| {
                        let bytes = refs::blob(&repo, Some(stored.blob_id))
                            .with_context(|| format!("read the log of {}", stored.issue))?;
                        Ok(Entry {
                            record: record(signers, &stored.issue, &bytes)?,
                            issue: stored.issue.clone(),
                        })
                    };
                    stored.iter().map(entry).collect()
                })
            });
            let parts: Vec<_> = parts.collect();
            let joined = parts.into_iter().map(|part| match part.join() {
                Ok(entries) => entries,
                Err(_) => bail!("reading the logs panicked"),
            });
            joined.collect::<anyhow::Result<Vec<Vec<Entry>>>>()
        })?;
        let mut entries: Vec<Entry> = parts.into_iter().flatten().collect();
        entries.sort_by(|one, other| one.issue.cmp(&other.issue));
        Ok((entries, listing))
    }

    /// The state of each of these, whether anything is known of it or not.
    pub fn records(
        &self,
        issues: &[&Fingerprint],
    ) -> anyhow::Result<BTreeMap<Fingerprint, Record>> {
        let tip = store::tip(self.repo)?;
        let mut records = BTreeMap::new();
        for &issue in issues {
            let bytes = match tip.commit_id {
                Some(_) => store::read(self.repo, tip.tree_id, issue)?,
                None => Vec::new(),
            };
            records.insert(issue.clone(), record(&self.signers, issue, &bytes)?);
        }
        Ok(records)
    }

    /// The issue that a name or the beginning of one means.
    ///
    /// # Errors
    /// [`UsageError`] if it is none, or may be one of several.
    pub fn issue(&self, name: &str) -> anyhow::Result<Fingerprint> {
        if let Some(issue) = Fingerprint::parse(name) {
            return Ok(issue);
        }
        let digits = name.strip_prefix("k1:").unwrap_or(name);
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex || !(4..24).contains(&digits.len()) {
            return Err(UsageError::with_hint(
                format!("`{}` is no name of an issue", shown(name.as_bytes())),
                "it is `k1:` and 24 hexadecimal digits, of which the first ones are enough (four at least)",
            )
            .into());
        }
        let start = format!("k1:{}", digits.to_ascii_lowercase());
        let listing = store::list(self.repo, store::tip(self.repo)?.tree_id)?;
        let issues = listing.logs.into_iter().map(|stored| stored.issue);
        let mut found = issues.filter(|issue| issue.as_str().starts_with(&start));
        match (found.next(), found.next()) {
            (Some(issue), None) => Ok(issue),
            (None, _) => Err(UsageError::with_hint(
                format!("no issue begins with `{start}`"),
                "`koan-guard triage list --all` lists them; `koan-guard sync` brings those that others know",
            )
            .into()),
            (Some(one), Some(other)) => Err(UsageError::with_hint(
                format!("`{start}` may be one of several"),
                format!("write more of it: {one}, {other}{}", if found.next().is_some() { ", …" } else { "" }),
            )
            .into()),
        }
    }

    /// The log of an issue as it stands, and what it comes to.
    ///
    /// # Errors
    /// [`UsageError`] if nothing is known of it.
    pub fn show(&self, issue: &Fingerprint) -> anyhow::Result<(Vec<u8>, Entry)> {
        let bytes = store::read(self.repo, store::tip(self.repo)?.tree_id, issue)?;
        if bytes.is_empty() {
            return Err(UsageError::with_hint(
                format!("nothing is known of {issue}"),
                "`koan-guard triage list --all` lists what is",
            )
            .into());
        }
        let record = record(&self.signers, issue, &bytes)?;
        let issue = issue.clone();
        Ok((bytes, Entry { issue, record }))
    }

    /// Writes what is wished, if it counts. With a remote it is done once the remote has it: of two who wish at the same time one wins, and the
    /// other is told.
    pub fn act(&self, issue: &Fingerprint, wish: &Wish, hand: &Hand) -> anyhow::Result<Outcome> {
        let Some(remote) = hand.remote else {
            return refs::patiently(self.repo, &format!("write to `{}`", store::REF), |writer| {
                let tip = store::tip(self.repo)?;
                match self.attempt(issue, wish, hand, &tip)? {
                    Attempt::Refused(refusal) => Ok(refs::Attempt::Done(Outcome::Refused(refusal))),
                    Attempt::Written { commit_id, entry } => {
                        let message = message(issue, wish);
                        let ids = (tip.commit_id, commit_id);
                        let swapped = writer.swap(self.repo, store::REF, ids, &message)?;
                        Ok(swapped.map(|()| Outcome::Done(entry)))
                    }
                }
            });
        };
        for attempt in 0..sync::MAX_ATTEMPTS {
            sync::wait(attempt);
            sync::receive_triage(self.repo, remote)?;
            let tip = store::tip(self.repo)?;
            let (commit_id, entry) = match self.attempt(issue, wish, hand, &tip)? {
                Attempt::Refused(refusal) => return Ok(Outcome::Refused(refusal)),
                Attempt::Written { commit_id, entry } => (commit_id, entry),
            };
            match remote.push(&[(commit_id, store::REF)])?.as_slice() {
                [Pushed::Done] => {
                    sync::taken(self.repo, remote, commit_id)?;
                    return Ok(Outcome::Done(entry));
                }
                [Pushed::Behind] => {}
                [Pushed::Closed(why)] => {
                    return Err(UsageError::with_hint(
                        format!("`{}` does not take it: {why}", shown(remote.name.as_bytes())),
                        "`--local` leaves the remote out: other clones learn of it when somebody whom it lets in runs `koan-guard sync`",
                    )
                    .into());
                }
                _ => bail!("git did not say what became of the push"),
            }
        }
        bail!(
            "others pushed to `{}` at the same time, {} times over: try again",
            remote.name,
            sync::MAX_ATTEMPTS
        )
    }

    /// Adds lines to many logs at once, in one commit: what a digest has seen and how it was ranked. Nothing is decided by them.
    pub fn record_all(&self, operations: &[(Fingerprint, Operation)]) -> anyhow::Result<()> {
        refs::patiently(self.repo, &format!("write to `{}`", store::REF), |writer| {
            let tip = store::tip(self.repo)?;
            let mut by_issue: BTreeMap<&Fingerprint, Vec<&Operation>> = BTreeMap::new();
            for (issue, operation) in operations {
                by_issue.entry(issue).or_default().push(operation);
            }
            let mut lines: Vec<(Fingerprint, Vec<String>)> = Vec::new();
            for (issue, operations) in by_issue {
                let before = store::read(self.repo, tip.tree_id, issue)?;
                let first_n = Log::read(&before).next_n();
                let written = operations
                    .into_iter()
                    .zip(first_n..)
                    .map(|(operation, n)| line(&self.dated(operation.clone(), n)?));
                lines.push((issue.clone(), written.collect::<anyhow::Result<_>>()?));
            }
            let n_issues = lines.len();
            let message = format!("triage: {} of {n_issues} issues", operations.len());
            let Some(commit_id) = store::draft(self.repo, &tip, &lines, &message)? else {
                return Ok(refs::Attempt::Done(()));
            };
            writer.swap(self.repo, store::REF, (tip.commit_id, commit_id), &message)
        })
    }

    fn attempt(
        &self,
        issue: &Fingerprint,
        wish: &Wish,
        hand: &Hand,
        tip: &Tip,
    ) -> anyhow::Result<Attempt> {
        let before = store::read(self.repo, tip.tree_id, issue)?;
        let log = Log::read(&before);
        let record = record(&self.signers, issue, &before)?;
        if let Some(problem) = record.problems.first() {
            bail!(
                "nobody knows the state of {issue}: `git show {}:{}`, {problem}",
                store::REF,
                store::path_of(issue),
            );
        }
        if let Some(refusal) = self.refusal(wish, &record) {
            return Ok(Attempt::Refused(refusal));
        }
        let mut operation = self.dated(self.operation(wish, &record)?, log.next_n())?;
        if let Wish::Claim { .. } = wish {
            let key = secret::key_of(self.repo, &operation.id)?;
            operation.lock = Some(fold::lock_of(&key).into());
        }
        if let Some(key) = hand.key {
            operation.sig = Some(signing::sign(issue, &operation, key)?.into());
        }
        let id = operation.id.to_string();
        let line = line(&operation)?;
        let after = log::union(&before, line.as_bytes());
        let record = self::record(&self.signers, issue, &after)?;
        if let Some((_, _, void)) = record.void.iter().find(|(said, _, _)| said.id == id) {
            return self.void(*void, record.clone()).map(Attempt::Refused);
        }
        let lines = [(issue.clone(), vec![line])];
        let commit_id = store::draft(self.repo, tip, &lines, &message(issue, wish))?;
        let entry = Box::new(Entry {
            issue: issue.clone(),
            record,
        });
        Ok(Attempt::Written {
            commit_id: commit_id.context("a new line changed nothing")?,
            entry,
        })
    }

    /// What is not worth a line, because everybody can see that it would change nothing, or should not.
    fn refusal(&self, wish: &Wish, record: &Record) -> Option<Refusal> {
        let held = record.held(self.now);
        match wish {
            Wish::Claim { .. } => match (held, record.word(self.now), &record.base) {
                (Some(lease), ..) => Some(Refusal::Held(Box::new(lease.clone()))),
                (None, Word::Fixed, Base::Fixed { commit, .. }) => Some(Refusal::Fixed {
                    commit: commit.clone(),
                }),
                (None, Word::Ignored, Base::Ignored { said, until }) => Some(Refusal::Ignored {
                    by: said.by.clone(),
                    until: *until,
                }),
                _ => None,
            },
            Wish::Release { .. } if held.is_none() => Some(Refusal::NotClaimed),
            Wish::Reopen { .. } => match &record.base {
                Base::Ignored { .. } | Base::Fixed { .. } => None,
                Base::Open | Base::Regressed { .. } => Some(Refusal::Open),
            },
            _ => None,
        }
    }

    fn void(&self, void: Void, record: Record) -> anyhow::Result<Refusal> {
        Ok(match (void, record.lease, &record.base) {
            (Void::NotTheirs, Some(lease), _) => Refusal::NotYours(Box::new(lease)),
            (Void::Held, Some(lease), _) => Refusal::Held(Box::new(lease)),
            (
                Void::NeedsPerson,
                _,
                Base::Ignored { said, .. }
                | Base::Fixed { said, .. }
                | Base::Regressed { said, .. },
            ) => Refusal::NeedsPerson {
                by: said.by.clone(),
            },
            (Void::Forged, ..) => {
                return Err(UsageError::with_hint(
                    format!(
                        "this key is not that of `{}` by the trusted ref",
                        shown(refs::writer(self.repo)?.as_bytes())
                    ),
                    "a person commits the key to `.koan-guard/allowed_signers` there, under the address that `user.email` says",
                )
                .into());
            }
            _ => bail!("what would be written does not count: {void:?}"),
        })
    }

    fn operation(&self, wish: &Wish, record: &Record) -> anyhow::Result<Operation<'static>> {
        let lease = record.lease.as_ref();
        let text = |text: &Option<String>| text.clone().map(Into::into);
        let mut operation = match wish {
            Wish::Confirm { because } => Operation {
                because: text(because),
                ..Operation::new(Kind::Confirmed)
            },
            Wish::Ignore { because, until } => Operation {
                because: Some(because.clone().into()),
                until: *until,
                ..Operation::new(Kind::Ignored)
            },
            Wish::Claim { length } => Operation {
                until: Some(self.now.checked_add(*length).context("a time")?),
                claim: lease.map(|lease| lease.said.id.clone().into()),
                ..Operation::new(Kind::Claimed)
            },
            Wish::Release { because } => Operation {
                because: text(because),
                ..Operation::new(Kind::Released)
            },
            Wish::Reopen { because } => Operation {
                because: text(because),
                ..Operation::new(Kind::Reopened)
            },
            Wish::Fixed { commit } => Operation {
                commit: Some(commit.clone().into()),
                ..Operation::new(Kind::Fixed)
            },
            Wish::Refused { because } => Operation {
                because: Some(because.clone().into()),
                ..Operation::new(Kind::Refused)
            },
        };
        let ends = matches!(
            wish,
            Wish::Release { .. } | Wish::Fixed { .. } | Wish::Refused { .. }
        );
        if let (true, Some(lease)) = (ends, lease) {
            operation.claim = Some(lease.said.id.clone().into());
            let key = secret::key_of(self.repo, &lease.said.id)?;
            // One that does not fit would only be given away.
            operation.key = lease.is_of(&key).then(|| key.into());
        }
        Ok(operation)
    }

    fn dated<'o>(&self, operation: Operation<'o>, n: u64) -> anyhow::Result<Operation<'o>> {
        // Enough of it that no two lines of one issue meet, and no more: it is what makes a log long.
        let id = random_id()?[..16].to_owned();
        Ok(Operation {
            n,
            at: self.now,
            id: id.into(),
            by: refs::writer(self.repo)?.into(),
            ..operation
        })
    }
}

/// 32 hexadecimal digits that nobody can foresee.
///
/// # Errors
/// The system gives no random bytes.
pub fn random_id() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("read random bytes")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

enum Attempt {
    Refused(Refusal),
    /// A commit that no ref points at yet, and what the issue comes to by it.
    Written {
        commit_id: ObjectId,
        entry: Box<Entry>,
    },
}

fn record(signers: &[u8], issue: &Fingerprint, bytes: &[u8]) -> anyhow::Result<Record> {
    let log = Log::read(bytes);
    fold(&log, &mut |operation| {
        signing::verify(issue, operation, signers)
    })
}

fn line(operation: &Operation) -> anyhow::Result<String> {
    let line = operation.line().context("write the line as JSON")?;
    if line.len() > MAX_LINE {
        return Err(UsageError::new(format!(
            "this is too long for one line: {} bytes, and at most {MAX_LINE}",
            line.len()
        ))
        .into());
    }
    Ok(line)
}

fn message(issue: &Fingerprint, wish: &Wish) -> String {
    format!("triage: {} {issue}", wish.kind().as_str())
}

impl Wish {
    pub fn kind(&self) -> Kind {
        match self {
            Wish::Confirm { .. } => Kind::Confirmed,
            Wish::Ignore { .. } => Kind::Ignored,
            Wish::Claim { .. } => Kind::Claimed,
            Wish::Release { .. } => Kind::Released,
            Wish::Reopen { .. } => Kind::Reopened,
            Wish::Fixed { .. } => Kind::Fixed,
            Wish::Refused { .. } => Kind::Refused,
        }
    }
}
