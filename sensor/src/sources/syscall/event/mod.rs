//! Records of the ring buffer, decoded: borrowed, checked, never trusted.
//!
//! ```text
//! bytes ──decode──▶ Event ──container_id──▶ Option<ContainerId>
//! ```

pub mod builder;
mod decode;

use metadata::{Names, Strings};

pub use decode::{DecodeError, Event};
pub use sensor_ebpf::{
    Ancestor, Call, Connect, Exec, Header, Kind, SystemCall, Task, connect_flag, exec_flag,
    task_flag,
};

/// An `execve` or `execveat` and its variable sections.
#[derive(Clone, Copy, Debug)]
pub struct ExecEvent<'a> {
    /// Fixed part.
    pub fixed: Exec,
    /// Path of the executed file.
    pub exe: Names<'a>,
    /// Working directory.
    pub cwd: Names<'a>,
    /// Path that the caller gave to the call.
    pub filename: &'a [u8],
    /// argv; for a failed call the argv that the caller gave.
    pub argv: Strings<'a>,
    /// Environment, if a rule needs it.
    pub env: Strings<'a>,
}

/// A connection attempt and its variable sections.
#[derive(Clone, Copy, Debug)]
pub struct ConnectEvent<'a> {
    /// Fixed part.
    pub fixed: Connect,
    /// Name of the unix socket that the caller gave: a path, or NUL and an abstract name.
    pub path: &'a [u8],
}

/// A plain system call at its exit.
#[derive(Clone, Copy, Debug)]
pub struct CallEvent {
    /// The description of the call.
    pub call: &'static SystemCall,
    /// The result and the arguments.
    pub fixed: Call,
}

/// The part of an event that depends on its kind.
#[derive(Clone, Copy, Debug)]
pub enum Detail<'a> {
    /// [`Kind::Exec`] or [`Kind::ExecFailed`].
    Exec(ExecEvent<'a>),
    /// [`Kind::Connect`].
    Connect(ConnectEvent<'a>),
    /// A plain system call.
    Call(CallEvent),
}
