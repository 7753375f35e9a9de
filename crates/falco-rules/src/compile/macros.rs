//! The compiler: lists and macros first, each once.

use std::rc::Rc;

use super::{Checks, Graph, NodeId, resolve::Diagnostics};
use crate::{
    Source,
    condition::{Condition, Parsed, parse},
    fields::{ParseError, quoted},
    load::Definitions,
};

/// Most values of all lists, expanded.
const ITEMS_MAX: usize = 1 << 22;
/// Most constants of all conditions.
pub(super) const CONSTANTS_MAX: usize = 1 << 22;
/// Most lists nested in each other.
const LIST_DEPTH_MAX: usize = 64;

/// Compiles conditions into one graph.
pub(crate) struct Compiler<'d, S: Source> {
    pub(crate) definitions: &'d Definitions,
    /// The nodes.
    pub graph: Graph,
    /// The checks.
    pub checks: Checks<S>,
    pub(super) macro_nodes: Vec<Option<NodeId>>,
    /// The diagnostics of each macro.
    pub macro_diagnostics: Vec<Diagnostics>,
    /// Whether a rule's condition names the macro.
    pub used_macros: Vec<bool>,
    /// Whether a rule's condition names the list, or a list in which the list is.
    pub used_lists: Vec<bool>,
    lists: Vec<List>,
    items: usize,
    pub(super) constants: usize,
}

#[derive(Clone)]
enum List {
    Unknown,
    Open,
    Known(Rc<[Rc<str>]>),
    Bad(String),
}

impl<'d, S: Source> Compiler<'d, S> {
    /// A compiler with all macros and lists.
    #[must_use]
    pub(crate) fn new(definitions: &'d Definitions) -> Self {
        let macros = definitions.macros.all().len();
        let lists = definitions.lists.all().len();
        let mut this = Self {
            definitions,
            graph: Graph::default(),
            checks: Checks::default(),
            macro_nodes: vec![None; macros],
            macro_diagnostics: vec![Diagnostics::default(); macros],
            used_macros: vec![false; macros],
            used_lists: vec![false; lists],
            lists: vec![List::Unknown; lists],
            items: 0,
            constants: 0,
        };
        this.macros();
        this.used_macros = vec![false; macros];
        this.used_lists = vec![false; lists];
        this
    }

