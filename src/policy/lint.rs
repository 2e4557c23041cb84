//! Looks for what a policy says that is surely not what its writer meant, though it can be read.

use super::file::At;
use super::{Before, Lane, Level, Mode, Origin, Policy, Rule, merge};

/// Something to look at again. The policy loads all the same.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Warning {
    /// 1-based; `None` where it is about the policy as a whole.
    pub line: Option<u64>,
    pub column: Option<u64>,
    /// It may well be meant so: something to know, not to correct.
    pub is_note: bool,
    /// A lowercase sentence without a period, names in backticks.
    pub message: String,
}

/// Reads a policy as [`Policy::load`] does and says what looks wrong in the file, from top to bottom, then in the whole.
///
/// # Errors
/// Those of [`Policy::load`].
pub fn lint(text: &str, name: &str) -> anyhow::Result<Vec<Warning>> {
    let layers = merge::layers(text, name)?;
    let policy = merge::merge(&layers)?;
    let mut warnings = Vec::new();
    for layer in layers.iter().filter(|layer| layer.is_file()) {
        let file = layer.shape();
        let lists = [
            &file.perimeter.allow,
            &file.perimeter.protect,
            &file.proof.tests,
            &file.proof.inputs,
            &file.proof.setup_inputs,
        ];
        let globs = lists
            .into_iter()
            .flat_map(|list| &list.0)
            .flat_map(|list| &list.value);
        warnings.extend(globs.filter_map(glob));
        let tests = file.proof.tests.0.iter().flat_map(|list| &list.value);
        warnings.extend(tests.filter_map(tests_glob));
        for at in file.perimeter.forbid.0.iter().flat_map(|list| &list.value) {
            let paths = at.value.paths.0.iter().flat_map(|list| &list.value);
            warnings.extend(paths.filter_map(glob));
            warnings.extend(
                at.value
                    .pattern
                    .0
                    .as_ref()
                    .and_then(|pattern| everything(pattern, &policy)),
            );
        }
        for (id, level) in file.perimeter.rules.0.iter().flat_map(|at| &at.value.0) {
            warnings.extend(lowered(id, level, &policy));
        }
        let limits = &file.perimeter.limits;
        let test_limits = &file.perimeter.test_limits;
        for (key, said) in [
            ("perimeter.limits.files", &limits.files),
            ("perimeter.limits.new_files", &limits.new_files),
            ("perimeter.limits.lines", &limits.lines),
            ("perimeter.limits.hunks", &limits.hunks),
            ("perimeter.limits.directories", &limits.directories),
            ("perimeter.limits.line_length", &limits.line_length),
            ("perimeter.limits.file_bytes", &limits.file_bytes),
            ("perimeter.test_limits.files", &test_limits.files),
            ("perimeter.test_limits.added", &test_limits.added),
            ("perimeter.test_limits.file_bytes", &test_limits.file_bytes),
        ] {
            warnings.extend(said.0.as_ref().and_then(|at| overruled(key, at, &policy)));
            warnings.extend(said.0.as_ref().and_then(|at| nothing_fits(key, at)));
        }
    }
    warnings.sort_by_key(|warning| (warning.line, warning.column));
    warnings.extend(whole(&policy));
    Ok(warnings)
}

/// A glob that can match nothing: paths begin at the top of the tree, without a slash.
fn glob(at: &At<String>) -> Option<Warning> {
    let text = &at.value;
    let reason = if text.starts_with('/') {
        "it begins with `/`; paths begin at the top of the tree, without one"
    } else if text.starts_with("./") || text.split('/').any(|part| part == "..") {
        "no path holds `.` or `..`"
    } else if text.ends_with('/') {
        "it ends with `/`; write `/**` for everything in the folder"
    } else if text.contains("//") {
        "no path holds `//`"
    } else if text.contains('\\') {
        "`\\` escapes the sign after it; folders are divided by `/`"
    } else if text.trim() != text {
        "it begins or ends with white space"
    } else {
        return None;
    };
    Some(Warning::at(
        at,
        format!("glob `{text}` matches hardly anything: {reason}"),
    ))
}

