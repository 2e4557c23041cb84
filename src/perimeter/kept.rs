//! What was read of a file, kept for those who ask again: another rule, and in a history the commit before.

use std::collections::HashMap;
use std::hash::Hash;

/// Some answers by what they are about. Nothing may be kept that does not follow from its key alone.
pub(super) struct Kept<K, V> {
    answers: HashMap<K, V>,
    most: usize,
}

impl<K: Eq + Hash, V: Clone> Kept<K, V> {
    /// Of more answers than `most`, only the newest are kept.
    pub fn new(most: usize) -> Kept<K, V> {
        Kept {
            answers: HashMap::new(),
            most,
        }
    }

    pub fn or_read(&mut self, key: K, read: impl FnOnce() -> V) -> V {
        if let Some(known) = self.answers.get(&key) {
            return known.clone();
        }
        let answer = read();
        if self.answers.len() >= self.most {
            self.answers.clear();
        }
        self.answers.insert(key, answer.clone());
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_once_while_there_is_room() {
        let mut kept = Kept::new(2);
        let mut n_read = 0;
        for key in [1, 2, 1, 2, 3, 1, 1] {
            let answer = kept.or_read(key, || {
                n_read += 1;
                key * 10
            });
            assert_eq!(answer, key * 10);
        }
        assert_eq!(n_read, 4);
    }
}
