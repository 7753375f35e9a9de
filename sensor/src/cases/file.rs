//! Files of cases.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use falco_rules::{Fields, Writable};
use serde_json::{Map, Value};
use yaml::{Diagnostic, Limits, Source};

use super::read::Reader;

/// The ends of the names of files of cases.
const ENDS: [&str; 2] = [".test.yaml", ".test.yml"];

/// A file of cases.
#[derive(Debug)]
pub struct CaseFile {
    /// The file.
    pub path: PathBuf,
    /// The files of rules that the cases are about.
    pub rules: Vec<PathBuf>,
    /// The cases, in order.
    pub cases: Vec<Case>,
}

/// A case: an event, and what rules say about it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name.
    pub name: Box<str>,
    /// The line of the file on which the case begins.
    pub line: usize,
    /// The fields of the event; of a recorded event, when [`Case::take`] has taken them.
    pub event: Fields,
    /// The recorded event that the case is about.
    pub recorded: Option<RecordedEvent>,
    /// Why the case has no event.
    pub problem: Option<String>,
    /// Names of rules that match the event.
    pub matches: Vec<Box<str>>,
    /// Names of rules that do not match the event; `*` stands for all rules that `matches` does not
    /// name.
    pub not: Vec<Box<str>>,
    /// The outputs of rules, as text.
    pub outputs: Vec<(Box<str>, Box<str>)>,
}

/// A recorded event, with changes.
#[derive(Clone, Debug)]
pub struct RecordedEvent {
    /// The recording.
    pub path: PathBuf,
    /// Which event of the recording.
    pub choice: Choice,
    /// Fields with other values than those of the recorded event.
    pub(super) changes: Map<String, Value>,
}

/// Which event of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The event with that number (`evt.num`).
    Number(u64),
    /// The first event that matches the condition.
    Where(Box<str>),
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "with the number {number}"),
            Self::Where(condition) => write!(f, "that matches '{condition}'"),
        }
    }
}

impl Case {
    /// Takes the fields of the recorded event.
    pub fn take<S: Writable>(&mut self, mut event: Fields) {
        if let Some(recorded) = &self.recorded {
            self.problem = match event.change::<S>(&recorded.changes) {
                Ok(()) => None,
                Err(error) => Some(error.to_string()),
            };
        }
        self.event = event;
    }
}

impl CaseFile {
    /// Reads a file of cases about the events of a source.
    ///
    /// # Errors
    /// The mistakes of the file, each with its place.
    pub fn read<S: Writable>(path: &Path) -> Result<Self, Vec<Diagnostic>> {
        let name = path.to_string_lossy();
        let text = fs::read_to_string(path).map_err(|error| {
            let source = Source::new(&*name, "");
            let message = format!("cannot read the file: {error}");
            vec![Diagnostic::error(&source, source.position(0), message)]
        })?;
        let source = Source::new(&*name, text);
        let parsed = yaml::parse(&source, &Limits::default()).map_err(|error| vec![error])?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let (rules, cases) = Reader::<S>::read(&source, folder, &parsed.documents)?;
        let rules = if rules.is_empty() {
            vec![beside(path)]
        } else {
            rules.iter().map(|rule| folder.join(&**rule)).collect()
        };
        Ok(Self {
            path: path.to_owned(),
            rules,
            cases,
        })
    }
}

/// The file of rules beside a file of cases: the same name without `.test`.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(name.replacen(".test.", ".", 1))
}

/// The files of cases that a path means: the file, or all files of cases in a folder and below, in
/// the order of their names.
///
/// # Errors
/// If the path or a folder below cannot be read.
pub fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut entries: Vec<_> = fs::read_dir(path)?.collect::<io::Result<_>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else if ENDS.iter().any(|end| name.ends_with(end)) {
            found.push(entry.path());
        }
    }
    Ok(found)
}