/// Production code under the globs of tests is judged as a test.
fn tests_glob(at: &At<String>) -> Option<Warning> {
    let is_wide = matches!(
        at.value.as_str(),
        "**" | "**/*" | "*" | "src/**" | "**/src/**" | "lib/**" | "app/**"
    );
    let is_wide = is_wide
        || (at.value.starts_with("**/*.")
            && !at.value.contains("test")
            && !at.value.contains("spec"));
    is_wide.then(|| {
        Warning::at(
            at,
            format!("`{}` takes production code for tests", at.value),
        )
    })
}

fn everything(at: &At<String>, policy: &Policy) -> Option<Warning> {
    let forbidden = policy
        .perimeter
        .forbid
        .iter()
        .find(|forbidden| forbidden.pattern.as_str() == at.value)?;
    /// Lines that have nothing in common.
    const LINES: [&[u8]; 5] = [b"x", b"}", b"    return total;", b"# 1", b"\t\"a\", 'b'"];
    let matches_empty = forbidden.pattern.is_match(b"");
    let matches_all = LINES.iter().all(|line| forbidden.pattern.is_match(line));
    let reach = match matches_empty {
        true => "every line, also an empty one",
        false => "every line that holds anything",
    };
    let message = format!("pattern `{}` matches {reach}", at.value);
    (matches_empty || matches_all).then(|| Warning::at(at, message))
}

fn lowered(id: &At<String>, level: &At<String>, policy: &Policy) -> Option<Warning> {
    let rule: Rule = id.value.parse().ok()?;
    let shown = match policy.level(rule) {
        Level::Off => "off",
        Level::Warn => "warn",
        Level::Deny => "deny",
    };
    let reason = if rule.info().closed {
        "no policy can lower this rule"
    } else {
        "a preset is stricter"
    };
    (level.value != shown).then(|| {
        Warning::at(
            level,
            format!("`{}: {}` has no effect: {reason}", id.value, level.value),
        )
    })
}

fn overruled(key: &str, at: &At<u64>, policy: &Policy) -> Option<Warning> {
    let effective = policy.values.iter().find(|value| value.key == key)?;
    let is_overruled = matches!(effective.origin, Origin::Preset { .. })
        && effective.value != at.value.to_string();
    is_overruled.then(|| {
        let message = format!(
            "`{key}: {}` has no effect: {} says {}, and the smallest counts; leave that preset out of `extends` to allow more",
            at.value, effective.origin, effective.value
        );
        Warning::at(at, message)
    })
}

/// A limit that no fix with a test can keep.
fn nothing_fits(key: &str, at: &At<u64>) -> Option<Warning> {
    let may_be_none = key.ends_with("new_files");
    let message = || format!("`{key}: 0` lets no fix in that has a test");
    (at.value == 0 && !may_be_none).then(|| Warning::at(at, message()))
}

fn whole(policy: &Policy) -> Vec<Warning> {
    let proof = &policy.proof;
    let mut messages = Vec::new();
    if policy.mode == Mode::Observe {
        messages.push("`mode: observe` refuses nothing");
    } else if policy.mode_of(Lane::Repair) == Mode::Observe {
        messages.push("`lanes.repair.mode: observe` refuses nothing in that lane");
    }
    if proof.runners.is_empty() {
        messages.push("no `proof.runner`: nothing can be proved, so lane `repair` accepts nothing");
    }
    if proof.tests.globs.is_empty() {
        messages.push("no `proof.tests`: only tests inside source files count as tests");
    }
    if proof.before == Before::MissingSymbol {
        messages.push(
            "`proof.before: missing_symbol` takes a name that is new for a bug: it shows less than a test that fails",
        );
    }
    if proof.samples == 1 {
        messages.push("`proof.samples: 1` cannot see that a test is flaky");
    }
    if proof.sandbox_min_level < 2 {
        messages
            .push("`proof.sandbox.min_level` below 2 lets tests read and write outside their tree");
    }
    if policy
        .perimeter
        .allow
        .as_ref()
        .is_some_and(|allow| allow.globs.iter().any(|glob| glob == "**"))
    {
        messages.push("`perimeter.allow` holds `**`, which allows what the other globs would not");
    }
    if !policy.lanes.repair_known_agents
        && policy.lanes.repair_agents.is_empty()
        && policy.lanes.repair_branches.globs.is_empty()
    {
        messages.push("no branch and no agent is in lane `repair`: no proof is ever asked for, unless the lane is given");
    }
    let whole = |message: &str| Warning {
        line: None,
        column: None,
        is_note: false,
        message: message.to_owned(),
    };
    messages.into_iter().map(whole).collect()
}

