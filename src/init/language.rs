//! The languages that have a preset, and which of them a repository is written in.

use super::Found;
use crate::change::RepoPath;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// C#, F# and Visual Basic.
    DotNet,
    Elixir,
    Go,
    Java,
    JavaScript,
    Kotlin,
    Php,
    Python,
    Ruby,
    Rust,
    /// With tests of bats.
    Shell,
}

impl Language {
    /// The preset for it.
    pub fn preset(self) -> &'static str {
        match self {
            Language::DotNet => "dotnet",
            Language::Elixir => "elixir",
            Language::Go => "go",
            Language::Java => "java",
            Language::JavaScript => "javascript",
            Language::Kotlin => "kotlin",
            Language::Php => "php",
            Language::Python => "python",
            Language::Ruby => "ruby",
            Language::Rust => "rust",
            Language::Shell => "shell",
        }
    }

    /// As people call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Language::DotNet => ".NET",
            Language::Elixir => "Elixir",
            Language::Go => "Go",
            Language::Java => "Java",
            Language::JavaScript => "JavaScript",
            Language::Kotlin => "Kotlin",
            Language::Php => "PHP",
            Language::Python => "Python",
            Language::Ruby => "Ruby",
            Language::Rust => "Rust",
            Language::Shell => "Shell",
        }
    }

    pub(super) fn extensions(self) -> &'static [&'static [u8]] {
        match self {
            Language::DotNet => &[b"cs", b"fs", b"vb"],
            Language::Elixir => &[b"ex", b"exs"],
            Language::Go => &[b"go"],
            Language::Java => &[b"java"],
            // Not `kts`: builds of Java are written in it too.
            Language::Kotlin => &[b"kt"],
            Language::JavaScript => &[b"js", b"cjs", b"mjs", b"jsx", b"ts", b"cts", b"mts", b"tsx"],
            Language::Php => &[b"php"],
            Language::Python => &[b"py"],
            Language::Ruby => &[b"rb"],
            Language::Rust => &[b"rs"],
            Language::Shell => &[b"bats"],
        }
    }
}

/// The value of `extends`.
pub(super) fn extends(languages: &[Language], frameworks: &[Found]) -> String {
    let mut presets = vec!["default"];
    for language in languages {
        // What Kotlin shares with Java is said once.
        if *language == Language::Kotlin && !languages.contains(&Language::Java) {
            presets.push(Language::Java.preset());
        }
        presets.push(language.preset());
        let of_language = |found: &&Found| found.framework.language() == *language;
        let own = frameworks.iter().filter(of_language);
        presets.extend(own.map(|found| found.framework.preset()));
    }
    presets.join(", ")
}

/// Languages with a preset: that of a server's framework first, then the one with most files.
pub(super) fn languages(files: &[RepoPath], frameworks: &[Found]) -> Vec<Language> {
    let count = |language: Language| {
        files
            .iter()
            .filter(|path| {
                path.extension()
                    .is_some_and(|own| language.extensions().contains(&own))
            })
            .count()
    };
    let mut languages = vec![
        Language::Python,
        Language::Rust,
        Language::Go,
        Language::Shell,
        Language::JavaScript,
        Language::Ruby,
        Language::Php,
        Language::Java,
        Language::Kotlin,
        Language::Elixir,
        Language::DotNet,
    ];
    languages.retain(|&language| count(language) > 0);
    let leads = |language| {
        let mut found = frameworks.iter().map(|found| found.framework);
        found.any(|framework| framework.leads() && framework.language() == language)
    };
    languages.sort_by_key(|&language| (!leads(language), std::cmp::Reverse(count(language))));
    languages
}
