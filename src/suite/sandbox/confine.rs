//! What a job's process gives up before it becomes the program: capabilities, files, system calls, resources.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible as _, PathBeneath, PathFd,
    Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus, Scope,
};
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, getuid, setrlimit, umask};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use super::lists::folders;
use super::root::{DEVICES, SYSTEM};
use super::spec::{Enforce, JobSpec, Spec};
use super::sys;

/// A seccomp program.
pub type Filter = BpfProgram;

const GIB: u64 = 1 << 30;

/// Gives everything up that `spec` says. The working directory must be entered before.
pub fn confine(spec: &Spec, job: &JobSpec, filters: &[Filter]) -> anyhow::Result<()> {
    umask(Mode::from_raw_mode(0o077));
    limit_resources(spec.enforce.namespaces)?;
    drop_capabilities().context("drop capabilities")?;
    set_no_new_privs(true)?;
    if spec.enforce.landlock_abi > 0 {
        restrict_files(spec, job).context("restrict files")?;
    }
    for filter in filters {
        seccompiler::apply_filter(filter).context("filter system calls")?;
    }
    Ok(())
}

fn limit_resources(has_user_namespace: bool) -> anyhow::Result<()> {
    // In a user namespace only the namespace's own processes count, elsewhere all of the user's.
    let n_processes = if has_user_namespace { 4096 } else { 16384 };
    let mut limits = vec![
        (Resource::Core, 0),
        (Resource::Fsize, 4 * GIB),
        (Resource::Nofile, 16384),
    ];
    if !getuid().is_root() {
        limits.push((Resource::Nproc, n_processes));
    }
    for (resource, limit) in limits {
        let limit = getrlimit(resource)
            .maximum
            .map_or(limit, |hard| hard.min(limit));
        let limit = Rlimit {
            current: Some(limit),
            maximum: Some(limit),
        };
        setrlimit(resource, limit).with_context(|| format!("limit {resource:?}"))?;
    }
    Ok(())
}

fn drop_capabilities() -> anyhow::Result<()> {
    if capabilities(None)?
        .effective
        .contains(CapabilitySet::SETPCAP)
    {
        for number in 0..64 {
            let capability = CapabilitySet::from_bits_retain(1 << number);
            match remove_capability_from_bounding_set(capability) {
                Ok(()) => {}
                // Beyond the last one that the kernel knows.
                Err(Errno::INVAL) => break,
                Err(err) => return Err(err.into()),
            }
        }
    }
    clear_ambient_capability_set()?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none)?;
    Ok(())
}

/// Read and write lists. All that the kernel's version can restrict is denied, what is on a list is allowed.
fn restrict_files(spec: &Spec, job: &JobSpec) -> anyhow::Result<()> {
    let promised = spec.enforce.landlock_abi;
    ensure!(
        sys::landlock_abi() >= promised,
        "this kernel's Landlock is older than version {promised}"
    );
    let abi = ABI::from(i32::from(promised));
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(abi))?;
    if abi >= ABI::V6 {
        ruleset = ruleset.scope(Scope::from_all(ABI::V6))?;
    }
    let read = AccessFs::from_read(abi);
    let write = AccessFs::from_all(abi) & !(AccessFs::MakeBlock | AccessFs::MakeChar);

    let mut rules: Vec<(PathBuf, BitFlags<AccessFs>, bool)> = Vec::new();
    let optional = SYSTEM.iter().map(Path::new).chain([Path::new("/proc")]);
    rules.extend(optional.map(|path| (path.to_owned(), read, false)));
    rules.extend(DEVICES.iter().map(|path| (path.into(), write, true)));
    let shown = job.shown.iter().map(|(source, _)| source);
    let named = job.readable.iter().chain(shown);
    rules.extend(named.map(|path| (path.to_path_buf(), read, false)));
    let (written, only_read) = folders(spec, job);
    rules.extend(only_read.into_iter().map(|path| (path, read, true)));
    rules.extend(written.into_iter().map(|path| (path, write, true)));

    let mut created = ruleset.create()?;
    for (path, access, is_required) in rules {
        let folder = match std::fs::metadata(&path) {
            Ok(data) => data.is_dir(),
            Err(err) if !is_required && err.kind() == std::io::ErrorKind::NotFound => continue,
            Err(err) => return Err(err).with_context(|| format!("look at `{}`", path.display())),
        };
        let access = if folder {
            access
        } else {
            access & AccessFs::from_file(abi)
        };
        created = created
            .add_rule(PathBeneath::new(PathFd::new(&path)?, access))
            .with_context(|| format!("allow `{}`", path.display()))?;
    }
    let status = created.restrict_self()?;
    ensure!(
        status.ruleset == RulesetStatus::FullyEnforced,
        "the kernel did not take all rules"
    );
    Ok(())
}

