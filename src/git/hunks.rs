//! Two texts into hunks: the lines that differ, without context.

use gix::bstr::ByteSlice as _;
use gix::diff::blob::sources::byte_lines;
use gix::diff::blob::{Algorithm, Diff, InternedInput, Token};

use crate::change::{Hunk, Lines};

/// Texts with more lines than this, of both sides together, are not compared line by line: that takes time with the square of their size.
const MAX_COMPARED_LINES: usize = 100_000;

pub(super) fn hunks(old: &[u8], new: &[u8]) -> Vec<Hunk> {
    if old == new {
        return Vec::new();
    }
    if old.is_empty() || new.is_empty() {
        let hunk = Hunk {
            old: Cursor::new(old).take_rest(),
            new: Cursor::new(new).take_rest(),
        };
        return vec![hunk];
    }
    if n_lines(old) + n_lines(new) > MAX_COMPARED_LINES {
        return vec![one_hunk(old, new)];
    }
    let ends = SameEnds::of(old, new);
    if let Some(input) = ends.between(old, new) {
        let line = n_line_feeds(&old[..ends.n_above]);
        let cursor = |text| Cursor {
            text,
            line,
            byte: ends.n_above,
        };
        return hunks_of(&input, cursor(old), cursor(new));
    }
    let input = InternedInput::new(byte_lines(old), byte_lines(new));
    hunks_of(&input, Cursor::new(old), Cursor::new(new))
}

/// The hunks of what stands where the cursors are.
fn hunks_of(input: &InternedInput<&[u8]>, mut old: Cursor, mut new: Cursor) -> Vec<Hunk> {
    let (n_old, n_new) = (old.line as u32, new.line as u32);
    let mut diff = Diff::compute(Algorithm::Histogram, input);
    diff.postprocess_lines(input);
    diff.hunks()
        .map(|hunk| Hunk {
            old: old.take(hunk.before.start + n_old..hunk.before.end + n_old),
            new: new.take(hunk.after.start + n_new..hunk.after.end + n_new),
        })
        .collect()
}

/// What two texts begin and end with alike, in bytes and whole lines, but for some lines beside what differs.
struct SameEnds {
    n_above: usize,
    n_below: usize,
}

impl SameEnds {
    /// So many lines above what differs and below it are compared with it.
    const N_LINES: usize = 24;

    fn of(old: &[u8], new: &[u8]) -> SameEnds {
        let n_same = n_same_at_start(old, new);
        let mut n_above = n_same;
        for _ in 0..=SameEnds::N_LINES {
            n_above = old[..n_above].rfind_byte(b'\n').unwrap_or(0);
        }
        // Behind the line feed that was found last.
        n_above += usize::from(n_above > 0);
        let (old, new) = (&old[n_same..], &new[n_same..]);
        let n_same = n_same_at_end(old, new);
        let below = &old[old.len() - n_same..];
        let mut rest = below;
        for _ in 0..=SameEnds::N_LINES {
            rest = rest.find_byte(b'\n').map_or(b"", |at| &rest[at + 1..]);
        }
        SameEnds {
            n_above,
            n_below: rest.len(),
        }
    }

    /// The lines that are not left out; `None` where what is left out may decide which of several like lines count as changed.
    ///
    /// A hunk is moved up and down as long as the line that it leaves is like the one that it takes in, and where it comes to stand depends on
    /// the indentation around it. It never moves past a line that there is once, and nobody looks past one that is not blank.
    fn between<'a>(&self, old: &'a [u8], new: &'a [u8]) -> Option<InternedInput<&'a [u8]>> {
        let within = |text: &'a [u8]| &text[self.n_above..text.len() - self.n_below];
        let (old, new) = (within(old), within(new));
        let input = InternedInput::new(byte_lines(old), byte_lines(new));
        let n_tokens = input.interner.num_tokens() as usize;
        let mut counts = vec![[0u32; 2]; n_tokens];
        for (side, tokens) in [&input.before, &input.after].into_iter().enumerate() {
            for token in tokens {
                counts[token.0 as usize][side] += 1;
            }
        }
        let is_fence = |token: &Token| {
            let line = input.interner[*token];
            counts[token.0 as usize] == [1, 1] && !line.trim_ascii().is_empty()
        };
        let pairs = || input.before.iter().zip(&input.after);
        let n_above = pairs().take_while(|(old, new)| old == new).count();
        let is_closed_above = self.n_above == 0 || input.before[..n_above].iter().any(is_fence);
        let backwards = input.before.iter().rev().zip(input.after.iter().rev());
        let mut below = backwards
            .take(pairs().len() - n_above)
            .take_while(|(old, new)| old == new);
        let is_closed_below = self.n_below == 0 || below.any(|(old, _)| is_fence(old));
        (is_closed_above && is_closed_below).then_some(input)
    }
}

