//! What `go list` and `go test -c` say: the packages of a tree, which of them a touched file belongs to, and what did not build.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::change::RepoPath;
use crate::suite::NotBuilt;
use crate::suite::process::{End, Finished};
use crate::suite::runner::{Order, Selection};
use crate::usage::UsageError;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Package {
    pub import_path: String,
    pub dir: PathBuf,
    pub name: String,
    test_go_files: Vec<String>,
    #[serde(rename = "XTestGoFiles")]
    external_test_go_files: Vec<String>,
    pub error: Option<PackageError>,
    module: Module,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Module {
    dir: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct PackageError {
    pos: String,
    err: String,
}

impl Package {
    pub fn has_tests(&self) -> bool {
        !self.test_go_files.is_empty() || !self.external_test_go_files.is_empty()
    }

    /// Where its module begins: there its imports are looked up.
    pub fn module_dir(&self) -> &Path {
        &self.module.dir
    }

    /// Named as `go test` names it, in a folder of its own.
    pub fn executable(&self, target: &Path) -> PathBuf {
        let digest = Sha256::digest(self.import_path.as_bytes());
        let folder: String = digest[..6].iter().map(|b| format!("{b:02x}")).collect();
        let base = self.import_path.rsplit('/').next().unwrap_or_default();
        target
            .join("go-test")
            .join(folder)
            .join(format!("{base}.test"))
    }
}

impl PackageError {
    pub fn not_built(&self, package: &Package) -> NotBuilt {
        let first = self.err.lines().next().unwrap_or_default();
        let place = self.pos.rsplit('/').next().unwrap_or_default();
        let detail = match place {
            "" => first.to_owned(),
            place => format!("{first} ({place})"),
        };
        NotBuilt::new(package.import_path.clone(), detail)
    }
}

pub(super) fn read(stdout: &[u8]) -> anyhow::Result<Vec<Package>> {
    let packages = serde_json::Deserializer::from_slice(stdout).into_iter::<Package>();
    packages
        .collect::<Result<_, _>>()
        .context("read `go list -json`")
}

/// The folders with modules of the project's own, by the paths that `find` gives for every `go.mod`.
pub(super) fn module_dirs(stdout: &[u8]) -> Vec<PathBuf> {
    let text = String::from_utf8_lossy(stdout);
    let is_foreign = |part: &str| {
        matches!(part, "vendor" | "testdata" | "node_modules")
            || part.starts_with('_')
            || part.starts_with('.')
    };
    let folders = text
        .split('\0')
        .filter_map(|path| path.strip_suffix("go.mod"));
    let folders = folders.map(|folder| folder.trim_start_matches("./").trim_end_matches('/'));
    let own = folders.filter(|folder| !folder.split('/').any(is_foreign));
    let mut own: Vec<PathBuf> = own.map(PathBuf::from).collect();
    own.sort();
    own
}

/// The packages whose tests the order asks for.
pub(super) fn chosen<'a>(packages: &'a [Package], tree: &Path, order: &Order) -> Vec<&'a Package> {
    let files = match order.selection {
        Selection::All => return packages.iter().collect(),
        Selection::Files(files) | Selection::Tests { files, .. } => files,
    };
    let is_chosen = |package: &&Package| {
        let mut files = files.iter();
        files.any(|file| belongs(packages, tree, file, package))
    };
    packages.iter().filter(is_chosen).collect()
}

/// A source belongs to the package of its folder; anything else to all packages below the folder that it was laid into for them, or to the
/// nearest package above it.
fn belongs(packages: &[Package], tree: &Path, file: &RepoPath, package: &Package) -> bool {
    let path = tree.join(file.as_path());
    let folder = path.parent().unwrap_or(tree);
    if file.extension() == Some(b"go") && packages.iter().any(|other| other.dir == folder) {
        return package.dir == folder;
    }
    let is_data = |folder: &&Path| folder.file_name().is_some_and(|name| name == "testdata");
    let data = folder
        .ancestors()
        .take_while(|at| *at != tree)
        .filter(is_data)
        .last();
    let scope = data.and_then(Path::parent).unwrap_or(folder);
    if packages.iter().any(|other| other.dir.starts_with(scope)) {
        return package.dir.starts_with(scope);
    }
    let mut above = scope.ancestors();
    let nearest = above.find(|at| packages.iter().any(|other| other.dir == *at));
    // What stands beside all packages may be meant for any.
    nearest.is_none_or(|nearest| package.dir == nearest)
}

