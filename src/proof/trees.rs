//! The trees of a proof, laid out in a work area with the guard's own failing test in each.

use std::cell::OnceCell;
use std::io::Read as _;

use anyhow::{Context as _, ensure};
use gix::ObjectId;

use super::Tree;
use crate::change::{FileMode, RepoPath};
use crate::git::{Blob, Edit, Repo};
use crate::suite::NotBuilt;
use crate::suite::area::{Area, HAS_WHITEOUTS, Side};
use crate::suite::runner::{Canary, Runner};

/// The trusted tree, laid out and built: every other tree is a difference from it.
#[derive(Debug)]
pub struct Base {
    pub side: Side,
    pub tree_id: ObjectId,
}

/// One tree of a proof. It is laid out when tests first run on it: where all its results are known, never.
#[derive(Debug)]
pub struct LaidOut {
    pub tree: Tree,
    /// As it was asked for, without the canary.
    pub tree_id: ObjectId,
    pub ground: OnceCell<Ground>,
}

/// Where a tree lies.
#[derive(Debug)]
pub struct Ground {
    pub side: Side,
    /// The touched test files that this tree has, and the canary's own file where it needed one.
    pub files: Vec<RepoPath>,
    /// A command of the policy's that could not build it: then no test runs here.
    pub not_built: Option<NotBuilt>,
}

impl LaidOut {
    pub fn when_needed(tree: Tree, tree_id: ObjectId) -> LaidOut {
        LaidOut {
            tree,
            tree_id,
            ground: OnceCell::new(),
        }
    }
}

/// A name and a nonce that nobody can guess.
pub fn new_canary() -> anyhow::Result<Canary> {
    let mut bytes = [0u8; 24];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("read random bytes from `/dev/urandom`")?;
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    Ok(Canary {
        name: format!("koan_{}", hex(&bytes[..8])),
        nonce: hex(&bytes[8..]),
    })
}

/// Plants the canary into every touched test file of the tree and exports the tree as a side of the area.
pub fn lay_out(
    repo: &Repo,
    area: &Area,
    base: &Base,
    runner: &dyn Runner,
    canary: &Canary,
    (tree, tree_id): (Tree, ObjectId),
    touched: &[RepoPath],
) -> anyhow::Result<Ground> {
    let all = repo.files(tree_id)?;
    let mut files: Vec<RepoPath> = Vec::new();
    let mut edits = Vec::new();
    let mut planted = Vec::new();
    for path in touched {
        let Some(file) = all.iter().find(|file| file.path == *path) else {
            continue;
        };
        files.push(path.clone());
        if !matches!(file.mode, FileMode::Regular | FileMode::Executable) {
            continue;
        }
        let content = repo
            .read_file(tree_id, path)?
            .with_context(|| format!("{path:?} is in the tree and cannot be read"))?;
        if let Some(content) = runner.plant(path, &content, canary) {
            planted.push(path.clone());
            edits.push(Edit::Put {
                path: path.clone(),
                mode: file.mode,
                content: Blob::Bytes(content),
            });
        }
    }
    let paths: Vec<RepoPath> = all.into_iter().map(|file| file.path).collect();
    for (path, content) in runner.canary_files(&paths, touched, &planted, canary) {
        edits.push(Edit::Put {
            path: path.clone(),
            mode: FileMode::Regular,
            content: Blob::Bytes(content),
        });
        files.push(path);
    }
    ensure!(
        !edits.is_empty() || !runner.has_canary(),
        "a proof without a touched test file"
    );
    let planted_tree_id = repo.edit_tree(tree_id, edits)?;
    let side = area
        .add_side(Some(&base.side), |folder| match HAS_WHITEOUTS {
            true => repo.export_over(base.tree_id, planted_tree_id, folder),
            false => repo.export(planted_tree_id, folder),
        })
        .with_context(|| format!("lay out {tree}"))?;
    Ok(Ground {
        side,
        files,
        not_built: None,
    })
}
