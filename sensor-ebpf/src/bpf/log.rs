//! The log of the eBPF programs, for developers: user space copies its lines into the sensor's log.
//! Only the feature `log` compiles these functions; the object that ships has none.

/// Functions that log a line. Each function has its own stack, since the programs use all of
/// theirs.
macro_rules! lines {
    ($($(#[$meta:meta])* $name:ident($($value:ident: $ty:ty),*), $format:literal;)*) => {$(
        $(#[$meta])*
        #[inline(never)]
        pub fn $name($($value: $ty),*) {
            aya_log_ebpf::debug!(&(), $format, $($value),*);
        }
    )*};
}

lines! {
    /// The sensor reports an exec.
    exec_wanted(tgid: u32), "process {}: exec is wanted";
    /// No rule wants this exec, or its cgroup has used up its budget.
    exec_unwanted(tgid: u32), "process {}: exec is not wanted";
    /// The program sees the exit of a `connect` of a process whose connects user space wants.
    connect_ended(tgid: u32, fd: i32, result: i64), "process {}: connect of descriptor {} ended with {}";
}
