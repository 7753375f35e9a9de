//! Ids of processes that are unique over nodes and boots.

use std::hash::Hasher as _;

use bumpalo::format;
use rustc_hash::FxHasher;

use super::Context;

/// The id of a process: 16 hexadecimal digits, made from node, boot, process id and start, and then
/// the process id (the start in UTC would differ from boot to boot).
pub(super) fn id<'a>(c: &Context<'a>, tgid: u32, start: u64) -> &'a str {
    let mut hasher = FxHasher::default();
    hasher.write(c.hostname.as_bytes());
    hasher.write_u32(tgid);
    hasher.write_u64(start);
    hasher.write_u64(c.boot_id);
    format!(in c.arena, "{:016x}", hasher.finish()).into_bump_str()
}
