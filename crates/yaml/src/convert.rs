//! Texts → truth values and numbers, as yaml-cpp converts them (`Node::as`), whatever the style of
//! the text: `"5"` is a number, and `5` is a text where a text is wanted.

use super::Node;

/// White space that C++ streams go over.
const SPACE: [char; 6] = [' ', '\t', '\n', '\x0b', '\x0c', '\r'];

impl Node {
    /// A truth value: `y`, `yes`, `true`, `on` or `n`, `no`, `false`, `off`; in small or capital
    /// letters, or with a capital at the beginning.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        let text = self.as_str()?;
        let small = text.to_ascii_lowercase();
        let with_capital =
            || text[..1] == small[..1].to_ascii_uppercase() && text[1..] == small[1..];
        if text.is_empty() || !text.is_ascii() {
            return None;
        }
        if text != small && text != text.to_ascii_uppercase() && !with_capital() {
            return None;
        }
        match small.as_str() {
            "y" | "yes" | "true" | "on" => Some(true),
            "n" | "no" | "false" | "off" => Some(false),
            _ => None,
        }
    }

    /// A whole number: decimal, `0x…`, or octal with a zero before it (`010` is eight).
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        let (negative, number) = whole(self.as_str()?)?;
        let number = i128::from(number);
        i64::try_from(if negative { -number } else { number }).ok()
    }

    /// A whole number that is not negative.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match whole(self.as_str()?)? {
            (false, number) => Some(number),
            (true, _) => None,
        }
    }

    /// A number that is not infinite: decimal, with a point or an exponent or both.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        let text = self.as_str()?.trim_end_matches(SPACE);
        let is_decimal = |b: u8| b.is_ascii_digit() || b"+-.eE".contains(&b);
        if !text.bytes().all(is_decimal) {
            return None;
        }
        text.parse().ok().filter(|number: &f64| number.is_finite())
    }
}

/// The number behind a sign, and whether the sign is `-`.
fn whole(text: &str) -> Option<(bool, u64)> {
    let text = text.trim_end_matches(SPACE);
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, radix) = match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    // A second sign is none that a number has.
    if !digits.starts_with(|c: char| c.is_digit(radix)) {
        return None;
    }
    Some((negative, u64::from_str_radix(digits, radix).ok()?))
}
