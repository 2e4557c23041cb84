//! What a folder holds, as a text that changes when anything in it does, without a look into the files.
//!
//! An entry is its mode, size, number and times. The time of the last change cannot be set by programs, so a file that was written to or
//! replaced shows, whatever its other times say. Whoever can also write the manifest can forge both.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anyhow::Context as _;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};

/// One line for each entry below `folder`, folder by folder, in order of names.
pub fn of(folder: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    describe(folder, folder, &mut text)
        .with_context(|| format!("look at what is in `{}`", folder.display()))?;
    Ok(text)
}

/// Names are looked up beside the open folder: a path would be walked once more for each of thousands of files.
fn describe(top: &Path, folder: &Path, text: &mut String) -> anyhow::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = rustix::fs::open(folder, flags, Mode::empty())?;
    let mut names = Vec::new();
    for entry in Dir::read_from(&open)? {
        let entry = entry?;
        if ![&b"."[..], b".."].contains(&entry.file_name().to_bytes()) {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort();
    let mut folders = Vec::new();
    for name in &names {
        let data = rustix::fs::statat(&open, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let path = folder.join(OsStr::from_bytes(name.to_bytes()));
        let place = path.strip_prefix(top)?;
        writeln!(
            text,
            "{:o} {} {} {}.{:09} {}.{:09} {place:?}",
            data.st_mode,
            data.st_size,
            data.st_ino,
            data.st_mtime,
            data.st_mtime_nsec,
            data.st_ctime,
            data.st_ctime_nsec,
        )?;
        if FileType::from_raw_mode(data.st_mode).is_dir() {
            folders.push(path);
        }
    }
    // However deep they are, one of them is open at a time.
    drop(open);
    folders
        .iter()
        .try_for_each(|folder| describe(top, folder, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File, FileTimes, Permissions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::thread;
    use std::time::Duration;

    #[track_caller]
    fn check(change: impl FnOnce(&Path)) {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("d")).expect("a folder");
        fs::write(folder.path().join("d/f"), "one").expect("a file");
        let before = of(folder.path()).expect("a manifest");
        assert_eq!(before, of(folder.path()).expect("a manifest"));
        // The kernel's clock ticks a few hundred times a second.
        thread::sleep(Duration::from_millis(20));
        change(folder.path());
        assert_ne!(before, of(folder.path()).expect("a manifest"));
    }

    #[test]
    fn every_change_shows() {
        check(|folder| fs::write(folder.join("d/new"), "").expect("a file"));
        check(|folder| fs::remove_file(folder.join("d/f")).expect("removed"));
        check(|folder| {
            fs::set_permissions(folder.join("d/f"), Permissions::from_mode(0o777)).expect("mode");
        });
    }

    #[test]
    fn a_file_of_the_same_size_and_time_shows() {
        check(|folder| {
            let path = folder.join("d/f");
            let time = fs::metadata(&path).and_then(|data| data.modified());
            fs::write(&path, "two").expect("a file");
            File::options()
                .write(true)
                .open(&path)
                .and_then(|file| file.set_times(FileTimes::new().set_modified(time?)))
                .expect("a time");
        });
    }
}
