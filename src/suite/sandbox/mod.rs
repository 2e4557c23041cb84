//! How far the project's tests are shut in: what this machine can enforce, and the launcher that enforces it.

use serde::Serialize;

/// What was enforced around the tests. Part of the evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sandbox {
    pub level: SandboxLevel,
    /// ABI version of Landlock, 0 where the kernel has none.
    pub landlock_abi: u8,
    /// User, mount, network, pid and ipc namespaces.
    pub namespaces: bool,
    pub seccomp: bool,
    /// What a higher level would need and why this machine does not give it; empty at [`SandboxLevel::Hermetic`].
    pub missing: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SandboxLevel {
    /// L0
    None,
    /// L1: clean environment, own folders, limits, no survivor.
    Limited,
    /// L2: and Landlock.
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
impl Sandbox {
    pub fn probe() -> Sandbox {
        Sandbox {
            level: SandboxLevel::None,
            landlock_abi: 0,
            namespaces: false,
            seccomp: false,
            missing: vec![],
        }
    }
}
