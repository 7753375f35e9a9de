//! Reports containers over their budget: one internal record when a throttling begins and one when
//! it ends. The records count all throttled events in between.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use falco_rules::Priority;
use metadata::ContainerId;
use outputs::internal::{Record, nanoseconds};
use rustc_hash::FxHashMap;
use sensor_ebpf::{CgroupKey, KINDS, Kind};
use tracing::warn;

use super::cgroups::CgroupOwner;
use crate::sources::syscall::{
    capture::{CaptureError, Throttled},
    recording::ThrottledFrame,
};

/// How often the sensor reads the counters.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long no event may be throttled until a throttling ends.
const QUIET: Duration = Duration::from_secs(5);
/// The number of cgroups in the kernel's map (which has room for 1024) from which on the sensor
/// removes those that are within their budget again.
const MANY: usize = 512;

/// Name of the record of a throttling that begins.
pub(crate) const BEGUN: &str = "Sensor internal: throttling";
const ENDED: &str = "Sensor internal: throttling ended";

/// Throttled events, by kind.
type Refused = [u64; KINDS];

/// The owner of a budget.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum BudgetOwner {
    /// A container, with all its cgroups.
    Container(ContainerId),
    /// A cgroup of the host, by its id.
    Host(u64),
    /// A cgroup whose owner is not known, by its id.
    Unknown(u64),
    /// All cgroups for which the kernel's map had no room.
    Others,
}

impl BudgetOwner {
    fn of(key: CgroupKey, owner: Option<CgroupOwner>) -> Self {
        match owner {
            Some(CgroupOwner::Container(id)) => Self::Container(id),
            Some(CgroupOwner::Host | CgroupOwner::OtherNode) => Self::Host(key.id),
            None => Self::Unknown(key.id),
        }
    }

    /// The owner, as part of a sentence.
    fn text(&self) -> String {
        match self {
            Self::Container(id) => format!("container {}", id.short()),
            Self::Host(cgroup) => format!("cgroup {cgroup} of the host"),
            Self::Unknown(cgroup) => format!("cgroup {cgroup}"),
            Self::Others => "other containers".to_owned(),
        }
    }

    fn record(&self, rule: &'static str, message: &str, refused: &Refused) -> Record {
        let mut record = Record::new(rule, Priority::Warning, format!("{rule}. {message}"))
            .field("sensor.throttled.events", refused.iter().sum::<u64>());
        record = match self {
            Self::Container(id) => record
                .field("container.id", id.short())
                .field("container.full_id", id.full()),
            Self::Host(cgroup) => record
                .field("container.id", "host")
                .field("sensor.throttled.cgroup", *cgroup),
            Self::Unknown(cgroup) => record.field("sensor.throttled.cgroup", *cgroup),
            Self::Others => record,
        };
        for kind in Kind::ALL {
            let name = format!("sensor.throttled.{}", kind.name());
            record = record.field(&name, refused[kind as usize]);
        }
        record
    }
}

/// A throttling that goes on.
#[derive(Debug)]
struct Open {
    began: SystemTime,
    last: Instant,
    refused: Refused,
}

/// The counts of the kernel's map of cgroups.
type Counts = Vec<(CgroupKey, Refused)>;

/// All throttlings, from the counters of the kernel side.
#[derive(Debug, Default)]
struct Ledger {
    /// Throttled events of all cgroups, at the last check.
    total: Refused,
    /// The owner of each cgroup, and its throttled events at the last check.
    known: FxHashMap<CgroupKey, (BudgetOwner, Refused)>,
    /// Throttled events, at the last check, of cgroups without an entry of their own.
    others: Refused,
    /// Throttled events of cgroups that the sensor has removed from the map.
    forgotten: Refused,
    open: BTreeMap<BudgetOwner, Open>,
}

impl Ledger {
    /// Returns the records of throttlings that began or ended. `total` are all events throttled
    /// since the start; `read` reads the map of cgroups. The ledger calls `read` only if `total` has
    /// grown since the last check that could read the map, or while a throttling goes on.
    fn look<E>(
        &mut self,
        now: Instant,
        total: Refused,
        read: impl FnOnce() -> Result<Counts, E>,
        owner_of: impl Fn(&CgroupKey) -> Option<CgroupOwner>,
    ) -> Result<Vec<Record>, E> {
        if total == self.total && self.open.is_empty() {
            return Ok(Vec::new());
        }
        let counts = read()?;
        self.total = total;
        let mut others = self.others;
        if Throttled::is_full(counts.len()) {
            let mut known = self.forgotten;
            for (_, refused) in &counts {
                add(&mut known, refused);
            }
            others = difference(&total, &known);
        }
        Ok(self.update(now, &counts, others, owner_of))
    }

