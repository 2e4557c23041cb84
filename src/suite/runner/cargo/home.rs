//! Where cargo keeps what it has downloaded.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::Toolbox;

/// `CARGO_HOME`.
#[derive(Debug)]
pub(super) enum Home {
    /// The user's, shown to the jobs that build.
    User(PathBuf),
    /// What setup left in the `HOME` of every job; by the path that they see.
    Installed(PathBuf),
}

impl Home {
    pub fn of(toolbox: &Toolbox) -> anyhow::Result<Home> {
        if let Some(set_up) = &toolbox.setup {
            let folder = set_up.home().join(".cargo");
            if ["registry", "git"]
                .iter()
                .any(|name| folder.join(name).is_dir())
            {
                return Ok(Home::Installed(set_up.view_home().join(".cargo")));
            }
        }
        if let Some(home) = toolbox.env.get("CARGO_HOME") {
            return Ok(Home::User(PathBuf::from(home)));
        }
        let home = toolbox.env.get("HOME").context("`HOME` is not set")?;
        Ok(Home::User(Path::new(home).join(".cargo")))
    }

    pub fn path(&self) -> &Path {
        match self {
            Home::User(path) | Home::Installed(path) => path,
        }
    }

    /// What must be shown to jobs.
    pub fn of_user(&self) -> Option<PathBuf> {
        match self {
            Home::User(path) => Some(path.clone()),
            Home::Installed(_) => None,
        }
    }
}
