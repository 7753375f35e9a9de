//! Plain system calls: those of which an event tells the result and the arguments, as the caller's
//! registers hold them.

use crate::{
    CALL_ARGUMENTS, Kind,
    flags::{Choices, Flag},
};

/// What is known of a plain system call, which is all that there is of it.
#[derive(Debug)]
pub struct SystemCall {
    /// Its kind of events.
    pub kind: Kind,
    /// `evt.type`.
    pub name: &'static str,
    /// The tracepoint at its exit, of the category `syscalls`.
    pub tracepoint: &'static str,
    /// By which numbers it is called.
    pub numbers: Numbers,
    /// Its arguments, in the order in which `evt.args` has them, behind `res`.
    pub arguments: &'static [CallArgument],
}

/// Numbers of a system call by the caller's ABI; none where there is no such call.
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
    /// Its meaning, one sentence.
    pub doc: &'static str,
    /// Which of the caller's arguments it is, from 0.
    pub register: usize,
    /// How it is shown.
    pub form: Form,
}

/// How an argument is shown.
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

// The programs read the first arguments of a call, and no more.
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
