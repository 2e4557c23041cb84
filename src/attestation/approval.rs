//! A person's decision on one rule, as a signed statement: a line of the same notes, in an envelope of its own kind (DSSE).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context as _;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::envelope::{self, Opened};
use super::signature::{self, Key, Purpose, Signer};
use super::{PolicyRef, STATEMENT_TYPE, Subject};
use crate::verdict::{Approvable, Approval};

pub const PREDICATE_TYPE: &str = "urn:koan-guard:approval:v1";

/// Where the keys of people stand in the trusted tree.
pub const SIGNERS: &str = ".koan-guard/allowed_signers";

/// A line beyond this is no decision of a person's; nor are more lines than this in one note.
pub const MAX_LINE: usize = 256 << 10;
pub const MAX_CLAIMS: usize = 64;

/// The change that an approval has to be about, to the byte.
#[derive(Clone, Debug)]
pub struct Bound {
    /// The judged commit; the last one of a range as one change.
    pub commit_id: String,
    pub tree_id: String,
    /// The tree that the change is compared with.
    pub parent_tree_id: String,
    pub policy_digest: String,
}

/// What a note says a person has decided, before the signature is looked at.
#[derive(Clone, Debug)]
pub struct Claim {
    pub decision: Decision,
    subject: Vec<Subject>,
    opened: Opened,
}

/// The predicate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Decision {
    /// The rule that does not count here.
    pub rule: String,
    pub because: String,
    pub policy: PolicyRef,
    /// The last day on which it counts, in UTC.
    #[serde(default, with = "day", skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
    pub guard_version: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    predicate_type: String,
    predicate: Decision,
}

impl Bound {
    fn digest(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("gitCommit".to_owned(), self.commit_id.clone()),
            ("gitTree".to_owned(), self.tree_id.clone()),
            ("gitParentTree".to_owned(), self.parent_tree_id.clone()),
        ])
    }
}

/// Signs a decision about changes that all are judged by one policy, and gives the line for the notes of their commits.
pub fn sign(changes: &[(String, Bound)], decision: Decision, key: &Path) -> anyhow::Result<String> {
    let subject = changes.iter().map(|(name, bound)| Subject {
        name: name.clone(),
        digest: bound.digest(),
    });
    let statement = Statement {
        kind: STATEMENT_TYPE.into(),
        subject: subject.collect(),
        predicate_type: PREDICATE_TYPE.into(),
        predicate: decision,
    };
    let payload = serde_json::to_vec(&statement).context("write the statement as JSON")?;
    envelope::seal(&payload, &Key::of_file(key), Purpose::Approve)
}

/// The decisions that a note claims; what is anything else, or cannot be read, is none.
pub fn claims(note: &[u8]) -> Vec<Claim> {
    let lines = note.split(|&byte| byte == b'\n');
    lines.filter_map(claim).take(MAX_CLAIMS).collect()
}

fn claim(line: &[u8]) -> Option<Claim> {
    if line.len() > MAX_LINE {
        return None;
    }
    claim_in(envelope::open(line)?)
}

/// The decision in an envelope that was opened.
pub(super) fn claim_in(opened: Opened) -> Option<Claim> {
    let statement: Statement = serde_json::from_slice(&opened.payload).ok()?;
    let is_ours = statement.kind == STATEMENT_TYPE && statement.predicate_type == PREDICATE_TYPE;
    is_ours.then_some(Claim {
        decision: statement.predicate,
        subject: statement.subject,
        opened,
    })
}

impl Claim {
    /// Whether it speaks of just this change, and may count today.
    pub fn is_about(&self, bound: &Bound, today: Date) -> bool {
        let decision = &self.decision;
        let digest = bound.digest();
        self.subject.iter().any(|subject| subject.digest == digest)
            && decision.policy.digest == bound.policy_digest
            && Approvable::of(&decision.rule) == Approvable::Yes
            && !self.is_over(today)
    }

    /// Whether it names this commit, whatever it was compared with.
    pub fn names(&self, commit_id: &str) -> bool {
        let mut subjects = self.subject.iter();
        subjects.any(|subject| {
            subject
                .digest
                .get("gitCommit")
                .is_some_and(|id| id == commit_id)
        })
    }

    pub fn is_over(&self, today: Date) -> bool {
        self.decision.until.is_some_and(|until| until < today)
    }

    /// Who signed it, by the signers of the trusted tree.
    pub fn signer(&self, signers: &[u8]) -> anyhow::Result<Option<Signer>> {
        let signed = self.opened.signed_bytes();
        signature::signer(&signed, &self.opened.signature, signers, Purpose::Approve)
    }

