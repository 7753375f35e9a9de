//! Text from runtimes and the API server, made printable and bounded once, when it arrives.

/// Text without control characters and non-characters (each becomes one
/// U+FFFD, as in every field), cut at `max` bytes.
pub(super) fn clean(text: &str, max: usize) -> Box<str> {
    let text = &text[..text.floor_char_boundary(max)];
    if text.bytes().all(|b| matches!(b, 0x20..=0x7e)) {
        return text.into();
    }
    text.chars()
        .map(|c| {
            if is_printable(c) {
                c
            } else {
                char::REPLACEMENT_CHARACTER
            }
        })
        .collect::<String>()
        .into()
}

fn is_printable(c: char) -> bool {
    let n = u32::from(c);
    !c.is_control() && !(0xfdd0..=0xfdef).contains(&n) && n & 0xfffe != 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(&*clean("a\nb\"c\u{85}", 99), "a\u{fffd}b\"c\u{fffd}");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(&*clean("aéé", 4), "aé");
    }
}
