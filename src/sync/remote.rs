//! A remote, reached by the git binary: credentials, SSH, HTTP and proxies work as the user has them.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context as _, bail};
use gix::ObjectId;
use regex::Regex;

use crate::change::shown;
use crate::git::{Repo, notes};
use crate::suite::process::{self, End};
use crate::triage::store;
use crate::usage::UsageError;

/// How long one conversation may take where nobody can watch it.
const TIMEOUT: Duration = Duration::from_secs(300);

/// How often another git may be at the same ref of this clone.
const MAX_MEETINGS: u32 = 8;

/// What git sets for one repository (`git rev-parse --local-env-vars`) or one command, and what must not reach another one.
const LOCAL: &[&str] = &[
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_EDITOR",
    "GIT_EXTERNAL_DIFF",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_NOTES_REF",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REFLOG_ACTION",
    "GIT_REPLACE_REF_BASE",
    "GIT_SEQUENCE_EDITOR",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// One of the repository's configured remotes.
pub struct Remote {
    pub name: String,
    git_dir: PathBuf,
    env: BTreeMap<OsString, OsString>,
    is_at_terminal: bool,
}

/// What became of a push of one ref.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pushed {
    Done,
    /// Somebody else was faster.
    Behind,
    /// The other side does not take it, in its own words.
    Closed(String),
}

struct Answer {
    end: End,
    stdout: String,
    /// Empty at a terminal, where it was seen already.
    stderr: String,
}

impl Remote {
    /// The remote `name`; without one `koan.syncRemote`, else `origin`, else the only one there is. `None` where the repository has none.
    ///
    /// # Errors
    /// [`UsageError`] if there is no such remote, or if nobody can know which one is meant.
    pub fn find(repo: &Repo, name: Option<&str>) -> anyhow::Result<Option<Remote>> {
        let known = repo.remotes()?;
        let listed = known.join("`, `");
        let wanted = name.map(str::to_owned).or(repo.config("koan.syncRemote"));
        let name = match wanted {
            Some(name) if known.contains(&name) => name,
            Some(name) => {
                let message = format!(
                    "`{}` is no remote of this repository",
                    shown(name.as_bytes())
                );
                let hint = if known.is_empty() {
                    "it has none: `git remote add origin URL`".to_owned()
                } else {
                    format!("its remotes: `{listed}`")
                };
                return Err(UsageError::with_hint(message, hint).into());
            }
            None if known.iter().any(|name| name == "origin") => "origin".to_owned(),
            None => match known.as_slice() {
                [] => return Ok(None),
                [name] => name.clone(),
                _ => {
                    return Err(UsageError::with_hint(
                        format!(
                            "there are several remotes and none is called `origin`: `{listed}`"
                        ),
                        "name one, or for good: `git config koan.syncRemote NAME`",
                    )
                    .into());
                }
            },
        };
        let remote = Remote {
            git_dir: std::path::absolute(repo.git_dir()).context("find the repository")?,
            env: environment(),
            is_at_terminal: std::io::stdin().is_terminal(),
            name,
        };
        let is_plain = Repo::is_ref_name(&remote.triage_ref()) && !remote.name.starts_with('-');
        if !is_plain {
            let name = shown(remote.name.as_bytes());
            return Err(UsageError::new(format!("`{name}` cannot be part of a ref")).into());
        }
        Ok(Some(remote))
    }

    /// What of our environment is git's, and none of one repository's: for whoever else talks to the remote.
    pub fn environment(&self) -> &BTreeMap<OsString, OsString> {
        &self.env
    }

    /// Where its notes are kept here.
    pub fn notes_ref(&self) -> String {
        format!("refs/notes/remotes/{}/koan", self.name)
    }

    /// Where its triage state is kept here.
    pub fn triage_ref(&self) -> String {
        format!("refs/koan/remotes/{}/triage", self.name)
    }

