//! A command of the project's own and the JUnit reports that it writes.
//!
//! Whoever runs in that command can write its report too, so a run counts only where the policy says that it does. There is no failing test of
//! the guard's own either: nothing is known about where one would go.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use globset::{GlobBuilder, GlobMatcher};

use super::junit::Cases;
use super::{Canary, Order, Runner, Selection, Toolbox, tools};
use crate::change::RepoPath;
use crate::policy::{CustomRunner, RunnerConfig};
use crate::suite::area::{Area, Phase, Side};
use crate::suite::process::{End, Finished, Job};
use crate::suite::{NotBuilt, Outcome, TestRun};

const SCRIPT: &str = include_str!("koan_custom.sh");

/// Stands in a command for the test files that are asked for.
const FILES: &str = "{files}";

#[derive(Debug)]
pub(super) struct Custom {
    config: CustomRunner,
    version: String,
    /// The folder that it works in, relative to the tree.
    dir: PathBuf,
    reports: GlobMatcher,
    script: PathBuf,
    find: PathBuf,
    env: BTreeMap<OsString, OsString>,
}

pub(super) fn open(config: &RunnerConfig, toolbox: &Toolbox) -> anyhow::Result<Custom> {
    let custom = config.custom.clone();
    let custom = custom.context("runner `custom` without a command")?;
    let reports = GlobBuilder::new(&custom.report)
        .literal_separator(true)
        .build()
        .with_context(|| format!("read the glob `{}`", custom.report))?
        .compile_matcher();
    let shell = tools::on_path(toolbox, "sh").context("there is no `sh` on the `PATH`")?;
    let bin = shell.parent().context("`sh` stands in no folder")?;
    let trusted = match custom.trust_report {
        true => ", its report is trusted",
        false => "",
    };
    Ok(Custom {
        version: format!("custom `{}`{trusted}", custom.command),
        dir: PathBuf::from(&config.dir),
        reports,
        script: tools::write_script(toolbox, "koan_custom.sh", SCRIPT)?,
        find: tools::on_path(toolbox, "find").context("there is no `find` on the `PATH`")?,
        env: tools::test_env(toolbox, bin)?,
        config: custom,
    })
}

impl Runner for Custom {
    fn name(&self) -> &'static str {
        "custom"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn extensions(&self) -> &'static [&'static str] {
        &[]
    }

    fn has_canary(&self) -> bool {
        false
    }

    fn plant(&self, _path: &RepoPath, _content: &[u8], _canary: &Canary) -> Option<Vec<u8>> {
        None
    }

    fn canary_file(&self, _beside: &RepoPath, canary: &Canary) -> (RepoPath, Vec<u8>) {
        (RepoPath::new(canary.name.as_str()), Vec::new())
    }

    fn run(&self, area: &Area, side: &Side, order: &Order) -> anyhow::Result<TestRun> {
        let mut run = TestRun::default();
        if !self.config.trust_report {
            run.distrust.push(UNTRUSTED.to_owned());
            return Ok(run);
        }
        if let Err(detail) = self.build(area, side, order)? {
            let what = "build".to_owned();
            run.not_built.push(NotBuilt::new(what, detail));
            return Ok(run);
        }
        let stale = self.reports_there(area, side, order)?;
        let job = self.command(area, order, stale);
        let finished = area.run(side, Phase::Run, &job)?;
        self.read(&finished, &mut run);
        if let Selection::Tests { tests, .. } = order.selection {
            run.results.retain(|test, _| tests.contains(test));
        }
        Ok(run)
    }
}

const UNTRUSTED: &str = "the tests could have written this report themselves; `trust_report: true` on the trusted ref accepts that";

impl Custom {
    /// `Err` with what the build says.
    fn build(&self, area: &Area, side: &Side, order: &Order) -> anyhow::Result<Result<(), String>> {
        let Some(build) = &self.config.build else {
            return Ok(Ok(()));
        };
        let argv = ["/bin/sh", "-c", build].map(OsString::from);
        let finished = area.run(side, Phase::Build, &self.job(area, order, argv.into()))?;
        Ok(match finished.end {
            End::Exit(0) => Ok(()),
            End::TimedOut => Err("stopped at its time limit".to_owned()),
            _ => Err(last_words(&finished)),
        })
    }

