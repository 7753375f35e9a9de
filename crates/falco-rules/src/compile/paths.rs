//! `pmatch`: paths at or below other paths.

use regex::Regex;
use rustc_hash::FxHashSet;

use super::glob;

/// Paths, some of them patterns.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    plain: FxHashSet<Box<str>>,
    longest: usize,
    patterns: Vec<Regex>,
    /// The prefixes of the patterns.
    beginnings: Vec<Box<str>>,
}

impl Paths {
    /// Adds a path; `*`, `?` and `[` in it match within one name.
    ///
    /// # Errors
    /// If the path is a pattern that is too large.
    pub(crate) fn add(&mut self, path: &str) -> Result<(), regex::Error> {
        let path = match path.trim_end_matches('/') {
            "" if path.starts_with('/') => "/",
            path => path,
        };
        if path.contains(['*', '?', '[']) {
            self.patterns.push(glob::below(path)?);
            self.beginnings.push(glob::literal_prefix(path).into());
        } else {
            self.longest = self.longest.max(path.len());
            self.plain.insert(path.into());
        }
        Ok(())
    }

    /// Texts such that every matching path begins with one of them.
    pub(crate) fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.plain
            .iter()
            .chain(&self.beginnings)
            .map(|text| &**text)
    }

    /// Whether a path is one of the paths, or below one.
    #[must_use]
    pub(crate) fn contains(&self, path: &str) -> bool {
        let ends = memchr::memchr_iter(b'/', path.as_bytes())
            .filter(|end| *end > 0)
            .chain([path.len()])
            .take_while(|end| *end <= self.longest);
        (path.starts_with('/') && self.plain.contains("/"))
            || ends
                .into_iter()
                .any(|end| self.plain.contains(&path[..end]))
            || self.patterns.iter().any(|pattern| pattern.is_match(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(paths: &[&str], path: &str) -> bool {
        let mut set = Paths::default();
        for path in paths {
            set.add(path).unwrap();
        }
        set.contains(path)
    }

    #[test]
    fn a_path_at_or_below_an_element_matches() {
        assert!(check(&["/srv/a"], "/srv/a"));
        assert!(check(&["/srv/a/"], "/srv/a/b/c"));
        assert!(check(&["/srv/a"], "/srv/a/"));
        assert!(check(&["/"], "/x"));
        assert!(!check(&["/srv/a"], "/srv/ab"));
        assert!(!check(&["/srv/a"], "/srv"));
        assert!(!check(&["/srv/a"], ""));
        assert!(!check(&[], "/srv"));
    }

    #[test]
    fn a_pattern_matches_within_names() {
        assert!(check(&["/home/*/.ssh"], "/home/me/.ssh/id"));
        assert!(!check(&["/home/*/.ssh"], "/home/me/x/.ssh"));
    }
}
