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
        Shape::Octopus(n_parents) => Objection::new(
            Rule::MergeIntroducesChanges,
            format!(
                "the merge has {n_parents} parents, and one of more than two is not made again"
            ),
        ),
        Shape::Ordinary if n_files == 0 => Objection::new(Rule::EmptyCommit, "no file is changed"),
        Shape::Ordinary | Shape::Merge => return Vec::new(),
    };
    vec![objection]
}

#[cfg(test)]
mod tests {
    use super::super::change_of::change;
    use super::*;

    #[test]
    fn a_commit_is_judged_by_its_parents() {
        let [none, one] = [change(&[]), change(&[("a", "", "x\n")])];
        for (commit, change, expected) in [
            (Shape::Ordinary, &one, None),
            (Shape::Ordinary, &none, Some(Rule::EmptyCommit)),
            (Shape::Merge, &none, None),
            (Shape::Merge, &one, Some(Rule::MergeIntroducesChanges)),
            (Shape::Octopus(3), &none, Some(Rule::MergeIntroducesChanges)),
            (Shape::Root, &none, Some(Rule::RootCommit)),
            (Shape::Root, &one, Some(Rule::RootCommit)),
        ] {
            let rules = shape(change, commit).into_iter().map(|found| found.rule);
            let expected: Vec<Rule> = expected.into_iter().collect();
            assert_eq!(Vec::from_iter(rules), expected, "{commit:?}");
        }
    }
}
