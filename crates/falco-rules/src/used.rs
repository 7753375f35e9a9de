//! Which macros and lists the rules use.

use yaml::Diagnostic;

use crate::{
    Code, ItemKind, Problem, Source,
    compile::Compiler,
    load::{Definition, Definitions, Problems, Table},
};

/// Which macros and lists are used: by a rule, by a macro (of a base file: one that is used
/// itself), or by a list that is used.
pub(super) struct Used {
    pub(super) macros: Flags,
    pub(super) lists: Flags,
}

/// A flag for each definition of a table.
pub(super) struct Flags(Vec<bool>);

impl Flags {
    /// Each definition with its flag, without what nobody uses of base files.
    pub(super) fn of<'d, T>(
        &self,
        definitions: &Definitions,
        table: &'d Table<T>,
    ) -> impl Iterator<Item = (&'d Definition<T>, bool)> {
        let all = table.all().iter().zip(self.0.iter().copied());
        all.filter(|(definition, used)| *used || !definitions.is_base(definition))
    }

    fn report<T>(
        &self,
        definitions: &Definitions,
        table: &Table<T>,
        (kind, code): (ItemKind, Code),
        problems: &mut Problems,
    ) {
        for (definition, _) in self.of(definitions, table).filter(|(_, used)| !used) {
            let message = format!("{kind} '{}' is not used", definition.name);
            let diagnostic = Diagnostic::warning(&definition.source, definition.position, message);
            let problem = Problem::new(code, diagnostic).of(kind, &definition.name);
            problems.push(definition.file, problem);
        }
    }
}

impl Used {
    /// For the rules that the compiler has compiled.
    pub(super) fn new<S: Source>(compiler: &Compiler<'_, S>) -> Self {
        let definitions = compiler.definitions;
        let all = definitions.macros.all();
        let mut macros = compiler.used_macros.clone();
        let counts = |index: &usize| macros[*index] || !definitions.is_base(&all[*index]);
        let mut open: Vec<usize> = (0..all.len()).filter(counts).collect();
        let named = compiler.used_lists.iter().enumerate();
        let mut open_lists: Vec<usize> = named
            .filter_map(|(list, used)| used.then_some(list))
            .collect();
        let mut done = vec![false; all.len()];
        while let Some(index) = open.pop() {
            if std::mem::replace(&mut done[index], true) {
                continue;
            }
            let found = &compiler.macro_diagnostics[index];
            open_lists.extend(&found.lists);
            for &other in &found.macros {
                macros[other] = true;
                open.push(other);
            }
        }
        let mut lists = vec![false; definitions.lists.all().len()];
        while let Some(list) = open_lists.pop() {
            if std::mem::replace(&mut lists[list], true) {
                continue;
            }
            let items = definitions.lists.all()[list].value.items.iter();
            open_lists.extend(items.filter_map(|item| definitions.nested(list, item)));
        }
        Self {
            macros: Flags(macros),
            lists: Flags(lists),
        }
    }

    /// Warns of what is not used.
    pub(super) fn report(&self, definitions: &Definitions, problems: &mut Problems) {
        let unused = (ItemKind::Macro, Code::UnusedMacro);
        self.macros
            .report(definitions, &definitions.macros, unused, problems);
        let unused = (ItemKind::List, Code::UnusedList);
        self.lists
            .report(definitions, &definitions.lists, unused, problems);
    }
}
