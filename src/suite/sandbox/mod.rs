//! How far the project's tests are shut in: what this machine can enforce, and the launcher that enforces it.
//!
//! The guard starts itself anew as a launcher ([`launcher`]): single-threaded, without an environment, told by one message what to do.
//! The launcher makes the namespaces, stays as their first process, and supervises the jobs; each job is a child that shuts itself in
//! and then becomes the program. What a launcher cannot enforce is an error, never a lower level.

mod confine;
mod kill;
pub mod launcher;
mod layers;
mod probe;
mod root;
mod services;
mod shown;
mod spec;
mod supervise;
mod sys;

use std::path::PathBuf;

use serde::Serialize;

pub(super) use shown::make_place;
pub(super) use spec::{Enforce, JobSpec, Output, ServiceSpec, Spec, Text, View, Written};

/// What was enforced around the tests. Part of the evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sandbox {
    pub level: SandboxLevel,
    /// ABI version of Landlock, 0 where the kernel has none.
    pub landlock_abi: u8,
    /// User, mount, network, pid and ipc namespaces.
    pub namespaces: bool,
    pub seccomp: bool,
    /// What could not be enforced and why: all that a higher level would add, and at [`SandboxLevel::Hermetic`] what no level can.
    pub missing: Vec<String>,
    /// The program that enforces it when it is called with [`launcher::SUBCOMMAND`]: this very one.
    #[serde(skip)]
    pub launcher: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SandboxLevel {
    /// L0
    None,
    /// L1: clean environment, own folders, limits, no survivor.
    Limited,
    /// L2: and read and write lists (Landlock), no network (seccomp).
    Confined,
    /// L3: and namespaces, with layers at one path.
    Hermetic,
}

impl SandboxLevel {
    /// 0 to 3, as policies write it.
    pub fn number(self) -> u8 {
        match self {
            SandboxLevel::None => 0,
            SandboxLevel::Limited => 1,
            SandboxLevel::Confined => 2,
            SandboxLevel::Hermetic => 3,
        }
    }
}
