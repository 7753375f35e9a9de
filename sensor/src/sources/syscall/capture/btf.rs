//! Reads as much of BTF (<https://docs.kernel.org/bpf/btf.html>) as is needed to find the byte
//! offset of a structure's member, in the kernel or in a module.

use std::collections::{BTreeSet, HashMap};

const KIND_INT: u32 = 1;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_TYPEDEF: u32 = 8;
const KIND_VOLATILE: u32 = 9;
const KIND_CONST: u32 = 10;
const KIND_RESTRICT: u32 = 11;
const KIND_FUNC: u32 = 12;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;
const KIND_DECL_TAG: u32 = 17;
const KIND_TYPE_TAG: u32 = 18;
const KIND_ENUM64: u32 = 19;
/// The last kind that this module knows. A later kind has an unknown size, so nothing behind it can
/// be read.
const KIND_LAST: u32 = KIND_ENUM64;

/// Why a BTF file cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BtfError {
    /// The file is not BTF, or has the other byte order.
    #[error("not BTF of this machine's byte order")]
    Magic,
    /// The file ends too early, or an offset points outside of the file.
    #[error("it is cut or inconsistent")]
    Inconsistent,
    /// The file has a kind of type that this module does not know.
    #[error("it has types of the unknown kind {0}")]
    UnknownKind(u32),
}

/// The types of the kernel, or those of a module on top of the kernel's.
pub(super) struct Btf {
    data: Vec<u8>,
    types: std::ops::Range<usize>,
    strings: std::ops::Range<usize>,
    /// Number of the first type in this file. In a module's file the kernel's types and strings
    /// come before.
    first_type: u32,
    first_string: u32,
    positions: Vec<u32>,
    structs: HashMap<Box<[u8]>, u32>,
}

/// A type behind its typedefs and qualifiers.
struct Resolved<'a> {
    btf: &'a Btf,
    at: usize,
    kind: u32,
    members: usize,
    bit_fields: bool,
}

fn word(buf: &[u8], at: usize) -> Result<u32, BtfError> {
    buf.get(at..)
        .and_then(|rest| rest.first_chunk())
        .map(|bytes| u32::from_ne_bytes(*bytes))
        .ok_or(BtfError::Inconsistent)
}

impl Btf {
    /// Parses the contents of `/sys/kernel/btf/vmlinux`, or with a `base` those of a module's file
    /// in the same directory.
    pub(super) fn parse(data: Vec<u8>, base: Option<&Self>) -> Result<Self, BtfError> {
        if data.get(..2) != Some(&0xeb9f_u16.to_ne_bytes()) {
            return Err(BtfError::Magic);
        }
        let header = word(&data, 4)? as usize;
        let part = |at: usize| -> Result<std::ops::Range<usize>, BtfError> {
            let start = header
                .checked_add(word(&data, at)? as usize)
                .ok_or(BtfError::Inconsistent)?;
            let end = start
                .checked_add(word(&data, at + 4)? as usize)
                .ok_or(BtfError::Inconsistent)?;
            data.get(start..end)
                .map(|_| start..end)
                .ok_or(BtfError::Inconsistent)
        };
        let (types, strings) = (part(8)?, part(16)?);
        let mut btf = Self {
            first_type: base.map_or(1, |b| b.first_type + count(&b.positions)),
            first_string: base.map_or(0, |b| b.first_string + length(&b.strings)),
            data,
            types,
            strings,
            positions: Vec::new(),
            structs: HashMap::new(),
        };
        btf.index()?;
        Ok(btf)
    }

    fn index(&mut self) -> Result<(), BtfError> {
        let mut at = self.types.start;
        while at < self.types.end {
            let id = self.first_type + count(&self.positions);
            self.positions
                .push(u32::try_from(at).map_err(|_| BtfError::Inconsistent)?);
            let info = word(&self.data, at + 4)?;
            let (kind, members) = (kind(info), (info & 0xffff) as usize);
            let name = word(&self.data, at)?;
            if matches!(kind, KIND_STRUCT | KIND_UNION) && name >= self.first_string && name != 0 {
                let name: Box<[u8]> = self.own_string(name)?.into();
                self.structs.entry(name).or_insert(id);
            }
            at += 12
                + match kind {
                    KIND_INT | KIND_VAR | KIND_DECL_TAG => 4,
                    KIND_ARRAY => 12,
                    KIND_STRUCT | KIND_UNION | KIND_DATASEC | KIND_ENUM64 => 12 * members,
                    KIND_ENUM | KIND_FUNC_PROTO => 8 * members,
                    other if other > KIND_LAST => return Err(BtfError::UnknownKind(other)),
                    _ => 0,
                };
        }
        Ok(())
    }

