//! Which container each cgroup belongs to, so that the sensor parses a cgroup's names once and not
//! for each event.

use metadata::{BoundedCache, CgroupPlace, ContainerId, Node};
use sensor_ebpf::{CgroupClass, CgroupKey, task_flag};
use telemetry::Lookups;

use crate::sources::syscall::event::Event;

/// Most cgroups in the cache.
const MOST: usize = 16_384;

/// To whom a cgroup belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupOwner {
    /// To the host.
    Host,
    /// To a container.
    Container(ContainerId),
    /// To another node on the same kernel.
    OtherNode,
}

impl CgroupOwner {
    /// The class of an event's cgroup, which belongs to this owner, for the kernel side.
    pub(super) fn class_of(self, event: &Event<'_>) -> (CgroupKey, CgroupClass) {
        let key = CgroupKey {
            node: event.task.cgroup_node,
            id: event.task.cgroup_id,
        };
        let class = match self {
            Self::Host => CgroupClass::Host,
            Self::Container(_) => CgroupClass::Container,
            Self::OtherNode => CgroupClass::OtherNode,
        };
        (key, class)
    }
}

/// The owners of cgroups, by the kernel's key.
#[derive(Debug)]
pub struct Cgroups {
    known: BoundedCache<CgroupKey, CgroupOwner>,
    node: Node,
    namespaces: Vec<String>,
}

impl Cgroups {
    /// `node` says which cgroups are the node's; `namespaces` are the containerd namespaces whose
    /// containers count even outside of pods.
    #[must_use]
    pub fn new(node: Node, namespaces: Vec<String>) -> Self {
        Self {
            known: BoundedCache::new(MOST),
            node,
            namespaces,
        }
    }

    /// The node whose cgroups these are.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The number of known cgroups, and how often events looked one up.
    #[must_use]
    pub fn figures(&self) -> (usize, Lookups) {
        (self.known.len(), self.known.lookups())
    }

    /// The owner of a cgroup, if the cache has it.
    #[must_use]
    pub fn get(&self, key: &CgroupKey) -> Option<CgroupOwner> {
        self.known.peek(key).copied()
    }

    /// The owner of an event's cgroup, and whether the cache did not have the cgroup (because the
    /// event is its first, or because the cache had dropped it). The owner is none if the cgroup's
    /// names end below the root: such names prove nothing, so the cache does not keep them.
    pub fn owner(&mut self, event: &Event<'_>) -> (Option<CgroupOwner>, bool) {
        let key = CgroupKey {
            node: event.task.cgroup_node,
            id: event.task.cgroup_id,
        };
        if let Some(owner) = self.known.get(&key) {
            return (Some(*owner), false);
        }
        if event.task.flags & task_flag::CGROUP_COMPLETE == 0 {
            return (None, false);
        }
        let owner = match self.node.place(event.cgroup, &self.namespaces) {
            CgroupPlace::Container(_, id) => CgroupOwner::Container(id),
            CgroupPlace::Host => CgroupOwner::Host,
            CgroupPlace::Other => CgroupOwner::OtherNode,
        };
        self.known.insert(key, owner);
        (Some(owner), true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::syscall::event::builder::RecordBuilder;

    /// The owner of a cgroup after an event in it. Even ids are containers, odd ids are cgroups of
    /// the host.
    fn owner(cgroups: &mut Cgroups, id: u64) -> (Option<CgroupOwner>, bool) {
        let path = match id % 2 {
            0 => format!("/kubepods/pod{id}/{id:064x}"),
            _ => format!("/system.slice/unit{id}.service"),
        };
        let mut record = RecordBuilder::exec("/bin/true", &["true"]).in_cgroup(&path);
        record.task.cgroup_id = id;
        let bytes = record.build();
        cgroups.owner(&Event::decode(&bytes).expect("a record"))
    }

    fn expected(id: u64) -> CgroupOwner {
        match id % 2 {
            0 => CgroupOwner::Container(ContainerId::new(format!("{id:064x}").as_bytes()).unwrap()),
            _ => CgroupOwner::Host,
        }
    }

    #[test]
    fn a_flood_of_new_cgroups_leaves_those_in_use_and_a_dropped_one_is_found_again() {
        let mut cgroups = Cgroups::new(Node::default(), vec!["k8s.io".into()]);
        for id in 1..=20 {
            assert_eq!(owner(&mut cgroups, id), (Some(expected(id)), true));
        }
        for id in 100..100 + 2 * MOST as u64 {
            assert_eq!(owner(&mut cgroups, id), (Some(expected(id)), true));
            if id % 1000 == 0 {
                for used in 1..=10 {
                    assert_eq!(owner(&mut cgroups, used), (Some(expected(used)), false));
                }
            }
        }
        assert_eq!(cgroups.known.len(), MOST);
        for unused in 11..=20 {
            let again = owner(&mut cgroups, unused);
            assert_eq!(again, (Some(expected(unused)), true));
        }
    }
}
