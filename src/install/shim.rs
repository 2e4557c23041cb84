//! The script that git runs: its text, and how it is known again.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use crate::usage::UsageError;

const TEMPLATE: &str = include_str!("../../hooks/shim.sh");
const MARK: &[u8] = b"# koan-guard shim ";
/// Of the template; stands behind the mark.
const VERSION: u32 = 1;

/// The shim of one hook.
pub(super) fn text(hook: &str, binary: &Path) -> Vec<u8> {
    let mut text = Vec::new();
    for (i, part) in TEMPLATE.split('@').enumerate() {
        match (i % 2, part) {
            (1, "GUARD") => text.extend(quoted(binary.as_os_str().as_bytes())),
            (1, "HOOK") => text.extend(hook.bytes()),
            (1, other) => text.extend(format!("@{other}@").bytes()),
            (_, part) => text.extend(part.bytes()),
        }
    }
    text
}

/// Whether koan-guard wrote this, in whatever version.
pub(super) fn is_shim(text: &[u8]) -> bool {
    mark(text).is_some()
}

/// # Errors
/// [`UsageError`] if a newer koan-guard wrote this: its shim may do more than ours.
pub(super) fn check_version(text: &[u8], path: &Path) -> anyhow::Result<()> {
    let digits = mark(text).and_then(|rest| rest.split(|byte| !byte.is_ascii_digit()).next());
    let version: Option<u32> = digits.and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
    if version.is_some_and(|version| version <= VERSION) {
        Ok(())
    } else {
        Err(UsageError::with_hint(
            format!("`{}` was written by a newer koan-guard", path.display()),
            "run `install` with the newer one, or remove the file",
        )
        .into())
    }
}

/// The program that a shim calls, as far as its text says so.
pub(super) fn program(text: &[u8]) -> Option<PathBuf> {
    let line = text.split(|byte| *byte == b'\n').nth(2)?;
    let rest = line.strip_prefix(b"guard='")?;
    let end = rest.windows(7).position(|window| window == b"' hook=")?;
    Some(unescaped(&rest[..end]))
}

/// The path that [`quoted`] made a word of; `None` for another word.
pub(super) fn unquoted(word: &[u8]) -> Option<PathBuf> {
    let inner = word.strip_prefix(b"'")?.strip_suffix(b"'")?;
    Some(unescaped(inner))
}

/// What stands between the quotes.
fn unescaped(inner: &[u8]) -> PathBuf {
    let mut path = Vec::new();
    let mut at = 0;
    while at < inner.len() {
        if inner[at..].starts_with(br"'\''") {
            path.push(b'\'');
            at += 4;
        } else {
            path.push(inner[at]);
            at += 1;
        }
    }
    OsString::from_vec(path).into()
}

/// What follows the mark on the second line.
fn mark(text: &[u8]) -> Option<&[u8]> {
    text.split(|byte| *byte == b'\n').nth(1)?.strip_prefix(MARK)
}

/// One word of the shell, whatever is in it.
pub(super) fn quoted(word: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in word {
        match byte {
            b'\'' => quoted.extend(br"'\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shim_is_known_again_and_names_hook_and_binary() {
        let text = text("commit-msg", Path::new("/opt/it's here/koan-guard"));
        assert!(is_shim(&text));
        check_version(&text, Path::new("x")).expect("own version");
        assert_eq!(program(&text), Some("/opt/it's here/koan-guard".into()));
        let text = String::from_utf8(text).expect("UTF-8");
        assert!(
            text.contains(r"guard='/opt/it'\''s here/koan-guard' hook=commit-msg"),
            "{text}"
        );
        assert!(
            !text.contains("@GUARD") && !text.contains("@HOOK"),
            "{text}"
        );
        assert!(text.contains("\"$@\""), "{text}");
    }

    #[test]
    fn the_version_of_the_template_is_ours() {
        let line = format!("{}{VERSION}:", String::from_utf8_lossy(MARK));
        assert!(
            TEMPLATE
                .lines()
                .nth(1)
                .is_some_and(|l| l.starts_with(&line))
        );
    }

    #[test]
    fn a_newer_or_unreadable_version_is_not_replaced() {
        for version in ["2", "99999999999", "", "x"] {
            let text = format!("#!/bin/sh\n# koan-guard shim {version}: later\n");
            assert!(is_shim(text.as_bytes()), "{version}");
            let err = check_version(text.as_bytes(), Path::new("x")).expect_err(version);
            assert!(err.is::<UsageError>());
        }
    }

    #[test]
    fn another_hook_that_mentions_us_is_not_ours() {
        for text in ["", "#!/bin/sh\n", "#!/bin/sh\necho '# koan-guard shim 1'\n"] {
            assert!(!is_shim(text.as_bytes()), "{text}");
        }
    }
}
