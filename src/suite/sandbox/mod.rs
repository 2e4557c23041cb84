//! How far the project's tests are shut in: what this machine can enforce, and the launcher that enforces it.
//!
//! The guard starts itself anew as a launcher ([`launcher`]): single-threaded, without an environment, told by one message what to do.
//! The launcher makes the namespaces, stays as their first process, and supervises the jobs; each job is a child that shuts itself in
//! and then becomes the program. What a launcher cannot enforce is an error, never a lower level.
//!
//! That is Linux. On macOS, `macos` keeps the same promises as far as Seatbelt goes.

pub mod launcher;
mod lists;
mod place;
mod probe;
mod spec;

#[cfg(target_os = "linux")]
mod confine;
#[cfg(target_os = "linux")]
mod gates;
#[cfg(target_os = "linux")]
mod kill;
#[cfg(target_os = "linux")]
mod layers;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod root;
#[cfg(target_os = "linux")]
mod services;
#[cfg(target_os = "linux")]
mod shown;
#[cfg(target_os = "linux")]
mod supervise;
#[cfg(target_os = "linux")]
mod sys;

// What of macOS is plain text, numbers and files is tested everywhere.
#[cfg(any(target_os = "macos", test))]
mod attempts;
#[cfg(any(target_os = "macos", test))]
mod family;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(any(target_os = "macos", test))]
mod seatbelt;

use std::path::PathBuf;

use serde::Serialize;

pub(super) use place::make_place;
pub use spec::Gate;
pub(super) use spec::{Enforce, JobSpec, Output, ServiceSpec, Spec, Text, View, Written};

/// What a job reaches of the network outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outside {
    Nothing,
    /// From a network of its own, so that nothing else is there: only with namespaces.
    Gates(Vec<Gate>),
    All,
}

/// What was enforced around the tests. Part of the evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sandbox {
    pub level: SandboxLevel,
    /// ABI version of Landlock, 0 where the kernel has none.
    pub landlock_abi: u8,
    /// User, mount, network, pid and ipc namespaces.
    pub namespaces: bool,
    pub seccomp: bool,
    /// macOS: a profile of Seatbelt around every job.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub seatbelt: bool,
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
    /// L2: and read and write lists (Landlock), no network (seccomp); on macOS both by Seatbelt.
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
