//! Many short literals, looked for in one text at once.
//!
//! What an automaton does in fewer steps for each byte takes one that has been built, and a hook reads a few lines: to build it takes longer
//! than all else that the hook does with them. This is a table of how the literals begin, made in a moment.

use std::collections::VecDeque;

/// Literals by how they begin.
#[derive(Debug)]
pub(super) struct LiteralTable {
    texts: Vec<&'static [u8]>,
    ignores_case: bool,
    /// A bit for each [`slot`] that a literal may begin with.
    begins: Vec<u64>,
    /// The slots of all literals of three bytes and more, in order, each with the literal's number.
    by_slot: Vec<(u16, u16)>,
    /// The others.
    short: Vec<u16>,
}

/// A literal that stands in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    /// The literal's number.
    pub literal: usize,
    pub start: usize,
    pub end: usize,
}

/// Goes down a text once.
struct Hits<'t> {
    table: &'t LiteralTable,
    text: &'t [u8],
    /// Where to go on.
    at: usize,
    /// What was found and may not be the next one yet, in order.
    found: VecDeque<Hit>,
}

impl LiteralTable {
    pub fn new(
        literals: impl IntoIterator<Item = &'static str>,
        ignores_case: bool,
    ) -> LiteralTable {
        let texts: Vec<_> = literals.into_iter().map(str::as_bytes).collect();
        let mut begins = vec![0_u64; (usize::from(u16::MAX) + 1) / 64];
        let mut set = |slot: u16| begins[usize::from(slot / 64)] |= 1 << (slot % 64);
        let mut by_slot = Vec::with_capacity(texts.len());
        let mut short = Vec::new();
        for (n, text) in texts.iter().enumerate() {
            let n = u16::try_from(n).expect("a few hundred literals");
            match **text {
                [one, two, three, ..] => {
                    let slot = slot([one, two, three]);
                    set(slot);
                    by_slot.push((slot, n));
                    continue;
                }
                [one, two] => (0..=u8::MAX).for_each(|three| set(slot([one, two, three]))),
                _ => (0..=u16::MAX).for_each(&mut set),
            }
            short.push(n);
        }
        by_slot.sort_unstable();
        LiteralTable {
            texts,
            ignores_case,
            begins,
            by_slot,
            short,
        }
    }

    /// Every place where a literal stands, also inside of another one, in the order of their ends; of those with one end the longest first.
    pub fn hits<'t>(&'t self, text: &'t [u8]) -> impl Iterator<Item = Hit> + use<'t> {
        Hits {
            table: self,
            text,
            at: 0,
            found: VecDeque::new(),
        }
    }

    /// The same without those that meet one before them: of each place the one that ends first.
    pub fn hits_apart<'t>(&'t self, text: &'t [u8]) -> impl Iterator<Item = Hit> + use<'t> {
        let mut end = 0;
        self.hits(text).filter(move |hit| {
            let is_apart = hit.start >= end;
            if is_apart {
                end = hit.end;
            }
            is_apart
        })
    }

    fn may_begin(&self, slot: u16) -> bool {
        self.begins[usize::from(slot / 64)] & 1 << (slot % 64) != 0
    }

    fn hit(&self, n: u16, text: &[u8], start: usize) -> Option<Hit> {
        let literal = self.texts[usize::from(n)];
        let end = start + literal.len();
        let here = text.get(start..end)?;
        let is_here = match self.ignores_case {
            true => here.eq_ignore_ascii_case(literal),
            false => here == literal,
        };
        is_here.then_some(Hit {
            literal: usize::from(n),
            start,
            end,
        })
    }
}

