//! Rules about whose code runs: manifests and lock files of the common ecosystems, and scripts that run on building and on installing.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::names::{self, BUILD_SCRIPTS, INSTALL_SCRIPTS, LOCKFILES, MANIFESTS};
use super::text::shown;
use super::{Judged, Objection};
use crate::change::{FileChange, FileVersion};
use crate::policy::{self, Rule};

/// Scripts of `package.json` that run without being asked for, where the package or what uses it is installed or published.
const NPM_LIFECYCLE: &[&str] = &[
    "preinstall",
    "install",
    "postinstall",
    "preuninstall",
    "uninstall",
    "postuninstall",
    "prepublish",
    "prepublishOnly",
    "publish",
    "postpublish",
    "preprepare",
    "prepare",
    "postprepare",
    "prepack",
    "postpack",
    "dependencies",
];

pub(super) fn dependencies(files: &[Judged]) -> Vec<Objection> {
    let mut objections = Vec::new();
    for judged in files {
        let file = judged.file;
        let path = &file.path;
        let name = policy::fold(path.as_bytes());
        let mut object = |rule, fact: String| {
            objections.push(Objection::file(rule, path, fact));
        };
        if names::is_one_of(&name, LOCKFILES) {
            object(Rule::LockfileChanged, format!("`{path}` is a lock file"));
            continue;
        }
        if names::is_one_of(&name, MANIFESTS) {
            object(
                Rule::ManifestChanged,
                format!("`{path}` names dependencies"),
            );
        }
        // A document may be called `install.md`, never what a tool runs.
        if judged.is_documentation() {
            continue;
        }
        if names::is_one_of(&name, BUILD_SCRIPTS) {
            let fact = format!("`{path}` runs when the project is built");
            object(Rule::BuildScriptChanged, fact);
        }
        if names::is_one_of(&name, INSTALL_SCRIPTS) {
            let fact = format!("`{path}` runs when the project is installed");
            object(Rule::InstallScriptChanged, fact);
        }
        if matches!(path.file_name(), b"package.json" | b"composer.json") {
            let scripts = Scripts::of(file);
            for (rule, names, when) in [
                (Rule::InstallScriptChanged, &scripts.install, "installed"),
                (Rule::BuildScriptChanged, &scripts.build, "built or tested"),
            ] {
                if let Some(first) = names.first() {
                    let fact = format!(
                        "`{path}` has another script `{}`, which runs when the project is {when}",
                        shown(first)
                    );
                    object(rule, fact);
                }
            }
        }
    }
    objections
}

/// The names of scripts that differ.
#[derive(Default)]
struct Scripts {
    install: BTreeSet<String>,
    build: BTreeSet<String>,
}

impl Scripts {
    fn of(file: &FileChange) -> Scripts {
        let is_npm = file.path.file_name() == b"package.json";
        let mut scripts = Scripts::default();
        let (Some(old), Some(new)) = (tables(&file.old), tables(&file.new)) else {
            // What cannot be read may say anything.
            scripts.install.insert("?".into());
            return scripts;
        };
        for ((key, old), (_, new)) in old.iter().zip(&new) {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in keys
                .into_iter()
                .filter(|name| old.get(*name) != new.get(*name))
            {
                let runs_unasked = match is_npm {
                    true => *key != "scripts" || NPM_LIFECYCLE.contains(&name.as_str()),
                    // `post-install-cmd`, `pre-autoload-dump`, `post-package-update`.
                    false => name.starts_with("pre-") || name.starts_with("post-"),
                };
                let list = if runs_unasked {
                    &mut scripts.install
                } else {
                    &mut scripts.build
                };
                list.insert(name.clone());
            }
        }
        scripts
    }
}

/// The tables of a manifest that name what runs; `None` where it is no JSON object. What is not there is empty.
fn tables(version: &Option<FileVersion>) -> Option<Vec<(&'static str, Map<String, Value>)>> {
    const TABLES: [&str; 3] = ["scripts", "gypfile", "bin"];
    let empty = || TABLES.map(|key| (key, Map::new())).to_vec();
    let Some(version) = version else {
        return Some(empty());
    };
    let Value::Object(manifest) = serde_json::from_str(version.content.text()?).ok()? else {
        return None;
    };
    let table = |key| match manifest.get(key) {
        None => (key, Map::new()),
        Some(Value::Object(table)) => (key, table.clone()),
        Some(other) => (key, Map::from_iter([(String::from(key), other.clone())])),
    };
    Some(TABLES.map(table).to_vec())
}

