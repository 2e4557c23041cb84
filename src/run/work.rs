//! One issue's way: claim, room, agent, judgement, again if there is something to say, and the trace that it leaves.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use gix::ObjectId;
use jiff::SignedDuration;
use sha2::{Digest as _, Sha256};

use super::agent::Agent;
use super::prompt::{self, Told};
use super::report::{AttemptReport, Halt, IssueReport, Outcome, Spent, milliseconds};
use super::room::Furnished;
use super::slot::{Claim, Desk, Slot};
use super::{Event, Options, Texts, message, request};
use crate::attestation;
use crate::brief::{self, Brief};
use crate::change::{Change, RepoPath};
use crate::check::{self, Judgement, Settings, record, refusal};
use crate::git::Repo;
use crate::git::folder::Unfit;
use crate::git::state::State;
use crate::git::work::Work;
use crate::policy::{Level, Policy};
use crate::proof::{self, Carried, Case};
use crate::source::Window;
use crate::suite::process::{End, ending};
use crate::suite::sandbox::{Sandbox, launcher};
use crate::tracker::{self, Refusal, Tracker, Wish};
use crate::triage::Ranked;
use crate::triage::operation::{Kind, Operation};
use crate::usage::UsageError;
use crate::verdict::Verdict;

/// Everything that the workers of one run share.
pub struct Session<'a> {
    pub settings: &'a Settings,
    pub policy: &'a Policy,
    /// Of the commit that the policy stands in.
    pub trusted_tree_id: ObjectId,
    pub options: &'a Options,
    pub texts: &'a Texts<'a>,
    pub tell: &'a (dyn Fn(&Event) + Sync),
    pub agent: &'a Agent,
    pub sandbox: &'a Sandbox,
    pub head_id: ObjectId,
    pub head_tree_id: ObjectId,
    /// The files of `HEAD`.
    pub tracked: &'a BTreeSet<RepoPath>,
    pub window: Window,
    /// SHA-256 of the digest as JSON.
    pub digest_hash: String,
    pub deadline: Instant,
    pub before: &'a State,
    pub spent: Mutex<Spent>,
    pub halt: Mutex<Option<Halt>>,
}

/// What is the guard's own to move: see [`State`].
pub fn is_own_ref(name: &str) -> bool {
    name == "refs/notes/koan"
        || ["refs/notes/remotes/", "refs/koan/", "refs/heads/koan/"]
            .iter()
            .any(|start| name.starts_with(start))
        // What a push of a fix leaves here.
        || (name.starts_with("refs/remotes/") && name.contains("/koan/"))
}

/// The branch of a fix; a colon cannot be part of a ref.
pub fn branch_of(issue: &str) -> String {
    format!("koan/{}", issue.replace(':', "-"))
}

