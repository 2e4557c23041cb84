//! The guard's own files, which an agent has no business to write.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::shell::{UNKNOWN, Word};
use crate::policy;

/// Files and folders, by the names that lead to them.
const GUARDED: &[&[&str]] = &[
    &[".git"],
    &[".koan"],
    &[policy::PATH],
    &[".husky"],
    &[".claude", "settings.json"],
    &[".claude", "settings.local.json"],
    &[".codex", "hooks.json"],
    &[".codex", "config.toml"],
    &[".gemini", "settings.json"],
    &[".cursor", "hooks.json"],
    &["opencode.json"],
    &["opencode.jsonc"],
    &[".aider.conf.yml"],
    &["skills", "koan-guard"],
    &["lefthook-local.yml"],
    &[".gitconfig"],
    &[".config", "git"],
];

/// What hook managers read; guarded where it names koan-guard.
const MANAGERS: &[&str] = &[
    "lefthook.yml",
    ".lefthook.yml",
    "lefthook.yaml",
    ".pre-commit-config.yaml",
    "prek.toml",
    "hk.pkl",
];

/// Where the guard's files are, as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The top of the work tree, links resolved.
    pub work_dir: Option<PathBuf>,
    /// The repository's own folders and the one of its hooks, links resolved.
    pub git_dirs: Vec<PathBuf>,
    pub home: Option<PathBuf>,
}

impl Places {
    /// Whether `word` names one of the guard's files, seen from `folder`; `None` for a folder that nobody knows.
    pub(super) fn is_guarded(&self, folder: Option<&Path>, word: &Word) -> bool {
        let Some(path) = self.resolved(folder, &word.text) else {
            return has_guarded(&names(Path::new(&word.text)), word.globs);
        };
        let real = real(&path);
        [Some(path), real]
            .into_iter()
            .flatten()
            .any(|path| self.holds(&path, word.globs))
    }

    /// Whether taking `word` away takes the repository or its hooks with it.
    pub(super) fn is_above(&self, folder: Option<&Path>, word: &Word) -> bool {
        let path = self.resolved(folder, &word.text);
        path.is_some_and(|path| {
            let dirs = self.work_dir.iter().chain(&self.git_dirs);
            dirs.into_iter().any(|dir| dir.starts_with(&path))
        })
    }

    fn holds(&self, path: &Path, globs: bool) -> bool {
        if self.git_dirs.iter().any(|dir| path.starts_with(dir)) {
            return true;
        }
        let in_work_dir = self
            .work_dir
            .as_ref()
            .map(|dir| path.strip_prefix(dir).map(names));
        match in_work_dir {
            Some(Ok(names)) => has_guarded(&names, globs) || is_manager_of_ours(path, &names),
            // In the user's own folder only what stands right there; other repositories are not ours.
            Some(Err(_)) => self.home.as_ref().is_some_and(|home| {
                let names = path.strip_prefix(home).map(names).unwrap_or_default();
                let guarded = GUARDED.iter().filter(|guarded| **guarded != [".git"]);
                guarded.into_iter().any(|g| starts_with(&names, g, globs))
            }),
            None => has_guarded(&names(path), globs),
        }
    }

    /// The absolute path without dots; `None` where it hangs on a folder that nobody knows.
    fn resolved(&self, folder: Option<&Path>, text: &str) -> Option<PathBuf> {
        let path = match (text.strip_prefix('~'), &self.home) {
            (Some(""), Some(home)) => home.clone(),
            (Some(rest), Some(home)) if rest.starts_with('/') => home.join(&rest[1..]),
            _ => PathBuf::from(text),
        };
        let path = if path.is_absolute() {
            path
        } else {
            folder?.join(path)
        };
        let mut plain = PathBuf::new();
        for part in path.components() {
            match part {
                Component::ParentDir => {
                    plain.pop();
                }
                Component::CurDir => {}
                part => plain.push(part),
            }
        }
        let is_known =
            plain.components().next() == Some(Component::RootDir) && !text.starts_with(UNKNOWN);
        is_known.then_some(plain)
    }
}

/// Where a path leads through links, as far as it exists.
fn real(path: &Path) -> Option<PathBuf> {
    for above in path.ancestors() {
        if let Ok(real) = fs::canonicalize(above) {
            return Some(real.join(path.strip_prefix(above).ok()?));
        }
    }
    None
}

