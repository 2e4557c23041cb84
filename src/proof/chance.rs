//! Changes that name a source of chance: there a few samples could all fall the right way, so there are more of them.

use super::smells::{Parts, words};
use super::split::Split;
use crate::change::Change;

/// What falls the right way half of the time does so in all of these once in 4,096 tries.
const N_SAMPLES: usize = 12;

/// Parts of names by which languages offer what differs from run to run: random numbers, clocks, identities, threads, orders.
const SOURCES: &str = "\
    arc4random choice choices clock cpu cputime date datetime elapsed entropy epoch epochrealtime epochseconds getpid gettimeofday \
    goroutine guid hash hasher hashmap hashset hrtime instant loadavg micros microseconds microtime millis milliseconds mktime monotonic mt mtime \
    nanos nanoseconds nonce now object_id parallel performance perf pid pids ppid proc race rand randbytes randint randn random randomint randomstate \
    randrange rng sample seconds seed shuf shuffle sleep spawn srand srandom tempfile thread threads tick ticks time timer timestamp times timeval \
    today tmpdir unix uptime urandom usage uuid uniqid walltime";

/// How many samples of the new tests each side needs at least.
pub(super) fn n_samples(change: &Change, split: &Split, policy: usize) -> usize {
    let parts = Parts::of(change, split);
    let mut lines = parts.production.iter().chain(&parts.tests);
    if lines.any(|line| names_chance(line.text)) {
        policy.max(N_SAMPLES)
    } else {
        policy
    }
}

fn names_chance(line: &str) -> bool {
    // Go begins to walk a map anywhere.
    let walks_a_map = line.contains("range ") && line.contains(":=");
    walks_a_map || words(line).any(|word| is_source(word) || parts(word).any(is_source))
}

fn is_source(part: &str) -> bool {
    let mut sources = SOURCES.split_ascii_whitespace();
    sources.any(|source| source.eq_ignore_ascii_case(part))
}

/// `system`, `Time` of `systemTime`, and the words of `snake_case`.
fn parts(word: &str) -> impl Iterator<Item = &str> {
    word.split('_').flat_map(|word| {
        let mut rest = word;
        std::iter::from_fn(move || {
            let first = rest.chars().next()?;
            let is_lower = |c: char| !c.is_uppercase();
            // `HTTPDate` begins with one word of capitals, which ends before the last of them.
            let n_upper = rest.chars().take_while(|c| c.is_uppercase()).count();
            let begin = match n_upper {
                0 | 1 => first.len_utf8(),
                _ if rest.chars().nth(n_upper).is_none() => rest.len(),
                _ => rest.char_indices().nth(n_upper - 1)?.0,
            };
            let tail = &rest[begin..];
            let end = match n_upper {
                0 | 1 => tail
                    .find(|c| !is_lower(c))
                    .map_or(rest.len(), |n| begin + n),
                _ => begin,
            };
            let (part, left) = rest.split_at(end);
            rest = left;
            Some(part)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_chance() {
        #[track_caller]
        fn check(line: &str, expected: bool) {
            assert_eq!(names_chance(line), expected, "{line}");
        }
        check("    result = random.choice([0, 1])", true);
        check("let nanos = std::time::SystemTime::now();", true);
        check("const id = crypto.randomUUID();", true);
        check("if ((RANDOM % 2)); then", true);
        check("return Date.now() % 2;", true);
        check("let hasher = RandomState::new();", true);
        check("for key := range prices {", true);
        check(
            "if Process.clock_gettime(Process::CLOCK_MONOTONIC) > 1",
            true,
        );
        check("return HTTPDate(value)", true);
        check("assert pathlib.Path('/proc/uptime')", true);
        check("    timeout = settings.update(candidate)", false);
        check("return prices.iter().sum::<u32>() + 1;", false);
        check("assert total([3, 4]) == 7", false);
        check("", false);
    }

    #[test]
    fn words_have_parts() {
        #[track_caller]
        fn check(word: &str, expected: &[&str]) {
            assert_eq!(parts(word).collect::<Vec<_>>(), expected, "{word}");
        }
        check("", &[""; 0]);
        check("now", &["now"]);
        check("systemTime", &["system", "Time"]);
        check("HashMap", &["Hash", "Map"]);
        check("HTTPDate", &["HTTP", "Date"]);
        check("RANDOM", &["RANDOM"]);
        check("CLOCK_MONOTONIC", &["CLOCK", "MONOTONIC"]);
        check("microTimeÜ2", &["micro", "Time", "Ü2"]);
    }
}
