//! What setup installs into the tree and into `HOME`: made once, kept under its digest, and laid below every run.
//!
//! A layer comes to its name when it is whole, so one that a killed guard left half made is never found. Files of the tree under test
//! always win over the layer's.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

use super::folders::remove_tree;
use super::{Area, Beside, Phase, Side, job_spec, manifest};
use crate::suite::process::{Finished, Job};
use crate::suite::sandbox::{Outside, View};

/// How many layers an area keeps, the one in use included.
const KEPT: usize = 3;

/// What setup installed, whole and as it was left.
#[derive(Clone, Debug)]
pub struct Layer {
    folder: PathBuf,
    /// What setup made in the tree that the tree does not have: the topmost paths, relative to its top.
    pub roots: Vec<PathBuf>,
}

/// A tree in which setup is at work.
#[derive(Debug)]
pub struct Site {
    side: Side,
    /// What the tree held before, and whether that is a folder.
    held: BTreeMap<PathBuf, bool>,
}

/// What setup installed, as runners see it.
#[derive(Debug)]
pub struct SetUp {
    area: Arc<Area>,
    side: Side,
    layer: Layer,
}

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    digest: String,
    roots: Vec<Vec<u8>>,
}

impl Area {
    /// The layer of that digest, if one is there and nothing in it has changed since it was made.
    pub fn find_layer(&self, digest: &str) -> anyhow::Result<Option<Layer>> {
        let folder = self.layers_dir().join(digest);
        let file = folder.join("manifest");
        let Ok(said) = fs::read_to_string(&file) else {
            return Ok(None);
        };
        let Some((head, entries)) = said.split_once('\n') else {
            return Ok(None);
        };
        let head: Head = match serde_json::from_str(head) {
            Ok(head) => head,
            Err(_) => return Ok(None),
        };
        if head.digest != digest || entries != entries_of(&folder)? {
            return Ok(None);
        }
        fs::File::open(&file)?
            .set_modified(SystemTime::now())
            .with_context(|| format!("mark `{}` as used", file.display()))?;
        let roots = head.roots.iter().map(|root| path_of(root)).collect();
        Ok(Some(Layer { folder, roots }))
    }

    /// Begins a layer: `lay_out` writes the tree into the folder that it is given, and `seed` what `HOME` begins with.
    pub fn begin_layer(
        &self,
        lay_out: impl FnOnce(&Path) -> anyhow::Result<()>,
        seed: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<Site> {
        let side = self.add_side(None, lay_out)?;
        fs::create_dir(side.home()).context("make a `HOME`")?;
        seed(&side.home())?;
        let mut held = BTreeMap::new();
        list(&side.tree(), &side.tree(), &mut held)?;
        Ok(Site { side, held })
    }

    /// Runs one command of the setup. What it writes to the tree and to `HOME` stays; `outside` says to whom it may speak.
    pub fn set_up(&self, site: &Site, outside: &Outside, job: &Job) -> anyhow::Result<Finished> {
        self.check(job)?;
        let jobs = vec![job_spec(job)?];
        let beside = Beside::Outside(outside);
        let mut finished = if self.sandbox.namespaces {
            let view = View::Setup {
                tree: self.inside(&site.side.tree())?,
                home: self.inside(&site.side.home())?,
            };
            self.launch(view, jobs, beside)?
        } else {
            self.set_up_in_folders(site, jobs, beside)?
        };
        finished.pop().context("the sandbox did not answer")
    }

    /// Ends a layer: what the tree held before is taken out of it, and it comes to its name. The oldest layers make room.
    pub fn keep_layer(&self, site: Site, digest: &str) -> anyhow::Result<Layer> {
        let Site { side, held } = site;
        strip(&side.tree(), &held).context("tell what setup made from what the tree had")?;
        let mut roots = Vec::new();
        for part in [side.tree(), side.home()] {
            drop_specials(&part)?;
        }
        find_roots(&side.tree(), &side.tree(), &held, &mut roots)?;
        let made = self.new_side()?.folder;
        remove_tree(&made)?;
        fs::create_dir(&made)?;
        fs::rename(side.tree(), made.join("tree"))?;
        fs::rename(side.home(), made.join("home"))?;
        let head = Head {
            digest: digest.to_owned(),
            roots: roots
                .iter()
                .map(|root| root.as_os_str().as_bytes().to_vec())
                .collect(),
        };
        let text = format!("{}\n{}", serde_json::to_string(&head)?, entries_of(&made)?);
        fs::write(made.join("manifest"), text).context("write a manifest")?;

        let folder = self.layers_dir().join(digest);
        fs::create_dir_all(self.layers_dir())?;
        remove_tree(&folder)?;
        fs::rename(&made, &folder).context("keep what setup made")?;
        remove_tree(&side.folder)?;
        self.make_room(&folder)?;
        Ok(Layer { folder, roots })
    }

    /// From now on every run of this area has `layer` below its tree and its `HOME`.
    pub fn use_layer(self: &Arc<Area>, layer: Layer) -> anyhow::Result<SetUp> {
        ensure!(
            self.layer.set(layer.clone()).is_ok(),
            "this area has a layer already"
        );
        let side = self.add_side(None, |_| Ok(()))?;
        Ok(SetUp {
            area: Arc::clone(self),
            side,
            layer,
        })
    }

    fn make_room(&self, used: &Path) -> anyhow::Result<()> {
        let mut others = Vec::new();
        for entry in fs::read_dir(self.layers_dir())? {
            let path = entry?.path();
            if path != used {
                let time = fs::metadata(path.join("manifest")).and_then(|data| data.modified());
                others.push((time.unwrap_or(SystemTime::UNIX_EPOCH), path));
            }
        }
        others.sort();
        others.reverse();
        others
            .iter()
            .skip(KEPT - 1)
            .try_for_each(|(_, path)| remove_tree(path))
    }

    fn layers_dir(&self) -> PathBuf {
        self.root.join("setup")
    }
}

impl Site {
    /// One in which nothing is told apart afterwards.
    pub(super) fn of(side: Side) -> Site {
        Site {
            side,
            held: BTreeMap::new(),
        }
    }

