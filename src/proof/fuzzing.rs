//! What must hold of any text of a program: see [`crate::fuzzing`].

use super::lexer::{self, Language};
use crate::change::RepoPath;

/// Cuts both texts into tokens, in the language that the path says.
pub fn texts(path: &RepoPath, old: &[u8], new: &[u8]) {
    let Some(language) = Language::of(path) else {
        return;
    };
    for text in [old, new].map(std::str::from_utf8).into_iter().flatten() {
        let _ = lexer::tokens(language, text);
        let essence = lexer::essence(language, text);
        for (_, part) in essence.into_iter().flatten() {
            assert!(text.contains(part));
        }
    }
}
