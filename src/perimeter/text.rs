//! Text of the judged side, made fit to be shown.

/// The most that a finding repeats of a text.
const MAX_CHARS: usize = 100;

/// A text for a message: short, on one line, with nothing in it that hides or drives a terminal.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars().take(MAX_CHARS) {
        match c {
            '`' => shown.push('\''),
            _ if c.is_control() || is_invisible(c) => shown.extend(c.escape_unicode()),
            _ => shown.push(c),
        }
    }
    if text.chars().nth(MAX_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

/// A line's indentation, in bytes, and the line without the white space at both of its ends.
pub(super) fn code_of(line: &str) -> (usize, &str) {
    let is_plain = |byte: &u8| byte.is_ascii_graphic();
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let bytes = line.as_bytes();
    let start = bytes.iter().take_while(|byte| is_blank(byte)).count();
    let n_behind = bytes.iter().rev().take_while(|byte| is_blank(byte)).count();
    let code = line.get(start..line.len() - n_behind).unwrap_or_default();
    let ends = [code.as_bytes().first(), code.as_bytes().last()];
    if ends.iter().all(|end| end.is_some_and(is_plain)) {
        return (start, code);
    }
    // White space that is not ASCII, or a line of nothing else.
    let code = line.trim();
    (line.len() - line.trim_start().len(), code)
}

/// Ignored by file systems, not seen by people, or turning the direction of writing.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_a_line_has_no_white_space_around_it() {
        for line in [
            "",
            " ",
            "\t ",
            "a",
            " a",
            "a ",
            "  a b\t",
            "\u{a0}a",
            "a\u{3000}",
            " \u{85}a\r",
            "\u{e4} ",
            " \x0ba\x0c ",
            "\u{feff}a",
        ] {
            let expected = (line.len() - line.trim_start().len(), line.trim());
            assert_eq!(code_of(line), expected, "{line:?}");
        }
    }
}
