//! The base files that ship beside the rule files of the Falco project: the same names, and the
//! same truth values.
//!
//! `FALCO_RULES=DIR` names a directory with `falco_rules.yaml`, `falco-incubating_rules.yaml` and
//! `falco-sandbox_rules.yaml`. Where two of them differ in a definition, the first one counts.

mod events;
mod generate;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use events::{Anything, Event};
use generate::Generator;

use crate::{
    Matching, Options, Priority, RuleFile, Scratch,
    condition::{Condition, Right, parse},
    load::{Definitions, Provided, load},
};

type RuleSet = crate::RuleSet<Anything>;

/// The files of the Falco project, the one that counts last.
const FILES: [&str; 3] = [
    "falco-sandbox_rules.yaml",
    "falco-incubating_rules.yaml",
    "falco_rules.yaml",
];

/// The base files, in the order in which the sensor reads them.
const BASE: [&str; 6] = [
    "programs.yaml",
    "places.yaml",
    "yours.yaml",
    "conditions.yaml",
    "processes.yaml",
    "writers.yaml",
];

fn read(directory: &Path, names: &[&str]) -> Vec<RuleFile> {
    let file = |name: &&str| {
        let path = directory.join(name);
        let text = fs::read_to_string(&path);
        let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        RuleFile::base(*name, text)
    };
    names.iter().map(file).collect()
}

/// Macros and lists, and rules that evaluate each macro.
struct Side {
    files: Vec<RuleFile>,
    definitions: Definitions,
}

impl Side {
    fn new(files: Vec<RuleFile>) -> Self {
        let (definitions, problems) = load(&files, Provided::default());
        assert!(!problems.has_errors(), "{:?}", problems.list);
        Self { files, definitions }
    }

    fn ours() -> Self {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/rules/base");
        Self::new(read(&directory, &BASE))
    }

    /// The same with an item in each empty list, so that each macro can be true.
    fn filled(&self) -> Self {
        let all = self.definitions.lists.all().iter();
        let empty = all.filter(|list| list.value.items.is_empty());
        let fill = |name: &str| format!("- {{list: {name}, items: [{name}-item]}}\n");
        let text: String = empty.map(|list| fill(&list.name)).collect();
        let mut files = self.files.clone();
        files.push(RuleFile::base("filled.yaml", text));
        Self::new(files)
    }

    fn names(&self) -> BTreeSet<(&'static str, &str)> {
        let macros = self.definitions.macros.names().map(|name| ("macro", name));
        let lists = self.definitions.lists.names().map(|name| ("list", name));
        macros.chain(lists).collect()
    }

    /// The items of a list, with those of the lists in it.
    fn items(&self, list: usize, to: &mut BTreeSet<String>) {
        for item in &self.definitions.lists.all()[list].value.items {
            match self.definitions.nested(list, item) {
                Some(nested) => self.items(nested, to),
                None => _ = to.insert(item.trim_matches('"').to_owned()),
            }
        }
    }

    fn condition(&self, name: &str) -> &str {
        let definition = self.definitions.macros.get(name).expect(name);
        definition.value.condition.text.trim()
    }

    /// The names that a macro uses, directly and by way of others.
    fn uses(&self, name: &str) -> BTreeSet<String> {
        let mut used = BTreeSet::new();
        let mut open = vec![name.to_owned()];
        while let Some(name) = open.pop() {
            if let Some(list) = self.definitions.lists.index(&name) {
                let items = self.definitions.lists.all()[list].value.items.iter();
                let nested = items.filter(|item| self.definitions.nested(list, item).is_some());
                open.extend(nested.map(ToString::to_string));
            } else if self.definitions.macros.index(&name).is_some() {
                self.each(self.condition(&name), &mut |found| match found {
                    Found::Macro(other) | Found::List(other) => open.push(other.to_owned()),
                    Found::Constant(..) => {}
                });
            }
            used.insert(name);
        }
        used.remove(name);
        used
    }

