//! `sensor test`: tries files of cases, and says what failed.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use config::Config;

use super::rules;
use crate::{
    cases::{CaseFile, Coverage, Outcome, files, junit, run},
    sources::syscall::fields::Syscall,
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
        let file = match CaseFile::read::<Syscall>(&path) {
            Ok(file) => file,
            Err(mistakes) => {
                broken += 1;
                mistakes
                    .iter()
                    .try_for_each(|mistake| writeln!(out, "{mistake}"))?;
                continue;
            }
        };
        match run::<Syscall>(&file, |files| rules::with_base(files, config)) {
            Ok(outcome) => {
                if coverage {
                    writeln!(out, "{}:", path.display())?;
                    write!(out, "{}", Coverage::of(&outcome.rules, &file.cases).text())?;
                }
                say(&path, &outcome.outcomes, out)?;
                tried.push((path, outcome.outcomes));
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
    use crate::cases::{FileOutcome, mutants};

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
    fn shipped() -> Vec<(CaseFile, FileOutcome<Syscall>)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/rules/tests");
        let config = Config::default();
        let files = files(&folder).unwrap().into_iter();
        let tried = files.map(|path| {
            let file = CaseFile::read::<Syscall>(&path).unwrap();
            let tried = run::<Syscall>(&file, |files| rules::with_base(files, &config)).unwrap();
            (file, tried)
        });
        tried.collect()
    }

    #[test]
    fn each_shipped_rule_has_cases_that_match_and_cases_that_do_not() {
        let mut rules = 0;
        for (file, tried) in shipped() {
            for outcome in &tried.outcomes {
                assert_eq!(outcome.failures, [""; 0], "{}", outcome.name);
            }
            for rule in Coverage::of(&tried.rules, &file.cases).rules {
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
        let mutants = tried.iter().flat_map(|(file, tried)| {
            let mutants = mutants(&tried.rules, &file.cases);
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
