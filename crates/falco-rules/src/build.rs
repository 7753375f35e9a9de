//! Rule files and options → a rule set, and the report about them.

use yaml::{Diagnostic, Severity};

use crate::{
    Activity, Classes, Code, Fact, Facts, ItemKind, Options, Problem, Report, Rule, RuleFile,
    RuleInfo, RuleSet, Source, Value,
    assemble::assemble,
    compile::{Compiler, Diagnostics, Known, NodeId, Verdicts},
    fields::ParseError,
    load::{self, Definition, Definitions, Located, Problems, Provided, RuleDefinition},
    outline::{Outline, Outliner},
    output,
    source::types,
    used::Used,
};

/// The result of compiling rule files.
#[derive(Debug)]
pub struct Compilation<S: Source> {
    /// The rules, if no file has an error or [`Options::leave_out_invalid`] is set.
    pub set: Option<RuleSet<S>>,
    /// Errors and warnings, file by file.
    pub report: Report,
}

/// Loads and compiles rule files. All errors of all files are reported.
#[must_use]
pub fn compile<S: Source>(files: &[RuleFile], options: &Options) -> Compilation<S> {
    let provided = Provided {
        plugins: S::PLUGINS,
        help: S::HELP.rules,
    };
    let (definitions, problems) = load::load(files, provided);
    let mut builder: Builder<'_, '_, S> = Builder {
        compiler: Compiler::new(&definitions),
        definitions: &definitions,
        options,
        problems,
        reported: vec![false; definitions.macros.all().len()],
    };
    let built: Vec<_> = definitions
        .rules
        .all()
        .iter()
        .filter_map(|definition| builder.rule(definition))
        .collect();
    builder.macros();
    let Builder {
        mut compiler,
        mut problems,
        ..
    } = builder;
    let used = Used::new(&compiler);
    used.report(&definitions, &mut problems);
    let failed = problems.has_errors() && !options.leave_out_invalid;
    let report = Report::new(files, problems);
    if failed {
        return Compilation { set: None, report };
    }
    compiler.checks.finish();
    let set = assemble(
        files,
        options,
        &definitions,
        (compiler.graph, compiler.checks),
        &used,
        built,
    );
    Compilation {
        set: Some(set),
        report,
    }
}

/// A rule and its compiled condition, before the sets of the classes are made.
pub(super) struct Built<S: Source> {
    pub(super) rule: Rule<S>,
    pub(super) info: RuleInfo,
}

/// A compiled condition.
#[derive(Default)]
struct Compiled {
    node: NodeId,
    /// Numbers of the macros in the condition.
    macros: Vec<usize>,
    /// Numbers of the lists in the condition.
    lists: Vec<usize>,
    outline: Option<Outline>,
}

struct Builder<'d, 'o, S: Source> {
    compiler: Compiler<'d, S>,
    definitions: &'d Definitions,
    options: &'o Options,
    problems: Problems,
    /// Macros whose errors are already in the report.
    reported: Vec<bool>,
}

