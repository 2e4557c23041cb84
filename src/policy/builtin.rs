//! What no policy can empty: files that decide what is safe, files that decide how tests run, and which files are documents.
//!
//! An entry is a name in lower case that counts at any depth, for a file and for a folder with everything in it: `name`, `start*`, `*end`,
//! or `folder/name`. All of them are matched on the folded path.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::stdlib;

/// A list of entries, ready to be asked.
#[derive(Debug)]
pub(super) struct BuiltIn {
    names: HashMap<&'static str, &'static str>,
    starts: Vec<(&'static str, &'static str)>,
    ends: Vec<(&'static str, &'static str)>,
    pairs: Vec<(&'static str, &'static str, &'static str)>,
}

pub(super) static PROTECTED: LazyLock<BuiltIn> = LazyLock::new(|| BuiltIn::new(PROTECTED_ENTRIES));
pub(super) static JUDGE_INPUTS: LazyLock<BuiltIn> =
    LazyLock::new(|| BuiltIn::new(JUDGE_INPUT_ENTRIES));

/// Files that decide what is installed; they count where a policy has a `setup`.
pub(super) static SETUP_INPUTS: LazyLock<BuiltIn> =
    LazyLock::new(|| BuiltIn::new(SETUP_INPUT_ENTRIES));

#[rustfmt::skip]
const PROTECTED_ENTRIES: &[&str] = &[
    // The guard itself. Look-alikes of its policy are found by `looks_like_policy`.
    ".koan-guard*", ".koan", "koan-guard.yaml", "koan-guard.yml",
    // git
    ".git", "git~1", ".gitmodules", "gitmod~1", ".gitattributes", "gitatt~1", ".gitconfig", ".lfsconfig",
    // Hooks and what runs them.
    ".husky", ".huskyrc*", ".githooks", "githooks", ".git-hooks", "git-hooks", "lefthook.*", "lefthook-local.*", ".lefthook*",
    ".pre-commit-config.yaml", ".pre-commit-config.yml", ".pre-commit-hooks.yaml", "prek.toml", ".overcommit.yml", "captainhook.json",
    ".lintstagedrc*", "lint-staged.config.*", ".simple-git-hooks.*", "simple-git-hooks.*",
    // CI
    ".github", ".gitlab", ".gitlab-ci*", ".gitea", ".forgejo", ".circleci", ".travis.yml", ".drone.yml", ".drone.star", ".buildkite",
    "azure-pipelines*", ".azure-pipelines*", ".azuredevops", "bitbucket-pipelines*", "appveyor.yml", ".appveyor.yml", "jenkinsfile*",
    ".jenkins", ".woodpecker*", ".semaphore", ".teamcity", "cloudbuild.yaml", "cloudbuild.yml", "codemagic.yaml", ".cirrus.*", "wercker.yml",
    ".tekton", ".build.yml", ".builds", ".ci", "buildspec.yml", "buildspec.yaml", ".zuul.yaml", ".zuul.d", "zuul.d", "dagger.json", "codeowners",
    // What agents are told, and what runs in their clients.
    "agents.md", "agents.override.md", "agents.local.md", "agent.md", "claude.md", "claude.local.md", "gemini.md", "qwen.md", "crush.md",
    "warp.md", "copilot-instructions.md", "skill.md", ".cursor", ".cursorrules", ".cursorignore", ".claude", ".codex", ".gemini", ".qwen",
    ".aider*", ".agents", ".agent", ".opencode", "opencode.json*", ".windsurf", ".windsurfrules", ".clinerules", ".roo", ".roorules*",
    ".roomodes", ".continue", ".kiro", ".junie", ".amp", ".augment", ".augment-guidelines", ".factory", ".goosehints", ".devin", ".openhands",
    ".trae", ".crush*", ".mcp.json", "mcp.json", ".ai",
    // Tasks of editors and environments that load themselves.
    ".vscode", ".idea", ".zed", ".vs", ".fleet", ".devcontainer", ".devcontainer.json", "*.code-workspace", ".exrc", ".nvimrc", ".nvim.lua",
    ".vimrc", ".dir-locals.el", ".gitpod.yml", ".envrc", ".env", ".env.*", ".envs",
    // Where packages come from.
    ".npmrc", ".yarnrc*", ".yarn", ".pypirc", "pip.conf", "pip.ini", ".pnpmfile.*", ".gemrc", ".bundle", "nuget.config", ".condarc", "uv.toml",
    // Migrations: what has run once cannot be taken back.
    "migrations", "db/migrate", "alembic/versions", "flyway", "liquibase", "*.migration.sql", "*.up.sql", "*.down.sql",
    // Keys and credentials.
    "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.asc", "*.gpg", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", ".ssh",
    ".gnupg", ".netrc", "_netrc", ".git-credentials", ".pgpass", ".htpasswd", "authorized_keys", "allowed_signers", "known_hosts", ".aws",
    ".kube", ".docker", ".vault-token", "credentials.json", "secrets.yml", "secrets.yaml", "secrets.json", "secrets.toml",
    "credentials.yml.enc", "master.key",
];

#[rustfmt::skip]
const JUDGE_INPUT_ENTRIES: &[&str] = &[
    // Python
    "conftest.py", "pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "tox.ini", "tox.toml", "setup.cfg", "setup.py", "pyproject.toml",
    "sitecustomize.py", "usercustomize.py", "*.pth", ".coveragerc", "noxfile.py", "pyvenv.cfg", ".venv", "*.egg-link", "*.dist-info",
    "*.egg-info", "manage.py", ".python-version",
    // Rust
    "cargo.toml", "build.rs", ".cargo", "nextest.toml", "rust-toolchain", "rust-toolchain.toml", "clippy.toml", ".clippy.toml",
    // JavaScript
    "package.json", "tsconfig*", "jsconfig.json", "jest.config.*", "jest.setup.*", "jest.preset.*", "vitest.*", "vite.config.*", ".mocharc*",
    "karma.conf.*", "babel.config.*", ".babelrc*", ".swcrc", ".nycrc*", ".c8rc*", "mocha.opts", "setuptests.*", "setup-tests.*",
    "jest-setup.*", ".pnp.*", "lerna.json", "nx.json", "turbo.json", "ava.config.*", ".taprc", "playwright.config.*",
    "cypress.config.*", "bunfig.toml", "deno.json*", ".nvmrc", ".node-version", "pnpm-workspace.yaml", "node_modules",
    // Ruby: what sets its frameworks up, as `conftest.py` does, is not among the tests.
    ".rspec*", "rakefile", "gemfile", "gems.rb", "*.gemspec", ".ruby-version", ".simplecov", "spec_helper.rb", "rails_helper.rb",
    "test_helper.rb", "minitest_helper.rb",
    // PHP
    "phpunit.xml*", "phpunit.dist.xml", "composer.json", "tests/bootstrap.php", "test/bootstrap.php", "php.ini", ".user.ini",
    // Go, JVM, .NET, Elixir, C
    "go.mod", "go.work", "pom.xml",
    "build.gradle*", "settings.gradle*", "gradle.properties", "gradlew*", "gradle-wrapper.*", "*.csproj", "*.runsettings",
    "directory.build.props", "directory.build.targets", "mix.exs", ".formatter.exs", "cmakelists.txt", "ctesttestfile.cmake", "meson.build",
    "module.bazel", "build.bazel", "workspace.bazel", ".bazelrc",
    // What runs everything
    "makefile", "gnumakefile", "justfile", ".justfile", "taskfile.yml", "taskfile.yaml", "taskfile.dist.yml", "taskfile.dist.yaml",
    ".tool-versions", "mise.toml", ".mise.toml", ".mise",
];

#[rustfmt::skip]
const SETUP_INPUT_ENTRIES: &[&str] = &[
    // JavaScript
    "package.json", "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "pnpm-workspace.yaml", "bun.lock", "bun.lockb",
    ".npmrc", ".yarnrc*", ".yarn", ".pnpmfile.*",
    // Python
    "requirements.txt", "pyproject.toml", "setup.py", "setup.cfg", "poetry.lock", "poetry.toml", "uv.lock", "uv.toml", "pdm.lock", "pipfile",
    "pipfile.lock", "pylock*", "pip.conf", "environment.yml", "environment.yaml",
    // Rust, Go
    "cargo.toml", "cargo.lock", ".cargo", "rust-toolchain", "rust-toolchain.toml", "go.mod", "go.sum", "go.work", "go.work.sum",
    // Ruby, PHP, Elixir
    "gemfile", "gemfile.lock", "gems.rb", "gems.locked", "*.gemspec", ".bundle", "composer.json", "composer.lock", "mix.exs", "mix.lock",
    // Versions of tools
    ".tool-versions", ".python-version", ".node-version", ".nvmrc", ".ruby-version", "mise.toml", ".mise.toml",
];

/// Extensions of files that people read and programs do not run.
const DOCUMENT_EXTENSIONS: &[&str] = &[
    "adoc", "asciidoc", "creole", "markdown", "md", "mdown", "mkd", "org", "rdoc", "rst", "textile",
];

/// Beside those, what stands in a folder of documents.
const EXTENSIONS_IN_DOCS: &[&str] = &[
    "bib", "css", "drawio", "gif", "html", "ico", "inc", "jpeg", "jpg", "mdx", "pdf", "png",
    "puml", "svg", "tex", "txt", "webp",
];

const DOCUMENT_FOLDERS: &[&str] = &[
    "docs",
    "doc",
    "documentation",
    "changelog.d",
    "changelogs",
    "changes",
    "newsfragments",
    "news",
];

/// Where tools such as reno and changie keep the notes of a release, one file for each change.
const NOTE_FOLDERS: &[&str] = &[
    "changelog.d",
    "changelogs",
    "newsfragments",
    "releasenotes",
    "release-notes",
    "release_notes",
    ".changes",
    ".changeset",
];

/// There, data is read by the tool alone.
const EXTENSIONS_IN_NOTES: &[&str] = &["txt", "yaml", "yml"];

/// Beginnings of names without an extension, or with `txt`.
const DOCUMENT_NAMES: &[&str] = &[
    "authors",
    "changelog",
    "changes",
    "code_of_conduct",
    "contributing",
    "contributors",
    "copying",
    "copyright",
    "history",
    "install",
    "licence",
    "license",
    "maintainers",
    "news",
    "notice",
    "readme",
    "releases",
    "security",
    "thanks",
    "todo",
    "whatsnew",
];

impl BuiltIn {
    pub fn new(entries: &'static [&'static str]) -> BuiltIn {
        let mut list = BuiltIn {
            names: HashMap::with_capacity(entries.len()),
            starts: Vec::new(),
            ends: Vec::new(),
            pairs: Vec::new(),
        };
        for &entry in entries {
            if let Some(start) = entry.strip_suffix('*') {
                list.starts.push((start, entry));
            } else if let Some(end) = entry.strip_prefix('*') {
                list.ends.push((end, entry));
            } else if let Some((folder, name)) = entry.split_once('/') {
                list.pairs.push((folder, name, entry));
            } else {
                list.names.insert(entry, entry);
            }
        }
        list
    }

