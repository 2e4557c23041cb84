//! Signed statements in an envelope of one line (DSSE): the bytes, what they are, and one SSH signature over both.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::signature::{self, Key, Purpose, Signer};

pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// What was taken out of an envelope. Nobody has looked at the signature yet.
#[derive(Clone, Debug)]
pub struct Opened {
    pub payload: Vec<u8>,
    /// An armoured SSH signature, or anything else.
    pub signature: String,
}

/// Whose signature a statement bears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seal {
    /// It is not signed.
    None,
    By(Signer),
    /// Signed with a key that nobody is known by.
    Unknown,
    /// No signature over what it says.
    Broken,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Envelope {
    payload_type: String,
    payload: String,
    signatures: [Signature; 1],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    sig: String,
}

/// Signs a statement and gives its line.
pub fn seal(payload: &[u8], key: &Key, purpose: Purpose) -> anyhow::Result<String> {
    let signature = signature::sign(&signed_bytes(payload), key, purpose)?;
    let envelope = Envelope {
        payload_type: PAYLOAD_TYPE.into(),
        payload: STANDARD.encode(payload),
        signatures: [Signature {
            sig: STANDARD.encode(signature),
        }],
    };
    serde_json::to_string(&envelope).context("write the envelope as JSON")
}

/// Opens a line that is an envelope of just our shape.
pub fn open(line: &[u8]) -> Option<Opened> {
    let envelope: Envelope = serde_json::from_slice(line).ok()?;
    let [Signature { sig }] = envelope.signatures;
    let is_ours = envelope.payload_type == PAYLOAD_TYPE;
    is_ours.then_some(Opened {
        payload: STANDARD.decode(&envelope.payload).ok()?,
        signature: String::from_utf8(STANDARD.decode(sig).ok()?).ok()?,
    })
}

impl Opened {
    /// What the signature is over.
    pub fn signed_bytes(&self) -> Vec<u8> {
        signed_bytes(&self.payload)
    }

    /// Looks at the signature, by the lines of `signers`.
    pub fn seal(&self, signers: &[u8], purpose: Purpose) -> anyhow::Result<Seal> {
        let signed = self.signed_bytes();
        Ok(
            match signature::signer(&signed, &self.signature, signers, purpose)? {
                Some(signer) => Seal::By(signer),
                None if signature::is_intact(&signed, &self.signature, purpose)? => Seal::Unknown,
                None => Seal::Broken,
            },
        )
    }
}

/// What DSSE signs: the type and the bytes, each behind its length.
fn signed_bytes(payload: &[u8]) -> Vec<u8> {
    let head = format!(
        "DSSEv1 {} {PAYLOAD_TYPE} {} ",
        PAYLOAD_TYPE.len(),
        payload.len()
    );
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_what_dsse_says() {
        assert_eq!(
            signed_bytes(b"{}"),
            b"DSSEv1 28 application/vnd.in-toto+json 2 {}"
        );
    }
}