#[cfg(test)]
mod tests {
    use super::super::change_of::{change, judged};
    use super::*;
    use crate::policy::FileKind;

    /// The rules that speak.
    #[track_caller]
    fn check(path: &str, old: &str, new: &str, expected: &[Rule]) {
        let change = change(&[(path, old, new)]);
        let files = judged(&change, |path| match path.ends_with(".md") {
            true => FileKind::Documentation,
            false => FileKind::Production,
        });
        let rules: Vec<Rule> = dependencies(&files)
            .iter()
            .map(|found| found.rule)
            .collect();
        assert_eq!(rules, expected, "{path}: {new}");
    }

    #[test]
    fn what_runs_on_building_or_installing_is_a_script() {
        use Rule::{BuildScriptChanged, InstallScriptChanged, ManifestChanged};
        for (path, expected) in [
            ("build.rs", &[BuildScriptChanged][..]),
            ("Makefile", &[BuildScriptChanged]),
            ("lib/rules.mk", &[BuildScriptChanged]),
            ("CMakeLists.txt", &[BuildScriptChanged]),
            ("webpack.config.js", &[BuildScriptChanged]),
            ("setup.py", &[ManifestChanged, BuildScriptChanged]),
            (
                "app/build.gradle.kts",
                &[ManifestChanged, BuildScriptChanged],
            ),
            ("shop.csproj", &[ManifestChanged, BuildScriptChanged]),
            ("mix.exs", &[ManifestChanged, BuildScriptChanged]),
            ("shop.gemspec", &[ManifestChanged, BuildScriptChanged]),
            ("install.sh", &[InstallScriptChanged]),
            ("debian/postinst", &[InstallScriptChanged]),
            ("ext/extconf.rb", &[InstallScriptChanged]),
            ("Gemfile", &[ManifestChanged]),
            ("src/build.ts", &[]),
            ("src/makefile.py", &[]),
            ("src/install.py", &[]),
            ("docs/install.md", &[]),
            ("src/setup.js", &[]),
            ("builders/build.rs.txt", &[]),
            ("cmake/README.md", &[]),
            ("src/gradle.kt", &[]),
        ] {
            check(path, "a\n", "b\n", expected);
        }
        check("Cargo.lock", "a\n", "b\n", &[Rule::LockfileChanged]);
    }

    #[test]
    fn scripts_of_a_package_are_told_apart() {
        use Rule::{BuildScriptChanged, InstallScriptChanged, ManifestChanged};
        let package = |scripts: &str| format!("{{\"name\": \"a\", \"scripts\": {{{scripts}}}}}");
        let old = package("\"test\": \"x\"");
        let check = |new: &str, expected: &[Rule]| check("package.json", &old, new, expected);
        check(
            &package("\"test\": \"x\", \"postinstall\": \"y\""),
            &[ManifestChanged, InstallScriptChanged],
        );
        check(
            &package("\"test\": \"x\", \"prepare\": \"y\""),
            &[ManifestChanged, InstallScriptChanged],
        );
        check(
            &package("\"test\": \"true\""),
            &[ManifestChanged, BuildScriptChanged],
        );
        check(
            &old.replace("\"name\"", "\"gypfile\": true, \"name\""),
            &[ManifestChanged, InstallScriptChanged],
        );
        check("{\"scripts\": ", &[ManifestChanged, InstallScriptChanged]);
        check(&old.replace("\"a\"", "\"b\""), &[ManifestChanged]);
        check(
            &old.replace("\"name\"", "\"dependencies\": {\"x\": \"1\"}, \"name\""),
            &[ManifestChanged],
        );
        check(&format!("{old}\n"), &[ManifestChanged]);
    }

    #[test]
    fn composer_has_events() {
        use Rule::{BuildScriptChanged, InstallScriptChanged, ManifestChanged};
        let old = "{\"scripts\": {\"test\": \"x\"}}";
        for (new, expected) in [
            (
                "{\"scripts\": {\"test\": \"x\", \"post-install-cmd\": \"y\"}}",
                &[ManifestChanged, InstallScriptChanged][..],
            ),
            (
                "{\"scripts\": {\"test\": \"y\"}}",
                &[ManifestChanged, BuildScriptChanged],
            ),
            (
                "{\"scripts\": {\"test\": \"x\"}, \"require\": {}}",
                &[ManifestChanged],
            ),
        ] {
            check("composer.json", old, new, expected);
        }
    }
}
