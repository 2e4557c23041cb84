//! A commit message: its subject, its body, its trailers, as git reads them.

use gix::bstr::{BStr, BString, ByteSlice as _, ByteVec as _};

/// A cleaned commit message, as git would store it. Bytes, because a message need not be UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitMessage(BString);

/// `Token: value` in the last paragraph of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trailer {
    pub token: String,
    /// On one line.
    pub value: String,
}

/// Below this, behind the comment prefix and a space, stands what only the editor is to show.
const SCISSORS: &[u8] = b"------------------------ >8 ------------------------";

/// What git chooses from when it is to choose.
const AUTO_PREFIXES: &[u8] = b"#;@!$%^&|:";

/// Lines of git's own, beside which prose does no harm to a paragraph of trailers.
const GIT_TRAILERS: [&[u8]; 2] = [b"Signed-off-by: ", b"(cherry picked from commit "];

impl CommitMessage {
    pub fn new(bytes: impl Into<BString>) -> CommitMessage {
        CommitMessage(bytes.into())
    }

    /// What git stores of `raw`, the file that a `commit-msg` hook is given: without comment lines, without the scissors line and what is
    /// below it, without white space at the ends of lines and empty lines beyond one.
    ///
    /// `comment` is the value of `core.commentString` or `core.commentChar`, if one is set.
    pub fn clean(raw: &[u8], comment: Option<&str>) -> CommitMessage {
        let prefix = match comment {
            None => BString::from("#"),
            // Git took a character that no line of the message began with, and did not say which.
            Some(value) if value.eq_ignore_ascii_case("auto") => chosen_prefix(raw),
            Some(value) => BString::from(value),
        };
        let mut cleaned = BString::default();
        let mut n_empty = 0;
        for line in raw.lines() {
            if is_scissors(line, &prefix) {
                break;
            }
            let line = line.trim_ascii_end();
            if !prefix.is_empty() && line.starts_with(&prefix) {
                continue;
            }
            if line.is_empty() {
                n_empty += 1;
                continue;
            }
            if n_empty > 0 && !cleaned.is_empty() {
                cleaned.push_byte(b'\n');
            }
            n_empty = 0;
            cleaned.push_str(line);
            cleaned.push_byte(b'\n');
        }
        CommitMessage(cleaned)
    }

    pub fn as_bstr(&self) -> &BStr {
        self.0.as_bstr()
    }

    /// The first paragraph on one line, as `git log --format=%s` shows it.
    pub fn subject(&self) -> BString {
        let lines = self.0.lines().map(|line| line.trim_ascii());
        let lines = lines.skip_while(|line| line.is_empty());
        let lines: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
        BString::from(lines.join(&b' '))
    }

    /// The trailers that `git interpret-trailers --parse --no-divider` would show, without configured trailers; values unfolded.
    pub fn trailers(&self) -> Vec<Trailer> {
        let mut trailers: Vec<(BString, BString)> = Vec::new();
        let mut may_go_on = false;
        for line in self.trailer_lines() {
            if may_go_on && line.first().is_some_and(u8::is_ascii_whitespace) {
                if let Some((_, value)) = trailers.last_mut() {
                    value.push_byte(b' ');
                    value.push_str(line.trim_ascii());
                }
                continue;
            }
            may_go_on = false;
            if line.starts_with(b"#") {
                continue;
            }
            if let Some(at) = separator(line) {
                let (token, value) = (&line[..at], &line[at + 1..]);
                trailers.push((token.trim_ascii().into(), value.trim_ascii().into()));
                may_go_on = true;
            }
        }
        let text = |bytes: BString| bytes.trim_ascii().to_str_lossy().into_owned();
        let trailers = trailers.into_iter();
        trailers
            .map(|(token, value)| Trailer {
                token: text(token),
                value: text(value),
            })
            .collect()
    }

    /// The values of the trailers called `token`, in whatever case.
    pub fn trailer_values(&self, token: &str) -> impl Iterator<Item = String> {
        let trailers = self.trailers().into_iter();
        trailers
            .filter(move |trailer| trailer.token.eq_ignore_ascii_case(token))
            .map(|trailer| trailer.value)
    }