    /// The reports that are in the tree, or that the build left.
    fn reports_there(
        &self,
        area: &Area,
        side: &Side,
        order: &Order,
    ) -> anyhow::Result<Vec<String>> {
        let find = self.find.clone().into();
        let args = [".", "-type", "f", "-path", &self.pattern(), "-print0"].map(OsString::from);
        let argv = std::iter::once(find).chain(args).collect();
        let found = area.run(side, Phase::Run, &self.job(area, order, argv))?;
        ensure!(
            found.end == End::Exit(0) && !found.truncated,
            "`find` did not list the reports that are there"
        );
        let text = String::from_utf8_lossy(&found.stdout).into_owned();
        let paths = text.split('\0').filter(|path| self.is_report(path));
        Ok(paths.map(str::to_owned).collect())
    }

    fn command(&self, area: &Area, order: &Order, stale: Vec<String>) -> Job {
        let files = match order.selection {
            Selection::All => String::new(),
            Selection::Files(files) | Selection::Tests { files, .. } => quoted(files),
        };
        let command = self.config.command.replace(FILES, &files);
        let script = self.script.display().to_string();
        let head = ["/bin/sh".to_owned(), script, command, self.pattern()];
        let argv = head.into_iter().chain([".".to_owned()]).chain(stale);
        let mut job = self.job(area, order, argv.map(OsString::from).collect());
        job.readable.push(self.script.clone());
        job.report = true;
        job
    }

    fn job(&self, area: &Area, order: &Order, argv: Vec<OsString>) -> Job {
        let mut env = self.env.clone();
        let own = order.env.iter();
        env.extend(own.map(|(name, value)| (name.into(), value.into())));
        env.insert("KOAN_TARGET".into(), area.target().into());
        Job {
            argv,
            dir: area.tree().join(&self.dir),
            env,
            timeout: order.timeout,
            readable: Vec::new(),
            scratch: Vec::new(),
            shown: Vec::new(),
            report: false,
        }
    }

    /// What `find` is asked for: all reports and maybe more, because its pattern knows less.
    fn pattern(&self) -> String {
        let mut pattern = String::from("./");
        let mut depth = 0;
        for c in self.config.report.chars() {
            match c {
                '{' => {
                    depth += 1;
                    pattern.push('*');
                }
                '}' => depth -= 1,
                _ if depth > 0 => {}
                '*' if pattern.ends_with('*') => {}
                '/' if pattern.ends_with('*') => {}
                c => pattern.push(c),
            }
        }
        pattern
    }

    fn is_report(&self, path: &str) -> bool {
        let path = path.strip_prefix("./").unwrap_or(path);
        !path.is_empty() && self.reports.is_match(Path::new(path))
    }

    fn read(&self, finished: &Finished, run: &mut TestRun) {
        if finished.truncated {
            run.distrust
                .push("the command said too much to be read in full".to_owned());
            return;
        }
        let parcel = match unpack(&finished.report) {
            Ok(parcel) if finished.end == End::Exit(parcel.status) => parcel,
            _ => {
                let end = match finished.end {
                    End::TimedOut => "was stopped at its time limit".to_owned(),
                    end => format!("ended as {end:?}{}", said(finished)),
                };
                let reason = format!("the report has no end: the command {end}");
                run.distrust.push(reason);
                return;
            }
        };
        let mut cases = Cases::default();
        let reports = parcel.files.iter().filter(|(path, _)| self.is_report(path));
        for (path, report) in reports {
            if let Err(reason) = cases.read(report) {
                run.distrust.push(format!("`{path}`: {reason}"));
            }
        }
        run.results = cases.results;
        let status = parcel.status;
        let is_bad = |outcome| matches!(outcome, Outcome::Failed | Outcome::Errored);
        let any_bad = run.results.values().any(|result| is_bad(result.outcome));
        if run.results.is_empty() && status != 0 {
            run.not_built.push(NotBuilt::new(
                self.config.command.clone(),
                last_words(finished),
            ));
        } else if run.results.is_empty() {
            let glob = &self.config.report;
            run.distrust
                .push(format!("no report `{glob}` holds a test"));
        } else if any_bad != (status != 0) {
            let n = run.results.len();
            run.distrust.push(format!(
                "status {status} does not agree with the {n} results{}",
                said(finished)
            ));
        }
    }
}