    /// The entry that holds for a path in folded form.
    pub fn hit(&self, folded: &[u8]) -> Option<&'static str> {
        let mut above: &[u8] = b"";
        for part in folded.split(|&byte| byte == b'/') {
            if let Some(entry) = self.hit_part(above, part) {
                return Some(entry);
            }
            above = part;
        }
        None
    }

    fn hit_part(&self, above: &[u8], part: &[u8]) -> Option<&'static str> {
        let name = std::str::from_utf8(part).ok();
        if let Some(entry) = name.and_then(|name| self.names.get(name)) {
            return Some(entry);
        }
        let start = self
            .starts
            .iter()
            .find(|(start, _)| part.starts_with(start.as_bytes()));
        let end = || {
            self.ends
                .iter()
                .find(|(end, _)| part.ends_with(end.as_bytes()))
        };
        let is_pair =
            |folder: &str, name: &str| folder.as_bytes() == above && name.as_bytes() == part;
        start.or_else(end).map(|&(_, entry)| entry).or_else(|| {
            self.pairs
                .iter()
                .find(|(folder, name, _)| is_pair(folder, name))
                .map(|&(_, _, entry)| entry)
        })
    }
}

/// A file that a reader, or a tool that is generous with names, may take for the guard's policy.
pub(super) fn looks_like_policy(folded: &[u8]) -> bool {
    let Ok(path) = std::str::from_utf8(folded) else {
        return false;
    };
    path.split('/').any(|part| {
        let skeleton: String = part.chars().filter_map(skeleton).collect();
        skeleton.starts_with("koanguardyaml") || skeleton.starts_with("koanguardyml")
    })
}

