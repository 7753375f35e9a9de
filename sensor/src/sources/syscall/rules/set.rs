//! A set of rules with what this sensor makes of them.

use std::{ops::Deref, sync::Arc};

use config::WantedEnv;
use falco_rules::{Report, RuleFile};

use super::Requirements;
use crate::sources::syscall::fields::Syscall;

/// What the configuration says about rules.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is asked of them.
    pub rules: falco_rules::Options,
    /// `sensor.capture.env`: what conditions and outputs see of the environment.
    pub env: WantedEnv,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rules: falco_rules::Options::default(),
            env: WantedEnv::All,
        }
    }
}

/// What became of rule files.
#[derive(Debug)]
pub struct Compilation {
    /// The rules, if no file has an error.
    pub set: Option<RuleSet>,
    /// Errors and warnings, file by file.
    pub report: Report,
}

/// Loads and compiles rule files. All errors of all files are reported.
#[must_use]
pub fn compile(files: &[RuleFile], options: &Options) -> Compilation {
    let falco_rules::Compilation { set, report } = falco_rules::compile(files, &options.rules);
    Compilation {
        set: set.map(|rules| RuleSet {
            requirements: Requirements::of(&rules),
            rules: Arc::new(rules),
            env: options.env.clone(),
        }),
        report,
    }
}

/// Compiled rules, and what they need.
#[derive(Debug)]
pub struct RuleSet {
    rules: Arc<falco_rules::RuleSet<Syscall>>,
    requirements: Requirements,
    env: WantedEnv,
}

impl RuleSet {
    /// The rules alone.
    #[must_use]
    pub fn rules_alone(&self) -> Arc<falco_rules::RuleSet<Syscall>> {
        Arc::clone(&self.rules)
    }

    /// What must be captured and gathered for these rules.
    #[must_use]
    pub fn requirements(&self) -> &Requirements {
        &self.requirements
    }

    /// What they see of the environment.
    #[must_use]
    pub fn env(&self) -> &WantedEnv {
        &self.env
    }
}

impl Deref for RuleSet {
    type Target = falco_rules::RuleSet<Syscall>;

    fn deref(&self) -> &Self::Target {
        &self.rules
    }
}
