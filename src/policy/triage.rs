//! What a policy says of issues: which are one, which are expected, which areas weigh how much, and how a release is a commit.

use std::collections::BTreeMap;

use super::file::{At, Entries, PolicyFile, Said, shown};
use super::merge::{Layer, Merge, Read};
use super::{Origin, PathSet, value};
use crate::change::RepoPath;
use crate::issue::{Circle, Fingerprint, Grouping, SplitBy};
use crate::usage::UsageError;

/// The section `triage`. By default nothing is expected, merged or split, and every area weighs alike.
#[derive(Debug)]
pub struct TriagePolicy {
    pub grouping: Grouping,
    /// Classes of exceptions by which the program says no, as it should.
    pub expected: Vec<String>,
    /// Globs and what their files weigh, 0 to 1.
    areas: Vec<(PathSet, f64)>,
    pub releases: ReleasePolicy,
    /// Values beside an error that an agent may see, by their paths in an event.
    pub context: Vec<String>,
    /// Where it is told what fixed an issue; `None` for nowhere.
    pub publish: Option<PublishPolicy>,
}

/// The server that is told, and the variable with the token that may write there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishPolicy {
    /// The name of a source.
    pub source: String,
    pub token_env: String,
}

/// How the name of a release is a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleasePolicy {
    /// Names of tags, in which `{release}` stands for the release.
    pub tags: Vec<String>,
    /// A file of JSON lines that says which release was deployed where and when.
    pub deployments: Option<String>,
}

/// What stands for the release in the name of a tag.
const RELEASE: &str = "{release}";

/// Tags as most projects name them.
const TAGS: [&str; 2] = ["v{release}", "{release}"];

pub(super) const SPLITS: [(&str, SplitBy); 3] = [
    ("frames", SplitBy::Frames),
    ("message", SplitBy::Message),
    ("type", SplitBy::Type),
];

impl Default for TriagePolicy {
    fn default() -> TriagePolicy {
        TriagePolicy {
            grouping: Grouping::default(),
            expected: Vec::new(),
            areas: Vec::new(),
            releases: ReleasePolicy {
                tags: TAGS.map(str::to_owned).to_vec(),
                deployments: None,
            },
            context: Vec::new(),
            publish: None,
        }
    }
}

impl TriagePolicy {
    /// Whether the policy names this class: by its whole name, or by the last part of it.
    pub fn expects(&self, error_type: &str) -> bool {
        self.expected.iter().any(|class| {
            let before = error_type.strip_suffix(class.as_str());
            before
                .is_some_and(|before| before.is_empty() || before.ends_with(['.', ':', '\\', '/']))
        })
    }

    /// The highest weight that is said of a file; `None` if nothing is.
    pub fn weight_of(&self, path: &RepoPath) -> Option<f64> {
        let said = self.areas.iter().filter(|(glob, _)| glob.is_match(path));
        said.map(|(_, weight)| *weight).max_by(f64::total_cmp)
    }
}

impl ReleasePolicy {
    /// The tags that this release may have. What comes after the last `@` is tried too: `shop@1.5.0`.
    pub fn tags_of(&self, release: &str) -> Vec<String> {
        let version = release.rsplit_once('@').map(|(_, version)| version);
        let names = [Some(release), version].into_iter().flatten();
        let tags =
            names.flat_map(|name| self.tags.iter().map(move |tag| tag.replace(RELEASE, name)));
        tags.collect()
    }

    /// Whether a tag is named as that of a release, with a digit where the release stands: `v1.5`, but not `latest`.
    pub fn is_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|pattern| {
            let around = pattern.split_once(RELEASE);
            let release =
                around.and_then(|(before, after)| tag.strip_prefix(before)?.strip_suffix(after));
            release.is_some_and(|release| release.bytes().any(|byte| byte.is_ascii_digit()))
        })
    }
}

