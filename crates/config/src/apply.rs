//! Applies one layer of configuration to the layers below.

use std::collections::{HashMap, HashSet};

use yaml::{Diagnostic, Kind, Node, Source, Style};

use super::{
    Config, Key, NOT_APPLICABLE, Strategy,
    container_plugin::{self, translate},
    keys,
    keys::out_of_range,
    path::{Step, put},
};

/// A configuration under construction.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub(super) config: Config,
    pub(super) errors: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
    /// What Falco takes although it is probably a mistake: warnings, or errors if
    /// `sensor.strict_config` is true.
    pub(super) mistakes: Vec<Diagnostic>,
    /// The values of keys that are lists.
    lists: HashMap<&'static str, Vec<Node>>,
    /// The keys that have a value, and Falco's keys that have one without effect.
    given: HashSet<&'static str>,
    /// The file that gave a key its value last, and the name of the key there.
    origins: HashMap<&'static str, (Box<str>, Box<str>)>,
}

/// Names of keys in former versions of Falco.
pub(super) const FORMER: [(&str, &str); 3] = [
    ("rules_file", "rules_files"),
    (
        "syscall_buf_size_preset",
        "engine.modern_ebpf.buf_size_preset",
    ),
    (
        "syscall_drop_failed_exit",
        "engine.modern_ebpf.drop_failed_exit",
    ),
];

/// The keys of the mappings in lists; Falco takes others without effect.
const INNER: &[(&str, &[&str])] = &[
    (
        "append_output",
        &["match", "extra_output", "extra_fields", "suggested_output"],
    ),
    ("append_output.match", &["source", "rule", "tags"]),
    ("config_files", &["path", "strategy"]),
    ("rules", &["enable", "disable"]),
    ("rules.enable", &["rule", "tag"]),
    ("rules.disable", &["rule", "tag"]),
];

/// Keys whose numbers without a unit are milliseconds, as in falco.yaml.
const MILLISECONDS: [&str; 3] = [
    "output_timeout",
    "metrics.interval",
    "capture.default_duration",
];

impl Layers {
    /// Applies a document; `prefix` is the name of its root.
    pub(super) fn document(
        &mut self,
        source: &Source,
        prefix: &str,
        node: &Node,
        strategy: Strategy,
    ) {
        for (name, node) in translate(prefix, node) {
            self.document(source, name, &node, strategy);
        }
        if prefix == container_plugin::FORMER {
            return;
        }
        if let Some(key) = self.key(source, prefix, node) {
            if self.given.insert(key.name) || strategy != Strategy::AddOnly {
                let is_second = self.is_second(source, key, prefix, node);
                let strategy = if is_second {
                    Strategy::Append
                } else {
                    strategy
                };
                self.value(source, key, node, strategy);
            }
            return;
        }
        if !prefix.is_empty() && !is_section(prefix) {
            self.unknown(source, prefix, node);
            return;
        }
        if node.is_null() {
            return;
        }
        let Some(entries) = node.as_mapping() else {
            let message = format!(
                "{} is {}, expected keys and values",
                if prefix.is_empty() {
                    "the configuration"
                } else {
                    prefix
                },
                node.describe()
            );
            self.errors
                .push(Diagnostic::error(source, node.position, message));
            return;
        };
        let mut seen = HashSet::new();
        for (key, value) in entries {
            let Some(text) = key.as_str() else {
                let message = format!("a key is {}", key.describe());
                self.mistakes
                    .push(Diagnostic::warning(source, key.position, message));
                continue;
            };
            if !seen.insert(text) {
                continue;
            }
            let name = if prefix.is_empty() {
                text.to_owned()
            } else {
                format!("{prefix}.{text}")
            };
            let place = Node {
                position: key.position,
                ..value.clone()
            };
            let is_known = find(&name).is_some() || is_section(&name);
            let node = if is_known { value } else { &place };
            self.document(source, &name, node, strategy);
        }
    }

