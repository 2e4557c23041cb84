//! What a log comes to: a fold over its operations, in which nobody undoes what somebody of more authority said.
//!
//! Whoever can push can write any line, under any name. So a line without a signature is worth what anybody's word is worth: it can make the
//! guard do less, and end what was said without a signature too. What a person signed is ended by a person.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use super::log::{Log, Problem};
use super::operation::{Kind, Operation};

/// A claim for longer is none.
pub const MAX_LEASE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Clocks that are this far apart are still taken for right ones.
pub const MAX_SKEW: SignedDuration = SignedDuration::from_hours(1);

/// Who stands behind a line. The later, the more it counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Voice {
    /// A name without a signature.
    Anybody,
    /// Signed with the key of a person, who is the one that the line names.
    Person,
}

/// What a signature turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    Good,
    /// By nobody who is known, or by somebody else than the line says.
    Bad,
}

/// What was said, by whom, when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub id: String,
    pub by: String,
    pub at: Timestamp,
    pub voice: Voice,
    pub because: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub said: Said,
    pub until: Timestamp,
    lock: String,
}

/// Where an issue stands apart from who is on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Base {
    #[default]
    Open,
    Ignored {
        said: Said,
        /// `None` for good.
        until: Option<Timestamp>,
    },
    Fixed {
        said: Said,
        commit: String,
    },
    Regressed {
        said: Said,
        release: Option<String>,
    },
}

/// The state of one issue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    pub base: Base,
    pub confirmed: Option<Said>,
    /// When it was said the last time that it is neither fixed nor ignored.
    pub reopened: Option<Timestamp>,
    pub lease: Option<Lease>,
    pub title: Option<String>,
    pub n_events: Option<u64>,
    pub first_seen: Option<Timestamp>,
    pub last_seen: Option<Timestamp>,
    pub score: Option<f64>,
    pub act: Option<String>,
    /// Attempts at a fix.
    pub refusals: Vec<Said>,
    /// Operations that do not count, with the reason.
    pub void: Vec<(Said, Kind, Void)>,
    pub problems: Vec<Problem>,
    pub n_operations: usize,
}

/// Why an operation does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Void {
    /// The signature is not that of the person whom the line names.
    Forged,
    /// Somebody else's claim stood.
    Held,
    /// It gives back a claim that is not its writer's, or not there.
    NotTheirs,
    /// It would undo what a person signed.
    NeedsPerson,
    /// A claim for too long or for no time.
    Length,
}

/// What an issue is called. More than one may hold; the one that says most is the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// Something in its log cannot be read or believed, so nobody knows.
    Undecided,
    Claimed,
    Ignored,
    Fixed,
    Regressed,
    /// By a person's signature.
    Confirmed,
    Open,
}

impl Word {
    pub fn as_str(self) -> &'static str {
        match self {
            Word::Undecided => "undecided",
            Word::Claimed => "claimed",
            Word::Ignored => "ignored",
            Word::Fixed => "fixed",
            Word::Regressed => "regressed",
            Word::Confirmed => "confirmed",
            Word::Open => "open",
        }
    }
}

/// Folds a log. `verify` is asked about each line with a signature.
pub fn fold(
    log: &Log,
    verify: &mut dyn FnMut(&Operation) -> anyhow::Result<Signature>,
) -> anyhow::Result<Record> {
    let mut record = Record {
        problems: log.problems.clone(),
        n_operations: log.operations.len(),
        ..Record::default()
    };
    for operation in &log.operations {
        let voice = match &operation.sig {
            None => Voice::Anybody,
            Some(_) => match verify(operation)? {
                Signature::Good => Voice::Person,
                Signature::Bad => {
                    let said = Said::of(operation, Voice::Anybody);
                    record.void.push((said, operation.op, Void::Forged));
                    continue;
                }
            },
        };
        if let Err(void) = record.take(operation, &voice) {
            let said = Said::of(operation, voice);
            record.void.push((said, operation.op, void));
        }
    }
    Ok(record)
}

