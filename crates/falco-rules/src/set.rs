//! A compiled rule set. It never changes; a reload replaces it between two events.

use std::collections::BTreeSet;

use crate::{
    Classes, ExtraField, Facts, Matching, Outline, Rule, Source,
    compile::{Checks, Dispatch, Graph, Known, NodeId, OperandId, Test, Verdicts, constants},
    fields::{FieldRef, Operand},
};

/// Compiled rules.
#[derive(Debug)]
pub struct RuleSet<S: Source> {
    pub(super) rules: Box<[Rule<S>]>,
    pub(super) info: Box<[RuleInfo]>,
    pub(super) graph: Graph,
    pub(super) checks: Checks<S>,
    /// The rules for each class.
    pub(super) programs: Box<[Program]>,
    pub(super) matching: Matching,
    pub(super) digest: Box<str>,
    pub(super) files: Box<[(Box<str>, Box<str>)]>,
    pub(super) macros: Box<[MacroInfo]>,
    pub(super) lists: Box<[ListInfo]>,
    pub(super) engine_version: Option<Box<str>>,
    pub(super) plugin_versions: Box<[(Box<str>, Box<str>)]>,
}

/// The rules that an event of a class can match.
#[derive(Debug, Default)]
pub(super) struct Program {
    /// Number of each rule and the part of its condition that remains, in order.
    pub(super) rules: Box<[(u32, NodeId)]>,
    pub(super) dispatch: Dispatch,
}

/// Whether the events of this source can match a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Activity {
    /// In all cases for which it is written.
    Active,
    /// In some of the cases for which it is written.
    Partly(Box<[Box<str>]>),
    /// Never.
    Inactive(Box<[Box<str>]>),
}

/// What `-L` prints about a rule, beside [`Rule`].
#[derive(Clone, Debug)]
pub struct RuleInfo {
    /// Whether the rule is enabled.
    pub enabled: bool,
    /// Whether events can match it here.
    pub activity: Activity,
    /// Its condition as the file has it, without its exceptions.
    pub condition: Box<str>,
    pub(super) node: NodeId,
    pub(super) outline: Option<Outline>,
    pub(super) exceptions: Box<[Box<str>]>,
    pub(super) macros: Box<[Box<str>]>,
    pub(super) lists: Box<[Box<str>]>,
    /// The classes whose events can match it.
    pub(super) classes: Classes,
    /// The rule output as the file has it, without `append_output`.
    pub(super) output: Box<str>,
}

/// What `-L` prints about a macro.
#[derive(Clone, Debug)]
pub(super) struct MacroInfo {
    pub(super) name: Box<str>,
    pub(super) condition: Box<str>,
    pub(super) used: bool,
}

/// What `-L` prints about a list.
#[derive(Clone, Debug)]
pub(super) struct ListInfo {
    pub(super) name: Box<str>,
    pub(super) items: Box<[Box<str>]>,
    pub(super) used: bool,
}

impl<S: Source> RuleSet<S> {
    /// The loaded rules, including disabled and inactive ones; [`Rule::index`] is the position in
    /// this slice.
    #[must_use]
    pub fn rules(&self) -> &[Rule<S>] {
        &self.rules
    }

    /// The facts of `-L` about each rule, in the same order.
    #[must_use]
    pub fn info(&self) -> &[RuleInfo] {
        &self.info
    }

    /// The outline of a rule's condition, if the set keeps outlines and the condition is not too
    /// large for one.
    #[must_use]
    pub fn outline(&self, rule: usize) -> Option<&Outline> {
        self.info.get(rule)?.outline.as_ref()
    }

    /// Whether an event of a class can match an enabled rule.
    #[must_use]
    pub fn can_match(&self, class: usize) -> bool {
        self.live(class).next().is_some()
    }

    /// Whether an event of a class can match an enabled rule, if these facts about the event are
    /// known beside the facts of its class.
    #[must_use]
    pub fn can_match_if(&self, class: usize, facts: &Facts) -> bool {
        let known = Known {
            class: Some(class),
            facts,
        };
        let mut verdicts = Verdicts::new(&self.graph, &self.checks, known);
        self.live(class)
            .any(|(_, node)| verdicts.of(node) != Some(false))
    }

    /// Calls `each` with the fields that the engine can need for an event of a class: the fields in
    /// the remaining conditions of enabled rules, and the fields of their outputs. A field can come
    /// more than once.
    pub fn fields(&self, class: usize, each: &mut dyn FnMut(&FieldRef<S>)) {
        for (rule, node) in self.live(class) {
            self.graph.checks(node, &mut |check, _| {
                let check = self.checks.get(check);
                self.operand(check.operand).fields(each);
                if let Test::Operand(_, right) = &check.test {
                    self.operand(*right).fields(each);
                }
            });
            rule.output.fields().iter().for_each(&mut *each);
            for extra in &rule.extra {
                match extra {
                    ExtraField::Field(field) => each(field),
                    ExtraField::Text(_, template) => template.fields().iter().for_each(&mut *each),
                }
            }
        }
    }

    /// The constants of which a field must have one for an event of some classes to match an
    /// enabled rule; nothing if an event can match with any value of the field.
    ///
    /// `meaning` is what the caller knows about a constant: no value at all if no event has that
    /// text, and nothing if that is not known.
    #[must_use]
    pub fn constants<T: Clone + Ord>(
        &self,
        classes: Classes,
        field: &str,
        meaning: impl Fn(&str) -> Option<Vec<T>>,
    ) -> Option<BTreeSet<T>> {
        let conditions = (0..S::CLASSES)
            .filter(|class| classes.contains(*class))
            .flat_map(|class| self.live(class))
            .map(|(_, node)| node);
        constants((&self.graph, &self.checks), conditions, field, &meaning)
    }

    /// Calls `each` with the constants with which the remaining conditions of enabled rules compare a
    /// field of events of some classes. A constant can come more than once.
    pub fn compared(&self, classes: Classes, field: &str, each: &mut dyn FnMut(&str)) {
        let classes = (0..S::CLASSES).filter(|class| classes.contains(*class));
        for (_, node) in classes.flat_map(|class| self.live(class)) {
            self.graph.checks(node, &mut |check, _| {
                let check = self.checks.get(check);
                let numbers = match &check.test {
                    Test::Symbols(symbols, _) => symbols.as_slice(),
                    Test::NotSymbol(number, _) => std::slice::from_ref(number),
                    _ => return,
                };
                let info = &self.checks.operands[check.operand as usize];
                let mut is_of_field = false;
                info.operand
                    .fields(&mut |used| is_of_field |= used.field.name == field);
                let texts = info.symbols.iter().filter(|_| is_of_field);
                for (text, _) in texts.filter(|(_, number)| numbers.contains(number)) {
                    each(text);
                }
            });
        }
    }

    /// The enabled rules that events of a class can match, with the remaining part of their
    /// conditions.
    fn live(&self, class: usize) -> impl Iterator<Item = (&Rule<S>, NodeId)> {
        let program = self.programs.get(class).into_iter();
        let rules = program.flat_map(|program| &program.rules);
        rules.filter_map(|(rule, node)| Some((self.rules.get(*rule as usize)?, *node)))
    }

    fn operand(&self, operand: OperandId) -> &Operand<S> {
        &self.checks.operands[operand as usize].operand
    }

    /// SHA-256 of all files, base files included, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Name and SHA-256 of each file, without base files.
    #[must_use]
    pub fn files(&self) -> &[(Box<str>, Box<str>)] {
        &self.files
    }

    /// Which of the matching rules write a line.
    #[must_use]
    pub fn matching(&self) -> Matching {
        self.matching
    }
}
