//! Rule outputs, with the texts and fields that `append_output` adds.

use yaml::{Diagnostic, Severity};

use crate::{
    AppendOutput, ExtraField, Source,
    fields::{FieldRef, ParseError, Template},
    load::{Located, RuleDefinition},
};

/// A template and the fields beside it.
pub(super) type Built<S> = (Template<S>, Box<[ExtraField<S>]>);

/// An invalid rule output.
pub(super) struct OutputError {
    pub(super) error: ParseError,
    /// The part of `append_output` with the error; none for the rule's own output.
    appended: Option<Box<str>>,
}

impl OutputError {
    /// The message about it.
    pub(super) fn diagnostic(&self, severity: Severity, output: &Located) -> Diagnostic {
        match &self.appended {
            None => output.diagnostic(severity, &self.error),
            Some(what) => {
                let message = format!("append_output: '{what}': {}", self.error.message);
                let error = ParseError {
                    at: 0,
                    message: message.into(),
                    ..self.error.clone()
                };
                output.diagnostic(severity, &error)
            }
        }
    }
}

/// The template of a rule.
pub(super) fn build<S: Source>(
    name: &str,
    rule: &RuleDefinition,
    append: &[AppendOutput],
) -> Result<Built<S>, Box<OutputError>> {
    let mut text = rule.output.text.clone();
    // First without the appended texts, so that an error has its own position.
    Template::<S>::parse(&text).map_err(|error| OutputError {
        error,
        appended: None,
    })?;
    let appended = |what: &str| {
        let what = what.into();
        move |error| OutputError {
            error,
            appended: Some(what),
        }
    };
    let mut extra: Vec<ExtraField<S>> = Vec::new();
    for entry in append.iter().filter(|entry| entry.means(name, rule)) {
        for part in &entry.extra_output {
            Template::<S>::parse(part).map_err(appended(part))?;
            text.push(' ');
            text.push_str(part);
        }
        for (key, template) in &entry.extra_fields {
            extra.push(match template {
                None => ExtraField::Field(
                    FieldRef::parse(key)
                        .map_err(|error| appended(key)(ParseError::field::<S>(0, &error)))?,
                ),
                Some(template) => ExtraField::Text(
                    key.clone(),
                    Template::parse(template).map_err(appended(template))?,
                ),
            });
        }
    }
    for obsolete in S::OBSOLETE {
        text = text.replace(obsolete.text, "");
    }
    let template = Template::parse(&text).map_err(|error| OutputError {
        error,
        appended: Some(text.as_str().into()),
    })?;
    extra.sort_by(|a, b| a.key().cmp(b.key()));
    extra.dedup_by(|a, b| a.key() == b.key());
    Ok((template, extra.into()))
}
