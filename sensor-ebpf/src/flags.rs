//! Names of numeric arguments and their bits, as Falco prints them and in Falco's order.

/// The names of an argument that has one of a set of numbers.
#[derive(Debug)]
pub struct Choices {
    /// Each number and its name.
    pub names: &'static [(u64, &'static str)],
    /// The name of any other number; none: alerts show it as a decimal number.
    pub unknown: Option<&'static str>,
}

/// A flag, of one bit or more, and its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The bits of the flag; the flag is set if all of them are.
    pub bits: u32,
    /// Its name.
    pub name: &'static str,
}

macro_rules! flags {
    ($($(#[$doc:meta])* $table:ident { $($name:ident = $bits:literal,)* })*) => {$(
        $(#[$doc])*
        pub const $table: &[Flag] = &[$(Flag { bits: $bits, name: stringify!($name) }),*];
    )*};
}

flags! {
    /// `CLONE_*` of include/uapi/linux/sched.h.
    CLONE_FLAGS {
        CLONE_FILES = 0x0000_0400,
        CLONE_FS = 0x0000_0200,
        CLONE_IO = 0x8000_0000,
        CLONE_NEWIPC = 0x0800_0000,
        CLONE_NEWNET = 0x4000_0000,
        CLONE_NEWNS = 0x0002_0000,
        CLONE_NEWPID = 0x2000_0000,
        CLONE_NEWUTS = 0x0400_0000,
        CLONE_PARENT = 0x0000_8000,
        CLONE_PARENT_SETTID = 0x0010_0000,
        CLONE_PTRACE = 0x0000_2000,
        CLONE_SIGHAND = 0x0000_0800,
        CLONE_SYSVSEM = 0x0004_0000,
        CLONE_THREAD = 0x0001_0000,
        CLONE_UNTRACED = 0x0080_0000,
        CLONE_VM = 0x0000_0100,
        CLONE_NEWUSER = 0x1000_0000,
        CLONE_CHILD_CLEARTID = 0x0020_0000,
        CLONE_CHILD_SETTID = 0x0100_0000,
        CLONE_SETTLS = 0x0008_0000,
        CLONE_VFORK = 0x0000_4000,
        CLONE_NEWCGROUP = 0x0200_0000,
        // Falco has no name for this flag.
        CLONE_NEWTIME = 0x0000_0080,
    }
}

/// `PTRACE_*` of include/uapi/linux/ptrace.h and of the architectures' asm/ptrace.h.
pub const PTRACE_REQUESTS: Choices = Choices {
    names: &[
        (0, "PTRACE_TRACEME"),
        (1, "PTRACE_PEEKTEXT"),
        (2, "PTRACE_PEEKDATA"),
        (3, "PTRACE_PEEKUSR"),
        (4, "PTRACE_POKETEXT"),
        (5, "PTRACE_POKEDATA"),
        (6, "PTRACE_POKEUSR"),
        (7, "PTRACE_CONT"),
        (8, "PTRACE_KILL"),
        (9, "PTRACE_SINGLESTEP"),
        (12, "PTRACE_GETREGS"),
        (13, "PTRACE_SETREGS"),
        (14, "PTRACE_GETFPREGS"),
        (15, "PTRACE_SETFPREGS"),
        (16, "PTRACE_ATTACH"),
        (17, "PTRACE_DETACH"),
        (18, "PTRACE_GETFPXREGS"),
        (19, "PTRACE_SETFPXREGS"),
        (21, "PTRACE_OLDSETOPTIONS"),
        (24, "PTRACE_SYSCALL"),
        (25, "PTRACE_GET_THREAD_AREA"),
        (26, "PTRACE_SET_THREAD_AREA"),
        (30, "PTRACE_ARCH_PRCTL"),
        (31, "PTRACE_SYSEMU"),
        (32, "PTRACE_SYSEMU_SINGLESTEP"),
        // On arm64 this number is another request, for which Falco has no name.
        #[cfg(target_arch = "x86_64")]
        (33, "PTRACE_SINGLEBLOCK"),
        (0x4200, "PTRACE_SETOPTIONS"),
        (0x4201, "PTRACE_GETEVENTMSG"),
        (0x4202, "PTRACE_GETSIGINFO"),
        (0x4203, "PTRACE_SETSIGINFO"),
        (0x4204, "PTRACE_GETREGSET"),
        (0x4205, "PTRACE_SETREGSET"),
        (0x4206, "PTRACE_SEIZE"),
        (0x4207, "PTRACE_INTERRUPT"),
        (0x4208, "PTRACE_LISTEN"),
        (0x4209, "PTRACE_PEEKSIGINFO"),
        (0x420a, "PTRACE_GETSIGMASK"),
        (0x420b, "PTRACE_SETSIGMASK"),
    ],
    unknown: Some("PTRACE_UNKNOWN"),
};
