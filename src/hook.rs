//! What the hook shims call.
