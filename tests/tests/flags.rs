//! Every flag of Falco 0.44 and of the sensor: standard output, standard error and exit code. The
//! page `docs/flags.md` has the same table; `UPDATE=1` writes the page.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

mod flags {
    pub(super) mod commands;
    pub(super) mod rows;
    pub(super) mod table;
}

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use sensor::cli::REMOVED;
use serde_json::Value;
use tempfile::TempDir;
use tests::programs;

use flags::{
    commands::COMMANDS,
    rows::{CASES, FAILING, LINES, ROWS, RULES, WRONG_RULES},
    table::{Has, Row, Try},
};

/// The flags in the help of Falco 0.44.
const FALCO: &str = "-h --help -c --config-schema --rule-schema --disable-source --dry-run \
    --enable-source -i -L -l --list --list-events --list-plugins -M --markdown --format -N -o \
    --option --plugin-info -p --print -P --pidfile -r --support -U --unbuffered -V --validate -v \
    --version --page-size";

/// The flags and the commands.
fn all() -> impl Iterator<Item = &'static Row> {
    ROWS.iter().chain(COMMANDS)
}

/// The files that the tries name.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(TempDir::new().unwrap());
        let config = format!(
            "json_output: false\nrules_files: [{}]\nstdout_output: {{enabled: false}}\n\
             file_output: {{enabled: true, filename: {}}}\nwebserver: {{enabled: false}}\n\
             log_syslog: false\nsensor:\n  instance: flags{}\n  kube: {{enabled: false}}\n",
            files.path("rules.yaml").display(),
            files.path("lines.log").display(),
            files.0.path().display(),
        );
        for (name, text) in [
            ("rules.yaml", RULES),
            ("wrong.yaml", WRONG_RULES),
            ("empty.yaml", ""),
            ("sensor.yaml", &config),
            ("lines.json", LINES),
            ("cases/shell.test.yaml", CASES),
            ("failing/shell.test.yaml", FAILING),
        ] {
            let path = files.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fs::create_dir(files.path("none")).unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs the sensor with these arguments: `{name}` stands for the file with that name.
    fn ask(&self, arguments: &str) -> Output {
        let directory = self.0.path().to_str().unwrap();
        let mut command = Command::new(programs::sensor());
        command.env("SENSOR_STATE_DIR", self.path("state"));
        for word in arguments.split(' ').filter(|word| !word.is_empty()) {
            let word = word.replace('{', &format!("{directory}/")).replace('}', "");
            command.arg(word.replace('+', " "));
        }
        programs::alone(|| command.output()).unwrap()
    }
}

/// What is wrong with a stream.
fn difference(stream: &str, has: Has) -> Option<String> {
    match has {
        Has::Nothing => (!stream.is_empty()).then(|| "not empty".into()),
        Has::Text(parts) => {
            let missing = parts.iter().find(|part| !stream.contains(**part))?;
            Some(format!("without `{missing}`"))
        }
        Has::OneLine(text) => {
            let one = stream.lines().count() == 1 && stream.ends_with('\n');
            (!one || !stream.contains(text)).then(|| format!("not one line with `{text}`"))
        }
        Has::Json(pointers) => match serde_json::from_str::<Value>(stream) {
            Err(error) => Some(format!("no JSON: {error}")),
            Ok(value) => {
                let missing = pointers.iter().find(|at| value.pointer(at).is_none())?;
                Some(format!("JSON without {missing}"))
            }
        },
    }
}

#[test]
fn each_flag_writes_what_the_table_says_and_ends_with_its_code() {
    let mut wrong = String::new();
    let mut tries = 0;
    for Try {
        line,
        out,
        error,
        code,
    } in all().flat_map(|row| row.tries)
    {
        let files = Files::new();
        let output = files.ask(line);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        let problems = [
            difference(&stdout, *out).map(|what| format!("standard output is {what}")),
            difference(&stderr, *error).map(|what| format!("standard error is {what}")),
            (output.status.code() != Some(*code))
                .then(|| format!("it ended with {}, not {code}", output.status)),
        ];
        for problem in problems.into_iter().flatten() {
            let _ = writeln!(wrong, "sensor {line}: {problem}\n{stdout}\n{stderr}");
        }
        tries += 1;
    }
    assert!(wrong.is_empty(), "{wrong}");
    println!("{tries} command lines as the table says");
}

#[test]
fn each_flag_that_falco_has_removed_is_answered_with_one_line() {
    let files = Files::new();
    for (names, instead) in REMOVED {
        for name in *names {
            let output = files.ask(name);
            assert_eq!(output.status.code(), Some(1), "{name}");
            assert_eq!(output.stdout, b"", "{name}");
            let expected = format!("Error: Falco has removed {name}: {instead}\n");
            assert_eq!(String::from_utf8(output.stderr).unwrap(), expected);
        }
    }
}

