//! What a call of git would do to the guard: its subcommand and options, read as git reads them.

use super::shell::{UNKNOWN, Word};
use super::{Denial, Scene, denied};

/// Options before the subcommand that take the next word.
const GLOBAL_WITH_VALUE: [&str; 8] = [
    "-C",
    "--git-dir",
    "--work-tree",
    "--namespace",
    "--super-prefix",
    "--attr-source",
    "--list-cmds",
    "--shallow-file",
];

const GLOBAL: [&str; 17] = [
    "-p",
    "-P",
    "-h",
    "-v",
    "--help",
    "--version",
    "--paginate",
    "--no-pager",
    "--bare",
    "--no-replace-objects",
    "--no-lazy-fetch",
    "--no-optional-locks",
    "--no-advice",
    "--literal-pathspecs",
    "--glob-pathspecs",
    "--noglob-pathspecs",
    "--icase-pathspecs",
];

/// Subcommands that make commits, or move and hide them, past every hook.
const PLUMBING: [&str; 8] = [
    "commit-tree",
    "update-ref",
    "fast-import",
    "filter-branch",
    "filter-repo",
    "send-pack",
    "receive-pack",
    "http-push",
];

/// The option that skips hooks, for which git takes every beginning that is no other option's.
const NO_VERIFY: &str = "--no-verify";

/// Judges the words behind `git`. Text that git would hand to a shell is left to the caller, in `scripts`.
pub(super) fn judge(words: &[Word], scene: &Scene, scripts: &mut Vec<String>) -> Option<Denial> {
    let mut rest = words;
    let (subcommand, args) = loop {
        let (word, after) = rest.split_first()?;
        let text = word.text.as_str();
        if !word.is_known() {
            return Some(unclear("which git command this is"));
        }
        rest = match text {
            "-c" | "--config-env" => {
                let (value, after) = after.split_first()?;
                if let Some(denial) = setting(value) {
                    return Some(denial);
                }
                after
            }
            _ if GLOBAL_WITH_VALUE.contains(&text) => after.get(1..)?,
            _ if GLOBAL.contains(&text) => after,
            _ if text.starts_with("--exec-path") => {
                return match text {
                    "--exec-path" => None,
                    _ => Some(denied(
                        "`--exec-path` puts other programs in the place of git's own",
                        "leave it out",
                    )),
                };
            }
            _ if text.starts_with("--") && text.contains('=') => {
                if let Some(value) = text.strip_prefix("--config-env=")
                    && let Some(denial) = setting(&Word::literal(value))
                {
                    return Some(denial);
                }
                after
            }
            _ if text.starts_with('-') => return Some(unclear("what its options do")),
            _ => break (text, after),
        };
    };
    of_subcommand(subcommand, args, scene, scripts)
}

fn of_subcommand(
    subcommand: &str,
    args: &[Word],
    scene: &Scene,
    scripts: &mut Vec<String>,
) -> Option<Denial> {
    match subcommand {
        "commit" => skips_hooks(args, Some('n'), "mFCct", "Su"),
        "am" => skips_hooks(args, Some('n'), "CpS", ""),
        "merge" | "rebase" | "pull" => {
            scripts.extend(values_of(args, "-x", "--exec"));
            skips_hooks(args, None, "mFsXx", "S")
        }
        "push" => skips_hooks(args, None, "o", "").or_else(|| push(args, scene)),
        "fetch" => refspecs(args, 1)
            .into_iter()
            .filter(|spec| spec.text.contains(':'))
            .find_map(|spec| guarded_target(&spec, scene)),
        "config" => config(args),
        "notes" => notes(args),
        "symbolic-ref" => {
            let n_names = args.iter().filter(|arg| !arg.text.starts_with('-')).count();
            let reads = n_names < 2 && !has(args, &["-d", "--delete"]);
            (!reads).then(|| past_hooks("symbolic-ref"))
        }
        "replace" => {
            let reads = args.is_empty() || has(args, &["-l", "--list"]);
            (!reads).then(|| past_hooks("replace"))
        }
        "submodule" | "bisect" => {
            if let Some(at) = args
                .iter()
                .position(|arg| arg.text == "foreach" || arg.text == "run")
            {
                let words: Vec<&str> = args[at + 1..].iter().map(|arg| arg.text.as_str()).collect();
                scripts.push(words.join(" "));
            }
            None
        }
        "rm" | "mv" => args
            .iter()
            .any(|arg| scene.is_guarded(arg))
            .then(super::guards_file),
        "koan-guard" => super::command::own(args),
        _ if PLUMBING.contains(&subcommand) => Some(past_hooks(subcommand)),
        _ => alias(subcommand, args, scene, scripts),
    }
}

