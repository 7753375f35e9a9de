//! The arguments of a system call, from the registers that the kernel saved for the task.

use core::mem::MaybeUninit;

use aya_ebpf::{
    Global,
    helpers::generated::{bpf_get_current_task_btf, bpf_probe_read_user, bpf_task_pt_regs},
};

use super::kernel::{current_task, kread, load, off};

/// Offset of the saved registers on the task's stack, bytes, for kernels before 5.15, which
/// have no helper for them; 0 on other kernels. The loader sets this value.
#[unsafe(no_mangle)]
pub static REGS_ON_STACK: Global<u32> = Global::new(0);

/// `TS_COMPAT` of x86's thread_info: in a 32-bit system call.
#[cfg(bpf_target_arch = "x86_64")]
const TS_COMPAT: u32 = 0x2;

/// Offsets in `struct pt_regs`, which are part of the ABI of ptrace.
#[cfg(bpf_target_arch = "x86_64")]
mod at {
    /// rdi, rsi, rdx, r10, r8.
    pub const ARGUMENTS: [u64; 5] = [112, 104, 96, 56, 72];
    /// ebx, ecx, edx, esi, edi.
    pub const COMPAT_ARGUMENTS: [u64; 5] = [40, 88, 96, 104, 112];
    pub const SYSCALL: u64 = 120;
    /// Type of `orig_ax`.
    pub type Number = u64;
}

#[cfg(bpf_target_arch = "aarch64")]
mod at {
    /// orig_x0, x1 … x4: x0 holds the result by now.
    pub const ARGUMENTS: [u64; 5] = [272, 8, 16, 24, 32];
    pub const COMPAT_ARGUMENTS: [u64; 5] = ARGUMENTS;
    pub const SYSCALL: u64 = 280;
    /// Type of `syscallno`.
    pub type Number = i32;
    /// The processor's state.
    pub const STATE: u64 = 264;
}

/// `PSR_MODE32_BIT` of arm64's processor state: the task ran 32-bit code.
#[cfg(bpf_target_arch = "aarch64")]
const MODE_32: u64 = 0x10;

/// The saved registers of the current task's system call.
#[derive(Clone, Copy)]
pub struct Regs {
    address: u64,
    /// Whether the call is a 32-bit system call.
    pub compat: bool,
}

impl Regs {
    /// The registers at that address, which a raw tracepoint gets as its argument.
    #[inline(always)]
    pub fn at(address: u64, task: u64) -> Self {
        Self {
            address,
            compat: is_compat(address, task),
        }
    }

    /// The registers of the current task.
    #[inline(always)]
    pub fn current() -> Self {
        let from_stack = REGS_ON_STACK.load();
        let address = if from_stack == 0 {
            // SAFETY: the helpers have no preconditions; the second gets what the first gave.
            unsafe { bpf_task_pt_regs(bpf_get_current_task_btf()) as u64 }
        } else {
            let stack: u64 = kread(current_task() + off!(task_stack));
            stack + u64::from(from_stack)
        };
        Self {
            address,
            compat: false, // perf's tracepoints skip 32-bit system calls
        }
    }

    /// The same registers, for a task that may be in a 32-bit system call.
    #[inline(always)]
    pub fn of(self, task: u64) -> Self {
        Self {
            compat: is_compat(self.address, task),
            ..self
        }
    }

    /// The same registers, for a call that the caller knows to be a 32-bit one or not.
    #[inline(always)]
    pub fn with_compat(self, compat: bool) -> Self {
        Self { compat, ..self }
    }

    /// Number of the system call.
    #[inline(always)]
    pub fn syscall(&self) -> u32 {
        load::<at::Number>(self.address + at::SYSCALL) as u32
    }

    /// Argument `n` of the call, from 0.
    #[inline(always)]
    pub fn argument(&self, n: usize) -> u64 {
        if self.compat {
            let value: u32 = load(self.address + at::COMPAT_ARGUMENTS[n]);
            u64::from(value)
        } else {
            load(self.address + at::ARGUMENTS[n])
        }
    }
}

#[cfg(bpf_target_arch = "x86_64")]
#[inline(always)]
fn is_compat(_regs: u64, task: u64) -> bool {
    let status: u32 = load(task + off!(task_thread_info_status));
    status & TS_COMPAT != 0
}

#[cfg(bpf_target_arch = "aarch64")]
#[inline(always)]
fn is_compat(regs: u64, _task: u64) -> bool {
    let state: u64 = load(regs + at::STATE);
    state & MODE_32 != 0
}

/// Number of the system call whose registers a raw tracepoint got as its argument. The verifier
/// knows the type of that pointer and allows a read without a helper. A helper call would cost
/// every system call of the machine more than all the rest.
#[inline(always)]
pub fn syscall_number(regs: *const u8) -> u32 {
    // SAFETY: the argument is a `struct pt_regs`, as the verifier checks.
    unsafe { core::ptr::read_volatile(regs.add(at::SYSCALL as usize).cast::<at::Number>()) as u32 }
}

/// Reads user memory; returns [`None`] where the address cannot be read.
#[inline(always)]
pub fn uread<T: Copy>(address: u64) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the helper writes size_of::<T>() bytes or zeroes as many; every T
    // used here is valid with any bytes.
    unsafe {
        let failed = bpf_probe_read_user(
            value.as_mut_ptr().cast(),
            size_of::<T>() as u32,
            address as *const _,
        );
        if failed == 0 {
            Some(value.assume_init())
        } else {
            None
        }
    }
}
