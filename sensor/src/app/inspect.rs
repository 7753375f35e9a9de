//! The actions that observe nothing: lists, checks, the configuration.

use std::{
    io::{self, IsTerminal as _, Write},
    path::PathBuf,
};

use anyhow::bail;
use config::{Config, Loaded};
use outputs::{Outputs, tls};

use super::{Outcome, cases, derived, explain, replay, rules, support};
use crate::{
    cli::{self, Action, Args, Command, fit, screen_width},
    sources::syscall::{
        self,
        rules::{Code, Compilation, Report, RuleFile, RuleSet, read},
    },
};

/// Does what an action other than [`Action::Run`] asks for.
///
/// # Errors
/// If the configuration is not valid, or if standard output cannot be written. To list or describe
/// rules: also if the rules are not valid.
pub fn inspect(action: &Action, args: &Args) -> anyhow::Result<Outcome> {
    if args.markdown {
        eprintln!("Warning: --markdown is deprecated: write --format markdown");
    }
    let mut out = Printer {
        out: io::stdout().lock(),
        screen: screen_width(),
        asked: args.asks_for_json(),
    };
    let done = act(action, args, &mut out);
    Outcome::of(done.and_then(|done| {
        out.out.flush()?;
        Ok(done)
    }))
}

/// Standard output, and what somebody wants to see there.
struct Printer {
    out: io::StdoutLock<'static>,
    /// Columns of the terminal, if there is one.
    screen: Option<usize>,
    /// Whether the command line asks for JSON.
    asked: Option<bool>,
}

impl Printer {
    /// Whether a list or a report is to be JSON: as the configuration says, and on a terminal only
    /// if the command line says so.
    fn json(&self, config: &Config) -> bool {
        let terminal = self.out.is_terminal();
        self.asked.unwrap_or(config.json_output && !terminal)
    }

    /// Prints text, fitted to the screen.
    fn text(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(fit(text, self.screen).as_bytes())
    }
}

/// Returns false if something that was checked is not valid.
fn act(action: &Action, args: &Args, out: &mut Printer) -> anyhow::Result<bool> {
    let loaded = if action.needs_no_configuration() {
        None
    } else {
        Some(cli::configuration(args)?)
    };
    let default = Config::default();
    let config = loaded.as_ref().map_or(&default, |loaded| &loaded.config);
    let mut text = Vec::new();
    if cli::run(action, config, out.asked == Some(true), &mut text)? {
        out.text(&String::from_utf8_lossy(&text))?;
        return Ok(true);
    }
    match action {
        Action::PrintBaseRules => {
            out.out.write_all(rules::base().as_bytes())?;
            Ok(true)
        }
        Action::Validate(files) => {
            let compiled = match read(files) {
                Ok(read) if is_nothing(&read) => bail!("{}", nothing(files)),
                Ok(files) => Ok(rules::compile(files, config)),
                Err(problems) => Err(Report::unreadable(problems)),
            };
            validated(compiled, config, out)
        }
        Action::DryRun => {
            for warning in loaded.iter().flat_map(|Loaded { warnings, .. }| warnings) {
                eprintln!("{warning}");
            }
            let is_valid = validated(
                rules::load(config).map(|loaded| loaded.compilation),
                config,
                out,
            )?;
            Ok(can_start(config) && is_valid)
        }
        Action::ListRules => {
            let set = set(config)?;
            let requirements = set.requirements();
            let request = syscall::options::capture_request(config, requirements);
            if out.json(config) {
                let mut list = set.list_json();
                list["derived"] = derived::object(&request, requirements);
                writeln!(out.out, "{list}")?;
            } else {
                out.text(&set.list_text())?;
                out.text(&derived::text(&request, requirements))?;
            }
            Ok(true)
        }
        Action::DescribeRule(name) => {
            let set = set(config)?;
            let text = if out.json(config) {
                set.describe_json(name).map(|json| format!("{json}\n"))
            } else {
                set.describe_text(name)
            };
            let Some(text) = text else {
                bail!("no rule is named '{name}'; `-L` lists them all");
            };
            out.text(&text)?;
            Ok(true)
        }
        Action::Support => {
            let (files, _) = rules::files(config).map_err(|report| refused(&report))?;
            let object = support::object(config, &files);
            writeln!(out.out, "{object}")?;
            Ok(true)
        }
        Action::Command(Command::Test {
            paths,
            coverage,
            junit,
        }) => cases::test(paths, config, *coverage, junit.as_deref(), &mut out.out),
        Action::Command(Command::Replay { files }) => replay::replay(config, files),
        Action::Command(Command::Explain { rule, file }) => {
            explain::explain(config, rule, file.as_deref(), &mut out.out)?;
            Ok(true)
        }
        _ => Ok(true),
    }
}

/// Whether there is no file, or no text in any.
fn is_nothing(files: &[RuleFile]) -> bool {
    files.iter().all(|file| file.text.trim().is_empty())
}

fn nothing(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let paths = paths.join(", ");
    format!(
        "nothing to validate in {paths}: name a file with rules, or a directory with .yaml files"
    )
}

/// Whether what the configuration enables could start: outputs and the web server. Says what could
/// not.
fn can_start(config: &Config) -> bool {
    let outputs = Outputs::check(config);
    let outputs = outputs.iter().map(ToString::to_string);
    let web = &config.webserver;
    let tls = (web.enabled && web.ssl_enabled)
        .then(|| tls::acceptor(&web.ssl_certificate).err())
        .flatten()
        .map(|what| format!("webserver: {what}: check webserver.ssl_certificate"));
    let problems: Vec<String> = outputs.chain(tls).collect();
    for problem in &problems {
        eprintln!("Error: {problem}");
    }
    problems.is_empty()
}

/// Prints a report as Falco does: to standard output, and for an invalid file also as text to
/// standard error. At a terminal, which shows both, the text is there once. Standard error has, too,
/// which rules cannot match.
fn validated(
    compiled: Result<Compilation, Report>,
    config: &Config,
    out: &mut Printer,
) -> anyhow::Result<bool> {
    let (report, set) = match compiled {
        Ok(Compilation { report, set }) => (report, set),
        Err(report) => (report, None),
    };
    if out.json(config) {
        writeln!(out.out, "{}", report.json())?;
    } else {
        out.text(&report.text())?;
    }
    let shown = out.out.is_terminal() && io::stderr().is_terminal();
    if !report.is_ok() && !shown {
        eprint!("Error: {}", report.text());
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
    let Compilation { set, report } = match rules::load(config) {
        Ok(loaded) => loaded.compilation,
        Err(report) => return Err(refused(&report)),
    };
    set.ok_or_else(|| refused(&report))
}

/// The errors of a report, each with its place; warnings are left out.
pub(super) fn refused(report: &Report) -> anyhow::Error {
    let errors = report.problems().filter(|problem| problem.is_error());
    let error = |problem: &syscall::rules::Problem| match problem.code {
        // Nothing in the file can be shown.
        Code::FileRead => {
            let diagnostic = &problem.diagnostic;
            let hint = diagnostic.hint.as_deref();
            let hint = hint.map_or(String::new(), |hint| format!("; {hint}"));
            format!("{}: {}{hint}", diagnostic.file, diagnostic.message)
        }
        _ => problem.diagnostic.to_string(),
    };
    let errors: Vec<String> = errors.map(error).collect();
    anyhow::Error::msg(errors.join("\n"))
}
