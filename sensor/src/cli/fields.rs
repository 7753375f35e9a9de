//! `--list` and `--list-events`, from the registry.

use std::{
    collections::BTreeSet,
    io::{self, Write},
};

use anyhow::bail;
use serde_json::json;

use super::ListFormat;
use crate::sources::syscall::{
    event::Kind,
    fields::{ArgumentKind, Field, Type, all, class},
};

/// Name of a type.
fn type_name(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "boolean",
        Type::Number => "number",
        Type::String => "string",
        Type::Ip => "address",
        Type::Net => "network",
        Type::Time => "time",
    }
}

/// The field as rules write it, with its argument.
fn usage(field: &Field) -> String {
    let argument = match field.argument {
        ArgumentKind::None => "",
        ArgumentKind::OptionalIndex | ArgumentKind::Index => "[N]",
        ArgumentKind::OptionalName | ArgumentKind::Name => "[NAME]",
    };
    format!("{}{argument}", field.name)
}

/// The field's class: the part of its name before the first dot.
fn class_of(field: &Field) -> &'static str {
    field.name.split('.').next().unwrap_or(field.name)
}

/// Lists the fields.
///
/// # Errors
/// If no field is in the class, or if the output cannot be written.
pub(super) fn list(
    out: &mut impl Write,
    class: Option<&str>,
    names_only: bool,
    format: ListFormat,
) -> anyhow::Result<()> {
    let fields: Vec<&Field> = all()
        .filter(|field| class.is_none_or(|class| class_of(field) == class))
        .collect();
    if let Some(class) = class
        && fields.is_empty()
    {
        let known: BTreeSet<_> = all().map(class_of).collect();
        let known: Vec<_> = known.into_iter().collect();
        bail!(
            "no source and no class of fields is named '{class}'; there are {}",
            known.join(", ")
        );
    }
    write(out, &fields, names_only, format)?;
    Ok(())
}

fn write(
    out: &mut impl Write,
    fields: &[&Field],
    names_only: bool,
    format: ListFormat,
) -> io::Result<()> {
    if names_only && format == ListFormat::Text {
        return fields.iter().try_for_each(|f| writeln!(out, "{}", f.name));
    }
    match format {
        ListFormat::Json => {
            let rows: Vec<_> = fields.iter().map(|f| row(f, names_only)).collect();
            writeln!(out, "{}", json!({ "fields": rows }))
        }
        ListFormat::Markdown => {
            writeln!(out, "| Field | Type | Meaning |\n|---|---|---|")?;
            fields.iter().try_for_each(|f| {
                let doc = f.doc.replace('|', "\\|");
                writeln!(out, "| `{}` | {} | {doc} |", usage(f), type_name(f.ty))
            })
        }
        ListFormat::Text => {
            let mut last = "";
            for field in fields {
                let class = class_of(field);
                if class != last {
                    writeln!(
                        out,
                        "{}Field class: {class}\n",
                        if last.is_empty() { "" } else { "\n" }
                    )?;
                    last = class;
                }
                let name = usage(field);
                writeln!(out, "{name:<32} {:<8} {}", type_name(field.ty), field.doc)?;
            }
            Ok(())
        }
    }
}

fn row(field: &Field, names_only: bool) -> serde_json::Value {
    if names_only {
        return field.name.into();
    }
    json!({
        "name": field.name,
        "usage": usage(field),
        "type": type_name(field.ty),
        "description": field.doc,
        "condition_only": field.condition_only,
        "events": Kind::ALL.into_iter().filter(|kind| field.classes.contains(class(*kind, false))).map(types).collect::<Vec<_>>(),
    })
}

/// The values of `evt.type` that a kind may have.
fn types(kind: Kind) -> String {
    kind.types().join(", ")
}

/// Lists the kinds of events.
pub(super) fn list_events(out: &mut impl Write, format: ListFormat) -> io::Result<()> {
    match format {
        ListFormat::Json => {
            let row =
                |kind: Kind| json!({ "type": types(kind), "description": kind.description() });
            let rows: Vec<_> = Kind::ALL.into_iter().map(row).collect();
            writeln!(out, "{}", json!({ "events": rows }))
        }
        ListFormat::Markdown => {
            writeln!(out, "| evt.type | Meaning |\n|---|---|")?;
            Kind::ALL
                .into_iter()
                .try_for_each(|kind| writeln!(out, "| {} | {} |", types(kind), kind.description()))
        }
        ListFormat::Text => Kind::ALL
            .into_iter()
            .try_for_each(|kind| writeln!(out, "{:<20} {}", types(kind), kind.description())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_list_can_be_written() {
        for format in [ListFormat::Text, ListFormat::Markdown, ListFormat::Json] {
            for names_only in [false, true] {
                let mut out = Vec::new();
                list(&mut out, None, names_only, format).unwrap();
                list_events(&mut out, format).unwrap();
                assert!(String::from_utf8(out).is_ok());
            }
        }
    }

    #[test]
    fn each_field_is_listed_once() {
        let mut out = Vec::new();
        list(&mut out, None, true, ListFormat::Text).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), all().count());
    }
}
