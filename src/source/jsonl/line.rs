//! Lines of a stream, none of them larger than what we hold.

use std::io::{self, BufRead};

/// In bytes. A batch of OpenTelemetry is one line.
pub const MAX_LINE: usize = 8 << 20;

pub struct Lines<'a> {
    stream: &'a mut dyn BufRead,
    line: Vec<u8>,
}

pub enum Line<'a> {
    /// Without its line feed.
    Text(&'a [u8]),
    /// Longer than [`MAX_LINE`]: skipped.
    TooLong,
}

impl<'a> Lines<'a> {
    pub fn new(stream: &'a mut dyn BufRead) -> Lines<'a> {
        Lines {
            stream,
            line: Vec::new(),
        }
    }

    /// The next line; `None` at the end.
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        if self.line.capacity() > MAX_LINE / 4 {
            self.line = Vec::new();
        }
        let (mut is_long, mut is_any) = (false, false);
        loop {
            let buffer = match self.stream.fill_buf() {
                Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
                buffer => buffer?,
            };
            if buffer.is_empty() {
                break;
            }
            is_any = true;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let part = &buffer[..end.unwrap_or(buffer.len())];
            if is_long || self.line.len() + part.len() > MAX_LINE {
                is_long = true;
                self.line.clear();
            } else {
                self.line.extend_from_slice(part);
            }
            let n = part.len() + usize::from(end.is_some());
            self.stream.consume(n);
            if end.is_some() {
                break;
            }
        }
        Ok(match (is_any, is_long) {
            (false, _) => None,
            (true, true) => Some(Line::TooLong),
            (true, false) => Some(Line::Text(&self.line)),
        })
    }
}
