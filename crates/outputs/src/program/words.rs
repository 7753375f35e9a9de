//! Splits a command line into words, without a shell.

/// Splits a text into words at blanks; quotes and backslashes keep characters together.
///
/// # Errors
/// The reason: an open quote, or a character that only a shell interprets.
pub(super) fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        None => return Err(format!("a quote {c} is not closed")),
                        Some(next) if next == c => break,
                        Some('\\') if c == '"' => word.extend(chars.next()),
                        Some(next) => word.push(next),
                    }
                }
            }
            '\\' => match chars.next() {
                Some(next) => word.get_or_insert_default().push(next),
                None => return Err("a backslash stands at the end".into()),
            },
            '|' | '&' | ';' | '<' | '>' | '$' | '`' | '(' | ')' => {
                return Err(format!("'{c}' needs a shell"));
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_keep_words_together() {
        let words = split(r#"jq -c '.a b' "x \"y\"" a\ b ''"#).unwrap();
        assert_eq!(words, ["jq", "-c", ".a b", "x \"y\"", "a b", ""]);
    }

    #[test]
    fn what_needs_a_shell_is_refused() {
        for text in ["a | b", "a > f", "a $HOME", "a; b", "'open", "a\\"] {
            assert!(split(text).is_err(), "{text}");
        }
        assert_eq!(split("a '|' b").unwrap(), ["a", "|", "b"]);
    }
}
