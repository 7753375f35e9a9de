//! How much the verifier has to do with each program, on this kernel: there is a limit of a
//! million instructions, and a load takes time.

use std::collections::BTreeMap;

use sensor::capture::{Capture, HookMode, Options, ProgramFacts, Started, TreeMode, Wants};

/// How many instructions the verifier has walked at most, on any kernel (5.16 and later tell), and
/// how many bytes were left of the program. Of instructions 6.1 has the most.
type Figures = (&'static str, u32, u32);

/// Those that were written down last. A program may need a quarter more.
const WRITTEN_DOWN: &[Figures] = &[
    ("connect_raw_relief", 107_680, 24_720),
    ("connect_relief", 106_880, 21_600),
    ("exec_raw_relief", 159_680, 19_520),
    ("exec_relief", 84_000, 18_960),
    ("execve_relief", 157_280, 18_960),
    ("exit_connect", 106_880, 21_600),
    ("exit_connect_raw", 107_680, 24_720),
    ("exit_exec_raw", 159_680, 19_520),
    ("exit_execve", 157_280, 18_960),
    ("fork_relief", 160, 1_040),
    ("process_exec", 84_000, 18_960),
    ("process_fork", 160, 1_040),
    ("sock_relief", 67_840, 23_840),
    ("sock_state", 67_840, 23_840),
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

/// A figure, and by how much it has changed.
fn changed(is: Option<u32>, was: u32) -> String {
    is.map_or("untold".to_owned(), |is| {
        let per_cent = (f64::from(is) / f64::from(was) - 1.0) * 100.0;
        format!("{is} ({per_cent:+.1} %)")
    })
}

#[test]
fn each_program_is_within_its_budget() {
    let all = all_programs();
    let mut exceeded = Vec::new();
    println!("| Program | Instructions verified | Bytes left |\n|---|---|---|");
    for (name, facts) in &all {
        let (_, verified, bytes) = WRITTEN_DOWN
            .iter()
            .find(|(program, ..)| program == name)
            .unwrap_or_else(|| panic!("{name} has no budget"));
        println!(
            "| `{name}` | {} | {} |",
            changed(facts.verified, *verified),
            changed(facts.translated, *bytes)
        );
        let over = |is: Option<u32>, was: u32| is.is_some_and(|is| is > was + was / 4);
        if over(facts.verified, *verified) || over(facts.translated, *bytes) {
            exceeded.push(name.clone());
        }
    }
    assert_eq!(all.len(), WRITTEN_DOWN.len(), "{all:?}");
    assert!(exceeded.is_empty(), "over budget: {exceeded:?}");
}
