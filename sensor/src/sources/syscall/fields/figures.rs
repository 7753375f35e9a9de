//! What the process uses: threads, memory, faults, descriptors. The kernel side reads these figures
//! at the event, so that they are there for a process that ends at once too.

use sensor_ebpf::{Figures, STDIO};

use super::{Context, Field, Needs, Type, Value, registry::Getter};
use crate::sources::syscall::event::Task;

const fn figure(name: &'static str, doc: &'static str, get: Getter) -> Field {
    Field::new(name, Type::Number, Needs::FIGURES, doc, get)
}

const fn stream(name: &'static str, doc: &'static str, get: Getter) -> Field {
    Field::new(name, Type::String, Needs::FIGURES, doc, get)
}

/// Bytes of a page. Of the kernels that the sensor supports, none has another size.
const PAGE: u64 = 4096;

/// Rows of the registry.
pub(super) static FIELDS: &[Field] = &[
    figure(
        "proc.nthreads",
        "Threads of the process, its first one included.",
        |c, _| of(c, |f| f.threads.into()),
    ),
    figure(
        "proc.nchilds",
        "Threads of the process beside its first one.",
        |c, _| of(c, |f| f.threads.saturating_sub(1).into()),
    ),
    figure(
        "proc.fdopencount",
        "Open descriptors of the process, of the first 16,384.",
        |c, _| of(c, |f| f.descriptors.into()),
    ),
    figure(
        "proc.fdlimit",
        "Descriptors that the process may have open.",
        |c, _| of(c, |f| f.descriptors_limit),
    ),
    figure(
        "proc.fdusage",
        "`proc.fdopencount` in per cent of `proc.fdlimit`, rounded down.",
        |c, _| {
            of(c, |f| {
                let open = u64::from(f.descriptors) * 100;
                open.checked_div(f.descriptors_limit).unwrap_or(100)
            })
        },
    ),
    figure(
        "proc.vmsize",
        "Size of the process's address space in KiB.",
        |c, _| of(c, |f| kib(f.virtual_pages)),
    ),
    figure(
        "proc.vmrss",
        "Memory of the process in KiB, as the kernel counts it: some pages for each CPU may be missing.",
        |c, _| of(c, |f| kib(f.resident_pages)),
    ),
    figure(
        "proc.vmswap",
        "Memory of the process that is in swap, in KiB.",
        |c, _| of(c, |f| kib(f.swapped_pages)),
    ),
    figure(
        "thread.vmsize",
        "`proc.vmsize` for the first thread of a process, 0 for its others.",
        |c, _| of_first(c, |f| kib(f.virtual_pages)),
    ),
    figure(
        "thread.vmrss",
        "`proc.vmrss` for the first thread of a process, 0 for its others.",
        |c, _| of_first(c, |f| kib(f.resident_pages)),
    ),
    figure("thread.vmsize.b", "`thread.vmsize` in bytes.", |c, _| {
        of_first(c, |f| f.virtual_pages.saturating_mul(PAGE))
    }),
    figure("thread.vmrss.b", "`thread.vmrss` in bytes.", |c, _| {
        of_first(c, |f| f.resident_pages.saturating_mul(PAGE))
    }),
    figure(
        "thread.pfmajor",
        "Page faults of the thread that had to read from a disk.",
        |c, _| of(c, |f| f.major_faults),
    ),
    figure(
        "thread.pfminor",
        "Page faults of the thread that had not.",
        |c, _| of(c, |f| f.minor_faults),
    ),
    stream(
        "proc.stdin.type",
        "What descriptor 0 is: `file`, `directory`, `pipe`, `ipv4`, `ipv6`, `unix`, `netlink`, …; null if not open.",
        |c, _| kind(c, 0),
    ),
    stream(
        "proc.stdout.type",
        "What descriptor 1 is, as `proc.stdin.type`.",
        |c, _| kind(c, 1),
    ),
    stream(
        "proc.stderr.type",
        "What descriptor 2 is, as `proc.stdin.type`.",
        |c, _| kind(c, 2),
    ),
];

fn figures<'a>(c: &Context<'a>) -> Option<&'a Figures> {
    let Task { figures, .. } = &c.event.task;
    (figures.threads > 0).then_some(figures)
}

fn of(c: &Context<'_>, get: fn(&Figures) -> u64) -> Value<'static> {
    figures(c).map_or(Value::Absent, |figures| Value::Uint(get(figures)))
}

/// A figure that counts for the first thread of a process alone.
fn of_first(c: &Context<'_>, get: fn(&Figures) -> u64) -> Value<'static> {
    let is_first = c.event.task.tid == c.event.task.tgid;
    figures(c).map_or(Value::Absent, |figures| {
        Value::Uint(if is_first { get(figures) } else { 0 })
    })
}

fn kib(pages: u64) -> u64 {
    pages.saturating_mul(PAGE / 1024)
}

/// What a standard stream is.
fn kind(c: &Context<'_>, fd: usize) -> Value<'static> {
    const _: () = assert!(STDIO == 3);
    let form = figures(c).map_or(0, |figures| figures.stdio[fd]);
    if form == 0 {
        return Value::Absent;
    }
    let socket = form & Figures::SOCKET != 0;
    let form = i32::from(form & !(Figures::SOCKET | Figures::OPEN));
    Value::Str(match (socket, form) {
        (true, libc::AF_INET) => "ipv4",
        (true, libc::AF_INET6) => "ipv6",
        (true, libc::AF_UNIX) => "unix",
        (true, libc::AF_NETLINK) => "netlink",
        (true, libc::AF_PACKET) => "packet",
        (true, _) => "socket",
        (false, DIRECTORY) => "directory",
        (false, FIFO) => "pipe",
        // Regular files and devices, as in Falco.
        (false, REGULAR | CHARACTER | BLOCK) => "file",
        (false, _) => "other",
    })
}

const FIFO: i32 = (libc::S_IFIFO >> 12).cast_signed();
const CHARACTER: i32 = (libc::S_IFCHR >> 12).cast_signed();
const DIRECTORY: i32 = (libc::S_IFDIR >> 12).cast_signed();
const BLOCK: i32 = (libc::S_IFBLK >> 12).cast_signed();
const REGULAR: i32 = (libc::S_IFREG >> 12).cast_signed();
