//! Which errors come first, each term of the score shown.
