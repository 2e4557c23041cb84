//! Which folders of its own a job may write to, and which it may only read: the same for every kind of sandbox.

use std::path::{Path, PathBuf};

use super::spec::{JobSpec, Spec, Text, View};

/// The folders that a job may write to, and those of its own that it may only read.
pub fn folders(spec: &Spec, job: &JobSpec) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let root = spec.root.as_path();
    let scratch = job.scratch.iter().map(Text::to_path_buf);
    let mut written: Vec<PathBuf> = ["tree", "home", "tmp"]
        .iter()
        .map(|name| root.join("view").join(name))
        .collect();
    let mut only_read = vec![root.join("view")];
    match &spec.view {
        View::Layers { .. } | View::Setup { .. } => {
            written.push(root.join("view/target"));
            written.push(root.join("shm"));
            written.extend(scratch);
            if owns_tmp(root) {
                written.push("/tmp".into());
            }
        }
        View::Folders { writable } => {
            only_read.extend(scratch);
            if *writable {
                written.push(root.join("view/target"));
            }
        }
    }
    (written, only_read)
}

/// Whether a job has a `/tmp` of its own: not if the work area lies in it.
pub fn owns_tmp(root: &Path) -> bool {
    !root.starts_with("/tmp")
}
