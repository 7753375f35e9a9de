//! Finds which of many texts are a prefix (or suffix) of a value.

use rustc_hash::FxHashMap;

/// A text, and the rules that need it.
type Affix = (Box<[u8]>, Box<[u32]>);

/// Texts in a trie: the search reads a common prefix once, and ends where no text continues.
#[derive(Debug)]
pub(crate) struct Affixes(Box<[Affix]>);

impl Affixes {
    /// A table of texts, each with its rules.
    #[must_use]
    pub(crate) fn new(texts: FxHashMap<Vec<u8>, Vec<u32>>) -> Self {
        let mut sorted: Vec<_> = texts
            .into_iter()
            .map(|(text, rules)| (text.into_boxed_slice(), rules.into_boxed_slice()))
            .collect();
        sorted.sort_unstable();
        Self(sorted.into())
    }

    /// Calls a function with the rules of each text that is a prefix of `bytes`.
    pub(crate) fn run(&self, bytes: impl IntoIterator<Item = u8>, mut found: impl FnMut(&[u32])) {
        let mut bytes = bytes.into_iter();
        // The texts that are prefixes of the bytes so far, the shortest one first.
        let mut left = &*self.0;
        for depth in 0.. {
            if let Some(((text, rules), longer)) = left.split_first()
                && text.len() == depth
            {
                found(rules);
                left = longer;
            }
            let Some(byte) = bytes.next().filter(|_| !left.is_empty()) else {
                return;
            };
            left = &left[left.partition_point(|(text, _)| text[depth] < byte)..];
            left = &left[..left.partition_point(|(text, _)| text[depth] == byte)];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(texts: &[&str], text: &str) -> Vec<u32> {
        let texts = texts.iter().zip(0..);
        let table = Affixes::new(
            texts
                .map(|(t, n)| (t.as_bytes().to_vec(), vec![n]))
                .collect(),
        );
        let mut found = Vec::new();
        table.run(text.bytes(), |rules| found.extend_from_slice(rules));
        found
    }

    #[test]
    fn each_text_that_another_one_begins_with_is_found() {
        let texts = ["/opt/a", "/opt", "/opt/b/", "/", "x"];
        assert_eq!(found(&texts, "/opt/a/tool"), [3, 1, 0]);
        assert_eq!(found(&texts, "/opt/b"), [3, 1]);
        assert_eq!(found(&texts, "/opt/b/"), [3, 1, 2]);
        assert_eq!(found(&texts, "/op"), [3]);
        assert_eq!(found(&texts, "xyz"), [4]);
        assert!(found(&texts, "y").is_empty());
        assert!(found(&texts, "").is_empty());
        assert!(found(&[], "/opt").is_empty());
    }
}
