//! The log of one issue: a set of lines in one order that everybody finds alike, whatever order they came in and whatever clocks said.
//!
//! Lines are ordered by a counter of what their writers knew (Lamport, "Time, Clocks, and the Ordering of Events in a Distributed System",
//! 1978), then by time, then by id. A counter that starts at one and goes up by one cannot be greater than the number of lines, so one that is
//! was made up.

use std::collections::BTreeSet;
use std::fmt;

use super::operation::{Operation, Unreadable};

/// What can be read of a log, and what cannot.
#[derive(Debug, Default)]
pub struct Log<'a> {
    /// In order.
    pub operations: Vec<Operation<'a>>,
    /// Lines that are no operation to go by. Where there are any, nobody knows the state of the issue.
    pub problems: Vec<Problem>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Counted from one, as the file stands in git.
    pub line: usize,
    pub what: Trouble,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    Unreadable(Unreadable),
    /// Two lines of one id: one of them was edited.
    Edited(String),
    /// A counter that nobody can have reached.
    Ahead {
        n: u64,
        n_lines: u64,
    },
}

impl<'a> Log<'a> {
    pub fn read(bytes: &'a [u8]) -> Log<'a> {
        let mut log = Log::default();
        let mut read: Vec<(usize, &[u8], Operation)> = Vec::new();
        let mut n_lines = 0_u64;
        for (number, line) in lines(bytes) {
            n_lines += 1;
            match Operation::read(line) {
                Ok(operation) => read.push((number, line, operation)),
                Err(unreadable) => log.problems.push(Problem {
                    line: number,
                    what: Trouble::Unreadable(unreadable),
                }),
            }
        }
        read.sort_by(|(_, one_line, one), (_, other_line, other)| {
            key(one).cmp(&key(other)).then(one_line.cmp(other_line))
        });
        let before = read.len();
        read.dedup_by(|one, other| one.1 == other.1);
        n_lines -= (before - read.len()) as u64;
        let edited = doubles(&read);
        for (line, _, operation) in read {
            let trouble = if edited.contains(&*operation.id) {
                Trouble::Edited(operation.id.to_string())
            } else if operation.n > n_lines {
                Trouble::Ahead {
                    n: operation.n,
                    n_lines,
                }
            } else {
                log.operations.push(operation);
                continue;
            };
            log.problems.push(Problem {
                line,
                what: trouble,
            });
        }
        log.problems.sort();
        log
    }

    /// The counter of whatever is written next.
    pub fn next_n(&self) -> u64 {
        self.operations.last().map_or(1, |last| last.n + 1)
    }
}

/// All lines of both, each once, in the order of [`Log`]; what cannot be read comes last. The same lines give the same bytes.
pub fn union(one: &[u8], other: &[u8]) -> Vec<u8> {
    let all: BTreeSet<&[u8]> = lines(one)
        .chain(lines(other))
        .map(|(_, line)| line)
        .collect();
    let mut readable = Vec::new();
    let mut unreadable = Vec::new();
    for line in all {
        match Operation::read(line) {
            Ok(operation) => readable.push((operation, line)),
            Err(_) => unreadable.push(line),
        }
    }
    // Equal ones stay in the order of their bytes.
    readable.sort_by(|(one, _), (other, _)| key(one).cmp(&key(other)));
    let mut bytes = Vec::with_capacity(one.len() + other.len());
    for line in readable.iter().map(|(_, line)| *line).chain(unreadable) {
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
    }
    bytes
}

/// How many lines the first has that the second has not.
pub fn n_missing(these: &[u8], there: &[u8]) -> usize {
    let there: BTreeSet<&[u8]> = lines(there).map(|(_, line)| line).collect();
    let these: BTreeSet<&[u8]> = lines(these).map(|(_, line)| line).collect();
    these.difference(&there).count()
}

fn key<'o>(operation: &'o Operation) -> (u64, jiff::Timestamp, &'o str) {
    (operation.n, operation.at, &operation.id)
}

/// Lines with anything in them, numbered.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = bytes.split(|&byte| byte == b'\n').enumerate();
    lines
        .map(|(at, line)| (at + 1, line))
        .filter(|(_, line)| !line.trim_ascii().is_empty())
}

/// Ids of more than one line.
fn doubles(read: &[(usize, &[u8], Operation)]) -> BTreeSet<String> {
    let mut ids: Vec<&str> = read
        .iter()
        .map(|(_, _, operation)| &*operation.id)
        .collect();
    ids.sort_unstable();
    let same = ids.windows(2).filter(|pair| pair[0] == pair[1]);
    same.map(|pair| pair[0].to_owned()).collect()
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Unreadable(unreadable) => unreadable.fmt(f),
            Trouble::Edited(id) => write!(f, "it has the id `{id}` of another line"),
            Trouble::Ahead { n, n_lines } => {
                write!(f, "it calls itself number {n}, in a log of {n_lines} lines")
            }
        }
    }
}
