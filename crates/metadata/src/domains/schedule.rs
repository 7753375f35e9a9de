//! Which name to resolve next, and what is known of each.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::{Duration, Instant},
};

use super::Names;

/// How long the last addresses of a name are used while the resolver does not know it any more, or
/// does not answer.
pub(super) const KEEP: Duration = Duration::from_mins(10);
/// Pause after the first failure; it doubles with each further one.
const RETRY: Duration = Duration::from_secs(1);

/// Longest time between two look-ups of a name.
const DAY: Duration = Duration::from_hours(24);

/// What the log should say about a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The name cannot be resolved, for the first time.
    Unresolved,
    /// It can be resolved again.
    Resolved,
}

#[derive(Debug)]
struct Entry {
    addresses: BTreeSet<IpAddr>,
    /// When the resolver last knew the name.
    known: Option<Instant>,
    /// When to ask next.
    next: Instant,
    failures: u32,
    /// Whether a thread is asking.
    asking: bool,
}

/// What a thread should do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Resolve this name.
    Ask(Box<str>),
    /// Wait, until this time at most.
    Wait(Option<Instant>),
}

/// The names of the rules.
#[derive(Debug)]
pub(super) struct Schedule {
    entries: BTreeMap<Box<str>, Entry>,
    /// Time between two look-ups of a name.
    refresh: Duration,
}

impl Schedule {
    pub(super) fn new(refresh: Duration) -> Self {
        Self {
            entries: BTreeMap::new(),
            refresh,
        }
    }

    /// Sets the names; those that stay keep their addresses.
    pub(super) fn set(&mut self, names: &BTreeSet<Box<str>>, refresh: Duration, now: Instant) {
        self.refresh = refresh.min(DAY);
        self.entries.retain(|name, _| names.contains(name));
        for name in names {
            self.entries.entry(name.clone()).or_insert_with(|| Entry {
                addresses: BTreeSet::new(),
                known: None,
                next: now,
                failures: 0,
                asking: false,
            });
        }
    }

    /// The name that has waited longest.
    pub(super) fn next(&mut self, now: Instant) -> Next {
        let idle = self.entries.iter_mut().filter(|(_, entry)| !entry.asking);
        match idle.min_by_key(|(_, entry)| entry.next) {
            Some((name, entry)) if entry.next <= now => {
                entry.asking = true;
                Next::Ask(name.clone())
            }
            other => Next::Wait(other.map(|(_, entry)| entry.next)),
        }
    }

    /// Takes the answer about a name: no address at all is a failure. Returns whether addresses have
    /// changed, and the news.
    pub(super) fn answer(
        &mut self,
        name: &str,
        addresses: BTreeSet<IpAddr>,
        now: Instant,
    ) -> (bool, Option<News>) {
        let Some(entry) = self.entries.get_mut(name) else {
            return (false, None); // the rules changed meanwhile
        };
        entry.asking = false;
        if !addresses.is_empty() {
            let news = (entry.failures > 0).then_some(News::Resolved);
            let changed = entry.addresses != addresses;
            entry.addresses = addresses;
            entry.known = Some(now);
            entry.next = now + self.refresh;
            entry.failures = 0;
            return (changed, news);
        }
        let news = (entry.failures == 0).then_some(News::Unresolved);
        let pause = RETRY.saturating_mul(1 << entry.failures.min(16));
        entry.failures += 1;
        entry.next = now + pause.min(self.refresh.max(RETRY));
        let old = entry.known.is_some_and(|known| now >= known + KEEP);
        let changed = old && !entry.addresses.is_empty();
        if old {
            entry.addresses.clear();
        }
        (changed, news)
    }

