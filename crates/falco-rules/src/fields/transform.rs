//! Falco's field transformers: `tolower(proc.name)`, `join(",", (…))`, …

use base64::{Engine as _, alphabet, engine};
use bumpalo::{Bump, collections::String, collections::Vec};

use super::{Value, sanitize};

/// A transformer: makes a new value from the values of its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Transformer {
    /// ASCII letters in lower case.
    ToLower,
    /// ASCII letters in upper case.
    ToUpper,
    /// The decoded bytes of Base64 text, with or without padding.
    B64,
    /// The part behind the last slash.
    Basename,
    /// Number of bytes of a text, or of elements of a list.
    Len,
    /// The elements of the second argument, joined by the first one.
    Join,
    /// Two or more texts, concatenated.
    Concat,
    /// The options in a list of arguments, as POSIX `getopt` finds them.
    GetOpt,
}

impl Transformer {
    /// All transformers.
    pub(crate) const ALL: [Self; 8] = [
        Self::ToLower,
        Self::ToUpper,
        Self::B64,
        Self::Basename,
        Self::Len,
        Self::Join,
        Self::Concat,
        Self::GetOpt,
    ];

    /// The spelling in a rule.
    #[must_use]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ToLower => "tolower",
            Self::ToUpper => "toupper",
            Self::B64 => "b64",
            Self::Basename => "basename",
            Self::Len => "len",
            Self::Join => "join",
            Self::Concat => "concat",
            Self::GetOpt => "getopt",
        }
    }

    /// The number of arguments.
    #[must_use]
    pub(crate) const fn arguments(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::Join | Self::GetOpt => 2..=2,
            Self::Concat => 2..=64,
            _ => 1..=1,
        }
    }

    /// Its value; absent if an argument is absent.
    pub(super) fn apply<'a>(
        self,
        arguments: &[Value<'a>],
        selector: Option<u8>,
        arena: &'a Bump,
    ) -> Value<'a> {
        match (self, arguments) {
            (Self::Len, [Value::Str(text)]) => Value::Uint(text.len() as u64),
            (Self::Len, [Value::List(values)]) => Value::Uint(values.len() as u64),
            (Self::Join, [Value::Str(separator), Value::List(values)]) => {
                texts(values, separator, arena)
            }
            (Self::Join, [Value::Str(_), single @ Value::Str(_)]) => *single,
            (Self::Concat, values) => texts(values, "", arena),
            (Self::GetOpt, [Value::List(values), Value::Str(options)]) => {
                getopt(values, options, selector, arena)
            }
            (_, [value]) => self.each(*value, arena),
            _ => Value::Absent,
        }
    }

    /// Applies a transformer of one text to a text, or to each element of a list.
    fn each<'a>(self, value: Value<'a>, arena: &'a Bump) -> Value<'a> {
        match value {
            Value::Str(text) => self.text(text, arena),
            Value::List(values) => {
                let mut out = Vec::with_capacity_in(values.len(), arena);
                for value in values {
                    match self.each(*value, arena) {
                        Value::Absent => return Value::Absent,
                        value => out.push(value),
                    }
                }
                Value::List(out.into_bump_slice())
            }
            _ => Value::Absent,
        }
    }

    fn text<'a>(self, text: &'a str, arena: &'a Bump) -> Value<'a> {
        match self {
            Self::ToLower if text.bytes().any(|b| b.is_ascii_uppercase()) => {
                let out = arena.alloc_str(text);
                out.make_ascii_lowercase();
                Value::Str(out)
            }
            Self::ToUpper if text.bytes().any(|b| b.is_ascii_lowercase()) => {
                let out = arena.alloc_str(text);
                out.make_ascii_uppercase();
                Value::Str(out)
            }
            Self::ToLower | Self::ToUpper => Value::Str(text),
            Self::B64 => {
                const LENIENT: engine::GeneralPurpose = engine::GeneralPurpose::new(
                    &alphabet::STANDARD,
                    engine::GeneralPurposeConfig::new()
                        .with_decode_allow_trailing_bits(true)
                        .with_decode_padding_mode(engine::DecodePaddingMode::Indifferent),
                );
                let room = arena.alloc_slice_fill_copy(text.len() / 4 * 3 + 3, 0_u8);
                match LENIENT.decode_slice(text, room) {
                    Ok(len) => Value::Str(sanitize(&room[..len], arena)),
                    Err(_) => Value::Absent,
                }
            }
            Self::Basename => Value::Str(text.rsplit('/').next().unwrap_or(text)),
            Self::Len | Self::Join | Self::Concat | Self::GetOpt => Value::Absent,
        }
    }
}

/// Concatenates values as one text; absent if one of them is absent.
fn texts<'a>(values: &[Value<'a>], separator: &str, arena: &'a Bump) -> Value<'a> {
    let mut out = String::new_in(arena);
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push_str(separator);
        }
        match value {
            Value::Str(text) => out.push_str(text),
            Value::Absent => return Value::Absent,
            value => {
                let mut bytes = std::vec::Vec::new();
                value.write_text(&mut bytes);
                out.push_str(&std::string::String::from_utf8_lossy(&bytes));
            }
        }
    }
    Value::Str(out.into_bump_str())
}

