//! Plain system calls: an event of such a call has the result and the arguments, as the caller's
//! registers hold them, and nothing else of its own.

use crate::{
    CALL_ARGUMENTS, Kind,
    flags::{Choices, Flag},
    functions,
};

/// The description of a plain system call: everything that the sensor needs to report the call.
#[derive(Debug)]
pub struct SystemCall {
    /// The kind of its events.
    pub kind: Kind,
    /// `evt.type`.
    pub name: &'static str,
    /// The tracepoint at its exit, of the category `syscalls`.
    pub tracepoint: &'static str,
    /// The kernel's functions for the call, see [`functions!`](crate::functions).
    pub functions: [&'static str; functions!("").len()],
    /// The numbers of the call, by ABI.
    pub numbers: Numbers,
    /// The call's arguments, in the order in which `evt.args` has them, after `res`.
    pub arguments: &'static [CallArgument],
}

/// The names of the kernel's functions for a system call: first for native calls, which every kernel
/// with the call has, then for 32-bit calls, which a kernel may lack (`__SYSCALL_DEFINEx` of
/// `arch/x86/include/asm/syscall_wrapper.h` and `arch/arm64/include/asm/syscall_wrapper.h`).
#[cfg(not(target_arch = "aarch64"))]
#[macro_export]
macro_rules! functions {
    ($name:literal) => {
        [
            concat!("__x64_sys_", $name),
            concat!("__ia32_sys_", $name),
            concat!("__ia32_compat_sys_", $name),
        ]
    };
}

/// The names of the kernel's functions for a system call: first for native calls and for 32-bit
/// calls alike, then for 32-bit calls whose arguments have another form
/// (`arch/arm64/include/asm/syscall_wrapper.h`).
#[cfg(target_arch = "aarch64")]
#[macro_export]
macro_rules! functions {
    ($name:literal) => {
        [
            concat!("__arm64_sys_", $name),
            concat!("__arm64_compat_sys_", $name),
        ]
    };
}

/// Numbers of a system call by the caller's ABI; empty where an ABI has no such call.
#[derive(Debug)]
pub struct Numbers {
    /// Of 64-bit x86 (arch/x86/entry/syscalls/syscall_64.tbl).
    pub x86_64: &'static [u32],
    /// Of 32-bit x86 (arch/x86/entry/syscalls/syscall_32.tbl).
    pub i386: &'static [u32],
    /// Of 64-bit arm (include/uapi/asm-generic/unistd.h).
    pub arm64: &'static [u32],
    /// Of 32-bit arm (arch/arm/tools/syscall.tbl).
    pub arm: &'static [u32],
}

/// An argument of a plain system call.
#[derive(Debug)]
pub struct CallArgument {
    /// Its name in Falco.
    pub name: &'static str,
    /// The field of that name, `evt.arg.NAME`.
    pub field: &'static str,
    /// The meaning of the argument, one sentence.
    pub doc: &'static str,
    /// Position of the argument among the caller's arguments, from 0.
    pub register: usize,
    /// How alerts show the argument.
    pub form: Form,
}

/// How alerts show an argument.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// A descriptor, of 32 bits: its number, which `fd.num` is too.
    Descriptor,
    /// A signed number of 32 bits.
    Number,
    /// A number as wide as a register, mostly an address: hexadecimal, without prefix.
    Address,
    /// The name of a number as wide as a register.
    Choice(&'static Choices),
    /// Names of the bits of a number of 32 bits, joined by `|`; `0` if none has a name.
    Flags(&'static [Flag]),
}

// The programs read only the first arguments of a call.
const _: () = {
    let mut call = 0;
    while call < SystemCall::ALL.len() {
        let arguments = SystemCall::ALL[call].arguments;
        let mut argument = 0;
        while argument < arguments.len() {
            assert!(arguments[argument].register < CALL_ARGUMENTS);
            argument += 1;
        }
        call += 1;
    }
};
