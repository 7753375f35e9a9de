//! Where events come from: a folder for each source.

pub mod syscall;
