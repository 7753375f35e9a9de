//! `%YAML` and `%TAG`: checked, and without further effect.

use super::{Failure, Loader};
use crate::scan::What;

/// The directives of a document.
#[derive(Debug, Default)]
pub(super) struct Directives {
    has_version: bool,
    handles: Vec<Box<str>>,
}

impl Loader<'_> {
    /// Reads the directives before a document. Without any, those of the document before stay.
    pub(super) fn directives(&mut self) -> Result<(), Failure> {
        let mut first = true;
        while let Some(token) = self.scanner.peek()? {
            let What::Directive(text) = token.what else {
                break;
            };
            let start = token.start;
            self.take();
            if std::mem::take(&mut first) {
                self.directives = Directives::default();
            }
            let mut words = text
                .split([' ', '\t'])
                .filter(|word| !word.is_empty())
                .take_while(|word| !word.starts_with('#'));
            let name = if text.starts_with([' ', '\t']) {
                ""
            } else {
                words.next().unwrap_or_default()
            };
            let result = match (name, words.collect::<Vec<_>>().as_slice()) {
                ("YAML", [version]) => self.directives.version(version),
                ("YAML", _) => Err("%YAML needs one version, such as 1.2"),
                ("TAG", [handle, _]) => self.directives.handle(handle),
                ("TAG", _) => Err("%TAG needs a handle and a prefix"),
                _ => Ok(()),
            };
            result.map_err(|message| Failure::new(start, message))?;
        }
        Ok(())
    }
}

impl Directives {
    fn version(&mut self, text: &str) -> Result<(), &'static str> {
        if std::mem::replace(&mut self.has_version, true) {
            return Err("a second %YAML of one document");
        }
        let version = number(text).and_then(|(major, rest)| {
            // Any sign can stand between the numbers, as in yaml-cpp.
            let (_, rest) = number(rest.get(1..)?)?;
            rest.is_empty().then_some(major)
        });
        match version {
            None => Err("%YAML needs a version such as 1.2"),
            Some(..=1) => Ok(()),
            Some(_) => Err("YAML of a version above 1 is not known"),
        }
    }

    fn handle(&mut self, handle: &str) -> Result<(), &'static str> {
        if self.handles.iter().any(|known| **known == *handle) {
            return Err("a second %TAG of one handle");
        }
        self.handles.push(handle.into());
        Ok(())
    }
}

/// The number at the beginning of a text, and the rest.
fn number(text: &str) -> Option<(i32, &str)> {
    let sign = usize::from(text.starts_with(['+', '-']));
    let digits = text[sign..].bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(sign + digits);
    Some((number.parse().ok()?, rest))
}
