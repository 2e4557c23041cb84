//! Limits that fit what past fixes needed, never above those of the presets.

/// What past fixes needed, as `backtest` measures it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Whose sizes these are: `41 fixes with tests`.
    pub who: String,
    /// How many those are, and whether that is enough to say something about the next one.
    pub n: usize,
    pub is_enough: bool,
    /// Among so many commits.
    pub n_commits: usize,
    pub needs: Vec<Need>,
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// `limits.lines`
    pub key: &'static str,
    /// What the presets allow.
    pub allowed: u64,
    /// What 95 % of the fixes need.
    pub p95: u64,
    /// How many are larger than what the presets allow.
    pub n_over: usize,
}

/// The limits that are written, and the smallest that each may become: one more careless year must not lock everybody out.
const FLOORS: [(&str, &str, u64); 7] = [
    ("limits", "files", 1),
    ("limits", "new_files", 0),
    ("limits", "lines", 10),
    ("limits", "hunks", 2),
    ("limits", "directories", 1),
    ("test_limits", "files", 2),
    ("test_limits", "added", 40),
];

/// What stands there where nothing was measured.
const USUAL: &str = "  limits: {files: 2, new_files: 0, lines: 50, hunks: 10, directories: 2}";

/// The lines of the section `perimeter`, with what they rest on above them.
pub(super) fn lines(measured: Option<&Measured>) -> Vec<String> {
    let Some(measured) = measured else {
        return vec!["perimeter:".to_owned(), USUAL.to_owned()];
    };
    let Measured { who, n_commits, .. } = measured;
    if !measured.is_enough {
        return vec![
            format!("# Not fitted: {who} among the last {n_commits} commits are too few."),
            "perimeter:".to_owned(),
            USUAL.to_owned(),
        ];
    }
    let mut lines = vec![format!(
        "# Fitted to {who} among the last {n_commits} commits: 95 % of them need no more of each."
    )];
    let capped: Vec<String> = FLOORS
        .iter()
        .filter_map(|row| capped(measured, *row))
        .collect();
    if !capped.is_empty() {
        lines.push(format!(
            "# Where they need more than the presets allow, the presets stand: {}.",
            capped.join("; ")
        ));
    }
    lines.push("perimeter:".to_owned());
    for section in ["limits", "test_limits"] {
        let rows = FLOORS.iter().filter(|(of, _, _)| *of == section);
        let values: Vec<String> = rows.filter_map(|row| fitted(measured, *row)).collect();
        lines.push(format!("  {section}: {{{}}}", values.join(", ")));
    }
    lines
}

fn need<'a>(measured: &'a Measured, section: &str, name: &str) -> Option<&'a Need> {
    let mut needs = measured.needs.iter();
    needs.find(|need| need.key.split_once('.') == Some((section, name)))
}

fn fitted(measured: &Measured, (section, name, floor): (&str, &str, u64)) -> Option<String> {
    let need = need(measured, section, name)?;
    let value = need.p95.max(floor).min(need.allowed);
    Some(format!("{name}: {value}"))
}

/// Where the fixes need more than is allowed.
fn capped(measured: &Measured, (section, name, _): (&str, &str, u64)) -> Option<String> {
    let Need {
        allowed,
        p95,
        n_over,
        ..
    } = need(measured, section, name)?;
    let what = match section {
        "limits" => name.to_owned(),
        _ => format!("{name} of tests"),
    };
    (p95 > allowed).then(|| {
        format!(
            "{what} {allowed}, not {p95} ({n_over} of {} are over)",
            measured.n
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `p95` of lines, hunks and added lines of tests, where 50, 10 and 200 are allowed.
    fn measured(is_enough: bool, p95: [u64; 3]) -> Measured {
        let need = |key, allowed, p95| Need {
            key,
            allowed,
            p95,
            n_over: 3,
        };
        Measured {
            who: "40 fixes with tests".into(),
            n: 40,
            is_enough,
            n_commits: 200,
            needs: vec![
                need("limits.lines", 50, p95[0]),
                need("limits.hunks", 10, p95[1]),
                need("test_limits.added", 200, p95[2]),
            ],
        }
    }

    #[track_caller]
    fn check(measured: Option<&Measured>, expected: &[&str]) {
        assert_eq!(lines(measured), expected);
    }

    #[test]
    fn limits_fit_between_the_floor_and_the_presets() {
        check(
            Some(&measured(true, [83, 1, 60])),
            &[
                "# Fitted to 40 fixes with tests among the last 200 commits: 95 % of them need no more of each.",
                "# Where they need more than the presets allow, the presets stand: lines 50, not 83 (3 of 40 are over).",
                "perimeter:",
                "  limits: {lines: 50, hunks: 2}",
                "  test_limits: {added: 60}",
            ],
        );
        check(
            Some(&measured(true, [30, 4, 400])),
            &[
                "# Fitted to 40 fixes with tests among the last 200 commits: 95 % of them need no more of each.",
                "# Where they need more than the presets allow, the presets stand: added of tests 200, not 400 (3 of 40 are over).",
                "perimeter:",
                "  limits: {lines: 30, hunks: 4}",
                "  test_limits: {added: 200}",
            ],
        );
    }

    #[test]
    fn a_few_fixes_fit_nothing() {
        check(
            Some(&measured(false, [3, 1, 4])),
            &[
                "# Not fitted: 40 fixes with tests among the last 200 commits are too few.",
                "perimeter:",
                USUAL,
            ],
        );
        check(None, &["perimeter:", USUAL]);
    }
}