/// All from the first line that differs to the last: more than what differs perhaps, never less.
fn one_hunk(old: &[u8], new: &[u8]) -> Hunk {
    let pairs = || byte_lines(old).zip(byte_lines(new));
    let n_before = pairs().take_while(|(old, new)| old == new).count();
    let (n_old, n_new) = (n_lines(old), n_lines(new));
    let backwards = reversed_lines(old).zip(reversed_lines(new));
    let n_after = backwards
        .take(n_old.min(n_new) - n_before)
        .take_while(|(old, new)| old == new)
        .count();
    Hunk {
        old: Cursor::new(old).take(n_before as u32..(n_old - n_after) as u32),
        new: Cursor::new(new).take(n_before as u32..(n_new - n_after) as u32),
    }
}

fn reversed_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|&byte| byte == b'\n').rev()
}

fn n_lines(text: &[u8]) -> usize {
    let is_open = text.last().is_some_and(|&byte| byte != b'\n');
    n_line_feeds(text) + usize::from(is_open)
}

fn n_line_feeds(text: &[u8]) -> usize {
    text.iter().filter(|&&byte| byte == b'\n').count()
}

/// So many bytes are compared at a time.
const CHUNK: usize = 256;

/// How many bytes two texts begin with alike.
fn n_same_at_start(one: &[u8], other: &[u8]) -> usize {
    let chunks = one.chunks_exact(CHUNK).zip(other.chunks_exact(CHUNK));
    let n = CHUNK * chunks.take_while(|(one, other)| one == other).count();
    let bytes = one[n..].iter().zip(&other[n..]);
    n + bytes.take_while(|(one, other)| one == other).count()
}

/// How many bytes two texts end with alike.
fn n_same_at_end(one: &[u8], other: &[u8]) -> usize {
    let chunks = one.rchunks_exact(CHUNK).zip(other.rchunks_exact(CHUNK));
    let n = CHUNK * chunks.take_while(|(one, other)| one == other).count();
    let (one, other) = (&one[..one.len() - n], &other[..other.len() - n]);
    let bytes = one.iter().rev().zip(other.iter().rev());
    n + bytes.take_while(|(one, other)| one == other).count()
}

/// Goes down a text once and knows which bytes a run of lines covers.
struct Cursor<'a> {
    text: &'a [u8],
    line: usize,
    byte: usize,
}