    /// Brings what the remote has of these refs, each to where it is kept here; gives those that it has.
    pub fn fetch(&self, refs: &[(&'static str, String)]) -> anyhow::Result<Vec<&'static str>> {
        let mut args = vec!["ls-remote", "--refs", "--quiet", &self.name];
        args.extend(refs.iter().map(|(theirs, _)| *theirs));
        let answer = self.git(&args)?;
        self.succeeded(&answer, "ask")?;
        let there: Vec<&str> = answer
            .stdout
            .lines()
            .filter_map(|line| Some(line.split_once('\t')?.1))
            .collect();
        let found: Vec<&(&'static str, String)> = refs
            .iter()
            .filter(|(theirs, _)| there.contains(theirs))
            .collect();
        if found.is_empty() {
            return Ok(Vec::new());
        }
        // It may have been rewritten over there; what is kept here as ours is another ref.
        let specs: Vec<String> = found
            .iter()
            .map(|(theirs, kept)| format!("+{theirs}:{kept}"))
            .collect();
        let mut args = vec![
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
            "--no-auto-maintenance",
            "--refmap=",
            &self.name,
        ];
        args.extend(specs.iter().map(String::as_str));
        let mut answer = self.git(&args)?;
        for attempt in 1..=MAX_MEETINGS {
            // Somebody else in this clone fetches too.
            if answer.end == End::Exit(0) || !is_race(&answer.stderr) {
                break;
            }
            super::wait(attempt);
            answer = self.git(&args)?;
        }
        self.succeeded(&answer, "fetch from")?;
        Ok(found.into_iter().map(|(theirs, _)| *theirs).collect())
    }

    /// Pushes commits, each as a fast-forward of what the other side has; git compares and swaps there.
    ///
    /// The user's `pre-push` is for branches, and is not run.
    pub fn push(&self, commits: &[(ObjectId, &str)]) -> anyhow::Result<Vec<Pushed>> {
        let specs: Vec<String> = commits
            .iter()
            .map(|(commit_id, name)| format!("{commit_id}:{name}"))
            .collect();
        let mut args = vec![
            "push",
            "--porcelain",
            "--quiet",
            "--no-verify",
            "--no-follow-tags",
            "--no-signed",
            "--recurse-submodules=no",
            &self.name,
        ];
        args.extend(specs.iter().map(String::as_str));
        let answer = self.git(&args)?;
        let lines: Vec<[&str; 3]> = answer.stdout.lines().filter_map(porcelain).collect();
        let mut pushed = Vec::new();
        for spec in &specs {
            let Some([flag, _, summary]) = lines.iter().find(|[_, there, _]| there == spec) else {
                // Whoever keeps silent about what has worked has `--quiet` from us.
                if answer.end == End::Exit(0) {
                    pushed.push(Pushed::Done);
                    continue;
                }
                self.succeeded(&answer, "push to")?;
                bail!("git did not say what became of `{spec}`");
            };
            pushed.push(match *flag {
                "!" => refusal(summary, &answer.stderr),
                _ => Pushed::Done,
            });
        }
        Ok(pushed)
    }

    fn git(&self, args: &[&str]) -> anyhow::Result<Answer> {
        let mut argv: Vec<&OsStr> = vec![
            "git".as_ref(),
            "--git-dir".as_ref(),
            self.git_dir.as_os_str(),
        ];
        argv.extend(args.iter().map(OsStr::new));
        if self.is_at_terminal {
            let (end, stdout) = process::output_at_terminal(&argv, &self.git_dir, &self.env)?;
            return Ok(Answer {
                end,
                stdout: String::from_utf8_lossy(&stdout).into_owned(),
                stderr: String::new(),
            });
        }
        let mut env = self.env.clone();
        env.insert("GIT_TERMINAL_PROMPT".into(), "0".into());
        if std::env::var_os("SSH_ASKPASS").is_none() {
            // A terminal that is not ours to ask at would stop git for good.
            env.insert("SSH_ASKPASS".into(), "false".into());
            env.insert("SSH_ASKPASS_REQUIRE".into(), "force".into());
        }
        let finished = process::output(&argv, &self.git_dir, &env, TIMEOUT)?;
        Ok(Answer {
            end: finished.end,
            stdout: String::from_utf8_lossy(&finished.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&finished.stderr).into_owned(),
        })
    }

    fn succeeded(&self, answer: &Answer, what: &str) -> anyhow::Result<()> {
        let name = shown(self.name.as_bytes());
        match answer.end {
            End::Exit(0) => Ok(()),
            End::TimedOut => bail!("{what} `{name}`: no answer in {} s", TIMEOUT.as_secs()),
            _ => bail!("{what} `{name}`: {}", said(&answer.stderr)),
        }
    }
}

/// Everything that is git's in our environment, but what belongs to one repository or one command.
fn environment() -> BTreeMap<OsString, OsString> {
    let is_kept = |name: &OsStr| {
        let name = name.to_string_lossy();
        let is_local = LOCAL.contains(&&*name)
            || ["GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_", "GIT_PUSH_OPTION_"]
                .iter()
                .any(|start| name.starts_with(start));
        name.starts_with("GIT_") && !is_local
    };
    let mut env: BTreeMap<OsString, OsString> = std::env::vars_os()
        .filter(|(name, _)| is_kept(name))
        .collect();
    // Its words are read.
    env.insert("LC_ALL".into(), "C".into());
    env
}

/// `FLAG <TAB> FROM:TO <TAB> SUMMARY (REASON)`.
fn porcelain(line: &str) -> Option<[&str; 3]> {
    let mut fields = line.splitn(3, '\t');
    let fields = [fields.next()?, fields.next()?, fields.next()?];
    (fields[0].len() == 1).then_some(fields)
}

/// What may be otherwise a moment later is told from what the other side does not want.
fn refusal(summary: &str, stderr: &str) -> Pushed {
    if summary.starts_with("[rejected]") || is_race(summary) {
        return Pushed::Behind;
    }
    let remote: Vec<&str> = stderr
        .lines()
        .filter_map(|line| line.strip_prefix("remote:"))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let reason = summary.trim_start_matches("[remote rejected]").trim();
    let reason = reason.trim_start_matches('(').trim_end_matches(')');
    let said = match remote.is_empty() {
        true => reason.to_owned(),
        false => format!("{reason}: {}", remote.join("; ")),
    };
    Pushed::Closed(shown(said.as_bytes()))
}

/// Whether git says that another one of its kind was at the same ref.
fn is_race(said: &str) -> bool {
    const RACES: [&str; 6] = [
        "cannot lock ref",
        "failed to lock",
        "failed to update ref",
        "incorrect old value",
        "reference already exists",
        "unable to update local ref",
    ];
    RACES.iter().any(|words| said.contains(words))
}

/// What git complains of, on one line, and without what opens doors.
fn said(stderr: &str) -> String {
    static LOGIN: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"://[^/@\s]+@").expect("the pattern is constant"));
    let lines: Vec<&str> = stderr
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let text = lines.join("; ");
    if text.is_empty() {
        return "git failed, as it said".to_owned();
    }
    shown(LOGIN.replace_all(&text, "://[login]@").as_bytes())
}

/// The refs that are exchanged, and where a remote's are kept.
pub fn exchanged(remote: &Remote) -> [(&'static str, String); 2] {
    [
        (notes::REF, remote.notes_ref()),
        (store::REF, remote.triage_ref()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Pushed) {
        let [flag, _, summary] = porcelain(line).expect("a line of git's");
        assert_eq!(flag, "!");
        assert_eq!(
            refusal(summary, "remote: it is closed  \nerror: x\n"),
            expected
        );
    }

    #[test]
    fn a_race_is_told_from_a_closed_door() {
        let name = "0:refs/koan/triage";
        for reason in ["[rejected] (fetch first)", "[rejected] (non-fast-forward)"] {
            check(&format!("!\t{name}\t{reason}"), Pushed::Behind);
        }
        for reason in [
            "cannot lock ref 'refs/koan/triage': is at 1 but expected 2",
            "failed to update ref",
            "incorrect old value provided",
        ] {
            let line = format!("!\t{name}\t[remote rejected] ({reason})");
            check(&line, Pushed::Behind);
        }
        check(
            &format!("!\t{name}\t[remote rejected] (pre-receive hook declined)"),
            Pushed::Closed("pre-receive hook declined: it is closed".into()),
        );
        assert_eq!(porcelain("To /srv/repo.git"), None);
        assert_eq!(porcelain("Done"), None);
    }

    #[test]
    fn no_login_is_repeated() {
        assert_eq!(
            said("fatal: unable to access 'https://ada:hunter2@example.com/x/': no\n\n"),
            "fatal: unable to access 'https://[login]@example.com/x/': no"
        );
        assert_eq!(said("\u{1b}[2J"), "\\u{1b}[2J");
    }
}
