//! Shell text taken apart into simple commands, without running or expanding anything.
//!
//! What only a run would tell (variables, substitutions, braces) stays in its word as [`UNKNOWN`]; commands inside substitutions, groups,
//! loops and functions stand in the list like all others. What cannot be taken apart is an error, for the caller to count as a doubt.

mod word;

/// Stands in a word for what only a running shell knows.
pub(super) const UNKNOWN: char = '\u{fffc}';

/// How deep substitutions and groups may stand in each other.
const MAX_DEPTH: usize = 24;

/// How many groups and substitutions are looked at.
const MAX_STEPS: usize = 10_000;

/// Nobody reads longer commands, and neither do we.
const MAX_CHARS: usize = 1 << 18;

/// The shell text does not end as it began, or is too large to be looked at.
#[derive(Debug)]
pub(super) struct NotUnderstood;

/// A command, without the keywords before it.
#[derive(Debug, Default)]
pub(super) struct Command {
    /// `NAME=value` before the first word.
    pub assignments: Vec<(String, Word)>,
    pub words: Vec<Word>,
    /// Files that a redirection writes.
    pub written: Vec<Word>,
    /// Here-documents and here-strings.
    pub input: Vec<String>,
    /// The command whose output this one reads, by its place in the list.
    pub piped_from: Option<usize>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Word {
    /// Without its quotes.
    pub text: String,
    /// Holds an unknown outside quotes: may become several words, or none.
    pub splits: bool,
    /// Holds `*`, `?` or `[` outside quotes.
    pub globs: bool,
    pub is_quoted: bool,
}

impl Word {
    pub fn literal(text: &str) -> Word {
        Word {
            text: text.to_owned(),
            ..Word::default()
        }
    }

    /// What stands for words that nobody can know.
    pub fn unknown() -> Word {
        Word {
            text: UNKNOWN.to_string(),
            splits: true,
            ..Word::default()
        }
    }

    pub fn is_known(&self) -> bool {
        !self.text.contains(UNKNOWN) && !self.globs
    }

    /// Whether it may turn out to be an option.
    pub fn may_be_option(&self) -> bool {
        self.splits
            || self.text.starts_with(['-', UNKNOWN])
            || (self.globs && self.text.starts_with(['*', '?', '[']))
    }
}

/// All simple commands of `text`, those inside substitutions before or after the one that they stand in.
pub(super) fn parse(text: &str) -> Result<Vec<Command>, NotUnderstood> {
    let mut found = Found::default();
    parse_into(text, 0, &mut found)?;
    Ok(found.commands)
}

fn parse_into(text: &str, depth: usize, found: &mut Found) -> Result<(), NotUnderstood> {
    Lexer::new(text, depth, found)?.script(None)
}

#[derive(Default)]
struct Found {
    commands: Vec<Command>,
    /// Text that may be two things is tried as both; this ends what would take for ever.
    n_steps: usize,
}

struct Lexer<'a> {
    chars: Vec<char>,
    at: usize,
    depth: usize,
    found: &'a mut Found,
    /// Here-documents whose text begins on the next line.
    awaited: Vec<Heredoc>,
    /// Where the text of a here-document goes whose command is finished already.
    n_heredocs: usize,
    bodies: Vec<(usize, String)>,
}

struct Heredoc {
    id: usize,
    end: String,
    strips_tabs: bool,
    expands: bool,
}

/// A command that is being read.
#[derive(Default)]
struct Draft {
    command: Command,
    heredocs: Vec<usize>,
}

