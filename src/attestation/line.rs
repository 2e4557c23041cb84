//! What one line of a note is: a statement of ours, a person's decision, or something else that is left alone and told of.

use serde::Deserialize;
use serde_json::Value;

use super::approval;
use super::envelope::{self, Opened};
use super::regression::{self, Regression};
use super::{PREDICATE_TYPE, STATEMENT_TYPE, Statement};
use crate::change::shown;

/// A line that is not empty.
#[derive(Clone, Debug)]
pub enum Line {
    Statement(Box<Stated>),
    /// What is, or claims to be, a person's decision.
    Decision(Box<approval::Claim>),
    /// That production has seen the error again. Anybody may say so.
    Regression(Box<Regression>),
    Other(Oddity),
}

/// A statement as it stands in a note.
#[derive(Clone, Debug)]
pub struct Stated {
    pub statement: Statement,
    /// Where it is signed, whoever did.
    pub envelope: Option<Opened>,
    /// The line itself.
    pub text: Vec<u8>,
}

/// Why a line says nothing to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Oddity {
    TooLong {
        n_bytes: usize,
    },
    NotJson,
    /// Another `_type`.
    NotAStatement(String),
    /// A kind of statement of ours that this version does not know.
    Newer(String),
    /// Somebody else's predicate.
    Foreign(String),
    /// Not of the shape that it says it has.
    Malformed(String),
    /// A statement about something that was not accepted.
    NotAccepted(String),
    /// It names no commit and no tree.
    NoSubject,
}

/// A longer line is no statement: the largest suite that was seen needs a tenth of it.
pub const MAX_LINE: usize = 4 << 20;

/// More lines than this are not looked at in one note.
const MAX_LINES: usize = 10_000;

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "_type")]
    kind: Option<Value>,
    #[serde(rename = "predicateType")]
    predicate_type: Option<Value>,
}

/// The lines of a note that hold anything, with their numbers, the first being 1.
pub fn read(note: &[u8]) -> Vec<(usize, Line)> {
    let lines = note.split(|&byte| byte == b'\n').enumerate();
    lines
        .filter(|(_, line)| !line.trim_ascii().is_empty())
        .take(MAX_LINES)
        .map(|(n, line)| (n + 1, line_of(line)))
        .collect()
}

fn line_of(line: &[u8]) -> Line {
    if line.len() > MAX_LINE {
        return Line::Other(Oddity::TooLong {
            n_bytes: line.len(),
        });
    }
    let Some(opened) = envelope::open(line) else {
        return match statement(line) {
            Ok(statement) => Line::Statement(Box::new(Stated {
                statement,
                envelope: None,
                text: line.to_vec(),
            })),
            Err(Oddity::Foreign(kind)) if kind == regression::PREDICATE_TYPE => {
                match serde_json::from_slice(line) {
                    Ok(regression) => Line::Regression(Box::new(regression)),
                    Err(_) => {
                        Line::Other(Oddity::Malformed("it is no mark of a regression".into()))
                    }
                }
            }
            Err(oddity) => Line::Other(oddity),
        };
    };
    match statement(&opened.payload) {
        Ok(statement) => Line::Statement(Box::new(Stated {
            statement,
            envelope: Some(opened),
            text: line.to_vec(),
        })),
        Err(Oddity::Foreign(kind)) if kind == approval::PREDICATE_TYPE => {
            match approval::claim_in(opened) {
                Some(claim) if line.len() <= approval::MAX_LINE => Line::Decision(Box::new(claim)),
                _ => Line::Other(Oddity::Malformed("it is no decision".into())),
            }
        }
        Err(oddity) => Line::Other(oddity),
    }
}

fn statement(json: &[u8]) -> Result<Statement, Oddity> {
    let read: Result<Statement, _> = serde_json::from_slice(json);
    let (kind, predicate_type) = match &read {
        Ok(statement) => (statement.kind.clone(), statement.predicate_type.clone()),
        Err(_) => {
            let head: Head = serde_json::from_slice(json).map_err(|_| Oddity::NotJson)?;
            (word(head.kind), word(head.predicate_type))
        }
    };
    if kind != STATEMENT_TYPE {
        return Err(Oddity::NotAStatement(kind));
    }
    if predicate_type != PREDICATE_TYPE {
        return Err(if is_newer(&predicate_type) {
            Oddity::Newer(predicate_type)
        } else {
            Oddity::Foreign(predicate_type)
        });
    }
    let statement = read.map_err(|error| {
        // All of it stands on one line, and columns help nobody.
        let said = error.to_string();
        Oddity::Malformed(
            said.split(" at line ")
                .next()
                .unwrap_or_default()
                .to_owned(),
        )
    })?;
    if statement.predicate.result != "accepted" {
        return Err(Oddity::NotAccepted(statement.predicate.result));
    }
    if statement.commit_and_tree().is_none() {
        return Err(Oddity::NoSubject);
    }
    Ok(statement)
}

fn word(value: Option<Value>) -> String {
    match value {
        Some(Value::String(word)) => word,
        _ => String::new(),
    }
}

/// Whether it is of our kinds, in a version that we do not read.
fn is_newer(predicate_type: &str) -> bool {
    [
        PREDICATE_TYPE,
        approval::PREDICATE_TYPE,
        regression::PREDICATE_TYPE,
    ]
    .into_iter()
    .any(|ours| {
        let stem = ours.trim_end_matches(|c: char| c.is_ascii_digit());
        let version = predicate_type.strip_prefix(stem);
        predicate_type != ours && version.is_some_and(|version| version.parse::<u32>().is_ok())
    })
}

impl Stated {
    /// The commit that it is about. Every statement that was read has one.
    pub fn commit(&self) -> &str {
        self.statement.commit_and_tree().map_or("", |(id, _)| id)
    }
}

impl Oddity {
    /// The fact, as text without anything that a terminal could take for more.
    pub fn fact(&self) -> String {
        let short = |text: &str| {
            let text: String = text.chars().take(120).collect();
            shown(text.as_bytes())
        };
        match self {
            Oddity::TooLong { n_bytes } => {
                format!("it holds {n_bytes} bytes, at most {MAX_LINE} are read")
            }
            Oddity::NotJson => "it is not a JSON object of one line".into(),
            Oddity::NotAStatement(kind) if kind.is_empty() => {
                format!("it has no `_type`, where a statement has `{STATEMENT_TYPE}`")
            }
            Oddity::NotAStatement(kind) => format!(
                "its `_type` is `{}`, and `{STATEMENT_TYPE}` is what is read here",
                short(kind)
            ),
            Oddity::Newer(kind) => format!(
                "`{}` is of a version that koan-guard {} does not read: upgrade it",
                short(kind),
                env!("CARGO_PKG_VERSION")
            ),
            Oddity::Foreign(kind) => {
                format!("it is a statement of another kind, `{}`", short(kind))
            }
            Oddity::Malformed(why) => {
                format!("it is not of the shape that its kind has: {}", short(why))
            }
            Oddity::NotAccepted(result) => {
                format!("its result is `{}`, not `accepted`", short(result))
            }
            Oddity::NoSubject => "it names no commit and no tree".into(),
        }
    }
}
