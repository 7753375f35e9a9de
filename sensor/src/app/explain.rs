//! `sensor explain`: why a rule matches an event, or does not; without events, what the rule needs.

use std::{
    io::{self, Write},
    ops::ControlFlow,
    path::Path,
};

use anyhow::{Context as _, bail};
use bumpalo::Bump;
use config::Config;
use falco_rules::{
    Activity, Fields, Matching, Options, Outline, Part, Rule, RuleSet, Scratch, Value, Written,
    WrittenEvent,
};

use super::{
    derived,
    inspect::refused,
    json_lines::{self, Contents},
    options,
    recorded::Events,
    rules,
};
use crate::{
    cases::shown,
    sources::syscall::{
        self,
        fields::Syscall,
        rules::{self as syscall_rules, Select, Selection},
    },
};

/// Explains a rule, by itself or for each event of a file.
///
/// # Errors
/// If the rules are not valid, no rule has the name, or the file cannot be read.
pub(super) fn explain(
    config: &Config,
    name: &str,
    file: Option<&Path>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let (files, _) = rules::files(config).map_err(|report| refused(&report))?;
    let files = rules::with_base(files, config);
    let options = Options {
        matching: Matching::All,
        outlines: true,
        ..options::rules(config).rules
    };
    let compilation = falco_rules::compile::<Written<Syscall>>(&files, &options);
    let Some(set) = compilation.set else {
        bail!("{}", compilation.report.text());
    };
    let Some(rule) = set.rules().iter().find(|rule| &*rule.name == name) else {
        let known = yaml::nearest(name, set.rules().iter().map(|rule| &*rule.name));
        let hint = known.map(|known| format!("; did you mean '{known}'?"));
        bail!("no rule is named '{name}'{}", hint.unwrap_or_default());
    };
    let Some(outline) = set.outline(rule.index) else {
        bail!("the condition of '{name}' is too large to be explained");
    };
    let explanation = Explanation {
        set: &set,
        rule,
        outline,
    };
    if let Some(file) = file {
        explanation.events(config, file, out)
    } else {
        explanation.alone(out)?;
        let selection = |enable, name: &str| Selection {
            enable,
            select: Select::Name(name.into()),
        };
        let mut of_one = options::rules(config);
        of_one.rules.selection = vec![selection(false, "*"), selection(true, name)];
        if let Some(set) = syscall_rules::compile(&files, &of_one).set {
            let request = syscall::options::capture_request(config, set.requirements());
            write!(out, "{}", derived::text(&request, set.requirements()))?;
        }
        Ok(())
    }
}

/// A rule to explain.
struct Explanation<'r> {
    set: &'r RuleSet<Written<Syscall>>,
    rule: &'r Rule<Written<Syscall>>,
    outline: &'r Outline,
}

/// What an event makes of a rule's condition.
struct Judged<'e> {
    fields: &'e Fields,
    /// By check: whether it is true, and the value that it looks at.
    verdicts: &'e [(bool, Value<'e>)],
    /// By check: whether it is true.
    truths: &'e [bool],
}

