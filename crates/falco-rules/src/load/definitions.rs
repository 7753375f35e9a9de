//! What is defined, after all appends and overrides.

use rustc_hash::FxHashMap;
use yaml::{Position, Source};

use super::{Exception, Located, Provided};
use crate::Priority;

/// Something with a name, and where it was defined.
#[derive(Clone, Debug)]
pub(crate) struct Definition<T> {
    /// Its name.
    pub name: Box<str>,
    /// What it is.
    pub value: T,
    /// Number of the file.
    pub file: usize,
    /// The file.
    pub source: Source,
    /// Where its item begins.
    pub position: Position,
    /// Number of the item that defined it first: what comes later can see it.
    pub first: usize,
    /// Number of the item that changed it last: it sees what came before.
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
#[derive(Clone, Debug)]
pub(crate) struct RuleDefinition {
    /// What it is for.
    pub description: String,
    /// When it matches.
    pub condition: Located,
    /// What it writes.
    pub output: Located,
    /// How important it is.
    pub priority: Priority,
    /// `syscall`.
    pub source: Box<str>,
    /// Whether it is on.
    pub enabled: bool,
    /// Its tags as they were given.
    pub tags: Vec<Box<str>>,
    /// When it does not match after all.
    pub exceptions: Vec<Exception>,
    /// Whether to warn if it matches events of all types.
    pub warn_evttypes: bool,
    /// Whether to leave it out, instead of failing, if it uses an unknown field.
    pub skip_if_unknown_filter: bool,
}

/// Everything that is defined, in the order of first definition.
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
    /// What files may require.
    pub provided: Provided,
    /// Number of items so far.
    pub items: usize,
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
    /// All of them.
    #[must_use]
    pub(crate) fn all(&self) -> &[Definition<T>] {
        &self.list
    }

    /// Number of that name.
    #[must_use]
    pub(crate) fn index(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// The one of that name.
    #[must_use]
    pub(crate) fn get(&self, name: &str) -> Option<&Definition<T>> {
        self.list.get(self.index(name)?)
    }

    /// The one of that name, to be changed.
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Definition<T>> {
        let index = self.index(name)?;
        self.list.get_mut(index)
    }

    /// Defines a name, or defines it anew in its old place.
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

    /// The names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|definition| &*definition.name)
    }
}
