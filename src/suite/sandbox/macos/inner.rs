//! What a job's process does when its profile holds already: it gives up the rest and becomes the program.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getppid, getrlimit, setrlimit, setsid, umask};

use super::super::attempts;
use super::{TROUBLE, sys};

/// `start FOLDER [PROGRAM ARGUMENT...]`: enters the folder and becomes the program.
pub const START: &str = "start";

/// `attempt INSIDE OUTSIDE PORT`: tries what must be refused, for the probe.
pub const ATTEMPT: &str = "attempt";

/// What the launcher hears when nothing but the program's own start is left.
pub const STARTED: &str = "started\n";

/// The system takes no higher limit.
const MAX_FILES: u64 = 10_240;

/// Does what `word` says. Returns the exit code.
pub fn main(word: &OsStr, args: impl Iterator<Item = OsString>) -> anyhow::Result<i32> {
    if word == ATTEMPT {
        let args: Vec<OsString> = args.collect();
        let [inside, outside, port] = &args[..] else {
            bail!("`{ATTEMPT}` takes two folders and a port");
        };
        let port = port.to_str().context("a port")?.parse()?;
        // The parent is the launcher, outside.
        let said = attempts::all(Path::new(inside), Path::new(outside), port, getppid());
        std::io::stdout().write_all(said.as_bytes())?;
        return Ok(0);
    }
    if word != START {
        bail!("`{}` is nothing that a launcher does", word.display());
    }
    let mut trouble = File::from(sys::inherited(TROUBLE)?);
    let err = match start(args.collect(), &mut trouble) {
        Ok(None) => return Ok(0),
        Ok(Some(never)) => match never {},
        Err(err) => err,
    };
    trouble.write_all(format!("{err:#}").as_bytes())?;
    Ok(1)
}

/// Returns only for a job without a program, or if it fails.
fn start(args: Vec<OsString>, trouble: &mut File) -> anyhow::Result<Option<Infallible>> {
    setsid().context("make a session")?;
    umask(Mode::from_raw_mode(0o077));
    limit_resources()?;
    let mut args = args.into_iter();
    let dir = PathBuf::from(args.next().context("no folder to start in")?);
    std::env::set_current_dir(&dir).with_context(|| format!("enter `{}`", dir.display()))?;
    trouble.write_all(STARTED.as_bytes())?;
    match args.next() {
        None => Ok(None),
        Some(program) => {
            let err = Command::new(&program).args(args).exec();
            Err(err).with_context(|| format!("start `{}`", program.display()))
        }
    }
}

fn limit_resources() -> anyhow::Result<()> {
    for (resource, limit) in [
        (Resource::Core, 0),
        (Resource::Fsize, 4 << 30),
        (Resource::Nofile, MAX_FILES),
    ] {
        let limit = getrlimit(resource)
            .maximum
            .map_or(limit, |hard| hard.min(limit));
        let limit = Rlimit {
            current: Some(limit),
            maximum: Some(limit),
        };
        setrlimit(resource, limit).with_context(|| format!("limit {resource:?}"))?;
    }
    Ok(())
}
