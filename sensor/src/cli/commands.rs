//! Commands of people, beside the flags that Falco's users type.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

/// A command.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Try cases: which rules match which events
    Test {
        /// Files of cases (*.test.yaml), or folders with such files
        #[arg(value_name = "FILE|DIR", required = true)]
        paths: Vec<PathBuf>,
        /// List, for each rule, the checks that no case decides
        #[arg(long)]
        coverage: bool,
        /// Write the outcomes to this file in `JUnit`'s form
        #[arg(long, value_name = "FILE")]
        junit: Option<PathBuf>,
    },
    /// Record events to a file, for `replay`
    Record {
        /// The file, which must not exist; `-` is standard output
        file: PathBuf,
        /// Write the lines of the rules too, as the configuration says
        #[arg(long)]
        lines: bool,
    },
    /// Evaluate rules for recorded events, or for lines that a sensor or Falco wrote
    Replay {
        /// A recording, or lines of JSON: files (also .gz), folders with such files, `-` for standard
        /// input
        #[arg(value_name = "FILE|DIR|-", required = true)]
        files: Vec<PathBuf>,
    },
    /// Explain a rule; with lines of JSON: why the rule matches each event, or does not
    Explain {
        /// Name of the rule
        rule: String,
        /// Lines that a sensor or Falco wrote as JSON; `-` is standard input
        #[arg(value_name = "FILE|-")]
        file: Option<PathBuf>,
    },
    /// Show the events of lines of JSON: rows for people, lines for programs
    Watch(WatchArgs),
}

/// The arguments of `sensor watch`.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each one is a flag of the command line"
)]
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchArgs {
    /// Show only events that match, in the language of rules: 'proc.name = curl'
    #[arg(value_name = "CONDITION")]
    pub condition: Option<String>,
    /// Lines that a sensor or Falco wrote as JSON; `-` is standard input
    #[arg(value_name = "FILE|-")]
    pub file: Option<PathBuf>,
    /// Show only events of the host; with --pod or -n, of the host and of these pods
    #[arg(long)]
    pub host: bool,
    /// Show only events of the pod of this name
    #[arg(long, value_name = "POD")]
    pub pod: Option<String>,
    /// Show only events of pods of this namespace
    #[arg(short = 'n', value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Show execs below the exec of their parent
    #[arg(long, conflicts_with_all = ["top", "json"])]
    pub tree: bool,
    /// Show figures by pod, program and destination
    #[arg(long, conflicts_with = "json")]
    pub top: bool,
    /// Write the lines of the events that match, instead of rows
    #[arg(long)]
    pub json: bool,
}

impl WatchArgs {
    /// The condition and the file. A single argument is the file if it is `-`, or if a file has
    /// that name.
    #[must_use]
    pub fn condition_and_file(&self) -> (Option<&str>, Option<&Path>) {
        let condition = self.condition.as_deref();
        match (condition, &self.file) {
            (Some(one), None) if one == "-" || Path::new(one).is_file() => {
                (None, Some(Path::new(one)))
            }
            (condition, file) => (condition, file.as_deref()),
        }
    }
}
