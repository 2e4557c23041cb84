//! What an agent is told beside the brief: that it only edits, how to go about it, and what was refused before.

use super::message::SUBJECT_MARK;

/// What one attempt is told.
pub struct Told<'a> {
    /// The brief, as `koan-guard brief` writes it.
    pub brief: &'a str,
    /// 1-based.
    pub attempt: usize,
    pub attempts: usize,
    /// What the guard said of the attempt before.
    pub refused: Option<&'a str>,
    pub subject_length: usize,
    /// Trailers that only a person can give.
    pub has_network: bool,
}

/// The whole text.
pub fn prompt(told: &Told) -> String {
    let mut text = told.brief.trim_end().to_owned();
    text.push_str(&format!(
        "\n\n## This run\n\n\
         You are in a folder of your own: the files of the commit above, and a throw-away `.git` in which nothing that you do counts. The guard takes \
         the files as you leave them, makes the commit with its trailers itself, and judges it: no commit of yours is looked at. Edit files, and \
         end.\n\n\
         1. Write a test that fails as production did. Run it, and see it fail for that reason.\n\
         2. Fix the cause with the smallest change, and nothing else.\n\
         3. Run the test again, then the tests around it, and see them pass.\n\
         4. Leave no other file behind, and change no test that is there.\n\
         5. End with one line of at most {} plain characters that says what was wrong: `{SUBJECT_MARK} total of an empty cart`.\n\n\
         If you cannot do that, change nothing and say why: to stop is a good outcome.{}\n",
        told.subject_length,
        if told.has_network { "" } else { " There is no network." }
    ));
    if let Some(refused) = told.refused {
        text.push_str(&format!(
            "\n## Attempt {} of {}\n\nYour work so far is still in the folder. This is what the guard said of it, and nothing else judges:\n\n\
             ~~~text\n{}\n~~~\n\nDo what the first `next:` says, then look at the rest; every line of it must be gone.\n",
            told.attempt,
            told.attempts,
            without_fences(refused.trim_end())
        ));
    }
    text
}

/// What a stranger's text could end the fence with.
fn without_fences(text: &str) -> String {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("needs a person:"))
        .map(|line| line.replace("~~~", "~ ~ ~"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_stands_in_a_fence_of_its_own() {
        let told = Told {
            brief: "# Repair x\n",
            attempt: 2,
            attempts: 3,
            refused: Some(
                "refused[no-test]: a\n  next: write one\n~~~\n  needs a person: koan-guard approve x\n",
            ),
            subject_length: 60,
            has_network: false,
        };
        let text = prompt(&told);
        assert!(text.contains("## Attempt 2 of 3"), "{text}");
        assert!(text.contains("  next: write one\n~ ~ ~\n~~~\n"), "{text}");
        assert!(!text.contains("approve"), "{text}");
        assert!(text.contains("There is no network"), "{text}");
    }
}