impl<S: Source> Builder<'_, '_, S> {
    fn rule(&mut self, definition: &Definition<RuleDefinition>) -> Option<Built<S>> {
        let rule = &definition.value;
        if rule.priority > self.options.priority {
            return None;
        }
        let mut enabled = rule.enabled;
        for selection in &self.options.selection {
            if selection.means(&definition.name, rule) {
                enabled = selection.enable;
            }
        }
        let (compiled, activity) = if &*rule.source == S::NAME {
            (self.condition(definition)?, None)
        } else {
            let message = format!("unknown event source '{}'", rule.source);
            let mut hint = "the rule is loaded and never matches".to_owned();
            if let Some(help) = S::HELP.sources {
                hint.push_str(": ");
                hint.push_str(help);
            }
            let diagnostic =
                Diagnostic::warning(&definition.source, definition.position, message).hint(hint);
            self.push(definition, Code::UnknownSource, diagnostic);
            let reason = format!("no event source '{}'", rule.source);
            let inactive = Activity::Inactive(Box::new([reason.into()]));
            (Compiled::default(), Some(inactive))
        };
        let foreign = activity.is_some();
        let (output, extra) =
            match output::build(&definition.name, rule, &self.options.append_output) {
                Ok(built) => built,
                // The rule output of another source cannot be checked: its fields are unknown here.
                Err(_) if foreign => output::Built::default(),
                Err(error) => {
                    let severity = Self::severity(rule, std::slice::from_ref(&error.error));
                    let diagnostic = error.diagnostic(severity, &rule.output);
                    self.push(definition, code(severity, Code::CompileOutput), diagnostic);
                    return None;
                }
            };
        for obsolete in S::OBSOLETE {
            let Some(at) = rule.output.text.find(obsolete.text) else {
                continue;
            };
            let message = format!("'{}' is deprecated: it prints nothing", obsolete.text);
            let error = ParseError::new(at, message).hint(obsolete.hint);
            let diagnostic = rule.output.diagnostic(Severity::Warning, &error);
            self.push(definition, Code::DeprecatedItem, diagnostic);
        }
        let names = |numbers: Vec<usize>, of: &dyn Fn(usize) -> Box<str>| {
            let mut names: Vec<_> = numbers.into_iter().map(of).collect();
            names.sort();
            names.dedup();
            names.into_boxed_slice()
        };
        let mut tags = rule.tags.clone();
        tags.sort();
        tags.dedup();
        Some(Built {
            rule: Rule {
                index: 0,
                name: definition.name.clone(),
                description: rule.description.clone().into(),
                priority: rule.priority,
                source: rule.source.clone(),
                tags: tags.into(),
                output,
                extra,
                capture: rule.capture,
                capture_duration: Some(rule.capture_duration).filter(|span| !span.is_zero()),
            },
            info: RuleInfo {
                enabled,
                activity: activity.unwrap_or(Activity::Active),
                condition: rule.condition.text.trim().into(),
                node: compiled.node,
                outline: compiled.outline,
                exceptions: rule.exceptions.iter().map(|e| e.name.clone()).collect(),
                macros: names(compiled.macros, &|n| {
                    self.definitions.macros.all()[n].name.clone()
                }),
                lists: names(compiled.lists, &|n| {
                    self.definitions.lists.all()[n].name.clone()
                }),
                classes: Classes::NONE,
                output: rule.output.text.clone().into(),
            },
        })
    }

    /// The node of a rule's condition with its exceptions; reports the errors.
    fn condition(&mut self, definition: &Definition<RuleDefinition>) -> Option<Compiled> {
        let rule = &definition.value;
        let (node, mut diagnostics) = self.compiler.condition(&rule.condition.text);
        let errors = std::mem::take(&mut diagnostics.errors);
        let mut good = errors.is_empty();
        let severity = Self::severity(rule, &errors);
        for error in &errors {
            let diagnostic = rule.condition.diagnostic(severity, error);
            self.push(
                definition,
                code(severity, Code::CompileCondition),
                diagnostic,
            );
        }
        for index in std::mem::take(&mut diagnostics.bad_macros) {
            good = false;
            self.bad_macro(index, rule, definition);
        }
        let exceptions = super::exceptions::build(&mut self.compiler, rule, &mut diagnostics);
        let exceptions = match exceptions {
            Ok(nodes) => nodes,
            Err(diagnostics) => {
                for diagnostic in diagnostics {
                    self.push(definition, Code::CompileCondition, diagnostic);
                }
                good = false;
                Vec::new()
            }
        };
        if !good {
            return None;
        }
        self.diagnostics(definition, &diagnostics);
        let outline = if self.options.outlines {
            Outliner::outline(&mut self.compiler, &rule.condition.text, &exceptions)
        } else {
            None
        };
        let exceptions = exceptions.into_iter().map(|(_, node)| node);
        let exceptions = self.compiler.graph.or(exceptions);
        let exceptions = self.compiler.graph.negate(exceptions);
        let node = self.compiler.graph.and([node, exceptions]);
        if rule.warn_evttypes
            && let Some(one) = types::<S>(Classes::ALL).first()
            && self.matches_any_type(node)
        {
            let field = S::TYPE_FIELD;
            self.warn(
                definition,
                Code::NoEventType,
                0,
                "the condition has no event type: it is for events of all types",
                &format!("begin it with '{field} = {one} and', or set 'warn_evttypes: false'"),
            );
        }
        let mut macros = diagnostics.macros;
        let mut lists = diagnostics.lists;
        let mut at = 0;
        while let Some(&index) = macros.get(at) {
            let below = &self.compiler.macro_diagnostics[index];
            lists.extend(&below.lists);
            for other in &below.macros {
                if !macros.contains(other) {
                    macros.push(*other);
                }
            }
            at += 1;
        }
        Some(Compiled {
            node,
            macros,
            lists,
            outline,
        })
    }

