//! Which limits fit: how large past fixes were, and the smallest limits that most of them would have kept.

use serde::Serialize;

use super::kind::{Kind, touches_tests};
use crate::perimeter::Sizes;
use crate::policy::Policy;

/// Fewer fixes than this say little about the next one.
pub const ENOUGH: usize = 20;

/// The limits against what they would have met.
#[derive(Clone, Debug, Serialize)]
pub struct Fit {
    pub population: Population,
    /// How many commits that is.
    pub n: usize,
    pub limits: Vec<Limit>,
    /// How many of them keep every limit as it is.
    pub inside_now: usize,
    /// How many would keep every one if each were what 95 % need.
    pub inside_p95: usize,
}

/// Whose sizes count: the first of these of which there are enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Population {
    TestedFixes,
    Fixes,
    /// Where no subject says that it fixes: whatever touches code and tests.
    TestedChanges,
}

/// One limit. A quantile is the smallest value that lets that share of the commits pass.
#[derive(Clone, Debug, Serialize)]
pub struct Limit {
    pub key: &'static str,
    pub now: u64,
    pub median: u64,
    pub p90: u64,
    pub p95: u64,
    pub max: u64,
    /// How many commits are over it now.
    pub over: usize,
}

/// What is kept of a commit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sized {
    pub n: usize,
    pub kind: Kind,
    pub is_inside: bool,
    /// In the order of [`KEYS`].
    pub sizes: [u32; KEYS.len()],
}

const KEYS: [&str; 10] = [
    "limits.files",
    "limits.new_files",
    "limits.lines",
    "limits.hunks",
    "limits.directories",
    "limits.line_length",
    "limits.file_bytes",
    "test_limits.files",
    "test_limits.added",
    "test_limits.file_bytes",
];

impl Population {
    fn has(self, sized: &Sized) -> bool {
        match self {
            Population::TestedFixes => sized.kind == Kind::TestedFix,
            Population::Fixes => sized.kind.is_fix(),
            Population::TestedChanges => true,
        }
    }
}

impl Sized {
    /// `None` for a change that says nothing about fixes: no code in it, or neither tests nor the word.
    pub fn of(n: usize, kind: Kind, sizes: &Sizes, is_inside: bool) -> Option<Sized> {
        let counts = kind.is_fix() || sizes.files > 0 && touches_tests(sizes);
        counts.then(|| Sized {
            n,
            kind,
            is_inside,
            sizes: row(sizes),
        })
    }
}

fn row(sizes: &Sizes) -> [u32; KEYS.len()] {
    [
        sizes.files as u64,
        sizes.new_files as u64,
        sizes.lines as u64,
        sizes.hunks as u64,
        sizes.directories as u64,
        sizes.line_length as u64,
        sizes.file_bytes,
        sizes.test_files as u64,
        sizes.test_added as u64,
        sizes.test_file_bytes,
    ]
    .map(|size| u32::try_from(size).unwrap_or(u32::MAX))
}

fn limits_of(policy: &Policy) -> [u64; KEYS.len()] {
    let (code, tests) = (&policy.perimeter.limits, &policy.perimeter.test_limits);
    [
        code.files as u64,
        code.new_files as u64,
        code.lines as u64,
        code.hunks as u64,
        code.directories as u64,
        code.line_length as u64,
        code.file_bytes,
        tests.files as u64,
        tests.added as u64,
        tests.file_bytes,
    ]
}

