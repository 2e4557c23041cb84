//! Commits and trees that git itself would not make: what `git fsck` warns about, and what a commit holds that no log shows.

use gix::bstr::ByteSlice as _;

/// Something about a commit that makes it doubtful.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Readers may take it for different things.
    Malformed(String),
    /// It holds text that people do not see, or see as something else.
    Unshown(String),
}

impl Flaw {
    pub fn fact(&self) -> &str {
        match self {
            Flaw::Malformed(fact) | Flaw::Unshown(fact) => fact,
        }
    }
}

/// Encodings in which what looks like ASCII is just that.
const ASCII_LIKE: [&str; 5] = ["iso-8859-", "iso8859-", "latin", "windows-125", "cp125"];

/// Everything that is doubtful about a commit that could be parsed.
pub(super) fn commit_flaws(data: &[u8]) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let Some(end) = data.find(b"\n\n") else {
        let fact = "no empty line ends its headers";
        return vec![Flaw::Malformed(fact.into())];
    };
    let message = &data[end + 2..];
    let headers = headers(&data[..end]);
    for at in ["author", "committer"] {
        let idents = headers.iter().filter(|(name, _)| name == at);
        flaws.extend(idents.filter_map(|(name, value)| ident(name, value)));
    }
    let mut parents: Vec<&[u8]> = Vec::new();
    let mut encoding = None;
    for (name, value) in &headers {
        match name.as_str() {
            "tree" | "author" | "committer" => (),
            "parent" if parents.contains(&value.as_slice()) => {
                flaws.push(Flaw::Malformed("it names one parent twice".into()));
            }
            "parent" => parents.push(value),
            "encoding" if encoding.is_none() => {
                encoding = Some(value.to_str_lossy().to_ascii_lowercase());
            }
            "gpgsig" | "gpgsig-sha256" if is_armored(value) => (),
            "change-id" if value.len() <= 64 && value.iter().all(u8::is_ascii_alphanumeric) => (),
            name => {
                let fact = format!("its header `{}` is shown by no log", name.escape_debug());
                flaws.push(Flaw::Unshown(fact));
            }
        }
    }
    flaws.extend(encoded(encoding.as_deref(), data.is_ascii(), message));
    flaws
}

/// Names and values in order, continuation lines joined by line feeds.
fn headers(text: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut headers: Vec<(String, Vec<u8>)> = Vec::new();
    for line in text.split(|&byte| byte == b'\n') {
        match (line.strip_prefix(b" "), headers.last_mut()) {
            (Some(more), Some((_, value))) => {
                value.push(b'\n');
                value.extend_from_slice(more);
            }
            _ => {
                let (name, value) = line.split_once_str(b" ").unwrap_or((line, b""));
                headers.push((name.to_str_lossy().into_owned(), value.to_vec()));
            }
        }
    }
    headers
}

/// What `git fsck` says of `NAME <EMAIL> SECONDS ZONE`.
fn ident(header: &str, value: &[u8]) -> Option<Flaw> {
    let wrong = |what: &str| Some(Flaw::Malformed(format!("its {header} has {what}")));
    let Some(open) = value.find_byteset(b"<>") else {
        return wrong("no e-mail address");
    };
    if value[open] == b'>' || open == 0 {
        return wrong("no name, or a `>` in it");
    }
    if value[open - 1] != b' ' {
        return wrong("no space before the address");
    }
    let rest = &value[open + 1..];
    let Some(close) = rest.find_byteset(b"<>\n").filter(|&at| rest[at] == b'>') else {
        return wrong("an address that does not end");
    };
    let Some(date) = rest[close + 1..].strip_prefix(b" ") else {
        return wrong("no space before the date");
    };
    let (seconds, zone) = date.split_once_str(b" ").unwrap_or((date, b""));
    if seconds.is_empty() || !seconds.iter().all(u8::is_ascii_digit) {
        return wrong("no date in seconds");
    }
    if seconds.len() > 1 && seconds[0] == b'0' {
        return wrong("a date that begins with zero");
    }
    if seconds
        .to_str()
        .ok()
        .and_then(|text| text.parse::<i64>().ok())
        .is_none()
    {
        return wrong("a date that no clock shows");
    }
    let is_zone = zone.len() == 5
        && matches!(zone[0], b'+' | b'-')
        && zone[1..].iter().all(u8::is_ascii_digit);
    if is_zone { None } else { wrong("no time zone") }
}

