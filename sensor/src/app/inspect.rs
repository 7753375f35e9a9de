//! The actions that observe nothing: lists, checks, the configuration.

use std::io::{self, Write};

use anyhow::bail;
use config::{Config, Loaded};

use super::{needs, rules};
use crate::{
    cli::{self, Action},
    sources::syscall::{
        self,
        rules::{Compilation, Report, RuleSet, read},
    },
};

/// Does what an action other than [`Action::Run`] asks for. Returns false if the checked files are
/// not valid.
///
/// # Errors
/// If standard output cannot be written. To list or describe rules: also if the rules are not
/// valid.
pub fn inspect(action: &Action, loaded: &Loaded) -> anyhow::Result<bool> {
    let config = &loaded.config;
    let mut out = io::stdout().lock();
    if cli::run(action, loaded, &mut out)? {
        return Ok(true);
    }
    match action {
        Action::PrintBaseRules => {
            write!(out, "{}", rules::base())?;
            Ok(true)
        }
        Action::Validate(files) => {
            let compiled = match read(files) {
                Ok(files) => Ok(rules::compile(files, config)),
                Err(problems) => Err(Report::unreadable(problems)),
            };
            validated(compiled, config, &mut out)
        }
        Action::DryRun => {
            for warning in &loaded.warnings {
                eprintln!("{warning}");
            }
            validated(rules::load(config), config, &mut out)
        }
        Action::ListRules => {
            let set = set(config)?;
            let requirements = set.requirements();
            let request = syscall::options::capture_request(config, requirements);
            if config.json_output {
                let mut list = set.list_json();
                list["derived"] = needs::object(&request, requirements);
                writeln!(out, "{list}")?;
            } else {
                write!(out, "{}", set.list_text())?;
                write!(out, "{}", needs::text(&request, requirements))?;
            }
            Ok(true)
        }
        Action::DescribeRule(name) => {
            let set = set(config)?;
            let text = if config.json_output {
                set.describe_json(name).map(|json| format!("{json}\n"))
            } else {
                set.describe_text(name)
            };
            let Some(text) = text else {
                bail!("no rule is named '{name}'; `-L` lists them all");
            };
            write!(out, "{text}")?;
            Ok(true)
        }
        _ => Ok(true),
    }
}

/// Prints a report as Falco does: to standard output, and for an invalid file also as text to
/// standard error. There the sensor says, too, which rules cannot match.
fn validated(
    compiled: Result<Compilation, Report>,
    config: &Config,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    let (report, set) = match compiled {
        Ok(Compilation { report, set }) => (report, set),
        Err(report) => (report, None),
    };
    if config.json_output {
        writeln!(out, "{}", report.json())?;
    } else {
        write!(out, "{}", report.text())?;
    }
    if !report.is_ok() {
        eprintln!("Error: {}", report.text());
    }
    if let Some(set) = set {
        eprintln!("{}", set.tally());
        for remark in set.remarks() {
            eprintln!("warning: {remark}");
        }
    }
    Ok(report.is_ok())
}

fn set(config: &Config) -> anyhow::Result<RuleSet> {
    match rules::load(config) {
        Ok(Compilation {
            set: Some(set),
            report: _,
        }) => Ok(set),
        Ok(Compilation { report, set: None }) | Err(report) => bail!("{}", report.text()),
    }
}