    /// The names of each address.
    pub(super) fn names(&self) -> Names {
        let mut names = BTreeMap::<IpAddr, Vec<Box<str>>>::new();
        for (name, entry) in &self.entries {
            for address in &entry.addresses {
                names.entry(*address).or_default().push(name.clone());
            }
        }
        let names = names.into_iter().map(|(ip, names)| (ip, names.into()));
        names.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const REFRESH: Duration = Duration::from_secs(30);

    fn set(names: &[&str]) -> BTreeSet<Box<str>> {
        names.iter().map(|name| (*name).into()).collect()
    }

    fn ips(last: &[u8]) -> BTreeSet<IpAddr> {
        let ip = |last: &u8| Ipv4Addr::new(192, 0, 2, *last).into();
        last.iter().map(ip).collect()
    }

    fn names_of(schedule: &Schedule, last: u8) -> Vec<String> {
        let names = schedule.names();
        let found = names.get(&IpAddr::from([192, 0, 2, last]));
        found
            .into_iter()
            .flatten()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_name_is_asked_at_once_and_again_after_the_period() {
        let mut schedule = Schedule::new(REFRESH);
        let now = Instant::now();
        assert_eq!(schedule.next(now), Next::Wait(None));
        schedule.set(&set(&["a", "b"]), REFRESH, now);
        assert_eq!(schedule.next(now), Next::Ask("a".into()));
        assert_eq!(schedule.next(now), Next::Ask("b".into()));
        assert_eq!(schedule.next(now), Next::Wait(None), "both are being asked");
        assert_eq!(schedule.answer("a", ips(&[1]), now), (true, None));
        assert_eq!(schedule.next(now), Next::Wait(Some(now + REFRESH)));
        assert_eq!(schedule.next(now + REFRESH), Next::Ask("a".into()));
        assert_eq!(
            schedule.answer("a", ips(&[1]), now + REFRESH),
            (false, None)
        );
    }

    #[test]
    fn an_address_has_all_names_that_resolve_to_it_and_follows_their_changes() {
        let mut schedule = Schedule::new(REFRESH);
        let now = Instant::now();
        schedule.set(&set(&["a", "b"]), REFRESH, now);
        schedule.answer("a", ips(&[1, 2]), now);
        schedule.answer("b", ips(&[2]), now);
        assert_eq!(names_of(&schedule, 1), ["a"]);
        assert_eq!(names_of(&schedule, 2), ["a", "b"]);
        assert_eq!(schedule.answer("a", ips(&[3]), now), (true, None));
        assert_eq!(names_of(&schedule, 1), [""; 0]);
        assert_eq!(names_of(&schedule, 3), ["a"]);
        schedule.set(&set(&["b"]), REFRESH, now);
        assert_eq!(names_of(&schedule, 3), [""; 0]);
        assert_eq!(schedule.answer("a", ips(&[3]), now), (false, None));
    }

    #[test]
    fn a_failure_is_news_once_and_is_tried_again_ever_later() {
        let mut schedule = Schedule::new(REFRESH);
        let mut now = Instant::now();
        schedule.set(&set(&["a"]), REFRESH, now);
        let mut pauses = Vec::new();
        for n in 0..7 {
            assert_eq!(schedule.next(now), Next::Ask("a".into()));
            let news = (n == 0).then_some(News::Unresolved);
            assert_eq!(schedule.answer("a", ips(&[]), now), (false, news));
            let Next::Wait(Some(next)) = schedule.next(now) else {
                panic!("it is not due");
            };
            pauses.push((next - now).as_secs());
            now = next;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        let resolved = schedule.answer("a", ips(&[1]), now);
        assert_eq!(resolved, (true, Some(News::Resolved)));
    }

    #[test]
    fn the_last_addresses_stay_for_a_while_after_a_failure() {
        let mut schedule = Schedule::new(REFRESH);
        let now = Instant::now();
        schedule.set(&set(&["a"]), REFRESH, now);
        schedule.answer("a", ips(&[1]), now);
        let almost = now + KEEP - Duration::from_secs(1);
        assert_eq!(
            schedule.answer("a", ips(&[]), almost),
            (false, Some(News::Unresolved))
        );
        assert_eq!(names_of(&schedule, 1), ["a"]);
        assert_eq!(schedule.answer("a", ips(&[]), now + KEEP), (true, None));
        assert_eq!(names_of(&schedule, 1), [""; 0]);
        assert_eq!(schedule.answer("a", ips(&[]), now + KEEP), (false, None));
    }
}
