//! A rule set with the requirements of its rules.

use std::{ops::Deref, sync::Arc};

use falco_rules::{Report, RuleFile};

use super::Requirements;
use crate::sources::syscall::fields::{Environment, Syscall};

/// The options of rules, from the configuration.
#[derive(Clone, Debug)]
pub struct Options {
    /// The options of the rule engine.
    pub rules: falco_rules::Options,
    /// What rules may see of environments.
    pub env: Environment,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rules: falco_rules::Options::default(),
            env: Environment::ALL,
        }
    }
}

/// The result of compiling rule files.
#[derive(Debug)]
pub struct Compilation {
    /// The rules, if no file has an error.
    pub set: Option<RuleSet>,
    /// Errors and warnings, file by file.
    pub report: Report,
}

/// Loads and compiles rule files. The report has all errors of all files.
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
    env: Environment,
}

impl RuleSet {
    /// The rules without their requirements.
    #[must_use]
    pub fn rules_alone(&self) -> Arc<falco_rules::RuleSet<Syscall>> {
        Arc::clone(&self.rules)
    }

    /// What the kernel side and the metadata must provide for these rules.
    #[must_use]
    pub fn requirements(&self) -> &Requirements {
        &self.requirements
    }

    /// The requirements of these rules and of recorders.
    #[must_use]
    pub fn requirements_with(&self, wider: Option<&Requirements>) -> Requirements {
        let own = &self.requirements;
        wider.map_or_else(|| own.clone(), |wider| own.union(wider))
    }

    /// What the rules may see of environments.
    #[must_use]
    pub fn env(&self) -> &Environment {
        &self.env
    }
}

impl Deref for RuleSet {
    type Target = falco_rules::RuleSet<Syscall>;

    fn deref(&self) -> &Self::Target {
        &self.rules
    }
}
