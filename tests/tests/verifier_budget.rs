//! The work of the verifier for each eBPF program, on this kernel: the kernel allows a million
//! instructions, and a load takes time.
//!
//! `cargo xtask test` provides the objects of each compiler on the machine; without it this is the
//! object in the sensor's binary.

use std::{collections::BTreeMap, fs};

use sensor::sources::syscall::capture::{
    BPF_OBJECT, Capture, CaptureRequest, HookMode, Options, ProgramFacts, Reach, Started, TreeMode,
};
use sensor_ebpf::{Kinds, preempted};
use tests::{connects::hooks, programs};

/// Most instructions that the verifier has walked for a program on any kernel (5.16 and later
/// report this), and the size of the loaded program in bytes. 6.1 has the most instructions.
type Figures = (&'static str, u32, u32);

/// The figures of the last measurement. A program may need a quarter more.
const LAST_MEASURED: &[Figures] = &[
    ("call_backup", 51_000, 18_952),
    ("call_raw_backup", 51_000, 19_648),
    ("connect_raw_backup", 113_000, 29_016),
    ("connect_backup", 113_000, 28_192),
    ("exec_raw_backup", 166_000, 25_320),
    ("exec_backup", 100_000, 26_240),
    ("execve_backup", 164_000, 25_008),
    ("exit_call", 51_000, 18_792),
    ("exit_call_raw", 51_000, 19_488),
    ("exit_connect", 113_000, 28_032),
    ("exit_connect_raw", 113_000, 28_856),
    ("exit_exec_raw", 166_000, 25_200),
    ("exit_execve", 164_000, 24_848),
    ("fexit_call", 51_000, 19_648),
    ("fexit_call_backup", 51_000, 19_648),
    ("fexit_connect", 113_000, 29_016),
    ("fexit_connect_backup", 113_000, 29_016),
    ("fexit_exec", 166_000, 25_320),
    ("fexit_exec_backup", 166_000, 25_320),
    ("fork_backup", 160, 1_040),
    ("process_exec", 100_000, 26_080),
    ("process_fork", 160, 1_040),
    ("sock_backup", 79_000, 29_048),
    ("sock_state", 79_000, 28_888),
];

/// How much more a program of one compiler may cost than that of another, in per cent.
const BETWEEN_COMPILERS: u32 = 10;

/// The hook modes that this kernel allows.
fn modes() -> impl Iterator<Item = HookMode> {
    let allowed = hooks();
    let tried = HookMode::TRIED.into_iter();
    tried.filter(move |mode| allowed.contains(&mode.name()))
}

/// The programs whose figures this kernel can give: programs on functions only where it allows them.
fn last_measured() -> impl Iterator<Item = &'static Figures> {
    let functions = modes().any(|mode| mode == HookMode::Fexit);
    let measured = LAST_MEASURED.iter();
    measured.filter(move |(name, ..)| functions || !name.starts_with("fexit"))
}

/// Loads every eBPF program of an object, for one hook mode after the other.
fn all_programs(object: &'static [u8]) -> BTreeMap<String, ProgramFacts> {
    let request = CaptureRequest {
        reach: Reach::everywhere(Kinds::ALL),
        ..CaptureRequest::default()
    };
    let mut all = BTreeMap::new();
    for hooks in modes() {
        let options = Options {
            object,
            tree: TreeMode::Only(std::process::id()),
            // The largest setting: the verifier has to prove bounds for the most bytes.
            argv_capacity: sensor_ebpf::ARGV_LIMIT_MAX,
            hooks,
            backups: Some(preempted::TRACEPOINTS | preempted::FUNCTIONS),
            ..Options::default()
        };
        let Started { capture, .. } = Capture::start(&options, &request).expect("the programs run");
        let programs = capture.facts().expect("the kernel says");
        all.extend(
            programs
                .into_iter()
                .map(|facts| (facts.name.clone(), facts)),
        );
    }
    all
}

/// The objects to check, by their compilers.
fn objects() -> Vec<(String, &'static [u8])> {
    let objects = programs::objects();
    if objects.is_empty() {
        return vec![("this build".to_owned(), BPF_OBJECT)];
    }
    let read = |(name, path)| {
        let bytes = fs::read(&path).expect("the object can be read");
        (name, &*bytes.leak())
    };
    objects.into_iter().map(read).collect()
}

/// A figure, and its change.
fn changed(is: Option<u32>, was: u32) -> String {
    is.map_or("unknown".to_owned(), |is| {
        let per_cent = (f64::from(is) / f64::from(was) - 1.0) * 100.0;
        format!("{is} ({per_cent:+.1} %)")
    })
}

#[test]
fn each_program_is_within_its_budget_whatever_compiler_made_it() {
    let objects = objects();
    let columns = objects
        .iter()
        .map(|(name, object)| (name, all_programs(object)));
    let columns: Vec<(&String, BTreeMap<String, ProgramFacts>)> = columns.collect();
    let mut exceeded = Vec::new();
    for (name, programs) in &columns {
        print!("| {name}: instructions verified | bytes left ");
        let expected = last_measured().count();
        assert_eq!(programs.len(), expected, "{name}: {programs:?}");
    }
    println!("| program |");
    for (program, verified, bytes) in last_measured() {
        let mut walked = Vec::new();
        for (name, programs) in &columns {
            let facts = programs
                .get(*program)
                .unwrap_or_else(|| panic!("{name} has no program {program}"));
            print!(
                "| {} | {} ",
                changed(facts.verified, *verified),
                changed(facts.translated, *bytes)
            );
            walked.extend(facts.verified);
            let over = |is: Option<u32>, was: u32| is.is_some_and(|is| is > was + was / 4);
            if over(facts.verified, *verified) || over(facts.translated, *bytes) {
                exceeded.push(format!("{program} of {name}: over budget"));
            }
        }
        println!("| `{program}` |");
        if let (Some(least), Some(most)) = (walked.iter().min(), walked.iter().max())
            && most - least > least * BETWEEN_COMPILERS / 100
        {
            exceeded.push(format!("{program}: {least} or {most}, by the compiler"));
        }
    }
    assert!(exceeded.is_empty(), "{exceeded:#?}");
}
