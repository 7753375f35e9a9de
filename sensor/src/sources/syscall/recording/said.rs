//! What a sensor says of itself: its own lines, counts, losses, and the kinds of events that it captures.

use std::{
    collections::BTreeMap,
    time::{Duration, UNIX_EPOCH},
};

use falco_rules::Priority;
use metadata::ContainerId;
use outputs::internal::{Written, nanoseconds};
use sensor_ebpf::{Kind, Kinds};
use serde::{Deserialize, Serialize};
use telemetry::{KindTotals, Meaning};

/// The events of a kind since the sensor started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KindCounts {
    /// The kind.
    pub kind: String,
    /// Events that the kernel side saw.
    pub seen: u64,
    /// Events that no rule wanted.
    pub filtered: u64,
    /// Events that are lost, and so are not in the recording.
    pub lost: u64,
    /// The same by cause.
    pub causes: BTreeMap<String, u64>,
    /// Events that no rule wants, and that observers lack.
    pub unwatched: u64,
}

impl KindCounts {
    /// The counts of a ledger.
    #[must_use]
    pub fn of(kind: &KindTotals) -> Self {
        let lost = kind.counts.iter();
        let lost = lost.filter(|count| count.meaning == Meaning::Lost && count.events > 0);
        Self {
            kind: kind.kind.name.to_owned(),
            seen: kind.seen(),
            filtered: kind.filtered(),
            lost: kind.lost(),
            causes: lost
                .map(|count| (count.name.to_owned(), count.events))
                .collect(),
            unwatched: kind.of(Meaning::Unwatched),
        }
    }
}

/// The events of a container, or of the host, that are lost since they were beyond a budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThrottledFrame {
    /// The container; none: the host.
    pub container: Option<ContainerId>,
    /// The events since the sensor started.
    pub events: u64,
}

/// The kinds of events that a sensor captures at that time, and those that it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Captured {
    /// What the hooks of the sensor see.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub captured: Vec<String>,
    /// What no rule of the sensor asks for, so that no hook is there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_captured: Vec<String>,
}

impl Captured {
    /// The names of kinds.
    #[must_use]
    pub fn of(kinds: Kinds) -> Self {
        let all = Kind::ALL.into_iter();
        let (captured, not_captured) = all.partition::<Vec<_>, _>(|kind| kinds.contains(*kind));
        let names = |kinds: Vec<Kind>| kinds.iter().map(|kind| kind.name().to_owned()).collect();
        Self {
            captured: names(captured),
            not_captured: names(not_captured),
        }
    }
}

/// What the sensor wrote about itself, in both forms of lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnFrame {
    /// The priority.
    pub priority: Box<str>,
    /// The time, nanoseconds since the epoch.
    pub time: u64,
    /// The line in JSON.
    pub json: String,
    /// The line in text, after the time.
    pub text: String,
}

impl From<&Written> for OwnFrame {
    fn from(record: &Written) -> Self {
        Self {
            priority: record.priority.as_str().into(),
            time: nanoseconds(record.time),
            json: record.json.clone(),
            text: record.text.clone(),
        }
    }
}

impl From<OwnFrame> for Written {
    fn from(own: OwnFrame) -> Self {
        Self {
            priority: Priority::parse(&own.priority).unwrap_or(Priority::Notice),
            time: UNIX_EPOCH + Duration::from_nanos(own.time),
            json: own.json,
            text: own.text,
        }
    }
}
