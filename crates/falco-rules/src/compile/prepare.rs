//! Type check: turns an operator and its constants into a test for the type of the operand.

use std::rc::Rc;

use super::{
    Checks, OperandId, Test,
    automaton::{Automaton, Case, PatternError},
    number,
    number::Numbers,
    paths::Paths,
    test::{Quantifier, Symbols},
    text::TextTest,
};
use crate::{
    Source,
    condition::{Modifier, Operator},
    fields::{Operand, ParseError, Type},
};

/// A constant and its position.
pub(super) type Constant = (Rc<str>, usize);

/// The right-hand side of a check, lists expanded.
pub(super) enum Values {
    Nothing,
    One(Constant),
    Many(Vec<Constant>),
    Operand(OperandId, Type),
}

/// A check before its type check.
pub(super) struct Comparison<'a, S: Source> {
    pub(super) left: &'a Operand<S>,
    pub(super) id: OperandId,
    pub(super) operator: Operator,
    pub(super) modifier: Option<Modifier>,
    /// Bytes of the condition before the check.
    pub(super) at: usize,
}

impl<S: Source> Comparison<'_, S> {
    /// Makes the test, or reports what does not fit.
    pub(super) fn prepare(
        &self,
        checks: &mut Checks<S>,
        values: &Values,
    ) -> Result<Test, Box<ParseError>> {
        if checks.operands[self.id as usize].foreign.is_some() {
            return Ok(Test::Never);
        }
        let (ty, _) = self.left.ty();
        match values {
            Values::Nothing => Ok(Test::Exists),
            Values::Operand(right, right_ty) => self.operands(ty, *right, *right_ty),
            Values::Many(list) if self.modifier.is_some() => {
                let modifier = self.modifier.unwrap_or(Modifier::AnyOf);
                let tests: Result<Box<[_]>, _> = list
                    .iter()
                    .map(|one| self.text(checks, one, true))
                    .collect();
                Ok(Test::Modified(modifier, self.only_texts(ty).and(tests)?))
            }
            Values::Many(list) => self.list(checks, ty, list),
            Values::One(one) => match ty {
                Type::String => self.text(checks, one, false),
                Type::Bool => self.boolean(one),
                Type::Number | Type::Time => self.number(one),
                Type::Ip | Type::Net => self.list(checks, ty, std::slice::from_ref(one)),
            },
        }
    }

    fn error<T>(at: usize, message: String) -> Result<T, Box<ParseError>> {
        Err(Box::new(ParseError::new(at, message)))
    }

    /// The error that an operator is not for fields of this type.
    fn unfit<T>(&self, what: &str) -> Result<T, Box<ParseError>> {
        let message = format!(
            "operator '{}' does not compare {what}, which '{}' is",
            self.operator.as_str(),
            self.left
        );
        Err(Box::new(
            ParseError::new(self.at, message).width(self.left.to_string().chars().count()),
        ))
    }

    fn only_texts(&self, ty: Type) -> Result<(), Box<ParseError>> {
        match ty {
            Type::String => Ok(()),
            _ => self.unfit("a value of another kind than text"),
        }
    }

    fn text(
        &self,
        checks: &mut Checks<S>,
        (text, at): &Constant,
        alone: bool,
    ) -> Result<Test, Box<ParseError>> {
        let whole = |automaton: Result<Automaton, PatternError>| match automaton {
            Ok(automaton) => Ok(Test::Whole(automaton)),
            Err(error) => Self::error(*at, format!("wrong pattern '{text}': {error}")),
        };
        let any = || Ok(Test::Exists);
        match self.operator {
            Operator::Eq if alone => Ok(Test::Text(TextTest::Is((&**text).into()))),
            Operator::Eq => Ok(Test::Symbols(
                Symbols::One(checks.symbol(self.id, text)),
                Quantifier::Any,
            )),
            Operator::Ne => Ok(Test::NotSymbol(
                checks.symbol(self.id, text),
                self.quantifier(),
            )),
            Operator::Lt | Operator::Le | Operator::Gt | Operator::Ge => {
                Ok(Test::Text(TextTest::Order(self.operator, (&**text).into())))
            }
            Operator::Contains
            | Operator::IContains
            | Operator::StartsWith
            | Operator::EndsWith
                if text.is_empty() =>
            {
                any()
            }
            Operator::Contains => Ok(Test::Pattern(checks.pattern(self.id, text, false))),
            Operator::IContains => Ok(Test::Pattern(checks.pattern(self.id, text, true))),
            Operator::StartsWith => Ok(Test::Text(TextTest::StartsWith((&**text).into()))),
            Operator::EndsWith => Ok(Test::Text(TextTest::EndsWith((&**text).into()))),
            Operator::Glob => whole(Automaton::glob(text, Case::Exact)),
            Operator::IGlob => whole(Automaton::glob(text, Case::Any)),
            Operator::Regex => whole(Automaton::regex(text)),
            Operator::BContains | Operator::BStartsWith => {
                let message = format!(
                    "operator '{}' compares raw bytes (evt.buffer), but '{}' is text",
                    self.operator.as_str(),
                    self.left
                );
                let instead = self.operator.as_str().trim_start_matches('b');
                Err(Box::new(
                    ParseError::new(self.at, message).hint(format!("use '{instead}'")),
                ))
            }
            Operator::Exists | Operator::In | Operator::Intersects | Operator::PMatch => {
                self.list(checks, Type::String, &[(text.clone(), *at)])
            }
        }
    }

    fn list(
        &self,
        checks: &mut Checks<S>,
        ty: Type,
        list: &[Constant],
    ) -> Result<Test, Box<ParseError>> {
        if list.is_empty() {
            return Ok(Test::Never);
        }
        match (ty, self.operator) {
            (Type::String, Operator::In | Operator::Intersects) => {
                let symbols = list
                    .iter()
                    .map(|(text, _)| checks.symbol(self.id, text))
                    .collect();
                Ok(Test::Symbols(Symbols::new(symbols), self.quantifier()))
            }
            (Type::String, Operator::PMatch) => {
                let mut paths = Paths::default();
                for (path, at) in list {
                    if let Err(error) = paths.add(path) {
                        return Self::error(*at, format!("wrong pattern '{path}': {error}"));
                    }
                }
                Ok(Test::Paths(paths))
            }
            (
                Type::Ip | Type::Net,
                Operator::Eq | Operator::Ne | Operator::In | Operator::Intersects,
            ) => {
                let mut ranges = Vec::with_capacity(list.len());
                for (text, at) in list {
                    let Some(range) = number::network(text) else {
                        let message = format!("'{text}' is no address or network");
                        return Self::error(*at, message);
                    };
                    ranges.push(range);
                }
                Ok(if self.operator == Operator::Ne {
                    Test::Numbers(Numbers::outside(ranges), self.quantifier())
                } else {
                    Test::Numbers(Numbers::inside(ranges), self.quantifier())
                })
            }
            (Type::Number | Type::Time, Operator::In | Operator::Intersects) => {
                let mut ranges = Vec::with_capacity(list.len());
                for (text, at) in list {
                    let number = self.whole(text, *at)?;
                    ranges.push((number, number));
                }
                Ok(Test::Numbers(Numbers::inside(ranges), self.quantifier()))
            }
            (Type::Bool, Operator::In | Operator::Intersects) => {
                let tests: Result<Box<[_]>, _> = list.iter().map(|one| self.truth(one)).collect();
                let tests = tests?.iter().map(|value| Test::Bool(*value)).collect();
                Ok(Test::Modified(Modifier::AnyOf, tests))
            }
            (Type::String, _) => self.unfit("texts with a list"),
            (Type::Ip | Type::Net, _) => self.unfit("an address"),
            (Type::Number | Type::Time, _) => self.unfit("a number"),
            (Type::Bool, _) => self.unfit("a truth value"),
        }
    }

    fn whole(&self, text: &str, at: usize) -> Result<i128, Box<ParseError>> {
        match number::whole(text) {
            Some(number) => Ok(number),
            None => Self::error(
                at,
                format!("'{}' is a number, '{text}' is no whole number", self.left),
            ),
        }
    }

    fn number(&self, (text, at): &Constant) -> Result<Test, Box<ParseError>> {
        match self.operator {
            Operator::Eq
            | Operator::Ne
            | Operator::Lt
            | Operator::Le
            | Operator::Gt
            | Operator::Ge => {
                let number = self.whole(text, *at)?;
                Ok(Test::Numbers(
                    Numbers::ordered(self.operator, number),
                    self.quantifier(),
                ))
            }
            _ => self.unfit("a number"),
        }
    }

    fn truth(&self, (text, at): &Constant) -> Result<bool, Box<ParseError>> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Self::error(
                *at,
                format!("'{}' is true or false, not '{text}'", self.left),
            ),
        }
    }

    fn boolean(&self, one: &Constant) -> Result<Test, Box<ParseError>> {
        match self.operator {
            Operator::Eq => Ok(Test::Bool(self.truth(one)?)),
            Operator::Ne => Ok(Test::Bool(!self.truth(one)?)),
            _ => self.unfit("a truth value"),
        }
    }

    fn operands(
        &self,
        ty: Type,
        right: OperandId,
        right_ty: Type,
    ) -> Result<Test, Box<ParseError>> {
        let class = |ty: Type| match ty {
            Type::String => 0,
            Type::Number | Type::Time => 1,
            Type::Bool => 2,
            Type::Ip | Type::Net => 3,
        };
        if class(ty) != class(right_ty) {
            return Self::error(
                self.at,
                format!(
                    "'{}' and the value on the right are of different types",
                    self.left
                ),
            );
        }
        match self.operator {
            Operator::Eq
            | Operator::Ne
            | Operator::Lt
            | Operator::Le
            | Operator::Gt
            | Operator::Ge
            | Operator::In
            | Operator::Intersects => Ok(Test::Operand(self.operator, right)),
            Operator::Contains
            | Operator::IContains
            | Operator::StartsWith
            | Operator::EndsWith
                if ty == Type::String =>
            {
                Ok(Test::Operand(self.operator, right))
            }
            _ => Self::error(
                self.at,
                format!("operator '{}' takes a constant", self.operator.as_str()),
            ),
        }
    }

    /// The quantifier for a field with more than one value: `proc.aname` needs one value that
    /// passes, `fd.ip != x` needs both endpoints to differ, `getopt(…) in (…)` needs all values in
    /// the list.
    fn quantifier(&self) -> Quantifier {
        let all = match self.left {
            Operand::Field(field) => self.operator == Operator::Ne && field.field.each,
            left => self.operator == Operator::In && left.ty().1,
        };
        if all {
            Quantifier::All
        } else {
            Quantifier::Any
        }
    }
}
