//! Tests of the repository: which crate may use which, which words a crate must not contain, and
//! whether the pages agree with the files.

mod example;
mod folders;
mod glossary;
mod links;
mod paths;

use std::{collections::BTreeSet, fs, path::Path};

use crate::shell::{cargo, command, output, root};

/// The crates of this repository, each after the crates that it may use.
const ORDER: &[&str] = &[
    "yaml",
    "falco-rules",
    "sensor-ebpf",
    "config",
    "telemetry",
    "metadata",
    "outputs",
    "events",
    "sensor",
];

/// The files of the repository, committed or new.
fn tracked() -> Vec<String> {
    // The repository can belong to another user than the one who runs the tests.
    let arguments = ["-c", "safe.directory=*", "-c", "core.quotePath=off"];
    let mut list = command("git", &arguments);
    list.args(["ls-files", "--cached", "--others"]);
    list.args(["--exclude-standard", "--deduplicate"]);
    let listing = output(&mut list).expect("git knows the repository's files");
    listing
        .lines()
        .filter(|file| root().join(file).exists())
        .map(str::to_owned)
        .collect()
}

/// Whether a file's name ends with a dot and this extension.
fn has_extension(file: &str, extension: &str) -> bool {
    let found = Path::new(file).extension();
    found.is_some_and(|found| found == extension)
}

/// The names of all direct and indirect dependencies of a crate.
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

/// Calls `each` with the lines of all files except the tests, whose rules are Falco's.
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
