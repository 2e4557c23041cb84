//! What of an issue a failing test is compared with, and how a digest tells it.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use super::{Frame, Issue};

/// What the JSON form of a digest calls itself.
pub const DIGEST_SCHEMA: &str = "koan-guard/digest/v1";

/// An exception of production.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crash {
    /// Of its issue.
    pub fingerprint: String,
    /// Its class as production recorded it: qualified or not. `None` where the source knows messages only.
    pub error_type: Option<String>,
    /// Newest first.
    pub messages: Vec<String>,
    /// The innermost last.
    pub frames: Vec<Frame>,
}

#[derive(Deserialize)]
struct DigestShape {
    schema: String,
    errors: Vec<ErrorShape>,
}

#[derive(Deserialize)]
struct ErrorShape {
    fingerprint: String,
    #[serde(rename = "type")]
    error_type: Option<String>,
    messages: Vec<String>,
    frames: Vec<FrameShape>,
}

#[derive(Deserialize)]
struct FrameShape {
    file: String,
    line: Option<u32>,
    function: Option<String>,
    in_app: bool,
}

impl Crash {
    /// The issues of a digest, as `extract --format json` writes it.
    ///
    /// # Errors
    /// It is no digest, or one of another version: what it means cannot be known. So is one that says two things of an issue.
    pub fn read_digest(json: &[u8]) -> anyhow::Result<Vec<Crash>> {
        let shape: DigestShape = serde_json::from_slice(json).context("it is no digest")?;
        let schema = &shape.schema;
        ensure!(
            schema == DIGEST_SCHEMA,
            "its schema is not `{DIGEST_SCHEMA}`"
        );
        let mut seen = BTreeSet::new();
        for error in &shape.errors {
            let name = &error.fingerprint;
            ensure!(seen.insert(name), "an issue stands in it twice");
        }
        Ok(shape.errors.into_iter().map(ErrorShape::crash).collect())
    }
}

impl ErrorShape {
    fn crash(self) -> Crash {
        let frame = |frame: FrameShape| Frame {
            file: frame.file,
            line: frame.line,
            function: frame.function,
            in_app: frame.in_app,
        };
        Crash {
            fingerprint: self.fingerprint,
            error_type: self.error_type,
            messages: self.messages,
            frames: self.frames.into_iter().map(frame).collect(),
        }
    }
}

impl From<&Issue> for Crash {
    fn from(issue: &Issue) -> Crash {
        Crash {
            fingerprint: issue.fingerprint.as_str().to_owned(),
            error_type: issue.error_type.clone(),
            messages: issue.messages.clone(),
            frames: issue.frames.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERROR: &str = r#"{"fingerprint": "k1:a", "type": "KeyError", "messages": ["'x'"], "count": 3,
        "frames": [{"file": "a.py", "line": 3, "function": "f", "in_app": true}]}"#;

    fn read(schema: &str, errors: &[&str]) -> anyhow::Result<Vec<Crash>> {
        let errors = errors.join(",");
        Crash::read_digest(format!(r#"{{"schema": "{schema}", "errors": [{errors}]}}"#).as_bytes())
    }

    #[test]
    fn a_digest_tells_each_crash() {
        let crashes = read(DIGEST_SCHEMA, &[ERROR]).expect("a digest");
        let frame = Frame {
            file: "a.py".into(),
            line: Some(3),
            function: Some("f".into()),
            in_app: true,
        };
        let expected = Crash {
            fingerprint: "k1:a".into(),
            error_type: Some("KeyError".into()),
            messages: vec!["'x'".into()],
            frames: vec![frame],
        };
        assert_eq!(crashes, [expected]);
    }

    #[test]
    fn what_is_no_digest_is_not_read() {
        assert!(read("koan-guard/digest/v2", &[ERROR]).is_err());
        assert!(read(DIGEST_SCHEMA, &[ERROR, ERROR]).is_err());
        assert!(read(DIGEST_SCHEMA, &[r#"{"fingerprint": "k1:a"}"#]).is_err());
        for text in ["", "[]", "{}", r#"{"errors": []}"#] {
            assert!(Crash::read_digest(text.as_bytes()).is_err(), "{text}");
        }
    }
}
