//! Tests of templates with this sensor's fields: which are valid, and which errors the others give.

use super::Template;

fn error(text: &str) -> (usize, String) {
    let error = Template::parse(text).unwrap_err();
    (error.at, error.message.into())
}

#[test]
fn a_text_without_fields_is_a_template() {
    assert_eq!(Template::parse("just words.").unwrap().fields().len(), 0);
}

#[test]
fn a_percent_sign_without_field_is_an_error() {
    for (text, at) in [
        ("%%", 0),
        ("100% sure", 3),
        ("x %", 2),
        ("%5", 0),
        ("% proc.name", 0),
    ] {
        assert_eq!(
            error(text),
            (at, "'%' is not followed by a field".into()),
            "{text}"
        );
    }
}

#[test]
fn the_error_of_an_unknown_field_has_the_position() {
    assert_eq!(error("a %foo.bar"), (3, "unknown field 'foo.bar'".into()));
}

#[test]
fn a_width_has_limits() {
    for width in ["4097", "99999999999999999999999"] {
        let template = format!("%{width}fd.directory");
        assert_eq!(error(&template).1, "a width is at most 4096");
    }
}

#[test]
fn foreign_fields_are_accepted_and_listed_once() {
    let template = Template::parse("%fd.directory %toupper(fd.filename) %fd.directory.").unwrap();
    let keys: Vec<_> = template.fields().iter().map(|field| &*field.key).collect();
    assert_eq!(keys, ["fd.directory", "fd.filename"]);
}

#[test]
fn transformers_check_their_arguments() {
    assert_eq!(error("%toupper()").1, "toupper() takes one argument, not 0");
    assert_eq!(
        error("%concat(fd.name)").1,
        "concat() takes at least 2 arguments, not 1"
    );
    assert_eq!(
        error("%join(\",\", fd.directory)").1,
        "join() takes a list as its second argument"
    );
    assert_eq!(
        error("%toupper(fd.directory").1,
        "expected ',' or ')' to close 'toupper('"
    );
    assert_eq!(error("%toupper(\"a)").1, "quote is not closed");
    let deep = format!("%{}fd.directory{}", "tolower(".repeat(99), ")".repeat(99));
    assert_eq!(error(&deep).1, "more than 16 transformers in each other");
}