impl Hits<'_> {
    /// The next place, above `end`, where a literal may begin.
    fn go_on(&mut self, end: usize) -> Option<u16> {
        let (table, from) = (self.table, self.at);
        for (n, window) in self.text[from..end].windows(3).enumerate() {
            let slot = slot([window[0], window[1], window[2]]);
            if table.may_begin(slot) {
                self.at = from + n;
                return Some(slot);
            }
        }
        // Where fewer bytes are left, nothing stands for the others.
        for at in end.saturating_sub(2).max(from)..end {
            let byte = |n: usize| self.text.get(at + n).copied().unwrap_or(0);
            let slot = slot([byte(0), byte(1), byte(2)]);
            if table.may_begin(slot) {
                self.at = at;
                return Some(slot);
            }
        }
        self.at = end;
        None
    }

    /// Takes in all literals that begin here.
    fn take_in(&mut self, slot: u16) {
        let table = self.table;
        let from = table.by_slot.partition_point(|&(known, _)| known < slot);
        let of_slot = table.by_slot[from..].iter();
        let of_slot = of_slot.take_while(|&&(known, _)| known == slot);
        let here = of_slot.map(|&(_, n)| n).chain(table.short.iter().copied());
        let key = |hit: &Hit| (hit.end, hit.start, hit.literal);
        for hit in here.filter_map(|n| table.hit(n, self.text, self.at)) {
            let place = self.found.partition_point(|known| key(known) < key(&hit));
            self.found.insert(place, hit);
        }
    }
}

impl Iterator for Hits<'_> {
    type Item = Hit;

    fn next(&mut self) -> Option<Hit> {
        loop {
            // What begins further down ends behind its own beginning.
            let end = match self.found.front() {
                Some(first) if first.end <= self.at => return self.found.pop_front(),
                Some(first) => first.end,
                None => self.text.len(),
            };
            match self.go_on(end) {
                Some(slot) => {
                    self.take_in(slot);
                    self.at += 1;
                }
                None if self.found.is_empty() => return None,
                None => {}
            }
        }
    }
}

/// Bytes that differ in case only have one.
fn slot(bytes: [u8; 3]) -> u16 {
    let [one, two, three] = bytes.map(|byte| u16::from(byte | 0x20));
    one ^ two << 5 ^ three << 9
}

#[cfg(test)]
mod tests {
    use aho_corasick::AhoCorasick;

    use super::*;

    #[rustfmt::skip]
    const LITERALS: &[&str] = &[
        "a", "aB", "abc", "abcd", "bcd", "cd", "Q~", "--x", "://", "sk.eyJ", "eyJ", "token", "to", "kenx", "abc", "aaaa", "aa-a",
    ];

    /// What an automaton finds.
    fn expected(automaton: &AhoCorasick, text: &[u8]) -> [Vec<Hit>; 2] {
        let hit = |found: aho_corasick::Match| Hit {
            literal: found.pattern().as_usize(),
            start: found.start(),
            end: found.end(),
        };
        let all = automaton.find_overlapping_iter(text).map(hit).collect();
        [all, automaton.find_iter(text).map(hit).collect()]
    }

    #[test]
    fn it_finds_what_an_automaton_finds() {
        let parts = [
            "a", "b", "c", "d", "B", "Q~", "--", "x", "://", "sk.", "eyJ", "EYJ", "tok", "EN",
            "en", "-", "\u{e4}", "",
        ];
        // The same numbers in every run.
        let mut state = 7_u64;
        for ignores_case in [false, true] {
            let literals = LiteralTable::new(LITERALS.iter().copied(), ignores_case);
            let automaton = AhoCorasick::builder()
                .ascii_case_insensitive(ignores_case)
                .build(LITERALS)
                .expect("it builds");
            for n_parts in (0..2_000).map(|n| n % 40) {
                let mut text = String::new();
                for _ in 0..n_parts {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    text += parts[(state >> 33) as usize % parts.len()];
                }
                let text = text.as_bytes();
                let found = [
                    literals.hits(text).collect::<Vec<_>>(),
                    literals.hits_apart(text).collect(),
                ];
                assert_eq!(found, expected(&automaton, text), "{text:?}");
            }
        }
    }

    #[test]
    fn a_long_text_costs_little_more_than_its_length() {
        let literals = LiteralTable::new(LITERALS.iter().copied(), true);
        let text = "token ".repeat(20_000);
        let started = std::time::Instant::now();
        assert_eq!(literals.hits(text.as_bytes()).count(), 40_000);
        assert!(started.elapsed().as_secs() < 10);
    }
}
