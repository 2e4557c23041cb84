//! Waivers: what a person lets pass on the trusted ref, for one rule, some paths and a time.

use jiff::civil::Date;

use super::file::{At, Said, WaiverFile, shown};
use super::merge::{Layer, Merge, Read};
use super::sections::unknown_rule;
use super::{Origin, PathSet, Rule, floor, value};
use crate::change::RepoPath;

/// One decision of a person, as it stands in the policy.
#[derive(Debug)]
pub struct Waiver {
    /// As it is written.
    pub glob: String,
    paths: PathSet,
    pub rule: Rule,
    /// The last day on which it counts, in UTC.
    pub until: Date,
    pub because: String,
    pub origin: Origin,
    /// The machine's floor says something about this rule: no repository waives that.
    pub floor_holds: bool,
}

impl Waiver {
    /// Whether it speaks of a finding of `rule` at `path`; of one about a change as a whole if it speaks of each of its `files`.
    pub fn is_about<'a>(
        &self,
        rule: Rule,
        path: Option<&RepoPath>,
        files: impl IntoIterator<Item = &'a RepoPath>,
    ) -> bool {
        let is_place = || match path {
            Some(path) => self.paths.is_match(path),
            None => {
                let mut files = files.into_iter().peekable();
                files.peek().is_some() && files.all(|path| self.paths.is_match(path))
            }
        };
        self.rule == rule && is_place()
    }

    pub fn is_over(&self, today: Date) -> bool {
        today > self.until
    }
}

impl Merge<'_> {
    pub(super) fn waivers(&mut self) -> anyhow::Result<Vec<Waiver>> {
        let mut waivers: Vec<Waiver> = Vec::new();
        for (layer, list) in self.said(|file| &file.waivers) {
            for at in &list.value {
                let waiver = self.waiver(layer, at)?;
                let is_same =
                    |other: &Waiver| other.glob == waiver.glob && other.rule == waiver.rule;
                if waivers.iter().any(is_same) {
                    let message = format!(
                        "rule `{}` is waived for `{}` twice",
                        waiver.rule,
                        shown(&waiver.glob)
                    );
                    return Err(layer.wrong(at, message).into());
                }
                let held = if waiver.floor_holds {
                    ", but the floor of this machine holds"
                } else {
                    ""
                };
                let said = format!(
                    "{} in {} until {}{held}: {}",
                    waiver.rule, waiver.glob, waiver.until, waiver.because
                );
                self.note("waivers", said, waiver.origin.clone());
                waivers.push(waiver);
            }
        }
        Ok(waivers)
    }

    fn waiver(&self, layer: &Layer, at: &At<WaiverFile>) -> anyhow::Result<Waiver> {
        let entry = &at.value;
        let path = needed(layer, at, &entry.path, "path")?;
        let rule = needed(layer, at, &entry.rule, "rule")?;
        let until = needed(layer, at, &entry.until, "until")?;
        let because = needed(layer, at, &entry.because, "because")?;
        value::glob(&path.value).map_err(|err| layer.wrong(path, err))?;
        value::plain_text(&because.value).map_err(|err| layer.wrong(because, err))?;
        let waived: Rule = rule
            .value
            .parse()
            .map_err(|()| layer.wrong(rule, unknown_rule(&rule.value)))?;
        if waived.info().closed {
            let message = format!("rule `{waived}` cannot be waived: {}", waived.info().why);
            return Err(layer.wrong(rule, message).into());
        }
        Ok(Waiver {
            glob: path.value.clone(),
            paths: PathSet::new(vec![path.value.clone()])?,
            rule: waived,
            until: date(&until.value).map_err(|err| layer.wrong(until, err))?,
            because: because.value.clone(),
            origin: layer.origin(at.line),
            floor_holds: self
                .layers
                .iter()
                .any(|layer| layer.is_floor && floor::speaks_of(layer.shape(), waived)),
        })
    }
}

fn needed<'a>(
    layer: &Layer,
    at: &At<WaiverFile>,
    said: &'a Said<String>,
    key: &str,
) -> Read<&'a At<String>> {
    let missing = || layer.wrong(at, format!("this entry of `waivers` has no `{key}`"));
    said.0.as_ref().ok_or_else(missing)
}

/// A day of the calendar, written in one way only.
fn date(text: &str) -> Result<Date, String> {
    let is_shape = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    let date = is_shape.then(|| text.parse().ok()).flatten();
    date.ok_or_else(|| format!("`{}` is no day: write it as `2026-12-31`", shown(text)))
}

