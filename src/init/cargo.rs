//! cargo, with the features that the project's own automation tests.

use super::{Choice, Seen};
use crate::change::RepoPath;
use crate::policy::RunnerConfig;

pub(super) fn runner(seen: &Seen) -> anyhow::Result<Choice> {
    let mut why = "there is a `Cargo.toml`".to_owned();
    let mut features = Vec::new();
    for path in seen.files.iter().filter(|path| is_automation(path)) {
        let Some(content) = (seen.read)(path)? else {
            continue;
        };
        for call in calls(&String::from_utf8_lossy(&content)) {
            if rank(&call) > rank(&features) {
                features = call;
                why = format!("there is a `Cargo.toml`, and `{path}` tests with these features");
            }
        }
    }
    if features == ALL && needs_nightly(seen)? {
        features.clear();
        why = "there is a `Cargo.toml`; some of its features need a nightly compiler".to_owned();
    }
    Ok(Choice {
        value: "cargo",
        dir: String::new(),
        features,
        custom: None,
        why,
    })
}

const ALL: [&str; 1] = [RunnerConfig::ALL_FEATURES];

/// Of the combinations that the project tests, the widest: others might not build at all.
fn rank(features: &[String]) -> usize {
    match features {
        [one] if one == RunnerConfig::ALL_FEATURES => usize::MAX,
        features => features.len(),
    }
}

fn is_automation(path: &RepoPath) -> bool {
    let path = path.to_string();
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
    let is_yaml = name.ends_with(".yml") || name.ends_with(".yaml");
    match folder {
        "" => matches!(
            name,
            "justfile" | "Justfile" | ".justfile" | "Makefile" | "GNUmakefile" | ".gitlab-ci.yml"
        ),
        ".github/workflows" => is_yaml,
        "ci" | "script" | "scripts" => name.ends_with(".sh"),
        _ => false,
    }
}

/// The features of every `cargo test` of a text that can be read for sure; steps for another compiler left out.
fn calls(text: &str) -> Vec<Vec<String>> {
    let text = text.replace("\\\n", " ");
    let lines: Vec<&str> = text.lines().collect();
    let mut calls = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if line.trim_start().starts_with('#')
            || step(&lines, at).any(|said| said.contains("nightly"))
        {
            continue;
        }
        for command in line.split(['&', ';', '|']) {
            calls.extend(features(command));
        }
    }
    calls
}