    /// Takes new counts: those of cgroups, and those of all events beyond these. Returns the
    /// records of throttlings that began or ended.
    fn update(
        &mut self,
        now: Instant,
        counts: &[(CgroupKey, Refused)],
        others: Refused,
        owner_of: impl Fn(&CgroupKey) -> Option<CgroupOwner>,
    ) -> Vec<Record> {
        let mut more = Vec::new();
        for (key, refused) in counts {
            let (owner, before) = self
                .known
                .entry(*key)
                .or_insert_with(|| (BudgetOwner::of(*key, owner_of(key)), Refused::default()));
            more.push((owner.clone(), difference(refused, before)));
            *before = *refused;
        }
        more.push((BudgetOwner::Others, difference(&others, &self.others)));
        self.others = others;

        let mut records = Vec::new();
        for (owner, refused) in more {
            if refused.iter().all(|events| *events == 0) {
                continue;
            }
            if let Some(open) = self.open.get_mut(&owner) {
                open.last = now;
                add(&mut open.refused, &refused);
                continue;
            }
            records.push(began(&owner, &refused));
            let began = SystemTime::now();
            self.open.insert(
                owner,
                Open {
                    began,
                    last: now,
                    refused,
                },
            );
        }
        records.extend(self.close(|open| now.duration_since(open.last) >= QUIET));
        records
    }

    /// The throttled events of the host and of each container, as far as the kernel's map tells them
    /// apart.
    fn places(&self) -> BTreeMap<Option<&ContainerId>, u64> {
        let mut places = BTreeMap::new();
        for (owner, refused) in self.known.values() {
            let place = match owner {
                BudgetOwner::Container(id) => Some(id),
                BudgetOwner::Host(_) => None,
                BudgetOwner::Unknown(_) | BudgetOwner::Others => continue,
            };
            *places.entry(place).or_default() += refused.iter().sum::<u64>();
        }
        places
    }

    /// Ends the throttlings that are over, and returns their records.
    fn close(&mut self, over: impl Fn(&Open) -> bool) -> Vec<Record> {
        self.open
            .extract_if(.., |_, open| over(open))
            .map(|(owner, open)| ended(&owner, &open))
            .collect()
    }

    /// Forgets the cgroups that are within their budget, if there are many. Stops at the first
    /// cgroup that the kernel's map does not remove, since the ledger would take its count for a
    /// new one.
    fn forget<E>(&mut self, mut remove: impl FnMut(CgroupKey) -> Result<(), E>) -> Result<(), E> {
        if self.known.len() < MANY {
            return Ok(());
        }
        for key in self.idle() {
            remove(key)?;
            if let Some((_, refused)) = self.known.remove(&key) {
                add(&mut self.forgotten, &refused);
            }
        }
        Ok(())
    }

    /// Cgroups that are within their budget.
    fn idle(&self) -> Vec<CgroupKey> {
        let known = self.known.iter();
        known
            .filter(|(_, (owner, _))| !self.open.contains_key(owner))
            .map(|(key, _)| *key)
            .collect()
    }
}

/// Watches the kernel side's counters of throttled events.
pub(crate) struct Throttlings {
    source: Throttled,
    ledger: Ledger,
    looked: Instant,
    /// Whether the log already has the error that the map cannot be read or removes no entries.
    refused: bool,
}

impl Throttlings {
    pub(crate) fn new(source: Throttled) -> Self {
        Self {
            source,
            ledger: Ledger::default(),
            looked: Instant::now(),
            refused: false,
        }
    }

    /// Whether the next check is due.
    pub(crate) fn due(&self) -> bool {
        self.looked.elapsed() >= INTERVAL
    }

    /// Returns the records of throttlings that began or ended. `total` are all events throttled
    /// since the start. If the map of cgroups cannot be read, the next check reads it again.
    pub(crate) fn look(
        &mut self,
        total: Refused,
        owner_of: impl Fn(&CgroupKey) -> Option<CgroupOwner>,
    ) -> Vec<Record> {
        let Self { source, ledger, .. } = self;
        self.looked = Instant::now();
        let looked = ledger.look(self.looked, total, || source.read(), owner_of);
        let (records, done) = match looked {
            // As long as the map is not full, a cgroup that stays there loses nothing.
            Ok(records) => (records, ledger.forget(|key| source.remove(key))),
            Err(error) => (Vec::new(), Err(error)),
        };
        self.log_once(done);
        records
    }

    /// The throttled events of the host and of each container since the start.
    pub(crate) fn places(&self) -> Vec<ThrottledFrame> {
        let places = self.ledger.places();
        let places = places.into_iter().filter(|(_, events)| *events > 0);
        places
            .map(|(container, events)| ThrottledFrame {
                container: container.copied(),
                events,
            })
            .collect()
    }

    /// Ends every throttling, when the sensor stops.
    pub(crate) fn finish(&mut self) -> Vec<Record> {
        self.ledger.close(|_| true)
    }

    /// Logs the first of several failures.
    fn log_once(&mut self, done: Result<(), CaptureError>) {
        let former = std::mem::replace(&mut self.refused, done.is_err());
        if let (Err(error), false) = (done, former) {
            warn!("throttled cgroups cannot be read or forgotten: {error}");
        }
    }
}

fn began(owner: &BudgetOwner, refused: &Refused) -> Record {
    let message = format!(
        "{} is over its budget (sensor.fairness): what it does beyond that is counted and not written.",
        owner.text()
    );
    owner.record(BEGUN, &message, refused)
}

