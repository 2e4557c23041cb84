//! What `cargo metadata` says about a tree: its packages, their targets, and which of them a touched file belongs to.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;

use crate::change::RepoPath;

#[derive(Debug, Deserialize)]
pub(super) struct Workspace {
    /// Where cargo starts the compiler for each of the packages.
    #[serde(rename = "workspace_root")]
    pub root: PathBuf,
    pub packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Package {
    pub id: String,
    pub name: String,
    pub version: String,
    pub manifest_path: PathBuf,
    pub authors: Vec<String>,
    pub description: Option<String>,
    pub homepage: Option<String>,
    pub repository: Option<String>,
    pub license: Option<String>,
    pub license_file: Option<String>,
    pub readme: Option<String>,
    pub rust_version: Option<String>,
    pub targets: Vec<Target>,
    /// Its features, optional dependencies among them, with what each of them takes in.
    #[serde(default)]
    pub features: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) struct Target {
    pub name: String,
    pub kind: Vec<String>,
    pub src_path: PathBuf,
    #[serde(default)]
    pub test: bool,
    /// Whether the examples in its documentation run.
    #[serde(default)]
    pub doctest: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Lib,
    Bin,
    Test,
    Example,
    Bench,
    BuildScript,
}

/// The tests that a touched file stands for: those of some targets of a package; in them those of one module, if it has any.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scope<'a> {
    pub package_id: &'a str,
    pub targets: Vec<&'a Target>,
    pub module: Option<String>,
}

impl Workspace {
    pub fn read(json: &[u8]) -> anyhow::Result<Workspace> {
        serde_json::from_slice(json).context("read what `cargo metadata` says")
    }

    pub fn package(&self, id: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.id == id)
    }

    /// The scopes of a touched file; none if it is in no package.
    pub fn scope(&self, tree: &Path, path: &RepoPath) -> Option<Scope<'_>> {
        let path = tree.join(path.as_path());
        let package = self
            .packages
            .iter()
            .filter(|package| path.starts_with(package.root()))
            .max_by_key(|package| package.root().components().count())?;
        let (targets, module) = package.owners(&path);
        Some(Scope {
            package_id: &package.id,
            targets,
            module,
        })
    }

    /// The target that is only the canary.
    pub fn canary_scope(&self, name: &str) -> Option<Scope<'_>> {
        self.packages.iter().find_map(|package| {
            let target = package.tested().find(|target| target.name == name)?;
            Some(Scope {
                package_id: &package.id,
                targets: vec![target],
                module: None,
            })
        })
    }
}

impl Package {
    pub fn root(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(Path::new("/"))
    }

    pub fn tested(&self) -> impl Iterator<Item = &Target> {
        self.targets
            .iter()
            .filter(|target| target.test && target.kind() != Kind::BuildScript)
    }

    /// The targets that a file belongs to, by the folder of their main files. A fixture belongs to all of them.
    fn owners(&self, path: &Path) -> (Vec<&Target>, Option<String>) {
        if let Some(target) = self.tested().find(|target| target.src_path == path) {
            return (vec![target], None);
        }
        if path.extension().is_some_and(|extension| extension == "rs") {
            // `tests/shop/main.rs` owns its folder, `src/bin/tool/main.rs` too.
            let nested: Vec<&Target> = self
                .tested()
                .filter(|target| target.has_own_folder() && path.starts_with(target.folder()))
                .collect();
            if !nested.is_empty() {
                return (nested, None);
            }
            let integration = self.root().join("tests");
            if path.starts_with(&integration) {
                let tests = self.tested().filter(|target| target.kind() == Kind::Test);
                return (tests.collect(), None);
            }
            let beside: Vec<&Target> = self
                .tested()
                .filter(|target| matches!(target.kind(), Kind::Lib | Kind::Bin))
                .filter(|target| path.starts_with(target.folder()))
                .collect();
            if let Some(first) = beside.first() {
                let module = module(first.folder(), path);
                return (beside, module);
            }
        }
        (self.tested().collect(), None)
    }

    /// What cargo tells a test process about its package.
    pub fn env(&self) -> impl Iterator<Item = (OsString, OsString)> {
        let mut numbers = self.version.splitn(2, '-');
        let release = numbers.next().unwrap_or_default();
        let pre = numbers.next().unwrap_or_default();
        let mut parts = release.split('.');
        let mut part = || parts.next().unwrap_or_default().to_owned();
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        [
            ("CARGO_MANIFEST_DIR", self.root().display().to_string()),
            (
                "CARGO_MANIFEST_PATH",
                self.manifest_path.display().to_string(),
            ),
            ("CARGO_PKG_NAME", self.name.clone()),
            ("CARGO_PKG_VERSION", self.version.clone()),
            ("CARGO_PKG_VERSION_MAJOR", part()),
            ("CARGO_PKG_VERSION_MINOR", part()),
            ("CARGO_PKG_VERSION_PATCH", part()),
            ("CARGO_PKG_VERSION_PRE", pre.to_owned()),
            ("CARGO_PKG_AUTHORS", self.authors.join(":")),
            ("CARGO_PKG_DESCRIPTION", text(&self.description)),
            ("CARGO_PKG_HOMEPAGE", text(&self.homepage)),
            ("CARGO_PKG_REPOSITORY", text(&self.repository)),
            ("CARGO_PKG_LICENSE", text(&self.license)),
            ("CARGO_PKG_LICENSE_FILE", text(&self.license_file)),
            ("CARGO_PKG_README", text(&self.readme)),
            ("CARGO_PKG_RUST_VERSION", text(&self.rust_version)),
        ]
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
    }
}

