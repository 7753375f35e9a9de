//! `sensor test`: tries files of cases, and says what failed.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use config::Config;
use falco_rules::{RuleSet, Scratch, Written};

use super::{
    inspect::refused,
    json_lines::{self, Contents},
    recorded::Events,
    rules,
};
use crate::{
    cases::{Case, CaseFile, Choice, Coverage, Outcome, RecordedEvent, compile, files, junit, run},
    sources::syscall::fields::Syscall,
    watch::{FilterError, Places, of_every_field},
};

/// Tries the cases of these files and folders. Returns false if a case fails, or a file has
/// mistakes.
///
/// # Errors
/// If a path cannot be read or has no case, or if the outcomes cannot be written.
pub(super) fn test(
    paths: &[PathBuf],
    config: &Config,
    coverage: bool,
    junit_file: Option<&Path>,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    let mut tried: Vec<(PathBuf, Vec<Outcome>)> = Vec::new();
    let mut broken = 0;
    for path in all(paths)? {
        let mut file = match CaseFile::read::<Syscall>(&path) {
            Ok(file) => file,
            Err(mistakes) => {
                broken += 1;
                mistakes
                    .iter()
                    .try_for_each(|mistake| writeln!(out, "{mistake}"))?;
                continue;
            }
        };
        match compile::<Syscall>(&file, |files| rules::with_base(files, config)) {
            Ok(rules) => {
                take_recorded(&mut file, &rules, config)?;
                let outcomes = run(&rules, &file);
                if coverage {
                    writeln!(out, "{}:", path.display())?;
                    write!(out, "{}", Coverage::of(&rules, &file.cases).text())?;
                }
                say(&path, &outcomes, out)?;
                tried.push((path, outcomes));
            }
            Err(rules) => {
                broken += 1;
                writeln!(out, "{}: the rules are not valid\n{rules}", path.display())?;
            }
        }
    }
    if let Some(junit_file) = junit_file {
        let files = tried
            .iter()
            .map(|(path, outcomes)| (path.as_path(), outcomes.as_slice()));
        let text = junit(files);
        fs::write(junit_file, text)
            .with_context(|| format!("cannot write the outcomes to {}", junit_file.display()))?;
    }
    let outcomes = || tried.iter().flat_map(|(_, outcomes)| outcomes);
    let failed = outcomes()
        .filter(|outcome| !outcome.failures.is_empty())
        .count();
    let all = outcomes().count();
    write!(out, "{} cases passed, {failed} failed", all - failed)?;
    if broken > 0 {
        write!(out, ", {broken} files could not be tried")?;
    }
    writeln!(out)?;
    Ok(failed == 0 && broken == 0)
}

/// The files of cases that paths mean.
fn all(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for path in paths {
        let found = files(path).with_context(|| format!("cannot read {}", path.display()))?;
        if found.is_empty() {
            bail!("{} has no file of cases (*.test.yaml)", path.display());
        }
        all.extend(found);
    }
    Ok(all)
}

/// A case that looks for its event in a recording.
struct Wanted {
    /// Its number in the file of cases.
    case: usize,
    choice: Choice,
    /// The condition of the choice.
    condition: Option<Arc<RuleSet<Syscall>>>,
}

/// Gives each case that is about a recorded event the fields of that event. A case whose event is not
/// there fails, and says why.
fn take_recorded(
    file: &mut CaseFile,
    rules: &RuleSet<Written<Syscall>>,
    config: &Config,
) -> anyhow::Result<()> {
    let mut recordings: BTreeMap<PathBuf, Vec<Wanted>> = BTreeMap::new();
    for (number, case) in file.cases.iter_mut().enumerate() {
        let Some(RecordedEvent { path, choice, .. }) = &case.recorded else {
            continue;
        };
        match condition(choice, config) {
            Ok(condition) => recordings.entry(path.clone()).or_default().push(Wanted {
                case: number,
                choice: choice.clone(),
                condition,
            }),
            Err(error) => case.problem = Some(format!("{error:#}")),
        }
    }
    if recordings.is_empty() {
        return Ok(());
    }
    let events = Events::new(config, rules)?;
    for (path, mut wanted) in recordings {
        let read = look(&events, &path, &mut wanted, &mut file.cases);
        let read = read.err().map(|error| format!("{error:#}"));
        for Wanted { case, choice, .. } in wanted {
            let missing = || format!("{} has no event {choice}", path.display());
            file.cases[case].problem = Some(read.clone().unwrap_or_else(missing));
        }
    }
    Ok(())
}