impl Merge<'_> {
    pub(super) fn triage(&mut self) -> anyhow::Result<TriagePolicy> {
        let expected = self.list("triage.expected", |file| &file.triage.expected, class)?;
        let areas = self.areas()?;
        let grouping = self.grouping()?;
        let context = self.list("triage.context", |file| &file.triage.context, context)?;
        let deployments = self.optional("triage.releases.deployments", |file| {
            &file.triage.releases.deployments
        })?;
        Ok(TriagePolicy {
            grouping,
            expected,
            areas,
            releases: ReleasePolicy {
                tags: self.tags()?,
                deployments,
            },
            context,
            publish: self.publish()?,
        })
    }

    /// Of several who say something about one glob, the last one holds.
    fn areas(&mut self) -> anyhow::Result<Vec<(PathSet, f64)>> {
        let mut said: BTreeMap<String, (u64, Origin)> = BTreeMap::new();
        for (layer, glob, weight) in self.pairs(|file| &file.triage.areas) {
            value::glob(&glob.value).map_err(|err| layer.wrong(glob, err))?;
            let number =
                value::within(weight.value, 0, 100).map_err(|err| layer.wrong(weight, err))?;
            said.insert(glob.value.clone(), (number, layer.origin(glob.line)));
        }
        let mut areas = Vec::new();
        for (glob, (weight, origin)) in said {
            self.note(format!("triage.areas.{glob}"), weight.to_string(), origin);
            areas.push((PathSet::new(vec![glob])?, weight as f64 / 100.0));
        }
        Ok(areas)
    }

    fn grouping(&mut self) -> Read<Grouping> {
        let mut merges: BTreeMap<Fingerprint, (Fingerprint, Origin)> = BTreeMap::new();
        let pairs = self.pairs(|file| &file.triage.merge);
        for (layer, from, to) in &pairs {
            let (one, other) = (fingerprint(layer, from)?, fingerprint(layer, to)?);
            merges.insert(one, (other, layer.origin(from.line)));
        }
        let mut splits: BTreeMap<Fingerprint, (SplitBy, String, Origin)> = BTreeMap::new();
        for (layer, name, by) in self.pairs(|file| &file.triage.split) {
            let word = value::choice(&by.value, &SPLITS).map_err(|err| layer.wrong(by, err))?;
            let said = (word, by.value.clone(), layer.origin(name.line));
            splits.insert(fingerprint(layer, name)?, said);
        }
        let merge = merges
            .iter()
            .map(|(from, (to, _))| (from.clone(), to.clone()));
        let split = splits.iter().map(|(name, (by, ..))| (name.clone(), *by));
        let grouping =
            Grouping::new(merge.collect(), split.collect()).map_err(|Circle(name)| {
                let at = pairs
                    .iter()
                    .find(|(_, from, _)| from.value == name.as_str());
                let (layer, from, _) = at.unwrap_or_else(|| unreachable!("it was read here"));
                layer.wrong(
                    from,
                    format!("`{name}` is merged with itself, by way of others"),
                )
            })?;
        for (from, (to, origin)) in merges {
            self.note(format!("triage.merge.{from}"), to.as_str(), origin);
        }
        for (name, (_, word, origin)) in splits {
            self.note(format!("triage.split.{name}"), word, origin);
        }
        Ok(grouping)
    }

    fn tags(&mut self) -> Read<Vec<String>> {
        let key = "triage.releases.tag";
        let said = self.said(|file| &file.triage.releases.tag);
        let Some((layer, at)) = said.last() else {
            for tag in TAGS {
                self.note(key, tag, Origin::BuiltIn);
            }
            return Ok(TAGS.map(str::to_owned).to_vec());
        };
        for (layer, at) in &said {
            tag(&at.value).map_err(|err| layer.wrong(at, err))?;
        }
        let (tag, origin) = (at.value.clone(), layer.origin(at.line));
        self.note(key, &tag, origin);
        Ok(vec![tag])
    }

    /// Both keys, or neither.
    fn publish(&mut self) -> Read<Option<PublishPolicy>> {
        let source = self.optional("triage.publish.source", |file| &file.triage.publish.source)?;
        let token_env = self.optional("triage.publish.token_env", |file| {
            &file.triage.publish.token_env
        })?;
        match (source, token_env) {
            (Some(source), Some(token_env)) => Ok(Some(PublishPolicy { source, token_env })),
            (None, None) => Ok(None),
            _ => Err(UsageError::new(
                "`triage.publish` needs `source` and `token_env`, a token that is not the one that reads",
            )),
        }
    }

    /// The last word on a text that need not be said.
    pub(super) fn optional(
        &mut self,
        key: &str,
        get: impl Fn(&PolicyFile) -> &Said<String>,
    ) -> Read<Option<String>> {
        let mut last = None;
        for (layer, at) in self.said(get) {
            value::plain_text(&at.value).map_err(|err| layer.wrong(at, err))?;
            last = Some((at.value.clone(), layer.origin(at.line)));
        }
        let Some((text, origin)) = last else {
            return Ok(None);
        };
        self.note(key, &text, origin);
        Ok(Some(text))
    }

    /// The entries of all layers, in order.
    fn pairs<'a, T: 'a>(
        &self,
        get: impl Fn(&'a PolicyFile) -> &'a Said<Entries<T>>,
    ) -> Vec<(&'a Layer, &'a At<String>, &'a At<T>)>
    where
        Self: 'a,
    {
        let said = self.said(get).into_iter();
        said.flat_map(|(layer, at)| {
            at.value
                .0
                .iter()
                .map(move |(key, value)| (layer, key, value))
        })
        .collect()
    }
}

fn fingerprint(layer: &Layer, at: &At<String>) -> Read<Fingerprint> {
    Fingerprint::parse(&at.value).ok_or_else(|| {
        let message = format!(
            "`{}` is no fingerprint: it is `k1:` and 24 hexadecimal digits, as `extract` shows it",
            shown(&at.value)
        );
        layer.wrong(at, message)
    })
}

/// The name of a class, in any language.
fn class(text: &str) -> Result<(), String> {
    let is_name = |c: char| c.is_alphanumeric() || "_.:\\/$!?".contains(c);
    if text.is_empty() || !text.chars().all(is_name) {
        return Err(format!("`{}` is no name of a class", shown(text)));
    }
    Ok(())
}

/// A path of members, the first of which is the outermost.
fn context(text: &str) -> Result<(), String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if text.is_empty() || text.len() > 100 || !text.chars().all(is_name) {
        return Err(format!(
            "`{}` is no name such as `extra.order_id`",
            shown(text)
        ));
    }
    Ok(())
}

