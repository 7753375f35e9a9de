//! Tests of the house itself: which crate may stand on which, and what a crate may not know.

use std::{collections::BTreeSet, fs, path::Path};

use crate::shell::{cargo, output, root};

/// The crates of this repository, each after what it may stand on.
const ORDER: &[&str] = &[
    "yaml",
    "falco-rules",
    "sensor-ebpf",
    "config",
    "telemetry",
    "metadata",
    "events",
    "sensor",
];

/// All that a crate stands on when it is used, by name.
fn below(package: &str) -> BTreeSet<String> {
    let arguments = ["tree", "--locked", "--package", package];
    let mut tree = cargo(&arguments);
    tree.args(["--edges=normal", "--prefix=none", "--format={p}"]);
    let listing = output(&mut tree).expect("cargo knows its own packages");
    let names = listing.lines().filter_map(|line| line.split(' ').next());
    names
        .filter(|name| *name != package)
        .map(str::to_owned)
        .collect()
}

#[test]
fn no_crate_stands_on_one_that_comes_after_it() {
    for (index, package) in ORDER.iter().enumerate() {
        let below = below(package);
        let arrows_back: Vec<_> = ORDER[index..]
            .iter()
            .filter(|later| below.contains(**later))
            .collect();
        assert!(arrows_back.is_empty(), "{package} → {arrows_back:?}");
    }
}

#[test]
fn the_rules_engine_stands_on_no_kernel_runtime_or_network() {
    let below = below("falco-rules");
    for unwanted in [
        "aya",
        "containerd-client",
        "hyper",
        "kube",
        "sensor-ebpf",
        "tokio",
        "tonic",
        "zerocopy",
    ] {
        assert!(!below.contains(unwanted), "falco-rules → {unwanted}");
    }
}

#[test]
fn the_rules_engine_speaks_of_no_kernel_container_or_configuration_file() {
    const WORDS: [&str; 7] = [
        "cgroup",
        "container",
        "ebpf",
        "falco.yaml",
        "k8s",
        "kernel",
        "kubernetes",
    ];
    let mut found = Vec::new();
    look_into(&root().join("crates/falco-rules/src"), &mut |path, line| {
        let line = line.to_lowercase();
        for word in WORDS.iter().filter(|word| line.contains(**word)) {
            found.push(format!("{}: {word}: {line}", path.display()));
        }
    });
    assert!(found.is_empty(), "{found:#?}");
}

/// Calls `each` with the lines of all files but those of the tests, whose rules are Falco's.
fn look_into(directory: &Path, each: &mut dyn FnMut(&Path, &str)) {
    for entry in fs::read_dir(directory)
        .expect("the crate is here")
        .flatten()
    {
        let path = entry.path();
        if path.is_dir() {
            if !path.ends_with("tests") {
                look_into(&path, each);
            }
            continue;
        }
        let text = fs::read_to_string(&path).expect("sources are text");
        text.lines().for_each(|line| each(&path, line));
    }
}
