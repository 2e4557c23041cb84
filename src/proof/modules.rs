//! Rust sources that are tests although no glob says so: what stands behind `#[cfg(test)] mod name;`.

use gix::ObjectId;

use crate::change::RepoPath;
use crate::git::Repo;
use crate::suite::inline;

/// How deep modules of test modules are followed.
const MAX_DEPTH: usize = 8;

/// Whether `path` is a module for tests in each of the trees that has it: a change cannot make one of production code.
///
/// # Errors
/// A file of a tree cannot be read.
pub(super) fn is_test_module(
    repo: &Repo,
    tree_ids: [ObjectId; 2],
    path: &RepoPath,
) -> anyhow::Result<bool> {
    if path.extension() != Some(b"rs") {
        return Ok(false);
    }
    let mut is_test = false;
    for tree_id in tree_ids {
        if repo.read_file(tree_id, path)?.is_some() {
            is_test = is_test_in(repo, tree_id, path, MAX_DEPTH)?;
            if !is_test {
                return Ok(false);
            }
        }
    }
    Ok(is_test)
}

/// Whether some source declares the module for tests, and none for anything else.
fn is_test_in(
    repo: &Repo,
    tree_id: ObjectId,
    path: &RepoPath,
    depth: usize,
) -> anyhow::Result<bool> {
    let mut is_test = false;
    if depth == 0 {
        return Ok(false);
    }
    for declaring in declaring(path) {
        let Some(source) = repo.read_file(tree_id, &declaring)? else {
            continue;
        };
        let Ok(source) = String::from_utf8(source) else {
            continue;
        };
        // What does not parse declares nothing that could be relied on.
        let Ok(all) = inline::module_files(&source, &declaring) else {
            return Ok(false);
        };
        if !all.contains(path) {
            continue;
        }
        let is_declared =
            inline::test_module_files(&source, &declaring).is_ok_and(|tests| tests.contains(path));
        if !is_declared && !is_test_in(repo, tree_id, &declaring, depth - 1)? {
            return Ok(false);
        }
        is_test = true;
    }
    Ok(is_test)
}

/// The sources that usually declare the module in `path`.
fn declaring(path: &RepoPath) -> Vec<RepoPath> {
    let path = path.as_bytes();
    let split = |path: &[u8]| match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => (path[..at].to_vec(), path[at + 1..].to_vec()),
        None => (Vec::new(), path.to_vec()),
    };
    let (mut folder, name) = split(path);
    if name == b"mod.rs" {
        folder = split(&folder).0;
    }
    let mut paths: Vec<RepoPath> = ["mod.rs", "lib.rs", "main.rs"]
        .iter()
        .map(|name| match folder.is_empty() {
            true => name.as_bytes().to_vec(),
            false => [&folder[..], b"/", name.as_bytes()].concat(),
        })
        .map(RepoPath::new)
        .collect();
    if !folder.is_empty() {
        paths.push(RepoPath::new([&folder[..], b".rs"].concat()));
    }
    paths.retain(|candidate| candidate.as_bytes() != path);
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(parent: &[(&str, &str)], commit: &[(&str, &str)], path: &str, expected: bool) {
        let test = crate::git::testing::TestRepo::new();
        let trees = [parent, commit].map(|files| {
            for (path, text) in files {
                test.write(path, text);
            }
            test.commit("a tree");
            test.id("HEAD^{tree}")
        });
        let is_test = is_test_module(&test.open(), trees, &path.into()).expect("read");
        assert_eq!(is_test, expected, "{path}");
    }

    #[test]
    fn a_module_for_tests_is_one_in_both_trees() {
        let tests = ("src/lib.rs", "#[cfg(test)]\nmod samples;\nmod cart;\n");
        let code = ("src/lib.rs", "mod samples;\nmod cart;\n");
        let samples = ("src/samples.rs", "mod more;\n");
        let more = ("src/samples/more.rs", "");
        check(&[tests, samples], &[samples], "src/samples.rs", true);
        check(&[tests, samples], &[more], "src/samples/more.rs", true);
        check(&[tests, ("src/cart.rs", "")], &[], "src/cart.rs", false);
        check(&[code, samples], &[tests], "src/samples.rs", false);
        check(&[tests, samples], &[code], "src/samples.rs", false);
        check(&[tests], &[samples], "src/samples.rs", true);
        check(&[tests], &[], "src/samples.rs", false);
        check(
            &[tests, samples],
            &[("src/main.rs", "mod samples;\n")],
            "src/samples.rs",
            false,
        );
    }

    #[test]
    fn a_module_is_declared_beside_or_above_it() {
        for (path, expected) in [
            ("src/a.rs", "src/mod.rs src/lib.rs src/main.rs src.rs"),
            ("src/a/mod.rs", "src/mod.rs src/lib.rs src/main.rs src.rs"),
            (
                "src/a/b.rs",
                "src/a/mod.rs src/a/lib.rs src/a/main.rs src/a.rs",
            ),
            ("a.rs", "mod.rs lib.rs main.rs"),
        ] {
            let paths: Vec<String> = declaring(&path.into())
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(paths.join(" "), expected, "{path}");
        }
    }
}
