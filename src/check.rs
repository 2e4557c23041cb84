//! Judges a commit, a range or what is staged.
