//! The YAML shape of a policy and its errors; the only file that names the YAML crate.
