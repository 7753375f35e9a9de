//! The rules that the configuration names.

use std::{
    collections::BTreeSet,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use config::Config;
use tracing::{info, warn};
use yaml::{Diagnostic, Source};

use super::options;
use crate::sources::syscall::rules::{
    self, Code, Compilation, FileReport, Problem, Report, RuleFile, RuleSet, read,
};

/// The rules that apply if the configuration names none.
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

/// Rules that show every exec of the machine, for somebody who tries the sensor on a host.
pub(super) const HOST: (&str, &str) = (
    "built-in/host.yaml",
    include_str!("../../../deploy/rules/development.yaml"),
);

/// The base files: macros and lists that rules rely on. A macro stands behind those that it uses.
const BASE: &[(&str, &str)] = &[
    (
        "base/programs.yaml",
        include_str!("../../../deploy/rules/base/programs.yaml"),
    ),
    (
        "base/places.yaml",
        include_str!("../../../deploy/rules/base/places.yaml"),
    ),
    (
        "base/yours.yaml",
        include_str!("../../../deploy/rules/base/yours.yaml"),
    ),
    (
        "base/conditions.yaml",
        include_str!("../../../deploy/rules/base/conditions.yaml"),
    ),
    (
        "base/processes.yaml",
        include_str!("../../../deploy/rules/base/processes.yaml"),
    ),
    (
        "base/writers.yaml",
        include_str!("../../../deploy/rules/base/writers.yaml"),
    ),
];

/// Compiles rule files behind the base files, if the configuration wants these.
pub(super) fn compile(files: Vec<RuleFile>, config: &Config) -> Compilation {
    rules::compile(&with_base(files, config), &options::rules(config))
}

/// Compiles rule files as [`compile`] does, without what is invalid in them.
pub(super) fn compile_what_is_valid(files: Vec<RuleFile>, config: &Config) -> Compilation {
    let mut options = options::rules(config);
    options.rules.leave_out_invalid = true;
    rules::compile(&with_base(files, config), &options)
}

/// Rule files behind the base files, if the configuration wants these.
pub(super) fn with_base(files: Vec<RuleFile>, config: &Config) -> Vec<RuleFile> {
    let base = BASE.iter().filter(|_| config.sensor.rules.base);
    let base = base.map(|(name, text)| RuleFile::base(*name, *text));
    base.chain(files).collect()
}

/// What the log has said about the rules that are loaded, so that it says the same once only.
#[derive(Debug, Default)]
pub(super) struct RuleLog {
    said: BTreeSet<String>,
}

impl RuleLog {
    /// Logs what has happened (`reloaded`) with the number of rules that can match, and what is new
    /// about those that cannot.
    pub(super) fn say(&mut self, what: &str, set: &RuleSet) {
        info!("{what}: {}", set.tally());
        for remark in self.news(set) {
            warn!("{remark}");
        }
    }

    /// The remarks that are new.
    fn news(&mut self, set: &RuleSet) -> Vec<String> {
        let remarks: Vec<_> = set.remarks().collect();
        let new = remarks.iter().filter(|remark| !self.said.contains(*remark));
        let new = new.cloned().collect();
        self.said = remarks.into_iter().collect();
        new
    }
}

/// The text of all base files.
pub(super) fn base() -> String {
    BASE.iter().map(|(_, text)| *text).collect()
}

/// Compiled rules, and the files from which they were compiled.
#[derive(Debug)]
pub(super) struct LoadedRules {
    /// The rules, if no file has an error.
    pub(super) compilation: Compilation,
    /// The files in order, without base files.
    pub(super) files: Vec<RuleFile>,
}

/// Loads and compiles the configured rules, or the built-in ones. The report names the paths that
/// were left out.
///
/// # Errors
/// The report, if a file cannot be read or if the configured paths lead to no file at all.
pub(super) fn load(config: &Config) -> Result<LoadedRules, Report> {
    let (files, missing) = files(config)?;
    let mut compilation = compile(files.clone(), config);
    let reports = missing.iter().map(|path| left_out(path));
    compilation.report.files.splice(0..0, reports);
    Ok(LoadedRules { compilation, files })
}

/// The built-in rules that apply if the configuration names none.
pub(super) fn built_in() -> Vec<RuleFile> {
    let file = |(name, text): &(&str, &str)| RuleFile::new(*name, *text);
    BUILT_IN.iter().map(file).collect()
}

/// The configured rule files, or the built-in ones; and the configured paths that are left out
/// because they are not there. The name of a built-in file, such as `built-in/host.yaml`, is a path
/// that leads to it.
///
/// # Errors
/// The report, if a file cannot be read or if the configured paths lead to no file at all.
pub(super) fn files(config: &Config) -> Result<(Vec<RuleFile>, Vec<PathBuf>), Report> {
    let Found {
        files,
        missing,
        problems,
    } = read_all(config);
    if problems.is_empty() {
        Ok((files, missing))
    } else {
        Err(Report::unreadable(problems))
    }
}

/// What is at the configured paths.
pub(super) struct Found {
    /// The files that can be read, in order.
    pub(super) files: Vec<RuleFile>,
    /// The paths that are left out because they are not there.
    missing: Vec<PathBuf>,
    /// A problem for each path that cannot be read, or for each path if none leads to a file.
    pub(super) problems: Vec<Problem>,
}

/// Reads what [`files`] reads, and goes on behind a file that cannot be read.
pub(super) fn read_all(config: &Config) -> Found {
    if config.rules_files.is_empty() {
        return Found {
            files: built_in(),
            missing: Vec::new(),
            problems: Vec::new(),
        };
    }
    let optional = |path: &PathBuf| config.optional_rules_files.contains(path);
    let (mut files, mut missing, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for path in &config.rules_files {
        let by_name = BUILT_IN.iter().chain([&HOST]);
        let mut by_name = by_name.filter(|(name, _)| path == Path::new(name));
        if let Some(file) = by_name.next() {
            files.push(RuleFile::new(file.0, file.1));
        } else if optional(path) && is_missing(path) {
            missing.push(path.clone());
        } else {
            match read(std::slice::from_ref(path)) {
                Ok(read) => files.extend(read),
                Err(unreadable) => problems.extend(unreadable),
            }
        }
    }
    if problems.is_empty() && files.is_empty() {
        problems.extend(config.rules_files.iter().map(|path| nothing(path)));
    }
    Found {
        files,
        missing,
        problems,
    }
}

fn is_missing(path: &Path) -> bool {
    fs::metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// The report on an optional path that does not exist.
fn left_out(path: &Path) -> FileReport {
    let source = Source::new(path.to_string_lossy(), "");
    let message = "no such file or directory: left out of the rules";
    let diagnostic = Diagnostic::warning(&source, source.position(0), message);
    FileReport {
        name: diagnostic.file.clone(),
        problems: vec![Problem::new(Code::FileRead, diagnostic)],
    }
}

/// The problem with each path if none of them leads to a file.
fn nothing(path: &Path) -> Problem {
    let source = Source::new(path.to_string_lossy(), "");
    let message = if is_missing(path) {
        "no rules: no such file or directory"
    } else {
        "no rules: the directory has no .yaml or .yml file"
    };
    Problem::new(
        Code::FileRead,
        Diagnostic::error(&source, source.position(0), message).hint(
            "name one file that is there by rules_files or -r, or none at all for the built-in rules",
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::{Args, configuration},
        lifecycle::Watch,
    };

    const RULE: &str =
        "- {rule: r, desc: d, condition: evt.type = execve, output: o, priority: INFO}\n";

    /// A directory with a configuration that names these paths in the directory.
    fn scene(rules_files: &[&str]) -> (tempfile::TempDir, Args) {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &&str| directory.path().join(name).display().to_string();
        let paths: Vec<_> = rules_files.iter().map(path).collect();
        let file = directory.path().join("falco.yaml");
        let text = format!("config_files: []\nrules_files: [{}]\n", paths.join(", "));
        fs::write(&file, text).unwrap();
        let args = Args {
            config: Some(file),
            ..Args::default()
        };
        (directory, args)
    }

    fn load_with(args: &Args) -> Result<Compilation, Report> {
        Ok(load(&configuration(args).unwrap().config)?.compilation)
    }

    #[test]
    fn configured_rules_that_are_missing_are_left_out_with_a_warning() {
        let (directory, args) = scene(&["falco_rules.yaml", "local.yaml", "rules.d"]);
        fs::write(directory.path().join("local.yaml"), RULE).unwrap();
        let Compilation { set, report } = load_with(&args).unwrap();
        assert_eq!(set.unwrap().rules().len(), 1);
        let messages: Vec<_> = report.problems().map(ToString::to_string).collect();
        assert_eq!(messages.len(), 2, "{messages:?}");
        for (message, name) in messages.iter().zip(["falco_rules.yaml", "rules.d"]) {
            let path = directory.path().join(name);
            let path = path.display();
            let expected = format!("{path}:1:1: warning: no such file or directory");
            assert!(message.starts_with(&expected), "{message}");
        }
    }

    #[test]
    fn configured_rules_without_any_file_are_an_error_that_names_each_path() {
        let (directory, args) = scene(&["falco_rules.yaml", "rules.d"]);
        fs::create_dir(directory.path().join("rules.d")).unwrap();
        let error = load_with(&args).unwrap_err().text();
        for text in [
            "falco_rules.yaml: Invalid",
            "no rules: no such file",
            "rules.d: Invalid",
            "the directory has no .yaml",
            "built-in rules",
        ] {
            assert!(error.contains(text), "no {text} in {error}");
        }
    }

    #[test]
    fn rules_that_replace_the_configured_ones_must_exist() {
        let (directory, mut args) = scene(&["local.yaml"]);
        let there = directory.path().join("there.yaml");
        fs::write(&there, RULE).unwrap();
        args.rules = vec![there.clone(), directory.path().join("gone.yaml")];
        let error = load_with(&args).unwrap_err().text();
        assert!(error.contains("gone.yaml: Invalid"), "{error}");
        args.rules = vec![there];
        let report = load_with(&args).unwrap().report;
        assert_eq!(report.problems().count(), 0, "local.yaml does not matter");
    }

    #[test]
    fn the_sensor_reads_configured_rules_that_appear_later() {
        let (directory, args) = scene(&["local.yaml", "rules.d"]);
        fs::write(directory.path().join("local.yaml"), "[]\n").unwrap();
        let config = configuration(&args).unwrap().config;
        let mut watch = Watch::default();
        watch.add(&config.rules_files);
        assert!(!watch.changed());
        fs::create_dir(directory.path().join("rules.d")).unwrap();
        fs::write(directory.path().join("rules.d/mine.yaml"), RULE).unwrap();
        assert!(watch.changed());
        let set = load(&config).unwrap().compilation.set.unwrap();
        assert_eq!(set.rules().len(), 1);
    }

    #[test]
    fn a_built_in_file_is_read_by_its_name() {
        let (_directory, mut args) = scene(&[]);
        args.rules = vec![HOST.0.into(), BUILT_IN[0].0.into()];
        let set = load_with(&args).unwrap().set.unwrap();
        assert_eq!(set.rules().len(), 2);
    }

    #[test]
    fn the_built_in_rules_apply_where_no_rules_are_configured() {
        let (_directory, args) = scene(&[]);
        let set = load_with(&args).unwrap().set.unwrap();
        assert_eq!(set.files().len(), BUILT_IN.len());
    }

    /// The rule of a text that the sensor loads from a file, with these further arguments.
    fn rule_of(text: &str, overrides: &[&str]) -> Result<Compilation, Report> {
        let (directory, mut args) = scene(&["mine.yaml"]);
        fs::write(directory.path().join("mine.yaml"), text).unwrap();
        args.overrides = overrides.iter().map(ToString::to_string).collect();
        load_with(&args)
    }

    #[test]
    fn rules_find_the_macros_and_lists_of_the_base_files_unless_these_are_off() {
        let text = "- {rule: r, desc: d, condition: spawned_process and container and
    proc.name in (shell_binaries), output: o, priority: INFO}\n";
        let compilation = rule_of(text, &[]).unwrap();
        assert_eq!(compilation.report.problems().count(), 0);
        assert_eq!(compilation.set.unwrap().files().len(), 1);
        let report = rule_of(text, &["sensor.rules.base=false"]).unwrap().report;
        assert!(report.text().contains("unknown macro 'spawned_process'"));
    }

    #[test]
    fn a_rule_on_each_macro_of_the_base_files_loads() {
        let all = base();
        let names = all
            .lines()
            .filter_map(|line| line.strip_prefix("- macro: "));
        let rule = |name| {
            format!(
                "- {{rule: {name}, desc: d, condition: {name}, output: o, priority: INFO, warn_evttypes: false}}\n"
            )
        };
        let text: String = names.map(rule).collect();
        let compilation = rule_of(&text, &[]).unwrap();
        let report = compilation.report.text();
        assert_eq!(compilation.report.problems().count(), 0, "{report}");
        let set = compilation.set.expect(&report);
        let inactive = |name: &str| {
            let index = set.rules().iter().position(|rule| &*rule.name == name);
            let info = &set.info()[index.expect(name)];
            matches!(info.activity, rules::Activity::Inactive(_))
        };
        for name in ["spawned_process", "container", "outbound", "interactive"] {
            assert!(!inactive(name), "{name}");
        }
        assert!(inactive("never_true") && inactive("user_known_cron_jobs"));
    }

    #[test]
    fn what_cannot_match_is_said_once_and_again_when_it_comes_back() {
        let rule = |name: &str, event: &str| {
            format!(
                "- {{rule: {name}, desc: d, condition: evt.type = {event}, output: o, priority: INFO}}\n"
            )
        };
        let set = |text: &str| rule_of(text, &[]).unwrap().set.unwrap();
        let both = set(&(rule("execs", "execve") + &rule("opens", "openat")));
        let mut remarks = RuleLog::default();
        let new = remarks.news(&both);
        assert_eq!(new, ["rule 'opens' is inactive: no events of type openat"]);
        assert!(remarks.news(&both).is_empty());
        assert!(remarks.news(&set(&rule("execs", "execve"))).is_empty());
        assert_eq!(remarks.news(&both).len(), 1);
    }
}