/// POSIX `getopt` as in Falco: each option, followed by its value if the option takes one; an
/// unknown option is `?`. With a selector (`getopt(…)[t]`) only the last value of that option (its
/// letter, if the option takes no value), or absent.
fn getopt<'a>(
    arguments: &[Value<'a>],
    options: &str,
    selector: Option<u8>,
    arena: &'a Bump,
) -> Value<'a> {
    let known = |letter: u8| {
        let options = options.as_bytes();
        let at = options.iter().position(|&b| b == letter && b != b':')?;
        Some(options.get(at + 1) == Some(&b':'))
    };
    let mut found = Vec::new_in(arena);
    let mut selected = None;
    let mut rest = arguments.iter().map(|value| match value {
        Value::Str(text) => *text,
        _ => "",
    });
    'arguments: while let Some(argument) = rest.next() {
        if argument.len() > 2 && argument.starts_with("--") {
            continue;
        }
        if argument.len() < 2 || !argument.starts_with('-') || argument == "--" {
            break;
        }
        for (at, letter) in argument.char_indices().skip(1) {
            let name = &argument[at..at + letter.len_utf8()];
            let byte = name.as_bytes()[0];
            let takes_value = (name.len() == 1).then(|| known(byte)).flatten();
            let wanted = selector.is_none_or(|wanted| wanted == byte);
            match takes_value {
                None if selector.is_none() => found.push(Value::Str("?")),
                Some(false) if wanted => {
                    found.push(Value::Str(name));
                    selected = Some(name);
                }
                None | Some(false) => {}
                Some(true) => {
                    let value = match &argument[at + 1..] {
                        "" => rest.next(),
                        attached => Some(attached),
                    };
                    if wanted {
                        match value {
                            Some(value) => {
                                found.push(Value::Str(name));
                                found.push(Value::Str(value));
                            }
                            None => found.push(Value::Str("")),
                        }
                        selected = Some(value.unwrap_or(""));
                    }
                    continue 'arguments;
                }
            }
        }
    }
    match (selector, selected) {
        (None, _) => Value::List(found.into_bump_slice()),
        (Some(_), Some(value)) => Value::Str(value),
        (Some(_), None) => Value::Absent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(transformer: Transformer, text: &str, expected: Option<&str>) {
        let arena = Bump::new();
        let got = transformer.apply(&[Value::Str(text)], None, &arena);
        assert_eq!(
            got,
            expected.map_or(Value::Absent, Value::Str),
            "{transformer:?}"
        );
    }

    #[test]
    fn texts_are_transformed() {
        one(Transformer::ToLower, "AbCé", Some("abcé"));
        one(Transformer::ToUpper, "AbC", Some("ABC"));
        one(Transformer::B64, "bmM=", Some("nc"));
        one(Transformer::B64, "bmM", Some("nc"));
        one(Transformer::B64, "%%%", None);
        one(Transformer::Basename, "/usr/bin/nc", Some("nc"));
        one(Transformer::Basename, "/usr/bin/", Some(""));
        one(Transformer::Basename, "nc", Some("nc"));
    }

    #[test]
    fn len_counts_bytes_or_elements() {
        let arena = Bump::new();
        let len = |value| Transformer::Len.apply(&[value], None, &arena);
        assert_eq!(len(Value::Str("é")), Value::Uint(2));
        assert_eq!(
            len(Value::List(&[Value::Str("a"), Value::Str("b")])),
            Value::Uint(2)
        );
        assert_eq!(len(Value::Absent), Value::Absent);
    }

    #[test]
    fn join_and_concat_are_absent_if_a_part_is() {
        let arena = Bump::new();
        let parts = [Value::Str("a"), Value::Str("b")];
        let join = |list| Transformer::Join.apply(&[Value::Str("-"), list], None, &arena);
        assert_eq!(join(Value::List(&parts)), Value::Str("a-b"));
        assert_eq!(join(Value::List(&[parts[0], Value::Absent])), Value::Absent);
        assert_eq!(
            Transformer::Concat.apply(&parts, None, &arena),
            Value::Str("ab")
        );
        let missing = [parts[0], Value::Absent];
        assert_eq!(
            Transformer::Concat.apply(&missing, None, &arena),
            Value::Absent
        );
    }

    fn options(arguments: &[&str], options: &str, selector: Option<u8>) -> std::string::String {
        let arena = Bump::new();
        let values: std::vec::Vec<_> = arguments.iter().map(|a| Value::Str(a)).collect();
        let values = arena.alloc_slice_copy(&values);
        let arguments = [Value::List(values), Value::Str(options)];
        let mut out = std::vec::Vec::new();
        Transformer::GetOpt
            .apply(&arguments, selector, &arena)
            .write_text(&mut out);
        std::string::String::from_utf8(out).unwrap()
    }

    #[test]
    fn getopt_lists_options_and_their_values() {
        assert_eq!(
            options(&["-nt", "5", "-x", "file", "-n"], "nt:", None),
            "n t 5 ?"
        );
        assert_eq!(options(&["--long", "-n", "--", "-n"], "n", None), "n");
        assert_eq!(options(&["-t"], "t:", None), "");
    }

    #[test]
    fn getopt_with_a_selector_is_the_last_value() {
        assert_eq!(options(&["-t1", "-t", "2"], "t:", Some(b't')), "2");
        assert_eq!(options(&["-n"], "nt:", Some(b'n')), "n");
        assert_eq!(options(&["-n"], "nt:", Some(b't')), "<NA>");
    }
}
