//! Rules over lines that were written earlier. A line has what the output of its rule named, so the
//! hunt says which fields of each rule no line had.

use std::{fmt::Write as _, io::BufRead, path::Path, sync::Arc};

use anyhow::{Context as _, bail};
use bumpalo::Bump;
use config::Config;
use events::{Evaluator, Lines};
use falco_rules::{Matching, Options, RuleSet, Written, WrittenEvent};
use rustc_hash::{FxHashMap, FxHashSet};
use telemetry::{Identity, Telemetry};

use super::{
    inspect::refused,
    json_lines::{event, next_line},
    options, rules,
};
use crate::sources::syscall::fields::Syscall;

type Lined = Written<Syscall>;

/// A hunt through lines.
pub(super) struct Hunt<'c> {
    config: &'c Config,
    rules: Arc<RuleSet<Lined>>,
    /// An evaluator for each host, since a line has its host's name.
    evaluators: FxHashMap<String, Evaluator<Lined>>,
    /// The fields that lines had.
    seen: FxHashSet<Box<str>>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    lines: u64,
    no_json: u64,
    no_event: u64,
    matched: u64,
    written: u64,
}

impl<'c> Hunt<'c> {
    /// A hunt with the configured rules.
    pub(super) fn new(config: &'c Config) -> anyhow::Result<Self> {
        let (files, _) = rules::files(config).map_err(|report| refused(&report))?;
        let options = Options {
            outlines: true,
            matching: match config.rule_matching {
                config::RuleMatching::First => Matching::First,
                config::RuleMatching::All => Matching::All,
            },
            ..options::rules(config).rules
        };
        let compilation = falco_rules::compile(&rules::with_base(files, config), &options);
        let Some(set) = compilation.set else {
            bail!("{}", compilation.report.text());
        };
        Ok(Self {
            config,
            rules: Arc::new(set),
            evaluators: FxHashMap::default(),
            seen: FxHashSet::default(),
            counts: Counts::default(),
        })
    }

    /// Hunts through the lines of a file.
    pub(super) fn file(
        &mut self,
        path: &Path,
        from: &mut dyn BufRead,
        to: &mut impl Lines,
    ) -> anyhow::Result<()> {
        let mut line = Vec::new();
        let mut arena = Bump::new();
        let context = || format!("cannot read {}", path.display());
        while next_line(from, &mut line).with_context(context)? {
            if line.trim_ascii().is_empty() {
                continue;
            }
            self.counts.lines += 1;
            let event = match event(&line) {
                Ok(event) => event,
                Err(problem) if problem.starts_with("no JSON") => {
                    self.counts.no_json += 1;
                    continue;
                }
                Err(_) => {
                    self.counts.no_event += 1;
                    continue;
                }
            };
            for name in event.fields.names() {
                if !self.seen.contains(name) {
                    self.seen.insert(name.into());
                }
            }
            arena.reset();
            let (config, rules) = (self.config, &self.rules);
            let evaluator = self.evaluators.entry(event.hostname);
            let evaluator = evaluator.or_insert_with_key(|host| evaluator_for(config, rules, host));
            let written = evaluator.evaluate(&WrittenEvent::new(&event.fields, &arena), to);
            self.counts.matched += u64::from(written > 0);
            self.counts.written += written;
        }
        Ok(())
    }

    /// What there was, and the fields of each rule that no line had.
    pub(super) fn summary(&self) -> String {
        let Counts {
            lines,
            no_json,
            no_event,
            matched,
            written,
        } = self.counts;
        let events = lines - no_json - no_event;
        // Writing to a string cannot fail.
        let mut out = format!(
            "{lines} lines: {events} events, {no_json} without JSON, {no_event} without an event of this sensor\n"
        );
        let _ = writeln!(out, "{matched} events matched, {written} lines");
        for (rule, info) in self.rules.rules().iter().zip(self.rules.info()) {
            let outline = self.rules.outline(rule.index).filter(|_| info.enabled);
            let leaves = outline.map_or(&[][..], |outline| outline.leaves());
            let mut missing: Vec<&str> = Vec::new();
            for field in leaves.iter().flat_map(|leaf| &leaf.fields) {
                if !self.has(field) && !missing.contains(&&**field) {
                    missing.push(field);
                }
            }
            if !missing.is_empty() {
                let _ = writeln!(
                    out,
                    "rule '{}': no line has {}",
                    rule.name,
                    missing.join(", ")
                );
            }
        }
        out
    }

    fn has(&self, field: &str) -> bool {
        let mut rests = self.seen.iter().filter_map(|own| own.strip_prefix(field));
        self.seen.contains(field) || rests.any(|rest| rest.starts_with('['))
    }
}

fn evaluator_for(config: &Config, rules: &Arc<RuleSet<Lined>>, host: &str) -> Evaluator<Lined> {
    let mut config = config.clone();
    if !host.is_empty() {
        config.sensor.hostname = Some(host.to_owned());
    }
    let telemetry = Arc::new(Telemetry::new(Arc::new(Identity::new(&config))));
    Evaluator::new(Arc::clone(rules), options::alerts(&config), &telemetry)
}
