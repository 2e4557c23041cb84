//! The groups of `pub mod` lines in `src/lib.rs` are the layers of the program, and each outside thing has one door.
//!
//! Sources are parsed, not searched: `use crate::{a, b}`, `super::super::a`, paths in expressions, attributes and macro calls, and renamed
//! imports all count. Code under `#[cfg(test)]` may use what it likes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// Something of the outside, and the only places that may name it.
struct Door {
    paths: &'static [&'static str],
    /// Beginnings of file names.
    open_to: &'static [&'static str],
}

const DOORS: &[Door] = &[
    Door {
        paths: &[
            "gix::Repository",
            "gix::ThreadSafeRepository",
            "gix::discover",
            "gix::init",
            "gix::init_bare",
            "gix::open",
            "gix::open_opts",
        ],
        open_to: &["src/git/"],
    },
    Door {
        paths: &[
            "std::process::Command",
            "std::os::unix::process::CommandExt",
            "std::os::linux::process",
        ],
        open_to: &["src/suite/process", "src/suite/sandbox"],
    },
    Door {
        paths: &["rusqlite"],
        open_to: &["src/source/"],
    },
    Door {
        paths: &["futures_util", "tokio", "tokio_postgres", "tokio_rustls"],
        open_to: &["src/source/postgres/"],
    },
    Door {
        paths: &["ureq"],
        open_to: &["src/source/"],
    },
    Door {
        paths: &["serde_saphyr"],
        open_to: &["src/policy/file.rs"],
    },
    Door {
        paths: &["indicatif"],
        open_to: &["src/cli/ui.rs"],
    },
    Door {
        paths: &["clap"],
        open_to: &["src/cli/"],
    },
    Door {
        paths: &[
            "anstream",
            "dbg!",
            "eprint!",
            "eprintln!",
            "print!",
            "println!",
            "std::eprint!",
            "std::eprintln!",
            "std::io::Stderr",
            "std::io::stderr",
            "std::print!",
            "std::println!",
        ],
        open_to: &["src/cli/"],
    },
    Door {
        paths: &["std::io::Stdout", "std::io::stdout"],
        // The launcher is a process of its own, whose standard output is a pipe to the guard.
        open_to: &["src/cli/", "src/suite/sandbox"],
    },
];

/// What `main.rs` may name beside the last layer: the launcher comes before everything else, in a process without threads.
const DOORSTEP: &str = "koan_guard::suite::sandbox::launcher";

/// File name, such as `src/git/mod.rs`, to text.
type Sources = BTreeMap<String, String>;

/// A path of names: `std`, `process`, `Command`.
type Names = Vec<String>;

#[test]
fn modules_use_only_layers_above_their_own_and_each_outside_thing_has_one_door() -> io::Result<()> {
    let mut sources = Sources::new();
    read_below(Path::new(env!("CARGO_MANIFEST_DIR")), "src", &mut sources)?;
    assert_eq!(wrongs(&sources), Vec::<String>::new());
    Ok(())
}

/// Everything that is not as `src/lib.rs` says, sorted.
fn wrongs(sources: &Sources) -> Vec<String> {
    let lib = &sources["src/lib.rs"];
    let layers: Vec<Names> = lib
        .split("\n\n")
        .map(|group| {
            let modules = group
                .lines()
                .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
            modules.map(str::to_owned).collect()
        })
        .filter(|layer: &Names| !layer.is_empty())
        .collect();
    assert!(
        layers.len() > 2,
        "no layers in src/lib.rs: nothing would be checked"
    );

    let mut walk = Walk {
        sources,
        layers: &layers,
        seen: BTreeSet::new(),
        wrongs: BTreeSet::new(),
    };
    walk.file("src/lib.rs", "src/", &[]);
    walk.doorstep(layers.last().expect("layers"));
    for name in sources.keys().filter(|name| !walk.seen.contains(*name)) {
        walk.wrongs.insert(format!("{name}: belongs to no module"));
    }
    walk.wrongs.into_iter().collect()
}

/// Follows `mod` lines from `src/lib.rs`.
struct Walk<'a> {
    sources: &'a Sources,
    layers: &'a [Names],
    seen: BTreeSet<String>,
    wrongs: BTreeSet<String>,
}