/// What came over the pipe.
struct Parcel<'a> {
    files: Vec<(String, &'a [u8])>,
    status: i32,
}

/// Files by path and size, then the end with the command's status and nothing more.
fn unpack(mut bytes: &[u8]) -> anyhow::Result<Parcel<'_>> {
    let word = |bytes: &mut &[u8]| -> anyhow::Result<String> {
        let at = bytes.iter().position(|&byte| byte == 0);
        let (word, rest) = bytes.split_at(at.context("a report is cut off")?);
        *bytes = &rest[1..];
        Ok(std::str::from_utf8(word)?.trim().to_owned())
    };
    let mut files = Vec::new();
    loop {
        let path = word(&mut bytes)?;
        let n: usize = word(&mut bytes)?.parse()?;
        if path == "end" {
            ensure!(bytes.is_empty(), "something comes after the end");
            let status = i32::try_from(n)?;
            return Ok(Parcel { files, status });
        }
        ensure!(bytes.len() >= n, "a report is cut off");
        let (content, rest) = bytes.split_at(n);
        files.push((path, content));
        bytes = rest;
    }
}

/// For a shell: nobody's quotes end these.
fn quoted(files: &[RepoPath]) -> String {
    let quote = |path: &RepoPath| {
        let path = path.as_path().to_string_lossy().into_owned();
        format!("'./{}'", path.replace('\'', "'\\''"))
    };
    files.iter().map(quote).collect::<Vec<_>>().join(" ")
}

fn said(finished: &Finished) -> String {
    format!(": {}", last_words(finished))
}

/// The last line that looks like an error, else the last one.
fn last_words(finished: &Finished) -> String {
    let streams = [&finished.stderr, &finished.stdout].map(|text| String::from_utf8_lossy(text));
    let lines = || streams.iter().flat_map(|text| text.lines()).map(str::trim);
    let is_error = |line: &&str| line.to_ascii_lowercase().contains("error");
    let first = lines().find(is_error);
    let line = first.or_else(|| lines().rfind(|line| !line.is_empty()));
    let line = line.unwrap_or("it said nothing");
    line.chars().take(400).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        let shown = match unpack(bytes) {
            Ok(parcel) => {
                let files = parcel.files.iter();
                let files: Vec<String> = files
                    .map(|(path, bytes)| format!("{path}={}", String::from_utf8_lossy(bytes)))
                    .collect();
                format!("{} {}", parcel.status, files.join(" "))
            }
            Err(_) => "refused".to_owned(),
        };
        assert_eq!(shown.trim(), expected);
    }

    #[test]
    fn a_parcel_is_whole_or_none() {
        check(
            b"./a.xml\x003\0abc./b.xml\x00 1\0xend\x001\0",
            "1 ./a.xml=abc ./b.xml=x",
        );
        check(b"end\x000\0", "0");
        check(b"", "refused");
        check(b"./a.xml\x003\0abc", "refused");
        check(b"./a.xml\x009\0abcend\x000\0", "refused");
        check(b"end\x000\0end\x000\0", "refused");
        check(b"end\x00-1\0", "refused");
    }

    #[test]
    fn file_names_are_quoted() {
        let files = ["a b.java", "it's.java", "-x"].map(RepoPath::from);
        assert_eq!(quoted(&files), r"'./a b.java' './it'\''s.java' './-x'");
    }
}
