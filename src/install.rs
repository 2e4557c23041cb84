//! Puts the hooks in and takes them out.
