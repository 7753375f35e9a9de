//! The pipeline's share of the events, while two sensors see the same ones: see [`events::Share`].

use std::collections::VecDeque;

use events::{Around, Border, SKEW, Share};

use super::PendingRecord;
use crate::sources::syscall::event::{Detail, Event};

/// Most bytes of events that wait for the end of a takeover. Above, events stay in the ring buffer.
const HELD_MAX: usize = 64 << 20;
/// Most events that are noted around a takeover; a busy node has a tenth of it.
const NOTED_MAX: usize = 1 << 20;

/// Which events the pipeline takes.
#[derive(Debug, Default)]
pub(super) enum Taking {
    /// All.
    #[default]
    Whole,
    /// Those before `until`; `around` has those around the moment.
    Until { until: u64, around: Around },
    /// None.
    Nothing,
    /// None yet.
    From { from: u64, held: Held },
    /// Those that the former sensor has not taken.
    Rest(Border),
}

/// Events that wait for the end of a takeover.
#[derive(Debug, Default)]
pub(super) struct Held {
    records: VecDeque<PendingRecord>,
    bytes: usize,
}

/// What the pipeline does with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Evaluates the rules.
    Own,
    /// Passes the event over: it belongs to the other sensor.
    Other,
    /// Leaves the event where it waits.
    Waits,
}

impl Taking {
    /// Takes another share. Returns the events that wait no longer.
    pub(super) fn share(&mut self, share: Share) -> VecDeque<PendingRecord> {
        let noted = |at| Around {
            at,
            ..Around::default()
        };
        let former = std::mem::take(self);
        let mut free = VecDeque::new();
        *self = match (share, former) {
            (Share::Whole, _) => Self::Whole,
            (Share::Nothing, former) => {
                free = former.held();
                Self::Nothing
            }
            (Share::Proposed(at), _) => Self::Until {
                until: u64::MAX,
                around: noted(at),
            },
            // The events around the moment were noted since it was proposed.
            (Share::Until(at), Self::Until { around, .. }) if around.at == at => {
                Self::Until { until: at, around }
            }
            (Share::Until(at), _) => Self::Until {
                until: at,
                around: noted(at),
            },
            (Share::From(from), former) => Self::From {
                from,
                held: Held {
                    bytes: former.waiting().1,
                    records: former.held(),
                },
            },
            (Share::Rest(around), former) => {
                free = former.held();
                Self::Rest(Border::new(&around))
            }
        };
        free
    }

    fn held(self) -> VecDeque<PendingRecord> {
        match self {
            Self::From { held, .. } => held.records,
            _ => VecDeque::new(),
        }
    }

    /// The number of events that wait, and their bytes.
    pub(super) fn waiting(&self) -> (usize, usize) {
        match self {
            Self::From { held, .. } => (held.records.len(), held.bytes),
            _ => (0, 0),
        }
    }

    /// Whether so many events wait that others must stay in the ring buffer.
    pub(super) fn is_full(&self) -> bool {
        self.waiting().1 >= HELD_MAX
    }

    /// What to do with an event, which happened now or was free to go.
    pub(super) fn part(&mut self, event: &Event<'_>) -> Part {
        let time = event.header.time;
        match self {
            Self::Whole => Part::Own,
            Self::Nothing => Part::Other,
            Self::Until { until, around } => {
                let is_own = time < *until;
                if time.saturating_add(2 * SKEW) >= around.at {
                    let noted = if is_own {
                        &mut around.taken
                    } else {
                        &mut around.left
                    };
                    if noted.len() < NOTED_MAX {
                        noted.push((fingerprint(event), time));
                    }
                }
                if is_own { Part::Own } else { Part::Other }
            }
            Self::From { from, held } => {
                if time.saturating_add(SKEW) < *from {
                    return Part::Other;
                }
                let record = PendingRecord::of(event);
                held.bytes += record.len();
                held.records.push_back(record);
                Part::Waits
            }
            Self::Rest(border) => {
                if border.is_behind(time) {
                    *self = Self::Whole;
                    return Part::Own;
                }
                if border.is_taken(fingerprint(event), time) {
                    Part::Other
                } else {
                    Part::Own
                }
            }
        }
    }

    /// The events that this sensor has seen around the moment of the takeover. Call this when no further such event can come.
    pub(super) fn around(&mut self, now: u64) -> Around {
        match std::mem::take(self) {
            Self::Until { mut around, .. } => {
                around.until = now;
                around
            }
            _ => Around::default(),
        }
    }
}

