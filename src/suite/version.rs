//! The version of a Python project that reads its own from the tags of its history, which a laid-out tree does not have.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// Where no tag names one: above every lower bound that a tool of its tests may set.
const VERSION: &str = "9999";

/// Where a project names itself, and what counts its tags.
const FILES: [&[u8]; 3] = [b"pyproject.toml", b"setup.cfg", b"setup.py"];

/// Tools that know no project by its name, and the variable that each of them reads.
const NAMELESS: [(&[&str], &str); 5] = [
    (&["hatch-vcs", "flit_scm"], "SETUPTOOLS_SCM_PRETEND_VERSION"),
    (&["pdm-backend", "pdm-pep517"], "PDM_BUILD_SCM_VERSION"),
    (
        &["poetry-dynamic-versioning"],
        "POETRY_DYNAMIC_VERSIONING_BYPASS",
    ),
    (&["uv-dynamic-versioning"], "UV_DYNAMIC_VERSIONING_BYPASS"),
    (&["pbr"], "PBR_VERSION"),
];

/// Whether a file at the top of the tree is asked.
pub fn is_asked(path: &[u8]) -> bool {
    FILES.contains(&path)
}

/// The version that a tag names; `None` for one of something else, and for one before a release.
///
/// `1.6.0`, `v1.6.0`, `shop-1.6.0`, `release/1.6`
pub fn of_tag(name: &str) -> Option<&str> {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
    let last = name.rsplit(['/', '-', '_', '@']).next()?;
    let version = last.strip_prefix(['v', 'V']).unwrap_or(last);
    let is_version =
        version.contains('.') && version.len() <= 50 && version.split('.').all(is_number);
    is_version.then_some(version)
}

/// What tells such a tool the version; nothing for a project that has none. `version` is asked only then: that of the nearest tag, which is about
/// what the tool would tell in the checkout, and what other packages are chosen by.
pub fn env(
    files: &[String],
    version: impl FnOnce() -> anyhow::Result<Option<String>>,
) -> anyhow::Result<BTreeMap<OsString, OsString>> {
    let uses = |words: &[&str]| {
        let mut texts = files.iter();
        texts.any(|text| words.iter().any(|word| text.contains(word)))
    };
    let mut names = Vec::new();
    if uses(&["setuptools_scm", "setuptools-scm", "hatch-vcs", "flit_scm"]) {
        // By its name: what it depends on may be built as well, and has a version of its own.
        let projects = files.iter().flat_map(|text| text.lines().filter_map(name));
        names.extend(projects.map(|project| {
            let name = project.to_uppercase().replace(['-', '.'], "_");
            format!("SETUPTOOLS_SCM_PRETEND_VERSION_FOR_{name}")
        }));
    }
    // These do not say whose version they ask for.
    for (words, name) in NAMELESS {
        if uses(words) {
            names.push((*name).to_owned());
        }
    }
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let version = version()?.unwrap_or_else(|| VERSION.to_owned());
    let told = |name: String| (name.into(), version.clone().into());
    Ok(names.into_iter().map(told).collect())
}

/// `attrs` of `name = "attrs"`.
fn name(line: &str) -> Option<&str> {
    let value = line.trim().strip_prefix("name")?.trim_start();
    let value = value.strip_prefix('=')?.trim();
    let value = value.trim_end_matches(',').trim_matches(['"', '\'']);
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (!value.is_empty() && value.chars().all(is_name)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(files: &[&str], expected: &[&str]) {
        let files: Vec<String> = files.iter().map(|&text| text.to_owned()).collect();
        let told = env(&files, || Ok(Some("1.6.0".into()))).expect("no error");
        assert!(told.values().all(|version| version == "1.6.0"));
        let names: Vec<_> = told.into_keys().collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn a_tag_of_a_release_names_a_version() {
        for (tag, version) in [
            ("1.6.0", Some("1.6.0")),
            ("v1.6", Some("1.6")),
            ("shop-1.6.0", Some("1.6.0")),
            ("release/V1.6.0.1", Some("1.6.0.1")),
            ("shop@1.6.0", Some("1.6.0")),
            ("v1", None),
            ("1.6.0rc1", None),
            ("1.6.0-rc.1", None),
            ("1..6", None),
            ("nightly", None),
            ("", None),
        ] {
            assert_eq!(of_tag(tag), version, "{tag}");
        }
    }

    #[test]
    fn a_project_without_tags_is_told_its_version() {
        check(
            &["requires = ['hatch-vcs']\n[project]\nname = \"attrs\"\n"],
            &[
                "SETUPTOOLS_SCM_PRETEND_VERSION",
                "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_ATTRS",
            ],
        );
        check(
            &[
                "requires = ['setuptools_scm<8']",
                "[metadata]\nname = python-date.util\n",
            ],
            &["SETUPTOOLS_SCM_PRETEND_VERSION_FOR_PYTHON_DATE_UTIL"],
        );
        check(
            &[
                "setup(\n    name='shop',\n    use_scm_version=True, setup_requires=['setuptools_scm'])",
            ],
            &["SETUPTOOLS_SCM_PRETEND_VERSION_FOR_SHOP"],
        );
        check(
            &["requires = ['pdm-backend']\n"],
            &["PDM_BUILD_SCM_VERSION"],
        );
        check(&["[project]\nname = \"shop\"\nversion = \"1.0\"\n"], &[]);
        check(&["requires = ['setuptools_scm']\nname = NAME()\n"], &[]);
        check(&[], &[]);
    }
}
