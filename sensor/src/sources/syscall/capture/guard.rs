//! Compares settings and classes in the kernel with what the sensor has written, and restores them.
//!
//! A process that may write to BPF maps (root, with bpftool) could blind the sensor: by other
//! settings, or by classifying a container as the host. The sensor freezes the maps that only
//! programs write (`freeze`); this module guards the others. No other process can detach a link:
//! the links of tracepoints have no `detach` (`bpf_raw_tp_link_lops` and `bpf_perf_link_lops` of
//! `kernel/bpf/syscall.c` and `kernel/trace/bpf_trace.c`).

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;
use sensor_ebpf::{CgroupClass, CgroupKey};

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

/// The classes of cgroups that the sensor has written, which the kernel's map should still have.
#[derive(Debug, Default)]
pub(super) struct IntendedState {
    classes: FxHashMap<[u64; 2], u32>,
    /// Whether the sensor has written more classes than it has recorded here.
    forgot: bool,
}

impl IntendedState {
    /// Records a class that the sensor has written.
    pub(super) fn insert(&mut self, key: CgroupKey, class: CgroupClass) {
        if self.classes.len() >= CGROUPS_MAX {
            self.classes.clear();
            self.forgot = true;
        }
        self.classes.insert([key.node, key.id], class as u32);
    }

    /// The correction that an entry of the kernel's map needs: another class, or its removal.
    fn correct(&self, key: [u64; 2], has: u32) -> Option<Correction> {
        match self.classes.get(&key) {
            Some(class) if *class == has => None,
            Some(class) => Some(Correction::Class(*class)),
            None if self.forgot => None,
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
    use super::*;

    fn key(id: u64) -> CgroupKey {
        CgroupKey { node: 1, id }
    }

    #[test]
    fn a_changed_class_is_restored_and_an_unknown_cgroup_removed() {
        let mut intended = IntendedState::default();
        intended.insert(key(1), CgroupClass::Container);
        assert_eq!(
            intended.correct([1, 1], CgroupClass::Container as u32),
            None
        );
        assert_eq!(
            intended.correct([1, 1], CgroupClass::Host as u32),
            Some(Correction::Class(CgroupClass::Container as u32))
        );
        assert_eq!(intended.correct([1, 2], 1), Some(Correction::Remove));
    }

    #[test]
    fn no_cgroup_is_unknown_after_the_record_of_classes_overflowed() {
        let mut intended = IntendedState::default();
        for id in 0..=CGROUPS_MAX as u64 {
            intended.insert(key(id), CgroupClass::Host);
        }
        assert_eq!(intended.correct([1, 0], 1), None);
        assert_eq!(
            intended.correct([1, CGROUPS_MAX as u64], 2),
            Some(Correction::Class(1))
        );
    }
}
