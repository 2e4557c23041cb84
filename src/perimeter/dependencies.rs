//! Rules about whose code runs: manifests and lock files of the common ecosystems.

use super::Objection;
use super::names::{self, LOCKFILES, MANIFESTS};
use crate::change::Change;
use crate::policy::{self, Rule};

pub(super) fn dependencies(change: &Change) -> Vec<Objection> {
    let mut objections = Vec::new();
    for file in &change.files {
        let path = &file.path;
        let name = policy::fold(path.as_bytes());
        if names::is_one_of(&name, LOCKFILES) {
            let fact = format!("`{path}` is a lock file");
            objections.push(Objection::file(Rule::LockfileChanged, path, fact));
        } else if names::is_one_of(&name, MANIFESTS) {
            let fact = format!("`{path}` names dependencies");
            objections.push(Objection::file(Rule::ManifestChanged, path, fact));
        }
    }
    objections
}
