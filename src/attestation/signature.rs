//! SSH signatures of people, made and verified by `ssh-keygen`, as git does it.
//!
//! Keys live in agents and in devices that ask for a touch, which only `ssh-keygen` speaks to; with a library beside it for verifying, two programs
//! could differ about what an `allowed_signers` file means.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use crate::suite::process::{self, End, Finished};
use crate::usage::UsageError;

/// What the signature is for: a signature of a commit or of anything else is none.
pub const NAMESPACE: &str = "koan-guard-approve";

/// Without a touch or a passphrase this takes milliseconds.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A person by the e-mail addresses that one line of `allowed_signers` gives a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    pub emails: Vec<String>,
}

/// Signs `message` with the private key `key`, or with the agent where `key` is a public one. May ask at the terminal.
///
/// # Errors
/// [`UsageError`] if no signature came about.
pub fn sign(message: &[u8], key: &Path) -> anyhow::Result<String> {
    let folder = tempfile::tempdir().context("make a folder")?;
    let file = folder.path().join("statement");
    fs::write(&file, message).context("write what is to be signed")?;
    // Quiet: prompts for passphrases and touches are shown all the same.
    let words = ["ssh-keygen", "-q", "-Y", "sign", "-n", NAMESPACE, "-f"].map(OsStr::new);
    let argv: Vec<&OsStr> = words
        .into_iter()
        .chain([key.as_os_str(), file.as_os_str()])
        .collect();
    let is_signed = process::at_terminal(&argv, folder.path()).map_err(no_ssh_keygen)?;
    let signature = fs::read_to_string(folder.path().join("statement.sig"));
    match signature {
        Ok(signature) if is_signed => Ok(signature),
        _ => Err(UsageError::with_hint(
            format!("`{}` signed nothing", key.display()),
            "name a private key, or a public one whose private half your SSH agent holds",
        )
        .into()),
    }
}

/// Who signed `message` in [`NAMESPACE`], by the lines of `signers` (an `allowed_signers` file); `None` if nobody of them did.
///
/// A line counts only if it names the namespace itself and nobody by a pattern: a key that is allowed to sign anything may lie on an agent's machine.
pub fn signer(message: &[u8], signature: &str, signers: &[u8]) -> anyhow::Result<Option<Signer>> {
    let lines = usable(signers);
    if lines.is_empty() {
        return Ok(None);
    }
    let folder = tempfile::tempdir().context("make a folder")?;
    let (list, file) = (folder.path().join("signers"), folder.path().join("sig"));
    fs::write(&list, lines).context("write the signers")?;
    fs::write(&file, signature).context("write the signature")?;
    let run = |action: &str, more: &[&str], input: &[u8]| {
        let words = ["ssh-keygen", "-Y", action, "-n", NAMESPACE].map(OsStr::new);
        let mut argv: Vec<&OsStr> = words.into();
        argv.extend([
            "-f".as_ref(),
            list.as_os_str(),
            "-s".as_ref(),
            file.as_os_str(),
        ]);
        argv.extend(more.iter().map(OsStr::new));
        process::output_of(&argv, folder.path(), &BTreeMap::new(), input, TIMEOUT)
            .map_err(no_ssh_keygen)
    };
    let found = run("find-principals", &[], b"")?;
    let emails = principals(&found)?;
    let Some(identity) = emails.first() else {
        return Ok(None);
    };
    let verified = run("verify", &["-I", identity], message)?;
    let is_good = verified.end == End::Exit(0) && !verified.truncated;
    Ok(is_good.then_some(Signer { emails }))
}

/// All names of the line that holds the key: one a line, or behind commas, as versions of OpenSSH differ. None, where it knows nobody.
fn principals(found: &Finished) -> anyhow::Result<Vec<String>> {
    if found.end != End::Exit(0) {
        return Ok(Vec::new());
    }
    let text = str::from_utf8(&found.stdout).context("read the names of signers")?;
    let names = text.lines().flat_map(|line| line.split(',')).map(str::trim);
    let names = names.filter(|name| !name.is_empty());
    Ok(names.map(str::to_owned).collect())
}

/// The lines that give a key to named people for this very namespace.
fn usable(signers: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    for line in signers.split(|&byte| byte == b'\n') {
        if str::from_utf8(line).is_ok_and(is_usable) {
            lines.extend_from_slice(line);
            lines.push(b'\n');
        }
    }
    lines
}

fn is_usable(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    let (Some(people), Some(options)) = (words.next(), words.next()) else {
        return false;
    };
    let is_plain =
        |person: &str| !person.is_empty() && !person.contains(['*', '?', '!', '"', '#', '\\']);
    let options: Vec<&str> = options.split('"').collect();
    // Between quotes stand the values: NAME="a,b",NAME="c". One with a space in it is not worth a parser here, and the line is left out.
    let names_us = options.chunks(2).any(|option| {
        let [name, value] = option else { return false };
        let name = name.trim_start_matches(',');
        name.eq_ignore_ascii_case("namespaces=") && value.split(',').any(|word| word == NAMESPACE)
    });
    let is_authority = options
        .iter()
        .any(|option| option.to_ascii_lowercase().contains("cert-authority"));
    people.split(',').all(is_plain) && names_us && !is_authority
}

fn no_ssh_keygen(error: anyhow::Error) -> anyhow::Error {
    let io = error.downcast_ref::<std::io::Error>();
    if io.is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        let hint = "install OpenSSH (Debian and Ubuntu: `apt-get install openssh-client`)";
        return UsageError::with_hint("`ssh-keygen` is missing", hint).into();
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: bool) {
        assert_eq!(is_usable(line), expected, "{line}");
    }

    #[test]
    fn a_line_counts_that_names_people_and_the_namespace() {
        let ours = "namespaces=\"koan-guard-approve\"";
        check(&format!("ada@example.com {ours} ssh-ed25519 AAAA"), true);
        check(
            &format!("ada@a.org,ada@b.org {ours} ssh-ed25519 AAAA"),
            true,
        );
        check(
            "ada@a.org valid-before=\"20300101\",namespaces=\"git,koan-guard-approve\" ssh-ed25519 AAAA",
            true,
        );
        check("ada@example.com ssh-ed25519 AAAA", false);
        check("ada@example.com namespaces=\"git\" ssh-ed25519 AAAA", false);
        check("ada@example.com namespaces=\"*\" ssh-ed25519 AAAA", false);
        check(
            "ada@example.com namespaces=\"koan-guard-*\" ssh-ed25519 AAAA",
            false,
        );
        check(
            "ada@example.com namespaces=\"!koan-guard-approve\" ssh-ed25519 AAAA",
            false,
        );
        check(
            "ada@example.com x=\"namespaces=\"koan-guard-approve ssh-ed25519 A",
            false,
        );
        check(&format!("* {ours} ssh-ed25519 AAAA"), false);
        check(&format!("*@example.com {ours} ssh-ed25519 AAAA"), false);
        check(
            &format!("ada@a.org,!eve@a.org {ours} ssh-ed25519 AAAA"),
            false,
        );
        check(&format!("\"ada@a.org\" {ours} ssh-ed25519 AAAA"), false);
        check(
            &format!("ada@a.org cert-authority,{ours} ssh-ed25519 AAAA"),
            false,
        );
        check(&format!("# ada@a.org {ours} ssh-ed25519 AAAA"), false);
        check("", false);
    }
}