/// A signature is armored text and nothing else.
fn is_armored(value: &[u8]) -> bool {
    let value = value.trim_ascii_end();
    value.starts_with(b"-----BEGIN ")
        && value.ends_with(b"-----")
        && value
            .lines()
            .rev()
            .next()
            .is_some_and(|line| line.starts_with(b"-----END "))
}

/// That the message is read here as git shows it.
fn encoded(encoding: Option<&str>, is_ascii: bool, message: &[u8]) -> Option<Flaw> {
    let encoding = match encoding {
        None | Some("utf-8" | "utf8") => {
            let is_text = message.to_str().is_ok();
            let fact = "its message is not UTF-8, and it names no other encoding";
            return (!is_text).then(|| Flaw::Unshown(fact.into()));
        }
        Some(encoding) => encoding,
    };
    let is_like =
        encoding == "us-ascii" || ASCII_LIKE.iter().any(|start| encoding.starts_with(start));
    let fact = format!(
        "its message is written in `{}`, and is shown as something else than what is judged",
        encoding.escape_debug()
    );
    (!is_like || !is_ascii).then_some(Flaw::Unshown(fact))
}

/// What `git fsck` says of a tree; `None` if nothing.
pub(super) fn tree_flaw(data: &[u8], hash_len: usize) -> Option<String> {
    const TREE: &[u8] = b"40000";
    const MODES: [&[u8]; 5] = [TREE, b"100644", b"100755", b"120000", b"160000"];
    let mut rest = data;
    let mut before: Option<(&[u8], bool)> = None;
    // Names of files that may come once more as folders: those that the names since begin with.
    let mut files: Vec<&[u8]> = Vec::new();
    while !rest.is_empty() {
        let cut_off = || Some("it is cut off".to_owned());
        let Some((mode, tail)) = rest.split_once_str(b" ") else {
            return cut_off();
        };
        let Some((name, tail)) = tail.split_once_str(b"\0") else {
            return cut_off();
        };
        let shown = crate::change::RepoPath::new(name);
        if !MODES.contains(&mode) {
            let mode = mode.to_str_lossy();
            return Some(format!("`{shown}` has the mode `{}`", mode.escape_debug()));
        }
        let Some(id) = tail.get(..hash_len) else {
            return cut_off();
        };
        if id.iter().all(|&byte| byte == 0) {
            return Some(format!("`{shown}` names no object"));
        }
        let is_tree = mode == TREE;
        if before.is_some_and(|before| !is_before(before, (name, is_tree))) {
            return Some(format!("`{shown}` is there twice or out of order"));
        }
        while files.last().is_some_and(|file| !name.starts_with(file)) {
            files.pop();
        }
        if files.contains(&name) {
            return Some(format!("`{shown}` is there twice"));
        }
        if !is_tree {
            files.push(name);
        }
        before = Some((name, is_tree));
        rest = &tail[hash_len..];
    }
    None
}

