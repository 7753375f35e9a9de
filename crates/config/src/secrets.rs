//! Keeps user names and passwords out of messages and lists.

use yaml::Diagnostic;

/// What stands in the place of a secret.
pub(super) const HIDDEN: &str = "***";

/// A URL whose user name and password are hidden. Any text is taken: what stands before the last
/// `@` of the authority is hidden, also in a URL without a scheme.
#[must_use]
pub fn hide_user_info(url: &str) -> String {
    let begin = url.find("://").map_or(0, |at| at + 3);
    let authority = &url[begin..];
    let end = authority.find(['/', '?', '#']).unwrap_or(authority.len());
    match authority[..end].rfind('@') {
        Some(at) => format!("{}{HIDDEN}{}", &url[..begin], &authority[at..]),
        None => url.to_owned(),
    }
}

/// A text in which the user names and passwords of all URLs are hidden.
pub(super) fn hide_all(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let next = rest[at + 3..]
            .find("://")
            .map_or(rest.len(), |n| at + 3 + n);
        out += &hide_user_info(&rest[..next]);
        rest = &rest[next..];
    }
    out + rest
}

/// Hides the secrets that a message shows.
pub(super) fn hide(told: &mut Diagnostic) {
    for text in [&mut told.line, &mut told.message] {
        *text = match text.rfind('@') {
            Some(at) if text.contains("://") || text[..at].contains("url") => {
                hide_line(text).into()
            }
            _ => continue,
        };
    }
}

/// A line of a configuration, or a message about one, without secrets: also of a URL that has no
/// scheme.
fn hide_line(text: &str) -> String {
    if text.contains("://") {
        return hide_all(text);
    }
    let begin = text.find("url").map_or(0, |at| at + 3);
    let value = text[begin..].find(|c: char| !" :='\"".contains(c));
    let begin = value.map_or(begin, |at| begin + at);
    format!("{}{}", &text[..begin], hide_user_info(&text[begin..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_the_last_at_of_the_authority_is_hidden() {
        for (url, shown) in [
            ("http://u:p@h/p@q", "http://***@h/p@q"),
            ("https://u@h:1", "https://***@h:1"),
            ("http://u:p@x@h?a", "http://***@h?a"),
            ("u:p@h:2801", "***@h:2801"),
            ("http://h/a@b", "http://h/a@b"),
            ("http://u:p w@h", "http://***@h"),
            ("", ""),
        ] {
            assert_eq!(hide_user_info(url), shown, "{url}");
        }
    }

    #[test]
    fn all_urls_of_a_text_lose_their_secrets() {
        let text = "from 'http://a:b@c' to \"https://d:e@f/\"";
        assert_eq!(hide_all(text), "from 'http://***@c' to \"https://***@f/\"");
        assert_eq!(hide_line("  url: u:p@h"), "  url: ***@h");
    }
}
