//! Text → [`Condition`]: Falco's grammar, by recursive descent.
//!
//! ```text
//! or    = and { "or" and }
//! and   = not { "and" not }
//! not   = { "not" } ( "(" or ")" | check | macro )
//! check = operand ( "exists" | operator [ modifier ] value )
//! ```

use std::marker::PhantomData;

use yaml::nearest;

use super::{
    Condition, Modifier, Operator, Right, Word,
    lexer::{Lexer, is_keyword},
    operator::Takes,
};
use crate::{
    Source,
    fields::{Operand, ParseError, Transformer, bracketed, field_name, is_transformer, number_len},
};

/// Deepest nesting of parentheses.
const DEPTH_MAX: usize = 100;

/// A condition, and the unknown fields in it.
pub(crate) type Parsed<S> = (Condition<S>, Vec<ParseError>);

/// Parses a condition.
///
/// The parser also returns the names that are no fields, so that they do not hide errors behind
/// them.
///
/// # Errors
/// If the text is no condition. The error is the first one.
pub(crate) fn parse<S: Source>(text: &str) -> Result<Parsed<S>, ParseError> {
    let mut parser: Parser<'_, S> = Parser {
        lexer: Lexer { text, at: 0 },
        depth: 0,
        unknown: Vec::new(),
        source: PhantomData,
    };
    parser.lexer.blank();
    if parser.lexer.rest().is_empty() {
        return Err(ParseError::new(0, "condition is empty"));
    }
    let condition = parser.or()?;
    parser.lexer.blank();
    if !parser.lexer.rest().is_empty() {
        let message = format!(
            "expected 'and', 'or' or the end, found {}",
            parser.lexer.found()
        );
        let error = parser.unexpected(message);
        return Err(if error.hint.is_some() {
            error
        } else if parser.lexer.rest().starts_with(['=', ',']) {
            error.hint("a value that contains ',' '=' or parentheses must be quoted")
        } else if parser.lexer.rest().starts_with(')') {
            error.hint("this parenthesis was never opened")
        } else {
            error
        });
    }
    Ok((condition, parser.unknown))
}

struct Parser<'a, S> {
    lexer: Lexer<'a>,
    depth: usize,
    /// Names of fields that do not exist.
    unknown: Vec<ParseError>,
    source: PhantomData<S>,
}

