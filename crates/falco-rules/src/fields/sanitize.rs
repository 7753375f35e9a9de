//! Bytes from outside → text that is safe to print, as in Falco.

use bumpalo::{Bump, collections::String};

/// Makes text from bytes: ASCII 0x20–0x7E and printable UTF-8 pass; each ASCII control character
/// (newline, tab, ESC and DEL too), each C1 control character, each Unicode non-character and each
/// maximal invalid part becomes one U+FFFD.
///
/// Borrows the bytes where no byte has to change, which is nearly always.
pub fn sanitize<'a>(bytes: &'a [u8], arena: &'a Bump) -> &'a str {
    if bytes.chunks(32).all(is_plain)
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return text;
    }
    let mut out = String::with_capacity_in(bytes.len() + 16, arena);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            out.push(if is_printable(c) {
                c
            } else {
                char::REPLACEMENT_CHARACTER
            });
        }
        if !chunk.invalid().is_empty() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
    out.into_bump_str()
}

/// Whether all bytes are printable ASCII. Checks all of them without an early return, so that the
/// compiler can check many at once.
fn is_plain(bytes: &[u8]) -> bool {
    let plain = |byte: u8| matches!(byte, 0x20..=0x7e);
    bytes.iter().fold(true, |all, byte| all & plain(*byte))
}

/// Whether a character is neither a control character nor a Unicode non-character.
fn is_printable(c: char) -> bool {
    let n = u32::from(c);
    !c.is_control() && !(0xfdd0..=0xfdef).contains(&n) && n & 0xfffe != 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: &str) {
        assert_eq!(sanitize(bytes, &Bump::new()), expected);
    }

    #[test]
    fn printable_text_passes_unchanged() {
        check(
            b"\"dq\" 'sq' back\\slash %name",
            "\"dq\" 'sq' back\\slash %name",
        );
        check("é 🦀 €".as_bytes(), "é 🦀 €");
    }

    #[test]
    fn each_control_byte_is_replaced() {
        check(
            b"a\nb\tc\rd\x1be\x7f",
            "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e\u{fffd}",
        );
    }

    #[test]
    fn a_c1_control_is_replaced_once() {
        check("x\u{85}y".as_bytes(), "x\u{fffd}y");
    }

    #[test]
    fn each_maximal_invalid_part_is_replaced_once() {
        check(b"\xff\xfe", "\u{fffd}\u{fffd}");
        check(b"caf\xe9", "caf\u{fffd}");
        check(b"\xc3", "\u{fffd}");
        check(b"\xe2\x82x", "\u{fffd}x");
    }

    #[test]
    fn a_non_character_is_replaced() {
        check("\u{ffff}\u{fdd0}".as_bytes(), "\u{fffd}\u{fffd}");
    }
}
