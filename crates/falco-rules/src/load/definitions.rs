//! Definitions of rules, macros and lists, after all appends and overrides.

use std::time::Duration;

use rustc_hash::FxHashMap;
use yaml::{Position, Source};

use super::{Exception, Located, Provided};
use crate::Priority;

/// A definition with its name and position.
#[derive(Clone, Debug)]
pub(crate) struct Definition<T> {
    /// Its name.
    pub name: Box<str>,
    /// The rule, macro or list.
    pub value: T,
    /// Number of the file in the list of files.
    pub file: usize,
    /// The text of the file.
    pub source: Source,
    /// The position of its item.
    pub position: Position,
    /// Number of the item that defined it first: later items can use it.
    pub first: usize,
    /// Number of the item that changed it last: it can use the items before.
    pub last: usize,
}

/// A list.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListDefinition {
    /// Texts, or names of lists.
    pub items: Vec<Box<str>>,
}

/// A macro.
#[derive(Clone, Debug, Default)]
pub(crate) struct MacroDefinition {
    /// Its condition.
    pub condition: Located,
}

/// A rule.
#[expect(clippy::struct_excessive_bools, reason = "each is a key of a rule")]
#[derive(Clone, Debug)]
pub(crate) struct RuleDefinition {
    /// Description of the rule.
    pub description: String,
    /// Its condition.
    pub condition: Located,
    /// Its rule output.
    pub output: Located,
    /// Its priority.
    pub priority: Priority,
    /// Its source, such as `syscall`.
    pub source: Box<str>,
    /// Whether the rule is enabled.
    pub enabled: bool,
    /// Its tags in the order of the file.
    pub tags: Vec<Box<str>>,
    /// Its exceptions.
    pub exceptions: Vec<Exception>,
    /// Whether to warn if the rule matches events of all types.
    pub warn_evttypes: bool,
    /// Whether a match starts a recording (`capture`).
    pub capture: bool,
    /// How long such a recording lasts at least; 0: as long as the configuration says.
    pub capture_duration: Duration,
    /// Whether to skip the rule, instead of failing, if it uses an unknown field.
    pub skip_if_unknown_filter: bool,
}

/// All definitions, in the order of first definition.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    /// Lists.
    pub lists: Table<ListDefinition>,
    /// Macros.
    pub macros: Table<MacroDefinition>,
    /// Rules.
    pub rules: Table<RuleDefinition>,
    /// Highest `required_engine_version`.
    pub engine_version: Option<Box<str>>,
    /// Plugins that the files require, with their versions.
    pub plugin_versions: Vec<(Box<str>, Box<str>)>,
    /// The versions that files can require.
    pub provided: Provided,
    /// Number of items so far.
    pub items: usize,
    /// Whether each file is a base file.
    pub base: Vec<bool>,
}

impl Definitions {
    /// Whether a base file has the definition, and no other file has changed it.
    #[must_use]
    pub(crate) fn is_base<T>(&self, definition: &Definition<T>) -> bool {
        self.base.get(definition.file).is_some_and(|base| *base)
    }

    /// The list that an item of a list names. A list sees the lists before its last change.
    #[must_use]
    pub(crate) fn nested(&self, list: usize, item: &str) -> Option<usize> {
        let all = self.lists.all();
        let index = self.lists.index(item).filter(|nested| *nested != list)?;
        (all[index].first < all[list].last).then_some(index)
    }
}

/// Definitions by name.
#[derive(Clone, Debug)]
pub(crate) struct Table<T> {
    list: Vec<Definition<T>>,
    names: FxHashMap<Box<str>, usize>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            names: FxHashMap::default(),
        }
    }
}

impl<T> Table<T> {
    /// All definitions.
    #[must_use]
    pub(crate) fn all(&self) -> &[Definition<T>] {
        &self.list
    }

    /// The number of the definition with that name.
    #[must_use]
    pub(crate) fn index(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// The definition with that name.
    #[must_use]
    pub(crate) fn get(&self, name: &str) -> Option<&Definition<T>> {
        self.list.get(self.index(name)?)
    }

    /// The definition with that name, to be changed.
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Definition<T>> {
        let index = self.index(name)?;
        self.list.get_mut(index)
    }

    /// Defines a name, or replaces its definition in the old place.
    pub(crate) fn define(&mut self, mut definition: Definition<T>) {
        match self.index(&definition.name) {
            Some(index) => {
                definition.first = self.list[index].first;
                self.list[index] = definition;
            }
            None => {
                self.names.insert(definition.name.clone(), self.list.len());
                self.list.push(definition);
            }
        }
    }

    /// All names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|definition| &*definition.name)
    }
}
