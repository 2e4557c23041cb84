//! husky's hooks: files of shell that belong to the project, where a line at the end is enough, and can be taken out again.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context as _;

use super::{Effect, HOOKS};

const FOLDER: &str = ".husky";

/// Whether git looks for hooks where husky keeps its own.
pub(super) fn owns(hooks_dir: &Path) -> bool {
    let mut parts = hooks_dir.components();
    parts.any(|part| part.as_os_str() == FOLDER)
}

/// The line that calls koan-guard, by its name: the file is everybody's.
fn line(hook: &str) -> String {
    let args = match hook {
        "commit-msg" | "post-rewrite" => " \"$1\"",
        "pre-push" => " \"$@\"",
        _ => "",
    };
    format!("koan-guard hook {hook}{args}")
}

/// Puts the lines in; a file that calls koan-guard already is left as it is.
pub(super) fn put_in(work_dir: &Path) -> anyhow::Result<Vec<(&'static str, Effect)>> {
    let mut effects = Vec::new();
    for hook in HOOKS {
        let path = work_dir.join(FOLDER).join(hook);
        let old = read(&path)?;
        let effect = match &old {
            Some(text) if text.contains(&format!("koan-guard hook {hook}")) => Effect::Unchanged,
            Some(_) => Effect::Chained,
            None => Effect::Added,
        };
        if effect != Effect::Unchanged {
            let mut text = old.unwrap_or_default();
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text += &line(hook);
            text.push('\n');
            fs::write(&path, text).with_context(|| format!("write `{}`", path.display()))?;
        }
        effects.push((hook, effect));
    }
    Ok(effects)
}

/// Takes the lines out; a file that holds nothing else goes.
pub(super) fn take_out(work_dir: &Path) -> anyhow::Result<Vec<(&'static str, Effect)>> {
    let mut effects = Vec::new();
    for hook in HOOKS {
        let path = work_dir.join(FOLDER).join(hook);
        let Some(old) = read(&path)? else {
            continue;
        };
        let ours = line(hook);
        let lines = old.split_inclusive('\n');
        let text: String = lines.filter(|line| line.trim_end() != ours).collect();
        if text == old {
            continue;
        }
        let (done, effect) = match text.is_empty() {
            true => (fs::remove_file(&path), Effect::Removed),
            false => (fs::write(&path, text), Effect::Restored),
        };
        done.with_context(|| format!("write `{}`", path.display()))?;
        effects.push((hook, effect));
    }
    Ok(effects)
}

fn read(path: &Path) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(err) if err.kind() == ErrorKind::NotFound => Ok(None),
        Err(err) => Err(err).with_context(|| format!("read `{}`", path.display())),
    }
}
