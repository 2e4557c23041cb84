//! What a person has said about which errors are one issue and which are several, where the algorithm sees it otherwise.

use std::collections::{BTreeMap, BTreeSet};

use super::fingerprint::{self, Fingerprint};
use super::{Frame, skeleton};

/// Applied to each event as it is named: first what is split, then what is merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grouping {
    merge: BTreeMap<Fingerprint, Fingerprint>,
    split: BTreeMap<Fingerprint, SplitBy>,
}

/// What tells the parts of an issue apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitBy {
    /// The message without what varies in it.
    Message,
    Type,
    /// All frames of the project's own code, where the two innermost name an issue.
    Frames,
}

/// Merges that lead back to where they begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circle(pub Fingerprint);

impl Grouping {
    /// `merge` says of the first that it is one with the second, which may be one with a third.
    pub fn new(
        merge: BTreeMap<Fingerprint, Fingerprint>,
        split: BTreeMap<Fingerprint, SplitBy>,
    ) -> Result<Grouping, Circle> {
        let mut ends = BTreeMap::new();
        for (from, to) in &merge {
            let (mut end, mut seen) = (to, BTreeSet::from([from]));
            while let Some(next) = merge.get(end) {
                if !seen.insert(end) {
                    return Err(Circle(from.clone()));
                }
                end = next;
            }
            if seen.contains(end) {
                return Err(Circle(from.clone()));
            }
            ends.insert(from.clone(), end.clone());
        }
        Ok(Grouping { merge: ends, split })
    }

    /// What an event is called that the algorithm calls `fingerprint`.
    pub fn name(
        &self,
        fingerprint: Fingerprint,
        error_type: Option<&str>,
        frames: &[Frame],
        message: &str,
    ) -> Fingerprint {
        let part = match self.split.get(&fingerprint) {
            None => fingerprint,
            Some(by) => {
                let (word, text) = match by {
                    SplitBy::Message => ("message", skeleton(message)),
                    SplitBy::Type => ("type", error_type.unwrap_or("").to_owned()),
                    SplitBy::Frames => ("frames", fingerprint::in_app(frames).join("\n")),
                };
                fingerprint.part(word, &text)
            }
        };
        self.merge.get(&part).cloned().unwrap_or(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(n: u8) -> Fingerprint {
        Fingerprint::parse(&format!("k1:{n:024x}")).expect("a fingerprint")
    }

    /// Pairs such as `1>2` to what 1 to 9 are called then.
    #[track_caller]
    fn check_merge(pairs: &str, expected: &str) {
        let pairs = pairs.split_whitespace().map(|pair| {
            let (from, to) = pair.split_once('>').expect("FROM>TO");
            (name(from.parse().expect("n")), name(to.parse().expect("n")))
        });
        let said = match Grouping::new(pairs.collect(), BTreeMap::new()) {
            Err(Circle(_)) => "circle".to_owned(),
            Ok(grouping) => {
                let called = |n| grouping.name(name(n), None, &[], "");
                let numbers = (1..5).map(|n| (1..5).find(|m| called(n) == name(*m)));
                numbers.map(|n| format!("{}", n.unwrap_or(0))).collect()
            }
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn what_is_merged_goes_to_the_end_of_the_chain() {
        check_merge("", "1234");
        check_merge("1>2", "2234");
        check_merge("1>2 2>3", "3334");
        check_merge("2>3 1>2 4>3", "3333");
    }

    #[test]
    fn a_circle_is_no_merge() {
        check_merge("1>1", "circle");
        check_merge("1>2 2>1", "circle");
        check_merge("1>2 2>3 3>2", "circle");
    }

    fn frame(function: &str) -> Frame {
        Frame {
            file: "a.py".into(),
            line: None,
            function: Some(function.into()),
            in_app: true,
        }
    }

    #[test]
    fn a_split_tells_apart_what_it_names_and_nothing_else() {
        let split =
            |by| Grouping::new(BTreeMap::new(), [(name(1), by)].into()).expect("a grouping");
        let called = |by, n, kind: &str, outer: &str, message: &str| {
            let frames = [frame(outer), frame("f"), frame("g")];
            split(by).name(name(n), Some(kind), &frames, message)
        };
        let one = |by| called(by, 1, "A", "x", "no stock");
        assert_eq!(
            one(SplitBy::Message),
            called(SplitBy::Message, 1, "B", "y", "no stock")
        );
        assert_ne!(
            one(SplitBy::Message),
            called(SplitBy::Message, 1, "A", "x", "no cart")
        );
        assert_ne!(
            one(SplitBy::Type),
            called(SplitBy::Type, 1, "B", "x", "no stock")
        );
        assert_ne!(
            one(SplitBy::Frames),
            called(SplitBy::Frames, 1, "A", "y", "no stock")
        );
        assert_eq!(called(SplitBy::Type, 2, "A", "x", ""), name(2));
        assert!(Fingerprint::is_one(one(SplitBy::Type).as_str()));
    }

    #[test]
    fn a_part_can_be_merged() {
        let by = [(name(1), SplitBy::Message)];
        let part = Grouping::new(BTreeMap::new(), by.clone().into()).expect("a grouping");
        let part = part.name(name(1), None, &[], "no stock");
        let grouping = Grouping::new([(part, name(3))].into(), by.into()).expect("a grouping");
        assert_eq!(grouping.name(name(1), None, &[], "no stock"), name(3));
    }
}
