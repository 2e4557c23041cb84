//! Changes that leave the perimeter, and honest ones of the same shapes, each a real commit in a real repository that `koan-guard check` judges.
//!
//! A case begins on a branch of its own with the honest fix of a bug and its test in the work tree, and does one thing more. What must keep it out is
//! named, so that no case is refused for a reason that has nothing to do with it. Cases of one family are in one file; `KOAN_CASE=WORDS` walks
//! only those whose sentence holds these words.

#[path = "../it/support/mod.rs"]
mod support;

mod code;
mod files;
mod hidden;
mod history;
mod honest;
mod limits;
mod messages;
mod names;
mod places;
mod secrets;
mod site;
mod suites;
mod supply;

use std::env;
use std::sync::LazyLock;

use site::{Case, Expected, Site};
use support::Repo;

const FAMILIES: &[(&str, &[Case])] = &[
    ("code", code::CASES),
    ("files", files::CASES),
    ("hidden", hidden::CASES),
    ("history", history::CASES),
    ("honest", honest::CASES),
    ("limits", limits::CASES),
    ("messages", messages::CASES),
    ("names", names::CASES),
    ("places", places::CASES),
    ("secrets", secrets::CASES),
    ("suites", suites::CASES),
    ("supply", supply::CASES),
];

macro_rules! walks {
    ($($name:ident)*; slow $($slow:ident)*) => {
        mod walk {
            $(
                #[test]
                fn $name() {
                    super::walk(stringify!($name));
                }
            )*
            $(
                #[test]
                #[cfg_attr(not(feature = "slow-tests"), ignore = "a minute: tests/run.sh --all")]
                fn $slow() {
                    super::walk(stringify!($slow));
                }
            )*
        }

        #[test]
        fn every_family_is_walked() {
            let mut walked = vec![$(stringify!($name)),*, $(stringify!($slow)),*];
            walked.sort_unstable();
            let known: Vec<&str> = FAMILIES.iter().map(|(name, _)| *name).collect();
            assert_eq!(walked, known);
        }
    };
}

// The slow ones are those in which tests are run.
walks! { code files hidden limits messages names places secrets supply; slow history honest suites }

/// What the README says, counted in the tables: the walks hold a run to them.
#[test]
fn the_readme_publishes_what_the_tables_hold() {
    let cases = || FAMILIES.iter().flat_map(|(_, cases)| cases.iter());
    let n_attacks = cases().filter(|case| case.is_attack()).count();
    let n_kept_out = cases().filter(|case| case.is_attack() && case.is_kept_out());
    let n_honest = cases().filter(|case| !case.is_attack()).count();
    let n_accepted = cases().filter(|case| !case.is_attack() && !case.is_kept_out());
    let row = format!(
        "{} of {n_attacks} changes that leave it are kept out, {} of {n_honest} honest ones are accepted",
        n_kept_out.count(),
        n_accepted.count()
    );
    let readme = include_str!("../../README.md").replace('\n', " ");
    assert!(readme.contains(&row), "the README lacks: {row}");
}

#[test]
fn no_two_cases_say_the_same() {
    let mut names: Vec<&str> = FAMILIES
        .iter()
        .flat_map(|(_, cases)| cases.iter().map(|case| case.name))
        .collect();
    let n = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), n);
}

static TEMPLATE: LazyLock<Repo> = LazyLock::new(site::template);

fn walk(family: &str) {
    let only = env::var("KOAN_CASE").unwrap_or_default();
    let (_, cases) = FAMILIES
        .iter()
        .find(|(name, _)| *name == family)
        .expect("a family of this name");
    let chosen: Vec<&Case> = cases
        .iter()
        .filter(|case| case.name.contains(&only))
        .collect();
    assert!(!chosen.is_empty() || !only.is_empty(), "no cases");
    let wrong: Vec<String> = chosen.iter().filter_map(|case| wrong(case)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What was said, if it is not what the case expects.
fn wrong(case: &Case) -> Option<String> {
    let site = Site::new(&TEMPLATE);
    (case.make)(&site);
    let (exit, said) = site.judge();
    let is_right = match case.expected {
        Expected::Accepted => exit == Some(0),
        Expected::KeptOut(by) => {
            matches!(exit, Some(1..=3)) && (said.contains(&format!("[{by}]")) || said.contains(by))
        }
        Expected::Missed => exit == Some(0),
    };
    (!is_right).then(|| format!("{} ({:?}): {exit:?}\n{said}", case.name, case.expected))
}
