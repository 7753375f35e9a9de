//! Bytes of the ring buffer → [`Event`].

use sensor_ebpf::{ANCESTORS_MAX, Ancestor, Connect, Exec, Header, Kind, Task, WIRE_VERSION};
use zerocopy::FromBytes;

use super::{ConnectEvent, Detail, ExecEvent, Names, Strings};

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Fewer bytes than the fixed parts and the lengths that they give.
    #[error("record is cut: {needed} bytes needed, {have} there")]
    Cut {
        /// Bytes needed.
        needed: usize,
        /// Bytes there.
        have: usize,
    },
    /// Written by another version of the eBPF object.
    #[error("record has wire version {0}, expected {WIRE_VERSION}")]
    Version(u16),
    /// No such [`Kind`].
    #[error("record is of unknown kind {0}")]
    Kind(u16),
    /// The ancestors' section is not a whole number of ancestors.
    #[error("record has {0} bytes of ancestors")]
    Ancestors(u32),
}

/// A record, its fixed parts copied out, its variable sections borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// When and where.
    pub header: Header,
    /// What kind of event.
    pub kind: Kind,
    /// The process that did it.
    pub task: Task,
    /// What it did.
    pub detail: Detail<'a>,
    /// Names of the process's cgroup.
    pub cgroup: Names<'a>,
    ancestors: &'a [u8],
    /// The record.
    pub bytes: &'a [u8],
}

/// Takes pieces off the front of a record.
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
    /// Decodes one record. Bytes behind it are ignored (the ring buffer rounds up).
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
        let (ancestors, cgroup, detail) = match kind {
            Kind::Exec | Kind::ExecFailed => {
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
            Kind::Connect => {
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

    /// The processes above this one, nearest first.
    pub fn ancestors(&self) -> impl ExactSizeIterator<Item = Ancestor> + use<'a> {
        self.ancestors
            .chunks_exact(size_of::<Ancestor>())
            .map(|chunk| Ancestor::read_from_bytes(chunk).unwrap_or_default())
    }

    /// The exec part, if this is an exec.
    #[must_use]
    pub fn exec(&self) -> Option<&ExecEvent<'a>> {
        match &self.detail {
            Detail::Exec(exec) => Some(exec),
            Detail::Connect(_) => None,
        }
    }

    /// The connect part, if this is a connect.
    #[must_use]
    pub fn connect(&self) -> Option<&ConnectEvent<'a>> {
        match &self.detail {
            Detail::Connect(connect) => Some(connect),
            Detail::Exec(_) => None,
        }
    }
}
