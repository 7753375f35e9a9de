//! The sources of events, a folder for each.

pub mod syscall;
