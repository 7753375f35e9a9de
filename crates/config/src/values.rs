//! Values with a unit or a fixed set of names.

use std::{fmt, str::FromStr, time::Duration};

/// The error of parsing a value: what the text must look like.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub struct Expected(pub &'static str);

/// A number of bytes: `4096`, `32KiB`, `100MiB`, `1GiB` (`k`, `M`, `G` and `KB`,
/// `MB`, `GB` are the same).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// That many KiB.
    #[must_use]
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }

    /// That many MiB.
    #[must_use]
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }
}

/// A number and the word behind it.
fn split_unit(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

impl FromStr for ByteSize {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: Expected = Expected("a number of bytes like 4096, 32KiB, 100MiB or 1GiB");
        let (number, unit) = split_unit(text.trim());
        let shift = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "k" | "kb" | "ki" | "kib" => 10,
            "m" | "mb" | "mi" | "mib" => 20,
            "g" | "gb" | "gi" | "gib" => 30,
            _ => return Err(EXPECTED),
        };
        let number: u64 = number.parse().map_err(|_| EXPECTED)?;
        number.checked_mul(1 << shift).map(Self).ok_or(EXPECTED)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
        let fits = |shift: &u32| self.0 > 0 && self.0.is_multiple_of(1 << shift);
        match units.into_iter().find(|(shift, _)| fits(shift)) {
            Some((shift, unit)) => write!(f, "{}{unit}", self.0 >> shift),
            None => write!(f, "{}", self.0),
        }
    }
}

/// A span of time: `500ms`, `2s`, `15m`, `1h`, `1d`, or parts like `1h30m`; a
/// number alone is in the key's own unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    /// That many seconds.
    #[must_use]
    pub const fn from_secs(n: u64) -> Self {
        Self(Duration::from_secs(n))
    }

    /// That many milliseconds.
    #[must_use]
    pub const fn from_millis(n: u64) -> Self {
        Self(Duration::from_millis(n))
    }

    /// The span of time, unless it is 0, which stands for *never*.
    #[must_use]
    pub fn some(self) -> Option<Duration> {
        (!self.0.is_zero()).then_some(self.0)
    }
}

impl FromStr for Span {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: Expected = Expected("a span of time like 500ms, 2s, 15m, 1h or 0");
        let mut rest = text.trim();
        if rest == "0" {
            return Ok(Self::default());
        }
        if rest.is_empty() {
            return Err(EXPECTED);
        }
        let mut total = Duration::ZERO;
        while !rest.is_empty() {
            let (number, _) = split_unit(rest);
            let unit = &rest[number.len()..];
            let end = unit
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(unit.len());
            let millis: u64 = match &unit[..end] {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                "w" => 604_800_000,
                _ => return Err(EXPECTED),
            };
            let part = number
                .parse::<u64>()
                .ok()
                .and_then(|n| n.checked_mul(millis))
                .ok_or(EXPECTED)?;
            total = total
                .checked_add(Duration::from_millis(part))
                .ok_or(EXPECTED)?;
            rest = &unit[end..];
        }
        Ok(Self(total))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let units = [
            (86_400_000, "d"),
            (3_600_000, "h"),
            (60_000, "m"),
            (1_000, "s"),
        ];
        match units
            .into_iter()
            .find(|(unit, _)| millis.is_multiple_of(*unit))
        {
            _ if millis == 0 => f.write_str("0"),
            Some((unit, name)) => write!(f, "{}{name}", millis / unit),
            None => write!(f, "{millis}ms"),
        }
    }
}

/// Permissions of a file, in octal: `0640`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

impl FromStr for Mode {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        let digits = text.strip_prefix("0o").unwrap_or(text);
        u32::from_str_radix(digits, 8)
            .ok()
            .filter(|mode| *mode <= 0o777)
            .map(Self)
            .ok_or(Expected("permissions in octal like 0640, at most 0777"))
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0{:o}", self.0)
    }
}

/// Owner of a file, in numbers: `1000:1000`, `1000`, `:1000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// User id.
    pub uid: Option<u32>,
    /// Group id.
    pub gid: Option<u32>,
}

impl FromStr for Owner {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: Expected = Expected("user and group in numbers like 1000:1000");
        let id = |text: &str| match text {
            "" => Ok(None),
            digits => digits
                .parse()
                .ok()
                .filter(|id| *id != u32::MAX)
                .map(Some)
                .ok_or(EXPECTED),
        };
        let (uid, gid) = text.split_once(':').unwrap_or((text, ""));
        let owner = Self {
            uid: id(uid)?,
            gid: id(gid)?,
        };
        if owner.uid.is_none() && owner.gid.is_none() {
            return Err(EXPECTED);
        }
        Ok(owner)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(uid) = self.uid {
            write!(f, "{uid}")?;
        }
        match self.gid {
            Some(gid) => write!(f, ":{gid}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("4096", 4096),
            ("32KiB", 32768),
            ("1 M", 1 << 20),
            ("2g", 2 << 30),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in ["", "KiB", "-1", "1.5M", "1TiBs", "99999999999999GiB"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
        assert_eq!(ByteSize(32768).to_string(), "32KiB");
        assert_eq!(ByteSize(1000).to_string(), "1000");
    }

    #[test]
    fn spans_have_units() {
        for (text, millis) in [("500ms", 500), ("2s", 2000), ("1h30m", 5_400_000), ("0", 0)] {
            assert_eq!(text.parse(), Ok(Span::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "s", "1.5s", "1y", "-1s", "99999999999999999w"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        assert_eq!(Span::from_secs(90).to_string(), "90s");
        assert_eq!(Span::from_secs(7200).to_string(), "2h");
    }

    #[test]
    fn modes_and_owners_are_numbers() {
        assert_eq!("0640".parse(), Ok(Mode(0o640)));
        assert!("0888".parse::<Mode>().is_err());
        assert!("4755".parse::<Mode>().is_err());
        let owner = |uid, gid| Ok(Owner { uid, gid });
        assert_eq!("1000:10".parse(), owner(Some(1000), Some(10)));
        assert_eq!(":10".parse(), owner(None, Some(10)));
        assert!("root".parse::<Owner>().is_err());
        assert!(":".parse::<Owner>().is_err());
    }
}
