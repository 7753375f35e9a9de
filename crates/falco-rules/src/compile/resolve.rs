//! Parsed conditions → nodes of the graph: names of lists and macros are replaced by their
//! definitions.

use std::{fmt::Write as _, rc::Rc};

use sha2::{Digest, Sha256};
use yaml::nearest;

use super::{
    Check, Compiler, Graph, NodeId,
    prepare::{Comparison, Constant, Values},
};
use crate::{
    Source,
    condition::{Condition, Modifier, Operator, Right, Word},
    fields::{Operand, ParseError},
};

/// Most bytes of a check's text.
const TEXT_MAX: usize = 4096;
/// Greatest depth of a condition, macros included.
const DEPTH_MAX: u32 = 400;

/// Errors, warnings and uses that the compiler found in one condition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Diagnostics {
    /// Errors.
    pub errors: Vec<ParseError>,
    /// Numbers of macros that the condition uses and that have errors.
    pub bad_macros: Vec<usize>,
    /// Bytes before the first comparison with `<NA>`.
    pub not_available: Option<usize>,
    /// The first use of a deprecated field: bytes before it, its name, and the reason.
    pub deprecated: Option<(usize, &'static str, &'static str)>,
    /// Numbers of the macros that the condition uses.
    pub macros: Vec<usize>,
    /// Numbers of the lists that the condition uses.
    pub lists: Vec<usize>,
}

impl<S: Source> Compiler<'_, S> {
    /// The node of a condition, which sees all lists, and the macros that were defined before item
    /// `sees`.
    pub(super) fn resolve(
        &mut self,
        tree: &Condition<S>,
        sees: usize,
        to: &mut Diagnostics,
    ) -> NodeId {
        match tree {
            Condition::And(parts) => {
                let parts: Vec<_> = parts
                    .iter()
                    .map(|part| self.resolve(part, sees, to))
                    .collect();
                self.graph.and(parts)
            }
            Condition::Or(parts) => {
                let parts: Vec<_> = parts
                    .iter()
                    .map(|part| self.resolve(part, sees, to))
                    .collect();
                self.graph.or(parts)
            }
            Condition::Not(inner) => {
                let inner = self.resolve(inner, sees, to);
                self.graph.negate(inner)
            }
            Condition::Macro(name) => self.macro_node(name, sees, to),
            Condition::Check {
                at,
                left,
                operator,
                modifier,
                right,
                right_at,
            } => {
                let result = self.values(right, *right_at, *operator, to);
                match result
                    .and_then(|values| self.check(*at, left, *operator, *modifier, &values, to))
                {
                    Ok(node) => node,
                    Err(error) => {
                        to.errors.push(*error);
                        Graph::FALSE
                    }
                }
            }
        }
    }

    fn macro_node(&mut self, name: &Word, sees: usize, to: &mut Diagnostics) -> NodeId {
        let width = name.text.chars().count();
        let error = |message: String| ParseError::new(name.at, message).width(width);
        let definitions = self.definitions;
        let Some(index) = definitions.macros.index(&name.text) else {
            let unknown = error(format!("unknown macro '{}'", name.text));
            to.errors
                .push(if definitions.lists.get(&name.text).is_some() {
                    error(format!("'{}' is a list, not a macro", name.text))
                        .hint(format!("write field in ({})", name.text))
                } else if let Some(known) = nearest(&name.text, definitions.macros.names()) {
                    unknown.hint(format!("did you mean '{known}'?"))
                } else {
                    unknown.hint("define it before, or write field operator value")
                });
            return Graph::FALSE;
        };
        if definitions.macros.all()[index].first >= sees {
            to.errors.push(
                error(format!(
                    "macro '{}' is used before it is defined",
                    name.text
                ))
                .hint("move its definition up, or its file to the front"),
            );
            return Graph::FALSE;
        }
        to.macros.push(index);
        self.used_macros[index] = true;
        match self.macro_nodes[index] {
            Some(node) => {
                if self.graph.depth(node) > DEPTH_MAX {
                    to.errors.push(error(format!(
                        "macro '{}' is more than {DEPTH_MAX} levels deep",
                        name.text
                    )));
                }
                node
            }
            None => {
                to.bad_macros.push(index);
                Graph::FALSE
            }
        }
    }

    fn values(
        &mut self,
        right: &Right<S>,
        right_at: usize,
        operator: Operator,
        to: &mut Diagnostics,
    ) -> Result<Values, Box<ParseError>> {
        match right {
            Right::Nothing => Ok(Values::Nothing),
            Right::Operand(operand) => {
                let ty = operand.ty().0;
                Ok(Values::Operand(self.checks.operand(operand), ty))
            }
            Right::Word(word) => {
                let mut constants = Vec::new();
                if !self.expand(word, &mut constants, to)? {
                    return Ok(Values::One((Rc::from(&*word.text), word.at)));
                }
                match constants.len() {
                    1 => Ok(Values::One(constants.remove(0))),
                    n => {
                        let message =
                            format!("list '{}' has {n} items, one value is needed", word.text);
                        let hint = format!(
                            "write in ({}) or {} anyof ({0})",
                            word.text,
                            operator.as_str()
                        );
                        Err(Box::new(ParseError::new(word.at, message).hint(hint)))
                    }
                }
            }
            Right::List(words) => {
                let mut constants = Vec::with_capacity(words.len());
                for word in words {
                    if !self.expand(word, &mut constants, to)? {
                        constants.push((Rc::from(&*word.text), word.at));
                    }
                }
                self.spend(constants.len(), right_at)?;
                Ok(Values::Many(constants))
            }
        }
    }

    /// Counts constants; too many of them in all conditions together are an error.
    fn spend(&mut self, constants: usize, at: usize) -> Result<(), Box<ParseError>> {
        self.constants = self.constants.saturating_add(constants);
        if self.constants > super::macros::CONSTANTS_MAX {
            let message = format!(
                "the lists of all conditions have more than {} values",
                super::macros::CONSTANTS_MAX
            );
            return Err(Box::new(ParseError::new(at, message)));
        }
        Ok(())
    }

    /// Appends the items of the list that a word names; false if the word names no list.
    fn expand(
        &mut self,
        word: &Word,
        constants: &mut Vec<Constant>,
        to: &mut Diagnostics,
    ) -> Result<bool, Box<ParseError>> {
        if word.quoted {
            return Ok(false);
        }
        let Some(index) = self.definitions.lists.index(&word.text) else {
            return Ok(false);
        };
        to.lists.push(index);
        match self.list(index, 0) {
            Ok(items) => {
                self.spend(items.len(), word.at)?;
                constants.extend(items.iter().map(|item| (item.clone(), word.at)));
                Ok(true)
            }
            Err(message) => Err(Box::new(
                ParseError::new(word.at, message).width(word.text.chars().count()),
            )),
        }
    }

    /// The node of a check.
    pub(super) fn check(
        &mut self,
        at: usize,
        left: &Operand<S>,
        operator: Operator,
        modifier: Option<Modifier>,
        values: &Values,
        to: &mut Diagnostics,
    ) -> Result<NodeId, Box<ParseError>> {
        if let Operand::Field(field) = left {
            let name = field.field.name;
            if let Some(reason) = field.field.deprecated {
                to.deprecated.get_or_insert((at, name, reason));
            }
            if name == S::TYPE_FIELD && modifier.is_none() {
                event_types::<S>(operator, values)?;
            }
        }
        let constants: &[Constant] = match values {
            Values::One(one) => std::slice::from_ref(one),
            Values::Many(list) => list,
            _ => &[],
        };
        if let Some((_, at)) = constants.iter().find(|(text, _)| &**text == "<NA>") {
            to.not_available.get_or_insert(*at);
        }
        let written = self.check_text(left, operator, modifier, values);
        if let Some(check) = self.checks.find(&written) {
            return Ok(self.graph.check(check));
        }
        let id = self.checks.operand(left);
        let comparison = Comparison {
            left,
            id,
            operator,
            modifier,
            at,
        };
        let test = comparison.prepare(&mut self.checks, values)?;
        let check = Check {
            operand: id,
            operator,
            test,
            text: written.clone(),
        };
        let check = self.checks.add(check, written);
        Ok(self.graph.check(check))
    }

    /// The text of a check; a long list is cut and followed by a digest of the whole.
    fn check_text(
        &self,
        left: &Operand<S>,
        operator: Operator,
        modifier: Option<Modifier>,
        values: &Values,
    ) -> Box<str> {
        let mut text = format!("{left} {}", operator.as_str());
        if let Some(modifier) = modifier {
            text.push(' ');
            text.push_str(modifier.as_str());
        }
        match values {
            Values::Nothing => {}
            Values::Operand(operand, _) => {
                let operand = &self.checks.operands[*operand as usize].operand;
                let _ = write!(text, " val({operand})");
            }
            Values::One((value, _)) => {
                text.push(' ');
                quote(&mut text, value);
            }
            Values::Many(list) => {
                text.push_str(" (");
                let mut rest = Sha256::new();
                let mut cut = false;
                for (index, (value, _)) in list.iter().enumerate() {
                    if text.len() > TEXT_MAX {
                        cut = true;
                        rest.update(value.len().to_le_bytes());
                        rest.update(value.as_bytes());
                        continue;
                    }
                    if index > 0 {
                        text.push_str(", ");
                    }
                    quote(&mut text, value);
                }
                if cut {
                    let digest = rest.finalize();
                    let short = u128::from_le_bytes(digest[..16].try_into().unwrap_or_default());
                    let _ = write!(text, ", … #{short:032x}");
                }
                text.push(')');
            }
        }
        text.into()
    }
}

