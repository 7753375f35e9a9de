//! `pmatch`: paths at or below other paths.

use rustc_hash::FxHashMap;

use super::automaton::{Automaton, Case, PatternError};

/// Paths, some of them with patterns as names.
///
/// As in Falco, a path is its names: slashes at its beginning and end, and more than one between
/// two names, do not count.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    root: Directory,
    beginnings: Vec<Box<str>>,
}

/// The paths with one beginning.
#[derive(Debug, Default)]
struct Directory {
    /// Whether the beginning is a path itself, so that everything below matches.
    ends: bool,
    names: FxHashMap<Box<str>, Directory>,
    patterns: Vec<(Automaton, Directory)>,
}

impl Paths {
    /// Adds a path; a name with `*`, `?` or `[` in it is a glob.
    ///
    /// # Errors
    /// If a name is no glob.
    pub(crate) fn add(&mut self, path: &str) -> Result<(), PatternError> {
        let mut directory = &mut self.root;
        let mut known = String::new();
        let mut is_known = true;
        for name in names(path) {
            let prefix;
            directory = if name.contains(['*', '?', '[']) {
                let automaton = Automaton::glob(name, Case::Exact)?;
                prefix = automaton.prefix().to_owned();
                directory.patterns.push((automaton, Directory::default()));
                let last = directory.patterns.len() - 1;
                &mut directory.patterns[last].1
            } else {
                prefix = name.to_owned();
                directory.names.entry(name.into()).or_default()
            };
            if is_known {
                if !known.is_empty() {
                    // Texts with more slashes than one begin otherwise.
                    self.beginnings.push(format!("{known}//").into());
                    self.beginnings.push(format!("/{known}//").into());
                    known.push('/');
                }
                known.push_str(&prefix);
                is_known = prefix == name;
            }
        }
        directory.ends = true;
        let absolute = match &*known {
            "" => String::new(),
            known => format!("/{known}"),
        };
        self.beginnings
            .extend(["//".into(), absolute.into(), known.into()]);
        Ok(())
    }

    /// Texts such that every matching path begins with one of them.
    pub(crate) fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.beginnings.iter().map(|text| &**text)
    }

    /// Whether a path is one of the paths, or below one.
    #[must_use]
    pub(crate) fn contains(&self, path: &str) -> bool {
        self.root.contains(names(path))
    }
}

impl Directory {
    fn contains<'p>(&self, mut names: impl Iterator<Item = &'p str> + Clone) -> bool {
        self.ends
            || names.next().is_some_and(|name| {
                let below = |directory: &Self| directory.contains(names.clone());
                self.names.get(name).is_some_and(below)
                    || self
                        .patterns
                        .iter()
                        .any(|(pattern, directory)| pattern.matches(name) && below(directory))
            })
    }
}

fn names(path: &str) -> impl Iterator<Item = &str> + Clone {
    path.split('/').filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(paths: &[&str]) -> Paths {
        let mut set = Paths::default();
        for path in paths {
            set.add(path).unwrap();
        }
        set
    }

    /// Whether a path matches; if so, it begins as the index expects.
    fn check(paths: &[&str], path: &str) -> bool {
        let set = set(paths);
        let matches = set.contains(path);
        let mut prefixes = set.prefixes();
        assert!(!matches || prefixes.any(|prefix| path.starts_with(prefix)));
        matches
    }

    #[test]
    fn a_path_at_or_below_an_element_matches() {
        assert!(check(&["/srv/a"], "/srv/a"));
        assert!(check(&["/srv/a/"], "/srv/a/b/c"));
        assert!(check(&["/srv/a"], "/srv/a/"));
        assert!(check(&["/"], "/x") && check(&["/"], ""));
        assert!(check(&["/srv/a", "/srv"], "/srv/b"));
        assert!(!check(&["/srv/a"], "/srv/ab"));
        assert!(!check(&["/srv/a"], "/srv"));
        assert!(!check(&["/srv/a"], ""));
        assert!(!check(&[], "/srv"));
    }

    #[test]
    fn slashes_only_separate_names() {
        for path in ["srv/a", "//srv/a", "/srv//a/b", "srv//a", "/srv///a"] {
            assert!(check(&["/srv/a"], path), "{path}");
            assert!(check(&["srv//a"], path), "{path}");
            assert!(check(&["/s*/a", "/x"], path), "{path}");
        }
    }

    #[test]
    fn a_pattern_matches_within_names() {
        assert!(check(&["/home/*/.ssh"], "/home/me/.ssh/id"));
        assert!(!check(&["/home/*/.ssh"], "/home/me/x/.ssh"));
        assert!(check(&["/home/[a/b]"], "/home/[a/b]"));
        assert!(check(&["/h*", "/home/x"], "/hi/there"));
    }
}
