//! Trees of a proof that stay for a person to look into: one set at a time, in a folder of their own.

use std::path::PathBuf;

use anyhow::Context as _;

use super::folders::{add_missing, copy_tree, lay_over, remove_tree};
use super::{Area, Side};

impl Area {
    /// Where trees lie that are kept for a person.
    pub fn inspected(&self) -> PathBuf {
        self.root.join("inspect")
    }

    /// Makes room for another set.
    pub fn clear_inspected(&self) -> anyhow::Result<()> {
        let folder = self.inspected();
        remove_tree(&folder)?;
        std::fs::create_dir(&folder).with_context(|| format!("make `{}`", folder.display()))
    }

    /// Copies the tree of a side, whole and without the runner's build output, to the folder `name`, in the place of an earlier one.
    pub fn inspect(&self, name: &str, side: &Side) -> anyhow::Result<()> {
        let folder = self.inspected().join(name);
        remove_tree(&folder)?;
        match &side.below {
            Some(below) => {
                copy_tree(below, &folder)?;
                lay_over(&side.tree(), &folder)
            }
            None => copy_tree(&side.tree(), &folder),
        }
        .and_then(|()| match &side.built {
            Some(built) => add_missing(built, &folder),
            None => Ok(()),
        })
        .with_context(|| format!("keep the tree of {name}"))
    }
}
