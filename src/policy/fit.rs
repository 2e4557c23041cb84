//! Looks whether a policy fits the files of its repository: globs that match none of them, entries that others make idle, runners without a project.

use super::file::{At, RunnerFile, Runners};
use super::lint::Warning;
use super::merge::{self, Layer};
use super::{FileKind, Hit, Origin, PathSet, Policy, RunnerConfig, builtin, fold};
use crate::change::RepoPath;

/// Reads a policy as [`Policy::load`] does and says what does not fit `files`, from top to bottom.
///
/// # Errors
/// Those of [`Policy::load`].
pub fn fit(text: &str, name: &str, files: &[RepoPath]) -> anyhow::Result<Vec<Warning>> {
    let layers = merge::layers(text, name)?;
    let policy = merge::merge(&layers)?;
    let fit = Fit {
        policy: &policy,
        files,
    };
    let mut warnings = Vec::new();
    for layer in layers.iter().filter(|layer| layer.is_file()) {
        for (key, list) in lists(layer) {
            for (n, at) in list.iter().enumerate() {
                let is_idle = fit.matches_nothing(at)?;
                let earlier = duplicate(&list[..n], at).or_else(|| fit.in_preset(key, at));
                warnings.extend(is_idle.or(earlier));
            }
        }
        let allow = layer.shape().perimeter.allow.0.iter();
        for at in allow.flat_map(|list| &list.value) {
            warnings.extend(fit.allows_nothing(at)?);
        }
        let protect = layer.shape().perimeter.protect.0.iter();
        let protect = protect.flat_map(|list| &list.value);
        warnings.extend(protect.filter_map(|at| fit.built_in(at)));
        for at in layer
            .shape()
            .perimeter
            .forbid
            .0
            .iter()
            .flat_map(|list| &list.value)
        {
            for glob in at.value.paths.0.iter().flat_map(|list| &list.value) {
                warnings.extend(fit.matches_nothing(glob)?);
            }
        }
        if let Some(at) = &layer.shape().proof.runner.0 {
            warnings.extend(fit.runners(at));
        }
    }
    warnings.extend(fit.no_test());
    warnings.sort_by_key(|warning| (warning.line.is_none(), warning.line, warning.column));
    Ok(warnings)
}

struct Fit<'a> {
    policy: &'a Policy,
    files: &'a [RepoPath],
}

/// What must be in a runner's folder: an ending of a name, and how it is called.
const PROJECTS: &[(&str, &[&str])] = &[
    ("cargo", &["Cargo.toml"]),
    ("go", &["go.mod"]),
    ("pytest", &[".py"]),
    ("unittest", &[".py"]),
    ("jest", &["package.json"]),
    ("mocha", &["package.json"]),
    ("node", &["package.json", ".js", ".mjs", ".cjs", ".ts"]),
    ("vitest", &["package.json"]),
    ("rspec", &[".rb"]),
    ("minitest", &[".rb"]),
    ("phpunit", &[".php"]),
    ("bats", &[".bats"]),
];

/// The same for the program that a command of `custom` begins with.
const PROGRAMS: &[(&str, &[&str])] = &[
    ("mvn", &["pom.xml"]),
    (
        "gradle",
        &[
            "build.gradle",
            "build.gradle.kts",
            "settings.gradle",
            "settings.gradle.kts",
        ],
    ),
    (
        "dotnet",
        &[".sln", ".slnx", ".csproj", ".fsproj", ".vbproj"],
    ),
    ("mix", &["mix.exs"]),
    ("make", &["Makefile", "makefile", "GNUmakefile"]),
    ("npm", &["package.json"]),
];

/// The lists of globs that a file says, by key.
fn lists(layer: &Layer) -> Vec<(&'static str, &[At<String>])> {
    let file = layer.shape();
    let lists = [
        ("perimeter.allow", &file.perimeter.allow),
        ("perimeter.protect", &file.perimeter.protect),
        ("proof.tests", &file.proof.tests),
        ("proof.inputs", &file.proof.inputs),
        ("proof.setup_inputs", &file.proof.setup_inputs),
    ];
    let said = lists.into_iter();
    said.filter_map(|(key, list)| Some((key, list.0.as_ref()?.value.as_slice())))
        .collect()
}

