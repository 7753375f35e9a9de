//! What a start does if a rules file is broken: the last good rules run, or those of the other files.

use std::{collections::BTreeSet, fmt};

use config::{BrokenRules, Config};
use falco_rules::Priority;
use outputs::internal::Record;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::{
    inspect::refused,
    rules::{self, Found, compile, compile_what_is_valid},
};
use crate::{
    lifecycle::StateFolder,
    sources::syscall::rules::{Code, Compilation, Problem, Report, RuleFile},
};

/// Name of the file in the state folder.
const NAME: &str = "rules";

/// Most bytes of the errors that a record has.
const ERRORS_MAX: usize = 4096;

/// The texts of the rules files from which the sensor last compiled its rules.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct LastGood {
    /// When, RFC 3339.
    since: String,
    /// The files in order, without base files.
    files: Vec<Kept>,
}

/// A rules file.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Kept {
    name: String,
    /// SHA-256 of its bytes, in hexadecimal.
    sha256: String,
    /// Its text in UTF-8.
    content: String,
}

/// What is broken, and what runs in its place.
#[derive(Debug)]
pub(super) struct Broken {
    /// The names of the broken files, sorted.
    pub(super) files: Vec<Box<str>>,
    /// The errors, one a line.
    errors: String,
    running: InPlace,
}

/// The rules that run in place of broken ones.
#[derive(Debug)]
enum InPlace {
    /// The last good ones, with the time at which they were loaded.
    LastGood(String),
    /// Those of the other files, without these rules, which need a broken file.
    Others(Vec<Box<str>>),
    /// The built-in ones, as no other file is there.
    BuiltIn,
}

impl fmt::Display for InPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LastGood(since) => {
                write!(f, "the last good rules run, which are those of {since}")
            }
            Self::Others(without) if without.is_empty() => {
                f.write_str("the rules of the other files run")
            }
            Self::Others(without) => write!(
                f,
                "the rules of the other files run, without those that need a broken file: {}",
                without.join(", ")
            ),
            Self::BuiltIn => f.write_str("the built-in rules run, since no other file is there"),
        }
    }
}

/// One line that names the broken files, and what runs.
impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if let [file] = &*self.files {
            format!("1 rules file is broken ({file})")
        } else {
            format!(
                "{} rules files are broken ({})",
                self.files.len(),
                self.files.join(", ")
            )
        };
        write!(f, "{what}: {}", self.running)
    }
}

impl Broken {
    /// The line with the errors behind it, for the log.
    pub(super) fn with_errors(&self) -> String {
        format!("{self}\n{}", self.errors)
    }

    /// The record in the stream.
    pub(super) fn record(&self) -> Record {
        let rule = "Sensor internal: rules broken";
        let mut errors = self.errors.as_str();
        if errors.len() > ERRORS_MAX {
            errors = &errors[..errors.floor_char_boundary(ERRORS_MAX)];
        }
        let running = match &self.running {
            InPlace::LastGood(_) => "last good",
            InPlace::Others(_) => "other files",
            InPlace::BuiltIn => "built-in",
        };
        Record::new(rule, Priority::Critical, format!("{rule}. {self}"))
            .field("sensor.rules.broken", self.files.join(", "))
            .field("sensor.rules.errors", errors)
            .field("sensor.rules.running", running)
    }
}

/// Keeps the files of rules that are in force for a start at which one is broken.
pub(super) fn keep(files: &[RuleFile], state: Option<&StateFolder>) {
    let Some(state) = state else { return };
    let files = files.iter().map(|file| Kept {
        name: file.name.as_ref().into(),
        sha256: file.sha256.as_ref().into(),
        content: file.text.as_ref().into(),
    });
    let good = LastGood {
        since: outputs::internal::utc(std::time::SystemTime::now()),
        files: files.collect(),
    };
    if let Err(error) = state.keep(NAME, &good) {
        warn!("the rules are not kept for a start with broken ones: {error}");
    }
}

