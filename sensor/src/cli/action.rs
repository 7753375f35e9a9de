//! What the command line asks the sensor to do.

use std::path::PathBuf;

use super::{Args, Command, ListFormat};

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
    /// List the events that the default configuration leaves out.
    IgnoredEvents,
    /// List the plugins.
    ListPlugins,
    /// Describe the plugin of that name.
    PluginInfo(String),
    /// Print the configuration.
    PrintConfig,
    /// Print the macros and lists of the base files.
    PrintBaseRules,
    /// Print the JSON schema of the configuration.
    ConfigSchema,
    /// Print the JSON schema of rule files.
    RuleSchema,
    /// Print what a report of a defect needs.
    Support,
    /// Print the size of a page of memory.
    PageSize,
    /// Print the version.
    Version,
    /// Do what a command says.
    Command(Command),
}

impl Action {
    /// The action that a command line asks for; if there are more, the one that Falco would do.
    #[must_use]
    pub fn of(args: &Args) -> Self {
        let format = match args.format {
            Some(format) => format,
            None if args.markdown => ListFormat::Markdown,
            None => ListFormat::default(),
        };
        let fields = |class: &String| Self::ListFields {
            class: (!class.is_empty() && class != "syscall").then(|| class.clone()),
            names_only: args.names_only,
            format,
        };
        let files = Some(&args.validate).filter(|files| !files.is_empty());
        let asked = [
            args.command.clone().map(Self::Command),
            args.config_schema.then_some(Self::ConfigSchema),
            args.rule_schema.then_some(Self::RuleSchema),
            args.ignored_events.then_some(Self::IgnoredEvents),
            args.list_events.then_some(Self::ListEvents { format }),
            args.version.then_some(Self::Version),
            args.page_size.then_some(Self::PageSize),
            args.plugin_info.clone().map(Self::PluginInfo),
            args.list_plugins.then_some(Self::ListPlugins),
            args.list.as_ref().map(fields),
            files.cloned().map(Self::Validate),
            args.describe_rule.clone().map(Self::DescribeRule),
            args.list_rules.then_some(Self::ListRules),
            args.support.then_some(Self::Support),
            args.print_config.then_some(Self::PrintConfig),
            args.print_base_rules.then_some(Self::PrintBaseRules),
            args.dry_run.then_some(Self::DryRun),
        ];
        asked.into_iter().flatten().next().unwrap_or(Self::Run)
    }

    /// Whether the action is about the sensor itself, whatever the configuration says.
    #[must_use]
    pub fn needs_no_configuration(&self) -> bool {
        matches!(
            self,
            Self::ConfigSchema | Self::RuleSchema | Self::IgnoredEvents | Self::ListEvents { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn action(line: &str) -> Action {
        Action::of(&Args::try_parse_from(line.split(' ')).unwrap())
    }

    #[test]
    fn a_command_line_without_an_action_observes() {
        assert_eq!(action("sensor -c f.yaml -M 10 -U"), Action::Run);
    }

    #[test]
    fn each_flag_of_an_action_is_that_action() {
        let events = Action::ListEvents {
            format: ListFormat::Markdown,
        };
        for (line, expected) in [
            ("-L", Action::ListRules),
            ("-l x", Action::DescribeRule("x".into())),
            ("-V f", Action::Validate(vec!["f".into()])),
            ("-i", Action::IgnoredEvents),
            ("--list-syscall-events --markdown", events.clone()),
            ("--list-events --format Markdown", events),
            ("--list-plugins", Action::ListPlugins),
            ("--plugin-info x", Action::PluginInfo("x".into())),
            ("--config-schema", Action::ConfigSchema),
            ("--rule-schema", Action::RuleSchema),
            ("--support", Action::Support),
            ("--page-size", Action::PageSize),
            ("--dry-run", Action::DryRun),
            ("--print-config", Action::PrintConfig),
            ("--print-base-rules", Action::PrintBaseRules),
            ("--version", Action::Version),
        ] {
            assert_eq!(action(&format!("sensor {line}")), expected, "{line}");
        }
    }

    #[test]
    fn a_list_may_name_a_class() {
        let fields = |class: Option<&str>, names_only| Action::ListFields {
            class: class.map(str::to_owned),
            names_only,
            format: ListFormat::Text,
        };
        assert_eq!(action("sensor --list"), fields(None, false));
        assert_eq!(action("sensor --list=proc -N"), fields(Some("proc"), true));
        assert_eq!(action("sensor --list=syscall"), fields(None, false));
    }

    #[test]
    fn of_two_actions_falcos_first_one_is_done() {
        assert_eq!(action("sensor -L --version"), Action::Version);
        assert_eq!(
            action("sensor --dry-run --list-events --version --rule-schema"),
            Action::RuleSchema
        );
    }
}
