//! Past fixes, from their notes.