impl Walk<'_> {
    /// Checks the file `name`, which is the module `module`, and the modules below it, whose files stand in `folder`.
    fn file(&mut self, name: &str, folder: &str, module: &[String]) {
        self.seen.insert(name.to_owned());
        let found = Found::of(name, &self.sources[name], module);
        for path in &found.paths {
            self.path(name, module, path);
        }
        for (child, is_test) in found.files {
            let flat = format!("{folder}{}.rs", child.join("/"));
            let deep = format!("{folder}{}/mod.rs", child.join("/"));
            let below = format!("{folder}{}/", child.join("/"));
            let file = if self.sources.contains_key(&flat) {
                flat
            } else {
                deep
            };
            if is_test {
                self.seen
                    .extend(self.sources.keys().filter(|k| **k == file).cloned());
                self.seen.extend(
                    self.sources
                        .keys()
                        .filter(|k| k.starts_with(&below))
                        .cloned(),
                );
            } else {
                let child: Names = module.iter().chain(&child).cloned().collect();
                self.file(&file, &below, &child);
            }
        }
        if let Some(top) = module.first()
            && self.rank(top).is_none()
        {
            self.wrongs
                .insert(format!("{name}: `{top}` stands in no layer"));
        }
    }

    fn path(&mut self, file: &str, module: &[String], path: &[String]) {
        if path[0] == "crate"
            && let Some(other) = path.get(1)
            && let Some(own) = module.first()
            && own != other
            && self
                .rank(other)
                .is_none_or(|rank| self.rank(own).is_none_or(|own_rank| rank >= own_rank))
        {
            self.wrongs
                .insert(format!("{file}: `{own}` uses `{other}`"));
        }
        let text = path.join("::");
        for door in DOORS {
            let named = door.paths.iter().find(|inside| is_at(&text, inside));
            let open = door.open_to.iter().any(|start| file.starts_with(start));
            if let Some(inside) = named
                && !open
            {
                self.wrongs
                    .insert(format!("{file}: `{inside}` stays behind its door"));
            }
        }
    }

    /// `main.rs` is a crate of its own and knows the last layer and the launcher.
    fn doorstep(&mut self, last: &[String]) {
        let name = "src/main.rs";
        self.seen.insert(name.to_owned());
        for path in Found::of(name, &self.sources[name], &[]).paths {
            let is_last = path.get(1).is_some_and(|module| last.contains(module));
            let text = path.join("::");
            if path[0] == "koan_guard" && !is_last && !is_at(&text, DOORSTEP) {
                self.wrongs.insert(format!("{name}: uses `{text}`"));
            }
        }
    }

    fn rank(&self, module: &str) -> Option<usize> {
        self.layers
            .iter()
            .position(|layer| layer.iter().any(|name| name == module))
    }
}

/// Whether `path` is `inside`, below it, or a glob that brings it in.
fn is_at(path: &str, inside: &str) -> bool {
    let below = path
        .strip_prefix(inside)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    let glob = path
        .strip_suffix('*')
        .is_some_and(|start| inside.starts_with(start));
    below || glob
}

/// What one file names, tests left out.
struct Found {
    /// Absolute where that can be known: `crate::git::Repo`, `std::process::Command`.
    paths: BTreeSet<Names>,
    /// Modules in files of their own, by their names below this module, and whether they are tests.
    files: Vec<(Names, bool)>,
}

impl Found {
    fn of(name: &str, text: &str, module: &[String]) -> Found {
        let file = syn::parse_file(text).unwrap_or_else(|err| panic!("{name}: {err}"));
        let mut reader = Reader {
            module: module.to_vec(),
            depth: module.len(),
            raw: Vec::new(),
            imports: BTreeMap::new(),
            files: Vec::new(),
        };
        reader.visit_file(&file);
        let imports = &reader.imports;
        Found {
            paths: reader
                .raw
                .iter()
                .map(|path| through_imports(path, imports))
                .collect(),
            files: reader.files,
        }
    }
}

/// Puts what a name was imported as in front of a path that begins with it; imports of imports are followed.
fn through_imports(path: &[String], imports: &BTreeMap<String, Names>) -> Names {
    let mut path = path.to_vec();
    for _ in 0..imports.len() {
        match imports.get(&path[0]) {
            Some(full) if full[0] != path[0] => {
                path = full.iter().chain(&path[1..]).cloned().collect();
            }
            _ => break,
        }
    }
    path
}

struct Reader {
    module: Names,
    /// How many names of `module` the file itself has; the rest are `mod name { .. }` blocks.
    depth: usize,
    raw: Vec<Names>,
    imports: BTreeMap<String, Names>,
    files: Vec<(Names, bool)>,
}

impl Reader {
    /// Adds a path as written, `self` and `super` resolved.
    fn add(&mut self, path: Names) -> Names {
        let n_super = path.iter().take_while(|name| *name == "super").count();
        let n_self = usize::from(path[0] == "self");
        let path = if n_super + n_self > 0 && n_super <= self.module.len() {
            let above = &self.module[..self.module.len() - n_super];
            let rest = &path[n_super + n_self..];
            let names = above.iter().chain(rest).cloned();
            std::iter::once("crate".to_owned()).chain(names).collect()
        } else {
            path
        };
        self.raw.push(path.clone());
        path
    }

