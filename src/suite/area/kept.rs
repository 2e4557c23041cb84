//! What outlives a proof: a trusted tree, laid out and built once, below the sides of later proofs as long as nobody touched it.
//!
//! It lies in the user's cache, where whoever works as that user can write. A manifest tells whether anything in it has changed since it was
//! kept; it is no signature.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::folders::remove_tree;
use super::{Area, Side, manifest};

/// A side whose build output is finished. No job may build in it again: sides lie above it.
#[derive(Debug)]
pub struct Kept {
    pub side: Side,
    /// The tree that was laid out and built.
    pub tree_id: String,
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    key: String,
    tree_id: String,
    /// Of what the folders hold: see [`manifest`].
    digest: String,
}

const MANIFEST: &str = "manifest.json";

impl Area {
    /// What was kept under `key`. Anything that is not as it was left is removed.
    ///
    /// # Errors
    /// The folder cannot be read or cleared.
    pub fn kept(&self, key: &str) -> anyhow::Result<Option<Kept>> {
        let folder = self.kept_folder();
        if let Ok(Some(kept)) = read(&folder, key) {
            return Ok(Some(kept));
        }
        // Of another key, of an earlier version, half written, or touched: all the same.
        remove_tree(&folder)?;
        Ok(None)
    }

    /// Keeps a side.
    ///
    /// # Errors
    /// It cannot be moved or listed. Nothing is kept then.
    pub fn keep(&self, key: &str, kept: Kept) -> anyhow::Result<Kept> {
        let folder = self.kept_folder();
        remove_tree(&folder)?;
        let manifest = Manifest {
            key: key.to_owned(),
            tree_id: kept.tree_id.clone(),
            digest: digest(&kept.side)?,
        };
        let is_whole =
            kept.side.lower.is_empty() && kept.side.below.is_none() && kept.side.built.is_none();
        ensure!(is_whole, "it lies above others");
        let text = serde_json::to_vec(&manifest)?;
        fs::write(kept.side.folder.join(MANIFEST), text).context("write a manifest")?;
        fs::rename(&kept.side.folder, &folder).context("keep the build output")?;
        Ok(Kept {
            side: Side {
                folder,
                ..kept.side
            },
            ..kept
        })
    }

    fn kept_folder(&self) -> PathBuf {
        self.root.join("kept")
    }
}

fn read(folder: &Path, key: &str) -> anyhow::Result<Option<Kept>> {
    let Ok(text) = fs::read(folder.join(MANIFEST)) else {
        return Ok(None);
    };
    let manifest: Manifest = serde_json::from_slice(&text)?;
    let side = Side {
        folder: folder.to_owned(),
        lower: Vec::new(),
        below: None,
        built: None,
    };
    if manifest.key != key || manifest.digest != digest(&side)? {
        return Ok(None);
    }
    Ok(Some(Kept {
        side,
        tree_id: manifest.tree_id,
    }))
}

/// SHA-256 of the manifests of tree and build output.
fn digest(side: &Side) -> anyhow::Result<String> {
    let mut hash = Sha256::new();
    for folder in [side.tree(), side.target()] {
        let manifest = manifest::of(&folder)?;
        hash.update(manifest.len().to_le_bytes());
        hash.update(manifest);
    }
    let hash = hash.finalize();
    Ok(hash.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::suite::sandbox::{Sandbox, SandboxLevel};

    fn area(root: &Path) -> Area {
        let sandbox = Sandbox {
            level: SandboxLevel::None,
            landlock_abi: 0,
            namespaces: false,
            seccomp: false,
            seatbelt: false,
            missing: Vec::new(),
            launcher: PathBuf::from("/nonexistent/launcher"),
        };
        Area::open(root, &sandbox, Duration::ZERO).expect("an area")
    }

    fn keep(root: &Path, key: &str) {
        let area = area(root);
        let side = area
            .add_side(None, |tree| Ok(fs::write(tree.join("source"), "")?))
            .expect("a side");
        fs::create_dir(side.target().join("debug")).expect("a folder");
        fs::write(side.target().join("debug/lib"), "built").expect("a file");
        let kept = Kept {
            side,
            tree_id: "tree".into(),
        };
        area.keep(key, kept).expect("kept");
    }

    #[test]
    fn build_output_is_found_again_as_it_was_left() {
        let root = tempfile::tempdir().expect("a folder");
        keep(root.path(), "key");
        let kept = area(root.path()).kept("key").expect("read");
        let kept = kept.expect("it is there");
        assert_eq!(kept.tree_id, "tree");
        let built = fs::read(kept.side.target().join("debug/lib")).expect("a file");
        assert_eq!(built, b"built");
        assert!(kept.side.tree().join("source").exists());
    }

    #[test]
    fn what_somebody_touched_is_gone() {
        let touch: [fn(&Path); 5] = [
            |kept| fs::write(kept.join("tree/source"), "other").expect("a file"),
            |kept| fs::write(kept.join("target/debug/lib"), "other").expect("a file"),
            |kept| fs::write(kept.join("target/more"), "").expect("a file"),
            |kept| fs::remove_file(kept.join("target/debug/lib")).expect("a file"),
            |kept| fs::write(kept.join(MANIFEST), "{").expect("a file"),
        ];
        for touch in touch {
            let root = tempfile::tempdir().expect("a folder");
            keep(root.path(), "key");
            touch(&root.path().join("kept"));
            assert!(area(root.path()).kept("key").expect("read").is_none());
            assert!(!root.path().join("kept").exists());
        }
    }

    #[test]
    fn what_was_kept_for_other_tools_is_gone() {
        let root = tempfile::tempdir().expect("a folder");
        keep(root.path(), "key");
        assert!(area(root.path()).kept("other").expect("read").is_none());
        assert!(area(root.path()).kept("key").expect("read").is_none());
    }
}
