//! `sensor watch`: shows the events of lines of JSON.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal as _, Write as _},
    path::Path,
    sync::mpsc::{SyncSender, sync_channel},
};

use anyhow::{Context as _, bail};

use super::{Outcome, inspect::refused, json_lines, rules};
use crate::{
    cli::{self, Args, WatchArgs},
    watch::{Fed, Filter, FilterError, Line, Lines, Pods, Row, Show, View, show},
};

/// Most rows that wait for the screen.
const WAITING: usize = 1024;

/// Shows the events of a file or of standard input, or writes the lines that match.
///
/// # Errors
/// If the condition is not valid, the file cannot be read, or the terminal fails.
pub fn watch(watch: &WatchArgs, args: &Args) -> anyhow::Result<Outcome> {
    let loaded = cli::configuration(args)?;
    let (condition, file) = watch.condition_and_file();
    let place = Pods {
        pod: watch.pod.clone(),
        namespace: watch.namespace.clone(),
    };
    let base = rules::with_base(Vec::new(), &loaded.config);
    let filter = Filter::new(condition, &place, base).map_err(|error| match error {
        FilterError::Condition(report) => refused(&report),
        other => other.into(),
    })?;
    let Some(file) = file else {
        bail!(
            "nothing to watch: name a file with lines of JSON, or `-` for standard input (`sensor -o json_output=true | sensor watch -`)"
        );
    };
    let lines: Box<dyn BufRead + Send> = if file == Path::new("-") {
        Box::new(BufReader::new(io::stdin()))
    } else {
        let opened = File::open(file);
        let opened = opened.with_context(|| format!("cannot read {}", file.display()))?;
        Box::new(BufReader::new(opened))
    };
    let lines = Lines::new(lines);
    if watch.json || !io::stdout().is_terminal() {
        return Outcome::of(write(lines, filter, file));
    }
    let show_first = match (watch.tree, watch.top) {
        (true, _) => Show::Tree,
        (_, true) => Show::Top,
        _ => Show::Rows,
    };
    let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let view = View::new(show_first, what(condition, &place, file), colours);
    let (sender, fed) = sync_channel(WAITING);
    std::thread::Builder::new()
        .name("lines".into())
        .spawn(move || feed(lines, filter, &sender))
        .context("cannot start the thread that reads lines")?;
    show(view, &fed).context("cannot use the terminal")?;
    Ok(Outcome::Done)
}

/// What is shown, for the status line.
fn what(condition: Option<&str>, place: &Pods, file: &Path) -> String {
    let name = if file == Path::new("-") {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    };
    let pod = place.pod.iter().map(|pod| format!("pod {pod}"));
    let namespace = place
        .namespace
        .iter()
        .map(|name| format!("namespace {name}"));
    let mut parts: Vec<_> = condition.map(str::to_owned).into_iter().collect();
    parts.extend(pod.chain(namespace));
    if parts.is_empty() {
        format!("all of {name}")
    } else {
        format!("{} of {name}", parts.join(", "))
    }
}

/// What a line is to a filter.
fn judge(line: io::Result<Line>, filter: &mut Filter) -> Result<Option<String>, String> {
    match line {
        Ok(Line::Text(text)) => {
            let event = json_lines::event(text.as_bytes())?;
            let is_match = filter.matches(&event.fields);
            Ok(is_match.then_some(text))
        }
        Ok(Line::Unreadable(reason)) => Err(reason.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Writes the lines that match as they are. Lines that are no event are counted, and the count is
/// told at the end.
fn write(
    lines: impl Iterator<Item = io::Result<Line>>,
    mut filter: Filter,
    file: &Path,
) -> anyhow::Result<bool> {
    let mut out = io::stdout().lock();
    let (mut unreadable, mut last) = (0_u64, String::new());
    for line in lines {
        let line = Ok(line.with_context(|| format!("cannot read {}", file.display()))?);
        match judge(line, &mut filter) {
            // Somebody may read each line as it comes.
            Ok(Some(line)) => {
                writeln!(out, "{line}")?;
                out.flush()?;
            }
            Ok(None) => {}
            Err(reason) => (unreadable, last) = (unreadable + 1, reason),
        }
    }
    if unreadable > 0 {
        eprintln!("{unreadable} lines are no events; the last one: {last}");
    }
    Ok(true)
}

/// Passes rows to the screen, until the lines or the screen end.
fn feed(
    lines: impl Iterator<Item = io::Result<Line>>,
    mut filter: Filter,
    screen: &SyncSender<Fed>,
) {
    for line in lines {
        let failed = line.is_err();
        let fed = match judge(line, &mut filter) {
            Ok(Some(line)) => match serde_json::from_str(&line) {
                Ok(object) => Fed::Row(Box::new(Row::of(&object))),
                Err(error) => Fed::Unreadable(format!("no JSON: {error}")),
            },
            Ok(None) => Fed::LeftOut,
            Err(reason) => Fed::Unreadable(reason),
        };
        if screen.send(fed).is_err() || failed {
            return;
        }
    }
}
