//! What two sensors say to each other, each message one line of JSON.

use events::Around;
use serde::{Deserialize, Serialize};

/// The version of the messages.
pub(super) const VERSION: u32 = 1;

/// When the successor wants to take over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// As soon as it is ready.
    #[default]
    Ready,
    /// When the running sensor is told to stop.
    Stop,
}

/// The first message of each side. This form stays in all versions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Greeting {
    /// See [`VERSION`].
    pub(super) version: u32,
    /// The version of the sensor.
    pub(super) sensor: String,
    /// The process id of the sensor, in its own pid namespace.
    pub(super) pid: u32,
    /// Of the successor: when it wants to take over.
    pub(super) when: When,
    /// Of the successor: whether it needs the lock of the instance.
    pub(super) instance: bool,
    /// Of the running sensor: why it does not hand over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

impl Greeting {
    pub(super) fn own() -> Self {
        Self {
            version: VERSION,
            sensor: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            ..Self::default()
        }
    }

    pub(super) fn refusal(why: &str) -> Self {
        Self {
            error: Some(why.to_owned()),
            ..Self::own()
        }
    }
}

/// All other messages. Times are nanoseconds since boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub(super) enum Message {
    /// Successor: it sees events, and can take over.
    Ready,
    /// Running sensor: it has heard so.
    Noted,
    /// Running sensor: it could hand over at that time.
    Propose {
        /// The time.
        at: u64,
    },
    /// Successor: the events from that time on wait in it.
    Agree {
        /// The time.
        at: u64,
    },
    /// Successor: that time is too near.
    TooLate {
        /// The time.
        at: u64,
    },
    /// Running sensor: it does not hand over then.
    Withdraw,
    /// Running sensor: it has evaluated all of its events.
    Handed {
        /// The events around the moment.
        around: Around,
    },
    /// Running sensor: it has written all of its lines, but for those that it counted as dropped.
    Written {
        /// Lines that it counted as dropped at its stop.
        dropped: u64,
    },
}
