//! Which runner a Ruby project asks for.

use super::{Choice, Seen, holds};
use crate::change::RepoPath;

/// RSpec where anything asks for it, else Minitest where there are tests; test-unit runs with it.
pub(super) fn runner(seen: &Seen) -> anyhow::Result<Option<Choice>> {
    let choice = |value, why| {
        Ok(Some(Choice {
            value,
            dir: String::new(),
            features: Vec::new(),
            custom: None,
            why,
        }))
    };
    let is_named = |name: &[u8]| seen.files.iter().find(|path| path.file_name() == name);
    if let Some(path) = is_named(b".rspec") {
        return choice("rspec", format!("there is `{path}`"));
    }
    let specs: Vec<&RepoPath> = with_ending(seen, b"_spec.rb").collect();
    let tests: Vec<&RepoPath> = seen.files.iter().filter(|path| is_test(path)).collect();
    for path in seen.files.iter().filter(|path| is_setting(path)) {
        let content = (seen.read)(path)?.unwrap_or_default();
        if !specs.is_empty() && holds(&content, b"rspec") {
            return choice("rspec", format!("`{path}` names it"));
        }
        if !(specs.is_empty() && tests.is_empty()) && holds(&content, b"minitest") {
            return choice("minitest", format!("`{path}` names it"));
        }
    }
    for path in &specs {
        let content = (seen.read)(path)?.unwrap_or_default();
        if holds(&content, b"RSpec") || holds(&content, b"expect(") {
            return choice("rspec", format!("`{path}` holds examples"));
        }
    }
    match tests.first().or(specs.first()) {
        Some(path) => choice(
            "minitest",
            format!("`{path}` holds tests, and nothing names RSpec"),
        ),
        None => Ok(None),
    }
}

fn is_setting(path: &RepoPath) -> bool {
    let is_top = !path.as_bytes().contains(&b'/');
    let name = path.file_name();
    is_top && (matches!(name, b"Gemfile" | b"gems.rb" | b"Rakefile") || name.ends_with(b".gemspec"))
        || matches!(
            path.as_bytes(),
            b"spec/spec_helper.rb" | b"test/test_helper.rb"
        )
}

fn with_ending<'a>(seen: &'a Seen, end: &'a [u8]) -> impl Iterator<Item = &'a RepoPath> {
    seen.files
        .iter()
        .filter(move |path| path.file_name().ends_with(end))
}

fn is_test(path: &RepoPath) -> bool {
    let name = path.file_name();
    let is_helper = name == b"test_helper.rb" || name == b"spec_helper.rb";
    let begins = name.starts_with(b"test_") || name.starts_with(b"spec_");
    let is_named = name.ends_with(b"_test.rb") || begins && name.ends_with(b".rb");
    is_named
        && !is_helper
        && path
            .as_path()
            .components()
            .any(|part| part.as_os_str() == "test")
}
