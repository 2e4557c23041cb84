//! The guard's own failing tests in Go: at the end of a touched test file, and in a file that is added to every package as it is built.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::packages::Package;
use crate::change::RepoPath;
use crate::suite::runner::Canary;

/// `source` with a failing test at its end, of the assertions that it imports. `None` if it imports no `testing`.
pub(super) fn plant(path: &RepoPath, source: &str, canary: &Canary) -> Option<String> {
    let testing = imported_as(source, "testing", "testing")?;
    let digest = Sha256::digest(path.as_bytes());
    let file: String = digest[..4].iter().map(|b| format!("{b:02x}")).collect();
    let Canary { name, nonce } = canary;
    let head = |n: usize| format!("func Test_{name}_{file}_{n}(t *{}T)", qualifier(&testing));
    let mut tests = vec![format!("{} {{ t.Errorf(\"%s\", \"{nonce}\") }}", head(0))];
    for library in ["assert", "require"] {
        let path = format!("github.com/stretchr/testify/{library}");
        let Some(name) = imported_as(source, &path, library) else {
            continue;
        };
        let (n, call) = (tests.len(), qualifier(&name));
        tests.push(format!(
            "{} {{ {call}Equal(t, 1, 2, \"{nonce}\") }}",
            head(n)
        ));
    }
    let separator = if source.ends_with('\n') { "" } else { "\n" };
    Some(format!("{source}{separator}{}\n", tests.join("\n")))
}

/// A folder of the guard's own with the overlay for one build, gone with it: two guards may build at once.
#[derive(Debug)]
pub(super) struct Overlay {
    pub folder: TempDir,
}

impl Overlay {
    /// Adds a file with failing tests to each package, as its last one. It stands outside the package, so that its tests come after those of
    /// the package; an example comes after all tests, also parallel ones.
    pub fn write(
        packages: &[&Package],
        scripts: &Path,
        canary: &Canary,
    ) -> anyhow::Result<Overlay> {
        let folder = tempfile::Builder::new().prefix("go-").tempdir_in(scripts)?;
        let mut replace = serde_json::Map::new();
        let names: BTreeSet<&str> = packages
            .iter()
            .map(|package| package.name.as_str())
            .collect();
        for (n, name) in names.into_iter().enumerate() {
            let file = folder.path().join(format!("{n}.go"));
            fs::write(&file, own_file(name, canary))?;
            for package in packages.iter().filter(|package| package.name == name) {
                let place = package.dir.join(format!("zzzz_{}_test.go", canary.name));
                replace.insert(place.display().to_string(), json!(file));
            }
        }
        let overlay = Overlay { folder };
        fs::write(overlay.path(), json!({ "Replace": replace }).to_string())?;
        Ok(overlay)
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("overlay.json")
    }
}

fn own_file(package: &str, canary: &Canary) -> String {
    let Canary { name, nonce } = canary;
    format!(
        "package {package}_test\n\nimport \"testing\"\n\nfunc Test_{name}(t *testing.T) {{ t.Errorf(\"%s\", \"{nonce}\") }}\n\nfunc Example_{name}() {{\n\t// Output: {nonce}\n}}\n"
    )
}

/// By which name a file imports `path`; `default` where it gives none.
fn imported_as(source: &str, path: &str, default: &str) -> Option<String> {
    let quoted = [format!("\"{path}\""), format!("`{path}`")];
    for line in source.lines() {
        let line = line.trim();
        if line.starts_with("func ") {
            return None;
        }
        let specs = line.strip_prefix("import").unwrap_or(line);
        for spec in specs.split(['(', ')', ';']) {
            let spec = spec.split("//").next().unwrap_or_default().trim();
            if quoted.iter().any(|quoted| spec == quoted) {
                return Some(default.to_owned());
            }
            let Some((name, path)) = spec.split_once(char::is_whitespace) else {
                continue;
            };
            if quoted.iter().any(|quoted| path.trim() == quoted) && name != "_" {
                return Some(name.to_owned());
            }
        }
    }
    None
}

/// `testing.`; nothing where the names were imported themselves.
fn qualifier(name: &str) -> String {
    match name {
        "." => String::new(),
        name => format!("{name}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, expected: Option<&str>) {
        let canary = Canary {
            name: "koan".into(),
            nonce: "n".into(),
        };
        let planted = plant(&"a_test.go".into(), source, &canary);
        let added = planted.as_deref().map(|text| {
            let added = text.strip_prefix(source).expect("the source stays");
            added.replace("koan_2037777c", "koan")
        });
        assert_eq!(added.as_deref(), expected, "{source}");
    }

    #[test]
    fn a_test_file_gets_a_test_at_its_end() {
        let plain = "func Test_koan_0(t *testing.T) { t.Errorf(\"%s\", \"n\") }\n";
        check("package a\n\nimport \"testing\"\n", Some(plain));
        check(
            "package a\nimport (\n\t\"os\"\n\t\"testing\" // x\n)\n",
            Some(plain),
        );
        check("package a; import (\"os\"; \"testing\")\n", Some(plain));
        check("package a\nimport `testing`", Some(&format!("\n{plain}")));
        check(
            "package a\nimport tt \"testing\"\n",
            Some(&plain.replace("testing", "tt")),
        );
        check(
            "package a\nimport . \"testing\"\n",
            Some(&plain.replace("testing.", "")),
        );
    }

    #[test]
    fn a_file_that_imports_no_testing_gets_none() {
        check("package a\n", None);
        check("package a\nimport _ \"testing\"\n", None);
        check(
            "package a\nfunc a() string {\n\treturn `\n\"testing\"\n`\n}\n",
            None,
        );
    }

    #[test]
    fn assertions_of_testify_are_tried_too() {
        check(
            "package a\nimport (\n\t\"testing\"\n\tr \"github.com/stretchr/testify/require\"\n)\n",
            Some(
                "func Test_koan_0(t *testing.T) { t.Errorf(\"%s\", \"n\") }\nfunc Test_koan_1(t *testing.T) { r.Equal(t, 1, 2, \"n\") }\n",
            ),
        );
    }
}