/// The last good rules; none if there are none, or if they do not compile with this configuration
/// and this version.
fn last_good(config: &Config, state: &StateFolder) -> Option<(Compilation, String)> {
    let good: LastGood = match state.read(NAME) {
        Ok(good) => good?,
        Err(error) => {
            warn!("no last good rules: {error}");
            return None;
        }
    };
    let files = good.files.into_iter().map(|file| RuleFile {
        sha256: file.sha256.into(),
        ..RuleFile::new(file.name, file.content)
    });
    let compilation = compile(files.collect(), config);
    if compilation.set.is_none() {
        let report = refused(&compilation.report);
        warn!("the last good rules are broken, too: {report:#}");
        return None;
    }
    Some((compilation, good.since))
}

/// The names of the files that are broken by themselves, sorted. A condition with an error can lack
/// a macro of another broken file, so such files count only where no file has another error.
fn failing(report: &Report) -> Vec<Box<str>> {
    let with = |is_one: &dyn Fn(&Problem) -> bool| -> BTreeSet<_> {
        let files = report.files.iter();
        let files = files.filter(|file| file.errors().any(is_one));
        files.map(|file| file.name.clone()).collect()
    };
    let mut names = with(&|problem| problem.code != Code::CompileCondition);
    if names.is_empty() {
        names = with(&|_| true);
    }
    names.into_iter().collect()
}

