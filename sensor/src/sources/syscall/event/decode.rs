//! Decodes bytes of the ring buffer to an [`Event`].

use metadata::{Names, Strings};
use sensor_ebpf::{
    ANCESTORS_MAX, Ancestor, Call, Connect, Exec, Header, Kind, Part, Task, WIRE_VERSION,
};
use zerocopy::FromBytes;

use super::{CallEvent, ConnectEvent, Detail, ExecEvent};

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The record has fewer bytes than its fixed parts and their lengths require.
    #[error("record is cut: {needed} bytes needed, {have} there")]
    Cut {
        /// Bytes needed.
        needed: usize,
        /// Bytes in the record.
        have: usize,
    },
    /// Another version of the eBPF object wrote the record.
    #[error("record has wire version {0}, expected {WIRE_VERSION}")]
    Version(u16),
    /// There is no [`Kind`] with this number.
    #[error("record is of unknown kind {0}")]
    Kind(u16),
    /// The length of the ancestors' section is no multiple of an ancestor's size.
    #[error("record has {0} bytes of ancestors")]
    Ancestors(u32),
}

/// A decoded record: fixed parts are copies, variable sections are borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// When the event happened, and on which CPU.
    pub header: Header,
    /// The kind of the event.
    pub kind: Kind,
    /// The process that caused the event.
    pub task: Task,
    /// The part of its kind.
    pub detail: Detail<'a>,
    /// Names of the process's cgroup.
    pub cgroup: Names<'a>,
    ancestors: &'a [u8],
    /// The bytes of the record.
    pub bytes: &'a [u8],
}

/// Takes pieces from the front of a record.
struct Reader<'a> {
    all: usize,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn fixed<T: FromBytes>(&mut self) -> Result<T, DecodeError> {
        let (value, rest) = T::read_from_prefix(self.rest).map_err(|_| self.cut(size_of::<T>()))?;
        self.rest = rest;
        Ok(value)
    }

    fn section(&mut self, len: u32) -> Result<&'a [u8], DecodeError> {
        let (section, rest) = self
            .rest
            .split_at_checked(len as usize)
            .ok_or_else(|| self.cut(len as usize))?;
        self.rest = rest;
        Ok(section)
    }

    fn cut(&self, len: usize) -> DecodeError {
        DecodeError::Cut {
            needed: (self.all - self.rest.len()).saturating_add(len),
            have: self.all,
        }
    }
}

