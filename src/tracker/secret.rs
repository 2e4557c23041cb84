//! What only this clone knows: from it come the keys with which its claims are given back.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use anyhow::{Context as _, ensure};
use sha2::{Digest as _, Sha256};

use super::random_id;
use crate::git::Repo;

/// The key of a claim. Whoever reads this clone's folder of git can make it; nobody else can.
pub fn key_of(repo: &Repo, claim_id: &str) -> anyhow::Result<String> {
    let secret = secret(repo)?;
    Ok(hex(&Sha256::digest(
        [secret.as_bytes(), claim_id.as_bytes()].concat(),
    )))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn secret(repo: &Repo) -> anyhow::Result<String> {
    let folder = repo.common_dir().join("koan-guard");
    let path = folder.join("claims.key");
    if let Some(secret) = read(&path)? {
        return Ok(secret);
    }
    make(&folder, &path).with_context(|| format!("write `{}`", path.display()))?;
    read(&path)?.with_context(|| format!("`{}` is gone again", path.display()))
}

fn read(path: &Path) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(secret) => {
            let is_whole = secret.len() == 64;
            ensure!(is_whole, "`{}` holds no key of claims", path.display());
            Ok(Some(secret))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("read `{}`", path.display())),
    }
}

/// The first one stays.
fn make(folder: &Path, path: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    // Readable for its owner alone.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(format!("{}{}", random_id()?, random_id()?).as_bytes())?;
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() != ErrorKind::AlreadyExists => Err(error.error.into()),
        _ => Ok(()),
    }
}
