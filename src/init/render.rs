//! The text of a first policy: each choice with its reason above it.

use super::built::Build;
use super::language::extends;
use super::{Choice, Custom, Facts, Language, limits};
use crate::policy::{Policy, SCHEMA_PATH};

/// The share of conventional subjects from which on the convention is asked for, in percent.
const CONVENTIONAL_FROM: usize = 60;

/// The policy as YAML, with the reason above each choice.
pub(super) fn yaml(facts: &Facts) -> String {
    let mut lines = vec![
        format!("# yaml-language-server: $schema={SCHEMA_PATH}"),
        "# What an agent's fix may do here. `koan-guard policy show --origin` shows every value and where it comes from.".to_owned(),
        "version: 1".to_owned(),
        String::new(),
    ];
    lines.extend(presets(facts));
    lines.extend([
        "# With `observe` everything is judged and said, and nothing is refused: a way to begin.".to_owned(),
        "mode: enforce".to_owned(),
        String::new(),
        "# Commits on these branches, and those of known agents, need a failing test that the fix makes pass.".to_owned(),
        "lanes:".to_owned(),
        "  repair: {branches: [\"koan/**\"], agents: known}".to_owned(),
        String::new(),
        "# Limits count production files only; tests have limits of their own, documents and changelogs have none.".to_owned(),
        "# The smallest limit counts, so these can be made smaller here.".to_owned(),
    ]);
    lines.extend(limits::lines(facts.limits.as_ref()));
    lines.push(String::new());
    lines.extend(proof(facts));
    lines.extend(message(facts));
    if !facts.hooks.is_empty() {
        lines.push(String::new());
        lines.push(format!(
            "# Hooks that are there already: {}. `koan-guard install` runs them first.",
            facts.hooks.join(", ")
        ));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn presets(facts: &Facts) -> Vec<String> {
    let mut lines = vec![match facts.languages.as_slice() {
        [] => "# No language that has a preset of its own was found.".to_owned(),
        languages => {
            let names: Vec<&str> = languages.iter().map(|language| language.name()).collect();
            format!("# Files in {}.", names.join(" and "))
        }
    }];
    for found in &facts.frameworks {
        lines.push(format!("# {:?}: {}.", found.framework, found.why));
    }
    let extends = extends(&facts.languages, &facts.frameworks);
    lines.extend([format!("extends: [{extends}]"), String::new()]);
    lines
}

fn proof(facts: &Facts) -> Vec<String> {
    let mut lines = vec!["proof:".to_owned()];
    lines.extend(runners(&facts.runners));
    if let Some(Build { line, why }) = &facts.build {
        lines.push(format!("  # {}.", capitalised(why)));
        lines.push(format!("  build: [\"{line}\"]"));
    }
    if facts.languages.contains(&Language::Rust) {
        lines.push("  # Tests inside source files need no glob: a parser tells them from the code around them.".to_owned());
    }
    if facts.more_tests.is_empty() {
        lines.push(format!(
            "  # The globs of the presets cover all test files: {}.",
            facts.n_test_files
        ));
    } else {
        let globs: Vec<String> = facts
            .more_tests
            .iter()
            .map(|glob| format!("\"{glob}\""))
            .collect();
        lines.push(
            "  # Tests that stand where the presets do not look; the lists add up.".to_owned(),
        );
        lines.push(format!("  tests: [{}]", globs.join(", ")));
    }
    lines.push(String::new());
    lines
}

/// Where all of them are one framework at the top, its name alone.
fn runners(choices: &[Choice]) -> Vec<String> {
    match choices {
        [] => vec![
            "  # No test runner that is built in was found, so nothing can be proved yet."
                .to_owned(),
            format!("  runner: {}", Policy::NO_RUNNER),
        ],
        [
            Choice {
                custom: Some(custom),
                dir,
                why,
                ..
            },
        ] => self::custom(custom, dir, why),
        [choice] if choice.dir.is_empty() && !choice.features.is_empty() => vec![
            format!("  # {}.", capitalised(&choice.why)),
            format!(
                "  runner: {{name: {}, features: [{}]}}",
                choice.value,
                choice.features.join(", ")
            ),
        ],
        [choice] if choice.dir.is_empty() => vec![
            format!("  # {}.", capitalised(&choice.why)),
            format!("  runner: {}", choice.value),
        ],
        choices => {
            let mut lines = vec!["  runner:".to_owned()];
            for Choice {
                value, dir, why, ..
            } in choices
            {
                lines.push(format!("    # {}.", capitalised(why)));
                lines.push(format!("    - {{name: {value}, dir: \"{dir}\"}}"));
            }
            lines
        }
    }
}

fn custom(custom: &Custom, dir: &str, why: &str) -> Vec<String> {
    let Custom {
        command,
        report,
        setup,
        lacks,
    } = custom;
    let mut lines = vec![format!(
        "  # {}. No built-in runner runs these tests, so a command does, whose reports are read.",
        capitalised(why)
    )];
    if let Some(lacks) = lacks {
        lines.push(format!(
            "  # It writes none yet: the project lacks {lacks}."
        ));
    }
    lines.push("  runner:".to_owned());
    lines.push("    name: custom".to_owned());
    if !dir.is_empty() {
        lines.push(format!("    dir: \"{dir}\""));
    }
    lines.extend([
        format!("    command: \"{command}\""),
        format!("    report: \"{report}\""),
        "    # The tests could write such a report themselves. Until a person decides that it counts, nothing is proved:".to_owned(),
        "    # trust_report: true".to_owned(),
        "  # Tests run without a network. What they need is installed before, from the trusted tree:".to_owned(),
        format!("  # setup: [\"{}{setup}\"]", if dir.is_empty() { String::new() } else { format!("cd {dir} && ") }),
    ]);
    lines
}

fn message(facts: &Facts) -> Vec<String> {
    let Facts {
        n_conventional,
        n_conventional_fixes,
        n_plain_fixes,
        n_subjects,
        ..
    } = facts;
    let is_convention = *n_subjects > 0 && n_conventional * 100 >= n_subjects * CONVENTIONAL_FROM;
    let said =
        format!("# {n_conventional} of the last {n_subjects} subjects are conventional commits");
    if is_convention && n_plain_fixes > n_conventional_fixes {
        vec![
            format!("{said}, but {n_plain_fixes} fixes are not, so the form of a message is free."),
            "message: {style: off}".to_owned(),
        ]
    } else if is_convention {
        vec![
            format!("{said}, so a fix is asked to be one."),
            "message: {style: conventional, types: [fix, test]}".to_owned(),
        ]
    } else {
        vec![
            format!("{said}, so the form of a message is free."),
            "message: {style: off}".to_owned(),
        ]
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}
