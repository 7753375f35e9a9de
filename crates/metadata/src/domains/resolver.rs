//! The threads that ask the system's resolver: `getaddrinfo` of the C library, which reads
//! `/etc/hosts` and `/etc/resolv.conf`. It does not say how long an answer is valid, so each name is
//! resolved again after a fixed period.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, ToSocketAddrs as _},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use super::{
    Domains, Names,
    schedule::{News, Next, Schedule},
};
use crate::{Counters, Notice, Notify, count};

/// Threads, so that one name that the resolver waits for does not hold up the others.
const THREADS: usize = 2;

/// Resolves the names of the rules until it is dropped.
pub struct Resolver {
    shared: Arc<Shared>,
    started: Mutex<bool>,
}

struct Shared {
    schedule: Mutex<(Schedule, mpsc::Sender<Names>)>,
    /// Says that the schedule has changed.
    changed: Condvar,
    counters: Arc<Counters>,
    notify: Notify,
}

impl Resolver {
    /// A resolver without names, and the receiver of what it finds.
    #[must_use]
    pub fn new(counters: Arc<Counters>, notify: Notify) -> (Domains, Self) {
        let (sender, updates) = mpsc::channel();
        let shared = Arc::new(Shared {
            schedule: Mutex::new((Schedule::new(Duration::MAX), sender)),
            changed: Condvar::new(),
            counters,
            notify,
        });
        let resolver = Self {
            shared,
            started: Mutex::default(),
        };
        (Domains::new(updates), resolver)
    }

    /// Sets the names to resolve, and the time between two look-ups of a name. The threads start
    /// with the first name.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn set(&self, names: &BTreeSet<Box<str>>, refresh: Duration) -> io::Result<()> {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        if names.is_empty() && !*started {
            return Ok(());
        }
        {
            let mut schedule = self.shared.schedule();
            schedule.0.set(names, refresh, Instant::now());
            let _ = schedule.1.send(schedule.0.names());
        }
        self.shared.changed.notify_all();
        if !*started {
            for _ in 0..THREADS {
                // Weak, so that the threads end when the resolver is dropped.
                let shared = Arc::downgrade(&self.shared);
                thread::Builder::new()
                    .name("resolver".into())
                    .spawn(
                        move || {
                            while shared.upgrade().is_some_and(|shared| shared.step()) {}
                        },
                    )?;
            }
            *started = true;
        }
        Ok(())
    }
}

/// Longest wait of a thread before it looks whether the resolver is still there.
const LOOK: Duration = Duration::from_mins(1);

impl Shared {
    fn schedule(&self) -> MutexGuard<'_, (Schedule, mpsc::Sender<Names>)> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves the next name, or waits for it. Returns false if nobody wants the answers any more.
    fn step(&self) -> bool {
        let now = Instant::now();
        let mut schedule = self.schedule();
        let name = match schedule.0.next(now) {
            Next::Ask(name) => name,
            Next::Wait(until) => {
                let pause = until.map_or(LOOK, |until| until - now).min(LOOK);
                drop(self.changed.wait_timeout(schedule, pause));
                return true;
            }
        };
        drop(schedule);
        let answer = resolve(&name);
        let (addresses, reason) = match answer {
            Ok(addresses) => (addresses, String::new()),
            Err(error) => (BTreeSet::new(), error.to_string()),
        };
        count(if addresses.is_empty() {
            &self.counters.domains_unresolved_total
        } else {
            &self.counters.domains_resolved_total
        });
        let mut schedule = self.schedule();
        let (changed, news) = schedule.0.answer(&name, addresses, Instant::now());
        let wanted = !changed || schedule.1.send(schedule.0.names()).is_ok();
        drop(schedule);
        // Another thread may be waiting for a time that is no longer the next one.
        self.changed.notify_one();
        match news {
            Some(News::Unresolved) => (self.notify)(Notice::DomainUnresolved { name, reason }),
            Some(News::Resolved) => (self.notify)(Notice::DomainResolved { name }),
            None => {}
        }
        wanted
    }
}

/// Most addresses of a name that are used.
const ADDRESSES_MAX: usize = 1024;

/// The addresses of a name.
fn resolve(name: &str) -> io::Result<BTreeSet<IpAddr>> {
    // The port is part of the answer only.
    let addresses = (name, 0).to_socket_addrs()?;
    let addresses = addresses.map(|address| address.ip().to_canonical());
    Ok(addresses.take(ADDRESSES_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(value) = ready() {
                return value;
            }
            assert!(Instant::now() < end, "{what}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn names_of_rules_are_resolved_and_others_are_announced_once() {
        let notices = Arc::new(Mutex::new(Vec::new()));
        let notify: Notify = {
            let notices = Arc::clone(&notices);
            Arc::new(move |notice: Notice| notices.lock().expect("unpoisoned").push(notice))
        };
        let counters = Arc::new(Counters::default());
        let (mut domains, resolver) = Resolver::new(Arc::clone(&counters), notify);
        let set = |names: &[&str]| {
            let names = names.iter().map(|name| (*name).into()).collect();
            resolver
                .set(&names, Duration::from_millis(50))
                .expect("threads start");
        };
        // No resolver needs a server for an address, and none asks one about an empty label.
        set(&["192.0.2.7", "not..a-name"]);
        let address = IpAddr::from([192, 0, 2, 7]);
        wait_for("the name", || {
            domains.update();
            (*domains.names(address) == ["192.0.2.7".into()]).then_some(())
        });
        let failures = || {
            counters
                .domains_unresolved_total
                .load(std::sync::atomic::Ordering::Relaxed)
        };
        wait_for("two failures", || (failures() > 1).then_some(()));
        let notices = notices.lock().expect("unpoisoned").clone();
        assert_eq!(notices.len(), 1, "{notices:?}");
        let text = notices[0].to_string();
        assert!(text.contains("not..a-name"), "{text}");
        set(&[]);
        wait_for("the end of the name", || {
            domains.update();
            domains.names(address).is_empty().then_some(())
        });
    }
}
