//! What the policy makes of one line of a file as it stands: the part of the file that it is in, and what the perimeter would say to it.

use std::ops::Range;

use serde::Serialize;

use crate::change::{Change, Content, FileChange, FileMode, FileVersion, Hunk, Lines, RepoPath};
use crate::perimeter::{self, Candidate, Finding, Shape};
use crate::policy::{FileKind, Limit, LookedFor, Policy};
use crate::suite::inline;
use crate::usage::UsageError;

/// One line, explained.
#[derive(Clone, Debug, Serialize)]
pub struct LineExplanation {
    pub line: usize,
    pub region: Region,
    /// The limits that count this line; `None` where they are those of the file.
    pub limits: Option<Vec<Limit>>,
    /// The patterns that are looked for in it.
    pub looked_for: Vec<LookedFor>,
    /// What would be said if a change added this line just as it stands.
    pub findings: Vec<Finding>,
}

/// The part of its file that a line is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Region {
    /// All of the file is one.
    Whole,
    /// Production code in a file that holds tests too.
    Production,
    /// Tests inside a source file, with their first and last line.
    Tests { first: usize, last: usize },
    /// The file may hold tests and cannot be cut: a change to it is undecided.
    Unknown { why: String },
}

/// Explains line `line` of a file with this content.
///
/// # Errors
/// [`UsageError`] if there is no such line, or no lines.
pub fn line(
    policy: &Policy,
    path: &RepoPath,
    content: Vec<u8>,
    line: usize,
) -> anyhow::Result<LineExplanation> {
    let content = Content::from_blob(content);
    let Some(text) = content.text() else {
        return Err(UsageError::new(format!("`{path}` is not text")).into());
    };
    let Some(bytes) = bytes_of(text, line) else {
        let n_lines = text.lines().count();
        let message = format!("`{path}` has {n_lines} lines, so there is no line {line}");
        return Err(UsageError::new(message).into());
    };
    let region = region(policy, path, text, &bytes);
    let is_test = matches!(region, Region::Tests { .. });
    Ok(LineExplanation {
        line,
        limits: is_test.then(|| policy.test_limits()),
        looked_for: policy.looked_for(path),
        findings: findings(policy, path, &content, line, bytes)?,
        region,
    })
}

/// Where line `line` stands, with its line feed.
fn bytes_of(text: &str, line: usize) -> Option<Range<usize>> {
    let at = line.checked_sub(1)?;
    let mut start = 0;
    for (n, piece) in text.split_inclusive('\n').enumerate() {
        if n == at {
            return Some(start..start + piece.len());
        }
        start += piece.len();
    }
    None
}

fn region(policy: &Policy, path: &RepoPath, text: &str, bytes: &Range<usize>) -> Region {
    let is_source = policy.kind_of(path) == FileKind::Production && path.extension() == Some(b"rs");
    if !is_source {
        return Region::Whole;
    }
    match inline::test_regions(text) {
        Err(err) => Region::Unknown { why: err.0 },
        Ok(regions) if regions.is_empty() => Region::Whole,
        Ok(regions) => {
            let line_of = |at: usize| 1 + text[..at].matches('\n').count();
            // A line counts by where its own text begins.
            let indent = text[bytes.clone()].len() - text[bytes.clone()].trim_start().len();
            let start = (bytes.start + indent).min(bytes.end - 1);
            let around = regions.iter().find(|region| region.contains(&start));
            around.map_or(Region::Production, |region| Region::Tests {
                first: line_of(region.start),
                last: line_of(region.end.saturating_sub(1)),
            })
        }
    }
}

/// The perimeter's findings at this line of a change that adds it and nothing else.
fn findings(
    policy: &Policy,
    path: &RepoPath,
    content: &Content,
    line: usize,
    bytes: Range<usize>,
) -> anyhow::Result<Vec<Finding>> {
    let Content::Text(text) = content else {
        return Ok(Vec::new());
    };
    let without = [&text[..bytes.start], &text[bytes.end..]].concat();
    let at = |start, n_lines, bytes| Lines {
        start,
        n_lines,
        bytes,
    };
    let hunk = Hunk {
        old: at(line, 0, bytes.start..bytes.start),
        new: at(line, 1, bytes),
    };
    let change = Change {
        files: vec![FileChange {
            path: path.clone(),
            old: Some(version(Content::from_blob(without))?),
            new: Some(version(content.clone())?),
            hunks: vec![hunk],
        }],
    };
    let candidate = Candidate {
        change: &change,
        message: None,
        shape: Shape::Ordinary,
        neighbours: None,
        known_issues: None,
        frames: Vec::new(),
        is_signed: None,
    };
    let mut findings = perimeter::inspect(&candidate, policy);
    findings.retain(|finding| {
        let location = finding.location.as_ref();
        location.is_some_and(|location| location.path == *path && location.line == Some(line))
    });
    Ok(findings)
}

fn version(content: Content) -> anyhow::Result<FileVersion> {
    let bytes = match &content {
        Content::Text(bytes) | Content::Binary(bytes) => bytes.as_slice(),
        Content::TooLarge { .. } | Content::None => &[],
    };
    Ok(FileVersion {
        mode: FileMode::Regular,
        id: gix::objs::compute_hash(gix::hash::Kind::Sha1, gix::objs::Kind::Blob, bytes)?,
        content,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "pub fn a() {}
pub fn b() {
    unsafe { std::mem::transmute(c()) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a() {
        unsafe { std::mem::transmute(c()) }
    }
}
";

    /// `expected` is the region and the facts.
    #[track_caller]
    fn check(path: &str, n: usize, expected: &str) {
        let policy =
            Policy::load("version: 1\nextends: [default, rust]\n", "p.yaml").expect("loads");
        let path = RepoPath::from(path);
        let said = match line(&policy, &path, SOURCE.into(), n) {
            Ok(explained) => {
                let facts = explained
                    .findings
                    .iter()
                    .map(|finding| finding.fact.as_str());
                let limits = explained.limits.map_or(0, |limits| limits.len());
                format!(
                    "{:?} {limits} {}",
                    explained.region,
                    facts.collect::<Vec<_>>().join("; ")
                )
            }
            Err(err) => err.to_string(),
        };
        assert!(said.starts_with(expected), "{said}\n  wanted {expected}");
    }

    #[test]
    fn a_line_is_in_the_tests_of_its_file_or_not() {
        check("src/a.rs", 1, "Production 0 ");
        check("src/a.rs", 6, "Tests { first: 6, last: 12 } 3 ");
        check("src/a.rs", 9, "Tests { first: 6, last: 12 } 3 ");
        check("src/a.rs", 12, "Tests { first: 6, last: 12 } 3 ");
        check("tests/a.rs", 9, "Whole 0 ");
        check("src/a.py", 9, "Whole 0 ");
    }

    #[test]
    fn what_would_be_said_to_a_line_is_said() {
        check(
            "src/a.rs",
            3,
            "Production 0 `transmute-rust` matches what is added at line 3",
        );
        // That pattern leaves tests out.
        check("src/a.rs", 10, "Tests { first: 6, last: 12 } 3 ");
        check("src/a.py", 3, "Whole 0 ");
    }

    #[test]
    fn a_line_that_is_not_there_is_said_to_be_none() {
        check(
            "src/a.rs",
            0,
            "`src/a.rs` has 12 lines, so there is no line 0",
        );
        check(
            "src/a.rs",
            13,
            "`src/a.rs` has 12 lines, so there is no line 13",
        );
    }
}