/// What was judged, and how.
struct Judged {
    judgement: Judgement,
    work: Work,
    commit_id: ObjectId,
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
    /// Works on one issue. Whatever happens, its claim is over afterwards, and its room is gone.
    pub fn work(&self, repo: &Repo, ranked: &Ranked) -> IssueReport {
        let begun = (Instant::now(), launcher::time_of_jobs());
        let mut attempts = Vec::new();
        let outcome = self.try_issue(repo, ranked, &mut attempts);
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
        IssueReport {
            issue: ranked.issue.fingerprint.to_string(),
            title: ranked.issue.title(),
            outcome,
            attempts,
            milliseconds: milliseconds(time),
            own_milliseconds: milliseconds(own),
        }
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
                has_network: self.policy.run.network == crate::policy::Network::Allow,
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
        let last_words = || last_words(&finished.stderr, &finished.stdout);
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
                "refused[nothing-done]: every file is as it was\n  next: write a test that fails as production did, then fix the cause; or change nothing and say why".to_owned(),
            );
        }
        let issue = brief.ranked.issue.fingerprint.as_str();
        (self.tell)(&Event::Judging { issue });
        let mut tell = |progress| (self.tell)(&Event::Proof { issue, progress });
        let judgement = check::commit(repo, self.settings, commit_id, &mut tell)?;
        // What the tests of a change can reach is the same as what the agent can.
        self.compare(repo)?;
        let judgement = judgement.context("a fix is no merge")?;
        let judged = Judged {
            judgement,
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

    /// Leaves the trace of what was judged, and ends the claim with it.
    fn conclude(
        &self,
        repo: &Repo,
        claim: Claim,
        brief: &Brief,
        judged: &Judged,
        attempts: &[AttemptReport],
    ) -> anyhow::Result<Outcome> {
        let Judged {
            judgement,
            work,
            commit_id,
        } = judged;
        let Some(proof) = judgement.verdict.proof() else {
            return self.keep_refused(repo, claim, judged, attempts.len());
        };
        repo.persist(work, *commit_id)?;
        let told = attestation::Told {
            issues: Some(self.digest_hash.clone()),
            brief: Some(hash(&(self.texts.brief)(brief)?)),
        };
        let written = record::commit(repo, judgement, &told)?;
        let mut remarks = Vec::from_iter(written.unsigned);
        if judgement.observed {
            remarks.push("the policy only observes: no statement was written".into());
        }
        let issue = brief.ranked.issue.fingerprint.as_str();
        let branch = self.new_branch(repo, issue, *commit_id)?;
        let fixed = Wish::Fixed {
            commit: commit_id.to_string(),
        };
        if let Err(error) = claim.end(&fixed) {
            remarks.push(format!("the triage log does not say so yet: {error:#}"));
        }
        (self.tell)(&Event::Traced {
            issue,
            branch: &branch,
        });
        let mut request = None;
        if self.options.request {
            let said = (self.texts.judgement)(judgement)?;
            match request::open(self, repo, brief, judged_parts(judged, &branch), &said) {
                Ok(address) => request = Some(address),
                Err(error) => remarks.push(format!("no pull request: {error:#}")),
            }
        }
        let fail_to_pass = proof.fail_to_pass().keys().map(|test| test.0.clone());
        Ok(Outcome::Accepted {
            commit: commit_id.to_string(),
            branch,
            subject: work.message.lines().next().unwrap_or_default().to_owned(),
            fail_to_pass: fail_to_pass.collect(),
            pass_to_pass: proof.pass_to_pass().len(),
            request,
            remarks,
        })
    }

    fn keep_refused(
        &self,
        repo: &Repo,
        claim: Claim,
        judged: &Judged,
        n_attempts: usize,
    ) -> anyhow::Result<Outcome> {
        let Judged {
            judgement,
            work,
            commit_id,
        } = judged;
        let rules = rules(&judgement.verdict);
        let agent = self.agent.name();
        let attempts = if n_attempts == 1 {
            "attempt"
        } else {
            "attempts"
        };
        // First what others have to know.
        claim.end(&Wish::Refused {
            because: format!(
                "{} after {n_attempts} {attempts} of {agent}",
                rules.join(", ")
            ),
        })?;
        let mut kept = None;
        if !judgement.observed && !refusal::has_secret(judgement) {
            repo.persist(work, *commit_id)?;
            refusal::keep(repo, judgement, None)?;
            kept = Some(format!("refs/koan/refused/{commit_id}"));
        }
        Ok(match &judgement.verdict {
            Verdict::Undecided { .. } => Outcome::Undecided { rules, kept },
            _ => Outcome::Refused { rules, kept },
        })
    }

    /// The first name that is free.
    fn new_branch(&self, repo: &Repo, issue: &str, commit_id: ObjectId) -> anyhow::Result<String> {
        let first = branch_of(issue);
        for n in 1..100 {
            let branch = match n {
                1 => first.clone(),
                n => format!("{first}-{n}"),
            };
            let name = format!("refs/heads/{branch}");
            if repo.new_branch(&name, commit_id, "koan-guard run: a proved fix")? {
                return Ok(branch);
            }
        }
        anyhow::bail!("there are too many branches `{first}`")
    }

    /// Whether something of the user's is not as it was, which ends the whole run.
    fn compare(&self, repo: &Repo) -> anyhow::Result<()> {
        let now = repo
            .state(&is_own_ref)
            .context("look whether anything has changed")?;
        let changes = self.before.changes(&now);
        if changes.is_empty() {
            return Ok(());
        }
        let shown: Vec<String> = changes.iter().take(5).map(ToString::to_string).collect();
        let shown = shown.join(", ");
        self.halt(Halt::Changed(changes));
        anyhow::bail!("the repository is not as it was: {shown}")
    }

    fn halt(&self, why: Halt) {
        let mut halt = self.halt.lock().unwrap_or_else(PoisonError::into_inner);
        // A change outweighs everything, and nothing outweighs what was first.
        if halt.is_none() || matches!(why, Halt::Changed(_)) {
            *halt = Some(why);
        }
    }

    /// Whether nothing more is to be begun.
    pub fn is_over(&self) -> bool {
        if ending::is_asked_for() {
            self.halt(Halt::Signal);
        } else if Instant::now() >= self.deadline {
            self.halt(Halt::Budget("time".into()));
        }
        let spent = *self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let options = self.options;
        if options
            .max_tokens
            .is_some_and(|most| spent.tokens.unwrap_or(0) >= most)
        {
            self.halt(Halt::Budget("tokens".into()));
        }
        if options
            .max_dollars
            .is_some_and(|most| spent.dollars.unwrap_or(0.0) >= most)
        {
            self.halt(Halt::Budget("money".into()));
        }
        let halt = self.halt.lock().unwrap_or_else(PoisonError::into_inner);
        halt.is_some()
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

    /// So that whoever lists issues sees more of this one than its claim.
    fn note_seen(&self, repo: &Repo, ranked: &Ranked) -> anyhow::Result<()> {
        let issue = &ranked.issue;
        let tracker = Tracker::open(repo, self.options.base.as_deref(), jiff::Timestamp::now())?;
        let seen = Operation {
            title: Some(issue.title().into()),
            events: Some(issue.tally.n_events),
            first: issue.tally.first_seen,
            last: issue.tally.last_seen,
            ..Operation::new(Kind::Seen)
        };
        let act = match ranked.act {
            crate::triage::Act::Yes => "yes",
            crate::triage::Act::Ask => "ask",
            crate::triage::Act::No => "no",
        };
        let ranked_as = Operation {
            score: Some(ranked.score.total),
            act: Some(act.into()),
            ..Operation::new(Kind::Ranked)
        };
        let name = issue.fingerprint.clone();
        tracker.record_all(&[(name.clone(), seen), (name, ranked_as)])
    }
}

/// What a request is about.
fn judged_parts<'j>(judged: &'j Judged, branch: &'j str) -> request::About<'j> {
    request::About {
        commit_id: judged.commit_id,
        message: &judged.work.message,
        branch,
    }
}

/// The ids of what stands in the way, each once.
fn rules(verdict: &Verdict) -> Vec<String> {
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

/// The end of what an agent said, for people and for its next attempt.
fn last_words(stderr: &[u8], stdout: &[u8]) -> String {
    const N_LINES: usize = 8;
    const MAX_LINE: usize = 300;
    let bytes = if stderr.trim_ascii().is_empty() {
        stdout
    } else {
        stderr
    };
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<String> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            let line: String = line.chars().take(MAX_LINE).collect();
            crate::change::shown(line.as_bytes())
        })
        .collect();
    let last = &lines[lines.len().saturating_sub(N_LINES)..];
    last.iter().map(|line| format!("\n  | {line}")).collect()
}

pub fn hash(text: &str) -> String {
    let digest = Sha256::digest(text);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
