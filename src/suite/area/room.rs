//! A tree and a `HOME` of somebody who works in them: what is written there stays, until the area goes.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::folders::{add_missing, copy_entry, copy_tree, remove_tree};
use super::setup::Site;
use super::{Area, shown};
use crate::suite::process::{Finished, Job};
use crate::suite::sandbox::Outside;

/// Where an agent works.
#[derive(Debug)]
pub struct Room<'a> {
    area: &'a Area,
    site: Site,
}

impl Area {
    /// Makes a room: `lay_out` writes the tree, and what setup installed is copied beside it, since what a layer holds is everybody's.
    pub fn room(
        &self,
        lay_out: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<Room<'_>> {
        let side = self.add_side(None, lay_out)?;
        let site = Site::of(side);
        match self.layer.get() {
            Some(layer) => {
                add_missing(&layer.tree(), &site.tree())?;
                copy_tree(&layer.home(), &site.home())?;
            }
            None => fs::create_dir(site.home()).context("make a `HOME`")?,
        }
        Ok(Room { area: self, site })
    }

    /// Whether a file at `path` of the tree would stand among what setup made.
    pub fn has_installed(&self, path: &Path) -> bool {
        self.layer.get().is_some_and(|layer| layer.covers(path))
    }

    /// A file of the area's own, which no job sees and which stays when the area is closed.
    pub fn own_file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

impl Room<'_> {
    /// Where its tree stands, outside the view. No program of it may be run there.
    pub fn tree(&self) -> PathBuf {
        self.site.tree()
    }

    pub fn home(&self) -> PathBuf {
        self.site.home()
    }

    /// Runs one command in it, shut in; nothing that it started is alive afterwards.
    pub fn run(&self, outside: &Outside, job: &Job) -> anyhow::Result<Finished> {
        if !self.area.sandbox.namespaces {
            for (source, place) in &job.shown {
                shown::link(source, &self.site.tree(), place)?;
            }
        }
        self.area.set_up(&self.site, outside, job)
    }

    /// Puts `from` in the place of whatever is at `place` of the tree.
    pub fn restore(&self, from: &Path, place: &str) -> anyhow::Result<()> {
        let to = self.tree().join(place);
        remove_any(&to)?;
        copy_entry(from, &to)
    }

    /// Moves what is at `place` of the tree to a folder that no job sees, and tells where.
    pub fn put_aside(&self, place: &str) -> anyhow::Result<PathBuf> {
        let folder = self.area.new_side()?.folder;
        let to = folder.join("aside");
        copy_entry(&self.tree().join(place), &to)?;
        Ok(to)
    }

    /// Links to a folder of the user's, which jobs can only read, unless something is there.
    pub fn link_home(&self, place: &Path, to: &Path) -> anyhow::Result<()> {
        let path = self.place_in_home(place)?;
        match fs::symlink_metadata(&path) {
            Ok(_) => Ok(()),
            Err(_) => symlink(to, &path).with_context(|| format!("link `{}`", path.display())),
        }
    }

    /// Where `place` is below `HOME`; the folders on the way are made, and no link is followed.
    fn place_in_home(&self, place: &Path) -> anyhow::Result<PathBuf> {
        let name = place.file_name().context("a file without a name")?;
        let mut folder = self.home();
        for part in place.parent().iter().flat_map(|parent| parent.iter()) {
            folder.push(part);
            match fs::symlink_metadata(&folder) {
                Ok(data) if data.is_dir() => continue,
                Ok(_) => remove_any(&folder)?,
                Err(_) => {}
            }
            fs::create_dir(&folder).with_context(|| format!("make `{}`", folder.display()))?;
        }
        Ok(folder.join(name))
    }

    /// Writes a file below `HOME`, in place of what is there; no link on the way is followed.
    pub fn write_home(&self, place: &Path, bytes: &[u8]) -> anyhow::Result<()> {
        let path = self.place_in_home(place)?;
        remove_any(&path)?;
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = options
            .open(&path)
            .with_context(|| format!("write `{}`", path.display()))?;
        Ok(file.write_all(bytes)?)
    }
}

fn remove_any(path: &Path) -> anyhow::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(data) if data.is_dir() => remove_tree(path),
        Ok(_) => fs::remove_file(path).with_context(|| format!("remove `{}`", path.display())),
        Err(_) => Ok(()),
    }
}
