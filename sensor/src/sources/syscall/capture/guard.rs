//! Compares settings and classes in the kernel with what the sensor has written, and restores them.
//!
//! A process that may write to BPF maps (root, with bpftool) could blind the sensor: by other
//! settings, or by classifying a container as the host. The sensor freezes the maps that only
//! programs write (`freeze`); this module guards the others. No other process can detach a link:
//! the links of tracepoints and of functions have no `detach` (`bpf_raw_tp_link_lops`,
//! `bpf_perf_link_lops` and `bpf_tracing_link_lops` of `kernel/bpf/syscall.c`).

use std::collections::BTreeSet;

use metadata::BoundedCache;

use super::{Capture, CaptureError, loader::SettingsWords};

/// Most entries of the `CGROUPS` map.
const CGROUPS_MAX: usize = 16_384;

/// What another process had changed and the sensor has restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tampering {
    /// The settings, or the names of wanted processes, had changed.
    pub settings: bool,
    /// The number of cgroups whose class had changed, or that the sensor had never classified.
    pub cgroups: usize,
}

impl Tampering {
    /// Whether anything had changed.
    #[must_use]
    pub fn is_any(self) -> bool {
        self != Self::default()
    }
}

/// The classes of cgroups that the sensor has written, which the kernel's map should still have, by
/// the keys of that map.
#[derive(Debug)]
pub(super) struct IntendedState(BoundedCache<[u64; 2], u32>);

impl Default for IntendedState {
    fn default() -> Self {
        Self(BoundedCache::new(CGROUPS_MAX))
    }
}

impl IntendedState {
    /// Records a class that the sensor has written. Returns the key that made room, which the
    /// kernel's map must no longer have: an unknown key there is always wrong.
    pub(super) fn insert(&mut self, key: [u64; 2], class: u32) -> Option<[u64; 2]> {
        let makes_room = self.0.is_full() && self.0.peek(&key).is_none();
        let oldest = self.0.iter().next().map(|(key, _)| *key);
        self.0.insert(key, class);
        oldest.filter(|_| makes_room)
    }

    /// The correction that an entry of the kernel's map needs: another class, or its removal.
    fn correct(&self, key: [u64; 2], has: u32) -> Option<Correction> {
        match self.0.peek(&key) {
            Some(class) if *class == has => None,
            Some(class) => Some(Correction::Class(*class)),
            None => Some(Correction::Remove),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Correction {
    Class(u32),
    Remove,
}

impl Capture {
    /// Compares the settings with those that the sensor has written, and writes them again if they
    /// differ. Makes no system call if they are equal.
    ///
    /// # Errors
    /// If the map cannot be written, because another process has frozen it.
    pub fn restore_settings(&mut self) -> Result<Tampering, CaptureError> {
        let settings: SettingsWords = std::array::from_fn(|i| self.settings_memory.word(i));
        if settings == self.applied {
            return Ok(Tampering::default());
        }
        let set = self.settings.set(0, self.applied, 0);
        set.map_err(|source| CaptureError::Map {
            map: "SETTINGS",
            source,
        })?;
        Ok(Tampering {
            settings: true,
            cgroups: 0,
        })
    }

    /// Compares the names of processes whose connects are wanted with those that the sensor has
    /// written, and writes them again if they differ. Makes two system calls for each name.
    ///
    /// # Errors
    /// If the map cannot be read or written.
    pub fn restore_names(&mut self) -> Result<Tampering, CaptureError> {
        let Some(names) = &self.request.connects.names else {
            return Ok(Tampering::default());
        };
        let has: BTreeSet<_> = self.names.keys().filter_map(Result::ok).collect();
        if has == *names {
            return Ok(Tampering::default());
        }
        let request = self.request.clone();
        self.set(&request)?;
        Ok(Tampering {
            settings: true,
            cgroups: 0,
        })
    }

    /// Compares the classes of cgroups with those that the sensor has written, and restores them.
    /// Makes two system calls for each cgroup.
    ///
    /// # Errors
    /// If the map cannot be read or written.
    pub fn restore_cgroups(&mut self) -> Result<Tampering, CaptureError> {
        let wrong = |source| CaptureError::Map {
            map: "CGROUPS",
            source,
        };
        // If the kernel evicts an entry meanwhile, this pass ends, and the next one reads the rest.
        let wrongs: Vec<_> = self
            .cgroups
            .iter()
            .take(2 * CGROUPS_MAX)
            .map_while(Result::ok)
            .filter_map(|(key, class)| Some((key, self.intended.correct(key, class)?)))
            .collect();
        for (key, correction) in &wrongs {
            match correction {
                Correction::Class(class) => self.cgroups.insert(key, class, 0).map_err(wrong)?,
                // If the kernel has evicted the entry meanwhile, nothing is left to remove.
                Correction::Remove => drop(self.cgroups.remove(key)),
            }
        }
        Ok(Tampering {
            settings: false,
            cgroups: wrongs.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use sensor_ebpf::CgroupClass;

    use super::*;

    const HOST: u32 = CgroupClass::Host as u32;
    const CONTAINER: u32 = CgroupClass::Container as u32;

    #[test]
    fn a_changed_class_is_restored_and_an_unknown_cgroup_removed() {
        let mut intended = IntendedState::default();
        intended.insert([1, 1], CONTAINER);
        assert_eq!(intended.correct([1, 1], CONTAINER), None);
        assert_eq!(
            intended.correct([1, 1], HOST),
            Some(Correction::Class(CONTAINER))
        );
        assert_eq!(intended.correct([1, 2], HOST), Some(Correction::Remove));
    }

    #[test]
    fn of_more_cgroups_than_the_map_has_room_for_the_oldest_makes_room_and_is_unknown() {
        let mut intended = IntendedState::default();
        for id in 0..CGROUPS_MAX as u64 {
            assert_eq!(intended.insert([1, id], HOST), None);
        }
        assert_eq!(intended.insert([1, 7], HOST), None, "it is there already");
        let last = [1, CGROUPS_MAX as u64];
        assert_eq!(intended.insert(last, HOST), Some([1, 0]));
        assert_eq!(intended.correct([1, 0], HOST), Some(Correction::Remove));
        assert_eq!(intended.correct([1, 1], HOST), None);
        assert_eq!(
            intended.correct(last, CONTAINER),
            Some(Correction::Class(HOST))
        );
    }
}
