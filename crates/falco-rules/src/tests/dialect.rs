//! Rule files in the shapes that Falco's library reads.

use super::{complaints, matches, netcat, rules};

#[test]
fn brackets_close_at_any_column() {
    let set = rules(
        "- list: tools\n  items: [\n    nc,\n    \"ncat\"\n  ]\n\n\
         - list: others\n  items: [\na,\nb\n]\n\n\
         - macro: tool\n  condition: (proc.name in (tools, others))\n\n\
         - rule: r\n  desc: d\n  condition: >\n    evt.type = start and\n    tool\n  \
         output: \"o\n  p\"\n  priority:\tWARNING\n  tags: [x,# comment\n  y]\n"
            .replace("evt.type = start and\n    ", "")
            .as_str(),
    );
    assert_eq!(matches(&set, &netcat()), ["r"]);
    let rule = set.rules().first().unwrap();
    assert_eq!(rule.tags.len(), 2);
}

#[test]
fn documents_and_items_without_content_are_none() {
    let set = rules(
        "---\n# nothing\n---\n- \n- rule: r\n  desc: d\n  condition: proc.name = nc\n  output: o\n  \
         priority: INFO\n  source:\n  exceptions:\n  tags:\n  enabled: \"yes\"\n-\n---\n",
    );
    assert_eq!(matches(&set, &netcat()), ["r"]);
}

#[test]
fn a_key_that_is_twice_and_an_open_quote_give_warnings() {
    let said =
        complaints(&["- list: a\n  items: [b]\n  items: [c]\n- list: d\n  items:\n  - \"e\n"]);
    assert!(
        said.starts_with("LOAD_YAML 0.yaml:3:3: warning: key 'items' is here twice\n"),
        "{said}"
    );
    assert!(
        said.contains("LOAD_YAML 0.yaml:6:5: warning: this quote is not closed\n"),
        "{said}"
    );
}

#[test]
fn broken_yaml_has_its_place() {
    let said = complaints(&["- rule: r\n  condition: proc.name = nc\n   output: o\n"]);
    assert_eq!(
        said,
        "LOAD_ERR_YAML_PARSE 0.yaml:3:10: error: not YAML: no key stands before this ':'\n  \
         3 |    output: o\n    |          ^\n  \
         help: compare the indentation with the lines above: this one goes on with their text"
    );
}
