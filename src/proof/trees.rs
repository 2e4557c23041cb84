//! The trees of a proof, laid out in a work area with the guard's own failing test in each.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use gix::ObjectId;

use super::Tree;
use crate::change::{FileMode, RepoPath};
use crate::git::{Blob, Edit, Repo};
use crate::suite::NotBuilt;
use crate::suite::area::{Area, BuildOutput, HAS_WHITEOUTS, Side};
use crate::suite::runner::{Canary, Runner};

/// The trusted tree, laid out and built: every other tree is a difference from it.
#[derive(Debug)]
pub struct Base {
    pub side: Side,
    pub tree_id: ObjectId,
}

/// A tree that was built, for others that are it but for a value: only what they have otherwise is built again. Nobody else starts from it: what
/// compiles judged code could leave anything in its build output.
#[derive(Debug)]
pub struct Built {
    output: BuildOutput,
    /// With the canary, as it was built.
    tree_id: ObjectId,
    laid_out: PathBuf,
}

/// One tree of a proof. It is laid out when tests first run on it: where all its results are known, never.
#[derive(Debug)]
pub struct LaidOut {
    pub tree: Tree,
    /// As it was asked for, without the canary.
    pub tree_id: ObjectId,
    /// Whether it is AFTER but for a value in it, so that it can start from what was built there.
    pub is_like_after: bool,
    pub ground: OnceCell<Ground>,
}

/// Where a tree lies.
#[derive(Debug)]
pub struct Ground {
    pub side: Side,
    /// With the canary.
    planted_tree_id: ObjectId,
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
            is_like_after: false,
            ground: OnceCell::new(),
        }
    }

    /// AFTER with another value somewhere.
    pub fn like_after(tree_id: ObjectId) -> LaidOut {
        LaidOut {
            is_like_after: true,
            ..LaidOut::when_needed(Tree::After, tree_id)
        }
    }
}

impl Ground {
    /// As it was built.
    pub fn built(&self) -> Built {
        Built {
            output: self.side.build_output(),
            tree_id: self.planted_tree_id,
            laid_out: self.side.tree(),
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

/// Plants the canary into every touched test file of the tree and exports the tree as a side of the area, whose build output begins as that of
/// `built`, or of the base.
pub fn lay_out(
    repo: &Repo,
    area: &Area,
    (base, built): (&Base, Option<&Built>),
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
    // Where a tree is laid out as a whole, all of it is younger than any build output.
    let built = built.filter(|_| HAS_WHITEOUTS);
    let output = built.map_or_else(|| base.side.build_output(), |built| built.output.clone());
    let also = built.map(|built| built.tree_id);
    let side = area
        .add_side_with(Some(&base.side), Some(output), |folder| {
            match HAS_WHITEOUTS {
                true => repo.export_over((base.tree_id, also), planted_tree_id, folder)?,
                false => repo.export(planted_tree_id, folder)?,
            }
            match built {
                Some(built) => inherit_times(repo, built, planted_tree_id, folder),
                None => Ok(()),
            }
        })
        .with_context(|| format!("lay out {tree}"))?;
    Ok(Ground {
        side,
        planted_tree_id,
        files,
        not_built: None,
    })
}

/// Gives the files that are as they were in `built` the times that they had there, so that build tools take what was made of them for current. All
/// other files stay younger than that.
fn inherit_times(
    repo: &Repo,
    built: &Built,
    tree_id: ObjectId,
    folder: &Path,
) -> anyhow::Result<()> {
    let before = repo.files(built.tree_id)?;
    let before: HashMap<_, _> = before
        .into_iter()
        .map(|file| (file.path, (file.mode, file.id)))
        .collect();
    let is_file = |path: &Path| fs::symlink_metadata(path).is_ok_and(|data| data.is_file());
    for file in repo.files(tree_id)? {
        if before.get(&file.path) != Some(&(file.mode, file.id)) {
            continue;
        }
        let (from, to) = (
            built.laid_out.join(file.path.as_path()),
            folder.join(file.path.as_path()),
        );
        // What is in neither is that of the base.
        if is_file(&from) && is_file(&to) {
            let time = fs::metadata(&from)?.modified()?;
            File::open(&to)?
                .set_modified(time)
                .with_context(|| format!("give `{}` its time", to.display()))?;
        }
    }
    Ok(())
}
