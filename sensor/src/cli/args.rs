//! The arguments of the command line.

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Parser, ValueEnum};

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
    args_override_self = true
)]
pub struct Args {
    /// Configuration file
    #[arg(short = 'c', value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Rules file or directory; repeatable; replaces the configured list
    #[arg(short = 'r', value_name = "FILE|DIR", action = ArgAction::Append)]
    pub rules: Vec<PathBuf>,
    /// Set a key of the configuration: `key=value`, `list[]=value`, `list[0]=value`; repeatable
    #[arg(short = 'o', long = "option", value_name = "KEY=VALUE", action = ArgAction::Append)]
    pub overrides: Vec<String>,
    /// Validate rules files and exit; repeatable
    #[arg(short = 'V', long = "validate", value_name = "FILE", action = ArgAction::Append)]
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
    /// Form of lists
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<ListFormat>,
    /// List the kinds of events
    #[arg(long)]
    pub list_events: bool,
    /// Check the configuration and the rules, and exit
    #[arg(long)]
    pub dry_run: bool,
    /// Stop after this number of seconds
    #[arg(short = 'M', value_name = "SECONDS")]
    pub stop_after: Option<u64>,
    /// Write each line at once, also under load
    #[arg(short = 'U', long = "unbuffered")]
    pub unbuffered: bool,
    /// Write the process id to this file
    #[arg(short = 'P', long = "pidfile", value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// Print the configuration in force, every key with its meaning
    #[arg(long)]
    pub print_config: bool,
    /// Print the macros and lists that come before the first rules file
    #[arg(long)]
    pub print_base_rules: bool,
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

/// What the command line asks the sensor to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Observe the node.
    Run,
    /// Check everything and stop.
    DryRun,
    /// Check these rule files.
    Validate(Vec<PathBuf>),
    /// List the rules.
    ListRules,
    /// Describe one rule.
    DescribeRule(String),
    /// List the fields.
    ListFields {
        /// Only the fields of this class.
        class: Option<String>,
        /// Only the names of the fields.
        names_only: bool,
        /// Form of the list.
        format: ListFormat,
    },
    /// List the kinds of events.
    ListEvents {
        /// Form of the list.
        format: ListFormat,
    },
    /// Print the configuration.
    PrintConfig,
    /// Print the macros and lists of the base files.
    PrintBaseRules,
    /// Print the version.
    Version,
}

impl Args {
    /// Parses the command line of this process. Prints an error (or the help, with exit code 0);
    /// after an error the exit code is Falco's: 1.
    ///
    /// # Errors
    /// The exit code, if the process has nothing more to do.
    pub fn from_command_line() -> Result<Self, u8> {
        Self::try_parse().map_err(|error| {
            let help = !error.use_stderr();
            // If the help cannot be printed, no place is left to report the error.
            let _ = error.print();
            u8::from(!help)
        })
    }

    /// The action that the command line asks for; the first one if there are more.
    #[must_use]
    pub fn action(&self) -> Action {
        let format = self.format.unwrap_or_default();
        if self.version {
            return Action::Version;
        }
        if let Some(class) = &self.list {
            return Action::ListFields {
                class: (!class.is_empty() && class != "syscall").then(|| class.clone()),
                names_only: self.names_only,
                format,
            };
        }
        if self.list_events {
            return Action::ListEvents { format };
        }
        if !self.validate.is_empty() {
            return Action::Validate(self.validate.clone());
        }
        if let Some(rule) = &self.describe_rule {
            return Action::DescribeRule(rule.clone());
        }
        match self {
            Self {
                list_rules: true, ..
            } => Action::ListRules,
            Self {
                print_config: true, ..
            } => Action::PrintConfig,
            Self {
                print_base_rules: true,
                ..
            } => Action::PrintBaseRules,
            Self { dry_run: true, .. } => Action::DryRun,
            _ => Action::Run,
        }
    }

    /// The time after which the sensor stops by itself.
    #[must_use]
    pub fn stop_after(&self) -> Option<Duration> {
        self.stop_after.map(Duration::from_secs)
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
        let args = parse("sensor -c f.yaml -r a -r b -o x=1 -o y[]=2 -M 10 -U -P pid");
        assert_eq!(args.rules, ["a", "b"].map(PathBuf::from));
        assert_eq!(args.overrides, ["x=1", "y[]=2"]);
        assert_eq!(args.stop_after(), Some(Duration::from_secs(10)));
        assert_eq!(args.action(), Action::Run);
    }

    #[test]
    fn a_list_may_name_a_class() {
        let fields = |class: Option<&str>, names_only| Action::ListFields {
            class: class.map(str::to_owned),
            names_only,
            format: ListFormat::Text,
        };
        assert_eq!(parse("sensor --list").action(), fields(None, false));
        assert_eq!(
            parse("sensor --list=proc -N").action(),
            fields(Some("proc"), true)
        );
        assert_eq!(parse("sensor --list=syscall").action(), fields(None, false));
    }

    #[test]
    fn an_unknown_flag_is_an_error() {
        assert!(Args::try_parse_from(["sensor", "--no-such-flag"]).is_err());
        assert!(Args::try_parse_from(["sensor", "stray"]).is_err());
    }

    #[test]
    fn each_listing_is_an_action() {
        assert_eq!(parse("sensor -L").action(), Action::ListRules);
        assert_eq!(
            parse("sensor -l x").action(),
            Action::DescribeRule("x".into())
        );
        assert_eq!(
            parse("sensor -V f").action(),
            Action::Validate(vec!["f".into()])
        );
        assert_eq!(parse("sensor --dry-run").action(), Action::DryRun);
        assert_eq!(parse("sensor --print-config").action(), Action::PrintConfig);
        let base = parse("sensor --print-base-rules").action();
        assert_eq!(base, Action::PrintBaseRules);
        assert_eq!(parse("sensor --version").action(), Action::Version);
    }
}
