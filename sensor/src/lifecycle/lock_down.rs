//! The lock-down after the start: the sensor gives up capabilities and system calls for good.
//!
//! The sensor does not use Landlock: a Landlock domain does not follow later mounts, and to read
//! `/proc/PID/root` of a container the kernel resolves paths in such mounts.

use std::{
    fs, io,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};

use rustix::thread::{CapabilitySet, CapabilitySets};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule,
};

/// The capabilities that the sensor keeps, each with the reason.
pub const KEPT: &[(&str, CapabilitySet, &str)] = &[
    (
        "CAP_BPF",
        CapabilitySet::BPF,
        "a reload loads programs; maps are read (before 5.19 only with it)",
    ),
    (
        "CAP_PERFMON",
        CapabilitySet::PERFMON,
        "a reload attaches tracepoints",
    ),
    (
        "CAP_SYS_PTRACE",
        CapabilitySet::SYS_PTRACE,
        "/proc/PID/root of containers",
    ),
    (
        "CAP_DAC_READ_SEARCH",
        CapabilitySet::DAC_READ_SEARCH,
        "passwd and group files in containers",
    ),
];

/// The capabilities that the configuration needs beyond [`KEPT`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// The sensor gives log files to another owner.
    pub chown: bool,
    /// Log files, or their directory, belong to another user.
    pub dac_override: bool,
    /// The kernel demands `CAP_SYS_ADMIN` where `CAP_BPF` or `CAP_PERFMON` should be enough.
    pub sys_admin: bool,
}

/// Why the lock-down failed.
#[derive(Debug, thiserror::Error)]
pub enum LockDownError {
    /// The kernel refused to drop capabilities.
    #[error("cannot give up capabilities: {0}")]
    Capabilities(#[source] io::Error),
    /// A thread kept its capabilities.
    #[error("thread {0} did not give up its capabilities")]
    Thread(i32),
    /// The kernel refused the filter of system calls.
    #[error("cannot filter system calls: {0}")]
    Filter(String),
}

impl Rights {
    /// The capabilities to keep, if the process has them.
    #[must_use]
    pub fn capabilities(self) -> CapabilitySet {
        let mut kept = CapabilitySet::empty();
        for (_, capability, _) in KEPT {
            kept |= *capability;
        }
        let more = [
            (self.chown, CapabilitySet::CHOWN),
            (self.dac_override, CapabilitySet::DAC_OVERRIDE),
            (self.sys_admin, CapabilitySet::SYS_ADMIN),
        ];
        for (needed, capability) in more {
            if needed {
                kept |= capability;
            }
        }
        kept
    }
}

/// Gives up capabilities in every thread, sets `no_new_privs`, and filters system calls in every
/// thread. Call this once, when all parts have started.
///
/// # Errors
/// If the kernel refuses a step. The caller decides whether to go on.
pub fn lock_down(rights: Rights) -> Result<(), LockDownError> {
    drop_capabilities(rights.capabilities())?;
    let wrong = |error: &dyn std::fmt::Display| LockDownError::Filter(error.to_string());
    // The filter for `clone3` comes first: its error makes the C library use `clone`, whose flags a
    // filter can read.
    let filters = [
        (libc::ENOSYS, vec![(libc::SYS_clone3, Vec::new())]),
        (libc::EPERM, forbidden().map_err(|e| wrong(&e))?),
    ];
    for (errno, rules) in filters {
        let arch = std::env::consts::ARCH.try_into().map_err(|e| wrong(&e))?;
        let filter = SeccompFilter::new(
            rules.into_iter().collect(),
            SeccompAction::Allow,
            SeccompAction::Errno(errno.cast_unsigned()),
            arch,
        )
        .map_err(|e| wrong(&e))?;
        let program: BpfProgram = filter.try_into().map_err(|e| wrong(&e))?;
        // This call sets `no_new_privs` too; the kernel copies it to the other threads.
        seccompiler::apply_filter_all_threads(&program).map_err(|e| wrong(&e))?;
    }
    Ok(())
}

/// System calls that no part of the sensor makes after the start, not even for a reload.
const FORBIDDEN: &[libc::c_long] = &[
    // New programs and processes.
    libc::SYS_execve,
    libc::SYS_execveat,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // File systems and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_open_by_handle_at,
    libc::SYS_mknodat,
    libc::SYS_quotactl,
    // The kernel itself.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_syslog,
    // Rights.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_capset,
    // System calls that attacks on the kernel often use.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_personality,
    libc::SYS_vmsplice,
];

type Rules = Vec<(libc::c_long, Vec<SeccompRule>)>;

fn forbidden() -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules = FORBIDDEN.iter().map(|call| (*call, Vec::new())).collect();
    #[cfg(target_arch = "x86_64")]
    rules.extend(
        [
            libc::SYS_fork,
            libc::SYS_vfork,
            libc::SYS_mknod,
            libc::SYS_iopl,
            libc::SYS_ioperm,
        ]
        .map(|call| (call, Vec::new())),
    );
    // The sensor may start threads, but no processes.
    let thread = u64::from(libc::CLONE_THREAD.cast_unsigned());
    let process = SeccompCondition::new(0, Len::Dword, Op::MaskedEq(thread), 0)?;
    rules.push((libc::SYS_clone, vec![SeccompRule::new(vec![process])?]));
    // Sockets of address families other than unix, IPv4 and IPv6.
    let other = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6]
        .map(|family| {
            SeccompCondition::new(0, Len::Dword, Op::Ne, u64::from(family.cast_unsigned()))
        })
        .into_iter()
        .collect::<Result<_, _>>()?;
    rules.push((libc::SYS_socket, vec![SeccompRule::new(other)?]));
    Ok(rules)
}