    /// The lines of the last paragraph, if git takes it for trailers: all of its lines are, or one is git's own and a quarter of them are.
    fn trailer_lines(&self) -> Vec<&[u8]> {
        let lines: Vec<&[u8]> = self.0.lines().collect();
        let lines = &lines[..lines.len() - n_ignored(&lines)];
        let is_blank = |line: &[u8]| line.trim_ascii().is_empty();
        let title = lines
            .iter()
            .position(|line| !line.starts_with(b"#") && is_blank(line));
        let Some(title) = title else {
            return Vec::new();
        };

        let (mut n_trailers, mut n_others, mut n_folded) = (0, 0, 0);
        let (mut only_spaces, mut is_gits) = (true, false);
        for (n, line) in lines.iter().enumerate().skip(title).rev() {
            if line.starts_with(b"#") {
                n_others += std::mem::take(&mut n_folded);
            } else if is_blank(line) {
                if only_spaces {
                    continue;
                }
                n_others += n_folded;
                let counts = if is_gits {
                    n_trailers * 3 >= n_others
                } else {
                    n_trailers > 0 && n_others == 0
                };
                return if counts {
                    lines[n + 1..].to_vec()
                } else {
                    Vec::new()
                };
            } else {
                only_spaces = false;
                if GIT_TRAILERS.iter().any(|prefix| line.starts_with(prefix)) {
                    n_trailers += 1;
                    n_folded = 0;
                    is_gits = true;
                } else if line[0].is_ascii_whitespace() {
                    n_folded += 1;
                } else if separator(line).is_some() {
                    n_trailers += 1;
                    n_folded = 0;
                } else {
                    n_others += 1 + std::mem::take(&mut n_folded);
                }
            }
        }
        Vec::new()
    }
}

/// What git wrote last is a comment.
fn chosen_prefix(raw: &[u8]) -> BString {
    let above = raw.lines().take_while(|line| !line.ends_with(SCISSORS));
    let last = above.filter(|line| !line.trim_ascii().is_empty()).last();
    let first = last.and_then(|line| line.first());
    let chosen = first.filter(|byte| AUTO_PREFIXES.contains(byte));
    BString::from(vec![chosen.copied().unwrap_or(b'#')])
}

fn is_scissors(line: &[u8], prefix: &[u8]) -> bool {
    line.strip_prefix(prefix)
        .and_then(|line| line.strip_prefix(b" "))
        .is_some_and(|line| line == SCISSORS)
}

/// How many lines at the end git does not look at for trailers: comments, empty lines, the old list of conflicts, what is below scissors.
fn n_ignored(lines: &[&[u8]]) -> usize {
    let cut = lines.iter().position(|line| is_scissors(line, b"#"));
    let end = cut.unwrap_or(lines.len());
    let mut first = None;
    let mut in_conflicts = false;
    for (n, line) in lines[..end].iter().enumerate() {
        if line.starts_with(b"#") || line.is_empty() {
            first = first.or(Some(n));
        } else if *line == b"Conflicts:" {
            in_conflicts = true;
            first = first.or(Some(n));
        } else if !(in_conflicts && line.starts_with(b"\t")) {
            first = None;
            in_conflicts = false;
        }
    }
    lines.len() - first.unwrap_or(end)
}

