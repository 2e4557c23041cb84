//! Where the project's tools are, behind the shims of toolchain managers, and what they say about themselves.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tempfile::NamedTempFile;

use super::Toolbox;
use crate::suite::process::{self, End};

/// The longest that a tool may take to say its version.
const PATIENCE: Duration = Duration::from_secs(60);

/// The first program of that name on the toolbox's `PATH`.
pub(super) fn on_path(toolbox: &Toolbox, name: &str) -> Option<PathBuf> {
    let path = toolbox.env.get("PATH")?;
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// What a tool of the user says on stdout. It runs outside the sandbox, where the user works: nothing of a judged tree takes part.
pub(super) fn ask(toolbox: &Toolbox, program: &Path, args: &[&str]) -> anyhow::Result<String> {
    let dir = toolbox.work_dir.as_deref().unwrap_or(Path::new("/"));
    let mut env: BTreeMap<OsString, OsString> = toolbox
        .env
        .iter()
        .filter(|(name, _)| !name.starts_with("GIT_"))
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    // A shim asks its version; it downloads nothing.
    env.insert("RUSTUP_AUTO_INSTALL".into(), "0".into());
    let mut argv = vec![program.as_os_str()];
    argv.extend(args.iter().map(OsStr::new));
    let finished = process::output(&argv, dir, &env, PATIENCE)?;
    let shown = program.display();
    if finished.end != End::Exit(0) {
        let stderr = String::from_utf8_lossy(&finished.stderr);
        let said = stderr.lines().rfind(|line| !line.trim().is_empty());
        bail!("`{shown}` failed: {}", said.unwrap_or("it said nothing"));
    }
    String::from_utf8(finished.stdout).with_context(|| format!("`{shown}` did not answer in UTF-8"))
}

/// The environment of a test process. Of the user's there is only `PATH`, with the folder of the real tools in front.
pub(super) fn test_env(
    toolbox: &Toolbox,
    tools: &Path,
) -> anyhow::Result<BTreeMap<OsString, OsString>> {
    let user_path = toolbox.env.get("PATH").map_or("", String::as_str);
    let folders = std::iter::once(tools.to_owned())
        .chain(std::env::split_paths(user_path).filter(|folder| folder.is_absolute()));
    let mut env = process::base_env();
    let path = std::env::join_paths(folders).context("put `PATH` together")?;
    env.insert("PATH".into(), path);
    Ok(env)
}

/// Writes a program of the guard's own, whole or not at all.
pub(super) fn write_script(toolbox: &Toolbox, name: &str, text: &str) -> anyhow::Result<PathBuf> {
    let path = toolbox.scripts.join(name);
    let mut file = NamedTempFile::new_in(&toolbox.scripts)
        .with_context(|| format!("write `{}`", path.display()))?;
    file.write_all(text.as_bytes())?;
    file.persist(&path)
        .with_context(|| format!("write `{}`", path.display()))?;
    Ok(path)
}
