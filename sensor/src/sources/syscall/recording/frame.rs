//! Frames: the parts of a recording, in the order in which a reader needs them.
//!
//! A frame is its kind (a byte), the length of its content (four bytes), and the content. Numbers are
//! little-endian. A reader leaves out frames of kinds that it does not know.

use std::net::IpAddr;

use metadata::{Container, ContainerId, Names, Strings};
use sensor_ebpf::Exec;
use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes as _, IntoBytes as _};

use super::said::{Captured, KindCounts, OwnFrame, ThrottledFrame};
use crate::sources::syscall::lineage::{Key, Program};

/// The number of a container that stands for the host.
const HOST: u32 = 0;
/// The number that stands for a container of which only the id is known.
const UNKNOWN: u32 = u32::MAX;
/// Flags of a program: it has the facts of its exec, its environment is not whole.
const HAS_EXEC: u8 = 1;
const ENV_CUT: u8 = 2;

/// What a recording is of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Header {
    /// Version of the sensor that made the recording.
    pub sensor: String,
    /// Version of the records of events, see [`sensor_ebpf::WIRE_VERSION`].
    pub wire: u16,
    /// The machine's architecture, whose byte order the records have.
    pub arch: String,
    /// `hostname` of lines.
    pub hostname: String,
    /// The kernel's id of the boot.
    pub boot_id: String,
    /// When the recording began, nanoseconds since the epoch.
    pub began: u64,
}

/// Where an event happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// On the host.
    Host,
    /// In the container with that number, see [`Frame::Container`].
    Container(u32),
    /// In a container of which only the id is known.
    Unknown(ContainerId),
}

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventFrame<'a> {
    /// `evt.num`.
    pub number: u64,
    /// The number to add to nanoseconds since boot, to get nanoseconds since the epoch.
    pub boot_to_utc: i64,
    /// Where the event happened.
    pub place: Where,
    /// The record of the ring buffer, with the whole environment.
    pub record: &'a [u8],
}

/// A user or a group; without texts if the number has no name any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerFrame {
    /// The container; none: the host.
    pub container: Option<ContainerId>,
    /// The number in the initial user namespace.
    pub number: u32,
    /// Whether it is a group.
    pub is_group: bool,
    /// Name, home directory and login shell.
    pub texts: Option<[Box<str>; 3]>,
}

/// A frame.
#[derive(Clone, Debug)]
pub enum Frame<'a> {
    /// The first frame.
    Header(Header),
    /// An event.
    Event(EventFrame<'a>),
    /// What is known of a program from here on; none if it is not known any more.
    Program(Key, Option<Program<'a>>),
    /// The description of the container with that number from here on.
    Container(u32, Box<Container>),
    /// What is known of a user or a group from here on.
    Owner(OwnerFrame),
    /// The names of an address from here on.
    Domain(IpAddr, Box<[Box<str>]>),
    /// The counts of all kinds.
    Counts(Vec<KindCounts>),
    /// The recording lacks that many events here. What former frames say of programs, containers,
    /// users, groups and addresses does not hold any more.
    Gap(u64),
    /// The record of the next event, an exec, does not bring its program: what the other frames say of
    /// that program holds.
    Apart,
    /// A line that the sensor wrote about itself here.
    Own(OwnFrame),
    /// The kinds of events that the sensor captures from here on.
    Captured(Captured),
    /// The throttled events of places, as far as they can be told apart.
    Throttled(Vec<ThrottledFrame>),
}

/// The kinds of frames.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Kind {
    Header = 1,
    Event = 2,
    Program = 3,
    NoProgram = 4,
    Container = 5,
    Owner = 6,
    Domain = 7,
    Counts = 8,
    Gap = 9,
    Apart = 10,
    Own = 11,
    Captured = 12,
    Throttled = 13,
}

const KINDS: [Kind; 13] = [
    Kind::Header,
    Kind::Event,
    Kind::Program,
    Kind::NoProgram,
    Kind::Container,
    Kind::Owner,
    Kind::Domain,
    Kind::Counts,
    Kind::Gap,
    Kind::Apart,
    Kind::Own,
    Kind::Captured,
    Kind::Throttled,
];

/// Why bytes are no frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The frame, or a part of its content, has fewer bytes than it says.
    #[error("a frame is cut")]
    Cut,
    /// The content is not what frames of that kind have.
    #[error("a frame of kind {0} has wrong content: {1}")]
    Content(u8, String),
}