    pub(super) fn tree(&self) -> PathBuf {
        self.side.tree()
    }

    pub(super) fn home(&self) -> PathBuf {
        self.side.home()
    }

    pub(super) fn into_side(self) -> Side {
        self.side
    }
}

impl Layer {
    /// Where it stands, outside the view.
    pub fn tree(&self) -> PathBuf {
        self.folder.join("tree")
    }

    pub fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    /// Whether a file at `path` of the tree would stand among what setup made.
    pub fn covers(&self, path: &Path) -> bool {
        self.roots.iter().any(|root| path.starts_with(root))
    }
}

impl SetUp {
    /// Where what was installed into the tree can be read by the guard. No program of it may be run there: see [`ask`](SetUp::ask).
    pub fn tree(&self) -> PathBuf {
        self.layer.tree()
    }

    /// As [`tree`](SetUp::tree), for `HOME`.
    pub fn home(&self) -> PathBuf {
        self.layer.home()
    }

    /// Where jobs see the tree.
    pub fn view_tree(&self) -> PathBuf {
        self.area.tree()
    }

    /// Where jobs see their `HOME`.
    pub fn view_home(&self) -> PathBuf {
        self.area.home()
    }

    /// Runs an installed program in the sandbox, in a tree that holds nothing else: to learn its version, for instance.
    pub fn ask(&self, job: &Job) -> anyhow::Result<Finished> {
        let jobs = std::slice::from_ref(job);
        let mut all = self
            .area
            .run_beside(Beside::NOTHING, &self.side, Phase::Run, jobs)?;
        all.pop().context("the sandbox did not answer")
    }
}

fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

/// The entries of the tree, and after them those of `HOME`.
fn entries_of(folder: &Path) -> anyhow::Result<String> {
    let (tree, home) = (folder.join("tree"), folder.join("home"));
    if !tree.is_dir() || !home.is_dir() {
        return Ok("nothing".into());
    }
    Ok(format!(
        "{}\n{}",
        manifest::of(&tree)?,
        manifest::of(&home)?
    ))
}

fn list(top: &Path, folder: &Path, held: &mut BTreeMap<PathBuf, bool>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_folder = entry.file_type()?.is_dir();
        held.insert(entry.path().strip_prefix(top)?.to_owned(), is_folder);
        if is_folder {
            list(top, &entry.path(), held)?;
        }
    }
    Ok(())
}

/// Removes what the tree had: its files as they are or as setup changed them, and its folders that hold nothing new.
fn strip(tree: &Path, held: &BTreeMap<PathBuf, bool>) -> anyhow::Result<()> {
    // What is inside a folder comes before it.
    for (place, was_folder) in held.iter().rev() {
        let path = tree.join(place);
        let Ok(data) = fs::symlink_metadata(&path) else {
            continue;
        };
        if !*was_folder || !data.is_dir() {
            remove_any(&path, data.is_dir())?;
        } else if fs::read_dir(&path)?.next().is_none() {
            fs::remove_dir(&path)?;
        }
    }
    Ok(())
}

fn remove_any(path: &Path, is_folder: bool) -> anyhow::Result<()> {
    if is_folder {
        return remove_tree(path);
    }
    fs::remove_file(path).with_context(|| format!("remove `{}`", path.display()))
}

/// Sockets and pipes of what ran during setup mean nothing any more.
fn drop_specials(folder: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            drop_specials(&entry.path())?;
        } else if !kind.is_file() && !kind.is_symlink() {
            remove_any(&entry.path(), false)?;
        }
    }
    Ok(())
}

fn find_roots(
    top: &Path,
    folder: &Path,
    held: &BTreeMap<PathBuf, bool>,
    roots: &mut Vec<PathBuf>,
) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let place = path.strip_prefix(top)?;
        if held.contains_key(place) {
            find_roots(top, &path, held, roots)?;
        } else {
            roots.push(place.to_owned());
        }
    }
    roots.sort();
    Ok(())
}
