//! Foreign text made fit for a terminal: nothing in it can break a line, drive the terminal or turn the writing direction.

use std::fmt::Write as _;

/// The text with controls, invisible and direction-changing characters, and bytes that are not UTF-8, as visible escapes.
pub fn shown(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_plain(c) {
                out.push(c);
            } else {
                out.extend(c.escape_default());
            }
        }
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Shown as it is: no control, and none of the characters that are invisible or turn the writing direction.
pub fn is_plain(c: char) -> bool {
    let is_hidden = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}');
    !c.is_control() && !is_hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        assert_eq!(shown(bytes), expected);
    }

    #[test]
    fn plain_text_stays() {
        check(
            "fix: Größe der \"Liste\"".as_bytes(),
            "fix: Größe der \"Liste\"",
        );
    }

    #[test]
    fn what_drives_a_terminal_is_escaped() {
        check(b"a\x1b[2Jb\nc", "a\\u{1b}[2Jb\\nc");
        check("a\u{202e}b".as_bytes(), "a\\u{202e}b");
        check(b"a\xffb", "a\\xffb");
    }
}
