//! What of cargo-nextest's configuration changes the meaning of a test: tests that must not run at once, and scripts that come before them.
//!
//! Retries are never made, and the policy's time limit holds in the place of `slow-timeout`.

/// Where a project that is tested with nextest keeps it, below the folder of its workspace.
pub(super) const PATH: &str = ".config/nextest.toml";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Nextest {
    /// Some tests share what only one may use. Which ones is an expression of nextest's own, so all of them run one after another.
    pub is_serial: bool,
    pub has_scripts: bool,
}

impl Nextest {
    /// Line by line: a key or table of these names means the same wherever it stands, and one too many only costs time or a doubt.
    pub fn read(text: &str) -> Nextest {
        let code = |line: &str| line.split('#').next().unwrap_or_default().trim().to_owned();
        let mut nextest = Nextest::default();
        for line in text.lines().map(code) {
            let has = |word: &str| line.contains(word);
            nextest.is_serial |= has("max-threads") || has("threads-required");
            let is_table = line.starts_with('[') && has("scripts") || line.starts_with("[script.");
            nextest.has_scripts |= is_table || has("setup-scripts") || line.starts_with("setup =");
        }
        nextest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, is_serial: bool, has_scripts: bool) {
        let expected = Nextest {
            is_serial,
            has_scripts,
        };
        assert_eq!(Nextest::read(text), expected, "{text}");
    }

    #[test]
    fn groups_make_tests_run_one_by_one() {
        check("[test-groups]\nserial = { max-threads = 1 }\n", true, false);
        check("[test-groups.db]\nmax-threads = 1\n", true, false);
        check(
            "[[profile.default.overrides]]\nthreads-required = 2\n",
            true,
            false,
        );
        check(
            "# max-threads\n[profile.default]\nretries = 3\n",
            false,
            false,
        );
    }

    #[test]
    fn scripts_that_come_before_are_seen() {
        check("experimental = [\"setup-scripts\"]\n", false, true);
        check("[scripts.setup.db]\ncommand = 'x'\n", false, true);
        check("[script.db]\ncommand = 'x'\n", false, true);
        check(
            "[[profile.default.scripts]]\nfilter = 'all()'\nsetup = 'db'\n",
            false,
            true,
        );
        check("", false, false);
    }
}
