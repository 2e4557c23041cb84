//! Which framework a project is made with, where a preset knows its sensitive places.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Language, Seen, holds};
use crate::change::RepoPath;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framework {
    Django,
    Flask,
    Laravel,
    NestJs,
    NextJs,
    Phoenix,
    Rails,
}

/// A framework, and a sentence that says what shows it, without a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub framework: Framework,
    pub why: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Manifest {
    dependencies: Map<String, Value>,
}

impl Framework {
    /// The preset for it, on top of that of its language.
    pub fn preset(self) -> &'static str {
        match self {
            Framework::Django => "django",
            Framework::Flask => "flask",
            Framework::Laravel => "laravel",
            Framework::NestJs => "nestjs",
            Framework::NextJs => "nextjs",
            Framework::Phoenix => "phoenix",
            Framework::Rails => "rails",
        }
    }

    pub(super) fn language(self) -> Language {
        match self {
            Framework::Django | Framework::Flask => Language::Python,
            Framework::Laravel => Language::Php,
            Framework::NestJs | Framework::NextJs => Language::JavaScript,
            Framework::Phoenix => Language::Elixir,
            Framework::Rails => Language::Ruby,
        }
    }

    /// Whether what it is made of is the server, so that its language leads, however many files a browser gets.
    pub(super) fn leads(self) -> bool {
        self.language() != Language::JavaScript
    }
}

/// All that are there, in the order of their languages.
pub(super) fn find(seen: &Seen) -> anyhow::Result<Vec<Found>> {
    let mut found = Vec::new();
    let has = |path: &str| seen.files.contains(&RepoPath::from(path));
    let mut add = |framework, why: String| found.push(Found { framework, why });
    if has("config/application.rb") && has("Gemfile") {
        add(
            Framework::Rails,
            "there are `config/application.rb` and a `Gemfile`".into(),
        );
    }
    if has("artisan") && has("composer.json") {
        add(
            Framework::Laravel,
            "there are `artisan` and a `composer.json`".into(),
        );
    }
    if let Some(path) = one_that_holds(seen, is_own("mix.exs"), &[b":phoenix,"])? {
        add(Framework::Phoenix, format!("`{path}` names it"));
    }
    if let Some(path) = one_that_holds(seen, is_own("manage.py"), &[b"django"])? {
        add(Framework::Django, format!("`{path}` is its"));
    }
    if let Some(path) = one_that_holds(seen, is_python_manifest, &[b"flask", b"fastapi"])? {
        let is_source = |path: &RepoPath| path.extension() == Some(b"py") && !is_foreign(path);
        if one_that_holds(seen, is_source, &[b"= flask(", b"= fastapi("])?.is_some() {
            add(Framework::Flask, format!("`{path}` names it, or FastAPI"));
        }
    }
    for path in seen
        .files
        .iter()
        .filter(|path| is_own("package.json")(path))
    {
        let content = (seen.read)(path)?.unwrap_or_default();
        let manifest: Manifest = serde_json::from_slice(&content).unwrap_or_default();
        for (name, framework) in [
            ("next", Framework::NextJs),
            ("@nestjs/core", Framework::NestJs),
        ] {
            if manifest.dependencies.contains_key(name)
                && !found.iter().any(|found| found.framework == framework)
            {
                let why = format!("`{path}` depends on it");
                found.push(Found { framework, why });
            }
        }
    }
    Ok(found)
}

/// The first file that holds one of `words`, whatever its case.
fn one_that_holds(
    seen: &Seen,
    is_one: impl Fn(&RepoPath) -> bool,
    words: &[&[u8]],
) -> anyhow::Result<Option<RepoPath>> {
    /// Files that are looked at.
    const MOST: usize = 500;
    for path in seen.files.iter().filter(|path| is_one(path)).take(MOST) {
        let content = (seen.read)(path)?.unwrap_or_default().to_ascii_lowercase();
        if words.iter().any(|word| holds(&content, word)) {
            return Ok(Some(path.clone()));
        }
    }
    Ok(None)
}

fn is_own(name: &str) -> impl Fn(&RepoPath) -> bool {
    move |path| path.file_name() == name.as_bytes() && !is_foreign(path)
}

fn is_python_manifest(path: &RepoPath) -> bool {
    let name = path.file_name();
    let is_named = matches!(
        name,
        b"pyproject.toml" | b"setup.py" | b"setup.cfg" | b"Pipfile"
    );
    (is_named || name.starts_with(b"requirements")) && !is_foreign(path)
}

/// Of somebody else, an example, or of the tests.
fn is_foreign(path: &RepoPath) -> bool {
    const FOLDERS: [&[u8]; 10] = [
        b"node_modules",
        b"vendor",
        b"test",
        b"tests",
        b"fixtures",
        b"examples",
        b"example",
        b"deps",
        b"docs",
        b"templates",
    ];
    let mut parts = path.as_bytes().split(|&byte| byte == b'/');
    parts.any(|part| FOLDERS.contains(&part))
}
