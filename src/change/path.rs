//! A path inside the repository: bytes, as git has them.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use gix::bstr::{BStr, BString, ByteSlice as _};
use serde::{Serialize, Serializer};

use super::shown::is_plain;

/// A path from the top of the tree, `/` between its parts, not necessarily UTF-8.
///
/// [`Display`](fmt::Display) and [`Serialize`] show it as git quotes paths: plain if every byte is printable ASCII or valid printable
/// UTF-8, else in double quotes with C escapes, so that a path can neither break a line nor drive a terminal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoPath(BString);

impl RepoPath {
    pub fn new(bytes: impl Into<BString>) -> RepoPath {
        RepoPath(bytes.into())
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn as_bstr(&self) -> &BStr {
        self.0.as_bstr()
    }

    /// For globs and the file system. Unix only, where any bytes are a path.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// The path as text, if it is UTF-8.
    pub fn to_str(&self) -> Option<&str> {
        self.0.to_str().ok()
    }

    /// The last part.
    pub fn file_name(&self) -> &[u8] {
        self.0.rsplit(|&byte| byte == b'/').next().unwrap_or(&[])
    }

    /// All but the last part; empty at the top.
    pub fn folder(&self) -> RepoPath {
        match self.0.rfind_byte(b'/') {
            Some(at) => RepoPath::new(&self.0[..at]),
            None => RepoPath::new(""),
        }
    }

    /// What follows the last dot of the file name, if it has one.
    pub fn extension(&self) -> Option<&[u8]> {
        let name = self.file_name();
        let at = name.rfind_byte(b'.')?;
        Some(&name[at + 1..])
    }
}

impl From<&str> for RepoPath {
    fn from(path: &str) -> RepoPath {
        RepoPath::new(path)
    }
}

impl fmt::Debug for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_str() {
            Some(text) if text.chars().all(|c| is_plain(c) && c != '"' && c != '\\') => {
                f.write_str(text)
            }
            _ => {
                f.write_str("\"")?;
                for &byte in self.as_bytes() {
                    match byte {
                        b'"' => f.write_str("\\\"")?,
                        b'\\' => f.write_str("\\\\")?,
                        b'\t' => f.write_str("\\t")?,
                        b'\n' => f.write_str("\\n")?,
                        b'\r' => f.write_str("\\r")?,
                        b' '..=b'~' => write!(f, "{}", byte as char)?,
                        _ => write!(f, "\\{byte:03o}")?,
                    }
                }
                f.write_str("\"")
            }
        }
    }
}

impl Serialize for RepoPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &[u8], shown: &str) {
        assert_eq!(RepoPath::new(path).to_string(), shown);
    }

    #[test]
    fn a_plain_path_is_shown_as_it_is() {
        check(b"src/total.py", "src/total.py");
        check("src/größe.py".as_bytes(), "src/größe.py");
    }

    #[test]
    fn a_path_that_could_drive_a_terminal_is_quoted() {
        check(b"a\nb", r#""a\nb""#);
        check(b"a\x1b[2J", r#""a\033[2J""#);
        check("a\u{202e}b".as_bytes(), r#""a\342\200\256b""#);
        check(b"\xff", r#""\377""#);
    }
}
