//! What the eBPF programs and user space share: the wire format of the ring
//! buffer, the table of kernel offsets, the settings of the kernel side and its
//! counters.
//!
//! Everything here is `repr(C)`, in the byte order of the machine, and free of
//! implicit padding, so that both sides read the same bytes.
#![no_std]

mod call;
mod counter;
pub mod flags;
mod kernel_function;
mod kind;
mod offsets;
mod preempt;
mod settings;
mod wire;

pub use call::{CallArgument, Form, Numbers, SystemCall};
pub use counter::{COUNTERS, Counter, CpuCounts};
pub use kernel_function::{CastTypes, PREEMPT_DISABLE, PREEMPT_ENABLE, RDONLY_CAST};
pub use kind::{KINDS, Kind, Kinds, Part};
pub use offsets::{ABSENT, Offsets};
pub use preempt::{BACKED_UP, BackedUp, DONE_MAX, DoneKey, preempted};
pub use settings::{
    Attempt, BUDGET_PRESSURE, CgroupClass, CgroupKey, Image, Settings, THROTTLED_MAX, Tree, want,
};
pub use wire::{
    ANCESTORS_MAX, ARGV_LIMIT_DEFAULT, ARGV_LIMIT_MAX, ARGV_LIMIT_MIN, Ancestor, CALL_ARGUMENTS,
    CGROUP_MAX, COMM_LEN, COMPONENTS_MAX, CWD_MAX, Call, Connect, ENV_LIMIT_MAX, ENV_PART,
    ENV_PART_MAX, ENV_PARTS_MAX, EXE_MAX, Exec, FILENAME_MAX, Figures, Header, NAME_MAX, STDIO,
    Task, WIRE_VERSION, connect_flag, exec_flag, task_flag,
};
