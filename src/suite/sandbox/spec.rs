//! What the guard tells the launcher, and what it hears back. Paths travel as text if they are UTF-8 and as bytes otherwise.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use crate::suite::process::{End, Finished};

/// What to enforce. Whatever of it fails is an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enforce {
    pub namespaces: bool,
    /// 0 for none.
    pub landlock_abi: u8,
    pub seccomp: bool,
    pub seatbelt: bool,
    /// Whether the job may speak to the outside: while dependencies are installed, or an agent works, and never else.
    pub network: bool,
}

/// One port of one host that a job can reach from a network of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Gate {
    /// A name, which is looked up outside.
    pub host: String,
    pub port: u16,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Spec {
    pub enforce: Enforce,
    /// The work area's folder.
    pub root: Text,
    pub view: View,
    /// Who the jobs are in their user namespace, where that is not who the guard is. Some servers refuse to run as root.
    pub user: Option<u32>,
    /// Started anew for each job, in this order.
    pub services: Vec<ServiceSpec>,
    /// The only ways out. They need namespaces, and that `enforce.network` is not all of it.
    pub gates: Vec<Gate>,
    pub jobs: Vec<JobSpec>,
}

/// A server that a job needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServiceSpec {
    pub name: String,
    /// For `/bin/sh -c`.
    pub start: Text,
    /// Asked until it succeeds.
    pub ready: Text,
    pub env: Vec<(Text, Text)>,
    pub ready_ms: u64,
}

/// Where the view of a job comes from. Folder names are relative to the work area.
#[derive(Debug, Serialize, Deserialize)]
pub enum View {
    /// The guard has laid it out, and the build output may be written to or not.
    Folders { writable: bool },
    /// Layers, mounted anew for each job. Writes to the tree and to `HOME` are thrown away.
    Layers {
        /// The nearest first: the side's own tree, then what setup made, then what was built of it.
        tree: Vec<Text>,
        /// Where writes to the tree stay after all: while a side's sources are built.
        written: Option<Written>,
        /// What setup left in `HOME`.
        home: Option<Text>,
        output: Output,
    },
    /// These very folders: what is written to the tree and to `HOME` stays.
    Setup { tree: Text, home: Text },
}

/// Folders of a layer that is kept; `work` is the kernel's.
#[derive(Debug, Serialize, Deserialize)]
pub struct Written {
    pub upper: Text,
    pub work: Text,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum Output {
    /// This very folder; what is written stays.
    Keep(Text),
    /// `upper` over other sides' output, the nearest first; what is written stays in `upper`. `work` is the kernel's.
    KeepLayer {
        upper: Text,
        work: Text,
        lower: Vec<Text>,
    },
    /// What is written over these is thrown away.
    Discard(Vec<Text>),
}

#[derive(Debug, Serialize, Deserialize)]
pub struct JobSpec {
    /// Empty to end successfully once everything is enforced.
    pub argv: Vec<Text>,
    pub dir: Text,
    pub env: Vec<(Text, Text)>,
    pub timeout_ms: u64,
    pub readable: Vec<Text>,
    pub scratch: Vec<Text>,
    /// Folders, and where in the view's tree they are seen.
    pub shown: Vec<(Text, Text)>,
    pub report: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    Utf8(String),
    Bytes(Vec<u8>),
}

/// One answer per job, in order; after an error there is none. Its bytes follow it: stdout, stderr, report.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    Finished {
        end: Ended,
        lengths: [usize; 3],
        truncated: bool,
        /// For how long it ran.
        milliseconds: u64,
    },
    Failed(String),
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Ended {
    Exit(i32),
    Signal(i32),
    TimedOut,
}

impl Gate {
    /// Of one job.
    pub const MAX: usize = 64;

    /// Whether it leads to this machine itself.
    pub fn is_local(&self) -> bool {
        self.host == "localhost"
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Answer {
    /// The answer's line and its bytes.
    pub fn encode(finished: &Finished, time: Duration) -> anyhow::Result<Vec<u8>> {
        let answer = Answer::Finished {
            end: match finished.end {
                End::Exit(code) => Ended::Exit(code),
                End::Signal(signal) => Ended::Signal(signal),
                End::TimedOut => Ended::TimedOut,
            },
            lengths: [&finished.stdout, &finished.stderr, &finished.report].map(Vec::len),
            truncated: finished.truncated,
            milliseconds: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
        };
        let mut bytes = answer.line()?;
        bytes.extend_from_slice(&finished.stdout);
        bytes.extend_from_slice(&finished.stderr);
        bytes.extend_from_slice(&finished.report);
        Ok(bytes)
    }

    pub fn line(&self) -> anyhow::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self).context("write an answer")?;
        line.push(b'\n');
        Ok(line)
    }

