//! A loaded configuration, or why there is none.

use std::{fmt, io, path::PathBuf};

use yaml::Diagnostic;

use super::Config;

/// A configuration, with warnings about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Warnings: accepted values that are probably mistakes.
    pub warnings: Vec<Diagnostic>,
    /// The files that were read, and other paths whose change would change the configuration:
    /// entries of `config_files` that are directories or do not exist.
    pub files: Vec<PathBuf>,
    /// SHA-256 of the resulting configuration, in hexadecimal digits.
    pub digest: String,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("configuration {}: {source}: check the path and its permissions", path.display())]
    Read {
        /// The path of the file.
        path: PathBuf,
        /// The error of reading it.
        source: io::Error,
    },
    /// The configuration has errors.
    #[error("{}", Lines(problems))]
    Invalid {
        /// All errors.
        problems: Vec<Diagnostic>,
        /// The same paths as in [`Loaded::files`].
        files: Vec<PathBuf>,
    },
}

impl ConfigError {
    /// The files whose change can correct the error.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        match self {
            Self::Read { path, .. } => std::slice::from_ref(path),
            Self::Invalid { files, .. } => files,
        }
    }
}

struct Lines<'a>(&'a [Diagnostic]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, diagnostic) in self.0.iter().enumerate() {
            write!(f, "{}{diagnostic}", if i == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}
