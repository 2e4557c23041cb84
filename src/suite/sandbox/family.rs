//! Who belongs to a job, told from the list of all processes: macOS gives orphans away, so they are followed while the job runs.

use std::collections::{BTreeMap, BTreeSet};

/// A line of the list of all processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    pub pid: i32,
    pub parent: i32,
    pub group: i32,
    /// In microseconds since 1970: another process with the same number started later.
    pub started: u64,
}

/// A job's first process, with everybody who was ever seen to come from it. Nobody else can have the first one's number, nor lead a group of
/// that number, until it is collected; so long this value is of use.
#[derive(Debug)]
pub struct Family {
    first: i32,
    /// When each member started.
    members: BTreeMap<i32, u64>,
    /// Process groups that members were seen in. The launcher's own is never one of them.
    groups: BTreeSet<i32>,
    outside: i32,
}

impl Family {
    /// The family of the process `first`, of a launcher whose process group is `outside`.
    pub fn new(first: i32, outside: i32) -> Family {
        Family {
            first,
            members: BTreeMap::new(),
            groups: BTreeSet::new(),
            outside,
        }
    }

    /// Learns from a new list. Returns the members in it, the new ones among them.
    pub fn grow(&mut self, all: &[Process]) -> BTreeSet<i32> {
        let is_same = |process: &Process, started: u64| process.started == started;
        self.members
            .retain(|pid, started| all.iter().any(|p| p.pid == *pid && is_same(p, *started)));
        // A group that has ended leaves its number to others.
        self.groups
            .retain(|group| all.iter().any(|process| process.group == *group));
        loop {
            let n_members = self.members.len();
            for process in all {
                if self.is_ours(process) {
                    self.members.insert(process.pid, process.started);
                    if process.group != self.outside {
                        self.groups.insert(process.group);
                    }
                }
            }
            if self.members.len() == n_members {
                return self.members.keys().copied().collect();
            }
        }
    }

    fn is_ours(&self, process: &Process) -> bool {
        process.pid == self.first
            || process.group == self.first
            || self.members.contains_key(&process.pid)
            || self.members.contains_key(&process.parent)
            || self.groups.contains(&process.group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAUNCHER: i32 = 10;

    /// Processes as `pid parent group started`.
    fn list(text: &str) -> Vec<Process> {
        text.split(',')
            .map(|line| {
                let fields: Vec<i32> = line
                    .split_whitespace()
                    .map(|field| field.parse().expect("a number"))
                    .collect();
                Process {
                    pid: fields[0],
                    parent: fields[1],
                    group: fields[2],
                    started: u64::try_from(fields[3]).expect("a time"),
                }
            })
            .collect()
    }

    /// The members after the last of the lists, for a job whose first process is 20.
    #[track_caller]
    fn check(lists: &[&str], expected: &[i32]) {
        let mut family = Family::new(20, LAUNCHER);
        let mut members = BTreeSet::new();
        for text in lists {
            members = family.grow(&list(text));
        }
        assert_eq!(members.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn descendants_in_any_order_belong_to_the_job() {
        check(
            &["22 21 20 3, 21 20 20 2, 20 10 20 1, 30 1 30 1"],
            &[20, 21, 22],
        );
    }

    #[test]
    fn the_launcher_and_its_group_do_not() {
        check(
            &["10 5 10 0, 20 10 10 1, 11 10 10 1, 21 20 10 2"],
            &[20, 21],
        );
    }

    #[test]
    fn an_orphan_that_was_seen_before_does() {
        check(
            &[
                "20 10 20 1, 21 20 20 2, 22 21 22 3",
                "20 10 20 1, 22 1 22 3",
                "20 10 20 1, 22 1 22 3, 23 22 23 4",
                "20 10 20 1, 23 1 23 4",
            ],
            &[20, 23],
        );
    }

    #[test]
    fn so_does_whoever_shares_a_group_with_a_member() {
        check(
            &[
                "20 10 20 1, 21 20 21 2",
                "20 10 20 1, 21 20 21 2, 40 1 21 3",
                "40 1 21 3",
            ],
            &[40],
        );
    }

    #[test]
    fn so_does_whoever_is_left_in_the_first_ones_group() {
        check(&["40 1 20 5, 30 1 30 5"], &[40]);
    }

    #[test]
    fn a_stranger_with_the_number_of_a_dead_member_does_not() {
        check(
            &[
                "20 10 20 1, 21 20 21 2",
                "20 10 20 1",
                "20 10 20 1, 21 1 21 9",
            ],
            &[20],
        );
        check(&["20 10 20 1, 21 20 21 2", "20 10 20 1, 21 1 50 9"], &[20]);
    }
}
