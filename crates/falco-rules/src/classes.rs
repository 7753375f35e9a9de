//! Sets of classes of events.

/// A set of classes of a source's events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Classes(u128);

impl Classes {
    /// The most classes that a source can have.
    pub const MAX: usize = 128;
    /// The empty set.
    pub const NONE: Self = Self(0);
    /// The set of all classes.
    pub const ALL: Self = Self(u128::MAX);

    /// The set of one class.
    ///
    /// # Panics
    /// If its number is not less than [`Self::MAX`].
    #[must_use]
    pub const fn one(class: usize) -> Self {
        assert!(class < Self::MAX, "too many classes");
        Self(1 << class)
    }

    /// The union of two sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a class is in the set.
    #[must_use]
    #[inline]
    pub const fn contains(self, class: usize) -> bool {
        class < Self::MAX && self.0 >> class & 1 == 1
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_contains_what_it_was_made_of() {
        let some = Classes::one(0).union(Classes::one(127));
        assert!(some.contains(0) && some.contains(127) && !some.contains(1));
        assert!(Classes::ALL.contains(127) && !Classes::ALL.contains(128));
        assert!(Classes::NONE.is_empty() && !some.is_empty());
    }
}
