//! The programs' own log, for developers: lines that user space takes over into the sensor's
//! log. Only the feature `log` compiles them in; the object that ships has none.

/// Functions that log a line. Each has a stack of its own, for that of the programs is full.
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
    /// An exec was seen, and is reported.
    exec_wanted(tgid: u32), "process {}: exec is wanted";
    /// An exec was seen, and nobody wants it, or its cgroup's budget is used up.
    exec_unwanted(tgid: u32), "process {}: exec is not wanted";
    /// The exit of a `connect` was seen, of a process whose connects are wanted.
    connect_ended(tgid: u32, fd: i32, result: i64), "process {}: connect of descriptor {} ended with {}";
}