/// git's order: folders as if a slash followed.
fn is_before(one: (&[u8], bool), other: (&[u8], bool)) -> bool {
    let key = |(name, is_tree): (&[u8], bool)| {
        let slash = is_tree.then_some(b'/');
        name.iter().copied().chain(slash).collect::<Vec<u8>>()
    };
    let common = one
        .0
        .iter()
        .zip(other.0)
        .take_while(|(a, b)| a == b)
        .count();
    if common < one.0.len().min(other.0.len()) {
        return one.0[common] < other.0[common];
    }
    key(one) < key(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: &str = "Ada <ada@example.com> 1700000000 +0000";

    /// The first flaw of a commit with this author, these further headers and this message.
    #[track_caller]
    fn check(author: &str, extra: &str, message: &[u8], expected: &str) {
        let head = format!(
            "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor {author}\ncommitter {ADA}\n{extra}\n"
        );
        let data = [head.as_bytes(), message].concat();
        let flaws = commit_flaws(&data);
        let shown = flaws.first().map_or("", Flaw::fact);
        assert!(shown.contains(expected), "{shown}\n wanted {expected}");
        assert_eq!(flaws.is_empty(), expected.is_empty(), "{flaws:?}");
    }

    #[test]
    fn a_commit_that_git_makes_has_no_flaw() {
        check(ADA, "", b"subject\n", "");
        check(
            "Zo\u{eb} <z@example.com> 0 -0330",
            "",
            "gr\u{fc}\u{df}e\n".as_bytes(),
            "",
        );
        let signature =
            "gpgsig -----BEGIN SSH SIGNATURE-----\n U1NIU0lH\n -----END SSH SIGNATURE-----\n";
        check(ADA, signature, b"subject\n", "");
        check(ADA, "encoding ISO-8859-1\n", b"subject\n", "");
        check(
            ADA,
            "change-id kwqvzlyxwnptuomwqlnmqzwvoytzzwpp\n",
            b"x\n",
            "",
        );
    }

    #[test]
    fn what_git_fsck_warns_about_is_a_flaw() {
        for (author, expected) in [
            ("Ada", "no e-mail address"),
            ("<ada@example.com> 1 +0000", "no name"),
            ("A>da <ada@example.com> 1 +0000", "no name, or a `>`"),
            (
                "Ada<ada@example.com> 1 +0000",
                "no space before the address",
            ),
            ("Ada <a<da@example.com> 1 +0000", "does not end"),
            ("Ada <ada@example.com>1 +0000", "no space before the date"),
            ("Ada <ada@example.com> x +0000", "no date in seconds"),
            ("Ada <ada@example.com> 01 +0000", "begins with zero"),
            (
                "Ada <ada@example.com> 99999999999999999999 +0000",
                "no clock shows",
            ),
            ("Ada <ada@example.com> 1 +000", "no time zone"),
            ("Ada <ada@example.com> 1 +0000 x", "no time zone"),
        ] {
            check(author, "", b"x\n", expected);
        }
        let parent = "parent 1111111111111111111111111111111111111111\n";
        check(
            ADA,
            &format!("{parent}{parent}"),
            b"x\n",
            "one parent twice",
        );
    }

    #[test]
    fn what_no_log_shows_is_a_flaw() {
        check(
            ADA,
            "mergetag object 11\n type commit\n",
            b"x\n",
            "its header `mergetag`",
        );
        check(ADA, "note hidden\n", b"x\n", "its header `note`");
        check(ADA, "Tree 11\n", b"x\n", "its header `Tree`");
        check(ADA, "gpgsig any text\n", b"x\n", "its header `gpgsig`");
        check(
            ADA,
            "encoding utf-8\nencoding utf-7\n",
            b"x\n",
            "its header `encoding`",
        );
        check(ADA, "encoding UTF-7\n", b"+AGs-\n", "written in `utf-7`");
        check(
            ADA,
            "encoding latin1\n",
            b"gr\xfc\xdfe\n",
            "written in `latin1`",
        );
        check(ADA, "", b"gr\xfc\xdfe\n", "not UTF-8");
    }

    /// `entries`: `MODE NAME`, each with an id of its own; `-` before the mode for one without.
    #[track_caller]
    fn check_tree(entries: &[&str], expected: Option<&str>) {
        let mut data = Vec::new();
        for entry in entries {
            let (entry, byte) = match entry.strip_prefix('-') {
                Some(entry) => (entry, 0),
                None => (*entry, 7),
            };
            data.extend_from_slice(entry.as_bytes());
            data.push(0);
            data.extend_from_slice(&[byte; 20]);
        }
        let flaw = tree_flaw(&data, 20);
        assert_eq!(flaw.as_deref(), expected, "{entries:?}");
    }

    #[test]
    fn a_tree_is_as_git_writes_it() {
        check_tree(&[], None);
        check_tree(
            &[
                "100644 a",
                "100755 a.b",
                "40000 a.c",
                "120000 b",
                "160000 foo.x",
                "40000 foo",
            ],
            None,
        );
        check_tree(&["100644 foo-bar", "40000 foo", "100644 foo0"], None);
        check_tree(&["100664 a"], Some("`a` has the mode `100664`"));
        check_tree(&["040000 a"], Some("`a` has the mode `040000`"));
        check_tree(&["-100644 a"], Some("`a` names no object"));
        check_tree(
            &["100644 b", "100644 a"],
            Some("`a` is there twice or out of order"),
        );
        check_tree(
            &["100644 a", "100644 a"],
            Some("`a` is there twice or out of order"),
        );
        check_tree(
            &["40000 a", "100644 a.b"],
            Some("`a.b` is there twice or out of order"),
        );
        check_tree(
            &["100644 a", "100644 a.b", "40000 a"],
            Some("`a` is there twice"),
        );
    }
}