/// A Python file or package that would be imported in the place of the standard library or of the test framework: at the top of the tree,
/// or beside the tests, where runners put it first on the path.
pub(super) fn shadows_library(folded: &[u8]) -> bool {
    let Ok(path) = std::str::from_utf8(folded) else {
        return false;
    };
    let path = path
        .strip_prefix("tests/")
        .or_else(|| path.strip_prefix("test/"))
        .unwrap_or(path);
    let name = match path.split_once('/') {
        None => path
            .split_once('.')
            .filter(|(_, rest)| is_importable(rest))
            .map(|(name, _)| name),
        Some((package, rest)) => (rest.starts_with("__init__.")).then_some(package),
    };
    name.is_some_and(stdlib::has_module)
}

/// Whether people read this file and programs do not run it.
pub(super) fn is_documentation(folded: &[u8]) -> bool {
    let Ok(path) = std::str::from_utf8(folded) else {
        return false;
    };
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    if DOCUMENT_EXTENSIONS.contains(&extension) {
        return true;
    }
    let is_name = DOCUMENT_NAMES.iter().any(|start| stem.starts_with(start));
    let first_folder = folder.split('/').next().unwrap_or("");
    let in_docs = DOCUMENT_FOLDERS.contains(&first_folder);
    let in_notes = NOTE_FOLDERS.contains(&first_folder);
    (is_name && matches!(extension, "" | "txt"))
        || (in_docs && EXTENSIONS_IN_DOCS.contains(&extension))
        || (in_notes && EXTENSIONS_IN_NOTES.contains(&extension))
}

