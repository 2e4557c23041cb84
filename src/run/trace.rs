//! What one issue's way leaves: a branch with a note, or kept work with its reasons; and in either case a line in the triage log.

use anyhow::bail;
use gix::ObjectId;
use jiff::Timestamp;

use super::report::{AttemptReport, Outcome};
use super::slot::Claim;
use super::work::{Judged, Session, branch_of, hash, rules};
use super::{Event, request};
use crate::attestation::Told;
use crate::brief::Brief;
use crate::check::{record, refusal};
use crate::git::Repo;
use crate::tracker::{Tracker, Wish};
use crate::triage::operation::{Kind, Operation};
use crate::triage::{Act, Ranked};
use crate::verdict::Verdict;

impl Session<'_> {
    /// Leaves the trace of what was judged, and ends the claim with it.
    pub(super) fn conclude(
        &self,
        repo: &Repo,
        claim: Claim,
        brief: &Brief,
        judged: &Judged,
        attempts: &[AttemptReport],
    ) -> anyhow::Result<Outcome> {
        let Judged {
            judgement,
            is_observed,
            work,
            commit_id,
        } = judged;
        let Some(proof) = judgement.verdict.proof() else {
            return self.keep_refused(repo, claim, judged, attempts.len());
        };
        repo.persist(work, *commit_id)?;
        let told = Told {
            issues: Some(self.digest_hash.clone()),
            brief: Some(hash(&(self.texts.brief)(brief)?)),
        };
        let mut remarks = match is_observed {
            true => vec!["the policy only observes: no statement was written".to_owned()],
            false => Vec::from_iter(record::commit(repo, judgement, &told)?.unsigned),
        };
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
            ..
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
        if !refusal::has_secret(judgement) {
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
        bail!("there are too many branches `{first}`")
    }

    /// So that whoever lists issues sees more of this one than its claim.
    pub(super) fn note_seen(&self, repo: &Repo, ranked: &Ranked) -> anyhow::Result<()> {
        let issue = &ranked.issue;
        let tracker = Tracker::open(repo, self.options.base.as_deref(), Timestamp::now())?;
        let seen = Operation {
            title: Some(issue.title().into()),
            events: Some(issue.tally.n_events),
            first: issue.tally.first_seen,
            last: issue.tally.last_seen,
            ..Operation::new(Kind::Seen)
        };
        let act = match ranked.act {
            Act::Yes => "yes",
            Act::Ask => "ask",
            Act::No => "no",
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
