//! One issue's way: claim, room, agent, judgement, again if there is something to say, and the trace that it leaves.

use std::collections::BTreeSet;
use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use gix::ObjectId;
use jiff::SignedDuration;
use sha2::{Digest as _, Sha256};

use super::agent::Agent;
use super::pick::Skipped;
use super::prompt::{self, Told};
use super::report::{AttemptReport, Halt, IssueReport, Outcome, Spent, milliseconds};
use super::room::Furnished;
use super::slot::{Desk, Slot};
use super::{Event, Options, Texts, excerpt, message};
use crate::brief::{self, Brief};
use crate::change::{Change, RepoPath};
use crate::check::{self, Judgement, Settings};
use crate::git::Repo;
use crate::git::folder::Unfit;
use crate::git::state::State;
use crate::git::work::Work;
use crate::policy::{Level, Policy};
use crate::proof::{self, Carried, Case};
use crate::source::Window;
use crate::suite::process::End;
use crate::suite::sandbox::{Outside, Sandbox, launcher};
use crate::tracker::{self, Refusal, Wish};
use crate::triage::Ranked;
use crate::usage::UsageError;
use crate::verdict::Verdict;

/// Everything that the workers of one run share.
pub struct Session<'a> {
    pub settings: &'a Settings,
    pub policy: &'a Policy,
    /// Of the commit that the policy stands in.
    pub trusted_tree_id: ObjectId,
    pub trusted_id: ObjectId,
    pub options: &'a Options,
    pub texts: &'a Texts<'a>,
    pub tell: &'a (dyn Fn(&Event) + Sync),
    pub agent: &'a Agent,
    pub sandbox: &'a Sandbox,
    pub head_id: ObjectId,
    pub head_tree_id: ObjectId,
    /// The files of `HEAD`.
    pub tracked: &'a BTreeSet<RepoPath>,
    /// The whole digest.
    pub ranked: &'a [Ranked],
    pub window: Window,
    /// SHA-256 of the digest as JSON.
    pub digest_hash: String,
    pub deadline: Instant,
    pub before: &'a State,
    pub spent: Mutex<Spent>,
    pub halt: Mutex<Option<Halt>>,
}

/// The branch of a fix; a colon cannot be part of a ref.
pub fn branch_of(issue: &str) -> String {
    format!("koan/{}", issue.replace(':', "-"))
}

/// What was judged, and how.
pub(super) struct Judged {
    pub judgement: Judgement,
    /// The policy only observes, so that nothing is stated.
    pub is_observed: bool,
    pub work: Work,
    pub commit_id: ObjectId,
}

/// What one call of the agent came to.
enum Tried {
    Judged(Box<Judged>),
    /// There is nothing to judge.
    Nothing {
        word: &'static str,
        said: String,
    },
}

