//! Long environments: what the record of an exec has no room for comes before the record, in parts.
//!
//! The kernel side copies an environment when the exec has succeeded and the new program has not run
//! yet. So the sensor sees what the kernel gave to the program, whatever the program does to its
//! memory afterwards, also if it ends at once; `/proc/PID/environ` shows neither.

use std::mem::{offset_of, take};

use metadata::SECOND;
use sensor_ebpf::{ENV_PART, Exec, Header, Task, WIRE_VERSION};
use zerocopy::{FromBytes as _, IntoBytes as _};

use crate::sources::syscall::{
    event::{Event, exec_flag},
    lineage::{STRINGS_MAX, Variables},
};

/// Most bytes of parts that wait for their records.
const BYTES_MAX: usize = 32 << 20;
/// Most bytes of memory that are kept for the next environment.
const KEPT: usize = 64 << 10;
/// Bytes of a record before its variable sections.
const FIXED: usize = size_of::<Header>() + size_of::<Task>() + size_of::<Exec>();

/// The parts of one environment.
struct Parts {
    tgid: u32,
    time: u64,
    /// Where the first part begins, in bytes from the start of the environment.
    start: u64,
    bytes: Vec<u8>,
}

/// The parts whose records are still to come.
#[derive(Default)]
pub(super) struct Environments {
    parts: Vec<Parts>,
    /// The memory of the last whole record.
    memory: Vec<u8>,
}

impl Environments {
    /// Takes a record that is a part of an environment. Returns false for any other record.
    pub(super) fn take(&mut self, record: &[u8]) -> bool {
        let Ok((header, rest)) = Header::read_from_prefix(record) else {
            return false;
        };
        if header.kind != ENV_PART || header.version != WIRE_VERSION {
            return false;
        }
        if let Ok((task, rest)) = Task::read_from_prefix(rest)
            && let Ok((exec, rest)) = Exec::read_from_prefix(rest)
            && let Some(bytes) = rest.get(..exec.env_len as usize)
        {
            self.add(task.tgid, &header, bytes);
        }
        true
    }

    fn add(&mut self, tgid: u32, header: &Header, bytes: &[u8]) {
        let (time, at) = (header.time, header.number);
        let same = |parts: &&mut Parts| parts.tgid == tgid && parts.time == time;
        if let Some(parts) = self.parts.iter_mut().find(same) {
            // A gap shows at the end: the parts are fewer bytes than the environment.
            parts.bytes.extend_from_slice(bytes);
            return;
        }
        // The record of an exec follows its parts at once; where it does not, it was lost.
        self.parts.retain(|parts| parts.time + SECOND > time);
        let mut waiting: usize = self.parts.iter().map(|parts| parts.bytes.len()).sum();
        while waiting > BYTES_MAX {
            waiting -= self.parts.remove(0).bytes.len();
        }
        self.parts.push(Parts {
            tgid,
            time,
            start: at,
            bytes: bytes.to_vec(),
        });
    }

    /// The record of an exec with the whole environment, or with all of the variables that rules
    /// name; none if the record has that already. Give the memory back by [`Self::give_back`].
    pub(super) fn whole(
        &mut self,
        event: &Event<'_>,
        variables: Option<&Variables>,
    ) -> Option<Vec<u8>> {
        let exec = event.exec()?;
        let in_parts = exec.fixed.flags & exec_flag::ENV_IN_PARTS != 0;
        if !in_parts && exec.env.0.len() <= STRINGS_MAX {
            return None;
        }
        let mut fixed = exec.fixed;
        let mut env = Vec::new();
        if in_parts {
            let (tgid, time) = (event.task.tgid, event.header.time);
            let is = |parts: &Parts| parts.tgid == tgid && parts.time == time;
            let found = self.parts.iter().position(is);
            let rest = found.map(|at| self.parts.swap_remove(at));
            let rest = rest.filter(|rest| rest.start == exec.env.0.len() as u64);
            env = rest.map(|rest| rest.bytes).unwrap_or_default();
            env.splice(0..0, exec.env.0.iter().copied());
            if env.len() as u64 != fixed.env_size {
                fixed.flags |= exec_flag::ENV_TRUNCATED;
            }
            fixed.flags &= !exec_flag::ENV_IN_PARTS;
        } else {
            env.extend_from_slice(exec.env.0);
        }
        let mut record = take(&mut self.memory);
        record.clear();
        let before = event.bytes.len() - exec.env.0.len();
        record.extend_from_slice(&event.bytes[..before]);
        if let Some(variables) = variables {
            variables.select(&env, &mut record);
        }
        fixed.env_len = u32::try_from(record.len() - before).ok()?;
        let len = u32::try_from(record.len()).ok()?;
        let at = offset_of!(Header, len);
        record[at..at + size_of::<u32>()].copy_from_slice(&len.to_ne_bytes());
        record[FIXED - size_of::<Exec>()..FIXED].copy_from_slice(fixed.as_bytes());
        Some(record)
    }

