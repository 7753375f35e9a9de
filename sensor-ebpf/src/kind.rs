//! The kinds of events: one row each. Numbers, names, counts, masks and the sizes of what has an
//! entry for each kind follow from the rows.

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// What a record tells of.
        #[repr(u16)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// All kinds, in the order of their numbers.
            pub const ALL: [Self; KINDS] = [$(Self::$kind,)*];

            /// Its name in metrics and in records of the sensor's own.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// The kind of a number on the wire.
            #[must_use]
            pub const fn from_raw(raw: u16) -> Option<Self> {
                $(if raw == Self::$kind as u16 {
                    return Some(Self::$kind);
                })*
                None
            }
        }

        /// Number of kinds.
        pub const KINDS: usize = [$($name,)*].len();
    };
}

kinds! {
    /// `execve` or `execveat` that succeeded.
    Exec = "exec",
    /// `execve` or `execveat` that failed.
    ExecFailed = "exec_failed",
    /// A connection attempt.
    Connect = "connect",
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

    /// The choice of a mask that [`Self::mask`] gave.
    #[must_use]
    pub const fn of_mask(mask: u64) -> Self {
        Self(mask)
    }

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

    /// The chosen kinds, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::ALL
            .into_iter()
            .filter(move |kind| self.contains(*kind))
    }
}
