//! The trace a verdict leaves: an in-toto statement, one line of a git note.