impl Session<'_> {
    /// Works on one issue, if it is still to be tried. Whatever happens, its claim is over afterwards, and its room is gone.
    pub fn work(&self, repo: &Repo, ranked: &Ranked) -> Result<IssueReport, Skipped> {
        let begun = (Instant::now(), launcher::time_of_jobs());
        let mut attempts = Vec::new();
        let outcome = match self.stopped(repo, ranked) {
            Ok(Some(skipped)) => return Err(skipped),
            Ok(None) => self.try_issue(repo, ranked, &mut attempts),
            Err(error) => Err(error),
        };
        let outcome = outcome.unwrap_or_else(|error| {
            let usage = error.downcast_ref::<UsageError>();
            let hint = usage.and_then(|usage| usage.hint.as_ref());
            let hint = hint.map_or(String::new(), |hint| format!("\nhint: {hint}"));
            Outcome::Undone {
                why: format!("{error:#}{hint}"),
            }
        });
        let time = begun.0.elapsed();
        let own = time.saturating_sub(launcher::time_of_jobs().saturating_sub(begun.1));
        Ok(IssueReport {
            issue: ranked.issue.fingerprint.to_string(),
            title: ranked.issue.title(),
            outcome,
            attempts,
            milliseconds: milliseconds(time),
            own_milliseconds: milliseconds(own),
        })
    }

    fn try_issue(
        &self,
        repo: &Repo,
        ranked: &Ranked,
        attempts: &mut Vec<AttemptReport>,
    ) -> anyhow::Result<Outcome> {
        let issue = &ranked.issue.fingerprint;
        let brief = brief::about(
            repo,
            self.policy,
            ranked.clone(),
            (self.window, jiff::Timestamp::now()),
        )?;
        let desk = self.desk(repo);
        let slot = Slot::take(desk)?;
        self.note_seen(repo, ranked)?;
        let claim = match slot.claim(desk, issue, self.lease())? {
            Ok(claim) => claim,
            Err(refusal) => {
                let why = taken(&refusal);
                return Ok(Outcome::Taken { why });
            }
        };
        (self.tell)(&Event::Claimed {
            issue: issue.as_str(),
        });
        match self.attempts(repo, &slot, &brief, attempts) {
            Ok(Some(judged)) => self.conclude(repo, claim, &brief, &judged, attempts),
            Ok(None) => {
                let last = attempts.last();
                let why = last.map_or("not begun".to_owned(), |last| last.said.clone());
                // Others read it: nothing that an agent printed.
                let word = last.map_or("not begun", |last| last.word);
                let because = Some(format!("{word}, after {} attempts", attempts.len()));
                claim.end(&Wish::Release { because })?;
                Ok(Outcome::Undone { why })
            }
            Err(error) => {
                let because = Some("the run could not go on".to_owned());
                claim.end(&Wish::Release { because })?;
                Err(error)
            }
        }
    }

    /// The last work that was judged; `None` where there was none.
    fn attempts(
        &self,
        repo: &Repo,
        slot: &Slot,
        brief: &Brief,
        reports: &mut Vec<AttemptReport>,
    ) -> anyhow::Result<Option<Box<Judged>>> {
        let issue = brief.ranked.issue.fingerprint.as_str();
        let text = (self.texts.brief)(brief)?;
        let set_up = self.install(repo, slot, issue)?;
        let room = Furnished::new(
            repo,
            self.policy,
            &slot.area,
            (self.head_tree_id, self.tracked),
            (self.agent, &self.settings.toolbox),
        )?;
        let attempts = self.options.attempts;
        let mut last: Option<Box<Judged>> = None;
        let mut refused: Option<String> = None;
        for n in 1..=attempts {
            if self.is_over() {
                break;
            }
            let agent = self.agent.name();
            (self.tell)(&Event::Trying {
                issue,
                n,
                of: attempts,
                agent: &agent,
            });
            let told = Told {
                brief: &text,
                attempt: n,
                attempts,
                refused: refused.as_deref(),
                subject_length: message::subject_length(&self.policy.message),
                has_network: super::room::outside(&self.policy.run) == Outside::All,
            };
            let (tried, mut report) =
                self.attempt(repo, &room, brief, &prompt::prompt(&told), n)?;
            let said = match &tried {
                Tried::Judged(judged) => (self.texts.judgement)(&judged.judgement)?,
                Tried::Nothing { said, .. } => said.clone(),
            };
            let is_accepted = match tried {
                Tried::Judged(judged) => {
                    report.word = judged.judgement.verdict.word(false);
                    report.rules = rules(&judged.judgement.verdict);
                    let is_accepted = judged.judgement.verdict.proof().is_some();
                    last = Some(judged);
                    is_accepted
                }
                Tried::Nothing { word, .. } => {
                    report.word = word;
                    false
                }
            };
            report.said.clone_from(&said);
            (self.tell)(&Event::Tried {
                issue,
                report: &report,
            });
            reports.push(report);
            if is_accepted {
                break;
            }
            refused = Some(said);
        }
        drop(set_up);
        Ok(last)
    }

    /// One call of the agent, and what the guard makes of it.
    fn attempt(
        &self,
        repo: &Repo,
        room: &Furnished,
        brief: &Brief,
        prompt: &str,
        n: usize,
    ) -> anyhow::Result<(Tried, AttemptReport)> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let timeout = self.policy.run.time.min(left);
        let is_confined = self.sandbox.level.number() >= 2;
        let begun = Instant::now();
        let call = (self.agent, &self.policy.run);
        let finished = room.work(call, is_confined, prompt, (n, timeout));
        let time = begun.elapsed();
        // Before anything else, also where the call itself failed.
        self.compare(repo)?;
        let finished = finished.context("call the agent")?;
        let said = self.agent.read(&finished.stdout)?;
        let spent = Spent {
            tokens: said.tokens,
            dollars: said.cost,
        };
        self.spent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(spent);
        let report = AttemptReport {
            n,
            word: "",
            rules: Vec::new(),
            said: String::new(),
            spent,
            agent_milliseconds: milliseconds(time),
            truncated: finished.truncated,
        };
        let nothing = |word, said: String| Ok((Tried::Nothing { word, said }, report.clone()));
        let last_words = || excerpt::of_failure(&finished.stderr, &finished.stdout);
        match finished.end {
            End::Exit(0) => {}
            End::TimedOut => {
                return nothing(
                    "timed-out",
                    format!(
                        "refused[timed-out]: it was not done after {} s\n  next: make the smallest change, and end",
                        timeout.as_secs()
                    ),
                );
            }
            End::Exit(code) => {
                return nothing(
                    "agent-failed",
                    format!(
                        "refused[agent-failed]: it ended with exit code {code}{}",
                        last_words()
                    ),
                );
            }
            End::Signal(signal) => {
                return nothing(
                    "agent-failed",
                    format!(
                        "refused[agent-failed]: it was ended by signal {signal}{}",
                        last_words()
                    ),
                );
            }
        }
        let edits = match room.edits()? {
            Ok(edits) => edits,
            Err(Unfit(why)) => {
                return nothing(
                    "unfit",
                    format!("refused[unfit]: {why}\n  next: take it away"),
                );
            }
        };
        let crash = (&brief.ranked.issue, brief.places.first());
        let author = self.policy.run.author.as_ref();
        let work = Work {
            parent_id: self.head_id,
            edits,
            message: message::message(
                &self.policy.message,
                crash,
                &self.agent.name(),
                &said.answer,
            ),
            author: author.map(|author| (author.name.clone(), author.email.clone())),
        };
        let commit_id = repo.draft(&work)?;
        if repo.commit(commit_id)?.tree_id == self.head_tree_id {
            return nothing(
                "nothing-done",
                format!(
                    "refused[nothing-done]: every file is as it was{}\n  next: write a test that fails as production did, then fix the cause; or change nothing and say why",
                    // Whoever stops says why, and a person wants to know.
                    excerpt::end(said.answer.as_bytes())
                ),
            );
        }
        let issue = brief.ranked.issue.fingerprint.as_str();
        (self.tell)(&Event::Judging { issue });
        let mut tell = |progress| (self.tell)(&Event::Proof { issue, progress });
        let judgement = check::commit(repo, self.settings, commit_id, &mut tell)?;
        // What the tests of a change can reach is the same as what the agent can.
        self.compare(repo)?;
        let mut judgement = judgement.context("a fix is no merge")?;
        // What the loop does not take is not taken, also where a policy only says what it would do.
        let is_observed = mem::take(&mut judgement.observed);
        let judged = Judged {
            judgement,
            is_observed,
            work,
            commit_id,
        };
        Ok((Tried::Judged(Box::new(judged)), report))
    }

    /// Installs what the project's tests need, as a proof does.
    fn install(
        &self,
        repo: &Repo,
        slot: &Slot,
        issue: &str,
    ) -> anyhow::Result<Option<proof::Installed>> {
        let policy = &self.policy.proof;
        if policy.setup.is_none() {
            return Ok(None);
        }
        let (change, carried) = (Change::default(), Carried::default());
        let case = Case {
            change: &change,
            parent_tree_id: self.head_tree_id,
            tree_id: self.head_tree_id,
            trusted_tree_id: self.trusted_tree_id,
            trusted_id: self.trusted_id,
            carried: &carried,
            issues: Vec::new(),
            suite: policy.suite,
            budget: self.settings.budget,
            is_hurried: false,
            is_revert: false,
        };
        let site = proof::Site {
            repo,
            policy,
            area: &slot.area,
            toolbox: &self.settings.toolbox,
            budget: self.settings.budget,
        };
        let mut tell = |progress| (self.tell)(&Event::Proof { issue, progress });
        match proof::install(&site, &case, &mut tell)? {
            Ok(installed) => Ok(Some(installed)),
            Err(short) => anyhow::bail!(
                "install what the tests need: {}",
                (self.texts.shortfall)(&short)
            ),
        }
    }

    pub fn desk<'d>(&'d self, repo: &'d Repo) -> Desk<'d> {
        Desk {
            repo,
            cache_dir: &self.settings.cache_dir,
            sandbox: self.sandbox,
            base: self.options.base.as_deref(),
            remote: self.options.remote.as_ref(),
        }
    }

    /// As long as all attempts may take, and their proofs.
    fn lease(&self) -> SignedDuration {
        let attempts = u32::try_from(self.options.attempts).unwrap_or(u32::MAX);
        let each = self
            .policy
            .run
            .time
            .saturating_add(Duration::from_secs(1800));
        let all = SignedDuration::try_from(each.saturating_mul(attempts));
        all.unwrap_or(tracker::LEASE)
            .clamp(tracker::LEASE, SignedDuration::from_hours(6 * 24))
    }
}