impl Explanation<'_> {
    /// Explains the rule without events.
    fn alone(&self, out: &mut impl Write) -> io::Result<()> {
        let info = &self.set.info()[self.rule.index];
        let (state, reasons): (_, &[Box<str>]) = match &info.activity {
            _ if !info.enabled => ("not enabled", &[]),
            Activity::Active => ("active", &[]),
            Activity::Partly(reasons) => ("partly active", reasons),
            Activity::Inactive(reasons) => ("inactive", reasons),
        };
        writeln!(out, "rule '{}' is {state}", self.rule.name)?;
        for reason in reasons {
            writeln!(out, "  {reason}")?;
        }
        writeln!(out, "\ncondition")?;
        self.tree(self.outline.root(), None, 1, out)
    }

    /// Explains the verdict on each event of a file.
    fn events(&self, config: &Config, file: &Path, out: &mut impl Write) -> anyhow::Result<()> {
        let context = || format!("cannot read {}", file.display());
        let mut scratch = Scratch::default();
        let mut from = match json_lines::open(file)? {
            Contents::Lines(from) => from,
            Contents::Recording(bytes) => {
                let events = Events::new(config, self.set)?;
                return events.each(file, bytes, |context| {
                    let place = format!("event {}", context.number);
                    self.event(&place, &events.fields(context), &mut scratch, out)?;
                    Ok(ControlFlow::Continue(()))
                });
            }
        };
        let mut line = Vec::new();
        for number in 1.. {
            if !json_lines::next_line(&mut *from, &mut line).with_context(context)? {
                break;
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            match json_lines::event(&line) {
                Ok(event) => {
                    let place = format!("line {number}");
                    self.event(&place, &event.fields, &mut scratch, out)?;
                }
                Err(reason) => writeln!(out, "line {number}: {reason}")?,
            }
        }
        Ok(())
    }

    /// Explains the verdict on one event.
    fn event(
        &self,
        place: &str,
        fields: &Fields,
        scratch: &mut Scratch,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let arena = Bump::new();
        let event = WrittenEvent::new(fields, &arena);
        let verdicts = self.set.verdicts(scratch, self.outline, &event);
        let truths: Vec<bool> = verdicts.iter().map(|(is, _)| *is).collect();
        let judged = Judged {
            fields,
            verdicts: &verdicts,
            truths: &truths,
        };
        let does = if self.outline.is_true(&truths) {
            "matches"
        } else {
            "does not match"
        };
        write!(out, "{place}: rule '{}' {does}", self.rule.name)?;
        if let Some(leaf) = self.outline.decisive(&truths) {
            let text = &self.outline.leaves()[leaf].text;
            let value = self.value(leaf, &judged);
            write!(out, ": '{text}' is {}, {value}", truths[leaf])?;
        }
        writeln!(out)?;
        self.tree(self.outline.root(), Some(&judged), 1, out)
    }

    /// The value that a check looks at.
    fn value(&self, leaf: usize, judged: &Judged<'_>) -> String {
        let fields = &self.outline.leaves()[leaf].fields;
        let mut missing = fields.iter().filter(|field| !judged.fields.mentions(field));
        match (&judged.verdicts[leaf].1, missing.next()) {
            (Value::Absent, Some(field)) => format!("the line has no {field}"),
            (value, _) => format!("the value is {}", shown(value)),
        }
    }

    /// Writes a part of the condition, with the verdict and the value of each check if there is
    /// an event.
    fn tree(
        &self,
        part: &Part,
        judged: Option<&Judged<'_>>,
        depth: usize,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let mark = judged.map_or("", |judged| {
            if Outline::is_part_true(part, judged.truths) {
                "+ "
            } else {
                "- "
            }
        });
        let indent = "  ".repeat(depth);
        let mut below = |name: &str, parts: &[Part]| {
            writeln!(out, "{indent}{mark}{name}")?;
            let mut parts = parts.iter();
            parts.try_for_each(|part| self.tree(part, judged, depth + 1, out))
        };
        match part {
            Part::All(parts) => below("all of", parts),
            Part::Any(parts) => below("any of", parts),
            Part::Not(inner) => below("not", std::slice::from_ref(inner)),
            Part::Macro(name, inner) => {
                below(&format!("macro {name}"), std::slice::from_ref(inner))
            }
            Part::Exception(name, inner) => {
                below(&format!("exception {name}"), std::slice::from_ref(inner))
            }
            Part::Leaf(leaf) => {
                let text = &self.outline.leaves()[*leaf].text;
                let value = judged.map(|judged| format!("   [{}]", self.value(*leaf, judged)));
                writeln!(out, "{indent}{mark}{text}{}", value.unwrap_or_default())
            }
        }
    }
}
