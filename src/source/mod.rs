//! Where production errors live. Everything here only reads.
