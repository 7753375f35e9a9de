//! `sensor replay`: rules over recorded events, or over lines that were written earlier.

use std::{
    cell::Cell,
    io::{self, Read, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::bail;
use bytes::BytesMut;
use config::Config;
use events::Lines;
use falco_rules::Priority;
use outputs::{Form, Outputs};
use telemetry::{Identity, Telemetry};
use tracing::{info, warn};

use super::{
    Outcome,
    hunt::Hunt,
    inspect::refused,
    json_lines::{self, Contents},
    options, recorded, rules,
};
use crate::{
    reports,
    sources::syscall::{
        recording::{Header, Played, Player},
        rules::RuleSet,
    },
};

/// Bytes of lines that are written at a time.
const LINES: usize = 64 << 10;

/// Lines for standard output, in the configured form.
pub(super) struct ToStdout {
    lines: BytesMut,
    error: Option<io::Error>,
}

impl ToStdout {
    fn new() -> Self {
        Self {
            lines: BytesMut::new(),
            error: None,
        }
    }

    fn write(&mut self) {
        if self.error.is_none() {
            self.error = io::stdout().lock().write_all(&self.lines).err();
        }
        self.lines.clear();
    }

    /// Writes what is left.
    fn finish(&mut self) -> io::Result<()> {
        self.write();
        match self.error.take() {
            Some(error) => Err(error),
            None => io::stdout().lock().flush(),
        }
    }
}

impl Lines for ToStdout {
    fn line(&mut self, _: Priority, mut write: impl FnMut(Form, &mut BytesMut)) {
        write(Form::Configured, &mut self.lines);
        if self.lines.len() >= LINES {
            self.write();
        }
    }
}

/// Replays files, with lines to standard output, and says at the end what there was.
///
/// # Errors
/// If a file cannot be read, a recording is damaged, or the rules are not valid.
pub(super) fn replay(config: &Config, paths: &[PathBuf]) -> anyhow::Result<bool> {
    let mut lines = ToStdout::new();
    let mut hunt = None;
    for path in paths {
        for file in json_lines::files(path)? {
            match json_lines::open(&file)? {
                Contents::Recording(bytes) => {
                    let played = play(config, &file, bytes, &mut lines)?;
                    say(&file, &played);
                }
                Contents::Lines(mut from) => {
                    let hunt = match &mut hunt {
                        Some(hunt) => hunt,
                        empty => empty.insert(Hunt::new(config)?),
                    };
                    hunt.file(&file, &mut *from, &mut lines)?;
                }
            }
            if lines.error.is_some() {
                break;
            }
        }
    }
    lines.finish()?;
    if let Some(hunt) = hunt {
        eprint!("{}", hunt.summary());
    }
    Ok(true)
}

/// Replays the recording of `engine.replay.capture_file` to the configured outputs.
///
/// # Errors
/// If there is none, it cannot be read, or an output cannot start.
pub(super) fn configured(config: &Config) -> anyhow::Result<Outcome> {
    let Some(path) = &config.engine.replay.capture_file else {
        bail!("engine.kind is replay: engine.replay.capture_file must name a recording");
    };
    let identity = Arc::new(Identity::new(config));
    let Contents::Recording(bytes) = json_lines::open(path)? else {
        bail!(
            "{}: no recording of a sensor: `sensor record` makes one",
            path.display()
        );
    };
    let mut outputs = Outputs::start(config, &identity)?;
    let played = play(config, path, bytes, &mut outputs);
    outputs.flush();
    let counts = outputs.stop(config.sensor.stop_deadline.0);
    let played = played?;
    say(path, &played);
    let dropped: u64 = counts
        .iter()
        .map(|(_, counts)| counts.dropped_total())
        .sum();
    if dropped > 0 {
        warn!("{dropped} lines are not written");
    }
    Ok(if dropped > 0 {
        Outcome::Failed
    } else {
        Outcome::Done
    })
}

/// Plays a recording. Returns what was played, and how long that took without the loading of rules.
fn play(
    config: &Config,
    path: &Path,
    bytes: Box<dyn Read + Send>,
    lines: &mut impl Lines,
) -> anyhow::Result<(Played, Duration)> {
    let began = Cell::new(Instant::now());
    let start = |header: &Header| {
        let player = start(config, header)?;
        began.set(Instant::now());
        Ok(player)
    };
    let player = recorded::frames(path, bytes, start, |player, frame| {
        player.play(frame, lines)?;
        Ok(ControlFlow::Continue(()))
    })?;
    let took = began.get().elapsed();
    let Some(player) = player else {
        return Ok((Played::default(), took));
    };
    eprint!("{}", reports::rule_costs(player.telemetry()));
    Ok((player.played().clone(), took))
}

fn start(config: &Config, header: &Header) -> anyhow::Result<Player> {
    header.check()?;
    let mut config = config.clone();
    config.sensor.hostname = Some(header.hostname.clone());
    let rules = Arc::new(rules_of(&config)?);
    let identity = Arc::new(Identity::new(&config));
    let telemetry = Arc::new(Telemetry::new(identity));
    telemetry.rules.set_profiling(config.sensor.rules.profile);
    Ok(Player::new(
        header,
        rules,
        options::alerts(&config),
        &telemetry,
    ))
}

fn rules_of(config: &Config) -> anyhow::Result<RuleSet> {
    let loaded = rules::load(config).map_err(|report| refused(&report))?;
    let compilation = loaded.compilation;
    compilation.set.ok_or_else(|| refused(&compilation.report))
}

/// Says what a recording had, and what it lacks.
fn say(path: &Path, (played, took): &(Played, Duration)) {
    let path = path.display();
    info!(
        "{path}: {} events, {} matched, {} lines, {} records of the sensor about itself; {:.3} s",
        played.events,
        played.matched,
        played.lines,
        played.records,
        took.as_secs_f64()
    );
    if played.missing > 0 {
        warn!(
            "{path}: {} events are missing, since the recorder was too slow",
            played.missing
        );
    }
    for counts in played.counts.iter().filter(|counts| counts.lost > 0) {
        warn!(
            "{path}: the sensor had lost {} events of kind {}",
            counts.lost, counts.kind
        );
    }
}