    /// The approval, if one of `signers` signed it who is none of the people who made the change.
    pub fn verified(
        &self,
        signers: &[u8],
        makers: &BTreeSet<String>,
    ) -> anyhow::Result<Option<Approval>> {
        let Some(signer) = self.signer(signers)? else {
            return Ok(None);
        };
        let is_maker = |email: &String| makers.contains(&email.trim().to_lowercase());
        let decision = &self.decision;
        Ok((!signer.emails.iter().any(is_maker)).then(|| Approval {
            rule: decision.rule.clone(),
            person: signer.emails.join(","),
            because: decision.because.clone(),
            until: decision.until.map(|until| until.to_string()),
        }))
    }
}

/// A day as text.
mod day {
    use jiff::civil::Date;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(day: &Option<Date>, to: S) -> Result<S::Ok, S::Error> {
        day.map(|day| day.to_string()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Date>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        let day = text.map(|text| text.parse().map_err(D::Error::custom));
        day.transpose()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::super::envelope::PAYLOAD_TYPE;
    use super::*;

    fn bound() -> Bound {
        Bound {
            commit_id: "c1".into(),
            tree_id: "t1".into(),
            parent_tree_id: "p1".into(),
            policy_digest: "d1".into(),
        }
    }

    fn statement(rule: &str, until: &str) -> String {
        format!(
            r#"{{"_type":"{STATEMENT_TYPE}","subject":[{{"name":"x","digest":{{"gitCommit":"c1","gitTree":"t1","gitParentTree":"p1"}}}}],"predicateType":"{PREDICATE_TYPE}","predicate":{{"rule":"{rule}","because":"so","policy":{{"digest":"d1","commit":"b1"}},{until}"guardVersion":"0"}}}}"#
        )
    }

    fn line(statement: &str) -> String {
        let (payload, sig) = (STANDARD.encode(statement), STANDARD.encode("x"));
        format!(
            r#"{{"payloadType":"{PAYLOAD_TYPE}","payload":"{payload}","signatures":[{{"sig":"{sig}"}}]}}"#
        )
    }

    #[track_caller]
    fn check(statement: &str, bound: &Bound, expected: bool) {
        let today = "2026-06-30".parse().expect("a day");
        let claims = claims(line(statement).as_bytes());
        let is_about = claims.iter().any(|claim| claim.is_about(bound, today));
        assert_eq!(is_about, expected, "{statement}");
    }

    #[test]
    fn a_decision_is_about_one_change_one_policy_and_a_time() {
        let good = statement("flaky", "");
        check(&good, &bound(), true);
        check(
            &statement("flaky", r#""until":"2026-06-30","#),
            &bound(),
            true,
        );
        check(
            &statement("flaky", r#""until":"2026-06-29","#),
            &bound(),
            false,
        );
        for (part, other) in [("c1", "c2"), ("t1", "t2"), ("p1", "p2"), ("d1", "d2")] {
            check(&good.replace(part, other), &bound(), false);
        }
        let without = good.replace(r#","gitParentTree":"p1""#, "");
        check(&without, &bound(), false);
        check(&statement("runner-untrusted", ""), &bound(), false);
        check(&statement("secret-added", ""), &bound(), false);
        check(&statement("nothing", ""), &bound(), false);
    }

    #[test]
    fn what_is_not_just_an_envelope_of_ours_claims_nothing() {
        let good = line(&statement("flaky", ""));
        assert_eq!(claims(good.as_bytes()).len(), 1);
        let foreign = statement("flaky", "").replace(PREDICATE_TYPE, "urn:other");
        let unknown = statement("flaky", r#""files":"*","#);
        for bad in [
            statement("flaky", ""),
            line(&foreign),
            line(&unknown),
            line("{}"),
            good.replace(PAYLOAD_TYPE, "text/plain"),
            good.replace("\"payload\":\"", "\"payload\":\"!"),
            good.replace("\"sig\":\"", "\"sig\":\"=="),
            good.replace("\"signatures\":[", "\"signatures\":[{\"sig\":\"eA==\"},"),
            good.replace("[{\"sig\":\"eA==\"}]", "[]"),
            good.replace('{', "{\n"),
            format!("{}{good}", " ".repeat(MAX_LINE)),
            "[".repeat(100_000),
        ] {
            assert!(claims(bad.as_bytes()).is_empty(), "{bad:.300}");
        }
        let many = format!("{good}\n").repeat(1000);
        assert_eq!(claims(many.as_bytes()).len(), MAX_CLAIMS);
    }
}
