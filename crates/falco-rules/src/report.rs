//! `-V`: the report about rule files, in Falco's form.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{
    Code, Problem,
    load::{Problems, RuleFile},
};

/// The report about a file.
#[derive(Clone, Debug)]
pub struct FileReport {
    /// Its name.
    pub name: Box<str>,
    /// Errors and warnings, in the order in which they were found.
    pub problems: Vec<Problem>,
}

/// The report about all files.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// File by file, in the order in which they are read; of base files those with problems.
    pub files: Vec<FileReport>,
    /// The number of problems that were not kept.
    pub left_out: usize,
}

impl FileReport {
    /// All errors.
    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.is_error())
    }

    /// All warnings, without those about the schema.
    pub fn warnings(&self) -> impl Iterator<Item = &Problem> {
        self.problems
            .iter()
            .filter(|problem| !problem.is_error() && !problem.code.is_schema())
    }

    /// Warnings about the schema: unknown keys, unusual spellings.
    pub fn schema_warnings(&self) -> impl Iterator<Item = &Problem> {
        self.problems
            .iter()
            .filter(|problem| !problem.is_error() && problem.code.is_schema())
    }
}

impl Report {
    pub(super) fn new(files: &[RuleFile], problems: Problems) -> Self {
        let report = |file: &RuleFile| FileReport {
            name: file.name.clone(),
            problems: Vec::new(),
        };
        let mut reports: Vec<_> = files.iter().map(report).collect();
        for (file, problem) in problems.list {
            if let Some(file) = reports.get_mut(file) {
                file.problems.push(problem);
            }
        }
        let both = reports.into_iter().zip(files);
        let said = both.filter(|(report, file)| !file.base || !report.problems.is_empty());
        Self {
            files: said.map(|(report, _)| report).collect(),
            left_out: problems.left_out,
        }
    }

    /// A report about files that cannot be read.
    #[must_use]
    pub fn unreadable(problems: Vec<Problem>) -> Self {
        Self {
            files: problems
                .into_iter()
                .map(|problem| FileReport {
                    name: problem.diagnostic.file.clone(),
                    problems: vec![problem],
                })
                .collect(),
            left_out: 0,
        }
    }

    /// Whether all files can be used.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.files.iter().all(|file| file.errors().next().is_none())
    }

    /// All problems, file by file.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.files.iter().flat_map(|file| &file.problems)
    }

    /// `-V` as text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        for file in &self.files {
            let (errors, warnings) = (file.errors().count(), file.warnings().count());
            let verdict = match (errors, warnings) {
                (0, 0) => "Ok",
                (0, _) => "Ok, with warnings",
                _ => "Invalid",
            };
            let _ = writeln!(out, "{}: {verdict}", file.name);
            let schema: Vec<_> = file.schema_warnings().collect();
            if errors > 0 {
                let _ = writeln!(out, "{errors} Errors:");
                file.errors().for_each(|problem| block(&mut out, problem));
            }
            if warnings > 0 {
                let _ = writeln!(out, "{warnings} Warnings:");
                file.warnings().for_each(|problem| block(&mut out, problem));
            }
            if !schema.is_empty() {
                let _ = writeln!(out, "{} Schema warnings:", schema.len());
                for problem in schema {
                    let _ = writeln!(out, "{problem}");
                }
            }
        }
        if self.left_out > 0 {
            let _ = writeln!(out, "… and {} more problems", self.left_out);
        }
        out
    }

    /// `-V` as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let results: Vec<_> = self
            .files
            .iter()
            .map(|file| {
                let schema: Vec<_> = file
                    .schema_warnings()
                    .map(|problem| Value::from(&*problem.diagnostic.message))
                    .collect();
                json!({
                    "errors": file.errors().map(object).collect::<Vec<_>>(),
                    "name": &*file.name,
                    "schema_valid": schema.is_empty(),
                    "schema_warnings": schema,
                    "successful": file.errors().next().is_none(),
                    "warnings": file.warnings().map(object).collect::<Vec<_>>(),
                })
            })
            .collect();
        json!({ "falco_load_results": results })
    }
}

/// One problem, with its position and the line of the file.
fn block(out: &mut String, problem: &Problem) {
    let diagnostic = &problem.diagnostic;
    let place = format!(
        "({}:{}:{})",
        diagnostic.file, diagnostic.position.line, diagnostic.position.column
    );
    if problem.code == Code::FileRead {
        // The file has nothing to show, and the line above names the file.
        let _ = writeln!(out, "{}", verdict(problem));
        return;
    }
    let _ = writeln!(out, "In rules content: ({}:0:0)", diagnostic.file);
    if let Some((kind, name)) = &problem.item {
        let _ = writeln!(out, "    {kind} '{name}': {place}");
    }
    match problem.code {
        Code::CompileCondition | Code::UnsafeNaCheck | Code::NoEventType => {
            let _ = writeln!(out, "    condition expression: {place}");
        }
        Code::CompileOutput => {
            let _ = writeln!(out, "    output: {place}");
        }
        _ => {}
    }
    let _ = writeln!(out, "------\n{}\n------", snippet(problem));
    let _ = writeln!(out, "{}", verdict(problem));
}

/// `CODE (meaning): message; hint`
fn verdict(problem: &Problem) -> String {
    let (code, diagnostic) = (problem.code, &problem.diagnostic);
    let text = format!(
        "{} ({}): {}",
        code.as_str(),
        code.description(),
        diagnostic.message
    );
    match &diagnostic.hint {
        Some(hint) => format!("{text}; {hint}"),
        None => text,
    }
}

/// The line of the file and a caret.
fn snippet(problem: &Problem) -> String {
    let diagnostic = &problem.diagnostic;
    format!(
        "{}\n{:caret$}^",
        diagnostic.line,
        "",
        caret = (diagnostic.caret as usize).saturating_sub(1)
    )
}

fn object(problem: &Problem) -> Value {
    let diagnostic = &problem.diagnostic;
    let position = json!({
        "column": diagnostic.position.column,
        "line": diagnostic.position.line,
        "name": &*diagnostic.file,
        "offset": diagnostic.position.offset,
    });
    let (kind, name) = match &problem.item {
        Some((kind, name)) => (kind.to_string(), &**name),
        None => ("rules content".to_owned(), ""),
    };
    json!({
        "code": problem.code.as_str(),
        "codedesc": problem.code.description(),
        "context": {
            "locations": [{ "item_name": name, "item_type": kind, "position": position }],
            "snippet": snippet(problem),
        },
        "message": &*diagnostic.message,
    })
}