impl Target {
    pub fn kind(&self) -> Kind {
        match self.kind.first().map(String::as_str) {
            Some("bin") => Kind::Bin,
            Some("test") => Kind::Test,
            Some("example") => Kind::Example,
            Some("bench") => Kind::Bench,
            Some("custom-build") => Kind::BuildScript,
            _ => Kind::Lib,
        }
    }

    /// The binary id, as nextest forms it.
    pub fn binary_id(&self, package: &str) -> String {
        let name = &self.name;
        match self.kind() {
            Kind::Lib => package.to_owned(),
            Kind::Test => format!("{package}::{name}"),
            Kind::Bin => format!("{package}::bin/{name}"),
            Kind::Example => format!("{package}::example/{name}"),
            Kind::Bench => format!("{package}::bench/{name}"),
            Kind::BuildScript => format!("{package}::build-script"),
        }
    }

    /// How cargo is told to build only this target.
    pub fn selector(&self) -> Vec<String> {
        let flag = match self.kind() {
            Kind::Lib | Kind::BuildScript => return vec!["--lib".to_owned()],
            Kind::Bin => "--bin",
            Kind::Test => "--test",
            Kind::Example => "--example",
            Kind::Bench => "--bench",
        };
        vec![flag.to_owned(), self.name.clone()]
    }

    fn folder(&self) -> &Path {
        self.src_path.parent().unwrap_or(Path::new("/"))
    }

    fn has_own_folder(&self) -> bool {
        let is_main = self
            .src_path
            .file_name()
            .is_some_and(|name| name == "main.rs");
        is_main
            && self
                .folder()
                .file_name()
                .is_some_and(|name| *name == *self.name)
    }
}

/// The module that a source file usually is: `a::b` for `a/b.rs` and `a/b/mod.rs`. An attribute may make it another one.
fn module(folder: &Path, path: &Path) -> Option<String> {
    let path = path.strip_prefix(folder).ok()?.with_extension("");
    let mut parts: Vec<&str> = path
        .iter()
        .map(|part| part.to_str())
        .collect::<Option<_>>()?;
    if parts.last() == Some(&"mod") {
        parts.pop();
    }
    Some(parts.join("::")).filter(|module| !module.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> Workspace {
        let target = |name: &str, kind: &str, path: &str| {
            format!(r#"{{"name":"{name}","kind":["{kind}"],"src_path":"/t/{path}","test":true}}"#)
        };
        let targets = [
            target("shop", "lib", "src/lib.rs"),
            target("shop", "bin", "src/main.rs"),
            target("tool", "bin", "src/bin/tool/main.rs"),
            target("cart", "test", "tests/cart.rs"),
            target("web", "test", "tests/web/main.rs"),
        ];
        let json = format!(
            r#"{{"workspace_root":"/t","packages":[{{"id":"path+file:///t#shop@0.1.0","name":"shop","version":"0.1.0","manifest_path":"/t/Cargo.toml","authors":[],
               "targets":[{}]}}]}}"#,
            targets.join(",")
        );
        Workspace::read(json.as_bytes()).expect("metadata")
    }

    #[track_caller]
    fn check(path: &str, expected: &str) {
        let workspace = workspace();
        let scope = workspace
            .scope(Path::new("/t"), &path.into())
            .expect("a scope");
        let ids: Vec<String> = scope
            .targets
            .iter()
            .map(|target| target.binary_id("shop"))
            .collect();
        let module = scope.module.map(|module| format!(" {module}"));
        assert_eq!(ids.join(" ") + &module.unwrap_or_default(), expected);
    }

    #[test]
    fn an_integration_test_belongs_to_its_target() {
        check("tests/cart.rs", "shop::cart");
        check("tests/web/login.rs", "shop::web");
    }

    #[test]
    fn a_helper_of_integration_tests_belongs_to_all_of_them() {
        check("tests/common/mod.rs", "shop::cart shop::web");
    }

    #[test]
    fn a_source_file_is_a_module_of_library_and_binary() {
        check("src/price/vat.rs", "shop shop::bin/shop price::vat");
        check("src/price/mod.rs", "shop shop::bin/shop price");
        check("src/lib.rs", "shop");
        check("src/bin/tool/args.rs", "shop::bin/tool");
    }

    #[test]
    fn a_fixture_belongs_to_everything() {
        check(
            "tests/data/cart.json",
            "shop shop::bin/shop shop::bin/tool shop::cart shop::web",
        );
    }
}
