//! SSH signatures of people and of judges, made and verified by `ssh-keygen`, as git does it.
//!
//! Keys live in agents and in devices that ask for a touch, which only `ssh-keygen` speaks to; with a library beside it for verifying, two programs
//! could differ about what an `allowed_signers` file means.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::git::Repo;
use crate::suite::process::{self, End, Finished};
use crate::usage::UsageError;

/// What a signature is for: one of a commit, or for another purpose, is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A person's decision.
    Approve,
    /// What a judge found.
    State,
}

/// Without a touch or a passphrase this takes milliseconds.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What to sign with.
#[derive(Clone, Debug)]
pub struct Key {
    source: KeySource,
    program: OsString,
    /// Whether somebody at the terminal may be asked for a passphrase or a touch.
    may_ask: bool,
}

#[derive(Clone, Debug)]
enum KeySource {
    /// A private key, or a public one whose private half an agent holds.
    File(PathBuf),
    /// A public key as text, whose private half an agent holds.
    Text(String),
}

/// Who has a key, by the names that one line of `allowed_signers` gives it: e-mail addresses of people, any names of judges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    pub emails: Vec<String>,
}

/// The configuration that names the key of a judge; empty where it shall not sign.
const SIGNING_KEY: &str = "koan.signingKey";

impl Purpose {
    pub fn namespace(self) -> &'static str {
        match self {
            Purpose::Approve => "koan-guard-approve",
            Purpose::State => "koan-guard",
        }
    }
}

impl Key {
    /// A key that a person named, and may be asked about.
    pub fn of_file(file: &Path) -> Key {
        Key {
            source: KeySource::File(file.to_owned()),
            program: "ssh-keygen".into(),
            may_ask: true,
        }
    }

    /// The key that statements are signed with: `koan.signingKey`, else the one that git signs commits with, if that is an SSH key.
    pub fn configured(repo: &Repo) -> Option<Key> {
        // A program that the repository itself names could be anybody's.
        let program = repo.config_of_user("gpg.ssh.program");
        let program = program.filter(|program| !program.is_empty());
        let key = |value: String, named_by| Key {
            source: KeySource::of(value),
            program: program.clone().unwrap_or("ssh-keygen".into()).into(),
            may_ask: named_by == SIGNING_KEY,
        };
        if let Some(value) = repo.config(SIGNING_KEY) {
            return (!value.is_empty()).then(|| key(value, SIGNING_KEY));
        }
        let is_ssh = repo.config("gpg.format").as_deref() == Some("ssh");
        let value = repo.config("user.signingkey").filter(|_| is_ssh)?;
        (!value.is_empty()).then(|| key(value, "user.signingkey"))
    }

    /// Whether a statement may go without its signature: nobody asked for one by name.
    pub fn is_optional(&self) -> bool {
        !self.may_ask
    }
}

impl KeySource {
    /// As git reads `user.signingkey`.
    fn of(value: String) -> KeySource {
        if let Some(text) = value.strip_prefix("key::") {
            return KeySource::Text(text.to_owned());
        }
        if value.starts_with("ssh-") || value.starts_with("ecdsa-") {
            return KeySource::Text(value);
        }
        let home = std::env::var_os("HOME").map(PathBuf::from);
        match (value.strip_prefix("~/"), home) {
            (Some(rest), Some(home)) => KeySource::File(home.join(rest)),
            _ => KeySource::File(value.into()),
        }
    }

    fn shown(&self) -> String {
        match self {
            KeySource::File(path) => path.display().to_string(),
            KeySource::Text(text) => text.clone(),
        }
    }
}

/// Signs `message`. May ask at the terminal, if the key allows that.
///
/// # Errors
/// [`UsageError`] if no signature came about.
pub fn sign(message: &[u8], key: &Key, purpose: Purpose) -> anyhow::Result<String> {
    let folder = tempfile::tempdir().context("make a folder")?;
    let file = folder.path().join("statement");
    fs::write(&file, message).context("write what is to be signed")?;
    let key_file = match &key.source {
        KeySource::File(file) => std::path::absolute(file)?,
        KeySource::Text(text) => {
            let file = folder.path().join("key.pub");
            fs::write(&file, format!("{}\n", text.trim())).context("write the public key")?;
            file
        }
    };
    // Quiet: prompts for passphrases and touches are shown all the same.
    let words = ["-q", "-Y", "sign", "-n", purpose.namespace(), "-f"].map(OsStr::new);
    let argv: Vec<&OsStr> = [key.program.as_os_str()]
        .into_iter()
        .chain(words)
        .chain([key_file.as_os_str(), file.as_os_str()])
        .collect();
    let is_signed = if key.may_ask {
        process::at_terminal(&argv, folder.path()).map_err(no_ssh_keygen)?
    } else {
        // Whoever would be asked for a passphrase is not there.
        let nobody = [("SSH_ASKPASS_REQUIRE", "force"), ("SSH_ASKPASS", "false")];
        let nobody = nobody.map(|(name, value)| (name.into(), value.into()));
        let finished = process::output(&argv, folder.path(), &nobody.into(), TIMEOUT);
        finished.map_err(no_ssh_keygen)?.end == End::Exit(0)
    };
    let signature = fs::read_to_string(folder.path().join("statement.sig"));
    match signature {
        Ok(signature) if is_signed => Ok(signature),
        _ => Err(UsageError::with_hint(
            format!("`{}` signed nothing", key.source.shown()),
            "name a private key, or a public one whose private half your SSH agent holds",
        )
        .into()),
    }
}

