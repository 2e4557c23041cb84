//! From what the guard asks for to what cargo builds, and to the tests that are run.

use std::collections::BTreeSet;
use std::path::Path;

use super::Case;
use super::build::Build;
use super::features::Features;
use super::workspace::{Kind, Package, Scope, Target, Workspace};
use crate::suite::runner::{Order, Selection};

/// The scopes of the touched files that are in the tree, and the canary's own. `None` is everything.
pub(super) fn scopes<'a>(
    workspace: &'a Workspace,
    tree: &Path,
    order: &Order,
) -> Option<Vec<Scope<'a>>> {
    let files = match order.selection {
        Selection::All => return None,
        Selection::Files(files) | Selection::Tests { files, .. } => files,
    };
    let own = order
        .canary
        .and_then(|canary| workspace.canary_scope(&canary.name));
    let touched = files.iter().filter_map(|file| workspace.scope(tree, file));
    Some(touched.chain(own).collect())
}

/// The calls of cargo that build the tests of the scopes. `cargo test --no-run` cannot be told to go on after an error, which would hide other
/// targets, and `cargo build` builds a library's tests only together with all others: so each where it fits. Both make the same binaries.
pub(super) fn calls(
    workspace: &Workspace,
    scopes: Option<&[Scope]>,
    features: &Features,
) -> Vec<Vec<String>> {
    let call = |words: &[&str], rest: Vec<String>| -> Vec<String> {
        let fixed = ["--offline", "--message-format", "json"];
        let words = words.iter().chain(&fixed).map(|&word| word.to_owned());
        words.chain(rest).collect()
    };
    let keep_going = ["build", "--keep-going", "--profile", "test"];
    let Some(scopes) = scopes else {
        let everything = ["--workspace", "--tests"].map(String::from).to_vec();
        let all: Vec<&Package> = workspace.packages.iter().collect();
        let features = features.args(workspace, &all);
        return vec![call(&keep_going, [everything, features].concat())];
    };
    let mut calls = Vec::new();
    let packages: BTreeSet<&str> = scopes.iter().map(|scope| scope.package_id).collect();
    for id in packages {
        let own = scopes.iter().filter(|scope| scope.package_id == id);
        let targets: BTreeSet<_> = own
            .flat_map(|scope| scope.targets.iter().copied())
            .collect();
        let own_package = workspace.package(id);
        let n_all = own_package.map_or(0, |package| package.tested().count());
        let features = features.args(workspace, own_package.as_slice());
        let package = [vec!["-p".to_owned(), id.to_owned()], features].concat();
        if targets.len() == n_all {
            calls.push(call(
                &keep_going,
                [package, vec!["--tests".to_owned()]].concat(),
            ));
            continue;
        }
        let (integration, unit): (Vec<_>, Vec<_>) = targets
            .into_iter()
            .partition(|target| target.kind() == Kind::Test);
        for target in unit {
            calls.push(call(
                &["test", "--no-run"],
                [package.clone(), target.selector()].concat(),
            ));
        }
        if !integration.is_empty() {
            let selectors = integration.iter().flat_map(|target| target.selector());
            calls.push(call(
                &keep_going,
                package.into_iter().chain(selectors).collect(),
            ));
        }
    }
    calls
}

/// The tests that the order asks for.
pub(super) fn chosen<'a>(
    cases: Vec<Case<'a>>,
    scopes: Option<&[Scope]>,
    order: &Order,
) -> Vec<Case<'a>> {
    let mut wanted = vec![scopes.is_none(); cases.len()];
    for scope in scopes.into_iter().flatten() {
        let is_in = |case: &Case| {
            case.binary.package_id == scope.package_id
                && scope
                    .targets
                    .iter()
                    .any(|target| **target == case.binary.target)
        };
        let is_below = |case: &Case| {
            let inside = |module: &String| {
                case.name
                    .strip_prefix(module.as_str())
                    .is_some_and(|rest| rest.starts_with("::"))
            };
            is_in(case) && scope.module.as_ref().is_some_and(inside)
        };
        // A file that gives no test by its module's name (it is included elsewhere) stands for its whole target.
        let has_own = cases.iter().any(|case| is_below(case) && !case.is_canary);
        for (wanted, case) in wanted.iter_mut().zip(&cases) {
            *wanted |= if has_own { is_below(case) } else { is_in(case) };
        }
    }
    let is_asked_for = |case: &Case| match order.selection {
        Selection::Tests { tests, .. } => tests.contains(&case.id()),
        Selection::All | Selection::Files(_) => true,
    };
    cases
        .into_iter()
        .zip(wanted)
        .filter(|(case, wanted)| case.is_canary || (*wanted && is_asked_for(case)))
        .map(|(case, _)| case)
        .collect()
}

/// Whether a canary is missing because its target did not build, which is said already.
pub(super) fn explains_silence(
    workspace: &Workspace,
    build: &Build,
    scopes: Option<&[Scope]>,
) -> bool {
    let Some(scopes) = scopes else {
        return build.binaries.is_empty() && !build.not_built.is_empty();
    };
    let is_broken = |scope: &Scope| {
        let package = workspace.package(scope.package_id);
        let id = |target: &Target| package.map(|package| target.binary_id(&package.name));
        scope
            .targets
            .iter()
            .filter_map(|target| id(target))
            .any(|id| !build.binaries.iter().any(|binary| binary.id == id))
    };
    !build.not_built.is_empty() && scopes.iter().any(is_broken)
}