    /// The key with that name or former name.
    fn key(&mut self, source: &Source, name: &str, node: &Node) -> Option<&'static Key> {
        let Some((_, current)) = FORMER.iter().find(|(former, _)| *former == name) else {
            return find(name);
        };
        let message = format!("'{name}' is the former name of '{current}'");
        self.warnings
            .push(Diagnostic::warning(source, node.position, message).width(name.len()));
        find(current)
    }

    /// Whether a file has a key under this name and under another one before.
    fn is_second(&mut self, source: &Source, key: &Key, name: &str, node: &Node) -> bool {
        let origin = (source.name().into(), name.into());
        let Some((file, other)) = self.origins.insert(key.name, origin) else {
            return false;
        };
        if *file != *source.name() || *other == *name {
            return false;
        }
        let which = if key.is_list() {
            "both count"
        } else {
            "the last one counts"
        };
        let message = format!("'{other}' and '{name}' are one key: {which}");
        self.mistakes.push(
            Diagnostic::warning(source, node.position, message)
                .hint(format!("put all of it into '{}'", key.name)),
        );
        true
    }

    /// Reports a name that is no key: nothing, if Falco has the key and this value loses nothing
    /// here.
    fn unknown(&mut self, source: &Source, name: &str, node: &Node) {
        let width = name.rsplit('.').next().unwrap_or(name).chars().count();
        let foreign = NOT_APPLICABLE
            .iter()
            .find(|foreign| foreign.name == name || below(name, foreign.name));
        if let Some(foreign) = foreign {
            self.given.insert(foreign.name);
            if foreign.is_lost(name, node) {
                let message = format!("'{name}' has no effect here: {}", foreign.reason);
                self.warnings
                    .push(Diagnostic::warning(source, node.position, message).width(width));
            }
            return;
        }
        let sections = keys().iter().filter_map(|key| key.name.rsplit_once('.'));
        let names = keys()
            .iter()
            .map(|key| key.name)
            .chain(sections.map(|(section, _)| section));
        self.mistakes.push(
            Diagnostic::warning(source, node.position, format!("unknown key '{name}'"))
                .width(width)
                .suggest(name, names),
        );
    }

    fn value(&mut self, source: &Source, key: &'static Key, node: &Node, strategy: Strategy) {
        let mut node = node.clone();
        let number = node.as_u64().filter(|number| *number > 0);
        if let Some(number) = number.filter(|_| MILLISECONDS.contains(&key.name)) {
            node.kind = Kind::Scalar(format!("{number}ms").into(), Style::Plain);
        }
        // Falco takes one text for a list of one.
        if key.is_list() && node.as_str().is_some() && !node.is_null() {
            let is_empty = node.as_str() == Some("");
            let items = if is_empty {
                Vec::new()
            } else {
                vec![node.clone()]
            };
            node.kind = Kind::Sequence(items);
        }
        self.check_inner(source, key.name, &node);
        if let Kind::Sequence(items) = &mut node.kind {
            let whole = self.lists.entry(key.name).or_default();
            if strategy == Strategy::Override {
                whole.clear();
            }
            whole.append(items);
            items.clone_from(whole);
        }
        self.set(source, key, &node);
    }

    /// Reports the keys without effect in the mappings of a list.
    fn check_inner(&mut self, source: &Source, name: &str, node: &Node) {
        let Some((_, known)) = INNER.iter().find(|(inner, _)| *inner == name) else {
            return;
        };
        for item in node.as_sequence().unwrap_or_default() {
            self.check_inner(source, name, item);
        }
        for (key, value) in node.as_mapping().unwrap_or_default() {
            let text = key.as_str().unwrap_or_default();
            if known.contains(&text) {
                self.check_inner(source, &format!("{name}.{text}"), value);
            } else {
                let message = format!("unknown key '{text}' in {name}");
                self.mistakes.push(
                    Diagnostic::warning(source, key.position, message)
                        .width(text.chars().count())
                        .suggest(text, known.iter().copied()),
                );
            }
        }
    }

    fn set(&mut self, source: &Source, key: &'static Key, node: &Node) {
        let width = node.as_str().map_or(1, |text| text.chars().count());
        if !(key.set)(&mut self.config, node) {
            if node.is_null() {
                return (key.reset)(&mut self.config);
            }
            let found = match node.as_str() {
                Some(text) => format!("'{text}'"),
                _ => node.describe().to_owned(),
            };
            let mut message = format!("{}: expected {}, not {found}", key.name, key.ty);
            let words = key.ty.split([' ', ',']).filter(|word| *word != "or");
            if key.falls_back && key.falco && node.as_str().is_some() && node.as_f64().is_none() {
                (key.reset)(&mut self.config);
                let default = (key.show)(&self.config);
                message = format!("{message}: {default} counts, the default");
                let mistake = Diagnostic::warning(source, node.position, message).width(width);
                self.mistakes.push(mistake);
                return;
            }
            self.errors.push(
                Diagnostic::error(source, node.position, message)
                    .width(width)
                    .suggest(node.as_str().unwrap_or_default(), words),
            );
        } else if let Some(message) = out_of_range(key.name, &self.config) {
            let message = format!("{}: {message}", key.name);
            self.errors
                .push(Diagnostic::error(source, node.position, message).width(width));
        }
    }

    /// Whether a key of falco.yaml without effect here was given.
    pub(super) fn was_given(&self, name: &str) -> bool {
        self.given.contains(name)
    }

    /// Applies a value at a path: a key or a section, or a place inside of a key's value.
    pub(super) fn path(&mut self, source: &Source, steps: &[Step], node: &Node) {
        let mut names: Vec<&str> = Vec::new();
        for step in steps {
            let Step::Key(name) = step else { break };
            names.push(name);
        }
        let known = (1..=names.len()).find_map(|length| {
            let name = names[..length].join(".");
            let former = FORMER.iter().any(|(former, _)| *former == name);
            (find(&name).is_some() || former).then_some((name, length))
        });
        let whole = names.join(".");
        let (name, inside) = match known {
            Some((name, length)) => (name, &steps[length..]),
            None if names.len() == steps.len() => (whole, &steps[..0]),
            None => return self.unknown(source, &whole, node),
        };
        if inside.is_empty() {
            return self.document(source, &name, node, Strategy::Override);
        }
        let Some(key) = self.key(source, &name, node) else {
            return;
        };
        let mut value = self.current(key);
        let position = node.position;
        match put(&mut value, inside, node) {
            Ok(()) => self.check_inner(source, key.name, &value),
            Err(problem) => {
                let message = format!("{name}{}", problem.message);
                let error = Diagnostic::error(source, position, message).hint(problem.hint);
                self.errors.push(error);
                return;
            }
        }
        if let Kind::Sequence(items) = &value.kind {
            self.lists.insert(key.name, items.clone());
        }
        self.given.insert(key.name);
        self.set(source, key, &Node { position, ..value });
    }

    /// The value of a key as a node.
    fn current(&self, key: &Key) -> Node {
        let shown = Source::new(key.name, (key.show)(&self.config));
        let parsed = yaml::parse(&shown, &yaml::Limits::default());
        let parsed = parsed.map(|parsed| parsed.documents.into_iter().next());
        let node = parsed.ok().flatten().unwrap_or_else(|| Node {
            kind: Kind::Sequence(Vec::new()),
            position: shown.position(0),
        });
        match self.lists.get(key.name) {
            Some(items) => Node {
                kind: Kind::Sequence(items.clone()),
                ..node
            },
            None => node,
        }
    }
}

/// The key with that name.
fn find(name: &str) -> Option<&'static Key> {
    keys().iter().find(|key| key.name == name)
}

/// Whether keys are below that name.
fn is_section(name: &str) -> bool {
    keys().iter().any(|key| below(key.name, name))
}

/// Whether a key is below a section.
fn below(name: &str, section: &str) -> bool {
    name.strip_prefix(section)
        .is_some_and(|rest| rest.starts_with('.'))
}
