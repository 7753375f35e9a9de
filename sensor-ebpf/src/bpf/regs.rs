//! Arguments of a system call, from the registers that the task saved.