pub(super) fn fit(sized: &[Sized], policy: &Policy) -> Fit {
    let all = [
        Population::TestedFixes,
        Population::Fixes,
        Population::TestedChanges,
    ];
    let count = |population: &Population| sized.iter().filter(|it| population.has(it)).count();
    let population = all
        .into_iter()
        .find(|population| count(population) >= ENOUGH)
        .unwrap_or(Population::TestedChanges);
    let rows: Vec<_> = sized
        .iter()
        .filter(|it| population.has(it))
        .map(|it| it.sizes)
        .collect();
    let now = limits_of(policy);
    let limits: Vec<Limit> = KEYS
        .iter()
        .enumerate()
        .map(|(at, key)| limit(key, now[at], rows.iter().map(|row| row[at]).collect()))
        .collect();
    let keeps = |row: &[u32; KEYS.len()], bound: &dyn Fn(usize) -> u64| {
        row.iter()
            .enumerate()
            .all(|(at, &size)| u64::from(size) <= bound(at))
    };
    let n_inside =
        |bound: &dyn Fn(usize) -> u64| rows.iter().filter(|row| keeps(row, bound)).count();
    Fit {
        population,
        n: rows.len(),
        inside_now: n_inside(&|at| now[at]),
        inside_p95: n_inside(&|at| limits[at].p95),
        limits,
    }
}

fn limit(key: &'static str, now: u64, mut sizes: Vec<u32>) -> Limit {
    sizes.sort_unstable();
    // The smallest value that at least this share of the commits does not exceed.
    let quantile = |percent: usize| {
        let n = (sizes.len() * percent).div_ceil(100).max(1);
        sizes.get(n - 1).map_or(0, |&size| u64::from(size))
    };
    Limit {
        key,
        now,
        median: quantile(50),
        p90: quantile(90),
        p95: quantile(95),
        max: quantile(100),
        over: sizes.iter().filter(|&&size| u64::from(size) > now).count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sizes: &[u32], expected: [u64; 4]) {
        let limit = limit("limits.lines", 5, sizes.to_vec());
        let Limit {
            median,
            p90,
            p95,
            max,
            ..
        } = limit;
        assert_eq!([median, p90, p95, max], expected);
        let share = |bound: u64| {
            sizes
                .iter()
                .filter(|&&size| u64::from(size) <= bound)
                .count()
        };
        for (bound, percent) in [(median, 50), (p90, 90), (p95, 95), (max, 100)] {
            assert!(share(bound) * 100 >= sizes.len() * percent);
            // And no smaller value does.
            assert!(bound == 0 || share(bound - 1) * 100 < sizes.len() * percent);
        }
    }

    #[test]
    fn a_quantile_is_the_smallest_value_that_lets_that_share_pass() {
        check(&[], [0, 0, 0, 0]);
        check(&[7], [7, 7, 7, 7]);
        check(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [5, 9, 10, 10]);
        let hundred: Vec<u32> = (1..=100).collect();
        check(&hundred, [50, 90, 95, 100]);
        check(&[3, 3, 3, 3], [3, 3, 3, 3]);
    }

    #[test]
    fn the_first_population_that_is_large_enough_counts() {
        let policy = Policy::load("version: 1\n", "p.yaml").expect("loads");
        let sized = |kind| Sized {
            n: 0,
            kind,
            is_inside: true,
            sizes: [1; KEYS.len()],
        };
        let fit_of = |n_tested: usize, n_untested: usize, n_other: usize| {
            let mut all = vec![sized(Kind::TestedFix); n_tested];
            all.extend(vec![sized(Kind::UntestedFix); n_untested]);
            all.extend(vec![sized(Kind::Other); n_other]);
            let fit = fit(&all, &policy);
            (fit.population, fit.n)
        };
        assert_eq!(fit_of(20, 9, 9), (Population::TestedFixes, 20));
        assert_eq!(fit_of(19, 1, 9), (Population::Fixes, 20));
        assert_eq!(fit_of(1, 1, 30), (Population::TestedChanges, 32));
        assert_eq!(fit_of(1, 1, 1), (Population::TestedChanges, 3));
    }

    #[test]
    fn the_limits_hold_together() {
        let policy = Policy::load("version: 1\n", "p.yaml").expect("loads");
        let sized = |lines| Sized {
            n: 0,
            kind: Kind::TestedFix,
            is_inside: true,
            sizes: [1, 0, lines, 1, 1, 80, 100, 1, 10, 100],
        };
        let all: Vec<Sized> = (1..=100).map(sized).collect();
        let fit = fit(&all, &policy);
        assert_eq!((fit.n, fit.inside_now, fit.inside_p95), (100, 50, 95));
        assert_eq!(fit.limits[2].over, 50);
    }
}