impl<'a> Lexer<'a> {
    fn new(text: &str, depth: usize, found: &'a mut Found) -> Result<Lexer<'a>, NotUnderstood> {
        if depth > MAX_DEPTH || text.len() > MAX_CHARS || text.contains('\0') {
            return Err(NotUnderstood);
        }
        Ok(Lexer {
            chars: text.chars().collect(),
            at: 0,
            depth,
            found,
            awaited: Vec::new(),
            n_heredocs: 0,
            bodies: Vec::new(),
        })
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn ahead(&self, n: usize) -> Option<char> {
        self.chars.get(self.at + n).copied()
    }

    fn eat(&mut self, text: &str) -> bool {
        let n = text.chars().count();
        let is_next = text
            .chars()
            .enumerate()
            .all(|(i, char)| self.ahead(i) == Some(char));
        if is_next {
            self.at += n;
        }
        is_next
    }

    /// One level deeper.
    fn descend(&mut self) -> Result<(), NotUnderstood> {
        self.depth += 1;
        self.found.n_steps += 1;
        if self.depth > MAX_DEPTH || self.found.n_steps > MAX_STEPS {
            return Err(NotUnderstood);
        }
        Ok(())
    }

    /// Reads commands up to `closer`, or to the end.
    fn script(&mut self, closer: Option<char>) -> Result<(), NotUnderstood> {
        self.descend()?;
        let mut drafts: Vec<(usize, Vec<usize>)> = Vec::new();
        let mut draft = Draft::default();
        let mut piped_from = None;
        loop {
            let Some(char) = self.peek() else {
                self.finish(&mut draft, &mut piped_from, &mut drafts);
                self.read_heredocs()?;
                self.give_bodies(&drafts);
                self.depth -= 1;
                return if closer.is_some() {
                    Err(NotUnderstood)
                } else {
                    Ok(())
                };
            };
            match char {
                ' ' | '\t' => self.at += 1,
                '\\' if self.ahead(1) == Some('\n') => self.at += 2,
                '#' => {
                    while self.peek().is_some_and(|char| char != '\n') {
                        self.at += 1;
                    }
                }
                '\n' => {
                    self.at += 1;
                    let pipe = piped_from.filter(|_| draft.is_empty());
                    self.finish(&mut draft, &mut piped_from, &mut drafts);
                    // `a |` goes on in the next line.
                    piped_from = pipe;
                    self.read_heredocs()?;
                }
                '&' if self.ahead(1) == Some('>') => self.redirect(&mut draft)?,
                ';' | '&' => {
                    self.at += 1;
                    self.finish(&mut draft, &mut piped_from, &mut drafts);
                }
                '|' => {
                    self.at += 1;
                    self.finish(&mut draft, &mut piped_from, &mut drafts);
                    if !self.eat("|") {
                        self.eat("&");
                        piped_from = self.found.commands.len().checked_sub(1);
                    }
                }
                '(' => {
                    self.at += 1;
                    self.finish(&mut draft, &mut piped_from, &mut drafts);
                    self.script(Some(')'))?;
                }
                ')' => {
                    self.at += 1;
                    self.finish(&mut draft, &mut piped_from, &mut drafts);
                    if closer == Some(')') {
                        if !self.awaited.is_empty() {
                            return Err(NotUnderstood);
                        }
                        self.give_bodies(&drafts);
                        self.depth -= 1;
                        return Ok(());
                    }
                }
                '<' | '>' if self.ahead(1) == Some('(') => {
                    self.at += 2;
                    self.script(Some(')'))?;
                    draft.command.words.push(Word::unknown());
                }
                '<' | '>' => self.redirect(&mut draft)?,
                '0'..='9' if self.is_descriptor() => {
                    while self.peek().is_some_and(|char| char.is_ascii_digit()) {
                        self.at += 1;
                    }
                    self.redirect(&mut draft)?;
                }
                _ => {
                    let word = self.word()?;
                    draft.command.words.push(word);
                }
            }
        }
    }

    /// Whether digits stand here that name the descriptor of a redirection.
    fn is_descriptor(&self) -> bool {
        let rest = &self.chars[self.at..];
        let mut rest = rest.iter().skip_while(|char| char.is_ascii_digit());
        matches!(rest.next(), Some('<' | '>'))
    }

    fn redirect(&mut self, draft: &mut Draft) -> Result<(), NotUnderstood> {
        if self.eat("<<<") {
            let word = self.operand()?;
            draft.command.input.push(word.text);
        } else if self.eat("<<") {
            let strips_tabs = self.eat("-");
            let end = self.operand()?;
            draft.heredocs.push(self.n_heredocs);
            self.awaited.push(Heredoc {
                id: self.n_heredocs,
                expands: !end.is_quoted,
                end: end.text,
                strips_tabs,
            });
            self.n_heredocs += 1;
        } else {
            const OPERATORS: [&str; 9] = ["&>>", "&>", "<>", ">>", ">|", ">&", "<&", ">", "<"];
            let operator = OPERATORS.into_iter().find(|operator| self.eat(operator));
            let operator = operator.ok_or(NotUnderstood)?;
            let target = self.operand()?;
            let is_descriptor = operator.len() == 2
                && operator.ends_with('&')
                && target.text.chars().all(|c| c.is_ascii_digit() || c == '-');
            if operator.contains('>') && !is_descriptor {
                draft.command.written.push(target);
            }
        }
        Ok(())
    }

    /// The word that belongs to an operator.
    fn operand(&mut self) -> Result<Word, NotUnderstood> {
        while self.eat(" ") || self.eat("\t") || self.eat("\\\n") {}
        if matches!(self.peek(), Some('<' | '>')) && self.ahead(1) == Some('(') {
            self.at += 2;
            self.script(Some(')'))?;
            return Ok(Word::unknown());
        }
        match self.peek() {
            None | Some('\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>') => Err(NotUnderstood),
            Some(_) => self.word(),
        }
    }

    /// The texts of here-documents, which begin after the line that asks for them.
    fn read_heredocs(&mut self) -> Result<(), NotUnderstood> {
        for awaited in std::mem::take(&mut self.awaited) {
            let mut body = String::new();
            while self.peek().is_some() {
                let rest = &self.chars[self.at..];
                let line: String = rest.iter().take_while(|char| **char != '\n').collect();
                self.at = (self.at + line.chars().count() + 1).min(self.chars.len());
                let line = match awaited.strips_tabs {
                    true => line.trim_start_matches('\t'),
                    false => &line,
                };
                if line == awaited.end {
                    break;
                }
                body += line;
                body.push('\n');
            }
            if awaited.expands {
                self.commands_in(&body)?;
            }
            self.bodies.push((awaited.id, body));
        }
        Ok(())
    }

    /// Keeps the commands that a text within double quotes would run.
    fn commands_in(&mut self, text: &str) -> Result<(), NotUnderstood> {
        let mut inner = Lexer::new(text, self.depth + 1, self.found)?;
        while let Some(char) = inner.peek() {
            inner.at += 1;
            match char {
                '\\' => inner.at += 1,
                '$' => inner.dollar(&mut Word::default(), true)?,
                '`' => inner.backquoted()?,
                _ => {}
            }
        }
        Ok(())
    }

    fn give_bodies(&mut self, drafts: &[(usize, Vec<usize>)]) {
        for (command, heredocs) in drafts {
            let of_command = self.bodies.iter().filter(|(id, _)| heredocs.contains(id));
            let texts: Vec<String> = of_command.map(|(_, body)| body.clone()).collect();
            self.found.commands[*command].input.extend(texts);
        }
    }

    fn finish(
        &mut self,
        draft: &mut Draft,
        piped_from: &mut Option<usize>,
        drafts: &mut Vec<(usize, Vec<usize>)>,
    ) {
        let Draft {
            mut command,
            heredocs,
        } = std::mem::take(draft);
        without_keywords(&mut command);
        command.piped_from = piped_from.take();
        let is_empty = command.words.is_empty()
            && command.assignments.is_empty()
            && command.written.is_empty()
            && heredocs.is_empty();
        if !is_empty {
            drafts.push((self.found.commands.len(), heredocs));
            self.found.commands.push(command);
        }
    }
}

impl Draft {
    fn is_empty(&self) -> bool {
        self.command.words.is_empty() && self.heredocs.is_empty()
    }
}

/// Takes off the words that only hold commands together, and then the assignments.
fn without_keywords(command: &mut Command) {
    const KEYWORDS: [&str; 9] = [
        "if", "then", "else", "elif", "do", "while", "until", "!", "{",
    ];
    let mut words = std::mem::take(&mut command.words).into_iter().peekable();
    while let Some(word) = words.peek() {
        let is_keyword = !word.is_quoted && KEYWORDS.contains(&word.text.as_str());
        if !word.is_quoted && word.text == "function" {
            words.next();
        } else if !is_keyword {
            break;
        }
        words.next();
    }
    while let Some(word) = words.peek() {
        let Some((name, value)) = assignment(word) else {
            break;
        };
        command.assignments.push((name, value));
        words.next();
    }
    command.words = words.collect();
}

/// `NAME=value` and `NAME+=value`.
pub(super) fn assignment(word: &Word) -> Option<(String, Word)> {
    let (name, value) = word.text.split_once('=')?;
    let name = name.strip_suffix('+').unwrap_or(name);
    let is_name = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let starts_well = name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_');
    (starts_well && name.chars().all(is_name)).then(|| {
        let value = Word {
            text: value.to_owned(),
            ..word.clone()
        };
        (name.to_owned(), value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One command a line: its words between bars, `?` for an unknown, `>` before what it writes, `<` before what it reads.
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let commands = parse(text).unwrap_or_else(|_| panic!("not understood: {text}"));
        let lines = commands.iter().map(|command| {
            let mut parts: Vec<String> = Vec::new();
            for (name, value) in &command.assignments {
                parts.push(format!("{name}={}", value.text));
            }
            parts.extend(command.words.iter().map(|word| word.text.clone()));
            parts.extend(command.written.iter().map(|word| format!(">{}", word.text)));
            parts.extend(
                command
                    .input
                    .iter()
                    .map(|text| format!("<{}", text.trim_end())),
            );
            parts.join("|").replace(UNKNOWN, "?")
        });
        assert_eq!(lines.collect::<Vec<_>>().join("\n"), expected, "{text}");
    }

    #[test]
    fn words_are_what_the_shell_would_make_of_them() {
        check("git commit -m 'a b'", "git|commit|-m|a b");
        check(r#"g"i"t c\ommit "a \"b\" \x""#, r#"git|commit|a "b" \x"#);
        check("git \\\n  commit", "git|commit");
        check(r"git $'com\x6dit' $'\055n'", "git|commit|-n");
        check("git commit # -n\nls", "git|commit\nls");
        check("a '' b", "a||b");
        check("echo $x ${y:-z} \"$z\" $1", "echo|?|?|?|?");
        check("echo {a,b} HEAD@{1} {}", "echo|?a,b}|HEAD@{1}|{}");
    }

    #[test]
    fn every_command_stands_in_the_list() {
        check("a; b && c || d | e & f", "a\nb\nc\nd\ne\nf");
        check("(a; b)\n{ c; }", "a\nb\nc\n}");
        check("echo \"$(a b)\" `c`", "a|b\nc\necho|?|?");
        check("if a; then b; fi", "a\nb\nfi");
        check("while a; do ! b; done", "a\nb\ndone");
        check("f() { a; }; function g { b; }", "f\na\n}\nb\n}");
        check("x=${y:-$(a)} b", "a\nx=?|b");
        check("diff <(a) <(b)", "a\nb\ndiff|?|?");
        check("echo $((1 + (2)))", "echo|?");
        check("echo $((a); b)", "a\nb\necho|?");
        check("A=1 B='x y' a", "A=1|B=x y|a");
    }

    #[test]
    fn redirections_and_documents_are_no_words() {
        check("a > b 2>&1 >>c &>d <e 2>f", "a|>b|>c|>d|>f");
        check(
            "cat <<EOF > x\ngit commit -n\nEOF\nls",
            "cat|>x|<git commit -n\nls",
        );
        check("cat <<'E' | b\n$(a)\nE", "cat|<$(a)\nb");
        check("cat <<E\n$(a)\nE", "cat|<$(a)\na");
        check("cat <<-E\n\tx\n\tE\nb", "cat|<x\nb");
        check("a <<< 'b c'", "a|<b c");
        check(
            "git commit -m \"$(cat <<'EOF'\nfix: it's -n\nEOF\n)\"",
            "cat|<fix: it's -n\ngit|commit|-m|?",
        );
    }

    #[test]
    fn what_does_not_end_is_not_understood() {
        for text in [
            "a 'b", "a \"b", "a $(b", "a `b", "a ${b", "a >", "a \\", "(a", "a\0b",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"$(".repeat(10_000)).is_err());
        assert!(parse(&"(".repeat(10_000)).is_err());
        assert!(parse(&"${a:-".repeat(10_000)).is_err());
    }
}
