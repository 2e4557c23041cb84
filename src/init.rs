//! Writes a first policy.
