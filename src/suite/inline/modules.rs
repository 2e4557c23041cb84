//! Where the files of a source's modules stand.

use gix::bstr::ByteSlice as _;
use syn::{Attribute, Expr, Item, Lit, Meta};

use super::CannotCut;
use super::items;
use super::source::Source;
use crate::change::RepoPath;

/// The files that the source's `mod name;` may stand in: all of them, or only those that are there for tests.
pub(super) fn files(
    source: &Source,
    path: &RepoPath,
    also_production: bool,
) -> Result<Vec<RepoPath>, CannotCut> {
    let mut files = Vec::new();
    let is_test = also_production || items::is_test(&source.file.attrs);
    collect(&source.file.items, path, &[], is_test, &mut files)?;
    Ok(files)
}

fn collect(
    items: &[Item],
    path: &RepoPath,
    modules: &[String],
    is_test: bool,
    files: &mut Vec<RepoPath>,
) -> Result<(), CannotCut> {
    for item in items {
        let Item::Mod(module) = item else { continue };
        let is_test = is_test || items::is_test(&module.attrs);
        let name = module.ident.to_string();
        let name = name.strip_prefix("r#").unwrap_or(&name).to_owned();
        if let Some((_, items)) = &module.content {
            let modules = [modules, &[name]].concat();
            collect(items, path, &modules, is_test, files)?;
        } else if is_test {
            let mut folder = parts(&path.folder());
            folder.extend(own_folder(path));
            folder.extend(modules.iter().map(|module| module.as_bytes().to_vec()));
            match explicit_path(&module.attrs) {
                Some(explicit) => {
                    // Relative to the source's folder, unless it stands in a module in braces.
                    if modules.is_empty() {
                        folder = parts(&path.folder());
                    }
                    files.push(resolve(folder, &explicit)?);
                }
                None => {
                    files.push(resolve(folder.clone(), &format!("{name}.rs"))?);
                    files.push(resolve(folder, &format!("{name}/mod.rs"))?);
                }
            }
        }
    }
    Ok(())
}

/// The folder that a source's modules stand in, below its own; none for a `mod.rs` and the root of a crate.
fn own_folder(path: &RepoPath) -> Option<Vec<u8>> {
    let folder = parts(&path.folder());
    let is_in_src = folder.iter().any(|part| part == b"src");
    let is_root = match folder.last().map(Vec::as_slice) {
        Some(b"bin") => folder.len() >= 2 && folder[folder.len() - 2] == b"src",
        Some(b"tests" | b"examples" | b"benches") => !is_in_src,
        _ => false,
    };
    let name = path.file_name();
    let stem = name.strip_suffix(b".rs").unwrap_or(name);
    let is_root = is_root || matches!(stem, b"mod" | b"lib" | b"main");
    (!is_root).then(|| stem.to_vec())
}

fn explicit_path(attributes: &[Attribute]) -> Option<String> {
    attributes
        .iter()
        .find_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
                Expr::Lit(literal) => match &literal.lit {
                    Lit::Str(text) => Some(text.value()),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        })
}

fn parts(path: &RepoPath) -> Vec<Vec<u8>> {
    let parts = path.as_bytes().split(|&byte| byte == b'/');
    let parts = parts.filter(|part| !part.is_empty());
    parts.map(<[u8]>::to_vec).collect()
}

fn resolve(mut folder: Vec<Vec<u8>>, relative: &str) -> Result<RepoPath, CannotCut> {
    let outside = || {
        CannotCut(format!(
            "the module path `{relative}` leads out of the repository"
        ))
    };
    if relative.starts_with('/') {
        return Err(outside());
    }
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                folder.pop().ok_or_else(outside)?;
            }
            _ => folder.push(part.as_bytes().to_vec()),
        }
    }
    Ok(RepoPath::new(folder.join(&b'/').as_bstr()))
}