/// The words of a text that look like flags.
fn flags(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| c.is_whitespace() || ",[]=".contains(c));
    let words = words.filter(|word| word.starts_with('-'));
    let words = words.filter(|word| {
        word.trim_start_matches('-')
            .starts_with(char::is_alphabetic)
    });
    words.map(str::to_owned).collect()
}

fn help(line: &str) -> String {
    String::from_utf8(Files::new().ask(line).stdout).unwrap()
}

/// The flags that a help lists.
fn listed(help: &str) -> BTreeSet<String> {
    let lines = help.lines().map(str::trim_start);
    let lines = lines.filter(|line| line.starts_with('-'));
    lines
        .flat_map(|line| flags(line.split("  ").next().unwrap_or(line)))
        .collect()
}

/// The commands that a help lists.
fn commands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    let words = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_table_has_each_flag_of_falco_and_each_flag_of_the_help() {
    let rows: BTreeSet<String> = all().flat_map(|row| flags(row.flag)).collect();
    let falco = flags(FALCO);
    let missing: Vec<_> = falco.difference(&rows).collect();
    assert!(missing.is_empty(), "of Falco: {missing:?}");
    let help = help("--help");
    let mut own = listed(&help);
    for command in commands(&help) {
        let mut rows = all().map(|row| row.flag);
        let has_row = rows.any(|flag| flag.split(' ').next() == Some(&*command));
        assert!(has_row, "no row for the command {command}");
        own.extend(listed(&self::help(&format!("{command} --help"))));
    }
    assert!(own.len() > 30, "{own:?}");
    let missing: Vec<_> = own.difference(&rows).collect();
    assert!(missing.is_empty(), "of the help: {missing:?}");
    let unknown: Vec<_> = rows
        .difference(&own)
        .filter(|flag| *flag != "--list-syscall-events")
        .collect();
    assert!(unknown.is_empty(), "only in the table: {unknown:?}");
}

fn shown(has: Has) -> String {
    let quoted = |parts: &[&str]| {
        let parts = parts.iter().map(|part| format!("`{}`", part.trim()));
        parts.collect::<Vec<_>>().join(" … ").replace('|', "\\|")
    };
    match has {
        Has::Nothing => "nothing".into(),
        Has::Text([]) => "text".into(),
        Has::Text(parts) => quoted(parts),
        Has::OneLine(text) => format!("one line: {}", quoted(&[text])),
        Has::Json(pointers) => format!("JSON with {}", quoted(pointers)),
    }
}

fn page() -> String {
    let mut page = String::from(
        "<!-- Generated from tests/tests/flags/rows.rs; a test holds it true. -->\n\
         # Flags\n\n\
         Every flag of Falco 0.44 and of the sensor, with command lines and what each writes and ends with. \
         `{NAME}` stands for a file of the test. Exit codes are Falco's: 0 for a stop on request and for \
         what is valid, 1 for everything else; and 141, as of any program whose reader has ended, when \
         nobody reads standard output any more.\n\n\
         At a terminal, lists and reports are text that fits the screen; `-o json_output=true` on the command \
         line asks for JSON there. Elsewhere they are JSON where `json_output` is true, as the lines are.\n\n\
         | Flag | Does | Command line | Standard output | Standard error | Exit code |\n|---|---|---|---|---|---:|\n",
    );
    for Row { flag, does, tries } in all() {
        let (mut flag, mut does) = (format!("`{}`", flag.replace('|', "\\|")), *does);
        for Try {
            line,
            out,
            error,
            code,
        } in *tries
        {
            let line = line.replace('+', " ").replace('|', "\\|");
            let (out, error) = (shown(*out), shown(*error));
            let _ = writeln!(
                page,
                "| {flag} | {does} | `sensor {line}` | {out} | {error} | {code} |"
            );
            (flag, does) = (String::new(), "");
        }
    }
    page += "\n## Flags that Falco has removed\n\n\
             Falco 0.44 refuses these as unknown, with exit code 1. So does the sensor, and says in one line on \
             standard error what to do in their place.\n\n| Flag | In its place |\n|---|---|\n";
    for (names, instead) in REMOVED {
        let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        let _ = writeln!(page, "| {} | {instead} |", names.join(", "));
    }
    page
}

#[test]
fn the_page_of_the_flags_is_that_of_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/flags.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, page()).unwrap();
    }
    assert_eq!(
        fs::read_to_string(path).unwrap(),
        page(),
        "UPDATE=1 writes the page"
    );
}
