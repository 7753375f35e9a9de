//! Containers that are over their budget: a record when it begins, one when it is
//! over, and between them every refused event counted.

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
use crate::sources::syscall::capture::Throttled;

/// How often is looked.
const INTERVAL: Duration = Duration::from_secs(1);
/// It is over when so long nothing was refused.
const QUIET: Duration = Duration::from_secs(5);
/// Cgroups in the kernel's map (which has room for 1024) from which on those are
/// forgotten that are within their budget again.
const MANY: usize = 512;

/// Name of the record that a throttling has begun.
pub(crate) const BEGUN: &str = "Sensor internal: throttling";
const ENDED: &str = "Sensor internal: throttling ended";

/// Events refused, by kind.
type Refused = [u64; KINDS];

/// Whose budget it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum BudgetOwner {
    /// A container, whatever its cgroups.
    Container(String, String),
    /// A cgroup of the host.
    Host(u64),
    /// A cgroup that is not known.
    Unknown(u64),
    /// Those for which the kernel's map had no room.
    Others,
}

impl BudgetOwner {
    fn of(key: CgroupKey, owner: Option<CgroupOwner>) -> Self {
        match owner {
            Some(CgroupOwner::Container(id)) => Self::container(&id),
            Some(CgroupOwner::Host) => Self::Host(key.id),
            None => Self::Unknown(key.id),
        }
    }

    fn container(id: &ContainerId) -> Self {
        Self::Container(id.short().to_owned(), id.full().to_owned())
    }

    /// Who it is, in a sentence.
    fn text(&self) -> String {
        match self {
            Self::Container(short, _) => format!("container {short}"),
            Self::Host(cgroup) => format!("cgroup {cgroup} of the host"),
            Self::Unknown(cgroup) => format!("cgroup {cgroup}"),
            Self::Others => "other containers".to_owned(),
        }
    }

    fn record(&self, rule: &'static str, message: &str, refused: &Refused) -> Record {
        let mut record = Record::new(rule, Priority::Warning, format!("{rule}. {message}"))
            .field("sensor.throttled.events", refused.iter().sum::<u64>());
        record = match self {
            Self::Container(short, full) => record
                .field("container.id", short.as_str())
                .field("container.full_id", full.as_str()),
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

/// All throttlings, as the counters of the kernel side show them.
#[derive(Debug, Default)]
struct Ledger {
    /// What each cgroup had been refused at the last look, and whose it is.
    known: FxHashMap<CgroupKey, (BudgetOwner, Refused)>,
    /// The same of those without an entry of their own.
    others: Refused,
    /// What cgroups were refused that are not known any more.
    forgotten: Refused,
    open: BTreeMap<BudgetOwner, Open>,
}

impl Ledger {
    /// Takes new counts: those of cgroups, and of events refused beyond these.
    /// Gives the records of throttlings that began or are over.
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

    /// Ends throttlings; gives their records.
    fn close(&mut self, over: impl Fn(&Open) -> bool) -> Vec<Record> {
        self.open
            .extract_if(.., |_, open| over(open))
            .map(|(owner, open)| ended(&owner, &open))
            .collect()
    }

    /// Forgets cgroups that are within their budget, if they are many; ends at the first that
    /// cannot be removed from the kernel's map, whose count would be taken for a new one.
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

/// Watches the kernel side's counters of refused events.
pub(crate) struct Throttlings {
    source: Throttled,
    ledger: Ledger,
    looked: Instant,
    /// Refused altogether, at the last look.
    total: Refused,
    /// It was said that the map keeps what was to be forgotten.
    refused: bool,
}

impl Throttlings {
    pub(crate) fn new(source: Throttled) -> Self {
        Self {
            source,
            ledger: Ledger::default(),
            looked: Instant::now(),
            total: Refused::default(),
            refused: false,
        }
    }

    /// Whether it is time to look again.
    pub(crate) fn due(&self) -> bool {
        self.looked.elapsed() >= INTERVAL
    }

    /// What has begun and what is over. `total` are the events refused since the
    /// start; the map of cgroups is read only if there are more of them.
    pub(crate) fn look(
        &mut self,
        total: Refused,
        owner_of: impl Fn(&CgroupKey) -> Option<CgroupOwner>,
    ) -> Vec<Record> {
        self.looked = Instant::now();
        if total == self.total && self.ledger.open.is_empty() {
            return Vec::new();
        }
        self.total = total;
        // A map that could be read once can be read now.
        let counts = self.source.read().unwrap_or_default();
        let mut others = self.ledger.others;
        if self.source.is_full(counts.len()) {
            let mut told = self.ledger.forgotten;
            for (_, refused) in &counts {
                add(&mut told, refused);
            }
            others = difference(&total, &told);
        }
        let records = self.ledger.update(self.looked, &counts, others, owner_of);
        self.forget();
        records
    }

    /// At the end: every throttling is over.
    pub(crate) fn finish(&mut self) -> Vec<Record> {
        self.ledger.close(|_| true)
    }

    /// Makes room in the kernel's map. That it cannot is said once: until it is full, nothing
    /// is lost by it.
    fn forget(&mut self) {
        let removed = self.ledger.forget(|key| self.source.remove(key));
        let Err(error) = removed else {
            self.refused = false;
            return;
        };
        if !std::mem::replace(&mut self.refused, true) {
            warn!("cgroups that are within their budget cannot be forgotten: {error}");
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

    /// So many refused events of a kind.
    fn refused(kind: Kind, events: u64) -> Refused {
        let mut refused = Refused::default();
        refused[kind as usize] = events;
        refused
    }

    fn container() -> CgroupOwner {
        CgroupOwner::Container(ContainerId::new(ID).unwrap())
    }

    #[test]
    fn a_throttling_is_told_when_it_begins_and_when_it_is_over() {
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
    fn what_the_map_had_no_room_for_is_told_too() {
        let mut ledger = Ledger::default();
        let records = ledger.update(Instant::now(), &[], refused(Kind::Connect, 3), |_| None);
        assert_eq!(records[0].fields["sensor.throttled.events"], 3);
        assert!(records[0].message.contains("other containers"));
    }

    /// As many cgroups as make it worth forgetting some, refused an event each.
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
    fn what_stays_in_the_map_is_not_forgotten_and_not_told_again() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        ledger.update(now, &many(), [0; KINDS], |_| None);
        ledger.close(|_| true);
        ledger.forget(|_| Err(())).unwrap_err();
        assert_eq!(ledger.forgotten, [0; KINDS]);
        let again = ledger.update(now, &many(), [0; KINDS], |_| None);
        assert!(again.is_empty(), "{} records", again.len());
    }
}
