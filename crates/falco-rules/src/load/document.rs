//! The items of each file, applied in order.

use yaml::{Diagnostic, Limits, Node, Source, parse};

use super::{
    Definition, Definitions, ListDefinition, Located, MacroDefinition, Provided, RuleFile,
    reader::{Change, Problems, Reader},
    rule_item, versions,
};
use crate::{Code, ItemKind, Problem};

/// Reads files in order; later files change the definitions of earlier ones. Reports every problem
/// of every file.
#[must_use]
pub(crate) fn load(files: &[RuleFile], provided: Provided) -> (Definitions, Problems) {
    let mut definitions = Definitions {
        provided,
        base: files.iter().map(|file| file.base).collect(),
        ..Definitions::default()
    };
    let mut problems = Problems::default();
    for (file, RuleFile { name, text, .. }) in files.iter().enumerate() {
        let source = Source::new(name.clone(), text);
        match parse(&source, &Limits::default()) {
            Err(diagnostic) => problems.push(file, Problem::new(Code::YamlParse, diagnostic)),
            Ok(parsed) => {
                for diagnostic in parsed.warnings {
                    problems.push(file, Problem::new(Code::UnusualYaml, diagnostic));
                }
                for document in &parsed.documents {
                    document_items(&source, file, document, &mut definitions, &mut problems);
                }
            }
        }
    }
    (definitions, problems)
}

fn document_items(
    source: &Source,
    file: usize,
    document: &Node,
    definitions: &mut Definitions,
    problems: &mut Problems,
) {
    if document.is_null() {
        return;
    }
    let Some(items) = document.as_sequence() else {
        let message = format!(
            "a rule file is a list of items, not {}",
            document.describe()
        );
        let diagnostic = Diagnostic::error(source, document.position, message)
            .hint("begin each item with '- rule:', '- macro:' or '- list:'");
        problems.push(file, Problem::new(Code::YamlValidate, diagnostic));
        return;
    };
    // As in Falco, a '-' with nothing behind it is no item.
    for item in items.iter().filter(|item| !item.is_null()) {
        definitions.items += 1;
        apply(source, file, item, definitions, problems);
    }
}

/// Keys that decide what kind of item it is.
pub(super) const KINDS: [(&str, ItemKind); 5] = [
    ("required_engine_version", ItemKind::EngineVersion),
    ("required_plugin_versions", ItemKind::PluginVersions),
    ("macro", ItemKind::Macro),
    ("list", ItemKind::List),
    ("rule", ItemKind::Rule),
];

fn apply(
    source: &Source,
    file: usize,
    item: &Node,
    definitions: &mut Definitions,
    problems: &mut Problems,
) {
    let Some(entries) = item.as_mapping() else {
        let message = format!("an item is a mapping, not {}", item.describe());
        let diagnostic = Diagnostic::error(source, item.position, message);
        problems.push(file, Problem::new(Code::YamlValidate, diagnostic));
        return;
    };
    let known = KINDS
        .iter()
        .find_map(|(key, kind)| Some((item.get(key)?, *kind)));
    let Some((value, kind)) = known else {
        let key = entries
            .first()
            .and_then(|(key, _)| key.as_str())
            .unwrap_or_default();
        let diagnostic =
            Diagnostic::warning(source, item.position, format!("unknown item '{key}'"))
                .width(key.chars().count())
                .suggest(key, KINDS.iter().map(|(key, _)| *key));
        problems.push(file, Problem::new(Code::UnknownItem, diagnostic));
        return;
    };
    let mut reader = Reader {
        source,
        file,
        item,
        kind,
        name: value.as_str().unwrap_or_default(),
        problems,
    };
    let number = definitions.items;
    match kind {
        ItemKind::EngineVersion => {
            if let Some(version) = versions::engine(&mut reader, value) {
                definitions.engine_version = Some(version);
            }
        }
        ItemKind::PluginVersions => {
            let plugins = versions::plugins(&mut reader, value, definitions.provided);
            definitions.plugin_versions.extend(plugins);
        }
        ItemKind::Macro => {
            named(&mut reader, value, number, |r, n| {
                macro_item(r, n, definitions)
            });
        }
        ItemKind::List => {
            named(&mut reader, value, number, |r, n| {
                list_item(r, n, definitions)
            });
        }
        ItemKind::Rule => {
            named(&mut reader, value, number, |r, n| {
                rule_item::apply(r, n, &mut definitions.rules)
            });
        }
    }
}