fn ended(owner: &BudgetOwner, open: &Open) -> Record {
    let message = format!(
        "{} is within its budget again: {} events of it were not written.",
        owner.text(),
        open.refused.iter().sum::<u64>()
    );
    owner
        .record(ENDED, &message, &open.refused)
        .field("sensor.throttled.since", nanoseconds(open.began))
}

fn difference(now: &Refused, before: &Refused) -> Refused {
    std::array::from_fn(|i| now[i].saturating_sub(before[i]))
}

fn add(sum: &mut Refused, more: &Refused) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &[u8] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn key(id: u64) -> CgroupKey {
        CgroupKey { node: 1, id }
    }

    /// A number of throttled events of one kind.
    fn refused(kind: Kind, events: u64) -> Refused {
        let mut refused = Refused::default();
        refused[kind as usize] = events;
        refused
    }

    fn container() -> CgroupOwner {
        CgroupOwner::Container(ContainerId::new(ID).unwrap())
    }

    #[test]
    fn a_throttling_makes_a_record_when_it_begins_and_when_it_ends() {
        let (mut ledger, start) = (Ledger::default(), Instant::now());
        let mut after = |seconds, execs| {
            let now = start + Duration::from_secs(seconds);
            ledger.update(
                now,
                &[(key(1), refused(Kind::Exec, execs))],
                [0; KINDS],
                |_| Some(container()),
            )
        };
        assert!(after(0, 0).is_empty());
        let began = after(1, 7);
        assert_eq!(began[0].rule, BEGUN);
        assert_eq!(began[0].fields["container.id"], "0123456789ab");
        assert_eq!(began[0].fields["sensor.throttled.events"], 7);
        assert!(after(2, 10).is_empty());
        assert!(after(6, 10).is_empty());
        let ended = after(7, 10);
        assert_eq!(ended[0].rule, ENDED);
        assert_eq!(ended[0].fields["sensor.throttled.events"], 10);
        assert_eq!(ended[0].fields["sensor.throttled.exec"], 10);
        assert!(after(8, 10).is_empty());
        assert_eq!(after(9, 11)[0].fields["sensor.throttled.events"], 1);
    }

    #[test]
    fn cgroups_of_a_container_are_one_throttling() {
        let mut ledger = Ledger::default();
        let counts = [
            (key(1), refused(Kind::Exec, 3)),
            (key(2), refused(Kind::Connect, 4)),
        ];
        let records = ledger.update(Instant::now(), &counts, [0; KINDS], |_| Some(container()));
        assert_eq!(records.len(), 1);
        let ended = ledger.close(|_| true);
        assert_eq!(ended[0].fields["sensor.throttled.events"], 7);
        assert_eq!(ended[0].fields["sensor.throttled.connect"], 4);
    }

    #[test]
    fn events_for_which_the_map_had_no_room_make_a_record_too() {
        let mut ledger = Ledger::default();
        let records = ledger.update(Instant::now(), &[], refused(Kind::Connect, 3), |_| None);
        assert_eq!(records[0].fields["sensor.throttled.events"], 3);
        assert!(records[0].message.contains("other containers"));
    }

    #[test]
    fn after_a_read_that_failed_the_next_check_reads_the_counts_again() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        let total = refused(Kind::Exec, 3);
        let failed = ledger.look(now, total, || Err("no right"), |_| None);
        assert_eq!(failed, Err("no right"));
        let read = || Ok::<_, ()>(vec![(key(1), total)]);
        let records = ledger.look(now, total, read, |_| None).unwrap();
        assert_eq!(records[0].fields["sensor.throttled.events"], 3);
        ledger.close(|_| true);
        let again = ledger.look(now, total, || Err("read again"), |_| None);
        assert_eq!(again, Ok(Vec::new()), "nothing has changed");
    }

    /// So many cgroups that the ledger forgets some, each with one throttled event.
    fn many() -> Vec<(CgroupKey, Refused)> {
        (0..MANY as u64)
            .map(|id| (key(id), refused(Kind::Exec, 1)))
            .collect()
    }

    #[test]
    fn cgroups_without_a_throttling_are_forgotten_when_they_are_many() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        ledger.update(now, &many(), [0; KINDS], |_| None);
        let mut removed = 0;
        let mut remove = |_| -> Result<(), ()> {
            removed += 1;
            Ok(())
        };
        ledger.forget(&mut remove).unwrap();
        ledger.close(|_| true);
        ledger.forget(&mut remove).unwrap();
        assert_eq!((removed, ledger.known.len()), (MANY, 0));
        assert_eq!(ledger.forgotten, refused(Kind::Exec, MANY as u64));
    }

    #[test]
    fn a_cgroup_that_stays_in_the_map_makes_no_second_record() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        ledger.update(now, &many(), [0; KINDS], |_| None);
        ledger.close(|_| true);
        ledger.forget(|_| Err(())).unwrap_err();
        assert_eq!(ledger.forgotten, [0; KINDS]);
        let again = ledger.update(now, &many(), [0; KINDS], |_| None);
        assert!(again.is_empty(), "{} records", again.len());
    }
}