/// An entry of the same list that makes this one idle.
fn duplicate(earlier: &[At<String>], at: &At<String>) -> Option<Warning> {
    let wider = earlier
        .iter()
        .find(|other| covers(&other.value, &at.value))?;
    let message = format!(
        "`{}` is within `{}` of line {} and can go",
        at.value, wider.value, wider.line
    );
    Some(Warning::note(at, message))
}

/// Whether everything that `glob` matches is matched by `wider`, by their looks: no for a doubt.
fn covers(wider: &str, glob: &str) -> bool {
    let folder = wider
        .strip_suffix("/**")
        .filter(|folder| !folder.contains(['*', '?', '[', '{', '\\']));
    let is_below = |folder: &str| {
        let rest = glob.strip_prefix(folder);
        rest.is_some_and(|rest| rest.starts_with('/') && rest.len() > 1)
    };
    wider == glob || wider == "**" || folder.is_some_and(is_below)
}

impl Fit<'_> {
    fn matching<'a>(&'a self, glob: &str) -> anyhow::Result<Vec<&'a RepoPath>> {
        let set = PathSet::new(vec![glob.to_owned()])?;
        Ok(self
            .files
            .iter()
            .filter(|path| set.is_match(path))
            .collect())
    }

    fn matches_nothing(&self, at: &At<String>) -> anyhow::Result<Option<Warning>> {
        if !self.matching(&at.value)?.is_empty() {
            return Ok(None);
        }
        let hint = self
            .nearest(&at.value)?
            .map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        let message = format!(
            "glob `{}` matches no file of the repository{hint}",
            at.value
        );
        Ok(Some(Warning::note(at, message)))
    }

    /// The glob with another case, or at any depth, or with the nearest folder in place of its first, if that matches something.
    fn nearest(&self, glob: &str) -> anyhow::Result<Option<String>> {
        let mut others = Vec::new();
        if let Some((first, rest)) = glob.split_once('/') {
            let folders = self.files.iter().filter_map(|path| {
                let (folder, _) = path.to_str()?.split_once('/')?;
                Some(folder)
            });
            let near = folders
                .map(|folder| {
                    let distance =
                        strsim::damerau_levenshtein(&folder.to_lowercase(), &first.to_lowercase());
                    (distance, folder)
                })
                .filter(|(distance, _)| *distance <= 1 + first.len() / 4)
                .min();
            others.extend(near.map(|(_, folder)| format!("{folder}/{rest}")));
        }
        if !glob.starts_with("**/") {
            others.push(format!("**/{glob}"));
        }
        if !glob.contains(['*', '?', '[', '{']) {
            others.push(format!("{glob}/**"));
        }
        for other in others {
            if other != glob && !self.matching(&other)?.is_empty() {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }

    /// The same entry in a preset.
    fn in_preset(&self, key: &str, at: &At<String>) -> Option<Warning> {
        let mut values = self.policy.values.iter();
        let same = values.find(|value| {
            let is_preset = matches!(value.origin, Origin::Preset { .. });
            is_preset && value.key == key && value.value == at.value
        })?;
        let message = format!(
            "`{}` stands in {} already and can go",
            at.value, same.origin
        );
        Some(Warning::note(at, message))
    }

    /// A protected glob that the built-in list holds, by a path that stands for all that it matches.
    fn built_in(&self, at: &At<String>) -> Option<Warning> {
        let sample = at.value.replace("**", "x").replace('*', "x");
        let is_plain = !sample.contains(['?', '[', '{', '\\']);
        let entry = builtin::PROTECTED.hit(&fold(sample.as_bytes()));
        let entry = entry.filter(|_| is_plain)?;
        let message = format!(
            "`{}` is protected without this, by the built-in `{entry}`",
            at.value
        );
        Some(Warning::note(at, message))
    }

    /// An entry of `allow` whose files can none of them be touched.
    fn allows_nothing(&self, at: &At<String>) -> anyhow::Result<Option<Warning>> {
        let files = self.matching(&at.value)?;
        let shut = |path: &&&RepoPath| {
            matches!(
                self.policy.kind_of(path),
                FileKind::Protected | FileKind::JudgeInput
            )
        };
        let n_shut = files.iter().filter(shut).count();
        if files.is_empty() || n_shut < files.len() {
            return Ok(None);
        }
        let by = match self.policy.perimeter.protect.hit(files[0]) {
            Some(Hit::Glob(text) | Hit::BuiltIn(text)) => format!(", by `{text}`"),
            None => ", as inputs of the judge".to_owned(),
        };
        let message = format!(
            "`{}` allows nothing: all {n_shut} files are protected{by}",
            at.value
        );
        Ok(Some(Warning::at(at, message)))
    }

    fn runners(&self, at: &At<Runners>) -> Vec<Warning> {
        let mut warnings = Vec::new();
        match &at.value {
            Runners::List(list) => {
                warnings.extend(list.iter().flat_map(|entry| self.runners(entry)));
            }
            Runners::One(file) => {
                if let Some(trust) = file.trust_report.0.as_ref().filter(|trust| trust.value) {
                    let message = "`trust_report: true` counts a report that the tests themselves could have written";
                    warnings.push(Warning::note(trust, message.to_owned()));
                }
                let runner = self
                    .policy
                    .proof
                    .runners
                    .iter()
                    .find(|runner| is_of(file, runner));
                warnings.extend(runner.and_then(|runner| self.no_project(at, runner)));
            }
            Runners::Name(name) => {
                let runner = self
                    .policy
                    .proof
                    .runners
                    .iter()
                    .find(|runner| runner.name == *name);
                warnings.extend(runner.and_then(|runner| self.no_project(at, runner)));
            }
        }
        warnings
    }

    fn no_project(&self, at: &At<Runners>, runner: &RunnerConfig) -> Option<Warning> {
        let command = runner.custom.as_ref().map(|custom| custom.command.as_str());
        let program = command.and_then(|command| command.split_whitespace().next());
        let of = |table: &[(&str, &'static [&'static str])], name: &str| {
            table
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, ends)| *ends)
        };
        let ends = match program {
            Some(program) => match program.strip_prefix("./") {
                Some(script) => return self.no_script(at, runner, script),
                None => of(PROGRAMS, program)?,
            },
            None => of(PROJECTS, &runner.name)?,
        };
        let is_project = |path: &&RepoPath| {
            let path = path.to_str().unwrap_or("");
            let below = match runner.dir.as_str() {
                "" => Some(path),
                dir => path
                    .strip_prefix(dir)
                    .and_then(|rest| rest.strip_prefix('/')),
            };
            below.is_some_and(|below| {
                ends.iter().any(|end| {
                    let name = below.rsplit('/').next().unwrap_or(below);
                    if end.starts_with('.') {
                        name.ends_with(end)
                    } else {
                        name == *end
                    }
                })
            })
        };
        if self.files.iter().any(|path| is_project(&path)) {
            return None;
        }
        let what = program.unwrap_or(&runner.name);
        let place = place(&runner.dir);
        let message = format!(
            "`{what}` runs nothing{place}: there is no `{}`",
            ends.join("`, no `")
        );
        Some(Warning::at(at, message))
    }

    fn no_script(&self, at: &At<Runners>, runner: &RunnerConfig, script: &str) -> Option<Warning> {
        let path = match runner.dir.as_str() {
            "" => script.to_owned(),
            dir => format!("{dir}/{script}"),
        };
        let is_there = self.files.contains(&RepoPath::from(path.as_str()));
        let message = || format!("the command begins with `./{script}`, and there is no `{path}`");
        (!is_there).then(|| Warning::at(at, message()))
    }

    fn no_test(&self) -> Option<Warning> {
        let proof = &self.policy.proof;
        let has_inline = proof.runners.iter().any(|runner| runner.name == "cargo");
        let is_test = |path: &RepoPath| self.policy.kind_of(path) == FileKind::Test;
        let is_none = !proof.tests.globs.is_empty() && !self.files.iter().any(is_test);
        (is_none && !has_inline && !self.files.is_empty()).then(|| Warning {
            line: None,
            column: None,
            is_note: true,
            message: "no file of the repository is a test by `proof.tests`".to_owned(),
        })
    }
}