/// The rule of a choice by a condition.
fn condition(choice: &Choice, config: &Config) -> anyhow::Result<Option<Arc<RuleSet<Syscall>>>> {
    let Choice::Where(condition) = choice else {
        return Ok(None);
    };
    let base = rules::with_base(Vec::new(), config);
    let set =
        of_every_field(Some(condition), &Places::default(), base).map_err(|error| match error {
            FilterError::Condition(report) => refused(&report),
            other => other.into(),
        })?;
    Ok(Some(set.rules_alone()))
}

/// Looks for events in a recording. What is found leaves `wanted`.
fn look(
    events: &Events<'_>,
    path: &Path,
    wanted: &mut Vec<Wanted>,
    cases: &mut [Case],
) -> anyhow::Result<()> {
    let Contents::Recording(bytes) = json_lines::open(path)? else {
        bail!("{} is no recording of a sensor", path.display());
    };
    let mut scratch = Scratch::default();
    events.each(path, bytes, |context| {
        wanted.retain(|one| {
            let is_it = match (&one.choice, &one.condition) {
                (Choice::Number(number), _) => *number == context.number,
                (Choice::Where(_), Some(condition)) => {
                    let mut matched = false;
                    condition.evaluate(&mut scratch, context, &mut |_| matched = true);
                    matched
                }
                (Choice::Where(_), None) => false,
            };
            if is_it {
                cases[one.case].take::<Syscall>(events.fields(context));
            }
            !is_it
        });
        Ok(if wanted.is_empty() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })
}

fn say(path: &Path, outcomes: &[Outcome], out: &mut impl Write) -> std::io::Result<()> {
    for outcome in outcomes
        .iter()
        .filter(|outcome| !outcome.failures.is_empty())
    {
        writeln!(out, "{}:{}: {}", path.display(), outcome.line, outcome.name)?;
        for failure in &outcome.failures {
            writeln!(out, "  {}", failure.replace('\n', "\n  "))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use falco_rules::Change;

    use super::*;
    use crate::cases::mutants;

    /// Changes that no event can tell from the rule: the rule, the change, and why.
    const EQUIVALENT: &[(&str, &str, &str)] = &[
        (
            "Log Connect Syscalls for Elasticsearch",
            "evt.type = connect left out",
            ENDPOINTS,
        ),
        (
            "Connection to a mining pool",
            "evt.type = connect left out",
            ENDPOINTS,
        ),
        (
            "Unexpected outbound connection",
            "evt.type = connect left out",
            ENDPOINTS,
        ),
    ];
    const ENDPOINTS: &str = "only connects have a socket with endpoints here";

    /// The cases of the rules that ship, with what they make of the rules.
    fn shipped() -> Vec<(CaseFile, RuleSet<Written<Syscall>>)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/rules/tests");
        let config = Config::default();
        let files = files(&folder).unwrap().into_iter();
        let tried = files.map(|path| {
            let file = CaseFile::read::<Syscall>(&path).unwrap();
            let compiled = compile(&file, |files| rules::with_base(files, &config));
            (file, compiled.unwrap())
        });
        tried.collect()
    }

    #[test]
    fn each_shipped_rule_has_cases_that_match_and_cases_that_do_not() {
        let mut rules = 0;
        for (file, compiled) in shipped() {
            for outcome in run(&compiled, &file) {
                assert_eq!(outcome.failures, [""; 0], "{}", outcome.name);
            }
            for rule in Coverage::of(&compiled, &file.cases).rules {
                let path = file.path.display();
                assert!(rule.positive > 0, "{path}: {} never matches", rule.rule);
                assert!(rule.negative > 0, "{path}: {} always matches", rule.rule);
                rules += 1;
            }
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/rules");
        let texts = fs::read_dir(folder).unwrap().filter_map(|entry| {
            let path = entry.unwrap().path();
            path.is_file().then(|| fs::read_to_string(path).unwrap())
        });
        let shipped: usize = texts.map(|text| text.matches("\n- rule: ").count()).sum();
        assert_eq!(rules, shipped);
    }

    #[test]
    fn a_case_notices_each_check_of_a_shipped_rule_that_is_negated_or_left_out() {
        let tried = shipped();
        let mutants = tried.iter().flat_map(|(file, compiled)| {
            let mutants = mutants(compiled, &file.cases);
            mutants.into_iter().filter(|mutant| !mutant.noticed)
        });
        let unnoticed: Vec<_> = mutants
            .map(|mutant| {
                let change = match mutant.change {
                    Change::Negate(_) => "negated",
                    Change::Remove(_) => "left out",
                };
                (mutant.rule.to_string(), format!("{} {change}", mutant.leaf))
            })
            .collect();
        let equivalent: Vec<_> = EQUIVALENT
            .iter()
            .map(|(rule, change, _)| ((*rule).to_owned(), (*change).to_owned()))
            .collect();
        assert_eq!(unnoticed, equivalent);
    }
}
