//! The releases that the record of deployments or a tag names, whether or not an issue was seen in them.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use gix::ObjectId;

use super::Releases;

/// How many deployments and how many tags are looked at: the latest, and those of the highest numbers.
const MAX_KNOWN: usize = 300;

impl Releases<'_> {
    /// Releases that are none of these, with their commits; those of the record first.
    ///
    /// `shop@1.5.0` and `1.5.0` are not told apart here: what may have been seen is not another one.
    ///
    /// # Errors
    /// The repository cannot be read.
    pub fn others(&self, seen: &BTreeSet<String>) -> anyhow::Result<Vec<(String, ObjectId)>> {
        let seen_versions: BTreeSet<&str> = seen.iter().map(|name| version(name)).collect();
        let seen_tags: BTreeSet<String> = seen
            .iter()
            .flat_map(|name| self.policy.tags_of(name))
            .collect();
        let mut deployments: Vec<_> = self.deployments.iter().collect();
        deployments.sort_by_key(|one| Reverse(one.at));
        let mut others = Vec::new();
        let mut looked_at = BTreeSet::new();
        for one in deployments {
            if looked_at.len() == MAX_KNOWN {
                break;
            }
            if !seen_versions.contains(version(&one.release))
                && looked_at.insert(&one.release)
                && let Some(id) = self.commit_of(&one.release)?
            {
                others.push((one.release.clone(), id));
            }
        }
        let mut tags = self.repo.tag_names()?;
        tags.retain(|tag| self.policy.is_tag(tag) && !seen_tags.contains(tag));
        tags.sort_by_cached_key(|tag| Reverse(numbers(tag)));
        tags.truncate(MAX_KNOWN);
        others.extend(tags.into_iter().filter_map(|tag| {
            let id = self.by_tag(&tag)?;
            Some((tag, id))
        }));
        Ok(others)
    }
}

/// What comes after the last `@`.
fn version(release: &str) -> &str {
    release
        .rsplit_once('@')
        .map_or(release, |(_, version)| version)
}

/// The numbers in a name, so that `v1.10` is above `v1.9`.
fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit())
        .filter(|digits| !digits.is_empty())
        .map(|digits| digits.parse().unwrap_or(u64::MAX))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::testing::TestRepo;
    use crate::policy::{ReleasePolicy, TriagePolicy};

    #[test]
    fn releases_are_known_by_the_record_and_by_tags_that_fit() {
        let repo = TestRepo::new();
        let first = repo.commit("1");
        for tag in ["v1.9", "v1.10", "1.11", "latest", "v2.0", "shop@2.0"] {
            repo.git(&["tag", tag]);
        }
        let record = format!(
            "{{\"release\":\"shop@1.8\",\"commit\":\"{first}\",\"at\":\"2026-11-20T08:00:00Z\"}}\n\
             {{\"release\":\"lost\",\"at\":\"2026-11-20T08:00:00Z\"}}\n"
        );
        repo.write("d.jsonl", record);
        let policy = ReleasePolicy {
            deployments: Some("d.jsonl".to_owned()),
            ..TriagePolicy::default().releases
        };
        let opened = repo.open();
        let check = |policy: &ReleasePolicy, seen: &str, expected: &str| {
            let releases = Releases::open(&opened, policy, repo.path()).expect("releases");
            let seen = seen.split_whitespace().map(str::to_owned).collect();
            let others = releases.others(&seen).expect("a repository");
            let names: Vec<String> = others.into_iter().map(|(name, _)| name).collect();
            assert_eq!(names.join(" "), expected, "{seen:?}");
        };
        check(&policy, "", "shop@1.8 shop@2.0 v2.0 1.11 v1.10 v1.9");
        check(&policy, "1.8 shop@2.0", "1.11 v1.10 v1.9");
        let narrow = ReleasePolicy {
            tags: vec!["v{release}".to_owned()],
            deployments: None,
        };
        check(&narrow, "1.9", "v2.0 v1.10");
    }

    #[test]
    fn the_highest_numbers_come_first() {
        assert!(numbers("v1.10") > numbers("v1.9") && numbers("r-2") > numbers("v1.10"));
        assert_eq!(numbers("99999999999999999999"), [u64::MAX]);
        assert!(numbers("latest").is_empty());
    }
}
