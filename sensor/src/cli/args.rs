//! The arguments of the command line.

use std::path::{Path, PathBuf};

use clap::{ArgAction, Parser, ValueEnum};

use super::{Command, refused};

/// Every exec and connect of a node, with its container and pod, as
/// Falco-compatible JSON.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Clone, Debug, Default, Parser)]
#[command(
    name = "sensor",
    disable_version_flag = true,
    args_override_self = true,
    disable_help_subcommand = true,
    subcommand_negates_reqs = true
)]
pub struct Args {
    /// A command of its own, instead of observing the node
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Configuration file
    #[arg(short = 'c', value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Rules file or directory; repeatable; replaces the configured list
    #[arg(short = 'r', value_name = "FILE|DIR", action = ArgAction::Append, global = true)]
    pub rules: Vec<PathBuf>,
    /// Set a key of the configuration: `key=value`, `list[]=value`, `list[0].key=value`; repeatable
    #[arg(short = 'o', long = "option", value_name = "KEY=VALUE", action = ArgAction::Append, global = true)]
    pub overrides: Vec<String>,
    /// Validate rules files and exit; repeatable
    #[arg(short = 'V', long = "validate", value_name = "FILE|DIR", action = ArgAction::Append)]
    pub validate: Vec<PathBuf>,
    /// List the rules, and why a rule is inactive
    #[arg(short = 'L')]
    pub list_rules: bool,
    /// Describe one rule
    #[arg(short = 'l', value_name = "RULE")]
    pub describe_rule: Option<String>,
    /// List the supported fields, of all classes or of one (evt, proc, user, …)
    #[arg(long = "list", value_name = "CLASS", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub list: Option<String>,
    /// With --list: names only
    #[arg(short = 'N')]
    pub names_only: bool,
    /// Form of the lists of fields and of events
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        ignore_case = true,
        conflicts_with = "markdown"
    )]
    pub format: Option<ListFormat>,
    /// The same as --format markdown (deprecated)
    #[arg(long)]
    pub markdown: bool,
    /// List the kinds of events
    #[arg(long, alias = "list-syscall-events")]
    pub list_events: bool,
    /// List the events that are left out unless the configuration asks for them
    #[arg(short = 'i')]
    pub ignored_events: bool,
    /// List the loaded plugins: none
    #[arg(long)]
    pub list_plugins: bool,
    /// Describe a plugin: there are none
    #[arg(long, value_name = "PLUGIN")]
    pub plugin_info: Option<String>,
    /// Observe this source of events only: `syscall`
    #[arg(long, value_name = "SOURCE", action = ArgAction::Append, conflicts_with = "disable_source")]
    pub enable_source: Vec<String>,
    /// Do not observe this source of events
    #[arg(long, value_name = "SOURCE", action = ArgAction::Append)]
    pub disable_source: Vec<String>,
    /// Append to the output of each rule: FORMAT, or with `c` and `k` what Falco suggests of
    /// containers and pods (deprecated: use `-o append_output`)
    #[arg(short = 'p', long = "print", value_name = "FORMAT")]
    pub print: Option<String>,
    /// Check the configuration and the rules, and exit
    #[arg(long)]
    pub dry_run: bool,
    /// With --dry-run: unknown keys of the configuration are errors
    #[arg(long, requires = "dry_run")]
    pub strict: bool,
    /// Stop after this number of seconds; 0: never
    #[arg(short = 'M', value_name = "SECONDS", global = true)]
    pub stop_after: Option<u64>,
    /// Write each line at once, also under load
    #[arg(short = 'U', long = "unbuffered")]
    pub unbuffered: bool,
    /// Measure what each rule costs, see sensor.rules.profile
    #[arg(long)]
    pub profile_rules: bool,
    /// Write the process id to this file
    #[arg(short = 'P', long = "pidfile", value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// Print the configuration in force, every key with its meaning
    #[arg(long)]
    pub print_config: bool,
    /// Print the macros and lists that come before the first rules file
    #[arg(long)]
    pub print_base_rules: bool,
    /// Print the JSON schema of the configuration
    #[arg(long)]
    pub config_schema: bool,
    /// Print the JSON schema of rules files
    #[arg(long)]
    pub rule_schema: bool,
    /// Print what a report of a defect needs, as JSON: versions, configuration, rules files
    #[arg(long)]
    pub support: bool,
    /// Print the size of a page of memory
    #[arg(long)]
    pub page_size: bool,
    /// Log debug messages too
    #[arg(short = 'v')]
    pub verbose: bool,
    /// Print the version
    #[arg(long)]
    pub version: bool,
    /// Set when the sensor starts itself as the helper of the program output.
    #[arg(long, hide = true)]
    pub program_helper: bool,
    /// Set when the sensor starts itself as the helper of the self-test; that helper starts itself
    /// with a number.
    #[arg(long, hide = true, value_name = "NUMBER", num_args = 0..=1, default_missing_value = "")]
    pub self_test_helper: Option<String>,
}

