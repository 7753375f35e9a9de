//! The rules of a start and of a reload, and what the log says about them.

use std::sync::Arc;

use config::WantedEnv;
use tracing::{debug, error, info, warn};

use super::{
    broken_rules::{self, Broken},
    inspect::refused,
    rules::{self, LoadedRules},
};
use crate::{
    lifecycle::StateFolder,
    sources::syscall::{
        fields::Needs,
        rules::{Code, Compilation, Report, RuleFile, RuleSet},
    },
};

/// The rules, and the files from which they were compiled.
pub(super) struct GoodRules {
    /// The rules.
    pub(super) set: Arc<RuleSet>,
    /// The files in order, without base files; none of rules in place of broken ones.
    pub(super) files: Vec<RuleFile>,
}

/// The rules of a start, and what is broken about those that are configured.
///
/// # Errors
/// If files are broken, and `sensor.rules.broken` or a lack of other rules stops the start.
pub(super) fn start_rules(
    loaded: &config::Loaded,
    state: Option<&StateFolder>,
) -> anyhow::Result<(GoodRules, Option<Broken>)> {
    let report = match good_rules(loaded) {
        Ok(rules) => return Ok((rules, None)),
        Err(report) => report,
    };
    let (compilation, broken) = broken_rules::in_place_of(&report, &loaded.config, state)?;
    let set = compilation.set.ok_or_else(|| refused(&report))?;
    error!("{}", broken.with_errors());
    let rules = GoodRules {
        set: Arc::new(set),
        files: Vec::new(),
    };
    Ok((rules, Some(broken)))
}

/// The configured rules; the log has what is doubtful about them.
///
/// # Errors
/// The report, if a file is broken.
pub(super) fn good_rules(loaded: &config::Loaded) -> Result<GoodRules, Report> {
    let LoadedRules { compilation, files } = rules::load(&loaded.config)?;
    let Compilation { set, report } = compilation;
    let Some(set) = set else {
        return Err(report);
    };
    for problem in report.problems() {
        let told = &problem.diagnostic;
        match problem.code {
            // Falco takes the spelling, and leaves out files that are not there, silently.
            Code::Spelling => debug!("{told}"),
            Code::FileRead => info!("{told}"),
            _ => warn!("{told}"),
        }
    }
    let wants_env = set.requirements().needs.contains(Needs::ENV);
    if wants_env && set.env().variables == WantedEnv::None {
        warn!(
            "rules look at the environment, of which they see nothing: name variables in sensor.capture.env"
        );
    }
    Ok(GoodRules {
        set: Arc::new(set),
        files,
    })
}