    /// The definitions of all macros and lists.
    pub(crate) fn definitions(&self) -> &'d Definitions {
        self.definitions
    }

    /// The node of a rule's condition. A rule sees all macros and lists, including those that are
    /// defined after it.
    pub(crate) fn condition(&mut self, text: &str) -> (NodeId, Diagnostics) {
        let mut diagnostics = Diagnostics::default();
        match parse(text) {
            Ok((tree, unknown)) => {
                diagnostics.errors = unknown;
                (
                    self.resolve(&tree, usize::MAX, &mut diagnostics),
                    diagnostics,
                )
            }
            Err(error) => {
                diagnostics.errors.push(error);
                (Graph::FALSE, diagnostics)
            }
        }
    }

    /// The node of a parsed condition, or its first error.
    pub(crate) fn tree(
        &mut self,
        tree: &Condition<S>,
        diagnostics: &mut Diagnostics,
    ) -> (NodeId, Option<ParseError>) {
        let node = self.resolve(tree, usize::MAX, diagnostics);
        let error = std::mem::take(&mut diagnostics.errors).into_iter().next();
        (node, error)
    }

    /// The items of a list, with the items of nested lists, each once.
    ///
    /// # Errors
    /// If the list contains itself, or has too many items.
    pub(super) fn list(&mut self, index: usize, depth: usize) -> Result<Rc<[Rc<str>]>, String> {
        self.used_lists[index] = true;
        let definition = &self.definitions.lists.all()[index];
        match &self.lists[index] {
            List::Known(items) => return Ok(items.clone()),
            List::Bad(message) => return Err(message.clone()),
            List::Open => return Err(format!("list '{}' contains itself", definition.name)),
            List::Unknown if depth == LIST_DEPTH_MAX => {
                return Err(format!("more than {LIST_DEPTH_MAX} lists in each other"));
            }
            List::Unknown => self.lists[index] = List::Open,
        }
        let result = self.list_items(index, depth);
        self.lists[index] = match &result {
            Ok(items) => List::Known(items.clone()),
            Err(message) => List::Bad(message.clone()),
        };
        result
    }

    fn list_items(&mut self, index: usize, depth: usize) -> Result<Rc<[Rc<str>]>, String> {
        let definitions = self.definitions;
        let definition = &definitions.lists.all()[index];
        let mut seen = rustc_hash::FxHashSet::default();
        let mut out: Vec<Rc<str>> = Vec::new();
        let mut included = rustc_hash::FxHashSet::default();
        for item in &definition.value.items {
            if let Some(nested) = definitions.nested(index, item) {
                if !included.insert(nested) {
                    continue;
                }
                for item in self.list(nested, depth + 1)?.iter() {
                    self.items += 1;
                    if seen.insert(item.clone()) {
                        out.push(item.clone());
                    }
                }
            } else {
                self.items += 1;
                let text: Rc<str> = match quoted(item) {
                    Some((text, len)) if len == item.len() => text.into(),
                    _ => Rc::from(&**item),
                };
                if seen.insert(text.clone()) {
                    out.push(text);
                }
            }
            if self.items > ITEMS_MAX {
                return Err(format!(
                    "lists have more than {ITEMS_MAX} items, lists in them included"
                ));
            }
        }
        Ok(out.into())
    }

    /// Compiles the macros; a macro comes after the macros that it uses.
    fn macros(&mut self) {
        let definitions = self.definitions;
        let all = definitions.macros.all();
        let trees: Vec<Result<Parsed<S>, ParseError>> = all
            .iter()
            .map(|definition| parse(&definition.value.condition.text))
            .collect();
        let uses: Vec<Vec<usize>> = trees
            .iter()
            .map(|tree| {
                let mut names = Vec::new();
                if let Ok((tree, _)) = tree {
                    references(tree, &mut |name| {
                        names.extend(definitions.macros.index(name));
                    });
                }
                names
            })
            .collect();
        // 0: not seen, 1: open, 2: done.
        let mut state = vec![0_u8; all.len()];
        for start in 0..all.len() {
            let mut open = vec![(start, 0)];
            while let Some((index, next)) = open.pop() {
                if state[index] == 2 {
                    continue;
                }
                state[index] = 1;
                if let Some(&used) = uses[index].get(next) {
                    open.push((index, next + 1));
                    if state[used] == 0 {
                        open.push((used, 0));
                    } else if state[used] == 1 {
                        let message = format!(
                            "macro '{}' contains itself (by way of '{}')",
                            all[used].name, all[index].name
                        );
                        let diagnostics = &mut self.macro_diagnostics[used];
                        if diagnostics.errors.is_empty() {
                            diagnostics.errors.push(ParseError::new(0, message));
                        }
                    }
                    continue;
                }
                state[index] = 2;
                self.one_macro(index, &trees[index]);
            }
        }
    }

    fn one_macro(&mut self, index: usize, tree: &Result<Parsed<S>, ParseError>) {
        let sees = self.definitions.macros.all()[index].last;
        let mut diagnostics = std::mem::take(&mut self.macro_diagnostics[index]);
        match tree {
            Err(error) => diagnostics.errors.push(error.clone()),
            // A macro that contains itself never becomes a node.
            Ok(_) if !diagnostics.errors.is_empty() => {}
            Ok((tree, unknown)) => {
                diagnostics.errors.clone_from(unknown);
                let node = self.resolve(tree, sees, &mut diagnostics);
                if diagnostics.errors.is_empty() && diagnostics.bad_macros.is_empty() {
                    self.macro_nodes[index] = Some(node);
                }
            }
        }
        self.macro_diagnostics[index] = diagnostics;
    }

    /// Whether the text of a macro is no condition at all.
    #[must_use]
    pub(crate) fn is_no_condition(&self, index: usize) -> bool {
        parse::<S>(&self.definitions.macros.all()[index].value.condition.text).is_err()
    }
}

fn references<S: Source>(tree: &Condition<S>, each: &mut dyn FnMut(&str)) {
    match tree {
        Condition::And(parts) | Condition::Or(parts) => {
            for part in parts {
                references(part, each);
            }
        }
        Condition::Not(inner) => references(inner, each),
        Condition::Macro(name) => each(&name.text),
        Condition::Check { .. } => {}
    }
}
