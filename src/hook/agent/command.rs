//! Simple commands one by one: what they start, which variables they set, which files they write.

use std::path::{Path, PathBuf};

use super::shell::{self, Command, UNKNOWN, Word};
use super::{Denial, Scene, denied, git, guards_file, quoted};

/// How often a command may lead to another one: `sh -c`, aliases, `eval`.
const MAX_DEPTH: usize = 12;

const SHELLS: &str = "sh bash dash zsh ksh mksh ash fish";

/// Programs that run the text they are given.
const INTERPRETERS: &str =
    "python perl ruby node nodejs deno bun php lua tclsh expect osascript pwsh powershell";

/// Programs that start what stands behind their own options.
const WRAPPERS: &str = "sudo doas nice ionice timeout gtimeout nohup setsid stdbuf time command exec builtin coproc chroot unshare nsenter flock \
    watch script strace ltrace unbuffer busybox toybox caffeinate taskset chrt prlimit systemd-run runuser su npx pnpm yarn \
    bunx uv uvx poetry pipenv rtk env xargs parallel trap rlwrap";

/// Programs that only look at what they are given, whatever its words.
const LOOKS: &str = "echo printf grep egrep fgrep zgrep rg ag ack cat bat head tail less more wc which type whereis man tldr info help ls \
    stat file tree sort uniq cut tr diff cmp comm jq yq test [ [[ true false : case for select return exit break continue \
    sleep date pwd basename dirname realpath readlink gh glab curl wget hash read shift wait kill ps df du fd column nl tac";

/// Programs that write the files they are given: all, or only the last.
const WRITES_ALL: &str = "rm mv tee touch chmod chown chgrp chattr truncate unlink rmdir shred mkdir ed ex vi vim nano emacs setfacl";
const WRITES_LAST: &str = "cp ln install rsync scp";

/// Judges a whole command line.
pub(super) fn judge(text: &str, scene: &Scene) -> Option<Denial> {
    Judge {
        scene,
        folder: Some(scene.folder.clone()),
        depth: 0,
    }
    .text(text)
}

struct Judge<'a> {
    scene: &'a Scene<'a>,
    /// Where the shell stands; `None` once it went where nobody knows.
    folder: Option<PathBuf>,
    depth: usize,
}

/// The list that a command is in.
struct Around<'a> {
    text: &'a str,
    commands: &'a [Command],
    command: &'a Command,
}

