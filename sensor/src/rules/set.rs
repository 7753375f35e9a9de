//! A set of rules, ready to be evaluated; immutable, so that a new one can take
//! its place between two events.

use super::{
    Requirements, Rule,
    compile::{Checks, Dispatch, Graph, NodeId},
    options::Matching,
};
use crate::{config::WantedEnv, event::Kind};

/// Compiled rules.
#[derive(Debug)]
pub struct RuleSet {
    pub(super) rules: Box<[Rule]>,
    pub(super) info: Box<[RuleInfo]>,
    pub(super) graph: Graph,
    pub(super) checks: Checks,
    pub(super) programs: [Program; 6],
    pub(super) matching: Matching,
    pub(super) env: WantedEnv,
    pub(super) requirements: Requirements,
    pub(super) digest: Box<str>,
    pub(super) files: Box<[(Box<str>, Box<str>)]>,
    pub(super) macros: Box<[MacroInfo]>,
    pub(super) lists: Box<[ListInfo]>,
    pub(super) engine_version: Option<Box<str>>,
    pub(super) plugin_versions: Box<[(Box<str>, Box<str>)]>,
}

/// The rules that an event of some kind, of the host or not, can match.
#[derive(Debug, Default)]
pub(super) struct Program {
    /// Number of each rule and what is left of its condition, in order.
    pub(super) rules: Box<[(u32, NodeId)]>,
    pub(super) dispatch: Dispatch,
}

/// Number of the program for a kind.
pub(super) const fn program(kind: Kind, host: bool) -> usize {
    kind as usize * 2 + host as usize
}

/// Whether a rule can match here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Activity {
    /// In all cases that it is written for.
    Active,
    /// Not in all cases.
    Partly(Box<[Box<str>]>),
    /// Never.
    Inactive(Box<[Box<str>]>),
}

/// What `-L` tells of a rule beside [`Rule`].
#[derive(Clone, Debug)]
pub struct RuleInfo {
    /// Whether it is on.
    pub enabled: bool,
    /// Whether it can match here.
    pub activity: Activity,
    /// Its condition as written, without its exceptions.
    pub condition: Box<str>,
    pub(super) node: NodeId,
    pub(super) exceptions: Box<[Box<str>]>,
    pub(super) macros: Box<[Box<str>]>,
    pub(super) lists: Box<[Box<str>]>,
    pub(super) kinds: Box<[Kind]>,
    /// The output as written, without `append_output`.
    pub(super) output: Box<str>,
}

/// What `-L` tells of a macro.
#[derive(Clone, Debug)]
pub(super) struct MacroInfo {
    pub(super) name: Box<str>,
    pub(super) condition: Box<str>,
    pub(super) used: bool,
}

/// What `-L` tells of a list.
#[derive(Clone, Debug)]
pub(super) struct ListInfo {
    pub(super) name: Box<str>,
    pub(super) items: Box<[Box<str>]>,
    pub(super) used: bool,
}

impl RuleSet {
    /// What they see of the environment.
    #[must_use]
    pub fn env(&self) -> &WantedEnv {
        &self.env
    }

    /// The rules that were loaded, also those that are off or inactive;
    /// [`Rule::index`] counts them.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What `-L` tells of each rule, in the same order.
    #[must_use]
    pub fn info(&self) -> &[RuleInfo] {
        &self.info
    }

    /// What must be captured and gathered for these rules.
    #[must_use]
    pub fn requirements(&self) -> &Requirements {
        &self.requirements
    }

    /// SHA-256 of all files, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Name and SHA-256 of each file.
    #[must_use]
    pub fn files(&self) -> &[(Box<str>, Box<str>)] {
        &self.files
    }

    /// Which rules write when several match.
    #[must_use]
    pub fn matching(&self) -> Matching {
        self.matching
    }
}
