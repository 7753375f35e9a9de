//! Events of a recording, or of a running sensor, as lines of JSON with every field.

use std::{io::Read, sync::Arc};

use bytes::BytesMut;
use config::Config;
use outputs::AlertOptions;
use telemetry::{Identity, Telemetry};

use crate::sources::syscall::{
    recording::{Captured, Frame, Header, KindCounts, PlayError, Player, Reader, ThrottledFrame},
    rules::RuleSet,
};

/// The lines of events, as they come.
pub struct Recorded<R> {
    reader: Reader<R>,
    rules: Arc<RuleSet>,
    config: Config,
    player: Option<Player>,
}

/// What a recording has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// An event that the filter shows, as JSON without the end of the line.
    Event(String),
    /// An event that the filter leaves out.
    LeftOut,
    /// Events are missing, since nobody read them in time.
    Missing(u64),
    /// The kinds of events that the sensor captures from here on.
    Captured(Captured),
    /// The counts of the sensor.
    Counts(Vec<KindCounts>),
    /// The throttled events of places.
    Throttled(Vec<ThrottledFrame>),
}

impl<R: Read> Recorded<R> {
    /// The events of a recording that match the rule of that set, see
    /// [`of_every_field`](super::of_every_field).
    #[must_use]
    pub fn new(reader: Reader<R>, rules: RuleSet, config: Config) -> Self {
        Self {
            reader,
            rules: Arc::new(rules),
            config,
            player: None,
        }
    }

    /// Calls a function with what the next block has. Returns false at the end of the recording, or if
    /// the function returns false.
    ///
    /// # Errors
    /// If the recording is damaged or cannot be read.
    pub fn block(&mut self, mut each: impl FnMut(Seen) -> bool) -> anyhow::Result<bool> {
        let Some(block) = self.reader.block()? else {
            return Ok(false);
        };
        let mut rest = block;
        let mut lines = BytesMut::new();
        while let Some(frame) = Frame::read(&mut rest)? {
            if let Frame::Header(header) = &frame {
                self.player = Some(player(&self.config, &self.rules, header)?);
            }
            let Some(player) = &mut self.player else {
                continue;
            };
            if matches!(frame, Frame::Own(_)) {
                continue;
            }
            let (events, missing) = (player.played().events, player.played().missing);
            lines.clear();
            let said = match &frame {
                Frame::Captured(captured) => Some(Seen::Captured(captured.clone())),
                Frame::Counts(counts) => Some(Seen::Counts(counts.clone())),
                Frame::Throttled(places) => Some(Seen::Throttled(places.clone())),
                _ => None,
            };
            player.play(frame, &mut lines)?;
            let now = player.played();
            let seen = if let Some(said) = said {
                said
            } else if now.missing > missing {
                Seen::Missing(now.missing - missing)
            } else if !lines.is_empty() {
                Seen::Event(String::from_utf8_lossy(lines.trim_ascii_end()).into_owned())
            } else if now.events > events {
                Seen::LeftOut
            } else {
                continue;
            };
            if !each(seen) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn player(config: &Config, rules: &Arc<RuleSet>, header: &Header) -> Result<Player, PlayError> {
    header.check()?;
    let mut config = config.clone();
    config.sensor.hostname = Some(header.hostname.clone());
    let telemetry = Arc::new(Telemetry::new(Arc::new(Identity::new(&config))));
    let alerts = AlertOptions {
        include_output: false,
        include_tags: false,
        ..AlertOptions::default()
    };
    Ok(Player::new(header, Arc::clone(rules), alerts, &telemetry))
}
