//! One word of shell text: quotes, escapes and everything that begins with a dollar sign.

use super::{Lexer, NotUnderstood, UNKNOWN, Word, parse_into};

impl Lexer<'_> {
    pub(super) fn word(&mut self) -> Result<Word, NotUnderstood> {
        let mut word = Word::default();
        while let Some(char) = self.peek() {
            match char {
                ' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>' => break,
                '\\' => {
                    self.at += 1;
                    match self.peek() {
                        Some('\n') => self.at += 1,
                        Some(char) => {
                            word.text.push(char);
                            word.is_quoted = true;
                            self.at += 1;
                        }
                        None => return Err(NotUnderstood),
                    }
                }
                '\'' => {
                    self.at += 1;
                    word.is_quoted = true;
                    loop {
                        let char = self.peek().ok_or(NotUnderstood)?;
                        self.at += 1;
                        match char {
                            '\'' => break,
                            char => word.text.push(char),
                        }
                    }
                }
                '"' => {
                    self.at += 1;
                    self.double_quoted(&mut word)?;
                }
                '$' => {
                    self.at += 1;
                    self.dollar(&mut word, false)?;
                }
                '`' => {
                    self.at += 1;
                    self.backquoted()?;
                    word.text.push(UNKNOWN);
                    word.splits = true;
                }
                '{' if self.is_brace_expansion() => {
                    self.at += 1;
                    word.text.push(UNKNOWN);
                    word.splits = true;
                }
                char => {
                    self.at += 1;
                    word.globs |= matches!(char, '*' | '?' | '[');
                    word.splits |= char == UNKNOWN;
                    word.text.push(char);
                }
            }
        }
        Ok(word)
    }

    fn is_brace_expansion(&self) -> bool {
        let inside: String = self.chars[self.at..]
            .iter()
            .take_while(|char| !matches!(char, '}' | ' ' | '\t' | '\n'))
            .collect();
        inside.contains(',') || inside.contains("..")
    }

    fn double_quoted(&mut self, word: &mut Word) -> Result<(), NotUnderstood> {
        word.is_quoted = true;
        loop {
            let char = self.peek().ok_or(NotUnderstood)?;
            self.at += 1;
            match char {
                '"' => return Ok(()),
                '\\' => match self.peek().ok_or(NotUnderstood)? {
                    '\n' => self.at += 1,
                    char @ ('$' | '`' | '"' | '\\') => {
                        word.text.push(char);
                        self.at += 1;
                    }
                    _ => word.text.push('\\'),
                },
                '$' => self.dollar(word, true)?,
                '`' => {
                    self.backquoted()?;
                    word.text.push(UNKNOWN);
                }
                char => word.text.push(char),
            }
        }
    }

    /// What follows a `$`.
    pub(super) fn dollar(&mut self, word: &mut Word, is_quoted: bool) -> Result<(), NotUnderstood> {
        match self.peek() {
            Some('(') => {
                if !self.arithmetic()? {
                    self.at += 1;
                    self.script(Some(')'))?;
                }
            }
            Some('{') => {
                self.at += 1;
                self.parameter()?;
            }
            Some('\'') if !is_quoted => {
                self.at += 1;
                return self.ansi_quoted(word);
            }
            Some('"') if !is_quoted => {
                self.at += 1;
                return self.double_quoted(word);
            }
            Some(char) if char.is_ascii_alphabetic() || char == '_' => {
                while self
                    .peek()
                    .is_some_and(|char| char.is_ascii_alphanumeric() || char == '_')
                {
                    self.at += 1;
                }
            }
            Some('@' | '*' | '#' | '?' | '$' | '!' | '-' | '0'..='9') => self.at += 1,
            _ => {
                word.text.push('$');
                return Ok(());
            }
        }
        word.text.push(UNKNOWN);
        word.splits |= !is_quoted;
        Ok(())
    }

    /// Reads `((…))` after a `$` if that is what stands there; commands inside are kept.
    fn arithmetic(&mut self) -> Result<bool, NotUnderstood> {
        if self.ahead(1) != Some('(') {
            return Ok(false);
        }
        let (start, n_commands) = (self.at, self.found.commands.len());
        self.descend()?;
        self.at += 2;
        let mut open = 2;
        while let Some(char) = self.peek() {
            self.at += 1;
            match char {
                '(' => open += 1,
                ')' if open == 2 && self.peek() != Some(')') => break,
                ')' => open -= 1,
                '$' => self.dollar(&mut Word::default(), true)?,
                '`' => self.backquoted()?,
                _ => {}
            }
            if open == 0 {
                self.depth -= 1;
                return Ok(true);
            }
        }
        self.depth -= 1;
        self.at = start;
        self.found.commands.truncate(n_commands);
        Ok(false)
    }

    /// Reads `${…}` behind its brace; commands inside are kept.
    fn parameter(&mut self) -> Result<(), NotUnderstood> {
        self.descend()?;
        loop {
            let char = self.peek().ok_or(NotUnderstood)?;
            self.at += 1;
            match char {
                '}' => break,
                '\\' => self.at += 1,
                '"' => self.double_quoted(&mut Word::default())?,
                '$' => self.dollar(&mut Word::default(), true)?,
                '`' => self.backquoted()?,
                _ => {}
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// `$'…'`, where any character may stand as an escape.
    fn ansi_quoted(&mut self, word: &mut Word) -> Result<(), NotUnderstood> {
        word.is_quoted = true;
        loop {
            let char = self.peek().ok_or(NotUnderstood)?;
            self.at += 1;
            match char {
                '\'' => return Ok(()),
                '\\' => {
                    let char = self.peek().ok_or(NotUnderstood)?;
                    self.at += 1;
                    let decoded = match char {
                        'n' => Some('\n'),
                        't' => Some('\t'),
                        'r' => Some('\r'),
                        'a' | 'b' | 'e' | 'E' | 'f' | 'v' | 'c' => Some(UNKNOWN),
                        'x' => self.number(16, 2),
                        'u' => self.number(16, 4),
                        'U' => self.number(16, 8),
                        '0'..='7' => {
                            self.at -= 1;
                            self.number(8, 3)
                        }
                        other => Some(other),
                    };
                    word.text.push(decoded.unwrap_or(UNKNOWN));
                }
                char => word.text.push(char),
            }
        }
    }

    fn number(&mut self, radix: u32, max_digits: usize) -> Option<char> {
        let mut value = 0;
        for _ in 0..max_digits {
            let Some(digit) = self.peek().and_then(|char| char.to_digit(radix)) else {
                break;
            };
            value = value * radix + digit;
            self.at += 1;
        }
        char::from_u32(value)
    }

    /// Reads up to the closing backquote; the commands inside are kept.
    pub(super) fn backquoted(&mut self) -> Result<(), NotUnderstood> {
        let mut inside = String::new();
        loop {
            let char = self.peek().ok_or(NotUnderstood)?;
            self.at += 1;
            match char {
                '`' => break,
                '\\' if matches!(self.peek(), Some('`' | '\\' | '$')) => {
                    inside.extend(self.peek());
                    self.at += 1;
                }
                char => inside.push(char),
            }
        }
        parse_into(&inside, self.depth + 1, self.found)
    }
}
