//! The command line, with Falco's habits.

mod args;
mod fields;

use std::io::{self, Write};

pub use args::{Action, Args, ListFormat};

use config::{ConfigError, Inputs, Loaded, load, print};

/// Reads the configuration that the command line asks for.
///
/// # Errors
/// If the configuration cannot be read, or is not valid.
pub fn configuration(args: &Args) -> Result<Loaded, ConfigError> {
    let mut inputs = Inputs::new(args.config.clone(), args.overrides.clone());
    if args.verbose {
        // Options on the command line that set the level take precedence.
        inputs.overrides.insert(0, "log_level=debug".into());
    }
    if args.unbuffered {
        inputs.overrides.push("buffered_outputs=false".into());
    }
    let mut loaded = load(&inputs)?;
    if !args.rules.is_empty() {
        loaded.config.rules_files.clone_from(&args.rules);
        loaded.config.optional_rules_files.clear();
    }
    Ok(loaded)
}

/// Does the actions that need neither rules nor a kernel: version, fields, event kinds, the
/// configuration. Returns false for any other action, which the caller has to do.
///
/// # Errors
/// If the output cannot be written.
pub fn run(action: &Action, loaded: &Loaded, out: &mut impl Write) -> io::Result<bool> {
    match action {
        Action::Version => writeln!(out, "sensor {}", env!("CARGO_PKG_VERSION"))?,
        Action::ListFields {
            class,
            names_only,
            format,
        } => fields::list(out, class.as_deref(), *names_only, *format)?,
        Action::ListEvents { format } => fields::list_events(out, *format)?,
        Action::PrintConfig => out.write_all(print(&loaded.config).as_bytes())?,
        Action::Run
        | Action::PrintBaseRules
        | Action::DryRun
        | Action::Validate(_)
        | Action::ListRules
        | Action::DescribeRule(_) => return Ok(false),
    }
    Ok(true)
}
