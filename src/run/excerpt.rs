//! The end of what an agent printed, for people and for its next attempt.

/// The end of what an agent that failed said, for people and for its next attempt.
pub fn of_failure(stderr: &[u8], stdout: &[u8]) -> String {
    match stderr.trim_ascii().is_empty() {
        true => end(stdout),
        false => end(stderr),
    }
}

/// The last lines of anybody's text.
pub fn end(bytes: &[u8]) -> String {
    const N_LINES: usize = 8;
    const MAX_LINE: usize = 300;
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<String> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            let line: String = line.chars().take(MAX_LINE).collect();
            crate::change::shown(line.as_bytes())
        })
        .collect();
    let last = &lines[lines.len().saturating_sub(N_LINES)..];
    last.iter().map(|line| format!("\n  | {line}")).collect()
}