fn is_importable(extension: &str) -> bool {
    matches!(extension, "py" | "pyc" | "pyi") || extension.ends_with("so")
}

/// A character without its looks; `None` for what only joins words.
fn skeleton(c: char) -> Option<char> {
    Some(match c {
        '.' | '-' | '_' | ' ' | '‐'..='―' | '−' | '·' => return None,
        '0' | 'о' | 'ο' | 'օ' => 'o',
        'а' | 'α' | '4' => 'a',
        'к' | 'κ' => 'k',
        'п' | 'ո' => 'n',
        'ц' | 'υ' | 'ս' => 'u',
        'г' => 'r',
        'ԁ' => 'd',
        'у' | 'γ' => 'y',
        'м' | 'ⅿ' => 'm',
        '1' | 'ӏ' | 'ι' | 'і' | '|' => 'l',
        'ɡ' | '9' => 'g',
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::paths::fold;

    #[track_caller]
    fn check(list: &BuiltIn, path: &str, expected: Option<&str>) {
        assert_eq!(list.hit(&fold(path.as_bytes())), expected, "{path}");
    }

    #[test]
    fn what_decides_what_is_safe_is_protected_at_any_depth() {
        for (path, entry) in [
            (".koan-guard.yaml", ".koan-guard*"),
            ("a/b/.KOAN-GUARD.yml", ".koan-guard*"),
            (".git/hooks/pre-commit", ".git"),
            ("vendor/.GIT./config", ".git"),
            (".gitattributes", ".gitattributes"),
            (".husky/pre-commit", ".husky"),
            ("lefthook.yml", "lefthook.*"),
            (".github/workflows/ci.yml", ".github"),
            ("ci/Jenkinsfile.release", "jenkinsfile*"),
            ("CLAUDE.md", "claude.md"),
            ("packages/a/AGENTS.md", "agents.md"),
            (".agents/skills/x/SKILL.md", ".agents"),
            (".vscode/tasks.json", ".vscode"),
            (".env", ".env"),
            ("app/.env.production", ".env.*"),
            (".npmrc", ".npmrc"),
            ("docs/CODEOWNERS", "codeowners"),
            ("shop/migrations/0001_initial.py", "migrations"),
            ("db/migrate/20240101_x.rb", "db/migrate"),
            ("alembic/versions/x.py", "alembic/versions"),
            ("deploy/id_rsa", "id_rsa"),
            ("certs/server.pem", "*.pem"),
        ] {
            check(&PROTECTED, path, Some(entry));
        }
    }

    #[test]
    fn ordinary_files_are_not_protected() {
        for path in [
            "src/main.rs",
            "README.md",
            "src/environment.py",
            "src/.environment",
            "docs/env.md",
            "lib/git.rs",
            "src/migrate.py",
            "db/schema.rb",
            "src/versions/x.py",
            "src/key.py",
            "src/lefthooks.rs",
            "Cargo.lock",
            "skills.py",
            "tests/migrations_test.py",
        ] {
            check(&PROTECTED, path, None);
        }
    }

    #[test]
    fn what_decides_how_tests_run_is_an_input_at_any_depth() {
        for path in [
            "conftest.py",
            "tests/unit/conftest.py",
            "CONFTEST.PY",
            "pyproject.toml",
            "a/x.pth",
            ".cargo/config.toml",
            "build.rs",
            "crates/a/Cargo.toml",
            "rust-toolchain",
            "package.json",
            "Makefile",
            "jest.config.mjs",
            ".config/nextest.toml",
            "spec/spec_helper.rb",
            "test/unit/test_helper.rb",
            "shop.gemspec",
            "tests/bootstrap.php",
            "phpunit.xml.dist",
        ] {
            assert!(JUDGE_INPUTS.hit(&fold(path.as_bytes())).is_some(), "{path}");
        }
        for path in [
            "Cargo.lock",
            "src/build.py",
            "tests/test_conftest.py",
            "src/setup_db.py",
            "src/package.rs",
            "test/helper.rb",
            "src/bootstrap.php",
        ] {
            check(&JUDGE_INPUTS, path, None);
        }
    }

    #[test]
    fn entries_are_written_in_the_form_in_which_they_are_looked_up() {
        for entry in PROTECTED_ENTRIES.iter().chain(JUDGE_INPUT_ENTRIES) {
            let text = entry.trim_matches('*').trim_end_matches('.');
            assert_eq!(fold(text.as_bytes()).as_ref(), text.as_bytes());
            assert!(
                entry.matches(['*', '/']).count() <= 1 && !text.contains('*'),
                "{entry}"
            );
        }
    }

    #[test]
    fn look_alikes_of_the_policy_are_recognised() {
        for path in [
            "koan_guard.yaml",
            ".k0an-guard.yaml",
            "a/.kоan-guard.yml",
            ".koanguard.yaml.bak",
            ". koan-guard.yaml",
        ] {
            assert!(looks_like_policy(&fold(path.as_bytes())), "{path}");
        }
        for path in [
            "src/koan_guard.rs",
            "docs/koan-guard.md",
            "koan.yaml",
            "guard.yaml",
        ] {
            assert!(!looks_like_policy(&fold(path.as_bytes())), "{path}");
        }
    }

    #[test]
    fn a_file_in_the_place_of_the_standard_library_is_recognised() {
        for path in [
            "pytest.py",
            "random.py",
            "unittest/__init__.py",
            "tests/json.py",
            "_pytest/__init__.py",
            "typing.cpython-311-x86_64-linux-gnu.so",
        ] {
            assert!(shadows_library(&fold(path.as_bytes())), "{path}");
        }
        for path in [
            "shop/random.py",
            "src/types.py",
            "tests/test_json.py",
            "test/__init__.py",
            "tests/unit/json.py",
            "random.txt",
            "main.py",
        ] {
            assert!(!shadows_library(&fold(path.as_bytes())), "{path}");
        }
    }

    #[test]
    fn documents_are_what_people_read_and_programs_do_not_run() {
        for path in [
            "README.md",
            "CHANGELOG",
            "CHANGES.txt",
            "LICENSE-MIT",
            "src/notes.rst",
            "docs/guide/a.png",
            "docs/x.txt",
            "newsfragments/12.bugfix.rst",
            "releasenotes/notes/fix-a-thing-4fd1.yaml",
            ".changes/unreleased/Fixed-2026.yaml",
            "doc/index.html",
        ] {
            assert!(is_documentation(&fold(path.as_bytes())), "{path}");
        }
        for path in [
            "docs/conf.py",
            "docs/evil.sh",
            "src/readme.py",
            "requirements.txt",
            "src/x.txt",
            "src/docs/a.html",
            "changes.py",
            "docs/x",
            "config/releasenotes/a.yaml",
            "releasenotes/a.py",
        ] {
            assert!(!is_documentation(&fold(path.as_bytes())), "{path}");
        }
    }
}