/// The signal handler of a thread sets this flag if the thread could not drop its capabilities.
static REFUSED: AtomicBool = AtomicBool::new(false);

/// Drops the capabilities of all threads. Capabilities belong to threads, and only the thread
/// itself can drop its own. A signal makes each thread do so, as in libpsx.
fn drop_capabilities(kept: CapabilitySet) -> Result<(), LockDownError> {
    let wrong = |error: io::Error| LockDownError::Capabilities(error);
    let has = rustix::thread::capabilities(None).map_err(|e| wrong(e.into()))?;
    let left = kept & has.permitted;
    let sets = CapabilitySets {
        effective: left,
        permitted: left,
        inheritable: CapabilitySet::empty(),
    };
    let signal = libc::SIGRTMIN() + 3;
    // SAFETY: the handler makes one system call and stores an atomic: both are
    // async-signal-safe.
    let handler = unsafe {
        signal_hook::low_level::register(signal, move || {
            if rustix::thread::set_capabilities(None, sets).is_err() {
                REFUSED.store(true, Relaxed);
            }
        })
    }
    .map_err(wrong)?;
    // Ambient capabilities would survive an exec. After this call there are none.
    let _ = rustix::thread::clear_ambient_capability_set();
    rustix::thread::set_capabilities(None, sets).map_err(|e| wrong(e.into()))?;
    let outcome = signal_threads(signal, left);
    signal_hook::low_level::unregister(handler);
    outcome
}

fn signal_threads(signal: i32, left: CapabilitySet) -> Result<(), LockDownError> {
    let patience = Instant::now() + Duration::from_secs(5);
    loop {
        let mut waiting = None;
        for entry in fs::read_dir("/proc/self/task").map_err(LockDownError::Capabilities)? {
            let name = entry.map_err(LockDownError::Capabilities)?.file_name();
            let Some(tid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            match permitted(tid) {
                Some(set) if !left.contains(set) => {
                    waiting = Some(tid);
                    // SAFETY: sends a signal that has a handler to a thread of this process; if the
                    // thread has ended meanwhile, the call fails without harm.
                    unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), tid, signal) };
                }
                _ => {}
            }
        }
        let Some(tid) = waiting else {
            return Ok(());
        };
        if REFUSED.load(Relaxed) || Instant::now() >= patience {
            return Err(LockDownError::Thread(tid));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The permitted capabilities of a thread; none if the thread has ended.
fn permitted(tid: i32) -> Option<CapabilitySet> {
    let status = fs::read_to_string(format!("/proc/self/task/{tid}/status")).ok()?;
    let bits = status
        .lines()
        .find_map(|line| line.strip_prefix("CapPrm:"))?;
    let bits = u64::from_str_radix(bits.trim(), 16).ok()?;
    Some(CapabilitySet::from_bits_retain(bits))
}
