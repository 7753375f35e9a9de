//! What the kernel side was told is still what it was told.
//!
//! Whoever may write to maps of BPF (root, with bpftool) can blind the sensor: by its
//! settings, or by telling that a container is the host. What only programs write is frozen
//! (`freeze`); this is about the rest. A link cannot be detached from
//! outside: tracepoints' links refuse it (`bpf_raw_tp_link_lops` and `bpf_perf_link_lops` of
//! `kernel/bpf/syscall.c` and `kernel/trace/bpf_trace.c` have no `detach`).

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;
use sensor_ebpf::{CgroupClass, CgroupKey};

use super::{Capture, CaptureError, loader::SettingsWords};

/// Entries of the `CGROUPS` map.
const CGROUPS_MAX: usize = 16_384;

/// What others had changed, and what was put right again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tampering {
    /// The settings, or the names of wanted processes, were others.
    pub settings: bool,
    /// Cgroups were of another class, or had none to be of.
    pub cgroups: usize,
}

impl Tampering {
    /// Whether anything was changed.
    #[must_use]
    pub fn is_any(self) -> bool {
        self != Self::default()
    }
}

/// What the kernel was told of cgroups.
#[derive(Debug, Default)]
pub(super) struct IntendedState {
    classes: FxHashMap<[u64; 2], u32>,
    /// More was told than is remembered here.
    forgot: bool,
}

impl IntendedState {
    /// Remembers what is told.
    pub(super) fn insert(&mut self, key: CgroupKey, class: CgroupClass) {
        if self.classes.len() >= CGROUPS_MAX {
            self.classes.clear();
            self.forgot = true;
        }
        self.classes.insert([key.node, key.id], class as u32);
    }

    /// What the kernel should have for an entry that it has: another class, or none at all.
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
    /// Compares the settings with what they were set to, and sets them again if they
    /// differ. No system call, if they do not.
    ///
    /// # Errors
    /// If the map cannot be written: somebody has frozen it.
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

    /// Compares the names of processes whose connects are wanted with what the kernel
    /// was told, and tells it again if they differ. Two system calls for each of them.
    ///
    /// # Errors
    /// If the map cannot be read or written.
    pub fn restore_names(&mut self) -> Result<Tampering, CaptureError> {
        let Some(names) = &self.request.connect_names else {
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

    /// Compares the classes of cgroups with what the kernel was told. Two system calls
    /// for each of them.
    ///
    /// # Errors
    /// If the map cannot be read or written.
    pub fn restore_cgroups(&mut self) -> Result<Tampering, CaptureError> {
        let wrong = |source| CaptureError::Map {
            map: "CGROUPS",
            source,
        };
        // An entry that the kernel evicts meanwhile ends the pass: the next one sees the rest.
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
                // Evicted meanwhile: just as well.
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
    fn another_class_is_put_right_and_a_stranger_removed() {
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
    fn who_has_forgotten_takes_nobody_for_a_stranger() {
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