/// What a name means that is none of the above: git's own harmless ones, other programs, and aliases.
fn alias(name: &str, args: &[Word], scene: &Scene, scripts: &mut Vec<String>) -> Option<Denial> {
    let meaning = (scene.alias)(name)?;
    let rest: Vec<String> = args
        .iter()
        .map(|arg| match arg.text.contains(UNKNOWN) {
            true => "$unknown".to_owned(),
            false => super::quoted(&arg.text),
        })
        .collect();
    let text = match meaning.strip_prefix('!') {
        Some(shell) => format!("{shell} {}", rest.join(" ")),
        None => format!("git {meaning} {}", rest.join(" ")),
    };
    scripts.push(text);
    None
}

/// Whether the words tell git to skip hooks. `short` is the short option that does, `with_value` are those that take a value, `with_rest`
/// those that take the rest of their word.
fn skips_hooks(
    args: &[Word],
    short: Option<char>,
    with_value: &str,
    with_rest: &str,
) -> Option<Denial> {
    const LONG_WITH_VALUE: [&str; 11] = [
        "--message",
        "--file",
        "--author",
        "--date",
        "--reuse-message",
        "--reedit-message",
        "--template",
        "--cleanup",
        "--fixup",
        "--squash",
        "--trailer",
    ];
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let text = arg.text.as_str();
        if text == "--" {
            return None;
        }
        if text.starts_with("--") {
            let name = text.split('=').next().unwrap_or(text);
            if name.contains(UNKNOWN) {
                return Some(unclear("which option this is"));
            }
            if name.len() > "--no-".len() && NO_VERIFY.starts_with(name) {
                return Some(denied(
                    format!("`{NO_VERIFY}` skips the hooks that judge the commit"),
                    "leave it out; what a hook refuses, it says how to mend",
                ));
            }
            if LONG_WITH_VALUE.contains(&text)
                && let Some(denial) = value(args.next())
            {
                return Some(denial);
            }
            // `--message="$x"` is one word; without the quotes it may be several.
            if arg.splits {
                return Some(unclear("how many words this becomes"));
            }
        } else if arg.may_be_option() {
            if arg.text.contains(UNKNOWN) && !text.starts_with('-') || arg.splits || arg.globs {
                return Some(unclear("whether an option hides in it"));
            }
            let mut flags = text.chars().skip(1);
            while let Some(flag) = flags.next() {
                if Some(flag) == short {
                    return Some(denied(
                        format!("`-n` in `{text}` skips the hooks that judge the commit"),
                        "leave it out; what a hook refuses, it says how to mend",
                    ));
                }
                if flag == UNKNOWN {
                    return Some(unclear("which option this is"));
                }
                if with_value.contains(flag) {
                    if flags.next().is_none()
                        && let Some(denial) = value(args.next())
                    {
                        return Some(denial);
                    }
                    break;
                }
                if with_rest.contains(flag) {
                    break;
                }
            }
        }
    }
    None
}

/// A value is one word, whatever is in it; unquoted it may be more.
fn value(word: Option<&Word>) -> Option<Denial> {
    word.is_some_and(|word| word.splits || (word.globs && word.may_be_option()))
        .then(|| unclear("how many words this becomes: quote it"))
}

fn push(args: &[Word], scene: &Scene) -> Option<Denial> {
    if has(args, &["--mirror", "--all", "--branches"]) {
        return Some(denied(
            "this pushes every branch, the guarded ones too",
            "push the branch of your work by its name",
        ));
    }
    let specs = refspecs(args, 1);
    if let Some(spec) = specs.iter().find(|spec| !spec.is_known()) {
        return guarded_target(spec, scene);
    }
    if specs.is_empty() {
        let head = Word::literal("HEAD");
        return match has(args, &["--tags"]) {
            true => None,
            false => guarded_target(&head, scene),
        };
    }
    specs.iter().find_map(|spec| guarded_target(spec, scene))
}

/// The words behind options and `n_before` other words.
fn refspecs(args: &[Word], n_before: usize) -> Vec<Word> {
    const WITH_VALUE: [&str; 6] = [
        "-o",
        "--push-option",
        "--repo",
        "--receive-pack",
        "--exec",
        "--upload-pack",
    ];
    let mut words = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if WITH_VALUE.contains(&arg.text.as_str()) {
            rest.next();
        } else if !arg.text.starts_with('-') {
            words.push(arg.clone());
        }
    }
    words.into_iter().skip(n_before).collect()
}

fn guarded_target(spec: &Word, scene: &Scene) -> Option<Denial> {
    if spec.text.contains(UNKNOWN) {
        return Some(unclear("which ref this writes"));
    }
    let spec = spec.text.trim_start_matches('+');
    let target = match spec.split_once(':') {
        Some((_, target)) => target,
        None => spec,
    };
    let head = scene.head_branch.as_deref();
    let target = match (target, head) {
        ("HEAD" | "@", Some(head)) => head,
        ("HEAD" | "@", None) => return Some(unclear("which branch is checked out")),
        (target, _) => target,
    };
    scene.is_guarded_ref(target).then(|| {
        denied(
            format!("`{target}` is a guarded ref: what stands there, people decide"),
            "push the branch of your work, and let a person or CI take it in",
        )
    })
}

