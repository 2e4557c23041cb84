//! What the running `git commit` was asked to do, read from its command line: git tells its hooks nothing about `--amend`.

use std::fs;

use gix::bstr::ByteSlice as _;

/// Whether the git command that runs this hook replaces `HEAD`.
///
/// Looks at the ancestors of this process, as far as Linux's `/proc` shows them. A wrong "no" makes the hook judge less than the whole
/// commit; `post-commit` then finds that the judged tree had another parent, and writes no note.
pub fn amends() -> bool {
    let mut ancestor = Some(std::os::unix::process::parent_id());
    for _ in 0..16 {
        let Some(pid) = ancestor.filter(|&pid| pid > 1) else {
            return false;
        };
        let Ok(command) = fs::read(format!("/proc/{pid}/cmdline")) else {
            return false;
        };
        let words: Vec<&[u8]> = command.split(|&byte| byte == 0).collect();
        if is_git(&words) && words.contains(&b"commit".as_slice()) {
            return is_amending(&words);
        }
        ancestor = parent_of(pid);
    }
    false
}

fn is_git(words: &[&[u8]]) -> bool {
    let name = words
        .first()
        .and_then(|word| word.rsplit(|&byte| byte == b'/').next());
    name == Some(b"git")
}

/// `--amend` or an abbreviation that git takes for it, before a `--`.
fn is_amending(words: &[&[u8]]) -> bool {
    words
        .iter()
        .take_while(|word| **word != b"--")
        .any(|word| word.len() >= 4 && b"--amend".starts_with(word))
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // `PID (NAME) STATE PARENT`: the name may hold anything.
    let after_name = &stat[stat.rfind(b") ")? + 2..];
    let parent = after_name.fields().nth(1)?;
    parent.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(command: &str, expected: bool) {
        let words: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
        assert_eq!(is_git(&words) && is_amending(&words), expected);
    }

    #[test]
    fn amend_is_an_option_of_commit() {
        check("git commit -qam x --amend", true);
        check("/usr/bin/git commit --am", true);
        check("git commit -m x", false);
        check("git commit -- --amend", false);
        check("sh commit --amend", false);
    }
}
