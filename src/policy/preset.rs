//! The presets that are shipped in `policies/`.
