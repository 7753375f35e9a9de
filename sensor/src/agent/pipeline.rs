//! decode → identify → enrich → evaluate → format, for one record at a time.

use std::path::Path;

use bumpalo::Bump;
use sensor_ebpf::{CgroupClass, CgroupKey};

use super::{Cgroups, RuleSet, cgroups::Place};
use crate::{
    capture::Clock,
    enrich::{ContainerState, Lineage, Users},
    event::Event,
    fields::{Context, Memo},
    output::{AlertFormat, AlertOptions, AlertScratch},
};

/// What became of the records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records taken out of the ring buffer.
    pub received: u64,
    /// Records that could not be decoded.
    pub undecodable: u64,
    /// Of a host cgroup that the kernel did not know yet to be one.
    pub filtered: u64,
    /// Events that no rule matched.
    pub unmatched: u64,
    /// Events that a rule matched.
    pub matched: u64,
    /// Lines made of them.
    pub lines: u64,
}

/// Everything that the capture thread owns.
pub struct Pipeline {
    rules: RuleSet,
    formats: Vec<AlertFormat>,
    cgroups: Cgroups,
    lineage: Lineage,
    users: Users,
    clock: Clock,
    arena: Bump,
    scratch: AlertScratch,
    hostname: String,
    boot_id: u64,
    want_host: bool,
    counts: Counts,
}

impl Pipeline {
    /// A pipeline that evaluates `rules`.
    #[must_use]
    pub fn new(rules: RuleSet, options: AlertOptions, hostname: String) -> Self {
        let formats = rules
            .rules()
            .iter()
            .map(|rule| AlertFormat::new(rule, options))
            .collect();
        let mut lineage = Lineage::new();
        lineage.scan(Path::new("/proc"));
        Self {
            want_host: rules.want_host(),
            rules,
            formats,
            cgroups: Cgroups::new(vec!["default".into(), "k8s.io".into(), "moby".into()]),
            lineage,
            users: Users::default(),
            clock: Clock::new(),
            arena: Bump::new(),
            scratch: AlertScratch::default(),
            hostname,
            boot_id: 0,
            counts: Counts::default(),
        }
    }

    /// What became of the records so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// To be called once before each batch.
    pub fn begin_batch(&mut self) {
        self.clock.refresh();
    }

    /// Takes one record; appends the lines that it makes. Gives what the kernel
    /// should know of the record's cgroup, if it does not yet.
    pub fn process(
        &mut self,
        record: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<(CgroupKey, CgroupClass)> {
        self.counts.received += 1;
        let event = match Event::decode(record) {
            Ok(event) => event,
            Err(_) => {
                self.counts.undecodable += 1;
                return None;
            }
        };
        self.lineage.observe(&event);
        let (place, new) = self.cgroups.place(&event);
        let answer = new.then(|| {
            let key = CgroupKey {
                node: event.task.cgroup_node,
                id: event.task.cgroup_id,
            };
            (
                key,
                match place {
                    Place::Host => CgroupClass::Host,
                    Place::Container(_) => CgroupClass::Container,
                },
            )
        });
        if place == Place::Host && !self.want_host {
            self.counts.filtered += 1;
            return answer;
        }
        let container = match place {
            Place::Host => ContainerState::Host,
            Place::Container(id) => ContainerState::Unknown(id),
        };
        self.evaluate(&event, container, out);
        answer
    }

    fn evaluate(&mut self, event: &Event<'_>, _container: ContainerState<'_>, out: &mut Vec<u8>) {
        let Self {
            rules,
            formats,
            lineage,
            users,
            clock,
            arena,
            scratch,
            hostname,
            boot_id,
            counts,
            ..
        } = self;
        arena.reset();
        let boot_to_utc = clock.boot_to_utc();
        let context = Context {
            event,
            arena,
            number: counts.received,
            time: event.header.time.saturating_add_signed(boot_to_utc),
            boot_to_utc,
            hostname,
            boot_id: *boot_id,
            container: _container,
            lineage,
            users,
            memo: Memo::default(),
        };
        let mut lines = 0;
        rules.evaluate(&context, &mut |index, rule| {
            if let Some(format) = formats.get(index) {
                format.write(rule, &context, scratch, out);
                lines += 1;
            }
        });
        if lines == 0 {
            counts.unmatched += 1;
        } else {
            counts.matched += 1;
            counts.lines += lines;
        }
    }
}