    /// Reads `n_jobs` answers and nothing else. Says how long the jobs ran, too.
    pub fn decode_all(
        mut bytes: &[u8],
        n_jobs: usize,
    ) -> anyhow::Result<(Vec<Finished>, Duration)> {
        let mut all = Vec::with_capacity(n_jobs);
        let mut time = Duration::ZERO;
        while !bytes.is_empty() {
            let at = bytes.iter().position(|&byte| byte == b'\n');
            let (line, rest) = bytes.split_at(at.context("the sandbox's answer has no end")?);
            bytes = &rest[1..];
            let answer = serde_json::from_slice(line).context("read the sandbox's answer")?;
            match answer {
                Answer::Failed(message) => bail!("sandbox: {message}"),
                Answer::Finished {
                    end,
                    lengths,
                    truncated,
                    milliseconds,
                } => {
                    time = time.saturating_add(Duration::from_millis(milliseconds));
                    let mut take = |n: usize| -> anyhow::Result<Vec<u8>> {
                        let part = bytes.get(..n).context("the sandbox's answer is cut off")?;
                        bytes = &bytes[n..];
                        Ok(part.to_vec())
                    };
                    all.push(Finished {
                        end: match end {
                            Ended::Exit(code) => End::Exit(code),
                            Ended::Signal(signal) => End::Signal(signal),
                            Ended::TimedOut => End::TimedOut,
                        },
                        stdout: take(lengths[0])?,
                        stderr: take(lengths[1])?,
                        report: take(lengths[2])?,
                        truncated,
                    });
                }
            }
        }
        if all.len() != n_jobs {
            bail!("the sandbox answered {} of {n_jobs} jobs", all.len());
        }
        Ok((all, time))
    }
}

impl Text {
    pub fn new(text: impl AsRef<OsStr>) -> Text {
        match text.as_ref().to_str() {
            Some(text) => Text::Utf8(text.to_owned()),
            None => Text::Bytes(text.as_ref().as_bytes().to_vec()),
        }
    }

    pub fn as_os_str(&self) -> &OsStr {
        match self {
            Text::Utf8(text) => OsStr::new(text),
            Text::Bytes(bytes) => OsStr::from_bytes(bytes),
        }
    }

    pub fn as_path(&self) -> &Path {
        Path::new(self.as_os_str())
    }

    pub fn to_path_buf(&self) -> PathBuf {
        self.as_path().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(stdout: &[u8], end: End) -> Finished {
        Finished {
            end,
            stdout: stdout.to_vec(),
            stderr: b"{}\n".to_vec(),
            report: b"\xff\n\n".to_vec(),
            truncated: true,
        }
    }

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn answers_are_read_as_they_were_written() {
        let mut bytes = Answer::encode(&finished(b"one", End::Exit(3)), ms(7)).expect("encode");
        bytes.extend(Answer::encode(&finished(b"", End::TimedOut), ms(2)).expect("encode"));
        let (all, time) = Answer::decode_all(&bytes, 2).expect("decode");
        assert_eq!(time, ms(9));
        assert_eq!(all[0].stdout, b"one");
        assert_eq!(all[0].report, b"\xff\n\n");
        assert_eq!((all[0].end, all[1].end), (End::Exit(3), End::TimedOut));
    }

    #[test]
    fn an_answer_too_few_too_many_or_cut_off_is_an_error() {
        let bytes = Answer::encode(&finished(b"one", End::Exit(0)), ms(7)).expect("encode");
        assert!(Answer::decode_all(&bytes, 2).is_err());
        assert!(Answer::decode_all(&bytes, 0).is_err());
        for n in 1..bytes.len() {
            assert!(Answer::decode_all(&bytes[..n], 1).is_err(), "{n} bytes");
        }
    }

    #[test]
    fn a_failure_is_an_error() {
        let line = Answer::Failed("no overlay".into()).line().expect("encode");
        let err = Answer::decode_all(&line, 1).expect_err("failed");
        assert!(err.to_string().contains("no overlay"));
    }

    #[test]
    fn a_path_of_any_bytes_survives() {
        for path in [&b"/a/b"[..], b"/\xff\xfe"] {
            let text = Text::new(OsStr::from_bytes(path));
            let json = serde_json::to_string(&text).expect("json");
            assert_eq!(serde_json::from_str::<Text>(&json).expect("text"), text);
            assert_eq!(text.as_os_str().as_bytes(), path);
        }
    }
}