/// Whether `git config` writes what the guard rests on.
fn config(args: &[Word]) -> Option<Denial> {
    const READS: [&str; 8] = [
        "--get",
        "--get-all",
        "--get-regexp",
        "--get-urlmatch",
        "--get-color",
        "--get-colorbool",
        "-l",
        "--list",
    ];
    const WITH_VALUE: [&str; 7] = [
        "-f",
        "--file",
        "--blob",
        "--type",
        "-t",
        "--default",
        "--comment",
    ];
    if has(args, &["-e", "--edit", "edit"]) {
        return Some(denied(
            "an editor may change the settings that the guard rests on",
            "set the one key that you need: `git config KEY VALUE`",
        ));
    }
    let mut words = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if WITH_VALUE.contains(&arg.text.as_str()) {
            rest.next();
        } else if !arg.text.starts_with('-') {
            words.push(arg);
        }
    }
    let act = words.first().map_or("", |word| word.text.as_str());
    let is_read = ["get", "list"].contains(&act) || has(args, &READS);
    let is_act = ["set", "unset", "rename-section", "remove-section"].contains(&act);
    let writes = is_act
        || words.len() > 1
        || args.iter().any(|arg| {
            let text = arg.text.as_str();
            ["--unset", "--add", "--replace", "--remove", "--rename"]
                .iter()
                .any(|start| text.starts_with(start))
        });
    if (is_read && !is_act) || !writes {
        return None;
    }
    let name = words.get(usize::from(is_act))?;
    let section = name.text.split('.').next().unwrap_or_default();
    if section.contains(UNKNOWN) || name.splits {
        return Some(unclear("which key this sets"));
    }
    words.iter().find_map(|word| key(&word.text))
}

/// `KEY=VALUE` of `-c`.
fn setting(word: &Word) -> Option<Denial> {
    let name = word.text.split('=').next().unwrap_or_default();
    if name.contains(UNKNOWN) || word.splits {
        return Some(unclear("which key this sets"));
    }
    key(name)
}

/// A key, or a section, of git's configuration that the guard rests on.
fn key(name: &str) -> Option<Denial> {
    let lower = name.to_lowercase();
    let section = lower.split('.').next().unwrap_or_default();
    let is_guarded = ["core.hookspath", "core.notesref", "core", "core.worktree"]
        .contains(&lower.as_str())
        || ["hook", "alias", "include", "includeif", "koan", "notes"].contains(&section);
    is_guarded.then(|| {
        denied(
            format!("`{name}` decides whether and how commits are judged"),
            "leave git's configuration of hooks, aliases, includes and notes to a person",
        )
    })
}

fn notes(args: &[Word]) -> Option<Denial> {
    const WRITES: [&str; 7] = ["add", "append", "copy", "edit", "merge", "remove", "prune"];
    let writes = args
        .iter()
        .any(|arg| WRITES.contains(&arg.text.as_str()) || arg.text.contains(UNKNOWN));
    let is_ours = |text: &str| text.contains("koan") || text.contains(UNKNOWN);
    let of_ours = args
        .iter()
        .enumerate()
        .any(|(i, arg)| match arg.text.strip_prefix("--ref") {
            Some("") => args.get(i + 1).is_some_and(|arg| is_ours(&arg.text)),
            Some(name) => is_ours(name),
            None => false,
        });
    (writes && of_ours).then(|| {
        denied(
            "the notes of koan-guard are evidence, and only the guard writes it",
            "read them by `koan-guard audit`",
        )
    })
}

fn past_hooks(subcommand: &str) -> Denial {
    denied(
        format!("`git {subcommand}` makes or moves commits past every hook"),
        "use `git commit`, which is judged",
    )
}

fn unclear(what: &str) -> Denial {
    denied(
        format!("it cannot be told before it runs {what}"),
        "write the git command out, with quotes around values and `--` before paths",
    )
}

fn has(args: &[Word], wanted: &[&str]) -> bool {
    args.iter().any(|arg| wanted.contains(&arg.text.as_str()))
}

/// What follows the short or the long form of an option.
fn values_of(args: &[Word], short: &str, long: &str) -> Vec<String> {
    let mut values = Vec::new();
    for (i, arg) in args.iter().enumerate() {
        let next = || args.get(i + 1).map(|arg| arg.text.clone());
        if arg.text == short || arg.text == long {
            values.extend(next());
        } else if let Some(value) = arg.text.strip_prefix(&format!("{long}=")) {
            values.push(value.to_owned());
        } else if let Some(value) = arg
            .text
            .strip_prefix(short)
            .filter(|value| !value.is_empty())
        {
            values.push(value.to_owned());
        }
    }
    values
}
