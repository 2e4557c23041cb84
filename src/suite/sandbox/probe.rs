//! What this machine can enforce, found out by doing it (below, for each system), and how much of that is wanted.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;

use super::spec::Enforce;
use super::{Sandbox, SandboxLevel};

impl Sandbox {
    /// The same machine with no more than `level`: what lies above is not enforced, and named as missing.
    #[must_use]
    pub fn at_most(&self, level: SandboxLevel) -> Sandbox {
        let mut lower = self.clone();
        if level >= self.level {
            return lower;
        }
        // The reasons why what is there counts for nothing are found anew.
        lower.missing.retain(|missing| !missing.starts_with("no "));
        let mut give_up = |name: &str| lower.missing.push(format!("{name}: not wanted"));
        if level < SandboxLevel::Hermetic && lower.namespaces {
            lower.namespaces = false;
            give_up("namespaces");
        }
        if level < SandboxLevel::Confined && lower.landlock_abi > 0 {
            lower.landlock_abi = 0;
            give_up("landlock");
        }
        if level < SandboxLevel::Confined && lower.seccomp {
            lower.seccomp = false;
            give_up("seccomp");
        }
        if level < SandboxLevel::Confined && lower.seatbelt {
            lower.seatbelt = false;
            give_up("seatbelt");
        }
        if level == SandboxLevel::None {
            lower.level = SandboxLevel::None;
            return lower;
        }
        lower.graded()
    }

    pub(in crate::suite) fn enforce(&self) -> Enforce {
        Enforce {
            namespaces: self.namespaces,
            landlock_abi: self.landlock_abi,
            seccomp: self.seccomp,
            seatbelt: self.seatbelt,
            network: false,
        }
    }

    /// Whether jobs are kept from writing what is not theirs.
    pub(in crate::suite) fn protects_files(&self) -> bool {
        self.landlock_abi > 0 || self.seatbelt
    }
}