/// Who signed `message` for this purpose, by the lines of `signers` (an `allowed_signers` file); `None` if nobody of them did.
///
/// A line counts only if it names the purpose itself and nobody by a pattern: a key that is allowed to sign anything may lie on an agent's machine.
pub fn signer(
    message: &[u8],
    signature: &str,
    signers: &[u8],
    purpose: Purpose,
) -> anyhow::Result<Option<Signer>> {
    let lines = usable(signers, purpose);
    if lines.is_empty() {
        return Ok(None);
    }
    let folder = tempfile::tempdir().context("make a folder")?;
    let (list, file) = (folder.path().join("signers"), folder.path().join("sig"));
    fs::write(&list, lines).context("write the signers")?;
    fs::write(&file, signature).context("write the signature")?;
    let run = |action: &str, more: &[&str], input: &[u8]| {
        let words = ["ssh-keygen", "-Y", action, "-n", purpose.namespace()].map(OsStr::new);
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

/// Whether this is anybody's signature over just this message: whoever's, it was not changed since.
pub fn is_intact(message: &[u8], signature: &str, purpose: Purpose) -> anyhow::Result<bool> {
    let folder = tempfile::tempdir().context("make a folder")?;
    let file = folder.path().join("sig");
    fs::write(&file, signature).context("write the signature")?;
    let words = ["ssh-keygen", "-Y", "check-novalidate", "-n"].map(OsStr::new);
    let mut argv: Vec<&OsStr> = words.into();
    argv.extend([
        purpose.namespace().as_ref(),
        "-s".as_ref(),
        file.as_os_str(),
    ]);
    let checked = process::output_of(&argv, folder.path(), &BTreeMap::new(), message, TIMEOUT);
    let checked = checked.map_err(no_ssh_keygen)?;
    Ok(checked.end == End::Exit(0) && !checked.truncated)
}

/// The public key that an armoured signature names, as it stands there.
pub fn public_key(signature: &str) -> Option<Vec<u8>> {
    let body = signature
        .trim()
        .strip_prefix("-----BEGIN SSH SIGNATURE-----")?
        .strip_suffix("-----END SSH SIGNATURE-----")?;
    let body: String = body.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(body).ok()?;
    // The magic word, a version, and the key behind its length.
    let rest = bytes.strip_prefix(b"SSHSIG\0\0\0\x01")?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    rest.get(..length).map(<[u8]>::to_vec)
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

/// The lines that give a key to named people for this very purpose.
fn usable(signers: &[u8], purpose: Purpose) -> Vec<u8> {
    let mut lines = Vec::new();
    for line in signers.split(|&byte| byte == b'\n') {
        if str::from_utf8(line).is_ok_and(|line| is_usable(line, purpose)) {
            lines.extend_from_slice(line);
            lines.push(b'\n');
        }
    }
    lines
}

fn is_usable(line: &str, purpose: Purpose) -> bool {
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
        let mut words = value.split(',');
        name.eq_ignore_ascii_case("namespaces=") && words.any(|word| word == purpose.namespace())
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
        assert_eq!(is_usable(line, Purpose::Approve), expected, "{line}");
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

    #[test]
    fn a_key_is_for_the_purpose_that_its_line_names() {
        let line = "ci namespaces=\"koan-guard\" ssh-ed25519 AAAA";
        assert!(is_usable(line, Purpose::State));
        assert!(!is_usable(line, Purpose::Approve));
        let both = "ci namespaces=\"koan-guard,koan-guard-approve\" ssh-ed25519 AAAA";
        assert!(is_usable(both, Purpose::State) && is_usable(both, Purpose::Approve));
        let other = "ci namespaces=\"koan-guard-approve\" ssh-ed25519 AAAA";
        assert!(!is_usable(other, Purpose::State));
    }
}
