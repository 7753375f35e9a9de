//! Rules as the configuration names them.

use crate::{
    agent::settings,
    config::Config,
    rules::{Compilation, Report, RuleFile, compile, read},
};

/// The rules that are in force where none are configured.
const BUILT_IN: &[(&str, &str)] = &[
    (
        "built-in/execve.yaml",
        include_str!("../../../deploy/rules/execve.yaml"),
    ),
    (
        "built-in/connect.yaml",
        include_str!("../../../deploy/rules/connect.yaml"),
    ),
];

/// Loads and compiles the configured rules, or the built-in ones.
///
/// # Errors
/// The report, if a file cannot be read.
pub(super) fn load(config: &Config) -> Result<Compilation, Report> {
    let files = if config.rules_files.is_empty() {
        let file = |(name, text): &(&str, &str)| RuleFile::new(*name, *text);
        BUILT_IN.iter().map(file).collect()
    } else {
        read(&config.rules_files).map_err(Report::unreadable)?
    };
    Ok(compile(&files, &settings::rules(config)))
}
