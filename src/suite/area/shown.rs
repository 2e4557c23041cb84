//! Folders from outside at their places in a copied tree, where nothing can be mounted: as links to what they hold.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::Context as _;

use super::folders::remove_tree;
use crate::suite::sandbox::make_place;

/// Makes a folder at `place` that links to each entry of `source`. What is a link there is made anew, so that a relative one, such as
/// `node_modules/pkg -> ../packages/pkg`, leads to the tree under test.
pub fn link(source: &Path, tree: &Path, place: &Path) -> anyhow::Result<()> {
    let link = || -> anyhow::Result<()> {
        let place = make_place(tree, place)?;
        remove_tree(&place)?;
        link_entries(source, &place)
    };
    link().with_context(|| format!("show `{}`", source.display()))
}

fn link_entries(source: &Path, place: &Path) -> anyhow::Result<()> {
    fs::create_dir(place)?;
    for entry in fs::read_dir(source)? {
        let entry = entry?;
        let (path, place) = (entry.path(), place.join(entry.file_name()));
        let kind = entry.file_type()?;
        // A scope of npm's: a folder of packages, each of which may be a link.
        let is_scope = entry.file_name().as_encoded_bytes().starts_with(b"@");
        if kind.is_symlink() {
            symlink(fs::read_link(&path)?, &place)?;
        } else if kind.is_dir() && is_scope {
            link_entries(&path, &place)?;
        } else {
            symlink(&path, &place)?;
        }
    }
    Ok(())
}