impl<S: Source> Parser<'_, S> {
    fn or(&mut self) -> Result<Condition<S>, ParseError> {
        self.chain("or", Self::and, Condition::Or)
    }

    fn and(&mut self) -> Result<Condition<S>, ParseError> {
        self.chain("and", Self::not, Condition::And)
    }

    fn chain(
        &mut self,
        keyword: &str,
        part: fn(&mut Self) -> Result<Condition<S>, ParseError>,
        make: fn(Vec<Condition<S>>) -> Condition<S>,
    ) -> Result<Condition<S>, ParseError> {
        let first = part(self)?;
        self.lexer.blank();
        if !self.lexer.keyword(keyword) {
            return Ok(first);
        }
        let mut parts = vec![first];
        loop {
            parts.push(part(self)?);
            self.lexer.blank();
            if !self.lexer.keyword(keyword) {
                return Ok(make(parts));
            }
        }
    }

    fn not(&mut self) -> Result<Condition<S>, ParseError> {
        let mut negated = false;
        self.lexer.blank();
        while self.lexer.keyword("not") {
            negated = !negated;
            self.lexer.blank();
        }
        let condition = if self.lexer.take("(") {
            self.embedded()?
        } else {
            self.check()?
        };
        Ok(if negated {
            Condition::Not(Box::new(condition))
        } else {
            condition
        })
    }

    /// The content of parentheses, after the opening one.
    fn embedded(&mut self) -> Result<Condition<S>, ParseError> {
        let open = self.lexer.at - 1;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let message = format!("more than {DEPTH_MAX} parentheses in each other");
            return Err(ParseError::new(open, message));
        }
        let condition = self.or()?;
        self.lexer.blank();
        self.depth -= 1;
        if self.lexer.take(")") {
            Ok(condition)
        } else if self.lexer.rest().is_empty() {
            Err(ParseError::new(open, "parenthesis is not closed"))
        } else {
            let message = format!("expected 'and', 'or' or ')', found {}", self.lexer.found());
            Err(self.unexpected(message))
        }
    }

    fn check(&mut self) -> Result<Condition<S>, ParseError> {
        let at = self.lexer.at;
        let rest = self.lexer.rest();
        if is_transformer(rest) || field_name(rest).is_some() {
            let left = self.operand()?;
            return self.comparison(at, left);
        }
        if let Some(name) = self.lexer.identifier() {
            let error = |message: String| ParseError::new(at, message).width(name.len());
            if is_keyword(name) {
                return Err(error(format!(
                    "expected a check or a macro, found '{name}'"
                )));
            }
            if self.lexer.rest().starts_with('(') {
                let names = Transformer::ALL.map(Transformer::name);
                let error = error(format!("unknown transformer '{name}'"));
                return Err(match nearest(name, names) {
                    Some(known) => error.hint(format!("did you mean '{known}('?")),
                    None => error.hint(format!("transformers are {}", names.join(", "))),
                });
            }
            return Ok(Condition::Macro(Word {
                text: name.into(),
                quoted: false,
                at,
            }));
        }
        let message = format!(
            "expected a field, a transformer, a macro or '(', found {}",
            self.lexer.found()
        );
        Err(self.unexpected(message))
    }

    /// An error at the position, with the right word for a sign of another language.
    fn unexpected(&self, message: String) -> ParseError {
        let error = ParseError::new(self.lexer.at, message);
        match self.lexer.foreign() {
            Some(word) => error.hint(format!("write '{word}'")),
            None => error,
        }
    }

    fn operand(&mut self) -> Result<Operand<S>, ParseError> {
        let at = self.lexer.at;
        match Operand::parse_prefix(self.lexer.rest()) {
            Ok((operand, len)) => {
                self.lexer.at += len;
                Ok(operand)
            }
            Err(mut error) => {
                error.at += at;
                let Some(len) = field_len(self.lexer.rest()) else {
                    return Err(error);
                };
                self.unknown.push(error);
                self.lexer.at += len;
                Ok(Operand::Text("".into()))
            }
        }
    }

    fn comparison(&mut self, at: usize, left: Operand<S>) -> Result<Condition<S>, ParseError> {
        self.lexer.blank();
        let operator_at = self.lexer.at;
        let Some(operator) = self.lexer.operator() else {
            let found = self.lexer.found();
            let message = format!("expected an operator behind '{left}', found {found}");
            let error = ParseError::new(operator_at, message);
            let names = Operator::ALL.iter().map(|(name, _)| *name);
            return Err(match nearest(found.trim_matches('\''), names) {
                Some(name) => error.hint(format!("did you mean '{name}'?")),
                None => error.hint("operators are = != < <= > >= in contains startswith …"),
            });
        };
        self.lexer.blank();
        let mut modifier = None;
        let right_at = self.lexer.at;
        let right = match operator.takes() {
            Takes::Nothing => Right::Nothing,
            _ if self.is_operand() => self.right_operand()?,
            Takes::Number => Right::Word(self.number()?),
            Takes::Text => {
                modifier = self.lexer.modifier();
                if modifier.is_some() {
                    self.lexer.blank();
                    Right::List(self.list_or_name(operator)?)
                } else {
                    Right::Word(self.word(Some(operator))?)
                }
            }
            Takes::List => Right::List(self.list_or_name(operator)?),
        };
        Ok(Condition::Check {
            at,
            left: Box::new(left),
            operator,
            modifier,
            right,
            right_at,
        })
    }

    /// `val(…)` or a transformer.
    fn is_operand(&self) -> bool {
        let rest = self.lexer.rest();
        rest.starts_with("val(") || is_transformer(rest)
    }

    fn right_operand(&mut self) -> Result<Right<S>, ParseError> {
        let at = self.lexer.at;
        if !self.lexer.take("val(") {
            return Ok(Right::Operand(Box::new(self.operand()?)));
        }
        self.lexer.blank();
        let operand = self.operand()?;
        self.lexer.blank();
        if !matches!(operand, Operand::Field(_)) {
            return Err(ParseError::new(at, "val() takes a field"));
        }
        if !self.lexer.take(")") {
            return Err(ParseError::new(at, "val( is not closed"));
        }
        Ok(Right::Operand(Box::new(operand)))
    }

    fn number(&mut self) -> Result<Word, ParseError> {
        let at = self.lexer.at;
        if let Some(number) = self.lexer.number() {
            return Ok(Word {
                text: number.into(),
                quoted: false,
                at,
            });
        }
        let word = self.word(None)?;
        // Falco takes no number in quotes.
        if word.quoted && number_len(&word.text) == Some(word.text.len()) {
            return Ok(word);
        }
        let message = format!("expected a number, found '{}'", word.text);
        Err(ParseError::new(word.at, message).width(word.text.chars().count()))
    }

    fn word(&mut self, operator: Option<Operator>) -> Result<Word, ParseError> {
        self.lexer.blank();
        let at = self.lexer.at;
        if let Some(text) = self.lexer.quoted() {
            return Ok(Word {
                text,
                quoted: true,
                at,
            });
        }
        if self.lexer.rest().starts_with(['"', '\'']) {
            return Err(ParseError::new(at, "quote is not closed"));
        }
        if let Some(text) = self.lexer.bare() {
            return Ok(Word {
                text: text.into(),
                quoted: false,
                at,
            });
        }
        let error = ParseError::new(
            at,
            format!("expected a value, found {}", self.lexer.found()),
        );
        Err(match operator {
            Some(operator) if self.lexer.rest().starts_with('(') => error.hint(format!(
                "for a list write 'in (…)' or '{} anyof (…)'",
                operator.as_str()
            )),
            _ => error,
        })
    }

    /// A list in parentheses, or the name of one.
    fn list_or_name(&mut self, operator: Operator) -> Result<Vec<Word>, ParseError> {
        if self.lexer.take("(") {
            self.list()
        } else {
            Ok(vec![self.list_name(operator)?])
        }
    }

    /// Words up to the closing parenthesis.
    fn list(&mut self) -> Result<Vec<Word>, ParseError> {
        let open = self.lexer.at - 1;
        let mut words = Vec::new();
        self.lexer.blank();
        if self.lexer.take(")") {
            return Ok(words);
        }
        loop {
            words.push(self.word(None)?);
            self.lexer.blank();
            if self.lexer.take(")") {
                return Ok(words);
            }
            if !self.lexer.take(",") {
                return Err(if self.lexer.rest().is_empty() {
                    ParseError::new(open, "list is not closed")
                } else {
                    let message = format!("expected ',' or ')', found {}", self.lexer.found());
                    ParseError::new(self.lexer.at, message)
                });
            }
        }
    }

    /// A list's name without parentheses.
    fn list_name(&mut self, operator: Operator) -> Result<Word, ParseError> {
        let at = self.lexer.at;
        match self.lexer.identifier() {
            Some(name) => Ok(Word {
                text: name.into(),
                quoted: false,
                at,
            }),
            None => {
                let name = operator.as_str();
                let message = format!(
                    "expected a list behind '{name}', found {}",
                    self.lexer.found()
                );
                Err(ParseError::new(at, message).hint(format!("write {name} (a, b)")))
            }
        }
    }
}

/// Length of a text that looks like a field with its argument.
fn field_len(text: &str) -> Option<usize> {
    let len = field_name(text)?;
    if text[len..].starts_with('[') {
        Some(len + bracketed(&text[len..])?.1)
    } else {
        Some(len)
    }
}

impl Modifier {
    /// Whether the number of passing values is enough.
    #[must_use]
    pub(crate) fn is_satisfied(self, matching: usize, of: usize) -> bool {
        match self {
            Self::OneOf => matching == 1,
            Self::AnyOf => matching > 0,
            Self::AllOf => matching == of,
        }
    }
}