/// What a claim's `lock` is, for the `key` that opens it.
pub fn lock_of(key: &str) -> String {
    let digest = Sha256::digest(key.as_bytes());
    digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl Record {
    fn take(&mut self, operation: &Operation, voice: &Voice) -> Result<(), Void> {
        let said = || Said::of(operation, voice.clone());
        match operation.op {
            Kind::Seen => {
                if let Some(title) = &operation.title {
                    self.title = Some(title.to_string());
                }
                self.n_events = operation.events.or(self.n_events);
                self.first_seen = earliest(self.first_seen, operation.first);
                self.last_seen = self.last_seen.max(operation.last);
            }
            Kind::Ranked => {
                self.score = operation.score;
                self.act = operation.act.as_deref().map(str::to_owned);
            }
            Kind::Confirmed => {
                let is_less = self
                    .confirmed
                    .as_ref()
                    .is_some_and(|there| there.voice > *voice);
                if !is_less {
                    self.confirmed = Some(said());
                }
            }
            Kind::Claimed => return self.claim(operation, said()),
            Kind::Released => return self.end_lease(operation, voice),
            Kind::Fixed => {
                if operation.claim.is_some() {
                    // A fix is one, whoever had the claim.
                    let _ = self.end_lease(operation, voice);
                }
                self.check_voice(voice)?;
                let commit = operation.commit.as_deref().unwrap_or_default().to_owned();
                self.base = Base::Fixed {
                    said: said(),
                    commit,
                };
            }
            Kind::Refused => {
                if operation.claim.is_some() {
                    let _ = self.end_lease(operation, voice);
                }
                self.refusals.push(said());
            }
            Kind::Ignored => {
                self.check_voice(voice)?;
                self.base = Base::Ignored {
                    said: said(),
                    until: operation.until,
                };
            }
            Kind::Regressed => {
                self.check_voice(voice)?;
                self.base = Base::Regressed {
                    said: said(),
                    release: operation.release.as_deref().map(str::to_owned),
                };
            }
            Kind::Reopened => {
                self.check_voice(voice)?;
                self.base = Base::Open;
                self.reopened = Some(operation.at);
            }
        }
        Ok(())
    }

    /// Whether what holds now may be ended by this voice.
    fn check_voice(&self, voice: &Voice) -> Result<(), Void> {
        let there = match &self.base {
            Base::Open => return Ok(()),
            Base::Ignored { said, .. }
            | Base::Fixed { said, .. }
            | Base::Regressed { said, .. } => &said.voice,
        };
        if voice < there {
            Err(Void::NeedsPerson)
        } else {
            Ok(())
        }
    }

    /// Of claims that did not know of each other the first in order holds. A later one names the claim that it takes the place of: because it
    /// is its own, because it is over, or because one of the two clocks must be wrong.
    fn claim(&mut self, operation: &Operation, said: Said) -> Result<(), Void> {
        let until = operation.until.ok_or(Void::Length)?;
        let length = until.duration_since(said.at);
        if length <= SignedDuration::ZERO || length > MAX_LEASE {
            return Err(Void::Length);
        }
        if let Some(there) = &self.lease {
            let is_named = operation.claim.as_deref() == Some(&*there.said.id);
            let is_over = said.at >= there.until
                || there.said.at.duration_since(said.at) > MAX_SKEW
                || there.is_opened_by(operation);
            if !is_named || !is_over {
                return Err(Void::Held);
            }
        }
        self.lease = Some(Lease {
            said,
            until,
            lock: operation.lock.as_deref().unwrap_or_default().to_owned(),
        });
        Ok(())
    }

    fn end_lease(&mut self, operation: &Operation, voice: &Voice) -> Result<(), Void> {
        let there = self.lease.as_ref().ok_or(Void::NotTheirs)?;
        let is_named = operation.claim.as_deref() == Some(&*there.said.id);
        if !is_named || !(there.is_opened_by(operation) || *voice == Voice::Person) {
            return Err(Void::NotTheirs);
        }
        self.lease = None;
        Ok(())
    }

    /// The claim that holds.
    pub fn held(&self, now: Timestamp) -> Option<&Lease> {
        self.lease.as_ref().filter(|lease| lease.holds(now))
    }

    pub fn word(&self, now: Timestamp) -> Word {
        if !self.problems.is_empty() {
            return Word::Undecided;
        }
        if self.held(now).is_some() {
            return Word::Claimed;
        }
        match &self.base {
            Base::Ignored { until, .. } if until.is_none_or(|until| now < until) => Word::Ignored,
            Base::Fixed { .. } => Word::Fixed,
            Base::Regressed { .. } => Word::Regressed,
            Base::Open | Base::Ignored { .. } if self.is_confirmed_by_person() => Word::Confirmed,
            Base::Open | Base::Ignored { .. } => Word::Open,
        }
    }

    /// Whether a person has signed that it is worth a fix: what nobody can say in another's name.
    pub fn is_confirmed_by_person(&self) -> bool {
        let confirmed = self.confirmed.as_ref();
        confirmed.is_some_and(|said| said.voice == Voice::Person)
    }
}

impl Said {
    fn of(operation: &Operation, voice: Voice) -> Said {
        Said {
            id: operation.id.to_string(),
            by: operation.by.to_string(),
            at: operation.at,
            voice,
            because: operation.because.as_deref().map(str::to_owned),
        }
    }
}

impl Lease {
    /// One that begins well after `now` was made by a clock that cannot be right together with ours, and nobody knows when it ends.
    pub fn holds(&self, now: Timestamp) -> bool {
        now < self.until && !self.is_ahead(now)
    }

    pub fn is_ahead(&self, now: Timestamp) -> bool {
        self.said.at.duration_since(now) > MAX_SKEW
    }

    /// Whether this key was made for it.
    pub fn is_of(&self, key: &str) -> bool {
        lock_of(key) == self.lock
    }

    fn is_opened_by(&self, operation: &Operation) -> bool {
        operation.key.as_deref().is_some_and(|key| self.is_of(key))
    }
}

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
