//! Why an output could not be started.

use std::{io, path::PathBuf};

/// Why an output could not be started.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The configuration enables no output.
    #[error(
        "no output is enabled: set stdout_output.enabled, file_output.enabled or another one to true"
    )]
    None,
    /// A file or a directory cannot be used.
    #[error("output file {}: {source}: {hint}", path.display())]
    File {
        /// Path of the file or directory.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// No thread could be started.
    #[error("output {name}: cannot start a thread: {source}")]
    Thread {
        /// Name of the output.
        name: &'static str,
        /// What went wrong.
        source: io::Error,
    },
    /// `http_output` cannot work as it is configured.
    #[error("http_output: {what}: {hint}")]
    Http {
        /// What went wrong.
        what: String,
        /// What to do.
        hint: &'static str,
    },
    /// `program_output` cannot work as it is configured.
    #[error("program_output: {what}: {hint}")]
    Program {
        /// What went wrong.
        what: String,
        /// What to do.
        hint: &'static str,
    },
}
