//! Any text is a condition or a problem with a position; a condition that compiles gives the same
//! result twice.
#![no_main]

use bumpalo::Bump;
use libfuzzer_sys::{Corpus, fuzz_target};
use metadata::{ContainerState, Domains, Users};
use sensor::sources::syscall::{
    event::{Event, builder::RecordBuilder},
    fields::{Context, Environment, Memo, Template},
    lineage::Lineage,
    rules::{Options, RuleFile, Scratch, compile},
};

fuzz_target!(|text: &str| -> Corpus {
    let _ = Template::parse(text);
    // As a JSON string, which is valid YAML.
    let quoted = format!("{text:?}")
        .replace("\\'", "'")
        .replace("\\u{", "\\x{");
    let file = format!(
        "- list: l\n  items: [a, b]\n- macro: m\n  condition: proc.name in (l)\n- rule: r\n  desc: d\n  output: o\n  priority: INFO\n  condition: {quoted}\n"
    );
    let Some(set) = compile(&[RuleFile::new("fuzz.yaml", file)], &Options::default()).set else {
        return Corpus::Keep;
    };
    let record = RecordBuilder::exec("/usr/bin/nc", &["nc", "-e", "/bin/sh"]).build();
    let Ok(event) = Event::decode(&record) else {
        return Corpus::Reject;
    };
    let (arena, lineage, users) = (Bump::new(), Lineage::default(), Users::default());
    let context = Context {
        event: &event,
        arena: &arena,
        number: 1,
        time: 1,
        boot_to_utc: 0,
        hostname: "node",
        boot_id: 1,
        container: ContainerState::Host,
        env: &Environment::ALL,
        lineage: &lineage,
        users: &users,
        domains: &Domains::default(),
        memo: Memo::default(),
    };
    let mut scratch = Scratch::default();
    let mut verdict = || {
        let mut count = 0;
        set.evaluate(&mut scratch, &context, &mut |_| count += 1);
        count
    };
    assert_eq!(verdict(), verdict());
    Corpus::Keep
});
