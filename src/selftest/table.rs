//! The shipped changes as text, read into values.
//!
//! ```text
//! === a sentence                    one change
//! rule: path-protected | symlink    by one of which the preset `default` refuses it; honest changes have none
//! message: fix: a\n\nbody           in the place of an honest one
//! shape: merge                      or root
//! mark: branch koan/x               or `author ADDRESS`: the lane is left to the policy, else it is `repair`
//! --- has PATH                      what follows stands there before; `has 9 PATH` are nine lines of comment
//! --- add PATH                      what follows stands there then, whatever was there before; `add 9 PATH`
//! --- append PATH                   what follows comes to the end
//! --- grow 9 PATH                   nine lines of comment come to the end; `scatter 9` changes nine lines, `shrink 9` takes nine away
//! --- delete PATH                   and `executable PATH`, `link PATH` with its target below, `submodule PATH`
//! ```
//! Paths and texts hold the places of [`Places`](super::places::Places), and `{U+202E}`, `{repeat x 9}`, `{random A 9}` for letters and digits,
//! `{random B 9}` for base32.

use anyhow::{Context as _, anyhow, bail, ensure};

use crate::perimeter::Shape;
use crate::policy::Rule;

const ATTACKS: &str = include_str!("attacks.txt");
const HONEST: &str = include_str!("honest.txt");

/// One change.
#[derive(Debug)]
pub(super) struct Case {
    pub name: &'static str,
    /// What refuses it, by the preset `default`; one of them is enough.
    pub rules: Vec<Rule>,
    pub message: String,
    pub shape: Shape,
    pub mark: Option<Mark>,
    pub steps: Vec<Step>,
}

