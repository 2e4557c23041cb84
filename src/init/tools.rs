//! Build tools whose tests no built-in runner runs: how each is told to run them, and where its reports are.
//!
//! Whether such a report counts is a person's decision, so no proposal says `trust_report`.

use super::{Choice, Custom, Seen, holds};
use crate::change::RepoPath;

/// Maven or Gradle, by what stands nearest to the top.
pub(super) fn jvm(seen: &Seen) -> anyhow::Result<Option<Choice>> {
    let is_build = |name: &[u8]| {
        let gradle = [
            &b"settings.gradle"[..],
            b"settings.gradle.kts",
            b"build.gradle",
            b"build.gradle.kts",
        ];
        name == b"pom.xml" || gradle.contains(&name)
    };
    let Some(path) = nearest(seen, is_build) else {
        return Ok(None);
    };
    let dir = path.folder().to_string();
    let has_wrapper = |name: &str| {
        let wrapper = if dir.is_empty() {
            name.to_owned()
        } else {
            format!("{dir}/{name}")
        };
        seen.files.contains(&RepoPath::from(wrapper.as_str()))
    };
    // What runs tests is only fetched when tests run, so both set-ups run them; how they end there says nothing.
    let custom = if path.file_name() == b"pom.xml" {
        let program = if has_wrapper("mvnw") { "./mvnw" } else { "mvn" };
        Custom {
            command: format!("{program} -B -o -fae test"),
            report: "**/target/surefire-reports/TEST-*.xml",
            setup: format!("{program} -B -q -Dmaven.test.failure.ignore test"),
            lacks: None,
        }
    } else {
        let program = if has_wrapper("gradlew") {
            "./gradlew"
        } else {
            "gradle"
        };
        Custom {
            command: format!("{program} --offline --no-daemon --continue test"),
            report: "**/build/test-results/**/TEST-*.xml",
            setup: format!("{program} --no-daemon --continue test || true"),
            lacks: None,
        }
    };
    Ok(Some(choice(path, custom)))
}

/// `dotnet test` on the solution, else on a project.
pub(super) fn dotnet(seen: &Seen) -> anyhow::Result<Option<Choice>> {
    let ends = |ends: &'static [&'static [u8]]| {
        move |name: &[u8]| ends.iter().any(|end| name.ends_with(end))
    };
    let solution = nearest(seen, ends(&[b".sln", b".slnx"]));
    let projects = ends(&[b".csproj", b".fsproj", b".vbproj"]);
    let Some(path) = solution.or_else(|| nearest(seen, projects)) else {
        return Ok(None);
    };
    let names_logger = |path: &RepoPath| {
        let name = path.file_name();
        projects(name) || name.ends_with(b".props") || name == b"paket.references"
    };
    let custom = Custom {
        command: "dotnet test --no-restore --logger 'junit;LogFilePath=TestResults/{assembly}.xml'"
            .into(),
        report: "**/TestResults/*.xml",
        setup: "dotnet restore".into(),
        lacks: lacks(
            seen,
            names_logger,
            b"JunitXml.TestLogger",
            "the package `JunitXml.TestLogger` in each test project",
        )?,
    };
    Ok(Some(choice(path, custom)))
}

/// `mix test`.
pub(super) fn mix(seen: &Seen) -> anyhow::Result<Option<Choice>> {
    let Some(path) = nearest(seen, |name| name == b"mix.exs") else {
        return Ok(None);
    };
    let names_formatter = |path: &RepoPath| path.file_name() == b"mix.exs";
    let custom = Custom {
        command: "mix test --formatter JUnitFormatter".into(),
        report: "**/_build/junit/*.xml",
        setup: "mix deps.get --only test && MIX_ENV=test mix deps.compile".into(),
        lacks: lacks(
            seen,
            names_formatter,
            b":junit_formatter",
            "the package `junit_formatter` (`only: :test`), with `report_dir: \"_build/junit\"` in its configuration",
        )?,
    };
    Ok(Some(choice(path, custom)))
}

fn choice(path: &RepoPath, custom: Custom) -> Choice {
    Choice {
        value: "custom",
        dir: path.folder().to_string(),
        features: Vec::new(),
        custom: Some(custom),
        why: format!("there is `{path}`"),
    }
}

/// The file with the fewest folders above it, the project's own.
fn nearest<'a>(seen: &Seen<'a>, is_one: impl Fn(&[u8]) -> bool) -> Option<&'a RepoPath> {
    const FOREIGN: [&[u8]; 7] = [
        b"node_modules",
        b"vendor",
        b"deps",
        b"buildSrc",
        b"build-logic",
        b"testdata",
        b"fixtures",
    ];
    let own = seen.files.iter().filter(|path| {
        let mut parts = path.as_bytes().split(|&byte| byte == b'/');
        is_one(path.file_name()) && !parts.any(|part| FOREIGN.contains(&part))
    });
    own.min_by_key(|path| path.as_bytes().iter().filter(|&&byte| byte == b'/').count())
}

/// What the project has to take in before its tests can report, unless a file names it.
fn lacks(
    seen: &Seen,
    may_name: impl Fn(&RepoPath) -> bool,
    word: &[u8],
    what: &'static str,
) -> anyhow::Result<Option<&'static str>> {
    for path in seen.files.iter().filter(|path| may_name(path)) {
        if holds(&(seen.read)(path)?.unwrap_or_default(), word) {
            return Ok(None);
        }
    }
    Ok(Some(what))
}
