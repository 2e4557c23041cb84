//! One error of production as a task: where it crashed in `HEAD`, where a fix may go, and what will judge it. Nothing is written anywhere.

pub mod owners;
mod range;
mod suspects;
mod tried;

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::change::RepoPath;
use crate::extract::{self, Asked};
use crate::git::Repo;
use crate::issue::Frame;
use crate::policy::{Explanation, FileKind, Policy};
use crate::source::Window;
use crate::triage::{Ranked, Recurrences, Scene};

use owners::Owners;
pub use range::Range;
pub use suspects::{Span, Suspect, Suspects};
pub use tried::Tried;

/// What an agent is told.
#[derive(Clone, Debug)]
pub struct Brief {
    pub ranked: Ranked,
    pub window: Window,
    /// The commit that the places below are in.
    pub head: Option<String>,
    /// The project's own frames that are in `HEAD`, the innermost first.
    pub places: Vec<Place>,
    /// Where the fix probably goes, likeliest first, and what the policy says of it.
    pub files: Vec<Explanation>,
    /// Commits that may have brought it in; `None` if a shallow clone hides them.
    pub suspects: Option<Suspects>,
    /// Who owns those files, as `CODEOWNERS` of `HEAD` has it; files that nobody owns are left out.
    pub owners: Vec<(RepoPath, Vec<String>)>,
    /// What was tried before and refused, the newest first.
    pub tried: Vec<Tried>,
    /// Tests that speak of these files, by their names.
    pub tests: Vec<RepoPath>,
    /// Trailers that a commit must have.
    pub trailers: Vec<String>,
    /// Whether commits are `fix: …`.
    pub is_conventional: bool,
}

/// A frame in the tree of `HEAD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub path: RepoPath,
    pub function: Option<String>,
    /// Of the crash, if the file of `HEAD` has so many lines.
    pub line: Option<usize>,
    /// Numbered lines around it.
    pub lines: Vec<(usize, String)>,
}

const MAX_PLACES: usize = 5;
const MAX_FILES: usize = 4;
const MAX_TESTS: usize = 4;
/// Before and after the line.
const AROUND: usize = 4;
const MAX_LINE: usize = 200;

/// The brief for the issue whose fingerprint is, or begins with, `name`.
///
/// # Errors
/// [`UsageError`] if no issue, or more than one, is called so; otherwise as [`extract::digest`].
pub fn of(repo: &Repo, policy: &Policy, asked: &Asked, name: &str) -> anyhow::Result<Brief> {
    let digest = extract::digest(repo, policy, asked)?;
    let window = digest.window;
    about(repo, policy, digest.find(name)?, (window, asked.now))
}

/// The brief for an issue of a digest over a window, as of a time.
///
/// # Errors
/// The repository or the record of deployments cannot be read.
pub fn about(
    repo: &Repo,
    policy: &Policy,
    ranked: Ranked,
    (window, now): (Window, Timestamp),
) -> anyhow::Result<Brief> {
    let files = extract::files_of_head(repo)?;
    let scene = Scene {
        files: &files,
        kind_of: &|path: &RepoPath| policy.kind_of(path),
        triage: &policy.triage,
        recurrences: &Recurrences::new(),
    };
    let head_id = repo.head_id()?;
    let places = match head_id {
        Some(head_id) => places(
            repo,
            repo.commit(head_id)?.tree_id,
            &ranked.issue.frames,
            &scene,
        )?,
        None => Vec::new(),
    };
    let suspects = match head_id {
        Some(head_id) => {
            let releases = extract::releases(repo, policy)?;
            suspects::of(repo, head_id, (&places, &ranked.issue), &releases)?
        }
        None => Some(Suspects::default()),
    };
    let mut likely: Vec<RepoPath> = Vec::new();
    for place in &places {
        if !likely.contains(&place.path) {
            likely.push(place.path.clone());
        }
    }
    likely.truncate(MAX_FILES);
    let owners = match head_id {
        Some(head_id) => Owners::of(repo, repo.commit(head_id)?.tree_id)?,
        None => Owners::default(),
    };
    let owned = likely
        .iter()
        .map(|path| (path.clone(), owners.of_path(path)));
    Ok(Brief {
        owners: owned.filter(|(_, owners)| !owners.is_empty()).collect(),
        tried: tried::of(repo, &ranked.issue.fingerprint, now)?,
        tests: tests(&likely, &files, policy),
        files: likely.iter().map(|path| policy.explain(path)).collect(),
        ranked,
        window,
        head: head_id.map(|id| id.to_string()),
        places,
        suspects,
        trailers: policy.message.require_trailers.clone(),
        is_conventional: policy.message.conventional,
    })
}