    fn own_string(&self, offset: u32) -> Result<&[u8], BtfError> {
        let start = offset
            .checked_sub(self.first_string)
            .ok_or(BtfError::Inconsistent)? as usize;
        let tail = self.data[self.strings.clone()]
            .get(start..)
            .ok_or(BtfError::Inconsistent)?;
        let end = memchr::memchr(0, tail).ok_or(BtfError::Inconsistent)?;
        Ok(&tail[..end])
    }

    /// A string of this file, or of its base.
    fn string<'a>(&'a self, offset: u32, base: Option<&'a Self>) -> Result<&'a [u8], BtfError> {
        match base {
            Some(base) if offset < self.first_string => base.own_string(offset),
            _ => self.own_string(offset),
        }
    }

    fn resolve<'a>(
        &'a self,
        mut id: u32,
        base: Option<&'a Self>,
    ) -> Result<Resolved<'a>, BtfError> {
        for _ in 0..32 {
            let btf = match base {
                Some(base) if id < self.first_type => base,
                _ => self,
            };
            let index = id
                .checked_sub(btf.first_type)
                .ok_or(BtfError::Inconsistent)?;
            let at = *btf
                .positions
                .get(index as usize)
                .ok_or(BtfError::Inconsistent)? as usize;
            let info = word(&btf.data, at + 4)?;
            let kind = kind(info);
            match kind {
                KIND_TYPEDEF | KIND_VOLATILE | KIND_CONST | KIND_RESTRICT | KIND_TYPE_TAG => {
                    id = word(&btf.data, at + 8)?;
                }
                _ => {
                    return Ok(Resolved {
                        btf,
                        at,
                        kind,
                        members: (info & 0xffff) as usize,
                        bit_fields: info >> 31 == 1,
                    });
                }
            }
        }
        Err(BtfError::Inconsistent)
    }

    /// Bit offset and type of a member; also looks into anonymous members.
    fn member(
        &self,
        id: u32,
        name: &[u8],
        base: Option<&Self>,
        depth: u32,
    ) -> Result<Option<(u32, u32)>, BtfError> {
        let ty = self.resolve(id, base)?;
        if !matches!(ty.kind, KIND_STRUCT | KIND_UNION) || depth > 16 {
            return Ok(None);
        }
        for i in 0..ty.members {
            let at = ty.at + 12 + 12 * i;
            let member_name = self.string(word(&ty.btf.data, at)?, base)?;
            let member_type = word(&ty.btf.data, at + 4)?;
            let mut offset = word(&ty.btf.data, at + 8)?;
            if ty.bit_fields {
                offset &= 0x00ff_ffff;
            }
            if member_name == name {
                return Ok(Some((offset, member_type)));
            }
            if member_name.is_empty()
                && let Some((inner, ty)) = self.member(member_type, name, base, depth + 1)?
            {
                return Ok(Some((offset + inner, ty)));
            }
        }
        Ok(None)
    }

    /// The number of a function's type; none if there is no such function.
    pub(super) fn function(&self, name: &str) -> Result<Option<u32>, BtfError> {
        let strings = &self.data[self.strings.clone()];
        let text = [b"\0", name.as_bytes(), b"\0"].concat();
        let Some(found) = memchr::memmem::find(strings, &text) else {
            return Ok(None);
        };
        // Each string is in the file once, so its offset identifies it.
        let name = self.first_string + u32::try_from(found + 1).unwrap_or(u32::MAX);
        for (id, at) in (self.first_type..).zip(&self.positions) {
            let at = *at as usize;
            if word(&self.data, at)? == name && kind(word(&self.data, at + 4)?) == KIND_FUNC {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Those of these functions that the kernel has.
    pub(super) fn functions<'n>(
        &self,
        names: &BTreeSet<&'n str>,
    ) -> Result<BTreeSet<&'n str>, BtfError> {
        let mut found = BTreeSet::new();
        for at in &self.positions {
            let at = *at as usize;
            if kind(word(&self.data, at + 4)?) == KIND_FUNC {
                let name = self.own_string(word(&self.data, at)?)?;
                let name = std::str::from_utf8(name).unwrap_or_default();
                found.extend(names.get(name));
            }
        }
        Ok(found)
    }

    /// The number of a structure's type; none if there is no such structure.
    pub(super) fn structure(&self, name: &str) -> Option<u32> {
        self.structs.get(name.as_bytes()).copied()
    }

    /// Bytes of a structure; none if there is no such structure.
    pub(super) fn size_of(&self, name: &str) -> Result<Option<u32>, BtfError> {
        let Some(&id) = self.structs.get(name.as_bytes()) else {
            return Ok(None);
        };
        let ty = self.resolve(id, None)?;
        word(&ty.btf.data, ty.at + 8).map(Some)
    }

    /// Byte offset of a member path such as `dentry.d_name.name`; none if there is no such
    /// structure or member, or if the member is a bit field.
    pub(super) fn offset_of(
        &self,
        path: &str,
        base: Option<&Self>,
    ) -> Result<Option<u32>, BtfError> {
        let mut parts = path.split('.');
        let root = parts.next().unwrap_or_default();
        let Some(&(mut id)) = self.structs.get(root.as_bytes()) else {
            return Ok(None);
        };
        let mut bits = 0;
        for part in parts {
            let Some((offset, ty)) = self.member(id, part.as_bytes(), base, 0)? else {
                return Ok(None);
            };
            bits += offset;
            id = ty;
        }
        Ok(bits.is_multiple_of(8).then_some(bits / 8))
    }
}