    fn use_tree(&mut self, tree: &syn::UseTree, before: &[String]) {
        let with = |name: String| before.iter().cloned().chain([name]).collect::<Names>();
        match tree {
            syn::UseTree::Path(path) => self.use_tree(&path.tree, &with(path.ident.to_string())),
            syn::UseTree::Group(group) => {
                for item in &group.items {
                    self.use_tree(item, before);
                }
            }
            syn::UseTree::Glob(_) => {
                self.add(with("*".into()));
            }
            syn::UseTree::Name(name) => self.import(with(name.ident.to_string()), None),
            syn::UseTree::Rename(rename) => {
                self.import(
                    with(rename.ident.to_string()),
                    Some(rename.rename.to_string()),
                );
            }
        }
    }

    fn import(&mut self, mut path: Names, rename: Option<String>) {
        if path.len() > 1 && path.last().is_some_and(|name| name == "self") {
            path.pop();
        }
        let name = rename.or_else(|| path.last().cloned());
        let full = self.add(path);
        if let Some(name) = name {
            self.imports.insert(name, full);
        }
    }

    /// Paths among tokens that are not parsed: `a::b`, and `a::{b, c}` as two.
    fn tokens(&mut self, tokens: TokenStream, before: &[String]) {
        let mut path = before.to_vec();
        let mut joined = !before.is_empty();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    colons += 1;
                    joined = colons == 2 && !path.is_empty();
                    continue;
                }
                TokenTree::Ident(name) => {
                    if !joined {
                        self.end(&path, before);
                        path = before.to_vec();
                    }
                    path.push(name.to_string());
                }
                TokenTree::Group(group) => {
                    let inside = if joined && colons == 2 {
                        &path[..]
                    } else {
                        &[]
                    };
                    self.tokens(group.stream(), inside);
                    self.end(&path, before);
                    path = before.to_vec();
                }
                TokenTree::Punct(punct) if punct.as_char() == '!' => {
                    if let Some(name) = path.last_mut() {
                        name.push('!');
                    }
                    self.end(&path, before);
                    path = before.to_vec();
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.end(&path, before);
                    path = before.to_vec();
                }
            }
            colons = 0;
            joined = path.len() == before.len() && !before.is_empty();
        }
        self.end(&path, before);
    }

    fn end(&mut self, path: &[String], before: &[String]) {
        if path.len() > before.len() {
            self.add(path.to_vec());
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let is_test = attributes(item).iter().any(is_cfg_test);
        match item {
            syn::Item::Mod(module) if module.content.is_none() => {
                let inner = self.module[self.depth..].iter().cloned();
                let names = inner.chain([module.ident.to_string()]).collect();
                self.files.push((names, is_test));
            }
            _ if is_test => {}
            syn::Item::Mod(module) => {
                self.module.push(module.ident.to_string());
                visit::visit_item_mod(self, module);
                self.module.pop();
            }
            _ => visit::visit_item(self, item),
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.use_tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.add(
            path.segments
                .iter()
                .map(|segment| segment.ident.to_string())
                .collect(),
        );
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        let names = mac.path.segments.iter().map(|name| name.ident.to_string());
        let mut path: Names = names.collect();
        if let Some(name) = path.last_mut() {
            name.push('!');
        }
        self.add(path);
        self.tokens(mac.tokens.clone(), &[]);
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        let rename = item.rename.as_ref().map(|(_, name)| name.to_string());
        self.import(vec![item.ident.to_string()], rename);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        match &attribute.meta {
            syn::Meta::List(list) => {
                self.visit_path(&list.path);
                self.tokens(list.tokens.clone(), &[]);
            }
            meta => visit::visit_meta(self, meta),
        }
    }
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn is_cfg_test(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute
            .parse_args::<syn::Path>()
            .is_ok_and(|condition| condition.is_ident("test"))
}

/// Adds every file below `root`/`name`.
fn read_below(root: &Path, name: &str, sources: &mut Sources) -> io::Result<()> {
    for entry in fs::read_dir(root.join(name))? {
        let entry = entry?;
        let file_name = entry.file_name().into_string().expect("UTF-8 file name");
        let name = format!("{name}/{file_name}");
        if entry.file_type()?.is_dir() {
            read_below(root, &name, sources)?;
        } else if name.ends_with(".rs") {
            sources.insert(name, fs::read_to_string(entry.path())?);
        }
    }
    Ok(())
}

// The checker, checked.

#[test]
fn a_module_may_use_a_higher_layer_and_itself() {
    check(
        "pub fn f() -> crate::low::T { self::g(); super::middle::g() }",
        &[],
    );
}

#[test]
fn every_way_to_name_a_module_counts() {
    for text in [
        "use crate::top;",
        "use crate::{low, top::{self, T}};",
        "use crate::top as low;",
        "use super::top;",
        "fn f() { crate::top::g() }",
        "fn f() { super::top::g() }",
        "mod inner { fn f() { super::super::top::g() } }",
        "fn f(t: Vec<Option<crate::top::T>>) {}",
        "fn f() { println_to(format!(\"{}\", [crate::top::T])) }",
        "macro_rules! m { () => { $crate::top::g() } }",
        "macro_rules! m { () => { use crate::{low::T, top}; } }",
        "#[derive(crate::top::D)] struct S;",
        "impl crate::top::T for S {}",
    ] {
        check(text, &["src/middle.rs: `middle` uses `top`"]);
    }
}

#[test]
fn modules_of_one_group_do_not_use_each_other() {
    check(
        "use crate::beside;",
        &["src/middle.rs: `middle` uses `beside`"],
    );
}

#[test]
fn tests_are_exempt_and_nothing_else_is() {
    check(
        "#[cfg(test)] mod tests { use crate::top; fn f() { println!() } }",
        &[],
    );
    check("#[cfg(test)] use crate::top;", &[]);
    check("#[cfg(test)] impl S { fn f() { crate::top::g() } }", &[]);
    check(
        "#[cfg(any(test, unix))] use crate::top;",
        &["src/middle.rs: `middle` uses `top`"],
    );
}

#[test]
fn doors_are_found_behind_imports_renames_and_globs() {
    for (text, path) in [
        (
            "fn f() { std::process::Command::new(\"sh\"); }",
            "std::process::Command",
        ),
        (
            "use std::process; fn f() { process::Command::new(\"sh\"); }",
            "std::process::Command",
        ),
        (
            "use std::process::{Command as C, ExitCode};",
            "std::process::Command",
        ),
        ("use std::process::*;", "std::process::Command"),
        (
            "use gix as g; fn f(repo: g::Repository) {}",
            "gix::Repository",
        ),
        ("fn f() { gix::open(\".\") }", "gix::open"),
        ("use rusqlite::Connection;", "rusqlite"),
        ("#[derive(clap::Parser)] struct S;", "clap"),
        ("fn f() { println!() }", "println!"),
        ("fn f() { if_so!({ eprintln!() }) }", "eprintln!"),
        (
            "use std::io; fn f() { write(io::stdout()) }",
            "std::io::stdout",
        ),
        ("fn f() { serde_saphyr::from_str(\"\") }", "serde_saphyr"),
        ("use crate::low; extern crate clap as c;", "clap"),
    ] {
        check(
            text,
            &[&format!("src/middle.rs: `{path}` stays behind its door")],
        );
    }
    check("use gix::ObjectId; use std::process::ExitCode;", &[]);
    check("fn f(print: bool) -> bool { print }", &[]);
}

#[test]
fn a_module_outside_the_layers_and_a_file_outside_the_modules_are_found() {
    let mut sources = sample("");
    let lib = sources["src/lib.rs"].replace("pub mod top;", "pub mod top;\nmod hidden;");
    sources.insert("src/lib.rs".into(), lib);
    sources.insert("src/hidden.rs".into(), String::new());
    sources.insert("src/orphan.rs".into(), String::new());
    sources.insert(
        "src/main.rs".into(),
        "fn main() { koan_guard::low::f(); koan_guard::suite::sandbox::launcher::main() }".into(),
    );
    assert_eq!(
        wrongs(&sources),
        [
            "src/hidden.rs: `hidden` stands in no layer",
            "src/main.rs: uses `koan_guard::low::f`",
            "src/orphan.rs: belongs to no module",
        ]
    );
}

#[track_caller]
fn check(middle: &str, expected: &[&str]) {
    assert_eq!(wrongs(&sample(middle)), expected, "{middle}");
}

fn sample(middle: &str) -> Sources {
    let lib = "//! Sample.\n\npub mod low;\n\n// Beside each other.\npub mod beside;\npub mod middle;\n\npub mod top;\n";
    [
        ("src/lib.rs", lib),
        (
            "src/main.rs",
            "fn main() { koan_guard::top::main(std::env::args_os()) }",
        ),
        (
            "src/low.rs",
            "#[cfg(test)] mod tests; pub struct T; use self::T as U;",
        ),
        ("src/low/tests.rs", "use crate::top; use rusqlite;"),
        ("src/beside/mod.rs", "mod inner;"),
        (
            "src/beside/inner.rs",
            "use super::super::low; use super::inner;",
        ),
        ("src/middle.rs", middle),
        ("src/top.rs", "use crate::{low, middle};"),
    ]
    .map(|(name, text)| (name.to_owned(), text.to_owned()))
    .into()
}
