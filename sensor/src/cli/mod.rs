//! The command line, with Falco's habits.

mod action;
mod args;
mod commands;
mod fields;
mod refused;
mod text;

use std::io::{self, Write};

use anyhow::bail;
use config::{AppendOutput, BrokenRules, Config, Inputs, Loaded, load, print};
use falco_rules::Source as _;

use crate::{
    reports::versions,
    sources::syscall::{event::Kind, fields::Syscall},
};

pub use action::Action;
pub use args::{Args, ListFormat};
pub use commands::{Command, WatchArgs};
pub use refused::REMOVED;
pub use text::{fit, screen_width};

/// Reads the configuration that the command line asks for.
///
/// # Errors
/// If the configuration cannot be read, or is not valid, or if the command line names a source of
/// events that does not exist.
pub fn configuration(args: &Args) -> anyhow::Result<Loaded> {
    let mut inputs = Inputs::new(args.config.clone(), args.overrides.clone());
    if args.verbose {
        // Options on the command line that set the level take precedence.
        inputs.overrides.insert(0, "log_level=debug".into());
    }
    if args.unbuffered {
        inputs.overrides.push("buffered_outputs=false".into());
    }
    if args.profile_rules {
        inputs.overrides.push("sensor.rules.profile=true".into());
    }
    if args.strict {
        inputs.overrides.push("sensor.strict_config=true".into());
    }
    let mut loaded = load(&inputs)?;
    let config = &mut loaded.config;
    if !args.rules.is_empty() {
        config.rules_files.clone_from(&args.rules);
        config.optional_rules_files.clear();
        // Somebody who names files on the command line waits for the answer.
        config.sensor.rules.broken = BrokenRules::Stop;
    }
    if let Some(format) = &args.print {
        append(config, format);
    }
    check_sources(args)?;
    Ok(loaded)
}

/// `-p`: appends to the outputs of all rules.
fn append(config: &mut Config, format: &str) {
    let entry = match format {
        "c" | "container" | "k" | "kubernetes" => AppendOutput {
            source: Some(Syscall::NAME.into()),
            suggested_output: true,
            ..AppendOutput::default()
        },
        format => AppendOutput {
            extra_output: Some(format.into()),
            ..AppendOutput::default()
        },
    };
    let of_all = |other: &AppendOutput| {
        other.suggested_output
            && other.tags.is_empty()
            && other.rule.is_none()
            && other
                .source
                .as_deref()
                .is_none_or(|source| source == Syscall::NAME)
    };
    // What the configuration appends anyway is not appended twice.
    if !entry.suggested_output || !config.append_output.iter().any(of_all) {
        config.append_output.push(entry);
    }
}

/// `--enable-source` and `--disable-source`: there is one source, which must stay.
fn check_sources(args: &Args) -> anyhow::Result<()> {
    let named = args.enable_source.iter().chain(&args.disable_source);
    for source in named {
        if source != Syscall::NAME {
            bail!(
                "no source of events is named '{source}'; there is one: {}",
                Syscall::NAME
            );
        }
    }
    if !args.disable_source.is_empty() {
        bail!(
            "no source of events is left: {} is the only one",
            Syscall::NAME
        );
    }
    Ok(())
}

/// Does the actions that need neither rules nor a kernel: lists, schemas, the version. Returns
/// false for any other action, which the caller has to do. `json`: whether somebody has asked for
/// JSON.
///
/// # Errors
/// If the output cannot be written, or if a name is not known.
pub fn run(
    action: &Action,
    config: &Config,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    match action {
        Action::Version => version(json, out)?,
        Action::ListFields {
            class,
            names_only,
            format,
        } => fields::list(out, class.as_deref(), *names_only, *format)?,
        Action::ListEvents { format } => fields::list_events(out, *format)?,
        Action::IgnoredEvents => ignored_events(out)?,
        Action::PrintConfig => out.write_all(print(config).as_bytes())?,
        Action::ConfigSchema => writeln!(out, "{:#}", config::schema())?,
        Action::RuleSchema => writeln!(out, "{:#}", falco_rules::schema())?,
        Action::PageSize => {
            let bytes = rustix::param::page_size();
            writeln!(out, "Your system page size is: {bytes} bytes")?;
        }
        Action::ListPlugins => writeln!(out, "0 Plugins Loaded:\n\n{NO_PLUGINS}")?,
        Action::PluginInfo(name) => bail!("no plugin is named '{name}': {NO_PLUGINS}"),
        Action::Run
        | Action::PrintBaseRules
        | Action::DryRun
        | Action::Validate(_)
        | Action::Support
        | Action::ListRules
        | Action::DescribeRule(_)
        | Action::Command(_) => return Ok(false),
    }
    Ok(true)
}

const NO_PLUGINS: &str =
    "plugins are not supported; what Falco's container plugin does is built in";

fn version(json: bool, out: &mut impl Write) -> io::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    if json {
        return writeln!(out, "{}", versions::object(version));
    }
    writeln!(out, "sensor {version}")?;
    writeln!(out, "Engine: {} (Falco's rule language)", versions::ENGINE)
}

/// `-i`: the events that the default configuration leaves out because of their cost.
fn ignored_events(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "Ignored syscall(s):")?;
    if Config::default().engine.modern_ebpf.drop_failed_exit {
        for name in Kind::ExecFailed.types() {
            writeln!(
                out,
                "- {name} (calls that fail; engine.modern_ebpf.drop_failed_exit: false has them)"
            )?;
        }
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn with(arguments: &[&str]) -> anyhow::Result<Config> {
        let own = ["sensor", "-o", "config_files=[]"];
        let args = Args::try_parse_from(own.iter().chain(arguments)).unwrap();
        configuration(&args).map(|loaded| loaded.config)
    }

    #[test]
    fn a_printed_format_is_appended_to_each_rule() {
        let entries = with(&["-p", "on %evt.hostname"]).unwrap().append_output;
        assert_eq!(entries[0].extra_output.as_deref(), Some("on %evt.hostname"));
        assert!(entries[0].source.is_none() && entries[0].tags.is_empty());
    }

    #[test]
    fn what_falco_suggests_is_appended_once() {
        for flag in ["-pc", "-pk", "-pcontainer", "-pkubernetes"] {
            let entries = with(&[flag]).unwrap().append_output;
            assert!(entries[0].suggested_output, "{flag}");
            let configured = "append_output=[{suggested_output: true}]";
            let entries = with(&[flag, "-o", configured]).unwrap().append_output;
            assert_eq!(entries.len(), 1, "{flag}");
            let of_some = "append_output=[{match: {tags: [a]}, suggested_output: true}]";
            let entries = with(&[flag, "-o", of_some]).unwrap().append_output;
            assert_eq!(entries.len(), 2, "{flag}");
        }
    }

    #[test]
    fn the_one_source_can_be_named_and_must_stay() {
        assert!(with(&["--enable-source", "syscall"]).is_ok());
        for (flags, why) in [
            (
                ["--enable-source", "k8s_audit"],
                "no source of events is named 'k8s_audit'",
            ),
            (
                ["--disable-source", "k8s_audit"],
                "no source of events is named 'k8s_audit'",
            ),
            (
                ["--disable-source", "syscall"],
                "no source of events is left",
            ),
        ] {
            let error = with(&flags).unwrap_err().to_string();
            assert!(error.starts_with(why), "{error}");
        }
    }
}
