//! Exceptions of a rule → nodes: `(f1 c1 v1 and f2 c2 v2) or …`.

use yaml::{Diagnostic, Node, Position, Source as Text};

use crate::{
    Source,
    compile::{Compiler, Diagnostics, NodeId},
    condition::{Condition, Operator, Right, Word, parse},
    fields::{Operand, ParseError, quoted},
    load::{Comparison, Exception, RuleDefinition},
};

/// The nodes of the exceptions: the rule matches only if all of them are false.
pub(super) fn build<S: Source>(
    compiler: &mut Compiler<'_, S>,
    rule: &RuleDefinition,
    to: &mut Diagnostics,
) -> Result<Vec<(Box<str>, NodeId)>, Vec<Diagnostic>> {
    let mut nodes = Vec::new();
    let mut problems = Vec::new();
    for exception in &rule.exceptions {
        let mut builder = Builder {
            compiler,
            exception,
            to,
        };
        match builder.operands() {
            Err(problem) => problems.push(*problem),
            Ok(operands) => {
                let mut of_one = Vec::new();
                builder.values(&operands, &mut of_one, &mut problems);
                nodes.extend(
                    of_one
                        .into_iter()
                        .map(|node| (exception.name.clone(), node)),
                );
            }
        }
    }
    if problems.is_empty() {
        Ok(nodes)
    } else {
        Err(problems)
    }
}

struct Builder<'b, 'd, S: Source> {
    compiler: &'b mut Compiler<'d, S>,
    exception: &'b Exception,
    to: &'b mut Diagnostics,
}

impl<S: Source> Builder<'_, '_, S> {
    fn error(source: &Text, position: Position, error: &ParseError) -> Diagnostic {
        let diagnostic = Diagnostic::error(source, position, error.message.clone());
        match &error.hint {
            Some(hint) => diagnostic.hint(hint.clone()),
            None => diagnostic,
        }
    }

    /// The fields.
    fn operands(&self) -> Result<Vec<Operand<S>>, Box<Diagnostic>> {
        let Exception {
            comparisons,
            source,
            ..
        } = self.exception;
        comparisons
            .iter()
            .map(|comparison| {
                let text = comparison.field.trim();
                match Operand::parse_prefix(text) {
                    Ok((operand, len)) if len == text.len() => Ok(operand),
                    Ok(_) => {
                        let error = ParseError::new(0, format!("'{text}' is not a field"));
                        Err(Box::new(Self::error(source, comparison.position, &error)))
                    }
                    Err(error) => Err(Box::new(Self::error(source, comparison.position, &error))),
                }
            })
            .collect()
    }

    fn values(
        &mut self,
        operands: &[Operand<S>],
        nodes: &mut Vec<NodeId>,
        problems: &mut Vec<Diagnostic>,
    ) {
        let exception = self.exception;
        if exception.values.is_empty() {
            return;
        }
        if exception.single {
            let words = exception
                .values
                .iter()
                .map(|(source, value)| match value.as_str() {
                    Some(text) => Ok(word(text)),
                    None => {
                        let message = format!(
                            "exception '{}' has one field: its values are texts",
                            exception.name
                        );
                        Err(Diagnostic::error(source, value.position, message))
                    }
                })
                .collect::<Result<Vec<_>, _>>();
            let (Some((source, first)), [operand], [comparison]) =
                (exception.values.first(), operands, &*exception.comparisons)
            else {
                return;
            };
            match words {
                Err(problem) => problems.push(problem),
                Ok(words) => {
                    let tree = check(operand, comparison.operator, Right::List(words));
                    match self.resolve(&tree, source, first) {
                        Ok(node) => nodes.push(node),
                        Err(problem) => problems.push(*problem),
                    }
                }
            }
            return;
        }
        for (source, value) in &exception.values {
            match self.tuple(operands, source, value) {
                Ok(node) => nodes.push(node),
                Err(problem) => problems.push(*problem),
            }
        }
    }

    /// One value of an exception: a list with an element for each field.
    fn tuple(
        &mut self,
        operands: &[Operand<S>],
        source: &Text,
        value: &Node,
    ) -> Result<NodeId, Box<Diagnostic>> {
        let exception = self.exception;
        let elements = match value.as_sequence() {
            Some(elements) if elements.len() == operands.len() => elements,
            Some(elements) => {
                let message = format!(
                    "a value of exception '{}' has {} elements, but there are {} fields",
                    exception.name,
                    elements.len(),
                    operands.len()
                );
                return Err(Box::new(Diagnostic::error(source, value.position, message)));
            }
            None => {
                let message = format!(
                    "a value of exception '{}' is a list with an element a field, not {}",
                    exception.name,
                    value.describe()
                );
                return Err(Box::new(Diagnostic::error(source, value.position, message)));
            }
        };
        let mut parts = Vec::new();
        for ((operand, comparison), element) in
            operands.iter().zip(&exception.comparisons).zip(elements)
        {
            let tree = element_check(operand, comparison, element)
                .map_err(|error| Box::new(Self::error(source, element.position, &error)))?;
            parts.push(self.resolve(&tree, source, element)?);
        }
        Ok(self.compiler.graph.and(parts))
    }

    fn resolve(
        &mut self,
        tree: &Condition<S>,
        source: &Text,
        node: &Node,
    ) -> Result<NodeId, Box<Diagnostic>> {
        let (resolved, error) = self.compiler.tree(tree, self.to);
        match error {
            None => Ok(resolved),
            Some(error) => Err(Box::new(Self::error(source, node.position, &error))),
        }
    }
}

/// An element: the name of a list stands for the items of the list, as in a condition.
fn word(text: &str) -> Word {
    let unquoted = match quoted(text) {
        Some((inner, len)) if len == text.len() => Some(inner),
        _ => None,
    };
    Word {
        quoted: unquoted.is_some() || text.contains(' '),
        text: unquoted.map_or_else(|| text.into(), Into::into),
        at: 0,
    }
}

fn check<S: Source>(operand: &Operand<S>, operator: Operator, right: Right<S>) -> Condition<S> {
    Condition::Check {
        at: 0,
        left: Box::new(operand.clone()),
        operator,
        modifier: None,
        right,
        right_at: 0,
    }
}

/// `field operator element`, where a list is a list, `(a, b)`, the name of a
/// list, or a single value.
fn element_check<S: Source>(
    operand: &Operand<S>,
    comparison: &Comparison,
    element: &Node,
) -> Result<Condition<S>, ParseError> {
    let operator = comparison.operator;
    let takes_list = matches!(
        operator,
        Operator::In | Operator::PMatch | Operator::Intersects
    );
    if let Some(items) = element.as_sequence() {
        if !takes_list {
            let message = format!(
                "operator '{}' takes one value, not a list",
                operator.as_str()
            );
            return Err(ParseError::new(0, message));
        }
        let words = items
            .iter()
            .map(|item| match item.as_str() {
                Some(text) => Ok(word(text)),
                None => Err(ParseError::new(0, "a list of values holds texts")),
            })
            .collect::<Result<_, _>>()?;
        return Ok(check(operand, operator, Right::List(words)));
    }
    let Some(text) = element.as_str() else {
        return Err(ParseError::new(0, "a value is a text or a list"));
    };
    if takes_list && text.starts_with('(') {
        let (tree, unknown) = parse(&format!("{operand} {} {text}", operator.as_str()))?;
        return unknown.into_iter().next().map_or(Ok(tree), Err);
    }
    Ok(if takes_list {
        check(operand, operator, Right::List(vec![word(text)]))
    } else {
        check(operand, operator, Right::Word(word(text)))
    })
}
