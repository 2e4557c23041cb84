//! Rules about what a commit is by its parents.

use super::{Objection, Shape};
use crate::change::Change;
use crate::policy::Rule;

pub(super) fn shape(change: &Change, shape: Shape) -> Vec<Objection> {
    let n_files = change.files.len();
    let objection = match shape {
        Shape::Root => Objection::new(
            Rule::RootCommit,
            format!("the commit has no parent and brings {n_files} files"),
        ),
        Shape::Merge if n_files > 0 => Objection::new(
            Rule::MergeIntroducesChanges,
            format!("the merge differs from its parents' automatic merge in {n_files} files"),
        ),
        Shape::Ordinary if n_files == 0 => Objection::new(Rule::EmptyCommit, "no file is changed"),
        Shape::Ordinary | Shape::Merge => return Vec::new(),
    };
    vec![objection]
}