    /// Whether a condition can be true for an event of a type that no condition names.
    fn matches_any_type(&self, node: NodeId) -> bool {
        let Compiler { graph, checks, .. } = &self.compiler;
        let facts = Facts::default().with(S::TYPE_FIELD, Fact::Is(Value::Str("\0")));
        let known = Known {
            class: None,
            facts: &facts,
        };
        Verdicts::new(graph, checks, known).of(node) != Some(false)
    }

    fn diagnostics(&mut self, definition: &Definition<RuleDefinition>, diagnostics: &Diagnostics) {
        if let Some(at) = diagnostics.not_available {
            self.warn(
                definition,
                Code::UnsafeNaCheck,
                at,
                "comparison with <NA>: a value that is missing is equal to nothing",
                "use 'exists' or 'not … exists'",
            );
        }
        if let Some((at, name, reason)) = diagnostics.deprecated {
            self.warn(
                definition,
                Code::DeprecatedItem,
                at,
                &format!("'{name}' is deprecated: {reason}"),
                "remove it",
            );
        }
    }

    /// Errors that count as warnings where the rule asks for this.
    fn severity(rule: &RuleDefinition, errors: &[ParseError]) -> Severity {
        if rule.skip_if_unknown_filter && errors.iter().all(is_unknown) {
            Severity::Warning
        } else {
            Severity::Error
        }
    }

    /// Reports that a rule uses a macro with errors.
    fn bad_macro(
        &mut self,
        index: usize,
        rule: &RuleDefinition,
        definition: &Definition<RuleDefinition>,
    ) {
        let mut open = vec![index];
        let mut seen = Vec::new();
        let mut errors = Vec::new();
        while let Some(index) = open.pop() {
            if seen.contains(&index) {
                continue;
            }
            seen.push(index);
            let diagnostics = &self.compiler.macro_diagnostics[index];
            errors.extend(diagnostics.errors.iter().cloned());
            open.extend(&diagnostics.bad_macros);
        }
        if Self::severity(rule, &errors) == Severity::Warning {
            let message =
                "the rule is left out: a macro of its condition has an unknown field or event type";
            let diagnostic = Diagnostic::warning(&definition.source, definition.position, message);
            self.push(definition, Code::UnknownFilter, diagnostic);
            return;
        }
        for index in seen {
            self.macro_errors(index, Severity::Error);
        }
    }

    fn macro_errors(&mut self, index: usize, severity: Severity) {
        if std::mem::replace(&mut self.reported[index], true) {
            return;
        }
        let definition = &self.definitions.macros.all()[index];
        for error in &self.compiler.macro_diagnostics[index].errors {
            let diagnostic = definition.value.condition.diagnostic(severity, error);
            let problem = Problem::new(code(severity, Code::CompileCondition), diagnostic)
                .of(ItemKind::Macro, &definition.name);
            self.problems.push(definition.file, problem);
        }
    }

    /// Checks macros that no rule uses: a text that is no condition is an error; a name that is
    /// unknown here is none.
    fn macros(&mut self) {
        for (index, definition) in self.definitions.macros.all().iter().enumerate() {
            if self.definitions.is_base(definition) {
                continue;
            }
            let severity = if self.compiler.is_no_condition(index) {
                Severity::Error
            } else {
                Severity::Warning
            };
            self.macro_errors(index, severity);
        }
    }

    fn warn(
        &mut self,
        definition: &Definition<RuleDefinition>,
        code: Code,
        at: usize,
        message: &str,
        hint: &str,
    ) {
        let error = ParseError::new(at, message).hint(hint);
        let condition: &Located = &definition.value.condition;
        let diagnostic = condition.diagnostic(Severity::Warning, &error);
        self.push(definition, code, diagnostic);
    }

    fn push(
        &mut self,
        definition: &Definition<RuleDefinition>,
        code: Code,
        diagnostic: Diagnostic,
    ) {
        let problem = Problem::new(code, diagnostic).of(ItemKind::Rule, &definition.name);
        self.problems.push(definition.file, problem);
    }
}

/// Whether an error is about a name that another version of Falco may know.
fn is_unknown(error: &ParseError) -> bool {
    error.message.starts_with("unknown field") || error.message.starts_with("unknown event type")
}

/// A warning in place of an error has a code of its own.
fn code(severity: Severity, error: Code) -> Code {
    match severity {
        Severity::Error => error,
        _ => Code::UnknownFilter,
    }
}
