//! Copies and removes folders as they are: with modes and times, without following links.

use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use anyhow::{Context as _, bail};

/// Copies `from`, a folder, to `to`, which must not exist. Build tools compare times, so files keep theirs.
pub fn copy_tree(from: &Path, to: &Path) -> anyhow::Result<()> {
    copy_folder(from, to).with_context(|| format!("copy `{}`", from.display()))
}

/// Copies what is in `from` and has no name of its own in `to`; both are folders.
pub fn add_missing(from: &Path, to: &Path) -> anyhow::Result<()> {
    let add = || -> anyhow::Result<()> {
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let (path, copy) = (entry.path(), to.join(entry.file_name()));
            let is_folder = entry.file_type()?.is_dir();
            match fs::symlink_metadata(&copy) {
                Ok(there) if is_folder && there.is_dir() => add_missing(&path, &copy)?,
                Ok(_) => {}
                Err(err) if err.kind() == std::io::ErrorKind::NotFound => {
                    copy_entry(&entry.path(), &copy)?
                }
                Err(err) => return Err(err.into()),
            }
        }
        Ok(())
    };
    add().with_context(|| format!("copy `{}`", from.display()))
}

/// Makes of `to` what the kernel shows where `from` is a layer above it: a device in `from` hides what is below.
pub fn lay_over(from: &Path, to: &Path) -> anyhow::Result<()> {
    let lay = || -> anyhow::Result<()> {
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let (path, copy) = (entry.path(), to.join(entry.file_name()));
            let kind = entry.file_type()?;
            let is_folder = fs::symlink_metadata(&copy).is_ok_and(|there| there.is_dir());
            if kind.is_dir() && is_folder {
                lay_over(&path, &copy)?;
                continue;
            }
            match is_folder {
                true => remove_tree(&copy)?,
                false => match fs::remove_file(&copy) {
                    Err(err) if err.kind() != std::io::ErrorKind::NotFound => {
                        return Err(err.into());
                    }
                    _ => {}
                },
            }
            if !kind.is_char_device() {
                copy_entry(&entry.path(), &copy)?;
            }
        }
        Ok(())
    };
    lay().with_context(|| format!("lay `{}` over another folder", from.display()))
}

/// Removes `path`, whatever its modes are. It is no error if it does not exist.
pub fn remove_tree(path: &Path) -> anyhow::Result<()> {
    let is_removed = |result: std::io::Result<()>| match result {
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    if is_removed(fs::remove_dir_all(path)).is_ok() {
        return Ok(());
    }
    // Folders without the right to list or change them, as the kernel's own `work` of a layer.
    open_up(path)
        .and_then(|()| Ok(is_removed(fs::remove_dir_all(path))?))
        .with_context(|| format!("remove `{}`", path.display()))
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy_entry(&entry.path(), &to.join(entry.file_name()))?;
    }
    let data = fs::metadata(from)?;
    File::open(to)?.set_times(FileTimes::new().set_modified(data.modified()?))?;
    fs::set_permissions(to, data.permissions())?;
    Ok(())
}

/// Copies a file, a folder or a link to `copy`, which must not exist.
pub fn copy_entry(path: &Path, copy: &Path) -> anyhow::Result<()> {
    let kind = fs::symlink_metadata(path)?.file_type();
    if kind.is_dir() {
        copy_folder(path, copy)?;
    } else if kind.is_symlink() {
        symlink(fs::read_link(path)?, copy)?;
    } else if kind.is_file() {
        copy_file(path, copy).with_context(|| format!("copy `{}`", path.display()))?;
    } else {
        bail!(
            "`{}` is neither a file nor a folder nor a link",
            path.display()
        );
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::copy(from, to)?;
    let data = fs::metadata(from)?;
    let times = FileTimes::new().set_modified(data.modified()?);
    // Opened for reading: a file that may not be written to can still be given a time by its owner.
    match File::open(to) {
        Ok(file) => file.set_times(times)?,
        Err(_) => {
            fs::set_permissions(to, Permissions::from_mode(0o600))?;
            File::open(to)?.set_times(times)?;
            fs::set_permissions(to, data.permissions())?;
        }
    }
    Ok(())
}

fn open_up(folder: &Path) -> anyhow::Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    #[test]
    fn a_copy_has_the_same_times_modes_and_links() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("bin")).expect("a folder");
        fs::write(from.join("bin/run"), "#!").expect("a file");
        symlink("bin/run", from.join("link")).expect("a link");
        symlink("/nonexistent", from.join("dangling")).expect("a link");
        let old = SystemTime::now() - Duration::from_secs(5000);
        let file = File::open(from.join("bin/run")).expect("a file");
        file.set_modified(old).expect("a time");
        fs::set_permissions(from.join("bin/run"), Permissions::from_mode(0o555)).expect("mode");

        copy_tree(&from, &to).expect("a copy");
        let data = fs::metadata(to.join("bin/run")).expect("a file");
        assert_eq!(data.modified().expect("a time"), old);
        assert_eq!(data.permissions().mode() & 0o777, 0o555);
        assert_eq!(
            fs::read_link(to.join("link")).expect("a link"),
            Path::new("bin/run")
        );
        assert!(fs::symlink_metadata(to.join("dangling")).is_ok());
    }

    #[test]
    fn a_closed_folder_is_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let closed = folder.path().join("a/b/c");
        fs::create_dir_all(&closed).expect("a folder");
        for path in ["a/b/c", "a/b"] {
            let path = folder.path().join(path);
            fs::set_permissions(path, Permissions::from_mode(0o000)).expect("mode");
        }
        remove_tree(&folder.path().join("a")).expect("removed");
        assert!(!folder.path().join("a").exists());
        remove_tree(&folder.path().join("a")).expect("nothing to remove");
    }

    #[test]
    fn a_layer_is_laid_over_as_the_kernel_does() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};

        let folder = tempfile::tempdir().expect("a folder");
        let (above, below) = (folder.path().join("above"), folder.path().join("below"));
        for (top, files) in [
            (
                &below,
                &["kept/a", "gone/b", "changed", "file/x", "single"][..],
            ),
            (&above, &["changed", "kept/c"]),
        ] {
            for file in files {
                let path = top.join(file);
                fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
                fs::write(path, top.file_name().expect("a name").as_encoded_bytes())
                    .expect("a file");
            }
        }
        fs::write(above.join("file"), "a file now").expect("a file");
        for gone in ["gone", "single"] {
            let path = above.join(gone);
            mknodat(CWD, path, FileType::CharacterDevice, Mode::empty(), 0).expect("a device");
        }
        lay_over(&above, &below).expect("laid over");
        let read = |path: &str| fs::read_to_string(below.join(path)).expect("a file");
        assert_eq!(read("changed"), "above");
        assert_eq!(read("kept/a"), "below");
        assert_eq!(read("kept/c"), "above");
        assert_eq!(read("file"), "a file now");
        assert!(!below.join("gone").exists() && !below.join("single").exists());
    }
}
