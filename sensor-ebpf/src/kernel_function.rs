//! Kernel functions that the eBPF programs call.
//!
//! Kernel functions have no fixed numbers as helpers do. The compiled programs call numbers that no
//! helper has, and user space replaces these by the numbers from the kernel's type information.

/// Stands for `bpf_preempt_disable` (Linux 6.10 and later).
pub const PREEMPT_DISABLE: i32 = 0x7fff_0001;
/// Stands for `bpf_preempt_enable` (Linux 6.10 and later).
pub const PREEMPT_ENABLE: i32 = 0x7fff_0002;
/// Stands for `bpf_rdonly_cast` (Linux 6.2 and later).
pub const RDONLY_CAST: i32 = 0x7fff_0003;

macro_rules! casts {
    ($($(#[$m:meta])* $field:ident = $name:literal),* $(,)?) => {
        /// The numbers of the types to which the programs cast addresses, in the kernel's type
        /// information.
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[cfg_attr(
            not(target_arch = "bpf"),
            derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
        )]
        pub struct CastTypes { $($(#[$m])* #[doc = concat!("`struct ", $name, "`")] pub $field: u32),* }

        impl CastTypes {
            /// No types, for kernels that cannot cast: the value in the object file.
            pub const NONE: Self = Self { $($field: 0),* };

            /// Each structure's name, and how to set its number.
            pub const NAMES: &'static [(&'static str, fn(&mut Self, u32))] =
                &[$(($name, |types, number| types.$field = number)),*];
        }
    };
}

casts! {
    file = "file",
    dentry = "dentry",
    mount = "mount",
    socket = "socket",
    /// Begins with numbers of 64 bits, so the programs read bytes by this type.
    words = "task_cputime",
}
