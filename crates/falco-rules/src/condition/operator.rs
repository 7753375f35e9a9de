//! Operators of checks.

/// What stands between a field and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Operator {
    /// `exists`
    Exists,
    /// `=` or `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `contains`
    Contains,
    /// `icontains`
    IContains,
    /// `bcontains`
    BContains,
    /// `startswith`
    StartsWith,
    /// `bstartswith`
    BStartsWith,
    /// `endswith`
    EndsWith,
    /// `glob`
    Glob,
    /// `iglob`
    IGlob,
    /// `regex`
    Regex,
    /// `in`
    In,
    /// `intersects`
    Intersects,
    /// `pmatch`
    PMatch,
}

/// The kind of the right-hand side of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing.
    Nothing,
    /// A number.
    Number,
    /// A text.
    Text,
    /// A list in parentheses.
    List,
}

impl Operator {
    /// All operators; of two where one is a prefix of the other, the longer one comes first.
    pub(crate) const ALL: [(&'static str, Self); 20] = [
        ("==", Self::Eq),
        ("=", Self::Eq),
        ("!=", Self::Ne),
        ("<=", Self::Le),
        ("<", Self::Lt),
        (">=", Self::Ge),
        (">", Self::Gt),
        ("exists", Self::Exists),
        ("contains", Self::Contains),
        ("icontains", Self::IContains),
        ("bcontains", Self::BContains),
        ("startswith", Self::StartsWith),
        ("bstartswith", Self::BStartsWith),
        ("endswith", Self::EndsWith),
        ("glob", Self::Glob),
        ("iglob", Self::IGlob),
        ("regex", Self::Regex),
        ("intersects", Self::Intersects),
        ("in", Self::In),
        ("pmatch", Self::PMatch),
    ];

    /// The spelling in a condition.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "=",
            _ => Self::ALL
                .iter()
                .find(|(_, operator)| *operator == self)
                .map_or("=", |(name, _)| name),
        }
    }

    /// The kind of its right-hand side.
    #[must_use]
    pub(crate) const fn takes(self) -> Takes {
        match self {
            Self::Exists => Takes::Nothing,
            Self::Lt | Self::Le | Self::Gt | Self::Ge => Takes::Number,
            Self::In | Self::Intersects | Self::PMatch => Takes::List,
            _ => Takes::Text,
        }
    }
}

/// How many values of a list must pass, written behind an operator of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::enum_variant_names,
    reason = "they are named as they are written"
)]
pub(crate) enum Modifier {
    /// Exactly one of them.
    OneOf,
    /// At least one of them.
    AnyOf,
    /// Each of them.
    AllOf,
}

impl Modifier {
    /// Each of them.
    pub(crate) const ALL: [(&'static str, Self); 3] = [
        ("oneof", Self::OneOf),
        ("anyof", Self::AnyOf),
        ("allof", Self::AllOf),
    ];

    /// The spelling in a condition.
    #[must_use]
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::OneOf => "oneof",
            Self::AnyOf => "anyof",
            Self::AllOf => "allof",
        }
    }
}
