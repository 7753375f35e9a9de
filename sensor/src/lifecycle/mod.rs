//! From start to stop: signals, one instance, fewer rights, panics, changed files, state folder.

mod instance;
mod lock_down;
mod memory;
mod panics;
mod pid_file;
mod signals;
mod socket;
mod state_folder;
mod watch;

pub use instance::{Instance, InstanceError};
pub use lock_down::{KEPT, LockDownError, Rights, lock_down};
pub(crate) use memory::{give_back, keep_large_apart};
pub use panics::{install as install_panic_hook, panicked, set_patience};
pub use pid_file::PidFile;
pub use signals::{Request, Signals};
pub use socket::SocketName;
pub use state_folder::{StateError, StateFolder};
pub use watch::Watch;