impl Frame<'_> {
    /// Appends the frame.
    pub fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 5]);
        let kind = match self {
            Self::Header(header) => json(out, Kind::Header, header),
            Self::Event(event) => {
                event.write(out);
                Kind::Event
            }
            Self::Program(key, None) => {
                out.extend_from_slice(key.as_bytes());
                Kind::NoProgram
            }
            Self::Program(key, Some(program)) => {
                out.extend_from_slice(key.as_bytes());
                write_program(program, out);
                Kind::Program
            }
            Self::Container(number, container) => json(out, Kind::Container, &(number, container)),
            Self::Owner(owner) => json(out, Kind::Owner, owner),
            Self::Domain(address, names) => json(out, Kind::Domain, &(address, names)),
            Self::Counts(counts) => json(out, Kind::Counts, counts),
            Self::Captured(captured) => json(out, Kind::Captured, captured),
            Self::Throttled(places) => json(out, Kind::Throttled, places),
            Self::Gap(events) => {
                out.extend_from_slice(&events.to_le_bytes());
                Kind::Gap
            }
            Self::Apart => Kind::Apart,
            Self::Own(own) => json(out, Kind::Own, own),
        };
        let len = u32::try_from(out.len() - start - 5).unwrap_or(u32::MAX);
        out[start] = kind as u8;
        out[start + 1..start + 5].copy_from_slice(&len.to_le_bytes());
    }

    /// Takes the next frame from the front of `bytes`; none at their end.
    ///
    /// # Errors
    /// If the bytes are no frames of this version.
    pub fn read<'b>(bytes: &mut &'b [u8]) -> Result<Option<Frame<'b>>, FrameError> {
        loop {
            let Some((&number, _)) = bytes.split_first() else {
                return Ok(None);
            };
            let mut rest = Rest(&bytes[1..]);
            let len = rest.number::<4>().map(u32::from_le_bytes)?;
            let content = rest.bytes(len as usize)?;
            *bytes = rest.0;
            if let Some(kind) = KINDS.into_iter().find(|kind| *kind as u8 == number) {
                return read_content(kind, content).map(Some);
            }
        }
    }
}

fn read_content(kind: Kind, content: &[u8]) -> Result<Frame<'_>, FrameError> {
    let mut rest = Rest(content);
    Ok(match kind {
        Kind::Header => Frame::Header(rest.json(kind)?),
        Kind::Event => Frame::Event(EventFrame::read(rest)?),
        Kind::Program => {
            let key = rest.key()?;
            Frame::Program(key, Some(read_program(rest)?))
        }
        Kind::NoProgram => Frame::Program(rest.key()?, None),
        Kind::Container => {
            let (number, container) = rest.json(kind)?;
            Frame::Container(number, container)
        }
        Kind::Owner => Frame::Owner(rest.json(kind)?),
        Kind::Domain => {
            let (address, names) = rest.json(kind)?;
            Frame::Domain(address, names)
        }
        Kind::Counts => Frame::Counts(rest.json(kind)?),
        Kind::Captured => Frame::Captured(rest.json(kind)?),
        Kind::Throttled => Frame::Throttled(rest.json(kind)?),
        Kind::Gap => Frame::Gap(u64::from_le_bytes(rest.number()?)),
        Kind::Apart => Frame::Apart,
        Kind::Own => Frame::Own(rest.json(kind)?),
    })
}

fn json(out: &mut Vec<u8>, kind: Kind, value: &impl Serialize) -> Kind {
    // Writing to memory cannot fail, and each value here has texts as keys.
    let _ = serde_json::to_writer(out, value);
    kind
}

impl<'a> EventFrame<'a> {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.boot_to_utc.to_le_bytes());
        let number = match self.place {
            Where::Host => HOST,
            Where::Container(number) => number,
            Where::Unknown(_) => UNKNOWN,
        };
        out.extend_from_slice(&number.to_le_bytes());
        if let Where::Unknown(id) = self.place {
            let id = id.full().as_bytes();
            out.push(u8::try_from(id.len()).unwrap_or_default());
            out.extend_from_slice(id);
        }
        out.extend_from_slice(self.record);
    }

    fn read(mut rest: Rest<'a>) -> Result<Self, FrameError> {
        let number = u64::from_le_bytes(rest.number()?);
        let boot_to_utc = i64::from_le_bytes(rest.number()?);
        let place = match u32::from_le_bytes(rest.number()?) {
            HOST => Where::Host,
            UNKNOWN => {
                let [len] = rest.number()?;
                let id = ContainerId::new(rest.bytes(len.into())?);
                let wrong = || FrameError::Content(Kind::Event as u8, "no id".to_owned());
                Where::Unknown(id.ok_or_else(wrong)?)
            }
            number => Where::Container(number),
        };
        Ok(Self {
            number,
            boot_to_utc,
            place,
            record: rest.0,
        })
    }
}

