//! One shipped change made in memory: the tree before it, the tree after it, and what is between them.

use anyhow::{Context as _, bail, ensure};
use gix::ObjectId;

use super::places::{self, Places};
use super::table::{self, Case, Step, Verb};
use crate::change::{CommitMessage, FileMode, RepoPath};
use crate::check::Subject;
use crate::git::{Blob, Edit, Repo};
use crate::perimeter::Shape;

/// Makes the change of a case; `None` where the policy knows no test of the language that it is about.
pub(super) fn subject(
    repo: &Repo,
    places: &Places,
    case: &Case,
) -> anyhow::Result<Option<Subject>> {
    let mut parent_tree_id = places.tree_id;
    let mut tree_id = None;
    for step in &case.steps {
        let Some(path) = places.fill(step.path) else {
            return Ok(None);
        };
        let Some(text) = places.fill(&step.text) else {
            return Ok(None);
        };
        let (path, text) = (table::expand(&path)?, table::expand(&text)?);
        let from = tree_id.unwrap_or(parent_tree_id);
        let edit =
            edit(repo, from, step, &path, text).with_context(|| format!("make `{}`", case.name))?;
        let edited = repo.edit_tree(from, vec![edit])?;
        match step.verb {
            Verb::Has => {
                ensure!(
                    tree_id.is_none(),
                    "`{}` has `has` behind a change",
                    case.name
                );
                parent_tree_id = edited;
            }
            _ => tree_id = Some(edited),
        }
    }
    if case.shape == Shape::Root {
        parent_tree_id = repo.empty_tree_id();
    }
    let tree_id = tree_id.unwrap_or(parent_tree_id);
    // A commit without a parent brings all that there is: a few files are enough to be one.
    let change = match case.shape {
        Shape::Root => repo.diff(places.tree_id, tree_id)?,
        Shape::Ordinary | Shape::Merge | Shape::Octopus(_) => repo.diff(parent_tree_id, tree_id)?,
    };
    Ok(Some(Subject {
        holds_fix: false,
        range: None,
        commit: None,
        message: Some(CommitMessage::new(case.message.as_str())),
        parent_tree_id,
        tree_id,
        change,
        shape: case.shape,
    }))
}

fn edit(
    repo: &Repo,
    tree_id: ObjectId,
    step: &Step,
    name: &str,
    text: String,
) -> anyhow::Result<Edit> {
    let path = RepoPath::from(name);
    let old = || -> anyhow::Result<String> {
        let bytes = repo
            .read_file(tree_id, &path)?
            .with_context(|| format!("no `{name}`"))?;
        Ok(String::from_utf8(bytes)?)
    };
    let comments = |n: usize| -> String {
        let mark = places::comment(name);
        (1..=n).map(|n| format!("{mark} line {n}\n")).collect()
    };
    let (mode, content) = match (step.verb, step.n_lines) {
        (Verb::Has | Verb::Add, Some(n)) => (FileMode::Regular, comments(n)),
        (Verb::Has | Verb::Add, None) => (FileMode::Regular, text),
        (Verb::Append, None) => (FileMode::Regular, old()? + &text),
        (Verb::Grow, Some(n)) => (FileMode::Regular, old()? + &comments(n)),
        (Verb::Scatter, Some(n)) => (FileMode::Regular, scattered(&old()?, n)?),
        (Verb::Shrink, Some(n)) => (FileMode::Regular, shrunk(&old()?, n)),
        (Verb::Executable, None) => (FileMode::Executable, old()?),
        (Verb::Link, None) => (FileMode::Symlink, text.trim_end().to_owned()),
        (Verb::Delete, None) => return Ok(Edit::Remove { path }),
        (Verb::Submodule, None) => {
            return Ok(Edit::Put {
                path,
                mode: FileMode::Gitlink,
                // No commit of another project is there to be named: any id is as foreign.
                content: Blob::Id(tree_id),
            });
        }
        _ => bail!("a number of lines is missing, or there for nothing"),
    };
    Ok(Edit::Put {
        path,
        mode,
        content: Blob::Bytes(content.into_bytes()),
    })
}

/// `n` lines changed, none beside another.
fn scattered(text: &str, n: usize) -> anyhow::Result<String> {
    let n_lines = text.lines().count();
    ensure!(n_lines >= 2 * n, "too few lines to change {n} of them");
    let step = n_lines / n;
    let lines = text.lines().enumerate().map(|(at, line)| {
        let is_changed = at % step == 0 && at / step < n;
        format!("{line}{}\n", if is_changed { " again" } else { "" })
    });
    Ok(lines.collect())
}

/// Without `n` lines of its middle.
fn shrunk(text: &str, n: usize) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let middle = lines.len() / 2;
    let rest = lines.iter().enumerate();
    rest.filter(|(at, _)| !(middle..middle + n).contains(at))
        .map(|(_, line)| *line)
        .collect()
}
