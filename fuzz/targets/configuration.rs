//! Any text is a configuration or a list of problems; a valid configuration prints as a text that
//! reads as the same configuration.
#![no_main]

use std::{collections::BTreeMap, fs, path::Path, sync::LazyLock};

use config::{Inputs, Loaded, load, print};
use libfuzzer_sys::{Corpus, fuzz_target};
use tempfile::TempDir;

static DIRECTORY: LazyLock<TempDir> =
    LazyLock::new(|| tempfile::tempdir_in("/dev/shm").expect("there is shared memory"));

/// Loads a text as a file, in an environment of one variable.
fn loaded(file: &Path, text: &str) -> Option<Loaded> {
    fs::write(file, text).ok()?;
    let variable = ("NAME".to_owned(), "value".to_owned());
    load(&Inputs {
        file: Some(file.to_owned()),
        environment: BTreeMap::from([variable]),
        overrides: Vec::new(),
    })
    .ok()
}

fuzz_target!(|text: &str| -> Corpus {
    // This key would read other files.
    if text.contains("config_files") {
        return Corpus::Reject;
    }
    let file = DIRECTORY.path().join("sensor.yaml");
    let Some(first) = loaded(&file, text) else {
        return Corpus::Keep;
    };
    let printed = print(&first.config);
    assert!(!printed.is_empty() && first.digest.len() == 64);
    // A `$` of the first text would be expanded twice.
    if !text.contains('$') {
        let again = loaded(&file, &printed).expect("what is printed can be read");
        assert_eq!(again.digest, first.digest);
    }
    Corpus::Keep
});