/// Where the colon of a trailer stands: behind letters, digits and hyphens, then perhaps white space.
fn separator(line: &[u8]) -> Option<usize> {
    let mut has_space = false;
    for (at, &byte) in line.iter().enumerate() {
        match byte {
            b':' => return (at > 0).then_some(at),
            b'-' if !has_space => {}
            _ if byte.is_ascii_alphanumeric() && !has_space => {}
            b' ' | b'\t' if at > 0 => has_space = true,
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    /// What git makes of `input`, in no repository and with nobody's configuration.
    fn git(arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut git = Command::new("git");
        git.args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").expect("a path"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CEILING_DIRECTORIES", "/")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut git = git.spawn().expect("git starts");
        let mut stdin = git.stdin.take().expect("it is piped");
        stdin.write_all(input).expect("git reads");
        drop(stdin);
        let output = git.wait_with_output().expect("git ends");
        assert!(output.status.success());
        output.stdout
    }

    fn shown(message: &CommitMessage) -> String {
        let trailers = message.trailers().into_iter();
        trailers
            .map(|trailer| format!("{}: {}\n", trailer.token, trailer.value))
            .collect()
    }

    #[track_caller]
    fn check_trailers(message: &str) {
        let expected = git(
            &["interpret-trailers", "--parse", "--no-divider"],
            message.as_bytes(),
        );
        assert_eq!(
            shown(&CommitMessage::new(message)),
            expected.to_str_lossy(),
            "{message:?}"
        );
    }

    #[test]
    fn trailers_are_what_git_says() {
        for message in [
            "",
            "fix: a",
            "fix: a\n\nKoan-Issue: x\n",
            "fix: a\n\nKoan-Issue: x\nReviewed-by: y",
            "fix: a\n\nbody\nKoan-Issue: x\n",
            "Koan-Issue: x\n",
            "fix: a\n\nprose of three words\nKoan-Issue: x\n",
            "fix: a\n\nprose\nSigned-off-by: a\nKoan-Issue: x\n",
            "fix: a\n\none\ntwo\nthree\nfour\nSigned-off-by: a\n",
            "fix: a\n\none\n(cherry picked from commit 1234)\nKoan-Issue: x\n",
            "fix: a\n\nKoan-Issue: x\n  folded\n\tagain\nOther: y\n",
            "fix: a\n\nKey : v\nKey:v\n",
            "fix: a\n\nKoan-Issue: x\nBREAKING CHANGE: y\n",
            "fix: a\n\nKoan-Issue: x\nBREAKING-CHANGE: y\n",
            "fix: a\n\nFixes #1\nKoan-Issue: x\n",
            "fix: a\n\nOne: 1\n\nTwo: 2\n",
            "fix: a\n\nbody\n---\nKoan-Issue: x\n",
            "fix: a\n\nbody\n\n---\n\nKoan-Issue: x\n",
            "fix: a\n\nKoan-Issue: x\n# comment\nOther: y\n",
            "fix: a\n\nKoan-Issue: x\n\n# comment\n# ------------------------ >8 ------------------------\ndiff: a\n",
            "fix: a\n\nKoan-Issue: x\n\nConflicts:\n\ta\n",
            "fix: a\n\nKoan-Issue:\n",
            "fix: a\n\n: x\n",
            "fix: a\n\n x\nKoan-Issue: x\n",
            "fix: a\nmore\n\nKoan-Issue: x\n\n\n",
            "\n\nfix: a\n\nKoan-Issue: x\n",
            "# c\nfix: a\n\nKoan-Issue: x\n",
            "fix: a\r\n\r\nKoan-Issue: x\r\n",
        ] {
            check_trailers(message);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn trailers_of_any_message_are_what_git_says(
            lines in prop::collection::vec(prop::sample::select(vec![
                "", "", "fix: a", "prose it is", "Koan-Issue: x", "Signed-off-by: a", " folded", "\tfolded", "# c", "Key : v", "Key:",
                "Conflicts:", "---", "(cherry picked from commit 1)", " ", ": x", "a b: c",
            ]), 0..12),
        ) {
            check_trailers(&lines.join("\n"));
        }

        #[test]
        fn a_cleaned_message_is_what_git_makes_of_it(
            lines in prop::collection::vec(prop::sample::select(vec![
                "", "", "fix: a", "body  ", "# c", " # no comment", "#", "\t", "; x",
            ]), 0..12),
        ) {
            let raw = lines.join("\n");
            let expected = git(&["stripspace", "--strip-comments"], raw.as_bytes());
            let cleaned = CommitMessage::clean(raw.as_bytes(), None);
            prop_assert_eq!(cleaned.as_bstr(), expected.as_bstr());
        }
    }

    #[track_caller]
    fn check_clean(raw: &str, comment: &str, cleaned: &str) {
        assert_eq!(
            CommitMessage::clean(raw.as_bytes(), Some(comment)).as_bstr(),
            cleaned
        );
    }

    #[test]
    fn what_is_below_the_scissors_is_gone() {
        let scissors = "# ------------------------ >8 ------------------------";
        check_clean(&format!("fix: a\n{scissors}\n+diff\n"), "#", "fix: a\n");
        check_clean(
            &format!("fix: a\n{scissors} \n+diff\n"),
            "#",
            "fix: a\n+diff\n",
        );
    }

    #[test]
    fn another_comment_prefix_leaves_hashes_alone() {
        check_clean(
            "fix: a\n#1 is the issue\n; gone\n",
            ";",
            "fix: a\n#1 is the issue\n",
        );
        check_clean("fix: a\n// gone\n", "//", "fix: a\n");
    }

    #[test]
    fn an_unknown_prefix_is_that_of_the_last_line() {
        check_clean(
            "fix: a\n#1 is the issue\n\n; Please enter\n;\n; Changes\n",
            "auto",
            "fix: a\n#1 is the issue\n",
        );
        check_clean("fix: a\n\n# Please enter\n", "auto", "fix: a\n");
        check_clean("fix: a\n\nno comments\n", "auto", "fix: a\n\nno comments\n");
    }

    #[test]
    fn a_subject_is_the_first_paragraph_on_one_line() {
        let subject = |message: &str| CommitMessage::new(message).subject();
        assert_eq!(subject("\nfix: a\n b\n\nbody"), "fix: a b");
        assert_eq!(subject(""), "");
    }
}
