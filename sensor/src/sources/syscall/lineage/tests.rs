use std::sync::atomic::{AtomicU64, Ordering};

use metadata::process;

use super::*;
use crate::sources::syscall::event::{
    Connect,
    builder::{RecordBuilder, set_comm},
};

fn observe(lineage: &mut Lineage, tgid: u32, time: u64, argv: &[&str]) -> Task {
    let mut record = RecordBuilder::exec("/usr/bin/sh", argv);
    record.task.image_tgid = tgid;
    record.task.image_time = time;
    let bytes = record.build();
    lineage.observe(&Event::decode(&bytes).expect("a record"));
    record.task
}

#[test]
fn the_program_of_an_exec_is_found_by_its_image() {
    let mut lineage = Lineage::new();
    let task = observe(&mut lineage, 5, 77, &["sh", "-c", "x"]);
    let program = lineage.of(&task).expect("known");
    assert_eq!(program.comm, b"sh");
    assert_eq!(program.argv.0, b"sh\0-c\0x\0");
    assert_eq!(program.exe.0, b"sh\0bin\0usr\0");
}

#[test]
fn another_exec_of_the_same_process_is_another_program() {
    let mut lineage = Lineage::new();
    let first = observe(&mut lineage, 5, 77, &["one"]);
    let second = observe(&mut lineage, 5, 78, &["two"]);
    assert_eq!(lineage.of(&first).expect("known").argv.0, b"one\0");
    assert_eq!(lineage.of(&second).expect("known").argv.0, b"two\0");
}

/// Prepares an event of a process that runs the same program and whose fields need that program.
fn ask(lineage: &mut Lineage, task: &Task) -> bool {
    let mut record = RecordBuilder::connect(Connect::default());
    record.task = *task;
    let bytes = record.build();
    lineage.prepare(&Event::decode(&bytes).expect("a record"), true, 0);
    lineage.of(task).is_some()
}

#[test]
fn a_flood_of_short_lived_processes_leaves_the_programs_in_use() {
    let mut lineage = Lineage::new();
    let kept = observe(&mut lineage, 1, 1, &["kept"]);
    let unused = observe(&mut lineage, 1, 2, &["unused"]);
    for i in 0..3 * PROGRAMS_MAX as u64 {
        let argv = "x".repeat(usize::try_from(i % 500).unwrap());
        let task = observe(&mut lineage, 2, 100 + i, &[&argv]);
        let program = lineage.of(&task).expect("known");
        assert_eq!(program.argv.0, format!("{argv}\0").as_bytes());
        if i % 100 == 0 {
            assert!(ask(&mut lineage, &kept), "{i}");
        }
    }
    assert_eq!(lineage.of(&kept).expect("known").argv.0, b"kept\0");
    assert!(lineage.of(&unused).is_none());
    let (known, lookups) = lineage.figures();
    assert_eq!(known, PROGRAMS_MAX);
    assert_eq!(lookups.misses, 0);
    assert_eq!(lookups.evictions, 2 * PROGRAMS_MAX as u64 + 2);
}

#[test]
fn long_texts_replace_others_but_not_those_in_use() {
    let mut lineage = Lineage::new();
    let kept = observe(&mut lineage, 1, 1, &["kept"]);
    let long = "x".repeat(2 * STRINGS_MAX);
    for i in 0..2000 {
        let task = observe(&mut lineage, 2, 100 + i, &[&long]);
        assert_eq!(lineage.of(&task).expect("known").argv.0.len(), STRINGS_MAX);
        assert!(ask(&mut lineage, &kept), "{i}");
    }
    let (known, _) = lineage.figures();
    assert!((500..1000).contains(&known), "{known}");
}

#[test]
fn a_program_with_two_events_is_kept_once() {
    let mut lineage = Lineage::new();
    for n in 0..100_000 {
        observe(&mut lineage, 5, 77, &[&n.to_string()]);
    }
    let task = observe(&mut lineage, 5, 77, &["last"]);
    assert_eq!(lineage.of(&task).expect("known").argv.0, b"last\0");
    assert_eq!(lineage.figures().0, 1);
}

