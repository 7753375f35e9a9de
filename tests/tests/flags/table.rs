//! The form of the table of flags.

/// What a stream has.
#[derive(Clone, Copy)]
pub(crate) enum Has {
    /// Not a byte.
    Nothing,
    /// Each of these texts.
    Text(&'static [&'static str]),
    /// One line with this text.
    OneLine(&'static str),
    /// JSON with a value at each of these pointers.
    Json(&'static [&'static str]),
}

/// A command line and what it does.
pub(crate) struct Try {
    /// The arguments; `{NAME}` is a file of the test, `+` a blank in an argument.
    pub(crate) line: &'static str,
    /// Standard output.
    pub(crate) out: Has,
    /// Standard error.
    pub(crate) error: Has,
    /// The exit code.
    pub(crate) code: i32,
}

/// A flag.
pub(crate) struct Row {
    pub(crate) flag: &'static str,
    pub(crate) does: &'static str,
    pub(crate) tries: &'static [Try],
}

pub(crate) const fn says(line: &'static str, out: Has) -> Try {
    Try {
        line,
        out,
        error: Has::Nothing,
        code: 0,
    }
}

pub(crate) const fn fails(line: &'static str, error: &'static str) -> Try {
    Try {
        line,
        out: Has::Nothing,
        error: Has::OneLine(error),
        code: 1,
    }
}

/// A check of valid rules, which counts those that can match.
pub(crate) const fn checks(line: &'static str, out: Has) -> Try {
    Try {
        line,
        out,
        error: Has::Text(&[" active"]),
        code: 0,
    }
}

/// A run of a second.
pub(crate) const fn runs(line: &'static str, error: &'static [&'static str]) -> Try {
    Try {
        line,
        out: Has::Nothing,
        error: Has::Text(error),
        code: 0,
    }
}
