//! How much the verifier has to do with each program, on this kernel: there is a limit of a
//! million instructions, and a load takes time.

use std::collections::BTreeMap;

use sensor::capture::{Capture, HookMode, Options, ProgramFacts, Started, TreeMode, Wants};

/// Most instructions that the verifier may walk (kernel 5.16 and later tell), and most bytes
/// that are left of a program.
type Budget = (&'static str, u32, u32);

/// The largest of all kernels, and a quarter more.
const BUDGETS: &[Budget] = &[
    ("connect_raw_relief", 412_000, 54_500),
    ("connect_relief", 213_000, 27_000),
    ("exec_raw_relief", 600_000, 24_400),
    ("exec_relief", 198_000, 23_700),
    ("execve_relief", 406_000, 23_700),
    ("exit_connect", 206_000, 27_000),
    ("exit_connect_raw", 412_000, 54_500),
    ("exit_exec_raw", 600_000, 24_400),
    ("exit_execve", 406_000, 23_700),
    ("fork_relief", 200, 1_300),
    ("process_exec", 198_000, 23_700),
    ("process_fork", 200, 1_300),
    ("sock_relief", 124_000, 29_800),
    ("sock_state", 124_000, 29_800),
];

/// Loads every program: those of one mode after those of the other.
fn all_programs() -> BTreeMap<String, ProgramFacts> {
    let wants = Wants {
        exec_failed: true,
        connect: true,
        ..Wants::default()
    };
    let mut all = BTreeMap::new();
    for hooks in [HookMode::Perf, HookMode::Raw] {
        let options = Options {
            tree: TreeMode::Only(std::process::id()),
            // The largest: the most room that the verifier has to prove bounds for.
            argv_capacity: sensor_ebpf::ARGV_LIMIT_MAX,
            hooks,
            reliefs: Some(true),
            ..Options::default()
        };
        let Started { capture, .. } = Capture::start(&options, &wants).expect("the programs run");
        let programs = capture.facts().expect("the kernel tells");
        all.extend(
            programs
                .into_iter()
                .map(|facts| (facts.name.clone(), facts)),
        );
    }
    all
}

#[test]
fn each_program_is_within_its_budget() {
    let all = all_programs();
    let mut exceeded = Vec::new();
    println!(
        "| Program | Instructions verified | Budget | Bytes left | Budget |\n|---|---|---|---|---|"
    );
    for (name, facts) in &all {
        let (_, verified, translated) = BUDGETS
            .iter()
            .find(|(program, ..)| program == name)
            .unwrap_or_else(|| panic!("{name} has no budget"));
        let has = facts
            .verified
            .map_or("untold".to_owned(), |count| count.to_string());
        let bytes = facts.translated.unwrap_or_default();
        println!("| `{name}` | {has} | {verified} | {bytes} | {translated} |");
        if facts.verified.is_some_and(|count| count > *verified) || bytes > *translated {
            exceeded.push(name.clone());
        }
    }
    assert_eq!(all.len(), BUDGETS.len(), "{all:?}");
    assert!(exceeded.is_empty(), "over budget: {exceeded:?}");
}