impl Warning {
    /// What is surely not meant.
    pub(super) fn at<T>(at: &At<T>, message: String) -> Warning {
        Warning {
            line: Some(at.line),
            column: Some(at.column),
            is_note: false,
            message,
        }
    }

    /// What may well be meant.
    pub(super) fn note<T>(at: &At<T>, message: String) -> Warning {
        Warning {
            is_note: true,
            ..Warning::at(at, message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The warnings with a place, as `LINE: message`.
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let warnings = lint(&format!("version: 1\n{text}\n"), "p.yaml").expect("loads");
        let placed: Vec<String> = warnings
            .iter()
            .filter_map(|warning| {
                warning
                    .line
                    .map(|line| format!("{line}: {}", warning.message))
            })
            .collect();
        assert_eq!(placed.len(), expected.len(), "{placed:?}");
        for (warning, expected) in placed.iter().zip(expected) {
            assert!(
                warning.starts_with(expected),
                "{warning}\n  wanted {expected}"
            );
        }
    }

    #[test]
    fn an_ordinary_policy_is_fine() {
        check(
            "extends: [default, python]\nproof: {tests: [checks/**]}",
            &[],
        );
        check(
            "perimeter: {limits: {lines: 20}, rules: {symlink: warn, path-protected: deny}}",
            &[],
        );
    }

    #[test]
    fn a_glob_that_matches_nothing_is_found() {
        check(
            "perimeter: {protect: [/etc/**]}",
            &["2: glob `/etc/**` matches hardly anything: it begins with `/`"],
        );
        check(
            "perimeter: {allow: [src/]}",
            &["2: glob `src/` matches hardly anything: it ends with `/`"],
        );
        check(
            "proof: {tests: [./tests/**]}",
            &["2: glob `./tests/**` matches hardly anything: no path holds"],
        );
        check(
            "proof: {inputs: ['a\\b']}",
            &["2: glob `a\\b` matches hardly anything: `\\` escapes"],
        );
    }

    #[test]
    fn a_pattern_that_matches_every_line_is_found() {
        check(
            "perimeter: {forbid: [{id: a, pattern: 'x*'}]}",
            &["2: pattern `x*` matches every line, also an empty one"],
        );
        check(
            "perimeter: {forbid: [{id: a, pattern: '.'}, {id: b, pattern: '[^x]'}]}",
            &["2: pattern `.` matches every line that holds anything"],
        );
    }

    #[test]
    fn a_value_without_effect_is_found() {
        check(
            "perimeter:\n  limits: {lines: 80}",
            &["3: `perimeter.limits.lines: 80` has no effect: preset `default`, line"],
        );
        check(
            "perimeter: {rules: {path-protected: off}}",
            &["2: `path-protected: off` has no effect: no policy can"],
        );
    }

    #[test]
    fn a_limit_that_nothing_keeps_is_found() {
        check(
            "perimeter: {limits: {files: 0, new_files: 0}, test_limits: {added: 0}}",
            &[
                "2: `perimeter.limits.files: 0` lets no fix in",
                "2: `perimeter.test_limits.added: 0` lets no fix in",
            ],
        );
    }

    #[test]
    fn tests_that_take_in_production_code_are_found() {
        check(
            "proof: {tests: [src/**, '**/*.py']}",
            &[
                "2: `src/**` takes production",
                "2: `**/*.py` takes production",
            ],
        );
    }

    #[test]
    fn what_weakens_the_whole_is_said() {
        let text = "version: 1\nmode: observe\nproof: {samples: 1, sandbox: {min_level: 0}}\nlanes: {repair: {agents: []}}\n";
        let warnings = lint(text, "p.yaml").expect("loads");
        let whole: Vec<&str> = warnings
            .iter()
            .map(|warning| warning.message.as_str())
            .collect();
        for expected in [
            "refuses nothing",
            "nothing can be proved",
            "is flaky",
            "min_level",
        ] {
            assert!(
                whole.iter().any(|message| message.contains(expected)),
                "{expected}: {whole:?}"
            );
        }
    }
}