impl Judge<'_> {
    fn text(&mut self, text: &str) -> Option<Denial> {
        let parsed = match self.depth {
            MAX_DEPTH.. => Err(shell::NotUnderstood),
            _ => shell::parse(text),
        };
        let Ok(commands) = parsed else {
            return mentions_guard(text).then(|| not_understood("it is no complete shell text"));
        };
        self.depth += 1;
        let denial = commands.iter().find_map(|command| {
            let around = Around {
                text,
                commands: &commands,
                command,
            };
            self.command(&around)
        });
        self.depth -= 1;
        denial
    }

    fn command(&mut self, around: &Around) -> Option<Denial> {
        let command = around.command;
        for (name, value) in &command.assignments {
            if let Some(denial) = variable(name, value) {
                return Some(denial);
            }
        }
        if command.written.iter().any(|word| self.is_guarded(word)) {
            return Some(guards_file());
        }
        self.words(&command.words, around)
    }

    fn words(&mut self, words: &[Word], around: &Around) -> Option<Denial> {
        let (first, args) = words.split_first()?;
        if !first.is_known() {
            let is_suspect = mentions_guard(around.text)
                || args.iter().any(|arg| {
                    arg.text.contains("no-verify")
                        || ["commit", "push"].contains(&arg.text.as_str())
                });
            return is_suspect
                .then(|| not_understood("its first word is not known before it runs"));
        }
        let name = name_of(first);
        let name = name.as_str();
        match name {
            "git" => self.git(args),
            "koan-guard" => own(args),
            "git-koan-guard" => own(args),
            "pre-commit" | "prek" | "lefthook" | "husky" | "hk" => manager(name, args),
            "eval" => self.eval(args, around),
            "export" | "declare" | "typeset" | "local" | "readonly" | "set" | "setenv" => {
                variables(args)
            }
            "env" => variables(args).or_else(|| self.wrapped(args, around)),
            "alias" => (args.iter().any(|arg| mentions_guard(&arg.text)))
                .then(|| not_understood("an alias hides what is run")),
            "cd" | "pushd" | "popd" => {
                self.go(args);
                None
            }
            "parallel" if args.iter().any(|arg| mentions_guard(&arg.text)) => Some(not_understood(
                "it puts commands together from several lists",
            )),
            "xargs" | "parallel" => {
                let mut words = args.to_vec();
                words.push(Word::unknown());
                self.wrapped(&words, around)
            }
            "find" => self.find(args, around),
            "sed" | "gsed" => has_flag(args, 'i').then(|| self.writes(args)).flatten(),
            "awk" | "gawk" | "mawk" => args
                .iter()
                .any(|arg| mentions_guard(&arg.text) && arg.text.contains("system"))
                .then(|| not_understood("it starts programs of its own")),
            "dd" => args
                .iter()
                .filter_map(|arg| arg.text.strip_prefix("of="))
                .any(|path| self.is_guarded(&Word::literal(path)))
                .then(guards_file),
            _ if name.starts_with("git-") => {
                let mut words = vec![Word::literal(&name["git-".len()..])];
                words.extend_from_slice(args);
                self.git(&words)
            }
            _ if is_in(SHELLS, name) => self.shell(args, around),
            _ if is_interpreter(name) => self.interpreter(args, around),
            _ if is_in(WRITES_ALL, name) => self.writes(args).or_else(|| {
                let takes_away = ["rm", "mv", "rmdir"].contains(&name);
                let takes_all = takes_away && self.takes_repository(args);
                takes_all.then(guards_file)
            }),
            _ if is_in(WRITES_LAST, name) => {
                let folder = args
                    .iter()
                    .enumerate()
                    .find_map(|(i, arg)| match arg.text.as_str() {
                        "-t" | "--target-directory" => args.get(i + 1),
                        _ => None,
                    });
                let target = folder.or_else(|| args.iter().rfind(|arg| !arg.text.starts_with('-')));
                target
                    .is_some_and(|word| self.is_guarded(word))
                    .then(guards_file)
            }
            _ if is_in(LOOKS, name) => None,
            _ if is_in(WRAPPERS, name) => variables(args).or_else(|| self.wrapped(args, around)),
            _ => self.other(args, around),
        }
    }

    fn git(&mut self, args: &[Word]) -> Option<Denial> {
        let mut scripts = Vec::new();
        let denial = git::judge(args, self.scene, &mut scripts);
        denial.or_else(|| scripts.iter().find_map(|text| self.text(text)))
    }

    /// What a program is told to start: the first word that is known to start or change something.
    fn wrapped(&mut self, args: &[Word], around: &Around) -> Option<Denial> {
        for (i, arg) in args.iter().enumerate() {
            let name = name_of(arg);
            let is_option = arg.text.starts_with('-');
            if !is_option && (is_special(&name) || is_in(WRAPPERS, &name)) {
                return self.words(&args[i..], around);
            }
            // `xargs grep git`: git is no program there. Behind an option the word may be that option's value.
            let before = i.checked_sub(1).map_or("", |i| args[i].text.as_str());
            let is_value = before.starts_with('-') && !["-0", "-r", "--"].contains(&before);
            if !is_value && is_in(LOOKS, &name) {
                return None;
            }
            if let Some(denial) = self.script_word(arg) {
                return Some(denial);
            }
        }
        let is_unknown = args
            .iter()
            .any(|arg| arg.splits && !arg.text.starts_with('-'));
        let is_suspect = is_unknown && args.iter().any(|arg| mentions_guard(&arg.text));
        is_suspect.then(|| not_understood("what it starts is not known before it runs"))
    }

    /// A program that is not known: git may be what it starts.
    fn other(&mut self, args: &[Word], around: &Around) -> Option<Denial> {
        for (i, arg) in args.iter().enumerate() {
            let name = name_of(arg);
            let is_git = name == "git" || name.starts_with("git-") || name == "koan-guard";
            if is_git && arg.is_known() && !arg.text.ends_with('/') {
                return self.words(&args[i..], around);
            }
            if let Some(denial) = self.script_word(arg) {
                return Some(denial);
            }
        }
        None
    }

    /// A word that reads like a command line of its own, as `su -c` and `watch` take one.
    fn script_word(&mut self, word: &Word) -> Option<Denial> {
        let text = word.text.strip_prefix("--split-string=");
        let text = text.or_else(|| word.text.strip_prefix("-S"));
        let text = text.unwrap_or(&word.text);
        let reads_so = text.contains(char::is_whitespace) && mentions_guard(text);
        reads_so.then(|| self.text(text)).flatten()
    }

    fn shell(&mut self, args: &[Word], around: &Around) -> Option<Denial> {
        let is_command = |arg: &Word| {
            let text = arg.text.as_str();
            (text.starts_with('-') && !text.starts_with("--") && text.contains('c'))
                || text == "--command"
        };
        if let Some(at) = args.iter().position(is_command) {
            let is_word = |arg: &Word| !arg.text.starts_with('-');
            let script = at + 1 + args[at + 1..].iter().position(is_word)?;
            // What stands behind it the script can run, as `"$0" "$@"` or as `"$@"`.
            let rest = &args[script + 1..];
            return self
                .text(&args[script].text)
                .or_else(|| self.wrapped(rest, around))
                .or_else(|| self.wrapped(rest.get(1..).unwrap_or_default(), around));
        }
        if let Some(denial) = self.inputs(around) {
            return Some(denial);
        }
        let file = args.iter().find(|arg| !arg.text.starts_with(['-', '+']));
        let is_told = file.is_some_and(Word::is_known);
        if is_told || (file.is_none() && around.command.piped_from.is_none()) {
            return None;
        }
        let producer = around.command.piped_from.map(|i| &around.commands[i]);
        match producer {
            Some(producer)
                if producer
                    .words
                    .first()
                    .is_some_and(|word| word.text == "echo") =>
            {
                let words = &producer.words[1..];
                let is_flag = |word: &&Word| ["-e", "-n", "-E"].contains(&word.text.as_str());
                let n_flags = words.iter().take_while(is_flag).count();
                self.text(&joined(&words[n_flags..]))
            }
            _ => mentions_guard(around.text)
                .then(|| not_understood("what the shell reads is not known before it runs")),
        }
    }

    /// Here-documents and here-strings that a shell is given to run.
    fn inputs(&mut self, around: &Around) -> Option<Denial> {
        around.command.input.iter().find_map(|text| self.text(text))
    }

    fn eval(&mut self, args: &[Word], around: &Around) -> Option<Denial> {
        let text = joined(args);
        if text.contains(UNKNOWN) && mentions_guard(around.text) {
            return Some(not_understood(
                "what is evaluated is not known before it runs",
            ));
        }
        self.text(&text)
    }

    /// Code in another language is not read; with git in it, it is not let through either.
    fn interpreter(&mut self, args: &[Word], around: &Around) -> Option<Denial> {
        let is_code = |text: &str| text.contains([' ', '\n', '\t', '(', '"', '\'', '`', ';']);
        let mut codes = args
            .iter()
            .map(|arg| arg.text.as_str())
            .filter(|text| is_code(text));
        let has_code = codes.any(mentions_guard)
            || around.command.input.iter().any(|text| mentions_guard(text));
        let is_fed = around.command.piped_from.is_some()
            && args.iter().all(|arg| arg.text.starts_with('-'))
            && mentions_guard(around.text);
        (has_code || is_fed)
            .then(|| not_understood("it hands code to an interpreter that can start git"))
    }

    fn find(&mut self, args: &[Word], around: &Around) -> Option<Denial> {
        let acts = ["-exec", "-execdir", "-ok", "-okdir", "-delete", "-fprint"];
        let at = args
            .iter()
            .position(|arg| acts.contains(&arg.text.as_str()))?;
        if args[..at].iter().any(|arg| self.is_guarded(arg)) {
            return Some(guards_file());
        }
        let mut words: Vec<Word> = args[at + 1..].to_vec();
        for word in &mut words {
            if word.text.contains("{}") {
                *word = Word::unknown();
            }
        }
        self.wrapped(&words, around)
    }

    fn go(&mut self, args: &[Word]) {
        let target = args.iter().find(|arg| !arg.text.starts_with('-'));
        self.folder = match (target, &self.folder) {
            (Some(target), Some(folder)) if target.is_known() => {
                let home = self.scene.places.home.as_deref();
                let path = match (target.text.strip_prefix("~/"), home) {
                    (Some(rest), Some(home)) => home.join(rest),
                    _ => folder.join(&target.text),
                };
                Some(path)
            }
            (Some(target), None) if target.text.starts_with('/') && target.is_known() => {
                Some(PathBuf::from(&target.text))
            }
            _ => None,
        };
    }

    fn is_guarded(&self, word: &Word) -> bool {
        self.scene.places.is_guarded(self.folder.as_deref(), word)
    }

    fn writes(&self, args: &[Word]) -> Option<Denial> {
        args.iter()
            .any(|arg| !arg.text.starts_with('-') && self.is_guarded(arg))
            .then(guards_file)
    }

    fn takes_repository(&self, args: &[Word]) -> bool {
        let folder: Option<&Path> = self.folder.as_deref();
        args.iter()
            .any(|arg| !arg.text.starts_with('-') && self.scene.places.is_above(folder, arg))
    }
}

