//! The text of an error.

use std::error::Error;

/// The text of an error with its causes, each once: many errors have the text of their cause in
/// their own.
#[must_use]
pub fn explain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open /a: {0}; look at its directory")]
    struct Open(#[source] io::Error);

    #[test]
    fn a_cause_that_is_in_the_text_already_is_not_repeated() {
        let cause = || io::Error::from(io::ErrorKind::NotFound);
        let error = anyhow::Error::new(Open(cause())).context("the log");
        assert_eq!(
            explain(error.as_ref()),
            "the log: cannot open /a: entity not found; look at its directory"
        );
        assert_eq!(explain(&cause()), "entity not found");
    }
}