fn kind(info: u32) -> u32 {
    (info >> 24) & 0x1f
}

fn count(positions: &[u32]) -> u32 {
    u32::try_from(positions.len()).unwrap_or(u32::MAX)
}

fn length(range: &std::ops::Range<usize>) -> u32 {
    u32::try_from(range.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vmlinux() -> Btf {
        let data = std::fs::read("/sys/kernel/btf/vmlinux").expect("the kernel has BTF");
        Btf::parse(data, None).expect("the kernel's BTF can be read")
    }

    #[test]
    fn finds_members_of_anonymous_structures() {
        let btf = vmlinux();
        for path in [
            "dentry.d_name.name",
            "file.f_path",
            "sock.__sk_common.skc_daddr",
        ] {
            assert!(
                btf.offset_of(path, None).expect("consistent").is_some(),
                "{path}"
            );
        }
    }

    #[test]
    fn knows_the_size_of_a_structure() {
        let btf = vmlinux();
        assert!(
            btf.size_of("pt_regs")
                .expect("consistent")
                .is_some_and(|n| n >= 168)
        );
        assert_eq!(btf.size_of("nonsense"), Ok(None));
    }

    #[test]
    fn finds_a_function_although_a_structure_has_the_same_name() {
        let btf = vmlinux();
        let function = btf.function("do_exit").expect("consistent");
        let at = btf.positions[(function.expect("it is there") - btf.first_type) as usize];
        let info = word(&btf.data, at as usize + 4).expect("a type");
        assert_eq!(kind(info), KIND_FUNC);
        assert_eq!(btf.function("task_struct"), Ok(None));
        assert_eq!(btf.function("nonsense"), Ok(None));
    }

    #[test]
    fn an_unknown_member_is_none() {
        let btf = vmlinux();
        assert_eq!(btf.offset_of("task_struct.nonsense", None), Ok(None));
        assert_eq!(btf.offset_of("nonsense.pid", None), Ok(None));
    }

    #[test]
    fn cut_files_are_refused_without_a_panic() {
        let data = std::fs::read("/sys/kernel/btf/vmlinux").expect("the kernel has BTF");
        for len in [0, 1, 4, 23, 24, 100, data.len() / 2, data.len() - 1] {
            assert!(Btf::parse(data[..len].to_vec(), None).is_err(), "{len}");
        }
        assert!(matches!(
            Btf::parse(vec![0; 64], None),
            Err(BtfError::Magic)
        ));
    }
}
