//! What cargo's `--message-format json` says about a build: the test binaries, what did not build and why.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};
use serde::Deserialize;

use super::workspace::{Kind, Target, Workspace};
use crate::suite::process::{End, Finished};
use crate::suite::{BuildError, NotBuilt};
use crate::usage::UsageError;

#[derive(Debug, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Said {
    CompilerArtifact {
        package_id: String,
        target: Target,
        profile: Profile,
        executable: Option<PathBuf>,
    },
    CompilerMessage {
        package_id: String,
        target: Target,
        message: Diagnostic,
    },
    BuildScriptExecuted {
        package_id: String,
        linked_paths: Vec<String>,
        env: Vec<(String, String)>,
        out_dir: PathBuf,
    },
    BuildFinished {
        success: bool,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct Profile {
    test: bool,
}

#[derive(Debug, Deserialize)]
struct Diagnostic {
    level: String,
    message: String,
    code: Option<Code>,
    spans: Vec<Span>,
}

#[derive(Debug, Deserialize)]
struct Code {
    code: String,
}

#[derive(Debug, Deserialize)]
struct Span {
    file_name: PathBuf,
    byte_start: usize,
    byte_end: usize,
    line_start: usize,
    is_primary: bool,
}

/// The compiler's codes for a name, a field, a method or a parameter that is not there.
const MISSING_NAMES: [&str; 11] = [
    "E0061", "E0405", "E0412", "E0422", "E0425", "E0432", "E0433", "E0531", "E0560", "E0599",
    "E0609",
];

/// A test binary, and what cargo would tell it.
#[derive(Debug)]
pub(super) struct Binary {
    pub package_id: String,
    pub target: Target,
    /// `shop::cart`
    pub id: String,
    pub executable: PathBuf,
}

#[derive(Debug, Default)]
pub(super) struct Build {
    pub binaries: Vec<Binary>,
    pub not_built: Vec<NotBuilt>,
    /// The targets that did not build, by binary id.
    pub broken: BTreeSet<String>,
    /// `OUT_DIR` and what build scripts set, by package.
    pub script_env: BTreeMap<String, Vec<(OsString, OsString)>>,
    /// `CARGO_BIN_EXE_…`, by package.
    pub programs: BTreeMap<String, Vec<(OsString, OsString)>>,
    /// Where build scripts put libraries.
    pub libraries: Vec<PathBuf>,
    /// The time was over before cargo was done.
    pub is_cut_short: bool,
}

impl Build {
    /// Adds what one call of cargo said. `dir` is the folder that errors are placed in.
    ///
    /// # Errors
    /// A dependency is missing from cargo's cache, or cargo's answer cannot be read in full.
    pub fn read(
        &mut self,
        finished: &Finished,
        workspace: &Workspace,
        dir: &Path,
        target_dir: &Path,
    ) -> anyhow::Result<()> {
        ensure!(
            !finished.truncated,
            "cargo said too much to be read in full"
        );
        self.is_cut_short |= finished.end == End::TimedOut;
        let (mut success, mut n_errors) = (None, 0);
        for line in finished.stdout.split(|&byte| byte == b'\n') {
            // A line that is none of cargo's comes from a macro that prints.
            let Ok(message) = serde_json::from_slice::<Said>(line) else {
                continue;
            };
            match &message {
                Said::BuildFinished { success: said } => success = Some(*said),
                Said::CompilerMessage { message, .. } if message.is_error() => n_errors += 1,
                _ => {}
            }
            self.take(message, workspace, dir, target_dir);
        }
        match (finished.end, success) {
            (End::Exit(0), Some(true)) if n_errors == 0 => {}
            (End::Exit(0), _) => bail!("cargo ended well without a built project"),
            _ if n_errors > 0 => {}
            _ => self.not_built.push(failure(finished)?),
        }
        Ok(())
    }

    fn take(&mut self, message: Said, workspace: &Workspace, dir: &Path, target_dir: &Path) {
        match message {
            Said::CompilerArtifact {
                package_id,
                target,
                profile,
                executable: Some(executable),
            } => {
                if !executable.starts_with(target_dir) {
                    return;
                }
                let is_known = self
                    .binaries
                    .iter()
                    .any(|binary| binary.executable == executable);
                if profile.test && !is_known {
                    let id = binary_id(workspace, &package_id, &target);
                    self.binaries.push(Binary {
                        package_id,
                        target,
                        id,
                        executable,
                    });
                } else if !profile.test && target.kind() == Kind::Bin {
                    let name = format!("CARGO_BIN_EXE_{}", target.name);
                    let programs = self.programs.entry(package_id).or_default();
                    programs.push((name.into(), executable.into()));
                }
            }
            Said::CompilerMessage {
                package_id,
                target,
                message,
            } if message.is_error() => {
                let what = binary_id(workspace, &package_id, &target);
                // One error a target says enough to people.
                if self.broken.insert(what.clone()) {
                    let detail = message.to_string();
                    self.not_built.push(NotBuilt::new(what.as_str(), detail));
                }
                let entry = self.not_built.iter_mut().find(|entry| entry.what == what);
                let errors = message.errors(&workspace.root, dir);
                entry
                    .into_iter()
                    .for_each(|entry| entry.errors.extend(errors.clone()));
            }
            Said::BuildScriptExecuted {
                package_id,
                linked_paths,
                env,
                out_dir,
            } => {
                let folders = linked_paths
                    .iter()
                    .map(|path| {
                        PathBuf::from(path.split_once('=').map_or(path.as_str(), |(_, path)| path))
                    })
                    .filter(|path| path.starts_with(target_dir));
                self.libraries.extend(folders);
                let set = env
                    .into_iter()
                    .map(|(name, value)| (name.into(), value.into()));
                let env = self.script_env.entry(package_id).or_default();
                env.extend(set);
                env.push(("OUT_DIR".into(), out_dir.into()));
            }
            _ => {}
        }
    }
}

impl Diagnostic {
    fn is_error(&self) -> bool {
        self.level.starts_with("error")
    }

    /// What it says of the sources in `dir`, place by place.
    fn errors(&self, workspace_root: &Path, dir: &Path) -> Vec<BuildError> {
        if self.is_summary() {
            return Vec::new();
        }
        let code = self.code.as_ref().map(|code| code.code.as_str());
        let is_missing_name = code.is_some_and(|code| MISSING_NAMES.contains(&code));
        let primary = self.spans.iter().filter(|span| span.is_primary);
        let mut errors: Vec<BuildError> = primary
            .map(|span| {
                let path = workspace_root.join(&span.file_name);
                let file = path.strip_prefix(dir).ok().and_then(Path::to_str);
                BuildError {
                    file: file.unwrap_or_default().to_owned(),
                    bytes: Some(span.byte_start..span.byte_end),
                    line: span.line_start,
                    is_missing_name,
                }
            })
            .collect();
        if errors.is_empty() {
            errors.push(BuildError::default());
        }
        errors
    }

    /// `aborting due to 2 previous errors`
    fn is_summary(&self) -> bool {
        self.code.is_none() && self.spans.is_empty() && self.message.starts_with("aborting due to ")
    }
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("error")?;
        if let Some(code) = &self.code {
            write!(f, "[{}]", code.code)?;
        }
        let first_line = self.message.lines().next().unwrap_or_default();
        write!(f, ": {first_line}")?;
        match self.spans.iter().find(|span| span.is_primary) {
            Some(span) => write!(f, " ({}:{})", span.file_name.display(), span.line_start),
            None => Ok(()),
        }
    }
}