fn write_program(program: &Program<'_>, out: &mut Vec<u8>) {
    let has_exec = if program.exec.is_some() { HAS_EXEC } else { 0 };
    let env_cut = if program.env_cut { ENV_CUT } else { 0 };
    out.push(has_exec | env_cut);
    if let Some(exec) = &program.exec {
        out.extend_from_slice(exec.as_bytes());
    }
    let parts = [
        program.comm,
        program.exe.0,
        program.cwd.0,
        program.argv.0,
        program.env.0,
    ];
    for part in parts {
        let len = u32::try_from(part.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(part);
    }
}

fn read_program(mut rest: Rest<'_>) -> Result<Program<'_>, FrameError> {
    let [flags] = rest.number()?;
    let exec = if flags & HAS_EXEC == 0 {
        None
    } else {
        let bytes = rest.bytes(size_of::<Exec>())?;
        Some(Exec::read_from_bytes(bytes).map_err(|_| FrameError::Cut)?)
    };
    let mut part = || {
        let len = rest.number::<4>().map(u32::from_le_bytes)?;
        rest.bytes(len as usize)
    };
    Ok(Program {
        comm: part()?,
        exe: Names(part()?),
        cwd: Names(part()?),
        argv: Strings(part()?),
        env: Strings(part()?),
        exec,
        env_cut: flags & ENV_CUT != 0,
    })
}

/// The bytes that are not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn bytes(&mut self, len: usize) -> Result<&'a [u8], FrameError> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(FrameError::Cut)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(FrameError::Cut)?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn key(&mut self) -> Result<Key, FrameError> {
        let bytes = self.bytes(size_of::<Key>())?;
        Key::read_from_bytes(bytes).map_err(|_| FrameError::Cut)
    }

    fn json<T: serde::de::DeserializeOwned>(&self, kind: Kind) -> Result<T, FrameError> {
        let wrong = |error: serde_json::Error| FrameError::Content(kind as u8, error.to_string());
        serde_json::from_slice(self.0).map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use sensor_ebpf::{Kind as Event, Kinds};

    use super::*;

    fn frames() -> Vec<Frame<'static>> {
        let id = ContainerId::new(b"0123456789ab").unwrap();
        let key = Key::read_from_bytes(&[7; size_of::<Key>()]).unwrap();
        let event = |place| {
            Frame::Event(EventFrame {
                number: 9,
                boot_to_utc: -5,
                place,
                record: b"record",
            })
        };
        vec![
            Frame::Header(Header {
                hostname: "node".into(),
                ..Header::default()
            }),
            event(Where::Host),
            event(Where::Container(3)),
            event(Where::Unknown(id)),
            Frame::Program(
                key,
                Some(Program {
                    comm: b"sh",
                    argv: Strings(b"sh\0-c\0"),
                    exe: Names(b"sh\0bin\0"),
                    cwd: Names(b""),
                    env: Strings(b"A=1\0"),
                    env_cut: true,
                    exec: Some(Exec::default()),
                }),
            ),
            Frame::Program(key, None),
            Frame::Container(3, Box::new(Container::new(id, "containerd"))),
            Frame::Owner(OwnerFrame {
                container: Some(id),
                number: 33,
                is_group: false,
                texts: Some(["www".into(), "/var/www".into(), "".into()]),
            }),
            Frame::Domain([127, 0, 0, 1].into(), ["localhost".into()].into()),
            Frame::Counts(vec![KindCounts::default()]),
            Frame::Captured(Captured::of(Kinds::NONE.with(Event::Exec))),
            Frame::Throttled(vec![ThrottledFrame {
                container: Some(id),
                events: 7,
            }]),
            Frame::Gap(12),
            Frame::Apart,
            Frame::Own(OwnFrame {
                priority: "Notice".into(),
                time: 7,
                json: "{}".into(),
                text: "Notice gap".into(),
            }),
        ]
    }

    #[test]
    fn frames_are_read_as_they_were_written() {
        let mut bytes = Vec::new();
        for frame in frames() {
            frame.write(&mut bytes);
        }
        let mut rest = &bytes[..];
        for expected in frames() {
            let read = Frame::read(&mut rest).unwrap().unwrap();
            assert_eq!(format!("{read:?}"), format!("{expected:?}"));
        }
        assert!(Frame::read(&mut rest).unwrap().is_none());
    }

    #[test]
    fn frames_that_are_cut_anywhere_are_errors() {
        for frame in frames() {
            let mut bytes = Vec::new();
            frame.write(&mut bytes);
            for end in 1..bytes.len() {
                let cut = Frame::read(&mut &bytes[..end]);
                assert_eq!(cut.err(), Some(FrameError::Cut), "{frame:?} {end}");
            }
        }
    }

    #[test]
    fn a_frame_of_an_unknown_kind_is_left_out() {
        let mut bytes = vec![200, 3, 0, 0, 0, 1, 2, 3];
        Frame::Gap(1).write(&mut bytes);
        let read = Frame::read(&mut &bytes[..]).unwrap().unwrap();
        assert!(matches!(read, Frame::Gap(1)));
    }

    #[test]
    fn wrong_content_is_an_error_that_says_why() {
        let mut bytes = Vec::new();
        let container = Container::new(ContainerId::UNKNOWN, "nobody's");
        Frame::Container(1, Box::new(container)).write(&mut bytes);
        let error = Frame::read(&mut &bytes[..]).unwrap_err();
        assert!(error.to_string().contains("no runtime is named"), "{error}");
    }
}