    /// What a condition is made of.
    fn each(&self, condition: &str, each: &mut dyn FnMut(Found<'_>)) {
        let (tree, unknown) = parse::<Anything>(condition).unwrap();
        assert!(unknown.is_empty(), "{condition}: {unknown:?}");
        self.each_of(&tree, each);
    }

    fn each_of(&self, tree: &Condition<Anything>, each: &mut dyn FnMut(Found<'_>)) {
        match tree {
            Condition::And(parts) | Condition::Or(parts) => {
                for part in parts {
                    self.each_of(part, each);
                }
            }
            Condition::Not(inner) => self.each_of(inner, each),
            Condition::Macro(name) => each(Found::Macro(&name.text)),
            Condition::Check { left, right, .. } => {
                let field = left.to_string();
                let words = match right {
                    Right::Word(word) => std::slice::from_ref(word),
                    Right::List(words) => words,
                    Right::Nothing | Right::Operand(_) => &[],
                };
                if words.is_empty() {
                    each(Found::Constant(&field, "there"));
                }
                for word in words {
                    let list = self.definitions.lists.index(&word.text);
                    let Some(list) = list.filter(|_| !word.quoted) else {
                        each(Found::Constant(&field, &word.text));
                        continue;
                    };
                    each(Found::List(&word.text));
                    let mut items = BTreeSet::new();
                    self.items(list, &mut items);
                    for item in &items {
                        each(Found::Constant(&field, item));
                    }
                }
            }
        }
    }

    /// For each macro three rules: the macro as it is, and what its text becomes when a file
    /// appends to it by `or` and by `and`.
    fn rules(&self, macros: &[&str]) -> RuleSet {
        let mut text = String::new();
        for name in macros {
            let condition = self.condition(name).replace('\n', " ");
            text += &super::rule(name, name);
            text += &super::rule(
                &format!("{name} or"),
                &format!("{condition} or probe.x = 1"),
            );
            text += &super::rule(
                &format!("{name} and"),
                &format!("{condition} and probe.x = 1"),
            );
        }
        let mut files = self.files.clone();
        let text = text.replace("priority: DEBUG", "priority: EMERGENCY");
        files.push(RuleFile::new("macros.yaml", text));
        let options = Options {
            matching: Matching::All,
            // Without the files' own rules.
            priority: Priority::Emergency,
            ..Options::default()
        };
        let compilation = crate::compile(&files, &options);
        let problems = compilation.report.problems();
        let errors: Vec<_> = problems.filter(|problem| problem.is_error()).collect();
        compilation.set.unwrap_or_else(|| panic!("{errors:#?}"))
    }
}

/// A part of a condition.
enum Found<'a> {
    Macro(&'a str),
    List(&'a str),
    /// A field and a text with which the condition compares the field.
    Constant(&'a str, &'a str),
}

/// For each rule whether an event matches.
fn matches(set: &RuleSet, scratch: &mut Scratch, event: &Event) -> Vec<bool> {
    let mut matched = vec![false; set.rules().len()];
    set.evaluate(scratch, event, &mut |rule| matched[rule.index] = true);
    matched
}

#[test]
fn every_macro_of_the_base_files_is_a_condition_and_uses_what_stands_before_it() {
    let ours = Side::ours();
    let names: Vec<_> = ours.definitions.macros.names().collect();
    assert!(ours.rules(&names).rules().len() == 3 * names.len());
}

#[test]
fn the_base_files_mean_what_the_public_rule_files_mean() {
    let Some(directory) = std::env::var_os("FALCO_RULES").map(PathBuf::from) else {
        eprintln!("FALCO_RULES names no directory with Falco's rule files: nothing compared");
        return;
    };
    let (ours, theirs) = (Side::ours(), Side::new(read(&directory, &FILES)));
    let missing: Vec<_> = theirs.names().difference(&ours.names()).copied().collect();
    assert!(missing.is_empty(), "{missing:?}");
    for list in theirs.definitions.lists.names() {
        let items = |side: &Side| {
            let mut items = BTreeSet::new();
            side.items(side.definitions.lists.index(list).unwrap(), &mut items);
            items
        };
        assert_eq!(items(&ours), items(&theirs), "{list}");
    }
    let (ours, theirs) = (ours.filled(), theirs.filled());
    // In the order of our files: a macro stands behind those that it uses.
    let names: Vec<_> = ours.definitions.macros.names().collect();
    let names: Vec<_> = names
        .into_iter()
        .filter(|name| theirs.definitions.macros.get(name).is_some())
        .collect();
    let (left, right) = (ours.rules(&names), theirs.rules(&names));
    let mut generator = Generator::new(&[&ours, &theirs]);
    let mut scratches = <[Scratch; 2]>::default();
    let mut yes = vec![0; names.len()];
    let mut events = 0;
    for name in &names {
        assert_eq!(ours.uses(name), theirs.uses(name), "{name}");
        for event in generator.events(name) {
            events += 1;
            let matched = matches(&left, &mut scratches[0], &event);
            let also = matches(&right, &mut scratches[1], &event);
            for (rule, (matched, also)) in left.rules().iter().zip(matched.iter().zip(&also)) {
                assert_eq!(matched, also, "{}: {event:?}", rule.name);
            }
            for (index, name) in names
                .iter()
                .enumerate()
                .filter(|(index, _)| matched[3 * index])
            {
                yes[index] += 1;
                generator.learn(&event, name);
            }
        }
    }
    for (name, yes) in names.iter().zip(yes) {
        assert!(
            0 < yes && yes < events,
            "{name}: true {yes} times of {events}"
        );
    }
    eprintln!(
        "{} macros and {} lists, {events} events, no difference",
        names.len(),
        theirs.definitions.lists.all().len(),
    );
}