fn binary_id(workspace: &Workspace, package_id: &str, target: &Target) -> String {
    match workspace.package(package_id) {
        Some(package) => target.binary_id(&package.name),
        None => package_id.to_owned(),
    }
}

/// A failure that no compiler message explains.
fn failure(finished: &Finished) -> anyhow::Result<NotBuilt> {
    let said = first_error(&finished.stderr);
    let text = String::from_utf8_lossy(&finished.stderr);
    let is_missing = [
        "--offline",
        "offline mode",
        "attempting to make an HTTP request",
    ]
    .iter()
    .any(|sign| text.contains(sign));
    if is_missing {
        bail!(UsageError::with_hint(
            format!("a dependency is not on this machine: {said}"),
            "run `cargo fetch` in your checkout; the tests are built without network",
        ));
    }
    let detail = match finished.end {
        End::TimedOut => "stopped at its time limit".to_owned(),
        _ => said,
    };
    Ok(NotBuilt::new("cargo build", detail))
}

/// The first line that cargo calls an error.
pub(super) fn first_error(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = text
        .lines()
        .find(|line| line.starts_with("error"))
        .or_else(|| text.lines().rfind(|line| !line.trim().is_empty()));
    line.unwrap_or("cargo failed and said nothing")
        .trim()
        .to_owned()
}
