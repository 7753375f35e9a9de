//! The kinds of events: one row each. Numbers, names, counts, masks and the sizes of all arrays by
//! kind follow from the rows.
//!
//! A plain system call is a row and nothing else: see `docs/system-calls.md`.

use crate::{
    CallArgument, Form, Numbers, SystemCall,
    flags::{CLONE_FLAGS, PTRACE_REQUESTS},
    functions,
};

/// What an event of a kind has beside its process: the fixed part of the record, which also decides
/// how user space shows the event.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// [`crate::Exec`].
    Exec,
    /// [`crate::Connect`].
    Connect,
    /// [`crate::Call`], of this system call.
    Call(&'static SystemCall),
}

macro_rules! kinds {
    (events { $(
            $(#[doc = $doc:literal])*
            $kind:ident = $name:literal {
                types: [$($type:literal),*],
                category: $category:literal,
                part: $part:ident,
            },
        )* }
        calls { $(
            $(#[doc = $call_doc:literal])*
            $call:ident = $call_name:literal {
                numbers: { $($abi:ident: [$($number:literal),*]),* $(,)? },
                category: $call_category:literal,
                arguments: { $(
                    $(#[doc = $argument_doc:literal])*
                    $argument:ident = $register:literal as $form:expr,
                )* },
            },
        )* }
    ) => {
        /// The kind of an event.
        #[repr(u16)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind {
            $($(#[doc = $doc])* $kind,)*
            $($(#[doc = $call_doc])* $call,)*
        }

        /// The plain system calls.
        const CALLS: &[SystemCall] = &[$(SystemCall {
            kind: Kind::$call,
            name: $call_name,
            tracepoint: concat!("sys_exit_", $call_name),
            functions: functions!($call_name),
            numbers: Numbers { $($abi: &[$($number),*]),* },
            arguments: &[$(CallArgument {
                name: stringify!($argument),
                field: concat!("evt.arg.", stringify!($argument)),
                doc: concat!($($argument_doc),*).trim_ascii(),
                register: $register,
                form: $form,
            }),*],
        }),*];

        impl Kind {
            /// All kinds, in the order of their numbers.
            pub const ALL: [Self; KINDS] = [$(Self::$kind,)* $(Self::$call,)*];

            /// The name of the kind in metrics and in internal records.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                    $(Self::$call => $call_name,)*
                }
            }

            /// The values that `evt.type` may have.
            #[must_use]
            pub const fn types(self) -> &'static [&'static str] {
                match self {
                    $(Self::$kind => &[$($type),*],)*
                    $(Self::$call => &[$call_name],)*
                }
            }

            /// `evt.category`.
            #[must_use]
            pub const fn category(self) -> &'static str {
                match self {
                    $(Self::$kind => $category,)*
                    $(Self::$call => $call_category,)*
                }
            }

            /// A description of the kind for people, one sentence.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$kind => concat!($($doc),*).trim_ascii(),)*
                    $(Self::$call => concat!($($call_doc),*).trim_ascii(),)*
                }
            }

            /// The kind's own part of a record.
            #[must_use]
            pub const fn part(self) -> Part {
                match self {
                    $(Self::$kind => Part::$part,)*
                    _ => Part::Call(&CALLS[self as usize - FIRST_CALL]),
                }
            }
        }

        /// Number of kinds.
        pub const KINDS: usize = FIRST_CALL + CALLS.len();

        /// The number of the first kind that is a plain system call.
        const FIRST_CALL: usize = [$($name,)*].len();
    };
}

kinds! {
events {
    /// A program was executed: at success, with what was really executed.
    Exec = "exec" {
        types: ["execve"],
        category: "process",
        part: Exec,
    },
    /// An exec that failed, with its error; only with engine.modern_ebpf.drop_failed_exit: false.
    ExecFailed = "exec_failed" {
        types: ["execve", "execveat"],
        category: "process",
        part: Exec,
    },
    /// A connection attempt, with its outcome.
    Connect = "connect" {
        types: ["connect"],
        category: "net",
        part: Connect,
    },
}

calls {
    /// A thread entered other namespaces, or failed to.
    Setns = "setns" {
        numbers: { x86_64: [308], i386: [346], arm64: [268], arm: [375] },
        category: "process",
        arguments: {
            /// Number of the descriptor.
            fd = 0 as Form::Descriptor,
            /// Kinds of the namespaces: `CLONE_NEWNET`, …; `0` for whatever the descriptor has.
            nstype = 1 as Form::Flags(CLONE_FLAGS),
        },
    },
    /// A thread traced another one, let itself be traced, or failed to.
    Ptrace = "ptrace" {
        numbers: { x86_64: [101], i386: [26], arm64: [117], arm: [26] },
        category: "process",
        arguments: {
            /// Address in the tracee, hexadecimal.
            addr = 2 as Form::Address,
            /// Value or address for the request, hexadecimal.
            data = 3 as Form::Address,
            /// The request: `PTRACE_ATTACH`, …
            request = 0 as Form::Choice(&PTRACE_REQUESTS),
            /// Thread id of the tracee.
            pid = 1 as Form::Number,
        },
    },
}
}

impl Kind {
    /// The kind of a number on the wire.
    ///
    /// Not by a comparison with each kind: the programs would be verified once for each.
    #[must_use]
    pub const fn from_raw(raw: u16) -> Option<Self> {
        if (raw as usize) < KINDS {
            Some(Self::ALL[raw as usize])
        } else {
            None
        }
    }
}

impl SystemCall {
    /// All plain system calls, in the order of their kinds.
    pub const ALL: &[Self] = CALLS;
}

/// A choice of kinds: a bit for each, by the kind's number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u64);

// A mask has a bit for each kind.
const _: () = assert!(KINDS <= u64::BITS as usize);

impl Kinds {
    /// No kind.
    pub const NONE: Self = Self(0);
    /// Every kind.
    pub const ALL: Self = {
        let mut all = Self::NONE;
        let mut number = 0;
        while number < KINDS {
            all = all.with(Kind::ALL[number]);
            number += 1;
        }
        all
    };
    /// The kinds that are plain system calls.
    pub const CALLS: Self = {
        let mut calls = Self::NONE;
        let mut number = FIRST_CALL;
        while number < KINDS {
            calls = calls.with(Kind::ALL[number]);
            number += 1;
        }
        calls
    };

    /// A bit for each chosen kind, by its number.
    #[must_use]
    pub const fn mask(self) -> u64 {
        self.0
    }

    /// With one kind more.
    #[must_use]
    pub const fn with(self, kind: Kind) -> Self {
        Self(self.0 | 1 << kind as u32)
    }

    /// Without a kind.
    #[must_use]
    pub const fn without(self, kind: Kind) -> Self {
        Self(self.0 & !(1 << kind as u32))
    }

    /// With one kind more, if a condition is true.
    #[must_use]
    pub const fn with_if(self, kind: Kind, condition: bool) -> Self {
        if condition { self.with(kind) } else { self }
    }

    /// Whether a kind is chosen.
    #[must_use]
    pub const fn contains(self, kind: Kind) -> bool {
        self.0 & 1 << kind as u32 != 0
    }

    /// The kinds of both choices.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The kinds that are in both choices.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether a kind is in both choices.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The chosen kinds, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::ALL
            .into_iter()
            .filter(move |kind| self.contains(*kind))
    }
}
