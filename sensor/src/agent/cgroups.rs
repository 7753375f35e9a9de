//! Which container each cgroup belongs to, so that names are parsed once a
//! cgroup and not once an event.

use metadata::{ContainerId, container_id};
use rustc_hash::FxHashMap;
use sensor_ebpf::{CgroupKey, task_flag};
use telemetry::Lookups;

use crate::event::Event;

/// Most cgroups that are remembered.
const MOST: usize = 16_384;

/// What a cgroup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Of the host.
    Host,
    /// Of a container.
    Container(ContainerId),
}

/// Cgroups by the kernel's key.
#[derive(Debug, Default)]
pub struct Cgroups {
    known: FxHashMap<CgroupKey, Place>,
    namespaces: Vec<String>,
    lookups: Lookups,
}

impl Cgroups {
    /// `namespaces` are the containerd namespaces whose plain containers count.
    #[must_use]
    pub fn new(namespaces: Vec<String>) -> Self {
        Self {
            known: FxHashMap::default(),
            namespaces,
            lookups: Lookups::default(),
        }
    }

    /// How many cgroups are known, and how often it was asked for one.
    #[must_use]
    pub fn figures(&self) -> (usize, Lookups) {
        (self.known.len(), self.lookups)
    }

    /// What a cgroup was found to be.
    #[must_use]
    pub fn get(&self, key: &CgroupKey) -> Option<Place> {
        self.known.get(key).copied()
    }

    /// Where a process is, and whether its cgroup is seen for the first time. None if its
    /// names end below the root: they prove nothing, so nothing is remembered.
    pub fn place(&mut self, event: &Event<'_>) -> (Option<Place>, bool) {
        let key = CgroupKey {
            node: event.task.cgroup_node,
            id: event.task.cgroup_id,
        };
        let known = self.known.get(&key);
        self.lookups.count(known.is_some());
        if let Some(place) = known {
            return (Some(*place), false);
        }
        if event.task.flags & task_flag::CGROUP_COMPLETE == 0 {
            return (None, false);
        }
        let place = match container_id(event.cgroup, &self.namespaces) {
            Some((_, id)) => Place::Container(id),
            None => Place::Host,
        };
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.insert(key, place);
        (Some(place), true)
    }
}