/// By what the policy has to find the lane itself.
#[derive(Debug)]
pub(super) enum Mark {
    Branch(&'static str),
    Author(&'static str),
}

#[derive(Debug)]
pub(super) struct Step {
    pub verb: Verb,
    /// How many lines, where they are counted.
    pub n_lines: Option<usize>,
    pub path: &'static str,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Has,
    Add,
    Append,
    Grow,
    Scatter,
    Shrink,
    Delete,
    Executable,
    Link,
    Submodule,
}

const VERBS: [(&str, Verb); 10] = [
    ("has", Verb::Has),
    ("add", Verb::Add),
    ("append", Verb::Append),
    ("grow", Verb::Grow),
    ("scatter", Verb::Scatter),
    ("shrink", Verb::Shrink),
    ("delete", Verb::Delete),
    ("executable", Verb::Executable),
    ("link", Verb::Link),
    ("submodule", Verb::Submodule),
];

const MESSAGE: &str = "fix: total of an empty cart";

pub(super) fn attacks() -> anyhow::Result<Vec<Case>> {
    parse(ATTACKS).context("read the table of attacks")
}

pub(super) fn honest() -> anyhow::Result<Vec<Case>> {
    parse(HONEST).context("read the table of honest changes")
}

fn parse(table: &'static str) -> anyhow::Result<Vec<Case>> {
    let mut cases: Vec<Case> = Vec::new();
    // What stands above the first section is for people.
    let lines = table.lines().skip_while(|line| !line.starts_with("=== "));
    for line in lines {
        if let Some(name) = line.strip_prefix("=== ") {
            cases.push(Case {
                name,
                rules: Vec::new(),
                message: MESSAGE.into(),
                shape: Shape::Ordinary,
                mark: None,
                steps: Vec::new(),
            });
            continue;
        }
        let case = cases.last_mut().context("a line outside of a section")?;
        case.read(line)
            .with_context(|| format!("`{line}` of `{}`", case.name))?;
    }
    ensure!(!cases.is_empty(), "it is empty");
    Ok(cases)
}

impl Case {
    fn read(&mut self, line: &'static str) -> anyhow::Result<()> {
        if let Some(step) = line.strip_prefix("--- ") {
            self.steps.push(Step::parse(step)?);
            return Ok(());
        }
        if let Some(step) = self.steps.last_mut() {
            step.text.push_str(line);
            step.text.push('\n');
            return Ok(());
        }
        let (key, value) = line.split_once(": ").context("no key")?;
        match key {
            "rule" => {
                // A rule of a later or an earlier version is another name for what refuses it.
                self.rules = value.split(" | ").flat_map(str::parse).collect();
                ensure!(!self.rules.is_empty(), "no such rule");
            }
            "message" => self.message = expand(&value.replace("\\n", "\n"))?,
            "shape" => {
                self.shape = match value {
                    "merge" => Shape::Merge,
                    "root" => Shape::Root,
                    _ => bail!("no such shape"),
                }
            }
            "mark" => {
                self.mark = Some(match value.split_once(' ') {
                    Some(("branch", name)) => Mark::Branch(name),
                    Some(("author", address)) => Mark::Author(address),
                    _ => bail!("no such mark"),
                })
            }
            _ => bail!("no such key"),
        }
        Ok(())
    }
}

impl Step {
    fn parse(line: &'static str) -> anyhow::Result<Step> {
        let (word, rest) = line.split_once(' ').context("no path")?;
        let verb = VERBS.iter().find(|(name, _)| *name == word);
        let (_, verb) = verb.ok_or_else(|| anyhow!("no such verb"))?;
        let counted = rest.split_once(' ');
        let counted = counted.and_then(|(n, path)| Some((n.parse().ok()?, path)));
        Ok(Step {
            verb: *verb,
            n_lines: counted.map(|(n, _)| n),
            path: counted.map_or(rest, |(_, path)| path),
            text: String::new(),
        })
    }
}

/// Puts in what cannot stand in the table itself: characters that nobody sees, and secrets, which would be found there.
pub(super) fn expand(template: &str) -> anyhow::Result<String> {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let inner = after.split_once('}');
        let made = inner.and_then(|(recipe, behind)| Some((made(recipe, &mut state)?, behind)));
        match made {
            Some((text, behind)) => {
                out.push_str(&text?);
                rest = behind;
            }
            // A brace that is one.
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    Ok(out + rest)
}

/// What a recipe stands for; `None` for what is none.
fn made(recipe: &str, state: &mut u64) -> Option<anyhow::Result<String>> {
    let mut words = recipe.split(' ');
    let text = match (words.next()?, words.next(), words.next()) {
        ("repeat", Some(text), Some(n)) => n.parse().map(|n| text.repeat(n)).map_err(Into::into),
        ("random", Some(alphabet), Some(n)) => random(alphabet, n, state),
        (code, None, None) => {
            let digits = code.strip_prefix("U+")?;
            let number = u32::from_str_radix(digits, 16).map_err(anyhow::Error::from);
            number
                .and_then(|number| char::from_u32(number).context("no character"))
                .map(String::from)
        }
        _ => return None,
    };
    Some(text)
}

/// Drawn from the same numbers every time.
fn random(alphabet: &str, n: &str, state: &mut u64) -> anyhow::Result<String> {
    let alphabet: &[u8] = match alphabet {
        "A" => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
        "B" => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
        _ => bail!("no such alphabet"),
    };
    let mut draw = || {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        char::from(alphabet[(*state >> 33) as usize % alphabet.len()])
    };
    let n: usize = n.parse()?;
    Ok((0..n).map(|_| draw()).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_are_sixty_attacks_and_thirty_honest_changes_each_with_a_name_of_its_own() {
        let (attacks, honest) = (attacks().expect("read"), honest().expect("read"));
        assert!(attacks.len() >= 60, "{}", attacks.len());
        assert!(honest.len() >= 30, "{}", honest.len());
        let names: BTreeSet<_> = attacks
            .iter()
            .chain(&honest)
            .map(|case| case.name)
            .collect();
        assert_eq!(names.len(), attacks.len() + honest.len());
        for case in &attacks {
            assert!(!case.rules.is_empty(), "{}", case.name);
        }
        for case in &honest {
            assert!(case.rules.is_empty(), "{}", case.name);
        }
    }

    #[test]
    fn recipes_are_filled_in() {
        let filled = |text| expand(text).expect("a recipe");
        assert_eq!(filled("a{U+0042}c{repeat d 3}"), "aBcddd");
        assert_eq!(filled("() => { {x} }"), "() => { {x} }");
        assert_eq!(filled("{random A 9}").len(), 9);
        assert_ne!(
            filled("{random A 9}{random A 9}")[..9],
            filled("{random A 18}")[9..]
        );
        assert!(expand("{random Z 9}").is_err());
    }
}