/// The lines of the list's entry that a line stands in, the line itself where there is no list.
fn step<'a>(lines: &'a [&'a str], at: usize) -> impl Iterator<Item = &'a str> {
    let begins = |line: &&str| line.trim_start().starts_with("- ");
    let start = lines[..=at].iter().rposition(begins);
    let end = lines[at + 1..].iter().position(begins);
    let (start, end) = match start {
        Some(start) => (start, end.map_or(lines.len(), |n| at + 1 + n)),
        None => (at, at + 1),
    };
    lines[start..end].iter().copied()
}

/// The features of one `cargo test`; `None` for another command, and where a variable or an option decides.
fn features(command: &str) -> Option<Vec<String>> {
    if command.contains('$') || command.contains("--no-default-features") {
        return None;
    }
    let bare: String = command
        .chars()
        .filter(|c| !matches!(c, '"' | '\''))
        .collect();
    let words: Vec<&str> = bare.split_whitespace().collect();
    let cargo = words
        .iter()
        .position(|&word| word == "cargo" || word == "@cargo")?;
    let own: Vec<&str> = words[cargo + 1..]
        .iter()
        .copied()
        .take_while(|&word| word != "--")
        .collect();
    let is_test = matches!(own[..], ["test" | "t", ..] | ["nextest", "run", ..]);
    if !is_test {
        return None;
    }
    let mut features: Vec<String> = Vec::new();
    let mut after_flag = false;
    for word in own {
        let value = word
            .strip_prefix("--features=")
            .or_else(|| word.strip_prefix("-F=").or(after_flag.then_some(word)));
        after_flag = matches!(word, "--features" | "-F");
        match value {
            Some(value) => features.extend(value.split(',').map(str::to_owned)),
            None if word == "--all-features" => {
                return Some(ALL.map(str::to_owned).to_vec());
            }
            None => {}
        }
    }
    features.retain(|name| !name.is_empty());
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let are_plain = features
        .iter()
        .all(|name| name.chars().all(is_plain) && !name.starts_with('-'));
    are_plain.then_some(features)
}

/// Whether a library of the project says that a feature of its own takes an unstable one of the language.
fn needs_nightly(seen: &Seen) -> anyhow::Result<bool> {
    let is_root = |path: &&RepoPath| matches!(path.file_name(), b"lib.rs" | b"main.rs");
    for path in seen.files.iter().filter(is_root) {
        let content = (seen.read)(path)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&content);
        let code: String = text.split_whitespace().collect();
        let mut attributes = code.split("#![cfg_attr(").skip(1);
        let is_unstable = |attribute: &str| {
            let end = attribute.find(")]").unwrap_or(attribute.len());
            let (condition, rest) = attribute[..end].split_once(",feature(").unwrap_or(("", ""));
            condition.contains("feature=") && !rest.is_empty()
        };
        if attributes.any(is_unstable) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found: Vec<String> = calls(text).iter().map(|call| call.join(" ")).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn the_features_of_each_call_are_read() {
        check("test:\n\tcargo test\n", &[""]);
        check("      - run: cargo test --all-features\n", &["all"]);
        check("cargo nextest run -F serde --workspace", &["serde"]);
        check("cargo test --features 'a,b' -- --test-threads 1", &["a b"]);
        check(
            "run: cargo test \\\n  --features=a && cargo clippy --all-features",
            &["a"],
        );
        check("@cargo t --all-features", &["all"]);
    }

    #[test]
    fn what_cannot_be_read_for_sure_is_left_out() {
        check("cargo test --features ${{ matrix.features }}", &[]);
        check("cargo test --no-default-features --features a", &[]);
        check("cargo +nightly test --all-features", &[]);
        check("cargo clippy --all-features", &[]);
        check("cargo test --features a/b", &[]);
        check("# cargo test --all-features", &[]);
        check(
            "- if: matrix.rust == 'nightly'\n  run: cargo test --all-features\n- run: cargo test --features a\n",
            &["a"],
        );
        check(
            "- run: cargo test --all-features\n  if: matrix.rust == 'nightly'\n",
            &[],
        );
    }

    /// `files` are paths and contents.
    #[track_caller]
    fn check_runner(files: &[(&str, &str)], expected: &str) {
        let paths: Vec<RepoPath> = files.iter().map(|(path, _)| (*path).into()).collect();
        let seen = Seen {
            files: &paths,
            subjects: &[],
            hooks: &[],
            read: &|path| {
                let file = files.iter().find(|(at, _)| *path == RepoPath::from(*at));
                Ok(file.map(|(_, content)| content.as_bytes().to_vec()))
            },
        };
        let choice = runner(&seen).expect("a choice");
        assert_eq!(choice.features.join(" "), expected);
        let facts = super::super::Facts {
            runners: vec![choice.clone()],
            ..Default::default()
        };
        let text = super::super::render::yaml(&facts);
        let policy = crate::policy::Policy::load(&text, "p.yaml").expect("loads");
        assert_eq!(policy.proof.runners[0].features, choice.features, "{text}");
    }

    #[test]
    fn the_widest_combination_that_is_tested_is_proposed() {
        check_runner(&[("Cargo.toml", "")], "");
        let script = (
            "scripts/test.sh",
            "cargo test --features a\ncargo test --all-features\n",
        );
        check_runner(&[script], "all");
        let workflow = (
            ".github/workflows/ci.yml",
            "- run: cargo test --features a,b\n- run: cargo test --features c\n",
        );
        check_runner(&[workflow], "a b");
        check_runner(&[workflow, script], "all");
        check_runner(&[("docs/ci.yml", workflow.1)], "");
    }

    #[test]
    fn features_for_another_compiler_are_not_proposed() {
        let make = ("Makefile", "test:\n\tcargo test --all-features\n");
        let unstable = "#![cfg_attr(feature = \"union\", feature(untagged_unions))]\n";
        check_runner(&[make, ("src/lib.rs", unstable)], "");
        let docs = "#![cfg_attr(docsrs, feature(doc_cfg))]\n";
        check_runner(&[make, ("src/lib.rs", docs)], "all");
        let other = "#![cfg_attr(feature = \"std\", allow(unused))]\n";
        check_runner(&[make, ("src/lib.rs", other)], "all");
    }
}
