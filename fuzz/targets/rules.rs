//! Any text is a rule file or a list of problems; rules that compile can be
//! evaluated, listed and described.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use sensor::sources::syscall::rules::{Options, RuleFile, compile};

fuzz_target!(|text: &str| -> Corpus {
    let compilation = compile(&[RuleFile::new("fuzz.yaml", text)], &Options::default());
    assert_eq!(compilation.set.is_some(), compilation.report.is_ok());
    assert!(!compilation.report.text().is_empty());
    let _ = compilation.report.json().to_string();
    let Some(set) = compilation.set else {
        return Corpus::Keep;
    };
    let _ = (set.list_text(), set.list_json().to_string());
    for rule in set.rules() {
        assert!(set.describe_text(&rule.name).is_some());
    }
    Corpus::Keep
});
