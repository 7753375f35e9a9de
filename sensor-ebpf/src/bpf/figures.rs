//! What a process uses: threads, memory, faults, descriptors. The programs gather these figures only
//! while a rule asks for them.

use sensor_ebpf::{ABSENT, Figures, STDIO, Settings, want};

use super::{
    kernel::{kread, load, off},
    socket::descriptor,
};

/// `RLIMIT_NOFILE` of include/uapi/asm-generic/resource.h.
const RLIMIT_NOFILE: u64 = 7;
/// Bytes of a `struct rlimit`.
const RLIMIT: u64 = 16;
/// `MM_FILEPAGES`, `MM_ANONPAGES`, `MM_SWAPENTS`, `MM_SHMEMPAGES` of include/linux/mm_types_task.h.
const FILE_PAGES: u64 = 0;
const ANONYMOUS_PAGES: u64 = 1;
const SWAPPED: u64 = 2;
const SHARED_PAGES: u64 = 3;
/// Words of the bitmap of open descriptors that the programs count.
const WORDS: u64 = Figures::DESCRIPTORS_MAX as u64 / 64;

/// Fills in the figures of a task's process, if user space wants them; observers always do.
#[inline(always)]
pub fn fill(out: &mut Figures, settings: &Settings, watched: bool, task: u64) {
    if settings.wants & want::FIGURES == 0 && !watched {
        *out = Figures::NONE;
        return;
    }
    let signal: u64 = load(task + off!(task_signal));
    let mm: u64 = load(task + off!(task_mm));
    out.threads = load(signal + off!(signal_nr_threads));
    out.descriptors_limit = kread(signal + off!(signal_rlim) + RLIMIT_NOFILE * RLIMIT);
    out.major_faults = load(task + off!(task_maj_flt));
    out.minor_faults = load(task + off!(task_min_flt));
    out.virtual_pages = load(mm + off!(mm_total_vm));
    out.resident_pages =
        pages(mm, FILE_PAGES) + pages(mm, ANONYMOUS_PAGES) + pages(mm, SHARED_PAGES);
    out.swapped_pages = pages(mm, SWAPPED);
    out.descriptors = descriptors(task);
    for fd in 0..STDIO {
        out.stdio[fd] = form(task, fd as i32);
    }
}

/// A counter of pages of an address space: an array of words, since 6.2 of counters with a part for
/// each CPU. The parts are small, and the sum leaves them out, as most readers in the kernel do.
#[inline(always)]
fn pages(mm: u64, counter: u64) -> u64 {
    let plain = off!(mm_rss_words);
    let pages: i64 = if plain == u64::from(ABSENT) {
        // The pointer to the parts is the last member.
        let size = off!(percpu_counter_counters) + 8;
        kread(mm + off!(mm_rss_stat) + counter * size + off!(percpu_counter_count))
    } else {
        kread(mm + plain + counter * 8)
    };
    if pages < 0 { 0 } else { pages as u64 }
}

/// The number of open descriptors.
#[inline(always)]
fn descriptors(task: u64) -> u32 {
    let files: u64 = load(task + off!(task_files));
    let table: u64 = load(files + off!(files_fdt));
    let size: u32 = load(table + off!(fdtable_max_fds));
    let bits: u64 = load(table + off!(fdtable_open_fds));
    let mut open = 0;
    for word in 0..WORDS {
        if word * 64 >= u64::from(size) {
            break;
        }
        open += kread::<u64>(bits + word * 8).count_ones();
    }
    open
}

/// What a descriptor is, see [`Figures::stdio`].
#[inline(always)]
fn form(task: u64, fd: i32) -> u16 {
    let descriptor = descriptor(task, fd);
    if descriptor.file == 0 {
        return 0;
    }
    if descriptor.sock != 0 {
        return Figures::SOCKET | kread::<u16>(descriptor.sock + off!(sock_family));
    }
    let inode: u64 = kread(descriptor.file + off!(file_f_inode));
    let mode: u16 = kread(inode + off!(inode_i_mode));
    Figures::OPEN | mode >> 12
}
