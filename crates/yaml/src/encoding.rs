//! Bytes → text.

use std::borrow::Cow;

/// The text of a file in UTF-8, UTF-16 or UTF-32, as yaml-cpp recognizes them: by a byte order
/// mark, or by the zero bytes around the first character. The mark is removed; what is no character
/// becomes U+FFFD, and [`crate::parse()`] warns about that.
#[must_use]
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match bytes {
        [0, 0, 0xfe, 0xff, rest @ ..] => utf32(rest, u32::from_be_bytes),
        [0, 0, 0, ..] => utf32(bytes, u32::from_be_bytes),
        [0xff, 0xfe, 0, 0, rest @ ..] => utf32(rest, u32::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0, 1..=0xff, ..] => utf16(bytes, u16::from_be_bytes),
        [1..=0xff, 0, 0, 0, ..] => utf32(bytes, u32::from_le_bytes),
        [1..=0xff, 0, ..] => utf16(bytes, u16::from_le_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest),
        _ => String::from_utf8_lossy(bytes),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Cow<'static, str> {
    let (units, _) = bytes.as_chunks();
    char::decode_utf16(units.iter().map(|bytes| unit(*bytes)))
        .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

fn utf32(bytes: &[u8], unit: fn([u8; 4]) -> u32) -> Cow<'static, str> {
    let (units, _) = bytes.as_chunks();
    units
        .iter()
        .map(|bytes| char::from_u32(unit(*bytes)).unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text in each encoding, with its byte order mark.
    fn encoded(text: &str) -> [Vec<u8>; 5] {
        let marked = format!("\u{feff}{text}");
        let units: Vec<u16> = marked.encode_utf16().collect();
        let characters: Vec<u32> = marked.chars().map(u32::from).collect();
        [
            marked.clone().into_bytes(),
            units.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
            units.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
            characters.iter().flat_map(|c| c.to_be_bytes()).collect(),
            characters.iter().flat_map(|c| c.to_le_bytes()).collect(),
        ]
    }

    #[test]
    fn a_byte_order_mark_says_the_encoding() {
        for bytes in encoded("a: é 日 🦀\n") {
            assert_eq!(decode(&bytes), "a: é 日 🦀\n", "{bytes:02x?}");
        }
    }

    #[test]
    fn without_a_mark_zero_bytes_say_the_encoding() {
        for (bytes, mark) in encoded("a: é\n").iter().zip([3, 2, 2, 4, 4]) {
            assert_eq!(decode(&bytes[mark..]), "a: é\n", "{bytes:02x?}");
        }
    }

    #[test]
    fn what_is_no_character_is_replaced() {
        assert_eq!(decode(b"a\xe9b"), "a\u{fffd}b");
        assert_eq!(decode(&[0xff, 0xfe, b'a', 0, 0, 0xd8]), "a\u{fffd}");
    }
}
