//! `sensor watch`: shows events of lines of JSON, of recordings, and of this machine.

use std::{
    io::{self, BufRead, IsTerminal as _, Read, Write as _},
    path::Path,
    sync::mpsc::{SyncSender, sync_channel},
};

use anyhow::Context as _;

use super::{
    Outcome,
    inspect::refused,
    json_lines::{self, Contents},
    live, rules,
};
use crate::{
    cli::{self, Args, WatchArgs},
    observers::WantedEvents,
    sources::syscall::recording::{Captured, Reader},
    watch::{
        Fed, Filter, FilterError, Line, Lines, Places, Recorded, Row, Seen, Show, View,
        of_every_field, show,
    },
};

/// Most rows that wait for the screen.
const WAITING: usize = 1024;

/// Where events come from.
enum Source {
    /// Lines of JSON.
    Lines(Box<dyn BufRead + Send>, Box<Filter>),
    /// A recording, also one that goes on.
    Recording(Box<Events>),
}

/// The events of a recording, and the kinds of events that somebody wants to see.
struct Events {
    recorded: Recorded<Box<dyn Read + Send>>,
    wanted: WantedEvents,
}

/// The kinds that somebody wants to see and that a sensor does not capture.
fn missing(wanted: &WantedEvents, captured: Captured) -> Vec<String> {
    let WantedEvents {
        host, container, ..
    } = wanted;
    let is_wanted = |kind: &String| host.contains(kind) || container.contains(kind);
    let kinds = captured.not_captured.into_iter();
    kinds.filter(is_wanted).collect()
}

/// Shows the events of a file, of standard input, of the running sensor or of this machine; or writes
/// the lines that match.
///
/// # Errors
/// If the condition is not valid, the file cannot be read, no events can be had, or the terminal
/// fails.
pub fn watch(watch: &WatchArgs, args: &Args) -> anyhow::Result<Outcome> {
    let config = cli::configuration(args)?.config;
    let (condition, file) = watch.condition_and_file();
    let places = Places {
        host: watch.host,
        pod: watch.pod.clone(),
        namespace: watch.namespace.clone(),
    };
    let base = || rules::with_base(Vec::new(), &config);
    let wrong = |error| match error {
        FilterError::Condition(report) => refused(&report),
        other => anyhow::Error::from(other),
    };
    // A mistake in the condition is reported before anything starts.
    let filter = Filter::new(condition, &places, base()).map_err(wrong)?;
    let every_field = of_every_field(condition, &places, base()).map_err(wrong)?;
    let wants = WantedEvents::from(every_field.requirements());
    let wanted = wants.clone();
    let recording = |bytes, name: &str| {
        let reader = Reader::new(bytes).with_context(|| name.to_owned())?;
        let recorded = Recorded::new(reader, every_field, config.clone());
        anyhow::Ok(Source::Recording(Box::new(Events { recorded, wanted })))
    };
    let (source, name, _live) = if let Some(path) = file {
        let name = name_of(path);
        let source = match json_lines::open(path)? {
            Contents::Lines(lines) => Source::Lines(lines, Box::new(filter)),
            Contents::Recording(bytes) => recording(bytes, &name)?,
        };
        (source, name, None)
    } else {
        let (bytes, name, live) = live::open(&config, args, wants)?;
        match recording(bytes, &name) {
            Ok(source) => (source, name, Some(live)),
            Err(error) => return Err(live.explain(error)),
        }
    };
    if watch.json || !io::stdout().is_terminal() {
        return Outcome::of(match source {
            Source::Lines(lines, filter) => write(Lines::new(lines), *filter, &name),
            Source::Recording(recorded) => write_recorded(*recorded),
        });
    }
    let show_first = match (watch.tree, watch.top) {
        (true, _) => Show::Tree,
        (_, true) => Show::Top,
        _ => Show::Rows,
    };
    let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let view = View::new(show_first, what(condition, &places, &name), colours);
    let (sender, fed) = sync_channel(WAITING);
    std::thread::Builder::new()
        .name("lines".into())
        .spawn(move || match source {
            Source::Lines(lines, filter) => feed(Lines::new(lines), *filter, &sender),
            Source::Recording(recorded) => feed_recorded(*recorded, &sender),
        })
        .context("cannot start the thread that reads events")?;
    show(view, &fed).context("cannot use the terminal")?;
    Ok(Outcome::Done)
}

fn name_of(path: &Path) -> String {
    if path == Path::new("-") {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}

/// Writes the events of a recording as lines.
fn write_recorded(events: Events) -> anyhow::Result<bool> {
    let Events {
        mut recorded,
        wanted,
    } = events;
    let mut out = io::stdout().lock();
    let (mut unread, mut failed) = (0, None);
    let mut said = Vec::new();
    let mut each = |seen| {
        let written = match seen {
            Seen::Event(line) => writeln!(out, "{line}").and_then(|()| out.flush()),
            Seen::LeftOut | Seen::Counts(_) | Seen::Throttled(_) => Ok(()),
            Seen::Missing(events) => {
                unread += events;
                Ok(())
            }
            Seen::Captured(captured) => {
                let missing = missing(&wanted, captured);
                if !missing.is_empty() && missing != said {
                    let kinds = missing.join(", ");
                    eprintln!("not captured, since no rule of the sensor asks for it: {kinds}");
                }
                said = missing;
                Ok(())
            }
        };
        failed = written.err();
        failed.is_none()
    };
    while recorded.block(&mut each)? {}
    if unread > 0 {
        eprintln!("{unread} events are missing, since nobody read them in time");
    }
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(true),
    }
}

/// Passes the events of a recording to the screen, until either ends.
fn feed_recorded(events: Events, screen: &SyncSender<Fed>) {
    let Events {
        mut recorded,
        wanted,
    } = events;
    let mut each = |seen| {
        let fed = match seen {
            Seen::Event(line) => match serde_json::from_str(&line) {
                Ok(object) => Fed::Row(Box::new(Row::of(&object))),
                Err(error) => Fed::Unreadable(error.to_string()),
            },
            Seen::LeftOut => Fed::LeftOut,
            Seen::Missing(events) => Fed::Missing(events),
            Seen::Captured(captured) => Fed::NotCaptured(missing(&wanted, captured)),
            Seen::Counts(counts) => Fed::Counts(counts),
            Seen::Throttled(places) => Fed::Throttled(places),
        };
        screen.send(fed).is_ok()
    };
    loop {
        match recorded.block(&mut each) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                // The screen may have ended.
                let _ = screen.send(Fed::Unreadable(format!("{error:#}")));
                return;
            }
        }
    }
}

/// What is shown, for the status line.
fn what(condition: Option<&str>, place: &Places, name: &str) -> String {
    let host = place.host.then(|| "the host".to_owned());
    let pod = place.pod.iter().map(|pod| format!("pod {pod}"));
    let namespace = place
        .namespace
        .iter()
        .map(|name| format!("namespace {name}"));
    let mut parts: Vec<_> = condition.map(str::to_owned).into_iter().collect();
    parts.extend(host.into_iter().chain(pod).chain(namespace));
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
    name: &str,
) -> anyhow::Result<bool> {
    let mut out = io::stdout().lock();
    let (mut unreadable, mut last) = (0_u64, String::new());
    for line in lines {
        let line = Ok(line.with_context(|| format!("cannot read {name}"))?);
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
