//! Rules with conditions that are known by heart; goes when the rules engine lands.

use std::path::Path;

use crate::{
    event::Kind,
    fields::{Context, Template},
    rules::{Priority, Rule},
    yaml::{Limits, Source, parse},
};

/// Rules.
pub struct RuleSet {
    rules: Vec<Rule>,
    host: Vec<bool>,
    connect: Vec<bool>,
}

impl RuleSet {
    /// Loads one file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        let source = Source::new(path.display().to_string(), &text);
        let parsed = parse(&source, &Limits::default()).map_err(|e| anyhow::anyhow!("{e}"))?;
        let mut rules = Vec::new();
        let mut host = Vec::new();
        let mut connect = Vec::new();
        for document in parsed.documents {
            for item in document.as_sequence().unwrap_or_default() {
                let text = |key: &str| item.get(key).and_then(|n| n.as_str()).unwrap_or_default();
                if item.get("rule").is_none() {
                    continue;
                }
                connect.push(text("condition").contains("connect"));
                host.push(!text("condition").contains("container.id != host"));
                rules.push(Rule {
                    index: rules.len(),
                    name: text("rule").into(),
                    description: text("desc").into(),
                    priority: Priority::parse(text("priority")).unwrap_or(Priority::Debug),
                    source: "syscall".into(),
                    tags: item
                        .get("tags")
                        .and_then(|n| n.as_sequence())
                        .unwrap_or_default()
                        .iter()
                        .filter_map(|n| n.as_str().map(Into::into))
                        .collect(),
                    output: Template::parse(text("output"))
                        .map_err(|e| anyhow::anyhow!("{e:?}"))?,
                    extra: Box::default(),
                });
            }
        }
        Ok(Self {
            rules,
            host,
            connect,
        })
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether a rule wants host events.
    #[must_use]
    pub fn want_host(&self) -> bool {
        self.host.iter().any(|h| *h)
    }

    /// Whether a rule wants connects.
    #[must_use]
    pub fn want_connect(&self) -> bool {
        self.connect.iter().any(|h| *h)
    }

    /// Evaluates.
    pub fn evaluate(&self, context: &Context<'_>, each: &mut dyn FnMut(usize, &Rule)) {
        let is_connect = context.event.kind == Kind::Connect;
        for (i, rule) in self.rules.iter().enumerate() {
            if self.connect[i] != is_connect {
                continue;
            }
            if self.host[i] || context.container_id().is_some() {
                each(i, rule);
                return;
            }
        }
    }
}
