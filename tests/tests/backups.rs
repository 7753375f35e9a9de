//! The backups of the eBPF programs, which work where the kernel preempts programs, on this kernel.

use std::{
    process::Command,
    ptr::null,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use sensor::sources::syscall::{
    capture::{Capture, CaptureRequest, HookMode, Options, Reach, Ring, Started, TreeMode},
    event::Event,
};
use sensor_ebpf::{Kind, Kinds, preempted};
use tests::{Statistics, connects::hooks};

/// Starts the kernel side with backups, which this kernel may not need.
fn with_backups(hooks: HookMode) -> Started {
    let options = Options {
        tree: TreeMode::Only(std::process::id()),
        hooks,
        backups: Some(preempted::TRACEPOINTS | preempted::FUNCTIONS),
        ..Options::default()
    };
    let request = CaptureRequest {
        reach: Reach::everywhere(Kinds::ALL),
        ..CaptureRequest::default()
    };
    Capture::start(&options, &request).expect("the programs run")
}

/// Starts the same, and detaches the first copies, as if the kernel skipped all of them.
fn only_backups(hooks: HookMode) -> Started {
    let mut started = with_backups(hooks);
    started.capture.detach_all_but_backups();
    started
}

/// The number of events of a program of that name, by kind.
fn events_of(ring: &mut Ring, is_it: impl Fn(&Event<'_>) -> bool) -> Vec<Kind> {
    let mut kinds = Vec::new();
    ring.drain(10_000, |bytes| {
        let event = Event::decode(bytes).expect("a whole record");
        if is_it(&event) {
            kinds.push(event.kind);
        }
    });
    kinds
}

/// Makes one event of each sort, by this process and a child: an exec, a failed exec, a refused
/// connect, and a failed call of `setns`.
fn do_everything(name: &str) {
    let program = format!("/nonexistent/{name}");
    Command::new(&program).spawn().expect_err("no such file");
    Command::new("/bin/true")
        .arg(name)
        .status()
        .expect("it runs");
    let path = format!("/nonexistent/{name}.sock");
    std::os::unix::net::UnixStream::connect(path).expect_err("no such path");
    let mark = libc::c_int::try_from(name.len()).expect("a short name");
    // SAFETY: there is no such descriptor.
    let answer = unsafe { libc::setns(-1, mark) };
    assert_eq!(answer, -1);
}

fn is_of(name: &str) -> impl Fn(&Event<'_>) -> bool {
    let file = format!("/nonexistent/{name}");
    let name = name.to_owned();
    move |event| {
        let connect = event
            .connect()
            .is_some_and(|c| c.path.starts_with(file.as_bytes()));
        let exec = event.exec().is_some_and(|exec| {
            exec.filename == file.as_bytes() || exec.argv.iter().any(|a| a == name.as_bytes())
        });
        let call = event.call();
        let call = call.is_some_and(|call| call.fixed.arguments[1] == name.len() as u64);
        connect || exec || call
    }
}

/// Makes the events under each hook mode, and checks that each event arrives once.
fn each_event_comes_once(what: &str, start: fn(HookMode) -> Started) {
    let modes = HookMode::TRIED.into_iter();
    for hooks in modes.filter(|mode| hooks().contains(&mode.name())) {
        let mut started = start(hooks);
        let name = format!("{what}-{hooks:?}");
        do_everything(&name);
        assert_eq!(
            events_of(&mut started.ring, is_of(&name)),
            [Kind::ExecFailed, Kind::Exec, Kind::Connect, Kind::Setns],
            "{hooks:?}"
        );
    }
}

#[test]
fn backups_report_the_events_for_which_the_kernel_skips_the_first_copies() {
    each_event_comes_once("backed_up", only_backups);
}

#[test]
fn backups_do_not_repeat_the_events_of_the_first_copies() {
    each_event_comes_once("once", with_backups);
}

/// Fails to connect that often, in this thread.
fn connect(times: usize) {
    for _ in 0..times {
        // SAFETY: the call gets neither a valid descriptor nor an address.
        unsafe { libc::connect(-1, null(), 0) };
    }
}

/// Takes the hooks of system calls away, and attaches them again.
fn detach_and_attach(started: &mut Started, between: impl FnOnce(&Started)) {
    let all = CaptureRequest {
        reach: Reach::everywhere(Kinds::ALL),
        ..CaptureRequest::default()
    };
    let execs = CaptureRequest::default();
    started.capture.apply(&execs).expect("the kernel agrees");
    between(started);
    started.capture.apply(&all).expect("as at the start");
}

#[test]
fn the_figures_of_programs_go_on_when_a_reload_detaches_and_attaches_them() {
    let _statistics = Statistics::on().expect("the kernel counts");
    let modes = HookMode::TRIED.into_iter();
    for hooks in modes.filter(|mode| hooks().contains(&mode.name())) {
        let mut started = with_backups(hooks);
        let runs = |started: &Started| -> u64 {
            let figures = started.programs.read().into_iter();
            let programs = ["fexit_connect", "exit_connect", "exit_connect_raw"];
            let figures = figures.filter(|figures| programs.contains(&figures.program));
            figures.map(|figures| figures.runs).sum()
        };
        connect(20);
        let before = runs(&started);
        assert!(before >= 20, "{before}: {hooks:?}");
        detach_and_attach(&mut started, |started| {
            assert!(runs(started) >= before, "{hooks:?}");
        });
        connect(20);
        let after = runs(&started);
        assert!(after >= before + 20, "{after} after {before}: {hooks:?}");
    }
}

#[test]
fn what_a_backup_does_before_its_program_is_attached_hides_no_skipped_run() {
    let modes = HookMode::TRIED.into_iter();
    for hooks in modes.filter(|mode| hooks().contains(&mode.name())) {
        let mut started = with_backups(hooks);
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !ended.load(Relaxed) {
                    connect(1);
                }
            });
            detach_and_attach(&mut started, |_| ());
            ended.store(true, Relaxed);
        });
        let unexplained = started.programs.unexplained();
        // A run may be in progress while both figures are read.
        assert!(unexplained < 10, "{unexplained}: {hooks:?}");
    }
}
