//! Keeps the lines that sensors write under the tests, to compare two builds line by line.
//!
//! With `SENSOR_TEST_LINES=DIRECTORY` the harness writes each stopped sensor's lines into a file in
//! that directory, named after the test; `cargo xtask lines OLD NEW` compares two such directories.
//! The same test programs make both directories, once with each build as `SENSOR_BIN`. Ids, times
//! and temporary paths differ from run to run, and the comparison leaves them out; all other bytes
//! must be the same.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::Path,
    thread,
};

use serde_json::Value;

/// Words at the end of keys whose numbers differ from run to run.
const OF_THE_RUN: &[&str] = &[
    "bytes", "created", "cpu", "ctime", "dev", "duration", "fd", "id", "ino", "latency", "leader",
    "max", "min", "mtime", "num", "ns", "pid", "port", "ppid", "rss", "sid", "start", "started",
    "tid", "time", "ts", "uptime",
];

/// Keeps the lines of a sensor of the running test, if `SENSOR_TEST_LINES` is set.
pub(crate) fn keep(lines: &str) {
    let Some(directory) = env::var_os("SENSOR_TEST_LINES") else {
        return;
    };
    let program = env::current_exe().unwrap_or_default();
    let program = program.file_stem().unwrap_or_default().to_string_lossy();
    let program = program.rsplit_once('-').map_or(&*program, |(name, _)| name);
    let test = thread::current()
        .name()
        .unwrap_or("main")
        .replace("::", "-");
    let path = Path::new(&directory).join(format!("{program}-{test}.jsonl"));
    let file = OpenOptions::new().create(true).append(true).open(&path);
    file.and_then(|mut file| file.write_all(lines.as_bytes()))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Lines that tests kept in a directory: by file, each in the form for the comparison, with its
/// number.
///
/// # Errors
/// If the directory or a file cannot be read.
pub fn comparable(directory: &Path) -> io::Result<BTreeMap<String, BTreeMap<String, usize>>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let text = fs::read_to_string(entry.path())?;
        let mut lines = BTreeMap::new();
        for line in text.lines() {
            *lines.entry(normalised(line)).or_insert(0) += 1;
        }
        all.insert(entry.file_name().to_string_lossy().into_owned(), lines);
    }
    Ok(all)
}

/// A line without the parts that differ from run to run.
fn normalised(line: &str) -> String {
    match serde_json::from_str(&without_community_ids(line)) {
        Ok(mut value) => {
            normalise("", &mut value);
            value.to_string()
        }
        Err(_) => without_numbers(line),
    }
}

fn normalise(key: &str, value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                normalise(key, value);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| normalise(key, value)),
        Value::Number(_) if is_of_the_run(key) => *value = "#".into(),
        // Only as far as the rest of the line leaves room.
        Value::String(text) if key.ends_with("padding") => text.clear(),
        Value::String(text) => *text = without_numbers(text),
        _ => {}
    }
}

fn is_of_the_run(key: &str) -> bool {
    key.split(['.', '_', '['])
        .any(|word| OF_THE_RUN.iter().any(|part| word.ends_with(part)))
}

/// A line without the community ids of connections, which contain a port of the run: the version, a
/// colon, and 20 bytes in base64.
fn without_community_ids(line: &str) -> String {
    const DIGITS: usize = 27;
    let mut parts = line.split("1:");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("1:");
        let is_digit = |c: &char| c.is_ascii_alphanumeric() || ['+', '/'].contains(c);
        let digits = part.chars().take_while(is_digit).count();
        let is_id = digits == DIGITS && part[DIGITS..].starts_with('=');
        out.push_str(if is_id { &part[DIGITS..] } else { part });
    }
    out
}

/// A text with `#` for each word that has a digit: ids, times and names of temporary directories.
fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    let flush = |word: &mut String, out: &mut String| {
        let random = word.starts_with("tmp") && word.len() == 9;
        if random || word.contains(|c: char| c.is_ascii_digit()) {
            out.push('#');
        } else {
            out.push_str(word);
        }
        word.clear();
    };
    for c in text.chars() {
        if c.is_alphanumeric() {
            word.push(c);
        } else {
            flush(&mut word, &mut out);
            out.push(c);
        }
    }
    flush(&mut word, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_left_out() {
        let line = |pid: u32, directory: &str, result: i32| {
            format!(
                r#"{{"output":"{pid} /tmp/.{directory}/tool","output_fields":{{"proc.pid":{pid},"evt.res":{result}}}}}"#
            )
        };
        let one = normalised(&line(17, "tmpAbCdEf", 3));
        assert_eq!(one, normalised(&line(4711, "tmpgHiJkL", 3)));
        assert_ne!(one, normalised(&line(17, "tmpAbCdEf", 4)));
    }
}