/// The guard's own program: what takes it away, or speaks for a person.
pub(super) fn own(args: &[Word]) -> Option<Denial> {
    let name = args.iter().find(|arg| !arg.text.starts_with('-'))?;
    match name.text.as_str() {
        "uninstall" => Some(denied(
            "`uninstall` takes the guard out, which a person decides",
            "ask a person",
        )),
        "approve" => Some(denied(
            "`approve` is a person's signature under a change",
            "ask a person, and say why the change is right",
        )),
        _ if !name.is_known() => Some(not_understood("its subcommand is not known before it runs")),
        _ => None,
    }
}

fn manager(name: &str, args: &[Word]) -> Option<Denial> {
    let takes_out = args.iter().any(|arg| arg.text == "uninstall");
    takes_out.then(|| {
        denied(
            format!("`{name} uninstall` takes the hooks out, which a person decides"),
            "ask a person",
        )
    })
}

fn variables(args: &[Word]) -> Option<Denial> {
    for (i, arg) in args.iter().enumerate() {
        if let Some((name, value)) = shell::assignment(arg)
            && let Some(denial) = variable(&name, &value)
        {
            return Some(denial);
        }
        // `setenv NAME VALUE`, and `set -x NAME VALUE` of fish.
        if let Some(value) = args.get(i + 1)
            && let Some(denial) = variable(&arg.text, value)
        {
            return Some(denial);
        }
    }
    None
}