/// The form of lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// A table for people.
    #[default]
    Text,
    /// A table for a page of documentation.
    Markdown,
    /// JSON for programs.
    Json,
}

impl Args {
    /// The recording that the command line asks for: its file, and whether lines are written too.
    #[must_use]
    pub fn recording(&self) -> Option<(&Path, bool)> {
        match &self.command {
            Some(Command::Record { file, lines }) => Some((file, *lines)),
            _ => None,
        }
    }

    /// Parses the command line of this process. Prints an error as one line (or the help, with
    /// exit code 0); after an error the exit code is Falco's: 1.
    ///
    /// # Errors
    /// The exit code, if the process has nothing more to do.
    pub fn from_command_line() -> Result<Self, u8> {
        Self::try_parse().map_err(|error| {
            if error.use_stderr() {
                eprintln!("Error: {}", refused::line(&error));
                return 1;
            }
            // If the help cannot be printed, no place is left to report the error.
            let _ = error.print();
            0
        })
    }

    /// Whether `-o` on the command line sets `json_output`, and to what. The default of the
    /// configuration is for the lines of events; a list is in JSON on a terminal only if
    /// somebody asks for it here.
    #[must_use]
    pub fn asks_for_json(&self) -> Option<bool> {
        let mut values = self.overrides.iter().rev();
        values.find_map(|text| match text.split_once('=') {
            Some((key, value)) if key.trim() == "json_output" => Some(value.trim() == "true"),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Args {
        Args::try_parse_from(line.split(' ')).unwrap()
    }

    #[test]
    fn clap_accepts_the_definition_of_the_arguments() {
        Args::command().debug_assert();
    }

    #[test]
    fn falcos_flags_are_understood() {
        let args = parse("sensor -c f.yaml -r a -r b -o x=1 -o y[]=2 -M 10 -U -P pid -pk");
        assert_eq!(args.rules, ["a", "b"].map(PathBuf::from));
        assert_eq!(args.overrides, ["x=1", "y[]=2"]);
        assert_eq!(args.stop_after, Some(10));
        assert_eq!(args.print.as_deref(), Some("k"));
        assert_eq!(
            parse("sensor --list --format JSON").format,
            Some(ListFormat::Json)
        );
    }

    #[test]
    fn an_unknown_flag_is_an_error() {
        assert!(Args::try_parse_from(["sensor", "--no-such-flag"]).is_err());
        assert!(Args::try_parse_from(["sensor", "stray"]).is_err());
    }

    #[test]
    fn the_last_json_output_of_the_command_line_counts() {
        let asks = |line| parse(line).asks_for_json();
        assert_eq!(asks("sensor -L"), None);
        assert_eq!(asks("sensor -L -o json_output=true"), Some(true));
        assert_eq!(
            asks("sensor -L -o json_output=true -o json_output=false -o priority=debug"),
            Some(false)
        );
    }
}