/// The ids of what stands in the way, each once.
pub(super) fn rules(verdict: &Verdict) -> Vec<String> {
    let mut ids: Vec<String> = match verdict {
        Verdict::Refused { findings, gaps } => {
            let findings = findings
                .iter()
                .filter(|finding| finding.level == Level::Deny);
            let findings = findings.map(|finding| finding.rule.id().to_owned());
            findings
                .chain(gaps.iter().map(|gap| gap.id().to_owned()))
                .collect()
        }
        Verdict::Undecided { doubts } => doubts.iter().map(|doubt| doubt.id().to_owned()).collect(),
        Verdict::Pending(_) => vec!["no-fix".to_owned()],
        Verdict::Accepted(_) => Vec::new(),
    };
    ids.sort();
    ids.dedup();
    ids
}

fn taken(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Held(lease) | Refusal::NotYours(lease) => format!("claimed by {}", lease.said.by),
        Refusal::Ignored { by, .. } => format!("ignored by {by}"),
        Refusal::Fixed { commit } => format!("fixed by {commit}"),
        Refusal::NeedsPerson { by } => format!("{by} decides"),
        Refusal::NotClaimed | Refusal::Open => "its state changed".to_owned(),
    }
}

pub fn hash(text: &str) -> String {
    let digest = Sha256::digest(text);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