fn tag(text: &str) -> Result<(), String> {
    let name = text.replacen(RELEASE, "1", 1);
    if name == text || name.contains(['{', '}']) {
        return Err(format!("`{}` does not hold `{RELEASE}` once", shown(text)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;

    fn load(section: &str) -> anyhow::Result<Policy> {
        Policy::load(&format!("version: 1\ntriage: {section}\n"), "p")
    }

    const ONE: &str = "k1:000000000000000000000001";
    const TWO: &str = "k1:000000000000000000000002";

    #[track_caller]
    fn check_wrong(section: &str, expected: &str) {
        let err = load(section).expect_err("wrong").to_string();
        assert!(err.contains(expected), "{err}\n  wanted {expected}");
    }

    #[test]
    fn a_class_is_expected_by_its_name_or_the_end_of_it() {
        let policy = load("{expected: [PaymentDeclined, shop.Stock]}").expect("a policy");
        for (class, is_expected) in [
            ("PaymentDeclined", true),
            ("shop.errors.PaymentDeclined", true),
            ("Shop::PaymentDeclined", true),
            (r"App\Errors\PaymentDeclined", true),
            ("NotPaymentDeclined", false),
            ("PaymentDeclined.Nested", false),
            ("shop.Stock", true),
            ("Stock", false),
        ] {
            assert_eq!(policy.triage.expects(class), is_expected, "{class}");
        }
    }

    #[test]
    fn the_heaviest_area_counts() {
        let policy = load("{areas: {'shop/**': 50, 'shop/pay/**': 100, 'admin/**': 0}}");
        let weight = |path: &str| {
            let triage = &policy.as_ref().expect("a policy").triage;
            triage.weight_of(&RepoPath::from(path))
        };
        assert_eq!(weight("shop/pay/card.py"), Some(1.0));
        assert_eq!(weight("shop/cart.py"), Some(0.5));
        assert_eq!(weight("admin/x.py"), Some(0.0));
        assert_eq!(weight("x.py"), None);
    }

    #[test]
    fn everything_is_shown_and_covered_by_the_digest() {
        let section = format!(
            "{{context: [extra.order_id], expected: [A], areas: {{'a/**': 7}}, merge: {{'{ONE}': '{TWO}'}}, split: {{'{TWO}': message}}, releases: {{tag: 'r-{{release}}', deployments: d.jsonl}}, publish: {{source: a, token_env: T}}}}"
        );
        let policy = load(&section).expect("a policy");
        let shown: Vec<String> = policy
            .values
            .iter()
            .filter(|value| value.key.starts_with("triage."))
            .map(|value| format!("{} = {}", value.key, value.value))
            .collect();
        assert_eq!(
            shown,
            [
                "triage.expected = A".to_owned(),
                "triage.areas.a/** = 7".to_owned(),
                format!("triage.merge.{ONE} = {TWO}"),
                format!("triage.split.{TWO} = message"),
                "triage.context = extra.order_id".to_owned(),
                "triage.releases.deployments = d.jsonl".to_owned(),
                "triage.releases.tag = r-{release}".to_owned(),
                "triage.publish.source = a".to_owned(),
                "triage.publish.token_env = T".to_owned(),
            ]
        );
        let other = load(&section.replace("message", "type")).expect("a policy");
        assert_ne!(policy.digest, other.digest);
    }

    #[test]
    fn what_makes_no_sense_is_an_error_with_its_place() {
        check_wrong("{expected: ['a b']}", "2:21: `a b` is no name of a class");
        check_wrong("{areas: {'a/**': 101}}", "101");
        check_wrong("{areas: {'': 1}}", "2:18: the glob is empty");
        check_wrong("{merge: {k1: k2}}", "`k1` is no fingerprint");
        check_wrong(
            &format!("{{merge: {{'{ONE}': '{TWO}', '{TWO}': '{ONE}'}}}}"),
            "is merged with itself",
        );
        check_wrong(&format!("{{split: {{'{ONE}': mesage}}}}"), "`message`");
        check_wrong("{releases: {tag: v1}}", "does not hold `{release}` once");
        check_wrong("{releases: {tag: '{release}{x}'}}", "`{release}` once");
        check_wrong("{context: ['a b']}", "`a b` is no name such as");
        check_wrong("{publish: {source: a}}", "needs `source` and `token_env`");
        check_wrong("{area: {}}", "unknown key `area`");
    }

    #[test]
    fn a_release_has_the_tags_that_the_policy_says() {
        let tags = |section: &str, release: &str| {
            load(section)
                .expect("a policy")
                .triage
                .releases
                .tags_of(release)
        };
        assert_eq!(tags("{}", "1.5"), ["v1.5", "1.5"]);
        assert_eq!(
            tags("{releases: {tag: 'r-{release}'}}", "shop@1.5"),
            ["r-shop@1.5", "r-1.5"]
        );
    }
}