#[cfg(test)]
mod tests {
    use super::super::Policy;
    use super::*;
    use crate::usage::UsageError;

    fn load(waivers: &str) -> anyhow::Result<Policy> {
        Policy::load(&format!("version: 1\nwaivers:\n{waivers}\n"), "p.yaml")
    }

    const GOOD: &str = "  - {path: 'db/**', rule: too-many-lines, until: 2026-12-31, because: the schema is written by a tool}";

    #[test]
    fn a_waiver_is_about_a_rule_and_a_place() {
        let policy = load(GOOD).expect("loads");
        let [waiver] = &policy.waivers[..] else {
            panic!("{:?}", policy.waivers)
        };
        let (inside, outside) = (RepoPath::from("db/a"), RepoPath::from("src/a"));
        let is_about =
            |rule, path, files: &[&RepoPath]| waiver.is_about(rule, path, files.iter().copied());
        assert!(is_about(Rule::TooManyLines, Some(&inside), &[&outside]));
        assert!(!is_about(Rule::TooManyLines, Some(&outside), &[&inside]));
        assert!(!is_about(Rule::TooManyFiles, Some(&inside), &[&inside]));
        // What concerns the whole is waived for all of it or not at all.
        assert!(is_about(Rule::TooManyLines, None, &[&inside, &inside]));
        assert!(!is_about(Rule::TooManyLines, None, &[&inside, &outside]));
        assert!(!is_about(Rule::TooManyLines, None, &[]));
    }

    #[test]
    fn a_waiver_counts_up_to_its_last_day() {
        let policy = load(GOOD).expect("loads");
        let is_over = |day: &str| policy.waivers[0].is_over(day.parse().expect("a day"));
        assert!(!is_over("2026-12-31"));
        assert!(is_over("2027-01-01"));
    }

    #[test]
    fn waivers_are_values_of_the_policy() {
        let policy = load(GOOD).expect("loads");
        let value = policy.values.iter().find(|value| value.key == "waivers");
        let value = value.expect("it is shown");
        assert_eq!(
            value.value,
            "too-many-lines in db/** until 2026-12-31: the schema is written by a tool"
        );
        assert_eq!(value.origin.to_string(), "`p.yaml`, line 3");
        let later = load(&GOOD.replace("2026", "2027")).expect("loads");
        assert_ne!(policy.digest, later.digest);
        assert!(load("  []").expect("loads").waivers.is_empty());
    }

    #[test]
    fn what_is_no_waiver_is_an_error_with_its_place() {
        for (waivers, expected) in [
            (
                GOOD.replace("too-many-lines", "too-many-line"),
                "3:27: unknown rule `too-many-line`; did you mean `too-many-lines`?",
            ),
            (
                GOOD.replace("too-many-lines", "secret-added"),
                "3:27: rule `secret-added` cannot be waived: what was committed once",
            ),
            (
                GOOD.replace("too-many-lines", "path-protected"),
                "3:27: rule `path-protected` cannot be waived",
            ),
            (
                GOOD.replace("2026-12-31", "2026-02-30"),
                "3:50: `2026-02-30` is no day: write it as `2026-12-31`",
            ),
            (
                GOOD.replace("2026-12-31", "20261231"),
                "3:50: `20261231` is no day",
            ),
            (
                GOOD.replace("2026-12-31", "never"),
                "3:50: `never` is no day",
            ),
            (GOOD.replace("'db/**'", "''"), "3:12: the glob is empty"),
            (
                GOOD.replace("the schema is written by a tool", "''"),
                "3:71: the text is empty",
            ),
            (
                GOOD.replace(", until: 2026-12-31", ""),
                "3:5: this entry of `waivers` has no `until`",
            ),
            (GOOD.replace("because", "why"), "3:62: unknown key `why`"),
            (
                format!("{GOOD}\n{GOOD}"),
                "4:5: rule `too-many-lines` is waived for `db/**` twice",
            ),
        ] {
            let err = load(&waivers).expect_err(expected);
            let usage = err.downcast_ref::<UsageError>().expect("correctable");
            let message = usage.message.strip_prefix("p.yaml:").expect("named");
            assert!(
                message.starts_with(expected),
                "{message}\n  wanted {expected}"
            );
        }
    }
}