/// Variables by which git or a hook manager would leave hooks out.
fn variable(name: &str, value: &Word) -> Option<Denial> {
    let is_off = |words: &[&str]| words.contains(&value.text.to_lowercase().as_str());
    let is_unknown = value.text.contains(UNKNOWN);
    let skips = match name {
        "GIT_EXEC_PATH" => true,
        "GIT_NOTES_REF" => is_unknown || value.text.contains("koan"),
        _ if name.starts_with("GIT_CONFIG") => true,
        "HUSKY" | "LEFTHOOK" | "HK" => is_unknown || is_off(&["0", "false", "no", "off", ""]),
        "SKIP" | "PREK_SKIP" | "LEFTHOOK_EXCLUDE" => !value.text.is_empty(),
        "HUSKY_SKIP_HOOKS"
        | "HK_SKIP_HOOK"
        | "HK_SKIP_HOOKS"
        | "HK_SKIP_STEPS"
        | "PRE_COMMIT_ALLOW_NO_CONFIG" => true,
        _ => false,
    };
    skips.then(|| {
        denied(
            format!("`{name}` can keep hooks from running"),
            "leave it out of the command",
        )
    })
}

fn is_special(name: &str) -> bool {
    const OTHERS: [&str; 10] = [
        "git",
        "koan-guard",
        "eval",
        "export",
        "sed",
        "find",
        "dd",
        "cd",
        "lefthook",
        "pre-commit",
    ];
    OTHERS.contains(&name)
        || name.starts_with("git-")
        || is_in(SHELLS, name)
        || is_interpreter(name)
        || is_in(WRITES_ALL, name)
        || is_in(WRITES_LAST, name)
}

fn is_interpreter(name: &str) -> bool {
    let stem = name.trim_end_matches(|char: char| char.is_ascii_digit() || char == '.');
    is_in(INTERPRETERS, stem)
}

/// A program's name in lower case, without its folder.
fn name_of(word: &Word) -> String {
    let name = word.text.rsplit('/').next().unwrap_or_default();
    name.trim_start_matches('=')
        .trim_end_matches(".exe")
        .to_lowercase()
}

/// Whether `name` is one of the words of a list.
fn is_in(list: &str, name: &str) -> bool {
    list.split_ascii_whitespace().any(|word| word == name)
}

fn has_flag(args: &[Word], flag: char) -> bool {
    args.iter().any(|arg| {
        let text = arg.text.as_str();
        (text.starts_with('-') && !text.starts_with("--") && text.contains(flag))
            || text.starts_with("--in-place")
    })
}

/// Words as one line of text, the way `eval` puts them together.
fn joined(words: &[Word]) -> String {
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    texts.join(" ")
}

/// Whether a text speaks of git or of what the guard rests on.
fn mentions_guard(text: &str) -> bool {
    const NAMES: [&str; 7] = [
        "no-verify",
        "hookspath",
        "git_config",
        ".husky",
        ".koan",
        "koan-guard",
        "lefthook",
    ];
    let text = text.to_lowercase();
    let is_word = |char: Option<char>| char.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let has_git = text.match_indices("git").any(|(at, found)| {
        !is_word(text[..at].chars().next_back())
            && !is_word(text[at + found.len()..].chars().next())
    });
    has_git || NAMES.iter().any(|name| text.contains(name))
}

fn not_understood(why: &str) -> Denial {
    denied(
        format!("the command cannot be understood: {why}"),
        "write it out plainly, one git command after another",
    )
}

/// Words as a shell would have to be told them.
pub(super) fn line(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}