fn is_of(file: &RunnerFile, runner: &RunnerConfig) -> bool {
    let name = file.name.0.as_ref().map(|name| name.value.as_str());
    let dir = file
        .dir
        .0
        .as_ref()
        .map_or("", |dir| dir.value.trim_end_matches('/'));
    name == Some(runner.name.as_str()) && (dir == runner.dir || dir == ".")
}

fn place(dir: &str) -> String {
    match dir {
        "" => String::new(),
        dir => format!(" in `{dir}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: &[&str] = &[
        "Cargo.toml",
        "src/lib.rs",
        "src/db/migrations/1.sql",
        "deploy/run.sh",
        "tests/it.rs",
        "web/package.json",
        "web/src/a.ts",
        "mvnw",
    ];

    /// The remarks as `LINE: message`, those on the whole left out.
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let files: Vec<RepoPath> = FILES.iter().map(|path| (*path).into()).collect();
        let warnings = fit(&format!("version: 1\n{text}\n"), "p.yaml", &files).expect("loads");
        let said: Vec<String> = warnings
            .iter()
            .filter_map(|warning| {
                let kind = if warning.is_note { "note " } else { "" };
                Some(format!("{}: {kind}{}", warning.line?, warning.message))
            })
            .collect();
        assert_eq!(said, expected, "{text}");
    }

    #[test]
    fn a_glob_that_matches_no_file_is_named_with_what_is_near() {
        check(
            "perimeter: {allow: [scr/**]}",
            &["2: note glob `scr/**` matches no file of the repository; did you mean `src/**`?"],
        );
        check(
            "perimeter: {allow: [Src/**]}",
            &["2: note glob `Src/**` matches no file of the repository; did you mean `src/**`?"],
        );
        check(
            "perimeter: {protect: [src/db]}",
            &["2: note glob `src/db` matches no file of the repository; did you mean `src/db/**`?"],
        );
        check(
            "proof: {tests: [it.rs]}",
            &["2: note glob `it.rs` matches no file of the repository; did you mean `**/it.rs`?"],
        );
        check(
            "perimeter: {forbid: [{id: a, pattern: a, in: [billing/**]}]}",
            &["2: note glob `billing/**` matches no file of the repository"],
        );
        check(
            "perimeter: {allow: [src/**, '*.toml']}",
            &["2: `*.toml` allows nothing: all 1 files are protected, as inputs of the judge"],
        );
    }

    #[test]
    fn an_entry_that_another_makes_idle_is_named() {
        check(
            "perimeter: {protect: [src/**, src/db/**]}",
            &["2: note `src/db/**` is within `src/**` of line 2 and can go"],
        );
        check(
            "extends: [default, rust]\nproof: {tests: ['tests/**']}",
            &["3: note `tests/**` stands in preset `rust`, line 22 already and can go"],
        );
        check(
            "perimeter: {protect: ['**/migrations/**']}",
            &["2: note `**/migrations/**` is protected without this, by the built-in `migrations`"],
        );
        check("perimeter: {protect: [src/db/**, src/lib.rs]}", &[]);
    }

    #[test]
    fn what_is_allowed_and_protected_is_named() {
        check(
            "perimeter: {allow: [deploy/**, src/**]}",
            &["2: `deploy/**` allows nothing: all 1 files are protected, by `deploy/**`"],
        );
    }

    #[test]
    fn a_runner_without_a_project_is_named() {
        check("proof: {runner: cargo}", &[]);
        check(
            "proof: {runner: pytest}",
            &["2: `pytest` runs nothing: there is no `.py`"],
        );
        check(
            "proof:\n  runner:\n    - {name: vitest, dir: web}\n    - {name: cargo, dir: web}",
            &["5: `cargo` runs nothing in `web`: there is no `Cargo.toml`"],
        );
        check(
            "proof: {runner: {name: custom, command: mvn test, report: a.xml}}",
            &["2: `mvn` runs nothing: there is no `pom.xml`"],
        );
        check(
            "proof: {runner: {name: custom, command: ./gradlew test, report: a.xml}}",
            &["2: the command begins with `./gradlew`, and there is no `gradlew`"],
        );
        check(
            "proof: {runner: {name: custom, command: ./mvnw test, report: a.xml, trust_report: true}}",
            &[
                "2: note `trust_report: true` counts a report that the tests themselves could have written",
            ],
        );
    }

    #[test]
    fn by_their_looks_globs_cover_each_other() {
        for (wider, glob, expected) in [
            ("a/**", "a/b/**", true),
            ("a/**", "a/*.py", true),
            ("**", "a", true),
            ("a/**", "a", false),
            ("a/**", "ab/**", false),
            ("a*/**", "ab/**", false),
            ("a/*", "a/b", false),
            ("a", "a", true),
        ] {
            assert_eq!(covers(wider, glob), expected, "{wider} {glob}");
        }
    }
}