/// Appends a value, in quotes if it needs them.
fn quote(text: &mut String, value: &str) {
    let bare =
        |c: char| !c.is_ascii_whitespace() && !matches!(c, '(' | ')' | '"' | '\'' | '=' | ',');
    if !value.is_empty() && value.chars().all(bare) {
        text.push_str(value);
    } else {
        text.push('"');
        for c in value.chars() {
            if matches!(c, '"' | '\\') {
                text.push('\\');
            }
            text.push(c);
        }
        text.push('"');
    }
}

/// Checks that the event types in a comparison exist.
fn event_types<S: Source>(operator: Operator, values: &Values) -> Result<(), Box<ParseError>> {
    let constants: &[Constant] = match (operator, values) {
        (Operator::Eq | Operator::Ne, Values::One(one)) => std::slice::from_ref(one),
        (Operator::In | Operator::Intersects, Values::Many(list)) => list,
        _ => return Ok(()),
    };
    let unknown = constants
        .iter()
        .find(|(name, _)| !S::is_event_type(name) && &**name != "<NA>");
    let Some((name, at)) = unknown else {
        return Ok(());
    };
    if S::event_types().next().is_none() {
        return Ok(());
    }
    let error =
        ParseError::new(*at, format!("unknown event type '{name}'")).width(name.chars().count());
    let known = nearest(name, S::event_types());
    Err(Box::new(match (known, S::HELP.event_types) {
        (Some(known), _) => error.hint(format!("did you mean '{known}'?")),
        (None, Some(help)) => error.hint(help),
        (None, None) => error,
    }))
}
