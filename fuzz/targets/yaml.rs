//! Any bytes are YAML or an error; each node has its place, also within a text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yaml::{Kind, Limits, Node, Source, decode, parse};

fn check(source: &Source, node: &Node) {
    let offset = node.position.offset as usize;
    assert_eq!(source.position(offset), node.position);
    match &node.kind {
        Kind::Scalar(text, _) => {
            let _ = (node.as_bool(), node.as_i64(), node.as_u64(), node.as_f64());
            for offset in [0, text.len() / 2, text.len()] {
                let position = source.position_in(node, offset);
                assert!(position.offset as usize <= source.text().len());
            }
        }
        Kind::Sequence(items) => items.iter().for_each(|item| check(source, item)),
        Kind::Mapping(entries) => {
            for (key, value) in entries {
                check(source, key);
                check(source, value);
            }
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let source = Source::new("fuzz.yaml", decode(bytes));
    match parse(&source, &Limits::default()) {
        Ok(parsed) => parsed
            .documents
            .iter()
            .for_each(|node| check(&source, node)),
        Err(error) => assert!(error.to_string().starts_with("fuzz.yaml:")),
    }
});
