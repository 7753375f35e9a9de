//! Completes a line that a crash cut at the end of a file.

/// The bytes that must be appended to a cut line to make it a whole line.
///
/// A JSON object is closed so that it can be parsed (a missing value becomes null, and
/// `"sensor.cut":true` marks the line); any other line only gets its newline.
#[must_use]
pub(super) fn closing(half: &[u8]) -> Vec<u8> {
    let mut closing = json(half).unwrap_or_default();
    closing.push(b'\n');
    closing
}

/// Where in an object or array the text is cut.
#[derive(Clone, Copy, PartialEq)]
enum Expect {
    /// A key, or the end of the object.
    FirstKey,
    /// A key.
    Key,
    Colon,
    Value,
    /// A value, or the end of the array.
    FirstValue,
    /// A comma or the end.
    Comma,
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    /// For each open object or array: whether it is an object.
    open: Vec<bool>,
    expect: Expect,
    out: Vec<u8>,
}

fn json(half: &[u8]) -> Option<Vec<u8>> {
    if half.first() != Some(&b'{') {
        return None;
    }
    let mut parser = Parser {
        text: half,
        at: 0,
        open: Vec::new(),
        expect: Expect::Value,
        out: Vec::new(),
    };
    parser.scan()?;
    parser.close();
    Some(parser.out)
}

impl Parser<'_> {
    /// Follows the text to its end. None if it is not the beginning of an object.
    fn scan(&mut self) -> Option<()> {
        while let Some(&c) = self.text.get(self.at) {
            self.at += 1;
            match c {
                b'{' | b'[' => {
                    self.open.push(c == b'{');
                    self.expect = if c == b'{' {
                        Expect::FirstKey
                    } else {
                        Expect::FirstValue
                    };
                }
                b'}' | b']' => {
                    self.open.pop()?;
                    self.expect = Expect::Comma;
                    if self.open.is_empty() {
                        return None;
                    }
                }
                b'"' => self.string(),
                b':' => self.expect = Expect::Value,
                b',' => {
                    self.expect = if *self.open.last()? {
                        Expect::Key
                    } else {
                        Expect::Value
                    };
                }
                b' ' => {}
                _ => self.word(),
            }
        }
        Some(())
    }

    fn value_done(&mut self) {
        self.expect = match self.expect {
            Expect::FirstKey | Expect::Key => Expect::Colon,
            _ => Expect::Comma,
        };
    }

    /// Reads from behind the opening quote to behind the closing one, and adds the closing quote if
    /// it is missing.
    fn string(&mut self) {
        let start = self.at;
        while let Some(&c) = self.text.get(self.at) {
            match c {
                b'"' => {
                    self.at += 1;
                    self.value_done();
                    return;
                }
                b'\\' => match self.text.get(self.at + 1) {
                    None => self.out.push(b'\\'),
                    Some(b'u') => {
                        let have = self.text.len().min(self.at + 6) - self.at - 2;
                        self.out.extend(std::iter::repeat_n(b'0', 4 - have));
                        self.at += 2 + have;
                        continue;
                    }
                    Some(_) => self.at += 1,
                },
                _ => {}
            }
            self.at += 1;
        }
        self.at = self.at.min(self.text.len());
        self.complete_character(start);
        self.out.push(b'"');
        self.value_done();
    }

    /// Completes a character whose last bytes are missing.
    fn complete_character(&mut self, start: usize) {
        let tail = &self.text[start.min(self.text.len())..];
        let Some(back) = tail.iter().rev().position(|b| b & 0xc0 != 0x80) else {
            return;
        };
        let lead = tail[tail.len() - 1 - back];
        let needed = match lead {
            0xc0..=0xdf => 1,
            0xe0..=0xef => 2,
            0xf0..=0xf7 => 3,
            _ => 0,
        };
        // 0x90 is a valid continuation of each leading byte and no overlong form, but for the few
        // leading bytes for which 0xbf is valid and 0x90 is not.
        let byte = if back == 0 && lead == 0xe0 {
            0xbf
        } else {
            0x90
        };
        self.out
            .extend(std::iter::repeat_n(byte, needed - back.min(needed)));
    }

    /// Reads a number or `true`, `false`, `null`, and completes a cut one.
    fn word(&mut self) {
        let start = self.at - 1;
        while self
            .text
            .get(self.at)
            .is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'+'))
        {
            self.at += 1;
        }
        let word = &self.text[start..self.at];
        if self.at == self.text.len() {
            for whole in [b"true".as_slice(), b"false", b"null"] {
                if whole.starts_with(word) {
                    self.out.extend(&whole[word.len()..]);
                }
            }
            if matches!(word.last(), Some(b'-' | b'+' | b'.' | b'e' | b'E'))
                && (word[0].is_ascii_digit() || word[0] == b'-')
            {
                self.out.push(b'0');
            }
        }
        self.value_done();
    }

    fn close(&mut self) {
        while let Some(object) = self.open.pop() {
            match self.expect {
                Expect::Key => self.out.extend(b"\"\":null"),
                Expect::Colon => self.out.extend(b":null"),
                Expect::Value => self.out.extend(b"null"),
                Expect::FirstKey | Expect::FirstValue | Expect::Comma => {}
            }
            if self.open.is_empty() {
                let comma = self.expect != Expect::FirstKey;
                self.out.extend(if comma { &b","[..] } else { b"" });
                self.out.extend(b"\"sensor.cut\":true");
            }
            self.out.push(if object { b'}' } else { b']' });
            self.expect = Expect::Comma;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"hostname":"n\u00e91","n":-1.5e-3,"a":["x",true,false,null,{}],"output_fields":{"k":"é€🦀 \"q\" \\","evt.time":1795233338582871057},"tags":[],"time":"2026"}"#;

    #[test]
    fn a_line_that_is_cut_anywhere_becomes_valid_json() {
        for len in 1..LINE.len() {
            let mut line = LINE.as_bytes()[..len].to_vec();
            line.extend(closing(&line.clone()));
            let parsed = serde_json::from_slice::<serde_json::Value>(&line);
            let shown = String::from_utf8_lossy(&line).into_owned();
            assert_eq!(parsed.expect(&shown)["sensor.cut"], true, "{shown}");
        }
    }

    #[test]
    fn text_is_just_ended() {
        assert_eq!(closing(b"05:01:46: Debug us"), b"\n");
    }

    #[test]
    fn what_is_no_json_is_just_ended() {
        assert_eq!(closing(b"{\"a\":1}x"), b"\n");
        assert_eq!(closing(b"{]"), b"\n");
        assert_eq!(closing(b"\0\0\0\0"), b"\n");
    }
}
