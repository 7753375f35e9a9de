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
    /// Path that was given to the call.
    pub filename: &'a [u8],
    /// argv; of a failed call the argv that was tried.
    pub argv: Strings<'a>,
    /// Environment, if it was asked for.
    pub env: Strings<'a>,
}

/// A connection attempt and its variable sections.
#[derive(Clone, Copy, Debug)]
pub struct ConnectEvent<'a> {
    /// Fixed part.
    pub fixed: Connect,
    /// Name of the unix socket as given: a path, or NUL and an abstract name.
    pub path: &'a [u8],
}

/// A plain system call at its exit.
#[derive(Clone, Copy, Debug)]
pub struct CallEvent {
    /// Which one.
    pub call: &'static SystemCall,
    /// What it was given, and returned.
    pub fixed: Call,
}

/// What an event tells, beside who did it.
#[derive(Clone, Copy, Debug)]
pub enum Detail<'a> {
    /// [`Kind::Exec`] or [`Kind::ExecFailed`].
    Exec(ExecEvent<'a>),
    /// [`Kind::Connect`].
    Connect(ConnectEvent<'a>),
    /// A plain system call.
    Call(CallEvent),
}
