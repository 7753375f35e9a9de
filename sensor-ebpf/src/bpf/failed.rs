//! Failed execs, at the exit of the system call.