fn names(path: &Path) -> Vec<String> {
    let names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy().to_lowercase()),
        _ => None,
    });
    names.collect()
}

fn has_guarded(names: &[String], globs: bool) -> bool {
    (0..names.len()).any(|from| {
        let rest = &names[from..];
        GUARDED
            .iter()
            .any(|guarded| starts_with(rest, guarded, globs))
    })
}

fn starts_with(names: &[String], guarded: &[&str], globs: bool) -> bool {
    // A pattern like `*` takes no hidden files, and is too usual to be denied for the others.
    let may_be = |i: usize, name: &str, guarded: &str| {
        globs && (i > 0 || guarded.starts_with('.')) && matches(name, guarded)
    };
    let mut pairs = names.iter().zip(guarded).enumerate();
    names.len() >= guarded.len()
        && pairs.all(|(i, (name, guarded))| name == guarded || may_be(i, name, guarded))
}

fn is_manager_of_ours(path: &Path, names: &[String]) -> bool {
    let is_manager = names
        .last()
        .is_some_and(|name| MANAGERS.contains(&name.as_str()));
    // What cannot be read may be ours.
    is_manager
        && fs::read(path).map_or_else(
            |err| err.kind() != std::io::ErrorKind::NotFound,
            |text| String::from_utf8_lossy(&text).contains("koan-guard"),
        )
}

/// Whether the shell's pattern may stand for `name`; a bracket is taken for any character.
fn matches(pattern: &str, name: &str) -> bool {
    fn rest(pattern: &[char], name: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some(('*', after)) => (0..=name.len()).any(|n| rest(after, &name[n..])),
            Some(('[', after)) => match after.iter().position(|char| *char == ']') {
                Some(end) => !name.is_empty() && rest(&after[end + 1..], &name[1..]),
                None => name.first() == Some(&'[') && rest(after, &name[1..]),
            },
            Some((char, after)) => name
                .split_first()
                .is_some_and(|(first, name)| (*char == '?' || char == first) && rest(after, name)),
        }
    }
    let hides = name.starts_with('.') && !pattern.starts_with('.');
    let is_short = pattern.len() < 64;
    let [pattern, name] = [pattern, name].map(|text| text.chars().collect::<Vec<_>>());
    !hides && is_short && rest(&pattern, &name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places {
            work_dir: Some("/srv/shop".into()),
            git_dirs: vec!["/srv/shop/.git".into(), "/shared/repo.git".into()],
            home: Some("/home/ada".into()),
        }
    }

    #[track_caller]
    fn check(folder: Option<&str>, path: &str, expected: bool) {
        let word = Word {
            globs: path.contains(['*', '?', '[']),
            ..Word::literal(path)
        };
        let is_guarded = places().is_guarded(folder.map(Path::new), &word);
        assert_eq!(is_guarded, expected, "{path} in {folder:?}");
    }

    #[test]
    fn the_guards_files_are_known_however_they_are_written() {
        for path in [
            ".git/hooks/pre-commit",
            "./.git/config",
            "src/../.git",
            "/srv/shop/.git/HEAD",
            "/shared/repo.git/config",
            ".GIT/config",
            ".koan/x",
            ".koan-guard.yaml",
            ".husky/pre-commit",
            ".claude/settings.json",
            ".claude/settings.local.json",
            ".agents/skills/koan-guard/SKILL.md",
            "~/.gitconfig",
            "/home/ada/.claude/settings.json",
            ".g*/hooks/*",
            ".git/h?oks/x",
            ".[a-z]it/config",
        ] {
            check(Some("/srv/shop"), path, true);
        }
        check(Some("/srv/shop/.git/hooks"), "pre-commit", true);
        check(Some("/srv/shop/src"), "../.husky/x", true);
        check(None, ".git/config", true);
    }

    #[test]
    fn what_is_the_projects_is_its_own() {
        for path in [
            "src/main.rs",
            ".gitignore",
            ".github/workflows/ci.yml",
            "docs/.gitkeep",
            "*",
            "src/*.rs",
            ".claude/commands/x.md",
            "lefthook.yml",
            "/tmp/other/.git/config",
            "/home/ada/project/.git/config",
            "../other/.git/config",
        ] {
            check(Some("/srv/shop"), path, false);
        }
        check(None, "src/main.rs", false);
    }
}