/// The rules for a start with broken files.
///
/// # Errors
/// If `sensor.rules.broken` says so, or if no rule is left: the errors of the files.
pub(super) fn in_place_of(
    report: &Report,
    config: &Config,
    state: Option<&StateFolder>,
) -> anyhow::Result<(Compilation, Broken)> {
    if config.sensor.rules.broken == BrokenRules::Stop {
        return Err(refused(report));
    }
    let broken = |report: &Report, running| Broken {
        files: failing(report),
        errors: refused(report).to_string(),
        running,
    };
    if let Some((compilation, since)) = state.and_then(|state| last_good(config, state)) {
        return Ok((compilation, broken(report, InPlace::LastGood(since))));
    }
    // An unreadable file hides what is wrong with the others.
    let Found {
        files, problems, ..
    } = rules::read_all(config);
    let mut whole = compile(files.clone(), config).report;
    whole.files.extend(Report::unreadable(problems).files);
    let mut told = broken(&whole, InPlace::BuiltIn);
    let is_good = |file: &RuleFile| told.files.binary_search(&file.name).is_err();
    let mut good: Vec<_> = files.into_iter().filter(is_good).collect();
    let built_in = good.is_empty();
    if built_in {
        good = rules::built_in();
    }
    let compilation = compile_what_is_valid(good, config);
    match &compilation.set {
        Some(set) if !set.rules().is_empty() => {}
        _ => return Err(refused(report)),
    }
    if !built_in {
        let errors = compilation.report.problems();
        let errors = errors.filter(|problem| problem.is_error());
        let items = errors.filter_map(|problem| problem.item.as_ref());
        let names: BTreeSet<_> = items.map(|(_, name)| name.clone()).collect();
        told.running = InPlace::Others(names.into_iter().collect());
    }
    Ok((compilation, told))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::cli::{Args, configuration};

    const MACRO: &str = "- {macro: from_shell, condition: proc.pname = sh}\n";

    fn rule(name: &str, condition: &str) -> String {
        format!(
            "- {{rule: {name}, desc: d, condition: evt.type = execve and {condition}, output: o, priority: INFO}}\n"
        )
    }

    /// The configuration of a directory with these rules files.
    fn config(directory: &Path, files: &[(&str, &str)]) -> Config {
        let rules = directory.join("rules.d");
        fs::create_dir_all(&rules).unwrap();
        for (name, text) in files {
            fs::write(rules.join(name), text).unwrap();
        }
        let file = directory.join("falco.yaml");
        let text = format!("config_files: []\nrules_files: [{}]\n", rules.display());
        fs::write(&file, text).unwrap();
        let args = Args {
            config: Some(file),
            ..Args::default()
        };
        configuration(&args).unwrap().config
    }

    fn names(compilation: &Compilation) -> Vec<&str> {
        let set = compilation.set.as_ref().unwrap();
        set.rules().iter().map(|rule| &*rule.name).collect()
    }

    fn broken(
        config: &Config,
        state: Option<&StateFolder>,
    ) -> anyhow::Result<(Compilation, Broken)> {
        let loaded = rules::load(config);
        let report = match loaded {
            Ok(loaded) => {
                assert!(loaded.compilation.set.is_none());
                loaded.compilation.report
            }
            Err(report) => report,
        };
        in_place_of(&report, config, state)
    }

    #[test]
    fn the_last_good_rules_run_in_place_of_broken_ones() {
        let directory = tempfile::tempdir().unwrap();
        let state = StateFolder::take(directory.path(), "a").unwrap();
        let good = rule("mine", "from_shell");
        let both = [("a.yaml", MACRO), ("b.yaml", &*good)];
        let loaded = rules::load(&config(directory.path(), &both)).unwrap();
        let digest = loaded.compilation.set.unwrap().digest().to_owned();
        keep(&loaded.files, Some(&state));
        let config = config(directory.path(), &[("a.yaml", "- {macro: [")]);
        let (compilation, told) = broken(&config, Some(&state)).unwrap();
        assert_eq!(names(&compilation), ["mine"]);
        assert_eq!(compilation.set.unwrap().digest(), digest);
        let text = told.to_string();
        assert!(
            text.contains("1 rules file is broken (") && text.contains("a.yaml)"),
            "{text}"
        );
        assert!(text.contains("the last good rules run"), "{text}");
        let record = told.record();
        assert_eq!(record.fields["sensor.rules.running"], "last good");
        assert!(
            record.fields["sensor.rules.errors"]
                .as_str()
                .unwrap()
                .contains("a.yaml:1:")
        );
    }

    #[test]
    fn without_last_good_rules_the_broken_files_and_what_needs_them_are_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let good = rule("other", "proc.name = x") + &rule("mine", "from_shell");
        let files = [("a.yaml", "- {macro: ["), ("b.yaml", &*good)];
        let config = config(directory.path(), &files);
        let (compilation, told) = broken(&config, None).unwrap();
        assert_eq!(names(&compilation), ["other"]);
        assert_eq!(told.files.len(), 1);
        let text = told.to_string();
        assert!(text.ends_with("need a broken file: mine"), "{text}");
    }

    #[test]
    fn without_any_good_file_the_built_in_rules_run() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path(), &[("a.yaml", "- {rule: [")]);
        let (compilation, told) = broken(&config, None).unwrap();
        assert!(!names(&compilation).is_empty());
        assert!(
            told.to_string().contains("the built-in rules run"),
            "{told}"
        );
    }

    #[test]
    fn an_unreadable_file_is_a_broken_one() {
        let directory = tempfile::tempdir().unwrap();
        let good = rule("other", "proc.name = x");
        let mut config = config(directory.path(), &[("a.yaml", &good)]);
        let loop_of_links = directory.path().join("loop.yaml");
        std::os::unix::fs::symlink(&loop_of_links, &loop_of_links).unwrap();
        config.rules_files.push(loop_of_links);
        let (compilation, told) = broken(&config, None).unwrap();
        assert_eq!(names(&compilation), ["other"]);
        assert!(told.files[0].ends_with("loop.yaml"), "{told}");
    }

    #[test]
    fn the_start_fails_where_the_configuration_says_so_or_no_rule_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let mut config = config(directory.path(), &[("a.yaml", "- {rule: [")]);
        config.sensor.rules.broken = BrokenRules::Stop;
        let error = broken(&config, None).unwrap_err().to_string();
        assert!(error.contains("a.yaml:1:"), "{error}");
        config.sensor.rules.broken = BrokenRules::Keep;
        config.append_output = vec![config::AppendOutput {
            extra_output: Some("%no.field".into()),
            ..config::AppendOutput::default()
        }];
        let error = broken(&config, None).unwrap_err().to_string();
        assert!(error.contains("a.yaml:1:"), "{error}");
    }
}
