//! Commands of people, beside the flags that Falco's users type.

use std::path::PathBuf;

use clap::Subcommand;

/// A command.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Try cases: which rules match which events
    Test {
        /// Files of cases (*.test.yaml), or folders with such files
        #[arg(value_name = "FILE|DIR", required = true)]
        paths: Vec<PathBuf>,
        /// Say which checks of which rules no case decides
        #[arg(long)]
        coverage: bool,
        /// Write the outcomes to this file in `JUnit`'s form
        #[arg(long, value_name = "FILE")]
        junit: Option<PathBuf>,
    },
    /// Record events to a file, for `replay`
    Record {
        /// The file, which must not exist
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
}
