//! Secrets of ours, where a policy says they are. No message ever holds any of one.

use std::fs;
use std::path::Path;

use crate::policy::TokenPlace;
use crate::usage::UsageError;

/// Reads what the policy calls a `what`.
///
/// # Errors
/// [`UsageError`] if there is none.
pub fn read(place: &TokenPlace, folder: &Path, what: &str) -> anyhow::Result<String> {
    let (text, shown) = match place {
        TokenPlace::Variable(name) => {
            let text = std::env::var(name).ok();
            (text, format!("variable `{name}`"))
        }
        TokenPlace::File(path) => {
            let path = folder.join(path);
            let is_small =
                fs::metadata(&path).is_ok_and(|file| file.is_file() && file.len() <= 4_096);
            let text = is_small.then(|| fs::read_to_string(&path).ok()).flatten();
            (text, format!("file `{}`", path.display()))
        }
    };
    let secret = text
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty());
    let Some(secret) = secret else {
        return Err(UsageError::new(format!("there is no {what} in {shown}")).into());
    };
    if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(UsageError::new(format!("what {shown} holds is no {what}")).into());
    }
    Ok(secret)
}