    /// Takes the memory of a record back.
    pub(super) fn give_back(&mut self, mut record: Vec<u8>) {
        record.clear();
        record.shrink_to(KEPT);
        self.memory = record;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::syscall::event::builder::RecordBuilder;

    /// The bytes of an environment.
    fn bytes(env: &[&str]) -> Vec<u8> {
        env.iter()
            .flat_map(|v| [v.as_bytes(), b"\0"].concat())
            .collect()
    }

    /// What the kernel side sends of an exec whose record has the first `limit` bytes of its
    /// environment: parts of at most `most` bytes, then the record.
    fn sent(env: &[u8], limit: usize, most: usize) -> (Vec<Vec<u8>>, Vec<u8>) {
        let mut builder = RecordBuilder::exec("/bin/sh", &["sh"]);
        builder.exec.env_size = env.len() as u64;
        builder.exec.flags |= exec_flag::ENV_IN_PARTS;
        let plain = builder.build();
        let with = |header: (u16, u64), env: &[u8]| {
            let mut record = plain.clone();
            let (mut head, _) = Header::read_from_prefix(&plain).unwrap();
            (head.kind, head.number) = header;
            head.len = u32::try_from(record.len() + env.len()).unwrap();
            record[..size_of::<Header>()].copy_from_slice(head.as_bytes());
            let at = FIXED - size_of::<Exec>();
            let (mut exec, _) = Exec::read_from_prefix(&record[at..]).unwrap();
            exec.env_len = u32::try_from(env.len()).unwrap();
            record[at..FIXED].copy_from_slice(exec.as_bytes());
            record
        };
        let mut parts = Vec::new();
        for (n, part) in env[limit..].chunks(most).enumerate() {
            let mut record = with((ENV_PART, (limit + n * most) as u64), part);
            record.truncate(FIXED);
            record.extend_from_slice(part);
            parts.push(record);
        }
        let mut record = with((0, 0), &env[..limit]);
        record.extend_from_slice(&env[..limit]);
        (parts, record)
    }

    /// The environment of the whole record, and whether it is cut.
    fn seen(parts: &[Vec<u8>], record: &[u8], variables: &Variables) -> (Vec<u8>, bool) {
        let mut environments = Environments::default();
        for part in parts {
            assert!(environments.take(part));
        }
        assert!(!environments.take(record));
        let event = Event::decode(record).unwrap();
        let whole = environments.whole(&event, Some(variables)).unwrap();
        let event = Event::decode(&whole).unwrap();
        let exec = event.exec().unwrap();
        assert_eq!(event.bytes.len(), event.header.len as usize);
        let cut = exec.fixed.flags & exec_flag::ENV_TRUNCATED != 0;
        (exec.env.0.to_vec(), cut)
    }

    fn named(names: &[&str]) -> Variables {
        Variables {
            all: false,
            names: names.iter().map(|name| (*name).into()).collect(),
        }
    }

    const ALL: Variables = Variables {
        all: true,
        names: std::collections::BTreeSet::new(),
    };

    #[test]
    fn parts_and_record_are_the_whole_environment_wherever_they_meet() {
        let env = bytes(&[
            "A=1",
            "LONG=xxxxxxxxxxxxxxxxx",
            "",
            "LD_PRELOAD=/e.so",
            "Z=",
        ]);
        for limit in 1..env.len() {
            for most in [1, 3, 7, 1000] {
                let (parts, record) = sent(&env, limit, most);
                assert_eq!(seen(&parts, &record, &ALL), (env.clone(), false));
                let named = seen(&parts, &record, &named(&["LD_PRELOAD", "Z"]));
                assert_eq!(named, (b"LD_PRELOAD=/e.so\0Z=\0".to_vec(), false));
            }
        }
    }

    #[test]
    fn an_environment_of_which_a_part_is_missing_is_cut() {
        let env = bytes(&["A=1", "B=22222222", "C=3"]);
        let (parts, record) = sent(&env, 4, 4);
        for missing in 0..parts.len() {
            let mut parts = parts.clone();
            parts.remove(missing);
            assert!(seen(&parts, &record, &ALL).1, "{missing}");
        }
        let (there, cut) = seen(&[], &record, &ALL);
        assert_eq!((there, cut), (b"A=1\0".to_vec(), true));
    }

    #[test]
    fn parts_whose_record_never_comes_are_dropped() {
        let env = bytes(&["A=1", &format!("B={}", "x".repeat(1 << 20))]);
        let (parts, _) = sent(&env, 4, 32 << 10);
        let mut environments = Environments::default();
        for lost in 0..100_u64 {
            for part in &parts {
                let mut part = part.clone();
                let (mut header, _) = Header::read_from_prefix(&part).unwrap();
                header.time += lost * 1000;
                part[..size_of::<Header>()].copy_from_slice(header.as_bytes());
                assert!(environments.take(&part));
            }
        }
        let bytes: usize = environments.parts.iter().map(|p| p.bytes.len()).sum();
        assert!(bytes <= BYTES_MAX + (2 << 20), "{bytes}");
        let mut late = parts[0].clone();
        let (mut header, _) = Header::read_from_prefix(&late).unwrap();
        header.time += 2 * SECOND;
        late[..size_of::<Header>()].copy_from_slice(header.as_bytes());
        assert!(environments.take(&late));
        assert_eq!(environments.parts.len(), 1);
    }

    #[test]
    fn a_part_that_is_cut_is_left_out() {
        let env = bytes(&["A=1", "B=2"]);
        let (parts, record) = sent(&env, 4, 4);
        for end in 0..parts[0].len() {
            let mut environments = Environments::default();
            environments.take(&parts[0][..end]);
            let event = Event::decode(&record).unwrap();
            let whole = environments.whole(&event, Some(&ALL)).unwrap();
            let exec = *Event::decode(&whole).unwrap().exec().unwrap();
            assert_ne!(exec.fixed.flags & exec_flag::ENV_TRUNCATED, 0, "{end}");
        }
    }
}
