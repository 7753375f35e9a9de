//! Files of configuration that are merged into the main one.

use std::path::Path;

use super::*;

/// Loads a main file with these entries of `config_files`, and files beside it. `DIR` stands for
/// their directory.
fn scene(entries: &str, main: &str, files: &[(&str, &str)]) -> (tempfile::TempDir, Inputs) {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().to_str().unwrap();
    let file = directory.path().join("falco.yaml");
    let text = format!("config_files: {entries}\n{main}");
    fs::write(&file, text.replace("DIR", place)).unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace("DIR", place)).unwrap();
    }
    let inputs = Inputs {
        file: Some(file),
        ..Inputs::default()
    };
    (directory, inputs)
}

fn merged(entries: &str, main: &str, files: &[(&str, &str)]) -> Config {
    let (_directory, inputs) = scene(entries, main, files);
    load(&inputs).unwrap().config
}

fn paths<const N: usize>(names: [&str; N]) -> Vec<PathBuf> {
    names.map(PathBuf::from).to_vec()
}

#[test]
fn config_files_are_merged_in_order() {
    let files = [
        ("d/2.yaml", "rules_files: [/c]\npriority: notice\n"),
        ("d/1.yml", "rules_files: [/b]\npriority: alert\n"),
        ("d/3.txt", "no: yaml: ["),
        ("d/4.yaml/5.yaml", "no: yaml: ["),
    ];
    let main = "rules_files: [/a]\npriority: error\n";
    let (_directory, inputs) = scene("[DIR/d]", main, &files);
    let loaded = load(&inputs).unwrap();
    assert_eq!(loaded.config.rules_files, paths(["/a", "/b", "/c"]));
    assert_eq!(loaded.config.priority, Priority::Notice);
    let names = loaded.files.iter().filter_map(|path| path.file_name());
    assert_eq!(
        names.collect::<Vec<_>>(),
        ["falco.yaml", "1.yml", "2.yaml", "d"],
        "the directory too, for what is put into it later"
    );
}

const MAIN: &str = "rules_files: [/a]\nfile_output: {enabled: true, filename: /f}\n";
const EXTRA: &str = "\
rules_files: [/b]
priority: error
file_output: {filename: /g, keep_alive: false}
";

#[test]
fn appending_appends_lists_and_replaces_other_values() {
    for entries in ["[DIR/x.yaml]", "[{path: DIR/x.yaml, strategy: append}]"] {
        let config = merged(entries, MAIN, &[("x.yaml", EXTRA)]);
        assert_eq!(config.rules_files, paths(["/a", "/b"]));
        assert_eq!(config.priority, Priority::Error);
        assert_eq!(config.file_output.filename, Path::new("/g"));
    }
}

#[test]
fn overriding_replaces_lists_too() {
    let entries = "[{path: DIR/x.yaml, strategy: override}, DIR/y.yaml]";
    let last = ("y.yaml", "rules_files: [/c]\n");
    let config = merged(entries, MAIN, &[("x.yaml", EXTRA), last]);
    assert_eq!(config.rules_files, paths(["/b", "/c"]));
    assert_eq!(config.priority, Priority::Error);
    assert_eq!(config.file_output.filename, Path::new("/g"));
}

#[test]
fn adding_only_keeps_what_was_given_and_adds_the_rest() {
    // The value that a file of the directory adds is there for the next file.
    let entries = "[{path: DIR/d, strategy: add-only}]";
    let files = [
        ("d/1.yaml", EXTRA),
        ("d/2.yaml", "priority: debug\nrules: []\n"),
    ];
    let config = merged(entries, MAIN, &files);
    assert_eq!(config.rules_files, paths(["/a"]));
    assert_eq!(config.priority, Priority::Error);
    assert_eq!(config.file_output.filename, Path::new("/f"));
    assert!(!config.file_output.keep_alive);
}

#[test]
fn an_entry_that_is_no_path_with_a_strategy_is_an_error() {
    for entry in [
        "{path: /x, strategy: replace}",
        "{strategy: append}",
        "[/x]",
    ] {
        let (_directory, inputs) = scene(&format!("[{entry}]"), "", &[]);
        let error = load(&inputs).unwrap_err().to_string();
        assert!(
            error.contains("falco.yaml:1:15: error: config_files: expected a list of paths or of mappings with path and strategy (append, override or add-only)"),
            "{error}"
        );
    }
}

#[test]
fn entries_are_printed_as_they_are_read() {
    let entries = "[/no/a, {path: /no/b, strategy: override}, {path: /no/c, strategy: add-only}]";
    let printed = print(&merged(entries, "", &[]));
    assert!(
        printed.contains(&format!("\nconfig_files: {entries}\n")),
        "{printed}"
    );
}

#[test]
fn an_entry_that_is_missing_is_left_out_with_a_warning_and_is_among_the_files() {
    let files = [("there.yaml", "priority: error\n")];
    let (directory, inputs) = scene("[DIR/gone.yaml, DIR/gone.d, DIR/there.yaml]", "", &files);
    let loaded = load(&inputs).unwrap();
    assert_eq!(loaded.config.priority, Priority::Error);
    assert_eq!(loaded.warnings.len(), 2, "{:?}", loaded.warnings);
    for (warning, name) in loaded.warnings.iter().zip(["gone.yaml", "gone.d"]) {
        let path = directory.path().join(name);
        let expected = format!("{}:1:1: warning: no such file", path.display());
        assert!(warning.to_string().starts_with(&expected), "{warning}");
    }
    for name in ["gone.yaml", "gone.d"] {
        let path = directory.path().join(name);
        assert!(loaded.files.contains(&path), "{:?}", loaded.files);
    }
}

#[test]
fn a_file_that_is_merged_in_cannot_name_others() {
    let files = [("x.yaml", "priority: error\nconfig_files: [DIR/y.yaml]\n")];
    let (_directory, inputs) = scene("[DIR/x.yaml]", "", &files);
    let error = load(&inputs).unwrap_err().to_string();
    assert!(
        error.contains("x.yaml:2:1: error: config_files in a file that config_files names"),
        "{error}"
    );
}

#[test]
fn a_file_that_the_command_line_names_is_merged_in_before_the_other_overrides() {
    let files = [
        ("x.yaml", "priority: error\nrule_matching: all\n"),
        ("y.yaml", "priority: alert\n"),
    ];
    let with = |overrides: &[&str]| {
        let (directory, mut inputs) = scene("[DIR/y.yaml]", "priority: notice\n", &files);
        let place = directory.path().to_str().unwrap();
        let overrides = overrides.iter().map(|text| text.replace("DIR", place));
        inputs.overrides = overrides.collect();
        let config = load(&inputs).unwrap().config;
        (config.priority, config.rule_matching)
    };
    let all = RuleMatching::All;
    // Overrides that replace the entries of the main file, that add one, and that have a strategy.
    assert_eq!(with(&["config_files=DIR/x.yaml"]), (Priority::Error, all));
    assert_eq!(with(&["config_files=[DIR/x.yaml]"]), (Priority::Error, all));
    assert_eq!(with(&["config_files[]=DIR/x.yaml"]), (Priority::Error, all));
    assert_eq!(
        with(&["config_files[]={path: DIR/x.yaml, strategy: add-only}"]),
        (Priority::Alert, all)
    );
    assert_eq!(
        with(&["priority=debug", "config_files=DIR/x.yaml"]),
        (Priority::Debug, all)
    );
}
