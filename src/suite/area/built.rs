//! What commands make of one tree's own sources: seen in every run of that side, and in no other's.
//!
//! They work in a tree without the guard's own tests. What they leave is copied, as far as it counts, below the side's tree and below what
//! setup installed: no file of those can be changed or hidden by it, whatever the commands wrote.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use super::folders::{add_missing, copy_entry, copy_tree, lay_over, remove_tree};
use super::setup::Site;
use super::{Area, Beside, Phase, Side, job_spec, shown};
use crate::suite::process::{Finished, Job};
use crate::suite::sandbox::{Outside, View, Written};

/// A tree in which commands are at work.
#[derive(Debug)]
pub enum BuildSite {
    /// What they write stays in a layer above it.
    Layers(Side),
    /// A whole copy of it, where the kernel takes no layers here.
    Copy(Site),
}

/// How deep folders may lie in each other.
const MAX_DEPTH: usize = 64;

impl Area {
    /// Begins a build: `lay_out` writes what is otherwise than in the tree of `base` into the folder that it is given.
    pub fn begin_build(
        &self,
        base: &Side,
        lay_out: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<BuildSite> {
        let mut side = self.new_side()?;
        side.below = Some(base.tree());
        lay_out(&side.tree()).context("lay out a tree to build")?;
        if self.has_layers()? {
            fs::create_dir(side.written()).context("make a layer")?;
            return Ok(BuildSite::Layers(side));
        }
        let whole = self.new_side()?;
        remove_tree(&whole.tree())?;
        copy_tree(&base.tree(), &whole.tree())?;
        lay_over(&side.tree(), &whole.tree())?;
        match self.layer.get() {
            Some(layer) => {
                add_missing(&layer.tree(), &whole.tree())?;
                copy_tree(&layer.home(), &whole.home())?;
            }
            None => fs::create_dir(whole.home()).context("make a `HOME`")?,
        }
        self.remove_side(side)?;
        Ok(BuildSite::Copy(Site::of(whole)))
    }

    /// Runs one command of a build, without a network. What it writes to the tree stays until the build ends.
    pub fn build(&self, site: &BuildSite, job: &Job) -> anyhow::Result<Finished> {
        let side = match site {
            BuildSite::Copy(site) => {
                if !self.sandbox.namespaces {
                    for (source, place) in &job.shown {
                        shown::link(source, &site.tree(), place)?;
                    }
                }
                return self.set_up(site, &Outside::Nothing, job);
            }
            BuildSite::Layers(side) => side,
        };
        self.check(job)?;
        let mut view = self.layers(side, Phase::Run)?;
        if let View::Layers { written, .. } = &mut view {
            *written = Some(Written {
                upper: self.inside(&side.written())?,
                work: self.inside(&side.folder.join("work"))?,
            });
        }
        let mut finished = self.launch(view, vec![job_spec(job)?], Beside::NOTHING)?;
        finished.pop().context("the sandbox did not answer")
    }

    /// Ends a build: of what it made, `side` has from now on whatever `counts`. A folder that does not count is left out with all in it.
    /// The answer is a file that would count and stands among what setup installed, where it is another one or none.
    pub fn end_build(
        &self,
        site: BuildSite,
        side: &mut Side,
        counts: impl Fn(&Path) -> bool,
    ) -> anyhow::Result<Option<PathBuf>> {
        let (left, written) = match site {
            BuildSite::Layers(left) => {
                let written = left.written();
                (left, written)
            }
            BuildSite::Copy(site) => {
                let written = site.tree();
                (site.into_side(), written)
            }
        };
        let built = side.folder.join("built");
        fs::create_dir(&built).context("make a folder for what is built")?;
        let mut files = Vec::new();
        list(&written, Path::new(""), &counts, 0, &mut files).context("list what was built")?;
        let mut other = None;
        for place in files {
            match self.layer.get().filter(|layer| layer.covers(&place)) {
                None => {
                    let copy = built.join(&place);
                    fs::create_dir_all(copy.parent().context("a file without a folder")?)?;
                    copy_entry(&written.join(&place), &copy).context("keep what was built")?;
                }
                // What setup installed wins anyway; among its folders nothing may be added either.
                Some(layer) => {
                    let is_same = is_same(&written.join(&place), &layer.tree().join(&place))?;
                    other = other.or((!is_same).then_some(place));
                }
            }
        }
        side.built = Some(built);
        self.remove_side(left)?;
        Ok(other)
    }
}

impl Side {
    fn written(&self) -> PathBuf {
        self.folder.join("written")
    }
}

/// The files and links that count, also in folders below. The marks of layers and other specials are left behind.
fn list(
    top: &Path,
    folder: &Path,
    counts: &impl Fn(&Path) -> bool,
    depth: usize,
    files: &mut Vec<PathBuf>,
) -> anyhow::Result<()> {
    ensure!(depth < MAX_DEPTH, "its folders are too deep");
    for entry in fs::read_dir(top.join(folder))? {
        let entry = entry?;
        let place = folder.join(entry.file_name());
        let kind = entry.file_type()?;
        if !counts(&place) {
            continue;
        }
        if kind.is_dir() {
            list(top, &place, counts, depth + 1, files)?;
        } else if kind.is_file() || kind.is_symlink() {
            files.push(place);
        }
    }
    Ok(())
}

/// Whether two places hold the same file or the same link.
fn is_same(one: &Path, other: &Path) -> anyhow::Result<bool> {
    let Ok(data) = fs::symlink_metadata(other) else {
        return Ok(false);
    };
    if fs::symlink_metadata(one)?.is_symlink() {
        return Ok(data.is_symlink() && fs::read_link(one)? == fs::read_link(other)?);
    }
    Ok(data.is_file() && fs::read(one)? == fs::read(other)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_what_counts_is_taken_and_no_special_file() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};

        let folder = tempfile::tempdir().expect("a folder");
        let from = folder.path().join("from");
        fs::create_dir(&from).expect("a folder");
        for file in ["lib/a.js", "lib/no.js", "no/b.js", "empty/no.js"] {
            let path = from.join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, file).expect("a file");
        }
        symlink("a.js", from.join("lib/link")).expect("a link");
        let pipe = from.join("lib/pipe");
        mknodat(CWD, pipe, FileType::Fifo, Mode::RUSR, 0).expect("a pipe");
        let counts = |place: &Path| {
            !place
                .file_name()
                .is_some_and(|name| name == "no" || name == "no.js")
        };
        let mut files = Vec::new();
        list(&from, Path::new(""), &counts, 0, &mut files).expect("listed");
        files.sort();
        assert_eq!(files, ["lib/a.js", "lib/link"].map(PathBuf::from));
    }

    #[test]
    fn the_same_file_is_the_same_content_or_the_same_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        for (name, text) in [("a", "one"), ("b", "one"), ("c", "two")] {
            fs::write(at(name), text).expect("a file");
        }
        symlink("a", at("d")).expect("a link");
        symlink("a", at("e")).expect("a link");
        for (one, other, expected) in [
            ("a", "b", true),
            ("a", "c", false),
            ("a", "d", false),
            ("d", "a", false),
            ("d", "e", true),
            ("a", "none", false),
        ] {
            let is_same = is_same(&at(one), &at(other)).expect("compared");
            assert_eq!(is_same, expected, "{one} {other}");
        }
    }
}