impl Cursor<'_> {
    fn new(text: &[u8]) -> Cursor<'_> {
        Cursor {
            text,
            line: 0,
            byte: 0,
        }
    }

    fn take(&mut self, lines: std::ops::Range<u32>) -> Lines {
        self.go_to(lines.start as usize);
        let start = self.byte;
        self.go_to(lines.end as usize);
        Lines {
            start: lines.start as usize + 1,
            n_lines: lines.len(),
            bytes: start..self.byte,
        }
    }

    fn take_rest(&mut self) -> Lines {
        Lines {
            start: self.line + 1,
            n_lines: n_lines(self.text),
            bytes: self.byte..self.text.len(),
        }
    }

    fn go_to(&mut self, line: usize) {
        while self.line < line {
            let rest = &self.text[self.byte..];
            self.byte += rest.find_byte(b'\n').map_or(rest.len(), |at| at + 1);
            self.line += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows the hunks between two texts as `-start,lines +start,lines`, and that the lines in them are those that differ.
    #[track_caller]
    fn check(old: &str, new: &str, expected: &str) {
        let shown: Vec<String> = hunks(old.as_bytes(), new.as_bytes())
            .iter()
            .map(|hunk| {
                let (old_bytes, new_bytes) = (&hunk.old.bytes, &hunk.new.bytes);
                format!(
                    "-{},{} {:?} +{},{} {:?}",
                    hunk.old.start,
                    hunk.old.n_lines,
                    &old[old_bytes.clone()],
                    hunk.new.start,
                    hunk.new.n_lines,
                    &new[new_bytes.clone()]
                )
            })
            .collect();
        assert_eq!(shown.join("\n"), expected);
    }

    #[test]
    fn a_hunk_has_no_context() {
        check("a\nb\nc\n", "a\nX\nc\n", r#"-2,1 "b\n" +2,1 "X\n""#);
        check("a\nc\n", "a\nb\nc\n", r#"-2,0 "" +2,1 "b\n""#);
        check("a\nb\nc\n", "a\nc\n", r#"-2,1 "b\n" +2,0 """#);
    }

    /// Every hunk of two texts that are compared as a whole.
    fn hunks_of_all(old: &[u8], new: &[u8]) -> Vec<Hunk> {
        let input = InternedInput::new(byte_lines(old), byte_lines(new));
        hunks_of(&input, Cursor::new(old), Cursor::new(new))
    }

    #[test]
    fn what_is_left_out_above_and_below_makes_no_difference() {
        // The same numbers in every run.
        let mut state = 1_u64;
        let mut random = |n: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize % n
        };
        let (mut n_left_out, mut n_edits) = (0, 0);
        for round in 0..1_200 {
            // From a file of a few different lines to one where nearly all differ.
            let n_words = [2, 5, 40, 1_000][round % 4];
            let mut line = |end: &str| match random(n_words) {
                0 => format!("\n{end}"),
                1 => format!("    }}\n{end}"),
                n => format!("{:width$}line {n}\n{end}", "", width = n % 3 * 4),
            };
            let old: Vec<String> = (0..150).map(|_| line("")).collect();
            let mut new = old.clone();
            for _ in 0..1 + round % 3 {
                let at = 40 + round % 50;
                match round % 5 {
                    0 => new.insert(at, line("")),
                    1 => drop(new.remove(at)),
                    2 => new[at] = line(""),
                    // A part once more, as it stands above.
                    3 => drop(new.splice(at..at, old[at - 1 - round % 35..at].to_vec())),
                    _ => drop(new.splice(at..at + round % 7, [line(""), line("")])),
                }
            }
            let (old, new) = (old.concat(), new.concat());
            let last = new.len() - usize::from(round % 11 == 0);
            let (old, new) = (old.as_bytes(), &new.as_bytes()[..last]);
            assert_eq!(hunks(old, new), hunks_of_all(old, new), "round {round}");
            let ends = SameEnds::of(old, new);
            let is_shorter = ends.n_above > 0 && ends.n_below > 0;
            n_edits += usize::from(old != new);
            n_left_out += usize::from(is_shorter && ends.between(old, new).is_some());
        }
        assert!(n_left_out * 3 > n_edits, "{n_left_out} of {n_edits}");
    }

    #[test]
    fn an_empty_side_is_one_hunk() {
        check("", "a\nb", r#"-1,0 "" +1,2 "a\nb""#);
        check("a\n", "", r#"-1,1 "a\n" +1,0 """#);
        check("", "", "");
        check("same\n", "same\n", "");
    }

    #[test]
    fn a_line_feed_at_the_end_is_a_difference() {
        check("a\nb", "a\nb\n", r#"-2,1 "b" +2,1 "b\n""#);
        check("a\r\nb\n", "a\nb\n", r#"-1,1 "a\r\n" +1,1 "a\n""#);
    }

    #[test]
    fn line_numbers_hold_behind_other_hunks() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n";
        let new = "0\n1\n2\n3\n5\n6\n7\nX\nY\n";
        check(
            old,
            new,
            "-1,0 \"\" +1,1 \"0\\n\"\n-4,1 \"4\\n\" +5,0 \"\"\n-8,1 \"8\\n\" +8,2 \"X\\nY\\n\"",
        );
    }

    #[test]
    fn very_long_texts_differ_in_one_hunk() {
        let same = "same\n".repeat(MAX_COMPARED_LINES / 2);
        let old = format!("{same}a\nb\nc\n{same}");
        let last = MAX_COMPARED_LINES / 2 + 3;
        for (new, expected) in [
            (format!("{same}A\nb\nC\n{same}"), (last - 2, 3, last - 2, 3)),
            (format!("{same}a\nb\n{same}"), (last, 1, last, 0)),
            (
                format!("{same}a\nb\nc\nd\n{same}"),
                (last + 1, 0, last + 1, 1),
            ),
            (format!("{old}same\n"), (2 * last - 2, 0, 2 * last - 2, 1)),
        ] {
            let hunks = hunks(old.as_bytes(), new.as_bytes());
            let [hunk] = &hunks[..] else {
                panic!("{} hunks", hunks.len())
            };
            let lines = (
                hunk.old.start,
                hunk.old.n_lines,
                hunk.new.start,
                hunk.new.n_lines,
            );
            assert_eq!(lines, expected);
            let (old_bytes, new_bytes) = (hunk.old.bytes.clone(), hunk.new.bytes.clone());
            let replaced = [
                &old[..old_bytes.start],
                &new[new_bytes],
                &old[old_bytes.end..],
            ];
            assert_eq!(replaced.concat(), new);
        }
    }
}