#[test]
fn a_running_process_is_known_by_its_start() {
    let lineage = Lineage::scan(Path::new("/proc"), None, Arc::default());
    let me = processes(Path::new("/proc"), false)
        .into_iter()
        .find(|p| p.tgid == std::process::id())
        .expect("this process");
    let task = Task {
        image_tgid: me.tgid,
        image_start: me.start_ticks * TICK_NS + 1234,
        ..Task::default()
    };
    let program = lineage.of(&task).expect("known");
    assert_eq!(program.argv.0, me.argv);
    let mut cwd = Vec::new();
    program.cwd.write_path(&mut cwd);
    assert_eq!(cwd, me.cwd);
}

/// A connect of a process that no event has reported.
fn connect_of(process: &Process, image_time: u64) -> RecordBuilder {
    let mut record = RecordBuilder::connect(Connect::default());
    record.task.tgid = process.tgid;
    record.task.start = process.start_ticks * TICK_NS + 1234;
    record.task.image_tgid = process.tgid;
    record.task.image_time = image_time;
    record.task.image_start = record.task.start;
    set_comm(
        &mut record.task.comm,
        &String::from_utf8_lossy(&process.comm),
    );
    record
}

/// The program in the cache after it has prepared that event, and how many programs the cache has
/// read from `/proc` or not found there.
fn prepare(lineage: &mut Lineage, record: &RecordBuilder) -> (Option<Vec<u8>>, u64, u64) {
    let bytes = record.build();
    lineage.prepare(&Event::decode(&bytes).expect("a record"), true, 0);
    let argv = lineage.of(&record.task).map(|known| known.argv.0.to_vec());
    let figure = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let counters = &lineage.counters;
    (
        argv,
        figure(&counters.programs_read_total),
        figure(&counters.programs_gone_total),
    )
}

fn this_process() -> Process {
    process(Path::new("/proc"), std::process::id(), true).expect("this process")
}

#[test]
fn a_dropped_program_is_read_again_while_its_process_runs() {
    let mut lineage = Lineage::scan(Path::new("/proc"), None, Arc::default());
    let (me, time) = (this_process(), 77);
    observe(&mut lineage, me.tgid, time, &["before"]);
    let connect = connect_of(&me, time);
    assert_eq!(
        prepare(&mut lineage, &connect),
        (Some(b"before\0".to_vec()), 0, 0)
    );
    for i in 0..2 * PROGRAMS_MAX as u64 {
        observe(&mut lineage, 2, 100 + i, &["x"]);
    }
    assert!(lineage.of(&connect.task).is_none());
    for _ in 0..3 {
        let found = prepare(&mut lineage, &connect);
        assert_eq!(found, (Some(me.argv.clone()), 1, 0));
    }
}

#[test]
fn the_cache_looks_once_for_a_process_that_has_ended() {
    let mut lineage = Lineage::scan(Path::new("/proc"), None, Arc::default());
    let mut gone = this_process();
    gone.start_ticks -= 1; // another process has its number now
    let connect = connect_of(&gone, 77);
    for _ in 0..3 {
        assert_eq!(prepare(&mut lineage, &connect), (None, 0, 1));
    }
}

#[test]
fn a_process_that_has_executed_another_program_does_not_give_its_former_one() {
    let mut lineage = Lineage::scan(Path::new("/proc"), None, Arc::default());
    let mut connect = connect_of(&this_process(), 77);
    set_comm(&mut connect.task.comm, "former");
    assert_eq!(prepare(&mut lineage, &connect), (None, 0, 1));
}

#[test]
fn any_process_of_the_event_that_runs_a_program_gives_that_program() {
    let mut lineage = Lineage::scan(Path::new("/proc"), None, Arc::default());
    let me = this_process();
    let mut connect = connect_of(&me, 77);
    let Task {
        start, image_start, ..
    } = connect.task;
    connect.task.tgid = u32::MAX;
    connect.ancestors = vec![Ancestor {
        start,
        image_time: 77,
        image_start,
        image_tgid: me.tgid,
        tgid: me.tgid,
        comm: connect.task.comm,
        ..Ancestor::default()
    }];
    assert_eq!(prepare(&mut lineage, &connect), (Some(me.argv), 1, 0));
}

#[test]
fn the_cache_does_not_read_programs_that_no_field_needs() {
    let mut lineage = Lineage::scan(Path::new("/proc"), None, Arc::default());
    let bytes = connect_of(&this_process(), 77).build();
    lineage.prepare(&Event::decode(&bytes).expect("a record"), false, 0);
    let counters = &lineage.counters;
    assert_eq!(counters.programs_read_total.load(Ordering::Relaxed), 0);
}
