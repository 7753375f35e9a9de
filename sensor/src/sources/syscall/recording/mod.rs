//! Recordings: events with all that was known about them, in a form of the sensor's own.
//!
//! ```text
//! capture thread ──Recorder──▶ frames ──Writer──▶ file ──Reader──▶ frames ──Player──▶ lines
//!                                 └──────────────── socket ───────────▶┘
//! ```
//!
//! A recording has what rules could look at, and not what some rules did look at: other rules than
//! those of the recording run see the same events. [docs/recordings.md](../../../../../docs/recordings.md)
//! has the form.

mod file;
mod frame;
mod player;
mod recorder;
mod rule_recordings;
mod said;
mod taps;
#[cfg(test)]
mod tests;

pub use file::{MAGIC, ReadError, Reader, Writer, append_block};
pub use frame::{EventFrame, Frame, FrameError, Header, OwnerFrame, Where};
pub use player::{PlayError, Played, Player};
pub use recorder::{Pace, Recorded, Recorder};
pub use rule_recordings::RuleRecordings;
pub use said::{Captured, KindCounts, OwnFrame, ThrottledFrame};
pub use taps::{Door, Taps};
