//! The features that the policy has cargo build with, as arguments of a call.

use std::path::Path;

use super::workspace::{Package, Workspace};
use crate::policy::RunnerConfig;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Features {
    is_all: bool,
    has_no_default: bool,
    /// `serde` of every package that has it, `shop/serde` of one.
    names: Vec<String>,
}

impl Features {
    pub fn new(said: &[String]) -> Features {
        let mut features = Features::default();
        for name in said {
            match name.as_str() {
                RunnerConfig::ALL_FEATURES => features.is_all = true,
                RunnerConfig::NO_DEFAULT_FEATURES => features.has_no_default = true,
                _ => features.names.push(name.clone()),
            }
        }
        features
    }

    /// `Err` where a name is of no package: cargo would say so in some calls only, and build less in others.
    pub fn check(&self, workspace: &Workspace) -> Result<(), String> {
        let is_known = |name: &&String| workspace.packages.iter().any(|p| own(p, name).is_some());
        match self.names.iter().find(|name| !is_known(name)) {
            Some(name) => Err(format!(
                "no package of the workspace has the feature `{name}` that `proof.runner` names"
            )),
            None => Ok(()),
        }
    }

    /// The arguments for a call that selects these packages. Cargo refuses a feature that none of those has, and an old one takes the bare
    /// name for the package at the top alone.
    pub fn args(&self, workspace: &Workspace, packages: &[&Package]) -> Vec<String> {
        let mut args = Vec::new();
        if self.is_all {
            args.push("--all-features".to_owned());
        }
        if self.has_no_default {
            args.push("--no-default-features".to_owned());
        }
        let mut names: Vec<String> = Vec::new();
        for package in packages {
            for feature in self.names.iter().filter_map(|name| own(package, name)) {
                names.push(match is_at(package, &workspace.root) {
                    true => feature.to_owned(),
                    false => format!("{}/{feature}", package.name),
                });
            }
        }
        if !names.is_empty() {
            args.extend(["--features".to_owned(), names.join(",")]);
        }
        args
    }
}

/// What `name` means to a package that has it.
fn own<'a>(package: &Package, name: &'a str) -> Option<&'a str> {
    let feature = match name.split_once('/') {
        Some((owner, feature)) if owner == package.name => feature,
        Some(_) => return None,
        None => name,
    };
    package.features.contains_key(feature).then_some(feature)
}

fn is_at(package: &Package, folder: &Path) -> bool {
    package.root() == folder
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> Workspace {
        let package = |name: &str, path: &str, features: &str| {
            format!(
                r#"{{"id":"{name}","name":"{name}","version":"0.1.0","manifest_path":"/t/{path}Cargo.toml","authors":[],"targets":[],"features":{features}}}"#
            )
        };
        let packages = [
            package("shop", "", r#"{"default":[],"json":[]}"#),
            package("cart", "cart/", r#"{"json":[],"slow":[]}"#),
            package("web", "web/", "{}"),
        ];
        let packages = packages.join(",");
        let json = format!(r#"{{"workspace_root":"/t","packages":[{packages}]}}"#);
        Workspace::read(json.as_bytes()).expect("metadata")
    }

    #[track_caller]
    fn check(said: &[&str], packages: &[&str], expected: &str) {
        let workspace = workspace();
        let said: Vec<String> = said.iter().map(|&name| name.to_owned()).collect();
        let features = Features::new(&said);
        features.check(&workspace).expect("known");
        let packages: Vec<&Package> = packages
            .iter()
            .filter_map(|id| workspace.package(id))
            .collect();
        assert_eq!(features.args(&workspace, &packages).join(" "), expected);
    }

    #[test]
    fn each_call_gets_the_features_of_its_packages() {
        let all = ["shop", "cart", "web"];
        check(&[], &all, "");
        check(&["all"], &["web"], "--all-features");
        check(&["no-default-features"], &all, "--no-default-features");
        check(&["json"], &all, "--features json,cart/json");
        check(&["json"], &["cart"], "--features cart/json");
        check(&["json"], &["web"], "");
        check(&["cart/json"], &all, "--features cart/json");
        check(&["cart/json"], &["shop"], "");
        check(
            &["no-default-features", "slow", "json"],
            &all,
            "--no-default-features --features json,cart/slow,cart/json",
        );
    }

    #[test]
    fn a_feature_that_no_package_has_is_said() {
        for name in ["jsno", "web/json", "serde/derive"] {
            let said = Features::new(&[name.to_owned()]).check(&workspace());
            let said = said.expect_err("no package has it");
            assert!(said.contains(&format!("`{name}`")), "{said}");
        }
    }
}