fn places(
    repo: &Repo,
    tree_id: gix::ObjectId,
    frames: &[Frame],
    scene: &Scene,
) -> anyhow::Result<Vec<Place>> {
    let mut places: Vec<Place> = Vec::new();
    for frame in frames.iter().rev().filter(|frame| frame.in_app) {
        let Some(path) = scene.locate(frame) else {
            continue;
        };
        let bytes = repo.read_file(tree_id, &path)?.unwrap_or_default();
        let place = place(path, frame, &String::from_utf8_lossy(&bytes));
        if !places.contains(&place) {
            places.push(place);
        }
        if places.len() == MAX_PLACES {
            break;
        }
    }
    Ok(places)
}

fn place(path: RepoPath, frame: &Frame, text: &str) -> Place {
    let n_lines = text.lines().count();
    let line = frame.line.and_then(|line| usize::try_from(line).ok());
    let line = line.filter(|line| (1..=n_lines).contains(line));
    let lines = line.map_or(Vec::new(), |line| {
        let numbered = text.lines().enumerate().map(|(n, text)| (n + 1, text));
        let near = numbered.filter(|(n, _)| n.abs_diff(line) <= AROUND);
        near.map(|(n, text)| (n, text.chars().take(MAX_LINE).collect()))
            .collect()
    });
    Place {
        path,
        function: frame.function.clone(),
        line,
        lines,
    }
}

/// Tests whose name holds that of a likely file.
fn tests(likely: &[RepoPath], files: &BTreeSet<RepoPath>, policy: &Policy) -> Vec<RepoPath> {
    let stems: Vec<String> = likely
        .iter()
        .map(stem)
        .filter(|stem| stem.len() > 2)
        .collect();
    let is_near = |path: &&RepoPath| stems.iter().any(|own| stem(path).contains(own.as_str()));
    let near = files.iter().filter(is_near);
    let tests = near.filter(|path| policy.kind_of(path) == FileKind::Test);
    tests.take(MAX_TESTS).cloned().collect()
}

/// The file's name without what follows its first dot, in lower case.
fn stem(path: &RepoPath) -> String {
    let name = String::from_utf8_lossy(path.file_name()).to_lowercase();
    name.split('.').next().unwrap_or("").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(line: u32) -> Frame {
        Frame {
            file: "a.py".to_owned(),
            line: Some(line),
            function: Some("f".to_owned()),
            in_app: true,
        }
    }

    #[test]
    fn the_lines_around_a_crash_are_shown() {
        let text: String = (1..=20).map(|n| format!("line {n}\n")).collect();
        let shown = |line| {
            let place = place(RepoPath::from("a.py"), &frame(line), &text);
            let numbers: Vec<usize> = place.lines.iter().map(|(n, _)| *n).collect();
            (
                place.line,
                numbers.first().copied(),
                numbers.last().copied(),
            )
        };
        assert_eq!(shown(10), (Some(10), Some(6), Some(14)));
        assert_eq!(shown(1), (Some(1), Some(1), Some(5)));
        assert_eq!(shown(20), (Some(20), Some(16), Some(20)));
        // The file was longer when it crashed.
        assert_eq!(shown(21), (None, None, None));
        assert_eq!(shown(0), (None, None, None));
    }

    #[test]
    fn tests_are_found_by_their_names() {
        let policy =
            Policy::load("version: 1\nextends: [default, python]\n", "p.yaml").expect("a policy");
        let files = [
            "shop/cart.py",
            "tests/test_cart.py",
            "tests/test_user.py",
            "docs/cart.md",
        ];
        let files: BTreeSet<RepoPath> = files.iter().map(|path| RepoPath::from(*path)).collect();
        let found = tests(&[RepoPath::from("shop/cart.py")], &files, &policy);
        assert_eq!(found, [RepoPath::from("tests/test_cart.py")]);
    }
}