/// A number made of what two sensors see alike of an event, and of nothing else: FNV-1a with 64 bits
/// over the bytes that docs/takeover.md lists. Other versions of the sensor must find the same one.
fn fingerprint(event: &Event<'_>) -> u64 {
    let mut hash = Fnv::new();
    hash.bytes(event.kind.name().as_bytes());
    let task = &event.task;
    hash.number(task.tgid.into());
    hash.number(task.tid.into());
    hash.number(task.start);
    hash.number(event.result().cast_unsigned());
    match &event.detail {
        Detail::Exec(exec) => {
            hash.number(exec.fixed.exec_id.into());
            hash.bytes(exec.filename);
        }
        Detail::Connect(connect) => {
            hash.number(connect.fixed.socket);
            hash.number(connect.fixed.inode);
        }
        Detail::Call(call) => {
            let arguments = call.fixed.arguments.into_iter();
            arguments.for_each(|argument| hash.number(argument));
        }
    }
    hash.0
}

/// Fowler, Noll and Vo's hash: short, and the same in every version.
struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::syscall::event::builder::RecordBuilder;

    fn exec(exec_id: u32, time: u64) -> Vec<u8> {
        let mut record = RecordBuilder::exec("/bin/true", &["true"]);
        record.exec.exec_id = exec_id;
        record.time = time;
        record.build()
    }

    fn of(bytes: &[u8]) -> u64 {
        fingerprint(&Event::decode(bytes).unwrap())
    }

    #[test]
    fn the_fingerprint_is_the_one_of_the_protocol_whatever_the_time() {
        assert_eq!(of(&exec(3, 1)), of(&exec(3, 2)));
        assert_ne!(of(&exec(3, 1)), of(&exec(4, 1)));
        let mut hash = Fnv::new();
        hash.bytes(b"foobar");
        assert_eq!(hash.0, 0x8594_4171_f739_67e8, "the test vector of FNV-1a");
    }

    #[test]
    fn what_was_noted_since_a_moment_was_proposed_stays_when_it_is_agreed() {
        let at = 10 * SKEW;
        let mut taking = Taking::default();
        taking.share(Share::Proposed(at));
        let part = |taking: &mut Taking, n, time| {
            let bytes = exec(n, time);
            taking.part(&Event::decode(&bytes).unwrap())
        };
        assert_eq!(part(&mut taking, 1, at - 2 * SKEW - 1), Part::Own);
        assert_eq!(part(&mut taking, 2, at - 2 * SKEW), Part::Own);
        assert_eq!(part(&mut taking, 3, at + 5), Part::Own, "not agreed yet");
        taking.share(Share::Until(at));
        assert_eq!(part(&mut taking, 4, at - 1), Part::Own);
        assert_eq!(part(&mut taking, 5, at), Part::Other);
        let around = taking.around(at + SKEW);
        let numbers = |events: &[(u64, u64)]| events.len();
        assert_eq!((numbers(&around.taken), numbers(&around.left)), (3, 1));
        let mut border = Border::new(&around);
        assert!(border.is_taken(of(&exec(3, 0)), at + 9));
        assert!(!border.is_taken(of(&exec(5, 0)), at - 9));
    }

    #[test]
    fn events_wait_from_before_the_moment_on_and_come_free_in_order() {
        let at = 10 * SKEW;
        let mut taking = Taking::default();
        taking.share(Share::Nothing);
        let part = |taking: &mut Taking, n, time| {
            let bytes = exec(n, time);
            taking.part(&Event::decode(&bytes).unwrap())
        };
        assert_eq!(part(&mut taking, 1, at), Part::Other);
        taking.share(Share::From(at));
        assert_eq!(part(&mut taking, 2, at - SKEW - 1), Part::Other);
        assert_eq!(part(&mut taking, 3, at - SKEW), Part::Waits);
        assert_eq!(part(&mut taking, 4, at + 1), Part::Waits);
        assert_eq!(taking.waiting().0, 2);
        let free = taking.share(Share::Rest(Around::nothing(at)));
        assert_eq!(free.len(), 2);
        assert_eq!(part(&mut taking, 3, at - SKEW), Part::Other);
        assert_eq!(part(&mut taking, 4, at + 1), Part::Own);
    }
}