/// System calls that no test needs and that reach out of the sandbox or deep into the kernel.
const DENIED: &[libc::c_long] = &[
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_unshare,
    libc::SYS_setns,
    // Keys, and what is known as a way into the kernel.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_fanotify_init,
    // The machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
];

/// What types into a terminal for its user.
const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541c;

/// The first version of Landlock that keeps processes from the sockets of folders that are not theirs.
pub const SOCKETS_ABI: u8 = 9;

/// The seccomp programs of all jobs.
///
/// Without a network namespace there is no network at all (but for setup, where it is allowed), since loopback cannot be told apart; and without a view of its own there are
/// no local sockets but pairs, since one of a container engine would be a way out.
pub fn filters(enforce: Enforce) -> anyhow::Result<Vec<Filter>> {
    let mut families = vec![libc::AF_NETLINK];
    if enforce.namespaces || enforce.network {
        families.extend([libc::AF_INET, libc::AF_INET6]);
    }
    if enforce.namespaces || enforce.landlock_abi >= SOCKETS_ABI {
        families.push(libc::AF_UNIX);
    }
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        DENIED.iter().map(|&number| (number, Vec::new())).collect();
    let new_namespace = libc::CLONE_NEWNS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET;
    let clone = (0..32)
        .map(|bit| 1_u64 << bit)
        .filter(|bit| new_namespace as u32 as u64 & bit != 0)
        .map(|bit| rule(&[(0, SeccompCmpOp::MaskedEq(bit), bit)]))
        .collect::<anyhow::Result<_>>()?;
    rules.insert(libc::SYS_clone, clone);
    let terminal = [TIOCSTI, TIOCLINUX]
        .into_iter()
        .map(|request| rule(&[(1, SeccompCmpOp::Eq, request)]))
        .collect::<anyhow::Result<_>>()?;
    rules.insert(libc::SYS_ioctl, terminal);
    let other_family: Vec<_> = families
        .iter()
        .map(|&family| (0, SeccompCmpOp::Ne, family as u64))
        .collect();
    rules.insert(libc::SYS_socket, vec![rule(&other_family)?]);

    let mut filters = vec![
        compile(rules, libc::EPERM)?,
        // Its flags are behind a pointer. With this answer the C library falls back to `clone`.
        compile(
            BTreeMap::from([(libc::SYS_clone3, Vec::new())]),
            libc::ENOSYS,
        )?,
    ];
    if cfg!(target_arch = "x86_64") {
        filters.push(no_x32());
    }
    Ok(filters)
}

/// A rule whose conditions on 32-bit arguments all hold.
fn rule(conditions: &[(u8, SeccompCmpOp, u64)]) -> anyhow::Result<SeccompRule> {
    let conditions = conditions
        .iter()
        .map(|(argument, operator, value)| {
            SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, operator.clone(), *value)
        })
        .collect::<Result<_, _>>()?;
    Ok(SeccompRule::new(conditions)?)
}

fn compile(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    errno: libc::c_int,
) -> anyhow::Result<BpfProgram> {
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(errno as u32),
        std::env::consts::ARCH.try_into()?,
    )?;
    Ok(filter.try_into()?)
}

/// Denies the system calls of the x32 ABI: numbers with another meaning, from 2^30 on, that the other filters do not know.
fn no_x32() -> BpfProgram {
    let statement = |code, jt, jf, k| seccompiler::sock_filter { code, jt, jf, k };
    let errno = SeccompAction::Errno(libc::EPERM as u32);
    vec![
        statement((libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, 0, 0, 0),
        statement(
            (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16,
            0,
            1,
            1 << 30,
        ),
        statement((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, errno.into()),
        statement(
            (libc::BPF_RET | libc::BPF_K) as u16,
            0,
            0,
            SeccompAction::Allow.into(),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_compile() {
        for namespaces in [true, false] {
            let enforce = Enforce {
                namespaces,
                ..Enforce::default()
            };
            let filters = filters(enforce).expect("filters");
            assert!(filters.iter().all(|filter| !filter.is_empty()));
        }
    }
}
