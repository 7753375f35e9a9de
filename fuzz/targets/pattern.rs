//! Any text is a pattern of each dialect or an error, and no match takes long.
#![no_main]

use std::fmt::Write as _;

use bumpalo::Bump;
use libfuzzer_sys::{Corpus, fuzz_target};
use metadata::{ContainerState, Domains, Users};
use sensor::sources::syscall::{
    event::{Event, builder::RecordBuilder},
    fields::{Context, Environment, Memo},
    lineage::Lineage,
    rules::{Options, RuleFile, Scratch, compile},
};

fuzz_target!(|text: &str| -> Corpus {
    // The last line is the value.
    let Some((pattern, value)) = text.rsplit_once('\n') else {
        return Corpus::Reject;
    };
    let pattern = pattern.replace('\\', "\\\\").replace('"', "\\\"");
    let record = RecordBuilder::exec(value, &[value]).build();
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
    for operator in ["regex", "glob", "iglob", "pmatch"] {
        let value = format!("\"{pattern}\"");
        let value = match operator {
            "pmatch" => format!("({value})"),
            _ => value,
        };
        let mut condition = String::new();
        for c in format!("proc.exepath {operator} {value}").chars() {
            let _ = write!(condition, "\\U{:08x}", u32::from(c));
        }
        let file = format!(
            "- rule: r\n  desc: d\n  output: o\n  priority: INFO\n  condition: \"{condition}\"\n"
        );
        let compiled = compile(&[RuleFile::new("fuzz.yaml", file)], &Options::default());
        if let Some(set) = compiled.set {
            set.evaluate(&mut Scratch::default(), &context, &mut |_| {});
        }
    }
    Corpus::Keep
});
