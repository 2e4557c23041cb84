//! A place inside a tree that nobody's links lead out of.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// Makes a folder at `place`. A link of the tree's on the way there could lead out of it.
pub fn make_place(tree: &Path, place: &Path) -> anyhow::Result<PathBuf> {
    let mut path = tree.to_owned();
    for part in place {
        path.push(part);
        match fs::symlink_metadata(&path) {
            Ok(data) if data.is_dir() => {}
            Ok(_) if path == tree.join(place) => {
                fs::remove_file(&path)?;
                fs::create_dir(&path)?;
            }
            Ok(_) => bail!("the tree has no folder on the way to `{}`", place.display()),
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => fs::create_dir(&path)?,
            Err(err) => return Err(err).with_context(|| format!("look at `{}`", path.display())),
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_place_is_made_inside_the_tree_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let tree = folder.path().join("tree");
        fs::create_dir_all(tree.join("a")).expect("a folder");
        fs::write(tree.join("file"), "").expect("a file");
        symlink(folder.path(), tree.join("out")).expect("a link");
        for place in ["a", "a/b/c", "file", "out"] {
            let path = make_place(&tree, Path::new(place)).expect(place);
            assert!(fs::symlink_metadata(path).expect(place).is_dir(), "{place}");
        }
        symlink(folder.path(), tree.join("away")).expect("a link");
        fs::write(tree.join("plain"), "").expect("a file");
        for place in ["away/x", "plain/x"] {
            make_place(&tree, Path::new(place)).expect_err(place);
        }
        assert!(!folder.path().join("x").exists());
    }
}