fn named<'a>(
    reader: &mut Reader<'a>,
    value: &'a Node,
    number: usize,
    apply: impl FnOnce(&mut Reader<'a>, usize) -> Option<()>,
) {
    let key = match reader.kind {
        ItemKind::Macro => "macro",
        ItemKind::List => "list",
        _ => "rule",
    };
    if reader.scalar(key, value).is_some() {
        apply(reader, number);
    }
}

impl Reader<'_> {
    /// A definition that begins with this item.
    pub(super) fn define<T>(&self, number: usize, value: T) -> Definition<T> {
        Definition {
            name: self.name.into(),
            value,
            file: self.file,
            source: self.source.clone(),
            position: self.item.position,
            first: number,
            last: number,
        }
    }

    /// Notes that this item changes a definition. One of a base file becomes this file's: errors in
    /// the change concern this file's author.
    fn changes<T>(&self, old: &mut Definition<T>, number: usize, base: &[bool]) {
        old.last = number;
        if base.get(old.file).is_some_and(|base| *base) {
            old.file = self.file;
            old.source = self.source.clone();
            old.position = self.item.position;
        }
    }

    /// Whether this item appends in the deprecated form (`append: true`), with a warning.
    pub(super) fn appends(&mut self) -> bool {
        let appends = self.boolean("append").unwrap_or(false);
        if appends && let Some(node) = self.get("append") {
            let diagnostic =
                Diagnostic::warning(self.source, node.position, "'append' is deprecated")
                    .hint("use 'override' with 'append' or 'replace' for each key");
            self.report(Code::DeprecatedItem, diagnostic);
        }
        appends
    }

    /// Reports that there is no definition to change.
    pub(super) fn undefined<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        let (kind, name) = (self.kind, self.name);
        let message = format!("{kind} '{name}' is changed here, but was not defined before");
        let diagnostic =
            Diagnostic::error(self.source, self.item.position, message).suggest(name, names);
        self.report(Code::Validate, diagnostic);
    }
}

/// Keys of a macro, and the one that can be appended to and replaced.
pub(super) const MACRO_KEYS: [&str; 4] = ["macro", "condition", "append", "override"];
pub(super) const MACRO_CHANGES: [&str; 1] = ["condition"];
/// Keys of a list, and the one that can be appended to and replaced.
pub(super) const LIST_KEYS: [&str; 4] = ["list", "items", "append", "override"];
pub(super) const LIST_CHANGES: [&str; 1] = ["items"];

/// Whether a condition can use a name.
fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn macro_item(reader: &mut Reader<'_>, number: usize, all: &mut Definitions) -> Option<()> {
    reader.check_keys(&MACRO_KEYS);
    let changes = reader.overrides(&MACRO_CHANGES, &MACRO_CHANGES);
    let appends = reader.appends()
        || changes
            .as_ref()
            .is_some_and(|c| c.contains(&("condition", Change::Append)));
    let name = reader.name;
    if !is_identifier(name) {
        let message = format!("no condition can use a macro named '{name}'");
        reader.warning(Code::InvalidMacroName, reader.item.position, message);
    }
    let condition = Located::new(reader.source, reader.required("condition")?);
    if !appends && changes.is_none() {
        all.macros
            .define(reader.define(number, MacroDefinition { condition }));
        return Some(());
    }
    let Some(old) = all.macros.get_mut(name) else {
        reader.undefined(all.macros.names());
        return None;
    };
    reader.changes(old, number, &all.base);
    if appends {
        old.value.condition.append(condition);
    } else {
        old.value.condition = condition;
    }
    Some(())
}

fn list_item(reader: &mut Reader<'_>, number: usize, all: &mut Definitions) -> Option<()> {
    reader.check_keys(&LIST_KEYS);
    let changes = reader.overrides(&LIST_CHANGES, &LIST_CHANGES);
    let appends = reader.appends()
        || changes
            .as_ref()
            .is_some_and(|c| c.contains(&("items", Change::Append)));
    let name = reader.name;
    if name.contains(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | '=' | '"' | '\''))
    {
        let message = format!("no condition can use a list named '{name}'");
        reader.warning(Code::InvalidListName, reader.item.position, message);
    }
    let Some(node) = reader.get("items") else {
        let message = format!("list '{name}' has no 'items'");
        return reader.error(Code::YamlValidate, reader.item.position, message);
    };
    let items = if node.is_null() {
        Vec::new()
    } else {
        reader.texts("items", node)?
    };
    if !appends && changes.is_none() {
        all.lists
            .define(reader.define(number, ListDefinition { items }));
        return Some(());
    }
    let Some(old) = all.lists.get_mut(name) else {
        reader.undefined(all.lists.names());
        return None;
    };
    reader.changes(old, number, &all.base);
    if appends {
        old.value.items.extend(items);
    } else {
        old.value.items = items;
    }
    Some(())
}
