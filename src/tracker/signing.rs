//! Lines that people sign: with the key, the namespace and the `allowed_signers` by which they approve.

use std::path::Path;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::attestation::approval::SIGNERS;
use crate::attestation::signature;
use crate::change::RepoPath;
use crate::check::trust;
use crate::git::Repo;
use crate::issue::Fingerprint;
use crate::triage::fold::Signature;
use crate::triage::operation::Operation;

/// What is signed is nothing else: an approval is of another type.
const PAYLOAD_TYPE: &str = "application/vnd.koan-guard.triage";

/// The keys of people by the trusted ref; none where there is no such ref, or no such file.
pub fn signers(repo: &Repo, base: Option<&str>) -> anyhow::Result<Vec<u8>> {
    let Some(tip) = trust::tip(repo, base)? else {
        return Ok(Vec::new());
    };
    let tree_id = repo.commit(tip.commit_id)?.tree_id;
    let file = repo.read_file(tree_id, &RepoPath::from(SIGNERS))?;
    Ok(file.unwrap_or_default())
}

/// What `sig` of this line would be.
pub fn sign(issue: &Fingerprint, operation: &Operation, key: &Path) -> anyhow::Result<String> {
    let signature = signature::sign(&signed_bytes(issue, operation)?, key)?;
    Ok(STANDARD.encode(signature))
}

/// Whether a line was signed by the person whom it names.
pub fn verify(
    issue: &Fingerprint,
    operation: &Operation,
    signers: &[u8],
) -> anyhow::Result<Signature> {
    let signature = operation.sig.as_deref().unwrap_or_default();
    let signature = STANDARD.decode(signature).ok();
    let Some(signature) = signature.and_then(|bytes| String::from_utf8(bytes).ok()) else {
        return Ok(Signature::Bad);
    };
    let signed = signed_bytes(issue, operation)?;
    let signer = signature::signer(&signed, &signature, signers)?;
    let is_theirs = signer.is_some_and(|signer| {
        let mut emails = signer.emails.iter();
        emails.any(|email| email.eq_ignore_ascii_case(&operation.by))
    });
    Ok(if is_theirs {
        Signature::Good
    } else {
        Signature::Bad
    })
}

/// As DSSE encodes what it signs: type and text, each behind its length.
fn signed_bytes(issue: &Fingerprint, operation: &Operation) -> anyhow::Result<Vec<u8>> {
    let text = operation
        .signed_bytes(issue.as_str())
        .context("write the line as JSON")?;
    let (n_type, n_text) = (PAYLOAD_TYPE.len(), text.len());
    let mut bytes = format!("DSSEv1 {n_type} {PAYLOAD_TYPE} {n_text} ").into_bytes();
    bytes.extend_from_slice(&text);
    Ok(bytes)
}
