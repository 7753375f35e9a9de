//! `sensor explain`: why a rule matches an event, or does not; without events, what the rule needs.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Write},
    path::Path,
};

use anyhow::{Context as _, bail};
use bumpalo::Bump;
use config::Config;
use falco_rules::{
    Activity, Fields, Matching, Options, Outline, Part, Rule, RuleSet, Scratch, Value, Written,
    WrittenEvent,
};

use super::{derived, inspect::refused, options, rules};
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
    match file {
        Some(file) => events(&set, rule, outline, file, out),
        None => {
            alone(&set, rule, outline, out)?;
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
}

/// Explains a rule without events.
fn alone(
    set: &RuleSet<Written<Syscall>>,
    rule: &Rule<Written<Syscall>>,
    outline: &Outline,
    out: &mut impl Write,
) -> io::Result<()> {
    let info = &set.info()[rule.index];
    let (state, reasons): (_, &[Box<str>]) = match &info.activity {
        _ if !info.enabled => ("not enabled", &[]),
        Activity::Active => ("active", &[]),
        Activity::Partly(reasons) => ("partly active", reasons),
        Activity::Inactive(reasons) => ("inactive", reasons),
    };
    writeln!(out, "rule '{}' is {state}", rule.name)?;
    reasons
        .iter()
        .try_for_each(|reason| writeln!(out, "  {reason}"))?;
    writeln!(out, "\ncondition")?;
    tree(outline.root(), outline, None, 1, out)?;
    writeln!(out)
}

/// Explains the verdict on each event of a file.
fn events(
    set: &RuleSet<Written<Syscall>>,
    rule: &Rule<Written<Syscall>>,
    outline: &Outline,
    file: &Path,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let lines: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
        Box::new(BufReader::new(opened))
    };
    let mut scratch = Scratch::default();
    for (number, line) in (1..).zip(lines.lines()) {
        let line = line.with_context(|| format!("cannot read {}", file.display()))?;
        if line.trim().is_empty() {
            continue;
        }
        let fields = match fields_of(&line) {
            Ok(fields) => fields,
            Err(reason) => {
                writeln!(out, "line {number}: {reason}")?;
                continue;
            }
        };
        let arena = Bump::new();
        let event = WrittenEvent::new(&fields, &arena);
        let verdicts = set.verdicts(&mut scratch, outline, &event);
        let truths: Vec<bool> = verdicts.iter().map(|(is, _)| *is).collect();
        let does = if outline.is_true(&truths) {
            "matches"
        } else {
            "does not match"
        };
        write!(out, "line {number}: rule '{}' {does}", rule.name)?;
        match outline.decisive(&truths) {
            Some(leaf) => {
                let (is, value) = &verdicts[leaf];
                let text = &outline.leaves()[leaf].text;
                writeln!(out, ": '{text}' is {is}, the value is {}", shown(value))?;
            }
            None => writeln!(out)?,
        }
        tree(outline.root(), outline, Some(&verdicts), 1, out)?;
    }
    Ok(())
}

/// The fields of a line of JSON: those of `output_fields`, or of the object itself.
fn fields_of(line: &str) -> Result<Fields, String> {
    let parsed = serde_json::from_str(line).map_err(|error| format!("no JSON: {error}"))?;
    let serde_json::Value::Object(mut object) = parsed else {
        return Err("no JSON object".to_owned());
    };
    let fields = match object.remove("output_fields") {
        Some(serde_json::Value::Object(fields)) => fields,
        _ => object,
    };
    Fields::new::<Syscall>(&fields, true).map_err(|error| error.to_string())
}

/// Writes a part of a condition, with the verdict and the value of each comparison if an event gave
/// them.
fn tree(
    part: &Part,
    outline: &Outline,
    verdicts: Option<&[(bool, Value<'_>)]>,
    depth: usize,
    out: &mut impl Write,
) -> io::Result<()> {
    let truths: Vec<bool> = verdicts
        .unwrap_or_default()
        .iter()
        .map(|(is, _)| *is)
        .collect();
    let mark = verdicts.map_or("", |_| match Outline::is_part_true(part, &truths) {
        true => "+ ",
        false => "- ",
    });
    let indent = "  ".repeat(depth);
    let mut below = |name: &str, parts: &[Part]| {
        writeln!(out, "{indent}{mark}{name}")?;
        let mut parts = parts.iter();
        parts.try_for_each(|part| tree(part, outline, verdicts, depth + 1, out))
    };
    match part {
        Part::All(parts) => below("all of", parts),
        Part::Any(parts) => below("any of", parts),
        Part::Not(inner) => below("not", std::slice::from_ref(inner)),
        Part::Macro(name, inner) => below(&format!("macro {name}"), std::slice::from_ref(inner)),
        Part::Exception(name, inner) => {
            below(&format!("exception {name}"), std::slice::from_ref(inner))
        }
        Part::Leaf(leaf) => {
            let text = &outline.leaves()[*leaf].text;
            match verdicts {
                None => writeln!(out, "{indent}{text}"),
                Some(verdicts) => {
                    writeln!(
                        out,
                        "{indent}{mark}{text}   [{}]",
                        shown(&verdicts[*leaf].1)
                    )
                }
            }
        }
    }
}