impl<'a> Event<'a> {
    /// Decodes one record. Bytes behind the record are ignored (the ring buffer rounds sizes up).
    ///
    /// # Errors
    /// If the bytes are not a whole record of this version.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut r = Reader {
            all: bytes.len(),
            rest: bytes,
        };
        let header: Header = r.fixed()?;
        if header.version != WIRE_VERSION {
            return Err(DecodeError::Version(header.version));
        }
        let kind = Kind::from_raw(header.kind).ok_or(DecodeError::Kind(header.kind))?;
        let task: Task = r.fixed()?;
        let len = task.ancestors_len as usize;
        if !len.is_multiple_of(size_of::<Ancestor>()) || len > ANCESTORS_MAX * size_of::<Ancestor>()
        {
            return Err(DecodeError::Ancestors(task.ancestors_len));
        }
        let (ancestors, cgroup, detail) = match kind.part() {
            Part::Exec => {
                let fixed: Exec = r.fixed()?;
                (
                    r.section(task.ancestors_len)?,
                    Names(r.section(task.cgroup_len)?),
                    Detail::Exec(ExecEvent {
                        fixed,
                        exe: Names(r.section(fixed.exe_len)?),
                        cwd: Names(r.section(fixed.cwd_len)?),
                        filename: r.section(fixed.filename_len)?,
                        argv: Strings(r.section(fixed.argv_len)?),
                        env: Strings(r.section(fixed.env_len)?),
                    }),
                )
            }
            Part::Connect => {
                let fixed: Connect = r.fixed()?;
                (
                    r.section(task.ancestors_len)?,
                    Names(r.section(task.cgroup_len)?),
                    Detail::Connect(ConnectEvent {
                        fixed,
                        path: r.section(fixed.path_len)?,
                    }),
                )
            }
            Part::Call(call) => {
                let fixed: Call = r.fixed()?;
                (
                    r.section(task.ancestors_len)?,
                    Names(r.section(task.cgroup_len)?),
                    Detail::Call(CallEvent { call, fixed }),
                )
            }
        };
        let used = bytes.len() - r.rest.len();
        Ok(Self {
            header,
            kind,
            task,
            detail,
            cgroup,
            ancestors,
            bytes: &bytes[..used],
        })
    }

    /// The ancestors of the process, nearest first.
    #[must_use]
    pub fn ancestors(&self) -> impl ExactSizeIterator<Item = Ancestor> + use<'a> {
        self.ancestors
            .chunks_exact(size_of::<Ancestor>())
            .map(|chunk| Ancestor::read_from_bytes(chunk).unwrap_or_default())
    }

    /// The exec part, if this event is an exec.
    #[must_use]
    pub fn exec(&self) -> Option<&ExecEvent<'a>> {
        match &self.detail {
            Detail::Exec(exec) => Some(exec),
            Detail::Connect(_) | Detail::Call(_) => None,
        }
    }

    /// The connect part, if this event is a connect.
    #[must_use]
    pub fn connect(&self) -> Option<&ConnectEvent<'a>> {
        match &self.detail {
            Detail::Connect(connect) => Some(connect),
            Detail::Exec(_) | Detail::Call(_) => None,
        }
    }

    /// The plain system call, if this event is one.
    #[must_use]
    pub fn call(&self) -> Option<&CallEvent> {
        match &self.detail {
            Detail::Call(call) => Some(call),
            Detail::Exec(_) | Detail::Connect(_) => None,
        }
    }

    /// What the system call returned: 0 or more, or a negative errno.
    #[must_use]
    pub fn result(&self) -> i64 {
        match &self.detail {
            Detail::Exec(exec) => exec.fixed.result,
            Detail::Connect(connect) => connect.fixed.result,
            Detail::Call(call) => call.fixed.result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::syscall::event::builder::RecordBuilder;

    #[test]
    fn a_built_record_decodes_to_the_same() {
        let mut record = RecordBuilder::exec("/usr/bin/ls", &["ls", "-l", ""]);
        record.env = vec![b"HOME=/root".to_vec()];
        let bytes = record.in_cgroup("/kubepods/x").build();
        let event = Event::decode(&bytes).expect("a whole record");
        let exec = event.exec().expect("an exec");
        assert_eq!(event.bytes, bytes);
        assert_eq!(
            exec.argv.iter().collect::<Vec<_>>(),
            [b"ls".as_slice(), b"-l", b""]
        );
        assert_eq!(exec.env.first(), Some(b"HOME=/root".as_slice()));
        assert_eq!(exec.exe, Names(b"ls\0bin\0usr\0"));
        assert_eq!(event.cgroup, Names(b"x\0kubepods\0"));
        assert_eq!(
            event.ancestors().map(|a| a.tgid).collect::<Vec<_>>(),
            [999, 1]
        );
    }

    #[test]
    fn a_built_record_of_each_plain_system_call_decodes_to_the_same() {
        for call in sensor_ebpf::SystemCall::ALL {
            let record = RecordBuilder::call(call.kind, -1, [7, 8]).in_cgroup("/kubepods/x");
            let bytes = record.build();
            let event = Event::decode(&bytes).expect("a whole record");
            let decoded = event.call().expect("a plain system call");
            assert_eq!((event.kind, event.result()), (call.kind, -1));
            assert_eq!(decoded.call.name, call.name);
            assert_eq!(decoded.fixed.arguments, [7, 8, 0, 0, 0]);
            assert_eq!(event.cgroup, Names(b"x\0kubepods\0"));
            assert_eq!(event.bytes, bytes);
            assert!(event.exec().is_none() && event.connect().is_none());
        }
    }

    #[test]
    fn every_prefix_of_a_record_is_cut() {
        for record in [
            RecordBuilder::exec("/bin/sh", &["sh"]),
            RecordBuilder::connect(Connect::default()),
            RecordBuilder::call(Kind::Setns, 0, [3, 0]),
        ] {
            let bytes = record.build();
            for end in 0..bytes.len() {
                let cut = Event::decode(&bytes[..end]);
                assert!(matches!(cut, Err(DecodeError::Cut { .. })), "{end}");
            }
        }
    }

    #[test]
    fn another_version_is_refused() {
        let mut bytes = RecordBuilder::exec("/bin/sh", &["sh"]).build();
        bytes[6] = 0xff;
        assert!(matches!(
            Event::decode(&bytes),
            Err(DecodeError::Version(_))
        ));
    }

    #[test]
    fn an_unknown_kind_is_refused() {
        let mut bytes = RecordBuilder::exec("/bin/sh", &["sh"]).build();
        bytes[4] = 77;
        assert_eq!(Event::decode(&bytes).err(), Some(DecodeError::Kind(77)));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(flips in proptest::collection::vec((0usize..900, 0u8..), 0..40)) {
            let mut bytes = RecordBuilder::exec("/bin/sh", &["sh", "-c", "true"]).in_cgroup("/a/b").build();
            for (at, value) in flips {
                let n = bytes.len();
                bytes[at % n] = value;
            }
            if let Ok(event) = Event::decode(&bytes) {
                proptest::prop_assert!(event.bytes.len() <= bytes.len());
                let _ = event.ancestors().count();
            }
        }
    }
}