/// Whether a package was built.
///
/// # Errors
/// The compiler's first words.
pub(super) fn built(finished: &Finished) -> Result<(), String> {
    match finished.end {
        End::Exit(0) => return Ok(()),
        End::TimedOut => return Err("stopped at its time limit".to_owned()),
        End::Signal(signal) => return Err(format!("the build was killed by signal {signal}")),
        End::Exit(_) => {}
    }
    let said = first_error(&finished.stderr);
    Err(said)
}

/// What is missing from the module cache, if that is why nothing at all could be built.
pub(super) fn missing_module(not_built: &[NotBuilt]) -> Option<UsageError> {
    let is_missing = |not_built: &&NotBuilt| not_built.detail.contains("disabled by GOPROXY=off");
    let missing = not_built.iter().find(is_missing)?;
    Some(UsageError::with_hint(
        format!("a dependency is not on this machine: {}", missing.detail),
        "run `go mod download` in your checkout; the tests are built without network",
    ))
}

/// `cart/cart_test.go:5:2: undefined: Total`, or whatever comes first.
pub(super) fn first_error(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let mut lines = text
        .lines()
        .map(|line| line.trim().trim_start_matches("./"))
        .filter(|line| {
            !line.is_empty() && !line.starts_with("# ") && !line.starts_with("go: downloading ")
        });
    let has_place = |line: &&str| {
        let mut parts = line.splitn(3, ':');
        let is_go = parts.next().is_some_and(|file| file.ends_with(".go"));
        is_go && parts.next().is_some_and(|n| n.parse::<u32>().is_ok())
    };
    let line = lines.clone().find(has_place).or_else(|| lines.next());
    line.unwrap_or("go failed and said nothing").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages() -> Vec<Package> {
        let package = |dir: &str| Package {
            import_path: format!("shop/{dir}"),
            dir: Path::new("/t").join(dir),
            ..Package::default()
        };
        ["", "cart", "cart/tax", "web/api"].map(package).into()
    }

    #[track_caller]
    fn check(packages: &[Package], file: &str, expected: &str) {
        let file = RepoPath::from(file);
        let own = packages
            .iter()
            .filter(|package| belongs(packages, Path::new("/t"), &file, package));
        let own: Vec<&str> = own.map(|package| package.import_path.as_str()).collect();
        assert_eq!(own.join(" "), expected, "{file:?}");
    }

    #[test]
    fn a_source_belongs_to_the_package_of_its_folder() {
        check(&packages(), "cart/cart_test.go", "shop/cart");
        check(&packages(), "main_test.go", "shop/");
        check(&packages(), "cart/old/x_test.go", "shop/cart");
    }

    #[test]
    fn a_fixture_belongs_to_what_stands_below_its_folder() {
        check(
            &packages(),
            "cart/testdata/a/b.json",
            "shop/cart shop/cart/tax",
        );
        check(
            &packages(),
            "testdata/a.go",
            "shop/ shop/cart shop/cart/tax shop/web/api",
        );
        check(&packages(), "web/a.txt", "shop/web/api");
        check(&packages(), "docs/a.txt", "shop/");
        check(&packages()[3..], "docs/a.txt", "shop/web/api");
    }

    #[test]
    fn a_module_of_somebody_else_is_none_of_ours() {
        let found =
            b"./go.mod\0./web/go.mod\0./vendor/x/go.mod\0./a/testdata/go.mod\0./_x/go.mod\0";
        assert_eq!(module_dirs(found), [Path::new(""), Path::new("web")]);
    }

    #[test]
    fn the_first_error_names_its_place() {
        let said = b"# shop/cart [shop/cart.test]\n./cart_test.go:5:2: undefined: Total\n./cart_test.go:6:2: x\n";
        assert_eq!(first_error(said), "cart_test.go:5:2: undefined: Total");
        assert_eq!(first_error(b"go: no modules\n"), "go: no modules");
        assert_eq!(first_error(b""), "go failed and said nothing");
    }
}
